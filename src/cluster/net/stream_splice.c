/*
 * Data over TCP by reference: the pages of the value go through a pipe into the socket, and no byte is copied on this side,
 * which pays for the sums. The kernel reads them until the other side has them, so the value stays until that says so
 * (give.c). If it goes before, with its pair, what the other side gets has not the right sum, and fails there.
 */
#include "cluster/net/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { LEAST = 65536, MOST_RUNS = 4 }; /* of less a copy costs less */

int sbl_stream_may_splice(const sbl_stream *s)
{
    return s->splices && !s->out.frame && s->out.packet.size >= LEAST && s->out.n <= 1 + MOST_RUNS;
}

/* A socket that was closed raises SIGPIPE, which ends a process that has not thought of it. */
static ssize_t splice_quietly(int from, int to, size_t size)
{
    sigset_t pipe_signal, before, pending;
    ssize_t  n;
    int      error, was_pending;

    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE);
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    n     = splice(from, NULL, to, NULL, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    error = errno;
    if (n < 0 && error == EPIPE && !was_pending)
        sigtimedwait(&pipe_signal, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

ssize_t sbl_stream_splice(sbl_stream *s)
{
    struct iovec *runs = s->out.runs + s->out.at;
    ssize_t       n;

    if (s->out.pipe[0] < 0) {
        if (pipe2(s->out.pipe, O_CLOEXEC | O_NONBLOCK)) {
            s->splices = 0; /* too many open files, perhaps: copied from now on */
            errno      = EINTR;
            return -1;
        }
        fcntl(s->out.pipe[1], F_SETPIPE_SZ, 2 * SBL_PACKET_CHUNK); /* a wish */
    }
    if (!s->out.in_pipe) {
        n = vmsplice(s->out.pipe[1], runs, (size_t)(s->out.n - s->out.at), SPLICE_F_NONBLOCK);
        if (n < 0)
            return n;
        s->out.in_pipe = (size_t)n;
    }
    n = splice_quietly(s->out.pipe[0], s->fd, s->out.in_pipe);
    if (n > 0)
        s->out.in_pipe -= (size_t)n;
    return n;
}
