/* What random.c has built for each instruction set from random_fill.c. */
#ifndef SBL_KERNEL_RANDOM_FILL_H
#define SBL_KERNEL_RANDOM_FILL_H

#include <stdint.h>

/** Normals are made in groups: 8 blocks give 8 cosines, then 8 sines. */
#define SBL_NORMAL_GROUP 16
#define SBL_SHUFFLE_ROUNDS 6

/** A permutation of 0 .. n - 1, see random.h. */
struct sbl_shuffle {
    uint64_t n, a, b; /* a * b >= n, a and b below 2^32 */
    uint32_t keys[SBL_SHUFFLE_ROUNDS];
};

void sbl_random_fill_normal(double *out, uint64_t seed, uint64_t stream, uint64_t first, int64_t n);
void sbl_random_fill_blobs(void *x, int32_t *labels, int is_float32, int64_t first, int64_t n, int64_t d,
                           const struct sbl_shuffle *shuffle, const double *centers, int32_t m, double std,
                           uint64_t seed, uint64_t stream);

#endif
