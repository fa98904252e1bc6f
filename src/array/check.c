/* What every maker of arrays checks first. */
#include "array/check.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"

sabal_status sbl_check_shape(sabal_dtype dtype, int32_t ndim, const int64_t *shape, sabal_error *err)
{
    int64_t bytes = (int64_t)sabal_dtype_size(dtype);

    if (!bytes)
        return sbl_error_set(err, SABAL_EDTYPE, "%d is no dtype", (int)dtype);
    if (ndim < 1 || ndim > SABAL_MAX_NDIM)
        return sbl_error_set(err, SABAL_ESHAPE, "%d dimensions: an array has 1 to %d", ndim, SABAL_MAX_NDIM);
    if (!shape)
        return sbl_error_set(err, SABAL_EINVAL, "shape is NULL");
    for (int32_t i = 0; i < ndim; i++)
        if (shape[i] < 0)
            return sbl_error_set(err, SABAL_ESHAPE, "extent %" PRId64 " along axis %d", shape[i], i);
    for (int32_t i = 0; i < ndim; i++)
        if (__builtin_mul_overflow(bytes, shape[i] ? shape[i] : 1, &bytes))
            return sbl_error_set(err, SABAL_ESHAPE, "more than 2^63 bytes");
    return SABAL_OK;
}

int64_t sbl_shape_bytes(sabal_dtype dtype, int32_t ndim, const int64_t *shape)
{
    int64_t bytes = (int64_t)sabal_dtype_size(dtype);

    for (int32_t i = 0; i < ndim; i++)
        bytes *= shape[i];
    return bytes;
}

sabal_status sbl_chunks_choose(sbl_chunks *chunks, sabal_dtype dtype, int32_t ndim, const int64_t *shape,
                               int64_t chunk_rows, int64_t natural_rows, sabal_error *err)
{
    if (chunk_rows < 0)
        return sbl_error_set(err, SABAL_EINVAL, "chunk_rows is %" PRId64 ": expected 1 or more, or 0 for automatic",
                             chunk_rows);
    if (chunk_rows == 0)
        chunk_rows = sbl_chunks_auto(dtype, ndim, shape, natural_rows);
    *chunks = sbl_chunks_make(shape[0], chunk_rows, chunk_rows);
    return SABAL_OK;
}

void sbl_options_take(void *options, size_t size, const void *given)
{
    size_t given_size;

    if (!given)
        return;
    memcpy(&given_size, given, sizeof given_size);
    memcpy(options, given, given_size < size ? given_size : size);
    memcpy(options, &size, sizeof size);
}
