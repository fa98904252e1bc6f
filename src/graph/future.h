/*
 * A task and its future are one record, made by one allocation: handle, state, then the edges to its inputs, its
 * argument and its name.
 *
 * Two counts end it. The handle's references are those who want the result (scopes, users, tasks that take it as
 * input); when the last goes, the result goes. `keep` holds the memory alone: one for all those together, one for
 * the graph until the task has ended and its queue entry and edges are done with.
 */
#ifndef SBL_GRAPH_FUTURE_H
#define SBL_GRAPH_FUTURE_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/handle.h"
#include "graph/engine.h"
#include "sched/pool.h"

/* The stages of a task. Each step is a compare-and-swap, so that of two who want to take it one does. */
enum {
    SBL_WAITING  = 0, /* for inputs                                                                 */
    SBL_READY    = 1, /* in the pool's queue; whoever claims it runs it                             */
    SBL_RUNNING  = 2,
    SBL_CHAINED  = 3, /* it has run and returned another future, for which it waits                 */
    SBL_ENDING   = 4, /* somebody is writing its result                                             */
    SBL_FINISHED = 5,
    SBL_FAILED   = 6
};

/** owner waits for input. Lies in the owner's record, in the list of the input's dependents. */
typedef struct sbl_edge {
    struct sbl_edge *next;
    sabal_future    *owner;
    sabal_future    *input; /* one reference, until the owner has ended (or, chained, until the input has) */
} sbl_edge;

/** A failure is told once and shared by all that depend on it. */
typedef struct sbl_failure {
    _Atomic int32_t refs;
    int32_t         immortal; /* static, or a part of the client */
    int32_t         no_room;  /* it says nothing of the task: the budget could not let it begin */
    sabal_error     error;
} sbl_failure;

/** What is alike in all tasks that one line of a program submits; see sites.c. */
typedef struct sbl_site {
    sabal_task_fn *fn;
    const char    *function; /* as the caller wrote it, or NULL */
    const char    *where;    /* the user's line; static */
} sbl_site;

/* Options that few tasks have. */
typedef struct sbl_rare {
    int64_t     timeout_ns;
    int64_t     output_bytes; /* what its result will take; 0: not known */
    int32_t     retries;
    int32_t     each, replicas;      /* of the spec */
    sbl_site    site;                /* if it is no common one */
    void       *tag;                 /* of the spec */
    const char *workers, *resources; /* where it may run, and what it takes there; behind the name; NULL: no matter */
} sbl_rare;

/* What a running task was promised of its client's memory; see budget.h. */
typedef struct sbl_grant {
    struct sbl_budget *budget; /* NULL: it takes no part */
    int64_t            bytes;
    int64_t            away;     /* of these, for inputs that were not in memory */
    int32_t            n_pinned; /* inputs that are to stay in memory */
} sbl_grant;

/* How a task comes to its run that has waited for memory. */
enum { SBL_COMES_AGAIN = 1, SBL_COMES_ALONE = 2 };

/** A result of so few bytes lies in the record. */
enum { SBL_SMALL_BYTES = 8 };
typedef struct sbl_small {
    _Alignas(8) unsigned char bytes[SBL_SMALL_BYTES];
} sbl_small;

struct sabal_future {
    sbl_handle                  handle;
    sbl_work                    work; /* its place in the pool's queue */
    sabal_client               *client;
    const sbl_site             *site;
    uint64_t                    serial;
    _Atomic(sbl_edge *)         dependents; /* SBL_CLOSED once it has its result */
    _Atomic(struct sbl_watch *) watches;    /* attached on demand: see watch.h */
    union {
        sbl_value       *value;   /* FINISHED            */
        struct sbl_held *held;    /* FINISHED, is_held   */
        sbl_failure     *failure; /* FAILED              */
        sbl_small        small;   /* FINISHED, small > 0 */
    } result;
    uint32_t         arg_size;
    uint32_t         mark; /* the search for cycles that saw it last; under chain_lock */
    _Atomic uint32_t stage;
    sbl_event        ended;
    _Atomic int32_t  keep;
    _Atomic int32_t  missing; /* inputs that have not ended, and one more while it is being started */
    int32_t          n_inputs;
    _Atomic uint8_t  interrupted; /* bits: why a running task is asked to end */
    _Atomic uint8_t  result_keep; /* 2: those who want the result, and its publisher */
    _Atomic uint8_t  edges_lock;
    uint8_t          released; /* inputs are released; under edges_lock */
    uint8_t          chained;  /* edges[0] leads to the future it returned */
    uint8_t          failed;   /* result is a failure; set before the publisher drops its half */
    uint8_t          ran;      /* its function was called */
    uint8_t          named : 1, has_rare : 1, sized : 1,
        again : 1; /* it was given a name; it has an sbl_rare; what its result takes was said; it may be run again for it. Never change */
    uint8_t  is_held;   /* result is a record, as the value may leave memory; see held.h */
    uint8_t  small;     /* 1 + the bytes of a result that lies here */
    uint8_t  admission; /* SBL_COMES_AGAIN or ..._ALONE, after it waited for memory */
    uint8_t  elsewhere; /* another process was told of it: that it is to be run, or that it is data */
    sbl_edge edges[];   /* at least one, then sbl_rare, the argument (aligned to 16), the name */
};
/* A task with one input, and one with an argument of up to 16 bytes, take three cache lines. */
_Static_assert(sizeof(void *) != 8 || sizeof(sabal_future) + sizeof(sbl_edge) == 192, "the record has grown");

