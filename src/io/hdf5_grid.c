/*
 * The grid of chunks: which part of a chunk lies where among the rows asked for. A part is a box, copied as runs that
 * are as long as both sides allow.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "io/hdf5_chunk.h"

/* A box on its way between a chunk and rows: axes before `ndim` are walked, run bytes lie together on both sides. */
struct box {
    int32_t ndim;
    int64_t extent[SABAL_MAX_NDIM];
    int64_t in_chunk[SABAL_MAX_NDIM], in_rows[SABAL_MAX_NDIM]; /* bytes from one to the next along each axis */
    int64_t chunk_at, rows_at;                                 /* where it begins, in bytes */
    int64_t run;
    int     empty;
};

sabal_status sbl_h5_grid_finish(sbl_h5_grid *grid, sabal_error *err)
{
    int64_t bytes = (int64_t)grid->form.size, inner = 1, all = 0;
    int     over = 0;

    for (int32_t k = grid->ndim - 1; k >= 0; k--) {
        if (grid->chunk[k] < 1)
            return sbl_error_set(err, SABAL_EFORMAT, "chunks of %" PRId64 " along axis %d", grid->chunk[k], k);
        grid->count[k] = grid->shape[k] / grid->chunk[k] + (grid->shape[k] % grid->chunk[k] != 0);
        over |= __builtin_mul_overflow(bytes, grid->chunk[k], &bytes);
        if (k)
            over |= __builtin_mul_overflow(inner, grid->count[k], &inner);
        else
            over |= __builtin_mul_overflow(inner, grid->count[0], &all);
    }
    if (over || bytes > UINT32_MAX) /* the format has 32 bits for it */
        return sbl_error_set(err, SABAL_EFORMAT, "a chunk of 4 GiB or more, or more than 2^63 chunks");
    grid->n_inner     = inner;
    grid->n_chunks    = all;
    grid->chunk_bytes = (size_t)bytes;
    return SABAL_OK;
}

/* Chunk number i meets rows first .. first + n. */
static void box_set(struct box *box, const sbl_h5_grid *grid, int64_t i, int64_t first, int64_t n)
{
    int64_t at[SABAL_MAX_NDIM], low[SABAL_MAX_NDIM];
    int64_t chunk_step = (int64_t)grid->form.size, rows_step = chunk_step;

    memset(box, 0, sizeof *box);
    for (int32_t k = grid->ndim - 1; k >= 0; k--) {
        at[k] = i % grid->count[k] * grid->chunk[k];
        i /= grid->count[k];
    }
    for (int32_t k = grid->ndim - 1; k >= 0; k--) {
        int64_t begin = k ? 0 : first, end = k ? grid->shape[k] : first + n;

        low[k]           = at[k] > begin ? at[k] : begin;
        box->extent[k]   = (end - at[k] < grid->chunk[k] ? end : at[k] + grid->chunk[k]) - low[k];
        box->in_chunk[k] = chunk_step;
        box->in_rows[k]  = rows_step;
        box->chunk_at += (low[k] - at[k]) * chunk_step;
        box->rows_at += (low[k] - begin) * rows_step;
        box->empty |= box->extent[k] <= 0;
        chunk_step *= grid->chunk[k];
        rows_step *= grid->shape[k];
    }
    box->ndim = grid->ndim;
    box->run  = (int64_t)grid->form.size;
    while (box->ndim > 0 && box->in_chunk[box->ndim - 1] == box->run && box->in_rows[box->ndim - 1] == box->run)
        box->run *= box->extent[--box->ndim];
}

/* One run; short ones of a size the compiler knows don't call anything. */
static inline void copy_run(char *to, const char *from, int64_t run)
{
    if (run == 8)
        memcpy(to, from, 8);
    else if (run == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, (size_t)run);
}

static void fill_run(char *to, const char *fill, size_t size, int64_t run)
{
    for (int64_t i = 0; i < run; i += (int64_t)size)
        memcpy(to + i, fill, size);
}

/* Walks the box: the last walked axis in an inner loop, those before it as a counter. from NULL: fill. */
static void walk(const struct box *box, char *to, const int64_t *to_step, const char *from, const int64_t *from_step,
                 const char *fill, size_t size)
{
    int64_t at[SABAL_MAX_NDIM] = {0};
    int32_t last               = box->ndim - 1;
    int64_t n                  = last >= 0 ? box->extent[last] : 1;
    int64_t to_last = last >= 0 ? to_step[last] : 0, from_last = last >= 0 ? from_step[last] : 0;

    for (;;) {
        int32_t k = last - 1;

        if (from)
            for (int64_t i = 0; i < n; i++)
                copy_run(to + i * to_last, from + i * from_last, box->run);
        else
            for (int64_t i = 0; i < n; i++)
                fill_run(to + i * to_last, fill, size, box->run);
        for (; k >= 0; k--) {
            to += to_step[k];
            if (from)
                from += from_step[k];
            if (++at[k] < box->extent[k])
                break;
            to -= at[k] * to_step[k];
            if (from)
                from -= at[k] * from_step[k];
            at[k] = 0;
        }
        if (k < 0)
            return;
    }
}

int64_t sbl_h5_chunk_inside(const sbl_h5_grid *grid, int64_t i, int64_t first, int64_t n)
{
    struct box box;

    box_set(&box, grid, i, first, n);
    return !box.empty && box.ndim == 0 && box.run == (int64_t)grid->chunk_bytes ? box.rows_at : -1;
}

void sbl_h5_place(void *out, int64_t first, int64_t n, const sbl_h5_grid *grid, int64_t i, const void *chunk)
{
    struct box box;

    box_set(&box, grid, i, first, n);
    if (!box.empty)
        walk(&box, (char *)out + box.rows_at, box.in_rows, chunk ? (const char *)chunk + box.chunk_at : NULL,
             box.in_chunk, grid->fill, grid->form.size);
}

void sbl_h5_gather(void *chunk, const sbl_h5_grid *grid, int64_t i, const void *data, int64_t first, int64_t n)
{
    struct box box;

    box_set(&box, grid, i, first, n);
    memset(chunk, 0, grid->chunk_bytes);
    if (!box.empty)
        walk(&box, (char *)chunk + box.chunk_at, box.in_chunk, (const char *)data + box.rows_at, box.in_rows,
             grid->fill, grid->form.size);
}
