/* What a task, a job or a loop's body may tell the pool that runs it: that it blocks, that it holds a lock. */
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
 * A region ends in the call of the task, the job or the body in which it began. One that is left open is closed there,
 * an end too many does nothing, and either is told to the log as an error. With SABAL_DEBUG defined an end too many, and a
 * job (#SABAL_JOB) that leaves a region open, end the program with a message.
 *
 * Cost: 0.1 us; about 10 us more if a thread is woken, 50 us if one is started
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
 * any thread is inside such a region, that case is left out, for all threads: what the waiter needs may be waiting on
 * another one. In its place, a wait for a future fails with SABAL_ENOMEM if its pool has been so blocked for more than a
 * second; its task returns, and the thread goes on with something else.
 *
 * Regions nest, and end as those of sabal_blocking_begin() do. They may be open outside of tasks too.
 *
 * Cost: 20 ns
 */
SABAL_API void sabal_isolate_begin(void);
SABAL_API void sabal_isolate_end(void);

/** How many regions this thread has open. */
SABAL_API int32_t sabal_blocking_depth(void);
SABAL_API int32_t sabal_isolate_depth(void);

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
