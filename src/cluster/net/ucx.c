/*
 * The library's side of UCX. Only data goes by it, block by block, each a message that the receiver fetches into its
 * room; all that is said goes over the pair's own connection, where it is tagged. A worker's descriptor is in the loop;
 * whatever touches UCX has it turn once more before the loop sleeps.
 */
#include "cluster/net/ucx.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/net/pull.h"
#include "cluster/net/ucx_private.h"

enum { SPIN_NS = 50000, TURN_NS = 2000000, BEAT_NS = 50000000, FLUSH_NS = 300000000 };

int sbl_ucx_is_ours(const struct sbl_ucx *ucx)
{
    return ucx && ucx->process == getpid(); /* a child made by fork leaves UCX alone */
}

/* --- turns ------------------------------------------------------------------------------------------------------ */

static void force_late_ones(struct sbl_ucx *ucx, int64_t now)
{
    struct sbl_ucx_pair *next;

    for (struct sbl_ucx_pair *p = ucx->closing; p; p = next) {
        next = p->next;
        if (p->peer && !p->is_forced && now >= p->force_at) {
            p->is_forced = 1;
            ucx->plugin->force(p->peer);
        }
    }
}

static void turn_worker(struct sbl_ucx *ucx, struct sbl_ucx_variant *v)
{
    int64_t begin = sbl_clock_ns(), fresh = begin;

    for (;;) {
        int64_t now;

        if (ucx->plugin->progress(v->worker)) {
            fresh = sbl_clock_ns();
            if (fresh - begin > TURN_NS) {
                sbl_ucx_wake(ucx); /* others have their turn */
                return;
            }
            continue;
        }
        now = sbl_clock_ns();
        if (ucx->active && ucx->plane->flowing == 1 && now - fresh < SPIN_NS)
            continue;
        if (ucx->plugin->arm(v->worker))
            return;
    }
}

void sbl_ucx_turn(struct sbl_ucx *ucx)
{
    force_late_ones(ucx, sbl_clock_ns());
    for (int i = 0; i < SBL_UCX_VARIANTS; i++)
        if (ucx->of[i].worker)
            turn_worker(ucx, &ucx->of[i]);
}

static void woken(sbl_plane *plane, sbl_errand *errand)
{
    struct sbl_ucx *ucx = (struct sbl_ucx *)(void *)((char *)errand - offsetof(struct sbl_ucx, wake));

    ucx->is_woken = 0;
    if (!plane->is_closed && sbl_ucx_is_ours(ucx))
        sbl_ucx_turn(ucx);
}

void sbl_ucx_wake(struct sbl_ucx *ucx)
{
    if (ucx->is_woken)
        return;
    ucx->is_woken = 1;
    ucx->wake.run = woken;
    sbl_plane_post(ucx->plane, &ucx->wake);
}

void sbl_ucx_ready(void *context, uint32_t events)
{
    struct sbl_ucx *ucx = context;

    if (sbl_ucx_is_ours(ucx))
        sbl_ucx_turn(ucx);
}

/* UCX looks after peers that died, and we after those that don't close, only when we turn it. */
void sbl_ucx_beat(void *context, uint32_t events)
{
    struct sbl_ucx *ucx = context;
    uint64_t        n;

    if (read(ucx->timer, &n, sizeof n) == sizeof n && sbl_ucx_is_ours(ucx))
        sbl_ucx_turn(ucx);
    sbl_ucx_set_beat(ucx);
}

void sbl_ucx_set_beat(struct sbl_ucx *ucx)
{
    int64_t           ns = ucx->closing ? BEAT_NS : ucx->n_pairs ? 1000000000 : 0;
    struct itimerspec t  = {.it_value = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}};

    timerfd_settime(ucx->timer, 0, &t, NULL);
}

/* --- data out --------------------------------------------------------------------------------------------------- */

