/* Copying elements that lie at strides into C order. */
#ifndef SBL_VALUE_STRIDED_H
#define SBL_VALUE_STRIDED_H

#include <stddef.h>
#include <stdint.h>

/** Elements of item bytes (1, 2, 4, 8 or 16), ndim of at most SABAL_MAX_NDIM, no stride overflow; out in C order. */
void sbl_strided_copy(void *out, const void *in, size_t item, int32_t ndim, const int64_t *shape,
                      const int64_t *strides);
/** n x m elements: out[i * out_i + j * out_j] = in[i * in_i + j * in_j], offsets in bytes, in tiles that fit L1. */
void sbl_strided_copy_2d(char *out, int64_t out_i, int64_t out_j, const char *in, int64_t in_i, int64_t in_j, int64_t n,
                         int64_t m, size_t item);

#endif
