/* What a pool has counted: each counter has one writer, its thread, and may be read at any time. */
#include "sched/worker.h"

static void add_slot(sbl_pool_counters *sum, sbl_pool *pool, int32_t i)
{
    sbl_slot *slot = sbl_slot_at(pool, i);

    if (!slot)
        return;
    sum->runs += atomic_load_explicit(&slot->runs, memory_order_relaxed);
    sum->shares += atomic_load_explicit(&slot->shares, memory_order_relaxed);
    sum->steals += atomic_load_explicit(&slot->steals, memory_order_relaxed);
    sum->far_takes += atomic_load_explicit(&slot->far_takes, memory_order_relaxed);
    sum->parks += atomic_load_explicit(&slot->parks, memory_order_relaxed);
    sum->search_ns += atomic_load_explicit(&slot->search_ns, memory_order_relaxed);
}

void sbl_pool_count(const sbl_pool *pool, sbl_pool_counters *counters)
{
    sbl_pool         *p   = (sbl_pool *)pool;
    sbl_pool_counters sum = {0};
    int32_t           n   = atomic_load_explicit(&p->n_threads, memory_order_acquire);

    for (int32_t i = 0; i < p->max_slots; i++)
        add_slot(&sum, p, i);
    sum.wakes  = atomic_load_explicit(&p->wakes, memory_order_relaxed);
    sum.spares = n > p->threads ? (uint64_t)(n - p->threads) : 0;
    *counters  = sum;
}

int32_t sbl_pool_count_one(const sbl_pool *pool, int32_t i, sbl_pool_counters *counters)
{
    sbl_pool         *p   = (sbl_pool *)pool;
    sbl_pool_counters sum = {0};
    int32_t           n   = atomic_load_explicit(&p->n_threads, memory_order_acquire);

    if (i > n)
        return -1;
    if (i < n)
        add_slot(&sum, p, i);
    else
        for (int32_t k = p->max_threads; k < p->max_slots; k++)
            add_slot(&sum, p, k);
    *counters = sum;
    return i < n;
}
