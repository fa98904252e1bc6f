#include "cluster/office_signals.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

static void signalled(sbl_evwatch *watch, uint32_t events)
{
    sbl_office_signals     *s = (sbl_office_signals *)(void *)((char *)watch - offsetof(sbl_office_signals, watch));
    struct signalfd_siginfo what;

    if (read(watch->fd, &what, sizeof what) == (ssize_t)sizeof what)
        sbl_evloop_stop(s->loop);
}

void sbl_office_signals_init(sbl_office_signals *s)
{
    memset(s, 0, sizeof *s);
    s->fd = -1;
    pthread_sigmask(SIG_SETMASK, NULL, &s->former);
}

sabal_status sbl_office_signals_watch(sbl_office_signals *s, sbl_evloop *loop, sabal_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, &s->former);
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0)
        return sbl_error_errno(err, errno, "watching signals");
    s->loop        = loop;
    s->watch.ready = signalled;
    return sbl_evloop_watch(loop, &s->watch, s->fd, EPOLLIN, err);
}

void sbl_office_signals_unwatch(sbl_office_signals *s)
{
    struct signalfd_siginfo what;

    if (s->fd < 0)
        return;
    sbl_evloop_unwatch(s->loop, &s->watch);
    while (read(s->fd, &what, sizeof what) > 0)
        continue;
    close(s->fd);
    s->fd = -1;
}

void sbl_office_signals_restore(const sbl_office_signals *s)
{
    pthread_sigmask(SIG_SETMASK, &s->former, NULL);
}
