/* Machine learning over lazy arrays. */
#ifndef SABAL_ML_H
#define SABAL_ML_H

#include <sabal/array.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A fitted k-means model: immutable, counted, free to share between threads. */
typedef struct sabal_kmeans sabal_kmeans;

/** Where a fit is; given to .progress between passes, from the thread that fits. */
typedef struct sabal_kmeans_progress {
    size_t      struct_size;
    const char *phase; /* "seed", "iterate", "label"             */
    int32_t     run;   /* 1 .. n_init                            */
    int32_t     n_init;
    int32_t     iter;     /* passes of this phase done              */
    int32_t     max_iter; /* at most                                */
    double      shift;    /* squared move of the centres, last pass */
    double      limit;    /* stops at or below                      */
} sabal_kmeans_progress;

/** How to fit. sabal_kmeans_fit() fills what you don't name with SABAL_KMEANS_DEFAULTS. */
typedef struct sabal_kmeans_options {
    size_t             struct_size;
    const char        *where;         /* the caller's file and line, set by the macro                           */
    int32_t            n_clusters;    /* 1 .. rows of x; default 8                                              */
    const char        *init;          /* "k-means||" (default), "k-means++", "random"                           */
    const sabal_array *init_centers;  /* (n_clusters, d): start from these; init is not used then                */
    int32_t            n_init;        /* runs from different seeds, the best is kept; 0 (default) is scikit-learn's
                                         'auto': 1, but 10 for "random"; 1 with init_centers                     */
    int32_t            max_iter;      /* passes over x a run; default 300; at least 1                           */
    double             tol;           /* stop when the squared move of the centres is at most tol times the mean
                                         variance of the features; default 1e-4; 0: until no centre moves        */
    uint64_t           seed;          /* same seed, same chunks: same bits, on any number of cores               */
    const sabal_array *sample_weight; /* (n,) weights >= 0; NULL: 1 each                                        */
    double             oversampling;  /* k-means||: candidates a round, times n_clusters; above 0; default 2     */
    int32_t            init_rounds;   /* k-means||: rounds, 1 .. 1000; default 5                                 */
    void (*progress)(void *user, const sabal_kmeans_progress *progress);
    void *progress_user;
} sabal_kmeans_options;
#define SABAL_KMEANS_DEFAULTS                                                                                          \
    .struct_size = sizeof(sabal_kmeans_options), .where = SABAL_HERE, .n_clusters = 8, .init = "k-means||",            \
    .max_iter = 300, .tol = 1e-4, .oversampling = 2.0, .init_rounds = 5
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_kmeans_options_init(sabal_kmeans_options *options);

/**
 * Groups the rows of x around n_clusters centres, by Lloyd's iteration. Waits; a task that calls it lends its place
 * meanwhile. As scikit-learn's KMeans, with its names, defaults and results, but: seeding is k-means|| (one pass a
 * round, where k-means++ needs one a centre), and centres are float64 also for float32 data.
 *
 *   x        (n, d) of real numbers, chunked along rows; borrowed. Each pass computes every chunk, and converts whole
 *            numbers to float64 as it does: persist it if it fits in memory.
 *   returns  a model, never NULL; failed if x is failed or can't be clustered
 *
 * A cluster that loses all its rows is moved to the row that lies farthest from its centre, as there.
 * Cost:   n*k*d multiply-adds a pass, one task a chunk; each sends back k*(d+1) doubles. A pass for each iteration,
 *         one for the means, one for the inertia of the last centres; seeding by k-means|| takes init_rounds + 1 more,
 *         and meanwhile 8 bytes a row where a row has 128 bytes or more; k-means++ 8 bytes a row always.
 * Errors: SABAL_ESHAPE  x is not 2-d, has no column or fewer rows than clusters; init_centers or sample_weight
 *                       don't fit
 *         SABAL_EDTYPE  x, init_centers or sample_weight is complex
 *         SABAL_EVALUE  NaN or infinity in x (the first row and column are named); numbers, weights or init_centers
 *                       whose squares, or sums of them, overflow; a weight that is negative or infinite, or all of
 *                       them 0
 *         SABAL_EINVAL  an option out of range; also ENOMEM, ECANCELED, ECLOSED
 *         Using up max_iter is a result, not an error: ask sabal_kmeans_converged().
 * Source: Lloyd, IEEE Trans. Inf. Theory 28(2), 1982; seeding: Bahmani et al., PVLDB 5(7), 2012;
 *         Arthur and Vassilvitskii, SODA 2007; empty clusters and tolerance: scikit-learn 1.4.
 */
