/* Tasks and futures: plain C functions that run on the client's workers, and the results they will have. */
#ifndef SABAL_TASK_H
#define SABAL_TASK_H

#include <sabal/client.h>
#include <sabal/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a task's function gets: its argument, its inputs, a place for its result. Valid during the call. */
typedef struct sabal_task sabal_task;
/** The result a task will have: counted, immutable once there. */
typedef struct sabal_future sabal_future;
/** A task's function. It hands its result over with one of the sabal_task_return calls, whose status it returns.
    What is neither SABAL_OK nor a failure (SABAL_END, a number that is no status) fails the task with SABAL_EINVAL. */
typedef sabal_status sabal_task_fn(sabal_task *task);

/* --- inside a task ---------------------------------------------------------------------------------------- */

/** The bytes given to sabal_submit(); aligned to 16. NULL if there are none. */
SABAL_API const void *sabal_task_arg(const sabal_task *task);
SABAL_API size_t      sabal_task_arg_size(const sabal_task *task);
SABAL_API int32_t     sabal_task_n_inputs(const sabal_task *task);
/** The bytes of input i: what its task returned; of an n-d array its first element; of an object the object. */
SABAL_API const void *sabal_task_input(const sabal_task *task, int32_t i);
SABAL_API size_t      sabal_task_input_size(const sabal_task *task, int32_t i);
/** Input i as an n-d array; NULL if it is none. Borrowed. */
SABAL_API const sabal_ndarray *sabal_task_input_ndarray(const sabal_task *task, int32_t i);
/** The client to submit more work with. Handles made in a task are released when it returns. */
SABAL_API sabal_client *sabal_task_client(const sabal_task *task);
/** 1 once the task was cancelled or its time ran out: return soon, with SABAL_ECANCELED. A relaxed load. */
SABAL_API int32_t sabal_task_cancelled(const sabal_task *task);

/** Copies size bytes as the result. Errors: SABAL_ENOMEM, SABAL_EINVAL (a second result) */
SABAL_API sabal_status sabal_task_return(sabal_task *task, const void *data, size_t size);
/** Makes room for size bytes as the result and gives it to be filled before the task returns; NULL: no memory. */
SABAL_API void *sabal_task_return_room(sabal_task *task, size_t size);
/** The result is this array; the task keeps the caller's reference as it is. */
SABAL_API sabal_status sabal_task_return_ndarray(sabal_task *task, const sabal_ndarray *array);
/** The result is an object of the user's own type, which is taken over (destroyed on failure too). */
SABAL_API sabal_status sabal_task_return_object(sabal_task *task, void *object, const sabal_type *type);
/**
 * The result is that of another future of the same client, whenever it comes: nobody has to wait inside a task.
 * Errors: SABAL_EINVAL. If the other waits for this very task, the task fails with SABAL_EINVAL when it returns.
 */
SABAL_API sabal_status sabal_task_return_future(sabal_task *task, const sabal_future *future);
/** Fails the task with a message; returns status, so that it can be returned: return sabal_task_fail(t, ...).
    A status that is no failure becomes SABAL_ETASK. */
