/* What the stages of k-means share: a chunk as the kernels take it, and room for what they give. Private to this folder. */
#ifndef SBL_ML_KMEANS_CHUNK_H
#define SBL_ML_KMEANS_CHUNK_H

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "ml/kmeans.h"

/* A chunk as the kernels take it, and what stands beside it. Clear with rows_clear(). */
struct rows {
    const sabal_ndarray *dense;
    const void          *x;
    sabal_dtype          dtype;
    int64_t              n, d;
};

static inline sabal_status rows_take(struct rows *r, const sbl_value *value, sabal_error *err)
{
    sabal_status st = sbl_dense(&r->dense, value, err);

    if (st)
        return st;
    r->x     = sabal_ndarray_data(r->dense);
    r->dtype = sabal_ndarray_dtype(r->dense);
    r->n     = sabal_ndarray_extent(r->dense, 0);
    r->d     = sabal_ndarray_ndim(r->dense) > 1 ? sabal_ndarray_extent(r->dense, 1) : 1;
    return SABAL_OK;
}

static inline void rows_clear(struct rows *r)
{
    sbl_handle_release(r->dense);
}

static inline const double *doubles_of(const sbl_value *value)
{
    return sbl_value_data(value, NULL);
}

/* The points are always the last value. */
static inline const sbl_points *points_of(const sbl_value *const *in, int32_t n_in)
{
    return sbl_value_data(in[n_in - 1], NULL);
}

static inline const void *row_at(const struct rows *r, int64_t i)
{
    return (const char *)r->x + (size_t)(i * r->d) * sabal_dtype_size(r->dtype);
}

/* Row i of a chunk, which may lie at any address, as float64. */
static inline void row_out(double *out, const struct rows *r, int64_t i)
{
    const char *from = row_at(r, i);

    if (r->dtype == SABAL_FLOAT64)
        memcpy(out, from, (size_t)r->d * sizeof *out);
    for (int64_t e = 0; r->dtype == SABAL_FLOAT32 && e < r->d; e++) {
        float value;

        memcpy(&value, from + e * (int64_t)sizeof value, sizeof value);
        out[e] = (double)value;
    }
}

/* Where the running sum of n values passes target; by rounding it may not: then the last that is not 0. */
static inline int64_t pick_one(const double *values, int64_t n, double target)
{
    double  sum  = 0;
    int64_t last = 0;

    for (int64_t i = 0; i < n; i++) {
        sum += values[i];
        if (values[i] > 0)
            last = i;
        if (sum > target && values[i] > 0)
            return i;
    }
    return last;
}

/* Room for n doubles as a value. */
static inline sabal_status doubles_create(sbl_value **value, double **room, int64_t n, sabal_error *err)
{
    return sbl_bytes_create(value, (void **)room, (size_t)n * sizeof(double), err);
}

/* A kernel's scratch; size 0 gives one that may be passed and freed. */
static inline sabal_status scratch_take(void **scratch, size_t size, sabal_error *err)
{
    *scratch = sbl_buffer_alloc(size);
    return *scratch ? SABAL_OK : sbl_error_memory(err, size, "scratch of a pass");
}

#endif
