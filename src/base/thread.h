/* Threads that are not the pool's, and waits with a deadline on the clock of clock.h. */
#ifndef SBL_BASE_THREAD_H
#define SBL_BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>

/** Starts one that gets no signal of the host's, which are for its own threads. An errno. */
int sbl_thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

/**
 * The calling thread does little at a time, and others wait for it: when it is woken it is to run at once, not when who computes on its
 * core has had its share. A wish, which Linux hears from 6.12 on.
 */
void sbl_thread_is_brief(void);

/** A condition for sbl_cond_wait(). Ended by pthread_cond_destroy(). */
void sbl_cond_init(pthread_cond_t *condition);
/** Waits until deadline_ns of sbl_clock_ns() (INT64_MAX: for ever). 0: the time ran out. */
int sbl_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_ns);

#endif
