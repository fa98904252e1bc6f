/*
 * The threads that write results to disk: started when memory first runs short. They choose by turns, of all results that
 * nobody uses those that will be needed last, as many as have to go, and write them side by side.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "graph/budget.h"
#include "graph/client.h"

#define HARDER     3                     /* times that more are chosen, as those that were chosen had to stay */
#define REST_NS    ((int64_t)5000000)    /* when nothing was found */
#define NO_DISK_NS ((int64_t)1000000000) /* after a failure, until it is tried again */

/* --- choosing --------------------------------------------------------------------------------------------------- */

/* How much has to go, beside what is about to. With the lock held. */
static int64_t excess(sbl_budget *budget)
{
    int64_t used    = sbl_budget_used(budget);
    int64_t missing = sbl_budget_missing(budget);
    int64_t wanted  = atomic_load(&budget->wanted);
    int64_t most    = used > SBL_SPILL_MARK(budget->limit) ? used - SBL_SPILL_LOW(budget->limit) : 0;

    if (wanted && used + wanted - SBL_FULL_MARK(budget->limit) > most)
        most = used + wanted - SBL_FULL_MARK(budget->limit);
    return (missing > most ? missing : most) - atomic_load(&budget->leaving);
}

static int may_be_chosen(const sbl_held *held, int have_disk)
{
    return !atomic_load_explicit(&held->pins, memory_order_relaxed) &&
           !atomic_load_explicit(&held->stays, memory_order_relaxed) &&
           (have_disk || atomic_load_explicit(&held->on_disk, memory_order_relaxed));
}

/* Distances change meanwhile: each is looked at once. 0: no memory. */
static int add_candidate(sbl_budget *budget, sbl_held *held)
{
    if (budget->n_victims == budget->room_for_victims) {
        int64_t     room = 2 * budget->room_for_victims + 64;
        sbl_victim *more = sbl_realloc(budget->victims, (size_t)room * sizeof *more);

        if (!more)
            return 0;
        budget->victims          = more;
        budget->room_for_victims = room;
    }
    if (sbl_held_keep(held))
        budget->victims[budget->n_victims++] = (sbl_victim){sbl_held_distance(held), held};
    return 1;
}

static int farthest_first(const void *a, const void *b)
{
    const sbl_victim *x = a, *y = b;

    return (x->distance < y->distance) - (x->distance > y->distance);
}

/*
 * With the lock held, which is given up: who ends a result has its list's lock and may want ours. Nobody else chooses
 * meanwhile.
 */
static void choose(sbl_budget *budget, int64_t bytes)
{
    const int have_disk = budget->no_disk_until_ns < sbl_clock_ns();
    int64_t   n = 0, chosen = 0;

    budget->is_choosing = 1;
    budget->n_victims = budget->next_victim = 0;
    atomic_fetch_add_explicit(&budget->tick, 1, memory_order_relaxed);
    pthread_mutex_unlock(&budget->lock);
    for (int32_t i = 0; i < SBL_HELD_LISTS; i++) {
        pthread_mutex_lock(&budget->lists[i].lock);
        for (sbl_held *held = budget->lists[i].first; held; held = held->next)
            if (may_be_chosen(held, have_disk) && !add_candidate(budget, held))
                break;
        pthread_mutex_unlock(&budget->lists[i].lock);
    }
    if (budget->n_victims)
        qsort(budget->victims, (size_t)budget->n_victims, sizeof *budget->victims, farthest_first);
    while (n < budget->n_victims && chosen < bytes)
        chosen += (int64_t)budget->victims[n++].held->own;
    for (int64_t i = n; i < budget->n_victims; i++)
        sbl_held_release(budget->victims[i].held);
    pthread_mutex_lock(&budget->lock);
    budget->n_victims = n;
    atomic_fetch_add(&budget->leaving, chosen);
    budget->is_choosing = 0;
    pthread_cond_broadcast(&budget->changed);
}

