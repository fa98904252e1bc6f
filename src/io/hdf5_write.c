/*
 * Writing one data set. The file is made under a partial name and renamed when whole, a new one as well as one that
 * exists: that one is copied first (shared by reference where the file system can) and replaced at the end, so that it
 * is as it was until the moment it is as it shall be. The cost is a copy of the file; adding in place could not be
 * undone, since HDF5 changes its tables where they lie.
 *
 * Contiguous data: the library makes room and tells where, its file is closed, rows are written by pwrite from all
 * threads. Chunks: filtered by the calling thread, handed to the library one at a time.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/hdf5_data.h"
#include "io/hdf5_target.h"
#include "io/partial.h"
#include "io/writer.h"

#define CHUNK_BYTES  ((int64_t)1 << 20) /* of a chunk when nobody says: what HDF5's own cache takes */
#define DEFAULT_NAME "/data"

typedef struct hdf5_writer {
    sbl_writer  common;
    sbl_partial partial;
    char       *path, *dataset;
    sabal_dtype dtype;
    sbl_h5_grid grid; /* of chunks; of contiguous data shape and form alone */
    int         is_chunked;
    int64_t     offset, row_bytes; /* of contiguous data in the file */
    hid_t       file, set;         /* open while chunks are written; else -1 */
    struct stat before;            /* what the target was; st_ino 0: nothing */
    _Atomic int failed;            /* a write did: the file can't become whole */
} hdf5_writer;

/* HDF5 takes '.' for the group itself. */
static sabal_status check_parts(const char *name, sabal_error *err)
{
    const char *p = name + strspn(name, "/");

    if (!*p)
        return sbl_error_set(err, SABAL_EINVAL, "'%.80s' names no data set", name);
    while (*p) {
        size_t n = strcspn(p, "/");

        if (n == 1 && *p == '.')
            return sbl_error_set(err, SABAL_EINVAL, "'.' can't be a name, in '%.80s'", name);
        p += n + strspn(p + n, "/");
    }
    return SABAL_OK;
}

static sabal_status check_arguments(hdf5_writer *w, int32_t ndim, const int64_t *shape,
                                    const sbl_writer_options *options, sabal_error *err)
{
    int64_t bytes = (int64_t)w->grid.form.size;

    if (!bytes)
        return sbl_error_set(err, SABAL_EDTYPE, "%d is no dtype", (int)w->dtype);
    if (ndim < 1 || ndim > SABAL_MAX_NDIM)
        return sbl_error_set(err, SABAL_ESHAPE, "%d dimensions; 1 to %d can be stored", ndim, SABAL_MAX_NDIM);
    for (int32_t k = 0; k < ndim; k++)
        if (shape[k] < 0 || __builtin_mul_overflow(bytes, shape[k] ? shape[k] : 1, &bytes))
            return sbl_error_set(err, SABAL_ESHAPE, "a negative extent, or more than 2^63 bytes");
    if (options->gzip < 0 || options->gzip > 9)
        return sbl_error_set(err, SABAL_EINVAL, "gzip level %d; 1 to 9 can be had, 0 is none", options->gzip);
    if (options->chunk_rows < 0)
        return sbl_error_set(err, SABAL_EINVAL, "chunks of %" PRId64 " rows", options->chunk_rows);
    return check_parts(w->dataset, err);
}

static sabal_status choose_layout(hdf5_writer *w, int32_t ndim, const int64_t *shape, const sbl_writer_options *options,
                                  sabal_error *err)
{
    sbl_h5_grid *grid  = &w->grid;
    int          empty = 0;
    int64_t      rows  = options->chunk_rows;

    grid->ndim   = ndim;
    w->row_bytes = (int64_t)grid->form.size;
    for (int32_t k = 0; k < ndim; k++) {
        grid->shape[k] = grid->chunk[k] = shape[k];
        w->row_bytes *= k ? shape[k] : 1;
        empty |= shape[k] == 0;
    }
    /* HDF5 has no chunks of nothing: an empty array is contiguous, whatever was asked for. */
    w->is_chunked = !empty && (options->chunk_rows || options->gzip || options->shuffle);
    if (!w->is_chunked)
        return SABAL_OK;
    if (!rows)
        rows = w->row_bytes < CHUNK_BYTES ? CHUNK_BYTES / w->row_bytes : 1;
    grid->chunk[0]         = rows < shape[0] ? rows : shape[0];
    w->common.natural_rows = grid->chunk[0];
    w->common.chunked      = (sbl_chunked){{.n_rows     = shape[0],
                                            .chunk_rows = grid->chunk[0],
                                            .row_bytes  = w->row_bytes,
                                            .element    = (int32_t)grid->form.size,
                                            .shuffle    = options->shuffle != 0,
                                            .gzip       = options->gzip},
                                           w->path,
                                           w->dataset};
    if (__builtin_mul_overflow(grid->chunk[0], w->row_bytes, &rows) || rows > UINT32_MAX)
        return sbl_error_set(err, SABAL_EINVAL,
                             "chunks of %" PRId64 " rows of %" PRId64 " bytes are 4 GiB or more, "
                             "which HDF5 can't store: ask for fewer rows",
                             grid->chunk[0], w->row_bytes);
    return sbl_h5_grid_finish(grid, err);
}

