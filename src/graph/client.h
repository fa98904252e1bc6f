/* The client as its own floor sees it: owner of handles, counters, the engine behind it. */
#ifndef SBL_GRAPH_CLIENT_H
#define SBL_GRAPH_CLIENT_H

#include "graph/engine_type.h"
#include "graph/future.h"
#include "graph/sites.h"

/* Counters lie in shards, one cache line each, so that threads which submit and threads which run don't share one. */
#define SBL_SHARDS 16
typedef struct sbl_shard {
    _Alignas(64) _Atomic int64_t submitted; /* handed in */
    _Atomic int64_t finished, failed;       /* counted before the end can be seen */
    _Atomic int64_t left;                   /* counted when the graph is done with the task */
    _Atomic int64_t inside;                 /* calls that hand in and have not returned */
    _Atomic int64_t values;
    _Atomic int64_t bytes;
} sbl_shard;

/* What is written at each submission or end lies apart from what is only read meanwhile. */
struct sabal_client {
    sbl_owner owner; /* first: a scope's client and its owner are one address */
    _Alignas(64) const sbl_engine *engine;
    void               *elsewhere; /* what the engine keeps of other processes */
    _Atomic(sbl_pool *) pool;      /* NULL: failed or closed */
    sbl_failure        *failure;   /* why it could not be opened; NULL: it was */
    struct sbl_trace   *trace;     /* NULL: none */
    struct sbl_budget  *budget;    /* NULL: memory has no limit */
    uint64_t            generation;
    _Atomic uint32_t    closing;       /* 1 from sabal_close() on */
    _Atomic int         fd;            /* -1: none yet */
    _Alignas(64) _Atomic int64_t refs; /* who keeps the memory: the user until close, each handle */
    _Atomic uint64_t serial;
    _Alignas(64) _Atomic int32_t urgent;  /* ready tasks with a priority above 0 */
    sbl_event            quiet;           /* set when closing and no task is left */
    _Atomic int32_t      n_chained;       /* tasks that wait for a future that they returned           */
    _Atomic uint32_t     fd_raised;       /* written to since the last drain */
    _Atomic uint32_t     fd_drained;      /* sabal_client_drain() was called */
    _Atomic uint32_t     ended_at_once;   /* since then: a future that had ended when it was made */
    uint32_t             chain_mark;      /* under chain_lock: the last search for a cycle                    */
    pthread_mutex_t      watch_lock;      /* guards the watches of all its futures */
    pthread_mutex_t      chain_lock;      /* one task at a time begins to wait for a future that it returned */
    struct sbl_timer    *timer;           /* made when the first task with a timeout is submitted; under watch_lock */
    struct sabal_client *next, *previous; /* all clients of the process, for fork */
    sbl_sites            sites;
    sbl_shard            shards[SBL_SHARDS];
};

extern sabal_client sbl_client_no_memory;

/** This thread's shard. */
sbl_shard *sbl_client_shard(sabal_client *client);
/** 1 in a child of the process that opened it. */
int sbl_client_is_forked(const sabal_client *client);
/** As n times sbl_client_retain(). */
void sbl_client_retain_many(sabal_client *client, int64_t n);
/** n tasks come in. 0: the client is closing, and nothing was counted. Else its pool stays until sbl_client_exit(), by
    the same thread, though all of them end before. */
int  sbl_client_enter(sabal_client *client, int64_t n);
void sbl_client_exit(sabal_client *client);
/** As the beginning of sabal_close(): tasks that run are asked to end, and none comes in. */
void sbl_client_stop(sabal_client *client);
/** The graph is done with one task. */
void sbl_client_leave(sabal_client *client);
/** A future has ended: whoever polls the client's descriptor is told. */
void sbl_client_raise_fd(sabal_client *client);

static inline int sbl_client_is_closing(const sabal_client *client)
{
    return atomic_load_explicit(&client->closing, memory_order_relaxed) != 0;
}

static inline void sbl_count(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
