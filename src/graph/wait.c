/*
 * Waiting for futures and getting what they hold. A wait inside a task first runs what it needs (engine->help), then
 * lends its place to another thread.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/struct.h"
#include "graph/attend.h"
#include "graph/budget.h"
#include "graph/gate.h"
#include "graph/stuck.h"
#include "graph/submit.h"

sabal_wait_options sbl_wait_options_of(const sabal_wait_options *options)
{
    sabal_wait_options o = {SABAL_WAIT_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

void sabal_wait_options_init(sabal_wait_options *options)
{
    *options = sbl_wait_options_of(NULL);
}

/* When a wait of timeout_ns ends; INT64_MAX: never. */
static int64_t deadline_of(int64_t timeout_ns)
{
    int64_t now = timeout_ns < 0 ? 0 : sbl_clock_ns();

    return timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

/* What is left until then, as a timeout. */
static int64_t left_until(int64_t deadline_ns)
{
    int64_t left;

    if (deadline_ns == INT64_MAX)
        return -1;
    left = deadline_ns - sbl_clock_ns();
    return left > 0 ? left : 0;
}

static sabal_status timed_out(const sabal_future *f, int64_t timeout_ns, sabal_error *err)
{
    return sbl_error_set(err, SABAL_ETIMEDOUT, "'%s' has not ended within %g s", sabal_future_key(f),
                         (double)timeout_ns * 1e-9);
}

/*
 * Runs what f needs, as far as that can be done here. A wait with a limit does not, since what it ran has none; but if no
 * thread is left it may have to (stuck.c).
 */
static void help(sabal_future *f, int64_t deadline_ns)
{
    while (deadline_ns == INT64_MAX && !sbl_future_has_ended(f) && f->client->engine->help(f))
        ;
}

/* Sleeps for the round-th time. 1: the event is set. *called: another thread asked this one to go on. */
static int nap(sbl_event *event, int64_t deadline_ns, int32_t round, int *called)
{
    int set;

    sbl_nap_begin(event);
    set     = sbl_event_wait(event, sbl_stuck_nap(left_until(deadline_ns), round));
    *called = sbl_nap_end();
    return set;
}

static void attend_to(sabal_future *f, int64_t deadline_ns)
{
    sbl_gate       gate;
    sbl_gate_watch watch;

    sbl_gate_init(&gate, &f, 1);
    if (!sbl_gate_watch_add(&watch, &gate, f))
        return;
    sbl_gate_attend(&gate, deadline_ns);
    sbl_watch_remove(&watch.watch);
}

static sabal_status wait_in_rounds(sabal_future *f, int64_t deadline_ns, int64_t timeout_ns, sabal_error *err)
{
    sabal_status st = SABAL_OK;
    int          called;

    if (sbl_may_attend(f))
        attend_to(f, deadline_ns);
    for (int32_t round = f->elsewhere ? -4 : 0; !st;
         round++) { /* what another process runs may be sent back to this one */
        help(f, deadline_ns);
        if (sbl_future_has_ended(f))
            return SABAL_OK;
        st = sbl_stuck_check(f, err);
        if (st)
            return st;
        if (nap(&f->ended, deadline_ns, round, &called) || sbl_future_has_ended(f))
            return SABAL_OK;
        if (!left_until(deadline_ns))
            return timed_out(f, timeout_ns, err);
        st = sbl_stuck_rescue(&f, 1, round, called, err);
    }
    return st;
}

/* SABAL_OK: it has ended, well or badly. A task that waits frees no memory by itself: others are let in meanwhile. */
static sabal_status wait_for_end(sabal_future *f, int64_t deadline_ns, int64_t timeout_ns, sabal_error *err)
{
    sabal_status st;

    if (sbl_future_has_ended(f))
        return SABAL_OK;
    sbl_task_park();
    st = wait_in_rounds(f, deadline_ns, timeout_ns, err);
    sbl_task_unpark();
    return st;
}

static sabal_status outcome(const sabal_future *f, sabal_error *err)
{
    return f->failed ? sbl_error_pass(err, &f->result.failure->error) : SABAL_OK;
}

static int is_forked(const sabal_future *f)
{
    return f->client && sbl_client_is_forked(f->client);
}

static sabal_status wait_until(sabal_future *f, int64_t deadline_ns, int64_t timeout_ns, sabal_error *err)
{
    sabal_status st;

    if (!f)
        return sbl_error_set(err, SABAL_EINVAL, "the future to wait for is NULL");
    if (is_forked(f))
        return sbl_error_pass(err, &sbl_failure_forked.error);
    st = wait_for_end(f, deadline_ns, timeout_ns, err);
    return st ? st : outcome(f, err);
}

sabal_status sbl_wait_one(sabal_future *f, int64_t timeout_ns, sabal_error *err)
{
    return wait_until(f, deadline_of(timeout_ns), timeout_ns, err);
}

static sabal_status check_all(sabal_future *const *futures, int64_t n, sabal_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        if (!futures[i])
            return sbl_error_set(err, SABAL_EINVAL, "future %" PRId64 " of the %" PRId64 " to wait for is NULL", i, n);
        if (is_forked(futures[i]))
            return sbl_error_pass(err, &sbl_failure_forked.error);
    }
    return SABAL_OK;
}

