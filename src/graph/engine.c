/* The door: records are made here, the same for every engine, and handed to the one behind the client. */
#include "graph/engine.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/lists.h"
#include "graph/client.h"
#include "graph/submit.h"

enum { AT_ONCE = 128 }; /* tasks of a batch that are made, then started */

static sabal_status check_restriction(const sabal_client *client, const sbl_task_spec *spec, sabal_error *err)
{
    sbl_amounts  amounts;
    sabal_status st = sbl_names_check(spec->workers, "workers", err);

    if (!st)
        st = sbl_amounts_read(&amounts, spec->resources, "resources", err);
    if (!st && !client->engine->chooses_workers)
        st = sbl_error_set(err, SABAL_EUNSUPPORTED,
                           "a task with workers or resources of its own: these are of a cluster, and \"%s:\" is none",
                           client->engine->name);
    return st;
}

sabal_status sbl_replicas_check(int32_t n, sabal_error *err)
{
    if (n >= SABAL_EVERY_WORKER)
        return SABAL_OK;
    return sbl_error_set(err, SABAL_EINVAL,
                         "%" PRId32 " workers are to have a result: expected 0 or more, or SABAL_EVERY_WORKER (-1)", n);
}

static sabal_status check_spec(const sabal_client *client, const sbl_task_spec *spec, sabal_error *err)
{
    if (!spec->fn)
        return sbl_error_set(err, SABAL_EINVAL, "a task without a function");
    if (spec->arg_size && !spec->arg)
        return sbl_error_set(err, SABAL_EINVAL, "an argument of %zu bytes was announced, but it is NULL",
                             spec->arg_size);
    if (spec->arg_size > UINT32_MAX)
        return sbl_error_set(
            err, SABAL_EINVAL,
            "an argument of %zu bytes: expected less than 4 GiB, and what is large is better scattered",
            spec->arg_size);
    if (spec->retries < 0 || spec->timeout_ns < 0)
        return sbl_error_set(err, SABAL_EINVAL,
                             "%" PRId32 " retries and a timeout of %" PRId64 " ns: both must be 0 or more",
                             spec->retries, spec->timeout_ns);
    if (sbl_replicas_check(spec->replicas, err))
        return SABAL_EINVAL;
    if (spec->workers || spec->resources) {
        const sabal_status st = check_restriction(client, spec, err);

        if (st)
            return st;
    }
    for (int32_t i = 0; i < spec->n_inputs; i++) {
        if (!spec->inputs[i])
            return sbl_error_set(err, SABAL_EINVAL, "input %" PRId32 " is NULL", i);
        if (spec->inputs[i]->client && spec->inputs[i]->client != client)
            return sbl_error_set(err, SABAL_EINVAL, "input %" PRId32 " ('%s') is a future of another client", i,
                                 sabal_future_key(spec->inputs[i]));
    }
    return client->engine->admit((sabal_client *)client, spec, err);
}

static const sbl_site *site_of(sabal_client *client, const sbl_task_spec *spec, const char *function)
{
    if (spec->own_where)
        return NULL;
    return sbl_site_find(&client->sites, &(sbl_site){.fn = spec->fn, .function = function, .where = spec->where});
}

static const sbl_task_spec *spec_of(const sbl_batch *batch, int64_t i)
{
    return &batch->specs[batch->alike ? 0 : i];
}

/* Where tasks are not alike, each record keeps its site until it is made. */
static const sbl_site *site_at(const sbl_batch *batch, const sbl_site *common, sabal_future *const *futures, int64_t i)
{
    return batch->alike ? common : futures[i]->site;
}

static void free_room(const sbl_batch *batch, const sbl_site *common, sabal_future *const *futures, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sbl_future_free_room(futures[i], spec_of(batch, i), site_at(batch, common, futures, i));
}

/* All that can fail. On failure nothing is left. */
static sabal_status make_room(sabal_client *client, const sbl_batch *batch, const sbl_site **common,
                              sabal_future **futures, sabal_error *err)
{
    sabal_status st = SABAL_OK;
    int64_t      i;

    *common = batch->alike ? site_of(client, batch->specs, batch->function) : NULL;
    for (i = 0; i < batch->n && !st; i++) {
        const sbl_task_spec *spec = spec_of(batch, i);
        const sbl_site      *site = *common;

        if (!batch->alike || i == 0)
            st = check_spec(client, spec, err);
        if (st)
            break;
        if (!batch->alike)
            site = site_of(client, spec, batch->function);
        futures[i] = sbl_future_room(spec, site);
        if (!futures[i]) {
            st = sbl_error_memory(err, sizeof(sabal_future) + spec->arg_size, "a task");
            break;
        }
        if (!batch->alike)
            futures[i]->site = site;
    }
    if (st)
        free_room(batch, *common, futures, i);
    return st;
}

/* Some of them, so that their records are still in the cache when they start. */
static void make_some(sabal_client *client, const sbl_batch *batch, const sbl_site *common, sabal_future **futures,
                      int64_t from, int64_t to, uint64_t serial)
{
    for (int64_t i = from; i < to; i++) {
        sbl_task_spec spec = *spec_of(batch, i);

        if (batch->alike && spec.arg)
            spec.arg = (const char *)spec.arg + spec.arg_size * (size_t)i;
        sbl_future_make(futures[i], client, &spec, site_at(batch, common, futures, i), batch->function,
                        serial + (uint64_t)i);
    }
    if (batch->adopt)
        sbl_handle_adopt_all((void *const *)(futures + from), to - from, &client->owner);
    client->engine->start(client, futures + from, to - from);
}

sabal_status sbl_submit_batch(sabal_client *client, const sbl_batch *batch, sabal_future **futures, sabal_error *err)
{
    const sbl_site *common;
    sabal_status    st = sbl_client_check(client, err);
    uint64_t        serial;

    if (st)
        return st;
    st = make_room(client, batch, &common, futures, err);
    if (st)
        return st;
    if (!sbl_client_enter(client, batch->n)) {
        free_room(batch, common, futures, batch->n);
        return sbl_error_pass(err, &sbl_failure_closed.error);
    }
    sbl_client_retain_many(client, batch->n);
    serial = 1 + atomic_fetch_add_explicit(&client->serial, (uint64_t)batch->n, memory_order_relaxed);
    for (int64_t i = 0; i < batch->n; i += AT_ONCE)
        make_some(client, batch, common, futures, i, batch->n - i < AT_ONCE ? batch->n : i + AT_ONCE, serial);
    sbl_client_exit(client);
    return SABAL_OK;
}

sabal_status sbl_engine_submit(sabal_client *client, const sbl_task_spec *specs, int64_t n, sabal_future **futures,
                               sabal_error *err)
{
    return sbl_submit_batch(client, &(sbl_batch){.specs = specs, .n = n}, futures, err);
}

sabal_status sbl_engine_replicate(sabal_future *future, int32_t n, sabal_error *err)
{
    if (sbl_replicas_check(n, err))
        return SABAL_EINVAL;
    return future->client->engine->replicate ? future->client->engine->replicate(future, n, err) : SABAL_OK;
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
