/* Submitting as the user does it: one task, many alike, a value of one's own. A failure becomes a failed future. */
#include "graph/budget.h"
#include "graph/client.h"
#include "graph/submit.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/struct.h"

/* Options of an older program are shorter: what it doesn't know has its default. */
static sabal_submit_options options_of(const sabal_submit_options *options)
{
    sabal_submit_options o = {SABAL_SUBMIT_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

void sabal_submit_options_init(sabal_submit_options *options)
{
    *options = options_of(NULL);
}

/* "" says nothing. */
static const char *some(const char *text)
{
    return text && text[0] ? text : NULL;
}

static sabal_status submit(sabal_future **futures, sabal_client *client, sabal_task_fn *fn, const void *args,
                           size_t arg_size, int64_t n, const sabal_submit_options *o, sabal_error *err)
{
    int64_t       n_inputs = sabal_list_count(o->inputs);
    sbl_task_spec spec     = {.fn           = fn,
                              .arg          = args,
                              .arg_size     = arg_size,
                              .inputs       = (sabal_future *const *)(const void *)o->inputs.items,
                              .n_inputs     = (int32_t)n_inputs,
                              .priority     = o->priority,
                              .retries      = o->retries,
                              .timeout_ns   = o->timeout_ns,
                              .output_bytes = o->output_bytes,
                              .workers      = some(o->workers),
                              .resources    = some(o->resources),
                              .replicas     = o->replicas,
                              .name         = o->name,
                              .where        = o->where};

    if (n_inputs > INT32_MAX)
        return sbl_error_set(err, SABAL_EINVAL, "%" PRId64 " inputs are more than a task can have", n_inputs);
    return sbl_submit_batch(
        client, &(sbl_batch){.specs = &spec, .alike = 1, .n = n, .function = o->function, .adopt = 1}, futures, err);
}

/* The client's own failure is shared, not copied. */
static sabal_future *failed(sabal_client *client, const sabal_error *err)
{
    const sabal_error *own = sabal_client_error(client);

    return sbl_handle_adopt(sbl_future_failed(client, own ? own : err), sbl_client_owner(client));
}

void sabal_map_with(sabal_future **futures, sabal_client *client, sabal_task_fn *fn, const void *args, size_t arg_size,
                    int64_t n, const sabal_submit_options *options)
{
    sabal_submit_options o = options_of(options);
    sabal_error          err;
    sabal_status         st;

    if (n <= 0)
        return;
    sbl_error_clear(&err);
    st = submit(futures, client, fn, args, arg_size, n, &o, &err);
    sbl_error_where(&err, o.where);
    for (int64_t i = 0; i < n && st; i++)
        futures[i] = failed(client, &err);
}

sabal_future *sabal_submit_with(sabal_client *client, sabal_task_fn *fn, const void *arg, size_t arg_size,
                                const sabal_submit_options *options)
{
    sabal_future *future;

    sabal_map_with(&future, client, fn, arg, arg_size, 1, options);
    return future;
}

/* Who closes the client waits for it. */
static sabal_status replicate(sabal_future *future, int32_t n, sabal_error *err)
{
    sabal_status st;

    if (!sbl_client_enter(future->client, 0))
        return sbl_error_pass(err, &sbl_failure_closed.error);
    st = sbl_engine_replicate(future, n, err);
    sbl_client_exit(future->client);
    return st;
}

static sabal_status scatter(sabal_future **future, sabal_client *client, const void *data, size_t size,
                            int32_t replicas, sabal_error *err)
{
    sbl_value   *value = NULL;
    void        *room;
    sabal_status st = sbl_client_check(client, err);

    if (!st)
        st = sbl_replicas_check(replicas, err);
    if (st)
        return st;
    sbl_budget_wait_for_room(client->budget, size);
    st = sbl_bytes_create(&value, &room, size, err);
    if (st)
        return st;
    if (size)
        memcpy(room, data, size);
    st = sbl_engine_scatter(client, value, future, err);
    sbl_value_release(value); /* before the wait: it may be what has to leave */
    if (st)
        return st;
    sbl_budget_wait_for_room(client->budget, 0);
    st = replicas ? replicate(*future, replicas, err) : SABAL_OK;
    if (st)
        sbl_handle_release(*future);
    return st;
}

static sabal_scatter_options scatter_options_of(const sabal_scatter_options *options)
{
    sabal_scatter_options o = {SABAL_SCATTER_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

void sabal_scatter_options_init(sabal_scatter_options *options)
{
    *options = scatter_options_of(NULL);
}

sabal_future *sabal_scatter_with(sabal_client *client, const void *data, size_t size,
                                 const sabal_scatter_options *options)
{
    const sabal_scatter_options o   = scatter_options_of(options);
    sabal_error                 err = SABAL_ERROR_INIT;
    sabal_future               *future;

    if (!scatter(&future, client, data, size, o.replicas, &err))
        return sbl_handle_adopt(future, &client->owner);
    sbl_error_where(&err, o.where);
    return failed(client, &err);
}

sabal_status sabal_future_replicate(const sabal_future *future, int32_t n, sabal_error *err)
{
    sabal_status st;

    if (!future)
        return sbl_error_set(err, SABAL_EINVAL, "the future to be replicated is NULL");
    if (!future->client) /* one that failed when it was made */
        return sbl_error_pass(err, sabal_future_error(future));
    st = sbl_client_check(future->client, err);
    if (st)
        return st;
    if (sabal_future_error(future))
        return sbl_error_pass(err, sabal_future_error(future));
    return replicate((sabal_future *)future, n, err);
}
