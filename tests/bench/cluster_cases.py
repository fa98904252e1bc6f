"""The cases of `tools/bench cluster`; README.md beside it tells what each means."""
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time

from __main__ import Side
from cluster_processes import WORKERS, cpu_seconds, dask_cluster, die_with_parent, end_on_signals, sabal_cluster
from engine import Engine, Entrant, busy

TASKS = {'map': 1_000_000, 'tree': (1 << 20) - 1, 'chain': 1_000_000, 'map-reduce': 937_000}
DASK = {'map': 5_000, 'tree': (1 << 12) - 1, 'chain': 5_000, 'map-reduce': 4_680}
SMALL = 127     # of warm runs; a whole tree
REDUCED = 16    # as in engine/sabal_futures.c
GOAL = 100      # Dask's time over ours
PRICE = 10      # us, at most, for a task
WAKING = 1      # seconds that Dask has to catch up with what it missed, after it was stopped
TRIPS = 5_000   # of `roundtrip`
COLD_TRIPS = 31
SILENCE = 100   # ms before each of `roundtrip-cold`
REST = 5        # seconds that `idle-cpu` looks at
PERCENT = 75    # of `metg`
ROWS = 100_000_000


def n_tasks(shape, n):
    """Tasks that a shape of n is made of."""
    total = n
    while shape == 'map-reduce' and n > 1:
        n = -(-n // REDUCED)
        total += n
    return total


def watched(cluster, work):
    """The answer of work(), of which it says what processors it used itself; and what others than it and the cluster used."""
    before, cluster_before = busy(), cluster.cpu()
    answer = work()
    own = cluster.cpu() - cluster_before + answer['cpu']
    return {**answer, 'foreign': max(busy() - before - own, 0), 'cpu': own}


class Sabal:
    """Programs that are clients of a cluster, each run a process of its own."""

    def __init__(self, bench, stack, dask):
        self.bench, self.stack, self.dask, self.cluster = bench, stack, dask, None
        self.command = bench.target('tools/sabal')  # built before anything is timed
        self.programs = {name: bench.program('engine_' + name) for name in ('sabal_futures', 'sabal_taskbench')}

    def fresh(self):
        return sabal_cluster(self.bench.env, self.command)

    def there(self):
        """The cluster that stays for all cases, with both of its workers."""
        if not self.cluster:
            self.cluster = self.stack.enter_context(self.fresh())
            self.run(self.cluster, 'sabal_futures', 1, 'both', 1)
        return self.cluster

    def started(self, cluster, program, threads, workload, n, arg=0, warm=0):
        command = [self.programs[program], *map(str, (threads, workload, n, arg, warm))]
        return subprocess.Popen(command, env={**self.bench.env, 'SABAL_SCHEDULER_FILE': cluster.file},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def run(self, cluster, *what, **how):
        """The answer of a program."""
        with self.started(cluster, *what, **how) as process:
            text = process.stdout.read()
        cluster.check()
        if process.returncode:
            sys.exit(f'bench: {" ".join(process.args)} ended with status {process.returncode}\n{cluster.log()}')
        return json.loads(text)

    def entrant(self, workload, program, threads, n, arg=0, warm=0, **how):
        def ask():
            with self.dask.standing_still():
                return watched(self.there(), lambda: self.run(self.cluster, program, threads, workload, n, arg, warm))
        return Entrant('sabal', '', workload, WORKERS, n, arg, warm, ours=True, ask=ask, **how)


class Dask:
    """A client of Dask, and its cluster, that stay for all cases; they are stopped while it is sabal's turn, as they use 4% of a
    core when they do nothing (sabal's processes use 0.1%)."""

    def __init__(self, bench, stack):
        self.bench, self.stack, self.cluster = bench, stack, None

    def there(self):
        if not self.cluster:
            self.python = self.bench.python('dask')
            self.cluster = self.stack.enter_context(dask_cluster(self.bench.env, self.python))
            self.side = self.stack.enter_context(Side([self.python, self.bench.script('cluster_dask.py'), self.cluster.file],
                                                      self.bench.env))
            self.version = 'Dask ' + self.side.ask('version')['version']
        return self.cluster

    @contextlib.contextmanager
    def standing_still(self):
        def signal_all(number):
            self.cluster.signal(number)
            self.side.process.send_signal(number)

        if not self.cluster:
            yield
            return
        signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            signal_all(signal.SIGCONT)
            time.sleep(WAKING)

    def entrant(self, command, n, **how):
        def work():
            before = cpu_seconds(self.side.process.pid)
            answer = self.side.ask(command, n)
            self.cluster.check()
            return {**answer, 'cpu': cpu_seconds(self.side.process.pid) - before}

        def ask():
            return watched(self.there(), work)
        self.there()
        return Entrant(self.version, '', command, WORKERS, n, ask=ask, **how)


def shapes(bench, engine, sabal, dask):
    for shape, n in TASKS.items():
        case, price = shape, shape + '-price'
        if not bench.wants(case, price):
            continue
        ours = sabal.entrant('futures-' + shape, 'sabal_futures', 1, n, warm=SMALL, scale=1e6 / n_tasks(shape, n))
        theirs = dask.entrant(shape, DASK[shape], scale=1e6 / n_tasks(shape, DASK[shape]))
        engine.rounds(case, [ours, theirs])
        mine, other = ours.median(), theirs.median()
        bench.result(case, mine, dask.version, other, 'us', GOAL * mine / other, f'{GOAL} * a task / theirs', WORKERS)
        bench.result(price, mine, f'{PRICE} us', PRICE, 'us', mine / PRICE, f'a task / {PRICE} us', WORKERS)


def roundtrips(bench, engine, sabal):
    for case, n, silence, limit in (('roundtrip', TRIPS, 0, 100), ('roundtrip-cold', COLD_TRIPS, SILENCE, 300)):
        if bench.wants(case):
            ours, = engine.rounds(case, [sabal.entrant('roundtrip', 'sabal_futures', 1, n, silence, n // 10, field='value')])
            bench.result(case, ours.median(), f'{limit} us', limit, 'us', ours.median() / limit,
                         f'from submitting a task to its result / {limit} us', WORKERS)


def idle(bench, sabal):
    """Of a client that has worked and now does nothing, the scheduler and both workers."""
    def share(_):
        cluster = sabal.there()
        with sabal.started(cluster, 'sabal_futures', 1, 'rest', (REST + 2) * 1000) as process:
            time.sleep(1)
            before = cluster.cpu() + cpu_seconds(process.pid)
            time.sleep(REST)
            used = cluster.cpu() + cpu_seconds(process.pid) - before
        cluster.check()
        return used / REST

    if bench.wants('idle-cpu'):
        ours, = bench.in_turn(share)
        bench.result('idle-cpu', ours, '1% of a core', 0.01, 'cores', ours / 0.01,
                     'client, scheduler and workers together / 1% of a core', WORKERS)


def metg(bench, engine, sabal, dask):
    if not bench.wants('metg'):
        return
    ours = sabal.entrant('metg-cluster', 'sabal_taskbench', WORKERS, PERCENT, 2, field='value', scale=1e-3)
    theirs = dask.entrant('metg', PERCENT, field='value', scale=1e6)
    engine.rounds('metg', [ours, theirs])
    mine, other = (None if e.median() == math.inf else e.median() for e in (ours, theirs))  # on a busy machine, perhaps
    bench.result('metg', mine, dask.version, other, 'us', GOAL * mine / other if mine and other else None, f'{GOAL} * the smallest efficient task / theirs',
                 WORKERS)


def start(bench, sabal, dask):
    """From nothing to a result that both workers had a part in; Dask's workers only have to be there."""
    def ours(_):
        began = time.monotonic()
        with sabal.fresh() as cluster:
            sabal.run(cluster, 'sabal_futures', 1, 'both', 1)
            return time.monotonic() - began

    def theirs(_):
        began = time.monotonic()
        with subprocess.Popen([dask.python, bench.script('cluster_dask.py'), '--first'], env=bench.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline()
            took = time.monotonic() - began
        if line != '2\n' or process.returncode:
            sys.exit(f'bench: Dask did not start (status {process.returncode})')
        return took

    if bench.wants('start'):
        dask.there()
        mine, other = bench.in_turn(ours, theirs)
        bench.result('start', mine, dask.version, other, 's', 10 * mine / other, '10 * the time to the first result / theirs',
                     WORKERS)


def kmeans(bench, sabal):
    program, rows = bench.program('rehearse'), str(bench.options.rows or ROWS)
    centers = set()

    def once(address):
        done = subprocess.run([program, address, str(WORKERS), rows], env=bench.env, stdout=subprocess.PIPE, check=True,
                              preexec_fn=die_with_parent)
        answer = json.loads(done.stdout)
        centers.add(answer['centers'])
        if len(centers) > 1:
            sys.exit(f'bench: {address} gives other centres')
        return answer['seconds']

    def ours(_):
        with sabal.fresh() as cluster:  # as fresh as the local engine's process
            sabal.run(cluster, 'sabal_futures', 1, 'both', 1)
            return once(cluster.file)

    if bench.wants('kmeans-cluster'):
        mine, local = bench.in_turn(ours, lambda _: once('local:'))
        bench.result('kmeans-cluster', mine, 'local engine', local, 's', mine / (1.3 * local),
                     'the whole program / 1.3 of that on the local engine', WORKERS)


def run(bench):
    end_on_signals()
    engine = Engine(bench)
    with contextlib.ExitStack() as stack:
        dask = Dask(bench, stack)
        sabal = Sabal(bench, stack, dask)
        kmeans(bench, sabal)
        start(bench, sabal, dask)
        roundtrips(bench, engine, sabal)
        idle(bench, sabal)
        shapes(bench, engine, sabal, dask)
        metg(bench, engine, sabal, dask)
