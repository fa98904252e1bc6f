/* See output.h. Links are followed, as the shell's > does; what is no ordinary file is refused, as rename() would
   put a file in a device's place. */
#include "output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

int output_has_ending(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);

    return n > m && !strcasecmp(path + n - m, ending);
}

int output_is_hdf5(const char *path)
{
    return output_has_ending(path, ".h5") || output_has_ending(path, ".hdf5") || output_has_ending(path, ".he5") ||
           output_has_ending(path, ".nc");
}

int output_split(char *path, size_t path_size, char *dataset, size_t dataset_size, const char *text)
{
    struct stat info;

    if (strlen(text) >= path_size)
        return 0;
    strcpy(path, text);
    dataset[0] = 0;
    if (!stat(text, &info))
        return 1;
    for (char *colon = strchr(path, ':'); colon; colon = strchr(colon + 1, ':')) {
        *colon = 0;
        if (output_is_hdf5(path))
            return (size_t)snprintf(dataset, dataset_size, "%s", text + (colon + 1 - path)) < dataset_size;
        *colon = ':';
    }
    return 1;
}

/* The folder of path must exist and let us make files. */
static int check_folder(const char *path)
{
    char        folder[PATH_MAX];
    char       *slash;
    struct stat info;

    snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = 0;
    if (stat(folder, &info)) {
        if (errno == ENOENT || errno == ENOTDIR)
            return cli_fail("%s: there is no folder '%s'; make it first (mkdir -p '%s')", path, folder, folder);
        return cli_fail("%s: folder '%s' can't be used: %s", path, folder, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode))
        return cli_fail("%s: '%s' is not a folder; write to another place", path, folder);
    if (access(folder, W_OK | X_OK))
        return cli_fail("%s: no permission to write in folder '%s'; write to another place", path, folder);
    return CLI_GO_ON;
}

/* Fills place from a path whose folder exists. */
static int find_place(output *out)
{
    const char *slash = strrchr(out->path, '/'), *name = slash ? slash + 1 : out->path;
    char        folder[PATH_MAX], real[PATH_MAX];

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - out->path) + 1 : 1, slash ? out->path : ".");
    if (!realpath(folder, real))
        return cli_fail("%s: folder '%s' can't be used: %s", out->path, folder, strerror(errno));
    if (strlen(real) + 1 + strlen(name) >= sizeof out->place)
        return cli_fail("%.60s...: the name is too long; shorten it", out->path);
    strcpy(out->place, real);
    if (real[1])
        strcat(out->place, "/");
    strcat(out->place, name);
    return CLI_GO_ON;
}

/* --- data sets ---------------------------------------------------------------------------------------------- */

/* "g//x/" and "./g/x" are what HDF5 calls "/g/x" too. "" if it names nothing; 0 if it does not fit. */
static int tidy_dataset(char *name, size_t size)
{
    char   tidy[256] = "";
    size_t n         = 0;

    for (const char *at = name; *at;) {
        size_t length = strcspn(at, "/");

        if (length && !(length == 1 && at[0] == '.')) {
            if (n + 1 + length >= sizeof tidy || n + 1 + length >= size)
                return 0;
            tidy[n++] = '/';
            memcpy(tidy + n, at, length);
            n += length;
        }
        at += length + (at[length] == '/');
    }
    tidy[n] = 0;
    strcpy(name, tidy);
    return 1;
}

/* Whether inner is outer or lies in it, as if that were a group. */
static int is_within(const char *inner, const char *outer)
{
    size_t n = strlen(outer);

    return !strncmp(inner, outer, n) && (!inner[n] || inner[n] == '/');
}

struct look {
    const char *wanted;
    char        found[300];
};

static int32_t look_at(void *user, const sabal_file_entry *entry)
{
    struct look *look = user;

    if (!entry->name || (!is_within(look->wanted, entry->name) && !is_within(entry->name, look->wanted)))
        return 0;
    snprintf(look->found, sizeof look->found, "%s", entry->name);
    return 1;
}

/* A data set that is named must not be in the file: neither itself, nor as a group, nor what would have to be its group. */
static int check_dataset(const output *out)
{
    struct look look = {.wanted = out->dataset};
    sabal_error err  = SABAL_ERROR_INIT;

    if (!out->exists || !out->dataset[0])
        return CLI_GO_ON;
    if (sabal_file_list(out->path, look_at, &look, &err))
        return cli_error(out->path, &err);
    if (!look.found[0])
        return CLI_GO_ON;
    if (!strcmp(look.found, out->dataset))
        return cli_fail("%s: holds a data set '%s' already; give the new one another name", out->path, look.found);
    if (is_within(look.found, out->dataset))
        return cli_fail("%s: '%s' is a group already, of '%s'; give the new data set another name", out->path,
                        out->dataset, look.found);
    return cli_fail("%s: '%s' is a data set already, so that '%s' can't lie in it; give another name", out->path,
                    look.found, out->dataset);
}

