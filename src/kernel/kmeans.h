/*
 * What k-means does to rows in memory. Distances are summed feature by feature, one fma chain for each pair of row
 * and centre, so that they don't depend on the width of registers; sums over rows run in the virtual lanes that
 * docs/numerics.md tells of. Every function gives the same bits in every variant.
 *
 * x is (n, d) in C order at any address, float32 or float64. Sums are float64 for both. With few features distances are
 * float64 for both; with many they are of x's dtype, and for float32 the centres are rounded to float32 first.
 */
#ifndef SBL_KERNEL_KMEANS_H
#define SBL_KERNEL_KMEANS_H

#include <stdint.h>

#include <sabal/value.h>

/** Centres made ready for passes over rows: packed for the kernel that fits (k, d, dtype). Immutable; shared. */
typedef struct sbl_kmeans_centers sbl_kmeans_centers;

/** centers (k, d) float64. shift (d), near the mean of the rows: subtracted from both sides before products are
    expanded, so that data far from the origin keeps its digits; not if it is no farther from 0 than any centre is
    from it, where it would save a digit at most. NULL: zero. NULL result: no memory. */
sbl_kmeans_centers *sbl_kmeans_centers_create(sabal_dtype dtype, int32_t k, int64_t d, const double *centers,
                                              const double *shift);
void                sbl_kmeans_centers_destroy(sbl_kmeans_centers *centers);

/** Up to which squared distance from the shift, of a row and of a centre, no distance between them overflows. */
double sbl_kmeans_largest(sabal_dtype dtype, int32_t k, int64_t d);

/** Scratch bytes a pass needs for these centres (per thread that runs one). Aligned to 64. */
size_t sbl_kmeans_scratch_size(const sbl_kmeans_centers *centers);

/**
 * Assigns each row to its nearest centre (ties: the lowest index). Writes what is not NULL:
 *   sums      (k, d)  sum of weight * row          counts (k)  sum of weights
 *   inertia   (1)     sum of weight * squared distance, differences formed directly
 *   labels    (n)     the centre of each row       sqdist (n)  squared distance, differences formed directly
 * weights (n) or NULL for 1 each. sums, counts and inertia are overwritten, not added to.
 */
void sbl_kmeans_assign(const sbl_kmeans_centers *centers, const void *x, int64_t n, const double *weights, double *sums,
                       double *counts, double *inertia, int32_t *labels, double *sqdist, void *scratch);

/** out (n, k) of x's dtype: distances (not squared), differences formed directly, in float64. */
void sbl_kmeans_distances(void *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *centers,
                          int32_t k);

/**
 * One look at the rows: sum (d) of weight * (x - shift), sumsq (d) of weight * (x - shift)^2, both overwritten;
 * returns the flat index of the first element that is NaN or infinite, or -1.
 */
int64_t sbl_kmeans_moments(sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *shift,
                           const double *weights, double *sum, double *sumsq);

/** Rows that are summed together below. */
#define SBL_NEAR_ROWS 1024

/**
 * For seeding: how far rows are from the nearest of some candidates (ties: the lowest index). In float32 about shift and
 * times scale: it only steers a random choice. Squared distances are in units of 1 / scale^2.
 */
typedef struct sbl_near {
    sabal_dtype   dtype;
    const void   *x; /* (n, d) */
    int64_t       n, d;
    const double *weights;    /* (n); NULL: 1 each */
    const double *candidates; /* (m, d) */
    int32_t       m;
    const double *shift;   /* (d), near the mean of the rows */
    double        scale;   /* (x - shift) * scale is below 1e18 for all, and near 1 for most: sbl_near_scale() */
    void         *scratch; /* sbl_near_scratch() bytes, aligned to 64 */
    /* what is known of other candidates, brought up to date; both or neither */
    float   *sqdist;  /* (n), INFINITY if nothing is known */
    int32_t *nearest; /* (n); candidate j is called first + j, and first is above all that were before */
    int32_t  first;
    /* written, where not NULL: */
    double *block_sums; /* of each SBL_NEAR_ROWS rows (the last may be fewer): weight * squared distance */
    double *rows;       /* (n) these, row by row; they add up to their block's sum bit for bit */
    double *counts;     /* (m) sum of the weights of the rows that are nearest to each; not together with sqdist */
} sbl_near;
void   sbl_near_look(const sbl_near *query);
size_t sbl_near_scratch(int64_t d, int32_t m);
/** A power of two for rows whose features have this variance in the mean. n * d * variance may be any finite number. */
double sbl_near_scale(double mean_variance);

#endif
