"""The drawing is tested: floors, headers, names, contracts. Usage: layout.py CHECK ROOT BUILD

Each check returns the list of what is wrong and the number of things it looked at; nothing looked at is wrong too.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What each floor stands on. Public headers belong to floors too: <sabal/NAME.h> is the door of one of them.
FLOORS = {
    'base': set(),
    'sched': {'base'},
    'value': {'base'},
    'graph': {'base', 'sched', 'value'},
    'cluster': {'base', 'sched', 'value', 'graph'},
    'kernel': {'base', 'value'},
    'io': {'base', 'value'},
    'array': {'base', 'value', 'graph', 'kernel', 'io'},
    'ml': {'base', 'value', 'graph', 'kernel', 'array'},
}
DOORS = {'status': 'base', 'version': 'base', 'memory': 'base', 'client': 'base', 'job': 'sched', 'loop': 'sched', 'graph': 'sched',
         'pool': 'sched', 'value': 'value', 'task': 'graph', 'cluster': 'cluster', 'file': 'io', 'array': 'array',
         'ml': 'ml'}
PUBLIC = re.compile(r'^sabal/(\w+)\.h$')
WARNINGS = ['-Wall', '-Wextra', '-Wshadow', '-Werror']


def includes(path):
    text = path.read_text()
    for m in re.finditer(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.M):
        yield text.count('\n', 0, m.start()) + 1, m[1] == '"', m[2]


def sources(*folders):
    return sorted(p for f in folders for p in f.rglob('*') if p.suffix in ('.c', '.h', '.inc', '.cpp', '.hpp'))


def check_floors(root, build):
    """No include points upward or sideways; what stands outside sees the public headers alone."""
    wrong, files = [], sources(root / 'src')
    for path in files:
        floor = path.relative_to(root / 'src').parts[0]
        if floor not in FLOORS:
            wrong.append(f'{path}: no such floor: {floor}')
            continue
        allowed = FLOORS[floor] | {floor}
        for line, quoted, name in includes(path):
            public = PUBLIC.match(name)
            if public:
                target = DOORS.get(public[1])
            elif quoted:
                target = name.split('/')[0] if '/' in name else None
            else:
                continue
            if target not in allowed:
                wrong.append(f'{path}:{line}: {floor} must not include {name}')
    outside = sources(root / 'tools', root / 'sdk-examples', root / 'tests/sdk', root / 'tests/bench')
    for path in outside:
        for line, quoted, name in includes(path):
            if name.split('/')[0] in FLOORS and '/' in name or (name.startswith('sabal/') and not PUBLIC.match(name)):
                wrong.append(f'{path}:{line}: only public headers here, not {name}')
            elif quoted and not (path.parent / name).exists() and not (root / 'tools' / name).exists():
                wrong.append(f'{path}:{line}: {name} is neither public nor beside it')
    for path in sources(root / 'include'):
        for line, quoted, name in includes(path):
            if quoted or (name.startswith('sabal/') and not PUBLIC.match(name)):
                wrong.append(f'{path}:{line}: public headers include each other as <sabal/NAME.h>, not {name}')
    return wrong, len(files) + len(outside)


def compiles(job):
    """An error, or nothing."""
    command, text, suffix, name = job
    with tempfile.NamedTemporaryFile('w', suffix=suffix) as file:
        file.write(text)
        file.flush()
        done = subprocess.run(command + ['-fsyntax-only', file.name], capture_output=True, text=True)
    return f'{name} ({" ".join(command[:2])}):\n{done.stderr}' if done.returncode else None


def all_compile(jobs):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [error for error in pool.map(compiles, jobs) if error], len(jobs)


def check_headers(root, build):
    """Each public header compiles alone, and twice, as C11 and as C++17, with gcc and with clang."""
    paths = ['-I', str(root / 'include'), '-I', str(build / 'include')]
    names = sorted(p.name for p in (root / 'include/sabal').glob('*.h')) + ['version.h']
    jobs = []
    for name in names:
        text = f'#include <sabal/{name}>\n#include <sabal/{name}>\nextern int sabal_layout;\n'
        for c, cxx in (('gcc', 'g++'), ('clang', 'clang++')):
            jobs.append(([c, '-std=c11'] + WARNINGS + ['-Wstrict-prototypes'] + paths, text, '.c', name))
            jobs.append(([cxx, '-std=c++17'] + WARNINGS + paths, text, '.cpp', name))
    return all_compile(jobs)


def check_private_headers(root, build):
    """Each private header compiles alone."""
    paths = ['-I', str(root / 'src'), '-I', str(root / 'include'), '-I', str(build / 'include')]
    hdf5 = subprocess.run(['pkg-config', '--cflags', 'hdf5'], capture_output=True, text=True)
    skip = () if hdf5.returncode == 0 else ('hdf5_library.h', 'hdf5_data.h')  # what needs a library that is not there
    jobs = [(['gcc', '-std=gnu11', '-D_GNU_SOURCE', '-DSBL_HAS_HDF5'] + WARNINGS + paths + hdf5.stdout.split(),
             f'#include "{p.relative_to(root / "src")}"\nextern int sbl_layout;\n', '.c', str(p))
            for p in sorted((root / 'src').rglob('*.h')) if p.name not in skip]
    return all_compile(jobs)


def check_macros(root, build):
    """The macros of calls with options are silent at the users' warnings, nested and with every kind of option."""
    text = '''
#include <sabal/sabal.h>
sabal_kmeans *use(sabal_error *err, double *out);
SABAL_JOB(long, fib, int, n)
{
    if (n < 2)
        return n;
    SABAL_SPAWN(fib, n - 1);
    long y = SABAL_CALL(fib, n - 2);
    return y + SABAL_SYNC(fib);
}
SABAL_JOB(void, nothing)
{
}
sabal_kmeans *use(sabal_error *err, double *out)
{
    sabal_client *client = sabal_open("local:", err, .threads = 2);
    sabal_future *f = sabal_submit(client, 0, (&(double){3}), sizeof(double), .retries = 2);
    sabal_future *g = sabal_submit(client, 0, NULL, 0, .inputs = SABAL_LIST(f, f), .name = "g");
    sabal_kmeans *km;
    {
        SABAL_SCOPE(client);
        sabal_future_wait(g, err, .timeout_ns = 0);
        sabal_future_get(out, sizeof *out, g, err);
        km = sabal_kmeans_fit(sabal_persist(sabal_make_blobs(client, .n_samples = 10, .seed = 1)), .n_clusters = 3, .tol = 0);
        sabal_keep(km);
    }
    SABAL_RUN(client, nothing);
    *out = (double)SABAL_RUN(client, fib, 20);
    sabal_for(client, 0, 10, 0, out, .grain = 2);
    sabal_reduce(out, sizeof *out, client, 0, 10, 0, 0, NULL, .grain = 2);
    sabal_for(client, 0, 10, 0, out, .schedule = SABAL_STATIC);
    sabal_for_2d(client, 0, 10, 0, 9, 0, out, .grain = {2, 3}, .schedule = SABAL_STATIC);
    sabal_for_2d(client, 0, 10, 0, 9, 0, out);
    sabal_for_3d(client, 0, 10, 0, 9, 0, 8, 0, out, .grain = {2, 3, 4});
    sabal_scan(out, sizeof *out, client, 0, 10, 0, 0, 0, NULL, .grain = 2, .initial = out);
    sabal_kmeans_fit(sabal_array_map_chunks(sabal_array_read(client, "x.npy", .chunk_rows = 5), 0, .row_ndim = 0));
    return km;
}
'''
    paths = ['-I', str(root / 'include'), '-I', str(build / 'include')]
    jobs = [([c, std] + debug + WARNINGS + paths, text, '.c', 'a program that uses the macros')
            for c in ('gcc', 'clang') for std in ('-std=c11', '-std=gnu17') for debug in ([], ['-DSABAL_DEBUG'])]
    return all_compile(jobs)


