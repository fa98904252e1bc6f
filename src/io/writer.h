/*
 * An array on its way into a file: rows are written from any thread, then finish() makes the file appear whole
 * under its name, or abort() leaves nothing behind.
 */
#ifndef SBL_IO_WRITER_H
#define SBL_IO_WRITER_H

#include <sabal/file.h>
#include <sabal/value.h>

#include "io/pack.h"

typedef struct sbl_writer sbl_writer;

/* Writers put "path: " in front of their messages themselves. */
typedef struct sbl_writer_class {
    sabal_status (*write_rows)(sbl_writer *writer, int64_t first, int64_t n, const void *data, sabal_error *err);
    /* Rows first .. first + n as sbl_pack_rows() has made them. NULL: such a file has no chunks. */
    sabal_status (*write_packed)(sbl_writer *writer, int64_t first, int64_t n, const sbl_value *value,
                                 sabal_error *err);
    sabal_status (*finish)(sbl_writer *writer, sabal_error *err); /* frees it, also on failure (then as abort) */
    void (*abort)(sbl_writer *writer);                            /* frees it */
} sbl_writer_class;

/* A file whose rows lie one behind the other: other processes can write some (io/share.h). */
typedef struct sbl_flat {
    struct sbl_partial *partial; /* NULL: it is no such file                                       */
    const char         *path;    /* as the user named it                                           */
    int64_t             data_at, row_bytes, n_rows;
    int64_t             told; /* rows that others have written, by sbl_writer_told() */
} sbl_flat;

/* A file of chunks: other processes can filter some (io/pack.h). */
typedef struct sbl_chunked {
    sbl_packing how;
    const char *path, *dataset; /* as the user named them; NULL: it is no such file */
} sbl_chunked;

struct sbl_writer {
    const sbl_writer_class *class;
    int64_t     natural_rows; /* write in whole multiples of these from multiples of these; 0: anyhow */
    sbl_flat    flat;
    sbl_chunked chunked;
};

typedef struct sbl_writer_options {
    int64_t chunk_rows; /* HDF5: rows of the file's chunks; 0: contiguous unless gzip or shuffle */
    int32_t gzip, shuffle;
} sbl_writer_options;

sabal_status sbl_npy_create(sbl_writer **writer, const char *path, sabal_dtype dtype, int32_t ndim,
                            const int64_t *shape, sabal_error *err);
sabal_status sbl_hdf5_create(sbl_writer **writer, const char *path, const char *dataset, sabal_dtype dtype,
                             int32_t ndim, const int64_t *shape, const sbl_writer_options *options, sabal_error *err);

static inline sabal_status sbl_writer_rows(sbl_writer *w, int64_t first, int64_t n, const void *data, sabal_error *err)
{
    return w->class->write_rows(w, first, n, data, err);
}
static inline sabal_status sbl_writer_packed(sbl_writer *w, int64_t first, int64_t n, const sbl_value *value,
                                             sabal_error *err)
{
    return w->class->write_packed(w, first, n, value, err);
}
/** Another process has written n rows of a flat file. By one thread. */
static inline void sbl_writer_told(sbl_writer *w, int64_t n)
{
    w->flat.told += n;
}
static inline sabal_status sbl_writer_finish(sbl_writer *w, sabal_error *err)
{
    return w->class->finish(w, err);
}
static inline void sbl_writer_abort(sbl_writer *w)
{
    if (w)
        w->class->abort(w);
}

#endif
