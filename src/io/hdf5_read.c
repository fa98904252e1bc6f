/*
 * Reading a data set from many threads. All that HDF5 knows is asked once, at open: shape, type, where the data lies.
 * Then its file is closed, and rows come by pread on a descriptor of our own: contiguous data straight into its place,
 * chunks through hdf5_chunk.c. What is stored otherwise (compact, virtual, in other files, through other filters, as
 * unusual types) is read by the library, one call at a time, from a file opened and closed for each.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/hdf5_data.h"
#include "io/reader.h"

/* More chunks than this are looked up by the library, when they are needed: the index is a table in memory. */
#define MOST_CHUNKS ((int64_t)1 << 24)

typedef struct place {
    uint64_t offset; /* in the file */
    uint32_t size;   /* 0: the chunk is not there */
    uint32_t mask;   /* filters that were left out */
} place;

typedef enum how { CONTIGUOUS, CHUNKED, BY_LIBRARY } how;

typedef struct hdf5_reader {
    sbl_reader  common;
    how         how;
    int         fd;
    int64_t     offset; /* of contiguous data; -1: there is none yet, only the fill value */
    int64_t     row_bytes;
    sbl_h5_grid grid; /* of contiguous data: shape, form and fill alone */
    place      *places;
    int64_t     file_size;      /* of the file under fd, which an external link may have led to */
    char       *path, *dataset; /* as given, for what the library reads */
    struct stat about;          /* of the file under that path          */
} hdf5_reader;

static void fill_rows(const hdf5_reader *r, char *out, int64_t n)
{
    size_t size = r->grid.form.size;

    for (int64_t i = 0; i < n * r->row_bytes; i += (int64_t)size)
        memcpy(out + i, r->grid.fill, size);
}

static sabal_status read_contiguous(hdf5_reader *r, int64_t first, int64_t n, void *out, sabal_error *err)
{
    sabal_status st;

    if (r->offset < 0) {
        fill_rows(r, out, n);
        return SABAL_OK;
    }
    st = sbl_file_read_at(r->fd, out, (size_t)(n * r->row_bytes), r->offset + first * r->row_bytes, err);
    if (st)
        return st;
    sbl_h5_fix(out, n * r->row_bytes / (int64_t)r->grid.form.size, &r->grid.form);
    return SABAL_OK;
}

/* Chunk number i into the rows it meets: the shortest way there is for it. */
static sabal_status read_chunk(hdf5_reader *r, int64_t i, int64_t first, int64_t n, char *out, sbl_h5_scratch *scratch,
                               sabal_error *err)
{
    const place       *p     = &r->places[i];
    const sbl_h5_grid *grid  = &r->grid;
    int64_t            at    = sbl_h5_chunk_inside(grid, i, first, n);
    int                plain = grid->n_filters == 0 && p->size == grid->chunk_bytes;
    void              *to;
    sabal_status       st;

    if (p->size == 0) {
        sbl_h5_place(out, first, n, grid, i, NULL);
        return SABAL_OK;
    }
    if (at < 0) {
        st = sbl_h5_grow(&scratch->chunk, &scratch->chunk_size, grid->chunk_bytes, "a chunk of the file", err);
        if (st)
            return st;
    }
    to = at < 0 ? scratch->chunk : out + at;
    if (plain) {
        st = sbl_file_read_at(r->fd, to, p->size, (int64_t)p->offset, err);
        if (st)
            return st;
        sbl_h5_fix(to, (int64_t)(grid->chunk_bytes / grid->form.size), &grid->form);
    } else {
        st = sbl_h5_grow(&scratch->raw, &scratch->raw_size, p->size, "a chunk as it lies in the file", err);
        if (st)
            return st;
        st = sbl_file_read_at(r->fd, scratch->raw, p->size, (int64_t)p->offset, err);
        if (st)
            return st;
        st = sbl_h5_decode(to, grid, scratch->raw, p->size, p->mask, scratch, err);
        if (st)
            return st;
    }
    if (at < 0)
        sbl_h5_place(out, first, n, grid, i, to);
    return SABAL_OK;
}

