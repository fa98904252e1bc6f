"""blobs.py OUT.npy ROWS COLUMNS BLOBS STD SEED: Gaussian blobs (centres uniform in [-10, 10)), made piece by piece."""
import sys

import numpy as np

path, rows, columns, blobs, std, seed = sys.argv[1], *map(float, sys.argv[2:])
rows, columns, blobs = int(rows), int(columns), int(blobs)
random = np.random.default_rng(int(seed))
centers = random.uniform(-10, 10, (blobs, columns))
out = np.lib.format.open_memmap(path, 'w+', np.float64, (rows, columns), version=(1, 0))
step = max((1 << 24) // columns, 1)
for first in range(0, rows, step):
    n = min(step, rows - first)
    out[first:first + n] = random.standard_normal((n, columns)) * std
    out[first:first + n] += centers[random.integers(blobs, size=n)]
out.flush()
