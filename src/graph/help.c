/*
 * Waiting inside a task: run what the wait needs, nothing else. From the future that is waited for, go down along
 * inputs that have not started until one is ready, claim it and run it here. If all that is left is running
 * elsewhere, the waiter parks and lends its place (sbl_event_wait).
 */
#include "graph/local.h"

#include "sched/chaos.h"

/* Deeper chains are left to the pool: each step down costs a look, and whoever runs the first runs the next ones. */
#define MAX_DESCENT 256

static int is_unstarted(const sabal_future *f)
{
    uint32_t stage = atomic_load_explicit(&f->stage, memory_order_acquire);

    return stage == SBL_WAITING || stage == SBL_READY || stage == SBL_CHAINED;
}

/* Something that f waits for and that nobody runs, with a reference for the caller; NULL if there is none. */
static sabal_future *unstarted_input(sabal_future *f)
{
    sabal_future *found = NULL;
    int32_t       n;

    if (!sbl_edges_lock(f))
        return NULL;
    n = f->chained ? 1 : f->n_inputs;
    for (int32_t i = 0; i < n && !found; i++)
        if (is_unstarted(f->edges[i].input))
            found = sbl_handle_retain(f->edges[i].input);
    sbl_edges_unlock(f);
    return found;
}

/* A ready task that f needs, claimed, with a reference for the caller; NULL if there is none. */
static sabal_future *claim(sabal_future *f)
{
    f = sbl_handle_retain(f);
    for (int i = 0; f && i < MAX_DESCENT; i++) {
        sabal_future *below;

        if (sbl_step(f, SBL_READY, SBL_RUNNING))
            return f;
        sbl_chaos();
        below = unstarted_input(f);
        sbl_handle_release(f);
        f = below;
    }
    sbl_handle_release(f);
    return NULL;
}

int sbl_local_help(sabal_future *f)
{
    if (sbl_pool_place(f->client->pool) < 0 || sbl_stack_is_low())
        return 0;
    f = claim(f);
    if (!f)
        return 0;
    sbl_run(f, NULL, NULL);
    sbl_handle_release(f);
    return 1;
}