/*
 * All are waited for even if some have failed: what they use may be freed after. The last is slept for first: when it
 * has ended, most of the others have, and one sleep serves for many.
 */
sabal_status sbl_wait_list(sabal_future *const *futures, int64_t n, int64_t timeout_ns, sabal_error *err)
{
    int64_t      deadline = deadline_of(timeout_ns);
    sabal_status first    = SABAL_OK;

    first = check_all(futures, n, err);
    for (int64_t i = 0; i < n && !first; i++)
        help(futures[i], deadline);
    for (int64_t i = n; i-- > 0 && !first;)
        first = wait_for_end(futures[i], deadline, timeout_ns, err);
    for (int64_t i = 0; i < n && !first; i++)
        first = outcome(futures[i], err);
    return first;
}

/* Adds the line of the wait to a failure that has none of its own. */
static sabal_status at(sabal_status st, sabal_error *err, const char *where)
{
    if (st)
        sbl_error_where(err, where);
    return st;
}

sabal_status sabal_future_wait_with(const sabal_future *future, sabal_error *err, const sabal_wait_options *options)
{
    sabal_wait_options o = sbl_wait_options_of(options);

    return at(sbl_wait_one((sabal_future *)future, o.timeout_ns, err), err, o.where);
}

static sabal_future *const *items_of(sabal_list list)
{
    return (sabal_future *const *)(const void *)list.items;
}

sabal_status sabal_wait_all_with(sabal_list futures, sabal_error *err, const sabal_wait_options *options)
{
    sabal_wait_options o = sbl_wait_options_of(options);

    return at(sbl_wait_list(items_of(futures), sabal_list_count(futures), o.timeout_ns, err), err, o.where);
}

/* --- any of several --------------------------------------------------------------------------------------------- */

static int64_t first_ended(sabal_future *const *futures, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (sbl_future_has_ended(futures[i]))
            return i;
    return -1;
}

/* If none of them can end, the reason of the first. */
static sabal_status check_any(sabal_future *const *futures, int64_t n, sabal_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (!sbl_stuck_check(futures[i], NULL))
            return SABAL_OK;
    return sbl_stuck_check(futures[0], err);
}

/* Sleeps until the gate is opened; SABAL_OK also if the time ran out. */
static sabal_status sleep_at_gate(sbl_gate *gate, sabal_future *const *futures, int64_t n, int64_t deadline_ns,
                                  sabal_error *err)
{
    sabal_status st = check_any(futures, n, err);
    int          called;

    if (!st)
        sbl_gate_attend(gate, deadline_ns);
    for (int32_t round = 0; !st; round++) {
        if (nap(&gate->opened, deadline_ns, round, &called) || !left_until(deadline_ns))
            return SABAL_OK;
        st = check_any(futures, n, err);
        if (!st)
            st = sbl_stuck_rescue(futures, n, round, called, err);
    }
    return st;
}

