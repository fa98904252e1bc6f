/*
 * Admission: a task that would take memory begins when there is room for what it needs, else it waits, out of the pool's
 * queue, until some came free. It keeps its stage (ready) meanwhile: who waits for it may take it and run it, who cancels
 * it ends it.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "graph/budget.h"
#include "graph/local.h"
#include "sched/chaos.h"

/* How long all that could help is looked for before a task is refused: a program may be about to let go of something. */
#define PATIENCE_NS ((int64_t)2000000000)
/* And before one is let in alone: what could not leave a moment ago may do so now. */
#define ALONE_NS ((int64_t)3000000)

/* --- estimates -------------------------------------------------------------------------------------------------- */

static sbl_estimate *estimate_of(sbl_budget *budget, const sabal_future *f)
{
    uintptr_t hash = (uintptr_t)f->site->fn * (uintptr_t)0x9e3779b97f4a7c15u;

    return &budget->estimates[hash >> (8 * sizeof hash - 6)];
}
_Static_assert(SBL_ESTIMATES == 1 << 6, "the hash has as many bits");

/* The larger one counts at once, the smaller one slowly. Two functions with one place take turns; a guess is enough. */
void sbl_budget_learn(sbl_budget *budget, const sabal_future *f, size_t n_bytes)
{
    sbl_estimate *e    = estimate_of(budget, f);
    int64_t       next = (int64_t)n_bytes, known;

    if (n_bytes < SBL_HELD_FROM && atomic_load_explicit(&e->fn, memory_order_relaxed) != (uintptr_t)f->site->fn)
        return;
    known = atomic_load_explicit(&e->bytes, memory_order_relaxed);
    if (atomic_load_explicit(&e->fn, memory_order_relaxed) != (uintptr_t)f->site->fn)
        atomic_store_explicit(&e->fn, (uintptr_t)f->site->fn, memory_order_relaxed);
    else if (next < known)
        next = known - (known - next) / 8;
    if (next != known)
        atomic_store_explicit(&e->bytes, next, memory_order_relaxed);
}

static int64_t result_of(sbl_budget *budget, const sabal_future *f)
{
    const sbl_rare     *rare = sbl_future_rare(f);
    const sbl_estimate *e;

    if (f->sized) /* more than all is as much as all */
        return !rare ? 0 : rare->output_bytes < budget->limit ? rare->output_bytes : budget->limit;
    e = estimate_of(budget, f);
    if (atomic_load_explicit(&e->fn, memory_order_relaxed) != (uintptr_t)f->site->fn)
        return 0;
    return atomic_load_explicit(&e->bytes, memory_order_relaxed);
}

/* What a task will take: its result, and inputs that have to come back. */
typedef struct need {
    int64_t bytes;
    int64_t away;    /* of these, for inputs */
    int     uses_up; /* it has inputs in records */
} need;

/* Of a task whose inputs have ended, and stay meanwhile. */
static need need_of_running(sbl_budget *budget, const sabal_future *f)
{
    need n = {.bytes = result_of(budget, f)};

    for (int32_t i = 0; i < f->n_inputs; i++) {
        const sabal_future *input = f->edges[i].input;

        if (!input->is_held)
            continue;
        n.uses_up = 1;
        if (sbl_held_is_away(input->result.held))
            n.away += (int64_t)input->result.held->own;
    }
    n.bytes += n.away;
    return n;
}

/* Of one that waits. Somebody may run it meanwhile, or end it; then it needs nothing. */
static need need_of(sbl_budget *budget, sabal_future *f)
{
    need n = {0};

    if (atomic_load_explicit(&f->stage, memory_order_acquire) != SBL_READY || (f->n_inputs && !sbl_edges_lock(f)))
        return n;
    if (!f->chained) /* else its edges lead elsewhere by now */
        n = need_of_running(budget, f);
    if (f->n_inputs)
        sbl_edges_unlock(f);
    return n;
}

