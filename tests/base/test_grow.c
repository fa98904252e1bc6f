/* Files that may not grow: an error, and no signal. */
#include "base/grow.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

static struct rlimit before;

static int limited_file(rlim_t limit)
{
    int fd = memfd_create("grow", MFD_CLOEXEC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, before.rlim_max}), 0);
    return fd;
}

static void expect_efbig(int64_t got)
{
    cr_expect_eq(got, -1);
    cr_expect_eq(errno, EFBIG);
    errno = 0;
}

static int waits(int signal)
{
    sigset_t set;

    sigpending(&set);
    return sigismember(&set, signal);
}

Test(grow, past_the_limit_each_call_fails_and_raises_nothing)
{
    int from = memfd_create("from", MFD_CLOEXEC), fd;

    cr_assert_eq(sbl_grow_write(from, "01", 2), 2);
    lseek(from, 0, SEEK_SET);
    fd = limited_file(100);
    cr_expect_eq(sbl_grow_write(fd, "0123456789", 10), 10);
    cr_expect_eq(sbl_grow_pwrite(fd, "0123456789", 10, 95), 5);
    expect_efbig(sbl_grow_pwrite(fd, "0123456789", 10, 100));
    expect_efbig(sbl_grow_truncate(fd, 101));
    expect_efbig(sbl_grow_allocate(fd, 0, 101));
    cr_expect_eq(sbl_grow_truncate(fd, 100), 0);
    lseek(fd, 0, SEEK_END);
    expect_efbig(sbl_grow_write(fd, "0", 1));
    expect_efbig(sbl_grow_copy(fd, from, 1));
    setrlimit(RLIMIT_FSIZE, &before);
    cr_expect_eq(sbl_grow_write(fd, "0", 1), 1);
    close(fd);
    close(from);
}

static volatile sig_atomic_t n_handled;

static void handle(int signal)
{
    n_handled++;
}

Test(grow, a_signal_of_somebody_elses_is_the_hosts)
{
    int fd = limited_file(100), n = 0;

    signal(SIGXFSZ, handle);
    for (; n < 200; n++) {
        pid_t child = fork();

        if (!child)
            _exit(kill(getppid(), SIGXFSZ));
        while (waitpid(child, NULL, WNOHANG) != child)
            cr_assert_eq(sbl_grow_pwrite(fd, "0123456789", 10, 0), 10);
    }
    cr_expect_eq(n_handled, n);
    expect_efbig(sbl_grow_truncate(fd, 101));
    cr_expect_eq(n_handled, n);
    setrlimit(RLIMIT_FSIZE, &before);
    close(fd);
}

Test(grow, a_signal_that_waits_already_goes_on_waiting)
{
    int      fd = limited_file(0);
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &set, NULL);
    expect_efbig(sbl_grow_write(fd, "0", 1));
    cr_expect_not(waits(SIGXFSZ));
    raise(SIGXFSZ);
    expect_efbig(sbl_grow_write(fd, "0", 1));
    cr_expect(waits(SIGXFSZ));
    setrlimit(RLIMIT_FSIZE, &before);
    close(fd);
}