static void send_blocks(sbl_request *g)
{
    struct sbl_ucx_pair *p   = g->pair->ucx;
    struct sbl_ucx      *ucx = g->plane->ucx;
    const int            sum = g->carrier != SBL_CARRIER_UCX_SHM;

    while (g->busy < SBL_UCX_BLOCKS && g->offset < g->total) {
        struct iovec runs[SBL_UCX_RUNS];
        uint8_t      head[8 + SBL_PACKET_HEAD];
        sbl_packet   packet = {.type = SBL_PACKET_DATA, .flags = sum ? 0 : SBL_PACKET_NOT_SUM};
        sabal_error  err    = SABAL_ERROR_INIT;
        int          n      = sbl_give_cut(g, &packet, runs, sum ? SBL_UCX_BLOCK_SUM : SBL_UCX_BLOCK, SBL_UCX_RUNS);

        for (int i = 0; i < n; i++)
            packet.size += (uint32_t)runs[i].iov_len;
        packet.sum = sum ? sbl_packet_sum_sent(runs, n) : 0;
        memcpy(head, &p->to, 8);
        sbl_packet_encode(head + 8, &packet);
        n = ucx->plugin->send(p->peer, head, sizeof head, runs, n, g);
        g->busy += n == SBL_UCX_UNDER_WAY;
        ucx->active += n == SBL_UCX_UNDER_WAY;
        if (n == SBL_UCX_FAILED) {
            sbl_error_set(&err, SABAL_ENOMEM, "no memory to send a value over UCX");
            sbl_give_failed(g, &err);
            return;
        }
    }
    sbl_ucx_wake(ucx);
    if (!g->busy && g->offset == g->total)
        sbl_give_let_go(g);
}

void sbl_ucx_give(sbl_request *g)
{
    send_blocks(g);
}

void sbl_ucx_sent(void *arg, void *token, const char *failed)
{
    struct sbl_ucx *ucx = arg;
    sbl_request    *g   = token;

    ucx->active--;
    g->busy--;
    if (!g->pair || g->is_dropped) {
        sbl_give_let_go(g);
    } else if (failed) {
        sabal_error err = SABAL_ERROR_INIT;

        sbl_error_set(&err, SABAL_EIO, "UCX could not send it: %s", failed);
        sbl_give_failed(g, &err);
    } else if (g->offset < g->total) {
        sbl_ucx_more(ucx, g); /* after this call of UCX's */
    } else if (!g->busy) {
        sbl_give_let_go(g);
    }
}

static void send_more(sbl_plane *plane, sbl_errand *errand)
{
    sbl_request *g = (sbl_request *)(void *)((char *)errand - offsetof(sbl_request, errand));

    g->is_waiting = 0;
    g->busy--;
    if (!g->pair || g->is_dropped || g->pair->is_failing)
        sbl_give_let_go(g);
    else
        send_blocks(g);
}

/* Counted as busy, so that it stays until then. */
void sbl_ucx_more(struct sbl_ucx *ucx, sbl_request *g)
{
    if (g->is_waiting)
        return;
    g->is_waiting = 1;
    g->busy++;
    g->errand.run = send_more;
    sbl_plane_post(ucx->plane, &g->errand);
}

/* --- data in ---------------------------------------------------------------------------------------------------- */

/* A block that is being fetched. */
struct in {
    sbl_pull    *pull;
    sbl_packet   packet;
    int          n;
    struct iovec runs[SBL_UCX_RUNS];
};

int sbl_ucx_arrived(void *arg, const uint8_t *head, size_t head_size, uint64_t length, struct iovec *runs, void **token)
{
    struct sbl_ucx      *ucx = arg;
    struct sbl_ucx_pair *p;
    struct in           *in;
    sbl_packet           packet;
    sbl_pull            *pull;
    uint64_t             to;

    if (head_size != 8 + SBL_PACKET_HEAD || sbl_packet_decode(&packet, head + 8, NULL) ||
        packet.type != SBL_PACKET_DATA || packet.size != length || !length)
        return 0;
    memcpy(&to, head, 8);
    p    = (struct sbl_ucx_pair *)sbl_ids_find(&ucx->pairs, to);
    pull = p && p->pair ? sbl_pull_flowing(p->pair, packet.id) : NULL;
    in   = pull && runs ? sbl_alloc(sizeof *in) : NULL;
    if (!in) {
        if (pull)
            sbl_pull_wrote(pull, 0, SABAL_ENOMEM, "there was no memory to fetch it");
        return 0;
    }
    in->n = sbl_landing_runs(&pull->landing, packet.offset, length, in->runs, SBL_UCX_RUNS);
    if (in->n <= 0) {
        sbl_free(in);
        sbl_pair_broken(p->pair, "data where none can be");
        return 0;
    }
    memcpy(runs, in->runs, sizeof *runs * (size_t)in->n);
    in->pull   = pull;
    in->packet = packet;
    pull->busy++;
    ucx->active++;
    *token = in;
    return in->n;
}

