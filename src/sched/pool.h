/*
 * The work-stealing pool as the floors above see it: posted work with priorities, waiting, blocking. Fork-join,
 * loops and reductions are in <sabal/job.h> and job_pool.h.
 */
#ifndef SBL_SCHED_POOL_H
#define SBL_SCHED_POOL_H

#include <sabal/status.h>

typedef struct sbl_pool sbl_pool;

/** One piece of posted work, embedded by its owner. run() is called once, on a pool thread; it may free its work. */
typedef struct sbl_work {
    struct sbl_work *next; /* the pool's own */
    void (*run)(struct sbl_work *work);
    int32_t  priority; /* higher first among what waits */
    uint64_t order;    /* the pool's own: among equals the one posted first */
} sbl_work;

typedef struct sbl_pool_options {
    int32_t threads; /* 0: what the configuration, the affinity mask and the cgroup's quota say */
} sbl_pool_options;

sabal_status sbl_pool_create(sbl_pool **pool, const sbl_pool_options *options, sabal_error *err);
/** Runs what was posted, then ends the threads. NULL allowed. Not from a pool thread. */
void sbl_pool_destroy(sbl_pool *pool);
/** For a child after fork(): frees what can be freed without the threads, which don't exist there. */
void sbl_pool_abandon(sbl_pool *pool);
int32_t sbl_pool_threads(const sbl_pool *pool);
/** The index of the calling thread among the pool's places (0 ..), or -1 if it is not one of its threads. */
int32_t sbl_pool_place(const sbl_pool *pool);
/** How many cores this process may use, by affinity mask and cgroup quota (v1 and v2), at least 1. */
int32_t sbl_usable_cores(void);

/** Hands in work; any thread may. From a pool thread it goes to its own queue, from where idle threads take it. */
void sbl_pool_post(sbl_pool *pool, sbl_work *work);
/** n at once, linked through next: one wake-up chain instead of n. */
void sbl_pool_post_batch(sbl_pool *pool, sbl_work *first, int64_t n);

/*
 * Waiting. A pool thread that is about to block (a wait, a system call) lends its place: a spare thread runs the
 * pool's work meanwhile (bounded number of spares; beyond it the place stands still). Nests; no-ops elsewhere.
 */
void sbl_blocking_begin(void);
void sbl_blocking_end(void);

/** A word to wait on: 0 until it is set, once. */
typedef struct sbl_event {
    _Atomic uint32_t word; /* 0: not set; 1: set; 2: not set, somebody sleeps */
} sbl_event;
void sbl_event_set(sbl_event *event);
int  sbl_event_is_set(const sbl_event *event);
/** Spins a little, then sleeps, lending the place if on a pool thread. 0 if the time ran out (negative: never). */
int sbl_event_wait(sbl_event *event, int64_t timeout_ns);

/** Counters since the pool was made, summed over its threads. */
typedef struct sbl_pool_counters {
    uint64_t runs, spawns, steals, parks, wakes, spares;
} sbl_pool_counters;
void sbl_pool_count(const sbl_pool *pool, sbl_pool_counters *counters);

#endif
