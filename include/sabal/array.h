/* Lazy n-d arrays in chunks: made from memory, files and generators; computed when asked for. */
#ifndef SABAL_ARRAY_H
#define SABAL_ARRAY_H

#include <sabal/client.h>
#include <sabal/file.h>
#include <sabal/task.h>
#include <sabal/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A description of an array: shape, dtype, chunks and how to make each chunk; counted, immutable, free to share
 * between threads. Nothing is computed until sabal_compute(), sabal_persist(), a store or an estimator's fit.
 * What can't be made is a failed array: it carries the first cause, and so does everything built on it.
 *
 * In this version arrays are chunked along axis 0 ("rows") only.
 */
typedef struct sabal_array sabal_array;

/** The error of a failed array; NULL if it is fine. Borrowed. */
SABAL_API const sabal_error *sabal_array_error(const sabal_array *array);
/** 0 dimensions, dtype 0 and extent -1 for a failed array. */
SABAL_API int32_t     sabal_array_ndim(const sabal_array *array);
SABAL_API sabal_dtype sabal_array_dtype(const sabal_array *array);
SABAL_API int64_t     sabal_array_extent(const sabal_array *array, int32_t axis);
/** Number of chunks along axis; -1 if there is no such axis. */
SABAL_API int64_t sabal_array_n_chunks(const sabal_array *array, int32_t axis);
/** Extent of chunk i along axis; -1 if there is none. */
SABAL_API int64_t sabal_array_chunk_extent(const sabal_array *array, int32_t axis, int64_t i);
/** Bytes of all elements; -1 for a failed array. */
SABAL_API int64_t sabal_array_bytes(const sabal_array *array);
/** The client it belongs to; borrowed. */
SABAL_API sabal_client *sabal_array_client(const sabal_array *array);

/*
 * Chunks: every maker takes .chunk_rows, the rows of a chunk (the last may be shorter). 0 means automatic: whole
 * rows, about 4 MiB, more for arrays beyond 4 GiB, up to 16 MiB (one row at least, whole multiples of the file's
 * own chunks). That depends on shape, dtype and the file's chunks alone, so that the bits of a result depend on
 * neither threads nor memory nor machine.
 */

typedef struct sabal_from_memory_options {
    size_t         struct_size;
    const char    *where;
    const int64_t *strides;    /* bytes from one element to the next along each axis; NULL: C order        */
    int64_t        chunk_rows; /* see above                                                               */
    int32_t        copy;       /* 1: copied at once, data is the caller's again when the call returns     */
    /* called once, from any thread, when data is no longer needed, on failure too */
    void (*release)(void *release_arg);
    void *release_arg;
} sabal_from_memory_options;
#define SABAL_FROM_MEMORY_DEFAULTS .struct_size = sizeof(sabal_from_memory_options), .where = SABAL_HERE
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_from_memory_options_init(sabal_from_memory_options *options);

/**
 * An array over the caller's memory, which is not copied: it must stay as it is until .release is called, or, if
 * there is none, until the client is closed.
 *
 *   data    ndim extents of elements of dtype, in C order unless .strides says otherwise
 *
 * Errors: SABAL_EINVAL, SABAL_EDTYPE, SABAL_ESHAPE (0-d or more than SABAL_MAX_NDIM
 *         dimensions, a negative extent, more than 2^63 bytes), SABAL_ENOMEM
 */
