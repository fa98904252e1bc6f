/* For scenarios: pools whose deques are looked at, and marks of what has run. */
#ifndef SBL_TESTS_EXPLORE_POOLS_H
#define SBL_TESTS_EXPLORE_POOLS_H

#include <sabal/job.h>

#include "explore/explore.h"
#include "sched/job_pool.h"
#include "sched/worker.h"

#define MARKS 10

extern sbl_pool *pool;
extern int      *ran; /* MARKS words */

extern int explore_no_memory; /* set by setup, after the pool was made: no thread starts any more */

extern int32_t explore_nodes; /* NUMA nodes that there are; set by pool_on_nodes() */

/** `n` slots without threads, on which a scenario's own threads work; nobody sleeps, so that no publishing wakes. */
void pool_of_slots(int n, int watched_records);
/** The real thing, with its threads. */
void pool_of_threads(int n);
/** The same; its threads are on so many NUMA nodes, in turn. */
void pool_on_nodes(int n, int nodes);
/** The job or work of this number runs: once. */
void mark(int i);
/** For the end: the first n marks are there. */
void expect_marks(int n);

static inline sbl_slot *slot_at(int i)
{
    return pool->slots[i];
}

/* Runs a job as the only one on a slot. */
#define RUN_ON(slot, job, ...)                                                                                         \
    __extension__({                                                                                                    \
        struct sabal_record_##job run_record_ = {.run = sabal_run_##job, .u.args = {__VA_ARGS__}};                     \
        (slot)->in_use                        = 1;                                                                     \
        sabal_run_##job(&(slot)->place, (slot)->base, (struct sabal_record *)&run_record_);                            \
        (slot)->in_use = 0;                                                                                            \
        run_record_.u.result;                                                                                          \
    })
#define EXPECT(condition)                                                                                              \
    ((condition) ? (void)0 : explore_fail("%s:%d: %s does not hold", __FILE__, __LINE__, #condition))

#endif
