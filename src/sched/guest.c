/*
 * Entering the pool to run a job. A thread of the pool at its top level has a deque of its own. Everybody
 * else gets a slot lent: a foreign thread, which so takes part itself and waits for nobody, and a plain
 * function inside a job, which doesn't know where its thread's deque ends. Slots are taken by setting a bit;
 * a thread tries first the one it had last, whose memory it knows. If all are taken the job runs on this
 * thread alone, on a small deque on its stack.
 *
 * Loops inside of jobs are often short and many. So what was lent for one is kept for the next by the slot of the job that
 * it was called from, until that is given back itself or its thread goes to sleep.
 */
#include <assert.h>
#include <string.h>

#include "sched/futex.h"
#include "sched/job_pool.h"
#include "sched/worker.h"

#define SERIAL_RECORDS 64

static int take_bit(sbl_pool *pool, int32_t i)
{
    uint64_t bit = (uint64_t)1 << (i % 64);

    /* acquire: the slot as it was left; pairs with the release in leave() */
    return !(atomic_fetch_or_explicit(&pool->active[i / 64], bit, memory_order_acq_rel) & bit);
}

static void clear_bit(sbl_pool *pool, int32_t i)
{
    /* release: the slot as it is; pairs with the acquire in take_bit() */
    atomic_fetch_and_explicit(&pool->active[i / 64], ~((uint64_t)1 << (i % 64)), memory_order_release);
}

static int32_t take_free_bit(sbl_pool *pool)
{
    int32_t hint = sbl_me.hint;

    if (hint >= pool->max_threads && hint < pool->max_slots && take_bit(pool, hint))
        return hint;
    for (int32_t i = pool->max_threads; i < pool->max_slots; i++) {
        uint64_t bits = atomic_load_explicit(&pool->active[i / 64], memory_order_relaxed);

        if (!(bits >> (i % 64) & 1) && take_bit(pool, i))
            return i;
    }
    return -1;
}

/* A slot for the calling thread, or NULL: all are taken, or no memory. */
static sbl_slot *lend_slot(sbl_pool *pool)
{
    int32_t   i    = take_free_bit(pool);
    sbl_slot *slot = i < 0 ? NULL : sbl_slot_at(pool, i);

    if (i < 0)
        return NULL;
    if (!slot && !sbl_slot_create(&slot, pool, i))
        /* release: the slot's contents; pairs with the acquire in sbl_slot_at() */
        atomic_store_explicit(&pool->slots[i], slot, memory_order_release);
    if (!slot || !sbl_slot_ready(slot)) {
        clear_bit(pool, i);
        return NULL;
    }
    sbl_me.hint = i;
    if (pool->n_domains > 1)
        sbl_note_domain(slot);
    /* Those who sleep may have raised the flags before this slot was there to see. */
    __atomic_store_n(&slot->place.request, 1, __ATOMIC_RELAXED);
    return slot;
}

/* Whether this thread is counted in the pool already. */
static int belongs_to(const sbl_pool *pool)
{
    if (sbl_me.worker && sbl_me.worker->pool == pool)
        return 1;
    for (const sbl_entry *e = sbl_me.entry; e; e = e->outer)
        if (e->slot->pool == pool)
            return 1;
    return 0;
}

/* For a loop in a job of that slot. */
static sbl_slot *lend_nested(sbl_slot *outer)
{
    if (!outer->nested)
        outer->nested = lend_slot(outer->pool);
    return outer->nested;
}

void sbl_nested_give_back(sbl_slot *slot)
{
    sbl_slot *next;

    for (sbl_slot *nested = slot->nested; nested; nested = next) {
        next           = nested->nested;
        nested->nested = NULL;
        clear_bit(nested->pool, nested->index);
    }
    slot->nested = NULL;
}

static int enter(sbl_entry *entry, sbl_pool *pool)
{
    sbl_slot *worker = sbl_me.worker, *outer = sbl_me.entry ? sbl_me.entry->slot : worker;

    if (worker && worker->pool == pool && !worker->in_use) {
        *entry = (sbl_entry){.slot = worker};
    } else if (outer && outer->pool == pool) {
        *entry = (sbl_entry){.slot = lend_nested(outer), .kept = 1};
        if (!entry->slot)
            return 0;
    } else {
        int guest = !belongs_to(pool);

        *entry = (sbl_entry){.slot = lend_slot(pool), .guest = guest};
        if (!entry->slot)
            return 0;
        if (guest)
            atomic_fetch_add_explicit(&pool->state, SBL_GUEST, memory_order_seq_cst);
    }
    entry->slot->in_use = 1;
    entry->outer        = sbl_me.entry;
    entry->regions      = sbl_me.regions;
    sbl_me.entry        = entry;
    return 1;
}

static void leave(sbl_entry *entry)
{
    sbl_slot *slot = entry->slot;
    sbl_pool *pool = slot->pool;

    assert(slot->place.split == slot->base && !slot->n_overflow); /* else a job was left with others unsynced */
    if (__builtin_expect(sbl_regions_differ(entry->regions), 0))
        sbl_regions_mend(entry->regions);
    sbl_me.entry = entry->outer;
    slot->in_use = 0;
    if (slot == sbl_me.worker || entry->kept)
        return;
    sbl_nested_give_back(slot);
    if (entry->guest) {
        /* Who lowers a count raises the flags, see wake.c. */
        atomic_fetch_sub_explicit(&pool->state, SBL_GUEST, memory_order_seq_cst);
        sbl_fence(); /* between the count and the look at the work; pairs with that in sbl_wake() */
        sbl_request_all(pool);
        if (sbl_records_visible(pool))
            sbl_wake(pool, 1);
        sbl_tell_quiet(pool);
    }
    clear_bit(pool, slot->index); /* the last touch: a destroyer waits for it */
}

__attribute__((noinline)) static void run_alone(struct sabal_record *root)
{
    struct sabal_record records[SERIAL_RECORDS];
    sbl_slot            slot;

    memset(&slot, 0, sizeof slot);
    slot.base        = records;
    slot.place.split = records;
    slot.place.end   = records + SERIAL_RECORDS;
    root->run(&slot.place, records, root);
    sbl_overflow_free(&slot);
}

static void run_in(sbl_entry *entry, struct sabal_record *root)
{
    root->run(&entry->slot->place, entry->slot->base, root);
    leave(entry);
}

void sbl_job_run(sbl_pool *pool, struct sabal_record *root)
{
    sbl_entry entry;

    if (!pool || !enter(&entry, pool)) {
        run_alone(root);
        return;
    }
    /* As a slot that is just lent: what runs nested is often so short that it would be too late for who is idle to ask. */
    if (entry.kept && !__atomic_load_n(&entry.slot->place.request, __ATOMIC_RELAXED))
        __atomic_store_n(&entry.slot->place.request, 1, __ATOMIC_RELAXED);
    run_in(&entry, root);
}

void sbl_job_run_offered(sbl_pool *pool, struct sabal_record *root)
{
    sbl_entry entry;

    if (pool && enter(&entry, pool))
        run_in(&entry, root);
    else
        run_alone(root);
}
