/*
 * The table: a slot is claimed by its state, filled, then shown. A signal handler takes a copy of a name and looks
 * whether the slot is still the one it copied before it unlinks; each use of a slot has a number of its own.
 */
#include "io/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sabal/file.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/error.h"
#include "io/file.h"

enum { N_SLOTS = 128, FREE = 0, CLAIMED = 1, SHOWN = 2, STATES = 4, NAME_SHOWN = 180 };

static struct {
    _Atomic uint64_t state; /* STATES * names it has had + one of the states */
    pid_t            pid;   /* a child made by fork leaves its parent's files alone */
    char             name[PATH_MAX];
} slots[N_SLOTS];

void sabal_remove_partial_files(void)
{
    char name[PATH_MAX];
    int  error_number = errno;

    for (int i = 0; i < N_SLOTS; i++) {
        /* acquire: the name is whole; pairs with the release in show() */
        uint64_t state = atomic_load_explicit(&slots[i].state, memory_order_acquire);
        pid_t    pid   = slots[i].pid;

        if (state % STATES != SHOWN)
            continue;
        memcpy(name, slots[i].name, sizeof name);
        /* release: the copy stays before it. Whoever reuses the slot changes its state first; pairs with the acquire
           in show() */
        if (atomic_fetch_add_explicit(&slots[i].state, 0, memory_order_release) == state && pid == getpid())
            unlink(name);
    }
    errno = error_number;
}

static int claim(void)
{
    for (int i = 0; i < N_SLOTS; i++) {
        uint64_t state = atomic_load_explicit(&slots[i].state, memory_order_relaxed);

        if (state % STATES == FREE &&
            atomic_compare_exchange_strong_explicit(&slots[i].state, &state, state + CLAIMED, memory_order_relaxed,
                                                    memory_order_relaxed))
            return i;
    }
    return -1;
}

static void show(int slot, const char *name)
{
    uint64_t state = atomic_load_explicit(&slots[slot].state, memory_order_relaxed);

    state += STATES - state % STATES; /* a new use: a copy that was begun before it is void */
    /* acquire: the new name stays behind it, so that a handler which copied a letter of it sees the state changed;
       pairs with the release in sabal_remove_partial_files() */
    atomic_exchange_explicit(&slots[slot].state, state + CLAIMED, memory_order_acquire);
    slots[slot].pid = getpid();
    snprintf(slots[slot].name, sizeof slots[slot].name, "%s", name);
    /* release: publishes the name; pairs with the acquire in sabal_remove_partial_files() */
    atomic_store_explicit(&slots[slot].state, state + SHOWN, memory_order_release);
}

static void hide(int slot)
{
    uint64_t state = atomic_load_explicit(&slots[slot].state, memory_order_relaxed);

    atomic_store_explicit(&slots[slot].state, state - state % STATES + FREE, memory_order_relaxed);
}

/* Ends it, whatever there is of it; the file itself stays. */
static void forget(sbl_partial *p)
{
    if (p->temporary)
        hide(p->slot);
    sbl_free(p->temporary);
    sbl_free(p->target);
    *p = (sbl_partial){.fd = -1};
}

/* The absolute name of the target: links followed if it exists, else its folder's real name and its own. */
static sabal_status find_target(char **target, const char *path, sabal_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char        real[PATH_MAX], folder[PATH_MAX], text[PATH_MAX + NAME_MAX + 2];

    if (!name[0] || !strcmp(name, ".") || !strcmp(name, ".."))
        return sbl_error_set(err, SABAL_EINVAL, "this names a folder: name a file in it");
    if (strlen(path) >= PATH_MAX || strlen(name) > NAME_MAX)
        return sbl_file_failed(err, ENAMETOOLONG, path, 1);
    if (!realpath(path, real)) {
        if (errno != ENOENT)
            return sbl_file_failed(err, errno, path, 1);
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
        if (!realpath(folder, real))
            return sbl_file_failed(err, errno, path, 1);
        snprintf(text, sizeof text, "%s/%s", strcmp(real, "/") ? real : "", name);
        if (strlen(text) >= PATH_MAX)
            return sbl_file_failed(err, ENAMETOOLONG, path, 1);
        memcpy(real, text, strlen(text) + 1);
    }
    *target = sbl_strdup(real);
    return *target ? SABAL_OK : sbl_error_memory(err, strlen(real) + 1, "a file's name");
}

/* A target that exists must be a file that we may write, though it is replaced rather than written. */
static sabal_status check_target(mode_t *mode, const char *target, sabal_error *err)
{
    struct stat about;

    *mode = 0;
    if (stat(target, &about))
        return errno == ENOENT ? SABAL_OK : sbl_file_failed(err, errno, target, 1);
    if (S_ISDIR(about.st_mode))
        return sbl_error_set(err, SABAL_EINVAL, "this is a folder: name a file in it");
    if (!S_ISREG(about.st_mode))
        return sbl_error_set(err, SABAL_EINVAL, "this exists and is no regular file: name another");
    if (access(target, W_OK))
        return sbl_error_set(err, SABAL_EACCES, "this exists and may not be written: name another, or chmod u+w it");
    *mode = about.st_mode & 0777;
    return SABAL_OK;
}

