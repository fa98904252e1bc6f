/*
 * Dense n-d arrays: an address, a shape, strides in bytes. Every shape that gets in here has a product that fits:
 * the bytes of all elements, empty axes left out, are below 2^63, so that no sum of offsets overflows later.
 */
#include "value/value.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "value/storage.h"
#include "value/strided.h"

struct sabal_ndarray {
    sbl_value   value;
    const char *data;
    int64_t     size; /* elements */
    sabal_dtype dtype;
    int32_t     ndim;
    sbl_storage storage;
    int64_t     dims[]; /* ndim extents, then ndim strides */
};

static void destroy(void *handle)
{
    sabal_ndarray *a = handle;

    sbl_value_release(atomic_load_explicit(&a->value.twin, memory_order_relaxed));
    sbl_storage_clear(&a->storage);
    sbl_free(a);
}

static const sbl_handle_class CLASS = {.name = "ndarray", .destroy = destroy};

sabal_status sbl_shape_check(int64_t *size, sabal_dtype dtype, int32_t ndim, const int64_t *shape, sabal_error *err)
{
    int64_t item = (int64_t)sabal_dtype_size(dtype), bytes = item;

    if (!item)
        return sbl_error_set(err, SABAL_EDTYPE, "%d is no dtype", (int)dtype);
    if (ndim < 0 || ndim > SABAL_MAX_NDIM)
        return sbl_error_set(err, SABAL_EINVAL, "%d dimensions: 0 to %d are allowed", ndim, SABAL_MAX_NDIM);
    *size = 1;
    for (int32_t i = 0; i < ndim; i++) {
        if (shape[i] < 0)
            return sbl_error_set(err, SABAL_EINVAL, "extent %" PRId64 " along axis %d", shape[i], i);
        if (shape[i] && __builtin_mul_overflow(bytes, shape[i], &bytes))
            return sbl_error_set(err, SABAL_EINVAL, "a shape of more than 2^63 bytes (axis %d has extent %" PRId64 ")",
                                 i, shape[i]);
        *size *= shape[i];
    }
    return SABAL_OK;
}

void sbl_strides_c(int64_t *strides, size_t item_size, int32_t ndim, const int64_t *shape)
{
    int64_t step = (int64_t)item_size;

    for (int32_t i = ndim; i-- > 0;) {
        strides[i] = step;
        step *= shape[i] ? shape[i] : 1;
    }
}

sabal_status sbl_strides_span(int64_t *low, int64_t *high, size_t item_size, int32_t ndim, const int64_t *shape,
                              const int64_t *strides)
{
    *low = *high = 0;
    for (int32_t i = 0; i < ndim; i++) {
        int64_t reach, *end;

        if (shape[i] == 0) {
            *low = *high = 0;
            return SABAL_OK;
        }
        end = strides[i] < 0 ? low : high;
        if (__builtin_mul_overflow(shape[i] - 1, strides[i], &reach) || __builtin_add_overflow(*end, reach, end))
            return SABAL_EINVAL;
    }
    return __builtin_add_overflow(*high, (int64_t)item_size, high) ? SABAL_EINVAL : SABAL_OK;
}

/* Fills what all makers fill the same way. strides NULL: C order. */
static void describe(sabal_ndarray *a, const void *data, int64_t size, sabal_dtype dtype, int32_t ndim,
                     const int64_t *shape, const int64_t *strides)
{
    sbl_handle_init(a, &CLASS);
    a->value.kind = SBL_NDARRAY;
    a->data       = data;
    a->size       = size;
    a->dtype      = dtype;
    a->ndim       = ndim;
    for (int32_t i = 0; i < ndim; i++)
        a->dims[i] = shape[i];
    if (strides)
        memcpy(a->dims + ndim, strides, (size_t)ndim * sizeof *strides);
    else
        sbl_strides_c(a->dims + ndim, sabal_dtype_size(dtype), ndim, shape);
}

static size_t record_size(int32_t ndim)
{
    return sizeof(sabal_ndarray) + 2 * (size_t)ndim * sizeof(int64_t);
}

sabal_status sbl_ndarray_create(sabal_ndarray **array, void **room, sabal_dtype dtype, int32_t ndim,
                                const int64_t *shape, sabal_error *err)
{
    sabal_status   st;
    sabal_ndarray *a;
    int64_t        size;
    size_t         n_bytes;

    st = sbl_shape_check(&size, dtype, ndim, shape, err);
    if (st)
        return st;
    n_bytes = (size_t)size * sabal_dtype_size(dtype);
    a       = sbl_storage_create(record_size(ndim), offsetof(sabal_ndarray, storage), n_bytes, room);
    if (!a)
        return sbl_error_memory(err, n_bytes, "an n-d array");
    describe(a, *room, size, dtype, ndim, shape, NULL);
    a->value.n_bytes = n_bytes;
    a->value.own     = n_bytes;
    *array           = a;
    return SABAL_OK;
}