static sabal_status read_chunked(hdf5_reader *r, int64_t first, int64_t n, void *out, sabal_error *err)
{
    const sbl_h5_grid *grid    = &r->grid;
    sbl_h5_scratch     scratch = {0};
    sabal_error        cause   = SABAL_ERROR_INIT;
    sabal_status       st      = SABAL_OK;
    int64_t            i, end;
    char               name[64];

    if (n == 0)
        return SABAL_OK;
    i   = first / grid->chunk[0] * grid->n_inner;
    end = ((first + n - 1) / grid->chunk[0] + 1) * grid->n_inner;
    for (; i < end; i++) {
        st = read_chunk(r, i, first, n, out, &scratch, &cause);
        if (st) {
            sbl_error_prefix(&cause, "chunk %s at offset %" PRIu64, sbl_h5_chunk_name(name, grid, i),
                             r->places[i].offset);
            sbl_error_pass(err, &cause);
            goto done;
        }
    }
done:
    sbl_h5_scratch_clear(&scratch);
    return st;
}

/* The type in memory: of an enumeration its own in this machine's order, since only that is what it converts to. */
static hid_t memory_type(hid_t dataset, sabal_dtype dtype)
{
    hid_t type = H5Dget_type(dataset), memory = -1;

    if (type >= 0 && H5Tget_class(type) == H5T_ENUM)
        memory = H5Tget_native_type(type, H5T_DIR_ASCEND);
    else
        memory = sbl_h5_type_make(dtype);
    if (type >= 0)
        H5Tclose(type);
    return memory;
}

static sabal_status read_slab(hid_t dataset, const hdf5_reader *r, int64_t first, int64_t n, void *out,
                              sabal_error *err)
{
    hsize_t      start[SABAL_MAX_NDIM] = {0}, count[SABAL_MAX_NDIM];
    hid_t        type = memory_type(dataset, r->common.dtype), space = H5Dget_space(dataset), memory = -1;
    sabal_status st = SABAL_OK;

    for (int32_t k = 0; k < r->common.ndim; k++)
        count[k] = (hsize_t)r->common.shape[k];
    start[0] = (hsize_t)first;
    count[0] = (hsize_t)n;
    memory   = H5Screate_simple(r->common.ndim, count, NULL);
    if (type < 0 || space < 0 || memory < 0 ||
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(dataset, type, memory, space, H5P_DEFAULT, out) < 0 || sbl_h5_had_trouble())
        st = sbl_h5_error(err, SABAL_EIO, "rows %" PRId64 " to %" PRId64 " can't be read", first, first + n);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (memory >= 0)
        H5Sclose(memory);
    if (!st && r->grid.form.is_bool)
        sbl_h5_fix(out, n * r->row_bytes, &(const sbl_h5_form){.size = 1, .is_bool = 1});
    return st;
}

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static sabal_status read_by_library(hdf5_reader *r, int64_t first, int64_t n, void *out, sabal_error *err)
{
    hid_t        file = -1, dataset = -1;
    struct stat  s;
    sabal_status st;

    if (n == 0 || r->row_bytes == 0)
        return SABAL_OK;
    if (stat(r->path, &s))
        return sbl_file_failed(err, errno, r->path, 0);
    if (!same_file(&s, &r->about))
        return sbl_error_set(err, SABAL_EIO, "the file was changed since it was opened: open it again");
    sbl_h5_enter();
    st = sbl_h5_file_open(&file, &s, r->path, err);
    if (st)
        goto done;
    st = sbl_h5_data_open(&dataset, file, r->dataset, err);
    if (st)
        goto done;
    st = read_slab(dataset, r, first, n, out, err);
done:
    if (dataset >= 0)
        H5Dclose(dataset);
    if (file >= 0)
        H5Fclose(file);
    sbl_h5_leave();
    return st;
}

static sabal_status read_rows(sbl_reader *common, int64_t first, int64_t n, void *out, sabal_error *err)
{
    hdf5_reader *r = (hdf5_reader *)common;

    switch (r->how) {
    case CONTIGUOUS:
        return read_contiguous(r, first, n, out, err);
    case CHUNKED:
        return read_chunked(r, first, n, out, err);
    default:
        return read_by_library(r, first, n, out, err);
    }
}

