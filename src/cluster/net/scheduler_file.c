/* Writing the scheduler file so that nobody sees half of it, and reading it without believing it. */
#include "cluster/net/scheduler_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/here.h"
#include "base/log.h"

enum { MOST_BYTES = 64 << 10, LOOK_AGAIN_MS = 50 };

int64_t sbl_job_here(char job[SBL_JOB_TEXT])
{
    const char *slurm = getenv("SLURM_JOB_ID"), *pbs = getenv("PBS_JOBID"), *restarts = getenv("SLURM_RESTART_COUNT");
    const char *id = slurm && *slurm ? slurm : pbs ? pbs : ""; /* a plugin of Slurm's sets PBS_JOBID too */
    long long   n  = 0;

    snprintf(job, SBL_JOB_TEXT, "%s", id);
    if (slurm && *slurm && restarts)
        n = strtoll(restarts, NULL, 10);
    return n > 0 ? n : 0;
}

sabal_status sbl_scheduler_file_init(sbl_scheduler_file *file, sabal_error *err)
{
    sabal_status st;

    memset(file, 0, sizeof *file);
    st = sbl_random(file->cluster, sizeof file->cluster, err);
    st = st ? st : sbl_secret_create(&file->secret, err);
    snprintf(file->version, sizeof file->version, "%s", sabal_version());
    sbl_machine_here(&file->node);
    file->pid       = getpid();
    file->pid_start = sbl_process_start_time(file->pid);
    file->uid       = geteuid();
    file->restarts  = sbl_job_here(file->job);
    file->started   = (int64_t)time(NULL);
    return st;
}

