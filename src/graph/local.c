/*
 * The local engine: a task counts its unfinished inputs; whoever ends the last one posts it on the pool of this
 * process, or runs it himself. No lock is held while anything runs, and nothing here recurses: what an end brings
 * about is worked off in a list.
 */
#include "graph/budget.h"
#include "graph/local.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "graph/home.h"
#include "graph/timer.h"
#include "graph/trace.h"
#include "graph/watch.h"
#include "sched/chaos.h"
#include "sched/topology.h"

#include <stddef.h>

/* --- ready ------------------------------------------------------------------------------------------------------ */

void sbl_ready_add(sbl_ready *ready, sabal_future *f)
{
    f->work.run  = sbl_run_posted;
    f->work.next = NULL;
    f->work.home = (uint32_t)sbl_task_home(f);
    if (f->work.priority > 0)
        atomic_fetch_add_explicit(&f->client->urgent, 1, memory_order_relaxed);
    *(ready->n++ ? ready->last : &ready->first) = &f->work;
    ready->last                                 = &f->work.next;
}

void sbl_ready_post(sbl_ready *ready, sabal_client *client)
{
    if (ready->n == 1)
        sbl_pool_post(client->pool, ready->first);
    else if (ready->n)
        sbl_pool_post_batch(client->pool, ready->first, ready->n);
    ready->n = 0;
}

static int is_at_home(sabal_future *f)
{
    int32_t home = sbl_task_home(f);

    return !home || home == sbl_node_here() + 1;
}

/* A task of the usual priority may go before what waits in the queue, unless something urgent does, or it reads most from
   another node's memory. */
static int may_run_directly(sabal_future *f)
{
    return f->work.priority == 0 && atomic_load_explicit(&f->client->urgent, memory_order_relaxed) <= 0 &&
           is_at_home(f);
}

/*
 * One input less (or the guard of its start). The last makes it ready. What keeps its memory for the graph passes to
 * the queue, to *next, or ends here if the task ended without running.
 */
