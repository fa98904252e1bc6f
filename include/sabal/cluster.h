/*
 * Tasks in other processes. With sabal_open("rehearse:", ...) each task runs in one of some worker processes of this node,
 * as it would on the nodes of a cluster: what travels is code, arguments and inputs, never a program's global variables.
 * A worker has its own, as they were before main().
 *
 * A worker loads the program's code: its executable (as a private copy) and its libraries. For that
 *
 *  - functions of tasks, and sabal_types, must lie in the program or a library that has a build-id (gcc's and Debian's
 *    usual way; else link with -Wl,--build-id),
 *  - the executable must be position-independent (the usual way; else -fPIE and -pie), linked dynamically, without
 *    thread-local variables of its own and without a sanitizer. Libraries may have all these; those that the program finds
 *    by $ORIGIN need a soname (-Wl,-soname, which meson and CMake set).
 *
 * Variables of libraries (environ, signgam, optind) that a program uses need -fPIC: else the linker gives the program a copy,
 * which in a worker would never change; such a program is refused. stdin, stdout and stderr are none of these.
 *
 * Each value of 64 KiB and more takes a file descriptor in the client's process (ulimit -n).
 *
 * An executable that is otherwise can be its own worker: it calls sabal_worker_main() first thing in main(). Constructors
 * run in workers too; main() does not.
 *
 * A task that ends its process (a signal, exit(), abort()) fails with SABAL_EPEER after its retries, and with its line;
 * the worker is started again, tasks that ran beside it are run once more, and no value is lost. Where it can't be told which
 * of the tasks in a worker brought its end (SIGKILL, _exit(), a crash in a task that a task submitted), all that had begun
 * are charged with it. Tasks that a task submits run in the same worker.
 */
#ifndef SABAL_CLUSTER_H
#define SABAL_CLUSTER_H

