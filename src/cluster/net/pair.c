/* A pair: its connections, who the other side is, what both choose, how it ends. */
#include "cluster/net/pair.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/net/lease.h"
#include "cluster/net/ucx.h"

enum { HELLO_VERSION = 1, HELLO_AES = 1, HELLO_FIXED = 24 + 16 + 32 };

/* --- sending ---------------------------------------------------------------------------------------------------- */

void sbl_pair_send(sbl_pair *pair, const sbl_packet *packet, const void *body, int fd)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (pair->state == SBL_PAIR_DOWN || pair->is_failing)
        return;
    if (sbl_stream_send(pair->streams[0], packet, body, fd, &err))
        sbl_pair_fail(pair, &err);
}

void sbl_pair_flow(sbl_pair *pair, int more)
{
    sbl_plane *plane = pair->plane;

    plane->flowing += more ? pair->flows++ == 0 : -(--pair->flows == 0);
    for (sbl_pair *p = plane->pairs; p; p = p->next)
        p->spin = plane->flowing == 1 && p->flows && p->options.n_fds == 1;
}

/* --- its end ---------------------------------------------------------------------------------------------------- */

static void end_all(sbl_pair *pair, const sabal_error *why)
{
    pair->state = SBL_PAIR_DOWN;
    for (int32_t i = 0; i < pair->options.n_fds; i++)
        sbl_stream_close(pair->streams[i]);
    sbl_ucx_pair_end(pair);
    sbl_gives_end(pair);
    sbl_leases_end(pair);
    sbl_pulls_fail(pair, why);
}

static void fail_now(sbl_plane *plane, sbl_errand *errand)
{
    sbl_pair *pair = (sbl_pair *)(void *)((char *)errand - offsetof(sbl_pair, fail));

    if (pair->is_closed || pair->state == SBL_PAIR_DOWN)
        return;
    end_all(pair, &pair->why);
    if (!pair->is_closed)
        pair->options.down(pair->options.arg, &pair->why);
}

void sbl_pair_fail(sbl_pair *pair, const sabal_error *why)
{
    if (pair->is_failing || pair->state == SBL_PAIR_DOWN)
        return;
    pair->is_failing = 1;
    pair->why        = *why;
    for (int32_t i = 0; i < pair->options.n_fds; i++)
        sbl_stream_close(pair->streams[i]);
    pair->fail.run = fail_now;
    sbl_plane_post(pair->plane, &pair->fail);
}

void sbl_pair_broken(sbl_pair *pair, const char *what)
{
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, SABAL_EPEER, "the other process broke the rules: %s", what);
    sbl_pair_fail(pair, &err);
}

/* Nothing of it runs any more. */
static void end_memory(sbl_plane *plane, sbl_errand *errand)
{
    sbl_pair *pair = (sbl_pair *)(void *)((char *)errand - offsetof(sbl_pair, end));

    for (int32_t i = 0; i < pair->options.n_fds; i++)
        sbl_stream_free(pair->streams[i]);
    sbl_free(pair);
    sbl_plane_release(plane);
}

void sbl_pair_close(sbl_pair *pair)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (!pair || pair->is_closed)
        return;
    pair->is_closed = 1;
    sbl_error_set(&err, SABAL_ECANCELED, "the connection to the process that holds it was closed");
    if (pair->state != SBL_PAIR_DOWN)
        end_all(pair, &err);
    if (pair->next)
        pair->next->link = pair->link;
    *pair->link   = pair->next;
    pair->end.run = end_memory;
    sbl_plane_post(pair->plane, &pair->end);
}

/* --- who the other side is -------------------------------------------------------------------------------------- */

static void say_hello(sbl_pair *pair)
{
    uint8_t  body[4096] = {0};
    uint32_t numbers[6] = {HELLO_VERSION,
                           pair->here.may,
                           pair->here.can,
                           (uint32_t)pair->options.n_fds,
                           sbl_seal_has_aes() ? HELLO_AES : 0u,
                           0};

    numbers[5] = (uint32_t)sbl_ucx_hello(pair, body + HELLO_FIXED, sizeof body - HELLO_FIXED);
    memcpy(body, numbers, sizeof numbers);
    memcpy(body + 24, pair->here.node, 16);
    memcpy(body + 40, pair->here.ucx, 32);
    sbl_pair_send(pair, &(sbl_packet){.type = SBL_PACKET_HELLO, .size = HELLO_FIXED + numbers[5]}, body, -1);
}

