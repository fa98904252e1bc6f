/*
 * Memory as a budget: what the results of a client's tasks take, what tasks that run will add, and what is done when that
 * comes near the limit. Three parts: this account; admission (admit.c), which lets a task begin or makes it wait; and the
 * spiller (spiller.c), whose threads write results to disk.
 *
 * Three marks, parts of the limit: from SPILL on, results leave; a task that brings new data in waits from PAUSE on, so
 * that those which use up what is there come first; these wait from FULL on. If nothing that runs can free memory, one
 * task is let in alone, however large. If then all memory is taken by what can't leave, it fails.
 */
#ifndef SBL_GRAPH_BUDGET_H
#define SBL_GRAPH_BUDGET_H

#include <pthread.h>
#include <stdatomic.h>

#include "graph/held.h"
#include "graph/spill_file.h"
#include "graph/task.h"

#define SBL_SPILL_MARK(limit) ((limit) / 10 * 6)
#define SBL_SPILL_LOW(limit)  ((limit) / 100 * 55)
#define SBL_PAUSE_MARK(limit) ((limit) / 10 * 8)
#define SBL_FULL_MARK(limit)  ((limit) / 100 * 95)

enum { SBL_HELD_LISTS = 16, SBL_ESTIMATES = 64, SBL_SPILL_THREADS = 2 };

/* Results that are in memory or away. */
typedef struct sbl_held_list {
    _Alignas(64) pthread_mutex_t lock;
    sbl_held *first;
} sbl_held_list;

/* What a function's results took so far. */
typedef struct sbl_estimate {
    _Atomic uintptr_t fn;
    _Atomic int64_t   bytes;
} sbl_estimate;

/* A result that may be chosen to leave. */
typedef struct sbl_victim {
    uint64_t  distance; /* see sbl_held_distance() */
    sbl_held *held;     /* one reference */
} sbl_victim;

/* Tasks that wait for memory, linked through their place in the pool's queue. */
typedef struct sbl_queue_of_tasks {
    sbl_work *first, *last;
} sbl_queue_of_tasks;

struct sbl_budget {
    sabal_client *client;
    int64_t       limit;
    _Alignas(64) _Atomic int64_t in_memory; /* bytes of results in records that are there */
    _Atomic int64_t away;                   /* and that are not */
    _Atomic int64_t counted_else;           /* bytes of the client's results that are in records, or not ours */
    _Atomic int64_t small;                  /* bytes of all others, as they were summed last */
    _Atomic int64_t peak;
    _Alignas(64) _Atomic int64_t reserved; /* what tasks that run will take */
    _Atomic int64_t  running;              /* tasks that were let in, but for those that wait for others */
    _Atomic int64_t  parked;               /* tasks that were let in, and wait for others */
    _Atomic int64_t  waiting;              /* for memory */
    _Atomic int64_t  leaving;              /* bytes that the spiller is writing, or has chosen */
    _Atomic int64_t  wanted;               /* by threads outside of tasks */
    _Atomic uint64_t tick;
    _Atomic int32_t  is_unwatched; /* no spiller could be started */
    _Atomic uint32_t kicked;       /* the spiller is to look */
    sbl_estimate     estimates[SBL_ESTIMATES];
    sbl_held_list    lists[SBL_HELD_LISTS];

    pthread_mutex_t    lock;              /* of all that follows, and of what held.h says */
    pthread_cond_t     changed;           /* a value came back, or left */
    pthread_cond_t     wake;              /* the spiller's */
    sbl_queue_of_tasks using_up, loading; /* have inputs in records; have none */
    int64_t            coming, promised;  /* tasks that were posted again and have not come yet; what they need */
    int64_t            stuck_since_ns;    /* 0: something went on since */

    pthread_t       threads[SBL_SPILL_THREADS];
    int32_t         n_threads;
    int32_t         ends;         /* the client closes */
    _Atomic int32_t nothing_left; /* when the spiller looked last, nothing could leave that had to */
    sbl_victim     *victims;
    int64_t         n_victims, next_victim, room_for_victims;
    int32_t         is_choosing;
    int32_t         none_left; /* choices since a result left memory, if the last had any */
    sbl_spill_file *file;
    int64_t         no_disk_until_ns; /* after a failure */
    sabal_error     disk_failure;     /* the last */
};

