/* The calls that compute: persist keeps the chunks where they are, compute brings them together. */
#include <string.h>

#include "array/check.h"
#include "array/flow.h"
#include "base/alloc.h"
#include "base/error.h"

sabal_array *sabal_persist(const sabal_array *array)
{
    sabal_error    err      = SABAL_ERROR_INIT;
    sbl_program   *programs = NULL;
    sabal_future **futures  = NULL;
    int64_t        n        = array->chunks.n;
    sabal_status   st       = sbl_array_check(array, &err);

    if (st)
        return sbl_array_adopt(sbl_array_failed(array->client, &err, array->where));
    programs = sbl_calloc((size_t)n, sizeof *programs);
    futures  = sbl_calloc((size_t)n, sizeof *futures);
    if (!programs || !futures)
        st = sbl_error_memory(&err, (size_t)n * sizeof *programs, "the chunks of an array");
    for (int64_t i = 0; i < n && !st; i++)
        st = sbl_program_array(&programs[i], array, i, &err);
    if (!st)
        st = sbl_programs_submit(futures, array->client, programs, n, sbl_array_chunk_bytes(array), array->op->name,
                                 array->where, &err);
    sbl_programs_free(programs, n);
    if (st) {
        sbl_free(futures);
        return sbl_array_adopt(sbl_array_failed(array->client, &err, array->where));
    }
    return sbl_array_adopt(
        sbl_array_held(array->client, futures, &array->chunks, array->dtype, array->ndim, array->shape, array->where));
}

/* Copies the chunks to room, one behind the other. */
static sabal_status collect(char *room, const sabal_array *array, sabal_error *err)
{
    sbl_flow     flow;
    sbl_value   *value;
    sabal_status st = sbl_flow_open(&flow, array, err);

    while (!st) {
        const sabal_ndarray *chunk;

        st = sbl_flow_next(&value, &flow, err);
        if (st || !value)
            break;
        chunk = (const sabal_ndarray *)(const void *)value;
        sbl_ndarray_copy_out(room, chunk);
        room += sbl_ndarray_bytes(chunk);
        sbl_value_release(value);
    }
    sbl_flow_close(&flow);
    return st;
}

sabal_status sabal_compute(sabal_ndarray **out, const sabal_array *array, sabal_error *err)
{
    sabal_ndarray *whole = NULL;
    void          *room;
    sabal_status   st = sbl_array_check(array, err);

    if (st)
        goto done;
    st = sbl_ndarray_create(&whole, &room, array->dtype, array->ndim, array->shape, err);
    if (st)
        goto done;
    st = collect(room, array, err);
    if (st)
        goto done;
    *out  = sbl_handle_adopt(whole, sbl_client_owner(array->client));
    whole = NULL;
done:
    sbl_handle_release(whole);
    if (st)
        sbl_error_where(err, array->where);
    return st;
}