static int64_t mark_of(const sbl_budget *budget, int uses_up)
{
    return uses_up ? SBL_FULL_MARK(budget->limit) : SBL_PAUSE_MARK(budget->limit);
}

/* --- grants ----------------------------------------------------------------------------------------------------- */

/* Reserved first and looked at then, so that two at once don't both see the last room. */
static void reserve(sbl_grant *grant, sbl_budget *budget, need n)
{
    *grant = (sbl_grant){.budget = budget, .bytes = n.bytes, .away = n.away};
    atomic_fetch_add(&budget->running, 1);
    atomic_fetch_add(&budget->reserved, n.bytes);
}

static void give_up(sbl_grant *grant)
{
    atomic_fetch_sub(&grant->budget->reserved, grant->bytes);
    atomic_fetch_sub(&grant->budget->running, 1);
    grant->budget = NULL;
}

static int try_to_reserve(sbl_grant *grant, sbl_budget *budget, need n)
{
    reserve(grant, budget, n);
    if (n.bytes == 0 || sbl_budget_used(budget) <= mark_of(budget, n.uses_up))
        return 1;
    give_up(grant);
    return 0;
}

void sbl_budget_let_in(sbl_grant *grant, sabal_future *f)
{
    sbl_budget *budget = f->client->budget;
    need        n;

    grant->budget = NULL;
    if (!budget)
        return;
    n = need_of_running(budget, f);
    if (n.bytes || n.uses_up)
        reserve(grant, budget, n);
}

/* What was reserved for it is given back when it is there, as it counts itself then. */
static sabal_status pin(sbl_grant *grant, sbl_held *held, sabal_error *err)
{
    int          was_away = sbl_held_is_away(held);
    sabal_status st       = sbl_held_pin(held, err);
    int64_t      own = (int64_t)held->own, part = own < grant->away ? own : grant->away;

    if (st || !was_away)
        return st;
    grant->away -= part;
    grant->bytes -= part;
    atomic_fetch_sub(&grant->budget->reserved, part);
    return SABAL_OK;
}

sabal_status sbl_grant_begin(sbl_grant *grant, sabal_future *f, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    if (!grant->budget)
        return SABAL_OK;
    for (int32_t i = 0; i < f->n_inputs && !st; i++) {
        const sabal_future *input = f->edges[i].input;

        if (input->is_held)
            st = pin(grant, input->result.held, err);
        grant->n_pinned += !st;
    }
    return st;
}

void sbl_grant_end(sbl_grant *grant, sabal_future *f)
{
    sbl_budget *budget = grant->budget;

    if (!budget)
        return;
    for (int32_t i = 0; i < grant->n_pinned; i++)
        if (f->edges[i].input->is_held)
            sbl_held_unpin(f->edges[i].input->result.held);
    give_up(grant);
    sbl_budget_look(budget);
}

void sbl_grant_park(sbl_grant *grant)
{
    if (!grant->budget)
        return;
    atomic_fetch_add(&grant->budget->parked, 1);
    atomic_fetch_sub(&grant->budget->running, 1);
    sbl_budget_look(grant->budget);
}

void sbl_grant_unpark(sbl_grant *grant)
{
    if (!grant->budget)
        return;
    atomic_fetch_add(&grant->budget->running, 1);
    atomic_fetch_sub(&grant->budget->parked, 1);
}

/* --- waiting ---------------------------------------------------------------------------------------------------- */

static void put(sbl_queue_of_tasks *queue, sbl_work *work, int first)
{
    if (!queue->first)
        queue->last = work;
    if (first) {
        work->next   = queue->first;
        queue->first = work;
    } else {
        work->next = NULL;
        if (queue->first)
            queue->last->next = work;
        else
            queue->first = work;
        queue->last = work;
    }
}

static sbl_queue_of_tasks *first_queue(sbl_budget *budget)
{
    if (budget->using_up.first)
        return &budget->using_up;
    return budget->loading.first ? &budget->loading : NULL;
}