/* In a file that exists: the name must be free, what lies before it in the path must be groups. */
static sabal_status check_name(hid_t file, const char *name, sabal_error *err)
{
    char        *path = sbl_strdup(name), *p = path;
    sabal_status st = SABAL_OK;

    if (!path)
        return sbl_error_memory(err, strlen(name) + 1, "a data set's name");
    while (*p == '/')
        p++;
    while (*p && !st) {
        char *end = p + strcspn(p, "/"), *next = end + strspn(end, "/");
        hid_t object;

        *end = 0;
        if (H5Lexists(file, path, H5P_DEFAULT) <= 0)
            break; /* free from here on */
        object = H5Oopen(file, path, H5P_DEFAULT);
        if (!*next)
            st = sbl_error_set(err, SABAL_EINVAL, "'%.80s' exists already: name another, or remove it first", path);
        else if (object < 0)
            st = sbl_error_set(err, SABAL_EINVAL, "'%.80s' is a link that leads nowhere", path);
        else if (H5Iget_type(object) != H5I_GROUP)
            st = sbl_error_set(err, SABAL_EINVAL, "'%.80s' is a data set, so nothing can lie in it", path);
        if (object >= 0)
            H5Oclose(object);
        if (next != end)
            *end = '/';
        p = next;
    }
    sbl_free(path);
    return st;
}

static hid_t creation_list(const hdf5_writer *w)
{
    hid_t   dcpl = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[SABAL_MAX_NDIM];
    int     bad = dcpl < 0 || H5Pset_obj_track_times(dcpl, 0) < 0; /* the same data gives the same file */

    for (int32_t k = 0; k < w->grid.ndim; k++)
        chunk[k] = (hsize_t)w->grid.chunk[k];
    if (w->is_chunked) {
        const sbl_packing *how = &w->common.chunked.how;

        bad = bad || H5Pset_chunk(dcpl, w->grid.ndim, chunk) < 0;
        if (how->shuffle)
            bad = bad || H5Pset_shuffle(dcpl) < 0;
        if (how->gzip)
            bad = bad || H5Pset_deflate(dcpl, (unsigned)how->gzip) < 0;
    } else {
        bad =
            bad || H5Pset_alloc_time(dcpl, H5D_ALLOC_TIME_EARLY) < 0 || H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER) < 0;
    }
    if (bad && dcpl >= 0)
        H5Pclose(dcpl);
    return bad ? -1 : dcpl;
}

static sabal_status make_set(hdf5_writer *w, sabal_error *err)
{
    hid_t        type = sbl_h5_type_make(w->dtype), space = -1, dcpl = creation_list(w), lcpl = -1;
    hsize_t      dims[SABAL_MAX_NDIM];
    sabal_status st = SABAL_OK;

    for (int32_t k = 0; k < w->grid.ndim; k++)
        dims[k] = (hsize_t)w->grid.shape[k];
    space = H5Screate_simple(w->grid.ndim, dims, NULL);
    lcpl  = H5Pcreate(H5P_LINK_CREATE);
    if (type >= 0 && space >= 0 && dcpl >= 0 && lcpl >= 0 && H5Pset_create_intermediate_group(lcpl, 1) >= 0)
        w->set = H5Dcreate2(w->file, w->dataset, type, space, lcpl, dcpl, H5P_DEFAULT);
    if (w->set < 0)
        st = sbl_h5_error(err, SABAL_EIO, "the data set can't be made");
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (dcpl >= 0)
        H5Pclose(dcpl);
    if (lcpl >= 0)
        H5Pclose(lcpl);
    return st;
}

