"""What the peers have in common: commands on standard input, one line of JSON for each on standard output."""
import json
import resource
import sys
import time
import warnings

import numpy as np

warnings.simplefilter('ignore')


def seconds(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def inertia(x, centers):
    """Sum of squared distances to the nearest centre, differences formed directly, in float64; for both sides."""
    total = 0.0
    for first in range(0, len(x), 1 << 20):
        rows = x[first:first + (1 << 20)]
        total += float(np.min([((rows - c) ** 2).sum(axis=1) for c in centers], axis=0).sum())
    return total


def serve(commands):
    """commands: {name: function(*words) -> dictionary}."""
    for line in sys.stdin:
        name, *words = line.split()
        print(json.dumps(commands[name](*words)), flush=True)


def peak_rss():
    return {'bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
