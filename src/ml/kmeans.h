/*
 * The parts of k-means: the data (kmeans_data.c) and its passes (kmeans_pass.c), what tasks do to a chunk (*_stage.c),
 * seeding (kmeans_seed.c, kmeans_plus.c), the small problem over candidates (kmeans_local.c), the iteration
 * and the model (kmeans.c), what a model makes of rows (kmeans_predict.c).
 */
#ifndef SBL_ML_KMEANS_H
#define SBL_ML_KMEANS_H

#include <sabal/ml.h>

#include "array/array.h"

/* The rows to be clustered, as all passes see them. */
typedef struct sbl_kmeans_data {
    const sabal_array *x;
    sabal_array       *weights;     /* held, (n,) float64 in the chunks of x; NULL: 1 each. One reference */
    const double      *weight_of;   /* the same in memory: n of them                                      */
    sabal_ndarray     *weight_rows; /* what weight_of points into. One reference                          */
    int64_t            n, d;
    double            *shift; /* (d): the mean of the features, 0 before it is known */
    double             mean_variance;
    double             scale; /* for seeding: sbl_near_scale() of it */
    const char        *where;
    uint64_t           seed;
    int32_t            run; /* 0 .. n_init - 1 */
    void (*progress)(void *user, const sabal_kmeans_progress *progress);
    void                 *progress_user;
    sabal_kmeans_progress state; /* what progress is told */
} sbl_kmeans_data;

/** Tells the user's callback, if there is one, of one more pass of this phase. */
void sbl_kmeans_tell(sbl_kmeans_data *data, const char *phase, int32_t iter, int32_t max_iter);

/* Streams of the random numbers of one seed; the run is mixed in by sbl_kmeans_stream(). */
enum { SBL_STREAM_FIRST = 16, SBL_STREAM_ROUND, SBL_STREAM_LOCAL, SBL_STREAM_PLUS, SBL_STREAM_RANDOM, SBL_STREAM_FILL };
uint64_t sbl_kmeans_stream(const sbl_kmeans_data *data, int32_t purpose, int32_t round);

/* --- kmeans_stage.c: what tasks do. Values between them are float64 or bytes in the layouts below. --------
 */

/* Points that passes carry: what sbl_kmeans_points_pack() makes. (m, d) float64 follow, then shift (d). */
typedef struct sbl_points {
    int64_t m, d;
    double  scale; /* sbl_near_scale() of the data */
} sbl_points;
static inline const double *sbl_points_rows(const sbl_points *p)
{
    return (const double *)(const void *)(p + 1);
}
static inline const double *sbl_points_shift(const sbl_points *p)
{
    return sbl_points_rows(p) + p->m * p->d;
}

/* A partial result: [0] is combined by min, all others by adding. */
#define SBL_PARTIAL_HEAD 1

/* What the stages below take as parameters. */
typedef struct sbl_kmeans_params {
    int64_t first_row; /* of the chunk, in x                                       */
    int64_t n_wanted;  /* farthest: entries; pick, gather: number of targets behind; kept_counts: of candidates */
    int64_t first;     /* kept: what the first of the points is called              */
    int32_t weighted;  /* 1: the value behind x is the chunk's weights             */
    int32_t want;      /* assign: SBL_WANT_x                                       */
} sbl_kmeans_params;
enum { SBL_WANT_SUMS = 1, SBL_WANT_INERTIA = 2 };

#define SBL_BLOCK_ROWS 1024 /* rows of a block; the kernel's SBL_NEAR_ROWS */

/* A row to be picked: within its block, the row where the running sum of what is summed passes target. */
typedef struct sbl_target {
    int64_t block;
    double  target;
} sbl_target;
/* What a pick gives for each target; d float64 follow each. */
typedef struct sbl_picked {
    int64_t row; /* of x */
} sbl_picked;
/* What farthest gives; d float64 follow each. dist -1: no such row. */
typedef struct sbl_far {
    double  dist;
    int64_t row, label;
} sbl_far;

