/* The public calls that ask about a cluster: of a scheduler file, or of a client, whatever engine it has. */
#include "cluster/workers.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/lists.h"
#include "base/struct.h"
#include "cluster/core/letters.h"
#include "cluster/hub.h"
#include "cluster/rehearse.h"
#include "graph/client.h"
#include "graph/submit.h"
#ifdef SBL_HAS_CLUSTER
#include "cluster/ask.h"
#include "cluster/crew_page.h"
#include "cluster/net/folder.h"
#include "cluster/remote.h"
#include "cluster/status_words.h"
#endif

enum { LOOK_AGAIN_NS = 50000000 };

/* Options of an older program are shorter: what it doesn't know has its default. */
static sabal_cluster_options options_of(const sabal_cluster_options *options)
{
    sabal_cluster_options o = {SABAL_CLUSTER_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

void sabal_cluster_options_init(sabal_cluster_options *options)
{
    *options = options_of(NULL);
}

/* --- of a scheduler file ------------------------------------------------------------------------------------------ */

#ifdef SBL_HAS_CLUSTER
typedef struct sbl_inquiry {
    sabal_cluster_info   *info;
    sabal_worker_info_fn *fn;
    void                 *user;
    sabal_status          st;
    sabal_error           err;
} inquiry;

static void heard(void *arg, sbl_reader *answer)
{
    inquiry *q = arg;

    q->st = sbl_hear_cluster(q->info, q->fn, q->user, answer, &q->err);
}

sabal_status sabal_cluster_info_get_with(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user,
                                         const char *file, sabal_error *err, const sabal_cluster_options *options)
{
    const sabal_cluster_options o   = options_of(options);
    inquiry                     q   = {.info = info, .fn = fn, .user = user, .err = SABAL_ERROR_INIT};
    sabal_error                 own = SABAL_ERROR_INIT;
    sabal_status                st  = sbl_ask(file, SBL_ASK_STATUS, NULL, o.timeout_ns, heard, &q, &own);

    if (!st && q.st)
        st = sbl_error_pass(&own, &q.err);
    if (!st)
        return SABAL_OK;
    sbl_error_where(&own, o.where);
    return sbl_error_pass(err, &own);
}

sabal_status sabal_cluster_stop_with(const char *file, sabal_error *err, const sabal_cluster_options *options)
{
    const sabal_cluster_options o   = options_of(options);
    sabal_error                 own = SABAL_ERROR_INIT;

    sbl_ask(file, 0, NULL, o.timeout_ns, NULL, NULL, &own);
    sbl_folder_sweep_all();
    if (!own.status)
        return SABAL_OK;
    sbl_error_where(&own, o.where);
    return sbl_error_pass(err, &own);
}

/* --- workers that are to leave ------------------------------------------------------------------------------------- */

/* Those that were asked to. */
typedef struct sbl_leavers {
    uint32_t *numbers;
    uint32_t  n, n_left; /* n_left: that are still there, when that was looked at */
    int       failed;
} leavers;

static void heard_leavers(void *arg, sbl_reader *answer)
{
    leavers       *all  = arg;
    const uint32_t n    = sbl_hear_u32(answer);
    const int      fits = n <= (size_t)(answer->end - answer->at) / sizeof n;
    uint32_t      *more = fits ? sbl_realloc(all->numbers, (all->n + n + 1) * sizeof *more) : NULL;

    all->failed = !more;
    if (!more)
        return;
    all->numbers = more;
    for (uint32_t i = 0; i < n && !answer->failed; i++)
        all->numbers[all->n++] = sbl_hear_u32(answer);
    all->failed = answer->failed;
}

static int32_t count_left(void *user, const sabal_worker_info *worker)
{
    leavers *all = user;

    for (uint32_t i = 0; i < all->n; i++)
        all->n_left += all->numbers[i] == (uint32_t)worker->number;
    return 0;
}

static sabal_status wait_for_leavers(leavers *all, const char *file, int64_t timeout_ns, sabal_error *err)
{
    const int64_t until = sbl_clock_ns() + SBL_RETIRE_NS + timeout_ns;

    for (;;) {
        sabal_cluster_info info = {.struct_size = sizeof info};
        sabal_status       st;

        all->n_left = 0;
        st          = sabal_cluster_info_get(&info, count_left, all, file, err, .timeout_ns = timeout_ns);
        if (st || !all->n_left)
            return st;
        if (sbl_clock_ns() > until)
            return sbl_error_set(err, SABAL_ETIMEDOUT, "%u of %u workers that were asked to leave are still there",
                                 all->n_left, all->n);
        nanosleep(&(struct timespec){0, LOOK_AGAIN_NS}, NULL);
    }
}

static sabal_status ask_to_leave(leavers *all, const char *name, size_t length, const char *file, int64_t timeout_ns,
                                 sabal_error *err)
{
    const uint32_t before = all->n;
    char           text[256];
    sabal_status   st;

    if (!length || length >= sizeof text)
        return sbl_error_set(err, SABAL_EINVAL, "'%.*s' names no worker: expected 1 to %zu characters",
                             (int)(length < 64 ? length : 64), name, sizeof text - 1);
    snprintf(text, sizeof text, "%.*s", (int)length, name);
    st = sbl_ask(file, SBL_ASK_RETIRE, text, timeout_ns, heard_leavers, all, err);
    if (!st && all->failed)
        return sbl_error_set(err, SABAL_EPEER, "the scheduler's answer makes no sense, or memory is out");
    if (!st && all->n == before)
        return sbl_error_set(err, SABAL_ENOENT,
                             "the cluster of %s has no worker '%s': 'sabal status' shows their names and numbers", file,
                             text);
    return st;
}

sabal_status sabal_cluster_retire_with(const char *workers, const char *file, sabal_error *err,
                                       const sabal_cluster_options *options)
{
    const sabal_cluster_options o     = options_of(options);
    leavers                     all   = {0};
    sabal_error                 first = SABAL_ERROR_INIT, own;
    const char                 *at    = workers ? workers : "", *name;
    size_t                      length;

    while (sbl_names_next(&name, &length, &at)) {
        own = (sabal_error)SABAL_ERROR_INIT;
        if (ask_to_leave(&all, name, length, file, o.timeout_ns, &own) && !first.status)
            sbl_error_pass(&first, &own);
    }
    own = (sabal_error)SABAL_ERROR_INIT;
    if (all.n && wait_for_leavers(&all, file, o.timeout_ns, &own) && !first.status)
        sbl_error_pass(&first, &own);
    sbl_free(all.numbers);
    if (!first.status)
        return SABAL_OK;
    sbl_error_where(&first, o.where);
    return sbl_error_pass(err, &first);
}
#else
static sabal_status no_clusters(sabal_error *err)
{
    return sbl_error_set(err, SABAL_EUNSUPPORTED,
                         "this build has no clusters: they need libsodium when sabal is built");
}

sabal_status sabal_cluster_info_get_with(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user,
                                         const char *file, sabal_error *err, const sabal_cluster_options *options)
{
    return no_clusters(err);
}

sabal_status sabal_cluster_stop_with(const char *file, sabal_error *err, const sabal_cluster_options *options)
{
    return no_clusters(err);
}

sabal_status sabal_cluster_retire_with(const char *workers, const char *file, sabal_error *err,
                                       const sabal_cluster_options *options)
{
    return no_clusters(err);
}
#endif

/* --- of a client -------------------------------------------------------------------------------------------------- */

/* Between sbl_client_enter() and _exit() what is behind a client stays. */
static sabal_status closed(sabal_error *err)
{
    return sbl_error_set(err, SABAL_ECLOSED, "the client is closed");
}

static int is_rehearsed(const sabal_client *client)
{
    return client->engine == &sbl_engine_rehearse;
}

#ifdef SBL_HAS_CLUSTER
/* A client of a cluster, or that of a task in a worker. */
static int is_remote(const sabal_client *client)
{
    return client->elsewhere && !is_rehearsed(client);
}
#endif

/* The figures of this process, as if it were a cluster. */
static void describe_here(sabal_cluster_info *info, const sabal_client *client, int32_t workers)
{
    sabal_client_stats stats = {.struct_size = sizeof stats};

    sabal_client_stats_get(client, &stats);
    *info = (sabal_cluster_info){.struct_size = sizeof *info,
                                 .pid         = (int32_t)getpid(),
                                 .is_here     = 1,
                                 .clients     = 1,
                                 .workers     = workers,
                                 .threads     = sabal_client_threads(client),
                                 .waiting     = stats.pending,
                                 .done        = stats.values,
                                 .ended       = stats.finished + stats.failed};
    snprintf(info->version, sizeof info->version, "%s", sabal_version());
    gethostname(info->host, sizeof info->host - 1);
}

static sabal_worker_info process_here(const sabal_cluster_info *info, int32_t number, int32_t pid, int32_t threads)
{
    return (sabal_worker_info){.struct_size    = sizeof(sabal_worker_info),
                               .number         = number,
                               .name           = info->host,
                               .host           = info->host,
                               .state          = "running",
                               .pid            = pid,
                               .is_here        = 1,
                               .threads        = threads,
                               .resources      = "",
                               .resources_used = ""};
}

static void tell_rehearsed(sabal_worker_info_fn *fn, void *user, const sabal_cluster_info *info, sbl_hub *hub)
{
    for (int32_t i = 0; i < hub->n_workers; i++) {
        sabal_worker_info worker = process_here(info, i + 1, (int32_t)hub->workers[i].pid, hub->threads);

        pthread_mutex_lock(&hub->lock);
        worker.running = hub->workers[i].n_calls;
        pthread_mutex_unlock(&hub->lock);
        if (fn(user, &worker))
            return;
    }
}

static void tell_local(sabal_worker_info_fn *fn, void *user, const sabal_cluster_info *info, const sabal_client *client)
{
    sabal_client_memory memory = {.struct_size = sizeof memory};
    sabal_client_stats  stats  = {.struct_size = sizeof stats};
    sabal_worker_info   worker = process_here(info, 1, info->pid, info->threads);

    sabal_client_memory_get(client, &memory);
    sabal_client_stats_get(client, &stats);
    worker.memory_used  = memory.managed;
    worker.memory_limit = memory.limit;
    worker.queued       = stats.pending;
    worker.done         = stats.finished;
    worker.failed       = stats.failed;
    fn(user, &worker);
}

static sabal_status info_here(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user, sabal_client *client,
                              sabal_error *err)
{
    sbl_hub           *hub = is_rehearsed(client) ? client->elsewhere : NULL;
    sabal_cluster_info found;

    describe_here(&found, client, hub ? hub->n_workers : 1);
    if (sbl_struct_give(info, &found, sizeof found))
        return sbl_error_set(err, SABAL_EINVAL, "struct_size of the sabal_cluster_info is not set");
    if (fn && hub)
        tell_rehearsed(fn, user, &found, hub);
    else if (fn)
        tell_local(fn, user, &found, client);
    return SABAL_OK;
}

sabal_status sabal_client_cluster_info_get(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user,
                                           sabal_client *client, sabal_error *err)
{
    sabal_status st = sbl_client_check(client, err);

    if (st)
        return st;
    if (!sbl_client_enter(client, 0))
        return closed(err);
#ifdef SBL_HAS_CLUSTER
    if (is_remote(client))
        st = sbl_remote_cluster_info(info, fn, user, sbl_remote_of(client), err);
    else
#endif
        st = info_here(info, fn, user, client, err);
    sbl_client_exit(client);
    return st;
}

static sabal_status wait_for(sabal_client *client, int32_t n, int64_t timeout_ns, sabal_error *err)
{
    const sbl_hub *hub     = is_rehearsed(client) ? client->elsewhere : NULL;
    const int32_t  threads = sabal_client_threads(client);

    if (n < 0)
        return sbl_error_set(err, SABAL_EINVAL, "%d workers to be waited for: expected 0 or more", (int)n);
#ifdef SBL_HAS_CLUSTER
    if (is_remote(client))
        return sbl_remote_wait_for_workers(sbl_remote_of(client), (uint32_t)n,
                                           timeout_ns < 0 ? INT64_MAX : sbl_clock_ns() + timeout_ns, err);
#endif
    if (n > threads)
        return sbl_error_set(
            err, SABAL_EINVAL,
            "%d workers to be waited for: this client has %d %s with %d threads in all, and gets no more", (int)n,
            hub ? (int)hub->n_workers : 1, hub ? "worker processes" : "process", (int)threads);
    return SABAL_OK;
}

sabal_status sabal_client_wait_for_workers_with(sabal_client *client, int32_t n, sabal_error *err,
                                                const sabal_wait_options *options)
{
    const sabal_wait_options o   = sbl_wait_options_of(options);
    sabal_error              own = SABAL_ERROR_INIT;
    sabal_status             st  = sbl_client_check(client, &own);

    if (!st && sbl_client_enter(client, 0)) {
        st = wait_for(client, n, o.timeout_ns, &own);
        sbl_client_exit(client);
    } else if (!st) {
        st = closed(&own);
    }
    if (!st)
        return SABAL_OK;
    sbl_error_where(&own, o.where);
    return sbl_error_pass(err, &own);
}

static sabal_status tell_holders(sabal_worker_info_fn *fn, void *user, const sabal_future *future, sabal_error *err)
{
    sabal_client      *client = future->client;
    sabal_cluster_info found;

#ifdef SBL_HAS_CLUSTER
    if (is_remote(client))
        return sbl_remote_who_has(fn, user, sbl_remote_of(client), future->serial, err);
#endif
    if (sabal_future_state_get(future) == SABAL_FINISHED) {
        describe_here(&found, client, 1);
        tell_local(fn, user, &found, client);
    }
    return SABAL_OK;
}

sabal_status sabal_future_who_has(sabal_worker_info_fn *fn, void *user, const sabal_future *future, sabal_error *err)
{
    sabal_status st;

    if (!fn || !future)
        return sbl_error_set(err, SABAL_EINVAL, "who has a future: the %s is NULL", future ? "function" : "future");
    st = sbl_client_check(future->client, err);
    if (st)
        return st;
    if (!sbl_client_enter(future->client, 0))
        return closed(err);
    st = tell_holders(fn, user, future, err);
    sbl_client_exit(future->client);
    return st;
}

/* --- in each worker ----------------------------------------------------------------------------------------------- */

/* Options of an older program are shorter: what it doesn't know has its default. */
static sabal_run_options run_options_of(const sabal_run_options *options)
{
    sabal_run_options o = {SABAL_RUN_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

void sabal_run_options_init(sabal_run_options *options)
{
    *options = run_options_of(NULL);
}

/* One task, where this process is all there is; or one that stands for those of all workers. */
static sabal_status run_in_each(sabal_client *client, sbl_task_spec *task, const sabal_run_options *o, sabal_error *err)
{
    sabal_future *future;
    sabal_status  st;

    if (client->engine->chooses_workers)
        task->each = o->later ? SBL_EACH_LATER : SBL_EACH_NOW;
    st = sbl_submit_batch(client, &(sbl_batch){.specs = task, .alike = 1, .n = 1, .function = o->function}, &future,
                          err);
    if (st)
        return st;
    st = sbl_wait_one(future, -1, err);
    sbl_handle_release(future);
    return st;
}

/* 0: it is closed. */
static int32_t processes_of(sabal_client *client)
{
    const int32_t n = sbl_client_enter(client, 0) ? ((const sbl_hub *)client->elsewhere)->n_workers : 0;

    if (n)
        sbl_client_exit(client);
    return n;
}

/* One for each of the processes; the error is that of the first that failed. */
static sabal_status run_rehearsed(sabal_client *client, sbl_task_spec *task, const sabal_run_options *o,
                                  sabal_error *err)
{
    const int32_t n_workers = processes_of(client);
    sabal_future *futures[SBL_MOST_WORKERS];
    sabal_status  st = SABAL_OK;
    int32_t       n  = 0;

    for (; n < n_workers && !st; n++) {
        task->each = SBL_EACH_AT + n;
        st         = sbl_submit_batch(client, &(sbl_batch){.specs = task, .alike = 1, .n = 1, .function = o->function},
                                      &futures[n], err);
    }
    if (!n_workers)
        return closed(err);
    if (st)
        n--;
    else
        st = sbl_wait_list(futures, n, -1, err);
    for (int32_t i = 0; i < n; i++)
        sbl_handle_release(futures[i]);
    return st;
}

sabal_status sabal_client_run_with(sabal_client *client, sabal_task_fn *fn, const void *arg, size_t arg_size,
                                   sabal_error *err, const sabal_run_options *options)
{
    const sabal_run_options o    = run_options_of(options);
    sabal_error             own  = SABAL_ERROR_INIT;
    sabal_status            st   = sbl_client_check(client, &own);
    sbl_task_spec           task = {
                  .fn = fn, .arg = arg, .arg_size = arg_size, .priority = INT32_MAX, .name = o.name, .where = o.where};

    if (!st && arg_size > SBL_MOST_EACH_ARG)
        st = sbl_error_set(&own, SABAL_EINVAL, "an argument of %zu bytes for each worker: expected %d at most",
                           arg_size, (int)SBL_MOST_EACH_ARG);
    if (!st)
        st = is_rehearsed(client) ? run_rehearsed(client, &task, &o, &own) : run_in_each(client, &task, &o, &own);
    if (!st)
        return SABAL_OK;
    sbl_error_where(&own, o.where);
    return sbl_error_pass(err, &own);
}
