/*
 * The split deque. Records [tail, split) may be stolen, [split, head) are the owner's alone; the head travels
 * in a register. tail and split share one 64-bit word: a thief moves tail by one with a compare-and-swap of
 * the whole, so that a split moved meanwhile makes it fail. The rest of the word is its age: it grows whenever the
 * owner publishes into a deque that offers nothing, and a job's end leaves one that offers nothing; so a swap fails too if
 * what the deque held meanwhile is another's. The owner publishes half of what is private when
 * a thief has raised the request flag, and takes back half of what is shared when a sync reaches it. Contents
 * of a record are read only after the swap succeeded, so that a word that looks as before, but isn't (ABA),
 * does no harm.
 *
 * Who waits for the next piece of a row of short loops looks at the word all the time, and each write of it takes the line
 * from him, and him a trip to get it back. So a sync that empties the deque writes nothing: while nothing is offered,
 * place.split alone tells where the next records will be, and the word is set right when something is published.
 *
 * A record's thief word: 0, then the thief's slot, SLEEPS added if the owner sleeps for it, at last DONE.
 */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "sched/futex.h"
#include "sched/worker.h"

#define DONE     ((uintptr_t)1)
#define SLEEPS   ((uintptr_t)2)
#define FLAGS    (DONE | SLEEPS)
#define NO_SPLIT ((struct sabal_record *)UINTPTR_MAX)

/* Results of jobs that ran at once because the deque was full, last in first out; blocks are kept until the
 * pool ends. */
struct sbl_overflow {
    struct sbl_overflow *older, *newer;
    struct sabal_record  records[SBL_PER_BLOCK];
};

/* With the age of a word as it was. */
static uint64_t word_of(uint64_t was, uint32_t tail, uint32_t split)
{
    return (was & ~(SBL_AGE - 1)) | (uint64_t)split << SBL_INDEX_BITS | tail;
}

/* --- the owner's side
 * --------------------------------------------------------------------------------------- */

static uint32_t split_of_owner(const sbl_slot *self)
{
    return (uint32_t)(self->place.split - self->base);
}

/* Gives half of the private records below head to thieves. */
static void publish(sbl_slot *self, const struct sabal_record *head)
{
    uint64_t shared = atomic_load_explicit(&self->shared, memory_order_relaxed);
    int      empty  = sbl_tail_of(shared) == sbl_split_of(shared); /* for good: nobody changes the word then */
    uint32_t split  = empty && !self->n_overflow ? split_of_owner(self) : sbl_split_of(shared);
    uint32_t end    = (uint32_t)((head < self->place.end ? head : self->place.end) - self->base);
    uint32_t n      = end > split ? (end - split + 1) / 2 : 0;

    if (!n)
        return;
    for (uint32_t i = split; i < split + n; i++)
        __atomic_store_n(&self->base[i].thief, 0, __ATOMIC_RELAXED);
    /* Only the owner changes the split. release: the records; pairs with the acquire in steal_at() */
    if (empty)
        atomic_store_explicit(&self->shared, word_of(shared + SBL_AGE, split, split + n), memory_order_release);
    else
        atomic_fetch_add_explicit(&self->shared, (uint64_t)n << SBL_INDEX_BITS, memory_order_release);
    if (!self->n_overflow)
        self->place.split = self->base + split + n;
    sbl_add(&self->shares, n);
}

void sabal_job_share(struct sabal_place *place, struct sabal_record *head)
{
    /* Cleared first: who raises it from here on has counted down before, and sbl_wake() sees that. */
    __atomic_store_n(&place->request, 0, __ATOMIC_RELAXED);
    sbl_job_share_unasked(place, head);
}

void sbl_job_share_unasked(struct sabal_place *place, struct sabal_record *head)
{
    sbl_slot *self = (sbl_slot *)place;

    sbl_chaos();
    publish(self, head);
    sbl_wake(self->pool, 1);
}

/* --- the thief's side
 * --------------------------------------------------------------------------------------- */

