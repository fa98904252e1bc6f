/*
 * A frame leaves as a head with its tag and then the body's runs, in as few calls as the socket allows. Control goes before
 * data. What is begun is ended, also if nobody wants it any more: the other side counts on its length.
 */
#include "cluster/net/stream_private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

void sbl_stream_clear_out(sbl_stream *s)
{
    struct sbl_out *next;

    for (struct sbl_out *f = s->out.first; f; f = next) {
        next = f->next;
        sbl_free(f);
    }
    sbl_free(s->out.frame);
    sbl_free(s->out.room);
    s->out.first = s->out.frame = NULL;
    s->out.room                 = NULL;
}

void sbl_stream_kick(sbl_stream *s)
{
    s->out.data = 1;
    if (s->fd >= 0)
        sbl_stream_watch(s, EPOLLIN | EPOLLOUT);
}

/* The body's runs become one of encrypted bytes. 0: no memory. */
static int encrypt(sbl_stream *s)
{
    struct iovec *runs = s->out.runs + 1;
    uint8_t      *at;
    size_t        size = s->out.packet.size;
    int           aes  = s->aes;

    s->out.packet.flags |= (uint8_t)(SBL_PACKET_SEALED | (aes ? SBL_PACKET_AES : 0));
    if (size > s->out.room_size) {
        sbl_free(s->out.room);
        s->out.room      = sbl_alloc(size);
        s->out.room_size = s->out.room ? size : 0;
        if (!s->out.room)
            return 0;
    }
    at = s->out.room;
    for (int32_t i = 1; i < s->out.n && s->out.n > 2; at += s->out.runs[i++].iov_len)
        memcpy(at, s->out.runs[i].iov_base, s->out.runs[i].iov_len);
    sbl_seal_close(s->out.room, s->out.head + SBL_PACKET_HEAD, &s->out.seal, aes,
                   s->out.n > 2 ? s->out.room : runs->iov_base, size);
    *runs    = (struct iovec){s->out.room, size};
    s->out.n = 2;
    return 1;
}

/* runs[1 .. n) hold the body: the head is made. */
static int begin(sbl_stream *s)
{
    sbl_packet *p = &s->out.packet;

    memset(s->out.head, 0, sizeof s->out.head);
    p->sum = sbl_packet_sum_sent(s->out.runs + 1, s->out.n - 1);
    if (s->encrypt && p->size && !encrypt(s))
        return 0;
    sbl_packet_encode(s->out.head, p);
    sbl_seal_tag(s->out.head + SBL_PACKET_HEAD + SBL_SEAL_TAG, &s->out.seal, s->out.head,
                 SBL_PACKET_HEAD + SBL_SEAL_TAG);
    s->out.seal.number++;
    s->out.runs[0] = (struct iovec){s->out.head, sizeof s->out.head};
    s->out.at      = 0;
    s->out.active  = 1;
    return 1;
}

/* As long as no value flows it need not be large. */
static void let_room_go(sbl_stream *s)
{
    if (s->out.room_size <= SBL_PACKET_SMALL)
        return;
    sbl_free(s->out.room);
    s->out.room      = NULL;
    s->out.room_size = 0;
}

/* Takes up what goes next. 0: nothing, or no memory (then the stream has ended). */
static int take_next(sbl_stream *s)
{
    struct sbl_out *f   = s->out.first;
    sabal_error     err = SABAL_ERROR_INIT;

    s->out.packet = (sbl_packet){0};
    s->out.n      = 1;
    s->out.fd     = -1;
    if (f) {
        s->out.first = f->next;
        if (!s->out.first)
            s->out.last = &s->out.first;
        s->out.packet = f->packet;
        s->out.fd     = f->fd;
        if (f->fd >= 0)
            s->out.packet.flags |= SBL_PACKET_HAS_FD;
        if (f->packet.size)
            s->out.runs[s->out.n++] = (struct iovec){f->body, f->packet.size};
    } else {
        int n = s->out.data ? s->events->next(s->arg, s, &s->out.packet, s->out.runs + 1) : 0;

        if (n == 0) {
            s->out.data = 0;
            let_room_go(s);
            return 0;
        }
        s->out.packet.type = SBL_PACKET_DATA;
        s->out.n           = 1 + n;
        s->out.packet.size = 0;
        for (int32_t i = 1; i <= n; i++)
            s->out.packet.size += (uint32_t)s->out.runs[i].iov_len;
    }
    s->out.frame = f;
    if (begin(s))
        return 1;
    sbl_error_memory(&err, SBL_PACKET_CHUNK, "encrypting what another process gets");
    sbl_stream_fail(s, &err);
    return 0;
}