def symbols(*command):
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split() for line in text.splitlines() if len(line.split()) >= 2]


def declared(root):
    """Every name that a public header declares with SABAL_API: {name: (header, whether a contract stands with it)}.

    A contract is a /** comment in the same paragraph, that is, with no blank line between.
    """
    names = {}
    for path in sorted((root / 'include/sabal').glob('*.h')):
        for paragraph in re.split(r'\n\s*\n', path.read_text()):
            for m in re.finditer(r'^\s*SABAL_API\b([^;{]*?)\b(sabal_\w+)\s*(?:\(|;)', paragraph, re.M):
                names[m[2]] = (path.name, '/**' in paragraph[:m.start()])
    return names


def check_contracts(root, build):
    names = declared(root)
    return [f'{header}: {name} has no /** contract' for name, (header, told) in names.items() if not told], len(names)


def check_exports(root, build):
    """What the library exports is sabal_'s and declared, all of it under one version."""
    lib = str(build / 'src/libsabal.so')
    wrong, exported = [], set()
    for *_, name in symbols('nm', '-D', '--defined-only', lib):
        if name == 'SABAL_0.1':
            continue
        plain, _, version = name.partition('@@')
        exported.add(plain)
        if not plain.startswith('sabal_') or version != 'SABAL_0.1':
            wrong.append(f'libsabal exports {name}')
    dynamic = subprocess.run(['readelf', '-d', lib], capture_output=True, text=True, check=True).stdout
    if 'soname: [libsabal.so.0]' not in dynamic:
        wrong.append('the soname is not libsabal.so.0')
    for name in re.findall(r'NEEDED.*\[(.*)\]', dynamic):
        if 'jemalloc' in name:
            wrong.append('the library needs jemalloc itself; it must find it through weak symbols')
    names = declared(root)
    wrong += [f'{n} is exported, but no header declares it' for n in sorted(exported - set(names))]
    return wrong, len(exported)


