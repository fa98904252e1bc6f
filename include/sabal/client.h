/* The client: where work runs. Handles, their references and scopes. */
#ifndef SABAL_CLIENT_H
#define SABAL_CLIENT_H

#include <stdio.h>

#include <sabal/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Work goes through it; every array, future and model belongs to one. May be used from any thread. */
typedef struct sabal_client sabal_client;

/** How to open. sabal_open() fills what you don't name with SABAL_OPEN_DEFAULTS. */
typedef struct sabal_open_options {
    size_t      struct_size;
    const char *where;        /* the caller's file and line, set by the macro                                   */
    int32_t     threads;      /* threads of the pool, 1 .. 1024; 0: $SABAL_THREADS, else the cores that the
                            affinity mask and the cgroup's CPU quota allow this process                      */
    const char *trace;        /* file for a trace of every task; NULL: $SABAL_TRACE, else none                  */
    int32_t     workers;      /* "rehearse:" alone: worker processes, 1 .. 256; 0: 2                              */
    int64_t     memory_limit; /* bytes that results and running tasks may take: see sabal_client_memory; 0:
                                 $SABAL_MEMORY_LIMIT, else what this process may use; -1: no limit           */
} sabal_open_options;
#define SABAL_OPEN_DEFAULTS .struct_size = sizeof(sabal_open_options), .where = SABAL_HERE
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_open_options_init(sabal_open_options *options);

/**
 * Opens a client.
 *
 *   address  NULL: $SABAL_SCHEDULER_FILE, else this node. "local:": this node, whatever the environment.
 *            "rehearse:": worker processes on this node that are to tasks what those of a cluster would be (cluster.h);
 *            threads are then those of each, by default an equal share of this process's.
 *            Anything else is a scheduler file: tasks run on the workers of its cluster (cluster.h), and threads and
 *            memory_limit are those of this process, for loops, and for values that are brought here. Waits up to five
 *            seconds for the file and the scheduler. $SABAL_SCHEDULER_FILE may be "rehearse:" or "local:" as well.
 *   returns  a client, never NULL; failed if it could not be opened: calls made with it give failed handles
 *            with the same cause. End it with sabal_close() in either case.
 *
 * A call with NULL for a client gives a failed handle with SABAL_EINVAL, as one with a failed client gives its cause.
 *
 * Errors: SABAL_EUNSUPPORTED, SABAL_EINVAL (threads or workers out of range, a setting of the environment that can't be
 *         read), SABAL_ENOMEM; SABAL_ENOENT, SABAL_EACCES, SABAL_EIO (the trace file); SABAL_EPEER (a worker that can't be
 *         started). Of a scheduler file: SABAL_ENOENT (there is none), SABAL_EACCES (another user's, open to others, no
 *         regular file; the scheduler refuses this client), SABAL_EFORMAT (malformed), SABAL_EUNSUPPORTED (of another
 *         version of sabal; a build without clusters), SABAL_EPEER (its scheduler is gone, or can't be reached),
 *         SABAL_ETIMEDOUT
 */
