/* A .npy file in C order: the header first, then rows at their offsets from any thread, then the name. */
#include "io/writer.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/partial.h"
#include "value/value.h"

typedef struct npy_writer {
    sbl_writer      base;
    sbl_partial     partial;
    char           *path; /* as given, for messages */
    int64_t         data_at, n_rows, row_bytes;
    _Atomic int64_t written; /* rows */
} npy_writer;

static void destroy(npy_writer *w)
{
    sbl_partial_abort(&w->partial);
    sbl_free(w->path);
    sbl_free(w);
}

static void abort_writer(sbl_writer *writer)
{
    destroy((npy_writer *)(void *)writer);
}

static sabal_status write_rows(sbl_writer *writer, int64_t first, int64_t n, const void *data, sabal_error *err)
{
    npy_writer  *w       = (npy_writer *)(void *)writer;
    sabal_error  failure = SABAL_ERROR_INIT;
    sabal_status st;

    if (first < 0 || n < 0 || n > w->n_rows || first > w->n_rows - n) {
        st = sbl_error_set(&failure, SABAL_EINVAL,
                           "%" PRId64 " rows from row %" PRId64 " on were to be written, of %" PRId64 " there are", n,
                           first, w->n_rows);
    } else {
        st = sbl_file_write_at(w->partial.fd, data, (size_t)(n * w->row_bytes), w->data_at + first * w->row_bytes,
                               &failure);
        if (!st) /* relaxed: finish() is called after all writes, by whoever waited for them */
            atomic_fetch_add_explicit(&w->written, n, memory_order_relaxed);
    }
    return st ? sbl_file_pass(err, &failure, w->path, NULL) : SABAL_OK;
}

static sabal_status finish(sbl_writer *writer, sabal_error *err)
{
    npy_writer  *w       = (npy_writer *)(void *)writer;
    sabal_error  failure = SABAL_ERROR_INIT;
    int64_t      written = w->base.flat.told + atomic_load_explicit(&w->written, memory_order_relaxed);
    sabal_status st;

    if (written < w->n_rows) /* rows written twice, by a task that was retried, are no harm */
        st = sbl_error_set(&failure, SABAL_EINVAL, "only %" PRId64 " of %" PRId64 " rows were written", written,
                           w->n_rows);
    else
        st = sbl_partial_finish(&w->partial, &failure);
    if (st)
        sbl_file_pass(err, &failure, w->path, NULL);
    destroy(w);
    return st;
}

static const sbl_writer_class CLASS = {.write_rows = write_rows, .finish = finish, .abort = abort_writer};

/* The file, its header, and the room for its rows. */
static sabal_status begin(npy_writer *w, sabal_dtype dtype, int32_t ndim, const int64_t *shape, sabal_error *err)
{
    char         header[SBL_NPY_HEADER_ROOM];
    int64_t      size, total;
    sabal_status st;

    st = sbl_shape_check(&size, dtype, ndim, shape, err);
    if (st)
        return st;
    w->data_at   = (int64_t)sbl_npy_header_write(header, dtype, ndim, shape);
    w->n_rows    = ndim ? shape[0] : 1;
    w->row_bytes = w->n_rows ? size / w->n_rows * (int64_t)sabal_dtype_size(dtype) : 0;
    if (__builtin_add_overflow(w->data_at, size * (int64_t)sabal_dtype_size(dtype), &total))
        return sbl_error_set(err, SABAL_EINVAL, "a file of more than 2^63 bytes");
    st = sbl_partial_create(&w->partial, w->path, err);
    if (st)
        return st;
    st = sbl_file_reserve(w->partial.fd, total, err);
    if (st)
        return st;
    w->base.flat = (sbl_flat){&w->partial, w->path, w->data_at, w->row_bytes, w->n_rows, 0};
    return sbl_file_write_at(w->partial.fd, header, (size_t)w->data_at, 0, err);
}

sabal_status sbl_npy_create(sbl_writer **writer, const char *path, sabal_dtype dtype, int32_t ndim,
                            const int64_t *shape, sabal_error *err)
{
    sabal_error  failure = SABAL_ERROR_INIT;
    npy_writer  *w       = sbl_calloc(1, sizeof *w);
    sabal_status st      = SABAL_OK;

    if (!w)
        return sbl_error_memory(err, sizeof *w, "a writer");
    w->base.class = &CLASS;
    w->partial.fd = -1;
    w->path       = sbl_strdup(path);
    if (!w->path)
        st = sbl_error_memory(&failure, strlen(path) + 1, "a path");
    else
        st = begin(w, dtype, ndim, shape, &failure);
    if (st) {
        sbl_file_pass(err, &failure, path, NULL);
        destroy(w);
        return st;
    }
    *writer = &w->base;
    return SABAL_OK;
}