/* .NAME.PID-NUMBER.part beside the target; tried again while such a file exists. */
static sabal_status make(sbl_partial *p, sabal_error *err)
{
    static _Atomic uint32_t counter;
    const char             *name = strrchr(p->target, '/') + 1;
    size_t                  size = strlen(p->target) + 64;
    char                   *text = sbl_alloc(size);

    if (!text)
        return sbl_error_memory(err, size, "a file's name");
    do {
        snprintf(text, size, "%.*s.%.*s.%ld-%u.part", (int)(name - p->target), p->target, NAME_SHOWN, name,
                 (long)getpid(), atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed));
        if (strlen(text) >= PATH_MAX) {
            sbl_free(text);
            return sbl_file_failed(err, ENAMETOOLONG, p->target, 1);
        }
        show(p->slot, text); /* before the file is there, so that no signal finds a file without a name */
        p->fd = open(text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (p->fd < 0 && errno == EEXIST);
    if (p->fd < 0) {
        int error_number = errno;

        sbl_free(text);
        return sbl_file_failed(err, error_number, p->target, 1);
    }
    p->temporary = text;
    return SABAL_OK;
}

sabal_status sbl_partial_create(sbl_partial *partial, const char *path, sabal_error *err)
{
    sbl_partial  p = {.fd = -1, .slot = -1};
    sabal_status st;
    mode_t       mode;

    st = find_target(&p.target, path, err);
    if (st)
        goto done;
    st = check_target(&mode, p.target, err);
    if (st)
        goto done;
    p.slot = claim();
    if (p.slot < 0) {
        st = sbl_error_set(err, SABAL_EUNSUPPORTED, "%d files are being written already: wait for one to end", N_SLOTS);
        goto done;
    }
    st = make(&p, err);
    if (st)
        goto done;
    if (mode)
        fchmod(p.fd, mode); /* a file system without permissions is none the worse */
    *partial = p;
done:
    if (st) {
        if (p.slot >= 0)
            hide(p.slot);
        sbl_free(p.target);
    }
    return st;
}

sabal_status sbl_partial_close(sbl_partial *p, sabal_error *err)
{
    const int failed = p->fd >= 0 && close(p->fd) ? errno : 0;

    p->fd = -1;
    if (failed && failed != EINTR)
        return sbl_error_errno(err, failed, "its data could not be written to the end");
    return SABAL_OK;
}

static sabal_status removed(const sbl_partial *p, sabal_error *err)
{
    return sbl_error_set(err, SABAL_ENOENT, "the partial file %.200s was removed by somebody", p->temporary);
}

sabal_status sbl_partial_settle(sbl_partial *p, sabal_error *err)
{
    int64_t      wanted = 1;
    sabal_status st;
    int          failed;

    st = sbl_config_int(&wanted, "fsync", 0, 1, err);
    if (st)
        return st;
    if (wanted) {
        int fd = p->fd >= 0 ? p->fd : open(p->temporary, O_RDONLY | O_CLOEXEC);

        failed = fd < 0 ? errno : fsync(fd) && errno != EINVAL && errno != EROFS ? errno : 0;
        if (fd >= 0 && fd != p->fd)
            close(fd);
        if (fd < 0 && failed == ENOENT)
            return removed(p, err);
        if (failed)
            return sbl_error_errno(err, failed, "its data could not be brought to the disk");
    }
    st         = sbl_partial_close(p, err);
    p->settled = !st;
    return st;
}

/* Where the file system can look and rename at once, nothing comes between. */
static int give_name(const sbl_partial *p)
{
    if (p->is_new && !renameat2(AT_FDCWD, p->temporary, AT_FDCWD, p->target, RENAME_NOREPLACE))
        return 0;
    if (p->is_new && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return errno;
    return rename(p->temporary, p->target) ? errno : 0;
}

sabal_status sbl_partial_finish(sbl_partial *partial, sabal_error *err)
{
    sabal_status st     = partial->settled ? SABAL_OK : sbl_partial_settle(partial, err);
    const int    failed = st ? 0 : give_name(partial);

    if (failed == ENOENT)
        st = removed(partial, err);
    else if (failed == EEXIST)
        st = sbl_error_set(err, SABAL_EIO, "the file was made by somebody else meanwhile, and is left so: store again");
    else if (failed)
        st = sbl_error_errno(err, failed, "%.200s can't be renamed to it", partial->temporary);
    if (st)
        sbl_partial_abort(partial);
    else
        forget(partial);
    return st;
}

void sbl_partial_abort(sbl_partial *partial)
{
    if (!partial->temporary)
        return;
    if (partial->fd >= 0)
        close(partial->fd);
    unlink(partial->temporary);
    forget(partial);
}