static void request(sbl_slot *victim)
{
    if (!__atomic_load_n(&victim->place.request, __ATOMIC_RELAXED))
        __atomic_store_n(&victim->place.request, 1, __ATOMIC_RELAXED);
}

static int can_wake(sbl_pool *pool)
{
    uint64_t state = sbl_state(pool);

    return SBL_COUNT(state, SBL_AWAKE) + SBL_COUNT(state, SBL_GUEST) < pool->threads;
}

/* Its result is there, or who spawned it need not wait for it. */
static void end_record(sbl_slot *victim, struct sabal_record *record)
{
    /* release: the result; pairs with the acquires in wait_for(). From here on the record is its owner's. */
    const uintptr_t before = __atomic_exchange_n(&record->thief, DONE, __ATOMIC_ACQ_REL);

    if (before & SLEEPS) {
        /* release: DONE; pairs with the acquire in sleep_for(). Not a store: the late word of an earlier job would hide
           what came with this one's. */
        atomic_exchange_explicit(&victim->joined, 1, memory_order_acq_rel);
        sbl_futex_wake(&victim->joined, 1);
    }
}

/* Of a graph: nobody waits for it but the graph's root. */
static void run_part(sbl_slot *self, struct sabal_record *head, sbl_slot *victim, struct sabal_record *record)
{
    void               *before = atomic_load_explicit(&self->graph, memory_order_relaxed);
    struct sabal_record part;

    atomic_store_explicit(&self->graph, sbl_nodes_join(&part, record), memory_order_relaxed);
    sbl_chaos();
    end_record(victim, record);
    part.run(&self->place, head, &part);
    /* Relaxed: what is offered after this, by a release, is not taken for that graph's. */
    atomic_store_explicit(&self->graph, before, memory_order_relaxed);
    sbl_chaos();
    sbl_nodes_leave(&part);
}

static void run_stolen(sbl_slot *self, struct sabal_record *head, sbl_slot *victim, struct sabal_record *record)
{
    const int   is_part = record->run == sbl_node_job || record->run == sbl_roots_job;
    sbl_regions regions = sbl_me.regions;
    int32_t     in_use  = self->in_use;

    /* Added, as the owner may have added SLEEPS already. release: this slot as it was made; pairs with the
       acquire in wait_for(), whose thread may not have seen it before. */
    __atomic_fetch_or(&record->thief, (uintptr_t)self, __ATOMIC_ACQ_REL);
    sbl_note_steal(self, victim);
    self->in_use = 1;
    if (is_part)
        run_part(self, head, victim, record);
    else
        record->run(&self->place, head, record);
    self->in_use = in_use;
    if (__builtin_expect(sbl_regions_differ(regions), 0))
        sbl_regions_mend(regions);
    sbl_chaos();
    if (!is_part)
        end_record(victim, record);
}

static int is_of_loop(const struct sabal_record *record)
{
    return record->run == sbl_piece_job || record->run == sbl_free_piece_job || record->run == sbl_sum_job;
}

