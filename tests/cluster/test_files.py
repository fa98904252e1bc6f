"""Files that a cluster of processes reads and writes, as a person uses it: the `sabal` command, one scheduler, two workers. What
was stored is compared with what one node stores, and read back by NumPy and h5py where they are there.
Usage: test_files.py SABAL"""
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import numpy
except ImportError:
    numpy = None
try:
    import h5py
except ImportError:
    h5py = None

SABAL = os.path.abspath(sys.argv[1])
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith('SABAL_')} | {'HOME': '/nonexistent'}


def can_mount():
    return os.geteuid() == 0 and shutil.which('unshare') and not subprocess.run(
        ['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], stderr=subprocess.DEVNULL).returncode


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='sabal-files-')
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = os.path.join(self.folder, 'data')
        os.mkdir(self.data)
        self.file = os.path.join(self.folder, 'scheduler.json')
        self.start('scheduler')
        while not os.path.exists(self.file):
            time.sleep(0.01)
        self.workers = [self.start('worker', '-t', '1', '-n', 'n1')]

    def start(self, *args, before=()):
        """One process of the cluster; it works in the root folder, so relative paths of a program are not its own."""
        process = subprocess.Popen([*before, SABAL, *args, '-f', self.file, '-i', 'none'], env=ENVIRONMENT, cwd='/')

        def end():
            process.terminate()
            process.wait(timeout=20)
        self.addCleanup(end)
        return process

    def add_worker(self):
        self.workers.append(self.start('worker', '-t', '1', '-n', 'n2'))

    def sabal(self, *args, status=0, where=None):
        done = subprocess.run([SABAL, *args], env=ENVIRONMENT, cwd=where or self.data, capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def clusters(self, name, *more):
        """What k-means finds: the centres as they are printed."""
        lines = self.sabal('kmeans', name, '-k', '3', *more).splitlines()
        return lines[2:next(i for i, line in enumerate(lines) if line.lstrip().startswith('time'))]

    def make(self, name, rows, *more):
        self.sabal('make-blobs', name, '-n', str(rows), '-d', '3', '-s', '11', '-f', self.file, *more)
        return os.path.join(self.data, name)

    def names(self):
        return sorted(os.listdir(self.data))

    def test_what_is_stored_has_the_bytes_of_one_node_and_is_read_by_others(self):
        self.add_worker()
        for name, more in (('a.npy', ()), ('a.h5', ()), ('f.npy', ('--dtype', 'float32'))):
            with self.subTest(name):
                path = self.make(name, 700001, *more)
                self.sabal('make-blobs', 'one-' + name, '-n', '700001', '-d', '3', '-s', '11', *more)
                self.assertEqual(digest(path), digest(os.path.join(self.data, 'one-' + name)))
        self.assertEqual([n for n in self.names() if n.startswith('.')], [])
        if not numpy:
            self.skipTest('no NumPy')
        x = numpy.load(os.path.join(self.data, 'a.npy'))
        self.assertEqual((x.shape, x.dtype), ((700001, 3), numpy.float64))
        f = numpy.load(os.path.join(self.data, 'f.npy'))
        self.assertTrue(numpy.array_equal(f, x.astype(numpy.float32)))
        if not h5py:
            self.skipTest('no h5py')
        with h5py.File(os.path.join(self.data, 'a.h5'), 'r') as h:
            self.assertEqual(list(h), ['data'])
            self.assertIsNone(h['data'].chunks)
            self.assertTrue(numpy.array_equal(h['data'][:], x))

    def test_what_numpy_and_h5py_wrote_is_read_by_relative_path(self):
        self.add_worker()
        self.make('m.npy', 300000)
        self.assertEqual(self.clusters('m.npy', '-f', self.file), self.clusters('m.npy'))
        if not h5py:
            self.skipTest('no h5py')
        x = numpy.load(os.path.join(self.data, 'm.npy'))
        with h5py.File(os.path.join(self.data, 'm.h5'), 'w') as h:
            h.create_dataset('x', data=x, chunks=(9999, 3), compression='gzip', shuffle=True)
        with h5py.File(os.path.join(self.data, 'plain.h5'), 'w') as h:
            h.create_dataset('g/x', data=x)
        for name in ('m.h5', 'plain.h5'):
            self.assertEqual(self.clusters(name, '-f', self.file), self.clusters(name))

    def test_parts_of_a_virtual_data_set_that_a_worker_does_not_see_are_told(self):
        """And not taken for parts that were never written."""
        if not h5py:
            self.skipTest('no h5py')
        x = numpy.load(self.make('m.npy', 200000))
        os.mkdir(os.path.join(self.data, 'sub'))
        layout = h5py.VirtualLayout(shape=x.shape, dtype=x.dtype)
        for i in range(2):
            with h5py.File(os.path.join(self.data, f'part{i}.h5'), 'w') as h:
                h['x'] = x[i * 100000:(i + 1) * 100000]
            layout[i * 100000:(i + 1) * 100000] = h5py.VirtualSource(f'part{i}.h5', 'x', shape=(100000, 3))
        for name in ('all.h5', 'sub/all.h5'):
            with h5py.File(os.path.join(self.data, name), 'w') as h:
                h.create_virtual_dataset('x', layout)
        self.assertEqual(self.clusters('all.h5', '-f', self.file), self.clusters('m.npy'))
        self.assertEqual(self.clusters('sub/all.h5'), self.clusters('m.npy'))  # by the folder that it runs in
        told = self.sabal('kmeans', 'sub/all.h5', '-k', '3', '-f', self.file, status=1)
        self.assertIn("sub/all.h5: worker 'n1': the other files that it is made of", told)

    def test_a_worker_that_ends_while_it_writes_leaves_a_whole_file(self):
        one = self.make('one.npy', 1000)  # n1 has the code now
        self.add_worker()
        run = subprocess.Popen([SABAL, 'make-blobs', 'k.npy', '-n', '12000000', '-d', '3', '-s', '11', '-f', self.file],
                               env=ENVIRONMENT, cwd=self.data, stdout=subprocess.DEVNULL)
        while not any(n.endswith('.part') for n in self.names()) and run.poll() is None:
            time.sleep(0.005)
        time.sleep(0.1)
        self.workers[0].kill()
        self.assertEqual(run.wait(timeout=120), 0)
        self.sabal('make-blobs', 'one-k.npy', '-n', '12000000', '-d', '3', '-s', '11')
        self.assertEqual(digest(os.path.join(self.data, 'k.npy')), digest(os.path.join(self.data, 'one-k.npy')))
        self.assertEqual(self.names(), ['k.npy', 'one-k.npy', os.path.basename(one)])

    def test_a_worker_that_stood_still_changes_no_file_when_it_goes_on(self):
        self.make('one.npy', 1000)
        self.add_worker()
        run = subprocess.Popen([SABAL, 'make-blobs', 'k.npy', '-n', '12000000', '-d', '3', '-s', '11', '-f', self.file],
                               env=ENVIRONMENT, cwd=self.data, stdout=subprocess.DEVNULL)
        while not any(n.endswith('.part') for n in self.names()) and run.poll() is None:
            time.sleep(0.005)
        time.sleep(0.1)
        self.workers[0].send_signal(signal.SIGSTOP)
        self.addCleanup(self.workers[0].send_signal, signal.SIGCONT)
        self.assertEqual(run.wait(timeout=120), 0)
        self.sabal('make-blobs', 'k.npy', '-n', '1000', '-d', '3', '-s', '12')  # somebody stores there again
        want = digest(os.path.join(self.data, 'k.npy'))
        self.workers[0].send_signal(signal.SIGCONT)
        time.sleep(1)
        self.assertEqual(digest(os.path.join(self.data, 'k.npy')), want)
        self.assertEqual(self.names(), ['k.npy', 'one.npy'])

    def test_an_interrupted_store_leaves_nothing(self):
        self.add_worker()
        self.make('old.npy', 1000)
        before = digest(os.path.join(self.data, 'old.npy'))
        for number in (signal.SIGINT, signal.SIGTERM):
            run = subprocess.Popen([SABAL, 'make-blobs', 'old.npy', '-n', '60000000', '-f', self.file],
                                   env=ENVIRONMENT, cwd=self.data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not any(n.endswith('.part') for n in self.names()) and run.poll() is None:
                time.sleep(0.005)
            time.sleep(0.1)
            run.send_signal(number)
            self.assertNotEqual(run.wait(timeout=60), 0, 'it had ended before')
            time.sleep(0.3)  # workers write on for a moment; what they write has no name
            self.assertEqual(self.names(), ['old.npy'])
            self.assertEqual(digest(os.path.join(self.data, 'old.npy')), before)
        self.make('after.npy', 1000)  # and the cluster works on

    def test_two_stores_to_one_name_leave_one_whole_file(self):
        self.add_worker()
        command = [SABAL, 'make-blobs', 't.npy', '-d', '3', '-s', '11', '-f', self.file, '-n']
        runs = [subprocess.Popen(command + [str(n)], env=ENVIRONMENT, cwd=self.data, stdout=subprocess.DEVNULL)
                for n in (1000001, 1000002)]
        self.assertEqual([run.wait(timeout=120) for run in runs], [0, 0])
        self.assertEqual(self.names(), ['t.npy'])
        digests = []
        for n in (1000001, 1000002):
            self.sabal('make-blobs', 'one.npy', '-d', '3', '-s', '11', '-n', str(n))
            digests.append(digest(os.path.join(self.data, 'one.npy')))
        self.assertIn(digest(os.path.join(self.data, 't.npy')), digests)

    def add_worker_elsewhere(self, files=()):
        """Where the others have their data it has a folder of its own, on another file system."""
        if not can_mount():
            self.skipTest('needs a mount namespace: root, and unshare')
        copies = ' && '.join(f'cp -p {self.folder}/{f} {self.data}/{f}' for f in files) or 'true'
        self.workers.append(self.start('worker', '-t', '1', '-n', 'far', before=(
            'unshare', '-m', 'sh', '-c', f'mount -t tmpfs none {self.data} && {copies} && exec "$@"', 'sh')))
        time.sleep(0.5)

    def test_a_worker_without_the_folder_is_named(self):
        path = self.make('m.npy', 900000)
        self.workers[0].terminate()
        self.workers[0].wait()
        self.add_worker_elsewhere()
        told = self.sabal('kmeans', 'm.npy', '-k', '3', '-f', self.file, status=1)
        self.assertIn(f"worker 'far' does not see '{path}', which this program reads (No such file or directory)", told)
        told = self.sabal('make-blobs', 'n.npy', '-n', '900000', '-f', self.file, status=1)
        self.assertIn("n.npy: worker 'far'", told)
        self.assertIn('store where all workers see it', told)
        self.assertEqual(self.names(), ['m.npy'])

    def test_a_worker_with_another_file_there_is_named_with_what_it_has(self):
        path = self.make('m.npy', 900000)
        self.workers[0].terminate()
        self.workers[0].wait()
        with open(os.path.join(self.folder, 'm.npy'), 'wb') as f:
            f.write(b'another')
        self.add_worker_elsewhere(['m.npy'])
        told = self.sabal('kmeans', 'm.npy', '-k', '3', '-f', self.file, status=1)
        self.assertIn(f"worker 'far' sees another '{path}': 7 bytes of 2", told)
        self.assertIn('the program has 21600128 bytes of 2', told)

    def test_a_full_disk_that_workers_meet_is_told_by_worker_and_file(self):
        """A file system that can't claim room beforehand, as those of many servers."""
        if not can_mount() or not shutil.which('mkfs.ext2'):
            self.skipTest('needs a mount namespace and mkfs.ext2')
        image = os.path.join(self.folder, 'disk')
        with open(image, 'wb') as f:
            f.truncate(8 << 20)
        subprocess.run(['mkfs.ext2', '-q', '-F', image], check=True)
        if subprocess.run(['mount', '-o', 'loop', image, self.data], stderr=subprocess.DEVNULL).returncode:
            self.skipTest('no loop devices')
        self.addCleanup(subprocess.run, ['umount', '-l', self.data])
        told = self.sabal('make-blobs', 'n.npy', '-n', '900000', '-f', self.file, status=1)
        self.assertIn('n.npy: worker', told)
        self.assertIn('the disk is full', told)
        self.assertEqual([n for n in self.names() if n != 'lost+found'], [])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
