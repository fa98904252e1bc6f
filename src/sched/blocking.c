/*
 * Regions of a thread: it blocks and lends its place; it holds a lock and runs nothing but what it waits for. And events,
 * the words that waits are made of.
 */
#include <sabal/pool.h>

#include "base/log.h"
#include "sched/futex.h"
#include "sched/worker.h"

static void lend(sbl_pool *pool, uint64_t count)
{
    /* One too few is awake now: the next piece of work wakes another. */
    atomic_fetch_add_explicit(&pool->state, SBL_BLOCKED - count, memory_order_seq_cst);
    sbl_fence(); /* between the count and the look at the work; pairs with that in sbl_wake() */
    sbl_request_all(pool);
    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
}

/* One too many may be awake now: the next that looks for work goes to sleep instead. */
static void take_back(sbl_pool *pool, uint64_t count)
{
    atomic_fetch_add_explicit(&pool->state, count - SBL_BLOCKED, memory_order_seq_cst);
}

void sbl_blocking_begin(void)
{
    if (sbl_me.regions.blocking++)
        return;
    sbl_chaos();
    if (sbl_me.worker) {
        sbl_me.lent = 1;
        lend(sbl_me.worker->pool, SBL_AWAKE);
    }
    for (sbl_entry *e = sbl_me.entry; e; e = e->outer)
        if (e->guest) {
            e->lent = 1;
            lend(e->slot->pool, SBL_GUEST);
        }
}

void sbl_blocking_end(void)
{
    if (--sbl_me.regions.blocking)
        return;
    if (sbl_me.lent)
        take_back(sbl_me.worker->pool, SBL_AWAKE);
    sbl_me.lent = 0;
    for (sbl_entry *e = sbl_me.entry; e; e = e->outer) {
        if (e->lent)
            take_back(e->slot->pool, SBL_GUEST);
        e->lent = 0;
    }
}

void (*sbl_blocking_told)(int by);

void sabal_blocking_begin(void)
{
    if (sbl_blocking_told && !sbl_me.regions.blocking)
        sbl_blocking_told(1);
    sbl_blocking_begin();
}

void sabal_blocking_end(void)
{
    if (!sbl_me.regions.blocking) {
        sbl_log(SABAL_LOG_ERROR, "sabal_blocking_end() without a sabal_blocking_begin()");
        return;
    }
    sbl_blocking_end();
    if (sbl_blocking_told && !sbl_me.regions.blocking)
        sbl_blocking_told(-1);
}

int32_t sabal_blocking_depth(void)
{
    return sbl_me.regions.blocking;
}

/* Threads that are isolated, of any pool or none. What they wait for may wait in turn, on threads that don't know of them:
   so while there is one, no wait at all runs a stranger's work. */
static _Atomic int32_t isolated_threads;

void sabal_isolate_begin(void)
{
    if (!sbl_me.regions.isolated++)
        atomic_fetch_add_explicit(&isolated_threads, 1, memory_order_seq_cst);
}

static void end_isolation(void)
{
    if (!--sbl_me.regions.isolated)
        atomic_fetch_sub_explicit(&isolated_threads, 1, memory_order_seq_cst);
}

void sabal_isolate_end(void)
{
    if (sbl_me.regions.isolated)
        end_isolation();
    else
        sbl_log(SABAL_LOG_ERROR, "sabal_isolate_end() without a sabal_isolate_begin()");
}

int32_t sabal_isolate_depth(void)
{
    return sbl_me.regions.isolated;
}

int sbl_anybody_is_isolated(void)
{
    return atomic_load_explicit(&isolated_threads, memory_order_seq_cst) > 0;
}

void sbl_regions_after_fork(void)
{
    sbl_me.lent = 0;
    atomic_store_explicit(&isolated_threads, sbl_me.regions.isolated > 0, memory_order_seq_cst);
}

void sbl_regions_mend(sbl_regions before)
{
    if (sbl_me.regions.blocking != before.blocking)
        sbl_log(SABAL_LOG_ERROR, "a task, job or loop's body ended with %d blocking regions more than it began with",
                (int)(sbl_me.regions.blocking - before.blocking));
    while (sbl_me.regions.blocking > before.blocking)
        sbl_blocking_end();
    while (sbl_me.regions.blocking < before.blocking)
        sbl_blocking_begin();
    if (sbl_me.regions.isolated != before.isolated)
        sbl_log(SABAL_LOG_ERROR, "a task, job or loop's body ended with %d isolated regions more than it began with",
                (int)(sbl_me.regions.isolated - before.isolated));
    while (sbl_me.regions.isolated > before.isolated)
        end_isolation();
    while (sbl_me.regions.isolated < before.isolated)
        sabal_isolate_begin();
}

void sbl_event_set(sbl_event *event)
{
    /* release: what the setter did; pairs with the acquires in sbl_event_is_set() and sbl_event_wait() */
    if (atomic_exchange_explicit(&event->word, 1, memory_order_acq_rel) == 2)
        sbl_futex_wake(&event->word, INT_MAX);
}

int sbl_event_is_set(const sbl_event *event)
{
    /* acquire: pairs with the release in sbl_event_set() */
    return atomic_load_explicit(&((sbl_event *)event)->word, memory_order_acquire) == 1;
}

int sbl_event_wait(sbl_event *event, int64_t timeout_ns)
{
    int64_t  deadline = -1;
    uint32_t seen;

    for (int i = 0; i < SBL_EVENT_ROUNDS; i++) {
        if (sbl_event_is_set(event))
            return 1;
        if (!timeout_ns)
            return 0;
        sbl_pause();
    }
    if (timeout_ns > 0 && __builtin_add_overflow(sbl_clock_ns(), timeout_ns, &deadline))
        deadline = -1;
    sbl_blocking_begin();
    for (;;) {
        seen = 0;
        /* acquire: pairs with the release in sbl_event_set() */
        if (!atomic_compare_exchange_strong_explicit(&event->word, &seen, 2, memory_order_acquire,
                                                     memory_order_acquire) &&
            seen == 1)
            break;
        if (deadline >= 0 && sbl_clock_ns() >= deadline)
            break;
        sbl_chaos();
        sbl_futex_wait(&event->word, 2, deadline);
        if (sbl_is_called_at(&event->word))
            break;
    }
    sbl_blocking_end();
    return seen == 1;
}
