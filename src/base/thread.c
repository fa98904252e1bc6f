#include "base/thread.h"

#include <signal.h>
#include <time.h>

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
