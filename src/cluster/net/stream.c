/* Opening, closing, what the loop is asked to watch. */
#include "cluster/net/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/net/congestion.h"

enum { UNACKNOWLEDGED_MS = 10000 };

static void ready(void *context, uint32_t events)
{
    sbl_stream *s = context;

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        sbl_stream_read(s);
    if (s->fd >= 0 && events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        sbl_stream_write(s);
}

void sbl_stream_watch(sbl_stream *s, uint32_t events)
{
    sabal_error err = SABAL_ERROR_INIT;
    int         failed;

    if (s->watched == events)
        return;
    failed     = s->turns->watch(s->turns->arg, s->fd, events, ready, s);
    s->watched = failed ? s->watched : events;
    if (!failed)
        return;
    sbl_error_errno(&err, failed, "watching a connection");
    sbl_stream_fail(s, &err);
}

static void set_up(sbl_stream *s)
{
    int       on = 1, wait = UNACKNOWLEDGED_MS, family = AF_UNSPEC;
    socklen_t size = sizeof family;

    getsockopt(s->fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    s->is_unix = family == AF_UNIX;
    if (s->is_unix)
        return;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait, sizeof wait);
    sbl_congestion_suit(s->fd);
}

sabal_status sbl_stream_open(sbl_stream **stream, const sbl_turns *turns, const sbl_stream_options *options,
                             const sbl_stream_events *events, void *arg, sabal_error *err)
{
    sbl_stream  *s = sbl_alloc_aligned(64, sizeof *s);
    sabal_status st;

    if (s)
        memset(s, 0, sizeof *s);
    if (!s || !(s->in.stage = sbl_alloc(SBL_STREAM_STAGE))) {
        close(options->fd);
        sbl_free(s);
        return sbl_error_memory(err, sizeof *s + SBL_STREAM_STAGE, "a connection");
    }
    s->turns    = turns;
    s->events   = events;
    s->arg      = arg;
    s->fd       = options->fd;
    s->encrypt  = options->encrypt;
    s->spin     = options->spin;
    s->out.last = &s->out.first;
    s->out.fd   = -1;
    sbl_seal_begin(&s->out.seal, options->send_key, options->connection);
    sbl_seal_begin(&s->in.seal, options->receive_key, options->connection);
    set_up(s);
    if (fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK)) {
        st = sbl_error_errno(err, errno, "a connection that shall not block");
    } else {
        int failed = turns->watch(turns->arg, s->fd, EPOLLIN, ready, s);

        st         = failed ? sbl_error_errno(err, failed, "watching a connection") : SABAL_OK;
        s->watched = failed ? 0 : EPOLLIN;
    }
    if (!st) {
        *stream = s;
        return SABAL_OK;
    }
    sbl_stream_close(s);
    sbl_stream_free(s);
    return st;
}

void sbl_stream_close(sbl_stream *s)
{
    if (!s || s->fd < 0)
        return;
    if (s->watched)
        s->turns->unwatch(s->turns->arg, s->fd);
    close(s->fd);
    s->fd = -1;
}

void sbl_stream_free(sbl_stream *s)
{
    if (!s)
        return;
    sbl_stream_close(s);
    sbl_stream_clear_out(s);
    sbl_stream_clear_in(s);
    sbl_seal_wipe(&s->out.seal);
    sbl_seal_wipe(&s->in.seal);
    sbl_free(s->in.stage);
    sbl_free(s);
}

void sbl_stream_fail(sbl_stream *s, const sabal_error *why)
{
    if (s->fd >= 0)
        s->events->ended(s->arg, s, why);
}

void sbl_stream_use_aes(sbl_stream *s)
{
    s->aes = sbl_seal_has_aes();
}

int sbl_stream_is_unix(const sbl_stream *s)
{
    return s->is_unix;
}
