/*
 * A task that returned another's future takes that one's result when it comes. The edge to it lies where the edges
 * to the inputs were, which the task no longer needs.
 */
#include "graph/local.h"

void sbl_chain(sabal_future *f, sabal_future *target, sabal_future **next)
{
    sbl_edge *edge;

    sbl_future_release_inputs(f);
    edge = sbl_edges_replace(f, target);
    sbl_future_keep(f); /* for the edge, until whoever ends the target has seen it */
    atomic_store(&f->stage, SBL_CHAINED);
    if (!sbl_edge_push(edge)) {
        if (sbl_step(f, SBL_CHAINED, SBL_ENDING)) {
            f->failed = target->failed;
            if (f->failed)
                f->result.failure = sbl_failure_retain(target->result.failure);
            else
                f->result.value = sbl_value_retain(target->result.value);
            sbl_end(f, next);
        }
        sbl_future_unkeep(f);
    } else if (atomic_load(&f->interrupted)) {
        sbl_end_unstarted(f); /* the other half of local_interrupt() */
    }
}