/* Flushed first: a close that fails would leave the library with a file it tries to write for ever. */
static sabal_status close_file(hdf5_writer *w, int give_up, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    if (w->file >= 0 && !give_up && H5Fflush(w->file, H5F_SCOPE_GLOBAL) < 0) {
        st      = sbl_h5_error(err, SABAL_EIO, "the file's tables can't be written");
        give_up = 1;
    }
    if (w->file >= 0 && give_up)
        sbl_h5_file_give_up(w->file);
    if (w->set >= 0)
        H5Dclose(w->set);
    if (w->file >= 0 && H5Fclose(w->file) < 0 && !give_up)
        st = sbl_h5_error(err, SABAL_EIO, "the file can't be closed");
    w->file = w->set = -1;
    return st;
}

static sabal_status begin(hdf5_writer *w, sabal_error *err)
{
    sabal_status st;

    sbl_h5_enter();
    st = sbl_h5_file_write(&w->file, w->partial.fd, !w->before.st_ino, err);
    if (st)
        goto done;
    st = check_name(w->file, w->dataset, err);
    if (st)
        goto done;
    st = make_set(w, err);
    if (st)
        goto done;
    if (!w->is_chunked) {
        haddr_t at = H5Dget_offset(w->set);

        w->offset = at == HADDR_UNDEF ? 0 : (int64_t)at; /* nothing lies anywhere if there is none of it */
        st        = close_file(w, 0, err);
    }
done:
    if (st)
        close_file(w, 1, NULL);
    sbl_h5_leave();
    return st;
}

static sabal_status write_chunk(void *arg, int64_t i, const sbl_packed *packed, sabal_error *err)
{
    hdf5_writer  *w                  = arg;
    const int64_t row                = i * w->grid.chunk[0];
    hsize_t       at[SABAL_MAX_NDIM] = {(hsize_t)row};
    sabal_status  st                 = SABAL_OK;

    sbl_h5_enter();
    if (H5Dwrite_chunk(w->set, H5P_DEFAULT, packed->mask, at, packed->size, packed->data) < 0)
        st = sbl_h5_error(err, SABAL_EIO, "rows %" PRId64 " to %" PRId64 " can't be written", row,
                          row + w->grid.chunk[0]);
    sbl_h5_leave();
    return st;
}

static sabal_status fail(hdf5_writer *w, sabal_error *failure, sabal_error *err)
{
    atomic_store_explicit(&w->failed, 1, memory_order_relaxed);
    return sbl_file_pass(err, failure, w->path, w->dataset);
}

static sabal_status write_packed(sbl_writer *common, int64_t first, int64_t n, const sbl_value *value, sabal_error *err)
{
    hdf5_writer  *w    = (hdf5_writer *)common;
    const int64_t rows = common->chunked.how.chunk_rows, chunks = (n + rows - 1) / rows;
    sabal_error   failure = SABAL_ERROR_INIT;
    sabal_status  st      = sbl_packing_check(&common->chunked.how, first, n, &failure);

    for (int64_t k = 0; k < chunks && !st; k++) {
        sbl_packed packed;

        st = sbl_packed_get(&packed, value, k, chunks, &failure);
        if (!st)
            st = write_chunk(w, first / rows + k, &packed, &failure);
    }
    return st ? fail(w, &failure, err) : SABAL_OK;
}

static sabal_status write_rows(sbl_writer *common, int64_t first, int64_t n, const void *data, sabal_error *err)
{
    hdf5_writer *w       = (hdf5_writer *)common;
    sabal_error  failure = SABAL_ERROR_INIT;
    sabal_status st;

    if (first < 0 || n < 0 || n > w->grid.shape[0] - first)
        st = sbl_error_set(&failure, SABAL_EINVAL, "rows %" PRId64 " to %" PRId64 " of %" PRId64, first, first + n,
                           w->grid.shape[0]);
    else if (n == 0 || w->row_bytes == 0)
        st = SABAL_OK;
    else if (w->is_chunked)
        st = sbl_pack_each(&w->common.chunked.how, first, n, data, write_chunk, w, &failure);
    else
        st = sbl_file_write_at(w->partial.fd, data, (size_t)(n * w->row_bytes), w->offset + first * w->row_bytes,
                               &failure);
    return st ? fail(w, &failure, err) : SABAL_OK;
}

