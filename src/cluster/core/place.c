/*
 * Which queue a task waits in. A task whose inputs lie with workers goes into the queue of the one that would begin it first: of
 * those who hold inputs, one that has nothing to do, and two others taken by a hash, never all. All other
 * tasks wait in their client's queue, and workers with room take from there, client by client (fill.c). What not all workers may run
 * waits in the queue of its rule (rules.c).
 */
#include "cluster/core/place.h"

enum { SAMPLES = 2, MOST_ALIKE = 64 };

/* --- which worker ------------------------------------------------------------------------------------------------- */

uint64_t sbl_bytes_away(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker)
{
    uint64_t bytes = 0;
    int      n     = 0;

    for (uint32_t e = t->inputs; e && n < SBL_LOOKED_AT; e = sbl_edge_at(s, e)->next_input, n++) {
        const uint32_t   input = sbl_value_task(s, sbl_edge_at(s, e)->input);
        const sbl_stask *in    = sbl_task_at(s, input);

        if (in->at != SBL_AT_SCHEDULER && !(worker && sbl_copy_is_at(s, input, worker)))
            bytes += in->size;
    }
    return bytes;
}

double sbl_guess_ns(const sbl_scheduler *s, const sbl_stask *t)
{
    const double known = sbl_cost_of(s, t);

    return known > 0 ? known : SBL_BRIEF_NS + (double)sbl_bytes_away(s, t, 0) * SBL_NS_A_BYTE * SBL_READING;
}

double sbl_price_ns(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker, double cost)
{
    const double move = (double)sbl_bytes_away(s, t, worker) * SBL_NS_A_BYTE;

    return cost < move / 2 ? SBL_DEAR * move : move;
}

/* Of one that a busy one has: by the last ones that it was sent. Of a kind of which none has ended, what all took. */
static double sent_ns(const sbl_scheduler *s, const sbl_peer *w)
{
    double   sum = 0;
    uint32_t n   = 0;

    for (uint32_t task = w->sent; task && n < SAMPLES; task = sbl_task_at(s, task)->next, n++) {
        const double known = sbl_cost_of(s, sbl_task_at(s, task));

        sum += known > 0 ? known : sbl_mean_of(w);
    }
    return sum / n;
}

/* Of one that is busy. What is in a queue is mostly of one kind. What runs for long may go on for as long. */
static double busy_ns(const sbl_scheduler *s, const sbl_peer *w, double cost)
{
    const double expected = w->n_sent * sent_ns(s, w), since = (double)(s->now_ns - w->moved_ns);

    return ((since > expected ? since : expected) + w->ready.n * cost) / w->threads;
}

/* Where a thread has nothing to do, what runs is no matter. */
double sbl_wait_ns(const sbl_scheduler *s, const sbl_peer *w, double cost)
{
    return sbl_is_busy(w) ? busy_ns(s, w, cost) : w->ready.n * cost / w->threads;
}

static void consider(const sbl_scheduler *s, const sbl_stask *t, double cost, uint32_t worker, uint32_t *best,
                     double *best_start)
{
    double start;

    if (!worker || worker == *best || !sbl_may_have_work(sbl_peer_at(s, worker)))
        return;
    start = sbl_wait_ns(s, sbl_peer_at(s, worker), cost) + sbl_price_ns(s, t, worker, cost);
    if (*best && start >= *best_start)
        return;
    *best       = worker;
    *best_start = start;
}

