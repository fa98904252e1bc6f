/*
 * Loading the plugin, which leaves the process as it was: libucs takes signals when it is loaded, starts a thread, writes to
 * standard output. And what each carrier of UCX is set to; a name that UCX does not know would be accepted without a
 * word, so a test looks at what they do.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/net/ucx.h"
#include "cluster/net/ucx_private.h"

static const sbl_carrier VARIANTS[SBL_UCX_VARIANTS] = {SBL_CARRIER_RDMA, SBL_CARRIER_UCX_SHM, SBL_CARRIER_UCX_TCP};

static const sbl_ucx_host HOST = {.alloc    = sbl_alloc,
                                  .free     = sbl_free,
                                  .arrived  = sbl_ucx_arrived,
                                  .received = sbl_ucx_received,
                                  .sent     = sbl_ucx_sent,
                                  .lost     = sbl_ucx_lost,
                                  .closed   = sbl_ucx_closed};

int sbl_ucx_variant_of(sbl_carrier carrier)
{
    int i = 0;

    while (VARIANTS[i] != carrier)
        i++;
    return i;
}

int32_t sbl_ucx_settings(sbl_ucx_setting s[16], sbl_carrier carrier, const char *interface)
{
    int32_t n = 0;

    s[n++] = (sbl_ucx_setting){"LOG_LEVEL", "fatal"}; /* it would go to standard output */
    s[n++] = (sbl_ucx_setting){"KEEPALIVE_INTERVAL", "1s"};
    if (carrier == SBL_CARRIER_UCX_TCP) {
        s[n++] = (sbl_ucx_setting){"TLS", "tcp,self"};
        s[n++] = (sbl_ucx_setting){"NET_DEVICES", interface};
        return n;
    }
    s[n++] = (sbl_ucx_setting){"TLS", carrier == SBL_CARRIER_RDMA ? "rc,ud,posix,cma,self" : "posix,cma,self"};
    s[n++] = (sbl_ucx_setting){"NET_DEVICES", carrier == SBL_CARRIER_RDMA && interface ? interface : "all"};
    /* without the first, endpoints that tell of errors use no shared memory; without the second, no CMA */
    s[n++] = (sbl_ucx_setting){"MM_ERROR_HANDLING", "y"};
    s[n++] = (sbl_ucx_setting){"MEMORY_INVALIDATE", "y"};
    return n;
}

/* --- the process stays as it was -------------------------------------------------------------------------------- */

struct before {
    struct sigaction of[NSIG];
    sigset_t         mask;
};

static void note_signals(struct before *b)
{
    sigset_t all;

    for (int i = 1; i < NSIG; i++)
        if (sigaction(i, NULL, &b->of[i]))
            memset(&b->of[i], 0, sizeof b->of[i]);
    sigfillset(&all); /* a thread that is started now gets none */
    pthread_sigmask(SIG_SETMASK, &all, &b->mask);
}

static void restore_signals(const struct before *b)
{
    for (int i = 1; i < NSIG; i++) {
        struct sigaction now;

        if (!sigaction(i, NULL, &now) && now.sa_sigaction != b->of[i].sa_sigaction)
            sigaction(i, &b->of[i], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &b->mask, NULL);
}

/* --- the plugin ------------------------------------------------------------------------------------------------- */

static sabal_status find_plugin(char *path, size_t size, sabal_error *err)
{
    static const char *const PLACES[] = {"%s/sabal/sabal-ucx.so", "%s/cluster/net/sabal-ucx.so"};
    char                     folder[PATH_MAX];
    Dl_info                  info;

    if (!dladdr((void *)(uintptr_t)sbl_ucx_settings, &info) || !realpath(info.dli_fname, folder))
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "where libsabal lies can't be told, and so not where its UCX plugin does");
    *strrchr(folder, '/') = 0;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++)
        if (snprintf(path, size, PLACES[i], folder) < (int)size && !access(path, R_OK))
            return SABAL_OK;
    return sbl_error_set(err, SABAL_EUNSUPPORTED,
                         "UCX can't be used: the plugin sabal-ucx.so is not in '%s/sabal'; this "
                         "Sabal was built or installed without it",
                         folder);
}

static pthread_mutex_t       load_lock = PTHREAD_MUTEX_INITIALIZER;
static const sbl_ucx_plugin *loaded; /* for ever: UCX's thread and hooks can't be taken out */