/* Owners hear of it after this call of UCX's. */
void sbl_ucx_received(void *arg, void *token, const char *failed)
{
    struct sbl_ucx *ucx  = arg;
    struct in      *in   = token;
    sbl_pull       *pull = in->pull;

    ucx->active--;
    if (!failed && !pull->is_gone && !(in->packet.flags & SBL_PACKET_NOT_SUM) &&
        sbl_packet_sum(in->runs, in->n) != in->packet.sum)
        failed = "it was damaged on its way";
    pull->busy--;
    sbl_pull_wrote(pull, in->packet.size, SABAL_EIO, failed);
    sbl_free(in);
}

/* --- pairs ------------------------------------------------------------------------------------------------------ */

void sbl_ucx_lost(void *arg, void *peer_arg, const char *why)
{
    struct sbl_ucx_pair *p   = peer_arg;
    sabal_error          err = SABAL_ERROR_INIT;

    p->force_at = 0;
    if (!p->pair)
        return;
    sbl_error_set(&err, SABAL_EPEER, "the other process is gone (UCX: %s)", why);
    sbl_pair_fail(p->pair, &err);
}

void sbl_ucx_pair_begin(sbl_pair *pair, const uint8_t *hello, size_t size)
{
    struct sbl_ucx      *ucx      = pair->plane->ucx;
    struct sbl_ucx_pair *p        = pair->ucx;
    sbl_cursor           c        = {hello, size, 0};
    sabal_error          err      = SABAL_ERROR_INIT;
    const void          *address  = NULL;
    char                 why[200] = "its address is missing";

    while (c.left && !c.failed && !address) {
        uint64_t    carrier = sbl_cursor_u64(&c), to = sbl_cursor_u64(&c), n = sbl_cursor_u64(&c);
        const void *at = sbl_cursor_bytes(&c, n);

        if (at && carrier == pair->carrier) {
            address = at;
            p->to   = to;
        }
    }
    if (address)
        p->peer = ucx->plugin->connect(ucx->of[sbl_ucx_variant_of(pair->carrier)].worker, address, p, why, sizeof why);
    if (!p->peer) {
        sbl_error_set(&err, SABAL_EPEER, "%s: %s", sbl_carrier_name(pair->carrier), why);
        sbl_pair_fail(pair, &err);
        return;
    }
    ucx->n_pairs++;
    p->is_counted = 1;
    sbl_ucx_set_beat(ucx);
    sbl_ucx_wake(ucx);
    sbl_pair_send(pair, &(sbl_packet){.type = SBL_PACKET_READY}, NULL, -1);
    if (p->is_ready)
        sbl_pair_is_up(pair);
}

void sbl_ucx_ready_came(sbl_pair *pair)
{
    if (!pair->ucx || !(SBL_CARRIERS_UCX & SBL_CARRIER_BIT(pair->carrier)) || pair->ucx->is_ready) {
        sbl_pair_broken(pair, "it is ready for what was not chosen");
        return;
    }
    pair->ucx->is_ready = 1;
    if (pair->state == SBL_PAIR_CHOSEN)
        sbl_pair_is_up(pair);
}

void sbl_ucx_pair_end(sbl_pair *pair)
{
    struct sbl_ucx      *ucx = pair->plane->ucx;
    struct sbl_ucx_pair *p   = pair->ucx;

    if (!p)
        return;
    p->pair   = NULL;
    pair->ucx = NULL;
    if (!p->peer || !sbl_ucx_is_ours(ucx)) {
        sbl_ids_remove(&ucx->pairs, &p->link);
        sbl_free(p);
        return;
    }
    p->force_at  = p->force_at ? sbl_clock_ns() + FLUSH_NS : 0; /* 0: it is lost already */
    p->next      = ucx->closing;
    ucx->closing = p;
    if (p->force_at)
        ucx->plugin->flush(p->peer);
    sbl_ucx_set_beat(ucx);
    sbl_ucx_wake(ucx);
}

void sbl_ucx_closed(void *arg, void *peer_arg)
{
    struct sbl_ucx       *ucx = arg;
    struct sbl_ucx_pair  *p   = peer_arg;
    struct sbl_ucx_pair **at  = &ucx->closing;

    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    ucx->n_pairs -= p->is_counted;
    sbl_ids_remove(&ucx->pairs, &p->link);
    sbl_free(p);
}
