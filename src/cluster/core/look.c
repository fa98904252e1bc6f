/* What there is to see of workers, and of tasks that have not ended. */
#include "cluster/core/look.h"

#include "cluster/core/state.h"

enum { MOST_READ = 65536, MOST_EDGES = 4096 }; /* so that a look never takes long */

/* --- workers ------------------------------------------------------------------------------------------------------ */

/* A worker begins what it can in the order in which it got it: what its threads have is not told, but follows. */
static uint32_t running_of(const sbl_peer *w)
{
    const uint32_t can = w->n_sent - w->n_ahead, places = (uint32_t)(w->threads + w->spare);

    return can < places ? can : places;
}

int sbl_scheduler_worker_look(sbl_worker_look *look, const sbl_scheduler *s, uint32_t i)
{
    const sbl_peer *w;

    if (i >= s->n_workers)
        return 0;
    w     = sbl_peer_at(s, s->workers[i]);
    *look = (sbl_worker_look){.number     = w->number,
                              .threads    = w->threads,
                              .running    = running_of(w),
                              .queued     = w->n_sent - running_of(w) + w->ready.n,
                              .done       = w->n_done,
                              .failed     = w->n_failed,
                              .managed    = w->managed,
                              .limit      = w->limit,
                              .heard_ns   = w->heard_ns,
                              .is_suspect = w->is_suspect,
                              .is_leaving = w->is_leaving,
                              .resources  = &w->resources,
                              .left       = &w->left};
    return 1;
}

uint32_t sbl_scheduler_ready_of(const sbl_scheduler *s, uint32_t client)
{
    const uint32_t slot = sbl_peer_slot(s, client);

    return slot ? sbl_peer_at(s, slot)->roots.n + sbl_peer_at(s, slot)->n_ruled_ready : 0;
}

uint32_t sbl_scheduler_who_has(uint32_t *numbers, uint32_t room, const sbl_scheduler *s, uint32_t client,
                               uint64_t serial)
{
    const uint32_t   slot = sbl_peer_slot(s, client), task = slot ? sbl_serial_find(sbl_peer_at(s, slot), serial) : 0;
    const sbl_stask *t = task ? sbl_task_at(s, sbl_value_task(s, task)) : NULL;
    uint32_t         n = 0;

    if (!t || t->state != SBL_T_DONE)
        return 0;
    if (t->at == SBL_AT_WORKERS && t->worker && n++ < room)
        numbers[0] = sbl_peer_at(s, t->worker)->number;
    for (uint32_t copy = t->copies; copy; copy = sbl_copy_next(s, copy), n++)
        if (n < room)
            numbers[n] = sbl_peer_at(s, sbl_copy_worker(s, copy))->number;
    return n;
}

/* --- what waits --------------------------------------------------------------------------------------------------- */

static uint32_t number_of(const sbl_scheduler *s, uint32_t slot)
{
    return slot ? sbl_peer_at(s, slot)->number : 0;
}

static void describe(sbl_wait_for *f, const sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t = sbl_task_at(s, task);
    const int        at_some =
        t->state == SBL_T_SENT || t->state == SBL_T_READY || (t->state == SBL_T_DONE && t->at == SBL_AT_WORKERS);

    *f = (sbl_wait_for){.name   = t->spec ? sbl_spec_at(s, t->spec)->spec.name : "data",
                        .serial = t->serial,
                        .state  = t->state,
                        .worker = at_some ? number_of(s, t->worker) : 0};
}

/* Its inputs: first those that are not done, then others, as many as there is room for. */
static void describe_inputs(sbl_wait *wait, const sbl_scheduler *s, uint32_t task)
{
    for (int done = 0; done < 2; done++) {
        uint32_t n = 0;

        for (uint32_t e = sbl_task_at(s, task)->inputs; e && n < MOST_EDGES; e = sbl_edge_at(s, e)->next_input, n++) {
            const uint32_t input = sbl_edge_at(s, e)->input;

            if ((sbl_task_at(s, input)->state == SBL_T_DONE) == done && wait->n_shown < SBL_WAIT_INPUTS)
                describe(&wait->inputs[wait->n_shown++], s, input);
        }
        wait->n_inputs = n;
    }
}

/* Where it may run, if not anywhere. */
static void describe_rule(sbl_wait *wait, const sbl_scheduler *s, uint32_t rule)
{
    const sbl_srule *r = rule ? sbl_rule_at(s, rule) : NULL;

    wait->workers   = r ? r->workers : "";
    wait->resources = r ? r->resources : "";
    wait->n_may_run = r ? r->n_seats : s->n_workers;
}

typedef struct waits {
    const sbl_scheduler *s;
    sbl_wait            *to;
    uint32_t             n, most;
} waits;

static void add(waits *w, uint32_t task)
{
    const sbl_stask *t = sbl_task_at(w->s, task);
    sbl_wait        *wait;

    if (w->n >= w->most)
        return;
    wait  = &w->to[w->n++];
    *wait = (sbl_wait){.task    = task,
                       .attempt = t->attempt,
                       .client  = number_of(w->s, t->client),
                       .where   = t->spec ? sbl_spec_at(w->s, t->spec)->spec.where : "",
                       .missing = t->state == SBL_T_CHAINED ? 1 : t->missing};
    describe(&wait->self, w->s, task);
    describe_rule(wait, w->s, sbl_rule_of(w->s, t));
    describe_inputs(wait, w->s, task);
}

/* One of each worker first, so that none that stands still is missed. */
static void add_sent(waits *w, uint32_t most)
{
    for (uint32_t round = 0; round < most && w->n < most; round++)
        for (uint32_t i = 0; i < w->s->n_workers && w->n < most; i++) {
            uint32_t task = sbl_peer_at(w->s, w->s->workers[i])->sent;

            for (uint32_t k = 0; k < round && task; k++)
                task = sbl_task_at(w->s, task)->next;
            if (task)
                add(w, task);
        }
}

static void add_queue(waits *w, const sbl_squeue *q, uint32_t most)
{
    int32_t  priority;
    uint32_t task = sbl_squeue_first(q, &priority);

    for (; task && w->n < most; task = sbl_task_at(w->s, task)->next)
        add(w, task);
}

static void add_ready(waits *w, uint32_t most)
{
    for (uint32_t rule = 1; rule < w->s->rules.fresh && w->n < most; rule++)
        if (sbl_rule_at(w->s, rule)->refs)
            add_queue(w, &sbl_rule_at(w->s, rule)->ready, most - w->n > 4 ? w->n + 4 : most);
    for (uint32_t slot = 1; slot < w->s->peers.fresh && w->n < most; slot++)
        if (sbl_peer_at(w->s, slot)->number) {
            add_queue(w, &sbl_peer_at(w->s, slot)->ready, most);
            add_queue(w, &sbl_peer_at(w->s, slot)->roots, most);
        }
}

static void add_others(waits *w)
{
    for (uint32_t task = 1; task < w->s->tasks.fresh && task < MOST_READ && w->n < w->most; task++) {
        const int state = sbl_task_at(w->s, task)->state;

        if (state == SBL_T_WAITING || state == SBL_T_CHAINED)
            add(w, task);
    }
}

uint32_t sbl_scheduler_waits(sbl_wait *to, const sbl_scheduler *s, uint32_t most)
{
    waits w = {.s = s, .to = to, .most = most};

    add_sent(&w, (most + 1) / 2);
    add_ready(&w, most - most / 4);
    add_others(&w);
    return w.n;
}