/* Attaches a watch to each until one turns out to have ended; waits; takes them off again. */
static sabal_status wait_at_gate(sabal_future *const *futures, int64_t n, int64_t deadline_ns, sabal_error *err)
{
    sbl_gate        gate;
    sbl_gate_watch *watches = sbl_calloc((size_t)n, sizeof *watches);
    sabal_status    st      = SABAL_OK;
    int64_t         i;

    if (!watches)
        return sbl_error_memory(err, (size_t)n * sizeof *watches, "a wait for any of several futures");
    sbl_gate_init(&gate, futures, n);
    for (i = 0; i < n && sbl_gate_watch_add(&watches[i], &gate, futures[i]); i++)
        ;
    if (i == n) {
        sbl_task_park();
        st = sleep_at_gate(&gate, futures, n, deadline_ns, err);
        sbl_task_unpark();
    }
    while (i-- > 0)
        sbl_watch_remove(&watches[i].watch);
    sbl_free(watches);
    return st;
}

/*
 * Nothing is run here meanwhile, unless there is but one or no thread is left: which of them ends first is not known,
 * and what the caller does then (cancel the others) may be what the one that he ran waits for.
 */
static sabal_status wait_any(int64_t *index, sabal_future *const *futures, int64_t n, int64_t timeout_ns,
                             sabal_error *err)
{
    int64_t      deadline = deadline_of(timeout_ns), ended;
    sabal_status st;

    if (n <= 0)
        return sbl_error_set(err, SABAL_EINVAL, "a wait for any of no futures would never end");
    st = check_all(futures, n, err);
    if (st)
        return st;
    if (n == 1)
        help(futures[0], deadline);
    ended = first_ended(futures, n);
    if (ended < 0) {
        st = wait_at_gate(futures, n, deadline, err);
        if (st)
            return st;
        ended = first_ended(futures, n);
    }
    if (ended < 0)
        return sbl_error_set(err, SABAL_ETIMEDOUT, "none of %" PRId64 " futures has ended within %g s", n,
                             (double)timeout_ns * 1e-9);
    *index = ended;
    return SABAL_OK;
}

sabal_status sabal_wait_any_with(int64_t *index, sabal_list futures, sabal_error *err,
                                 const sabal_wait_options *options)
{
    sabal_wait_options o = sbl_wait_options_of(options);

    return at(wait_any(index, items_of(futures), sabal_list_count(futures), o.timeout_ns, err), err, o.where);
}

/* --- getting ---------------------------------------------------------------------------------------------------- */

/* Whether the result, which is there, can be copied to exactly size bytes. What is away had as many as it kept. */
static sabal_status check_size(size_t size, const sabal_future *future, sabal_error *err)
{
    const sbl_value *value = future->is_held ? NULL : sbl_result_value(future);
    size_t           has   = sbl_result_bytes(future);

    if (value ? value->kind == SBL_OBJECT : future->is_held && future->result.held->kind == SBL_OBJECT)
        return sbl_error_set(err, SABAL_EDTYPE, "the result of '%s' is an object, not bytes: borrow it",
                             sabal_future_key(future));
    if (value)
        sbl_value_data(value, &has);
    if (has != size)
        return sbl_error_set(err, SABAL_ESHAPE, "the result of '%s' has %zu bytes, not %zu", sabal_future_key(future),
                             has, size);
    return SABAL_OK;
}

static sabal_status copy_out(void *out, const sabal_future *future, sabal_error *err)
{
    sbl_value   *value;
    size_t       size;
    const void  *data;
    sabal_status st;

    if (future->small) {
        if (future->small > 1) /* out may be NULL for nothing */
            memcpy(out, future->result.small.bytes, (size_t)future->small - 1);
        return SABAL_OK;
    }
    st = sbl_engine_fetch(&value, (sabal_future *)future, err);
    if (st)
        return st;
    data = sbl_value_data(value, &size);
    if (value->kind == SBL_NDARRAY)
        sbl_ndarray_copy_out(out, (const sabal_ndarray *)(const void *)value);
    else if (size)
        memcpy(out, data, size);
    sbl_value_release(value);
    return SABAL_OK;
}