SABAL_API sabal_status sabal_task_fail(sabal_task *task, sabal_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- submitting ------------------------------------------------------------------------------------------- */

/** How to submit. */
typedef struct sabal_submit_options {
    size_t      struct_size;
    const char *where;
    sabal_list  inputs;       /* futures whose results the task gets; borrowed, retained until it has run       */
    const char *name;         /* for messages and traces; copied; NULL: the function's symbol, else its address */
    int32_t     priority;     /* higher runs first among the ready; default 0                                   */
    int32_t     retries;      /* how often a failure (timeouts too, not a cancellation) is tried again; default 0 */
    int64_t     timeout_ns;   /* from the start of a run until it is cancelled with SABAL_ETIMEDOUT; 0: none    */
    const char *function;     /* fn as it stands in the source, set by the macro: a static function has no symbol */
    size_t      output_bytes; /* what each result will take, for the client's memory limit; 0: as much as results of fn
                                 took before */
    const char *resources;    /* on a cluster: what it takes of its worker while it runs: "gpu=1,licence=0.5"; it waits
                                 until a worker has as much left (sabal worker --resources); copied; NULL: nothing */
    const char *workers;  /* on a cluster: names or hosts of workers, with commas; it runs on one of these alone, and
                                 waits if there is none; copied; NULL: on any                                   */
    int32_t     replicas; /* so many workers are to have the result, see sabal_future_replicate(); default 0   */
} sabal_submit_options;
#define SABAL_SUBMIT_DEFAULTS         .struct_size = sizeof(sabal_submit_options), .where = SABAL_HERE
#define SABAL_SUBMIT_DEFAULTS_FN_(fn) SABAL_SUBMIT_DEFAULTS, .function = #fn
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_submit_options_init(sabal_submit_options *options);

/**
 * Runs fn on a worker once its inputs are there.
 *
 *   arg      arg_size bytes, copied; NULL with 0
 *   returns  a future, never NULL; failed at once if the client or an input is. Releasing it does not cancel the task
 *
 * An argument with a comma outside round brackets needs brackets of its own: (&(struct p){1, 2}).
 * Cost: some 0.2 us, and 192 bytes with up to one input, 16 bytes of argument without one, and a result of up to 8 bytes
 *
 * Errors (of the future): SABAL_ENOMEM, SABAL_ECLOSED, SABAL_EFORKED, SABAL_EINVAL (an option out of range, an input
 *         of another client, 4 GiB or more of argument, resources or workers that can't be read, replicas below -1), SABAL_EUNSUPPORTED
 *         (resources or workers where there is no cluster: it would wait for ever), the first failed input's, the task's
 *         own.
 */
#ifndef __cplusplus
#define sabal_submit(client, fn, arg, arg_size, ...)                                                                   \
    SABAL_WITH(sabal_submit_with, ((client), (fn), (arg), (arg_size)), sabal_submit_options,                           \
               SABAL_SUBMIT_DEFAULTS_FN_(fn), __VA_ARGS__)
#endif
SABAL_API sabal_future *sabal_submit_with(sabal_client *client, sabal_task_fn *fn, const void *arg, size_t arg_size,
                                          const sabal_submit_options *options);

/**
 * Submits n tasks, one for each of n arguments of arg_size bytes that lie one behind the other; all get the same
 * inputs and options. Fills futures[0 .. n-1], each never NULL. Cheaper than n calls of sabal_submit(). The first tasks
 * may run before the call returns.
 */
#ifndef __cplusplus
#define sabal_map(futures, client, fn, args, arg_size, n, ...)                                                         \
    SABAL_WITH(sabal_map_with, ((futures), (client), (fn), (args), (arg_size), (n)), sabal_submit_options,             \
               SABAL_SUBMIT_DEFAULTS_FN_(fn), __VA_ARGS__)
#endif
SABAL_API void sabal_map_with(sabal_future **futures, sabal_client *client, sabal_task_fn *fn, const void *args,
                              size_t arg_size, int64_t n, const sabal_submit_options *options);

/** How to scatter. */
typedef struct sabal_scatter_options {
    size_t      struct_size;
    const char *where;
    int32_t     replicas; /* so many workers are to have it, from now on, see sabal_future_replicate(); default 0: those
                             that run tasks which need it, from then on */
} sabal_scatter_options;
#define SABAL_SCATTER_DEFAULTS .struct_size = sizeof(sabal_scatter_options), .where = SABAL_HERE
SABAL_API void sabal_scatter_options_init(sabal_scatter_options *options);

/** A future that already has its result: a copy of size bytes. Failed with SABAL_EINVAL (replicas), SABAL_ENOMEM, SABAL_ECLOSED. */
#ifndef __cplusplus
#define sabal_scatter(client, data, size, ...)                                                                         \
    SABAL_WITH(sabal_scatter_with, ((client), (data), (size)), sabal_scatter_options, SABAL_SCATTER_DEFAULTS,          \
               __VA_ARGS__)
#endif
SABAL_API sabal_future *sabal_scatter_with(sabal_client *client, const void *data, size_t size,
                                           const sabal_scatter_options *options);

/** For replicas: each worker that there is, and each that comes. */
#define SABAL_EVERY_WORKER (-1)

/**
 * On a cluster: so many workers are to have the result, which may be yet to come: n of them, or SABAL_EVERY_WORKER. 0 or 1: no
 * more than run tasks that need it, and what copies no task needs are dropped. What was said last counts.
 *
 * Copies are made without being waited for (sabal_future_who_has() tells of them), from worker to worker, each giving to at most two
 * others at a time: n workers have it after about the logarithm of n steps. When one is gone, or leaves, another gets it, as long
 * as there are enough. Copies take at most half of a worker's memory limit: one that has no room gets it when there is some. It lasts until the future is
 * released and no task needs it. Tasks then find it wherever they run, and it need not be made again when a worker is lost. A
 * result of at most 256 bytes lies with the scheduler, goes with each task that needs it, and is not copied; of a
 * task that returns another's future, that other's result is meant.
 *
 * Elsewhere nothing is to be done: all tasks of a client find its values where they are.
 *
 * Errors: SABAL_EINVAL (n below -1, NULL), SABAL_ENOMEM, SABAL_ECLOSED, SABAL_EFORKED, SABAL_EPEER (the scheduler is gone), that of a
 *         future that has failed
 */
SABAL_API sabal_status sabal_future_replicate(const sabal_future *future, int32_t n, sabal_error *err);

/* --- waiting and getting ---------------------------------------------------------------------------------- */

typedef enum sabal_future_state {
    SABAL_PENDING   = 0, /* waits for inputs or a worker, or runs */
    SABAL_FINISHED  = 1, /* has its result                        */
    SABAL_FAILED    = 2, /* has an error                          */
    SABAL_CANCELLED = 3  /* was cancelled, or its client closed   */
} sabal_future_state;

/** Where it is now; a pending one may have ended when the call returns. */
SABAL_API enum sabal_future_state sabal_future_state_get(const sabal_future *future);
/** The error of a failed or cancelled future, the first cause; NULL otherwise. Borrowed. */
SABAL_API const sabal_error *sabal_future_error(const sabal_future *future);

/**
 * How to wait. A wait with a limit runs nothing of the pool's meanwhile, so that it ends in time; but where every thread
 * that the pool may have is blocked in a wait of its own, it must, and may end late.
 */
typedef struct sabal_wait_options {
    size_t      struct_size;
    const char *where;
    int64_t     timeout_ns; /* give up after; negative: never (default) */
} sabal_wait_options;
#define SABAL_WAIT_DEFAULTS .struct_size = sizeof(sabal_wait_options), .where = SABAL_HERE, .timeout_ns = -1
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_wait_options_init(sabal_wait_options *options);

/**
 * Waits until the future has ended. Inside a task it runs what the future needs, or lends its place. A wait that times
 * out changes nothing.
 *
 * Errors: SABAL_ETIMEDOUT; the future's own. In a task, of this and of all calls that wait: SABAL_EINVAL (for its own
 *         future, or one that waits for that), SABAL_ENOMEM (waits nested so deep, a million or so, that all threads
 *         are blocked and no stack is left: let the task return the future instead)
 */
#ifndef __cplusplus
#define sabal_future_wait(future, err, ...)                                                                            \
    SABAL_WITH(sabal_future_wait_with, ((future), (err)), sabal_wait_options, SABAL_WAIT_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_future_wait_with(const sabal_future *future, sabal_error *err,
                                              const sabal_wait_options *options);

/** Waits until all have ended; the error is that of the first in the list that failed. */
#ifndef __cplusplus
#define sabal_wait_all(futures, err, ...)                                                                              \
    SABAL_WITH(sabal_wait_all_with, ((futures), (err)), sabal_wait_options, SABAL_WAIT_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_wait_all_with(sabal_list futures, sabal_error *err, const sabal_wait_options *options);

/** Waits until one has ended, well or badly, and tells which. SABAL_EINVAL for an empty list. In a task it lends its
    place, so that the task may cancel the others. */
#ifndef __cplusplus
#define sabal_wait_any(index, futures, err, ...)                                                                       \
    SABAL_WITH(sabal_wait_any_with, ((index), (futures), (err)), sabal_wait_options, SABAL_WAIT_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_wait_any_with(int64_t *index, sabal_list futures, sabal_error *err,
                                           const sabal_wait_options *options);

/** Futures in the order in which they end. */
typedef struct sabal_as_completed sabal_as_completed;
/**
 * An iterator over futures (retained until they were given out); one reference, owned by scope or client. Never NULL:
 * if it could not be made, its next call says why. Any number of threads may take from it and add to it.
 */
SABAL_API sabal_as_completed *sabal_as_completed_create(sabal_client *client, sabal_list futures);
/** Adds a future while iterating. Errors: SABAL_ENOMEM, SABAL_EFORKED */
SABAL_API sabal_status sabal_as_completed_add(sabal_as_completed *it, const sabal_future *future, sabal_error *err);
/**
 * Waits for the next that ended, well or badly. SABAL_END when all were given out (*future is NULL then).
 * The future handed out is borrowed from whoever holds it, or valid until the iterator is released.
 * Errors: SABAL_ETIMEDOUT, what its creation failed with, SABAL_EFORKED. A failed future is no error of this call.
 */
#ifndef __cplusplus
#define sabal_as_completed_next(future, it, err, ...)                                                                  \
    SABAL_WITH(sabal_as_completed_next_with, ((future), (it), (err)), sabal_wait_options, SABAL_WAIT_DEFAULTS,         \
               __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_as_completed_next_with(sabal_future **future, sabal_as_completed *it, sabal_error *err,
                                                    const sabal_wait_options *options);

/**
 * Waits, then copies the result, which must have exactly size bytes.
 *
 * It has no time limit. sabal_future_wait() has one, for the task; after that, only a result that lies with a worker of a cluster
 * is waited for here, and that ends: a worker that is silent for 3 s, or can't be reached for 5 s, is given up; then another one
 * that has the result is asked, or it is made again, which takes as long as its task does. When ten have not given it, this fails
 * with what the last one said; when the scheduler is gone, with SABAL_EPEER (how soon: \ref cluster). The same holds for all that
 * gives results.
 *
 * Errors: SABAL_ESHAPE (another size), SABAL_EDTYPE (an object), the future's own.
 */
SABAL_API sabal_status sabal_future_get(void *out, size_t size, const sabal_future *future, sabal_error *err);
/** Waits, then gives the result's bytes, borrowed for as long as the future is held. size may be NULL. */
SABAL_API sabal_status sabal_future_borrow(const void **data, size_t *size, const sabal_future *future,
                                           sabal_error *err);
/** Waits, then gives the result as an n-d array, one reference. SABAL_EDTYPE if it is none. */
SABAL_API sabal_status sabal_future_ndarray(sabal_ndarray **array, const sabal_future *future, sabal_error *err);
/** Waits for all, then copies their results, size bytes each, one behind the other; all of them or none. */
SABAL_API sabal_status sabal_gather(void *out, size_t size, sabal_list futures, sabal_error *err);

/**
 * Cancels: a task that has not started never does, one that runs sees sabal_task_cancelled(); what depends on it
 * fails with SABAL_ECANCELED. A future whose task runs ends when the function has returned, whatever that returns.
 * Has no effect on a future that has ended. On a cluster the future ends at once, and a task that begins before the word has
 * reached its worker runs all the same, for nobody; tasks that a cancelled one has submitted are cancelled with it.
 */
SABAL_API void sabal_future_cancel(const sabal_future *future);
/** A descriptor that becomes readable when the future has ended, and stays so. Owned by the future; -1: none left. */
SABAL_API int sabal_future_fd(const sabal_future *future);
/** The key of its task, unique in its client, as messages and traces print it. Borrowed. */
SABAL_API const char *sabal_future_key(const sabal_future *future);

#ifdef __cplusplus
} /* extern "C" */
inline sabal_submit_options sabal_submit_defaults()
{
    sabal_submit_options o;
    sabal_submit_options_init(&o);
    return o;
}
inline sabal_wait_options sabal_wait_defaults()
{
    sabal_wait_options o;
    sabal_wait_options_init(&o);
    return o;
}
inline sabal_future *sabal_submit(sabal_client *client, sabal_task_fn *fn, const void *arg, size_t arg_size,
                                  const sabal_submit_options &o = sabal_submit_defaults())
{
    return sabal_submit_with(client, fn, arg, arg_size, &o);
}
inline void sabal_map(sabal_future **futures, sabal_client *client, sabal_task_fn *fn, const void *args,
                      size_t arg_size, int64_t n, const sabal_submit_options &o = sabal_submit_defaults())
{
    sabal_map_with(futures, client, fn, args, arg_size, n, &o);
}
inline sabal_scatter_options sabal_scatter_defaults()
{
    sabal_scatter_options o;
    sabal_scatter_options_init(&o);
    return o;
}
inline sabal_future *sabal_scatter(sabal_client *client, const void *data, size_t size,
                                   const sabal_scatter_options &o = sabal_scatter_defaults())
{
    return sabal_scatter_with(client, data, size, &o);
}
inline sabal_status sabal_future_wait(const sabal_future *future, sabal_error *err,
                                      const sabal_wait_options &o = sabal_wait_defaults())
{
    return sabal_future_wait_with(future, err, &o);
}
inline sabal_status sabal_wait_all(sabal_list futures, sabal_error *err,
                                   const sabal_wait_options &o = sabal_wait_defaults())
{
    return sabal_wait_all_with(futures, err, &o);
}
inline sabal_status sabal_wait_any(int64_t *index, sabal_list futures, sabal_error *err,
                                   const sabal_wait_options &o = sabal_wait_defaults())
{
    return sabal_wait_any_with(index, futures, err, &o);
}
inline sabal_status sabal_as_completed_next(sabal_future **future, sabal_as_completed *it, sabal_error *err,
                                            const sabal_wait_options &o = sabal_wait_defaults())
{
    return sabal_as_completed_next_with(future, it, err, &o);
}
#endif
#endif
