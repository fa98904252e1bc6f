/* Signals that ask a process to end, as a descriptor of its loop. */
#include "cluster/signals.h"

#include <errno.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

static void ready(sbl_evwatch *watch, uint32_t events)
{
    sbl_signals            *s = (sbl_signals *)(void *)watch;
    struct signalfd_siginfo what;

    if (read(s->fd, &what, sizeof what) == (ssize_t)sizeof what)
        s->asked(s->arg);
}

sabal_status sbl_signals_watch(sbl_signals *s, sbl_evloop *loop, int hangups, void (*asked)(void *arg), void *arg,
                               sabal_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (hangups)
        sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, &s->former);
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0) {
        pthread_sigmask(SIG_SETMASK, &s->former, NULL);
        return sbl_error_errno(err, errno, "watching signals");
    }
    s->loop        = loop;
    s->asked       = asked;
    s->arg         = arg;
    s->watch.ready = ready;
    return sbl_evloop_watch(loop, &s->watch, s->fd, EPOLLIN, err);
}

void sbl_signals_end(sbl_signals *s)
{
    struct signalfd_siginfo what;

    if (s->fd < 0)
        return;
    sbl_evloop_unwatch(s->loop, &s->watch);
    while (read(s->fd, &what, sizeof what) > 0)
        continue;
    close(s->fd);
    s->fd = -1;
    pthread_sigmask(SIG_SETMASK, &s->former, NULL);
}
