/*
 * The client's engine on a cluster. A thread of its own runs the loop; threads that submit put letters into the submitter, under
 * a lock, and the loop sends them. A future that has not ended is known by its serial.
 */
#ifndef SBL_CLUSTER_REMOTE_H
#define SBL_CLUSTER_REMOTE_H

#include <pthread.h>

#include "cluster/core/submitter.h"
#include "cluster/meetings.h"
#include "graph/client.h"

extern const sbl_engine sbl_engine_remote;

/* Futures by serial; or other records by a number. */
typedef struct sbl_futures_page {
    uint32_t      n;
    sabal_future *at[1024];
} sbl_futures_page;
typedef struct sbl_futures {
    sbl_futures_page **pages;
    uint64_t           first;
    uint32_t           n, room;
} sbl_futures;
/** 0: no memory. */
int           sbl_futures_put(sbl_futures *table, uint64_t serial, sabal_future *future);
sabal_future *sbl_futures_find(const sbl_futures *table, uint64_t serial);
/** Takes it out; NULL: there is none. */
sabal_future *sbl_futures_take(sbl_futures *table, uint64_t serial);
/** Any, the lowest; NULL: there is none. */
sabal_future *sbl_futures_any(const sbl_futures *table);
void          sbl_futures_clear(sbl_futures *table);

struct sbl_remote_kind;

typedef struct sbl_remote {
    sabal_client  *client;
    pthread_t      thread;
    sbl_evloop    *loop;
    sbl_membership membership;
    sbl_turns      turns;
    sbl_plane     *plane;
    sbl_meetings  *meetings;
    sbl_evwork     speak;
    _Atomic int    speaks;
    sbl_evwork     leave; /* from sabal_close() */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t  changed;
    int             is_joined, is_over;
    sabal_error     why; /* it is over */
    sbl_submitter   submitter;
    sbl_futures     pending;
    sbl_futures     data,
        named; /* sbl_data, told to the scheduler: by serial, by the number of the task that it is there */
    struct sbl_remote_kind *kinds; /* of tasks: a hash table */
    uint32_t                n_kinds, kinds_room;
    struct sbl_look        *looks; /* for values */
    struct {
        sbl_evwork work; /* they are asked */
        int        is_posted, asks_status, asks_workers;
        sbl_words  status; /* the last answer, and how many there were */
        uint64_t   answers;
        uint32_t   n_workers;
        int        counts_workers; /* n_workers is told whenever it has changed */
    } questions;                   /* of the cluster: remote_workers.c */
} sbl_remote;

static inline sbl_remote *sbl_remote_of(const sabal_client *client)
{
    return client->elsewhere;
}

/** What the submitter has to say is sent soon. */
void sbl_remote_speak(sbl_remote *r);

/* remote_workers.c: in the loop's thread. */
void sbl_remote_ask(sbl_evwork *work);
void sbl_remote_told(void *arg, sbl_reader *answer);

/* remote_submit.c */
void sbl_remote_start(sabal_client *client, sabal_future **futures, int64_t n);
void sbl_remote_kinds_clear(sbl_remote *r);

/* remote_ends.c: calls of the submitter, in the loop's thread, and ends that come from here. */
void sbl_remote_done(void *arg, uint64_t serial, uint64_t size, const char *told, uint32_t n);
void sbl_remote_failed(void *arg, uint64_t serial, const sabal_error *err);
/** Ends a future that is in no table any more. */
void sbl_remote_fail(sabal_future *f, sbl_failure *failure);
/** All that has not ended fails so. */
void sbl_remote_fail_all(sbl_remote *r, const sabal_error *why);
void sbl_remote_interrupt(sabal_future *f);
void sbl_remote_forget(sabal_future *f);
void sbl_remote_stop(sabal_client *client);

/* remote_values.c */
typedef struct sbl_data sbl_data;
/** Tells the scheduler of data that a task is about to have as an input, once. With the lock held. 0: no memory. */
int  sbl_remote_tell_data(sbl_remote *r, sabal_future *f);
void sbl_remote_at(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint64_t size, const char *workers,
                   uint32_t n);
void sbl_remote_push(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint32_t worker);
void sbl_remote_forget_data(void *arg, uint64_t serial);
void sbl_remote_lookup(void *arg, sbl_request *request);
sabal_status sbl_remote_bring(sbl_value **value, sabal_future *f, sabal_error *err);
/** A look for that value fails. 1: there was one. With the lock held. */
int  sbl_remote_look_failed(sbl_remote *r, uint64_t serial, const sabal_error *err);
void sbl_remote_looks_fail(sbl_remote *r, const sabal_error *why);
void sbl_remote_data_clear(sbl_remote *r);
/** Data was released: the scheduler is told, and says when it may go. With the lock held. 0: it never was told of it. */
int sbl_remote_data_released(sbl_remote *r, sabal_future *f);

#endif
