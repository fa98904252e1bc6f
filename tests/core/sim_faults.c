/* What goes wrong: processes end, stand still, leave and come, links break. Until a time; then all is well. */
#include "core/sim.h"

static void revive(sim *w, event *e)
{
    if (w->is_ending < 2)
        sim_worker(w, (uint32_t)e->a, (uint32_t)e->b);
}

static void free_of(sim *w, int number)
{
    for (int i = 1; i < w->n_procs; i++)
        if (w->procs[i].is_alive && i != number)
            sim_fetches_fail(w, &w->procs[i], number, sim_about(w, FROM_NET, 4 * w->plan.delay));
}

void sim_kill(sim *w, int number, int how)
{
    proc     *p      = &w->procs[number];
    const int is_new = p->kind == A_WORKER && w->is_ending < 2;

    if (!p->is_alive)
        return;
    sim_trace(w, "%d: ends%s", number, how == END_UNTOLD ? ", untold" : how == END_PLANNED ? " as planned" : "");
    w->n_losses++;
    w->n_faults += w->is_ending < 2;
    w->n_kills += how != END_PLANNED && w->is_ending < 2;
    p->is_alive = p->is_linked = 0;
    for (int i = 0; i < w->n_procs; i++)
        if (i && (w->procs[i].is_alive || w->plan.is_big))
            sim_reset(w, number, i);
    if (how == END_TOLD && sim_chance(w, FROM_FAULTS, 0.5)) { /* what it said last comes in all the same */
        sim_tell_lost(w, number, sim_arrival(w, number, 0, 0) - w->now, 0);
    } else {
        sim_reset(w, number, 0);
        if (how == END_TOLD || how == END_PLANNED)
            sim_tell_lost(w, number, sim_about(w, FROM_NET, w->plan.delay), how == END_PLANNED);
    }
    free_of(w, number);
    if (p->kind == A_WORKER)
        sim_worker_end(w, p);
    else
        sim_client_end(w, p);
    if (is_new && (w->now > w->plan.faults_end - SECOND || sim_chance(w, FROM_FAULTS, 0.8))) {
        event *e = sim_at(w, w->now + sim_about(w, FROM_FAULTS, 5e8), -1, revive);

        e->a = p->threads;
        e->b = p->place;
    }
}

/* The scheduler has no more to do with it: it ends. */
void sim_closed(sim *w, event *e)
{
    sim_kill(w, e->proc, END_KNOWN);
}

static int any(sim *w, int kind, int stream)
{
    int n = 0, nth;

    for (int i = 1; i < w->n_procs; i++)
        n += w->procs[i].kind == kind && w->procs[i].is_alive;
    nth = (int)sim_below(w, stream, (uint32_t)n);
    for (int i = 1; i < w->n_procs; i++)
        if (w->procs[i].kind == kind && w->procs[i].is_alive && nth-- == 0)
            return i;
    return -1;
}

static void break_link(sim *w, int number)
{
    w->procs[number].is_linked = 0;
    sim_reset(w, number, 0);
    w->n_faults++;
    w->n_losses++;
    sim_tell_lost(w, number, sim_about(w, FROM_NET, w->plan.delay), 0);
    sim_at(w, w->now + sim_about(w, FROM_FAULTS, 3e8), number, sim_closed);
}

static void break_peers(sim *w)
{
    const int a = any(w, A_WORKER, FROM_FAULTS),
              b = any(w, sim_chance(w, FROM_FAULTS, 0.2) ? A_CLIENT : A_WORKER, FROM_FAULTS);

    if (a < 0 || b < 0 || a == b)
        return;
    w->n_faults++;
    sim_trace(w, "the link of %d and %d breaks", a, b);
    sim_reset(w, a, b);
    sim_fetches_fail(w, &w->procs[a], b, sim_about(w, FROM_NET, w->plan.delay));
    sim_fetches_fail(w, &w->procs[b], a, sim_about(w, FROM_NET, w->plan.delay));
}