sabal_status sabal_future_get(void *out, size_t size, const sabal_future *future, sabal_error *err)
{
    sabal_status st = sbl_wait_one((sabal_future *)future, -1, err);

    if (!st)
        st = check_size(size, future, err);
    return st ? st : copy_out(out, future, err);
}

/* All are looked at before anything is copied: out is written whole or not at all, but for what can't be read back from
   disk. */
sabal_status sabal_gather(void *out, size_t size, sabal_list futures, sabal_error *err)
{
    int64_t              n     = sabal_list_count(futures);
    sabal_future *const *items = items_of(futures);
    sabal_status         st    = sbl_wait_list(items, n, -1, err);

    for (int64_t i = 0; i < n && !st; i++)
        st = check_size(size, items[i], err);
    for (int64_t i = 0; i < n && !st; i++)
        st = copy_out((char *)out + size * (size_t)i, items[i], err);
    return st;
}

sabal_status sabal_future_borrow(const void **data, size_t *size, const sabal_future *future, sabal_error *err)
{
    sbl_value   *value;
    size_t       has;
    sabal_status st = sbl_wait_one((sabal_future *)future, -1, err);

    if (!st && future->small) {
        *data = sbl_result_data(future, &has);
        if (size)
            *size = has;
        return SABAL_OK;
    }
    if (!st)
        st = future->client->engine->fetch(&value, (sabal_future *)future, err);
    if (st)
        return st;
    *data = sbl_value_data(value, &has);
    if (size)
        *size = has;
    if (future->is_held)
        sbl_held_lend(future->result.held); /* with our reference: it can't leave in between */
    sbl_value_release(value);
    return SABAL_OK;
}

/* A view, since a handle can belong to one scope only and the same result may be asked for twice. */
sabal_status sabal_future_ndarray(sabal_ndarray **array, const sabal_future *future, sabal_error *err)
{
    sbl_value           *value;
    const sabal_ndarray *base;
    sabal_ndarray       *view;
    sabal_status         st = sbl_engine_fetch(&value, (sabal_future *)future, err);

    if (st)
        return st;
    base = (const sabal_ndarray *)(const void *)value;
    if (value->kind != SBL_NDARRAY)
        st = sbl_error_set(err, SABAL_EDTYPE, "the result of '%s' is no n-d array", sabal_future_key(future));
    else
        st = sbl_ndarray_view(&view, base, sabal_ndarray_data(base), sabal_ndarray_ndim(base), sbl_ndarray_shape(base),
                              sbl_ndarray_strides(base), err);
    if (!st)
        *array = sbl_handle_adopt(view, &future->client->owner);
    sbl_value_release(value);
    return st;
}

/* --- state ------------------------------------------------------------------------------------------------------ */

enum sabal_future_state sabal_future_state_get(const sabal_future *future)
{
    sabal_status st;

    if (!sbl_future_has_ended(future))
        return is_forked(future) ? SABAL_FAILED : SABAL_PENDING;
    if (!future->failed)
        return SABAL_FINISHED;
    st = future->result.failure->error.status;
    return st == SABAL_ECANCELED || st == SABAL_ECLOSED ? SABAL_CANCELLED : SABAL_FAILED;
}

const sabal_error *sabal_future_error(const sabal_future *future)
{
    if (is_forked(future))
        return &sbl_failure_forked.error;
    return sbl_future_has_ended(future) && future->failed ? &future->result.failure->error : NULL;
}

void sabal_future_cancel(const sabal_future *future)
{
    if (!is_forked(future) && !sbl_future_has_ended(future))
        future->client->engine->interrupt((sabal_future *)future);
}