static void close_reader(sbl_reader *common)
{
    hdf5_reader *r = (hdf5_reader *)common;

    if (r->fd >= 0)
        close(r->fd);
    sbl_free(r->places);
    sbl_free(r->path);
    sbl_free(r->dataset);
    sbl_free(r);
}

static const sbl_reader_class CLASS = {.read_rows = read_rows, .close = close_reader};

/* An element that was never written, as it will be in memory. */
static sabal_status read_fill(hdf5_reader *r, hid_t dataset, sabal_error *err)
{
    hid_t            plist = H5Dget_create_plist(dataset), type = memory_type(dataset, r->common.dtype);
    H5D_fill_value_t defined = H5D_FILL_VALUE_UNDEFINED;
    sabal_status     st      = SABAL_OK;

    if (plist < 0 || type < 0 || H5Pfill_value_defined(plist, &defined) < 0 ||
        (defined == H5D_FILL_VALUE_USER_DEFINED && H5Pget_fill_value(plist, type, r->grid.fill) < 0))
        st = sbl_h5_error(err, SABAL_EFORMAT, "its fill value can't be read");
    if (plist >= 0)
        H5Pclose(plist);
    if (type >= 0)
        H5Tclose(type);
    if (!st && r->grid.form.is_bool)
        r->grid.fill[0] = r->grid.fill[0] != 0;
    return st;
}

static sabal_status check_place(const hdf5_reader *r, uint64_t offset, uint64_t size, sabal_error *err)
{
    if (offset > (uint64_t)r->file_size || size > (uint64_t)r->file_size - offset)
        return sbl_error_set(err, SABAL_EFORMAT,
                             "%" PRIu64 " bytes of data should lie at offset %" PRIu64 ", but the file ends at %" PRId64
                             ": it was cut short",
                             size, offset, r->file_size);
    return SABAL_OK;
}

static sabal_status find_contiguous(hdf5_reader *r, hid_t dataset, int64_t bytes, sabal_error *err)
{
    haddr_t at = H5Dget_offset(dataset); /* from the beginning of the file, its user block counted */

    r->how    = CONTIGUOUS;
    r->offset = -1;
    if (at == HADDR_UNDEF || bytes == 0)
        return SABAL_OK;
    r->offset = (int64_t)at;
    return check_place(r, at, (uint64_t)bytes, err);
}

static int is_edge(const sbl_h5_grid *grid, const hsize_t *at)
{
    for (int32_t k = 0; k < grid->ndim; k++)
        if (grid->shape[k] - (int64_t)at[k] < grid->chunk[k])
            return 1;
    return 0;
}

/* Where each chunk lies, asked one by one; *known 0 if the library won't tell. */
static sabal_status find_chunks(hdf5_reader *r, hid_t dataset, const sbl_h5_data *data, int *known, sabal_error *err)
{
    const sbl_h5_grid *grid               = &r->grid;
    hsize_t            at[SABAL_MAX_NDIM] = {0};
    char               name[64];

    r->places = sbl_calloc((size_t)grid->n_chunks, sizeof *r->places);
    if (!r->places)
        return sbl_error_memory(err, (size_t)grid->n_chunks * sizeof *r->places, "the index of a data set's chunks");
    for (int64_t i = 0; i < grid->n_chunks && data->stored_bytes; i++) {
        uint64_t     offset, size;
        sabal_status st;

        *known = sbl_h5_locate_chunk(&offset, &size, &r->places[i].mask, dataset, at);
        if (!*known)
            return SABAL_OK;
        st = check_place(r, offset, size, err);
        if (st) {
            sbl_error_prefix(err, "chunk %s", sbl_h5_chunk_name(name, grid, i));
            return st;
        }
        if (size > UINT32_MAX)
            return sbl_error_set(err, SABAL_EFORMAT, "chunk %s is said to have %" PRIu64 " bytes",
                                 sbl_h5_chunk_name(name, grid, i), size);
        r->places[i].offset = offset;
        r->places[i].size   = (uint32_t)size;
        if (data->whole_edges && is_edge(grid, at))
            r->places[i].mask = UINT32_MAX;
        for (int32_t k = grid->ndim - 1; k >= 0; k--) {
            at[k] += (hsize_t)grid->chunk[k];
            if ((int64_t)at[k] < grid->shape[k])
                break;
            at[k] = 0;
        }
    }
    return SABAL_OK;
}

