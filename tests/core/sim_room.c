/* Workers that have no room for some nodes, always the same: each of the others must have been tried before such a node fails. */
#include "core/sim.h"

#include "cluster/core/state.h"

/* Once, but for those whose word came too late to count, or that were to run again after they had. */
enum { MOST_ASKED = 20 };

void sim_room_begin(sim *w, proc *p)
{
    p->joined_at = w->now;
    p->is_full   = sim_has(w, F_FULL) && sim_chance(w, FROM_ROOM, 0.5);
}

static uint32_t n_refused_by(const sim *w, uint32_t at, int number)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n_refusals; i++)
        n += w->refusals[i].node == at && w->refusals[i].proc == number;
    return n;
}

int sim_has_no_room(sim *w, const proc *p, uint32_t at)
{
    const int number = sim_number(w, p);

    if (!p->is_full || w->now > w->plan.faults_end || sim_mix(at, (uint64_t)number) & 1)
        return 0;
    if (p->is_lost) /* nobody hears it */
        return 1;
    w->refusals                  = sim_grow(w->refusals, &w->refusals_room, w->n_refusals, sizeof *w->refusals);
    w->refusals[w->n_refusals++] = (refusal){at, number, w->now};
    w->n_faults++;
    if (n_refused_by(w, at, number) > MOST_ASKED)
        sim_say_wrong(w, "process %d has no room for node %u, and is asked again and again", number, at);
    return 1;
}

/* One task alone stands for it. */
static int is_of_a_client(const sim *w, uint32_t at)
{
    for (int i = 1; i < w->n_procs; i++)
        if (w->procs[i].kind == A_CLIENT && w->procs[i].program == w->nodes[at].program)
            return 1;
    return 0;
}

/* It was there in time, and is there still. */
static int was_there(const sim *w, const proc *p, int64_t time)
{
    const uint32_t slot = p->kind == A_WORKER && p->is_alive ? sbl_peer_slot(w->scheduler, p->peer) : 0;

    return slot && !sbl_peer_at(w->scheduler, slot)->is_dropped && p->is_linked && !p->is_leaving &&
           p->joined_at < time;
}

static int were_all_asked(const sim *w, uint32_t at)
{
    int64_t last = 0;

    for (uint32_t i = 0; i < w->n_refusals; i++)
        if (w->refusals[i].node == at)
            last = w->refusals[i].at;
    for (int i = 1; i < w->n_procs; i++)
        if (was_there(w, &w->procs[i], last) && !n_refused_by(w, at, i))
            return 0;
    return 1;
}

int sim_room_explains(const sim *w, const future *f, const char *message)
{
    uint32_t at;
    int      number;

    if (sscanf(message, "process %d has no room for node %u", &number, &at) != 2)
        return w->n_refusals && !strncmp(message, "node", 4); /* of a task that one failed which it had submitted */
    if (at >= w->n_nodes || !n_refused_by(w, at, number))
        return 0;
    return f->is_each || w->nodes[at].spec >= ANYWHERE || !is_of_a_client(w, at) || were_all_asked(w, at);
}