static sabal_status load(struct sbl_ucx *ucx, sabal_error *err)
{
    const char           *given = ucx->plane->options.plugin;
    char                  path[PATH_MAX];
    struct before         before;
    void                 *module;
    const sbl_ucx_plugin *plugin = NULL;
    sabal_status          st     = SABAL_OK;

    if (given && snprintf(path, sizeof path, "%s", given) >= (int)sizeof path)
        return sbl_error_set(err, SABAL_EINVAL, "the path of the UCX plugin is too long");
    if (!given)
        st = find_plugin(path, sizeof path, err);
    if (st)
        return st;
    note_signals(&before);
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    restore_signals(&before);
    if (!module)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "UCX can't be used: %s", dlerror());
    plugin = dlsym(module, SBL_UCX_SYMBOL);
    if (!plugin || plugin->version != SBL_UCX_PLUGIN)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "UCX can't be used: '%s' is not the plugin of this version",
                             path);
    loaded = plugin;
    return SABAL_OK;
}

static sabal_status open_plugin(sbl_plane *plane, sabal_error *err)
{
    struct sbl_ucx *ucx = sbl_calloc(1, sizeof *ucx);
    sabal_status    st  = SABAL_OK;
    int             failed;

    if (!ucx)
        return sbl_error_memory(err, sizeof *ucx, "UCX");
    ucx->plane   = plane;
    ucx->process = getpid();
    pthread_mutex_lock(&load_lock);
    if (!loaded)
        st = load(ucx, err);
    ucx->plugin = loaded;
    pthread_mutex_unlock(&load_lock);
    ucx->timer = st ? -1 : timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (!st && ucx->timer < 0)
        st = sbl_error_errno(err, errno, "a timer for UCX");
    if (!st) {
        failed = plane->options.turns.watch(plane->options.turns.arg, ucx->timer, EPOLLIN, sbl_ucx_beat, ucx);
        if (failed)
            st = sbl_error_errno(err, failed, "watching a timer for UCX");
    }
    if (!st) {
        plane->ucx = ucx;
        return SABAL_OK;
    }
    if (ucx->timer >= 0)
        close(ucx->timer);
    sbl_free(ucx);
    return st;
}

/* Opens the worker of a carrier, once. */
static sabal_status open_worker(sbl_plane *plane, sbl_carrier carrier, sabal_error *err)
{
    struct sbl_ucx         *ucx = plane->ucx;
    struct sbl_ucx_variant *v   = &ucx->of[sbl_ucx_variant_of(carrier)];
    sbl_ucx_setting         settings[16];
    struct before           before;
    int                     failed;
    char                    why[200];

    if (carrier == SBL_CARRIER_UCX_TCP &&
        !if_nametoindex(plane->options.interface)) /* UCX would take it, and use none */
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "ucx-tcp: there is no interface '%s' here",
                             plane->options.interface);
    if (v->was_tried)
        return v->worker ? SABAL_OK : sbl_error_set(err, SABAL_EUNSUPPORTED, "%s", v->why);
    v->was_tried = 1;
    note_signals(&before);
    v->worker = ucx->plugin->open(settings, sbl_ucx_settings(settings, carrier, plane->options.interface), &HOST, ucx,
                                  why, sizeof why);
    restore_signals(&before);
    if (!v->worker) {
        snprintf(v->why, sizeof v->why, "%s can't be used: UCX %s says '%s'%s", sbl_carrier_name(carrier),
                 ucx->plugin->ucx_version(), why,
                 carrier == SBL_CARRIER_UCX_TCP ? "" : "; it needs some 5 MB of /dev/shm");
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "%s", v->why);
    }
    failed =
        plane->options.turns.watch(plane->options.turns.arg, ucx->plugin->fd(v->worker), EPOLLIN, sbl_ucx_ready, ucx);
    if (failed) {
        ucx->plugin->close(v->worker);
        v->worker = NULL;
        snprintf(v->why, sizeof v->why, "%s can't be watched: %s", sbl_carrier_name(carrier), strerrordesc_np(failed));
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "%s", v->why);
    }
    if (carrier == SBL_CARRIER_UCX_TCP)
        sbl_log(SABAL_LOG_WARN, "%s", sbl_carrier_warning());
    sbl_ucx_wake(ucx);
    return SABAL_OK;
}

static sabal_status open_carrier(sbl_plane *plane, sbl_carrier carrier, sabal_error *err)
{
    sabal_status st = plane->ucx ? SABAL_OK : open_plugin(plane, err);

    if (!st && !sbl_ucx_is_ours(plane->ucx))
        return sbl_error_set(err, SABAL_EFORKED, "UCX in a child made by fork");
    return st ? st : open_worker(plane, carrier, err);
}

