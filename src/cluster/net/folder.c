#include "cluster/net/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cluster/net/secret.h"

#define PREFIX "sabal-"
enum { RANDOM_BYTES = 8, NAME_LENGTH = sizeof PREFIX - 1 + 2 * RANDOM_BYTES, YOUNG_S = 60 };

/* --- sweeping ------------------------------------------------------------------------------------------------------- */

static int is_ours(int fd, int *is_young)
{
    struct stat st;

    if (fstat(fd, &st) || st.st_uid != geteuid() || (st.st_mode & 07777) != 0700)
        return 0;
    *is_young = time(NULL) - st.st_mtime < YOUNG_S;
    return 1;
}

/* What lies in it, but no folders in folders. */
static void empty(int fd)
{
    int            again = dup(fd);
    DIR           *dir   = again < 0 ? NULL : fdopendir(again);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlinkat(fd, entry->d_name, 0))
            unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    if (dir)
        closedir(dir);
    else if (again >= 0)
        close(again);
}

/* Without a lock it is being made, or was by one that ended at that moment: then it may go when it is not young. */
static int is_left(int fd)
{
    int is_young, lock, left;

    if (!is_ours(fd, &is_young))
        return 0;
    lock = openat(fd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0)
        return errno == ENOENT && !is_young;
    left = !flock(lock, LOCK_EX | LOCK_NB);
    close(lock);
    return left;
}

int sbl_folder_sweep(const char *base)
{
    DIR           *dir = opendir(base);
    struct dirent *entry;
    int            n = 0;

    while (dir && (entry = readdir(dir))) {
        int fd;

        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0 || strlen(entry->d_name) != NAME_LENGTH)
            continue;
        fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && is_left(fd)) {
            empty(fd);
            n += !unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
        if (fd >= 0)
            close(fd);
    }
    if (dir)
        closedir(dir);
    return n;
}

/* --- making --------------------------------------------------------------------------------------------------------- */

/* Others must not be able to put another folder in the place of ours. */
static int can_be_trusted(const char *base, int of_user)
{
    struct stat st;

    if (base[0] != '/' || strlen(base) + 1 + NAME_LENGTH >= SBL_FOLDER_TEXT || stat(base, &st) || !S_ISDIR(st.st_mode))
        return 0;
    if (st.st_uid == geteuid() && !(st.st_mode & 022))
        return 1;
    return !of_user && (st.st_uid == 0 || st.st_uid == geteuid()) && st.st_mode & S_ISVTX;
}

/* It gets its name when it is held: else who sweeps in that moment would take it for one that was left. */
static sabal_status lock_it(sbl_folder *folder, int fd, sabal_error *err)
{
    int is_young;

    if (!is_ours(fd, &is_young))
        return sbl_error_set(err, SABAL_EACCES, "the folder %s was made, and is not this user's alone", folder->path);
    folder->lock = openat(fd, "new-lock", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (folder->lock < 0 || flock(folder->lock, LOCK_EX | LOCK_NB) || renameat(fd, "new-lock", fd, "lock"))
        return sbl_error_errno(err, errno, "the lock of the folder %s", folder->path);
    return SABAL_OK;
}

sabal_status sbl_folder_create_in(sbl_folder *folder, const char *base, sabal_error *err)
{
    uint8_t      bytes[RANDOM_BYTES];
    char         digits[2 * RANDOM_BYTES + 1];
    int          fd;
    sabal_status st = sbl_random(bytes, sizeof bytes, err);

    memset(folder, 0, sizeof *folder);
    folder->lock = -1;
    if (st)
        return st;
    sbl_folder_sweep(base);
    sbl_hex_write(digits, bytes, sizeof bytes);
    if (snprintf(folder->path, sizeof folder->path, "%s/" PREFIX "%s", base, digits) >= (int)sizeof folder->path) {
        folder->path[0] = 0;
        return sbl_error_set(err, SABAL_EINVAL, "the folder %s has too long a name for sockets below it", base);
    }
    if (mkdir(folder->path, 0700)) {
        int number = errno;

        st              = sbl_error_errno(err, number, "making a folder for sockets, %s", folder->path);
        folder->path[0] = 0;
        return st;
    }
    fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        fchmod(fd, 0700); /* whatever the umask took */
        st = lock_it(folder, fd, err);
        close(fd);
    } else {
        st = sbl_error_errno(err, errno, "the folder %s", folder->path);
    }
    if (st)
        sbl_folder_remove(folder);
    return st;
}

sabal_status sbl_folder_create_at(sbl_folder *folder, const char *base, sabal_error *err)
{
    char         real[PATH_MAX];
    sabal_status st;

    memset(folder, 0, sizeof *folder);
    folder->lock = -1;
    if (!realpath(base, real))
        return sbl_error_errno(err, errno, "the folder %s", base);
    if (strlen(real) + 1 + NAME_LENGTH >= SBL_FOLDER_TEXT)
        return sbl_error_set(err, SABAL_EINVAL,
                             "the folder %s has too long a name for sockets below it: expected %d characters at most",
                             real, (int)(SBL_FOLDER_TEXT - NAME_LENGTH - 2));
    st = sbl_folder_create_in(folder, real, err);
    if (!st && !can_be_trusted(real, 0)) { /* after it was tried, which says what is wrong with a path that is none */
        sbl_folder_remove(folder);
        st = sbl_error_set(err, SABAL_EACCES,
                           "the folder %s is no place for sockets: others can write to it, and it has no sticky bit",
                           real);
    }
    return st;
}

sabal_status sbl_folder_create(sbl_folder *folder, sabal_error *err)
{
    const char *of_user = getenv("XDG_RUNTIME_DIR");

    if (of_user && can_be_trusted(of_user, 1) && !sbl_folder_create_in(folder, of_user, NULL))
        return SABAL_OK;
    memset(folder, 0, sizeof *folder);
    folder->lock = -1;
    if (!can_be_trusted("/tmp", 0))
        return sbl_error_set(
            err, SABAL_EACCES,
            "no folder for sockets: $XDG_RUNTIME_DIR is not this user's alone, and /tmp has no sticky bit, "
            "so that others could replace what lies there");
    return sbl_folder_create_in(folder, "/tmp", err);
}

void sbl_folder_sweep_all(void)
{
    const char *of_user = getenv("XDG_RUNTIME_DIR");

    if (of_user && can_be_trusted(of_user, 1))
        sbl_folder_sweep(of_user);
    if (can_be_trusted("/tmp", 0))
        sbl_folder_sweep("/tmp");
}

/* Processes that were killed may have left theirs beside it: with the last of a cluster all go. */
void sbl_folder_remove(sbl_folder *folder)
{
    char *name = strrchr(folder->path, '/');
    int   fd;

    if (!name)
        return;
    fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        empty(fd);
        close(fd);
    }
    rmdir(folder->path);
    if (folder->lock >= 0)
        close(folder->lock);
    *name = 0;
    sbl_folder_sweep(folder->path);
    folder->path[0] = 0;
    folder->lock    = -1;
}
