/* The hub: the process with the client, and its side of each worker. Private to the rehearse engine. */
#ifndef SBL_CLUSTER_HUB_H
#define SBL_CLUSTER_HUB_H

#include <pthread.h>
#include <sys/types.h>

#include "cluster/channel.h"
#include "cluster/fault.h"
#include "cluster/segment.h"
#include "graph/client.h"
#include "graph/task.h"

typedef struct sbl_hub sbl_hub;

/* A task's function that was sent to a worker. On the stack of the pool's thread that waits for it. */
typedef struct sbl_call {
    struct sbl_call   *next;
    uint64_t           id;
    struct sabal_task *task;
    sabal_status       st;
    int                done;
    int                lost; /* its worker is gone; guilty: because of this call, as far as is known */
    int                guilty;
    uint64_t           process;        /* the worker's, to which it is to be sent */
    int                signal, status; /* what ended it */
} sbl_call;

typedef struct sbl_worker {
    sbl_hub        *hub;
    int32_t         index;
    int32_t         n_calls; /* under hub->lock: sent there, or about to be */
    pthread_mutex_t lock;    /* of what follows */
    pthread_cond_t  changed;
    int             is_there, is_read; /* is_read: by one of the threads that wait for answers */
    pid_t           pid;
    uint64_t        process; /* which of them that is; under lock and talk */
    sbl_call       *calls;
    sbl_channel     channel;
    pthread_mutex_t talk;      /* held while a call is put into words and sent: segments are announced before it */
    sbl_fault      *fault;     /* shared with the worker */
    int             fault_fd;  /* of its memory */
    sbl_segment    *announced; /* by the worker, for the answer that follows; the reader's */
} sbl_worker;

struct sbl_hub {
    int32_t          n_workers, threads; /* of each */
    int32_t          all_threads;        /* of those that are started yet and will be */
    pthread_mutex_t  lock;
    _Atomic uint64_t ids; /* of calls, of segments and of processes */
    pid_t            pid; /* of the hub's own process: a forked child has no part in it */
    sbl_segments    *segments;
    sbl_worker       workers[];
};

/** Makes the hub and starts its workers. Errors: as sbl_process_start(), SABAL_ENOMEM, SABAL_EPEER. */
sabal_status sbl_hub_create(sbl_hub **hub, int32_t n_workers, int32_t threads, sabal_error *err);
/** Nothing runs any more: ends the workers. NULL allowed. */
void sbl_hub_destroy(sbl_hub *hub);
/** In a forked child: closes what is the parent's, and forgets. */
void sbl_hub_abandon(sbl_hub *hub);

/** With worker->lock held: sees to it that there is a process. Errors: as sbl_hub_create(). */
sabal_status sbl_worker_start_process(sbl_worker *worker, sabal_error *err);
/** With worker->lock held: the channel has ended. Ends the process, and all calls that were sent there. */
void sbl_worker_is_lost(sbl_worker *worker);

/* call.c */
/** Runs a task's function in one of the workers. */
sabal_status sbl_hub_call(struct sabal_task *task);
/** Tells the worker that runs it, if one does, that a task is to end. */
void sbl_hub_tell(sbl_hub *hub, sabal_future *f);
/** Tells all workers that all is to end. */
void sbl_hub_stop(sbl_hub *hub);

#endif
