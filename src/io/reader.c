/*
 * The cache: readers that are held, in a list. Opening looks there first, by the names and by what the file system
 * says of the file, so that a file that was written anew is opened anew. In a worker nobody holds a reader but the task
 * that reads, so some that were used lately stay: to open an HDF5 file costs as much as to read a chunk of it.
 */
#include "io/reader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/here.h"
#include "base/thread.h"
#include "io/file.h"

enum { KEPT = 8 };                    /* readers that a worker keeps though nobody holds them */
#define KEPT_NS ((int64_t)5000000000) /* for how long: what was deleted takes room on the disk while it is open */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sbl_reader     *cache;
static int             closer_runs;

static int same(const sbl_reader *a, const sbl_reader *b)
{
    return sbl_identity_same(&a->identity, &b->identity) && !strcmp(a->path, b->path) && !a->dataset == !b->dataset &&
           (!a->dataset || !strcmp(a->dataset, b->dataset)) && !strcmp(a->format, b->format);
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

/* --- readers that nobody holds, in a worker ------------------------------------------------------------------------- */

/* With the lock held: the one that has been unused for longest, and how many there are. */
static sbl_reader *oldest_unused(int *n)
{
    sbl_reader *oldest = NULL;

    *n = 0;
    for (sbl_reader *r = cache; r; r = r->next)
        if (!atomic_load_explicit(&r->refs, memory_order_relaxed)) {
            *n += 1;
            oldest = oldest && oldest->unused_since <= r->unused_since ? oldest : r;
        }
    return oldest;
}

static void take_out(sbl_reader *reader)
{
    sbl_reader **link;

    for (link = &cache; *link != reader; link = &(*link)->next)
        ;
    *link = reader->next;
}

/* Closes them one by one, as their time comes; ends with the last. */
static void *close_unused(void *arg)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        int         n;
        sbl_reader *r    = oldest_unused(&n);
        int64_t     wait = r ? r->unused_since + KEPT_NS - sbl_clock_ns() : 0;

        if (!r)
            break;
        if (wait <= 0)
            take_out(r);
        pthread_mutex_unlock(&lock);
        if (wait <= 0)
            destroy(r);
        else
            nanosleep(&(struct timespec){wait / 1000000000, wait % 1000000000}, NULL);
        pthread_mutex_lock(&lock);
    }
    closer_runs = 0;
    pthread_mutex_unlock(&lock);
    return arg;
}

/* With the lock held: 1 if the reader, of which nobody has a reference, is kept. *full: another that goes for it. */
static int keep(sbl_reader *reader, sbl_reader **full)
{
    pthread_t thread;
    int       n;

    if (!sbl_here())
        return 0;
    if (!closer_runs && !sbl_thread_start(&thread, close_unused, NULL)) {
        pthread_detach(thread);
        closer_runs = 1;
    }
    if (!closer_runs)
        return 0;
    reader->unused_since = sbl_clock_ns();
    *full                = oldest_unused(&n);
    if (n > KEPT)
        take_out(*full);
    else
        *full = NULL;
    return 1;
}

/* --- opening -------------------------------------------------------------------------------------------------------- */

static sabal_status make(sbl_reader **reader, const sbl_reader *wanted, sabal_error *err)
{
    sbl_reader  *r = NULL;
    sabal_status st;

    st = strcmp(wanted->format, "npy") ? sbl_hdf5_open(&r, wanted->path, wanted->dataset, err)
                                       : sbl_npy_open(&r, wanted->path, err);
    if (st)
        return st;
    assert(r->ndim >= 1);
    r->format   = strcmp(wanted->format, "npy") ? "hdf5" : "npy";
    r->path     = sbl_strdup(wanted->path);
    r->dataset  = wanted->dataset ? sbl_strdup(wanted->dataset) : NULL;
    r->identity = wanted->identity;
    atomic_store_explicit(&r->refs, 1, memory_order_relaxed);
    if (!r->path || !r->dataset != !wanted->dataset) {
        st = sbl_error_memory(err, strlen(wanted->path) + 1, "a path");
        destroy(r);
        return st;
    }
    *reader = r;
    return SABAL_OK;
}