/* Ends it, whatever there is of it; the file under its own name is what it was. */
static void abort_writer(sbl_writer *common)
{
    hdf5_writer *w = (hdf5_writer *)common;

    if (w->file >= 0) {
        sbl_h5_enter();
        close_file(w, 1, NULL);
        sbl_h5_leave();
    }
    sbl_partial_abort(&w->partial);
    sbl_free(w->path);
    sbl_free(w->dataset);
    sbl_free(w);
}

static sabal_status finish(sbl_writer *common, sabal_error *err)
{
    hdf5_writer *w       = (hdf5_writer *)common;
    sabal_error  failure = SABAL_ERROR_INIT;
    sabal_status st      = SABAL_OK;

    if (atomic_load_explicit(&w->failed, memory_order_relaxed)) {
        st = sbl_error_set(&failure, SABAL_EIO, "a part of it could not be written");
        goto done;
    }
    if (w->partial.fd < 0 && w->common.flat.told < w->grid.shape[0]) { /* others have written it */
        st = sbl_error_set(&failure, SABAL_EINVAL, "only %" PRId64 " of %" PRId64 " rows were written",
                           w->common.flat.told, w->grid.shape[0]);
        goto done;
    }
    if (w->file >= 0) {
        sbl_h5_enter();
        st = close_file(w, 0, &failure);
        sbl_h5_leave();
        if (st)
            goto done;
    }
    st = sbl_partial_settle(&w->partial, &failure);
    if (st)
        goto done;
    st = sbl_h5_target_check(&w->before, &w->partial, &failure); /* last, as what others do after it is lost */
    if (st)
        goto done;
    w->partial.is_new = !w->before.st_ino;
    st                = sbl_partial_finish(&w->partial, &failure);
done:
    if (st)
        sbl_file_pass(err, &failure, w->path, w->dataset);
    abort_writer(&w->common); /* of a file that is whole nothing is left to abort */
    return st;
}

static const sbl_writer_class CLASS = {
    .write_rows = write_rows, .write_packed = write_packed, .finish = finish, .abort = abort_writer};

static sabal_status open_writer(hdf5_writer *w, int32_t ndim, const int64_t *shape, const sbl_writer_options *options,
                                sabal_error *err)
{
    sabal_status st;

    st = check_arguments(w, ndim, shape, options, err);
    if (st)
        return st;
    st = choose_layout(w, ndim, shape, options, err);
    if (st)
        return st;
    st = sbl_partial_create(&w->partial, w->path, err);
    if (st)
        return st;
    st = sbl_h5_target_copy(&w->before, &w->partial, w->path, err);
    if (st)
        return st;
    st = begin(w, err);
    if (st || w->is_chunked)
        return st;
    w->common.flat = (sbl_flat){&w->partial, w->path, w->offset, w->row_bytes, w->grid.shape[0], 0};
    return sbl_file_reserve(w->partial.fd, w->offset + w->row_bytes * w->grid.shape[0], err);
}

sabal_status sbl_hdf5_create(sbl_writer **writer, const char *path, const char *dataset, sabal_dtype dtype,
                             int32_t ndim, const int64_t *shape, const sbl_writer_options *options, sabal_error *err)
{
    static const sbl_writer_options NO_OPTIONS = {0};
    hdf5_writer                    *w          = sbl_calloc(1, sizeof *w);
    sabal_error                     failure    = SABAL_ERROR_INIT;
    sabal_status                    st;

    if (!w)
        return sbl_error_memory(err, sizeof *w, "a writer");
    w->common.class = &CLASS;
    w->partial      = (sbl_partial){.fd = -1};
    w->file = w->set  = -1;
    w->dtype          = dtype;
    w->grid.form.size = sabal_dtype_size(dtype);
    w->path           = sbl_strdup(path);
    w->dataset        = sbl_strdup(dataset ? dataset : DEFAULT_NAME);
    if (!w->path || !w->dataset)
        st = sbl_error_memory(&failure, strlen(path) + 1, "a file's name");
    else
        st = open_writer(w, ndim, shape, options ? options : &NO_OPTIONS, &failure);
    if (st) {
        sbl_file_pass(err, &failure, path, dataset ? dataset : DEFAULT_NAME);
        abort_writer(&w->common);
    } else {
        *writer = &w->common;
    }
    return st;
}