#define SBL_NO_LIMIT (INT64_MAX / 4)
/** limit in bytes; 0: what the settings say, else what this process may use; negative: none, and *budget is NULL, unless it is
    needed all the same, as results may lie elsewhere: then SBL_NO_LIMIT. Errors: SABAL_EINVAL (a setting), SABAL_ENOMEM. */
sabal_status sbl_budget_open(sbl_budget **budget, sabal_client *client, int64_t limit, int is_needed, sabal_error *err);
/** Nobody has a result any more. NULL allowed. */
void sbl_budget_free(sbl_budget *budget);

/** What results and running tasks take, alone. */
int64_t sbl_budget_own(const sbl_budget *budget);
/** What counts against the limit now. */
int64_t sbl_budget_used(const sbl_budget *budget);
/** A result of n_bytes is counted in the client's sums, or no more (sign -1). */
void sbl_budget_count_result(sbl_budget *budget, const sabal_future *f, int sign);
/** Sums small results anew. */
void sbl_budget_sum_small(sbl_budget *budget);
/** Results in records came into memory (negative: left it, or ended). */
void sbl_budget_move(sbl_budget *budget, int64_t in_memory, int64_t away);
/** Waits, a while at most, until bytes more fit; for those who bring data from outside, or want it back there. NULL allowed. */
void sbl_budget_wait_for_room(sbl_budget *budget, size_t bytes);
/** Whether they would fit now. NULL: they do. */
int sbl_budget_has_room(const sbl_budget *budget, size_t bytes);
/** Somebody waits for room for so many bytes more, or (negative) no longer: what may leave memory does. NULL allowed. */
void sbl_budget_want(sbl_budget *budget, int64_t bytes);

/* --- admit.c --------------------------------------------------------------------------------------------------- */

/** 1: the task may run, and its grant says what was reserved. 0: it waits; who calls is done with it. */
int sbl_budget_admit(sbl_grant *grant, sabal_future *f);
/** It came from the pool's queue, and is not to be run: somebody has. */
void sbl_budget_miss(sabal_future *f);
/** It runs whatever there is: somebody waits for it, and holds memory himself. */
void sbl_budget_let_in(sbl_grant *grant, sabal_future *f);
/** Brings its inputs into memory, to stay until sbl_grant_end(). */
sabal_status sbl_grant_begin(sbl_grant *grant, sabal_future *f, sabal_error *err);
/** It has run. */
void sbl_grant_end(sbl_grant *grant, sabal_future *f);
/** The task of this grant waits for others, and goes on. */
void sbl_grant_park(sbl_grant *grant);
void sbl_grant_unpark(sbl_grant *grant);
/** Memory came free: those who wait for it are looked at. Cheap if there are none. */
void sbl_budget_look(sbl_budget *budget);
/** What waits comes back, to be ended: the client closes. NULL allowed. */
void sbl_budget_flush(sbl_budget *budget);
/** The spiller finds nothing more to write. Lets one in, or fails it. */
void sbl_budget_dead_end(sbl_budget *budget);
/** Bytes that have to go so that the first who waits comes in; 0 or less: none. With the lock held. */
int64_t sbl_budget_missing(sbl_budget *budget);
/** A function's result took so many bytes. */
void sbl_budget_learn(sbl_budget *budget, const sabal_future *f, size_t n_bytes);

/* --- spiller.c ------------------------------------------------------------------------------------------------- */

/** The account has grown, or somebody waits: the spiller looks, if there is reason to. */
void sbl_spiller_kick(sbl_budget *budget);
/** All tasks have ended: ends the threads. What is on disk can still be read. NULL allowed. */
void sbl_spiller_stop(sbl_budget *budget);
/** 0: it found nothing that could leave when it looked last. */
int sbl_spiller_can_help(const sbl_budget *budget);

#endif