#include <sabal/client.h>
#include <sabal/status.h>
#include <sabal/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a program its own worker. Call it first in main(), before anything else is done:
 *
 *     int main(int argc, char **argv)
 *     {
 *         int32_t status = sabal_worker_main(argc, argv);
 *
 *         if (status >= 0)
 *             return status;
 *
 *   returns  -1 if the process was not started as a worker: go on. Else the status with which it is to end; then it was
 *            one, and its work is over
 */
SABAL_API int32_t sabal_worker_main(int argc, char **argv);

/*
 * The processes of a cluster: one scheduler, and a worker on each node. What is said above of rehearsals holds there too, but
 * for this: values lie with the worker that made them, and are made again from what they were made of if it is lost; data that
 * a program scattered stays with the program until nobody needs it. Tasks that a task submits run where there is room; one that waits
 * for them gives back its place. A task runs again, on another worker, when its worker is
 * lost; one that ends workers (a signal, abort(), exit(), memory that runs out) fails with SABAL_EPEER after the third, and one that
 * ran in ten workers that ended, by whosever fault, after the tenth. A worker that leaves is nobody's fault.
 * Files are read and written by workers, under the program's absolute paths, so they have to be where all of them see them.
 * Members prove to each other that they know the secret of the scheduler file before anything else is said.
 * `sabal scheduler` and `sabal worker` call these; a
 * program may too, and then is that process until the cluster ends.
 */

/** How a scheduler runs. sabal_scheduler_run() fills what you don't name with SABAL_SCHEDULER_DEFAULTS. */
typedef struct sabal_scheduler_options {
    size_t      struct_size;
    const char *where;
    const char *interfaces;      /* names, with commas, on which it listens; NULL: all that are up but loopback;
                                    "": none, members come from this node alone                              */
    int32_t     port;            /* 0: a free one for each interface                                          */
    int32_t     encrypt;         /* 1: all that is said is encrypted; it always is authenticated              */
    int64_t     idle_timeout_ns; /* it ends after so long without a client; 0: never                          */
    int32_t     ready_fd;        /* a byte is written there, and it is closed, once members can join; -1: none */
    int64_t     watchdog_ns;  /* the log (SABAL_LOG=warn) tells what waits for what when tasks wait, and none has ended
                                    for so long, and again after each doubling; default 30 s; 0: never        */
    const char *record;       /* a file to which all is written that it is told, so that its decisions can be replayed;
                                    NULL: none                                                                */
    int64_t     record_limit; /* bytes of that file, after which no more is written; default 1 GiB         */
} sabal_scheduler_options;
#define SABAL_SCHEDULER_DEFAULTS                                                                                       \
    .struct_size = sizeof(sabal_scheduler_options), .where = SABAL_HERE, .ready_fd = -1, .watchdog_ns = 30000000000,   \
    .record_limit = (int64_t)1 << 30
SABAL_API void sabal_scheduler_options_init(sabal_scheduler_options *options);

/**
 * Runs a scheduler until SIGTERM, SIGINT or SIGHUP, which it takes over; or until it has been idle for long enough.
 *
 *   file  the scheduler file that it writes: addresses, and the secret by which members prove themselves. Readable for its
 *         owner alone; gone when it ends
 *
 * Errors: SABAL_EINVAL (port; a file of a scheduler that runs), SABAL_ENOENT (no such interface), SABAL_EACCES, SABAL_EIO, SABAL_ENOSPC (the file),
 *         SABAL_ENOMEM, SABAL_EUNSUPPORTED (built without clusters)
 */
#ifndef __cplusplus
#define sabal_scheduler_run(file, err, ...)                                                                            \
    SABAL_WITH(sabal_scheduler_run_with, ((file), (err)), sabal_scheduler_options, SABAL_SCHEDULER_DEFAULTS,           \
               __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_scheduler_run_with(const char *file, sabal_error *err,
                                                const sabal_scheduler_options *options);

/** How a worker runs. sabal_worker_run() fills what you don't name with SABAL_WORKER_DEFAULTS. */
typedef struct sabal_worker_options {
    size_t      struct_size;
    const char *where;
    int32_t     threads;      /* as of sabal_open()                                                           */
    int64_t     memory_limit; /* as of sabal_open()                                                           */
    const char *name;         /* for messages, and for tasks that are to run there; NULL: the machine's       */
    const char *interfaces;   /* as of a scheduler: where other members reach it                              */
    const char *tls;          /* carriers of values that may be used, with commas: memfd, tcp, rdma, ucx-shm, ucx-tcp;
                                 NULL: all but the last two                                                   */
    int32_t     encrypt;      /* as of a scheduler                                                            */
    int64_t     timeout_ns;   /* to wait for the scheduler file, then to join; each; default 5 s              */
    int32_t     ready_fd;     /* as of a scheduler: once it has joined                                        */
    int32_t     supervised;   /* 1, the default: it runs in a process of its own, and this one starts it again
                                 when it has ended by a fault; 0: in this process                             */
    int64_t     lifetime_ns;  /* after which it leaves by itself, before a time limit ends it: as
                                 sabal_cluster_retire() has it, so a minute earlier than that limit; 0: none   */
    const char *local_directory; /* a folder of this node for sockets and for values that don't fit in memory,
                                    made if it is missing; NULL: the setting spill_folder, and $XDG_RUNTIME_DIR
                                    or /tmp                                                                   */
    const char *preload;         /* libraries that it loads first, names with commas; NULL: none                 */
    const char *resources;       /* what tasks may take of it (option resources of sabal_submit()), up to 16 names, each
                                    with an amount: "gpu=2,licence=1"; NULL: nothing                             */
} sabal_worker_options;
#define SABAL_WORKER_DEFAULTS                                                                                          \
    .struct_size = sizeof(sabal_worker_options), .where = SABAL_HERE, .timeout_ns = 5000000000, .ready_fd = -1,        \
    .supervised = 1
SABAL_API void sabal_worker_options_init(sabal_worker_options *options);

/**
 * Runs a worker until the scheduler has ended, its lifetime is over, or SIGTERM, SIGINT or SIGHUP, which it takes over.
 *
 * Supervised, it runs in a process of its own: this program, if it calls sabal_worker_main(), else sabal-worker beside the
 * library. When that has ended by a fault (a signal, exit() in a task), or was cut off from the scheduler, another one is started, at
 * once at first, after up to half a minute if they end soon after they have begun; the scheduler is told how it ended, and which
 * tasks it ran. That process ends with this one. Returns SABAL_OK when the cluster has ended or it was told to leave.
 *
 * Not supervised, it runs in this process, with the program's variables as they are, and the process ends with status 0 in place of
 * returning.
 *
 * Errors: SABAL_ENOENT (there is no such file), SABAL_EPEER (its scheduler is gone), SABAL_EACCES (the file of another user, or
 *         open to others; a scheduler that refuses this worker), SABAL_EFORMAT, SABAL_EUNSUPPORTED (another version of sabal; a
 *         carrier that this build has not; a library to be loaded first that can't be), SABAL_ETIMEDOUT, SABAL_EINVAL
 *         (resources that can't be read, among others), SABAL_ENOMEM. Supervised, also SABAL_EPEER: the worker ended three times before it had joined
 */
#ifndef __cplusplus
#define sabal_worker_run(file, err, ...)                                                                               \
    SABAL_WITH(sabal_worker_run_with, ((file), (err)), sabal_worker_options, SABAL_WORKER_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_worker_run_with(const char *file, sabal_error *err, const sabal_worker_options *options);

/*
 * What a cluster is and does, as its scheduler sees it: what `sabal status` shows. Who asks does not join: it keeps no scheduler from
 * its idle timeout.
 */

/** A cluster at a moment. Filled as far as the struct_size says, which the caller sets. */
typedef struct sabal_cluster_info {
    size_t  struct_size;
    char    version[24];      /* of sabal                                                                        */
    char    id[33];           /* another for each start of a scheduler; "": this process is all of it            */
    char    host[65];         /* where the scheduler runs                                                        */
    char    addresses[1024];  /* where it can be reached, with commas: "tcp 10.0.0.1:4711 (eth0)", "unix /tmp/..." */
    int32_t pid;              /* of its process                                                                  */
    int32_t is_here;          /* 1: on this machine, and pid means a process here                                */
    int64_t age_ns;           /* since it started                                                                */
    int32_t clients;          /* programs, workers not counted                                                   */
    int32_t workers, threads; /* all that are there, with those that are suspect or leave; threads: of all of them */
    int64_t waiting;          /* tasks that wait for inputs                                                      */
    int64_t ready;            /* that no worker has yet                                                          */
    int64_t sent;             /* that workers have                                                               */
    int64_t chained;          /* that have returned another task, and wait for it                                */
    int64_t done;             /* that have ended with a value which somebody needs                               */
    int64_t failed;           /* that have failed, and somebody may ask why                                      */
    int64_t released;         /* whose values may have to be made again                                          */
    int64_t ended;            /* runs of tasks that have ended since it started                                  */
    double  per_second;       /* of these, in the last two seconds                                               */
} sabal_cluster_info;

/** A worker at a moment. */
typedef struct sabal_worker_info {
    size_t      struct_size;
    int64_t     number;      /* never used twice in a cluster                                                   */
    const char *name, *host; /* valid during the call                                                           */
    const char *state; /* "running"; "suspect": it was silent for too long, and gets nothing; "leaving": it retires */
    int32_t     pid, is_here; /* as of a sabal_cluster_info                                                      */
    int32_t     threads;
    size_t      memory_used, memory_limit; /* limit 0: none                                                      */
    int64_t     running, queued; /* tasks that it has to run now, and that wait for it                           */
    int64_t     done, failed;    /* runs of tasks that have ended there                                          */
    int64_t     silent_ns;       /* since it was heard last                                                      */
    const char *resources;       /* that tasks may take of it, "gpu=2,licence=1"; "": none; valid during the call */
    const char *resources_used;  /* that tasks which it has take now, of the same names: "gpu=1,licence=0"       */
} sabal_worker_info;
/** Gets one worker, valid during the call; returns 0 to go on. */
typedef int32_t sabal_worker_info_fn(void *user, const sabal_worker_info *worker);

/** How to ask. The calls below fill what you don't name with SABAL_CLUSTER_DEFAULTS. */
typedef struct sabal_cluster_options {
    size_t      struct_size;
    const char *where;
    int64_t     timeout_ns; /* within which the scheduler has to answer; default 4 s */
} sabal_cluster_options;
#define SABAL_CLUSTER_DEFAULTS                                                                                         \
    .struct_size = sizeof(sabal_cluster_options), .where = SABAL_HERE, .timeout_ns = 4000000000
SABAL_API void sabal_cluster_options_init(sabal_cluster_options *options);

/**
 * Asks the scheduler of a file what its cluster is and does. Waits for the answer, not for the file.
 *
 *   info  filled as far as its struct_size says
 *   fn    called for each worker, in the order in which they joined, until it returns something else than 0; NULL: for none
 *
 * Errors: SABAL_ENOENT (there is no such file), SABAL_EPEER (its scheduler is gone, is of an earlier run of this job, or can't be
 *         reached), SABAL_EACCES (another user's, open to others, no regular file; the scheduler refuses), SABAL_EFORMAT
 *         (half-written, malformed), SABAL_EUNSUPPORTED (another version of sabal; built without clusters),
 *         SABAL_ETIMEDOUT, SABAL_EINVAL (info's struct_size), SABAL_ENOMEM
 */
#ifndef __cplusplus
#define sabal_cluster_info_get(info, fn, user, file, err, ...)                                                         \
    SABAL_WITH(sabal_cluster_info_get_with, ((info), (fn), (user), (file), (err)), sabal_cluster_options,              \
               SABAL_CLUSTER_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_cluster_info_get_with(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user,
                                                   const char *file, sabal_error *err,
                                                   const sabal_cluster_options *options);

/**
 * Tells the scheduler of a file to end, with all workers, whatever they do; programs that use them get SABAL_EPEER. Waits until the
 * scheduler has said so to all and closes; their processes end soon after. In either case it removes the folders
 * with sockets that processes of this user, on this machine, have left when they were killed.
 *
 * Errors: those of sabal_cluster_info_get()
 */
#ifndef __cplusplus
#define sabal_cluster_stop(file, err, ...)                                                                             \
    SABAL_WITH(sabal_cluster_stop_with, ((file), (err)), sabal_cluster_options, SABAL_CLUSTER_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_cluster_stop_with(const char *file, sabal_error *err,
                                               const sabal_cluster_options *options);

/**
 * Asks workers to leave as planned (client.retire_workers() of Dask), and waits until they are gone. Such a worker gets nothing more,
 * gives back what it has not begun, and ends what it runs; what it has is copied to other workers first, so that nothing has to be
 * made again. Its supervisor does not start it again. It leaves in any case within a minute: what it still runs then is run again
 * elsewhere, and what it alone has is made again, as when a worker is lost. A worker whose lifetime is over does the same by itself.
 * Where no other worker is there, its values wait for one, up to that minute.
 *
 *   workers     their names, with commas, and perhaps blanks behind these; of a name all that have it. A number is that of a worker
 *               if none has it as its name
 *   timeout_ns  of the options: within which the scheduler has to answer; the wait that follows takes as long again, and a minute
 *
 * Errors: SABAL_ENOENT (there is no worker of one of these names: those of the others leave), SABAL_EINVAL (no name; a name of 256
 *         characters or more), SABAL_ETIMEDOUT (not all are gone); those of sabal_cluster_info_get()
 */
#ifndef __cplusplus
#define sabal_cluster_retire(workers, file, err, ...)                                                                  \
    SABAL_WITH(sabal_cluster_retire_with, ((workers), (file), (err)), sabal_cluster_options, SABAL_CLUSTER_DEFAULTS,   \
               __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_cluster_retire_with(const char *workers, const char *file, sabal_error *err,
                                                 const sabal_cluster_options *options);

/**
 * The same as sabal_cluster_info_get(), of the cluster that a client uses. Of "rehearse:" each worker process is told, of "local:"
 * this process as the one worker; of both, what is not known is 0.
 *
 * Errors: the client's; SABAL_EPEER (the scheduler is gone), SABAL_ETIMEDOUT (it has not answered in four seconds),
 *         SABAL_EINVAL (info's struct_size), SABAL_ENOMEM
 */
SABAL_API sabal_status sabal_client_cluster_info_get(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user,
                                                     sabal_client *client, sabal_error *err);

/**
 * Tells which workers have the value of a future now (client.who_has() of Dask): fn is called for each, in the order in which they
 * joined, until it returns something else than 0. Nobody has the value of one that is pending or has failed; a small one (up to 256
 * bytes) lies with the program and the scheduler, and no worker is told. Of "rehearse:" and "local:" this process has all values.
 *
 * Errors: SABAL_EINVAL (future or fn NULL), SABAL_ECLOSED; those of sabal_client_cluster_info_get()
 */
SABAL_API sabal_status sabal_future_who_has(sabal_worker_info_fn *fn, void *user, const sabal_future *future,
                                            sabal_error *err);

/**
 * Waits until a cluster has n workers (client.wait_for_workers() of Dask); no call needs that, as tasks wait for the first one, but
 * what is handed out first goes to those who are there. One that is about to leave does not count; one that is suspect does, as it
 * may go on, and so does one that first runs what sabal_client_run() has it run. On "rehearse:" and "local:" it returns at once: what
 * they have is there from the beginning, and each process, or each thread of this one, is as good as a worker.
 *
 * Errors: SABAL_ETIMEDOUT (the message tells how many there are), SABAL_EINVAL (n below 0; more than this client can ever have),
 *         SABAL_EPEER (the scheduler is gone), SABAL_ENOMEM; the client's
 */
#ifndef __cplusplus
#define sabal_client_wait_for_workers(client, n, err, ...)                                                             \
    SABAL_WITH(sabal_client_wait_for_workers_with, ((client), (n), (err)), sabal_wait_options, SABAL_WAIT_DEFAULTS,    \
               __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_client_wait_for_workers_with(sabal_client *client, int32_t n, sabal_error *err,
                                                          const sabal_wait_options *options);

/** How to run a function in each worker. */
typedef struct sabal_run_options {
    size_t      struct_size;
    const char *where;
    int32_t     later;    /* 1, the default: in each worker too that joins while the client is open; 0: no        */
    const char *name;     /* as of sabal_submit()                                                                */
    const char *function; /* as of sabal_submit()                                                                */
} sabal_run_options;
#define SABAL_RUN_DEFAULTS         .struct_size = sizeof(sabal_run_options), .where = SABAL_HERE, .later = 1
#define SABAL_RUN_DEFAULTS_FN_(fn) SABAL_RUN_DEFAULTS, .function = #fn
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_run_options_init(sabal_run_options *options);

/**
 * Runs fn once in each worker process that there is, and waits until all have (client.run() of Dask): to set up what tasks find
 * there, such as variables of the process, as a program's own don't travel. Tasks of fn go before all others, and wait for
 * a thread of their worker that has nothing to do. What they return is dropped.
 *
 * A worker that joins later, or takes the place of one that has ended, runs what has been run so, one call after the other, before it
 * gets any task, of whichever client. A failure there is logged (SABAL_LOG=warn) by
 * the scheduler and by this program. Asked by a task, this lasts as long as its worker.
 *
 * On "local:" fn runs once, in this process. On "rehearse:" each worker process runs it, but none that is started later.
 *
 *   arg      arg_size bytes, up to 1 MiB, copied; NULL with 0
 *   returns  the error of the first that has failed, with its worker's name (node); the others run on
 *
 * Errors: SABAL_EPEER (a worker has ended before it had run it; the scheduler is gone),
 *         SABAL_EINVAL (as of sabal_submit()), SABAL_ENOMEM, SABAL_ECLOSED, the client's, those of fn
 */
#ifndef __cplusplus
#define sabal_client_run(client, fn, arg, arg_size, err, ...)                                                          \
    SABAL_WITH(sabal_client_run_with, ((client), (fn), (arg), (arg_size), (err)), sabal_run_options,                   \
               SABAL_RUN_DEFAULTS_FN_(fn), __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_client_run_with(sabal_client *client, sabal_task_fn *fn, const void *arg, size_t arg_size,
                                             sabal_error *err, const sabal_run_options *options);

#ifdef __cplusplus
} /* extern "C" */

inline sabal_run_options sabal_run_defaults()
{
    sabal_run_options o;
    sabal_run_options_init(&o);
    return o;
}
inline sabal_status sabal_client_run(sabal_client *client, sabal_task_fn *fn, const void *arg, size_t arg_size,
                                     sabal_error *err, const sabal_run_options &o = sabal_run_defaults())
{
    return sabal_client_run_with(client, fn, arg, arg_size, err, &o);
}
inline sabal_cluster_options sabal_cluster_defaults()
{
    sabal_cluster_options o;
    sabal_cluster_options_init(&o);
    return o;
}
inline sabal_status sabal_cluster_info_get(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user,
                                           const char *file, sabal_error *err,
                                           const sabal_cluster_options &o = sabal_cluster_defaults())
{
    return sabal_cluster_info_get_with(info, fn, user, file, err, &o);
}
inline sabal_status sabal_cluster_stop(const char *file, sabal_error *err,
                                       const sabal_cluster_options &o = sabal_cluster_defaults())
{
    return sabal_cluster_stop_with(file, err, &o);
}
inline sabal_status sabal_cluster_retire(const char *workers, const char *file, sabal_error *err,
                                         const sabal_cluster_options &o = sabal_cluster_defaults())
{
    return sabal_cluster_retire_with(workers, file, err, &o);
}
inline sabal_status sabal_client_wait_for_workers(sabal_client *client, int32_t n, sabal_error *err,
                                                  const sabal_wait_options &o = sabal_wait_defaults())
{
    return sabal_client_wait_for_workers_with(client, n, err, &o);
}
#endif
#endif
