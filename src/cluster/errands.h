/*
 * Threads for what may wait: reading a value from disk to give it away, copying one into shared memory. The loop's thread may
 * not wait, and those of the pool may be held by tasks for hours.
 */
#ifndef SBL_CLUSTER_ERRANDS_H
#define SBL_CLUSTER_ERRANDS_H

#include <pthread.h>

#include "sched/pool.h"

enum { SBL_MOST_ERRAND_THREADS = 4 };

typedef struct sbl_errands {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    sbl_work       *first, **last;
    pthread_t       threads[SBL_MOST_ERRAND_THREADS];
    int             n_threads, n_idle, n_waiting, is_over; /* n_waiting: works in the list */
} sbl_errands;

void sbl_errands_init(sbl_errands *errands);
/** Runs work->run(work) soon. A thread more is started if too few are idle; if none can be had at all, the caller does it. */
void sbl_errand(sbl_errands *errands, sbl_work *work);
/** After what waits has been run. */
void sbl_errands_end(sbl_errands *errands);

#endif
