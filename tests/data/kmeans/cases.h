/* Made by tests/data/make_kmeans.py: scikit-learn 1.9.1, NumPy 2.4.6, SciPy 1.17.1, Python 3.11.7, x86_64. */
static const struct kmeans_case {
    const char *name;   /* of NAME_init, NAME_labels, NAME_centers */
    const char *x;      /* file of the rows */
    const char *weight; /* file of the weights, or NULL */
    int64_t     n, d;
    int32_t     k;
    sabal_dtype dtype; /* of x as it is given to the fit */
    double      tol;
    int32_t     max_iter, n_iter, converged, relocated;
    double      inertia;
} kmeans_cases[] = {
    {"iris", "iris_x", NULL, 150, 4, 3, SABAL_FLOAT64, 0.0001, 300, 4, 1, 0, 78.851441426146},
    {"iris_k1", "iris_x", NULL, 150, 4, 1, SABAL_FLOAT64, 0.0001, 300, 2, 1, 0, 681.3706},
    {"iris_weighted", "iris_x", "iris_weighted_weight", 150, 4, 3, SABAL_FLOAT64, 0.0001, 300, 3, 1, 0,
     106.29158971618217},
    {"digits", "digits_x", NULL, 1797, 64, 10, SABAL_FLOAT64, 0.0001, 300, 13, 1, 0, 1165173.1339853304},
    {"blobs", "blobs_x", NULL, 100000, 2, 3, SABAL_FLOAT64, 0.0001, 300, 23, 1, 0, 514215.9169446558},
    {"blobs_tol0", "blobs_x", NULL, 100000, 2, 4, SABAL_FLOAT64, 0.0, 300, 172, 1, 0, 414110.42472279293},
    {"blobs_max_iter", "blobs_x", NULL, 100000, 2, 8, SABAL_FLOAT64, 0.0001, 4, 4, 0, 0, 246208.93884312653},
    {"wide", "wide_x", NULL, 5000, 16, 8, SABAL_FLOAT64, 0.0001, 300, 8, 1, 0, 1267906.5667991338},
    {"wide_weighted", "wide_x", "wide_weighted_weight", 5000, 16, 8, SABAL_FLOAT64, 0.0001, 300, 6, 1, 0,
     1237848.6485417425},
    {"float32", "float32_x", NULL, 500, 3, 4, SABAL_FLOAT32, 0.0001, 300, 16, 1, 0, 21786.0546875},
    {"far", "far_x", NULL, 1000, 3, 4, SABAL_FLOAT64, 0.0001, 300, 3, 1, 0, 2985.469165893555},
    {"empty", "empty_x", NULL, 300, 2, 3, SABAL_FLOAT64, 0.0001, 300, 3, 1, 1, 272.4655170881208},
    {"empty_two", "empty_x", NULL, 300, 2, 4, SABAL_FLOAT64, 0.0001, 300, 6, 1, 2, 237.95827233078145},
    {"empty_weighted", "empty_x", "empty_weighted_weight", 300, 2, 3, SABAL_FLOAT64, 0.0001, 300, 3, 1, 1,
     340.49736467586274},
    {"duplicates", "duplicates_x", NULL, 10, 2, 4, SABAL_FLOAT64, 0.0001, 300, 2, 1, 0, 0.0},
};

/* KMeans(k, init='k-means++', n_init=1) over 40 seeds. */
static const struct kmeans_quality {
    const char *x;
    int64_t     n, d;
    int32_t     k;
    double      median, mean, std, min; /* of the inertia */
} kmeans_qualities[] = {
    {"digits_x", 1797, 64, 10, 1170645.6722056647, 1178942.466403713, 16009.791626816235, 1165158.2485126606},
    {"wide_x", 5000, 16, 8, 1267906.5667991338, 1319718.2678225595, 75999.15151307805, 1267906.5667991338},
    {"blobs_x", 100000, 2, 8, 228886.71333315625, 228601.77828682572, 1060.614642639988, 227289.19417785032},
};
