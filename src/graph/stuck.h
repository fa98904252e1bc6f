/* Waits that could not end: found before a thread goes to sleep in one. */
#ifndef SBL_GRAPH_STUCK_H
#define SBL_GRAPH_STUCK_H

#include "graph/task.h"

/** The task that this thread runs, if it runs one, is about to wait for others; and goes on. Frees no memory by itself, so others
    are let in meanwhile. */
void sbl_task_park(void);
void sbl_task_unpark(void);
/** The task that this thread runs; NULL: none. */
struct sabal_task *sbl_task_here(void);
/** Sets the task that this thread runs, NULL for none; returns the one before. */
struct sabal_task *sbl_task_swap(struct sabal_task *task);
/**
 * About to sleep until f ends. SABAL_EINVAL: f waits, by its inputs or as the future that one returned, for a task that
 * runs on this thread, so it is either the caller itself or a task that waits for him.
 */
sabal_status sbl_stuck_check(sabal_future *f, sabal_error *err);
/** The longest sleep in a wait that ends in left_ns (negative: never): its round-th, from 0. */
int64_t sbl_stuck_nap(int64_t left_ns, int32_t round);
/**
 * After such a sleep: if no thread of this one's pool is left to run what was posted, runs something here; what one of
 * the futures needs first, after some rounds, or if it was called (sbl_nap_end()), anything. If the stack is too full for
 * that, calls another thread. SABAL_ENOMEM: that of each that may be called is.
 */
sabal_status sbl_stuck_rescue(sabal_future *const *futures, int64_t n, int32_t round, int called, sabal_error *err);

#endif
