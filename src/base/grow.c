#include "base/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* The signal is held off in this thread. */
struct held {
    sigset_t before;
    int      is_held, waiting; /* one was waiting already, which is not ours to take */
};

static void only_this_signal(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGXFSZ);
}

static void hold(struct held *held)
{
    struct rlimit limit;
    sigset_t      set, waiting;

    held->is_held = !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY;
    if (!held->is_held)
        return;
    only_this_signal(&set);
    pthread_sigmask(SIG_BLOCK, &set, &held->before);
    held->waiting = sigismember(&held->before, SIGXFSZ) && !sigpending(&waiting) && sigismember(&waiting, SIGXFSZ);
}

const char *sbl_grow_advice(void)
{
    struct rlimit limit;

    /* Few know that shared memory counts as a file, and what a limit of these is called. */
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY)
        return "raise the limit (ulimit -f), which shared memory falls under, too";
    return "its file system has no longer ones: name a folder on another";
}

/* given: by the call. Of a signal that came without this failure another process is the sender: the host is to have it. */
static void let_go(const struct held *held, ssize_t given)
{
    const int number = errno;
    sigset_t  set;

    if (!held->is_held)
        return;
    only_this_signal(&set);
    if (given < 0 && number == EFBIG && !held->waiting)
        sigtimedwait(&set, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
    errno = number;
}

/* What a call gives, made while the signal is held off. */
#define HELD(call)                                                                                                     \
    __extension__({                                                                                                    \
        struct held      held;                                                                                         \
        __typeof__(call) given;                                                                                        \
                                                                                                                       \
        hold(&held);                                                                                                   \
        given = (call);                                                                                                \
        let_go(&held, given);                                                                                          \
        given;                                                                                                         \
    })

ssize_t sbl_grow_write(int fd, const void *data, size_t n)
{
    return HELD(write(fd, data, n));
}

ssize_t sbl_grow_pwrite(int fd, const void *data, size_t n, off_t offset)
{
    return HELD(pwrite(fd, data, n, offset));
}

int sbl_grow_truncate(int fd, off_t size)
{
    return HELD(ftruncate(fd, size));
}

int sbl_grow_allocate(int fd, off_t offset, off_t size)
{
    return HELD(fallocate(fd, 0, offset, size));
}

ssize_t sbl_grow_copy(int to, int from, size_t n)
{
    return HELD(copy_file_range(from, NULL, to, NULL, n, 0));
}
