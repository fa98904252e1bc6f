/*
 * The cache: readers that are held, in a list. Opening looks there first, by the names and by what the file system
 * says of the file, so that a file that was written anew is opened anew.
 */
#include "io/reader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sbl_reader     *cache;

static void identify(sbl_reader *r, const struct stat *about)
{
    r->file_size = about->st_size;
    r->mtime_ns  = (int64_t)about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec;
    r->device    = about->st_dev;
    r->inode     = about->st_ino;
}

static int same(const sbl_reader *a, const sbl_reader *b)
{
    return a->file_size == b->file_size && a->mtime_ns == b->mtime_ns && a->device == b->device &&
           a->inode == b->inode && !strcmp(a->path, b->path) && !a->dataset == !b->dataset &&
           (!a->dataset || !strcmp(a->dataset, b->dataset));
}

/* With the lock held: the one like wanted, with a reference more; NULL if there is none. */
static sbl_reader *find(const sbl_reader *wanted)
{
    for (sbl_reader *r = cache; r; r = r->next)
        if (same(r, wanted)) {
            atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
            return r;
        }
    return NULL;
}

static void destroy(sbl_reader *r)
{
    sbl_free(r->path);
    sbl_free(r->dataset);
    r->class->close(r);
}

static sabal_status make(sbl_reader **reader, const sbl_reader *wanted, const char *format, sabal_error *err)
{
    sbl_reader  *r = NULL;
    sabal_status st;

    st = strcmp(format, "npy") ? sbl_hdf5_open(&r, wanted->path, wanted->dataset, err)
                               : sbl_npy_open(&r, wanted->path, err);
    if (st)
        return st;
    assert(r->ndim >= 1);
    r->path      = sbl_strdup(wanted->path);
    r->dataset   = wanted->dataset ? sbl_strdup(wanted->dataset) : NULL;
    r->file_size = wanted->file_size;
    r->mtime_ns  = wanted->mtime_ns;
    r->device    = wanted->device;
    r->inode     = wanted->inode;
    atomic_store_explicit(&r->refs, 1, memory_order_relaxed);
    if (!r->path || !r->dataset != !wanted->dataset) {
        st = sbl_error_memory(err, strlen(wanted->path) + 1, "a path");
        destroy(r);
        return st;
    }
    *reader = r;
    return SABAL_OK;
}

static sabal_status open_reader(sbl_reader **reader, const sbl_reader *wanted, const char *format, sabal_error *err)
{
    sbl_reader  *r, *other;
    sabal_status st;

    pthread_mutex_lock(&lock);
    r = find(wanted);
    pthread_mutex_unlock(&lock);
    if (r) {
        *reader = r;
        return SABAL_OK;
    }
    st = make(&r, wanted, format, err);
    if (st)
        return st;
    pthread_mutex_lock(&lock);
    other = find(wanted); /* made by another thread meanwhile */
    if (!other) {
        r->next = cache;
        cache   = r;
    }
    pthread_mutex_unlock(&lock);
    if (other)
        destroy(r);
    *reader = other ? other : r;
    return SABAL_OK;
}

/* A copy of path, to be freed, that means the same in every folder. Links are kept: they may lead elsewhere later. */
static sabal_status make_absolute(char **absolute, const char *path, sabal_error *err)
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

sabal_status sbl_reader_open(sbl_reader **reader, const char *format, const char *path, const char *dataset,
                             sabal_error *err)
{
    sabal_error  failure   = SABAL_ERROR_INIT;
    char        *path_part = NULL, *dataset_part = NULL;
    sbl_reader   wanted = {0};
    sabal_status st;
    struct stat  about;

    if (!format) {
        st = sbl_path_split(&path_part, &dataset_part, &format, path, err);
        if (st)
            return st;
        path    = path_part;
        dataset = dataset ? dataset : dataset_part;
    }
    if (stat(path, &about))
        st = sbl_file_failed(&failure, errno, path, 0);
    else if (!strcmp(format, "npy") && dataset)
        st = sbl_error_set(&failure, SABAL_EINVAL,
                           "a .npy file holds one array: leave away the data set's name '%.100s'", dataset);
    else if (strcmp(format, "npy") && strcmp(format, "hdf5"))
        st = sbl_error_set(&failure, SABAL_EINVAL, "there is no format '%.40s': npy and hdf5 are known", format);
    else
        st = make_absolute(&wanted.path, path, &failure);
    if (!st) {
        identify(&wanted, &about);
        wanted.dataset = (char *)dataset;
        st             = open_reader(reader, &wanted, format, &failure);
    }
    if (st)
        sbl_file_pass(err, &failure, path, dataset);
    sbl_free(wanted.path);
    sbl_free(path_part);
    sbl_free(dataset_part);
    return st;
}

sabal_status sbl_reader_rows(sbl_reader *reader, int64_t first, int64_t n, void *out, sabal_error *err)
{
    sabal_error  failure = SABAL_ERROR_INIT;
    sabal_status st      = SABAL_OK;

    if (first < 0 || n < 0 || n > reader->shape[0] || first > reader->shape[0] - n)
        st = sbl_error_set(&failure, SABAL_EINVAL,
                           "%" PRId64 " rows from row %" PRId64 " on were asked for, of %" PRId64 " there are", n,
                           first, reader->shape[0]);
    else if (n)
        st = reader->class->read_rows(reader, first, n, out, &failure);
    return st ? sbl_file_pass(err, &failure, reader->path, reader->dataset) : SABAL_OK;
}

sbl_reader *sbl_reader_retain(sbl_reader *reader)
{
    if (reader)
        atomic_fetch_add_explicit(&reader->refs, 1, memory_order_relaxed);
    return reader;
}

void sbl_reader_release(sbl_reader *reader)
{
    sbl_reader **link;
    int32_t      before;

    if (!reader)
        return;
    pthread_mutex_lock(&lock); /* find() must not give out what is about to end */
    before = atomic_fetch_sub_explicit(&reader->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        for (link = &cache; *link != reader; link = &(*link)->next)
            ;
        *link = reader->next;
    }
    pthread_mutex_unlock(&lock);
    if (before == 1)
        destroy(reader);
}
