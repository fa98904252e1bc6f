"""scikit-learn's side of `tools/bench kmeans`; the commands are those of kmeans.c, and `inertia CENTERS-AS-JSON`."""
import json

import numpy as np
import sklearn
from peer import inertia, peak_rss, seconds, serve
from sklearn.cluster import KMeans

x = None


def load(path):
    global x
    x = np.load(path)
    KMeans(2, n_init=1).fit(x[:1000])  # what is loaded and started at a first call is not what is measured
    return {'rows': len(x), 'version': sklearn.__version__}


def fit(k, seed):
    time, model = seconds(lambda: KMeans(int(k), n_init=1, random_state=int(seed)).fit(x))
    return {'seconds': time, 'n_iter': int(model.n_iter_), 'centers': model.cluster_centers_.ravel().tolist()}


def iterate(k, centers, passes):
    init = np.load(centers)
    time, model = seconds(lambda: KMeans(int(k), init=init, n_init=1, max_iter=int(passes), tol=0).fit(x))
    return {'seconds': time, 'n_iter': int(model.n_iter_)}


def inertia_of(*centers):
    values = np.array(json.loads(' '.join(centers)))
    return {'inertia': inertia(x, values.reshape(-1, x.shape[1]))}


serve({'load': load, 'fit': fit, 'iterate': iterate, 'inertia': inertia_of, 'rss': peak_rss})
