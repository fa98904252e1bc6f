/* Rows start to stop of an array: its chunks where they are whole, views of them at both ends. */
#include "array/array.h"

#include "base/alloc.h"
#include "base/error.h"

struct rows_params {
    int64_t first, n; /* of the input's chunk */
};

static sabal_status rows_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                               size_t size, sabal_task *task, sabal_error *err)
{
    const struct rows_params *p = params;
    sabal_ndarray            *part;
    sabal_status st = sbl_ndarray_rows(&part, (const sabal_ndarray *)(const void *)in[0], p->first, p->n, err);

    if (!st)
        *out = (sbl_value *)(void *)part;
    return st;
}

/* params: the first row of the input, so that chunk i lies in the input's chunk find(first) + i. */
static sabal_status rows_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    const sbl_chunks  *from  = &a->input->chunks;
    int64_t            first = *(const int64_t *)a->params + sbl_chunks_start(&a->chunks, i);
    int64_t            chunk = sbl_chunks_find(from, first);
    struct rows_params p     = {.first = first - sbl_chunks_start(from, chunk), .n = sbl_chunks_rows(&a->chunks, i)};
    sabal_status       st    = sbl_program_array(program, a->input, chunk, err);

    if (st || p.n == sbl_chunks_rows(from, chunk))
        return st;
    return sbl_program_stage(program, rows_stage, 1, &p, sizeof p, err);
}

static void rows_clear(sabal_array *a)
{
    sbl_free(a->params);
}

static const sbl_array_op ROWS = {.name = "rows", .emit = rows_emit, .clear = rows_clear};

/* As NumPy reads an index of a slice: negative from the end, then cut to 0 .. n. */
static int64_t cut_index(int64_t i, int64_t n)
{
    if (i < 0)
        i += n;
    return i < 0 ? 0 : i > n ? n : i;
}

sabal_array *sabal_array_rows(const sabal_array *array, int64_t start, int64_t stop)
{
    sabal_error  err = SABAL_ERROR_INIT;
    int64_t      shape[SABAL_MAX_NDIM], n, *first;
    sbl_chunks   chunks;
    sabal_array *a;

    if (sbl_array_check(array, &err))
        return sbl_array_adopt(sbl_array_failed(array->client, &err, array->where));
    for (int32_t i = 1; i < array->ndim; i++)
        shape[i] = array->shape[i];
    n        = array->shape[0];
    start    = cut_index(start, n);
    stop     = cut_index(stop, n);
    shape[0] = stop > start ? stop - start : 0;
    if (shape[0] == 0)
        chunks = sbl_chunks_make(0, array->chunks.step, array->chunks.step);
    else
        chunks = sbl_chunks_make(shape[0],
                                 sbl_chunks_start(&array->chunks, sbl_chunks_find(&array->chunks, start) + 1) - start,
                                 array->chunks.step);
    first = sbl_alloc(sizeof *first);
    if (!first) {
        sbl_error_memory(&err, sizeof *first, "a row slice");
        return sbl_array_adopt(sbl_array_failed(array->client, &err, array->where));
    }
    *first = start;
    a      = sbl_array_create(array->client, &ROWS, array, array->dtype, array->ndim, shape, array->where);
    if (a->error) {
        sbl_free(first);
        return a;
    }
    a->chunks = chunks;
    a->params = first;
    return sbl_array_adopt(a);
}
