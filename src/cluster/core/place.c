/*
 * Where tasks run. A task whose inputs lie with workers goes into the queue of the one that would begin it first: of those who
 * hold inputs, and two others taken by a hash, never all. All other tasks wait in their client's queue, and workers with room
 * take from there, client by client. A worker has little more than it works at: for each thread one task, and one more; of
 * short ones as many as take it some milliseconds. Of these it is sent those that depend on what it makes itself, ahead.
 */
#include "cluster/core/state.h"

#define HORIZON_NS 2e6 /* what a thread of a worker is to have before it */
#define NS_A_BYTE  1.0 /* between two workers, until it was measured */
#define UNKNOWN_NS 1e6 /* what a task takes of which none has ended */
enum { LOOKED_AT = 16, SAMPLES = 2, MOST_SENT = 1 << 14, SMALL_BYTES = 65536 };

static double cost_of(const sbl_scheduler *s, const sbl_stask *t)
{
    return t->spec ? sbl_spec_at(s, t->spec)->cost_ns : 0;
}

static int32_t priority_of(const sbl_scheduler *s, const sbl_stask *t)
{
    return t->spec ? sbl_spec_at(s, t->spec)->spec.priority : 0;
}

/* What its result will take, as was said. */
static uint64_t size_of(const sbl_scheduler *s, const sbl_stask *t)
{
    return t->spec ? sbl_spec_at(s, t->spec)->spec.size : 0;
}

static int may_have_work(const sbl_peer *w)
{
    return w->number && w->is_worker && !w->is_suspect && !w->is_leaving && !w->is_dropped;
}

static uint32_t n_runnable(const sbl_peer *w)
{
    return w->n_sent - w->n_ahead;
}

/* Each of its threads has something to do. */
static int is_busy(const sbl_peer *w)
{
    return n_runnable(w) >= (uint32_t)(w->threads + w->spare);
}

/* Whether n tasks more than those are too many. */
static int fits(const sbl_peer *w, uint32_t n, double cost)
{
    const double mean = w->mean_ns > cost ? w->mean_ns : cost;

    return cost > 0 && n < MOST_SENT && (n + 1) * mean <= HORIZON_NS * w->threads;
}

static int has_room(const sbl_peer *w, double cost)
{
    return may_have_work(w) &&
           (n_runnable(w) < (uint32_t)(w->threads + w->spare + 1) || fits(w, n_runnable(w) - (uint32_t)w->spare, cost));
}

/* --- which worker ------------------------------------------------------------------------------------------------- */

/* What of its inputs that worker lacks. */
static uint64_t bytes_away(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker)
{
    uint64_t bytes = 0;
    int      n     = 0;

    for (uint32_t e = t->inputs; e && n < LOOKED_AT; e = sbl_edge_at(s, e)->next_input, n++) {
        const sbl_stask *in = sbl_task_at(s, sbl_value_task(s, sbl_edge_at(s, e)->input));

        if (in->at != SBL_AT_SCHEDULER && !sbl_copy_is_at(s, in, worker))
            bytes += in->size;
    }
    return bytes;
}

/* When it could begin there. */
static double start_at(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker)
{
    const sbl_peer *w    = sbl_peer_at(s, worker);
    const double    mean = w->mean_ns > 0 ? w->mean_ns : UNKNOWN_NS;

    return (w->n_sent + w->ready.n) * mean / w->threads + (double)bytes_away(s, t, worker) * NS_A_BYTE;
}