void sbl_pair_is_up(sbl_pair *pair)
{
    pair->state = SBL_PAIR_UP;
    if (pair->options.up)
        pair->options.up(pair->options.arg, pair->carrier);
    if (pair->state == SBL_PAIR_UP)
        sbl_pulls_go_on(pair);
}

static void choose(sbl_pair *pair, const uint8_t *ucx, size_t ucx_size)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (sbl_carrier_choose(&pair->carrier, &pair->here, &pair->there, &err)) {
        sbl_stream_flush(pair->streams[0]); /* that it comes to the same */
        sbl_pair_fail(pair, &err);
        return;
    }
    pair->state = SBL_PAIR_CHOSEN;
    if (SBL_CARRIERS_UCX & SBL_CARRIER_BIT(pair->carrier))
        sbl_ucx_pair_begin(pair, ucx, ucx_size);
    else
        sbl_pair_is_up(pair);
}

static void hello_came(sbl_pair *pair, const sbl_packet *packet, const uint8_t *body, int damaged)
{
    uint32_t numbers[6];

    if (damaged || packet->type != SBL_PACKET_HELLO || packet->size < HELLO_FIXED) {
        sbl_pair_broken(pair, "it did not say who it is");
        return;
    }
    memcpy(numbers, body, sizeof numbers);
    memcpy(pair->there.node, body + 24, 16);
    memcpy(pair->there.ucx, body + 40, 31);
    pair->there.may = numbers[1];
    pair->there.can = numbers[2];
    if (numbers[0] != HELLO_VERSION || numbers[3] != (uint32_t)pair->options.n_fds ||
        numbers[5] != packet->size - HELLO_FIXED) {
        sbl_pair_broken(pair, "it has another version, or another number of connections");
        return;
    }
    for (int32_t i = 0; i < pair->options.n_fds && numbers[4] & HELLO_AES; i++)
        sbl_stream_use_aes(pair->streams[i]);
    choose(pair, body + HELLO_FIXED, numbers[5]);
}

/* --- frames ----------------------------------------------------------------------------------------------------- */

static void credit_came(sbl_pair *pair, const sbl_packet *p)
{
    if (p->id > SBL_CREDIT_BYTES || p->offset > SBL_CREDIT_ANSWERS ||
        pair->credit_bytes + (int64_t)p->id > SBL_CREDIT_BYTES ||
        pair->credit_answers + (int64_t)p->offset > SBL_CREDIT_ANSWERS) {
        sbl_pair_broken(pair, "it gives back credit that it did not have");
        return;
    }
    pair->credit_bytes += (int64_t)p->id;
    pair->credit_answers += (int64_t)p->offset;
}

static void take_frame(sbl_pair *pair, const sbl_packet *p, const uint8_t *body, int fd, int damaged)
{
    switch (p->type) {
    case SBL_PACKET_GIVE:
        sbl_pull_announced(pair, p, body, fd, damaged);
        return; /* with the descriptor */
    case SBL_PACKET_FAIL:
        sbl_pull_failed(pair, p, body, damaged);
        break;
    case SBL_PACKET_ASK:
        if (damaged || p->size != 24)
            sbl_pair_broken(pair, "it asked for nothing");
        else
            sbl_give_asked(pair, p, body);
        break;
    case SBL_PACKET_TAKE:
        sbl_give_taken(pair, p->id);
        break;
    case SBL_PACKET_DROP:
        sbl_give_dropped(pair, p->id);
        break;
    case SBL_PACKET_CREDIT:
        credit_came(pair, p);
        break;
    case SBL_PACKET_RELEASED:
        sbl_lease_ended(pair, p->id, p->offset != 0);
        break;
    case SBL_PACKET_FORGET:
        sbl_lease_forgotten(pair, p->id);
        break;
    case SBL_PACKET_READY:
        sbl_ucx_ready_came(pair);
        break;
    default:
        sbl_pair_broken(pair, "it says twice who it is");
    }
    if (fd >= 0)
        close(fd);
}