static ssize_t send_some(sbl_stream *s)
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = s->out.runs + s->out.at, .msg_iovlen = (size_t)(s->out.n - s->out.at)};
    ssize_t       n;

    if (s->out.fd >= 0) {
        memset(&control, 0, sizeof control);
        control.head =
            (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &s->out.fd, sizeof(int));
        m.msg_control    = &control;
        m.msg_controllen = CMSG_SPACE(sizeof(int));
    }
    do
        n = sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        s->out.fd = -1; /* it went with the first byte */
    return n;
}

static void advance(sbl_stream *s, size_t n)
{
    while (s->out.at < s->out.n && n >= s->out.runs[s->out.at].iov_len)
        n -= s->out.runs[s->out.at++].iov_len;
    if (s->out.at < s->out.n) {
        s->out.runs[s->out.at].iov_base = (char *)s->out.runs[s->out.at].iov_base + n;
        s->out.runs[s->out.at].iov_len -= n;
        return;
    }
    s->out.active = 0;
    if (s->out.frame) {
        sbl_free(s->out.frame);
        s->out.frame = NULL;
    } else {
        s->events->sent(s->arg, s, &s->out.packet);
    }
}

void sbl_stream_write(sbl_stream *s)
{
    int64_t until = 0;
    int     data = 0, frames = 0;

    while (s->fd >= 0 && data < SBL_STREAM_TURN && frames < SBL_STREAM_FRAMES) {
        ssize_t n;

        if (!s->out.active && !take_next(s)) {
            if (s->fd >= 0)
                sbl_stream_watch(s, EPOLLIN);
            return;
        }
        n = send_some(s);
        if (n >= 0) {
            advance(s, (size_t)n);
            data += s->fd >= 0 && !s->out.active && s->out.packet.type == SBL_PACKET_DATA;
            frames++;
            until = 0;
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            int64_t now = sbl_clock_ns();

            if (*s->spin != 1 || s->out.frame || (until && now > until))
                break;
            until = until ? until : now + SBL_STREAM_SPIN;
            continue;
        }
        if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM)
            break; /* the system's want; the loop calls again */
        sabal_error err = SABAL_ERROR_INIT;

        sbl_error_set(&err, SABAL_EPEER, "the other process is gone (%s)", strerrordesc_np(errno));
        sbl_stream_fail(s, &err);
        return;
    }
    if (s->fd >= 0)
        sbl_stream_watch(s, EPOLLIN | EPOLLOUT);
}

void sbl_stream_flush(sbl_stream *s)
{
    if (s->fd >= 0)
        sbl_stream_write(s);
}

/* A frame that goes out at once spares the loop a turn. What can't is left to the loop, errors too. */
static void try_now(sbl_stream *s)
{
    ssize_t n;

    if (s->fd < 0)
        return;
    if (!s->out.active && s->out.first && take_next(s)) {
        n = send_some(s);
        if (n > 0)
            advance(s, (size_t)n);
    }
    if (s->fd >= 0 && (s->out.active || s->out.first))
        sbl_stream_watch(s, EPOLLIN | EPOLLOUT);
}

sabal_status sbl_stream_send(sbl_stream *s, const sbl_packet *packet, const void *body, int fd, sabal_error *err)
{
    struct sbl_out *f = sbl_alloc(sizeof *f + packet->size);

    if (!f)
        return sbl_error_memory(err, sizeof *f + packet->size, "a frame to another process");
    f->next   = NULL;
    f->packet = *packet;
    f->fd     = fd;
    if (packet->size)
        memcpy(f->body, body, packet->size);
    *s->out.last = f;
    s->out.last  = &f->next;
    try_now(s);
    return SABAL_OK;
}