/* in: x [weights] points -> partial: [bad], inertia, counts (m), sums (m, d) */
sbl_stage_fn sbl_kmeans_assign_stage;
/* in: x points(shift in row 0) -> partial: [first row so far from the shift that distances to n_wanted centres overflow,
 * else INFINITY] */
sbl_stage_fn sbl_kmeans_size_stage;
/* in: x points(shift in row 0) -> partial: [first flat index of a NaN or infinity, else INFINITY], sum (d),
 * sumsq (d) */
sbl_stage_fn sbl_kmeans_moments_stage;
/* in: x [weights] points -> block sums of the squared distance to the nearest point */
sbl_stage_fn sbl_kmeans_potential_stage;
/* in: x [weights] points -> partial: [INFINITY], sum of the weights of the rows that are nearest to each, by the same
 * distances */
sbl_stage_fn sbl_kmeans_near_counts_stage;
/* in: x [weights] points; targets behind params -> sbl_picked entries by the same sums */
sbl_stage_fn sbl_kmeans_pick_stage;
/* in: x [kept] points -> kept: of each row the squared distance to the nearest candidate so far (n float), and which it is
 * (n int32) */
sbl_stage_fn sbl_kmeans_kept_stage;
/* in: kept [weights] -> block sums of the squared distances */
sbl_stage_fn sbl_kmeans_kept_blocks_stage;
/* in: x kept [weights]; targets behind params -> sbl_picked entries by the same sums */
sbl_stage_fn sbl_kmeans_kept_pick_stage;
/* in: kept [weights] -> partial: [INFINITY], sum of the weights of the rows that are nearest to each */
sbl_stage_fn sbl_kmeans_kept_counts_stage;
/* in: x; local rows (int64) behind params -> (n, d) float64 */
sbl_stage_fn sbl_kmeans_gather_stage;
/* in: x points -> n_wanted sbl_far entries, farthest first, ties by row */
sbl_stage_fn sbl_kmeans_farthest_stage;
/* in: x [closest so far] points -> (n) float64: the squared distance to the nearest point, or to what was
 * nearer */
sbl_stage_fn sbl_kmeans_closer_stage;
/* in: closest [weights] -> block sums of weight * closest */
sbl_stage_fn sbl_kmeans_blocks_stage;
/* in: x closest [weights]; points are the trials -> partial: [INFINITY], sum of weight * min(closest,
 * distance) for each */
sbl_stage_fn sbl_kmeans_trial_stage;
/* in: closest [weights]; targets behind params -> int64 rows of x */
sbl_stage_fn sbl_kmeans_pick_closest_stage;
/* in: partials -> one partial */
sbl_stage_fn sbl_kmeans_combine_stage;
/* in: x points -> (n,) int32; refuses NaN and infinity if want is set */
sbl_stage_fn sbl_kmeans_labels_stage;
/* in: x points -> (n, m) distances */
sbl_stage_fn sbl_kmeans_distances_stage;

/** SABAL_EDTYPE if an argument of that name is complex. */
sabal_status sbl_kmeans_check_real(const sabal_array *array, const char *name, sabal_error *err);
/** SABAL_EVALUE: what to do about such a row. */
sabal_status sbl_kmeans_too_large(sabal_dtype dtype, int64_t row, sabal_error *err);
/** Squared distances of n rows (n, d) to one point, differences formed directly. */
sabal_status sbl_kmeans_distances_to(double *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d,
                                     const double *point, sabal_error *err);

/* --- kmeans_pass.c: what the fitting thread does with them -------------------------------------------------
 */

/** The weights of sample_weight, checked, in the chunks of x; the mean and variance of x, all finite. */
sabal_status sbl_kmeans_data_open(sbl_kmeans_data *data, const sabal_array *x, const sabal_kmeans_options *o,
                                  sabal_error *err);
void         sbl_kmeans_data_close(sbl_kmeans_data *data);

/** Points and shift as a value that tasks take; one reference. */
sabal_status sbl_kmeans_points_pack(sabal_future **points, const sbl_kmeans_data *data, int64_t m, const double *rows,
                                    sabal_error *err);
