"""A scheduler and two workers of one thread each, sabal's or Dask's, for the time of a `with`.

Whatever ends the bench ends them: they are told to end, then killed; and the system kills them if their parent is gone.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WORKERS = 2
PATIENCE = 5  # seconds for one to end

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_on_signals():
    """A signal unwinds the stack, so that what `with` began is ended."""
    def end(number, frame):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def cpu_seconds(pid):
    """What a process and those that it started used so far, exactly: a thread's scheduled time, not its ticks."""
    total = 0
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/schedstat') as file:
            total += int(file.read().split()[0]) / 1e9
        with open(f'/proc/{pid}/task/{thread}/children') as file:
            total += sum(map(cpu_seconds, file.read().split()))
    return total


class Processes:
    def __init__(self, env):
        self.env, self.running = env, []
        self.folder = tempfile.mkdtemp(prefix='sabal-bench-')
        self.file = os.path.join(self.folder, 'scheduler.json')

    def start(self, command):
        with open(os.path.join(self.folder, 'log'), 'a') as log:
            self.running.append(subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                 preexec_fn=die_with_parent))

    def signal(self, number):
        for process in self.running:
            process.send_signal(number)

    def cpu(self):
        return sum(cpu_seconds(process.pid) for process in self.running)

    def log(self):
        with open(os.path.join(self.folder, 'log')) as file:
            return file.read()[-4000:]

    def check(self):
        """Ends the bench if one has."""
        for process in self.running:
            if process.poll() is not None:
                sys.exit(f'bench: {" ".join(process.args)} ended with status {process.returncode}\n{self.log()}')

    def close(self):
        for process in reversed(self.running):  # workers first
            process.terminate()
        end = time.monotonic() + PATIENCE
        for process in self.running:
            try:
                process.wait(max(end - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


def sabal_cluster(env, sabal):
    """With supervisors, as by default."""
    cluster = Processes(env)
    cluster.start([sabal, 'scheduler', '--scheduler-file', cluster.file])
    for _ in range(WORKERS):
        cluster.start([sabal, 'worker', '--scheduler-file', cluster.file, '--threads', '1'])
    return cluster


def dask_cluster(env, python):
    """Without nannies and dashboards, which would only make it slower."""
    cluster = Processes(env)
    cluster.start([python, '-m', 'distributed.cli.dask_scheduler', '--scheduler-file', cluster.file, '--no-dashboard',
                   '--host', '127.0.0.1', '--port', '0'])
    for _ in range(WORKERS):
        cluster.start([python, '-m', 'distributed.cli.dask_worker', '--scheduler-file', cluster.file, '--nthreads', '1',
                       '--no-nanny', '--no-dashboard', '--host', '127.0.0.1', '--local-directory', cluster.folder])
    return cluster
