/*
 * The door between collections and execution: the only calls that src/array, src/ml and the like make to run work.
 * A collection cannot tell which engine stands behind it.
 */
#ifndef SBL_GRAPH_ENGINE_H
#define SBL_GRAPH_ENGINE_H

#include <sabal/task.h>

#include "base/code.h"
#include "value/value.h"

enum { SBL_SMALL_RESULT = 1 }; /* output_bytes of a task whose result is not worth counting before it is there */

/* How a task is run by each worker: SBL_EACH_AT + i: rehearsed, by worker i alone. */
enum { SBL_EACH_NOW = 1, SBL_EACH_LATER = 2, SBL_EACH_AT = 3 };

/** A task as collections describe it. All is copied or retained by the time the call returns. */
typedef struct sbl_task_spec {
    sabal_task_fn       *fn;
    const void          *arg; /* arg_size bytes, copied */
    size_t               arg_size;
    sabal_future *const *inputs; /* n_inputs, borrowed; retained until the task has run */
    int32_t              n_inputs;
    int32_t              priority;
    int32_t              retries;
    int64_t              timeout_ns; /* 0: none */
    size_t      output_bytes; /* what the result will take, for the memory budget; 0: as that function's before */
    const char *name;         /* static or living as long as the call: copied; NULL: the function's */
    const char *workers;      /* where it may run (base/lists.h); copied; NULL: anywhere */
    const char *resources;    /* what it takes there; copied; NULL: nothing */
    int32_t     replicas;     /* so many workers are to have the result; -1: every one; 0: no matter */
    int32_t     each;         /* not 0: it is to be run by each worker, or one of them; on a cluster, and rehearsed */
    int         again;        /* 1: to run it again, which gives the same, is as good as to write its result to disk */
    const char *where;        /* the user's line, a static string; may be NULL */
    int         own_where;    /* 1: where is no static string, but lives as long as the future */
    void       *tag;          /* what its engine wants to find again, in sbl_rare; with own_where alone */
} sbl_task_spec;

/**
 * Submits n tasks; all or none. futures[i] is one reference each, owned by the caller (sbl_handle_release), not by
 * a scope. Errors: SABAL_ENOMEM, and what sbl_client_check() says. A failed input is no error here: the future of
 * the task fails with the input's first cause.
 */
sabal_status sbl_engine_submit(sabal_client *client, const sbl_task_spec *specs, int64_t n, sabal_future **futures,
                               sabal_error *err);
/** A future that has its value already; one reference for the caller. Retains value. */
sabal_status sbl_engine_scatter(sabal_client *client, sbl_value *value, sabal_future **future, sabal_error *err);
/** SABAL_EINVAL: so many workers can't be meant. */
sabal_status sbl_replicas_check(int32_t n, sabal_error *err);
/** So many workers are to have its value, if it has not failed; as sabal_future_replicate() has it. */
sabal_status sbl_engine_replicate(sabal_future *future, int32_t n, sabal_error *err);
/** Waits until all n have ended (negative timeout: for ever). The first failed one, in order, gives the error. */
sabal_status sbl_engine_wait(sabal_client *client, sabal_future *const *futures, int64_t n, int64_t timeout_ns,
                             sabal_error *err);
/** Waits, then gives the value with a reference for the caller. On a remote engine it is fetched. */
sabal_status sbl_engine_fetch(sbl_value **value, sabal_future *future, sabal_error *err);

/** The client of what was made with NULL for a client: failed with SABAL_EINVAL, static. It owns only what nobody else
    could: models, as arrays and futures of it are immortal. */
extern sabal_client sbl_client_none;

/** A client that can't be used says why: the failure of its opening, SABAL_ECLOSED, SABAL_EFORKED, NULL. */
sabal_status sbl_client_check(const sabal_client *client, sabal_error *err);
/** 1 if its tasks run in this process, so that they may be given pointers. */
int sbl_client_is_here(const sabal_client *client);
/** Its pool, for fork-join inside this process; NULL for a failed client, and for NULL. */
struct sbl_pool *sbl_client_pool(const sabal_client *client);
/** Where its handles live. Never NULL, also for a failed client. */
struct sbl_owner *sbl_client_owner(sabal_client *client);
/** Keeps a client's memory (not its work) while a handle points to it. */
void sbl_client_retain(sabal_client *client);
void sbl_client_release(sabal_client *client);

/* Inside a task. */
/** Input i, with a reference for the caller. Errors: SABAL_ENOMEM. */
sabal_status sbl_task_input_value(sbl_value **value, const sabal_task *task, int32_t i, sabal_error *err);
/** Where code lies that another process has named; it is fetched if need be, and loaded. Errors: SABAL_EUNSUPPORTED (what
    was not named, or can't be loaded), SABAL_EPEER. */
sabal_status sbl_task_find_code(void **address, sabal_task *task, const sbl_code_ref *ref, sabal_error *err);
/** The result is this value: takes over the caller's reference, on failure too. */
sabal_status sbl_task_return_value(sabal_task *task, sbl_value *value);
/** Fails the task with this record. Returns its status. */
sabal_status sbl_task_pass(sabal_task *task, const sabal_error *err);
/** Between the two the calling thread waits for a disk or another machine, and others compute in its place. */
void sbl_task_lend_place(void);
void sbl_task_take_place(void);

#endif
