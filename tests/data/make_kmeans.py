#!/usr/bin/env python3
"""Makes tests/data/kmeans: what scikit-learn's KMeans gives for given initial centres, for tests/ml to compare.

    pip install scikit-learn && tests/data/make_kmeans.py

Each case is run a second time by the plain loop below, which follows the same rules one operation at a time. A case
is only kept if both agree and if no row ever comes close to being equally far from two centres: rounding must not
decide what the tests then hold against us.
"""
import os
import platform
import warnings

import numpy as np
import scipy
import sklearn
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, make_blobs

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kmeans")
written = {}


def save(name, array):
    """Writes an array once; returns its name."""
    if name not in written:
        np.save(os.path.join(HERE, name + ".npy"), array)
        written[name] = array
    return name


def plain_loop(x, weight, centers, tol, max_iter):
    """Lloyd as scikit-learn does it; returns also the least relative gap between the two nearest centres."""
    x, centers = x.astype(np.float64), centers.astype(np.float64).copy()
    weight = np.ones(len(x)) if weight is None else weight.astype(np.float64)
    limit = 0 if tol == 0 else x.var(axis=0).mean() * tol
    scale = ((x - x.mean(axis=0)) ** 2).sum(axis=1).max()
    k, margin, old, relocated = len(centers), np.inf, None, 0

    def assign():
        nonlocal margin
        dist = np.stack([((x - c) ** 2).sum(axis=1) for c in centers], axis=1)
        two = np.sort(dist, axis=1)[:, :2]
        if k > 1:
            margin = min(margin, ((two[:, 1] - two[:, 0]) / scale).min())
        return dist.argmin(axis=1), dist.min(axis=1)

    for n_iter in range(1, max_iter + 1):
        labels, dist = assign()
        sums = np.stack([np.bincount(labels, weight * x[:, j], k) for j in range(x.shape[1])], axis=1)
        counts = np.bincount(labels, weight, k)
        empty = np.flatnonzero(counts == 0)
        if len(empty) and dist.max() > 0:
            assert len(empty) <= 2, "the order of more than two is an accident of argpartition"
            for new, row in zip(empty, np.argsort(-dist, kind="stable")[: len(empty)]):
                sums[labels[row]] -= x[row] * weight[row]
                counts[labels[row]] -= weight[row]
                sums[new], counts[new] = x[row] * weight[row], weight[row]
                relocated += 1
        new = np.where(counts[:, None] > 0, sums / np.where(counts > 0, counts, 1)[:, None], 0)
        new[counts == 0] = new[counts.argmax()]
        shift = ((new - centers) ** 2).sum()
        centers = new
        if old is not None and (labels == old).all():
            return labels, centers, n_iter, 1, margin, relocated
        if shift <= limit:
            return assign()[0], centers, n_iter, 1, margin, relocated
        old = labels
    return assign()[0], centers, n_iter, 0, margin, relocated


cases = []


def case(name, x_name, x, init, *, stored=None, tol=1e-4, max_iter=300, weight=None, margin=1e-9, relocated=0):
    """x is what KMeans gets, stored what the file holds (same values, a smaller type)."""
    stored = x if stored is None else stored
    assert (stored.astype(x.dtype) == x).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = KMeans(len(init), init=init, n_init=1, tol=tol, max_iter=max_iter, algorithm="lloyd")
        model.fit(x, sample_weight=weight)
    labels, centers, n_iter, converged, gap, moved = plain_loop(x, weight, init, tol, max_iter)
    assert (labels == model.labels_).all(), name
    assert n_iter == model.n_iter_, (name, n_iter, model.n_iter_)
    assert gap > margin, (name, gap)
    assert moved == relocated, (name, moved)
    rtol = 1e-12 if x.dtype == np.float64 else 1e-5
    assert np.allclose(centers, model.cluster_centers_, rtol=rtol, atol=rtol * np.abs(centers).max()), name
    save(x_name, stored)
    save(name + "_init", init.astype(np.float64))
    save(name + "_labels", model.labels_.astype(np.uint8))
    save(name + "_centers", model.cluster_centers_.astype(np.float64))
    weights = "NULL"
    if weight is not None:
        weights = '"%s"' % save(name + "_weight", weight)
    cases.append(
        '    {"%s", "%s", %s, %d, %d, %d, SABAL_%s, %s, %d, %d, %d, %d, %r},'
        % (name, x_name, weights, *x.shape, len(init), x.dtype.name.upper(), tol, max_iter, n_iter, converged,
           relocated, float(model.inertia_))
    )
    print("%-16s n_iter %3d, inertia %.6g, gap %.1e, relocated %d" % (name, n_iter, model.inertia_, gap, moved))


qualities = []


def quality(x_name, x, k, runs=40):
    """What k-means++ with one start reaches, over seeds: our seeding must not be worse."""
    inertia = [KMeans(k, init="k-means++", n_init=1, random_state=s).fit(x).inertia_ for s in range(runs)]
    qualities.append(
        '    {"%s", %d, %d, %d, %r, %r, %r, %r},'
        % (x_name, *x.shape, k, float(np.median(inertia)), float(np.mean(inertia)), float(np.std(inertia, ddof=1)),
           float(np.min(inertia)))
    )
    print("quality %-10s k %2d: median %.6g, std %.2g" % (x_name, k, np.median(inertia), np.std(inertia)))


