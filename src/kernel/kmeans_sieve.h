/*
 * The nearest centre of float64 rows, found in float32 at twice the speed where float32 can tell. Whatever the order of
 * additions, a float32 sum is off by less than a bound that follows from the sizes of row and centres; where the least sum
 * and the next lie farther apart than two bounds, no float64 sum can choose another centre. The rest is in doubt, and is for
 * the caller to settle. So what is found doesn't depend on the sieve.
 */
#ifndef SBL_KERNEL_KMEANS_SIEVE_H
#define SBL_KERNEL_KMEANS_SIEVE_H

#include "kernel/kmeans_turn.h"
#include "kernel/kmeans_variant.h"

#define SIEVE_ROWS TURN_ROWS /* at most 64: a bit each */

/** Features up to which a panel of rows stays in the first two caches. */
#define SIEVE_FEATURES 512

/** Bytes of the centres made ready, and of scratch; both aligned to 64. */
size_t NAME(sbl_sieve_packed)(int32_t k, int64_t d);
size_t NAME(sbl_sieve_scratch)(int64_t d);

/** shift (d), near the mean of the rows, or NULL: the fewer digits rows and centres share, the fewer are in doubt. */
void NAME(sbl_sieve_pack)(void *packed, int32_t k, int64_t d, const double *centers, const double *shift);

/** label[r]: the nearest centre of each of n rows, at most SIEVE_ROWS; returned: a bit for each row that is in doubt. While
    it works, as many bytes as SIEVE_ROWS rows have come into the caches from next on. */
uint64_t NAME(sbl_sieve)(int64_t label[SIEVE_ROWS], const void *packed, const void *x, int64_t n, void *scratch,
                         const void *next);

#endif
