/* One loop for each of pread and pwrite, and one place that turns errno into what to do. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/grow.h"
#include "base/here.h"

enum { SHOWN_PATH = 200 }; /* characters of a path in a message */

/* The folder of a path, "." if it names none; cut to size. */
static void folder_of(char *folder, size_t size, const char *path)
{
    const char *slash  = strrchr(path, '/');
    size_t      length = slash ? (size_t)(slash - path) : 0;

    if (!slash)
        snprintf(folder, size, ".");
    else if (!length)
        snprintf(folder, size, "/");
    else
        snprintf(folder, size, "%.*s", (int)(length < size ? length : size - 1), path);
}

/* "no such file", and where a relative path was looked for. */
static sabal_status missing(sabal_error *err, const char *path)
{
    char        room[PATH_MAX];
    const char *folder = sbl_here_folder(room, sizeof room, path);

    return sbl_error_set(err, SABAL_ENOENT, "no such file%s%.200s", folder ? " in " : "", folder ? folder : "");
}

sabal_status sbl_file_failed(sabal_error *err, int error_number, const char *path, int to_write)
{
    char        folder[PATH_MAX];
    struct stat st;

    folder_of(folder, sizeof folder, path);
    switch (error_number) {
    case ENOENT:
        if (stat(folder, &st))
            return sbl_error_set(err, SABAL_ENOENT, "there is no folder %.200s: make it, or mend the path", folder);
        return to_write ? sbl_error_set(err, SABAL_ENOENT, "the path can't be made: it leads through a broken link")
                        : missing(err, path);
    case ENOTDIR:
        return sbl_error_set(err, SABAL_ENOENT, "%.200s is no folder: mend the path", folder);
    case EACCES:
    case EPERM:
        if (to_write)
            return sbl_error_set(err, SABAL_EACCES,
                                 "no permission to write in folder %.200s: name another, or ask its owner", folder);
        return sbl_error_set(err, SABAL_EACCES, "no permission to read it: ask its owner (ls -l shows who that is)");
    case EROFS:
        return sbl_error_set(err, SABAL_EACCES, "the file system of %.200s is read-only: name another folder", folder);
    case ENOSPC:
        return sbl_error_set(err, SABAL_ENOSPC, "the disk of %.200s is full: free room there, or name another folder",
                             folder);
    case EDQUOT:
        return sbl_error_set(err, SABAL_ENOSPC, "your quota in %.200s is used up: free room, or name another folder",
                             folder);
    case EMFILE:
        return sbl_error_set(err, SABAL_EIO, "this process has too many open files (%ld): raise the limit (ulimit -n)",
                             sysconf(_SC_OPEN_MAX));
    default:
        return sbl_error_errno(err, error_number, "can't be %s", to_write ? "made" : "opened");
    }
}

static sabal_status check_kind(const struct stat *about, sabal_error *err)
{
    if (S_ISDIR(about->st_mode))
        return sbl_error_set(err, SABAL_EINVAL, "this is a folder: name a file in it");
    if (!S_ISREG(about->st_mode))
        return sbl_error_set(err, SABAL_EINVAL,
                             "this is no regular file, and parts of it can't be read in any order: copy it to one");
    return SABAL_OK;
}

sabal_status sbl_file_open(int *fd, struct stat *about, const char *path, sabal_error *err)
{
    sabal_status st = SABAL_OK;
    int          f  = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* never waits for a pipe's writer */

    if (f < 0)
        return sbl_file_failed(err, errno, path, 0);
    if (fstat(f, about))
        st = sbl_error_errno(err, errno, "can't be examined");
    else
        st = check_kind(about, err);
    if (st) {
        close(f);
        return st;
    }
    *fd = f;
    return SABAL_OK;
}

sabal_status sbl_file_read_at(int fd, void *out, size_t n, int64_t offset, sabal_error *err)
{
    char *at = out;

    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, at + done, n - done, (off_t)offset + (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sbl_error_errno(err, errno, "%zu bytes at offset %" PRId64 " could not be read", n - done,
                                   offset + (int64_t)done);
        if (got == 0)
            return sbl_error_set(err, SABAL_EFORMAT,
                                 "cut short: bytes %" PRId64 " to %" PRId64
                                 " were expected, but the file ends at %" PRId64
                                 " now: was it changed while it was read?",
                                 offset, offset + (int64_t)n, offset + (int64_t)done);
        done += (size_t)got;
    }
    return SABAL_OK;
}

/* The disk that fd lies on is full: how much is wanted, how much there is, is told with it. */
static sabal_status write_failed(sabal_error *err, int error_number, size_t n, int64_t offset)
{
    if (error_number == ENOSPC)
        return sbl_error_set(err, SABAL_ENOSPC,
                             "the disk is full: no room for %zu bytes at offset %" PRId64
                             ": free room there, or name another folder",
                             n, offset);
    if (error_number == EDQUOT)
        return sbl_error_set(err, SABAL_ENOSPC,
                             "your quota is used up: no room for %zu bytes at offset %" PRId64
                             ": free room, or name another folder",
                             n, offset);
    if (error_number == EFBIG)
        return sbl_error_set(err, SABAL_ENOSPC, "the file gets larger than is allowed at offset %" PRId64 ": %s",
                             offset, sbl_grow_advice());
    return sbl_error_errno(err, error_number, "%zu bytes at offset %" PRId64 " could not be written", n, offset);
}

sabal_status sbl_file_write_at(int fd, const void *data, size_t n, int64_t offset, sabal_error *err)
{
    const char *at = data;

    for (size_t done = 0; done < n;) {
        ssize_t put = sbl_grow_pwrite(fd, at + done, n - done, (off_t)offset + (off_t)done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return write_failed(err, errno, n - done, offset + (int64_t)done);
        done += (size_t)put;
    }
    if (n >= (size_t)1 << 20) /* so that the fsync at the end has little left to wait for; failing is no harm */
        sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
    return SABAL_OK;
}

sabal_status sbl_file_reserve(int fd, int64_t size, sabal_error *err)
{
    if (size == 0)
        return SABAL_OK;
    while (sbl_grow_allocate(fd, 0, (off_t)size)) {
        if (errno == EINTR)
            continue;
        if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
            return write_failed(err, errno, (size_t)size, 0);
        break; /* not a gift of this file system: writing will tell */
    }
    return SABAL_OK;
}

const char *sbl_file_shown(const char **dots, const char *path)
{
    const size_t length = strlen(path);

    *dots = length > SHOWN_PATH ? "..." : "";
    return length > SHOWN_PATH ? path + length - SHOWN_PATH : path;
}

sabal_status sbl_file_pass(sabal_error *err, sabal_error *failure, const char *path, const char *dataset)
{
    const char *dots, *shown = sbl_file_shown(&dots, path);

    if (dataset)
        sbl_error_prefix(failure, "%s%s:%.100s", dots, shown, dataset);
    else
        sbl_error_prefix(failure, "%s%s", dots, shown);
    sbl_error_pass(err, failure);
    return failure->status;
}

sabal_status sbl_file_pass_here(sabal_error *err, sabal_error *failure, const char *path, const char *dataset)
{
    if (sbl_here())
        sbl_error_prefix(failure, "%s", sbl_here());
    return sbl_file_pass(err, failure, path, dataset);
}
