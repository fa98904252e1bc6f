"""Values between the processes of a cluster by each way that may be forced, and what of them can be read on the wire.
Usage: test_carried.py ROOT BUILD SABAL."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT, BUILD, SABAL = (os.path.abspath(a) for a in sys.argv[1:4])
HERE = os.path.join(ROOT, 'tests', 'cluster')
MARK = b'palm palmetto sabal'


class Ear(threading.Thread):
    """Listens to all that goes over loopback, for as long as it is open."""
    def __init__(self):
        super().__init__()
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        self.wire.bind(('lo', 0))
        self.wire.settimeout(0.1)
        self.is_over, self.heard = False, 0
        self.start()

    def run(self):
        while True:
            try:
                self.heard += MARK in self.wire.recv(1 << 17)
            except TimeoutError:
                if self.is_over:
                    break

    def end(self):
        self.is_over = True
        self.join()
        self.wire.close()
        return self.heard


class Carried(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='sabal-carried-')
        cls.program = os.path.join(cls.folder, 'carried')
        subprocess.run(['gcc', '-O1', f'-I{ROOT}/include', f'-I{BUILD}/include', os.path.join(HERE, 'carried.c'), '-o',
                        cls.program, f'-L{BUILD}/src', '-lsabal', f'-Wl,-rpath,{BUILD}/src'], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def begin(self, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

        def end():
            process.terminate()
            process.wait()
        self.addCleanup(end)

    def expect_right(self, scheduler, worker):
        file = os.path.join(self.folder, 'scheduler.json')
        self.begin(SABAL, 'scheduler', '-f', file, '-i', 'none', *scheduler)
        for _ in range(2):
            self.begin(SABAL, 'worker', '-f', file, '--threads', '1', *worker)
        done = subprocess.run([self.program, file], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, 'came right\n')

    def listen(self):
        try:
            return Ear()
        except PermissionError:
            self.skipTest('the wire can not be listened to')

    def test_shared_memory(self):
        self.expect_right([], ['-i', 'none', '--tls', 'memfd'])

    def test_tcp_on_one_node(self):
        self.expect_right([], ['-i', 'lo', '--tls', 'tcp'])

    def test_tcp_without_an_interface_is_refused(self):
        file = os.path.join(self.folder, 'scheduler.json')
        self.begin(SABAL, 'scheduler', '-f', file, '-i', 'none')
        done = subprocess.run([SABAL, 'worker', '-f', file, '-i', 'none', '--tls', 'tcp'], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('no interface is listened on', done.stderr)

    def test_what_is_not_encrypted_can_be_heard(self):
        ear = self.listen()
        try:
            self.expect_right([], ['-i', 'lo', '--tls', 'tcp'])
            time.sleep(0.2)
        finally:
            heard = ear.end()
        self.assertGreater(heard, 0)

    def test_a_scheduler_that_encrypts_has_all_others_do_so(self):
        ear = self.listen()
        try:
            self.expect_right(['--encrypt'], ['-i', 'lo', '--tls', 'tcp'])
            time.sleep(0.2)
        finally:
            heard = ear.end()
        self.assertEqual(heard, 0)

    def test_a_worker_that_encrypts_does_so_towards_all(self):
        ear = self.listen()
        try:
            self.expect_right([], ['-i', 'lo', '--tls', 'tcp', '--encrypt'])
            time.sleep(0.2)
        finally:
            heard = ear.end()
        self.assertEqual(heard, 0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
