/* What random.c has built for each instruction set from random_fill.c. */
#ifndef SBL_KERNEL_RANDOM_FILL_H
#define SBL_KERNEL_RANDOM_FILL_H

#include <stdint.h>

/** Normals are made in groups: 8 blocks give 8 cosines, then 8 sines. */
#define SBL_NORMAL_GROUP   16
#define SBL_SHUFFLE_ROUNDS 6

/** A permutation of 0 .. n - 1, see random.h. */
struct sbl_shuffle {
    uint64_t n, a, b; /* a * b >= n, a and b below 2^32 */
    uint32_t keys[SBL_SHUFFLE_ROUNDS];
};

/* What each build offers. Lanes, rounds and order are the same in all: so are the bits. */
#define SBL_RANDOM_FILL(variant)                                                                                       \
    void sbl_random_fill_normal_##variant(double *out, uint64_t seed, uint64_t stream, uint64_t first, int64_t n);     \
    void sbl_random_fill_blobs_##variant(void *x, int32_t *labels, int is_float32, int64_t first, int64_t n,           \
                                         int64_t d, const struct sbl_shuffle *shuffle, const double *centers,          \
                                         int32_t m, double std, uint64_t seed, uint64_t stream)
SBL_RANDOM_FILL(baseline);
SBL_RANDOM_FILL(avx2);
SBL_RANDOM_FILL(avx512);
/* In the tests' programs only. */
#pragma weak sbl_random_fill_normal_wide
#pragma weak sbl_random_fill_blobs_wide
SBL_RANDOM_FILL(wide);

#endif