/** What a pass does to each chunk: [x] [kept] [weights] [points] -> stage. */
typedef struct sbl_kmeans_pass {
    sbl_stage_fn     *stage;
    sbl_kmeans_params params; /* first_row and weighted are set for each chunk */
    int               without_x;
    sabal_future    **kept;     /* a value for each chunk, of an earlier pass; NULL: none */
    int               weighted; /* with the weights, if there are any */
    const char       *name;
} sbl_kmeans_pass;
/** A task a chunk, with m points (0: none); futures is a table of one for each, the caller's with what it holds. */
sabal_status sbl_kmeans_submit(sabal_future ***futures, const sbl_kmeans_data *data, const sbl_kmeans_pass *pass,
                               int64_t m, const double *rows, sabal_error *err);
/** Combines n futures of partials (taken over, with their table) in a tree fixed by their order. One
 * reference. */
sabal_status sbl_kmeans_combine(sbl_value **partial, const sbl_kmeans_data *data, sabal_future **futures, int64_t n,
                                sabal_error *err);
/** One assignment pass: what is not NULL is filled: counts (k), sums (k, d), inertia. */
sabal_status sbl_kmeans_assign_pass(const sbl_kmeans_data *data, int32_t k, const double *centers, double *counts,
                                    double *sums, double *inertia, sabal_error *err);
/** Sums over blocks of rows, chunk by chunk, and their total; clear with sbl_kmeans_blocks_clear(). */
typedef struct sbl_kmeans_blocks {
    double **sums;   /* [chunk][block]                     */
    double  *totals; /* of each chunk                      */
    double   total;  /* of all, in the order of the chunks */
    int64_t  n;
} sbl_kmeans_blocks;
/** Takes over n futures of block sums. */
sabal_status sbl_kmeans_blocks_take(sbl_kmeans_blocks *blocks, const sbl_kmeans_data *data, sabal_future **futures,
                                    sabal_error *err);
void         sbl_kmeans_blocks_clear(sbl_kmeans_blocks *blocks);
/** Where the running sum passes u, 0 <= u < total: chunk, block in it, and what is left of u there. */
void sbl_kmeans_blocks_find(int64_t *chunk, sbl_target *target, const sbl_kmeans_blocks *blocks,
                            const sbl_kmeans_data *data, double u);
/** Copies rows (sorted or not, n of them) of x to out (n, d) float64. */
sabal_status sbl_kmeans_gather_rows(double *out, const sbl_kmeans_data *data, const int64_t *rows, int64_t n,
                                    sabal_error *err);

/* --- seeding -----------------------------------------------------------------------------------------------
 */

/** k-means||: fills centers (k, d). */
sabal_status sbl_kmeans_seed_parallel(double *centers, sbl_kmeans_data *data, int32_t k, double oversampling,
                                      int32_t rounds, sabal_error *err);
/** k-means++ over all rows, a pass or two a centre. */
sabal_status sbl_kmeans_seed_plus(double *centers, sbl_kmeans_data *data, int32_t k, sabal_error *err);
/** k rows without replacement. */
sabal_status sbl_kmeans_seed_random(double *centers, sbl_kmeans_data *data, int32_t k, sabal_error *err);
/** k different rows, with probability by weight, filled into rows; SABAL_EVALUE if fewer have a weight. */
sabal_status sbl_kmeans_random_rows(int64_t *rows, const sbl_kmeans_data *data, int64_t k, uint64_t stream,
                                    sabal_error *err);
/** In memory: k centres of m weighted rows (m, d) of the data, by k-means++ and Lloyd. */
sabal_status sbl_kmeans_local(double *centers, const sbl_kmeans_data *data, const double *rows, const double *weights,
                              int64_t m, int32_t k, sabal_error *err);
/** Trials a centre of greedy k-means++: 2 + floor(ln k), as scikit-learn. */
int32_t sbl_kmeans_n_trials(int32_t k);

/* --- kmeans_predict.c --------------------------------------------------------------------------------------
 */

/** The lazy labels of x (checked: fits the model). points: as packed; retained. Belongs to nobody's scope
 * yet. */
sabal_array *sbl_kmeans_labels_node(const sabal_array *x, sabal_future *points, int32_t check, const char *where);

#endif
