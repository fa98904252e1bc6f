/* Paths as people write them: absolute ones made of them; "FILE.h5:DATASET": where the file ends and the data set begins. */
#include "io/reader.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define ENDINGS ".npy, or .h5, .hdf5, .he5, .nc with an optional :DATASET behind it"

/* "npy" or "hdf5" if the first n characters of a path end as such a file's name does; else NULL. */
static const char *format_of(const char *path, size_t n)
{
    static const struct {
        const char *ending, *format;
    } KNOWN[] = {{".npy", "npy"}, {".h5", "hdf5"}, {".hdf5", "hdf5"}, {".he5", "hdf5"}, {".nc", "hdf5"}};

    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        size_t length = strlen(KNOWN[i].ending);

        if (n > length && !strncasecmp(path + n - length, KNOWN[i].ending, length))
            return KNOWN[i].format;
    }
    return NULL;
}

static int exists(const char *text, size_t n)
{
    struct stat about;
    char        path[PATH_MAX];

    if (n >= sizeof path)
        return 0;
    memcpy(path, text, n);
    path[n] = 0;
    return !stat(path, &about);
}

/* The length of the file's part: all, if there is such a file; else up to the first colon behind a known ending
   (and an existing file, if one of them is). */
static size_t file_part(const char *text)
{
    size_t whole = strlen(text), first = 0;

    if (exists(text, whole))
        return whole;
    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
        size_t n = (size_t)(colon - text);

        if (!format_of(text, n))
            continue;
        if (exists(text, n))
            return n;
        first = first ? first : n;
    }
    return first ? first : whole;
}

sabal_status sbl_path_split(char **path, char **dataset, const char **format, const char *text, sabal_error *err)
{
    size_t      n     = file_part(text);
    const char *found = format_of(text, n), *rest = text[n] ? text + n + 1 : NULL;
    char       *p, *d                             = NULL;

    if (!found)
        return sbl_error_set(err, SABAL_EINVAL, "%.200s: the format of a file is told by its name's ending: " ENDINGS,
                             text);
    if (rest && !strcmp(found, "npy"))
        return sbl_error_set(err, SABAL_EINVAL, "%.200s: a .npy file holds one array: leave away ':%.100s'", text,
                             rest);
    if (rest && !rest[0])
        return sbl_error_set(err, SABAL_EINVAL, "%.200s: no data set is named behind the colon", text);
    p = sbl_alloc(n + 1);
    if (p && rest)
        d = sbl_strdup(rest);
    if (!p || (rest && !d)) {
        sbl_free(p);
        return sbl_error_memory(err, strlen(text) + 1, "a path");
    }
    memcpy(p, text, n);
    p[n]     = 0;
    *path    = p;
    *dataset = d;
    *format  = found;
    return SABAL_OK;
}

sabal_status sbl_path_absolute(char **absolute, const char *path, sabal_error *err)
{
    char   here[PATH_MAX] = "";
    size_t size;

    if (path[0] != '/' && !getcwd(here, sizeof here))
        return sbl_error_errno(err, errno, "the folder that this program is in can't be told");
    size      = strlen(here) + 1 + strlen(path) + 1;
    *absolute = sbl_alloc(size);
    if (!*absolute)
        return sbl_error_memory(err, size, "a path");
    snprintf(*absolute, size, "%s%s%s", here, here[0] && here[1] ? "/" : "", path);
    return SABAL_OK;
}
