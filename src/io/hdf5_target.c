/* Whether somebody has changed the target since the copy, its device, inode, size and time tell. */
#include "io/hdf5_target.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/grow.h"
#include "io/file.h"
#include "io/hdf5_library.h"

/* The whole of a file into an empty one; by reference or within the kernel where that works. */
static sabal_status copy_file(int to, int from, int64_t size, sabal_error *err)
{
    int64_t      done = 0;
    size_t       room = (size_t)1 << 20;
    void        *data;
    sabal_status st = SABAL_OK;

    while (done < size) {
        ssize_t n = sbl_grow_copy(to, from, (size_t)(size - done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
            return sbl_error_errno(err, errno, "copying the file, to add to the copy");
        if (n <= 0)
            break; /* it can't between these two, or writing will tell why */
        done += n;
    }
    if (done == size)
        return SABAL_OK;
    data = sbl_buffer_alloc(room);
    if (!data)
        return sbl_error_memory(err, room, "copying a file");
    while (done < size && !st) {
        size_t n = (size_t)(size - done < (int64_t)room ? size - done : (int64_t)room);

        st = sbl_file_read_at(from, data, n, done, err);
        if (!st)
            st = sbl_file_write_at(to, data, n, done, err);
        done += (int64_t)n;
    }
    sbl_buffer_free(data, room);
    return st;
}

sabal_status sbl_h5_target_copy(struct stat *before, const sbl_partial *partial, const char *path, sabal_error *err)
{
    int          fd = -1;
    sabal_status st;

    if (stat(partial->target, before)) {
        memset(before, 0, sizeof *before);
        return errno == ENOENT ? SABAL_OK : sbl_file_failed(err, errno, path, 1);
    }
    st = sbl_file_open(&fd, before, partial->target, err);
    if (st)
        return st;
    st = sbl_h5_check_signature(fd, before->st_size, err);
    if (st)
        sbl_error_prefix(err, "a data set can't be added");
    else
        st = copy_file(partial->fd, fd, before->st_size, err);
    close(fd);
    return st;
}

sabal_status sbl_h5_target_check(const struct stat *before, const sbl_partial *partial, sabal_error *err)
{
    struct stat now;

    if (stat(partial->target, &now))
        memset(&now, 0, sizeof now);
    if (now.st_dev == before->st_dev && now.st_ino == before->st_ino && now.st_size == before->st_size &&
        now.st_mtim.tv_sec == before->st_mtim.tv_sec && now.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
        return SABAL_OK;
    return sbl_error_set(err, SABAL_EIO, "the file was %s by somebody else meanwhile, and is left so: store again",
                         !before->st_ino ? "made"
                         : now.st_ino    ? "changed"
                                         : "removed");
}