static void input_ended(sabal_future *f, sbl_ready *ready, sabal_future **next)
{
    /* acq_rel: who makes it ready sees all its inputs' results */
    if (atomic_fetch_sub_explicit(&f->missing, 1, memory_order_acq_rel) > 1)
        return;
    sbl_chaos();
    if (next && !*next && may_run_directly(f) && sbl_step(f, SBL_WAITING, SBL_RUNNING))
        *next = f;
    else if (sbl_step(f, SBL_WAITING, SBL_READY))
        sbl_ready_add(ready, f);
    else
        sbl_future_unkeep(f);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static void take_failure(sabal_future *f, sbl_failure *failure)
{
    f->result.failure = sbl_failure_retain(failure);
    f->failed         = 1;
}

static sbl_edge *reversed(sbl_edge *list)
{
    sbl_edge *back = NULL;

    while (list) {
        sbl_edge *next = list->next;

        list->next = back;
        back       = list;
        list       = next;
    }
    return back;
}

/*
 * Those whom the end of f ends too: tasks that returned f take its result; if f failed, all that wait for it fail.
 * They go to *todo, each kept once for it. The others stay in the list that is returned.
 */
static sbl_edge *end_followers(sabal_future *f, sbl_edge *list, sbl_edge **todo)
{
    sbl_edge *rest = NULL, **last = &rest;

    while (list) {
        sbl_edge     *edge = list;
        sabal_future *d    = edge->owner;

        list = edge->next;
        if (d->chained && !sbl_step(d, SBL_CHAINED, SBL_ENDING)) {
            sbl_future_unkeep(d); /* cancelled; the edge was all that was left */
        } else if (d->chained) {
            if (f->failed)
                take_failure(d, f->result.failure);
            else
                sbl_held_share(d, f);
            edge->next = *todo;
            *todo      = edge;
        } else if (f->failed && sbl_step(d, SBL_WAITING, SBL_ENDING)) {
            take_failure(d, f->result.failure);
            sbl_future_keep(d);
            input_ended(d, NULL, NULL);
            edge->next = *todo;
            *todo      = edge;
        } else {
            *last = edge;
            last  = &edge->next;
        }
    }
    *last = NULL;
    return rest;
}

static void note_users(const sabal_future *f, const sbl_edge *list)
{
    for (; f->is_held && list; list = list->next)
        if (!list->owner->chained)
            sbl_held_wanted(f->result.held, list->owner->serial);
}

/* After a value that nobody wants has gone, so that who sees nothing pending sees no such value either. */
static void count_end(const sabal_future *f)
{
    sbl_shard *shard = sbl_client_shard(f->client);

    /* release: who sees the end counted sees it submitted, and its value counted; pairs with sabal_client_stats_get() */
    atomic_fetch_add_explicit(f->failed ? &shard->failed : &shard->finished, 1, memory_order_release);
}

/*
 * The order matters. What a user may look at after he saw the end (counters, memory) is done before the end can be
 * seen; what can be seen is the last that needs the result; who waits on it is told after that.
 */
static void end_one(sabal_future *f, sbl_edge **todo, sbl_ready *ready, sabal_future **next)
{
    const uint32_t stage = f->failed ? SBL_FAILED : SBL_FINISHED;
    sbl_edge      *list;

    sbl_future_release_inputs(f);
    if (f->chained)
        atomic_fetch_sub_explicit(&f->client->n_chained, 1, memory_order_relaxed);
    if (f->client->trace && !f->ran)
        sbl_trace_unrun(f->client->trace, f);
    if (!f->failed)
        sbl_future_count_result(f, 1);
    /* acq_rel: publishes the result to those who find the list closed, and takes the edges as they were written */
    list = atomic_exchange_explicit(&f->dependents, SBL_CLOSED, memory_order_acq_rel);
    sbl_chaos();
    list = end_followers(f, reversed(list), todo);
    note_users(f, list);
    sbl_future_drop_result(f);
    sbl_chaos();
    count_end(f);
    atomic_store(&f->stage, stage); /* before watches are looked at: pairs with sbl_watch_add() */
    sbl_chaos();
    sbl_event_set(&f->ended);
    sbl_watch_fire(f);
    sbl_client_raise_fd(f->client);
    while (list) {
        sbl_edge *edge = list;

        list = edge->next;
        input_ended(edge->owner, ready, next);
    }
    sbl_client_leave(f->client);
}

void sbl_end(sabal_future *f, sabal_future **next)
{
    sabal_client *client = f->client;
    sbl_ready     ready  = {0};
    sbl_edge     *todo   = NULL;

    end_one(f, &todo, &ready, next);
    while (todo) {
        sabal_future *d = todo->owner;

        todo = todo->next;
        end_one(d, &todo, &ready, next);
        sbl_future_unkeep(d);
    }
    sbl_ready_post(&ready, client);
}

/* --- the start -------------------------------------------------------------------------------------------------- */

int sbl_edge_push(sbl_edge *edge)
{
    sbl_edge *head = atomic_load_explicit(&edge->input->dependents, memory_order_acquire);

    do {
        if (head == SBL_CLOSED)
            return 0;
        edge->next = head;
        /* release: publishes the edge; acquire: or shows the result. Both pair with the exchange in end_one() */
    } while (!atomic_compare_exchange_weak_explicit(&edge->input->dependents, &head, edge, memory_order_acq_rel,
                                                    memory_order_acquire));
    return 1;
}

/* Its inputs are looked at in order; of several that have failed, the first gives the failure. */
static void start_one(sabal_future *f, sbl_ready *ready)
{
    sbl_failure *failure = NULL;
    int32_t      n_ended = 1; /* the guard */

    for (int32_t i = 0; i < f->n_inputs; i++)
        if (!sbl_edge_push(&f->edges[i])) {
            const sabal_future *input = f->edges[i].input;

            if (input->failed && !failure)
                failure = input->result.failure;
            else if (!input->failed && input->is_held)
                sbl_held_wanted(input->result.held, f->serial);
            n_ended++;
        }
    if (n_ended > f->n_inputs && !failure) { /* it is known to nobody yet */
        atomic_store_explicit(&f->missing, 0, memory_order_relaxed);
        atomic_store_explicit(&f->stage, SBL_READY, memory_order_relaxed);
        sbl_ready_add(ready, f);
        return;
    }
    sbl_chaos();
    if (failure && sbl_step(f, SBL_WAITING, SBL_ENDING)) {
        take_failure(f, failure);
        sbl_end(f, NULL);
    }
    atomic_fetch_sub_explicit(&f->missing, n_ended - 1, memory_order_acq_rel);
    input_ended(f, ready, NULL);
}

void sbl_local_start(sabal_client *client, sabal_future **futures, int64_t n)
{
    sbl_ready ready = {0};

    for (int64_t i = 0; i < n; i++)
        start_one(futures[i], &ready);
    sbl_ready_post(&ready, client);
}

/* --- running from the queue ------------------------------------------------------------------------------------- */

void sbl_run_posted(sbl_work *work)
{
    sabal_future *f = sbl_future_of_work(work), *next;
    sbl_grant     grant;

    if (work->priority > 0)
        atomic_fetch_sub_explicit(&f->client->urgent, 1, memory_order_relaxed);
    if (!sbl_step(f, SBL_READY, SBL_RUNNING)) {
        sbl_budget_miss(f);
        sbl_future_unkeep(f); /* cancelled, or run by somebody who waited for it */
        return;
    }
    while (f && sbl_budget_admit(&grant, f)) {
        next = NULL;
        sbl_run(f, &grant, &next);
        sbl_future_unkeep(f);
        f = next;
    }
}

/* --- cancelling ------------------------------------------------------------------------------------------------- */

int sbl_end_unstarted(sabal_future *f)
{
    if (!sbl_step(f, SBL_WAITING, SBL_ENDING) && !sbl_step(f, SBL_READY, SBL_ENDING) &&
        !sbl_step(f, SBL_CHAINED, SBL_ENDING))
        return 0;
    f->result.failure = sbl_failure_of_interrupt(f);
    f->failed         = 1;
    sbl_end(f, NULL);
    return 1;
}

/*
 * The mark is set first and the stage looked at then; a task on its way from running to chained does it the other
 * way round, so that one of the two sees the other. What runs ends by itself.
 */
void sbl_local_interrupt(sabal_future *f)
{
    atomic_fetch_or(&f->interrupted, SBL_ASKED_TO_CANCEL);
    sbl_chaos();
    if (!sbl_end_unstarted(f) && f->client->engine->tell)
        f->client->engine->tell(f);
}

/* --- the engine ------------------------------------------------------------------------------------------------- */

sabal_status sbl_local_open(sabal_client *client, int32_t threads, sabal_error *err)
{
    sbl_pool    *pool = NULL;
    sabal_status st   = sbl_pool_create(&pool, &(sbl_pool_options){.threads = threads}, err);

    client->pool = pool;
    return st;
}

static sabal_status open_here(sabal_client *client, const char *address, const sabal_open_options *options,
                              sabal_error *err)
{
    if (options->workers)
        return sbl_error_set(err, SABAL_EINVAL, "%d workers asked for: \"local:\" has none, \"rehearse:\" does",
                             (int)options->workers);
    return sbl_local_open(client, options->threads, err);
}

void sbl_local_close(sabal_client *client)
{
    sbl_timer_stop(client);
    sbl_pool_destroy(client->pool);
    client->pool = NULL;
}

void sbl_local_abandon(sabal_client *client)
{
    sbl_pool_abandon(client->pool);
    client->pool = NULL;
}

sabal_status sbl_local_admit(sabal_client *client, const sbl_task_spec *spec, sabal_error *err)
{
    return spec->timeout_ns > 0 ? sbl_timer_start(client, err) : SABAL_OK;
}

sabal_status sbl_local_fetch(sbl_value **value, sabal_future *future, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    if (!future->is_held)
        return sbl_result_take(value, future, err);
    if (sbl_held_is_away(future->result.held))
        sbl_budget_wait_for_room(future->client->budget, future->result.held->own);
    st = sbl_held_pin(future->result.held, err);
    if (st)
        return st;
    *value = sbl_value_retain(future->result.held->value);
    sbl_held_unpin(future->result.held);
    return SABAL_OK;
}

/* A buffer that remembers its size. */
struct room {
    void  *buffer;
    size_t size;
};

static void free_room(void *arg)
{
    struct room *r = arg;

    sbl_buffer_free(r->buffer, r->size);
    sbl_free(r);
}

sabal_status sbl_local_make_room(sbl_room *room, sabal_client *client, size_t size, sabal_error *err)
{
    struct room *r = sbl_alloc(sizeof *r);

    if (r)
        *r = (struct room){sbl_buffer_alloc(size), size};
    if (!r || !r->buffer) {
        sbl_free(r);
        return sbl_error_memory(err, size, "a result that is read back from disk");
    }
    *room = (sbl_room){.to_fill = r->buffer, .data = r->buffer, .release = free_room, .arg = r};
    return SABAL_OK;
}

const sbl_engine sbl_engine_local = {.name      = "local",
                                     .is_here   = 1,
                                     .open      = open_here,
                                     .close     = sbl_local_close,
                                     .abandon   = sbl_local_abandon,
                                     .admit     = sbl_local_admit,
                                     .start     = sbl_local_start,
                                     .call      = sbl_call_here,
                                     .interrupt = sbl_local_interrupt,
                                     .help      = sbl_local_help,
                                     .make_room = sbl_local_make_room,
                                     .fetch     = sbl_local_fetch};
