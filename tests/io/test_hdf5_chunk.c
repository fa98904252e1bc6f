/* Chunks as plain memory, beside naive loops. */
#include "io/hdf5_chunk.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static unsigned char *noise(size_t n)
{
    unsigned char *p = malloc(n + 1);
    uint32_t       x = 2463534242u;

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)((x ^= x << 13, x ^= x >> 17, x ^= x << 5) >> 11);
    return p;
}

Test(hdf5_chunk, unshuffling_is_the_naive_loop_for_any_size_of_element_and_number)
{
    static const size_t SIZES[]   = {1, 2, 3, 4, 5, 8, 12, 16, 24};
    static const size_t NUMBERS[] = {0, 1, 15, 16, 17, 31, 32, 100, 1023, 1024, 1025, 3000};

    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++)
        for (size_t k = 0; k < sizeof NUMBERS / sizeof *NUMBERS; k++)
            for (size_t rest = 0; rest < SIZES[s]; rest += 3) {
                size_t         n = NUMBERS[k], size = SIZES[s], bytes = n * size + rest;
                unsigned char *in = noise(bytes), *out = malloc(bytes + 1), *back = malloc(bytes + 1);
                int            right = 1;

                sbl_h5_unshuffle(out, in, bytes, size);
                for (size_t i = 0; i < n; i++)
                    for (size_t j = 0; j < size; j++)
                        right &= out[i * size + j] == in[j * n + i];
                right &= !memcmp(out + n * size, in + n * size, rest);
                sbl_h5_shuffle(back, out, bytes, size);
                right &= !memcmp(back, in, bytes);
                cr_expect(right);
                free(in);
                free(out);
                free(back);
            }
}

Test(hdf5_chunk, byte_order_is_turned_by_the_size_of_the_number)
{
    unsigned char a[16], b[16];

    for (int32_t swap = 2; swap <= 8; swap *= 2) {
        for (int i = 0; i < 16; i++)
            a[i] = b[i] = (unsigned char)i;
        sbl_h5_fix(a, 1, &(sbl_h5_form){.size = 16, .swap = swap});
        for (int i = 0; i < 16; i++)
            cr_expect_eq(a[i], b[i / swap * swap + swap - 1 - i % swap]);
    }
}

Test(hdf5_chunk, filters_that_can_be_undone_are_known)
{
    cr_expect(sbl_h5_can_decode((int32_t[]){2, 1}, 2));
    cr_expect(sbl_h5_can_decode((int32_t[]){3, 2, 1}, 3));
    cr_expect(sbl_h5_can_decode(NULL, 0));
    cr_expect_not(sbl_h5_can_decode((int32_t[]){1, 2}, 2));
    cr_expect_not(sbl_h5_can_decode((int32_t[]){1, 1}, 2));
    cr_expect_not(sbl_h5_can_decode((int32_t[]){4}, 1));
    cr_expect_not(sbl_h5_can_decode((int32_t[]){2, 32000}, 2));
}

/* A grid of 4-byte elements. */
static sbl_h5_grid grid_of(int32_t ndim, const int64_t *shape, const int64_t *chunk)
{
    sbl_h5_grid g = {.ndim = ndim, .form = {.size = 4}};

    memcpy(g.shape, shape, (size_t)ndim * 8);
    memcpy(g.chunk, chunk, (size_t)ndim * 8);
    memcpy(g.fill, "fill", 4);
    sbl_h5_grid_finish(&g, NULL);
    return g;
}

/* Element (i, j, k) of a (a, b, c) array is its number; each chunk holds the right numbers, 0xdead beyond the edge. */
static int placed(const int64_t *shape, const int64_t *chunk, int64_t first, int64_t n)
{
    sbl_h5_grid g   = grid_of(3, shape, chunk);
    int64_t     row = shape[1] * shape[2], cells = chunk[0] * chunk[1] * chunk[2];
    int32_t *out = malloc((size_t)(n * row) * 4), *data = malloc((size_t)cells * 4), *again = malloc((size_t)cells * 4);
    int      right = 1;

    memset(out, 0xee, (size_t)(n * row) * 4);
    for (int64_t c = 0; c < g.n_chunks; c++) {
        int64_t at[3] = {c / g.n_inner * chunk[0], c / g.count[2] % g.count[1] * chunk[1], c % g.count[2] * chunk[2]};

        for (int64_t e = 0; e < cells; e++) {
            int64_t i = at[0] + e / (chunk[1] * chunk[2]), j = at[1] + e / chunk[2] % chunk[1],
                    k = at[2] + e % chunk[2];

            data[e] = i < shape[0] && j < shape[1] && k < shape[2] ? (int32_t)(i * row + j * shape[2] + k) : 0xdead;
        }
        if (at[0] + chunk[0] <= first || at[0] >= first + n) {
            right &= sbl_h5_chunk_inside(&g, c, first, n) < 0;
            continue;
        }
        if (sbl_h5_chunk_inside(&g, c, first, n) >= 0)
            memcpy((char *)out + sbl_h5_chunk_inside(&g, c, first, n), data, (size_t)cells * 4);
        else
            sbl_h5_place(out, first, n, &g, c, data);
        /* And the way back, where all of the chunk's rows are among those given. */
        sbl_h5_gather(again, &g, c, out, first, n);
        for (int64_t e = 0; e < cells; e++) {
            int64_t i = at[0] + e / (chunk[1] * chunk[2]);

            right &= again[e] == (data[e] == 0xdead || i < first || i >= first + n ? 0 : data[e]);
        }
    }
    for (int64_t e = 0; e < n * row; e++)
        right &= out[e] == first * row + e;
    free(out);
    free(data);
    free(again);
    return right;
}