static sabal_future *take_first(sbl_budget *budget, sbl_queue_of_tasks *queue)
{
    sbl_work *work = queue->first;

    queue->first = work->next;
    atomic_fetch_sub(&budget->waiting, 1);
    budget->stuck_since_ns = 0;
    return sbl_future_of_work(work);
}

/* With the lock held. */
static void come_again(sbl_budget *budget, sbl_ready *ready, sbl_queue_of_tasks *queue, int64_t bytes)
{
    sabal_future *f = take_first(budget, queue);

    f->admission = SBL_COMES_AGAIN;
    budget->coming++;
    budget->promised += bytes;
    sbl_ready_add(ready, f);
}

/* With the lock held: all for whom there is room. */
static void take_all_that_fit(sbl_budget *budget, sbl_ready *ready)
{
    sbl_queue_of_tasks *queue;

    while ((queue = first_queue(budget))) {
        need n = need_of(budget, sbl_future_of_work(queue->first));

        if (!sbl_client_is_closing(budget->client) && !atomic_load(&budget->is_unwatched) &&
            sbl_budget_used(budget) + budget->promised + n.bytes > mark_of(budget, n.uses_up))
            return;
        come_again(budget, ready, queue, n.bytes);
    }
}

static void look(sbl_budget *budget)
{
    sbl_ready ready = {0};

    pthread_mutex_lock(&budget->lock);
    take_all_that_fit(budget, &ready);
    pthread_mutex_unlock(&budget->lock);
    sbl_ready_post(&ready, budget->client);
    if (atomic_load(&budget->waiting))
        sbl_spiller_kick(budget);
}

/* Who frees memory does that first and looks for those who wait then; who waits says so first and looks for room then. */
void sbl_budget_look(sbl_budget *budget)
{
    if (!atomic_load(&budget->waiting) || !sbl_client_enter(budget->client, 0))
        return; /* who closes the client looks himself */
    look(budget);
    sbl_client_exit(budget->client);
}

/* From here on others may take it, and end it; its place in the queue is kept. Who asked it to end while it seemed to run
   is answered here: as in sbl_local_interrupt(), one of the two sees the other. */
static void wait_for_memory(sbl_budget *budget, sabal_future *f, int uses_up, int came_again)
{
    atomic_store(&f->stage, SBL_READY);
    sbl_chaos();
    if (atomic_load(&f->interrupted))
        sbl_end_unstarted(f);
    pthread_mutex_lock(&budget->lock);
    put(uses_up ? &budget->using_up : &budget->loading, &f->work, came_again);
    atomic_fetch_add(&budget->waiting, 1);
    pthread_mutex_unlock(&budget->lock);
    sbl_chaos();
    look(budget);
}

/* One that was posted again is there. */
static void has_come(sbl_budget *budget, need n)
{
    pthread_mutex_lock(&budget->lock);
    budget->coming--;
    budget->promised -= n.bytes < budget->promised ? n.bytes : budget->promised;
    if (!budget->coming)
        budget->promised = 0;
    pthread_mutex_unlock(&budget->lock);
}

void sbl_budget_miss(sabal_future *f)
{
    if (!f->admission)
        return;
    f->admission = 0;
    has_come(f->client->budget, (need){0});
    sbl_budget_look(f->client->budget);
}

static int may_not_wait(const sabal_future *f)
{
    return atomic_load_explicit(&f->interrupted, memory_order_relaxed) || sbl_client_is_closing(f->client) ||
           atomic_load_explicit(&f->client->budget->is_unwatched, memory_order_relaxed);
}

