/*
 * Rows of a .npy file. In C order they are one run of bytes, read where they are wanted. In Fortran order each column
 * is a run: a few columns are read into a small buffer and turned from there, so that the lines of the cache that
 * are written are written whole. The file is read with pread, never mapped: one that shrinks is an error, not a SIGBUS.
 */
#include "io/reader.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "io/file.h"
#include "io/npy.h"
#include "value/strided.h"

enum {
    PIECE       = 1 << 20, /* bytes that are read before they are converted: they are in the cache then */
    TILE_BYTES  = 1 << 18, /* of columns at once                                                       */
    COLUMN_PART = 1 << 14  /* of one of them, if there are that many: fewer and longer reads            */
};

typedef struct npy_reader {
    sbl_reader base;
    int        fd;
    int        fortran, swapped;
    int64_t    data_at;
    size_t     item;
    int64_t    width; /* elements of a row: the number of columns of a file in Fortran order */
} npy_reader;

/* Swaps the bytes of each part: an element, or half of a complex one. */
static void swap_bytes(void *data, size_t n, size_t part)
{
    char *p = data;

    for (size_t i = 0; i < n; i += part) {
        uint16_t a;
        uint32_t b;
        uint64_t c;

        switch (part) {
        case 2:
            memcpy(&a, p + i, 2);
            a = __builtin_bswap16(a);
            memcpy(p + i, &a, 2);
            break;
        case 4:
            memcpy(&b, p + i, 4);
            b = __builtin_bswap32(b);
            memcpy(p + i, &b, 4);
            break;
        default:
            memcpy(&c, p + i, 8);
            c = __builtin_bswap64(c);
            memcpy(p + i, &c, 8);
        }
    }
}

/* From what stands in files to what stands in memory: our byte order, and 0 or 1 for true and false. */
static void convert(const npy_reader *r, void *data, size_t n)
{
    int is_complex = r->base.dtype == SABAL_COMPLEX64 || r->base.dtype == SABAL_COMPLEX128;

    if (r->swapped)
        swap_bytes(data, n, is_complex ? r->item / 2 : r->item);
    if (r->base.dtype == SABAL_BOOL)
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)data)[i] = ((uint8_t *)data)[i] != 0;
}

static sabal_status read_run(const npy_reader *r, char *out, size_t n, int64_t offset, sabal_error *err)
{
    int          plain = !r->swapped && r->base.dtype != SABAL_BOOL;
    sabal_status st    = SABAL_OK;

    for (size_t done = 0; done < n && !st;) {
        size_t part = plain || n - done < PIECE ? n - done : PIECE;

        st = sbl_file_read_at(r->fd, out + done, part, r->data_at + offset + (int64_t)done, err);
        if (!st && !plain)
            convert(r, out + done, part);
        done += part;
    }
    return st;
}

/* The place in the file of the column whose place in a row (in C order) is p: its index, first axis fastest. */
static int64_t column_of(const npy_reader *r, int64_t p)
{
    const int64_t *shape = r->base.shape;
    int64_t        step = r->width, column = 0;

    for (int32_t i = r->base.ndim - 1; i > 0; i--) { /* the last axis is slowest in the file */
        step /= shape[i];
        column += p % shape[i] * step;
        p /= shape[i];
    }
    return column;
}

/* n rows from first of n_columns columns from p on, each to its part of the tile. Runs that touch are read as one. */
static sabal_status read_columns(const npy_reader *r, char *tile, int64_t p, int64_t n_columns, int64_t first,
                                 int64_t n, sabal_error *err)
{
    int64_t      rows = r->base.shape[0], item = (int64_t)r->item;
    sabal_status st = SABAL_OK;

    for (int64_t j = 0; j < n_columns && !st;) {
        int64_t column = column_of(r, p + j), together = 1;

        while (n == rows && j + together < n_columns && column_of(r, p + j + together) == column + together)
            together++;
        st = read_run(r, tile + j * n * item, (size_t)(together * n * item), (column * rows + first) * item, err);
        j += together;
    }
    return st;
}

static sabal_status read_fortran(const npy_reader *r, int64_t first, int64_t n, char *out, sabal_error *err)
{
    int64_t      item = (int64_t)r->item, width = r->width, most = TILE_BYTES / item, part, n_columns;
    char        *tile;
    sabal_status st = SABAL_OK;

    part      = n < COLUMN_PART / item ? n : COLUMN_PART / item;
    n_columns = most / part < width ? most / part : width;
    part      = most / n_columns < n ? most / n_columns : n; /* few columns: longer parts */
    tile      = sbl_buffer_alloc(TILE_BYTES);
    if (!tile)
        return sbl_error_memory(err, TILE_BYTES, "turning Fortran order");
    for (int64_t row = 0; row < n && !st; row += part)
        for (int64_t p = 0; p < width && !st; p += n_columns) {
            int64_t rows = n - row < part ? n - row : part, columns = width - p < n_columns ? width - p : n_columns;

            st = read_columns(r, tile, p, columns, first + row, rows, err);
            if (!st)
                sbl_strided_copy_2d(out + (row * width + p) * item, width * item, item, tile, item, rows * item, rows,
                                    columns, r->item);
        }
    sbl_buffer_free(tile, TILE_BYTES);
    return st;
}