/* The next that is to leave; NULL: none has to, or none can (*nothing then). With the lock held. */
static sbl_held *next_victim(sbl_budget *budget, int *nothing)
{
    int64_t bytes;
    int32_t tries;

    *nothing = 0;
    while (budget->is_choosing)
        pthread_cond_wait(&budget->changed, &budget->lock);
    if (budget->next_victim < budget->n_victims)
        return budget->victims[budget->next_victim++].held;
    bytes = excess(budget);
    if (bytes <= 0)
        return NULL;
    if (budget->none_left) {
        if (atomic_load(&budget->leaving))
            return NULL;
        if (budget->none_left > HARDER) {
            budget->none_left = 0;
            *nothing          = 1;
            return NULL;
        }
        bytes <<= 4 * budget->none_left; /* these had to stay; there may be others behind them */
    }
    tries = budget->none_left;
    choose(budget, bytes);
    budget->none_left = budget->n_victims > 0 ? tries + 1 : 0;
    if (budget->next_victim < budget->n_victims)
        return budget->victims[budget->next_victim++].held;
    *nothing = !atomic_load(&budget->leaving);
    return NULL;
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static void no_disk(sbl_budget *budget, const sabal_error *why)
{
    pthread_mutex_lock(&budget->lock);
    if (!budget->disk_failure.status)
        sbl_log(SABAL_LOG_WARN, "results can't be spilled: %s", why->message);
    budget->disk_failure     = *why;
    budget->no_disk_until_ns = sbl_clock_ns() + NO_DISK_NS;
    pthread_mutex_unlock(&budget->lock);
}

/* With the lock held. */
static sabal_status open_file(sbl_budget *budget, sabal_error *err)
{
    return budget->file ? SABAL_OK : sbl_spill_open(&budget->file, NULL, err);
}

/*
 * What results left is to leave the process too. The allocator keeps some of it for the next buffer, which is quicker; so
 * it is made to let go only if the process has more than it may.
 */
static void give_back(sbl_budget *budget)
{
    if (sbl_limits_resident() > budget->limit)
        sbl_buffer_purge();
    else
        sbl_buffer_bound((size_t)budget->limit);
}

static void evict(sbl_budget *budget, sbl_held *held)
{
    sabal_error  err = SABAL_ERROR_INIT;
    sabal_status st  = SABAL_OK;
    int          has_left, written;
    int64_t      own;

    pthread_mutex_lock(&budget->lock);
    if (!atomic_load_explicit(&held->on_disk, memory_order_relaxed))
        st = open_file(budget, &err);
    pthread_mutex_unlock(&budget->lock);
    if (!st)
        st = sbl_held_evict(held, &err);
    if (st)
        no_disk(budget, &err);
    has_left = sbl_held_is_away(held);
    written  = !st && has_left && !held->maker;
    own      = (int64_t)held->own;
    sbl_held_release(held);
    if (has_left)
        give_back(budget);
    pthread_mutex_lock(&budget->lock);
    atomic_fetch_sub(&budget->leaving,
                     own); /* with the next: nothing under way and none that left would mean none can */
    if (has_left)
        budget->stuck_since_ns = budget->none_left = 0;
    if (written) /* so a failure before is over */
        budget->disk_failure = (sabal_error)SABAL_ERROR_INIT;
    pthread_cond_broadcast(&budget->changed);
    pthread_mutex_unlock(&budget->lock);
    sbl_budget_look(budget);
}

/* With the lock held. A new look at all results would hardly find more at once. */
static void rest(sbl_budget *budget)
{
    const int64_t until = sbl_clock_ns() + REST_NS;

    while (!budget->ends && sbl_clock_ns() < until)
        sbl_cond_wait(&budget->wake, &budget->lock, until);
}

/* With the lock held, which is given up meanwhile. */
static void look_without_victim(sbl_budget *budget, int nothing)
{
    pthread_mutex_unlock(&budget->lock);
    if (nothing && !atomic_load(&budget->leaving))
        sbl_budget_dead_end(budget);
    else
        sbl_budget_look(budget); /* memory comes free in ways that nobody is told of: another client's, the program's */
    pthread_mutex_lock(&budget->lock);
    rest(budget);
}

static void *spill(void *arg)
{
    sbl_budget *budget = arg;
    sbl_held   *held;
    int         nothing;

    pthread_mutex_lock(&budget->lock);
    while (!budget->ends) {
        atomic_store(&budget->kicked, 0);
        held = next_victim(budget, &nothing);
        atomic_store(&budget->nothing_left, nothing);
        if (held) {
            pthread_mutex_unlock(&budget->lock);
            evict(budget, held);
            pthread_mutex_lock(&budget->lock);
        } else if (nothing || atomic_load(&budget->waiting)) {
            look_without_victim(budget, nothing);
        } else if (!budget->ends && !atomic_load(&budget->kicked)) {
            pthread_cond_wait(&budget->wake, &budget->lock);
        }
    }
    pthread_mutex_unlock(&budget->lock);
    return NULL;
}

/* --- starting and ending ----------------------------------------------------------------------------------------- */

/* With the lock held. */
static void start(sbl_budget *budget)
{
    while (budget->n_threads < SBL_SPILL_THREADS &&
           !sbl_thread_start(&budget->threads[budget->n_threads], spill, budget))
        budget->n_threads++;
    if (!budget->n_threads) /* then memory is no budget until there is one: nobody waits */
        atomic_store(&budget->nothing_left, 1);
    atomic_store(&budget->is_unwatched, !budget->n_threads);
}

void sbl_spiller_kick(sbl_budget *budget)
{
    if (sbl_budget_used(budget) <= SBL_SPILL_MARK(budget->limit) && !atomic_load(&budget->waiting) &&
        !atomic_load(&budget->wanted))
        return;
    if (atomic_load(&budget->kicked) || atomic_exchange(&budget->kicked, 1))
        return;
    pthread_mutex_lock(&budget->lock);
    if (!budget->n_threads && !budget->ends)
        start(budget);
    if (!budget->n_threads)
        atomic_store(&budget->kicked, 0);
    pthread_cond_broadcast(&budget->wake);
    pthread_mutex_unlock(&budget->lock);
}

int sbl_spiller_can_help(const sbl_budget *budget)
{
    return !atomic_load(&budget->nothing_left);
}

void sbl_spiller_stop(sbl_budget *budget)
{
    if (!budget)
        return;
    pthread_mutex_lock(&budget->lock);
    budget->ends = 1;
    pthread_cond_broadcast(&budget->wake);
    pthread_mutex_unlock(&budget->lock);
    for (int32_t i = 0; i < budget->n_threads; i++)
        pthread_join(budget->threads[i], NULL);
    while (budget->next_victim < budget->n_victims)
        sbl_held_release(budget->victims[budget->next_victim++].held);
    sbl_free(budget->victims);
    budget->victims   = NULL;
    budget->n_victims = 0;
}
