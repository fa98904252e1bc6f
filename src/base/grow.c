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

ssize_t sbl_grow_write(int fd, const void *data, size_t n)
{
    struct held held;
    ssize_t     done;

    hold(&held);
    done = write(fd, data, n);
    let_go(&held, done);
    return done;
}

ssize_t sbl_grow_pwrite(int fd, const void *data, size_t n, off_t offset)
{
    struct held held;
    ssize_t     done;

    hold(&held);
    done = pwrite(fd, data, n, offset);
    let_go(&held, done);
    return done;
}

int sbl_grow_truncate(int fd, off_t size)
{
    struct held held;
    int         failed;

    hold(&held);
    failed = ftruncate(fd, size);
    let_go(&held, failed);
    return failed;
}

int sbl_grow_allocate(int fd, off_t offset, off_t size)
{
    struct held held;
    int         failed;

    hold(&held);
    failed = fallocate(fd, 0, offset, size);
    let_go(&held, failed);
    return failed;
}

ssize_t sbl_grow_copy(int to, int from, size_t n)
{
    struct held held;
    ssize_t     done;

    hold(&held);
    done = copy_file_range(from, NULL, to, NULL, n, 0);
    let_go(&held, done);
    return done;
}
