/*
 * One chunk as it may lie in a damaged file: filters undone, the rest put among rows. The first bytes of the input say
 * what the data set is like, the others are the chunk. Where a chunk can be put in one piece, both ways must agree.
 */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "io/hdf5_chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 14 };

static void set_grid(sbl_h5_grid *g, const uint8_t *head)
{
    static const size_t  SIZES[]        = {1, 2, 4, 8, 16, 3};
    static const int32_t PIPELINES[][3] = {{0}, {1}, {2, 1}, {2}, {3}, {2, 1, 3}, {3, 2, 1}, {1, 3}, {2, 3}, {3, 1}};
    const int32_t       *pipeline       = PIPELINES[head[1] % (sizeof PIPELINES / sizeof *PIPELINES)];

    g->ndim         = 1 + head[0] % 3;
    g->form.size    = SIZES[head[2] % 6];
    g->form.swap    = head[3] % 2 && g->form.size % 2 == 0 ? (int32_t)(g->form.size < 8 ? g->form.size : 8) : 0;
    g->form.is_bool = g->form.size == 1 && head[3] % 2;
    for (int32_t k = 0; k < g->ndim; k++) {
        g->shape[k] = 1 + head[4 + k] % 20;
        g->chunk[k] = 1 + head[7 + k] % 20;
    }
    for (; g->n_filters < 3 && pipeline[g->n_filters]; g->n_filters++)
        g->filters[g->n_filters] = pipeline[g->n_filters];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sbl_h5_grid    g       = {.fill = "0123456789abcde"};
    sbl_h5_scratch scratch = {0};
    sabal_error    err     = SABAL_ERROR_INIT;
    int64_t        i, first, n, row = 1, at;
    char          *chunk, *out, *raw;

    if (size < HEAD)
        return 0;
    set_grid(&g, data);
    if (!sbl_h5_can_decode(g.filters, g.n_filters) || sbl_h5_grid_finish(&g, NULL))
        abort();
    for (int32_t k = 1; k < g.ndim; k++)
        row *= g.shape[k];
    i     = data[10] % g.n_chunks;
    first = data[11] % g.shape[0];
    n     = 1 + data[12] % (g.shape[0] - first);
    raw   = malloc(size - HEAD + 1); /* of the exact size, so that a byte too far is seen */
    chunk = malloc(g.chunk_bytes);
    out   = calloc((size_t)(n * row), g.form.size);
    memcpy(raw, data + HEAD, size - HEAD);
    if (!sbl_h5_decode(chunk, &g, raw, size - HEAD, data[13], &scratch, &err)) {
        sbl_h5_place(out, first, n, &g, i, chunk);
        at = sbl_h5_chunk_inside(&g, i, first, n);
        if (at >= 0 && memcmp(out + at, chunk, g.chunk_bytes))
            abort();
        sbl_h5_gather(chunk, &g, i, out, first, n);
    } else if (!err.message[0] || err.status != SABAL_EFORMAT) {
        abort();
    }
    sbl_h5_place(out, first, n, &g, i, NULL);
    sbl_h5_scratch_clear(&scratch);
    free(raw);
    free(chunk);
    free(out);
    return 0;
}