/* Steals the record that `shared`, as it was read, has at its tail. 0: it is another's. */
static int steal_at(sbl_slot *self, struct sabal_record *head, sbl_slot *victim, uint64_t shared)
{
    uint32_t             tail   = sbl_tail_of(shared);
    struct sabal_record *record = victim->base + tail;

    __builtin_prefetch(record); /* on their way while the word is swapped */
    __builtin_prefetch(self->loop);
    __builtin_prefetch(self->context);
    /* acquire: the record; pairs with the release in publish() */
    if (!atomic_compare_exchange_strong_explicit(&victim->shared, &shared, shared + 1, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return 0;
    self->victim = victim;
    self->in_a_row++;
    /* It was the last on offer: there shall be more when we come back. Who runs a loop looks by himself, and an idle thread
       may not come back for a row of loops of a microsecond. */
    if (tail + 1 == sbl_split_of(shared) && !is_of_loop(record))
        request(victim);
    /* More hands are free: whoever spawns next, the victim or we, shall offer jobs and wake one. */
    if (can_wake(self->pool)) {
        request(victim);
        request(self);
    }
    sbl_stop_searching(self);
    run_stolen(self, head, victim, record);
    return 1;
}

int sbl_steal(sbl_slot *self, struct sabal_record *head, sbl_slot *victim)
{
    /* acquire: where its records are; pairs with the release in publish() */
    uint64_t shared = atomic_load_explicit(&victim->shared, memory_order_acquire);

    if (sbl_tail_of(shared) >= sbl_split_of(shared)) {
        request(victim);
        return 0;
    }
    sbl_chaos();
    return steal_at(self, head, victim, shared);
}

int sbl_steal_from_graph(sbl_slot *self, struct sabal_record *head, sbl_slot *victim, const void *graph)
{
    /* acquire: of which graph it is what is offered; pairs with the release in publish(). As in steal_from_thief(), the swap
       fails if what is offered now was published after this look. */
    uint64_t shared = atomic_load_explicit(&victim->shared, memory_order_acquire);

    if (atomic_load_explicit(&victim->graph, memory_order_relaxed) != graph)
        return 0;
    if (sbl_tail_of(shared) >= sbl_split_of(shared)) {
        request(victim);
        return 0;
    }
    sbl_chaos();
    return steal_at(self, head, victim, shared);
}

/* --- waiting
 * ------------------------------------------------------------------------------------------------ */

static int is_done(struct sabal_record *record)
{
    /* acquire: the result; pairs with the release in run_stolen() */
    return (__atomic_load_n(&record->thief, __ATOMIC_ACQUIRE) & DONE) != 0;
}

static void sleep_for(sbl_slot *self, struct sabal_record *record)
{
    if (__atomic_fetch_or(&record->thief, SLEEPS, __ATOMIC_ACQ_REL) & DONE)
        return;
    sbl_add(&self->parks, 1);
    sbl_blocking_begin();
    for (;;) {
        /* Late word of an earlier job is thrown away here, and with it nothing is lost: acquire; if it was
           this job's word, then is_done() sees it. Pairs with the release in run_stolen() */
        atomic_exchange_explicit(&self->joined, 0, memory_order_acq_rel);
        if (is_done(record))
            break;
        sbl_chaos();
        sbl_futex_wait(&self->joined, 0, -1);
    }
    sbl_blocking_end();
}

/*
 * Steals from the thief of a record what that has spawned, or what it waits for has. Nothing else: a stranger's job could
 * bury the wait, or need a lock that the waiter, or whoever waits for him, holds. When the thief took the record, its
 * deque held nothing that could be stolen; as long as the record is not done, all there is was spawned on top of it. So:
 * read the word, see that the record is not done, swap the word, whose age tells if something was published after that.
 */
static int steal_from_thief(sbl_slot *self, struct sabal_record *record, sbl_slot *thief)
{
    uint64_t shared;

    sbl_chaos();
    /* acquire: if what is offered was spawned after the record was done, then is_done() sees that; pairs with the
       release in publish() */
    shared = atomic_load_explicit(&thief->shared, memory_order_acquire);

    if (sbl_tail_of(shared) >= sbl_split_of(shared)) {
        request(thief);
        return 0;
    }
    sbl_chaos();
    if (is_done(record))
        return 0;
    sbl_chaos();
    return steal_at(self, record + 1, thief, shared);
}

/* The record is stolen. */
static void wait_for(sbl_slot *self, struct sabal_record *record)
{
    int64_t ends = 0;

    for (;;) {
        for (int i = 0; i < SBL_SYNC_ROUNDS; i++) {
            uintptr_t word  = __atomic_load_n(&record->thief, __ATOMIC_ACQUIRE); /* as in is_done() */
            sbl_slot *thief = (sbl_slot *)(word & ~FLAGS);

            if (word & DONE)
                return;
            if (thief && (i % SBL_ASK_AFTER == SBL_ASK_AFTER - 1 || sbl_offers(thief)) && !sbl_stack_is_low() &&
                steal_from_thief(self, record, thief)) {
                ends = 0;
                i    = -1;
                continue;
            }
            sbl_pause_at(i);
        }
        if (sbl_spin_is_over(&ends, SBL_SYNC_NS)) {
            sleep_for(self, record);
            return;
        }
    }
}

static struct sabal_record *pop_overflow(sbl_slot *self)
{
    sbl_overflow *block = self->overflow;
    int64_t       i     = --self->n_overflow % SBL_PER_BLOCK;

    if (i == 0 && block->older)
        self->overflow = block->older; /* the newer one stays linked, and its contents as they are */
    if (!self->n_overflow)
        self->place.split = self->base + sbl_split_of(atomic_load_explicit(&self->shared, memory_order_relaxed));
    return &block->records[i];
}

struct sabal_record *sabal_job_sync(struct sabal_place *place, struct sabal_record *record)
{
    sbl_slot *self = (sbl_slot *)place;
    uint32_t  i    = (uint32_t)(record - self->base), tail;
    uint64_t  shared;

    if (self->n_overflow)
        return pop_overflow(self);
    shared = atomic_load_explicit(&self->shared, memory_order_relaxed);
    while ((tail = sbl_tail_of(shared)) <= i) {
        uint32_t split =
            tail + (i - tail + 1) / 2; /* half of what lies below stays offered; of a single one, that one */

        sbl_chaos();
        if (atomic_compare_exchange_weak_explicit(&self->shared, &shared, word_of(shared, tail, split),
                                                  memory_order_acq_rel, memory_order_relaxed)) {
            place->split = self->base + split;
            return NULL;
        }
    }
    wait_for(self, record);
    /* All below is stolen, all above is gone: tail and split meet at this record, where the next spawn will
     * be. The word is set right when that is published. */
    place->split = record;
    return record;
}

/* --- more jobs than records
 * --------------------------------------------------------------------------------- */

static sbl_overflow *next_block(sbl_slot *self)
{
    sbl_overflow *block = self->overflow ? self->overflow->newer : NULL;
    int           told  = 0;

    /* The result of a job that ran must be kept; without memory all that is left is to wait for some. */
    while (!block && !(block = sbl_alloc_aligned(_Alignof(struct sabal_record), sizeof *block))) {
        if (!told++)
            sbl_log(SABAL_LOG_WARN, "no memory for the results of jobs: more than %d wait for their sync", SBL_RECORDS);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (!self->overflow || self->overflow->newer != block) {
        block->newer = NULL;
        block->older = self->overflow;
        if (self->overflow)
            self->overflow->newer = block;
    }
    return block;
}

/* While every sync has to go through sabal_job_sync(), the word alone knows it. */
static void keep_split(sbl_slot *self)
{
    uint64_t shared = atomic_load_explicit(&self->shared, memory_order_relaxed);
    uint32_t split  = split_of_owner(self);

    if (sbl_tail_of(shared) == sbl_split_of(shared))
        atomic_store_explicit(&self->shared, word_of(shared, split, split), memory_order_relaxed);
}

void sabal_job_overflow(struct sabal_place *place, struct sabal_record *head, struct sabal_record *record)
{
    sbl_slot *self = (sbl_slot *)place;
    int64_t   i;

    if (self->pool && __atomic_load_n(&place->request, __ATOMIC_RELAXED))
        sabal_job_share(place, head);
    record->run(place, head, record);
    i = self->n_overflow % SBL_PER_BLOCK;
    if (!self->overflow || (i == 0 && self->n_overflow))
        self->overflow = next_block(self);
    memcpy(&self->overflow->records[i], record, sizeof *record);
    if (!self->n_overflow++)
        keep_split(self);
    place->split = NO_SPLIT; /* so that every sync goes through sabal_job_sync() */
}

void sbl_overflow_free(sbl_slot *slot)
{
    sbl_overflow *block = slot->overflow;

    while (block && block->older)
        block = block->older;
    while (block) {
        sbl_overflow *newer = block->newer;

        sbl_free(block);
        block = newer;
    }
    slot->overflow = NULL;
}