#ifndef __cplusplus
#define sabal_kmeans_fit(x, ...)                                                                                       \
    SABAL_WITH(sabal_kmeans_fit_with, ((x)), sabal_kmeans_options, SABAL_KMEANS_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_kmeans *sabal_kmeans_fit_with(const sabal_array *x, const sabal_kmeans_options *options);

/** The error of a failed model; NULL if it is fine. Borrowed. */
SABAL_API const sabal_error *sabal_kmeans_error(const sabal_kmeans *model);
/** (k, d) float64, borrowed: valid while you hold the model; a failed array for a failed model. */
SABAL_API const sabal_array *sabal_kmeans_centers(const sabal_kmeans *model);
/** (n,) int32, lazy: the nearest centre of each row of x, computed when asked for; borrowed. Keeps x alive. */
SABAL_API const sabal_array *sabal_kmeans_labels(const sabal_kmeans *model);
/** Sum of the (weighted) squared distances of the rows to their nearest centre; NaN for a failed model. */
SABAL_API double sabal_kmeans_inertia(const sabal_kmeans *model);
/** Passes of the best run; -1 for a failed model. */
SABAL_API int32_t sabal_kmeans_n_iter(const sabal_kmeans *model);
/** 1 if the best run stopped because its centres had settled (in its last pass too), 0 if max_iter ended it. */
SABAL_API int32_t sabal_kmeans_converged(const sabal_kmeans *model);
/** Number of clusters and of features; -1 for a failed model. */
SABAL_API int32_t sabal_kmeans_n_clusters(const sabal_kmeans *model);
SABAL_API int64_t sabal_kmeans_n_features(const sabal_kmeans *model);

/** Seconds that the fit took. */
typedef struct sabal_kmeans_times {
    size_t struct_size;
    double seed;    /* the check of x, its variance, and seeding  */
    double iterate; /* the passes                                 */
    double total;   /* the whole call                             */
} sabal_kmeans_times;
/** Fills as much of *times as its struct_size says, which the caller sets. SABAL_EINVAL if that is too small for any. */
SABAL_API sabal_status sabal_kmeans_times_get(const sabal_kmeans *model, sabal_kmeans_times *times);

/**
 * (n,) int32, lazy: the nearest centre of each row of x, (n, d) of the model's d.
 *
 * Errors: SABAL_ESHAPE (no d columns), SABAL_EDTYPE (complex), SABAL_EINVAL (x belongs to another client), SABAL_ENOMEM,
 *         that of x or of the model if one of them failed; when it is computed SABAL_EVALUE (NaN or infinity in x, the
 *         first row and column are named; a row whose squares overflow)
 */
SABAL_API sabal_array *sabal_kmeans_predict(const sabal_kmeans *model, const sabal_array *x);
/** (n, k) of x's dtype, float64 for whole numbers, lazy: the distance of each row to each centre. Errors: as predict */
SABAL_API sabal_array *sabal_kmeans_transform(const sabal_kmeans *model, const sabal_array *x);

#ifdef __cplusplus
} /* extern "C" */
SABAL_CXX_DEFAULTS_(kmeans)
inline sabal_kmeans *sabal_kmeans_fit(const sabal_array *x, const sabal_kmeans_options &o = sabal_kmeans_defaults())
{
    return sabal_kmeans_fit_with(x, &o);
}
#endif
#endif