/* --- the checks --------------------------------------------------------------------------------------------- */

int output_is_file(const output *out, const char *path)
{
    struct stat info;

    return out->exists && path && !stat(path, &info) && info.st_dev == out->device && info.st_ino == out->inode;
}

int output_check(output *out, const char *text, const char *input)
{
    struct stat info;
    char        real[PATH_MAX];
    int         st;

    memset(out, 0, sizeof *out);
    if (!text)
        return CLI_GO_ON;
    if (!output_split(out->path, sizeof out->path, out->dataset, sizeof out->dataset, text))
        return cli_fail("%.60s...: the name is too long; shorten it", text);
    if (!tidy_dataset(out->dataset, sizeof out->dataset))
        return cli_fail("%.60s...: the name is too long; shorten it", text);
    if (!out->dataset[0] && text[strlen(out->path)])
        return cli_fail("%s: no data set is named behind the colon; name one, or leave the colon away", text);
    if (!lstat(out->path, &info) && S_ISLNK(info.st_mode)) {
        if (!realpath(out->path, real))
            return cli_fail("%s: a link to nothing; remove it or write to another name", out->path);
        strcpy(out->path, real);
    }
    if (!stat(out->path, &info)) {
        if (S_ISDIR(info.st_mode))
            return cli_fail("%s: is a directory; name a file in it", out->path);
        if (!S_ISREG(info.st_mode))
            return cli_fail("%s: is not an ordinary file; write to another name", out->path);
        out->exists = 1;
        out->device = info.st_dev;
        out->inode  = info.st_ino;
        if (output_is_file(out, input))
            return cli_fail("%s: is the input itself; write to another name", out->path);
        if (access(out->path, W_OK))
            return cli_fail("%s: no permission to overwrite it; write to another name", out->path);
    } else if (errno == ENAMETOOLONG) {
        return cli_fail("%.60s...: the name is too long; shorten it", text);
    } else if (out->path[strlen(out->path) - 1] == '/') {
        return cli_fail("%s: names a folder; name a file", out->path);
    }
    st = check_folder(out->path);
    if (st == CLI_GO_ON)
        st = find_place(out);
    if (st == CLI_GO_ON)
        st = check_dataset(out);
    return st;
}

int output_same(const output *a, const output *b)
{
    if (!a->path[0] || !b->path[0])
        return 0;
    if (strcmp(a->place, b->place) && !(a->exists && b->exists && a->device == b->device && a->inode == b->inode))
        return 0;
    if (!a->dataset[0] || !b->dataset[0]) /* the file is made anew: what the other one put there goes */
        return 1;
    return is_within(a->dataset, b->dataset) || is_within(b->dataset, a->dataset);
}

/* --- writing ------------------------------------------------------------------------------------------------ */

sabal_status output_store(const output *out, const sabal_array *array, const char *default_name, sabal_error *err)
{
    const char  *temporary;
    sabal_status st;

    if (!output_is_hdf5(out->path))
        return sabal_store_npy(array, out->path, err);
    if (out->dataset[0] || !out->exists)
        return sabal_store_hdf5(array, out->path, out->dataset[0] ? out->dataset : default_name, err);
    temporary = output_begin(out->path);
    st        = sabal_store_hdf5(array, temporary ? temporary : out->path, default_name, err);
    if (st)
        output_abort();
    else if (temporary && output_commit(out->path)) {
        snprintf(err->message, sizeof err->message, "%s", strerror(errno));
        st = err->status = SABAL_EIO;
    }
    return st;
}

/* --- the file that is not whole yet ------------------------------------------------------------------------ */

static char                  partial[PATH_MAX];
static volatile sig_atomic_t partial_used; /* set after partial is filled, cleared before it changes */

const char *output_begin(const char *path)
{
    const char *slash  = strrchr(path, '/');
    int         folder = slash ? (int)(slash + 1 - path) : 0;

    if ((size_t)snprintf(partial, sizeof partial, "%.*s.sabal-%ld.partial", folder, path, (long)getpid()) >=
        sizeof partial)
        return NULL;
    partial_used = 1;
    return partial;
}

int output_commit(const char *path)
{
    struct stat old;
    int         st, cause;

    if (!stat(path, &old))
        chmod(partial, old.st_mode & 07777); /* what is overwritten keeps its permissions */
    st    = rename(partial, path);
    cause = errno;
    if (st)
        unlink(partial);
    partial_used = 0;
    errno        = cause;
    return st;
}

void output_abort(void)
{
    unlink(partial);
    partial_used = 0;
}

void output_remove_partial(void)
{
    if (partial_used)
        unlink(partial);
}
