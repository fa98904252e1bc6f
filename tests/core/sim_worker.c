/* A worker: what the executor asks for, on threads that take simulated time. */
#include "core/sim.h"

enum { MOST_GIVEN = 48 };

/* --- runs --------------------------------------------------------------------------------------------------------- */

static run *run_of(proc *p, const sbl_item *item)
{
    run *r = p->runs;

    while (r && r->item != item)
        r = r->next;
    return r;
}

static void end_run(proc *p, run *r)
{
    run **link = &p->runs;

    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    if (r->state != QUEUED)
        p->busy--;
    free(r);
}

static void say_spare(sim *w, proc *p)
{
    uint32_t n = 0;

    for (const run *r = p->runs; r; r = r->next)
        n += r->state == NESTING;
    if (n == p->spare)
        return;
    p->spare = n;
    sbl_executor_spare(p->executor, n);
}

static void fail(sim *w, proc *p, run *r, sabal_status status)
{
    sabal_error err  = SABAL_ERROR_INIT;
    sbl_item   *item = r->item;

    err.status = status;
    snprintf(err.message, sizeof err.message, "node %u", r->node);
    end_run(p, r);
    sbl_executor_failed(p->executor, item, &err);
}

static void finish(sim *w, proc *p, run *r)
{
    const node *d                 = &w->nodes[r->node];
    sbl_item   *item              = r->item;
    char        bytes[SBL_INLINE] = {0};
    value      *v;

    sim_check_inputs(w, p, r, "ends");
    v = sim_value(w, p, d->hash, d->size);
    memcpy(bytes, &d->hash, sizeof d->hash);
    end_run(p, r);
    sbl_executor_finished(p->executor, item, v, d->size, (uint64_t)d->duration, d->size <= SBL_INLINE ? bytes : NULL,
                          (uint32_t)d->size | (d->hash & 1 ? SBL_ENCODED : 0));
}

/* --- tasks that submit tasks -------------------------------------------------------------------------------------- */

static void submit_children(sim *w, proc *p, run *r)
{
    const program *c = &w->programs[w->nodes[r->node].child];

    r->first = p->own.n;
    for (uint32_t i = 0; i < c->n_batches; i++)
        sim_submit(w, p, &w->batches[c->first_batch + i], c->first_node - r->first);
}

static void release_children(sim *w, proc *p, const run *r, int cancels)
{
    const program *c = &w->programs[w->nodes[r->node].child];

    for (uint32_t i = 0; i < c->n_nodes; i++) {
        p->own.futures[r->first + i].waiter = NULL;
        if (cancels)
            sim_cancel(w, p, r->first + i);
        sim_release(w, p, r->first + i);
    }
}

static void wait_for_children(sim *w, proc *p, run *r)
{
    const program *c = &w->programs[w->nodes[r->node].child];

    r->state = NESTING;
    for (uint32_t i = sim_first_awaited(w, c) - c->first_node; i < c->n_nodes; i++) {
        future *f = &p->own.futures[r->first + i];

        f->waiter = r;
        r->awaits++;
        if (sim_future_is_settled(f)) /* data */
            sim_child_ended(w, p, r, f);
    }
    say_spare(w, p);
}

static void after_children(sim *w, event *e)
{
    proc *p = &w->procs[e->proc];
    run  *r = p->runs;

    while (r && r->id != e->a)
        r = r->next;
    if (!r || r->awaits || r->state != NESTING)
        return;
    release_children(w, p, r, r->is_stopped);
    r->state = RUNNING;
    if (r->is_stopped)
        fail(w, p, r, SABAL_ECANCELED);
    else if (r->child_failed)
        fail(w, p, r, (sabal_status)r->child_status);
    else
        finish(w, p, r);
    say_spare(w, p);
    sim_start_runs(w, p);
    sim_flush(w, p);
}

void sim_child_gathered(sim *w, proc *p, run *r)
{
    event *e;

    if (!r->awaits || --r->awaits)
        return;
    e    = sim_at(w, w->now, sim_number(w, p), after_children);
    e->a = r->id;
}

void sim_child_ended(sim *w, proc *p, run *r, const future *f)
{
    if (f->is_failed) {
        r->child_failed = 1;
        r->child_status = f->status;
    }
    sim_gather(w, p, (uint32_t)(f - p->own.futures));
    if (f->is_gathered || f->is_failed)
        sim_child_gathered(w, p, r);
}

/* It returns the last of what it submitted, which may have ended by then. */
static void return_child(sim *w, proc *p, run *r)
{
    const program *c    = &w->programs[w->nodes[r->node].child];
    sbl_item      *item = r->item;
    const run      copy = *r;

    end_run(p, r);
    sbl_executor_chained(p->executor, item, copy.first + c->n_nodes);
    sim_flush(w, p); /* and is released after */
    if (p->is_alive)
        release_children(w, p, &copy, 0);
}

