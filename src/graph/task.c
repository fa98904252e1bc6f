/* What a task's function may ask and hand over. */
#include "graph/task.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sabal/pool.h>

#include "base/error.h"
#include "graph/client.h"
#include "graph/held.h"

const void *sabal_task_arg(const sabal_task *task)
{
    return sbl_future_arg(task->future);
}

size_t sabal_task_arg_size(const sabal_task *task)
{
    return task->future->arg_size;
}

int32_t sabal_task_n_inputs(const sabal_task *task)
{
    return task->future->n_inputs;
}

static const sabal_future *input_of(const sabal_task *task, int32_t i)
{
    assert(i >= 0 && i < task->future->n_inputs && "there is no such input");
    return task->future->edges[i].input;
}

sabal_status sbl_task_input_value(sbl_value **value, const sabal_task *task, int32_t i, sabal_error *err)
{
    return sbl_result_take(value, input_of(task, i), err);
}

const void *sabal_task_input(const sabal_task *task, int32_t i)
{
    size_t size;

    return sbl_result_data(input_of(task, i), &size);
}

size_t sabal_task_input_size(const sabal_task *task, int32_t i)
{
    size_t size;

    sbl_result_data(input_of(task, i), &size);
    return size;
}

const sabal_ndarray *sabal_task_input_ndarray(const sabal_task *task, int32_t i)
{
    const sbl_value *value = sbl_result_value(input_of(task, i));

    return value && value->kind == SBL_NDARRAY ? (const sabal_ndarray *)value : NULL;
}

sabal_client *sabal_task_client(const sabal_task *task)
{
    return task->future->client;
}

int32_t sabal_task_cancelled(const sabal_task *task)
{
    return atomic_load_explicit(&task->future->interrupted, memory_order_relaxed) != 0 ||
           sbl_client_is_closing(task->future->client);
}

sabal_status sbl_task_find_code(void **address, sabal_task *task, const sbl_code_ref *ref, sabal_error *err)
{
    const sbl_engine *engine = task->future->client->engine;

    *address = sbl_code_ref_here(ref);
    if (!*address)
        *address = sbl_code_find(&ref->code);
    if (*address)
        return SABAL_OK;
    return engine->find
               ? engine->find(address, &ref->code, err)
               : sbl_error_set(err, SABAL_EUNSUPPORTED, "a function of another process that is not loaded here");
}

/* --- handing over ----------------------------------------------------------------------------------------------- */

static sabal_status check_first(sabal_task *task)
{
    if (!task->value && !task->chain && !task->n_small)
        return SABAL_OK;
    return sbl_error_set(&task->error, SABAL_EINVAL, "a task hands over one result, and this one has done so before");
}

sabal_status sbl_task_return_value(sabal_task *task, sbl_value *value)
{
    sabal_status st;

    if (value->kind == SBL_BYTES && value->n_bytes <= SBL_SMALL_BYTES) {
        st = sabal_task_return(task, sbl_value_data(value, NULL), value->n_bytes);
        sbl_value_release(value);
        return st;
    }
    st = check_first(task);
    if (st)
        sbl_value_release(value);
    else
        task->value = value;
    return st;
}

/* Few bytes go into the future's record. */
static sabal_status make_room(void **room, sabal_task *task, size_t size)
{
    sabal_status st = check_first(task);

    if (st)
        return st;
    if (size > SBL_SMALL_BYTES)
        return sbl_bytes_create(&task->value, room, size, &task->error);
    task->n_small = (uint8_t)(size + 1);
    *room         = task->small.bytes;
    return SABAL_OK;
}

void *sabal_task_return_room(sabal_task *task, size_t size)
{
    void *room;

    return make_room(&room, task, size) ? NULL : room;
}

sabal_status sabal_task_return(sabal_task *task, const void *data, size_t size)
{
    void        *room;
    sabal_status st = make_room(&room, task, size);

    if (!st && size)
        memcpy(room, data, size);
    return st;
}

sabal_status sabal_task_return_ndarray(sabal_task *task, const sabal_ndarray *array)
{
    assert(array);
    return sbl_task_return_value(task, sbl_value_retain((const sbl_value *)array));
}

sabal_status sabal_task_return_object(sabal_task *task, void *object, const sabal_type *type)
{
    sabal_status st = check_first(task);

    if (st) {
        if (object && type->destroy)
            type->destroy(object);
        return st;
    }
    return sbl_object_create(&task->value, object, type, &task->error);
}

sabal_status sabal_task_return_future(sabal_task *task, const sabal_future *future)
{
    sabal_status st = check_first(task);

    assert(future);
    if (st)
        return st;
    if (future == task->future)
        return sbl_error_set(&task->error, SABAL_EINVAL, "a task returned its own future, which would never end");
    if (future->client && future->client != task->future->client)
        return sbl_error_set(&task->error, SABAL_EINVAL, "a task returned a future of another client");
    task->chain = sbl_handle_retain(future);
    return SABAL_OK;
}

sabal_status sabal_task_fail(sabal_task *task, sabal_status status, const char *format, ...)
{
    va_list args;

    if (!sbl_status_is_failure(status))
        status = SABAL_ETASK; /* who says that he failed has failed, whatever else he says */
    if (!task->failed)
        task->error.status = SABAL_OK; /* what a call noted before matters less than what the task says */
    va_start(args, format);
    sbl_error_setv(&task->error, status, format, args);
    va_end(args);
    task->failed = 1;
    return status;
}

sabal_status sbl_task_pass(sabal_task *task, const sabal_error *err)
{
    assert(err->status);
    if (!task->failed)
        task->error = *err;
    sbl_error_where(&task->error, err->where[0] ? err->where : NULL);
    task->failed = 1;
    return err->status;
}

void sbl_task_lend_place(void)
{
    sabal_blocking_begin();
}

void sbl_task_take_place(void)
{
    sabal_blocking_end();
}
