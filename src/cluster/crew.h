/*
 * A worker's process on a cluster. Its first thread runs the loop: letters, connections, heartbeats. Tasks run as those of a
 * local client of its own, whose pool's threads tell their ends; both use the executor, under one lock.
 */
#ifndef SBL_CLUSTER_CREW_H
#define SBL_CLUSTER_CREW_H

#include <pthread.h>

#include "base/code.h"
#include "cluster/core/executor.h"
#include "cluster/meetings.h"
#include "cluster/net/folder.h"
#include "cluster/net/listen.h"
#include "cluster/remote.h"
#include "cluster/speaker.h"
#include "cluster/signals.h"

typedef struct sbl_crew_options {
    const char        *file; /* the scheduler file */
    int32_t            threads;
    int64_t            memory_limit; /* as of sabal_open() */
    const char        *name;
    const char *const *interfaces;
    int32_t            n_interfaces;
    int                tcp;
    int                encrypt;
    const char        *tls;             /* as of sbl_plane_options */
    int64_t            patience_ns;     /* for the scheduler file to appear, and its scheduler to answer */
    int                report;          /* written to, and closed, once it has joined; -1: nowhere */
    int64_t            lifetime_ns;     /* after which it leaves; 0: none */
    const char        *local_directory; /* for sockets and spilled values; NULL: where they lie by default */
    const char        *preload;         /* libraries, names with commas; NULL: none */
    const char        *resources;       /* that tasks may take; NULL: none */
} sbl_crew_options;

/** Runs until the scheduler is gone, or SIGTERM or SIGINT. Errors: it could not join: those of sbl_membership_open(). */
sabal_status sbl_crew_run(const sbl_crew_options *options, sabal_error *err);

/* --- its parts ---------------------------------------------------------------------------------------------------- */

/* What tasks of one number have in common. */
typedef struct sbl_kind {
    int64_t        refs; /* the table's, and of tasks */
    sbl_code       code;
    sabal_task_fn *fn;   /* NULL: it was not looked for, or its object is not here */
    sbl_spec       spec; /* its texts lie behind */
} sbl_kind;

/* Serials: the first, and how many. */
typedef struct sbl_range {
    uint64_t first, n;
} sbl_range;

/* A task that was handed to the local client, or waits for its code. */
typedef struct sbl_running {
    sbl_work            work; /* first: that tells of its end */
    struct sbl_running *next; /* of those that wait for their code */
    sbl_item           *item; /* NULL: it was taken back */
    const sbl_task_run *run;
    sbl_kind           *kind;
    sabal_future       *future; /* NULL: it could not be made, or was not yet */
    sabal_future       *chain;  /* what it returned, if that runs elsewhere */
    sbl_range          *own;    /* tasks that it has submitted, by their serials */
    uint32_t            n_own, own_room;
    int64_t             ns; /* that its function took */
    sabal_error         err;
    struct sbl_watch   *watch;
} sbl_running;

extern struct sbl_crew {
    sbl_crew_options options;
    sbl_evloop      *loop;
    sbl_membership   membership;
    sbl_turns        turns;
    sbl_plane       *plane;
    sbl_meetings    *meetings;
    sbl_listener    *listener;
    sbl_folder       folder;
    sbl_hello_self   door;
    sbl_evtimer      beat, end, parting; /* end: of its lifetime; parting: then it leaves, whatever it has */
    int64_t          beat_ns;
    sbl_speaker      speaker; /* of what the executor and `remote` have to say */
    sbl_signals      signals;
    sabal_error      why; /* it is over */
    int              is_over;
    int              retires; /* it has said that it wants to leave */
    _Atomic int      leaves;  /* by itself: it need not be started again, and has no more to say */
    pthread_mutex_t  lock;    /* of the executor and of all below */
    sbl_executor    *executor;
    sabal_client    *client;
    sbl_errands      errands;
    sbl_remote       remote;   /* of what its tasks submit */
    _Atomic int32_t  n_parked; /* tasks that wait for others */
    int32_t          n_told;   /* of these the scheduler knows */
    sbl_kind       **kinds;    /* by number */
    uint32_t         n_kinds;
} sbl_crew;

/** In the loop's thread: it leaves the cluster, as planned, and its process ends; its supervisor does not start it again. */
void sbl_crew_leave(void);
/** From any thread, after the executor was used: what it has to say is sent soon. */
void sbl_crew_speak(void);
/** The same, by the loop's thread in any case: for who has locks. */
void sbl_crew_speak_later(void);

/* crew_pace.c */
/** After the local client was made. */
void sbl_crew_pace_init(void);
/** A task came that is to run; or (-1) is not, as it was taken back while it waited for its code. With the lock held, or not. */
void sbl_crew_count(int by);
/** One of these has ended, after so many ns, and what the executor has to say of it is to be said: with others, and the sooner the more it
    is awaited. By any thread, without locks. */
void sbl_crew_ended(sbl_awaited by, int64_t took_ns);

/** The loop hears what comes, and not only who works: who has nothing to do can't take the seat. */
void sbl_crew_let_loop_hear(void);
/** Who has the seat leaves it: the same, if others have nothing to do. */
void sbl_crew_stands_up(void);

/* crew_run.c: calls of the executor, with the lock held. */
void sbl_crew_hear_spec(void *arg, const sbl_spec *spec);
void sbl_crew_start(void *arg, sbl_item *item, const sbl_task_run *run);
int  sbl_crew_take_back(void *arg, sbl_item *item);
void sbl_crew_interrupt(void *arg, sbl_item *item);
/** An object came, or can't be had: tasks that waited for it go on, those whose function it does not hold fail with err. With
    the lock held. */
void sbl_crew_code_came(const sbl_build_id *object, const sabal_error *err);

/* crew_tasks.c */
const sbl_engine *sbl_crew_engine(void);
/** The worker is a client too. After its executor and its local client were made. */
void sbl_crew_submits(void);

/* crew_values.c */
void *sbl_crew_value_of(void *arg, const char *bytes, uint32_t n);
void  sbl_crew_forget(void *arg, void *value);
void  sbl_crew_fetch(void *arg, sbl_item *item, uint32_t task, uint32_t attempt, uint64_t size, uint32_t worker,
                     uint32_t client);
void  sbl_crew_stop_fetch(void *arg, sbl_item *item);
/** A peer asks for a value: of the plane's options. */
void sbl_crew_lookup(void *arg, sbl_request *request);

/* crew_code.c */
/** Asks for an object that is lacking, unless that was done: sbl_crew_code_came() follows. With the lock held. Errors: it came
    before, and is of no use here; SABAL_ENOMEM. */
sabal_status sbl_crew_need(const sbl_build_id *object, sabal_error *err);
/** It came: a frame of SBL_TALK_OBJECT. It is loaded by a thread of its own. */
void sbl_crew_take_object(void *arg, const void *frame, size_t size);
/** Of the client's engine: finds code in a task. */
sabal_status sbl_crew_find(void **address, const sbl_code *code, sabal_error *err);

#endif
