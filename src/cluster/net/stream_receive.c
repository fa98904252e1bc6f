/*
 * Heads and small bodies come through a stage of 128 KiB; data goes straight to where it shall lie, in the same call as
 * the head behind it. While data flows no more than that head is read ahead, so that nothing is copied twice.
 */
#include "cluster/net/stream_private.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

void sbl_stream_clear_in(sbl_stream *s)
{
    for (int32_t i = 0; i < s->in.n_fds; i++)
        if (s->in.fds[i] >= 0)
            close(s->in.fds[i]);
    s->in.n_fds = 0;
    sbl_free(s->in.body);
    s->in.body = NULL;
}

static void broken(sbl_stream *s, const char *what)
{
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, SABAL_EPEER, "the other process broke the rules: %s", what);
    sbl_stream_fail(s, &err);
}

static int take_fd(sbl_stream *s, const sbl_packet *p)
{
    int fd;

    if (!(p->flags & SBL_PACKET_HAS_FD) || s->in.n_fds == 0)
        return -1;
    fd = s->in.fds[0];
    memmove(s->in.fds, s->in.fds + 1, sizeof *s->in.fds * (size_t)--s->in.n_fds);
    return fd;
}

static void keep_fds(sbl_stream *s, struct msghdr *m)
{
    int came = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

            for (int i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(c) + (size_t)i * sizeof fd, sizeof fd);
                if (s->in.n_fds < SBL_STREAM_FDS)
                    s->in.fds[s->in.n_fds++] = fd;
                else
                    close(fd);
                came = 1;
            }
        }
    if (m->msg_flags & MSG_CTRUNC && !came && s->in.n_fds < SBL_STREAM_FDS)
        s->in.fds[s->in.n_fds++] = -1;
}

/* --- a body that came whole ------------------------------------------------------------------------------------- */

/* What was encrypted is made plain where it lies; 0: it is not what was sent, which no accident does. */
static int make_plain(sbl_stream *s, void *bytes)
{
    const sbl_packet *p = &s->in.packet;

    if (p->flags & SBL_PACKET_SEALED &&
        !sbl_seal_open(bytes, s->in.mac, &s->in.seal, (p->flags & SBL_PACKET_AES) != 0, p->size)) {
        broken(s, "what it encrypted is not what came");
        return 0;
    }
    return 1;
}

static void data_came(sbl_stream *s)
{
    const sbl_packet p       = s->in.packet;
    int              damaged = 0;

    if (s->in.n_runs) {
        const uint8_t *from = s->in.body;

        if (!make_plain(s, s->in.body ? s->in.body : s->in.runs[0].iov_base))
            return;
        for (int32_t i = 0; i < s->in.n_runs && from; from += s->in.runs[i++].iov_len)
            memcpy(s->in.runs[i].iov_base, from, s->in.runs[i].iov_len);
        damaged = sbl_packet_sum(s->in.runs, s->in.n_runs) != p.sum;
    }
    s->in.seal.number++;
    s->in.in_body = 0;
    s->in.flows   = 1;
    sbl_free(s->in.body);
    s->in.body = NULL;
    if (s->in.n_runs)
        s->events->landed(s->arg, s, &p, damaged);
}

static void frame_came(sbl_stream *s, uint8_t *bytes)
{
    const sbl_packet p    = s->in.packet;
    struct iovec     run  = {bytes, p.size};
    uint8_t         *body = s->in.body;
    int              fd;

    if (!make_plain(s, bytes))
        return;
    s->in.seal.number++;
    s->in.in_body = 0;
    s->in.flows   = 0;
    s->in.body    = NULL;
    fd            = take_fd(s, &p);
    s->events->frame(s->arg, s, &p, bytes, fd, sbl_packet_sum(&run, p.size != 0) != p.sum);
    sbl_free(body);
}

/* --- a head ----------------------------------------------------------------------------------------------------- */

