"""The cases of `tools/bench scheduler`; README.md beside it tells what each means."""
import json
import re
import statistics
import subprocess
import sys
import time

from cluster_processes import Processes, cpu_seconds, die_with_parent, end_on_signals

PATTERNS = ('map', 'tree', 'chain', 'broadcast')
TASKS = 1_000_000
CROWDS = (1, 100, 10_000)   # workers
PRICE = 1000                # ns, at most, for a task
FLAT = 1.2                  # of the largest crowd's time over the smallest one's
BYTES = 200                 # of a task, at most
JOINS = 1000                # real connections
JOIN_TIME = 10              # seconds
IDLE = 0.05                 # of a core
REST = 5                    # seconds that are looked at
SIMULATED = 10_000_000


def core(bench):
    program = bench.target('tests/bench_core_scheduler')

    def run(pattern, workers):
        done = subprocess.run([program, pattern, str(TASKS), str(workers)], env=bench.env, stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    for pattern in PATTERNS:
        names = [f'{pattern}-{workers}' for workers in CROWDS]
        if not bench.wants(*names, pattern + '-flat', pattern + '-bytes'):
            continue
        rounds = [[run(pattern, workers) for workers in CROWDS] for _ in range(bench.options.reps)]
        ns = [statistics.median(answer['ns'] for answer in side) for side in zip(*rounds)]
        for name, value in zip(names, ns):
            bench.result(name, value, f'{PRICE} ns', PRICE, 'ns', value / PRICE, f'a task / {PRICE} ns', 1)
        bench.result(pattern + '-flat', ns[-1], '1 worker', ns[0], 'ns', ns[-1] / (FLAT * ns[0]),
                     f'{CROWDS[-1]} workers / ({FLAT} * one)', 1)
        size = max(answer['bytes'] for one in rounds for answer in one)
        bench.result(pattern + '-bytes', size, f'{BYTES} bytes', BYTES, 'bytes', size / BYTES, f'a task / {BYTES} bytes', 1)


def crowd(bench):
    """Connections of workers that do nothing; what their own ends cost would be other nodes' to bear."""
    if not bench.wants('joins', 'joins-idle'):
        return
    sabal, program = bench.target('tools/sabal'), bench.target('tests/bench_cluster_crowd')
    took, share = [], []
    for _ in range(bench.options.reps):
        with Processes(bench.env) as cluster:
            cluster.start([sabal, 'scheduler', '--scheduler-file', cluster.file])
            with subprocess.Popen([program, cluster.file, str(JOINS)], env=bench.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, preexec_fn=die_with_parent) as process:
                line = process.stdout.readline()
                if not line:
                    sys.exit(f'bench: not all have joined\n{cluster.log()}')
                took.append(json.loads(line)['seconds'])
                time.sleep(1)
                before = cluster.cpu()
                time.sleep(REST)
                share.append((cluster.cpu() - before) / REST)
                process.stdin.close()
            cluster.check()
    bench.result('joins', statistics.median(took), f'{JOIN_TIME} s', JOIN_TIME, 's', statistics.median(took) / JOIN_TIME,
                 f'until {JOINS} connections have joined / {JOIN_TIME} s', 1)
    bench.result('joins-idle', statistics.median(share), f'{IDLE:.0%} of a core', IDLE, 'cores', statistics.median(share) / IDLE,
                 f'the scheduler of {JOINS} idle workers / {IDLE:.0%} of a core', 1)


def simulated(bench):
    """Scheduler, workers and clients in one process; there is no goal but to have done it."""
    if not bench.wants('simulated', 'simulated-bytes'):
        return
    done = subprocess.run([bench.target('tests/core/sim'), '--seed', '1', '--tasks', str(SIMULATED)], env=bench.env,
                          stdout=subprocess.PIPE, text=True)
    said = re.search(r'^\d+ tasks: ([\d.]+) us a task, .* at most (\d+) bytes a task', done.stdout, re.M)
    if done.returncode or not said:
        sys.exit(f'bench: the simulator ended with status {done.returncode}\n{done.stdout[-2000:]}')
    bench.result('simulated', float(said[1]), None, None, 'us', None, f'a task of {SIMULATED:,} in the simulator', 1)
    bench.result('simulated-bytes', float(said[2]), None, None, 'bytes', None, 'a task, with all that the simulator keeps itself', 1)


def run(bench):
    end_on_signals()
    core(bench)
    crowd(bench)
    simulated(bench)