int sbl_budget_admit(sbl_grant *grant, sabal_future *f)
{
    sbl_budget *budget    = f->client->budget;
    uint8_t     admission = f->admission;
    need        n;

    grant->budget = NULL;
    if (!budget)
        return 1;
    n            = need_of_running(budget, f);
    f->admission = 0;
    if (admission)
        has_come(budget, n);
    if (!n.bytes && !n.uses_up)
        return 1;
    if (admission == SBL_COMES_ALONE || may_not_wait(f)) {
        reserve(grant, budget, n);
        return 1;
    }
    if ((admission || !n.bytes || !atomic_load(&budget->waiting)) && try_to_reserve(grant, budget, n)) {
        sbl_spiller_kick(budget);
        return 1;
    }
    wait_for_memory(budget, f, n.uses_up, admission != 0);
    return 0;
}

void sbl_budget_flush(sbl_budget *budget)
{
    if (budget)
        look(budget);
}

/* --- when nothing moves ----------------------------------------------------------------------------------------- */

int64_t sbl_budget_missing(sbl_budget *budget)
{
    sbl_queue_of_tasks *queue = first_queue(budget);
    need                n;

    if (!queue)
        return 0;
    n = need_of(budget, sbl_future_of_work(queue->first));
    return sbl_budget_used(budget) + budget->promised + n.bytes - mark_of(budget, n.uses_up);
}

static sbl_failure *refusal(sbl_budget *budget, sabal_future *f, int64_t taken)
{
    char        made_up[64], needs[32], limit[32], results[32];
    const char *name = sbl_future_name(f, made_up, sizeof made_up), *disk = budget->disk_failure.message;

    sbl_tell_bytes(needs, sizeof needs, need_of(budget, f).bytes);
    sbl_tell_bytes(limit, sizeof limit, budget->limit);
    sbl_tell_bytes(results, sizeof results, taken);
    return sbl_failure_of_task(f, budget->disk_failure.status ? budget->disk_failure.status : SABAL_ENOMEM,
                               "task '%s' needs %s, and results that can't leave memory take %s of the limit of %s: "
                               "release some, or allow more (memory_limit)%s%s",
                               name, needs, results, limit, disk[0] ? "; spilling failed: " : "", disk);
}

/* With the lock held, which is given up. Those behind it need not wait as long: nothing has changed for them. */
static void refuse(sbl_budget *budget, sbl_queue_of_tasks *queue, int64_t taken)
{
    const int64_t since = budget->stuck_since_ns;
    sabal_future *f     = take_first(budget, queue);
    sbl_failure  *why;

    budget->stuck_since_ns = since;
    why                    = refusal(budget, f, taken);
    if (!why->immortal)
        why->no_room = 1;
    pthread_mutex_unlock(&budget->lock);
    if (sbl_step(f, SBL_READY, SBL_ENDING)) {
        f->result.failure = why;
        f->failed         = 1;
        sbl_end(f, NULL);
    } else {
        sbl_failure_release(why);
    }
    sbl_future_unkeep(f);
}

void sbl_budget_dead_end(sbl_budget *budget)
{
    const int64_t       now   = sbl_clock_ns();
    sbl_ready           ready = {0};
    int64_t             taken = sbl_budget_own(budget); /* who lets one in alone doesn't mind what the program has */
    sbl_queue_of_tasks *queue;

    pthread_mutex_lock(&budget->lock);
    queue = first_queue(budget);
    if (!queue || budget->coming || atomic_load(&budget->running)) {
        budget->stuck_since_ns = 0;
    } else if (!budget->stuck_since_ns) {
        budget->stuck_since_ns = now;
    } else if ((taken < budget->limit || atomic_load(&budget->parked)) && now - budget->stuck_since_ns > ALONE_NS) {
        /* tasks that wait hold memory until what they wait for has run: that may be this one */
        come_again(budget, &ready, queue, 0);
        sbl_future_of_work(ready.first)->admission = SBL_COMES_ALONE;
    } else if (taken >= budget->limit && now - budget->stuck_since_ns > PATIENCE_NS) {
        refuse(budget, queue, taken);
        return;
    }
    pthread_mutex_unlock(&budget->lock);
    sbl_ready_post(&ready, budget->client);
}
