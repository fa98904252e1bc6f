/*
 * O_DIRECT where the file system knows it. Where it doesn't, each slice is written back and dropped from the page cache
 * before the next, so that a writer never has more than one slice of dirty pages. Some file systems take O_DIRECT and
 * go through the cache all the same, so the dropping is asked for in either case; without pages it costs nothing.
 */
#include "graph/spill_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/grow.h"

int64_t sbl_spill_disk_free(const sbl_spill_disk *disk)
{
    struct statvfs fs;

    return fstatvfs(disk->fd, &fs) ? -1 : (int64_t)(fs.f_bavail * fs.f_frsize);
}

static sabal_status write_error(const sbl_spill_disk *disk, int number, int64_t size, int64_t at, sabal_error *err)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    if (number == ENOSPC)
        return sbl_error_set(err, SABAL_ENOSPC,
                             "the disk of the spill folder %s is full: %" PRId64 " bytes were to be written, %" PRId64
                             " are free",
                             disk->folder, size, sbl_spill_disk_free(disk));
    if (number == EDQUOT)
        return sbl_error_set(err, SABAL_ENOSPC,
                             "the quota is used up in the spill folder %s: %" PRId64
                             " bytes were to be written (the disk itself has %" PRId64 " free)",
                             disk->folder, size, sbl_spill_disk_free(disk));
    if (number == EFBIG) {
        getrlimit(RLIMIT_FSIZE, &limit);
        return sbl_error_set(err, SABAL_ENOSPC,
                             limit.rlim_cur == RLIM_INFINITY
                                 ? "the file in the spill folder %s can't grow by %" PRId64 " bytes from %" PRId64
                                   " on: its file system has no longer ones"
                                 : "the file in the spill folder %s can't grow by %" PRId64 " bytes from %" PRId64
                                   " on: this process may write files of %" PRIu64 " bytes (RLIMIT_FSIZE, ulimit -f)",
                             disk->folder, size, at, (uint64_t)limit.rlim_cur);
    }
    return sbl_error_errno(err, number, "writing %" PRId64 " bytes at %" PRId64 " of the file in the spill folder %s",
                           size, at, disk->folder);
}

/* A file system may take O_DIRECT at the opening and refuse it when it comes to it. 1: try again without it. */
static int leave_direct(sbl_spill_disk *disk, int *direct)
{
    int flags = fcntl(disk->fd, F_GETFL);

    if (!*direct || flags < 0)
        return 0;
    disk->direct = *direct = 0;
    return !fcntl(disk->fd, F_SETFL, flags & ~O_DIRECT);
}

static void drop_behind(const sbl_spill_disk *disk, int64_t at, size_t size)
{
    sync_file_range(disk->fd, at, (off_t)size,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    posix_fadvise(disk->fd, at, (off_t)size, POSIX_FADV_DONTNEED);
}

static int write_all(sbl_spill_disk *disk, const char *from, size_t size, int64_t at)
{
    int direct = disk->direct;

    while (size) {
        ssize_t n = sbl_grow_pwrite(disk->fd, from, size, at);

        if (n > 0) {
            from += n;
            size -= (size_t)n;
            at += n;
        } else if (n == 0) {
            return ENOSPC;
        } else if (errno != EINTR && !(errno == EINVAL && leave_direct(disk, &direct))) {
            return errno;
        }
    }
    return 0;
}

sabal_status sbl_spill_disk_write(sbl_spill_disk *disk, const void *from, size_t size, int64_t at, sabal_error *err)
{
    const int number = write_all(disk, from, size, at);

    if (number)
        return write_error(disk, number, (int64_t)size, at, err);
    drop_behind(disk, at, size);
    return SABAL_OK;
}

sabal_status sbl_spill_disk_read(sbl_spill_disk *disk, void *to, size_t size, int64_t at, sabal_error *err)
{
    char  *room   = to;
    size_t done   = 0;
    int    direct = disk->direct;

    while (done < size) {
        ssize_t n = pread(disk->fd, room + done, size - done, at + (int64_t)done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            return sbl_error_set(err, SABAL_EIO,
                                 "the file in the spill folder %s ends at %" PRId64 ", within spilled data",
                                 disk->folder, at + (int64_t)done);
        else if (errno != EINTR && !(errno == EINVAL && leave_direct(disk, &direct)))
            return sbl_error_errno(err, errno, "reading %zu bytes at %" PRId64 " of the file in the spill folder %s",
                                   size, at, disk->folder);
    }
    posix_fadvise(disk->fd, at, (off_t)size, POSIX_FADV_DONTNEED);
    return SABAL_OK;
}

/* Length alone, where room can't be reserved: the write itself finds out. */
static int lengthen(const sbl_spill_disk *disk, int64_t end)
{
    struct stat st;

    if (fstat(disk->fd, &st))
        return errno;
    while (st.st_size < end && sbl_grow_truncate(disk->fd, end))
        if (errno != EINTR)
            return errno;
    return 0;
}

sabal_status sbl_spill_disk_reserve(sbl_spill_disk *disk, int64_t at, int64_t size, sabal_error *err)
{
    int number = 0;

    while (sbl_grow_allocate(disk->fd, at, size)) {
        number = errno;
        if (number == EOPNOTSUPP || number == ENOSYS)
            number = lengthen(disk, at + size);
        if (number != EINTR)
            break;
        number = 0;
    }
    return number ? write_error(disk, number, size, at, err) : SABAL_OK;
}

void sbl_spill_disk_punch(sbl_spill_disk *disk, int64_t at, int64_t size)
{
    while (fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, size) && errno == EINTR)
        ;
}

void sbl_spill_disk_cut(sbl_spill_disk *disk, int64_t end)
{
    while (ftruncate(disk->fd, end) && errno == EINTR)
        ;
}

int64_t sbl_spill_disk_used(const sbl_spill_disk *disk)
{
    struct stat st;

    return fstat(disk->fd, &st) ? 0 : (int64_t)st.st_blocks * 512;
}
