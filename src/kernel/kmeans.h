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
    expanded, so that data far from the origin keeps its digits; NULL: zero. NULL result: no memory. */
sbl_kmeans_centers *sbl_kmeans_centers_create(sabal_dtype dtype, int32_t k, int64_t d, const double *centers,
                                              const double *shift);
void                sbl_kmeans_centers_destroy(sbl_kmeans_centers *centers);

/** Scratch bytes a pass needs for these centres (per thread that runs one). Aligned to 64. */
size_t sbl_kmeans_scratch_size(const sbl_kmeans_centers *centers);

/**
 * Assigns each row to its nearest centre (ties: the lowest index). Writes what is not NULL:
 *   sums      (k, d)  sum of weight * row          counts (k)  sum of weights
 *   inertia   (1)     sum of weight * squared distance, differences formed directly
 *   labels    (n)     the centre of each row       sqdist (n)  squared distance, differences formed directly
 * weights (n) or NULL for 1 each. sums, counts and inertia are overwritten, not added to.
 */
void sbl_kmeans_assign(const sbl_kmeans_centers *centers, const void *x, int64_t n, const double *weights,
                       double *sums, double *counts, double *inertia, int32_t *labels, double *sqdist, void *scratch);

/** out (n, k) of x's dtype: distances (not squared), differences formed directly, in float64. */
void sbl_kmeans_distances(void *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *centers,
                          int32_t k);

/**
 * One look at the rows: sum (d) of weight * (x - shift), sumsq (d) of weight * (x - shift)^2, both overwritten;
 * returns the flat index of the first element that is NaN or infinite, or -1.
 */
int64_t sbl_kmeans_moments(sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *shift,
                           const double *weights, double *sum, double *sumsq);

/** Rows summed together by sbl_kmeans_potential(). */
#define SBL_POTENTIAL_ROWS 1024

/**
 * For seeding: block_sums[b] = sum over the rows of block b (SBL_POTENTIAL_ROWS each, the last may be shorter) of
 * weight * squared distance to the nearest of the m candidates (m, d) float64. Computed in float32 about shift: it only
 * steers a random choice. scratch is aligned to 64.
 */
void sbl_kmeans_potential(double *block_sums, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *weights,
                          const double *candidates, int32_t m, const double *shift, void *scratch);
size_t sbl_kmeans_potential_scratch(int64_t d, int32_t m);
/** The same numbers, row by row, for one block: fills out (n <= SBL_POTENTIAL_ROWS). */
void sbl_kmeans_potential_rows(double *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *weights,
                               const double *candidates, int32_t m, const double *shift, void *scratch);

#endif
