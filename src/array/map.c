/* A function of the user's over each chunk. */
#include "array/array.h"

#include <stdio.h>
#include <string.h>

#include "array/check.h"
#include "base/alloc.h"
#include "base/error.h"

/* What a task gets, beside the chunk and the user's argument. */
struct map_params {
    sbl_code_ref fn; /* a sabal_chunk_fn */
    int64_t      first_row;
    int32_t      dtype, row_ndim;
    int64_t      row_shape[SABAL_MAX_NDIM];
    char         where[128]; /* the call of the map, for what its function does wrong */
};

struct map_node {
    struct map_params params; /* with first_row 0 */
    sabal_future     *arg;    /* the bytes of the user's argument, once for all chunks; NULL: none. One reference */
};

/* What the function returned, if it is not SABAL_OK: SABAL_END would be taken for the end of the array. */
static sabal_status failed(const struct map_params *p, sabal_status st, sabal_error *err)
{
    if (sbl_status_is_failure(st))
        sbl_error_set(err, st, "the function mapped over chunks returned %s", sabal_status_name(st));
    else
        st = sbl_error_set(err, SABAL_EINVAL,
                           "the function mapped over chunks returned %d (%s), which is neither SABAL_OK nor a failure",
                           (int)st, sabal_status_name(st));
    sbl_error_where(err, p->where);
    return st;
}

static sabal_status map_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                              size_t size, sabal_task *task, sabal_error *err)
{
    const struct map_params *p     = params;
    const sabal_ndarray     *dense = NULL;
    sabal_ndarray           *made  = NULL;
    int64_t                  shape[SABAL_MAX_NDIM];
    sabal_chunk              chunk;
    void                    *room, *fn;
    sabal_status             st = sbl_dense(&dense, in[0], err);

    if (!st)
        st = sbl_task_find_code(&fn, task, &p->fn, err);
    if (st)
        goto done;
    chunk    = (sabal_chunk){.data      = sabal_ndarray_data(dense),
                             .dtype     = sabal_ndarray_dtype(dense),
                             .ndim      = sabal_ndarray_ndim(dense),
                             .shape     = sbl_ndarray_shape(dense),
                             .first_row = p->first_row};
    shape[0] = chunk.shape[0];
    memcpy(shape + 1, p->row_shape, (size_t)p->row_ndim * sizeof *shape);
    st = sbl_ndarray_create(&made, &room, (sabal_dtype)p->dtype, 1 + p->row_ndim, shape, err);
    if (st)
        goto done;
    st = ((sabal_chunk_fn *)(uintptr_t)fn)(room, &chunk, n_in > 1 ? sbl_value_data(in[1], NULL) : NULL, task);
    if (st) {
        st = failed(p, st, err);
        goto done;
    }
    *out = (sbl_value *)(void *)made;
    made = NULL;
done:
    sbl_handle_release(made);
    sbl_handle_release(dense);
    return st;
}

static sabal_status map_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    const struct map_node *node = a->params;
    struct map_params      p    = node->params;
    sabal_status           st   = sbl_program_array(program, a->input, i, err);

    p.first_row = sbl_chunks_start(&a->chunks, i);
    if (!st && node->arg)
        st = sbl_program_input(program, node->arg, err);
    return st ? st : sbl_program_stage(program, map_stage, node->arg ? 2 : 1, &p, sizeof p, err);
}

static void node_free(struct map_node *node)
{
    if (node)
        sbl_handle_release(node->arg);
    sbl_free(node);
}

static void map_clear(sabal_array *a)
{
    node_free(a->params);
}

static const sbl_array_op MAP = {.name = "map_chunks", .emit = map_emit, .clear = map_clear};

void sabal_map_chunks_options_init(sabal_map_chunks_options *options)
{
    *options = (sabal_map_chunks_options){SABAL_MAP_CHUNKS_DEFAULTS};
}

static sabal_status node_create(struct map_node **node, const struct map_params *params,
                                const sabal_map_chunks_options *o, sabal_client *client, sabal_error *err)
{
    struct map_node *made  = sbl_calloc(1, sizeof *made);
    sbl_value       *value = NULL;
    void            *room;
    sabal_status     st = SABAL_OK;

    if (!made)
        return sbl_error_memory(err, sizeof *made, "the description of an array");
    made->params = *params;
    if (o->arg && o->arg_size) {
        st = sbl_bytes_create(&value, &room, o->arg_size, err);
        if (!st) {
            memcpy(room, o->arg, o->arg_size);
            st = sbl_engine_scatter(client, value, &made->arg, err);
        }
        sbl_value_release(value);
    }
    if (st)
        node_free(made);
    else
        *node = made;
    return st;
}

sabal_array *sabal_array_map_chunks_with(const sabal_array *array, sabal_chunk_fn *fn,
                                         const sabal_map_chunks_options *options)
{
    sabal_map_chunks_options o    = {SABAL_MAP_CHUNKS_DEFAULTS};
    sabal_error              err  = SABAL_ERROR_INIT;
    struct map_params        head = {0};
    struct map_node         *node = NULL;
    int64_t                  shape[SABAL_MAX_NDIM];
    sabal_array             *a;
    sabal_status             st;

    sbl_options_take(&o, sizeof o, options);
    st = sbl_array_check(array, &err);
    if (!st && !fn)
        st = sbl_error_set(&err, SABAL_EINVAL, "the function to map is NULL");
    if (!st && (o.row_ndim < -1 || o.row_ndim >= SABAL_MAX_NDIM || (o.row_ndim > 0 && !o.row_shape)))
        st = sbl_error_set(&err, SABAL_EINVAL, "row_ndim is %d%s: expected 0 to %d with row_shape, or -1", o.row_ndim,
                           o.row_ndim > 0 && !o.row_shape ? " and row_shape NULL" : "", SABAL_MAX_NDIM - 1);
    if (st)
        return sbl_array_adopt(sbl_array_failed(array->client, &err, o.where));
    st = sbl_code_ref_make(&head.fn, (void *)(uintptr_t)fn, "the function to map", &err);
    if (st && !sbl_client_is_here(array->client))
        return sbl_array_adopt(sbl_array_failed(array->client, &err, o.where));
    err           = (sabal_error)SABAL_ERROR_INIT; /* it stays in this process */
    head.dtype    = (int32_t)(o.dtype ? o.dtype : array->dtype);
    head.row_ndim = o.row_ndim < 0 ? array->ndim - 1 : o.row_ndim;
    snprintf(head.where, sizeof head.where, "%s", o.where ? o.where : "");
    if (head.row_ndim)
        memcpy(head.row_shape, o.row_ndim < 0 ? array->shape + 1 : o.row_shape, (size_t)head.row_ndim * sizeof *shape);
    shape[0] = array->shape[0];
    memcpy(shape + 1, head.row_shape, (size_t)head.row_ndim * sizeof *shape);
    st = sbl_check_shape((sabal_dtype)head.dtype, 1 + head.row_ndim, shape, &err);
    if (!st)
        st = node_create(&node, &head, &o, array->client, &err);
    if (st)
        return sbl_array_adopt(sbl_array_failed(array->client, &err, o.where));
    a = sbl_array_create(array->client, &MAP, array, (sabal_dtype)head.dtype, 1 + head.row_ndim, shape, o.where);
    if (a->error) {
        node_free(node);
        return a;
    }
    a->chunks = array->chunks;
    a->params = node;
    return sbl_array_adopt(a);
}
