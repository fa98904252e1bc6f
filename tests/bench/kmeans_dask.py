"""Dask-ML's side of `tools/bench kmeans`: its threads, the data in memory, twenty chunks.

By its defaults seeding takes a pass a round for about as many rounds as the logarithm of the first inertia. The figures
of its authors are of one round, with ten candidates: fit_one_round.
"""
import os

import dask
import dask.array
import dask_ml
import numpy as np
from dask_ml.cluster import KMeans
from peer import peak_rss, seconds, serve

x = None


def load(path):
    global x
    dask.config.set(scheduler='threads', num_workers=int(os.environ['OMP_NUM_THREADS']))
    data = np.load(path)
    x = dask.array.from_array(data, chunks=(max(len(data) // 20, 1), data.shape[1]), name=False)
    model(3, 0).fit(x[:10000])  # compiles what numba compiles
    return {'rows': len(data), 'version': dask_ml.__version__}


def model(k, seed, **options):
    return KMeans(n_clusters=int(k), random_state=int(seed), **options)


def fit(k, seed, **options):
    time, m = seconds(lambda: model(k, seed, **options).fit(x))
    return {'seconds': time, 'n_iter': int(m.n_iter_), 'centers': np.asarray(m.cluster_centers_).ravel().tolist()}


def fit_one_round(k, seed):
    return fit(k, seed, init_max_iter=1, oversampling_factor=10)


serve({'load': load, 'fit': fit, 'fit_one_round': fit_one_round, 'rss': peak_rss})
