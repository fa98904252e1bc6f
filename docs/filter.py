"""What Doxygen gets instead of a header: our plain comments in its notation. Usage: filter.py HEADER

The headers are written to be read; this turns their layout (arguments in columns, `Errors:`, comments behind fields)
into lists and paragraphs, and changes neither the code nor the number of lines before a declaration by more than it must.
"""
import re
import sys

ARGUMENT = re.compile(r'^( \*) {3}(\w+(?:, \w+)*) {2,}(\S.*)$')
HEADING = re.compile(r'^( \*) (Errors|Cost|Source)\b([^:]*):\s+(\S.*)$')
ERROR = re.compile(r'^( \*) {8,}(SABAL_E\w+) {2,}(\S.*)$')
FIRST_ERROR = re.compile(r'^(SABAL_E\w+) {2,}(\S.*)$')


def contract(lines):
    """The lines of one block comment."""
    out, in_list = [], False
    for line in lines:
        argument, heading, error = ARGUMENT.match(line), HEADING.match(line), ERROR.match(line)
        if heading:
            text = heading[4]
            first = FIRST_ERROR.match(text)
            out.append(f' * \\par {heading[2]}{heading[3]}')
            out.append(f' * - {first[1]}: {first[2]}' if first else f' * {text}')
            in_list = bool(first)
        elif error:
            out.append(f' * - {error[2]}: {error[3]}')
            in_list = True
        elif argument:
            out.append(f' * - <tt>{argument[2]}</tt>: {argument[3]}')
            in_list = True
        elif in_list and re.match(r'^ \* {4,}\S', line):
            out.append(' *   ' + line[2:].strip())
        else:
            in_list = in_list and line.strip() != '*'
            out.append(line)
    return out


def main():
    with open(sys.argv[1]) as file:
        lines = file.read().split('\n')
    if lines[0].startswith('/* '):
        lines[0] = '/** \\file\n * ' + lines[0][3:]
    out, block = [], None
    for line in lines:
        if block is not None:
            block.append(line)
        elif re.match(r'^\s*/\*\*(\s|$)', line) and '*/' not in line:
            block = [line]
        else:
            # a comment behind a field or an enumerator
            line = re.sub(r'^(\s.*[;,]\s*)/\* ', r'\1/**< ', line)
            line = re.sub(r'^(\s+SABAL_\w+\s*=\s*\d+\s*)/\* ', r'\1/**< ', line)
            behind = re.match(r'^SABAL_API\b.*\bsabal_(\w+)_with\(', line)
            if behind and not out[-1].rstrip().endswith('*/'):
                out.append(f'/** What sabal_{behind[1]}() calls: its options in a structure, NULL for all defaults. */')
            out.append(line)
        if block is not None and '*/' in line:
            out += contract(block)
            block = None
    sys.stdout.write('\n'.join(out))


main()