Test(hdf5_chunk, chunks_of_any_shape_are_placed_as_the_naive_loop_does)
{
    static const int64_t SHAPES[][3] = {{5, 4, 3}, {7, 1, 6}, {1, 1, 1}, {6, 5, 1}, {4, 6, 8}};
    static const int64_t CHUNKS[][3] = {{1, 1, 1}, {2, 3, 2}, {3, 4, 3}, {9, 9, 9}, {2, 6, 8}, {4, 1, 6}, {5, 4, 3}};

    for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++)
        for (size_t c = 0; c < sizeof CHUNKS / sizeof *CHUNKS; c++)
            for (int64_t first = 0; first < SHAPES[s][0]; first++)
                for (int64_t n = 1; n <= SHAPES[s][0] - first; n++)
                    cr_expect(placed(SHAPES[s], CHUNKS[c], first, n));
}

Test(hdf5_chunk, a_chunk_that_is_not_there_is_filled)
{
    const int64_t shape[] = {5, 3}, chunk[] = {2, 2};
    sbl_h5_grid   g = grid_of(2, shape, chunk);
    char          out[5][3][4];

    memset(out, '.', sizeof out);
    sbl_h5_place(out, 0, 5, &g, 3, NULL); /* chunk (1, 1): rows 2 and 3, column 2 */
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 3; j++)
            cr_expect_arr_eq(out[i][j], (i == 2 || i == 3) && j == 2 ? "fill" : "....", 4);
}

Test(hdf5_chunk, grids_beyond_reason_are_refused)
{
    const int64_t big[] = {INT64_MAX, INT64_MAX, INT64_MAX}, one[] = {1, 1, 1}, wide[] = {1 << 20, 1 << 20, 1};
    sbl_h5_grid   g = {.ndim = 3, .form = {.size = 4}};

    memcpy(g.shape, big, sizeof big);
    memcpy(g.chunk, one, sizeof one);
    cr_expect_eq(sbl_h5_grid_finish(&g, NULL), SABAL_EFORMAT);
    memcpy(g.shape, one, sizeof one);
    memcpy(g.chunk, wide, sizeof wide);
    cr_expect_eq(sbl_h5_grid_finish(&g, NULL), SABAL_EFORMAT);
    g.chunk[1] = 0;
    cr_expect_eq(sbl_h5_grid_finish(&g, NULL), SABAL_EFORMAT);
}

/* A chunk of 64 elements through shuffle, gzip and checksum, spoiled in one way at a time. */
static sabal_status decoded(sabal_error *err, size_t keep, long flip, size_t cells)
{
    const int64_t                 shape[] = {64}, chunk[] = {(int64_t)cells};
    sbl_h5_grid                   g       = grid_of(1, shape, chunk);
    sbl_h5_scratch                scratch = {0};
    struct libdeflate_compressor *c       = libdeflate_alloc_compressor(6);
    unsigned char                 data[256], shuffled[256], packed[512], *out = malloc(g.chunk_bytes);
    uint32_t                      sum;
    size_t                        n;
    sabal_status                  st;

    for (int i = 0; i < 256; i++)
        data[i] = (unsigned char)(i * i / 7);
    g.n_filters = 3;
    memcpy(g.filters, (int32_t[]){SBL_H5_SHUFFLE, SBL_H5_DEFLATE, SBL_H5_FLETCHER32}, 12);
    sbl_h5_shuffle(shuffled, data, 256, 4);
    n   = libdeflate_zlib_compress(c, shuffled, 256, packed, 500);
    sum = sbl_h5_fletcher32(packed, n);
    memcpy(packed + n, &sum, 4);
    if (flip >= 0)
        packed[(size_t)flip % n] ^= 0x10;
    st = sbl_h5_decode(out, &g, packed, keep < n + 4 ? keep : n + 4, 0, &scratch, err);
    if (!st)
        cr_expect_arr_eq(out, data, 256);
    sbl_h5_scratch_clear(&scratch);
    libdeflate_free_compressor(c);
    free(out);
    return st;
}

Test(hdf5_chunk, what_went_through_all_filters_comes_back)
{
    cr_expect_eq(decoded(NULL, SIZE_MAX, -1, 64), SABAL_OK);
}

Test(hdf5_chunk, a_flipped_bit_or_a_missing_byte_is_found)
{
    sabal_error err = SABAL_ERROR_INIT;

    for (long i = 0; i < 100; i++)
        cr_expect_eq(decoded(NULL, SIZE_MAX, i, 64), SABAL_EFORMAT);
    for (size_t keep = 0; keep < 50; keep++)
        cr_expect_eq(decoded(NULL, keep, -1, 64), SABAL_EFORMAT);
    cr_expect_eq(decoded(&err, 2, -1, 64), SABAL_EFORMAT);
    cr_expect_str_eq(err.message, "its 2 bytes are too few for a checksum");
}

Test(hdf5_chunk, more_or_fewer_bytes_than_a_chunk_are_an_error)
{
    sabal_error more = SABAL_ERROR_INIT, fewer = SABAL_ERROR_INIT;

    cr_expect_eq(decoded(&more, SIZE_MAX, -1, 63), SABAL_EFORMAT);
    cr_expect_str_eq(more.message, "it inflates to more than the 252 bytes of a chunk");
    cr_expect_eq(decoded(&fewer, SIZE_MAX, -1, 65), SABAL_EFORMAT);
    cr_expect_str_eq(fewer.message, "it inflates to 256 bytes, not to the 260 of a chunk");
}
