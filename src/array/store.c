/*
 * Arrays into files: chunks are written by the tasks that make them, the file appears when all have ended. HDF5's chunks are
 * compressed by these tasks too, and written by this process.
 */
#include <string.h>

#include "array/check.h"
#include "array/flow.h"
#include "array/store.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/reader.h"
#include "io/share.h"
#include "io/writer.h"

struct write_params {
    sbl_writer *writer; /* of this process, in which store waits, and the tasks too */
    int64_t     first;
};

static sabal_status write_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                size_t size, sabal_task *task, sabal_error *err)
{
    const struct write_params *p     = params;
    const sabal_ndarray       *dense = NULL;
    void                      *nothing;
    sabal_status               st = sbl_dense(&dense, in[0], err);

    if (!st)
        st = sbl_writer_rows(p->writer, p->first, sabal_ndarray_extent(dense, 0), sabal_ndarray_data(dense), err);
    if (!st)
        st = sbl_bytes_create(out, &nothing, 0, err);
    sbl_handle_release(dense);
    return st;
}

/* The first failure stops the rest; none may write after this returns, as the writer goes then. */
static sabal_status wait_in_order(sabal_future **futures, sabal_client *client, int64_t n, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    for (int64_t i = 0; i < n && !st; i++)
        st = sbl_engine_wait(client, &futures[i], 1, -1, err);
    for (int64_t i = 0; st && i < n; i++)
        sabal_future_cancel(futures[i]);
    if (st)
        sbl_engine_wait(client, futures, n, -1, NULL);
    return st;
}

/* Every chunk by a task of its own. */
static sabal_status write_chunks(const sabal_array *array, sbl_writer *writer, sabal_error *err)
{
    int64_t        n        = array->chunks.n;
    sbl_program   *programs = sbl_calloc((size_t)n, sizeof *programs);
    sabal_future **futures  = sbl_calloc((size_t)n, sizeof *futures);
    sabal_status   st       = SABAL_OK;

    if (!programs || !futures)
        st = sbl_error_memory(err, (size_t)n * sizeof *programs, "the chunks of an array");
    for (int64_t i = 0; i < n && !st; i++) {
        struct write_params p = {.writer = writer, .first = sbl_chunks_start(&array->chunks, i)};

        st = sbl_program_array(&programs[i], array, i, err);
        if (!st)
            st = sbl_program_stage(&programs[i], write_stage, 1, &p, sizeof p, err);
    }
    if (!st)
        st = sbl_programs_submit(futures, array->client, programs, n, sbl_array_chunk_bytes(array), "store",
                                 array->where, err);
    if (!st)
        st = wait_in_order(futures, array->client, n, err);
    for (int64_t i = 0; futures && i < n; i++)
        sbl_handle_release(futures[i]);
    sbl_free(futures);
    sbl_programs_free(programs, n);
    return st;
}

/* In order, through a buffer of step rows, for files whose chunks are cut otherwise than the array's. */
static sabal_status write_recut(const sabal_array *array, sbl_writer *writer, int64_t step, sabal_error *err)
{
    size_t       row_bytes = (size_t)sbl_array_row_size(array) * sabal_dtype_size(array->dtype);
    char        *buffer    = sbl_alloc((size_t)step * row_bytes);
    int64_t      filled = 0, written = 0;
    sbl_flow     flow  = {0};
    sbl_value   *value = NULL;
    sabal_status st;

    st = buffer ? sbl_flow_open(&flow, array, err) : sbl_error_memory(err, (size_t)step * row_bytes, "a file's chunk");
    while (!st) {
        const sabal_ndarray *dense = NULL;
        int64_t              taken = 0, rows = 0;

        st = sbl_flow_next(&value, &flow, err);
        if (!st && !value)
            break;
        if (!st)
            st = sbl_dense(&dense, value, err);
        if (!st)
            rows = sabal_ndarray_extent(dense, 0);
        while (!st && taken < rows) {
            int64_t n = step - filled < rows - taken ? step - filled : rows - taken;

            memcpy(buffer + (size_t)filled * row_bytes,
                   (const char *)sabal_ndarray_data(dense) + (size_t)taken * row_bytes, (size_t)n * row_bytes);
            taken += n;
            filled += n;
            if (filled == step) {
                st = sbl_writer_rows(writer, written, filled, buffer, err);
                written += filled;
                filled = 0;
            }
        }
        sbl_handle_release(dense);
        sbl_value_release(value);
        value = NULL;
    }
    if (!st && filled)
        st = sbl_writer_rows(writer, written, filled, buffer, err);
    sbl_flow_close(&flow);
    sbl_free(buffer);
    return st;
}

