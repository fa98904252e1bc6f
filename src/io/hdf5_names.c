/* Finding a data set by name, and saying what there is when it is not there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/hdf5_data.h"

#define FEW 8 /* names a person reads */

static herr_t keep_name(hid_t group, const char *name, const H5O_info_t *info, void *user)
{
    sbl_h5_names *names = user;
    size_t        size  = strlen(name) + 2;
    char         *copy;

    if (info->type != H5O_TYPE_DATASET)
        return 0;
    if (names->n == names->room) {
        size_t room  = names->room ? 2 * names->room : 16;
        char **grown = sbl_realloc(names->names, room * sizeof *grown);

        if (!grown)
            goto no_memory;
        names->names = grown;
        names->room  = room;
    }
    copy = sbl_alloc(size);
    if (!copy)
        goto no_memory;
    snprintf(copy, size, "/%s", name);
    names->names[names->n++] = copy;
    return 0;
no_memory:
    names->no_memory = 1;
    return -1;
}

sabal_status sbl_h5_names_read(sbl_h5_names *names, hid_t group, sabal_error *err)
{
#if H5_VERSION_GE(1, 12, 0)
    herr_t r = H5Ovisit3(group, H5_INDEX_NAME, H5_ITER_INC, keep_name, names, H5O_INFO_BASIC);
#else
    herr_t r = H5Ovisit(group, H5_INDEX_NAME, H5_ITER_INC, keep_name, names);
#endif

    if (names->no_memory)
        return sbl_error_memory(err, 0, "the names of a file's data sets");
    if (r < 0)
        return sbl_h5_error(err, SABAL_EFORMAT, "its groups can't be read");
    return SABAL_OK;
}

void sbl_h5_names_clear(sbl_h5_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        sbl_free(names->names[i]);
    sbl_free(names->names);
    memset(names, 0, sizeof *names);
}

