/* The file's name is that in the folder which the user named, so that links lead each machine to where they lead there. */
#include "io/share.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/here.h"
#include "io/file.h"
#include "io/partial.h"
#include "io/reader.h"

/* --- who makes it --------------------------------------------------------------------------------------------------- */

/* Some file systems could not claim the room: then the length is set, so that everybody sees the same. */
static sabal_status lengthen(sbl_share *share, const sbl_partial *partial, sabal_error *err)
{
    const int64_t end = share->data_at + share->n_rows * share->row_bytes;
    struct stat   about;

    if (fstat(partial->fd, &about))
        return sbl_error_errno(err, errno, "it can't be examined");
    if (about.st_size < end) {
        if (sbl_grow_truncate(partial->fd, (off_t)end))
            return sbl_error_errno(err, errno, "it can't be made %" PRId64 " bytes long", end);
        if (fstat(partial->fd, &about))
            return sbl_error_errno(err, errno, "it can't be examined");
    }
    sbl_identify(&share->identity, &about);
    return SABAL_OK;
}

/* The partial file in the folder of the user's own path, if it is seen there; else by its real name. */
static sabal_status find_name(char **path, const sbl_share *share, const sbl_writer *writer, sabal_error *err)
{
    const char  *real = writer->flat.partial->temporary;
    char        *absolute, *text;
    size_t       folder, size;
    struct stat  about;
    sabal_status st = sbl_path_absolute(&absolute, writer->flat.path, err);

    if (st)
        return st;
    folder = (size_t)(strrchr(absolute, '/') - absolute);
    size   = folder + strlen(real) + 1;
    text   = sbl_alloc(size);
    if (text)
        snprintf(text, size, "%.*s%s", (int)folder, absolute, strrchr(real, '/'));
    sbl_free(absolute);
    if (!text)
        return sbl_error_memory(err, size, "a path");
    if (!stat(text, &about) && about.st_dev == share->identity.device && about.st_ino == share->identity.inode) {
        *path = text;
        return SABAL_OK;
    }
    sbl_free(text);
    *path = sbl_strdup(real);
    return *path ? SABAL_OK : sbl_error_memory(err, strlen(real) + 1, "a path");
}

sabal_status sbl_writer_share(sbl_share *share, char **path, sbl_writer *writer, sabal_error *err)
{
    const sbl_flat *flat    = &writer->flat;
    sabal_error     failure = SABAL_ERROR_INIT;
    sbl_share       made    = {.data_at = flat->data_at, .row_bytes = flat->row_bytes, .n_rows = flat->n_rows};
    char           *name    = NULL;
    sabal_status    st      = lengthen(&made, flat->partial, &failure);

    if (!st)
        st = sbl_config_int(&made.to_disk, "fsync", 0, 1, &failure);
    if (!st)
        st = find_name(&name, &made, writer, &failure);
    if (!st)
        st = sbl_partial_close(flat->partial, &failure);
    if (st) {
        sbl_free(name);
        return sbl_file_pass(err, &failure, flat->path, NULL);
    }
    *share = made;
    *path  = name;
    return SABAL_OK;
}

/* --- who fills it --------------------------------------------------------------------------------------------------- */

static int on_this_machine(const sbl_share *share)
{
    return share->identity.machine && share->identity.machine == sbl_here_machine();
}

static sabal_status missing(sabal_error *err, int error_number, const char *path)
{
    const char *dots, *shown = sbl_file_shown(&dots, path);
    char        text[96];

    return sbl_error_set(err, sbl_status_of_errno(error_number),
                         "the file that is being written, '%s%s', is not to be opened there (%s): store where all "
                         "workers see it",
                         dots, shown, strerror_r(error_number, text, sizeof text));
}

sabal_status sbl_share_open(int *fd, const sbl_share *share, const char *path, const char *target, sabal_error *err)
{
    sabal_error  failure = SABAL_ERROR_INIT;
    sabal_status st      = SABAL_OK;
    struct stat  about;
    int          f = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (f < 0 || fstat(f, &about))
        st = missing(&failure, errno, path);
    else if (about.st_size != share->identity.size ||
             (on_this_machine(share) && about.st_dev == share->identity.device &&
              about.st_ino != share->identity.inode))
        st = sbl_error_set(&failure, SABAL_EIO,
                           "another file of %" PRId64 " bytes is there under the name of the one that is being "
                           "written, of %" PRId64,
                           (int64_t)about.st_size, share->identity.size);
    if (!st) {
        *fd = f;
        return SABAL_OK;
    }
    if (f >= 0)
        close(f);
    return sbl_file_pass_here(err, &failure, target, NULL);
}

sabal_status sbl_share_write(int fd, const sbl_share *share, const char *target, int64_t first, int64_t n,
                             const void *data, sabal_error *err)
{
    sabal_error  failure = SABAL_ERROR_INIT;
    sabal_status st;

    if (first < 0 || n < 0 || n > share->n_rows || first > share->n_rows - n)
        st = sbl_error_set(&failure, SABAL_EINVAL, "rows %" PRId64 " to %" PRId64 " of %" PRId64, first, first + n,
                           share->n_rows);
    else
        st = sbl_file_write_at(fd, data, (size_t)(n * share->row_bytes), share->data_at + first * share->row_bytes,
                               &failure);
    return st ? sbl_file_pass_here(err, &failure, target, NULL) : SABAL_OK;
}

/* Who is on the machine of the maker shares its memory of the file, which the maker brings to the disk in the end. */
sabal_status sbl_share_close(int fd, const sbl_share *share, const char *target, sabal_error *err)
{
    sabal_error failure = SABAL_ERROR_INIT;
    int         failed  = 0;

    if (share->to_disk && !on_this_machine(share) && fdatasync(fd) && errno != EINVAL && errno != EROFS)
        failed = errno;
    if (close(fd) && errno != EINTR && !failed)
        failed = errno;
    if (!failed)
        return SABAL_OK;
    sbl_error_errno(&failure, failed, "what was written could not be brought to the disk");
    return sbl_file_pass_here(err, &failure, target, NULL);
}
