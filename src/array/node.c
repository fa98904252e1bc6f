/* The lazy node: made, failed, asked, ended. */
#include "array/array.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static void array_destroy(void *handle)
{
    sabal_array *a = handle;

    if (a->op && a->op->clear)
        a->op->clear(a);
    sbl_handle_release(a->input);
    sbl_free(a->error);
    sbl_client_release(a->client);
    sbl_free(a);
}

static const sbl_handle_class ARRAY = {.name = "sabal_array", .destroy = array_destroy};

/* What every maker returns when there is no memory even for the node of a failure. */
static const sbl_handle_class IMMORTAL  = {.name = "sabal_array", .immortal = 1};
static sabal_error            no_memory = {
               .struct_size = sizeof(sabal_error), .status = SABAL_ENOMEM, .message = "no memory for the description of an array"};
static sabal_array out_of_memory = {.handle = SBL_IMMORTAL(&IMMORTAL), .error = &no_memory};

/* And when the client is NULL; the error is that of the client that stands for it. */
static sabal_array no_client = {.handle = SBL_IMMORTAL(&IMMORTAL), .client = &sbl_client_none};

sabal_array *sbl_array_create(sabal_client *client, const sbl_array_op *op, const sabal_array *input, sabal_dtype dtype,
                              int32_t ndim, const int64_t *shape, const char *where)
{
    sabal_array *a = sbl_calloc(1, sizeof *a);

    if (!a)
        return &out_of_memory;
    sbl_handle_init(a, &ARRAY);
    sbl_client_retain(client);
    a->client = client;
    a->op     = op;
    a->input  = sbl_handle_retain(input);
    a->where  = where;
    a->dtype  = dtype;
    a->ndim   = ndim;
    if (ndim)
        memcpy(a->shape, shape, (size_t)ndim * sizeof *shape);
    return a;
}

sabal_array *sbl_array_adopt(sabal_array *array)
{
    return array->client ? sbl_handle_adopt(array, sbl_client_owner(array->client)) : array;
}

sabal_array *sbl_array_failed(sabal_client *client, const sabal_error *err, const char *where)
{
    sabal_array *a;

    if (!client || client == &sbl_client_none)
        return err->status == SABAL_ENOMEM ? &out_of_memory : &no_client;
    a = sbl_array_create(client, NULL, NULL, (sabal_dtype)0, 0, NULL, where);
    if (a == &out_of_memory)
        return a;
    a->error = sbl_alloc(sizeof *a->error);
    if (!a->error) {
        sbl_handle_release(a);
        return &out_of_memory;
    }
    *a->error = *err;
    sbl_error_where(a->error, where);
    return a;
}

sabal_status sbl_array_check(const sabal_array *array, sabal_error *err)
{
    if (array->error)
        return sbl_error_pass(err, array->error);
    return sbl_client_check(array->client, err);
}

size_t sbl_array_chunk_bytes(const sabal_array *array)
{
    return (size_t)(array->chunks.step * sbl_array_row_size(array)) * sabal_dtype_size(array->dtype);
}

int64_t sbl_array_row_size(const sabal_array *array)
{
    int64_t n = 1;

    for (int32_t i = 1; i < array->ndim; i++)
        n *= array->shape[i];
    return n;
}

/* Its own failure, or what became of its client since: a closed client leaves husks. */
const sabal_error *sabal_array_error(const sabal_array *array)
{
    return array->error || !array->client ? array->error : sabal_client_error(array->client);
}

int32_t sabal_array_ndim(const sabal_array *array)
{
    return sabal_array_error(array) ? 0 : array->ndim;
}

sabal_dtype sabal_array_dtype(const sabal_array *array)
{
    return sabal_array_error(array) ? (sabal_dtype)0 : array->dtype;
}

int64_t sabal_array_extent(const sabal_array *array, int32_t axis)
{
    return axis >= 0 && axis < sabal_array_ndim(array) ? array->shape[axis] : -1;
}

int64_t sabal_array_n_chunks(const sabal_array *array, int32_t axis)
{
    if (axis < 0 || axis >= sabal_array_ndim(array))
        return -1;
    return axis == 0 ? array->chunks.n : 1;
}

int64_t sabal_array_chunk_extent(const sabal_array *array, int32_t axis, int64_t i)
{
    if (i < 0 || i >= sabal_array_n_chunks(array, axis))
        return -1;
    return axis == 0 ? sbl_chunks_rows(&array->chunks, i) : array->shape[axis];
}

int64_t sabal_array_bytes(const sabal_array *array)
{
    if (sabal_array_error(array))
        return -1;
    return array->shape[0] * sbl_array_row_size(array) * (int64_t)sabal_dtype_size(array->dtype);
}

sabal_client *sabal_array_client(const sabal_array *array)
{
    return array->client;
}
