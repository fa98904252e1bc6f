/* Opening and closing, what a client says of itself, and what becomes of it in a forked child. */
#include "graph/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/config.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/log.h"
#include "base/pages.h"
#include "base/struct.h"
#include "graph/budget.h"
#include "graph/trace.h"
#include "sched/futex.h"

/* What sabal_open() gives when there is no memory for a client: never freed, its handles end with its last user. */
sabal_client sbl_client_no_memory = {
    .owner = {.lock = PTHREAD_MUTEX_INITIALIZER}, .failure = &sbl_failure_no_memory, .refs = 1, .fd = -1};
static _Atomic int32_t no_memory_users;

sabal_client sbl_client_none = {
    .owner = {.lock = PTHREAD_MUTEX_INITIALIZER}, .failure = &sbl_failure_no_client, .refs = 1, .fd = -1};

/* --- fork ------------------------------------------------------------------------------------------------------ */

/*
 * All clients, so that fork() finds none of their locks held: the child may still release its handles. Each child
 * is a new generation; a client of an older one has lost its threads.
 */
static pthread_mutex_t  clients_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t   fork_once    = PTHREAD_ONCE_INIT;
static sabal_client    *clients;
static _Atomic uint64_t generation = 1;

static void before_fork(void)
{
    pthread_mutex_lock(&clients_lock);
    for (sabal_client *c = clients; c; c = c->next) {
        pthread_mutex_lock(&c->owner.lock);
        pthread_mutex_lock(&c->watch_lock);
    }
}

static void after_fork(void)
{
    for (sabal_client *c = clients; c; c = c->next) {
        pthread_mutex_unlock(&c->watch_lock);
        pthread_mutex_unlock(&c->owner.lock);
    }
    pthread_mutex_unlock(&clients_lock);
}