/* Decides how it will be read. */
static sabal_status find_data(hdf5_reader *r, hid_t dataset, const sbl_h5_data *data, sabal_error *err)
{
    int          ours = data->n_filters <= SBL_H5_MAX_FILTERS, known = 1;
    sabal_status st;

    r->how = BY_LIBRARY;
    if (data->type.convert || data->external || (data->layout != H5D_CONTIGUOUS && data->layout != H5D_CHUNKED))
        return SABAL_OK;
    st = read_fill(r, dataset, err);
    if (st)
        return st;
    if (data->layout == H5D_CONTIGUOUS)
        return find_contiguous(r, dataset, r->row_bytes * data->shape[0], err);
    for (int32_t i = 0; i < data->n_filters && ours; i++) {
        r->grid.filters[i] = data->filters[i].id;
        ours               = data->filters[i].id != SBL_H5_SHUFFLE || data->filters[i].level == data->type.form.size;
    }
    r->grid.n_filters = ours ? data->n_filters : 0;
    ours              = ours && sbl_h5_can_decode(r->grid.filters, r->grid.n_filters);
    memcpy(r->grid.chunk, data->chunk, sizeof r->grid.chunk);
    st = sbl_h5_grid_finish(&r->grid, err);
    if (st)
        return st;
    r->common.natural_rows = data->chunk[0];
    if (!ours || r->grid.n_chunks > MOST_CHUNKS)
        return SABAL_OK;
    st = find_chunks(r, dataset, data, &known, err);
    if (st)
        return st;
    if (known)
        r->how = CHUNKED;
    return SABAL_OK;
}

static sabal_status describe(hdf5_reader *r, hid_t dataset, sabal_error *err)
{
    sbl_h5_data  data;
    struct stat  s;
    sabal_status st = sbl_h5_data_read(&data, dataset, err);

    if (st)
        return st;
    st = sbl_h5_data_check(&data, err);
    if (st)
        return st;
    r->fd = sbl_h5_descriptor(dataset);
    if (r->fd < 0 || fstat(r->fd, &s))
        return sbl_error_errno(err, errno, "a descriptor of the file can't be had");
    r->file_size    = s.st_size;
    r->common.parts = sbl_h5_parts(dataset, &data, r->path, &r->about, &s);
    r->common.dtype = data.type.dtype;
    r->common.ndim = r->grid.ndim = data.ndim;
    r->grid.form                  = data.type.form;
    r->row_bytes                  = (int64_t)data.type.form.size;
    for (int32_t k = 0; k < data.ndim; k++) {
        r->common.shape[k] = r->grid.shape[k] = data.shape[k];
        r->row_bytes *= k ? data.shape[k] : 1;
    }
    return find_data(r, dataset, &data, err);
}

static sabal_status open_reader(hdf5_reader *r, const char *path, const char *dataset, sabal_error *err)
{
    hid_t        file = -1, set = -1;
    sabal_status st;

    r->path    = sbl_strdup(path);
    r->dataset = dataset ? sbl_strdup(dataset) : NULL;
    if (!r->path || (dataset && !r->dataset))
        return sbl_error_memory(err, strlen(path) + 1, "a file's name");
    sbl_h5_enter();
    st = sbl_h5_file_open(&file, &r->about, path, err);
    if (st)
        goto done;
    st = sbl_h5_data_open(&set, file, dataset, err);
    if (st)
        goto done;
    st = describe(r, set, err);
done:
    if (set >= 0)
        H5Dclose(set);
    if (file >= 0)
        H5Fclose(file);
    sbl_h5_leave();
    return st;
}

sabal_status sbl_hdf5_open(sbl_reader **reader, const char *path, const char *dataset, sabal_error *err)
{
    hdf5_reader *r = sbl_calloc(1, sizeof *r);
    sabal_status st;

    if (!r)
        return sbl_error_memory(err, sizeof *r, "a reader");
    r->common.class = &CLASS;
    r->fd           = -1;
    st              = open_reader(r, path, dataset, err);
    if (st)
        close_reader(&r->common);
    else
        *reader = &r->common;
    return st;
}
