/* Programs of chunks: written by nodes, run by one task each, on a small stack of values. */
#include "array/array.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* What stands before the parameters of a stage; stage INPUT pushes the task's next input. */
struct step {
    int64_t  stage; /* its distance from run_program(), the same in every process with this libsabal */
    uint32_t n_in;
    uint32_t size; /* of the parameters behind it, without the padding to 16 */
};
#define INPUT  INT64_MAX
#define ALIGN  16
#define PAD(n) (((n) + ALIGN - 1) / ALIGN * ALIGN)
_Static_assert(sizeof(struct step) == ALIGN, "parameters stay aligned");

static sabal_task_fn run_program;

static sabal_status add_step(sbl_program *p, int64_t stage, int32_t n_in, const void *params, size_t size,
                             sabal_error *err)
{
    struct step step = {stage, (uint32_t)n_in, (uint32_t)size};
    size_t      need = p->size + sizeof step + PAD(size);

    if (size > UINT32_MAX - ALIGN)
        return sbl_error_set(err, SABAL_EINVAL, "%zu bytes of parameters: at most 4 GiB", size);
    if (need > p->room) {
        size_t         room = need * 2;
        unsigned char *code = sbl_realloc(p->code, room);

        if (!code)
            return sbl_error_memory(err, room, "the program of a chunk");
        p->code = code;
        p->room = room;
    }
    memcpy(p->code + p->size, &step, sizeof step);
    if (size)
        memcpy(p->code + p->size + sizeof step, params, size);
    memset(p->code + p->size + sizeof step + size, 0, PAD(size) - size);
    p->size = need;
    p->depth += 1 - n_in;
    p->again = 0;
    if (p->depth > SBL_PROGRAM_DEPTH)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "an expression nested more than %d deep", SBL_PROGRAM_DEPTH);
    return SABAL_OK;
}

sabal_status sbl_program_input(sbl_program *p, sabal_future *future, sabal_error *err)
{
    if (p->n_inputs == p->inputs_room) {
        int32_t        room   = p->inputs_room ? 2 * p->inputs_room : 4;
        sabal_future **inputs = sbl_realloc(p->inputs, (size_t)room * sizeof *inputs);

        if (!inputs)
            return sbl_error_memory(err, (size_t)room * sizeof *inputs, "the inputs of a chunk");
        p->inputs      = inputs;
        p->inputs_room = room;
    }
    p->inputs[p->n_inputs++] = sbl_handle_retain(future);
    return add_step(p, INPUT, 0, NULL, 0, err);
}

sabal_status sbl_program_stage(sbl_program *p, sbl_stage_fn *stage, int32_t n_in, const void *params, size_t size,
                               sabal_error *err)
{
    assert(n_in <= p->depth);
    return add_step(p, (intptr_t)stage - (intptr_t)run_program, n_in, params, size, err);
}

void sbl_program_is_read(sbl_program *p)
{
    struct step first;

    memcpy(&first, p->code, sizeof first);
    p->again = p->size == sizeof first + PAD(first.size);
}

sabal_status sbl_program_array(sbl_program *p, const sabal_array *array, int64_t i, sabal_error *err)
{
    return array->op->emit(array, i, p, err);
}

void sbl_program_clear(sbl_program *p)
{
    for (int32_t i = 0; i < p->n_inputs; i++)
        sbl_handle_release(p->inputs[i]);
    sbl_free(p->inputs);
    sbl_free(p->code);
    memset(p, 0, sizeof *p);
}

/* The function of every task that makes a chunk. */
static sabal_status run_program(sabal_task *task)
{
    const unsigned char *code = sabal_task_arg(task), *end = code + sabal_task_arg_size(task);
    const sbl_value     *stack[SBL_PROGRAM_DEPTH + 1];
    sabal_error          err   = SABAL_ERROR_INIT;
    int32_t              depth = 0, next_input = 0;
    sabal_status         st = SABAL_OK;

    while (code < end && !st) {
        struct step step;
        sbl_value  *made = NULL;

        memcpy(&step, code, sizeof step);
        if (step.stage == INPUT) {
            st = sbl_task_input_value(&made, task, next_input++, &err);
            if (!st)
                stack[depth++] = made;
        } else if (sabal_task_cancelled(task)) {
            st = sbl_error_set(&err, SABAL_ECANCELED, "cancelled");
        } else {
            sbl_stage_fn *stage = (sbl_stage_fn *)((intptr_t)run_program + (intptr_t)step.stage);

            st = stage(&made, stack + depth - step.n_in, (int32_t)step.n_in, code + sizeof step, step.size, task, &err);
            for (uint32_t i = 0; i < step.n_in; i++)
                sbl_value_release(stack[--depth]);
            if (!st)
                stack[depth++] = made;
        }
        code += sizeof step + PAD(step.size);
    }
    if (!st)
        return sbl_task_return_value(task, (sbl_value *)stack[--depth]);
    while (depth > 0)
        sbl_value_release(stack[--depth]);
    return sbl_task_pass(task, &err);
}

sbl_task_spec sbl_program_spec(const sbl_program *p, size_t result_bytes, const char *name, const char *where)
{
    assert(p->depth == 1);
    return (sbl_task_spec){.fn           = run_program,
                           .arg          = p->code,
                           .arg_size     = p->size,
                           .inputs       = p->inputs,
                           .n_inputs     = p->n_inputs,
                           .output_bytes = result_bytes,
                           .again        = p->again,
                           .name         = name,
                           .where        = where};
}

sabal_status sbl_array_chunk(sabal_future **future, const sabal_array *array, int64_t i, sabal_error *err)
{
    sbl_program   program = {0};
    sbl_task_spec spec;
    sabal_status  st = sbl_program_array(&program, array, i, err);

    if (st)
        goto done;
    if (program.n_inputs == 1 && program.size == sizeof(struct step)) { /* nothing but one input */
        *future = sbl_handle_retain(program.inputs[0]);
        goto done;
    }
    spec = sbl_program_spec(&program, sbl_array_chunk_bytes(array), array->op->name, array->where);
    st   = sbl_engine_submit(array->client, &spec, 1, future, err);
done:
    sbl_program_clear(&program);
    return st;
}

sabal_status sbl_dense(const sabal_ndarray **dense, const sbl_value *value, sabal_error *err)
{
    const sabal_ndarray *array = (const sabal_ndarray *)(const void *)value;
    sabal_ndarray       *copy;
    void                *room;
    sabal_status         st;

    if (value->kind != SBL_NDARRAY)
        return sbl_error_set(err, SABAL_EINTERNAL, "a value of kind %d where a chunk was expected", value->kind);
    if (sbl_ndarray_is_contiguous(array)) {
        *dense = sbl_handle_retain(array);
        return SABAL_OK;
    }
    st = sbl_ndarray_create(&copy, &room, sabal_ndarray_dtype(array), sabal_ndarray_ndim(array),
                            sbl_ndarray_shape(array), err);
    if (st)
        return st;
    sbl_ndarray_copy_out(room, array);
    *dense = copy;
    return SABAL_OK;
}
