"""Dask's side of `tools/bench graph`: its threaded scheduler, one thread, graphs of as many tasks as asked for.

The time holds the making of the graph, the run, and letting go of it, as on the other side.
"""
import time

import dask
import dask.threaded
from peer import seconds, serve


def one():
    return 1


def count(*inputs):
    return 1 + sum(inputs)


def plus_one(i):
    return i + 1


def get(graph, keys):
    return dask.threaded.get(graph, keys, num_workers=1)


def chain_graph(n):
    graph = {('t', 0): (one,)}
    for i in range(1, n):
        graph[('t', i)] = (count, ('t', i - 1))
    return get(graph, ('t', n - 1)) == n


def tree_graph(n):
    graph = {('t', i): (count, ('t', 2 * i + 1), ('t', 2 * i + 2)) if 2 * i + 1 < n else (one,) for i in range(n)}
    return get(graph, ('t', 0)) == n


def map_graph(n):
    return list(get({('t', i): (plus_one, i) for i in range(n)}, [('t', i) for i in range(n)])) == list(range(1, n + 1))


def timed(shape):
    def work(n):
        cpu = time.process_time()
        took, right = seconds(lambda: shape(int(n)))
        if not right:
            raise SystemExit(f'bench: dask: {shape.__name__}: the result is wrong')
        return {'seconds': took, 'cpu': time.process_time() - cpu, 'version': dask.__version__}
    return work


serve({'chain': timed(chain_graph), 'tree': timed(tree_graph), 'map': timed(map_graph)})
