/*
 * Sleeping and waking without a lost wake-up. Everybody follows one pattern: change what others look at,
 * fence, look at what others change.
 *
 *   who publishes:  publish; fence; look at the state word; wake if nobody searches and one more may be awake
 *   who sleeps:     set the bit in `sleeping`; count down; fence; raise all request flags; look for work that
 * can be seen; if there is some, do as one who publishes (and perhaps wake oneself); sleep
 *
 * Of the two at least one sees the other. Jobs that an owner keeps private can't be seen; for these the
 * request flag stands: its owner, at the next spawn, clears it, publishes, fences and looks. Whoever raised
 * it counted down before, so that look finds room for one more. Hence the rule: who lowers a count raises the
 * flags.
 */
#include <sched.h>

#include "sched/futex.h"
#include "sched/worker.h"

void sbl_give_token(sbl_slot *slot)
{
    const sbl_seat *seat;

    /* release: what the waker did; pairs with the acquires in sbl_park() and sit(). Not a store: a token that is there already, as
       that of the pool's end, keeps what came with it. */
    if (atomic_exchange_explicit(&slot->token, 1, memory_order_acq_rel) == 2) {
        seat = atomic_load_explicit(&slot->pool->seat, memory_order_acquire); /* after who sits there saw it */
        seat->ring(seat->arg);
    } else {
        sbl_futex_wake(&slot->token, 1);
    }
}

static void send_token(sbl_slot *slot)
{
    sbl_steer_away(slot);
    sbl_chaos();
    sbl_give_token(slot);
    sbl_steer_end(slot);
}

/* Who sits and has just heard of work, is awake already. */
static int wake_oneself(sbl_pool *pool)
{
    sbl_slot      *self = sbl_me.seated;
    const uint64_t bit  = self ? (uint64_t)1 << (self->index % 64) : 0;

    if (!self || self->pool != pool ||
        !(atomic_fetch_and_explicit(&pool->sleeping[self->index / 64], ~bit, memory_order_acquire) & bit))
        return 0;
    sbl_give_token(self);
    return 1;
}

#define ANY_NODE (-1)

/* One that was last seen on that node. */
static int wake_sleeper(sbl_pool *pool, int32_t node)
{
    for (int32_t w = 0; w * 64 < pool->max_threads; w++) {
        uint64_t bits = atomic_load_explicit(&pool->sleeping[w], memory_order_relaxed), elsewhere = 0, left;

        while ((left = bits & ~elsewhere)) {
            uint64_t  bit  = left & -left;
            sbl_slot *slot = sbl_slot_at(pool, w * 64 + __builtin_ctzll(bit));

            if (node != ANY_NODE && sbl_node_of_slot(slot) != node) {
                elsewhere |= bit;
                continue;
            }
            /* acquire: its mask, as its owner left it */
            bits = atomic_fetch_and_explicit(&pool->sleeping[w], ~bit, memory_order_acquire);
            if (!(bits & bit))
                continue; /* somebody else was faster: look at what is left */
            send_token(slot);
            return 1;
        }
    }
    return 0;
}

/* On a node that has work, else on the caller's. */
static int wake_sleeper_near(sbl_pool *pool)
{
    for (int32_t i = 0; i < pool->n_homes; i++)
        if (sbl_home_has_any(pool, i) && wake_sleeper(pool, i))
            return 1;
    return pool->n_homes && wake_sleeper(pool, sbl_node_here());
}

int sbl_anybody_sleeps(sbl_pool *pool)
{
    for (int32_t w = 0; w * 64 < pool->max_threads; w++)
        if (atomic_load_explicit(&pool->sleeping[w], memory_order_relaxed))
            return 1;
    return 0;
}