sabal_status sbl_ndarray_wrap(sabal_ndarray **array, const void *data, sabal_dtype dtype, int32_t ndim,
                              const int64_t *shape, const int64_t *strides, void (*release)(void *), void *arg,
                              sabal_error *err)
{
    sabal_ndarray *a = NULL;
    sabal_status   st;
    int64_t        size, low = 0, high = 0;

    st = sbl_shape_check(&size, dtype, ndim, shape, err);
    if (st)
        goto done;
    if (strides && sbl_strides_span(&low, &high, sabal_dtype_size(dtype), ndim, shape, strides)) {
        st = sbl_error_set(err, SABAL_EINVAL, "strides that reach beyond 2^63 bytes");
        goto done;
    }
    if (!data && size) {
        st = sbl_error_set(err, SABAL_EINVAL, "no data (NULL) for %" PRId64 " elements", size);
        goto done;
    }
    a = sbl_calloc(1, record_size(ndim));
    if (!a) {
        st = sbl_error_memory(err, record_size(ndim), "a record of an n-d array");
        goto done;
    }
    describe(a, data, size, dtype, ndim, shape, strides);
    a->storage.release = release ? release : sbl_release_nothing;
    a->storage.arg     = arg;
    /* of elements that share memory (stride 0) only what is there */
    a->value.n_bytes = strides ? (size_t)(high - low) : (size_t)size * sabal_dtype_size(dtype);
    *array           = a;
done:
    if (st && release)
        release(arg);
    return st;
}

static void release_base(void *base)
{
    sbl_handle_release(base);
}

sabal_status sbl_ndarray_view(sabal_ndarray **array, const sabal_ndarray *base, const void *data, int32_t ndim,
                              const int64_t *shape, const int64_t *strides, sabal_error *err)
{
    size_t       item = sabal_dtype_size(base->dtype);
    int64_t      size, low, high, base_low, base_high, offset = (const char *)data - base->data, own[SABAL_MAX_NDIM];
    sabal_status st;

    st = sbl_shape_check(&size, base->dtype, ndim, shape, err);
    if (st)
        return st;
    if (!strides) {
        sbl_strides_c(own, item, ndim, shape);
        strides = own;
    }
    sbl_strides_span(&base_low, &base_high, item, base->ndim, base->dims, base->dims + base->ndim);
    if (sbl_strides_span(&low, &high, item, ndim, shape, strides) ||
        (size && (offset + low < base_low || offset + high > base_high)))
        return sbl_error_set(err, SABAL_EINVAL, "a view that reaches outside its array");
    st = sbl_ndarray_wrap(array, data, base->dtype, ndim, shape, strides, release_base, sbl_handle_retain(base), err);
    if (!st)
        (*array)->value.n_bytes = 0;
    return st;
}

sabal_status sbl_ndarray_rows(sabal_ndarray **array, const sabal_ndarray *base, int64_t first, int64_t n,
                              sabal_error *err)
{
    int64_t shape[SABAL_MAX_NDIM];

    if (base->ndim < 1)
        return sbl_error_set(err, SABAL_ESHAPE, "rows of an array without dimensions");
    if (first < 0 || n < 0 || n > base->dims[0] || first > base->dims[0] - n)
        return sbl_error_set(err, SABAL_EINVAL, "%" PRId64 " rows from row %" PRId64 " on, of %" PRId64 " there are", n,
                             first, base->dims[0]);
    memcpy(shape, base->dims, (size_t)base->ndim * sizeof *shape);
    shape[0] = n;
    return sbl_ndarray_view(array, base, n ? base->data + first * base->dims[base->ndim] : base->data, base->ndim,
                            shape, base->dims + base->ndim, err);
}

sabal_status sabal_ndarray_create(sabal_ndarray **array, const void *data, sabal_dtype dtype, int32_t ndim,
                                  const int64_t *shape, sabal_error *err)
{
    sabal_ndarray *a;
    sabal_status   st;
    int64_t        size;
    void          *room;

    st = sbl_shape_check(&size, dtype, ndim, shape, err);
    if (st)
        return st;
    if (!data && size)
        return sbl_error_set(err, SABAL_EINVAL, "no data (NULL) for %" PRId64 " elements", size);
    st = sbl_ndarray_create(&a, &room, dtype, ndim, shape, err);
    if (st)
        return st;
    if (size)
        memcpy(room, data, sbl_ndarray_bytes(a));
    *array = sbl_handle_give(a);
    return SABAL_OK;
}

int sbl_ndarray_is_contiguous(const sabal_ndarray *array)
{
    const int64_t *strides = array->dims + array->ndim;
    int64_t        step    = (int64_t)sabal_dtype_size(array->dtype);

    if (array->size == 0)
        return 1;
    for (int32_t i = array->ndim; i-- > 0;) {
        if (array->dims[i] != 1 && strides[i] != step)
            return 0;
        step *= array->dims[i];
    }
    return 1;
}

void sbl_ndarray_copy_out(void *out, const sabal_ndarray *array)
{
    sbl_strided_copy(out, array->data, sabal_dtype_size(array->dtype), array->ndim, array->dims,
                     array->dims + array->ndim);
}

size_t sbl_ndarray_bytes(const sabal_ndarray *array)
{
    return (size_t)array->size * sabal_dtype_size(array->dtype);
}

const int64_t *sbl_ndarray_shape(const sabal_ndarray *array)
{
    return array->dims;
}

const int64_t *sbl_ndarray_strides(const sabal_ndarray *array)
{
    return array->dims + array->ndim;
}

sabal_dtype sabal_ndarray_dtype(const sabal_ndarray *array)
{
    return array->dtype;
}

int32_t sabal_ndarray_ndim(const sabal_ndarray *array)
{
    return array->ndim;
}

int64_t sabal_ndarray_extent(const sabal_ndarray *array, int32_t axis)
{
    return axis >= 0 && axis < array->ndim ? array->dims[axis] : -1;
}

int64_t sabal_ndarray_stride(const sabal_ndarray *array, int32_t axis)
{
    return axis >= 0 && axis < array->ndim ? array->dims[array->ndim + axis] : 0;
}

int64_t sabal_ndarray_size(const sabal_ndarray *array)
{
    return array->size;
}

const void *sabal_ndarray_data(const sabal_ndarray *array)
{
    return array->data;
}