static sabal_status read_rows(sbl_reader *reader, int64_t first, int64_t n, void *out, sabal_error *err)
{
    const npy_reader *r         = (const npy_reader *)(const void *)reader;
    int64_t           row_bytes = r->width * (int64_t)r->item;

    if (r->width == 0)
        return SABAL_OK;
    if (r->fortran)
        return read_fortran(r, first, n, out, err);
    return read_run(r, out, (size_t)(n * row_bytes), first * row_bytes, err);
}

static void close_reader(sbl_reader *reader)
{
    npy_reader *r = (npy_reader *)(void *)reader;

    if (r->fd >= 0)
        close(r->fd);
    sbl_free(r);
}

static const sbl_reader_class CLASS = {.read_rows = read_rows, .close = close_reader};

/* What we read of what the format can say; else what to do. */
static sabal_status check_supported(const sbl_npy_header *h, sabal_error *err)
{
    const char *advice, *name;

    if (!h->dtype) {
        name = sbl_npy_descr_name(h, &advice);
        return sbl_error_set(err, SABAL_EDTYPE,
                             "its elements are %s (dtype '%.60s'), and only numbers are read: in NumPy, %s", name,
                             h->descr, advice);
    }
    if (h->ndim == 0)
        return sbl_error_set(err, SABAL_ESHAPE,
                             "it holds a single number (0 dimensions), and rows are read: save np.atleast_1d(a)");
    if (h->ndim > SABAL_MAX_NDIM)
        return sbl_error_set(err, SABAL_ESHAPE,
                             "it has %d dimensions, and at most %d are read: save a.reshape(len(a), -1)", h->ndim,
                             SABAL_MAX_NDIM);
    return SABAL_OK;
}

/* Elements of the header's shape; that all of them are in the file. */
static sabal_status check_size(int64_t *width, const sbl_npy_header *h, int64_t file_size, sabal_error *err)
{
    int64_t size, bytes;

    if (sbl_shape_check(&size, h->dtype, h->ndim, h->shape, NULL))
        return sbl_error_set(err, SABAL_EFORMAT, "malformed header: a shape of more than 2^63 bytes");
    bytes = size * (int64_t)sabal_dtype_size(h->dtype);
    if (bytes > file_size - h->data_at)
        return sbl_error_set(err, SABAL_EFORMAT,
                             "cut short: %" PRId64 " elements of %s from offset %" PRId64 " on take %" PRId64
                             " bytes, but the file has only %" PRId64 " there: copy or save it again",
                             size, sabal_dtype_name(h->dtype), h->data_at, bytes, file_size - h->data_at);
    *width = 1;
    for (int32_t i = 1; i < h->ndim; i++)
        *width *= h->shape[i];
    return SABAL_OK;
}

sabal_status sbl_npy_open(sbl_reader **reader, const char *path, sabal_error *err)
{
    npy_reader    *r = sbl_calloc(1, sizeof *r);
    sbl_npy_header header;
    struct stat    about;
    sabal_status   st;

    if (!r)
        return sbl_error_memory(err, sizeof *r, "a reader");
    r->base.class = &CLASS;
    r->fd         = -1;
    st            = sbl_file_open(&r->fd, &about, path, err);
    if (st)
        goto done;
    st = sbl_npy_header_read(&header, r->fd, about.st_size, err);
    if (st)
        goto done;
    st = check_supported(&header, err);
    if (st)
        goto done;
    st = check_size(&r->width, &header, about.st_size, err);
    if (st)
        goto done;
    r->data_at    = header.data_at;
    r->fortran    = header.fortran && header.ndim > 1 && r->width > 1;
    r->swapped    = header.swapped;
    r->item       = sabal_dtype_size(header.dtype);
    r->base.dtype = header.dtype;
    r->base.ndim  = header.ndim;
    memcpy(r->base.shape, header.shape, (size_t)header.ndim * sizeof *header.shape);
    *reader = &r->base;
done:
    if (st)
        close_reader(&r->base);
    return st;
}

sabal_status sbl_npy_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err)
{
    sabal_file_entry entry = {.struct_size = sizeof entry};
    char             dtype[SBL_NPY_DESCR + 64];
    sbl_npy_header   header;
    struct stat      about;
    const char      *advice;
    sabal_status     st;
    int64_t          width;
    int              fd;

    st = sbl_file_open(&fd, &about, path, err);
    if (st)
        return st;
    st = sbl_npy_header_read(&header, fd, about.st_size, err);
    if (!st && header.dtype)
        st = check_size(&width, &header, about.st_size, err);
    close(fd);
    if (st)
        return st;
    if (header.dtype)
        entry.dtype = sabal_dtype_name(header.dtype);
    else {
        snprintf(dtype, sizeof dtype, "%s (%s)", sbl_npy_descr_name(&header, &advice), header.descr);
        entry.dtype = dtype;
    }
    entry.ndim         = header.ndim;
    entry.shape        = header.shape;
    entry.layout       = header.fortran   ? header.swapped ? "Fortran order, other byte order" : "Fortran order"
                         : header.swapped ? "C order, other byte order"
                                          : "C order";
    entry.stored_bytes = about.st_size - header.data_at;
    entry.readable     = !check_supported(&header, NULL);
    fn(user, &entry);
    return SABAL_OK;
}
