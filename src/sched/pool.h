/*
 * The work-stealing pool as the floors above see it: posted work with priorities, waiting, blocking. Fork-join,
 * loops and reductions are in <sabal/job.h>, <sabal/loop.h> and job_pool.h.
 */
#ifndef SBL_SCHED_POOL_H
#define SBL_SCHED_POOL_H

#include <sabal/status.h>

typedef struct sbl_pool sbl_pool;

/** One piece of posted work, embedded by its owner. run() is called once, on a pool thread; it may free its work. */
typedef struct sbl_work {
    struct sbl_work *next; /* links a batch; then the pool's own */
    void (*run)(struct sbl_work *work);
    int32_t priority; /* higher first among what waits in one queue; the queues: each thread's, and that
                                  of all other threads; a thread takes from its own and the latter the better */
    /* home, until it is posted: the NUMA node on which most of its memory lies, from 1 on (0: none); threads there take it
       first. From here on all is the pool's own. order: among equals the one posted first. */
    union {
        uint32_t home;
        uint32_t order;
    };
    struct sbl_work *child, *sibling;
} sbl_work;

typedef struct sbl_pool_options {
    int32_t threads; /* 1 .. 1024; 0: what the configuration, the affinity mask and the cgroup's quota say */
} sbl_pool_options;

/** Errors: SABAL_EINVAL (threads out of range), SABAL_ENOMEM (also a thread that could not be started) */
sabal_status sbl_pool_create(sbl_pool **pool, const sbl_pool_options *options, sabal_error *err);
/** Runs what was posted, and what that posts, waits for guests, then ends the threads. NULL allowed. Not from a
    pool thread. Nobody else may post or come as a guest any more. */
void sbl_pool_destroy(sbl_pool *pool);
/** For a child after fork(): frees what can be freed without the threads, which don't exist there. */
void sbl_pool_abandon(sbl_pool *pool);
/** In a child after fork(): its thread belongs to no pool any more. */
void    sbl_pool_leave_all(void);
int32_t sbl_pool_threads(const sbl_pool *pool);
/** The index of the calling thread among the pool's (0 .. sbl_pool_places() - 1, no two threads have the same), or -1
    if it is not one of its threads. */
int32_t sbl_pool_place(const sbl_pool *pool);
/** How many threads it can ever have, spares included. */
int32_t sbl_pool_places(const sbl_pool *pool);
/** How many cores this process may use, by affinity mask and cgroup quota (v1 and v2), at least 1. */
int32_t sbl_usable_cores(void);

/** Hands in work; any thread may. From a pool thread it goes to its own queue, from where idle threads take it. */
void sbl_pool_post(sbl_pool *pool, sbl_work *work);
/** n at once, linked through next: one wake-up chain instead of n. */
void sbl_pool_post_batch(sbl_pool *pool, sbl_work *first, int64_t n);
/** From now on the calling thread wakes nobody for what it hands in to a pool, until sbl_posts_go(): as one that holds a lock which they
    would need at once. Not nested; it must not wait meanwhile. */
void sbl_posts_gather(void);
void sbl_posts_go(void);
/** A pool of one thread does not look for work for a while before it sleeps: what comes, comes from other processes, which may need
    its core to send it. Of a pool with more threads nothing changes: they have work for each other. */
void sbl_pool_rest(sbl_pool *pool);
/*
 * A place to sleep, other than the pool's own: where one of its threads that has nothing to do sees to it that something comes.
 * All calls from any thread; who sits calls only take, then sleep, then leave.
 */
typedef struct sbl_seat {
    int (*take)(void *arg);  /* 0: it can't be had now                                                   */
    int (*sleep)(void *arg); /* until something came, or it is rung. 0: it is no more                    */
    void (*leave)(void *arg);
    void (*ring)(void *arg); /* who sits, and sleeps or is about to, wakes; nothing if it is the caller  */
    void *arg;
} sbl_seat;
/** One for a pool, kept as long as that. */
void sbl_pool_offer_seat(sbl_pool *pool, const sbl_seat *seat);
/** Calls fn as a thread would that is none of the pool's: for one of these that, between two tasks, does what others do else. */
void sbl_pool_as_stranger(void (*fn)(void *arg), void *arg);
/** The calling thread sleeps again as soon as it has handed in something, as one that reads what others send: whoever it
    wakes may have its core. Otherwise it would be woken on another, where something else may run. */
