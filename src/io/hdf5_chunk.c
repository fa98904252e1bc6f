/*
 * Undoing the filters of one chunk. Nothing in the file is believed: each step knows how many bytes it must give.
 *
 * Filters were applied first to last and are undone last to first. What the last step gives goes straight to its
 * place; what lies between goes through two work buffers in turn.
 */
#include "io/hdf5_chunk.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

#define FLETCHER_BYTES 4

int sbl_h5_can_decode(const int32_t *filters, int32_t n_filters)
{
    int seen = 0;

    for (int32_t i = 0; i < n_filters; i++) {
        if (filters[i] < SBL_H5_DEFLATE || filters[i] > SBL_H5_FLETCHER32 || (seen & 1 << filters[i]))
            return 0;
        if (filters[i] == SBL_H5_SHUFFLE && (seen & 1 << SBL_H5_DEFLATE)) /* shuffled compressed bytes: of no use */
            return 0;
        seen |= 1 << filters[i];
    }
    return 1;
}

/*
 * Fletcher, An arithmetic checksum for serial transmissions, IEEE Trans. Commun. 30(1), 1982; over big-endian
 * 16-bit words, as HDF5 has it: sums are folded with their carries, so that 0 and 65535 stay apart.
 */
uint32_t sbl_h5_fletcher32(const void *data, size_t size)
{
    const unsigned char *p    = data;
    size_t               left = size / 2;
    uint32_t             a = 0, b = 0;

    while (left) {
        size_t n = left < 360 ? left : 360; /* as many as fit before b overflows */

        left -= n;
        for (; n; n--, p += 2) {
            a += (uint32_t)p[0] << 8 | p[1];
            b += a;
        }
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    if (size % 2) {
        a += (uint32_t)*p << 8;
        b += a;
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
    return b << 16 | a;
}

static sabal_status check_fletcher(const unsigned char *data, size_t size, sabal_error *err)
{
    const unsigned char *p      = data + size;
    uint32_t             stored = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    uint32_t             sum    = sbl_h5_fletcher32(data, size), turned;

    turned = (sum & 0x00ff00ff) << 8 | (sum >> 8 & 0x00ff00ff); /* how HDF5 up to 1.6.2 stored it */
    if (stored != sum && stored != turned)
        return sbl_error_set(err, SABAL_EFORMAT, "its checksum is %08x, but its bytes give %08x", stored, sum);
    return SABAL_OK;
}

static sabal_status inflate_exactly(void *out, size_t out_size, const void *in, size_t size, sbl_h5_scratch *scratch,
                                    sabal_error *err)
{
    size_t                 got = 0;
    enum libdeflate_result r;

    if (!scratch->inflater)
        scratch->inflater = libdeflate_alloc_decompressor();
    if (!scratch->inflater)
        return sbl_error_memory(err, 0, "a decompressor");
    r = libdeflate_zlib_decompress(scratch->inflater, in, size, out, out_size, &got);
    if (r == LIBDEFLATE_INSUFFICIENT_SPACE)
        return sbl_error_set(err, SABAL_EFORMAT, "it inflates to more than the %zu bytes of a chunk", out_size);
    if (r != LIBDEFLATE_SUCCESS)
        return sbl_error_set(err, SABAL_EFORMAT, "its %zu bytes are no valid zlib stream", size);
    if (got != out_size)
        return sbl_error_set(err, SABAL_EFORMAT, "it inflates to %zu bytes, not to the %zu of a chunk", got, out_size);
    return SABAL_OK;
}

sabal_status sbl_h5_grow(void **room, size_t *have, size_t size, const char *what, sabal_error *err)
{
    if (*have >= size && *room)
        return SABAL_OK;
    sbl_buffer_free(*room, *have);
    *have = 0;
    *room = sbl_buffer_alloc(size);
    if (!*room)
        return sbl_error_memory(err, size, what);
    *have = size;
    return SABAL_OK;
}

void sbl_h5_scratch_clear(sbl_h5_scratch *scratch)
{
    sbl_buffer_free(scratch->raw, scratch->raw_size);
    sbl_buffer_free(scratch->work[0], scratch->work_size[0]);
    sbl_buffer_free(scratch->work[1], scratch->work_size[1]);
    sbl_buffer_free(scratch->chunk, scratch->chunk_size);
    libdeflate_free_decompressor(scratch->inflater);
    memset(scratch, 0, sizeof *scratch);
}

/* Bytes that filter number `from` was given when it wrote: those of a chunk, and the checksums put on before it. */
static size_t size_before(const sbl_h5_grid *grid, int32_t from, uint32_t mask)
{
    size_t size = grid->chunk_bytes;

    for (int32_t i = 0; i < from; i++)
        if (grid->filters[i] == SBL_H5_FLETCHER32 && !(mask >> i & 1))
            size += FLETCHER_BYTES;
    return size;
}

static int any_before(const sbl_h5_grid *grid, int32_t from, uint32_t mask)
{
    for (int32_t i = 0; i < from; i++)
        if (!(mask >> i & 1))
            return 1;
    return 0;
}

sabal_status sbl_h5_decode(void *out, const sbl_h5_grid *grid, const void *raw, size_t size, uint32_t mask,
                           sbl_h5_scratch *scratch, sabal_error *err)
{
    const void  *at   = raw;
    int          turn = 0;
    sabal_status st;

    for (int32_t i = grid->n_filters - 1; i >= 0; i--) {
        size_t want = size_before(grid, i, mask);
        void  *to   = out;

        if (mask >> i & 1)
            continue;
        if (grid->filters[i] == SBL_H5_FLETCHER32) {
            if (size < FLETCHER_BYTES)
                return sbl_error_set(err, SABAL_EFORMAT, "its %zu bytes are too few for a checksum", size);
            size -= FLETCHER_BYTES;
            st = check_fletcher(at, size, err);
            if (st)
                return st;
            continue;
        }
        if (any_before(grid, i, mask)) {
            st = sbl_h5_grow(&scratch->work[turn], &scratch->work_size[turn], want, "a chunk being decoded", err);
            if (st)
                return st;
            to = scratch->work[turn];
            turn ^= 1;
        }
        if (grid->filters[i] == SBL_H5_DEFLATE) {
            st = inflate_exactly(to, want, at, size, scratch, err);
            if (st)
                return st;
        } else {
            if (size != want)
                return sbl_error_set(err, SABAL_EFORMAT, "it has %zu bytes, not the %zu of a chunk", size, want);
            sbl_h5_unshuffle(to, at, size, grid->form.size);
        }
        at   = to;
        size = want;
    }
    if (size != grid->chunk_bytes)
        return sbl_error_set(err, SABAL_EFORMAT, "it has %zu bytes, not the %zu of a chunk", size, grid->chunk_bytes);
    if (at != out)
        memcpy(out, at, size);
    sbl_h5_fix(out, (int64_t)(size / grid->form.size), &grid->form);
    return SABAL_OK;
}

char *sbl_h5_chunk_name(char text[64], const sbl_h5_grid *grid, int64_t i)
{
    size_t  at    = 0;
    int64_t below = grid->n_chunks;

    for (int32_t k = 0; k < grid->ndim && at < 40; k++) {
        below /= grid->count[k];
        at += (size_t)snprintf(text + at, 64 - at, "%s%" PRId64, k ? ", " : "(", i / below);
        i %= below;
    }
    snprintf(text + at, 64 - at, ")");
    return text;
}