static sbl_reader *find_open(const sbl_reader *wanted)
{
    sbl_reader *r;

    pthread_mutex_lock(&lock);
    r = find(wanted);
    pthread_mutex_unlock(&lock);
    return r;
}

/* Into the cache; what is there already, made by another thread meanwhile, takes its place. */
static sbl_reader *add(sbl_reader *made)
{
    sbl_reader *other;

    pthread_mutex_lock(&lock);
    other = find(made);
    if (!other) {
        made->next = cache;
        cache      = made;
    }
    pthread_mutex_unlock(&lock);
    if (other)
        destroy(made);
    return other ? other : made;
}

static sabal_status open_reader(sbl_reader **reader, const sbl_reader *wanted, sabal_error *err)
{
    sbl_reader  *r  = find_open(wanted);
    sabal_status st = SABAL_OK;

    if (!r) {
        st = make(&r, wanted, err);
        if (st)
            return st;
        r = add(r);
    }
    *reader = r;
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
        st = sbl_path_absolute(&wanted.path, path, &failure);
    if (!st) {
        sbl_identify(&wanted.identity, &about);
        wanted.format  = format;
        wanted.dataset = (char *)dataset;
        st             = open_reader(reader, &wanted, &failure);
    }
    if (st)
        sbl_file_pass(err, &failure, path, dataset);
    sbl_free(wanted.path);
    sbl_free(path_part);
    sbl_free(dataset_part);
    return st;
}

/* What goes wrong in a worker may be that machine's trouble alone. */
static sabal_status pass(sabal_error *err, sabal_error *failure, const char *path, const char *dataset)
{
    if (sbl_here())
        sbl_error_prefix(failure, "%s", sbl_here());
    return sbl_file_pass(err, failure, path, dataset);
}

sabal_status sbl_reader_open_meant(sbl_reader **reader, const char *format, const char *path, const char *dataset,
                                   const sbl_identity *meant, uint64_t parts, sabal_error *err)
{
    sabal_error  failure = SABAL_ERROR_INIT;
    sbl_reader  *r, wanted = {.format = format, .path = (char *)path, .dataset = (char *)dataset};
    sabal_status st = sbl_identity_find(&wanted.identity, path, meant, err);

    if (st)
        return st;
    r = find_open(&wanted);
    if (!r) {
        st = make(&r, &wanted, &failure);
        if (st)
            return pass(err, &failure, path, dataset);
        st = sbl_identity_find(&wanted.identity, path, meant, err); /* it may have been replaced before it was opened */
        if (st) {
            destroy(r);
            return st;
        }
        r = add(r);
    }
    if (r->parts != parts) {
        sbl_reader_release(r);
        sbl_error_set(&failure, SABAL_EIO,
                      "the other files that it is made of, or links to, are not those that the program sees: put them "
                      "where all workers see them, beside it or under absolute names");
        return pass(err, &failure, path, dataset);
    }
    *reader = r;
    return SABAL_OK;
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
    return st ? pass(err, &failure, reader->path, reader->dataset) : SABAL_OK;
}

sbl_reader *sbl_reader_retain(sbl_reader *reader)
{
    if (reader)
        atomic_fetch_add_explicit(&reader->refs, 1, memory_order_relaxed);
    return reader;
}

void sbl_reader_release(sbl_reader *reader)
{
    sbl_reader *gone = NULL;
    int32_t     before;

    if (!reader)
        return;
    pthread_mutex_lock(&lock); /* find() must not give out what is about to end */
    before = atomic_fetch_sub_explicit(&reader->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1 && !keep(reader, &gone)) {
        take_out(reader);
        gone = reader;
    }
    pthread_mutex_unlock(&lock);
    if (gone)
        destroy(gone);
}