enum { SBL_ASKED_TO_CANCEL = 1, SBL_TIME_IS_UP = 2 };

#define SBL_CLOSED ((sbl_edge *)1)

static inline int sbl_future_has_ended(const sabal_future *f)
{
    /* acquire: the result is visible; pairs with the release in publish() */
    return atomic_load_explicit(&f->stage, memory_order_acquire) >= SBL_FINISHED;
}

/** Whose place in the pool's queue it is. */
static inline sabal_future *sbl_future_of_work(sbl_work *work)
{
    return (sabal_future *)(void *)((char *)work - offsetof(sabal_future, work));
}

/** Where it lies in the record; NULL if it has none. */
const void     *sbl_future_arg(const sabal_future *f);
const sbl_rare *sbl_future_rare(const sabal_future *f);
/** Of one that has a sbl_rare. */
void sbl_future_set_tag(sabal_future *f, void *tag);

/** Room for the record of a task that comes from site (NULL: one of its own). NULL: no memory. */
sabal_future *sbl_future_room(const sbl_task_spec *spec, const sbl_site *site);
void          sbl_future_free_room(sabal_future *f, const sbl_task_spec *spec, const sbl_site *site);
/** Makes a record, in room for it, of a task that is not started; its inputs are retained. The client is to be retained by
    the caller. site NULL: one of its own, made of function. */
void sbl_future_make(sabal_future *f, sabal_client *client, const sbl_task_spec *spec, const sbl_site *site,
                     const char *function, uint64_t serial);
/** A future that is failed from the start; an immortal one if there is no memory or the client is forked or closed. */
sabal_future *sbl_future_failed(sabal_client *client, const sabal_error *err);
/** A future that has its value, which it takes over. NULL: no memory (value is released). */
sabal_future *sbl_future_scattered(sabal_client *client, sbl_value *value);

void sbl_future_keep(sabal_future *f);
void sbl_future_unkeep(sabal_future *f);
/** The publisher's half of the result: the result goes if nobody wants it any more. */
void sbl_future_drop_result(sabal_future *f);
/** The client's sums of results have one more (sign 1), or one less (-1). */
void sbl_future_count_result(sabal_future *f, int sign);
/** Releases the inputs, once. */
void sbl_future_release_inputs(sabal_future *f);
/** Locks the edges for a look: they stay while it is held. 0: they are released already (not locked then). */
int  sbl_edges_lock(sabal_future *f);
void sbl_edges_unlock(sabal_future *f);
/** The edge to the future that it returned, in the place of those to its inputs; retains target. */
sbl_edge *sbl_edges_replace(sabal_future *f, sabal_future *target);

/** The name of its function or the one given; text is used if one has to be made up. */
const char *sbl_future_name(const sabal_future *f, char *text, size_t size);
/** Writes its key, "square-17". */
void sbl_future_write_key(const sabal_future *f, char *text, size_t size);

/** A failure that fits: err's copy, or the immortal one if memory is out. */
sbl_failure *sbl_failure_make(const sabal_error *err);
/** The failure of one task: its key and the user's line are noted. */
sbl_failure *sbl_failure_of_task(const sabal_future *f, sabal_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** 1: its failure says nothing of it: the budget could not let it begin. */
static inline int sbl_future_had_no_room(const sabal_future *f)
{
    return f->failed && f->result.failure->no_room;
}
sbl_failure *sbl_failure_retain(sbl_failure *failure);
void         sbl_failure_release(sbl_failure *failure);

/* What is given when nothing can be made: no memory, no client, a forked one, a closed one (which owns nothing any
   more). */
extern sbl_failure  sbl_failure_no_memory, sbl_failure_no_client, sbl_failure_forked, sbl_failure_closed;
extern sabal_future sbl_future_no_memory, sbl_future_no_client, sbl_future_forked, sbl_future_closed;

#endif