static sabal_status write_all(const sabal_array *array, sbl_writer *writer, sabal_error *err)
{
    const sbl_chunks *c    = &array->chunks;
    const int64_t     step = writer->natural_rows;
    sabal_status      st;

    if (step && c->n > 1 && (c->first % step || c->step % step))
        st = write_recut(array, writer, step, err);
    else if (sbl_client_is_here(array->client))
        st = write_chunks(array, writer, err);
    else if (sbl_writer_is_flat(writer))
        st = sbl_store_shared(array, writer, err);
    else /* the library changes its tables in one process alone: this */
        st = sbl_store_packed(array, writer, err);
    if (st) {
        sbl_writer_abort(writer);
        return st;
    }
    return sbl_writer_finish(writer, err);
}

static sabal_status store_npy(const sabal_array *array, const char *path, sabal_error *err)
{
    sbl_writer  *writer = NULL;
    sabal_status st     = sbl_npy_create(&writer, path, array->dtype, array->ndim, array->shape, err);

    return st ? st : write_all(array, writer, err);
}

static sabal_status store_hdf5(const sabal_array *array, const char *path, const char *dataset,
                               const sabal_store_hdf5_options *o, sabal_error *err)
{
    sbl_writer_options w      = {.chunk_rows = o->chunk_rows, .gzip = o->gzip, .shuffle = o->shuffle};
    sbl_writer        *writer = NULL;
    sabal_status       st;

    if (o->chunk_rows < 0)
        return sbl_error_set(err, SABAL_EINVAL, "chunk_rows is %lld: expected 1 or more, or 0",
                             (long long)o->chunk_rows);
    if (o->gzip < 0 || o->gzip > 9)
        return sbl_error_set(err, SABAL_EINVAL, "gzip is %d: expected a level from 1 to 9, or 0 for none", o->gzip);
    if (!w.chunk_rows && (w.gzip || w.shuffle))
        w.chunk_rows = array->chunks.step < array->shape[0] ? array->chunks.step : array->shape[0];
    st = sbl_hdf5_create(&writer, path, dataset, array->dtype, array->ndim, array->shape, &w, err);
    return st ? st : write_all(array, writer, err);
}

sabal_status sabal_store_npy(const sabal_array *array, const char *path, sabal_error *err)
{
    sabal_status st = sbl_array_check(array, err);

    if (!st && !path)
        st = sbl_error_set(err, SABAL_EINVAL, "the path is NULL");
    if (!st)
        st = store_npy(array, path, err);
    if (st)
        sbl_error_where(err, array->where);
    return st;
}

void sabal_store_hdf5_options_init(sabal_store_hdf5_options *options)
{
    *options = (sabal_store_hdf5_options){SABAL_STORE_HDF5_DEFAULTS};
}

sabal_status sabal_store_hdf5_with(const sabal_array *array, const char *path, const char *dataset, sabal_error *err,
                                   const sabal_store_hdf5_options *options)
{
    sabal_store_hdf5_options o  = {SABAL_STORE_HDF5_DEFAULTS};
    sabal_status             st = sbl_array_check(array, err);

    sbl_options_take(&o, sizeof o, options);
    if (!st && (!path || !dataset))
        st = sbl_error_set(err, SABAL_EINVAL, "the %s is NULL", path ? "data set" : "path");
    if (!st)
        st = store_hdf5(array, path, dataset, &o, err);
    if (st)
        sbl_error_where(err, o.where);
    return st;
}

sabal_status sabal_store(const sabal_array *array, const char *path, sabal_error *err)
{
    char        *file = NULL, *dataset = NULL;
    const char  *format;
    sabal_status st = sbl_array_check(array, err);

    if (!st)
        st = path ? sbl_path_split(&file, &dataset, &format, path, err)
                  : sbl_error_set(err, SABAL_EINVAL, "the path is NULL");
    if (!st && !strcmp(format, "npy"))
        st = store_npy(array, file, err);
    else if (!st)
        st = store_hdf5(array, file, dataset ? dataset : "data",
                        &(const sabal_store_hdf5_options){SABAL_STORE_HDF5_DEFAULTS}, err);
    sbl_free(file);
    sbl_free(dataset);
    if (st)
        sbl_error_where(err, array->where);
    return st;
}