/* So that two schedulers with the same history choose alike. */
static uint32_t hashed(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

uint32_t sbl_any_worker(const sbl_scheduler *s, uint32_t key)
{
    return s->n_workers ? s->workers[(uint64_t)hashed(key) * s->n_workers >> 32] : 0;
}

/* 0: any will do as well. */
static uint32_t choose_worker(sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t          = sbl_task_at(s, task);
    const double     cost       = sbl_guess_ns(s, t);
    uint32_t         best       = 0;
    double           best_start = 0;
    int              n          = 0;

    for (uint32_t e = t->inputs; e && n < SBL_LOOKED_AT; e = sbl_edge_at(s, e)->next_input, n++) {
        const sbl_stask *in = sbl_task_at(s, sbl_value_task(s, sbl_edge_at(s, e)->input));

        if (in->at == SBL_AT_WORKERS)
            consider(s, t, cost, in->worker, &best, &best_start);
        else if (in->at == SBL_AT_CLIENT && in->copies)
            consider(s, t, cost, sbl_copy_first(s, in), &best, &best_start);
    }
    if (!best)
        return 0;
    consider(s, t, cost, s->first_hungry, &best, &best_start);
    for (uint32_t i = 0; i < SAMPLES; i++)
        consider(s, t, cost, sbl_any_worker(s, task * SAMPLES + i), &best, &best_start);
    return best;
}

/* Of tasks that have but one input, the same for all, some go together where the first goes, unless somebody has nothing to do: they
   lie together in memory, here and there. */
static uint32_t choose_for_some(sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t     = sbl_task_at(s, task);
    const sbl_sedge *edge  = sbl_edge_at(s, t->inputs);
    const uint32_t   input = edge->next_input ? 0 : edge->input;

    if (!input || input != s->last_input || s->n_hungry || s->n_alike >= MOST_ALIKE ||
        !sbl_may_have_work(sbl_peer_at(s, s->last_worker))) {
        s->n_alike     = 0;
        s->last_worker = choose_worker(s, task);
        s->last_input  = s->last_worker ? input : 0;
    }
    s->n_alike++;
    return s->last_worker;
}

/* --- queues ------------------------------------------------------------------------------------------------------- */

static void ring_roots(sbl_scheduler *s, uint32_t client)
{
    sbl_peer *c = sbl_peer_at(s, client);

    if (c->in_roots)
        return;
    c->in_roots = 1;
    if (!s->roots) {
        s->roots = c->next_roots = c->previous_roots = client;
        return;
    }
    c->next_roots                                 = s->roots;
    c->previous_roots                             = sbl_peer_at(s, s->roots)->previous_roots;
    sbl_peer_at(s, c->previous_roots)->next_roots = client;
    sbl_peer_at(s, s->roots)->previous_roots      = client;
}

static void unring_roots(sbl_scheduler *s, uint32_t client)
{
    sbl_peer *c = sbl_peer_at(s, client);

    if (!c->in_roots)
        return;
    c->in_roots = 0;
    if (c->next_roots == client) {
        s->roots = 0;
        return;
    }
    sbl_peer_at(s, c->next_roots)->previous_roots = c->previous_roots;
    sbl_peer_at(s, c->previous_roots)->next_roots = c->next_roots;
    if (s->roots == client)
        s->roots = c->next_roots;
}

/* Of what any worker may run. */
static sbl_squeue *queue_of(sbl_scheduler *s, const sbl_stask *t)
{
    return t->worker ? &sbl_peer_at(s, t->worker)->ready : &sbl_peer_at(s, t->client)->roots;
}

void sbl_place(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    if (sbl_rule_of(s, t)) {
        sbl_rule_place(s, task);
        return;
    }
    t->worker = t->inputs ? choose_for_some(s, task) : 0;
    /* What others made ready goes before what has not begun: it ends what is in memory. So does what had its turn and came back. */
    if (!sbl_squeue_add(s, queue_of(s, t), task, sbl_priority_of(s, t),
                        t->was_sent || (!t->worker && t->inputs) ? SBL_BEFORE : SBL_BEHIND))
        s->no_memory = 1;
    if (t->worker) {
        sbl_hungry_remove(s, t->worker); /* so that the next one goes to another */
        sbl_may_fill(s, t->worker);
        return;
    }
    s->n_roots++;
    ring_roots(s, t->client);
    if (!t->inputs || !sbl_near_place_any(s, task))
        sbl_feed_one(s);
}

void sbl_unplace(sbl_scheduler *s, uint32_t task)
{
    sbl_stask  *t = sbl_task_at(s, task);
    sbl_squeue *q = queue_of(s, t);

    if (sbl_rule_of(s, t)) {
        sbl_rule_unplace(s, task);
        return;
    }
    sbl_squeue_remove(s, q, task, sbl_priority_of(s, t));
    if (t->worker)
        return;
    s->n_roots--;
    if (!q->n)
        unring_roots(s, t->client);
}

void sbl_queue_scatter(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);
    uint32_t  task;
    int32_t   priority;

    while ((task = sbl_squeue_first(&w->ready, &priority))) {
        sbl_unplace(s, task);
        sbl_place(s, task);
    }
}