static void consider(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker, uint32_t *best, double *best_start)
{
    double start;

    if (!worker || worker == *best || !may_have_work(sbl_peer_at(s, worker)))
        return;
    start = start_at(s, t, worker);
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

static uint32_t any_worker(const sbl_scheduler *s, uint32_t key)
{
    return s->n_workers ? s->workers[(uint64_t)hashed(key) * s->n_workers >> 32] : 0;
}

/* 0: any will do as well. */
static uint32_t choose_worker(sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t          = sbl_task_at(s, task);
    uint32_t         best       = 0;
    double           best_start = 0;
    int              n          = 0;

    for (uint32_t e = t->inputs; e && n < LOOKED_AT; e = sbl_edge_at(s, e)->next_input, n++) {
        const sbl_stask *in = sbl_task_at(s, sbl_value_task(s, sbl_edge_at(s, e)->input));

        if (in->at == SBL_AT_WORKERS)
            consider(s, t, in->worker, &best, &best_start);
        else if (in->at == SBL_AT_CLIENT && in->copies)
            consider(s, t, sbl_copy_first(s, in), &best, &best_start);
    }
    if (!best)
        return 0;
    for (uint32_t i = 0; i < SAMPLES; i++)
        consider(s, t, any_worker(s, task * SAMPLES + i), &best, &best_start);
    return best;
}

/* --- who has nothing to do ---------------------------------------------------------------------------------------- */

static void hungry_add(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (w->is_hungry || !may_have_work(w))
        return;
    w->is_hungry       = 1;
    w->next_hungry     = 0;
    w->previous_hungry = s->last_hungry;
    if (s->last_hungry)
        sbl_peer_at(s, s->last_hungry)->next_hungry = worker;
    else
        s->first_hungry = worker;
    s->last_hungry = worker;
    s->n_hungry++;
}

void sbl_hungry_remove(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (!w->is_hungry)
        return;
    w->is_hungry = 0;
    if (w->previous_hungry)
        sbl_peer_at(s, w->previous_hungry)->next_hungry = w->next_hungry;
    else
        s->first_hungry = w->next_hungry;
    if (w->next_hungry)
        sbl_peer_at(s, w->next_hungry)->previous_hungry = w->previous_hungry;
    else
        s->last_hungry = w->previous_hungry;
    s->n_hungry--;
}

void sbl_may_fill(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (w->to_fill || !may_have_work(w))
        return;
    w->to_fill    = 1;
    w->next_fill  = s->first_fill;
    s->first_fill = worker;
}

/* One of those who have nothing to do may have what there is now. */
static void feed_one(sbl_scheduler *s)
{
    const uint32_t worker = s->first_hungry;

    if (!worker)
        return;
    sbl_hungry_remove(s, worker);
    sbl_may_fill(s, worker);
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

static sbl_squeue *queue_of(sbl_scheduler *s, const sbl_stask *t)
{
    return t->worker ? &sbl_peer_at(s, t->worker)->ready : &sbl_peer_at(s, t->client)->roots;
}

void sbl_place(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    t->worker = t->inputs ? choose_worker(s, task) : 0;
    /* What others made ready goes before what has not begun: it ends what is in memory. */
    if (!sbl_squeue_add(s, queue_of(s, t), task, priority_of(s, t), !t->worker && t->inputs))
        s->no_memory = 1;
    if (t->worker) {
        sbl_may_fill(s, t->worker);
        return;
    }
    s->n_roots++;
    ring_roots(s, t->client);
    feed_one(s);
}

void sbl_unplace(sbl_scheduler *s, uint32_t task)
{
    sbl_stask  *t = sbl_task_at(s, task);
    sbl_squeue *q = queue_of(s, t);

    sbl_squeue_remove(s, q, task, priority_of(s, t));
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

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* How many of its inputs are not done; that worker makes all of them, or -1. */
static int32_t missing_from(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker)
{
    int32_t n = 0;

    for (uint32_t e = t->inputs; e; e = sbl_edge_at(s, e)->next_input) {
        const sbl_stask *in = sbl_task_at(s, sbl_edge_at(s, e)->input);

        if (in->state == SBL_T_DONE)
            continue;
        if (in->state != SBL_T_SENT || in->worker != worker)
            return -1;
        n++;
    }
    return n;
}

static void send(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_peer  *w = sbl_peer_at(s, worker);

    sbl_post(s, SBL_E_SEND, task, 0, 0);
    sbl_settle(s);
    t->worker = worker;
    w->n_sent++;
    w->n_ahead += t->missing != 0;
    w->promised += size_of(s, t);
    s->n_sent++;
    sbl_tasks_add(s, &w->sent, task);
    sbl_order_send(s, task, worker);
    if (t->dependents && !sbl_ring_add(&w->frontier, (uint64_t)task << 32 | t->attempt))
        s->no_memory = 1;
}

void sbl_unsend(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_peer  *w = sbl_peer_at(s, t->worker);

    sbl_tasks_remove(s, &w->sent, task);
    w->n_sent--;
    w->n_ahead -= t->missing != 0;
    w->promised -= size_of(s, t);
    sbl_may_fill(s, t->worker);
}

/* Those that wait for one of its tasks, and for nothing that it does not make. 0: there is no room for more. */
static int send_ahead_of(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    for (uint32_t e = sbl_task_at(s, task)->dependents; e; e = sbl_edge_at(s, e)->next) {
        const uint32_t   owner = sbl_edge_at(s, e)->owner;
        const sbl_stask *d     = sbl_task_at(s, owner);

        if (d->state != SBL_T_WAITING || missing_from(s, d, worker) <= 0)
            continue;
        if (w->n_ahead >= (uint32_t)w->threads && !fits(w, w->n_ahead, cost_of(s, d)))
            return 0;
        send(s, owner, worker);
    }
    return 1;
}

static void send_ahead(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);
    uint64_t  item;

    while (w->frontier.n) {
        const uint64_t   first = w->frontier.items[w->frontier.first];
        const sbl_stask *t     = sbl_task_at(s, (uint32_t)(first >> 32));

        if (t->state == SBL_T_SENT && t->worker == worker && t->attempt == (uint32_t)first &&
            !send_ahead_of(s, (uint32_t)(first >> 32), worker))
            break;
        sbl_ring_take(&w->frontier, &item);
    }
}

/* The next task for a worker from its own queue or that of the client whose turn it is; 0: there is none. */
static uint32_t next_for(sbl_scheduler *s, const sbl_peer *w, int *is_root)
{
    int32_t  own_priority, root_priority;
    uint32_t own = sbl_squeue_first(&w->ready, &own_priority), root = 0;

    if (s->roots)
        root = sbl_squeue_first(&sbl_peer_at(s, s->roots)->roots, &root_priority);
    *is_root = root && (!own || root_priority > own_priority);
    return *is_root ? root : own;
}

/* What a worker would have beyond the rest if it may not be given this root: results of others fill its memory. */
static int has_memory_for(const sbl_scheduler *s, const sbl_peer *w, const sbl_stask *t)
{
    return !w->limit || !w->n_sent || w->managed + w->promised + size_of(s, t) <= w->limit / 5 * 4;
}

/* From the queue of one of two others, if that has more than it would begin soon, and it pays. */
static uint32_t take_from_other(sbl_scheduler *s, uint32_t worker)
{
    for (int i = 0; i < 2 * SAMPLES; i++) {
        const uint32_t  other = any_worker(s, s->turn++);
        const sbl_peer *v     = other ? sbl_peer_at(s, other) : NULL;
        const uint32_t  task  = other && other != worker ? sbl_squeue_first(&v->ready, &(int32_t){0}) : 0;
        const double    mean  = v && v->mean_ns > 0 ? v->mean_ns : UNKNOWN_NS;

        if (task &&
            v->ready.n * mean / v->threads >= 2 * NS_A_BYTE * (double)bytes_away(s, sbl_task_at(s, task), worker))
            return task;
    }
    return 0;
}

/* Asks one of two others to give back what it has not begun, and would not soon. */
static void ask_other(sbl_scheduler *s, uint32_t worker)
{
    for (int i = 0; i < 2 * SAMPLES; i++) {
        const uint32_t other = any_worker(s, s->turn++);
        sbl_peer      *v     = other ? sbl_peer_at(s, other) : NULL;
        const uint32_t own   = v ? (uint32_t)(v->threads + v->spare) : 0;

        if (!v || other == worker || v->asked || n_runnable(v) <= own)
            continue;
        v->asked = 1;
        sbl_say_u32(sbl_letter_to(s, other, SBL_LETTER_GIVE), (n_runnable(v) - own + 1) / 2);
        return;
    }
}

static void fill(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w     = sbl_peer_at(s, worker);
    uint64_t  share = s->n_roots / (2 * (uint64_t)s->n_workers) + 1; /* so that all workers get some of the last ones */

    for (;;) {
        int      is_root;
        uint32_t task = next_for(s, w, &is_root);

        if (!task && !is_busy(w))
            task = take_from_other(s, worker);
        if (!task || !has_room(w, cost_of(s, sbl_task_at(s, task))))
            break;
        if (is_root && ((is_busy(w) && !share--) || !has_memory_for(s, w, sbl_task_at(s, task))))
            break;
        if (is_root)
            s->roots = sbl_peer_at(s, s->roots)->next_roots;
        send(s, task, worker);
    }
    send_ahead(s, worker);
    sbl_hungry_remove(s, worker);
    if (n_runnable(w) <= (uint32_t)(w->threads + w->spare))
        hungry_add(s, worker);
    else
        feed_one(s); /* there is something to be had here */
    if (!is_busy(w))
        ask_other(s, worker);
}

void sbl_fill_workers(sbl_scheduler *s)
{
    while (s->first_fill) {
        const uint32_t worker = s->first_fill;
        sbl_peer      *w      = sbl_peer_at(s, worker);

        s->first_fill = w->next_fill;
        w->to_fill    = 0;
        if (may_have_work(w))
            fill(s, worker);
    }
}
