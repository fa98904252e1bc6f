/*
 * A thread of the pool: own and foreign posts first, the better of the two; then others' posts; then others'
 * jobs; a bounded search; sleep.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "sched/futex.h"
#include "sched/openmp.h"
#include "sched/worker.h"

__thread sbl_self sbl_me;

static int too_many(sbl_pool *pool)
{
    return SBL_COUNT(sbl_state(pool), SBL_AWAKE) > pool->threads;
}

/* A runtime may come with what a worker process loads for a task. */
static void limit_openmp(const sbl_pool *pool)
{
    int32_t found = atomic_load_explicit(&sbl_openmp_found, memory_order_relaxed);

    if (__builtin_expect(found == sbl_me.openmp, 1))
        return;
    sbl_openmp_limit(pool->openmp);
    sbl_me.openmp = found;
}

static void run_work(sbl_slot *self, sbl_work *work)
{
    sbl_regions before = sbl_me.regions;

    limit_openmp(self->pool);
    sbl_stop_searching(self);
    sbl_add(&self->runs, 1);
    work->run(work);
    if (__builtin_expect(sbl_regions_differ(before), 0))
        sbl_regions_mend(before);
}

/* From the own queue or from that of foreign posts, whichever has the better first. */
static sbl_work *take_posted(sbl_slot *self)
{
    sbl_queue *own = &self->queue, *foreign = &self->pool->queue;
    sbl_work  *work;
    int        own_first;

    if (self->pool->n_homes)
        return sbl_home_take_near(self);
    if (!sbl_queue_has_any(foreign))
        return sbl_queue_pop(own);
    if (!sbl_queue_has_any(own))
        return sbl_queue_pop(foreign);
    own_first = sbl_queue_is_better(own, foreign);
    work      = sbl_queue_pop(own_first ? own : foreign);
    return work ? work : sbl_queue_pop(own_first ? foreign : own);
}

/* A guest works in the place of one of ours. */
static int may_help(sbl_pool *pool)
{
    uint64_t state = sbl_state(pool);

    return SBL_COUNT(state, SBL_AWAKE) + SBL_COUNT(state, SBL_GUEST) <= pool->threads;
}

/* Keeps an eye on the deque from which it stole last, as long as some pauses last. 1: it stole again. */
static int watch_victim(sbl_slot *self)
{
    sbl_slot *victim = self->victim;

    for (int i = 0; i < SBL_WATCHES; i++) {
        sbl_pause_at(i);
        if (victim && sbl_offers(victim) && may_help(self->pool) && sbl_steal(self, self->base, victim))
            return 1;
    }
    return 0;
}

/* Who gave something often has the next soon, as in a row of short loops: no look at others comes between, and no request,
   which would take lines from him just then. */
static int steal_again(sbl_slot *self)
{
    int32_t n = self->in_a_row;

    if (n && n < SBL_IN_A_ROW && watch_victim(self))
        return 1;
    self->in_a_row = 0;
    return 0;
}

static int find_and_run(sbl_slot *self)
{
    sbl_work *work;

    if (self->pool->n_domains > 1)
        sbl_note_domain(self);
    if (sbl_mail_run(self))
        return 1;
    work = take_posted(self);
    if (!work && steal_again(self))
        return 1;
    if (!work)
        work = sbl_take_from_others(self);
    if (work) {
        run_work(self, work);
        return 1;
    }
    return may_help(self->pool) && sbl_steal_from_others(self);
}

/*
 * A thread that finds work soon, as in a row of short loops, is not counted as one that searches if all are awake: nobody
 * asks then, and the count would be a word that all of them write for each piece.
 */
static void count_as_searching(sbl_slot *self, int round)
{
    sbl_pool *pool = self->pool;

    if (self->searching || (round < SBL_UNCOUNTED && SBL_COUNT(sbl_state(pool), SBL_AWAKE) >= pool->threads))
        return;
    sbl_note_searching(self);
    atomic_fetch_add_explicit(&pool->state, SBL_SEARCHING, memory_order_seq_cst);
}