static void after_fork_in_child(void)
{
    after_fork();
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
    sbl_pool_leave_all();
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

int sbl_client_is_forked(const sabal_client *client)
{
    return client->generation && client->generation != atomic_load_explicit(&generation, memory_order_relaxed);
}

static void enlist(sabal_client *client)
{
    pthread_once(&fork_once, watch_forks);
    pthread_mutex_lock(&clients_lock);
    client->next = clients;
    if (clients)
        clients->previous = client;
    clients            = client;
    client->generation = atomic_load_explicit(&generation, memory_order_relaxed);
    pthread_mutex_unlock(&clients_lock);
}

static void delist(sabal_client *client)
{
    pthread_mutex_lock(&clients_lock);
    *(client->previous ? &client->previous->next : &clients) = client->next;
    if (client->next)
        client->next->previous = client->previous;
    pthread_mutex_unlock(&clients_lock);
}

/* --- counting -------------------------------------------------------------------------------------------------- */

sbl_shard *sbl_client_shard(sabal_client *client)
{
    static _Atomic uint32_t  threads;
    static __thread uint32_t mine; /* 0: none yet */

    if (!mine)
        mine = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % SBL_SHARDS;
    return &client->shards[mine - 1];
}

/*
 * Closing waits until as many tasks left as came in. Who comes or goes counts first and looks at `closing` then; the
 * closer sets `closing` first and counts then (all sequentially consistent), so that one of the two sees the other.
 * What left is summed before what came: a sum in between is never too small, so never zero too early. The calls that
 * are inside come last: one whose tasks were seen is seen too, unless it has returned.
 */
static void check_quiet(sabal_client *client)
{
    int64_t n = 0;

    for (int i = 0; i < SBL_SHARDS; i++)
        n -= atomic_load(&client->shards[i].left);
    for (int i = 0; i < SBL_SHARDS; i++)
        n += atomic_load(&client->shards[i].submitted);
    for (int i = 0; i < SBL_SHARDS; i++)
        n += atomic_load(&client->shards[i].inside);
    if (n == 0)
        sbl_event_set(&client->quiet);
}

int sbl_client_enter(sabal_client *client, int64_t n)
{
    sbl_shard *shard = sbl_client_shard(client);

    atomic_fetch_add(&shard->inside, 1);
    atomic_fetch_add(&shard->submitted, n);
    if (!atomic_load(&client->closing))
        return 1;
    atomic_fetch_sub(&shard->submitted, n);
    sbl_client_exit(client);
    return 0;
}

void sbl_client_exit(sabal_client *client)
{
    atomic_fetch_sub(&sbl_client_shard(client)->inside, 1);
    if (atomic_load(&client->closing))
        check_quiet(client);
}

void sbl_client_leave(sabal_client *client)
{
    atomic_fetch_add(&sbl_client_shard(client)->left, 1);
    if (atomic_load(&client->closing))
        check_quiet(client);
}

sabal_status sabal_client_stats_get(const sabal_client *client, sabal_client_stats *stats)
{
    sabal_client_stats s     = {.struct_size = sizeof s};
    int64_t            bytes = 0;

    if (!client)
        client = &sbl_client_none;
    for (int i = 0; i < SBL_SHARDS; i++) {
        const sbl_shard *shard = &client->shards[i];

        s.finished += atomic_load_explicit(&shard->finished, memory_order_acquire);
        s.failed += atomic_load_explicit(&shard->failed, memory_order_acquire);
    }
    for (int i = 0; i < SBL_SHARDS; i++) {
        const sbl_shard *shard = &client->shards[i];

        s.submitted += atomic_load_explicit(&shard->submitted, memory_order_relaxed);
        s.values += atomic_load_explicit(&shard->values, memory_order_relaxed);
        bytes += atomic_load_explicit(&shard->bytes, memory_order_relaxed);
    }
    s.bytes   = bytes > 0 ? (size_t)bytes : 0;
    s.pending = s.submitted - s.finished - s.failed;
    return sbl_struct_give(stats, &s, sizeof s);
}

/* --- open ------------------------------------------------------------------------------------------------------ */

/* Options of an older program are shorter: what it doesn't know has its default. */
static sabal_open_options options_of(const sabal_open_options *options)
{
    sabal_open_options o = {SABAL_OPEN_DEFAULTS};

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    return o;
}

void sabal_open_options_init(sabal_open_options *options)
{
    *options = options_of(NULL);
}

static sabal_status open_trace(sabal_client *client, const char *path, sabal_error *err)
{
    char setting[4096];

    if (!path) {
        sbl_config_text("trace", setting, sizeof setting);
        path = setting;
    }
    return *path ? sbl_trace_open(&client->trace, path, err) : SABAL_OK;
}

/* What is read once a process, where nobody could be told. */
static sabal_status check_settings(sabal_error *err)
{
    sabal_status st = sbl_isa_check(err);

    if (!st)
        st = sbl_log_check(err);
    if (!st)
        st = sbl_pages_check(err);
    return st ? st : sbl_buffer_check(err);
}

static sabal_status open_client(sabal_client *client, sbl_choose_fn *choose, const char *address, sabal_error *err,
                                const sabal_open_options *options)
{
    const sbl_engine *engine;
    sabal_status      st;

    if (options->threads < 0 || options->threads > 1024)
        return sbl_error_set(err, SABAL_EINVAL, "%d threads asked for: expected 1 to 1024, or 0 for all cores",
                             options->threads);
    st = check_settings(err);
    if (st)
        return st;
    st = choose(&engine, address, options, err);
    if (st)
        return st;
    st = open_trace(client, options->trace, err);
    if (st)
        return st;
    st = sbl_budget_open(&client->budget, client, options->memory_limit, engine->bring != NULL, err);
    if (st)
        return st;
    st = engine->open(client, address, options, err);
    if (st)
        return st;
    client->engine = engine;
    return SABAL_OK;
}

static void retain_owner(sbl_owner *owner)
{
    sbl_client_retain((sabal_client *)(void *)owner);
}

static void release_owner(sbl_owner *owner)
{
    sbl_client_release((sabal_client *)(void *)owner);
}

static sabal_client *create(void)
{
    sabal_client *client = sbl_alloc_aligned(_Alignof(sabal_client), sizeof *client);

    if (!client)
        return NULL;
    memset(client, 0, sizeof *client);
    sbl_owner_init(&client->owner);
    client->owner.retain  = retain_owner;
    client->owner.release = release_owner;
    pthread_mutex_init(&client->watch_lock, NULL);
    pthread_mutex_init(&client->chain_lock, NULL);
    atomic_init(&client->refs, 1);
    atomic_init(&client->fd, -1);
    enlist(client);
    return client;
}

sabal_client *sbl_client_open(sbl_choose_fn *choose, const char *address, sabal_error *err,
                              const sabal_open_options *options)
{
    sabal_open_options o      = options_of(options);
    sabal_error        own    = SABAL_ERROR_INIT;
    sabal_client      *client = create();

    if (!client) {
        atomic_fetch_add_explicit(&no_memory_users, 1, memory_order_relaxed);
        sbl_error_memory(err, sizeof *client, "a client");
        return &sbl_client_no_memory;
    }
    if (open_client(client, choose, address, &own, &o)) {
        sbl_error_where(&own, o.where);
        sbl_error_pass(err, &own);
        client->failure = sbl_failure_make(&own);
        sbl_trace_close(client->trace);
        client->trace = NULL;
    }
    return client;
}

/* --- close ----------------------------------------------------------------------------------------------------- */

static int is_static(const sabal_client *client)
{
    return client == &sbl_client_no_memory || client == &sbl_client_none;
}

void sbl_client_retain(sabal_client *client)
{
    sbl_client_retain_many(client, 1);
}

void sbl_client_retain_many(sabal_client *client, int64_t n)
{
    if (!is_static(client))
        atomic_fetch_add_explicit(&client->refs, n, memory_order_relaxed);
}

void sbl_client_release(sabal_client *client)
{
    if (is_static(client))
        return;
    /* acq_rel: whoever frees it sees all that the others did */
    if (atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) > 1)
        return;
    delist(client);
    if (client->fd >= 0)
        close(client->fd);
    sbl_budget_free(client->budget);
    sbl_failure_release(client->failure);
    sbl_sites_clear(&client->sites);
    pthread_mutex_destroy(&client->watch_lock);
    pthread_mutex_destroy(&client->chain_lock);
    sbl_owner_destroy(&client->owner);
    sbl_free(client);
}

