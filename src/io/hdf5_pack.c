/* A value of packed chunks: what is said of each, one behind the other, then their bytes in the same order. */
#include "io/pack.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/hdf5_chunk.h"

/* What filters chunks one after the other. */
struct packer {
    sbl_packing                   how;
    sbl_h5_grid                   grid; /* along the rows alone: a row is its element */
    sbl_h5_scratch                scratch;
    struct libdeflate_compressor *deflater;
};

/* What a value says of a chunk. */
struct entry {
    uint64_t end; /* of its bytes, from the first of all on */
    uint32_t mask, unused;
};

sabal_status sbl_packing_check(const sbl_packing *how, int64_t first, int64_t n, sabal_error *err)
{
    if (first < 0 || n < 0 || n > how->n_rows - first)
        return sbl_error_set(err, SABAL_EINVAL, "rows %" PRId64 " to %" PRId64 " of %" PRId64, first, first + n,
                             how->n_rows);
    if (first % how->chunk_rows || (n % how->chunk_rows && first + n != how->n_rows))
        return sbl_error_set(err, SABAL_EINVAL, "rows %" PRId64 " to %" PRId64 " are no whole chunks of %" PRId64,
                             first, first + n, how->chunk_rows);
    return SABAL_OK;
}

static sabal_status of_rows(sabal_error *err, sabal_error *failure, int64_t first, int64_t n)
{
    sbl_error_prefix(failure, "rows %" PRId64 " to %" PRId64, first, first + n);
    return sbl_error_pass(err, failure);
}

/* --- one chunk ------------------------------------------------------------------------------------------------------ */

static sabal_status packer_open(struct packer *p, const sbl_packing *how, sabal_error *err)
{
    sabal_status st;

    memset(p, 0, sizeof *p);
    p->how            = *how;
    p->grid.ndim      = 1;
    p->grid.shape[0]  = how->n_rows;
    p->grid.chunk[0]  = how->chunk_rows;
    p->grid.form.size = (size_t)how->row_bytes;
    st                = sbl_h5_grid_finish(&p->grid, err);
    if (!st && how->gzip) {
        p->deflater = libdeflate_alloc_compressor(how->gzip);
        if (!p->deflater)
            st = sbl_error_memory(err, 0, "a compressor");
    }
    return st;
}

static void packer_close(struct packer *p)
{
    libdeflate_free_compressor(p->deflater);
    sbl_h5_scratch_clear(&p->scratch);
}

/* As its data set says; where gzip gains nothing it is left out, and its bit is set. */
static sabal_status filter(sbl_packed *packed, struct packer *p, sabal_error *err)
{
    sbl_h5_scratch *scratch = &p->scratch;
    const size_t    bytes   = p->grid.chunk_bytes;
    size_t          size;
    sabal_status    st;

    if (p->how.shuffle) {
        st = sbl_h5_grow(&scratch->work[0], &scratch->work_size[0], bytes, "shuffling a chunk", err);
        if (st)
            return st;
        sbl_h5_shuffle(scratch->work[0], packed->data, bytes, (size_t)p->how.element);
        packed->data = scratch->work[0];
    }
    if (!p->how.gzip)
        return SABAL_OK;
    st = sbl_h5_grow(&scratch->raw, &scratch->raw_size, bytes, "compressing a chunk", err);
    if (st)
        return st;
    size = libdeflate_zlib_compress(p->deflater, packed->data, bytes, scratch->raw, bytes - 1);
    if (size) {
        packed->data = scratch->raw;
        packed->size = size;
    } else {
        packed->mask = 1u << p->how.shuffle; /* gzip is the filter behind shuffle, if there is one */
    }
    return SABAL_OK;
}

static sabal_status pack(sbl_packed *packed, struct packer *p, int64_t i, const void *data, int64_t first, int64_t n,
                         sabal_error *err)
{
    const int64_t row = i * p->how.chunk_rows;

    *packed = (sbl_packed){.data = (const char *)data + (row - first) * p->how.row_bytes, .size = p->grid.chunk_bytes};
    if (row + p->how.chunk_rows > first + n) {
        sabal_status st = sbl_h5_grow(&p->scratch.chunk, &p->scratch.chunk_size, packed->size, "the last chunk", err);

        if (st)
            return st;
        sbl_h5_gather(p->scratch.chunk, &p->grid, i, data, first, n);
        packed->data = p->scratch.chunk;
    }
    return filter(packed, p, err);
}