#ifndef __cplusplus
#define sabal_open(address, err, ...)                                                                                  \
    SABAL_WITH(sabal_open_with, ((address), (err)), sabal_open_options, SABAL_OPEN_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_client *sabal_open_with(const char *address, sabal_error *err, const sabal_open_options *options);

/**
 * Cancels what has not ended, waits for what is running, and releases every handle that belongs to the client.
 * NULL is allowed. Handles that were retained stay valid as husks until their release: they are failed with
 * SABAL_ECLOSED; plain results (sabal_ndarray, the bytes of a future that has finished) stay whole: those that lie with
 * workers of a cluster, and were retained, are brought here first. Must not be called from one of its own tasks.
 * In a child made by fork() it frees nothing that is shared and returns at once.
 */
SABAL_API void sabal_close(sabal_client *client);

/** The error of a client that could not be opened, is closed or was forked; NULL if it is fine. Borrowed. */
SABAL_API const sabal_error *sabal_client_error(const sabal_client *client);
/** Number of threads that run tasks; 0 for a failed client. */
SABAL_API int32_t sabal_client_threads(const sabal_client *client);
/**
 * A file descriptor that is readable when a future of this client has ended since the last call of
 * sabal_client_drain(); for poll, select, epoll. Owned by the client; -1 for a failed one.
 */
SABAL_API int  sabal_client_fd(sabal_client *client);
SABAL_API void sabal_client_drain(sabal_client *client);

/** Numbers about a client's work so far. */
typedef struct sabal_client_stats {
    size_t  struct_size;
    int64_t submitted; /* tasks handed in                              */
    int64_t finished;  /* of these, ended with a value                 */
    int64_t failed;    /* ended with an error, cancelled ones included */
    int64_t pending;   /* not yet ended                                */
    int64_t values;    /* results held now: one for each finished future */
    size_t  bytes;     /* their bytes                                  */
} sabal_client_stats;
/** Fills as much of *stats as its struct_size says, which the caller sets. SABAL_EINVAL if that is too small for any. */
SABAL_API sabal_status sabal_client_stats_get(const sabal_client *client, sabal_client_stats *stats);

/**
 * A client's memory. It is a budget: results of tasks, and what running tasks are expected to add, stay below the limit.
 *
 * From 60% of it on, results that no running task uses are written to a file (setting spill_folder), those first that
 * will be needed last, and read again when they are needed. From 80% on, tasks without results of others as inputs wait;
 * from 95% on, others too, until memory came free. If nothing that runs can free any, one task runs alone, however large;
 * and if then all of the limit is taken by what can't leave, it fails with SABAL_ENOMEM, or with the cause why results
 * could not be written. What can't leave: results that the program has borrowed, n-d arrays that it has, objects
 * whose type has no encode(), the program's own buffers of this library.
 *
 * On a cluster each worker keeps to a limit of its own in this way; a client's is of what was brought to it.
 *
 * What a task will take is what was said when it was submitted (option output_bytes), else what results of the same
 * function took before.
 */
typedef struct sabal_client_memory {
    size_t  struct_size;
    size_t  limit;    /* 0: none                                                                     */
    size_t  managed;  /* bytes of results in memory                                                  */
    size_t  spilled;  /* bytes of results that are on disk alone                                     */
    size_t  peak;     /* the most that managed was                                                   */
    size_t  resident; /* of this process, as the system counts, its program and libraries included   */
    int64_t waiting;  /* tasks that wait for memory                                                  */
} sabal_client_memory;
/** Fills as much of *memory as its struct_size says, which the caller sets. SABAL_EINVAL if that is too small for any. */
SABAL_API sabal_status sabal_client_memory_get(const sabal_client *client, sabal_client_memory *memory);

/*
 * Handles (sabal_array, sabal_future, sabal_kmeans, ...) are counted and opaque. Each belongs to the innermost
 * open scope of its thread and client, else to the client, and is released with it.
 */

/** Adds a reference that the caller must end with sabal_release(). Returns handle. Not NULL. */
SABAL_API void *sabal_retain(const void *handle);
/**
 * Ends a reference: one added by sabal_retain() if there is one, else the scope's. NULL is allowed.
 */
SABAL_API void sabal_release(const void *handle);
/** Moves a handle to the scope around the innermost one (else to the client). Returns handle. */
SABAL_API void *sabal_keep(const void *handle);

/** A block's scope; made by SABAL_SCOPE, lives on the stack. */
struct sbl_handle;
typedef struct sabal_scope {
    sabal_client       *client;
    struct sabal_scope *outer;
    struct sbl_handle  *first;
    uint64_t            check; /* catches a jump over the scope's start */
} sabal_scope;
SABAL_API void sabal_scope_open(sabal_scope *scope, sabal_client *client);
SABAL_API void sabal_scope_close(sabal_scope *scope);

#ifndef __cplusplus
#define SABAL_SCOPE_NAME_(line) sabal_scope_##line
#define SABAL_SCOPE_AT_(client_, line)                                                                                 \
    __attribute__((cleanup(sabal_scope_close), unused)) sabal_scope SABAL_SCOPE_NAME_(line) = {0};                     \
    sabal_scope_open(&SABAL_SCOPE_NAME_(line), (client_))
#define SABAL_SCOPE_LINE_(client_, line) SABAL_SCOPE_AT_(client_, line)
/** Stands first in a block: handles made in the block by this thread are released at its end, however it ends. */
#define SABAL_SCOPE(client_) SABAL_SCOPE_LINE_(client_, __LINE__)
#endif

#ifdef __cplusplus
} /* extern "C" */

#define SABAL_SCOPE_CAT_(a, b) a##b
#define SABAL_SCOPE_CAT(a, b)  SABAL_SCOPE_CAT_(a, b)
#define SABAL_SCOPE(client_)   sabal_scope_guard SABAL_SCOPE_CAT(sabal_scope_, __LINE__)(client_)
class sabal_scope_guard
{
  public:
    explicit sabal_scope_guard(sabal_client *client) : scope_{}
    {
        sabal_scope_open(&scope_, client);
    }
    ~sabal_scope_guard()
    {
        sabal_scope_close(&scope_);
    }
    sabal_scope_guard(const sabal_scope_guard &)            = delete;
    sabal_scope_guard &operator=(const sabal_scope_guard &) = delete;

  private:
    sabal_scope scope_;
};
inline sabal_open_options sabal_open_defaults()
{
    sabal_open_options o;
    sabal_open_options_init(&o);
    return o;
}
inline sabal_client *sabal_open(const char *address, sabal_error *err,
                                const sabal_open_options &o = sabal_open_defaults())
{
    return sabal_open_with(address, err, &o);
}
#endif
#endif
