"""Records of events: a real run on processes, of which one is killed, is replayed and decides the same; what is no whole record is
refused. Usage: test_record.py SABAL REPLAY."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SABAL, REPLAY = (os.path.abspath(a) for a in sys.argv[1:3])


def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, **more)


class Cluster:
    """A scheduler that records, and two workers."""

    def __init__(self, folder, *options):
        self.file, self.record = os.path.join(folder, 'scheduler.json'), os.path.join(folder, 'events')
        self.processes = [subprocess.Popen([SABAL, 'scheduler', '-f', self.file, '-i', 'none', '--record', self.record, *options])]
        self.processes += [subprocess.Popen([SABAL, 'worker', '-f', self.file, '-i', 'none', '-t', '1'])
                           for _ in range(2)]
        self.kmeans = None

    def begin(self, samples):
        points = self.file + '.npy'
        run(SABAL, 'make-blobs', points, '--samples', samples, check=True)
        self.kmeans = subprocess.Popen([SABAL, 'kmeans', points, '-k', '8', '--chunk-rows', '2000', '-f', self.file, '--json'],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_until_ended(self, n):
        """Until so many tasks have."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            shown = run(SABAL, 'status', self.file, '--json').stdout
            if shown and json.loads(shown)['tasks']['ended'] >= n:
                return
        raise AssertionError('tasks do not end')

    def finish(self):
        out, err = self.kmeans.communicate(timeout=120)
        assert self.kmeans.returncode == 0, err
        return out

    def close(self, how=signal.SIGTERM):
        self.processes[0].send_signal(how)
        for process in self.processes:
            process.wait(20)


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='sabal-record-')
        cluster = Cluster(cls.folder)
        cluster.begin('4e5')
        cluster.wait_until_ended(100)
        cluster.processes[1].kill()
        cluster.finish()
        cluster.close()
        cls.record = cluster.record
        with open(cls.record, 'rb') as file:
            cls.whole = file.read()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def replay(self, *options, bytes_=None):
        path = self.record
        if bytes_ is not None:
            path = os.path.join(self.folder, 'other')
            with open(path, 'wb') as file:
                file.write(bytes_)
        return run(REPLAY, path, *options)

    def test_a_run_in_which_a_worker_was_killed_decides_the_same_again(self):
        done = self.replay('--check')
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r'^\d+ events in [\d.]+ s, \d+ letters: all as they were\n$')
        events = int(done.stdout.split()[0])
        self.assertGreater(events, 200)
        kinds = [line.split()[2] for line in self.replay('--tell').stdout.splitlines()[:-1]]
        self.assertEqual(len(kinds), events)
        self.assertEqual(kinds.count('worker'), 2)
        self.assertGreaterEqual(kinds.count('lost'), 1)
        self.assertEqual(kinds[-1], 'end')

    def test_a_run_that_goes_otherwise_is_told(self):
        kinds = [line.split()[2] for line in self.replay('--tell').stdout.splitlines()[:-1]]
        heard = [i for i, kind in enumerate(kinds) if kind == 'hear']
        told = 0
        for i in heard[len(heard) // 4:len(heard) // 4 + 20]:  # some say nothing new
            done = self.replay('--leave-out', i)
            told += done.returncode == 1 and 'is other than it was' in done.stdout
        self.assertGreater(told, 5)
        done = self.replay('--leave-out', kinds.index('worker'))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, 'is other than it was|who came got number')

    def test_a_record_that_is_cut_short_is_refused_unless_that_is_meant(self):
        rng = random.Random(5)
        for n in [0, 5, 71, 72, 73, 90] + [rng.randrange(100, len(self.whole) - 1) for _ in range(30)]:
            done = self.replay(bytes_=self.whole[:n])
            self.assertEqual(done.returncode, 1, n)
            self.assertRegex(done.stdout, 'it is cut short here|shorter than the head', n)
            if n >= 72:
                done = self.replay('--as-far-as-it-goes', bytes_=self.whole[:n])
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn('all as they were, as far as the file goes', done.stdout)

    def test_what_was_changed_is_refused(self):
        rng = random.Random(6)
        for n in list(range(0, 110, 7)) + [rng.randrange(len(self.whole)) for _ in range(30)]:
            changed = bytearray(self.whole)
            changed[n] ^= 1 << rng.randrange(8)
            done = self.replay(bytes_=bytes(changed))
            self.assertEqual(done.returncode, 1, f'byte {n}: {done.stdout}')

    def test_other_files_are_refused(self):
        for text in (b'', b'x' * 1000, b'\x93NUMPY' + bytes(1000), self.whole + b'x' * 16, self.whole + self.whole):
            done = self.replay(bytes_=text)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stdout, 'no record of events|shorter than the head|goes on behind its end')
        self.assertEqual(run(REPLAY, '/nonexistent').returncode, 1)

    def test_a_record_has_a_limit_and_the_cluster_goes_on_behind_it(self):
        with tempfile.TemporaryDirectory() as folder:
            cluster = Cluster(folder, '--record-limit', '20000')
            cluster.begin('1e5')
            cluster.finish()
            cluster.close()
            self.assertLessEqual(os.path.getsize(cluster.record), 20500)
            self.assertGreater(os.path.getsize(cluster.record), 10000)
            self.assertEqual(os.stat(cluster.record).st_mode & 0o777, 0o600)
            done = run(REPLAY, cluster.record)
            self.assertIn('until the record was as long as it might be', done.stdout)
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_a_killed_scheduler_leaves_what_can_be_replayed(self):
        with tempfile.TemporaryDirectory() as folder:
            cluster = Cluster(folder)
            cluster.begin('4e5')
            cluster.wait_until_ended(100)
            time.sleep(0.3)
            cluster.close(signal.SIGKILL)
            cluster.kmeans.communicate()
            self.assertEqual(run(REPLAY, cluster.record).returncode, 1)
            done = run(REPLAY, cluster.record, '--as-far-as-it-goes')
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_a_record_that_cannot_be_written_is_told(self):
        done = run(SABAL, 'scheduler', '-f', os.path.join(self.folder, 's'), '-i', 'none', '--record', '/nonexistent/x')
        self.assertEqual(done.returncode, 1)
        self.assertIn('the record of events /nonexistent/x', done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, 's')))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
