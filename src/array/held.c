/* Arrays whose chunks are futures: persisted ones, and the user's memory. */
#include "array/array.h"

#include <inttypes.h>
#include <string.h>

#include "array/check.h"
#include "base/alloc.h"
#include "base/error.h"

static sabal_status held_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    sabal_future **futures = a->params;

    return sbl_program_input(program, futures[i], err);
}

static void release_futures(sabal_future **futures, int64_t n)
{
    for (int64_t i = 0; futures && i < n; i++)
        sbl_handle_release(futures[i]);
    sbl_free(futures);
}

static void held_clear(sabal_array *a)
{
    release_futures(a->params, a->chunks.n);
}

static const sbl_array_op HELD = {.name = "held", .emit = held_emit, .clear = held_clear};

sabal_array *sbl_array_held(sabal_client *client, sabal_future **futures, const sbl_chunks *chunks, sabal_dtype dtype,
                            int32_t ndim, const int64_t *shape, const char *where)
{
    sabal_array *a = sbl_array_create(client, &HELD, NULL, dtype, ndim, shape, where);

    if (a->error) {
        release_futures(futures, chunks->n);
        return a;
    }
    a->chunks = *chunks;
    a->params = futures;
    return a;
}

sabal_array *sbl_array_of_value(sabal_client *client, const sabal_ndarray *whole, const sbl_chunks *chunks,
                                const char *where)
{
    sabal_error    err  = SABAL_ERROR_INIT;
    sabal_future **made = sbl_calloc((size_t)chunks->n, sizeof *made);
    sabal_status   st   = SABAL_OK;

    if (!made)
        st = sbl_error_memory(&err, (size_t)chunks->n * sizeof *made, "the chunks of an array");
    for (int64_t i = 0; i < chunks->n && !st; i++) {
        sabal_ndarray *part;

        st = sbl_ndarray_rows(&part, whole, sbl_chunks_start(chunks, i), sbl_chunks_rows(chunks, i), &err);
        if (st)
            break;
        st = sbl_engine_scatter(client, (sbl_value *)(void *)part, &made[i], &err);
        sbl_handle_release(part);
    }
    if (st) {
        release_futures(made, chunks->n);
        return sbl_array_failed(client, &err, where);
    }
    return sbl_array_held(client, made, chunks, sabal_ndarray_dtype(whole), sabal_ndarray_ndim(whole),
                          sbl_ndarray_shape(whole), where);
}

/* The whole memory as one value; o->release is called by it, or has been called. */
static sabal_status wrap(sabal_ndarray **whole, const void *data, sabal_dtype dtype, int32_t ndim, const int64_t *shape,
                         const sabal_from_memory_options *o, sabal_error *err)
{
    sabal_ndarray *outer, *copy;
    void          *room;
    sabal_status   st = sbl_ndarray_wrap(&outer, data, dtype, ndim, shape, o->strides, o->release, o->release_arg, err);

    if (st || !o->copy) {
        *whole = st ? NULL : outer;
        return st;
    }
    st = sbl_ndarray_create(&copy, &room, dtype, ndim, shape, err);
    if (!st) {
        sbl_ndarray_copy_out(room, outer);
        *whole = copy;
    }
    sbl_handle_release(outer);
    return st;
}

void sabal_from_memory_options_init(sabal_from_memory_options *options)
{
    *options = (sabal_from_memory_options){SABAL_FROM_MEMORY_DEFAULTS};
}

sabal_array *sabal_array_from_memory_with(sabal_client *client, const void *data, sabal_dtype dtype, int32_t ndim,
                                          const int64_t *shape, const sabal_from_memory_options *options)
{
    sabal_from_memory_options o     = {SABAL_FROM_MEMORY_DEFAULTS};
    sabal_error               err   = SABAL_ERROR_INIT;
    sabal_ndarray            *whole = NULL;
    sabal_array              *made;
    sbl_chunks                chunks;
    sabal_status              st;

    sbl_options_take(&o, sizeof o, options);
    st = sbl_client_check(client, &err);
    if (!st)
        st = sbl_check_shape(dtype, ndim, shape, &err);
    if (!st && !data && sbl_shape_bytes(dtype, ndim, shape))
        st = sbl_error_set(&err, SABAL_EINVAL, "data is NULL for %" PRId64 " rows", shape[0]);
    if (!st)
        st = sbl_chunks_choose(&chunks, dtype, ndim, shape, o.chunk_rows, 0, &err);
    if (st) {
        if (o.release)
            o.release(o.release_arg);
        return sbl_array_adopt(sbl_array_failed(client, &err, o.where));
    }
    st = wrap(&whole, data, dtype, ndim, shape, &o, &err);
    if (st)
        return sbl_array_adopt(sbl_array_failed(client, &err, o.where));
    made = sbl_array_of_value(client, whole, &chunks, o.where);
    sbl_handle_release(whole);
    return sbl_array_adopt(made);
}