/* Moves what the stage has of the body to where it belongs. */
static void fill_sink(sbl_stream *s)
{
    size_t have = s->in.end - s->in.start;

    while (have && s->in.sink_at < s->in.n_sink) {
        struct iovec *run = &s->in.sink[s->in.sink_at];
        size_t        n   = have < run->iov_len ? have : run->iov_len;

        memcpy(run->iov_base, s->in.stage + s->in.start, n);
        run->iov_base = (char *)run->iov_base + n;
        run->iov_len -= n;
        s->in.start += n;
        have -= n;
        s->in.sink_at += run->iov_len == 0;
    }
    if (s->in.nowhere) {
        size_t n = have < s->in.nowhere ? have : s->in.nowhere;

        s->in.nowhere -= n;
        s->in.start += n;
    }
}

static int need_body(sbl_stream *s, size_t size)
{
    sabal_error err = SABAL_ERROR_INIT;

    s->in.body = sbl_alloc(size);
    if (!s->in.body) {
        sbl_error_memory(&err, size, "a frame from another process");
        sbl_stream_fail(s, &err);
        return 0;
    }
    s->in.sink[0] = (struct iovec){s->in.body, size};
    s->in.sink_at = 0;
    s->in.n_sink  = 1;
    return 1;
}

static int data_begins(sbl_stream *s)
{
    const sbl_packet *p   = &s->in.packet;
    size_t            sum = 0;
    int               n = p->size == 0 || p->size > SBL_PACKET_CHUNK ? -1 : s->events->where(s->arg, s, p, s->in.runs);

    if (s->fd < 0)
        return 0;
    for (int i = 0; i < n; i++)
        sum += s->in.runs[i].iov_len;
    if (n < 0 || (n && sum != p->size)) {
        broken(s, "data where none can be");
        return 0;
    }
    s->in.n_runs  = n;
    s->in.n_sink  = n;
    s->in.sink_at = 0;
    s->in.nowhere = n ? 0 : p->size;
    if (n > 1 && p->flags & SBL_PACKET_SEALED)
        return need_body(s, p->size);
    memcpy(s->in.sink, s->in.runs, sizeof *s->in.runs * (size_t)n);
    return 1;
}

/* 1: the body may be read. */
static int head_came(sbl_stream *s)
{
    const uint8_t *head = s->in.stage + s->in.start;
    sabal_error    err  = SABAL_ERROR_INIT;

    if (!sbl_seal_is_right(&s->in.seal, head + SBL_PACKET_HEAD + SBL_SEAL_TAG, head, SBL_PACKET_HEAD + SBL_SEAL_TAG)) {
        broken(s, "a frame without the right tag");
        return 0;
    }
    if (sbl_packet_decode(&s->in.packet, head, &err)) {
        err.status = SABAL_EPEER;
        sbl_stream_fail(s, &err);
        return 0;
    }
    if (s->in.packet.size && !(s->in.packet.flags & SBL_PACKET_SEALED) != !s->encrypt) {
        broken(s, s->encrypt ? "a frame that is not encrypted" : "a frame that is encrypted");
        return 0;
    }
    memcpy(s->in.mac, head + SBL_PACKET_HEAD, SBL_SEAL_TAG);
    s->in.start += SBL_STREAM_HEAD;
    s->in.in_body = 1;
    s->in.n_sink = s->in.sink_at = 0;
    s->in.nowhere                = 0;
    s->in.n_runs                 = 0;
    if (s->in.packet.type == SBL_PACKET_DATA)
        return data_begins(s);
    return s->in.packet.size <= SBL_STREAM_STAGE - SBL_STREAM_HEAD || need_body(s, s->in.packet.size);
}

