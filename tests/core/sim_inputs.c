/* Inputs of tasks that run: they must be there, and what they were; now and then one can't be read. */
#include "core/sim.h"

void sim_check_inputs(sim *w, proc *p, const run *r, const char *when)
{
    const node *d = &w->nodes[r->node];

    if (r->order->n_inputs != d->n_inputs)
        sim_say_wrong(w, "process %d: node %u %s with %u inputs of %u", sim_number(w, p), r->node, when,
                      r->order->n_inputs, d->n_inputs);
    for (uint32_t k = 0; k < r->order->n_inputs && !w->wrong[0]; k++) {
        const value *v  = r->order->inputs[k];
        const node  *in = &w->nodes[w->inputs[d->first_input + k]];

        if (!v || !v->is_alive)
            sim_say_wrong(w, "process %d: node %u %s with an input that is not there", sim_number(w, p), r->node, when);
        else if (v->hash != in->hash)
            sim_say_wrong(w, "process %d: node %u %s with another input", sim_number(w, p), r->node, when);
    }
}

/* Which of them can't be read back ever; -1: none. */
int sim_unreadable(sim *w, const run *r)
{
    for (uint32_t i = 0; i < r->order->n_inputs && sim_has(w, F_DISK); i++) {
        value *v = r->order->inputs[i];

        if (v->size > SBL_INLINE && w->now < w->plan.faults_end && sim_chance(w, FROM_MEMORY, 0.05))
            v->is_lost = 1;
        if (v->is_lost)
            return (int)i;
    }
    return -1;
}