/* Looks for work for a bounded time; 0 if there was none. */
static int search(sbl_slot *self)
{
    int64_t ends = 0;

    if (atomic_load_explicit(&self->pool->rests, memory_order_relaxed))
        return 0;
    for (int round = 0;; round++) {
        count_as_searching(self, round);
        if (find_and_run(self) || watch_victim(self))
            return 1;
        if (round % SBL_SEARCH_ROUNDS != SBL_SEARCH_ROUNDS - 1)
            continue;
        if (atomic_load_explicit(&self->pool->quit, memory_order_relaxed) || too_many(self->pool))
            return 0;
        if (sbl_spin_is_over(&ends, SBL_SEARCH_NS))
            return 0;
    }
}

void *sbl_worker_main(void *arg)
{
    sbl_slot *self = arg;
    sbl_pool *pool = self->pool;
    char      name[16];

    snprintf(name, sizeof name, "sabal-%d", (int)self->index);
    pthread_setname_np(pthread_self(), name);
    atomic_store_explicit(&self->tid, gettid(), memory_order_relaxed);
    sbl_me.worker = self;
    sbl_slot_settle(self);
    sbl_note_searching(self); /* so it was counted by who started it */
    limit_openmp(pool);
    /* relaxed: nothing to see at the end but the end */
    while (!atomic_load_explicit(&pool->quit, memory_order_relaxed))
        if (too_many(pool) || (!find_and_run(self) && !search(self))) {
            sbl_stack_trim();
            sbl_park(self);
        }
    return NULL;
}

int sbl_pool_run_one(void)
{
    sbl_slot *self = sbl_me.worker;
    sbl_work *work = self ? take_posted(self) : NULL;

    if (self && !work)
        work = sbl_take_from_others(self);
    if (!work)
        return 0;
    run_work(self, work);
    return 1;
}

sabal_status sbl_worker_start(sbl_pool *pool, sabal_error *err)
{
    int32_t        index = atomic_load_explicit(&pool->n_threads, memory_order_relaxed);
    sbl_slot      *slot  = sbl_slot_at(pool, index);
    sigset_t       all, before;
    pthread_attr_t attributes;
    int            error;

    if (index >= pool->max_threads)
        return sbl_error_set(err, SABAL_ENOMEM, "the pool has %d threads already", (int)index);
    if (!slot && sbl_slot_create(&slot, pool, index))
        return sbl_error_memory(err, sizeof *slot, "a thread of the pool");
    /* release: the slot's contents; pairs with the acquire in sbl_slot_at() */
    atomic_store_explicit(&pool->slots[index], slot, memory_order_release);
    if (!sbl_slot_ready(slot))
        return sbl_error_memory(err, SBL_RECORDS * sizeof(struct sabal_record), "the jobs of a thread");
    if (sbl_alloc_must_fail())
        return sbl_error_set(err, SABAL_ENOMEM, "thread %d of the pool could not be started", (int)index);
    /* Seen by the others before it runs: it may post at once, and then sleep. */
    atomic_fetch_or_explicit(&pool->active[index / 64], (uint64_t)1 << (index % 64), memory_order_seq_cst);
    atomic_store_explicit(&pool->n_threads, index + 1, memory_order_release);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, sbl_stack_bytes(pool->max_threads));
    sigfillset(&all); /* signals are the host's: its threads get them, not ours */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&slot->thread, &attributes, sbl_worker_main, slot);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) {
        char text[96];

        atomic_store_explicit(&pool->n_threads, index, memory_order_release);
        atomic_fetch_and_explicit(&pool->active[index / 64], ~((uint64_t)1 << (index % 64)), memory_order_seq_cst);
        return sbl_error_set(err, SABAL_ENOMEM, "thread %d of the pool could not be started: %s", (int)index,
                             strerror_r(error, text, sizeof text));
    }
    return SABAL_OK;
}
