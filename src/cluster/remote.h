/*
 * Tasks that are submitted to a cluster, by a client (remote.c) or by the tasks of a worker (crew_tasks.c). Threads that submit
 * put letters into the submitter, under a lock, and a loop sends them. A future that has not ended is known by its serial.
 */
#ifndef SBL_CLUSTER_REMOTE_H
#define SBL_CLUSTER_REMOTE_H

#include <pthread.h>

#include "cluster/core/submitter.h"
#include "cluster/errands.h"
#include "cluster/meetings.h"
#include "cluster/speaker.h"
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

/* A question that is asked again and again, and its last answer. */
typedef struct sbl_question {
    int       is_asked; /* and not sent yet */
    int       is_taken; /* its asker waits for an answer to `about` */
    uint64_t  about;
    uint64_t  answers; /* so many have come */
    sbl_words words;   /* the last */
} sbl_question;

/* What a process has submitted, and has heard of it: a client; or a worker, whose tasks submit tasks. */
typedef struct sbl_remote {
    sabal_client   *client;
    sbl_membership *membership;
    sbl_meetings   *meetings;
    sbl_errands    *errands;
    uint32_t        number;                   /* its own, once it has joined */
    sbl_speaker    *speaker;                  /* of what the submitter has to say */
    void (*speak_late)(struct sbl_remote *r); /* of what is not urgent; NULL: as of all else */
    /* A value that this worker has: its future here, retained; NULL: it has not. With the lock held. NULL: a client. */
    sabal_future *(*find)(uint32_t task, uint32_t attempt);
    pthread_mutex_t        *lock; /* of all below, and of the submitter's outbox */
    pthread_cond_t          changed;
    int                     is_over;
    sabal_error             why; /* it is over */
    sbl_submitter           submitter;
    sbl_futures             pending;
    sbl_futures             data;  /* sbl_data, told to the scheduler, by serial */
    sbl_futures             named; /* the same, by the number of the task that it is there */
    struct sbl_remote_kind *kinds; /* of tasks: a hash table */
    uint32_t                n_kinds, kinds_room;
    struct sbl_look        *looks; /* for values */
    struct {
        sbl_evwork   work; /* they are asked */
        int          is_posted, asks_workers;
        sbl_question status, who_has; /* who_has: about a serial */
        uint32_t     n_workers;
        int          counts_workers; /* n_workers is told whenever it has changed */
    } questions;                     /* of the cluster: remote_workers.c */
} sbl_remote;

/** Zeroed before; `membership`, `meetings`, `errands` and how it speaks are set by the caller. */
void sbl_remote_init(sbl_remote *r, sabal_client *client, pthread_mutex_t *lock, sbl_outbox *out);
void sbl_remote_clear(sbl_remote *r);
/** The scheduler is gone: all that has not ended fails, and all that is submitted from now on. */
void sbl_remote_over(sbl_remote *r, const sabal_error *why);

static inline sbl_remote *sbl_remote_of(const sabal_client *client)
{
    return client->elsewhere;
}

/* remote_workers.c: in the loop's thread. */
void sbl_remote_ask(sbl_evwork *work);
void sbl_remote_told(void *arg, sbl_reader *answer);

/* remote_attend.c */
int  sbl_remote_attend(sabal_client *client, int (*is_over)(void *arg), void *arg, int64_t deadline_ns);
void sbl_remote_ring(sabal_client *client);

/* remote_submit.c */
void sbl_remote_start(sabal_client *client, sabal_future **futures, int64_t n);
void sbl_remote_kinds_clear(sbl_remote *r);

/* remote_ends.c: calls of the submitter, in the loop's thread, and ends that come from here. */
void sbl_remote_done(void *arg, uint64_t serial, uint64_t size, const char *told, uint32_t n);
void sbl_remote_failed(void *arg, uint64_t serial, const sabal_error *err);
/** Ends a future that is in no table any more. */
void sbl_remote_fail(sabal_future *f, sbl_failure *failure);
void sbl_remote_interrupt(sabal_future *f);
/** The same of a number, if it is one that has not ended. */
void sbl_remote_interrupt_serial(sbl_remote *r, uint64_t serial);
void sbl_remote_forget(sabal_future *f);
void sbl_remote_stop(sabal_client *client);

/* remote_values.c */
typedef struct sbl_data sbl_data;
/** Tells the scheduler of data that a task is about to have as an input, once. With the lock held. 0: no memory. */
int sbl_remote_tell_data(sbl_remote *r, sabal_future *f);
/** The scheduler is told that so many workers, or SABAL_EVERY_WORKER, are to have the value of what it knows. With the lock held. */
void sbl_remote_say_replicas(sbl_remote *r, const sabal_future *f, int32_t n);
/** So many workers are to have its value. */
sabal_status sbl_remote_replicate(sabal_future *f, int32_t n, sabal_error *err);
void sbl_remote_at(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint64_t size, const char *workers,
                   uint32_t n);
void sbl_remote_push(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint32_t worker);
void sbl_remote_forget_data(void *arg, uint64_t serial);
void sbl_remote_lookup(void *arg, sbl_request *request);
/** Data that is kept here, by the name that it was pushed under; one reference. NULL: it is not here. */
sbl_value   *sbl_remote_named(sbl_remote *r, uint64_t task, uint64_t attempt);
sabal_status sbl_remote_bring(sbl_value **value, sabal_future *f, sabal_error *err);
/** A look for that value fails. 1: there was one. With the lock held. */
int  sbl_remote_look_failed(sbl_remote *r, uint64_t serial, const sabal_error *err);
void sbl_remote_looks_fail(sbl_remote *r, const sabal_error *why);
void sbl_remote_data_clear(sbl_remote *r);
/** Data was released: the scheduler is told, and says when it may go. With the lock held. 0: it never was told of it. */
int sbl_remote_data_released(sbl_remote *r, sabal_future *f);

#endif