sabal_status sbl_pack_each(const sbl_packing *how, int64_t first, int64_t n, const void *data, sbl_packed_fn *fn,
                           void *arg, sabal_error *err)
{
    struct packer p;
    sabal_error   failure = SABAL_ERROR_INIT;
    sabal_status  st      = sbl_packing_check(how, first, n, err);

    if (st)
        return st;
    st = packer_open(&p, how, &failure);
    for (int64_t i = first / how->chunk_rows; i * how->chunk_rows < first + n && !st; i++) {
        sbl_packed packed;

        st = pack(&packed, &p, i, data, first, n, &failure);
        if (st)
            break;
        st = fn(arg, i, &packed, err);
        if (st)
            goto done;
    }
    if (st)
        st = of_rows(err, &failure, first, n);
done:
    packer_close(&p);
    return st;
}

/* --- several, as a value -------------------------------------------------------------------------------------------- */

/* Such a value while it grows. */
struct heap {
    struct entry *entries;
    int64_t       first, rows, n; /* n: chunks so far */
    char         *bytes;
    size_t        size, room;
};

static sabal_status heap_add(void *arg, int64_t i, const sbl_packed *packed, sabal_error *err)
{
    struct heap *heap = arg;

    if (heap->room - heap->size < packed->size) {
        const size_t room = heap->size + heap->size / 2 + packed->size;
        char        *more = sbl_realloc(heap->bytes, room);

        if (!more) {
            sabal_error failure = SABAL_ERROR_INIT;

            sbl_error_memory(&failure, room, "compressed chunks");
            return of_rows(err, &failure, heap->first, heap->rows);
        }
        heap->bytes = more;
        heap->room  = room;
    }
    memcpy(heap->bytes + heap->size, packed->data, packed->size);
    heap->size += packed->size;
    heap->entries[heap->n++] = (struct entry){.end = heap->size, .mask = packed->mask};
    return SABAL_OK;
}

sabal_status sbl_pack_rows(sbl_value **value, const sbl_packing *how, const char *path, const char *dataset,
                           int64_t first, int64_t n, const void *data, sabal_error *err)
{
    const size_t table   = (size_t)(n / how->chunk_rows + 1) * sizeof(struct entry);
    struct heap  heap    = {.entries = sbl_alloc(table), .first = first, .rows = n};
    sabal_error  failure = SABAL_ERROR_INIT;
    size_t       used;
    void        *room;
    sabal_status st;

    if (!heap.entries) {
        sbl_error_memory(&failure, table, "a table of chunks");
        st = of_rows(&failure, &failure, first, n);
        goto done;
    }
    st = sbl_pack_each(how, first, n, data, heap_add, &heap, &failure);
    if (st)
        goto done;
    used = (size_t)heap.n * sizeof *heap.entries;
    st   = sbl_bytes_create(value, &room, used + heap.size, &failure);
    if (st) {
        of_rows(&failure, &failure, first, n);
        goto done;
    }
    memcpy(room, heap.entries, used);
    memcpy((char *)room + used, heap.bytes, heap.size);
done:
    sbl_free(heap.bytes);
    sbl_free(heap.entries);
    return st ? sbl_file_pass_here(err, &failure, path, dataset) : SABAL_OK;
}

sabal_status sbl_packed_get(sbl_packed *packed, const sbl_value *value, int64_t k, int64_t n, sabal_error *err)
{
    size_t              size;
    const struct entry *entries = sbl_value_data(value, &size);
    const size_t        table   = (size_t)n * sizeof *entries;
    uint64_t            begin;

    if (value->kind != SBL_BYTES || size < table)
        goto wrong;
    begin = k ? entries[k - 1].end : 0;
    if (begin > entries[k].end || entries[k].end > size - table)
        goto wrong;
    *packed = (sbl_packed){.data = (const char *)entries + table + begin,
                           .size = (size_t)(entries[k].end - begin),
                           .mask = entries[k].mask};
    return SABAL_OK;
wrong:
    return sbl_error_set(err, SABAL_EINTERNAL, "a value that is not %" PRId64 " chunks as a file has them", n);
}
