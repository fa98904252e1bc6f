/* How values go from process to process: one asks, the other answers. What a client keeps is offered first. */
#include "core/sim.h"

fetch *sim_fetch(sim *w, proc *p, int from, uint32_t task, uint32_t attempt)
{
    fetch *f = calloc(1, sizeof *f);

    if (!f)
        abort();
    *f         = (fetch){.id = ++w->ids, .task = task, .attempt = attempt, .from = from, .next = p->fetches};
    p->fetches = f;
    return f;
}

void sim_fetch_unlink(proc *p, fetch *f)
{
    fetch **link = &p->fetches;

    while (*link != f)
        link = &(*link)->next;
    *link = f->next;
}

static fetch *find(const proc *p, uint64_t id)
{
    fetch *f = p->fetches;

    while (f && f->id != id)
        f = f->next;
    return f;
}

/* It ends: with a value, or without. */
static void end(sim *w, proc *p, fetch *f, int found, uint64_t hash, uint64_t size)
{
    sim_fetch_unlink(p, f);
    sim_trace(w, "%d: fetch of %u.%u from %d %s", sim_number(w, p), f->task, f->attempt, f->from,
              found ? "has it" : "has nothing");
    if (f->item && found)
        sbl_executor_fetched(p->executor, f->item, sim_value(w, p, hash, size));
    else if (f->item)
        sbl_executor_lacking(p->executor, f->item);
    else
        sim_gathered(w, p, f->serial, hash, found, f->from);
    free(f);
    if (p->kind == A_WORKER)
        sim_start_runs(w, p);
    else
        sim_client_look(w, p);
    sim_flush(w, p);
}

static void no_answer(sim *w, event *e)
{
    proc  *p = &w->procs[e->proc];
    fetch *f = find(p, e->a);

    if (f)
        end(w, p, f, 0, 0, 0);
}

static void hear_answer(sim *w, event *e)
{
    proc  *p = &w->procs[e->proc];
    fetch *f = find(p, e->a);

    if (f && e->epoch == sim_epoch(w, e->from, e->proc))
        end(w, p, f, e->c != 0, e->b, e->c);
}

/* What it keeps as a client, by the name that the scheduler gave it. */
static value *kept_by(proc *p, uint32_t task, uint32_t attempt)
{
    for (uint32_t i = 0; p->own.n_kept && i < p->own.n; i++)
        if (p->own.futures[i].kept && p->own.futures[i].task == task && p->own.futures[i].attempt == attempt)
            return p->own.futures[i].kept;
    return NULL;
}

static value *find_value(proc *p, uint32_t task, uint32_t attempt)
{
    value *v = p->kind == A_WORKER ? sbl_executor_find(p->executor, task, attempt) : NULL;

    return v ? v : kept_by(p, task, attempt);
}

static void hear_question(sim *w, event *e)
{
    const uint32_t task = (uint32_t)(e->b >> 32), attempt = (uint32_t)e->b;
    proc          *p = &w->procs[e->proc];
    value         *v = find_value(p, task, attempt);
    int64_t        when;
    event         *answer;

    if (e->epoch != sim_epoch(w, e->from, e->proc))
        return;
    if (v && !v->is_alive)
        sim_say_wrong(w, "process %d gives a value that it forgot", sim_number(w, p));
    if (v && p->kind == A_WORKER && sim_has(w, F_DISK) && w->now < w->plan.faults_end && v->size > SBL_INLINE &&
        sim_chance(w, FROM_MEMORY, 0.02))
        v->is_lost = v != kept_by(p, task, attempt);
    if (v && v->is_lost)
        v = NULL; /* it can't be read back */
    when = sim_arrival(w, e->proc, e->from, v ? v->size : 0);
    if (v && sim_has(w, F_EVICTS) && sim_chance(w, FROM_MEMORY, 0.2))
        when += sim_about(w, FROM_MEMORY, 5e6);
    answer        = sim_at(w, when, e->from, hear_answer);
    answer->from  = e->proc;
    answer->epoch = e->epoch;
    answer->a     = e->a;
    answer->b     = v ? v->hash : 0;
    answer->c     = v ? v->size : 0;
}

static void give_up(sim *w, proc *p, const fetch *f, int64_t delay)
{
    event *e = sim_at(w, w->now + delay, sim_number(w, p), no_answer);

    e->a = f->id;
}

/* From itself too: by the same way. */
static void ask(sim *w, proc *p, fetch *f)
{
    const int me = sim_number(w, p);
    event    *e;

    if (f->from < 0 || !w->procs[f->from].is_alive) {
        give_up(w, p, f, 2 * MS);
        return;
    }
    e        = sim_at(w, sim_arrival(w, me, f->from, 0), f->from, hear_question);
    e->from  = me;
    e->epoch = sim_epoch(w, me, f->from);
    e->a     = f->id;
    e->b     = (uint64_t)f->task << 32 | f->attempt;
}

static int find_offer(proc *p, uint32_t task, uint32_t attempt)
{
    for (uint32_t i = p->n_offers; i-- > 0;)
        if (p->offers[i].task == task && p->offers[i].attempt == attempt)
            return p->offers[i].from;
    return -1;
}

/* Whoever was to offer it may be gone, or could not reach us. */
static void is_late(sim *w, event *e)
{
    fetch *f = find(&w->procs[e->proc], e->a);

    if (f && f->waits_for_offer)
        end(w, &w->procs[e->proc], f, 0, 0, 0);
}

void sim_ask(sim *w, proc *p, fetch *f)
{
    if (f->waits_for_offer) {
        const int from = find_offer(p, f->task, f->attempt);

        if (from < 0) {
            sim_at(w, w->now + SECOND, sim_number(w, p), is_late)->a = f->id;
            return;
        }
        f->waits_for_offer = 0;
        f->from            = from;
    }
    ask(w, p, f);
}

static void hear_offer(sim *w, event *e)
{
    proc *p = &w->procs[e->proc];

    if (e->epoch != sim_epoch(w, e->from, e->proc))
        return;
    p->offers                = sim_grow(p->offers, &p->offers_room, p->n_offers, sizeof *p->offers);
    p->offers[p->n_offers++] = (offer){.from = e->from, .task = (uint32_t)(e->b >> 32), .attempt = (uint32_t)e->b};
    for (fetch *f = p->fetches, *next; f; f = next) {
        next = f->next;
        if (f->waits_for_offer)
            sim_ask(w, p, f);
    }
}

void sim_offer(sim *w, proc *p, uint32_t task, uint32_t attempt, uint32_t worker)
{
    const int me = sim_number(w, p), to = sim_proc_of(w, worker);
    event    *e;

    if (to < 0 || !w->procs[to].is_alive)
        return;
    e        = sim_at(w, sim_arrival(w, me, to, 0), to, hear_offer);
    e->from  = me;
    e->epoch = sim_epoch(w, me, to);
    e->b     = (uint64_t)task << 32 | attempt;
}

void sim_fetches_fail(sim *w, proc *p, int from, int64_t delay)
{
    for (uint32_t i = 0; i < p->n_offers; i++)
        if (p->offers[i].from == from)
            p->offers[i--] = p->offers[--p->n_offers];
    for (fetch *f = p->fetches; f; f = f->next)
        if (f->from == from)
            give_up(w, p, f, delay);
}