def single(x):
    """The nearest float32 values, as float64."""
    return x.astype(np.float32).astype(np.float64)


os.makedirs(HERE, exist_ok=True)
for old in os.listdir(HERE):
    os.remove(os.path.join(HERE, old))

iris = load_iris().data
# rows are multiples of 0.1, where ties abound: means of a few rows are not
case("iris", "iris_x", iris, np.stack([iris[i : i + 7].mean(axis=0) for i in (0, 50, 100)]))
case("iris_k1", "iris_x", iris, iris[[7]])
case("iris_weighted", "iris_x", iris, np.stack([iris[i : i + 7].mean(axis=0) for i in (10, 70, 140)]), weight=single(np.random.RandomState(1).uniform(0, 3, 150)))

digits, target = load_digits(return_X_y=True)
case("digits", "digits_x", digits, np.stack([digits[target == t][:7].mean(axis=0) for t in range(10)]),
     stored=digits.astype(np.uint8))

x = single(make_blobs(100000, 2, centers=3, cluster_std=2.0, random_state=0)[0])
small = x.astype(np.float32)
case("blobs", "blobs_x", x, x[[0, 1, 2]], stored=small)
case("blobs_tol0", "blobs_x", x, x[[3, 4, 5, 6]], stored=small, tol=0.0)
case("blobs_max_iter", "blobs_x", x, x[[0, 1, 2, 3, 4, 5, 6, 7]], stored=small, max_iter=4)
blobs = x

x = single(make_blobs(5000, 16, centers=8, cluster_std=4.0, random_state=3)[0])
case("wide", "wide_x", x, x[:8], stored=x.astype(np.float32))
case("wide_weighted", "wide_x", x, x[8:16], stored=x.astype(np.float32),
     weight=single(np.random.RandomState(2).exponential(size=5000)))
wide = x

# float32 in, float32 inside scikit-learn: rows must be further from a tie, so there are fewer of them
x = make_blobs(500, 3, centers=4, cluster_std=4.0, random_state=11)[0].astype(np.float32)
case("float32", "float32_x", x, x[[0, 1, 2, 3]], margin=1e-5)

# far from the origin, where squares lose their digits
x = single(make_blobs(1000, 3, centers=4, cluster_std=1.0, random_state=5)[0] + 65536)
case("far", "far_x", x, x[[0, 1, 2, 3]], stored=x.astype(np.float32), margin=1e-7)

# a centre too far away to get a row: it moves to the row farthest from its centre; then two such at once
x = single(make_blobs(300, 2, centers=[[0, 0], [10, 0], [4, 9]], cluster_std=0.7, random_state=6)[0])
case("empty", "empty_x", x, np.array([[0.0, 0.0], [10.0, 0.0], [1000.0, 1000.0]]), relocated=1)
case("empty_two", "empty_x", x, np.array([[0.0, 0.0], [500.0, -900.0], [10.0, 0.0], [1000.0, 1000.0]]), relocated=2)
case("empty_weighted", "empty_x", x, np.array([[0.0, 0.0], [10.0, 0.0], [1000.0, 1000.0]]), relocated=1,
     weight=single(np.random.RandomState(3).uniform(0.5, 2, 300)))

# fewer distinct rows than clusters: nowhere to move an empty one, it lies on the biggest (equal centres: the first wins)
x = np.array([[1.0, 2.0]] * 4 + [[3.0, 4.0]] * 6)
case("duplicates", "duplicates_x", x, np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]), margin=-1.0)

quality("digits_x", digits, 10)
quality("wide_x", wide, 8)
quality("blobs_x", blobs, 8)

with open(os.path.join(HERE, "cases.h"), "w") as f:
    f.write(
        "/* Made by tests/data/make_kmeans.py: scikit-learn %s, NumPy %s, SciPy %s, Python %s, %s. */\n"
        % (sklearn.__version__, np.__version__, scipy.__version__, platform.python_version(), platform.machine())
        + "static const struct kmeans_case {\n"
        "    const char *name;    /* of NAME_init, NAME_labels, NAME_centers */\n"
        "    const char *x;       /* file of the rows */\n"
        "    const char *weight;  /* file of the weights, or NULL */\n"
        "    int64_t     n, d;\n"
        "    int32_t     k;\n"
        "    sabal_dtype dtype;   /* of x as it is given to the fit */\n"
        "    double      tol;\n"
        "    int32_t     max_iter, n_iter, converged, relocated;\n"
        "    double      inertia;\n"
        "} kmeans_cases[] = {\n" + "\n".join(cases) + "\n};\n\n"
        "/* KMeans(k, init='k-means++', n_init=1) over 40 seeds. */\n"
        "static const struct kmeans_quality {\n"
        "    const char *x;\n"
        "    int64_t     n, d;\n"
        "    int32_t     k;\n"
        "    double      median, mean, std, min; /* of the inertia */\n"
        "} kmeans_qualities[] = {\n" + "\n".join(qualities) + "\n};\n"
    )
print("%d bytes" % sum(os.path.getsize(os.path.join(HERE, n)) for n in os.listdir(HERE)))