/* Levenshtein's distance, letters of either case alike; at most 128 of each are looked at. */
static int distance(const char *a, const char *b)
{
    int    row[129];
    size_t n = strnlen(b, 128), m = strnlen(a, 128);

    for (size_t j = 0; j <= n; j++)
        row[j] = (int)j;
    for (size_t i = 0; i < m; i++) {
        int diagonal = row[0];

        row[0] = (int)i + 1;
        for (size_t j = 0; j < n; j++) {
            int change = diagonal + (strncasecmp(&a[i], &b[j], 1) != 0);
            int least  = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;

            diagonal   = row[j + 1];
            row[j + 1] = change < least ? change : least;
        }
    }
    return row[n];
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

/* How far two names are apart, whole, or at a price in their last parts: "t2m" is near "/climate/daily/t2m". */
static int apart(const char *wanted, const char *name)
{
    int whole = 2 * distance(wanted[0] == '/' ? wanted + 1 : wanted, name + 1);
    int last  = 2 * distance(last_part(wanted), last_part(name)) + 3;

    return whole < last ? whole : last;
}

/* "/a, /b, /c": all if they are few, else those nearest to `wanted`, or the first ones. */
static void list_names(char *text, size_t size, sbl_h5_names *names, const char *wanted)
{
    size_t at = 0, shown = names->n <= FEW ? names->n : FEW - 3;

    for (size_t i = 0; i < shown; i++) { /* the best of the rest comes next; stable */
        size_t best       = i;
        int    best_apart = 0;
        char  *name;

        for (size_t j = i; wanted && j < names->n; j++) {
            int d = apart(wanted, names->names[j]);

            if (j == i || d < best_apart) {
                best       = j;
                best_apart = d;
            }
        }
        name = names->names[best];
        memmove(&names->names[i + 1], &names->names[i], (best - i) * sizeof *names->names);
        names->names[i] = name;
        if (at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "", name);
    }
    if (shown < names->n && at < size)
        snprintf(text + at, size - at, " and %zu more", names->n - shown);
}

static sabal_status not_found(hid_t file, const char *name, sabal_error *err)
{
    sbl_h5_names names     = {0};
    char         list[300] = "";
    sabal_status st        = sbl_h5_names_read(&names, file, err);

    if (st)
        goto done;
    list_names(list, sizeof list, &names, name);
    if (names.n == 0)
        st = sbl_error_set(err, SABAL_ENOENT, "no data set '%.80s': the file holds none at all", name);
    else
        st = sbl_error_set(err, SABAL_ENOENT, "no data set '%.80s'; %s %s", name,
                           names.n <= FEW ? "there is" : "the nearest are", list);
done:
    sbl_h5_names_clear(&names);
    return st;
}

static sabal_status the_only_one(hid_t *dataset, hid_t file, sabal_error *err)
{
    sbl_h5_names names     = {0};
    char         list[300] = "";
    sabal_status st        = sbl_h5_names_read(&names, file, err);

    if (st)
        goto done;
    list_names(list, sizeof list, &names, NULL);
    if (names.n == 0)
        st = sbl_error_set(err, SABAL_ENOENT, "the file holds no data set");
    else if (names.n > 1)
        st = sbl_error_set(err, SABAL_EINVAL, "the file holds %zu data sets, so name one: %s", names.n, list);
    else if ((*dataset = H5Dopen2(file, names.names[0], H5P_DEFAULT)) < 0)
        st = sbl_h5_error(err, SABAL_EFORMAT, "%.80s: it can't be opened", names.names[0]);
done:
    sbl_h5_names_clear(&names);
    return st;
}

/* 1 if each part of the path is a link that exists; the last may lead nowhere. 0 if not, -1 if memory is short. */
static int links_exist(hid_t file, const char *name)
{
    char *path = sbl_strdup(name), *p = path;
    int   yes = 1;

    if (!path)
        return -1;
    while (*p == '/')
        p++;
    while (yes && *p) {
        char *end = p + strcspn(p, "/"), kept = *end;

        *end = 0;
        yes  = H5Lexists(file, path, H5P_DEFAULT) > 0;
        *end = kept;
        p    = end + strspn(end, "/");
    }
    sbl_free(path);
    return yes;
}

static sabal_status is_group(hid_t group, const char *name, sabal_error *err)
{
    sbl_h5_names names     = {0};
    char         list[300] = "";
    sabal_status st        = sbl_h5_names_read(&names, group, err);

    if (st)
        goto done;
    list_names(list, sizeof list, &names, NULL);
    st = sbl_error_set(err, SABAL_EINVAL, "'%.80s' is a group, not a data set; in it: %s", name,
                       names.n ? list : "no data set");
done:
    sbl_h5_names_clear(&names);
    return st;
}

sabal_status sbl_h5_data_open(hid_t *dataset, hid_t file, const char *name, sabal_error *err)
{
    hid_t        object;
    sabal_status st = SABAL_OK;
    int          there;

    if (!name)
        return the_only_one(dataset, file, err);
    there = name[strspn(name, "/")] ? links_exist(file, name) : 1;
    if (there < 0)
        return sbl_error_memory(err, strlen(name) + 1, "a data set's name");
    if (!there)
        return not_found(file, name, err);
    object = H5Oopen(file, name[0] ? name : "/", H5P_DEFAULT);
    if (object < 0)
        return sbl_h5_error(err, SABAL_EFORMAT, "'%.80s' leads nowhere (a link to what is not there) or is damaged",
                            name);
    if (H5Iget_type(object) == H5I_DATASET) {
        *dataset = object;
        return SABAL_OK;
    }
    if (H5Iget_type(object) == H5I_GROUP)
        st = is_group(object, name, err);
    else
        st = sbl_error_set(err, SABAL_EINVAL, "'%.80s' is a named type, not a data set", name);
    H5Oclose(object);
    return st;
}
