/* The account of a client's memory. */
#include "graph/budget.h"

#include <string.h>

#include <sabal/memory.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/struct.h"
#include "base/thread.h"
#include "graph/client.h"

#define SLICE_NS ((int64_t)20000000)
#define MOST_NS  ((int64_t)30000000000)

/* Of all budgets of the process: what buffers are in use beyond these is the program's, or not yet anybody's. */
static _Atomic int64_t all_in_memory;

sabal_status sbl_budget_open(sbl_budget **budget, sabal_client *client, int64_t limit, int is_needed, sabal_error *err)
{
    sbl_budget  *b;
    sabal_status st = SABAL_OK;

    *budget = NULL;
    if (limit == 0)
        st = sbl_config_limit(&limit, "memory_limit", sbl_limits_memory(NULL, 0), err);
    if (!st && limit < 0 && is_needed)
        limit = SBL_NO_LIMIT;
    if (st || limit < 0)
        return st;
    b = sbl_alloc_aligned(_Alignof(sbl_budget), sizeof *b);
    if (!b)
        return sbl_error_memory(err, sizeof *b, "the record of a client's memory");
    memset(b, 0, sizeof *b);
    b->client                   = client;
    b->limit                    = limit;
    b->disk_failure.struct_size = sizeof b->disk_failure;
    pthread_mutex_init(&b->lock, NULL);
    sbl_cond_init(&b->changed);
    sbl_cond_init(&b->wake);
    for (int32_t i = 0; i < SBL_HELD_LISTS; i++)
        pthread_mutex_init(&b->lists[i].lock, NULL);
    *budget = b;
    return SABAL_OK;
}

void sbl_budget_free(sbl_budget *budget)
{
    if (!budget)
        return;
    sbl_spill_close(budget->file);
    for (int32_t i = 0; i < SBL_HELD_LISTS; i++)
        pthread_mutex_destroy(&budget->lists[i].lock);
    pthread_cond_destroy(&budget->changed);
    pthread_cond_destroy(&budget->wake);
    pthread_mutex_destroy(&budget->lock);
    sbl_free(budget);
}

/* --- counting --------------------------------------------------------------------------------------------------- */

static void raise(_Atomic int64_t *top, int64_t value)
{
    int64_t now = atomic_load_explicit(top, memory_order_relaxed);

    while (value > now &&
           !atomic_compare_exchange_weak_explicit(top, &now, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

static int64_t managed(const sbl_budget *budget)
{
    return atomic_load_explicit(&budget->in_memory, memory_order_relaxed) +
           atomic_load_explicit(&budget->small, memory_order_relaxed);
}

void sbl_budget_move(sbl_budget *budget, int64_t in_memory, int64_t away)
{
    if (in_memory) {
        atomic_fetch_add(&budget->in_memory, in_memory);
        atomic_fetch_add_explicit(&all_in_memory, in_memory, memory_order_relaxed);
        if (in_memory > 0)
            raise(&budget->peak, managed(budget));
    }
    if (away)
        atomic_fetch_add_explicit(&budget->away, away, memory_order_relaxed);
}

void sbl_budget_count_result(sbl_budget *budget, const sabal_future *f, int sign)
{
    if (budget && !f->small && (f->is_held || !f->result.value->own))
        atomic_fetch_add_explicit(&budget->counted_else, sign * (int64_t)sbl_result_bytes(f), memory_order_relaxed);
}

void sbl_budget_sum_small(sbl_budget *budget)
{
    int64_t sum = -atomic_load_explicit(&budget->counted_else, memory_order_relaxed);

    for (int i = 0; i < SBL_SHARDS; i++)
        sum += atomic_load_explicit(&budget->client->shards[i].bytes, memory_order_relaxed);
    atomic_store_explicit(&budget->small, sum > 0 ? sum : 0, memory_order_relaxed);
    raise(&budget->peak, managed(budget));
}

int64_t sbl_budget_own(const sbl_budget *budget)
{
    return atomic_load(&budget->in_memory) + atomic_load_explicit(&budget->small, memory_order_relaxed) +
           atomic_load(&budget->reserved);
}

/*
 * The larger of two counts: what this client's results take and its tasks will; and the buffers in use, but for other
 * clients' results. Both leave something out: the first what the program keeps (and what tasks have beside results), the
 * second what tasks will still take.
 */
int64_t sbl_budget_used(const sbl_budget *budget)
{
    const int64_t here = atomic_load(&budget->in_memory);
    const int64_t own  = sbl_budget_own(budget);
    const int64_t process =
        (int64_t)sbl_buffer_in_use() - (atomic_load_explicit(&all_in_memory, memory_order_relaxed) - here);

    return own > process ? own : process;
}

int sbl_budget_has_room(const sbl_budget *budget, size_t bytes)
{
    return !budget || sbl_budget_used(budget) + (int64_t)bytes <= SBL_FULL_MARK(budget->limit);
}

void sbl_budget_want(sbl_budget *budget, int64_t bytes)
{
    if (!budget)
        return;
    atomic_fetch_add(&budget->wanted, bytes);
    if (bytes > 0)
        sbl_spiller_kick(budget);
}

void sbl_budget_wait_for_room(sbl_budget *budget, size_t bytes)
{
    int64_t until;

    if (sbl_budget_has_room(budget, bytes))
        return;
    until = sbl_clock_ns() + MOST_NS;
    sbl_budget_want(budget, (int64_t)bytes);
    while (!sbl_budget_has_room(budget, bytes) && sbl_spiller_can_help(budget) && sbl_clock_ns() < until) {
        sbl_blocking_begin();
        pthread_mutex_lock(&budget->lock);
        sbl_cond_wait(&budget->changed, &budget->lock, sbl_clock_ns() + SLICE_NS);
        pthread_mutex_unlock(&budget->lock);
        sbl_blocking_end();
        sbl_spiller_kick(budget);
    }
    sbl_budget_want(budget, -(int64_t)bytes);
}

/* --- what it says of itself -------------------------------------------------------------------------------------- */

sabal_status sabal_client_memory_get(const sabal_client *client, sabal_client_memory *memory)
{
    const int64_t       resident = sbl_limits_resident();
    sabal_client_memory m        = {.struct_size = sizeof m, .resident = resident > 0 ? (size_t)resident : 0};
    sbl_budget         *budget   = client ? client->budget : NULL;

    if (budget) {
        sbl_budget_sum_small(budget);
        m.limit   = budget->limit == SBL_NO_LIMIT ? 0 : (size_t)budget->limit;
        m.managed = (size_t)managed(budget);
        m.spilled = (size_t)atomic_load_explicit(&budget->away, memory_order_relaxed);
        m.peak    = (size_t)atomic_load_explicit(&budget->peak, memory_order_relaxed);
        m.waiting = atomic_load_explicit(&budget->waiting, memory_order_relaxed);
    }
    return sbl_struct_give(memory, &m, sizeof m);
}