static void return_later(sim *w, event *e)
{
    proc *p = &w->procs[e->proc];
    run  *r = p->runs;

    while (r && r->id != e->a)
        r = r->next;
    if (!r)
        return;
    if (r->is_stopped) {
        release_children(w, p, r, 1);
        fail(w, p, r, SABAL_ECANCELED);
    } else {
        return_child(w, p, r);
    }
    if (p->is_alive)
        sim_start_runs(w, p);
    sim_flush(w, p);
}

static void chain(sim *w, proc *p, run *r)
{
    event *e;

    sim_check_inputs(w, p, r, "ends");
    submit_children(w, p, r);
    sim_flush(w, p); /* what it returns has been submitted before */
    if (!p->is_alive)
        return;
    if (!sim_chance(w, FROM_TASKS, 0.3)) {
        return_child(w, p, r);
        return;
    }
    e    = sim_at(w, w->now + sim_about(w, FROM_TASKS, 4 * (w->plan.duration + w->plan.delay)), sim_number(w, p),
                  return_later);
    e->a = r->id;
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static int crashes(sim *w, node *d)
{
    if (d->kind == POISON)
        return 1;
    return d->kind == CRASHES && d->flaky && d->flaky-- > 0;
}

/* Its supervisor knows: first what ended it. */
static void note_what_ran(proc *p, const run *guilty)
{
    p->ran[0] = (sbl_ran){guilty->order->task, guilty->order->attempt, 1};
    p->n_ran  = 1;
    for (const run *r = p->runs; r && p->n_ran < RAN; r = r->next)
        if (r != guilty && (r->state == RUNNING || r->state == NESTING))
            p->ran[p->n_ran++] = (sbl_ran){r->order->task, r->order->attempt, 0};
}

static void after_time(sim *w, event *e)
{
    proc *p = &w->procs[e->proc];
    run  *r = p->runs;
    node *d;

    while (r && r->id != e->a)
        r = r->next;
    if (!r)
        return;
    d = &w->nodes[r->node];
    sim_trace(w, "%d: %u.%u (node %u) has run", e->proc, r->order->task, r->order->attempt, r->node);
    if (r->is_stopped) {
        fail(w, p, r, SABAL_ECANCELED);
    } else if (crashes(w, d)) {
        note_what_ran(p, r);
        sim_kill(w, e->proc, END_TOLD);
        return;
    } else if (d->kind == FAILS || (d->kind == FLAKY && d->flaky && d->flaky-- > 0)) {
        fail(w, p, r, d->kind == FAILS ? SABAL_EVALUE : SABAL_EIO);
    } else if (d->kind == CHAIN) {
        chain(w, p, r);
    } else if (d->kind == NEST) {
        submit_children(w, p, r);
        wait_for_children(w, p, r);
    } else {
        finish(w, p, r);
    }
    if (p->is_alive)
        sim_start_runs(w, p);
    sim_flush(w, p);
}

/* The one of those that wait which goes first. */
static run *next_run(const proc *p)
{
    run *best = NULL;

    for (run *r = p->runs; r; r = r->next)
        if (r->state == QUEUED && (!best || r->order->rank < best->order->rank))
            best = r;
    return best;
}

/* Who has an input that can't be read is given back. */
static int cant_read(sim *w, proc *p, run *r)
{
    const int input = sim_unreadable(w, r);
    sbl_item *item  = r->item;

    if (input < 0)
        return 0;
    sim_trace(w, "%d: an input of node %u can't be read", sim_number(w, p), r->node);
    w->nodes[r->node].n_given = 0; /* it was to begin there */
    r->state                  = RUNNING;
    p->busy++;
    end_run(p, r);
    sbl_executor_unreadable(p->executor, item, (uint32_t)input);
    return 1;
}

static int has_no_room(sim *w, proc *p, run *r)
{
    sabal_error err  = SABAL_ERROR_INIT;
    sbl_item   *item = r->item;

    if (!sim_has_no_room(w, p, r->node))
        return 0;
    err.status = SABAL_ENOSPC;
    snprintf(err.message, sizeof err.message, "process %d has no room for node %u", sim_number(w, p), r->node);
    sim_trace(w, "%s", err.message);
    end_run(p, r);
    sbl_executor_refused(p->executor, item, &err);
    return 1;
}

void sim_start_runs(sim *w, proc *p)
{
    run *r;

    while (p->is_alive && p->busy < p->threads + p->spare && (r = next_run(p))) {
        const node *d = &w->nodes[r->node];
        event      *e;
        int64_t     late = 0;

        sim_check_inputs(w, p, r, "begins");
        if (p->specs[r->order->spec % MANY_SPECS] != d->spec)
            sim_say_wrong(w, "process %d runs node %u as of another spec: %u is %u, not %u", sim_number(w, p), r->node,
                          r->order->spec, p->specs[r->order->spec % MANY_SPECS], d->spec);
        if (cant_read(w, p, r) || has_no_room(w, p, r))
            continue;
        if (sim_has(w, F_EVICTS) && r->order->n_inputs && sim_chance(w, FROM_MEMORY, 0.1))
            late = sim_about(w, FROM_MEMORY, 5e6);
        r->state = RUNNING;
        p->busy++;
        w->n_runs++;
        w->nodes[r->node].n_given = 0;
        if (w->nodes[r->node].n_begun++ && !w->nodes[r->node].is_each && !sim_has(w, F_MAKE_AGAIN) && !w->n_cut_short)
            sim_say_wrong(w, "node %u runs again, and nothing was lost", r->node);
        e    = sim_at(w, w->now + late + d->duration, sim_number(w, p), after_time);
        e->a = r->id;
    }
}

/* --- what the executor asks for ----------------------------------------------------------------------------------- */

static void on_spec(void *arg, const sbl_spec *spec)
{
    proc *p     = arg;
    int   known = 0;

    for (uint32_t i = 0; i < SPECS; i++) {
        const sbl_spec *s = sim_spec(i);

        known |= !strcmp(s->name, spec->name) && !strcmp(s->where, spec->where) && s->code_size == spec->code_size &&
                 !memcmp(s->code, spec->code, s->code_size) && s->priority == spec->priority;
        if (!strcmp(s->name, spec->name))
            p->specs[spec->number % MANY_SPECS] = (uint8_t)i;
    }
    if (!known)
        sim_say_wrong(p->world, "a spec that nobody told");
}

static void *on_value_of(void *arg, const char *bytes, uint32_t n)
{
    proc    *p = arg;
    uint64_t hash;

    memcpy(&hash, bytes, sizeof hash);
    if ((n & SBL_ENCODED) != (hash & 1 ? SBL_ENCODED : 0))
        sim_say_wrong(p->world, "a value is told as of another kind");
    return sim_value(p->world, p, hash, SBL_BYTES_OF(n));
}

static void on_forget(void *arg, void *v)
{
    sim_forget(((proc *)arg)->world, arg, v);
}

static void on_run(void *arg, sbl_item *item, const sbl_task_run *order)
{
    proc    *p = arg;
    sim     *w = p->world;
    run     *r = calloc(1, sizeof *r);
    uint32_t at;

    if (!r)
        abort();
    memcpy(&at, order->arg, sizeof at);
    *r      = (run){.item = item, .order = order, .node = at, .id = ++w->ids, .next = p->runs};
    p->runs = r;
    if (at >= w->n_nodes || order->arg_size != w->nodes[at].arg_size)
        sim_say_wrong(w, "process %d is to run what nobody submitted", sim_number(w, p));
    for (uint32_t i = 4; i < order->arg_size && !w->wrong[0]; i++)
        if (((const uint8_t *)order->arg)[i] != (at & 0xff))
            sim_say_wrong(w, "process %d is to run node %u with another argument", sim_number(w, p), at);
}

static int on_take_back(void *arg, sbl_item *item)
{
    proc *p = arg;
    run  *r = run_of(p, item);

    if (!r || r->state != QUEUED)
        return 0;
    if (++p->world->nodes[r->node].n_given > MOST_GIVEN)
        sim_say_wrong(p->world, "node %u is given back, and sent again, for ever", r->node);
    end_run(p, r);
    return 1;
}

static void on_interrupt(void *arg, sbl_item *item)
{
    proc  *p = arg;
    run   *r = run_of(p, item);
    event *e;

    if (!r) {
        sim_say_wrong(p->world, "what does not run is interrupted");
        return;
    }
    r->is_stopped = 1;
    if (r->state == NESTING && r->awaits) {
        r->awaits = 0;
        e         = sim_at(p->world, p->world->now, sim_number(p->world, p), after_children);
        e->a      = r->id;
    }
}

static void on_fetch(void *arg, sbl_item *item, uint32_t task, uint32_t attempt, uint64_t size, uint32_t worker,
                     uint32_t client)
{
    proc  *p = arg;
    sim   *w = p->world;
    fetch *f =
        sim_fetch(w, p, worker == SBL_CLIENT_HAS ? sim_proc_of(w, client) : sim_proc_of(w, worker), task, attempt);

    f->item            = item;
    f->waits_for_offer = worker == SBL_CLIENT_HAS;
    if (!f->waits_for_offer && !sim_has_met(p, worker))
        sim_say_wrong(w, "process %d is sent to peer %u, whom it never met", sim_number(w, p), worker);
    sim_ask(w, p, f);
}

static void on_stop_fetch(void *arg, sbl_item *item)
{
    proc  *p = arg;
    fetch *f = p->fetches;

    while (f && f->item != item)
        f = f->next;
    if (!f) {
        sim_say_wrong(p->world, "a fetch is stopped that there is not");
        return;
    }
    sim_fetch_unlink(p, f);
    free(f);
}

static void part(sim *w, event *e)
{
    if (w->procs[e->proc].is_alive)
        sim_kill(w, e->proc, END_PLANNED);
}

/* It was not told in time that it may. */
static void part_anyhow(sim *w, event *e)
{
    w->n_cut_short += w->procs[e->proc].is_alive;
    part(w, e);
}

static void on_may_part(void *arg)
{
    proc *p = arg;

    sim_trace(p->world, "%d: may leave", sim_number(p->world, p));
    sim_at(p->world, p->world->now, sim_number(p->world, p), part);
}

/* It wants to leave, and does so in any case. */
void sim_worker_retire(sim *w, int number)
{
    proc *p = &w->procs[number];

    if (!p->is_alive || !p->is_linked || p->is_leaving)
        return;
    p->is_leaving = 1;
    sim_trace(w, "%d: retires", number);
    sbl_executor_retire(p->executor);
    sim_flush(w, p);
    sim_at(w, w->now + 5 * SECOND, number, part_anyhow);
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static void beat(sim *w, event *e)
{
    proc   *p     = &w->procs[e->proc];
    int64_t after = 200 * MS;

    if (!p->is_linked)
        return;
    sbl_executor_beat(p->executor, p->held, p->limit);
    sim_flush(w, p);
    if (sim_has(w, F_CLOCKS))
        after = (int64_t)((double)after * p->drift) + sim_about(w, FROM_CLOCKS, 20e6);
    sim_at(w, w->now + after, e->proc, beat);
}

int sim_worker(sim *w, uint32_t threads, uint32_t place)
{
    const int                number = w->n_procs++;
    proc                    *p      = &w->procs[number];
    const sbl_executor_calls calls  = {on_spec,      on_value_of, on_forget,     on_run,      on_take_back,
                                       on_interrupt, on_fetch,    on_stop_fetch, on_may_part, p};

    p->world    = w;
    p->kind     = A_WORKER;
    p->threads  = threads;
    p->place    = place % PLACES;
    p->drift    = sim_has(w, F_CLOCKS) ? 0.9 + 0.2 * sim_below(w, FROM_CLOCKS, 100) / 100 : 1;
    p->limit    = sim_has(w, F_EVICTS) ? 1 << 20 : 0;
    p->executor = sbl_executor_create(&calls);
    p->met      = calloc((size_t)OCCUPANTS * SLOTS, sizeof *p->met);
    sim_clientele_begin(w, p);
    sim_room_begin(w, p);
    p->is_alive = 1;
    sim_join(w, number);
    sim_at(w, w->now, number, beat);
    sim_flush(w, p);
    return number;
}

void sim_worker_hear(sim *w, event *e)
{
    proc        *p     = &w->procs[e->proc];
    sbl_reader   frame = {.at = e->words.bytes, .end = e->words.bytes + e->words.size}, letter;
    const char  *start = frame.at;
    uint32_t     kind;
    sabal_status status = SABAL_OK;

    while (!status && (kind = sbl_letter_next(&letter, &frame))) {
        status = kind < SBL_LETTER_WSPEC ? sbl_submitter_hear(&p->own.submitter, start, (size_t)(frame.at - start))
                                         : sbl_executor_hear(p->executor, start, (size_t)(frame.at - start));
        start  = frame.at;
    }
    if (status)
        sim_say_wrong(w, "worker %d does not understand letter %u: %d", e->proc, kind, (int)status);
    sim_start_runs(w, p);
    sim_flush(w, p);
}

void sim_worker_end(sim *w, proc *p)
{
    while (p->fetches) {
        fetch *f = p->fetches;

        p->fetches = f->next;
        free(f);
    }
    p->fetches = NULL;
    sbl_executor_destroy(p->executor);
    while (p->runs)
        end_run(p, p->runs);
    sim_clientele_end(w, p);
    free(p->offers);
    free(p->met);
    p->met      = NULL;
    p->offers   = NULL;
    p->n_offers = 0;
    p->executor = NULL;
}
