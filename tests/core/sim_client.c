/* A client: it submits its program bit by bit, cancels, releases and gathers some of it, and in the end lets go of all. */
#include "core/sim.h"

static uint32_t base_of(const sim *w, const proc *p)
{
    return w->programs[p->program].first_node;
}

static void any_of(sim *w, proc *p, uint32_t fault, double chance, void (*act)(sim *w, proc *p, uint32_t place))
{
    if (p->own.n && (!fault || sim_has(w, fault)) && sim_chance(w, FROM_CLIENTS, chance))
        act(w, p, sim_below(w, FROM_CLIENTS, p->own.n));
}

/* If it is needed as an input no more. */
static void release_early(sim *w, proc *p, uint32_t place)
{
    if (!p->own.futures[place].is_looking && w->nodes[p->own.futures[place].node].last_use < base_of(w, p) + p->own.n)
        sim_release(w, p, place);
}

/* All was told, and what is to be had was had. */
static void finish(sim *w, proc *p)
{
    const program *mine = &w->programs[p->program];

    if (p->next_batch < mine->n_batches || p->unfinished || p->is_finished)
        return;
    for (uint32_t i = 0; i < p->own.n; i++) {
        if (!w->plan.is_big)
            sim_gather(w, p, i);
        if (p->own.futures[i].is_looking)
            return;
    }
    p->is_finished = 1;
    p->finished_at = w->now;
    sim_trace(w, "%d: has finished", sim_number(w, p));
    for (uint32_t i = 0; i < p->own.n; i++)
        sim_release(w, p, i);
}

static void step(sim *w, event *e)
{
    proc          *p    = &w->procs[e->proc];
    const program *mine = &w->programs[p->program];

    for (uint32_t n = 1 + sim_below(w, FROM_CLIENTS, w->plan.is_big ? 1000 : 8); n && p->next_batch < mine->n_batches;
         n--) {
        const batch *b = &w->batches[mine->first_batch + p->next_batch++];

        p->unfinished += b->n;
        sim_submit(w, p, b, base_of(w, p));
    }
    if (sim_has(w, F_RULES) && !w->plan.is_big && p->next_batch == mine->n_batches && !p->is_finished &&
        p->n_each < 4 && sim_chance(w, FROM_CLIENTS, 0.3))
        sim_run_in_each(w, p);
    if (w->plan.spreads && p->own.n && sim_chance(w, FROM_SPREADS, 0.5))
        sim_spread(w, p, sim_below(w, FROM_SPREADS, p->own.n));
    any_of(w, p, F_CANCELS, 0.1, sim_cancel);
    any_of(w, p, F_EARLY, 0.3, release_early);
    any_of(w, p, 0, 0.3, sim_gather);
    finish(w, p);
    sim_flush(w, p);
    if (!p->is_finished)
        sim_at(w, w->now + sim_about(w, FROM_CLIENTS, w->plan.is_big ? 1e5 : 2e7), e->proc, step);
}

int sim_client(sim *w, uint32_t which)
{
    const int number = w->n_procs++;
    proc     *p      = &w->procs[number];

    p->world   = w;
    p->kind    = A_CLIENT;
    p->program = which;
    p->drift   = 1;
    p->met     = calloc((size_t)OCCUPANTS * SLOTS, sizeof *p->met);
    sim_clientele_begin(w, p);
    p->is_alive = 1;
    sim_join(w, number);
    sim_at(w, w->now, number, step);
    return number;
}

void sim_client_look(sim *w, proc *p)
{
    finish(w, p);
}

void sim_client_hear(sim *w, event *e)
{
    proc              *p      = &w->procs[e->proc];
    const sabal_status status = sbl_submitter_hear(&p->own.submitter, e->words.bytes, e->words.size);

    if (status)
        sim_say_wrong(w, "client %d does not understand: %d", e->proc, (int)status);
    if (!w->plan.is_big || !p->unfinished)
        finish(w, p);
    sim_flush(w, p);
}

void sim_client_end(sim *w, proc *p)
{
    while (p->fetches) {
        fetch *f = p->fetches;

        p->fetches = f->next;
        free(f);
    }
    sim_clientele_end(w, p);
    free(p->met);
    free(p->offers);
    p->met    = NULL;
    p->offers = NULL;
}
