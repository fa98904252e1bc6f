"""Installs the SDK and uses it as a stranger would: with nothing but cc and pkg-config.

Usage: install.py ROOT BUILD EXAMPLE[=ARGUMENT,...]...

One line a test; what fails shows its command and output. Everything happens in a scratch folder that is removed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMPILERS = (('gcc', 'g++'), ('clang', 'clang++'))
WARNINGS = ['-O1', '-Wall', '-Wextra', '-Wshadow', '-Werror']


class Failure(Exception):
    pass


def run(*command, **env):
    done = subprocess.run([str(c) for c in command], env=dict(os.environ, **{k: str(v) for k, v in env.items()}),
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Failure(f'$ {" ".join(map(str, command))}\nstatus {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def pc_folder(prefix):
    found = list(prefix.rglob('sabal.pc'))
    if len(found) != 1:
        raise Failure(f'{prefix} holds {len(found)} files sabal.pc')
    return found[0].parent


def flags(prefix, *what):
    return run('pkg-config', *what, 'sabal', PKG_CONFIG_PATH=pc_folder(prefix)).split()


def build_and_run(prefix, compiler, source, scratch, arguments=(), more=()):
    """As the first page of the manual says; returns what the program printed."""
    program = scratch / (source.stem + '-' + compiler)
    run(compiler, *more, source, '-o', program, *flags(prefix, '--cflags', '--libs'))
    return run(program, *arguments, LD_LIBRARY_PATH=pc_folder(prefix).parent)


class Install:
    def __init__(self, root, build, examples, scratch):
        self.root, self.build, self.examples, self.scratch = root, build, examples, scratch
        self.prefix, self.stage = scratch / 'prefix', scratch / 'stage'
        self.work = scratch / 'programs'
        self.work.mkdir()

    def test_destdir_holds_everything(self):
        """DESTDIR: the same tree under another root, and nothing outside it."""
        run('meson', 'install', '-C', self.build, '--no-rebuild', DESTDIR=self.stage)
        prefix = self.stage / 'usr/local'
        others = [p for p in self.stage.rglob('*') if p.is_file() and prefix not in p.parents]
        if others:
            raise Failure(f'outside the prefix: {others}')
        public = {p.name for p in (self.root / 'include/sabal').glob('*.h')} | {'version.h'}
        there = {p.name for p in (prefix / 'include/sabal').iterdir()}
        if public != there:
            raise Failure(f'headers missing or too many: {sorted(public ^ there)}')
        for p in prefix.rglob('*'):
            if p.is_file() and not p.is_symlink() and re.search(r'\.so|/bin/', str(p)):
                if re.search(r'R(UN)?PATH.*\[/', run('readelf', '-d', p)):
                    raise Failure(f'{p} has a run path of the machine it was built on')
        if str(self.root) in (pc_folder(prefix) / 'sabal.pc').read_text():
            raise Failure('sabal.pc names the folder it was built in')

    def test_prefix_of_its_own(self):
        """A build configured for a scratch prefix installs there."""
        run('meson', 'setup', self.scratch / 'build', self.root, f'-Dprefix={self.prefix}', '-Dtests=false',
            '-Ddocs=disabled')
        run('meson', 'install', '-C', self.scratch / 'build')
        if not (self.prefix / 'bin/sabal').exists():
            raise Failure('there is no bin/sabal')

    def test_examples_build_with_pkg_config_alone(self):
        for name, arguments in self.examples.items():
            source = shutil.copy(self.root / 'sdk-examples' / (name + '.c'), self.work)
            for c, _ in COMPILERS:
                if not build_and_run(self.prefix, c, Path(source), self.work, arguments, WARNINGS):
                    raise Failure(f'{name} printed nothing')

    def test_cxx(self):
        for _, cxx in COMPILERS:
            build_and_run(self.prefix, cxx, self.root / 'tests/sdk/fit.cpp', self.work, (), ['-std=c++17'] + WARNINGS)

    def test_python(self):
        run('/usr/bin/python3', self.root / 'tests/sdk/fit.py', pc_folder(self.prefix).parent / 'libsabal.so.0')

    def test_dlopen(self):
        program = self.work / 'load'
        run('gcc', *WARNINGS, self.root / 'tests/sdk/load.c', '-o', program, *flags(self.prefix, '--cflags'), '-ldl')
        run(program, pc_folder(self.prefix).parent / 'libsabal.so.0')

    def test_programs_link_jemalloc(self):
        """Also where the linker is told to drop what seems not needed."""
        program = self.work / 'as-needed'
        run('gcc', '-Wl,--as-needed', self.root / 'sdk-examples/kmeans.c', '-o', program,
            *flags(self.prefix, '--cflags', '--libs'))
        if 'libjemalloc' not in run('readelf', '-d', program):
            raise Failure('a program linked with --as-needed does not load jemalloc')

    def test_the_command_finds_its_library(self):
        said = run(self.prefix / 'bin/sabal', 'version')
        version = flags(self.prefix, '--modversion')[0]
        if version not in said:
            raise Failure(f'sabal version says {said!r}, sabal.pc {version}')

    def test_prefix_moved_afterwards_still_works(self):
        moved = self.scratch / 'elsewhere/moved'
        moved.parent.mkdir()
        self.prefix.rename(moved)
        shutil.rmtree(self.scratch / 'build')
        build_and_run(moved, 'gcc', self.root / 'sdk-examples/kmeans.c', self.work, self.examples['kmeans'], WARNINGS)
        run(moved / 'bin/sabal', 'version')
        build_and_run(self.stage / 'usr/local', 'gcc', self.root / 'sdk-examples/kmeans.c', self.work,
                      self.examples['kmeans'], WARNINGS)


def main():
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    examples = {name: [a for a in arguments.split(',') if a]
                for name, _, arguments in (e.partition('=') for e in sys.argv[3:])}
    os.environ.pop('DESTDIR', None)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix='sabal-install-') as scratch:
        install = Install(root, build, examples, Path(scratch))
        for name in [n for n in vars(Install) if n.startswith('test_')]:  # in the order they are written
            try:
                getattr(install, name)()
                passed += 1
                print('ok', name[5:])
            except (Failure, OSError) as e:
                failed += 1
                print(f'FAILED {name[5:]}\n{e}')
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
