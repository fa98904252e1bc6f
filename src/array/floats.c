/* Arrays of whole numbers as float64, for what computes with floats. */
#include "array/array.h"

#include "base/error.h"

static sabal_status floats_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                 size_t size, sabal_task *task, sabal_error *err)
{
    const sabal_ndarray *dense = NULL;
    sabal_ndarray       *made;
    void                *room;
    sabal_status         st = sbl_dense(&dense, in[0], err);

    if (!st)
        st = sbl_ndarray_create(&made, &room, SABAL_FLOAT64, sabal_ndarray_ndim(dense), sbl_ndarray_shape(dense), err);
    if (!st) {
        sbl_doubles_from(room, sabal_ndarray_data(dense), sabal_ndarray_dtype(dense), sabal_ndarray_size(dense));
        *out = (sbl_value *)(void *)made;
    }
    sbl_handle_release(dense);
    return st;
}

static sabal_status floats_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    sabal_status st = sbl_program_array(program, a->input, i, err);

    return st ? st : sbl_program_stage(program, floats_stage, 1, NULL, 0, err);
}

static const sbl_array_op FLOATS = {.name = "float64", .emit = floats_emit};

const sabal_array *sbl_array_floats(const sabal_array *array)
{
    sabal_array *a;

    switch (array->error ? SABAL_FLOAT64 : array->dtype) {
    case SABAL_FLOAT32:
    case SABAL_FLOAT64:
    case SABAL_COMPLEX64:
    case SABAL_COMPLEX128:
        return sbl_handle_retain(array);
    default:
        a = sbl_array_create(array->client, &FLOATS, array, SABAL_FLOAT64, array->ndim, array->shape, array->where);
        if (!a->error)
            a->chunks = array->chunks;
        return a;
    }
}
