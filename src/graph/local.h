/* The local engine's inner calls: how a task runs and how it ends. */
#ifndef SBL_GRAPH_LOCAL_H
#define SBL_GRAPH_LOCAL_H

#include "graph/client.h"

/** Takes it from one stage to another, or not. */
static inline int sbl_step(sabal_future *f, uint32_t from, uint32_t to)
{
    /* acq_rel: the winner sees what was written before the last step, and the next winner what he wrote */
    return atomic_compare_exchange_strong_explicit(&f->stage, &from, to, memory_order_acq_rel, memory_order_relaxed);
}

/** Tasks that became ready, in order, to be posted together. */
typedef struct sbl_ready {
    sbl_work *first, **last;
    int64_t   n;
} sbl_ready;
void sbl_ready_add(sbl_ready *ready, sabal_future *f);
void sbl_ready_post(sbl_ready *ready, sabal_client *client);

/**
 * Ends a future in the stage SBL_ENDING, whose result and `failed` are written, and all that its failure ends. One
 * task that became ready is given to *next, claimed, to be run by the caller; the others, or all if next is NULL,
 * are posted. The caller keeps f.
 */
void sbl_end(sabal_future *f, sabal_future **next);
/** Runs a claimed task to its end, which was granted what it takes; grant NULL: it gets that whatever there is. next as above.
    The caller keeps f. */
void sbl_run(sabal_future *f, const sbl_grant *grant, sabal_future **next);
/** Runs the function of a task that has finished once more, for its value, which nobody has any more. */
sabal_status sbl_run_again(sbl_value **value, sabal_future *f, sabal_error *err);
/** How a task runs that comes from the pool's queue. */
void sbl_run_posted(sbl_work *work);
/** The failure of a task that was asked to end. */
sbl_failure *sbl_failure_of_interrupt(const sabal_future *f);
/** Ends a task that has not started, or waits for the future that it returned. 0: it could not be had. */
int sbl_end_unstarted(sabal_future *f);
/** Puts an edge into the list of those who wait for its input. 0: that has ended already. */
int sbl_edge_push(sbl_edge *edge);
/**
 * A task that has run waits for the future that it returned. The caller keeps f; his reference to target is taken over.
 * SABAL_EINVAL: target waits for f itself; SABAL_ENOMEM. Then nothing was done, and the reference is still his.
 */
sabal_status sbl_chain(sabal_future *f, sabal_future *target, sabal_future **next, sabal_error *err);
/** 1 if x waits for f, by inputs or as the future that one returned. 0 also if that can't be told for want of memory. */
int sbl_chain_leads_to(sabal_future *x, sabal_future *f);
/** The engine's help to one who waits inside a task: see help.c. */
int sbl_local_help(sabal_future *f);

/* What other engines have in common with it: they run tasks elsewhere, but count inputs and end futures in the same way. */
/** Calls the task's function on this thread, with scopes of its own. */
sabal_status sbl_call_here(struct sabal_task *task);
sabal_status sbl_local_open(sabal_client *client, int32_t threads, sabal_error *err);
void         sbl_local_close(sabal_client *client);
void         sbl_local_abandon(sabal_client *client);
sabal_status sbl_local_admit(sabal_client *client, const sbl_task_spec *spec, sabal_error *err);
void         sbl_local_start(sabal_client *client, sabal_future **futures, int64_t n);
void         sbl_local_interrupt(sabal_future *f);
sabal_status sbl_local_make_room(struct sbl_room *room, sabal_client *client, size_t size, sabal_error *err);
sabal_status sbl_local_fetch(sbl_value **value, sabal_future *future, sabal_error *err);

#endif