void sbl_rest_after_wakes(void);

/*
 * Waiting. A pool thread that is about to block (a wait, a system call) lends its place: a spare thread runs the
 * pool's work meanwhile (bounded number of spares; beyond it the place stands still). Nests; no-ops elsewhere.
 */
void sbl_blocking_begin(void);
/** Is told that the calling thread has begun (1) or ended (-1) to block by the user's own word: sabal_blocking_begin(). Set before
    there is a pool; NULL: nobody is told. */
extern void (*sbl_blocking_told)(int by);
void sbl_blocking_end(void);
/** 1 while any thread is inside sabal_isolate_begin(): a wait runs nothing but what it waits for, even if it is stuck. */
int sbl_anybody_is_isolated(void);

/** A word to wait on: 0 until it is set, once. */
typedef struct sbl_event {
    _Atomic uint32_t word; /* 0: not set; 1: set; 2: not set, somebody sleeps */
} sbl_event;
void sbl_event_set(sbl_event *event);
int  sbl_event_is_set(const sbl_event *event);
/** Spins a little, then sleeps, lending the place if on a pool thread. 0 if the time ran out (negative: never). */
int sbl_event_wait(sbl_event *event, int64_t timeout_ns);

/*
 * A pool can be stuck: all its threads are blocked, as many spares as there may be are started (or no more can be), and
 * posted work waits. Who blocks last would wait for ever if that work is what he waits for. So a pool thread naps
 * instead of sleeping, and when it is stuck runs something on top of its wait; if its stack has no room for that, it calls
 * another that naps and has.
 */
/** How long a nap of the calling thread may be, the round-th (from 0, or a few before) of one wait; negative: no pool thread, no
    limit. */
int64_t sbl_pool_nap_ns(int32_t round);
/** Around a nap. `at`, where it sleeps with sbl_event_wait(), which returns when it is called; NULL: elsewhere, and it
    finds that it was called when its nap is over. 1: it was. */
void sbl_nap_begin(sbl_event *at);
int  sbl_nap_end(void);
/** 1 if the calling thread is the only one of its pool that is awake, and the pool is stuck but for that; who was called
    need not be the only one. */
int sbl_pool_is_stuck(int called);
/** Calls one that naps and has room on its stack. 0: there is none. */
int sbl_pool_call(void);
/** Runs a piece of posted work of the calling thread's pool. 0: there is none. */
int sbl_pool_run_one(void);
/** 1 if the calling thread's stack is used as far as it may be: it runs nothing more on top of a wait. */
int sbl_stack_is_low(void);

/** Counters since the pool was made. */
typedef struct sbl_pool_counters {
    uint64_t runs;      /* posted work that was run                                                */
    uint64_t shares;    /* spawned jobs that were offered to thieves (the rest costs no counting)   */
    uint64_t steals;    /* jobs, and posted work taken from another thread's queue                  */
    uint64_t far_takes; /* of these, from threads last seen on another NUMA node; and work at home there */
    uint64_t parks;     /* a thread that found nothing, or waited, went to sleep                     */
    uint64_t wakes;     /* a sleeper was woken, or a spare thread started, for work                 */
    uint64_t spares;    /* threads started in the place of blocked ones                             */
    uint64_t search_ns; /* time in which a thread was awake and looked for work, up to its last end; what
                           ended within a microsecond does not count                                       */
} sbl_pool_counters;
/** Of thread i, without wakes and spares: 1. Of all lent slots (guests, nested entries) if i is the number of threads: 0.
    -1: i is more than that. */
int32_t sbl_pool_count_one(const sbl_pool *pool, int32_t i, sbl_pool_counters *counters);
/** Of all its threads and guests. */
void sbl_pool_count(const sbl_pool *pool, sbl_pool_counters *counters);

#endif