void sbl_scheduler_file_clear(sbl_scheduler_file *file)
{
    if (!file)
        return;
    sbl_secret_destroy(file->secret);
    file->secret = NULL;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

/* Cuts "folder/name" in two. */
static sabal_status split(char folder[PATH_MAX], char name[NAME_MAX + 1], const char *path, sabal_error *err)
{
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    int         n = !slash ? 1 : slash == path ? 1 : (int)(slash - path);

    if (!*last || strlen(last) > NAME_MAX - 32 || n >= PATH_MAX)
        return sbl_error_set(err, SABAL_EINVAL,
                             "the scheduler file '%s': the path has to end in a name of up to %d bytes", path,
                             NAME_MAX - 32);
    snprintf(folder, PATH_MAX, "%.*s", n, slash ? path : ".");
    snprintf(name, NAME_MAX + 1, "%s", last);
    return SABAL_OK;
}

static sabal_status fill(int fd, const char *text, size_t n, const char *path, sabal_error *err)
{
    struct stat st;

    while (n) {
        ssize_t done = sbl_grow_write(fd, text, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return sbl_error_errno(err, errno, "writing the scheduler file %s", path);
        text += done;
        n -= (size_t)done;
    }
    if (fsync(fd) || fstat(fd, &st))
        return sbl_error_errno(err, errno, "writing the scheduler file %s", path);
    return SABAL_OK;
}

/* Some file systems give what they like (NFS with squashed owners, FAT): then the secret must not be written there. */
static sabal_status check_made(int fd, const char *path, sabal_error *err)
{
    struct stat st;

    if (fstat(fd, &st))
        return sbl_error_errno(err, errno, "making the scheduler file %s", path);
    if (st.st_uid != geteuid() || st.st_mode & 077)
        return sbl_error_set(
            err, SABAL_EACCES,
            "the scheduler file %s: its file system gave it the owner %u and mode %03o, not %u and 600, so "
            "others could read the secret: name a path on another file system",
            path, (unsigned)st.st_uid, (unsigned)st.st_mode & 0777, (unsigned)geteuid());
    return SABAL_OK;
}

/* The folder's own entry is to survive too; not all file systems know that, or need it. */
static sabal_status sync_folder(int folder, const char *path, sabal_error *err)
{
    if (fsync(folder) && errno != EINVAL && errno != EBADF && errno != EOPNOTSUPP && errno != ENOSYS)
        return sbl_error_errno(err, errno, "writing the folder of the scheduler file %s", path);
    return SABAL_OK;
}

static sabal_status write_in(int folder, const char *name, const char *path, const char *text, size_t n,
                             sabal_error *err)
{
    char         temporary[NAME_MAX + 32];
    uint64_t     number;
    int          fd;
    sabal_status st = sbl_random(&number, sizeof number, err);

    if (st)
        return st;
    snprintf(temporary, sizeof temporary, ".%s.%016" PRIx64 ".tmp", name, number);
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return sbl_error_errno(err, errno, "making the scheduler file %s", path);
    st = check_made(fd, path, err);
    st = st ? st : fill(fd, text, n, path, err);
    if (close(fd) && !st)
        st = sbl_error_errno(err, errno, "writing the scheduler file %s", path);
    if (!st && renameat(folder, temporary, folder, name))
        st = sbl_error_errno(err, errno, "naming the scheduler file %s", path);
    if (st)
        unlinkat(folder, temporary, 0);
    return st ? st : sync_folder(folder, path, err);
}

sabal_status sbl_scheduler_file_write(const char *path, const sbl_scheduler_file *file, sabal_error *err)
{
    char         folder[PATH_MAX], name[NAME_MAX + 1], *text = NULL;
    size_t       n  = 0;
    int          fd = -1;
    sabal_status st = split(folder, name, path, err);

    st = st ? st : sbl_scheduler_file_print(&text, &n, file, err);
    if (!st)
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!st && fd < 0)
        st = sbl_error_errno(err, errno, "the folder of the scheduler file %s", path);
    st = st ? st : write_in(fd, name, path, text, n, err);
    if (fd >= 0)
        close(fd);
    sodium_free(text);
    return st;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

static sabal_status check_found(const struct stat *st, const char *path, sabal_error *err)
{
    if (!S_ISREG(st->st_mode))
        return sbl_error_set(err, SABAL_EACCES, "the scheduler file %s is no regular file", path);
    if (st->st_uid != geteuid())
        return sbl_error_set(err, SABAL_EACCES,
                             "the scheduler file %s belongs to user %u, and this is user %u: a cluster serves one user",
                             path, (unsigned)st->st_uid, (unsigned)geteuid());
    if (st->st_mode & 077)
        return sbl_error_set(
            err, SABAL_EACCES,
            "the scheduler file %s has mode %03o, so others could have read its secret or written it: stop "
            "that cluster, start another (it makes the file with mode 600)",
            path, (unsigned)st->st_mode & 0777);
    if (st->st_size > MOST_BYTES)
        return sbl_error_set(err, SABAL_EFORMAT,
                             "the scheduler file %s has %lld bytes, and at most %d are read: is it one?", path,
                             (long long)st->st_size, MOST_BYTES);
    return SABAL_OK;
}

static sabal_status open_file(int *fd, const char *path, sabal_error *err)
{
    struct stat st;
    char        room[PATH_MAX];
    const char *where;

    *fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe must not stop us */
    if (*fd < 0 && errno == ELOOP)
        return sbl_error_set(err, SABAL_EACCES,
                             "the scheduler file %s is a symbolic link, which another could turn: name the file itself",
                             path);
    if (*fd < 0 && errno == ENOENT) {
        where = sbl_here_folder(room, sizeof room, path);
        return sbl_error_set(err, SABAL_ENOENT, "there is no scheduler file %s%s%.200s: has its scheduler started?",
                             path, where ? " in " : "", where ? where : "");
    }
    if (*fd < 0)
        return sbl_error_errno(err, errno, "the scheduler file %s", path);
    if (fstat(*fd, &st))
        return sbl_error_errno(err, errno, "the scheduler file %s", path);
    return check_found(&st, path, err);
}

static sabal_status read_all(char *text, size_t *n, int fd, const char *path, sabal_error *err)
{
    ssize_t got = 1;

    for (*n = 0; got && *n <= MOST_BYTES; *n += (size_t)(got > 0 ? got : 0)) {
        got = read(fd, text + *n, MOST_BYTES + 1 - *n);
        if (got < 0 && errno != EINTR)
            return sbl_error_errno(err, errno, "reading the scheduler file %s", path);
    }
    if (*n > MOST_BYTES)
        return sbl_error_set(err, SABAL_EFORMAT, "the scheduler file %s has more than %d bytes", path, MOST_BYTES);
    return SABAL_OK;
}

/* Of one of another node, or where processes have other numbers, it can't be told. */
static int is_of_here(const sbl_scheduler_file *file)
{
    sbl_machine here;

    sbl_machine_here(&here);
    return sbl_machine_same(&here, &file->node) && here.pid_namespace == file->node.pid_namespace;
}

int sbl_scheduler_file_is_alive(const sbl_scheduler_file *file)
{
    const uint64_t start = sbl_process_start_time(file->pid);

    return is_of_here(file) && file->pid != getpid() && start && start == file->pid_start;
}

/* SABAL_EPEER: left over. */
static sabal_status check_alive(const sbl_scheduler_file *file, const char *path, sabal_error *err)
{
    char     job[SBL_JOB_TEXT];
    int64_t  restarts = sbl_job_here(job);
    uint64_t start;

    if (job[0] && !strcmp(job, file->job) && file->restarts < restarts)
        return sbl_error_set(err, SABAL_EPEER,
                             "the scheduler file %s is of an earlier run of job %s (restart %" PRId64
                             "; this is %" PRId64 "): the scheduler of this run has not written its own",
                             path, job, file->restarts, restarts);
    if (!is_of_here(file))
        return SABAL_OK;
    start = sbl_process_start_time(file->pid);
    if (!start || start != file->pid_start)
        return sbl_error_set(err, SABAL_EPEER,
                             "the scheduler file %s is left over: its scheduler, process %d of this node, is gone",
                             path, (int)file->pid);
    return SABAL_OK;
}

static sabal_status read_file(sbl_scheduler_file *file, const char *path, sabal_error *err)
{
    char        *text = NULL;
    size_t       n    = 0;
    int          fd   = -1;
    sabal_status st   = sodium_init() < 0 ? SABAL_EUNSUPPORTED : open_file(&fd, path, err);

    if (!st) {
        text = sbl_alloc_must_fail() ? NULL : sodium_malloc(MOST_BYTES + 1);
        st   = text ? read_all(text, &n, fd, path, err) : sbl_error_memory(err, MOST_BYTES + 1, "a scheduler file");
    }
    if (!st) {
        sabal_error why = SABAL_ERROR_INIT;

        st = sbl_scheduler_file_parse(file, text, n, &why);
        sbl_error_prefix(&why, "the scheduler file %s", path);
        if (st)
            sbl_error_pass(err, &why);
    }
    if (fd >= 0)
        close(fd);
    sodium_free(text);
    return st;
}

static sabal_status read_once(sbl_scheduler_file *file, const char *path, sabal_error *err)
{
    sabal_status st;

    memset(file, 0, sizeof *file);
    st = read_file(file, path, err);
    if (!st) {
        st = check_alive(file, path, err);
        if (st)
            sbl_scheduler_file_clear(file);
    }
    return st;
}

sabal_status sbl_scheduler_file_read(sbl_scheduler_file *file, const char *path, int64_t deadline_ns, sabal_error *err)
{
    int64_t      began = sbl_clock_ns(), now = began;
    long         ms   = 1; /* the scheduler may have been started at the same time */
    int          told = 0;
    sabal_error  why;
    sabal_status st;

    for (;;) {
        const struct timespec pause = {.tv_nsec = ms * 1000000};

        sbl_error_clear(&why);
        st = read_once(file, path, &why);
        if (st != SABAL_ENOENT && st != SABAL_EPEER)
            break;
        now = sbl_clock_ns();
        if (now >= deadline_ns)
            break;
        if (!told++)
            sbl_log(SABAL_LOG_INFO, "waiting up to %.1f s for a scheduler: %s", (double)(deadline_ns - now) / 1e9,
                    why.message);
        nanosleep(&pause, NULL);
        ms = 2 * ms < LOOK_AGAIN_MS ? 2 * ms : LOOK_AGAIN_MS;
    }
    if (st && told)
        sbl_error_prefix(&why, "after %.1f s of waiting for a scheduler", (double)(now - began) / 1e9);
    return st ? sbl_error_pass(err, &why) : SABAL_OK;
}

void sbl_scheduler_file_remove(const char *path, const uint8_t cluster[SBL_CLUSTER_ID])
{
    sbl_scheduler_file file;

    memset(&file, 0, sizeof file);
    if (read_file(&file, path, NULL))
        return;
    if (!memcmp(file.cluster, cluster, SBL_CLUSTER_ID))
        unlink(path);
    sbl_scheduler_file_clear(&file);
}