static void frame(void *arg, sbl_stream *stream, const sbl_packet *p, const uint8_t *body, int fd, int damaged)
{
    sbl_pair *pair = arg;

    if (stream != pair->streams[0]) {
        sbl_pair_broken(pair, "it says on a connection for data what is not data");
    } else if (pair->state != SBL_PAIR_OPENING) {
        take_frame(pair, p, body, fd, damaged);
        return;
    } else {
        hello_came(pair, p, body, damaged);
    }
    if (fd >= 0)
        close(fd);
}

static int where(void *arg, sbl_stream *stream, const sbl_packet *p, struct iovec *runs)
{
    return sbl_pull_where(arg, p, runs);
}

static void landed(void *arg, sbl_stream *stream, const sbl_packet *p, int damaged)
{
    sbl_pull_landed(arg, p, damaged);
}

static int next(void *arg, sbl_stream *stream, sbl_packet *p, struct iovec *runs)
{
    return sbl_give_next(arg, p, runs, SBL_PACKET_CHUNK);
}

static void sent(void *arg, sbl_stream *stream, const sbl_packet *p)
{
    sbl_give_sent(arg, p->id);
}

static void ended(void *arg, sbl_stream *stream, const sabal_error *why)
{
    sbl_pair_fail(arg, why);
}

static const sbl_stream_events EVENTS = {
    .frame = frame, .where = where, .landed = landed, .next = next, .sent = sent, .ended = ended};

/* --- its begin -------------------------------------------------------------------------------------------------- */

static uint32_t what_can_be(sbl_pair *pair)
{
    uint32_t can = 0;

    if (sbl_stream_is_unix(pair->streams[0]))
        can |= SBL_CARRIER_BIT(SBL_CARRIER_MEMFD);
    else
        can |= SBL_CARRIER_BIT(SBL_CARRIER_TCP);
    can &= pair->plane->may;
    return can | sbl_ucx_can(pair);
}

static sbl_pair *make(sbl_plane *plane, const sbl_pair_options *o)
{
    sbl_pair *pair = sbl_calloc(1, sizeof *pair);

    if (!pair)
        return NULL;
    pair->plane          = plane;
    pair->options        = *o;
    pair->credit_bytes   = SBL_CREDIT_BYTES;
    pair->credit_answers = SBL_CREDIT_ANSWERS;
    pair->here.may       = plane->may;
    memcpy(pair->here.node, plane->node, sizeof plane->node);
    sodium_memzero(pair->options.send_key, sizeof pair->options.send_key);
    sodium_memzero(pair->options.receive_key, sizeof pair->options.receive_key);
    sbl_list_begin(&pair->line);
    sbl_list_begin(&pair->ready);
    sbl_list_begin(&pair->giving);
    return pair;
}

sabal_status sbl_pair_open(sbl_pair **opened, sbl_plane *plane, const sbl_pair_options *o, sabal_error *err)
{
    sbl_pair    *pair = o->n_fds < 1 || o->n_fds > SBL_PAIR_FDS ? NULL : make(plane, o);
    sabal_status st   = SABAL_OK;
    int32_t      i;

    if (!pair) {
        for (i = 0; i < o->n_fds && i < SBL_PAIR_FDS; i++)
            close(o->fds[i]);
        return o->n_fds < 1 || o->n_fds > SBL_PAIR_FDS
                   ? sbl_error_set(err, SABAL_EINVAL, "a pair with %d connections, of which 1 to 4 are possible",
                                   o->n_fds)
                   : sbl_error_memory(err, sizeof *pair, "a connection to another process");
    }
    for (i = 0; i < o->n_fds && !st; i++)
        st = sbl_stream_open(&pair->streams[i], &plane->options.turns,
                             &(sbl_stream_options){.fd          = o->fds[i],
                                                   .connection  = (uint32_t)i,
                                                   .send_key    = o->send_key,
                                                   .receive_key = o->receive_key,
                                                   .encrypt     = o->encrypt,
                                                   .spin        = &pair->spin},
                             &EVENTS, pair, err);
    for (; st && i < o->n_fds; i++)
        close(o->fds[i]);
    if (!st) {
        pair->here.can = what_can_be(pair);
        sbl_plane_retain(plane);
        pair->next = plane->pairs;
        pair->link = &plane->pairs;
        if (pair->next)
            pair->next->link = &pair->next;
        plane->pairs = pair;
        say_hello(pair);
        *opened = pair;
        return SABAL_OK;
    }
    for (i = 0; i < o->n_fds; i++)
        sbl_stream_free(pair->streams[i]);
    sbl_free(pair);
    return st;
}
