/* What stat() says is compared; before it is called different, the file is opened, so that a file server is asked anew. */
#include "io/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/here.h"
#include "io/file.h"

enum { TIME_TEXT = 48 };

void sbl_identify(sbl_identity *id, const struct stat *about)
{
    id->size     = about->st_size;
    id->mtime_ns = (int64_t)about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec;
    id->device   = about->st_dev;
    id->inode    = about->st_ino;
    id->machine  = sbl_here_machine();
}

/* Other devices are no proof of another file: a container may have mounted the same folder for itself. */
static int same_device(const sbl_identity *a, const sbl_identity *b)
{
    return a->machine && a->machine == b->machine && a->device == b->device;
}

int sbl_identity_same(const sbl_identity *a, const sbl_identity *b)
{
    return a->size == b->size && a->mtime_ns == b->mtime_ns && (!same_device(a, b) || a->inode == b->inode);
}

sabal_status sbl_identity_missing(sabal_error *err, int error_number, const char *path, const char *what)
{
    const char *dots, *shown = sbl_file_shown(&dots, path);
    char        text[96];

    return sbl_error_set(err, sbl_status_of_errno(error_number),
                         "%s does not see '%s%s', which this program %s (%s): put it where all workers see it",
                         sbl_here(), dots, shown, what, strerror_r(error_number, text, sizeof text));
}

/* "2026-11-27 20:12:33 UTC", the fraction of the second too where that alone differs. */
static const char *time_text(char text[TIME_TEXT], int64_t ns, int64_t other_ns)
{
    const time_t seconds  = (time_t)(ns / 1000000000);
    const int    fraction = ns / 1000000000 == other_ns / 1000000000 && ns != other_ns;
    char         whole[24], parts[12] = "";
    struct tm    tm;

    if (!gmtime_r(&seconds, &tm) || !strftime(whole, sizeof whole, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(whole, sizeof whole, "second %" PRId64, (int64_t)seconds);
    if (fraction)
        snprintf(parts, sizeof parts, ".%09d", (int)(ns % 1000000000));
    snprintf(text, TIME_TEXT, "%s%s UTC", whole, parts);
    return text;
}

static sabal_status differs(const sbl_identity *found, const char *path, const sbl_identity *meant, sabal_error *err)
{
    const char *dots, *shown = sbl_file_shown(&dots, path);
    char        here[TIME_TEXT], there[TIME_TEXT];

    if (sbl_here() && !same_device(found, meant))
        return sbl_error_set(err, SABAL_EIO,
                             "%s sees another '%s%s': %" PRId64 " bytes of %s, the program has %" PRId64 " bytes of %s",
                             sbl_here(), dots, shown, found->size, time_text(here, found->mtime_ns, meant->mtime_ns),
                             meant->size, time_text(there, meant->mtime_ns, found->mtime_ns));
    if (found->size != meant->size)
        return sbl_error_set(err, SABAL_EIO,
                             "%s%s changed since the array was made: it had %" PRId64 " bytes, has %" PRId64, dots,
                             shown, meant->size, found->size);
    return sbl_error_set(err, SABAL_EIO, "%s%s changed since the array was made: %s", dots, shown,
                         found->mtime_ns != meant->mtime_ns ? "it was written to (its modification time differs)"
                                                            : "another file of the same size and time is there");
}

/* What a file server says of it now, and not what this machine remembers. */
static void look_again(sbl_identity *found, const char *path)
{
    const int   fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat about;

    if (fd < 0)
        return;
    if (!fstat(fd, &about))
        sbl_identify(found, &about);
    close(fd);
}

sabal_status sbl_identity_find(sbl_identity *found, const char *path, const sbl_identity *meant, sabal_error *err)
{
    const char  *dots, *shown = sbl_file_shown(&dots, path);
    sabal_error  failure = SABAL_ERROR_INIT;
    struct stat  about;
    sabal_status st;

    if (stat(path, &about)) {
        if (sbl_here())
            return sbl_identity_missing(err, errno, path, "reads");
        st = sbl_file_failed(&failure, errno, path, 0);
        sbl_error_prefix(&failure, "%s%s", dots, shown);
        sbl_error_pass(err, &failure);
        return st;
    }
    sbl_identify(found, &about);
    if (sbl_identity_same(found, meant))
        return SABAL_OK;
    look_again(found, path);
    return sbl_identity_same(found, meant) ? SABAL_OK : differs(found, path, meant, err);
}
