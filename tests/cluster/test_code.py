"""Code that a worker of a cluster lacks: it comes from a client that has it, or its tasks fail and say why, each of them.
Usage: test_code.py ROOT BUILD SABAL."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, BUILD, SABAL = (os.path.abspath(a) for a in sys.argv[1:4])
HERE = os.path.join(ROOT, 'tests', 'cluster')
PLUGIN = '''
#include <sabal/sabal.h>
sabal_status plugged(sabal_task *t)
{
    const double *v = sabal_task_arg(t);

    return sabal_task_return(t, &(double){*v + 1}, sizeof *v);
}
'''


class Code(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='sabal-code-')
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = os.path.join(self.folder, 'scheduler.json')
        self.begin(SABAL, 'scheduler', '-f', self.file, '-i', 'none')

    def begin(self, *command):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def end():
            process.stdin.close()
            process.terminate()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        return process

    def begin_worker(self):
        self.begin(SABAL, 'worker', '-f', self.file, '-i', 'none', '--threads', '1')

    def compile(self, source, name, *flags):
        out = os.path.join(self.folder, name)
        subprocess.run(['gcc', '-O1', f'-I{ROOT}/include', f'-I{BUILD}/include', *flags, source, '-o', out,
                        f'-L{BUILD}/src', '-lsabal', f'-Wl,-rpath,{BUILD}/src'], check=True)
        return out

    def program(self, *flags, name='lacking'):
        return self.compile(os.path.join(HERE, 'lacking.c'), name, *flags)

    def plugin(self):
        source = os.path.join(self.folder, 'plugin.c')
        with open(source, 'w') as f:
            f.write(PLUGIN)
        return self.compile(source, 'plugin.so', '-shared', '-fPIC')

    def run_it(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.splitlines()

    def test_what_can_not_be_loaded_fails_each_of_its_tasks_and_nobody_elses(self):
        self.begin_worker()
        for line in self.run_it(self.program('-fno-pie', '-no-pie'), self.file):
            self.assertIn('SABAL_EUNSUPPORTED', line)
            self.assertIn('not position-independent', line)
        self.assertEqual(self.run_it(self.program(), self.file), ['SABAL_OK 9 '] * 3)

    def test_programs_that_come_one_after_the_other_are_each_themselves(self):
        self.begin_worker()
        for i in range(4):
            program = self.program(f'-DUNLIKE_THE_OTHERS={i}', f'-Wl,--build-id=0x{i + 1:040x}', name=f'lacking-{i}')
            self.assertEqual(self.run_it(program, self.file), ['SABAL_OK 9 '] * 3)

    def test_what_nobody_has_any_more_fails(self):
        program = self.begin(self.program(), self.file, self.plugin())
        self.assertEqual(program.stdout.readline(), 'ready\n')
        self.begin_worker()
        line = program.stdout.readline()
        self.assertIn('SABAL_ENOENT', line)
        self.assertIn('no client has the code', line)

    def test_what_another_client_has_comes_from_there(self):
        program, plugin = self.program(), self.plugin()
        other = self.begin(program, self.file, plugin, 'keep')
        self.assertEqual(other.stdout.readline(), 'ready\n')
        self.begin_worker()
        self.assertEqual(self.run_it(program, self.file, plugin), ['ready', 'SABAL_OK 4 '])

    def test_what_was_lacking_is_asked_for_again(self):
        program, plugin = self.program(), self.plugin()
        first = self.begin(program, self.file, plugin)
        self.assertEqual(first.stdout.readline(), 'ready\n')
        self.begin_worker()  # before that it could be faster than the end of the plugin
        self.assertIn('SABAL_ENOENT', first.stdout.readline())
        other = self.begin(program, self.file, plugin, 'keep')
        self.assertEqual(other.stdout.readline(), 'ready\n')
        self.assertEqual(self.run_it(program, self.file, plugin), ['ready', 'SABAL_OK 4 '])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
