/*
 * Counter-based random numbers (Philox4x32-10): what stands at index i depends on seed, stream and i alone.
 * Source: Salmon et al., SC 2011, through the Random123 library.
 *
 * One evaluation gives a block of 128 bits. seed is Philox's key, its counter is (block, stream). Callers choose
 * their streams below 2^63; those above belong to this file (sbl_blobs_rows()).
 */
#ifndef SBL_KERNEL_RANDOM_H
#define SBL_KERNEL_RANDOM_H

#include <stdint.h>

#include <sabal/value.h>

/** The 128 bits of a block, as Philox gives them. */
void sbl_random_block(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t block);
/** 64 random bits for (seed, stream, index): half index % 2 of block index / 2. */
uint64_t sbl_random_bits(uint64_t seed, uint64_t stream, uint64_t index);
/** Uniform in [0, 1), 53 bits. */
double sbl_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);
/** Uniform in 0 .. n - 1 without bias that could be seen (multiply-shift on 64 bits). n >= 1 */
int64_t sbl_random_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t n);

/**
 * 1 if this processor can make normals: SLEEF's scalar functions of the family with the same bits everywhere hold
 * fma instructions and would end the process with SIGILL without them (x86 before 2013, say). Ask before the next two.
 */
int sbl_random_has_normal(void);
/**
 * Standard normals for indices first .. first + n (Box-Muller on SLEEF, same bits in every variant), |z| < 8.5.
 * Sixteen come from eight blocks: index i is the cosine (i / 8 even) or the sine of block i / 16 * 8 + i % 8.
 */
void sbl_random_normal(double *out, uint64_t seed, uint64_t stream, uint64_t first, int64_t n);

/**
 * Rows first .. first + n of make_blobs: x (n, d) of dtype (may be NULL), labels (n) (may be NULL).
 * Row i's blob is a random permutation's image of i, taken mod centers, so that blobs differ in size by at most one.
 * Element (i, j) is centers[blob][j] + std * normal number i * d + j.
 * centers (m, d) float64. n_samples is the whole array's; n_samples * d < 2^63.
 *
 * The permutation: 0 .. n_samples - 1 lies in a rectangle of a columns and b rows, a = ceil(sqrt(n_samples)); six
 * rounds add to one coordinate, modulo its extent, a hash of the other and of a key from Philox. That is a bijection
 * of the rectangle, and of n_samples once what falls behind it goes round again (at most a of a * b numbers do).
 * Source: Black and Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002 (generalised Feistel, cycle walking).
 */
void sbl_blobs_rows(void *x, int32_t *labels, sabal_dtype dtype, int64_t first, int64_t n, int64_t n_samples, int64_t d,
                    const double *centers, int32_t m, double std, uint64_t seed);

#endif