#ifndef __cplusplus
#define sabal_array_from_memory(client, data, dtype, ndim, shape, ...)                                                 \
    SABAL_WITH(sabal_array_from_memory_with, ((client), (data), (dtype), (ndim), (shape)), sabal_from_memory_options,  \
               SABAL_FROM_MEMORY_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_array *sabal_array_from_memory_with(sabal_client *client, const void *data, sabal_dtype dtype,
                                                    int32_t ndim, const int64_t *shape,
                                                    const sabal_from_memory_options *options);

typedef struct sabal_read_options {
    size_t      struct_size;
    const char *where;
    int64_t     chunk_rows; /* see above */
} sabal_read_options;
#define SABAL_READ_DEFAULTS .struct_size = sizeof(sabal_read_options), .where = SABAL_HERE
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_read_options_init(sabal_read_options *options);

/**
 * The array in a .npy file (NumPy's format, versions 1 to 3; C or Fortran order; either byte order, converted).
 * The header is read now, the data when it is needed, with pread, chunk by chunk. A relative path is that of now, also
 * if the program changes its folder. A file that has changed by then (size, time or inode) fails the chunk with SABAL_EIO.
 * On a cluster workers read it under the program's absolute path: one that does not see it fails with SABAL_ENOENT or
 * SABAL_EACCES, one that sees another with SABAL_EIO, by its name and with what it sees.
 *
 * Errors: SABAL_ENOENT, SABAL_EACCES, SABAL_EIO, SABAL_EFORMAT (what, at which offset), SABAL_EDTYPE (float16,
 *         strings, dates, objects and structures, by name), SABAL_ESHAPE (0-d), SABAL_EINVAL (path is NULL, a folder or
 *         no regular file, chunk_rows is negative), SABAL_ENOMEM, SABAL_EUNSUPPORTED (version 4 or later of the format)
 */
#ifndef __cplusplus
#define sabal_array_read_npy(client, path, ...)                                                                        \
    SABAL_WITH(sabal_array_read_npy_with, ((client), (path)), sabal_read_options, SABAL_READ_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_array *sabal_array_read_npy_with(sabal_client *client, const char *path,
                                                 const sabal_read_options *options);

/**
 * A data set of an HDF5 file. Contiguous data is read by offset in parallel, chunked data (gzip, shuffle or plain)
 * as raw chunks that are inflated in tasks, everything else through the HDF5 library, one at a time.
 *
 *   dataset  path in the file, "/t2m"; NULL: the only data set there is
 *
 * Errors: as sabal_array_read_npy(); SABAL_ENOENT names the data sets that come nearest;
 *         SABAL_EUNSUPPORTED if this build has no HDF5 or the data needs a filter it lacks (named)
 */
#ifndef __cplusplus
#define sabal_array_read_hdf5(client, path, dataset, ...)                                                              \
    SABAL_WITH(sabal_array_read_hdf5_with, ((client), (path), (dataset)), sabal_read_options, SABAL_READ_DEFAULTS,     \
               __VA_ARGS__)
#endif
SABAL_API sabal_array *sabal_array_read_hdf5_with(sabal_client *client, const char *path, const char *dataset,
                                                  const sabal_read_options *options);

/** By the name's ending: .npy, or .h5, .hdf5, .he5, .nc with an optional ":DATASET" behind it. SABAL_EINVAL if other. */
#ifndef __cplusplus
#define sabal_array_read(client, path, ...)                                                                            \
    SABAL_WITH(sabal_array_read_with, ((client), (path)), sabal_read_options, SABAL_READ_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_array *sabal_array_read_with(sabal_client *client, const char *path, const sabal_read_options *options);

/** As scikit-learn's make_blobs, of any size; its names and defaults. */
typedef struct sabal_blobs_options {
    size_t        struct_size;
    const char   *where;
    int64_t       n_samples;     /* rows; default 100                                                          */
    int64_t       n_features;    /* columns; default 2                                                         */
    int32_t       centers;       /* number of blobs; default 3                                                 */
    const double *center_values; /* (centers, n_features) of them, copied; NULL: uniform in the center_box    */
    double        cluster_std;   /* standard deviation of each blob; default 1                                 */
    double        center_box_min, center_box_max; /* default -10, 10                                         */
    sabal_dtype   dtype;      /* SABAL_FLOAT64 (default) or SABAL_FLOAT32                                   */
    uint64_t      seed;       /* element (i, j) depends on it, i and j alone                                */
    int64_t       chunk_rows; /* see above                                                                  */
    sabal_array **labels;     /* filled, if given, with the lazy (n_samples,) int32 array of the row's blob  */
} sabal_blobs_options;
#define SABAL_BLOBS_DEFAULTS                                                                                           \
    .struct_size = sizeof(sabal_blobs_options), .where = SABAL_HERE, .n_samples = 100, .n_features = 2, .centers = 3,  \
    .cluster_std = 1.0, .center_box_min = -10.0, .center_box_max = 10.0, .dtype = SABAL_FLOAT64
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_blobs_options_init(sabal_blobs_options *options);

/**
 * Isotropic Gaussian blobs: row i belongs to blob i mod centers in a shuffled order that depends on seed and i.
 * (scikit-learn's numbers differ: its generator is sequential, this one is Philox, counter-based.)
 *
 * Errors: SABAL_EINVAL, SABAL_EDTYPE, SABAL_ESHAPE (more than 2^63 bytes), SABAL_ENOMEM,
 *         SABAL_EUNSUPPORTED (a processor without fma: x86 before 2013)
 * Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
 */
#ifndef __cplusplus
#define sabal_make_blobs(client, ...)                                                                                  \
    SABAL_WITH(sabal_make_blobs_with, ((client)), sabal_blobs_options, SABAL_BLOBS_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_array *sabal_make_blobs_with(sabal_client *client, const sabal_blobs_options *options);

/** Rows start (included) to stop (excluded); negative ones count from the end, as in NumPy; a view where it can be. */
SABAL_API sabal_array *sabal_array_rows(const sabal_array *array, int64_t start, int64_t stop);

/** One chunk, as a function that maps over chunks sees it: rows in C order, without gaps. */
typedef struct sabal_chunk {
    const void    *data;
    sabal_dtype    dtype;
    int32_t        ndim;
    const int64_t *shape;     /* shape[0] is the rows of this chunk */
    int64_t        first_row; /* of the array                       */
} sabal_chunk;
/** Fills out (rows of the result, C order) from one chunk. task is for sabal_task_fail() and sabal_task_cancelled().
    Returns SABAL_OK or a failure; anything else (SABAL_END, a number that is no status) is SABAL_EINVAL. */
typedef sabal_status sabal_chunk_fn(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task);

typedef struct sabal_map_chunks_options {
    size_t         struct_size;
    const char    *where;
    const void    *arg; /* passed to fn: arg_size bytes, copied                            */
    size_t         arg_size;
    sabal_dtype    dtype;     /* of the result; 0: as the array                             */
    int32_t        row_ndim;  /* dimensions of one row of the result; -1 (default): as the array's */
    const int64_t *row_shape; /* its row_ndim extents; copied                               */
} sabal_map_chunks_options;
#define SABAL_MAP_CHUNKS_DEFAULTS .struct_size = sizeof(sabal_map_chunks_options), .where = SABAL_HERE, .row_ndim = -1
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_map_chunks_options_init(sabal_map_chunks_options *options);

/** Applies fn to every chunk; the result has as many rows, in the same chunks.
    Errors: SABAL_EINVAL, SABAL_EDTYPE, SABAL_ESHAPE, SABAL_ENOMEM; fn's own when it runs */
#ifndef __cplusplus
#define sabal_array_map_chunks(array, fn, ...)                                                                         \
    SABAL_WITH(sabal_array_map_chunks_with, ((array), (fn)), sabal_map_chunks_options, SABAL_MAP_CHUNKS_DEFAULTS,      \
               __VA_ARGS__)
#endif
SABAL_API sabal_array *sabal_array_map_chunks_with(const sabal_array *array, sabal_chunk_fn *fn,
                                                   const sabal_map_chunks_options *options);

/** Starts computing every chunk and keeps them in memory; returns at once, with an array of the results. */
SABAL_API sabal_array *sabal_persist(const sabal_array *array);
/** Computes, waits, and hands out the whole array in C order, one reference that belongs to the scope or client. */
SABAL_API sabal_status sabal_compute(sabal_ndarray **out, const sabal_array *array, sabal_error *err);

/**
 * Writes a .npy file (version 1.0, C order), chunks in parallel, under another name in the same folder, renamed to
 * path when it is whole; on failure nothing is left. On a cluster this process makes the file and each worker writes the
 * chunks that it makes, with the same bytes; the folder has to be one that all workers see.
 *
 * Errors: the array's, SABAL_EIO, SABAL_ENOSPC, SABAL_EACCES, SABAL_ENOENT (no such folder; a worker, named, does not see it)
 */
SABAL_API sabal_status sabal_store_npy(const sabal_array *array, const char *path, sabal_error *err);

typedef struct sabal_store_hdf5_options {
    size_t      struct_size;
    const char *where;
    int64_t     chunk_rows; /* rows of the file's chunks; 0: contiguous, unless gzip or shuffle ask for chunks */
    int32_t     gzip;       /* level 1 .. 9; 0: none                                                         */
    int32_t     shuffle;    /* 1: the shuffle filter before it                                               */
} sabal_store_hdf5_options;
#define SABAL_STORE_HDF5_DEFAULTS .struct_size = sizeof(sabal_store_hdf5_options), .where = SABAL_HERE
/** Fills it with the defaults and its size, for languages without the macro. */
SABAL_API void sabal_store_hdf5_options_init(sabal_store_hdf5_options *options);

/**
 * Writes one data set. A new file is made under another name and renamed when whole; in a file that exists the
 * data set must not exist (SABAL_EINVAL), and on failure the file is as it was. On a cluster contiguous data is written by the
 * workers; chunks are compressed by the workers (by this process if they are cut otherwise than the array's) and written by this
 * process. Errors: as sabal_store_npy(); SABAL_EIO also if somebody else made or changed the file
 * meanwhile
 */
#ifndef __cplusplus
#define sabal_store_hdf5(array, path, dataset, err, ...)                                                               \
    SABAL_WITH(sabal_store_hdf5_with, ((array), (path), (dataset), (err)), sabal_store_hdf5_options,                   \
               SABAL_STORE_HDF5_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_store_hdf5_with(const sabal_array *array, const char *path, const char *dataset,
                                             sabal_error *err, const sabal_store_hdf5_options *options);
/** By the name's ending, as sabal_array_read(); into the data set "data" if an HDF5 file is named without ":DATASET". */
SABAL_API sabal_status sabal_store(const sabal_array *array, const char *path, sabal_error *err);

#ifdef __cplusplus
} /* extern "C" */
#define SABAL_CXX_DEFAULTS_(name)                                                                                      \
    inline sabal_##name##_options sabal_##name##_defaults()                                                            \
    {                                                                                                                  \
        sabal_##name##_options o;                                                                                      \
        sabal_##name##_options_init(&o);                                                                               \
        return o;                                                                                                      \
    }
SABAL_CXX_DEFAULTS_(from_memory)
SABAL_CXX_DEFAULTS_(read)
SABAL_CXX_DEFAULTS_(blobs)
SABAL_CXX_DEFAULTS_(map_chunks)
SABAL_CXX_DEFAULTS_(store_hdf5)
inline sabal_array *sabal_array_from_memory(sabal_client *client, const void *data, sabal_dtype dtype, int32_t ndim,
                                            const int64_t                   *shape,
                                            const sabal_from_memory_options &o = sabal_from_memory_defaults())
{
    return sabal_array_from_memory_with(client, data, dtype, ndim, shape, &o);
}
inline sabal_array *sabal_array_read_npy(sabal_client *client, const char *path,
                                         const sabal_read_options &o = sabal_read_defaults())
{
    return sabal_array_read_npy_with(client, path, &o);
}
inline sabal_array *sabal_array_read_hdf5(sabal_client *client, const char *path, const char *dataset,
                                          const sabal_read_options &o = sabal_read_defaults())
{
    return sabal_array_read_hdf5_with(client, path, dataset, &o);
}
inline sabal_array *sabal_array_read(sabal_client *client, const char *path,
                                     const sabal_read_options &o = sabal_read_defaults())
{
    return sabal_array_read_with(client, path, &o);
}
inline sabal_array *sabal_make_blobs(sabal_client *client, const sabal_blobs_options &o = sabal_blobs_defaults())
{
    return sabal_make_blobs_with(client, &o);
}
inline sabal_array *sabal_array_map_chunks(const sabal_array *array, sabal_chunk_fn *fn,
                                           const sabal_map_chunks_options &o = sabal_map_chunks_defaults())
{
    return sabal_array_map_chunks_with(array, fn, &o);
}
inline sabal_status sabal_store_hdf5(const sabal_array *array, const char *path, const char *dataset, sabal_error *err,
                                     const sabal_store_hdf5_options &o = sabal_store_hdf5_defaults())
{
    return sabal_store_hdf5_with(array, path, dataset, err, &o);
}
#endif
#endif