void sbl_client_stop(sabal_client *client)
{
    atomic_store(&client->closing, 1);
    if (client->engine->stop)
        client->engine->stop(client);
}

void sabal_close(sabal_client *client)
{
    if (!client || client == &sbl_client_none)
        return;
    if (client == &sbl_client_no_memory) {
        if (atomic_fetch_sub_explicit(&no_memory_users, 1, memory_order_acq_rel) == 1)
            sbl_owner_clear(&client->owner);
        return;
    }
    if (sbl_client_is_forked(client)) {
        if (client->engine)
            client->engine->abandon(client);
        return;
    }
    if (client->engine) {
        assert(sbl_pool_place(client->pool) < 0 && "a client can't be closed by one of its own tasks");
        sbl_client_stop(client);
        sbl_budget_flush(client->budget);
        check_quiet(client);
        sbl_event_wait(&client->quiet, -1);
        if (client->trace)
            sbl_trace_workers(client->trace, client);
        sbl_spiller_stop(client->budget);
        client->engine->close(client);
        sbl_trace_close(client->trace);
        client->trace = NULL;
    }
    sbl_owner_clear(&client->owner);
    sbl_client_release(client);
}

/* --- what it says of itself ------------------------------------------------------------------------------------ */

const sabal_error *sabal_client_error(const sabal_client *client)
{
    if (!client)
        return &sbl_failure_no_client.error;
    if (client->failure)
        return &client->failure->error;
    if (sbl_client_is_forked(client))
        return &sbl_failure_forked.error;
    return sbl_client_is_closing(client) ? &sbl_failure_closed.error : NULL;
}

sabal_status sbl_client_check(const sabal_client *client, sabal_error *err)
{
    const sabal_error *own = sabal_client_error(client);

    return own ? sbl_error_pass(err, own) : SABAL_OK;
}

int sbl_client_is_here(const sabal_client *client)
{
    return !client || !client->engine || client->engine->is_here;
}

sbl_pool *sbl_client_pool(const sabal_client *client)
{
    return client && !sbl_client_is_forked(client) ? client->pool : NULL;
}

sbl_owner *sbl_client_owner(sabal_client *client)
{
    return client ? &client->owner : &sbl_client_none.owner;
}

int32_t sabal_client_threads(const sabal_client *client)
{
    return !sabal_client_error(client) && client->engine ? sbl_pool_threads(client->pool) : 0;
}

/* --- its descriptor -------------------------------------------------------------------------------------------- */

static int any_ended(const sabal_client *client)
{
    sabal_client_stats stats = {.struct_size = sizeof stats};

    sabal_client_stats_get(client, &stats);
    return stats.finished + stats.failed > 0;
}

int sabal_client_fd(sabal_client *client)
{
    int fd;

    if (sabal_client_error(client))
        return -1;
    pthread_mutex_lock(&client->watch_lock);
    fd = atomic_load_explicit(&client->fd, memory_order_relaxed);
    if (fd < 0) {
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        atomic_store(&client->fd, fd); /* before we look for what has ended: pairs with sbl_client_raise_fd() */
    }
    pthread_mutex_unlock(&client->watch_lock);
    sbl_fence(); /* between the descriptor and the look at the counters; who ends counts, then looks for a descriptor */
    if (fd >= 0 && ((any_ended(client) && !atomic_load(&client->fd_drained)) || atomic_load(&client->ended_at_once)))
        sbl_client_raise_fd(client);
    return fd;
}

void sbl_client_raise_fd(sabal_client *client)
{
    const uint64_t one = 1;
    int            fd  = atomic_load(&client->fd);

    /* One write until the next drain is enough. Called after the future's end can be seen. */
    if (fd >= 0 && !atomic_exchange(&client->fd_raised, 1))
        (void)!write(fd, &one, sizeof one);
}

void sabal_client_drain(sabal_client *client)
{
    uint64_t n;
    int      fd;

    if (!client)
        return;
    if (sbl_client_is_forked(client))
        return; /* what it would take is the parent's */
    fd = atomic_load_explicit(&client->fd, memory_order_relaxed);
    atomic_store(&client->fd_drained, 1);
    atomic_store(&client->ended_at_once, 0);
    if (fd < 0)
        return;
    (void)!read(fd, &n, sizeof n);
    /*
     * After the read: who ends in between finds it raised, and the caller, who looks at futures next, sees that end.
     * An exchange, since its acquire pairs with the release of the one in sbl_client_raise_fd().
     */
    atomic_exchange(&client->fd_raised, 0);
}
