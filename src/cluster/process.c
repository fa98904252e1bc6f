/* A worker is started with a name that tells what it is, two descriptors and nothing else of ours. */
#include "cluster/process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"

static _Atomic int own_worker;

void sbl_process_is_own_worker(void)
{
    atomic_store_explicit(&own_worker, 1, memory_order_relaxed);
}

/* In a tree where it was built both lie side by side; installed, it lies in a folder of its own. */
static sabal_status find_program(char *path, size_t size, sabal_error *err)
{
    static const char *const PLACES[] = {"sabal/sabal-worker", "sabal-worker"};
    Dl_info                  info;
    char                     folder[PATH_MAX];
    char                    *slash;

    if (atomic_load_explicit(&own_worker, memory_order_relaxed)) {
        snprintf(path, size, "/proc/self/exe");
        return SABAL_OK;
    }
    sbl_config_text("worker", path, size);
    if (path[0]) {
        if (!access(path, X_OK))
            return SABAL_OK;
        return sbl_error_errno(err, errno, "SABAL_WORKER names '%s'", path);
    }
    if (!dladdr((void *)(uintptr_t)sbl_process_start, &info) || !realpath(info.dli_fname, folder))
        return sbl_error_set(err, SABAL_ENOENT,
                             "where libsabal lies can't be told, and so not where sabal-worker does: "
                             "set SABAL_WORKER to its path");
    slash  = strrchr(folder, '/');
    *slash = 0;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        if (snprintf(path, size, "%s/%s", folder, PLACES[i]) < (int)size && !access(path, X_OK))
            return SABAL_OK;
    }
    return sbl_error_set(
        err, SABAL_ENOENT,
        "the program sabal-worker is neither in '%s/sabal' nor in '%s': install it, set SABAL_WORKER to "
        "its path, or call sabal_worker_main() first in main()",
        folder, folder);
}

sabal_status sbl_process_spawn(pid_t *pid, const int *fds, int n_fds, char *const *args, sabal_error *err)
{
    enum { AT = 3 }; /* where the worker finds its descriptors */
    posix_spawn_file_actions_t files;
    posix_spawnattr_t          attributes;
    sigset_t                   none, usual;
    char                       path[PATH_MAX];
    int                        error;
    sabal_status               st = find_program(path, sizeof path, err);

    if (st)
        return st;
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; i < n_fds; i++)
        posix_spawn_file_actions_adddup2(&files, fds[i], AT + i);
    error = posix_spawn(pid, path, &files, &attributes, args, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error)
        return sbl_error_set(err, SABAL_EPEER, "the worker '%s' can't be started: %s", path, strerror(error));
    return SABAL_OK;
}

sabal_status sbl_process_start(pid_t *pid, int fd, int fault, int32_t threads, int32_t all, sabal_error *err)
{
    const int fds[] = {fd, fault};
    char      number[32];
    char     *args[] = {(char *)"sabal-worker", (char *)"--rehearse", (char *)"3", (char *)"4", number, NULL};

    snprintf(number, sizeof number, "%d,%d", (int)threads, (int)all);
    return sbl_process_spawn(pid, fds, 2, args, err);
}

int sbl_process_end(pid_t pid, int patience_ms)
{
    const int64_t until  = sbl_clock_ns() + (int64_t)patience_ms * 1000000;
    int           status = -1;

    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid)
            return status;
        if (got < 0 && errno != EINTR)
            return -1;
        if (sbl_clock_ns() > until)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

const char *sbl_process_tell(char *text, size_t size, int status, int signal)
{
    if (!signal && status >= 0 && WIFSIGNALED(status))
        signal = WTERMSIG(status);
    if (signal)
        snprintf(text, size, "signal %d (%s)", signal, strsignal(signal));
    else if (status >= 0 && WIFEXITED(status))
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    else
        snprintf(text, size, "a cause that the system did not tell");
    return text;
}
