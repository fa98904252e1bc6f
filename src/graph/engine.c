/* The door: records are made here, the same for every engine, and handed to the one behind the client. */
#include "graph/engine.h"

#include <inttypes.h>

#include "base/error.h"
#include "graph/client.h"
#include "graph/submit.h"

static sabal_status check_spec(const sabal_client *client, const sbl_task_spec *spec, sabal_error *err)
{
    if (!spec->fn)
        return sbl_error_set(err, SABAL_EINVAL, "a task without a function");
    if (spec->arg_size && !spec->arg)
        return sbl_error_set(err, SABAL_EINVAL, "an argument of %zu bytes was announced, but it is NULL",
                             spec->arg_size);
    if (spec->retries < 0 || spec->timeout_ns < 0)
        return sbl_error_set(err, SABAL_EINVAL,
                             "%" PRId32 " retries and a timeout of %" PRId64 " ns: both must be 0 or more",
                             spec->retries, spec->timeout_ns);
    for (int32_t i = 0; i < spec->n_inputs; i++) {
        if (!spec->inputs[i])
            return sbl_error_set(err, SABAL_EINVAL, "input %" PRId32 " is NULL", i);
        if (spec->inputs[i]->client && spec->inputs[i]->client != client)
            return sbl_error_set(err, SABAL_EINVAL, "input %" PRId32 " ('%s') is a future of another client", i,
                                 sabal_future_key(spec->inputs[i]));
    }
    return client->engine->admit((sabal_client *)client, spec, err);
}

/* All records first, so that a failure leaves nothing behind; then they start. */
static sabal_status make_all(sabal_client *client, const sbl_batch *batch, sabal_future **futures, sabal_error *err)
{
    sabal_status st = SABAL_OK;
    int64_t      i;

    for (i = 0; i < batch->n && !st; i++) {
        sbl_task_spec spec = batch->specs[batch->alike ? 0 : i];

        if (!batch->alike || i == 0)
            st = check_spec(client, &spec, err);
        if (st)
            break;
        if (batch->alike && spec.arg)
            spec.arg = (const char *)spec.arg + spec.arg_size * (size_t)i;
        futures[i] = sbl_future_make(client, &spec, batch->function);
        if (!futures[i]) {
            st = sbl_error_memory(err, sizeof(sabal_future) + spec.arg_size, "a task");
            break;
        }
    }
    while (st && i-- > 0)
        sbl_future_unmake(futures[i]);
    return st;
}

sabal_status sbl_submit_batch(sabal_client *client, const sbl_batch *batch, sabal_future **futures, sabal_error *err)
{
    sabal_status st = sbl_client_check(client, err);
    uint64_t     serial;

    if (st)
        return st;
    st = make_all(client, batch, futures, err);
    if (st)
        return st;
    if (!sbl_client_enter(client, batch->n)) {
        for (int64_t i = 0; i < batch->n; i++)
            sbl_future_unmake(futures[i]);
        return sbl_error_pass(err, &sbl_failure_closed.error);
    }
    serial = 1 + atomic_fetch_add_explicit(&client->serial, (uint64_t)batch->n, memory_order_relaxed);
    for (int64_t i = 0; i < batch->n; i++)
        futures[i]->serial = serial + (uint64_t)i;
    client->engine->start(client, futures, batch->n);
    sbl_client_exit(client);
    return SABAL_OK;
}

sabal_status sbl_engine_submit(sabal_client *client, const sbl_task_spec *specs, int64_t n, sabal_future **futures,
                               sabal_error *err)
{
    return sbl_submit_batch(client, &(sbl_batch){.specs = specs, .n = n}, futures, err);
}

sabal_status sbl_engine_scatter(sabal_client *client, sbl_value *value, sabal_future **future, sabal_error *err)
{
    sabal_status  st = sbl_client_check(client, err);
    sabal_future *f;

    if (st)
        return st;
    f = sbl_future_scattered(client, sbl_value_retain(value));
    if (!f)
        return sbl_error_memory(err, sizeof *f, "a scattered value's future");
    *future = f;
    return SABAL_OK;
}

sabal_status sbl_engine_fetch(sbl_value **value, sabal_future *future, sabal_error *err)
{
    sabal_status st = sbl_wait_one(future, -1, err);

    return st ? st : future->client->engine->fetch(value, future, err);
}

sabal_status sbl_engine_wait(sabal_client *client, sabal_future *const *futures, int64_t n, int64_t timeout_ns,
                             sabal_error *err)
{
    return sbl_wait_list(futures, n, timeout_ns, err);
}
