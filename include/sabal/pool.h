/*
 * The pool of threads behind a client: what a task, a job or a loop's body may tell it (that it blocks, that it holds a
 * lock), and what its threads have done.
 */
#ifndef SABAL_POOL_H
#define SABAL_POOL_H

#include <sabal/client.h>

#ifdef SABAL_DEBUG
#include <stdlib.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Around what blocks (a read from a pipe, a sleep, a lock that may be held long): the thread lends its place meanwhile,
 * and another one works in it: one that sleeps, else one more, up to 64 beyond the pool's size. After the end the thread
 * goes on at once; for a moment one more than the pool has may be at work. The library's own waits do this by
 * themselves.
 *
 * Regions nest; the outermost counts. Outside of tasks, jobs and loops they do nothing. Any call is allowed inside, work
 * that is run inside takes a thread more than the pool has.
 *
 * A region ends in the call of the task, the job or the body in which it began. One that is left open is closed when the
 * thread is done with the job, or takes its next task from a queue; an end too many does nothing; either is told to the
 * log as an error. With SABAL_DEBUG defined an end too many, and a job (#SABAL_JOB) that leaves a region open, end the
 * program with a message.
 *
 * Cost: 0.03 us, on a pool of 64 threads 0.2 us, beside waking or starting a thread if there is something to do
 */
SABAL_API void sabal_blocking_begin(void);
SABAL_API void sabal_blocking_end(void);

/**
 * Around a wait under a lock. A thread that waits may run work on top of its wait; if that took the lock that the waiter
 * holds, neither would go on. What a wait runs:
 *
 *   a sync     the job itself, if no other thread has it; else jobs that it has spawned, or that what it waits for has
 *   a future   the task itself, and inputs of it that have not begun; but if all threads of the pool are blocked in
 *              waits, and there may be no more of them, anything that is ready
 *   a loop     its own pieces
 *
 * So a lock held across a wait is safe if nothing that is waited for needs it, but for the case of the blocked pool. While
 * any thread of this process is inside such a region, that case is left out, for all its threads: what the waiter needs
 * may be waiting on another one. In its place, a wait for a future fails with SABAL_ENOMEM if its pool has been so
 * blocked for more than a second; its task returns, and the thread goes on with something else.
 *
 * Regions nest, and end as those of sabal_blocking_begin() do. They may be open outside of tasks too.
 *
 * Cost: 10 ns
 */
SABAL_API void sabal_isolate_begin(void);
SABAL_API void sabal_isolate_end(void);

/** How many regions this thread has open. */
SABAL_API int32_t sabal_blocking_depth(void);
SABAL_API int32_t sabal_isolate_depth(void);

/** What a thread of a client's pool has done so far. */
typedef struct sabal_worker_stats {
    size_t  struct_size;
    int32_t thread;       /* 0, 1, ...; those beyond sabal_client_threads() were started in the place of blocked ones.
                             -1: all that was done in the place of threads: jobs and loops that threads from outside
                             have run themselves, and those inside plain functions in other jobs                  */
    int64_t runs;         /* tasks that it took from a queue, each with those that ran straight after it           */
    int64_t offered;      /* jobs and parts of loops that it put where others may take them; others cost no counting */
    int64_t steals;       /* jobs, parts and tasks that it took from other threads                                  */
    int64_t sleeps;       /* how often it went to sleep, as there was nothing to do or to wait for a job            */
    int64_t searching_ns; /* how long it was awake and looked for work, in searches of more than a microsecond       */
    int64_t far_takes;    /* what it took from another NUMA node: jobs, parts and tasks of threads last seen there,
                             and tasks whose largest input lies there; 0 on machines with one node                 */
} sabal_worker_stats;

/**
 * Fills as much of *stats as its struct_size says, which the caller sets, with what the i-th has done; i = 0, 1, ...
 * until SABAL_END. The last one is that with thread = -1. A trace has the same numbers at its end, as counters.
 *
 *   returns  SABAL_OK; SABAL_END: there are no more, or the client is NULL, failed or closed and has none
 *
 * Errors: SABAL_EINVAL  i is negative, or struct_size too small for anything
 */
SABAL_API sabal_status sabal_client_worker_get(const sabal_client *client, int32_t i, sabal_worker_stats *stats);

#ifdef __cplusplus
} /* extern "C" */
#endif

#ifdef SABAL_DEBUG
/* What is wrong, in one line, and the end. */
__attribute__((noreturn, cold, unused)) static inline void sabal_misuse_(const char *where, const char *what)
{
    fprintf(stderr, "%s: %s\n", where, what);
    abort();
}
#define sabal_blocking_end()                                                                                           \
    (sabal_blocking_depth() > 0 ? sabal_blocking_end()                                                                 \
                                : sabal_misuse_(SABAL_HERE, "sabal_blocking_end() without a sabal_blocking_begin()"))
#define sabal_isolate_end()                                                                                            \
    (sabal_isolate_depth() > 0 ? sabal_isolate_end()                                                                   \
                               : sabal_misuse_(SABAL_HERE, "sabal_isolate_end() without a sabal_isolate_begin()"))
#endif
#endif