static int start_spare(sbl_pool *pool)
{
    int started;

    pthread_mutex_lock(&pool->lock);
    started = !atomic_load_explicit(&pool->quit, memory_order_relaxed) && sbl_worker_start(pool, NULL) == SABAL_OK;
    atomic_store_explicit(&pool->no_more, !started, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    return started;
}

/* 1: a thread was woken or started, or none is needed. 0: there is none to be had. */
static int try_wake(sbl_pool *pool, int for_records)
{
    uint64_t state = sbl_state(pool);

    do {
        int32_t busy = SBL_COUNT(state, SBL_AWAKE) + (for_records ? SBL_COUNT(state, SBL_GUEST) : 0);

        if (SBL_COUNT(state, SBL_SEARCHING) || busy >= pool->threads)
            return 1;
    } while (!atomic_compare_exchange_weak_explicit(&pool->state, &state, state + SBL_AWAKE + SBL_SEARCHING,
                                                    memory_order_seq_cst, memory_order_relaxed));
    sbl_chaos();
    atomic_fetch_add_explicit(&pool->wakes, 1, memory_order_relaxed);
    if (wake_oneself(pool) || wake_sleeper_near(pool) || wake_sleeper(pool, ANY_NODE) || start_spare(pool))
        return 1;
    atomic_fetch_sub_explicit(&pool->wakes, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&pool->state, SBL_AWAKE + SBL_SEARCHING, memory_order_seq_cst);
    sbl_tell_quiet(pool);
    return 0;
}

/*
 * If all threads are blocked and there can be no more of them, the first to come back finds the work. But one that
 * comes back while we are counted, in vain, as one that searches, relies on us and may go to sleep: so look again.
 */
void sbl_wake(sbl_pool *pool, int for_records)
{
    sbl_fence(); /* between the caller's publishing and this look; pairs with that in sbl_park() and
                    blocking.c */
    while (!try_wake(pool, for_records)) {
        sbl_fence(); /* between the count that went down and the look at the bit; pairs with that in sbl_park() */
        if (!sbl_anybody_sleeps(pool))
            return;
        for_records = !sbl_posted_visible(pool);
        if (for_records && !sbl_records_visible(pool))
            return;
    }
}

void sbl_request_all(sbl_pool *pool)
{
    for (int32_t w = 0; w * 64 < pool->max_slots; w++)
        for (uint64_t bits = atomic_load_explicit(&pool->active[w], memory_order_relaxed); bits; bits &= bits - 1) {
            sbl_slot *slot = sbl_slot_at(pool, w * 64 + __builtin_ctzll(bits));

            if (slot && !__atomic_load_n(&slot->place.request, __ATOMIC_RELAXED))
                __atomic_store_n(&slot->place.request, 1, __ATOMIC_RELAXED);
        }
}

int sbl_posted_visible(sbl_pool *pool)
{
    if (sbl_queue_has_any(&pool->queue) || sbl_home_visible(pool))
        return 1;
    for (int32_t i = 0, n = atomic_load_explicit(&pool->n_threads, memory_order_relaxed); i < n; i++) {
        sbl_slot *slot = sbl_slot_at(pool, i);

        if (slot && sbl_queue_has_any(&slot->queue))
            return 1;
    }
    return 0;
}

int sbl_records_visible(sbl_pool *pool)
{
    for (int32_t w = 0; w * 64 < pool->max_slots; w++)
        for (uint64_t bits = atomic_load_explicit(&pool->active[w], memory_order_relaxed); bits; bits &= bits - 1) {
            sbl_slot *slot = sbl_slot_at(pool, w * 64 + __builtin_ctzll(bits));

            if (slot && sbl_offers(slot))
                return 1;
        }
    return 0;
}

void sbl_tell_quiet(sbl_pool *pool)
{
    sbl_fence(); /* between the count that went down and this look; pairs with that in wait_until_quiet()
                    (pool.c) */
    if (!atomic_load_explicit(&pool->ending, memory_order_relaxed))
        return;
    atomic_fetch_add_explicit(&pool->quiet, 1, memory_order_release);
    sbl_futex_wake(&pool->quiet, 1);
}

void sbl_note_searching(sbl_slot *self)
{
    self->searching = 1;
    self->since     = sbl_clock_ns();
}

void sbl_note_found(sbl_slot *self)
{
    if (self->searching)
        sbl_add(&self->search_ns, (uint64_t)(sbl_clock_ns() - self->since));
    self->searching = 0;
}

/* Sleeps in the pool's seat until it is woken, and does there what comes as a stranger would. 0: it can't be had. */
static int sit(sbl_slot *self)
{
    /* acquire: what it is; pairs with sbl_pool_offer_seat() */
    const sbl_seat *seat  = atomic_load_explicit(&self->pool->seat, memory_order_acquire);
    uint32_t        token = 0;

    if (!seat || !seat->take(seat->arg))
        return 0;
    if (atomic_compare_exchange_strong_explicit(&self->token, &token, 2, memory_order_acq_rel, memory_order_relaxed)) {
        sbl_me.worker = NULL;
        sbl_me.seated = self;
        while (atomic_load_explicit(&self->token, memory_order_acquire) == 2 && seat->sleep(seat->arg))
            ;
        sbl_me.worker = self;
        sbl_me.seated = NULL;
        token         = 2;
        atomic_compare_exchange_strong_explicit(&self->token, &token, 0, memory_order_acq_rel, memory_order_relaxed);
    }
    seat->leave(seat->arg);
    return 1;
}

void sbl_pool_as_stranger(void (*fn)(void *arg), void *arg)
{
    sbl_slot *self = sbl_me.worker;

    sbl_me.worker = NULL;
    fn(arg);
    sbl_me.worker = self;
}

void sbl_park(sbl_slot *self)
{
    sbl_pool *pool = self->pool;
    uint64_t  bit  = (uint64_t)1 << (self->index % 64);

    sbl_steer_early(self);
    sbl_nested_give_back(self); /* before the count goes down: a destroyer waits for that */
    sbl_chaos();
    /* The bit first: who sees the lower count will find it. */
    atomic_fetch_or_explicit(&pool->sleeping[self->index / 64], bit, memory_order_seq_cst);
    atomic_fetch_sub_explicit(&pool->state, SBL_AWAKE + (self->searching ? SBL_SEARCHING : 0), memory_order_seq_cst);
    sbl_note_found(self);
    sbl_add(&self->parks, 1);
    sbl_fence(); /* between the count and the look at the work; pairs with that in sbl_wake() */
    sbl_request_all(pool);
    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
    if (atomic_load_explicit(&self->mail, memory_order_relaxed))
        sbl_wake_thread(self);
    sbl_tell_quiet(pool);
    sbl_chaos();
    /* acquire: what the waker did; pairs with the release in send_token() */
    while (!atomic_exchange_explicit(&self->token, 0, memory_order_acquire))
        if (!sit(self))
            sbl_futex_wait(&self->token, 0, -1);
    sbl_steer_back(self);
    sbl_note_searching(self); /* so the waker counted it */
}

/* Those who published while one was counted as searching that is so no more saw it and woke nobody: what is left is for
   the next one. */
static void wake_for_the_rest(sbl_pool *pool)
{
    sbl_fence(); /* between the count that went down and the look at the work; pairs with that in sbl_wake() */
    if (sbl_posted_visible(pool))
        sbl_wake(pool, 0);
    else if (sbl_records_visible(pool))
        sbl_wake(pool, 1);
}

void sbl_stop_searching(sbl_slot *self)
{
    uint64_t state;

    if (!self->searching)
        return;
    sbl_note_found(self);
    state = atomic_fetch_sub_explicit(&self->pool->state, SBL_SEARCHING, memory_order_seq_cst);
    if (SBL_COUNT(state, SBL_AWAKE) < self->pool->threads) /* else who lowers that count will look */
        wake_for_the_rest(self->pool);
}

void sbl_wake_thread(sbl_slot *slot)
{
    sbl_pool         *pool     = slot->pool;
    _Atomic uint64_t *sleeping = &pool->sleeping[slot->index / 64];
    uint64_t          bit      = (uint64_t)1 << (slot->index % 64), state;

    sbl_fence(); /* between the caller's publishing and this look; pairs with that in sbl_park() */
    if (!(atomic_load_explicit(sleeping, memory_order_relaxed) & bit))
        return;
    state = sbl_state(pool); /* behind the fence too: the sleeper, whose bit is there, may have counted down just now */
    do {
        if (SBL_COUNT(state, SBL_AWAKE) >= pool->threads)
            return;
    } while (!atomic_compare_exchange_weak_explicit(&pool->state, &state, state + SBL_AWAKE + SBL_SEARCHING,
                                                    memory_order_seq_cst, memory_order_relaxed));
    sbl_chaos();
    if (atomic_fetch_and_explicit(sleeping, ~bit, memory_order_acquire) & bit) { /* as in wake_sleeper() */
        atomic_fetch_add_explicit(&pool->wakes, 1, memory_order_relaxed);
        send_token(slot);
        return;
    }
    /* somebody else woke it, and counted it too */
    atomic_fetch_sub_explicit(&pool->state, SBL_AWAKE + SBL_SEARCHING, memory_order_seq_cst);
    wake_for_the_rest(pool);
    sbl_tell_quiet(pool);
}
