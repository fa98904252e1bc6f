/*
 * A pool that is stuck, and who gets it going again. Threads that wait have stacks of their own, some with room and some
 * without; the one that blocks last is rarely one with room. So who waits shows whether he has, and the last one calls him:
 * he goes on on top of his wait. Thus all stacks together bound how deep waits may be nested, in whatever way they came to lie
 * on the threads.
 */
#include "sched/futex.h"
#include "sched/worker.h"

#define NAP_NS     INT64_C(5000000) /* of round 0; each is twice as long as the one before */
#define LONGEST_NS INT64_C(1000000000)
#define ROOM       ((size_t)16 << 10) /* for some levels of waits, or calling for help would cost more than it gives */

int64_t sbl_pool_nap_ns(int32_t round)
{
    if (!sbl_me.worker)
        return -1;
    if (round < 0)
        return NAP_NS >> -round;
    return round < 8 ? NAP_NS << round : LONGEST_NS;
}

int sbl_pool_is_stuck(int called)
{
    sbl_pool *pool = sbl_me.worker ? sbl_me.worker->pool : NULL;

    /* who called saw that nobody else is awake, but for those who look around between two naps */
    return pool && (called || SBL_COUNT(sbl_state(pool), SBL_AWAKE) <= 1) &&
           (atomic_load_explicit(&pool->no_more, memory_order_relaxed) ||
            atomic_load_explicit(&pool->n_threads, memory_order_relaxed) >= pool->max_threads) &&
           sbl_posted_visible(pool) && !sbl_anybody_sleeps(pool);
}

void sbl_nap_begin(sbl_event *at)
{
    sbl_slot *self = sbl_me.worker;

    if (!self || !sbl_stack_has_room(ROOM))
        return;
    atomic_store_explicit(&self->called, 0, memory_order_relaxed);
    atomic_store_explicit(&self->naps_at, at ? &at->word : NULL, memory_order_relaxed);
    /* release: where it naps; pairs with the acquire in sbl_pool_call() */
    atomic_fetch_or_explicit(&self->pool->roomy[self->index / 64], (uint64_t)1 << (self->index % 64),
                             memory_order_release);
}

int sbl_nap_end(void)
{
    sbl_slot *self = sbl_me.worker;
    uint64_t  bit  = self ? (uint64_t)1 << (self->index % 64) : 0;

    /* only its owner changes a bit */
    if (!self || !(atomic_load_explicit(&self->pool->roomy[self->index / 64], memory_order_relaxed) & bit))
        return 0;
    atomic_fetch_and_explicit(&self->pool->roomy[self->index / 64], ~bit, memory_order_relaxed);
    atomic_store_explicit(&self->naps_at, NULL, memory_order_relaxed);
    return atomic_exchange_explicit(&self->called, 0, memory_order_relaxed) != 0;
}

int sbl_pool_call(void)
{
    sbl_pool *pool = sbl_me.worker->pool;

    for (int32_t w = 0; w * 64 < pool->max_threads; w++) {
        /* acquire: where it naps; pairs with the release in sbl_nap_begin() */
        uint64_t          bits = atomic_load_explicit(&pool->roomy[w], memory_order_acquire);
        sbl_slot         *slot = bits ? sbl_slot_at(pool, w * 64 + __builtin_ctzll(bits)) : NULL;
        _Atomic uint32_t *word;

        if (!slot)
            continue;
        atomic_store_explicit(&slot->called, 1, memory_order_relaxed);
        /* It may be up already, and the event gone: then this wakes nobody, or one who looks and sleeps on. It may just be on
           its way into the nap, and not see the call: then the caller comes again after his own. */
        word = atomic_load_explicit(&slot->naps_at, memory_order_relaxed);
        if (word)
            sbl_futex_wake(word, INT_MAX);
        return 1;
    }
    return 0;
}
