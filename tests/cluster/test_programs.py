"""Programs of every kind under the rehearse engine: those that a worker can load, and those that it refuses, saying what
to do. Usage: test_programs.py ROOT BUILD ELF_TELL. Each is compiled against the library in BUILD."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, BUILD, ELF_TELL = (os.path.abspath(a) for a in sys.argv[1:4])
HERE = os.path.join(ROOT, 'tests', 'cluster')
RIGHT = '1 4 9 16, 80\n'
COMPILERS = [c for c in ('gcc', 'clang', 'clang-14') if shutil.which(c)]


def can_mount():
    return os.geteuid() == 0 and shutil.which('unshare') and not subprocess.run(
        ['unshare', '-m', 'mount', '-t', 'tmpfs', '-o', 'noexec', 'none', '/mnt'], stderr=subprocess.DEVNULL).returncode


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='sabal-programs-')
        self.addCleanup(shutil.rmtree, self.folder)

    def compile(self, *flags, compiler='gcc', source='program.c', name='program'):
        out = os.path.join(self.folder, name)
        link = [f'-L{BUILD}/src', '-lsabal', f'-Wl,-rpath,{BUILD}/src']
        done = subprocess.run([compiler, '-O1', f'-I{ROOT}/include', f'-I{BUILD}/include', *flags,
                               os.path.join(HERE, source), '-o', out, *link], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def run_it(self, *command, env=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith('SABAL_')} | (env or {})
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, cwd=self.folder)

    def expect_right(self, *command, env=None):
        done = self.run_it(*command, env=env)
        self.assertEqual((done.stdout, done.returncode), (RIGHT, 0), done.stderr)

    def expect_refused(self, program, *words):
        done = self.run_it(program)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for word in ('SABAL_EUNSUPPORTED', 'program', *words):
            self.assertIn(word, done.stdout)

    def tell(self, path):
        return subprocess.run([ELF_TELL, path], capture_output=True, text=True, check=True).stdout

    def test_each_compilers_usual_executable_runs(self):
        for compiler in COMPILERS:
            flags = [] if compiler == 'gcc' else ['-Wl,--build-id']
            with self.subTest(compiler):
                self.expect_right(self.compile(*flags, compiler=compiler))

    def test_a_stripped_one_runs(self):
        self.expect_right(self.compile('-s'))

    def test_one_built_for_debugging_runs(self):
        self.expect_right(self.compile('-O0', '-g'))

    def test_one_that_was_removed_while_it_runs_is_still_found(self):
        program = self.compile()
        self.expect_right('/bin/sh', '-c', f'exec 3<{program}; rm {program}; exec /proc/self/fd/3')

    def test_functions_in_a_library_of_its_own_run(self):
        library = os.path.join(self.folder, 'libmine.so')
        self.compile('-shared', '-fPIC', '-Dmain=mine', name='libmine.so')
        stub = os.path.join(self.folder, 'stub.c')
        with open(stub, 'w') as f:
            f.write('int mine(int, char **); int main(int argc, char **argv) { return mine(argc, argv); }\n')
        program = os.path.join(self.folder, 'stub')
        subprocess.run(['gcc', stub, '-o', program, library, f'-L{BUILD}/src', '-lsabal',
                        f'-Wl,-rpath,$ORIGIN:{BUILD}/src'], check=True)
        self.expect_right(program)

    def test_a_program_finds_its_own_library_in_the_worker(self):
        helper = os.path.join(self.folder, 'helper.c')
        with open(helper, 'w') as f:
            f.write('double helped(double v) { return v; }\n')
        subprocess.run(['gcc', '-shared', '-fPIC', '-Wl,-soname,libhelper.so', helper, '-o', os.path.join(self.folder, 'libhelper.so')], check=True)
        with open(os.path.join(HERE, 'program.c')) as f:
            text = f.read()
        source = os.path.join(self.folder, 'uses.c')
        with open(source, 'w') as f:
            f.write('double helped(double v);\n' + text.replace('*v * *v', 'helped(*v) * *v'))
        self.expect_right(self.compile(f'-L{self.folder}', '-Wl,--no-as-needed', '-lhelper', '-Wl,-rpath,$ORIGIN',
                                       source=source))

    def test_where_nothing_may_be_run_from_temporary_folders_it_runs(self):
        if not can_mount():
            self.skipTest('no tmpfs can be mounted here')
        program = self.compile()
        self.expect_right('unshare', '-m', '/bin/sh', '-c',
                          f'mount -t tmpfs -o noexec none /mnt && TMPDIR=/mnt exec {program}')

    def test_thread_local_variables_are_refused_unless_it_is_its_own_worker(self):
        self.expect_refused(self.compile('-DWITH_TLS'), 'thread-local', 'sabal_worker_main()')
        self.expect_right(self.compile('-DWITH_TLS', '-DOWN_WORKER'))

    def test_one_that_is_not_position_independent_is_refused_unless_it_is_its_own_worker(self):
        self.expect_refused(self.compile('-fno-pie', '-no-pie'), '-fPIE', 'sabal_worker_main()')
        self.expect_right(self.compile('-fno-pie', '-no-pie', '-DOWN_WORKER'))

    def test_one_without_a_build_id_is_refused(self):
        self.expect_refused(self.compile('-Wl,--build-id=none'), 'no build-id', '-Wl,--build-id')

    def test_a_sanitizer_is_refused(self):
        self.expect_refused(self.compile('-fsanitize=undefined'), 'UBSan')

    def test_variables_of_libraries_that_would_be_copied_are_refused_unless_compiled_otherwise(self):
        with open(os.path.join(HERE, 'program.c')) as f:
            text = f.read()
        source = os.path.join(self.folder, 'copies.c')
        with open(source, 'w') as f:
            f.write('#include <time.h>\n' + text.replace('*v * *v', '(*v + (timezone == 12345)) * *v'))
        for flags, right in ((['-fPIE', '-pie'], False), (['-fPIC', '-pie'], True)):
            program = self.compile(*flags, source=source)
            if right:
                self.expect_right(program)
            elif os.uname().machine == 'x86_64':
                done = self.run_it(program)
                self.assertEqual(done.returncode, 1, done.stdout)
                for word in ('timezone', '-fPIC', 'sabal_worker_main()'):
                    self.assertIn(word, done.stdout)

    def test_static_ones_are_refused(self):
        source = os.path.join(self.folder, 'static.c')
        with open(source, 'w') as f:
            f.write('int main(void) { return 0; }\n')
        for flag in ('-static', '-static-pie'):
            out = os.path.join(self.folder, 'a' + flag)
            subprocess.run(['gcc', flag, source, '-o', out], check=True)
            self.assertIn('linked statically', self.tell(out))

    def test_files_that_are_cut_short_are_told(self):
        program = self.compile()
        with open(program, 'rb') as f:
            whole = f.read()
        cut = os.path.join(self.folder, 'cut')
        for size in list(range(1, 1200, 7)) + [len(whole) // 2]:
            with open(cut, 'wb') as f:
                f.write(whole[:size])
            self.assertTrue(self.tell(cut))
        self.assertEqual(self.tell(program), 'loadable\n')

    def test_a_worker_that_is_not_there_is_told(self):
        done = self.run_it(self.compile(), env={'SABAL_WORKER': '/no/such/worker'})
        self.assertEqual(done.returncode, 1)
        self.assertIn("SABAL_WORKER names '/no/such/worker'", done.stdout)

    def test_a_worker_that_is_something_else_is_told(self):
        done = self.run_it(self.compile(), env={'SABAL_WORKER': '/bin/false'})
        self.assertEqual(done.returncode, 1)
        self.assertIn('a worker could not be started: it ended with exit status 1', done.stdout)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
