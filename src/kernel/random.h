/*
 * Counter-based random numbers (Philox4x32-10): what stands at index i depends on seed, stream and i alone.
 * Source: Salmon et al., SC 2011, through the Random123 library.
 */
#ifndef SBL_KERNEL_RANDOM_H
#define SBL_KERNEL_RANDOM_H

#include <stdint.h>

#include <sabal/value.h>

/** 64 random bits for (seed, stream, index). */
uint64_t sbl_random_bits(uint64_t seed, uint64_t stream, uint64_t index);
/** Uniform in [0, 1), 53 bits. */
double sbl_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);
/** Uniform in 0 .. n - 1 without bias that could be seen (multiply-shift on 64 bits). n >= 1 */
int64_t sbl_random_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t n);
/** Standard normals for indices first .. first + n (Box-Muller on SLEEF, same bits in every variant). */
void sbl_random_normal(double *out, uint64_t seed, uint64_t stream, uint64_t first, int64_t n);

/**
 * Rows first .. first + n of make_blobs: x (n, d) of dtype (may be NULL), labels (n) (may be NULL).
 * Row i's blob is a random permutation's image of i, taken mod centers, so that blobs differ in size by at most one.
 * centers (m, d) float64. n_samples is the whole array's.
 */
void sbl_blobs_rows(void *x, int32_t *labels, sabal_dtype dtype, int64_t first, int64_t n, int64_t n_samples, int64_t d,
                    const double *centers, int32_t m, double std, uint64_t seed);

#endif
