"""rows.py OUT.npy DATA.npy K: K rows of the data, as centres to start from."""
import sys

import numpy as np

data = np.load(sys.argv[2], mmap_mode='r')
chosen = np.random.default_rng(1).choice(len(data), int(sys.argv[3]), replace=False)
np.save(sys.argv[1], np.ascontiguousarray(data[np.sort(chosen)]))
