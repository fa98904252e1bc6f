"""Dask's side of `tools/bench cluster`: a client of the scheduler whose file is named.

Graphs are made here and given to the scheduler whole, maps by client.map(): what Dask is fastest at. The time holds the making of
the graph, the run, and letting go of it, as on the other side. `--first` instead starts all, as its users do, and ends with the
first result.
"""
import itertools
import sys
import time

import distributed
from distributed import Client, LocalCluster
from peer import seconds, serve

WIDTH, STEPS, RUNS = 8, 50, 2  # of the stencil: as engine/patterns.h and engine/sabal_taskbench.c have it, but for the runs
REDUCED = 16                   # as in engine/sabal_futures.c
FIRST, LAST = 1e-3, 50e-3      # seconds of the smallest and the largest task that are tried

numbers = itertools.count()    # a name is new in each run: what was computed once is not computed again


def one():
    return 1


def count(*inputs):
    return 1 + sum(inputs)


def add(*inputs):
    return sum(inputs)


def plus_one(i):
    return i + 1


def work(cpu_seconds, *inputs):
    end = time.thread_time() + cpu_seconds
    while time.thread_time() < end:
        pass
    return 1


def run_chain(client, n):
    name = f'chain{next(numbers)}'
    graph = {(name, 0): (one,)}
    for i in range(1, n):
        graph[(name, i)] = (count, (name, i - 1))
    return client.get(graph, (name, n - 1)) == n


def run_tree(client, n):
    name = f'tree{next(numbers)}'
    graph = {(name, i): (count, (name, 2 * i + 1), (name, 2 * i + 2)) if 2 * i + 1 < n else (one,) for i in range(n)}
    return client.get(graph, (name, 0)) == n


def run_map(client, n):
    name = f'map{next(numbers)}'
    return list(client.get({(name, i): (plus_one, i) for i in range(n)}, [(name, i) for i in range(n)])) == list(range(1, n + 1))


def run_map_reduce(client, n):
    name = f'map_reduce{next(numbers)}'
    graph = {(name, 0, i): (plus_one, i) for i in range(n)}
    level, left = 0, n
    while left > 1:
        level += 1
        for i in range(0, left, REDUCED):
            inputs = [(name, level - 1, k) for k in range(i, min(i + REDUCED, left))]
            graph[(name, level, i // REDUCED)] = (add, *inputs)
        left = -(-left // REDUCED)
    return client.get(graph, (name, level, 0)) == n * (n + 1) // 2


def run_stencil(client, cpu_seconds):
    name = f'stencil{next(numbers)}'
    graph = {(name, 0, i): (work, cpu_seconds) for i in range(WIDTH)}
    for t in range(1, STEPS):
        for i in range(WIDTH):
            before = [(name, t - 1, k) for k in range(max(i - 1, 0), min(i + 2, WIDTH))]
            graph[(name, t, i)] = (work, cpu_seconds, *before)
    return client.get(graph, [(name, STEPS - 1, i) for i in range(WIDTH)]) == [1] * WIDTH


def timed(client, shape):
    def command(n):
        took, right = seconds(lambda: shape(client, int(n)))
        if not right:
            raise SystemExit(f'bench: dask: {shape.__name__}: the result is wrong')
        return {'seconds': took}
    return command


def metg(client):
    """The smallest granularity, time by the clock * 2 / tasks, at which work is that part of the time: as sabal's side."""
    def command(percent):
        wanted, before, began = int(percent) / 100, None, time.perf_counter()
        grain = FIRST
        while grain < LAST:
            took = min(timed_stencil(client, grain) for _ in range(RUNS))
            granularity = 2 * took / (WIDTH * STEPS)
            efficiency = grain / granularity
            if efficiency >= wanted:
                if before:
                    granularity = before[0] * (granularity / before[0]) ** ((wanted - before[1]) / (efficiency - before[1]))
                return {'seconds': time.perf_counter() - began, 'value': granularity}
            before = granularity, efficiency
            grain *= 2 ** 0.5
        return {'seconds': time.perf_counter() - began, 'value': 0}  # it never was
    return command


def timed_stencil(client, grain):
    took, right = seconds(lambda: run_stencil(client, grain))
    if not right:
        raise SystemExit('bench: dask: the stencil is wrong')
    return took


def first():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        print(client.submit(plus_one, 1).result(), flush=True)


def main():
    if sys.argv[1] == '--first':
        return first()
    with Client(scheduler_file=sys.argv[1]) as client:
        client.wait_for_workers(2)
        shapes = {'map': run_map, 'tree': run_tree, 'chain': run_chain, 'map-reduce': run_map_reduce}
        serve({'version': lambda: {'version': distributed.__version__}, 'metg': metg(client),
               **{name: timed(client, shape) for name, shape in shapes.items()}})


if __name__ == '__main__':
    main()