def check_complete(root, build):
    """What the headers declare is there."""
    exported = {name.partition('@@')[0]
                for *_, name in symbols('nm', '-D', '--defined-only', str(build / 'src/libsabal.so'))}
    names = declared(root)
    return [f'{names[n][0]}: {n} is declared, but not exported' for n in sorted(set(names) - exported)], len(names)


def check_names(root, build):
    """No source defines an external symbol that is neither sabal_ nor sbl_."""
    wrong, n = [], 0
    for *_, kind, name in symbols('nm', '-g', '--defined-only', str(build / 'src/libsabal_core.a')):
        if len(kind) != 1:
            continue
        n += 1
        if not name.startswith(('sabal_', 'sbl_')):
            wrong.append(f'{name} ({kind}) should be static, or sbl_')
    return wrong, n


def check_readmes(root, build):
    """Each folder of the house says what it owns and what must never enter it."""
    wrong = []
    for floor in FLOORS:
        text = (root / 'src' / floor / 'README.md')
        if not text.exists() or 'nows nothing of' not in text.read_text().replace('Nothing here knows', 'Knows nothing'):
            wrong.append(f'src/{floor}/README.md does not say what it knows nothing of')
    return wrong, len(FLOORS)


def check_format(root, build):
    """Every source is as clang-format leaves it. Versions differ in their opinion, so version 14 alone is asked."""
    tool = shutil.which('clang-format-14') or shutil.which('clang-format')
    said = subprocess.run([tool, '--version'], capture_output=True, text=True).stdout if tool else 'there is none'
    if not re.search(r'version 14\.', said):
        print(f'SKIPPED format: clang-format 14 is needed: {said.strip()}')
        sys.exit(77)
    files = [str(p) for p in sources(*(root / d for d in ('include', 'src', 'tools', 'sdk-examples', 'tests', 'docs')))]
    ran = subprocess.run([tool, '--dry-run', '-Werror', '--style=file', *files], capture_output=True, text=True)
    first = {}
    for path, line in re.findall(r'^(/.*?):(\d+):\d+: error: ', ran.stderr, re.M):
        first.setdefault(path, line)
    wrong = [f'{path}:{line}: clang-format -i differs from here on' for path, line in first.items()]
    if ran.returncode and not wrong:
        wrong.append(ran.stderr)
    return wrong, len(files)


def main():
    name, root, build = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    wrong, n = globals()['check_' + name](root, build)
    for text in wrong:
        print(text.replace(str(root) + '/', ''))
    if not n:
        print('nothing was looked at')
    print(f'looked at {n}')
    return 1 if wrong or not n else 0


if __name__ == '__main__':
    sys.exit(main())