static void stand_still(sim *w, int number, uint32_t fault)
{
    const int64_t until = w->now + sim_about(w, FROM_FAULTS, sim_chance(w, FROM_FAULTS, 0.3) ? 4e9 : 3e8);
    const int64_t end   = until < w->plan.faults_end ? until : w->plan.faults_end;

    w->n_faults++;
    sim_trace(w, "%d: %s until %.3f", number, fault == F_CUTS ? "is cut off" : "stands still", (double)end / 1e9);
    if (fault == F_CUTS && end > w->procs[number].cut_until)
        w->procs[number].cut_until = end;
    else if (fault == F_PAUSES &&
             w->now > w->procs[number].paused_until) /* one at a time: what is put off stays in order */
        w->procs[number].paused_until = end;
}

static void end_all(sim *w)
{
    for (int i = w->n_procs; i-- > 1;)
        if (w->procs[i].kind == A_WORKER && w->procs[i].is_alive)
            sim_kill(w, i, END_TOLD);
}

static void one_fault(sim *w, uint32_t fault)
{
    const int it = any(w, fault == F_CLIENT_GONE ? A_CLIENT : A_WORKER, FROM_FAULTS);

    if (it < 0 || (fault != F_PEER_RESETS && fault != F_CUTS && fault != F_PAUSES && fault != F_LEAVES &&
                   w->n_kills >= w->plan.most_kills))
        return;
    switch (fault) {
    case F_CUTS:
    case F_PAUSES:
        stand_still(w, it, fault);
        break;
    case F_RESETS:
        break_link(w, it);
        break;
    case F_PEER_RESETS:
        break_peers(w);
        break;
    case F_CRASHES:
    case F_CLIENT_GONE:
        sim_kill(w, it, END_TOLD);
        break;
    case F_POWER:
        sim_kill(w, it, END_UNTOLD);
        break;
    case F_LEAVES:
        sim_kill(w, it, END_PLANNED);
        break;
    case F_ALL_AT_ONCE:
        if (sim_chance(w, FROM_FAULTS, 0.1))
            end_all(w);
        break;
    default:
        break;
    }
}

static void next_fault(sim *w, event *e)
{
    static const uint32_t KINDS[] = {F_CUTS,   F_RESETS, F_PEER_RESETS, F_CRASHES,    F_POWER,
                                     F_PAUSES, F_LEAVES, F_CLIENT_GONE, F_ALL_AT_ONCE};
    const uint32_t        fault   = KINDS[sim_below(w, FROM_FAULTS, sizeof KINDS / sizeof *KINDS)];

    if (w->is_ending || w->now > w->plan.faults_end)
        return;
    if (sim_has(w, fault) && w->n_procs < 200)
        one_fault(w, fault);
    sim_at(w, w->now + sim_about(w, FROM_FAULTS, w->plan.fault_every), -1, next_fault);
}

static void next_retire(sim *w, event *e)
{
    const int it = any(w, A_WORKER, FROM_RETIRES);

    if (w->is_ending || w->now > w->plan.faults_end || w->n_procs >= 200)
        return;
    if (it >= 0)
        sim_worker_retire(w, it);
    sim_at(w, w->now + sim_about(w, FROM_RETIRES, 4 * w->plan.fault_every), -1, next_retire);
}

/* From now on all is well, and somebody is there who may run all tasks. */
static void end_of_faults(sim *w, event *e)
{
    int n = 0;

    for (int i = 1; i < w->n_procs; i++)
        n += w->procs[i].kind == A_WORKER && w->procs[i].is_alive && (!sim_has(w, F_RULES) || !w->procs[i].place);
    if (!n && w->is_ending < 2)
        sim_worker(w, 2, 0);
}

void sim_faults_begin(sim *w)
{
    if (sim_has(w, F_CUTS | F_RESETS | F_PEER_RESETS | F_CRASHES | F_POWER | F_PAUSES | F_LEAVES | F_CLIENT_GONE |
                       F_ALL_AT_ONCE))
        sim_at(w, (int64_t)w->plan.fault_every / 2, -1, next_fault);
    if (sim_has(w, F_RETIRES))
        sim_at(w, (int64_t)w->plan.fault_every, -1, next_retire);
    sim_at(w, w->plan.faults_end, -1, end_of_faults);
}
