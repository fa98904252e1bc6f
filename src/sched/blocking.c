/* Lending a place while its thread blocks, and events, the words that such waits are made of. */
#include <sabal/job.h>

#include "sched/futex.h"
#include "sched/worker.h"

#define SPINS 200 /* some microseconds */

static void lend(sbl_pool *pool, uint64_t count)
{
    atomic_fetch_add_explicit(&pool->state, SBL_BLOCKED - count, memory_order_seq_cst);
    sbl_fence(); /* between the count and the look at the work; pairs with that in sbl_wake() */
    sbl_request_all(pool);
    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
}

void sbl_blocking_begin(void)
{
    if (sbl_me.blocking++)
        return;
    sbl_chaos();
    if (sbl_me.worker)
        lend(sbl_me.worker->pool, SBL_AWAKE);
    for (sbl_entry *e = sbl_me.entry; e; e = e->outer)
        if (e->guest)
            lend(e->slot->pool, SBL_GUEST);
}

void sbl_blocking_end(void)
{
    if (--sbl_me.blocking)
        return;
    /* One too many may be awake now: the next that looks for work goes to sleep instead. */
    if (sbl_me.worker)
        atomic_fetch_add_explicit(&sbl_me.worker->pool->state, SBL_AWAKE - SBL_BLOCKED, memory_order_seq_cst);
    for (sbl_entry *e = sbl_me.entry; e; e = e->outer)
        if (e->guest)
            atomic_fetch_add_explicit(&e->slot->pool->state, SBL_GUEST - SBL_BLOCKED, memory_order_seq_cst);
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

    for (int i = 0; i < SPINS; i++) {
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
    }
    sbl_blocking_end();
    return seen == 1;
}
