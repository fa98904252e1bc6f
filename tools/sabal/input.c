/* See input.h. */
#include "input.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "output.h"

#define MOST_NAMES 2000

/* The file in path's folder whose name comes nearest, as a path of its own in near; 0 if there is none. */
static int nearest_file(char *near, size_t size, const char *path)
{
    const char    *slash  = strrchr(path, '/'), *best;
    int            folder = slash ? (int)(slash + 1 - path) : 0;
    char          *names[MOST_NAMES];
    size_t         n = 0;
    DIR           *dir;
    struct dirent *entry;

    snprintf(near, size, "%.*s", folder, folder ? path : "");
    dir = opendir(folder ? near : ".");
    while (dir && n < MOST_NAMES && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && (output_is_hdf5(entry->d_name) || output_has_ending(entry->d_name, ".npy"))) {
            names[n] = strdup(entry->d_name);
            n += names[n] != NULL;
        }
    if (dir)
        closedir(dir);
    best = cli_nearest(path + folder, (const char *const *)names, sizeof *names, n);
    if (best)
        snprintf(near, size, "%.*s%s", folder, path, best);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    return best != NULL;
}

int input_check(char *path, const char *text)
{
    char        dataset[256], near[PATH_MAX];
    struct stat info;

    if (!output_split(path, PATH_MAX, dataset, sizeof dataset, text))
        return cli_fail("%.60s...: the name is too long; shorten it", text);
    if (stat(path, &info)) {
        if (errno == ENAMETOOLONG)
            return cli_fail("%.60s...: the name is too long; shorten it", text);
        if (errno != ENOENT && errno != ENOTDIR)
            return cli_fail("%s: %s; check the name and the permissions of its folders", path, strerror(errno));
        if (nearest_file(near, sizeof near, path))
            return cli_fail("%s: no such file; did you mean '%s'?", path, near);
        return cli_fail("%s: no such file; check the name", path);
    }
    if (S_ISDIR(info.st_mode))
        return cli_fail("%s: is a directory; name a .npy or HDF5 file in it", path);
    if (!S_ISREG(info.st_mode))
        return cli_fail("%s: is not an ordinary file; copy the data to a .npy or HDF5 file first", path);
    return CLI_GO_ON;
}
