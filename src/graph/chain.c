/*
 * A task that returned another's future takes that one's result when it comes. The edge to it lies where the edges
 * to the inputs were, which the task no longer needs.
 *
 * Inputs exist before the task that takes them, so they make no cycles; a returned future may wait for the very task
 * that returns it, and then neither would end. So, one task at a time, what the future waits for is searched first.
 */
#include "graph/held.h"
#include "graph/local.h"

#include "base/alloc.h"
#include "base/error.h"
#include "sched/chaos.h"

/* --- the search for a cycle ------------------------------------------------------------------------------------- */

/* Futures that were found; those from `next` on are still to be looked at. Their memory is kept, not their results: what nobody
   needs is to be gone when all that is pending has ended, which may be before the search is forgotten. */
struct found {
    sabal_future **items;
    size_t         n, room, next;
};

static int add(struct found *found, sabal_future *f)
{
    if (found->n == found->room) {
        size_t         room  = found->room ? 2 * found->room : 64;
        sabal_future **items = sbl_realloc(found->items, room * sizeof *items);

        if (!items)
            return 0;
        found->items = items;
        found->room  = room;
    }
    sbl_future_keep(f);
    found->items[found->n++] = f;
    return 1;
}

static void found_clear(struct found *found)
{
    while (found->n)
        sbl_future_unkeep(found->items[--found->n]);
    sbl_free(found->items);
}

/*
 * Whether f can be below x. Inputs are older than who takes them, so what is older than f can lead to it only through
 * a task that waits for a future it returned.
 */
static int may_lead_to(const sabal_future *x, const sabal_future *f)
{
    return !sbl_future_has_ended(x) &&
           (x->serial >= f->serial || atomic_load_explicit(&f->client->n_chained, memory_order_relaxed) > 0);
}

/* Adds what x waits for. */
static int add_inputs(struct found *found, sabal_future *x, const sabal_future *f)
{
    int     enough = 1;
    int32_t n;

    if (!sbl_edges_lock(x))
        return 1;
    n = x->chained ? 1 : x->n_inputs;
    for (int32_t i = 0; i < n && enough; i++) {
        sabal_future *input = x->edges[i].input;

        if (input->mark != f->client->chain_mark && input->client && may_lead_to(input, f)) {
            input->mark = f->client->chain_mark;
            enough      = add(found, input);
        }
    }
    sbl_edges_unlock(x);
    return enough;
}

enum { NO = 0, YES = 1, NO_MEMORY = 2 };

/* Whether target waits for f. With chain_lock held, so that no other such edge comes in between; edges to inputs stand
   from the start. */
static int leads_to(struct found *found, sabal_future *target, sabal_future *f)
{
    int enough;

    /* nobody waits for f: then target doesn't either */
    if (!atomic_load_explicit(&f->dependents, memory_order_acquire) || !target->client || !may_lead_to(target, f))
        return NO;
    f->client->chain_mark += f->client->chain_mark == UINT32_MAX ? 2 : 1; /* 0 is the mark of those never seen */
    enough = add(found, target);
    while (enough && found->next < found->n) {
        sabal_future *x = found->items[found->next++];

        if (x == f)
            return YES;
        enough = add_inputs(found, x, f);
    }
    return enough ? NO : NO_MEMORY;
}

int sbl_chain_leads_to(sabal_future *x, sabal_future *f)
{
    struct found found = {0};
    int          answer;

    pthread_mutex_lock(&f->client->chain_lock);
    answer = leads_to(&found, x, f);
    pthread_mutex_unlock(&f->client->chain_lock);
    found_clear(&found);
    return answer == YES;
}

/* --- the chain -------------------------------------------------------------------------------------------------- */

static void take_result(sabal_future *f, const sabal_future *target)
{
    f->failed = target->failed;
    if (f->failed)
        f->result.failure = sbl_failure_retain(target->result.failure);
    else
        sbl_held_share(f, target);
}

/* With chain_lock held until others can see that target has somebody who waits for it: who returns f at the same time finds
   that by its edge. 0: target has ended. */
static int wait_for_target(sabal_future *f, sabal_future *target)
{
    sbl_edge *edge = sbl_edges_replace(f, target);

    atomic_fetch_add_explicit(&f->client->n_chained, 1, memory_order_relaxed);
    sbl_future_keep(target);    /* the memory: who cancels f from here on drops what may be the last reference */
    sbl_handle_release(target); /* but not the result: f may be seen to have ended, and nothing may be left then */
    sbl_future_keep(f);         /* for the edge, until whoever ends the target has seen it */
    atomic_store(&f->stage, SBL_CHAINED);
    sbl_chaos();
    return sbl_edge_push(edge);
}

sabal_status sbl_chain(sabal_future *f, sabal_future *target, sabal_future **next, sabal_error *err)
{
    struct found found = {0};
    int          cycle, waits = 0;

    sbl_future_release_inputs(f);
    pthread_mutex_lock(&f->client->chain_lock);
    cycle = leads_to(&found, target, f);
    if (cycle == NO)
        waits = wait_for_target(f, target);
    pthread_mutex_unlock(&f->client->chain_lock);
    sbl_chaos();
    found_clear(&found);
    if (cycle == YES)
        return sbl_error_set(err, SABAL_EINVAL, "a task returned a future that waits for its own: neither would end");
    if (cycle == NO_MEMORY)
        return sbl_error_memory(err, 2 * sizeof(void *), "the search for a cycle");
    if (!waits) {
        if (sbl_step(f, SBL_CHAINED, SBL_ENDING)) {
            take_result(f, target);
            sbl_end(f, next);
        }
        sbl_future_unkeep(f);
    } else if (atomic_load(&f->interrupted)) {
        sbl_end_unstarted(f); /* the other half of local_interrupt() */
    }
    sbl_future_unkeep(target);
    return SABAL_OK;
}