/* --- a plane's and a pair's part -------------------------------------------------------------------------------- */

sabal_status sbl_ucx_prepare(sbl_plane *plane, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    if (plane->may & SBL_CARRIER_BIT(SBL_CARRIER_UCX_TCP) && !plane->options.interface)
        return sbl_error_set(err, SABAL_EINVAL,
                             "ucx-tcp needs an interface to be named, to be bound to that one alone");
    if (plane->may == SBL_CARRIER_BIT(SBL_CARRIER_RDMA) && !sbl_has_rdma())
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "rdma was asked for, and no RDMA device here has a port that is up");
    for (int i = 0; i < SBL_UCX_VARIANTS && !st; i++)
        if (plane->may == SBL_CARRIER_BIT(VARIANTS[i])) /* there is no other */
            st = open_carrier(plane, VARIANTS[i], err);
    return st;
}

uint32_t sbl_ucx_can(sbl_pair *pair)
{
    sbl_plane  *plane = pair->plane;
    uint32_t    may = plane->may & SBL_CARRIERS_UCX, can = 0;
    sabal_error err;

    if (pair->options.encrypt) /* UCX does not; within a node nothing crosses a network */
        may &= SBL_CARRIER_BIT(SBL_CARRIER_UCX_SHM);
    if (!sbl_has_rdma())
        may &= ~SBL_CARRIER_BIT(SBL_CARRIER_RDMA);
    for (int i = 0; i < SBL_UCX_VARIANTS; i++) {
        if (!(may & SBL_CARRIER_BIT(VARIANTS[i])))
            continue;
        err = (sabal_error)SABAL_ERROR_INIT;
        if (open_carrier(plane, VARIANTS[i], &err))
            sbl_log(SABAL_LOG_WARN, "%s", err.message);
        else
            can |= SBL_CARRIER_BIT(VARIANTS[i]);
    }
    if (can)
        snprintf(pair->here.ucx, sizeof pair->here.ucx, "%s", plane->ucx->plugin->ucx_version());
    return can;
}

size_t sbl_ucx_hello(sbl_pair *pair, uint8_t *to, size_t room)
{
    struct sbl_ucx      *ucx = pair->plane->ucx;
    struct sbl_ucx_pair *p   = pair->here.can & SBL_CARRIERS_UCX ? sbl_calloc(1, sizeof *p) : NULL;
    size_t               at  = 0;

    if (!p)
        return 0; /* for want of memory: the other side will find no address, and say so */
    p->pair     = pair;
    p->force_at = 1;
    do
        randombytes_buf(&p->link.id, sizeof p->link.id);
    while (sbl_ids_find(&ucx->pairs, p->link.id));
    sbl_ids_add(&ucx->pairs, &p->link);
    pair->ucx = p;
    for (int i = 0; i < SBL_UCX_VARIANTS; i++) {
        uint64_t numbers[3] = {VARIANTS[i], p->link.id, 0};

        if (!(pair->here.can & SBL_CARRIER_BIT(VARIANTS[i])) || at + sizeof numbers > room)
            continue;
        numbers[2] = ucx->plugin->address(ucx->of[i].worker, to + at + sizeof numbers, room - at - sizeof numbers);
        memcpy(to + at, numbers, sizeof numbers);
        at += sizeof numbers + numbers[2];
    }
    return at;
}

void sbl_ucx_end(sbl_plane *plane)
{
    enum { LIMIT_NS = 2000000000 };
    struct sbl_ucx  *ucx   = plane->ucx;
    const sbl_turns *turns = &plane->options.turns;
    int64_t          limit = sbl_clock_ns() + LIMIT_NS;

    if (!ucx)
        return;
    while (sbl_ucx_is_ours(ucx) && ucx->closing && sbl_clock_ns() < limit) {
        sbl_ucx_turn(ucx);
        if (ucx->closing)
            usleep(500);
    }
    for (int i = 0; i < SBL_UCX_VARIANTS; i++) {
        if (!ucx->of[i].worker || !sbl_ucx_is_ours(ucx))
            continue;
        turns->unwatch(turns->arg, ucx->plugin->fd(ucx->of[i].worker));
        if (ucx->closing)
            sbl_log(SABAL_LOG_WARN, "UCX does not let go of a connection: its memory stays");
        else
            ucx->plugin->close(ucx->of[i].worker);
        ucx->of[i].worker = NULL;
    }
    turns->unwatch(turns->arg, ucx->timer);
    close(ucx->timer);
}
