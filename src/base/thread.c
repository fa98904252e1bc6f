#include "base/thread.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int sbl_thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all, former;
    int      error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    error = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return error;
}

/* The kernel's, of which the C library has none. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t  nice;
    uint32_t priority;
    uint64_t runtime, deadline,
        period; /* runtime: of an ordinary thread, how long it wants to run before others do, ns */
};

void sbl_thread_is_brief(void)
{
    enum { ORDINARY = 0, BRIEF_NS = 100000 }; /* the least that there is */
    struct attributes a = {0};

    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) || a.policy != ORDINARY)
        return;
    a.size = sizeof a;
    a.flags &= 1; /* that its children are ordinary, perhaps */
    a.runtime = BRIEF_NS;
    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}

void sbl_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

int sbl_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000), .tv_nsec = (long)(deadline_ns % 1000000000)};

    if (deadline_ns == INT64_MAX)
        return !pthread_cond_wait(condition, lock);
    return !pthread_cond_timedwait(condition, lock, &until);
}