/* Goes through what has come. 1: more has to come first. */
static int look(sbl_stream *s)
{
    const size_t have = s->in.end - s->in.start;

    if (!s->in.in_body) {
        if (have < SBL_STREAM_HEAD)
            return 1;
        return head_came(s) ? 0 : 1;
    }
    fill_sink(s);
    if (s->in.sink_at < s->in.n_sink || s->in.nowhere)
        return 1;
    if (s->in.packet.type == SBL_PACKET_DATA) {
        data_came(s);
    } else if (s->in.body) {
        frame_came(s, s->in.body);
    } else {
        uint8_t *bytes = s->in.stage + s->in.start;

        if (have < s->in.packet.size)
            return 1;
        s->in.start += s->in.packet.size;
        frame_came(s, bytes);
    }
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static ssize_t receive_some(sbl_stream *s)
{
    union {
        struct cmsghdr head;
        char           room[CMSG_SPACE(sizeof(int) * SBL_STREAM_FDS)];
    } control;
    struct iovec  runs[SBL_PACKET_RUNS + 1];
    struct msghdr m    = {.msg_iov = runs};
    size_t        size = 0, room, left;
    ssize_t       n;

    if (s->in.start == s->in.end)
        s->in.start = s->in.end = 0;
    if (s->in.start > 0 && s->in.end > SBL_STREAM_STAGE / 2) {
        memmove(s->in.stage, s->in.stage + s->in.start, s->in.end - s->in.start);
        s->in.end -= s->in.start;
        s->in.start = 0;
    }
    for (int32_t i = s->in.sink_at; i < s->in.n_sink; i++) {
        runs[m.msg_iovlen++] = s->in.sink[i];
        size += s->in.sink[i].iov_len;
    }
    room = SBL_STREAM_STAGE - s->in.end;
    if ((size || s->in.flows) && !s->in.nowhere && s->in.end - s->in.start < SBL_STREAM_HEAD)
        room = SBL_STREAM_HEAD - (s->in.end - s->in.start);
    runs[m.msg_iovlen++] = (struct iovec){s->in.stage + s->in.end, room};
    if (s->is_unix) {
        m.msg_control    = &control;
        m.msg_controllen = sizeof control.room;
    }
    do
        n = recvmsg(s->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n;
    if (s->is_unix)
        keep_fds(s, &m);
    left = (size_t)n;
    while (left && s->in.sink_at < s->in.n_sink) {
        struct iovec *run  = &s->in.sink[s->in.sink_at];
        size_t        part = left < run->iov_len ? left : run->iov_len;

        run->iov_base = (char *)run->iov_base + part;
        run->iov_len -= part;
        left -= part;
        s->in.sink_at += run->iov_len == 0;
    }
    s->in.end += left;
    return n;
}

static void gone(sbl_stream *s, ssize_t n)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (n == 0)
        sbl_error_set(&err, SABAL_EPEER, "the other process is gone");
    else
        sbl_error_set(&err, SABAL_EPEER, "the other process is gone (%s)", strerrordesc_np(errno));
    sbl_stream_fail(s, &err);
}

void sbl_stream_read(sbl_stream *s)
{
    int64_t until = 0;
    int     calls = 0;
    size_t  bytes = 0;

    while (s->fd >= 0) {
        ssize_t n;

        if (!look(s))
            continue;
        if (s->fd < 0 || calls == SBL_STREAM_CALLS || bytes >= (size_t)SBL_STREAM_TURN * SBL_PACKET_CHUNK)
            return; /* nothing whole is left in the stage */
        n = receive_some(s);
        if (n > 0) {
            calls++;
            bytes += (size_t)n;
            until = 0;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            int64_t now = sbl_clock_ns();

            if (*s->spin != 1 || !(s->in.n_sink || s->in.flows) || (until && now > until)) {
                s->in.flows = 0;
                return;
            }
            until = until ? until : now + SBL_STREAM_SPIN;
        } else if (n < 0 && (errno == ENOMEM || errno == ENOBUFS)) {
            return;
        } else {
            gone(s, n);
            return;
        }
    }
}

void sbl_stream_divert(sbl_stream *s, uint64_t id)
{
    if (!s->in.in_body || s->in.packet.type != SBL_PACKET_DATA || s->in.packet.id != id)
        return;
    for (int32_t i = s->in.sink_at; i < s->in.n_sink; i++)
        s->in.nowhere += s->in.sink[i].iov_len;
    s->in.n_sink = s->in.sink_at = s->in.n_runs = 0;
    sbl_free(s->in.body);
    s->in.body = NULL;
}
