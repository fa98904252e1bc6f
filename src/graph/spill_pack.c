/*
 * A block is the length it takes (32 bits; the highest set: as it was, since it did not get shorter), then its bytes.
 * They follow each other without regard to blocks of the disk: what is left of one slice begins the next.
 */
#include "graph/spill_pack.h"

#include <inttypes.h>
#include <lz4.h>

#include "base/clock.h"
#include "base/error.h"

#define AS_IT_WAS   0x80000000u
#define ROUND_UP(n) (((n) + SBL_SPILL_BLOCK - 1) / SBL_SPILL_BLOCK * SBL_SPILL_BLOCK)

enum {
    MOST       = LZ4_COMPRESSBOUND(SBL_SPILL_PACK) + 4, /* a block and its length                                */
    LEFT       = ROUND_UP(MOST),                        /* room before what is read, for what was left           */
    SAMPLE     = 16 << 10,
    N_SAMPLES  = 4,
    ALWAYS_PAY = 4 /* so many times smaller: whatever the disk's speed, it saves space                            */
};
_Static_assert(SBL_SPILL_LANE - SBL_SPILL_BOUNCE - SBL_SPILL_PACK > LZ4_STREAM_MINSIZE, "the compressor's state fits");

uint64_t sbl_spill_pack_bound(uint64_t size)
{
    return size + (size + SBL_SPILL_PACK - 1) / SBL_SPILL_PACK * 4;
}

int sbl_spill_pack_pays(sbl_spill_stream whole, uint64_t size, double disk_ns, sbl_spill_lane *lane)
{
    uint64_t step   = size <= SAMPLE * N_SAMPLES ? SAMPLE : (size - SAMPLE) / (N_SAMPLES - 1);
    uint64_t before = 0, after = 0;
    int64_t  began = sbl_clock_ns();
    double   cost, ratio;

    if (size <= SBL_SPILL_BLOCK)
        return 0; /* it takes a block in any case */
    for (uint64_t at = 0; at < size && before < SAMPLE * N_SAMPLES; at += step) {
        const char *from;
        size_t      n;

        sbl_spill_stream_copy(&whole, NULL, (size_t)(at - whole.at));
        n    = size - at < SAMPLE ? (size_t)(size - at) : SAMPLE;
        from = sbl_spill_stream_take(&whole, lane->scratch, n, &n);
        before += n;
        after +=
            (uint64_t)LZ4_compress_fast_extState(lane->state, from, lane->bounce, (int)n, LZ4_COMPRESSBOUND(SAMPLE), 1);
    }
    cost  = (double)(sbl_clock_ns() - began) / (double)before;
    ratio = (double)after / (double)before;
    return ratio * ALWAYS_PAY <= 1 || (ratio < 0.9 && cost + ratio * disk_ns < disk_ns);
}

/* One block behind what is in the bounce. Returns the bytes it takes. */
static size_t pack_block(char *to, const char *from, size_t n, sbl_spill_lane *lane)
{
    uint32_t length = (uint32_t)LZ4_compress_fast_extState(lane->state, from, to + 4, (int)n, MOST - 4, 1);

    if (length >= n) {
        memcpy(to + 4, from, n);
        length = (uint32_t)n;
        memcpy(to, &(uint32_t){length | AS_IT_WAS}, 4);
    } else {
        memcpy(to, &length, 4);
    }
    return length + 4;
}

sabal_status sbl_spill_pack(sbl_spill_disk *disk, sbl_spill_stream *stream, int64_t at, uint64_t *stored,
                            XXH3_state_t *sum, sbl_spill_lane *lane, sabal_error *err)
{
    int64_t      begin  = at;
    size_t       filled = 0, n;
    const char  *from;
    sabal_status st;

    while (from = sbl_spill_stream_take(stream, lane->scratch, SBL_SPILL_PACK, &n), n) {
        XXH3_64bits_update(sum, from, n);
        filled += pack_block(lane->bounce + filled, from, n, lane);
        if (filled + MOST > SBL_SPILL_BOUNCE) {
            size_t whole = filled / SBL_SPILL_BLOCK * SBL_SPILL_BLOCK;

            st = sbl_spill_disk_write(disk, lane->bounce, whole, at, err);
            if (st)
                return st;
            at += (int64_t)whole;
            filled -= whole;
            memcpy(lane->bounce, lane->bounce + whole, filled);
        }
    }
    *stored = (uint64_t)(at - begin) + filled;
    if (!filled)
        return SABAL_OK;
    memset(lane->bounce + filled, 0, ROUND_UP(filled) - filled);
    return sbl_spill_disk_write(disk, lane->bounce, ROUND_UP(filled), at, err);
}

/* Compressed data on its way in: bytes from `at` to `end` of the bounce; more of them are on the disk. */
struct source {
    sbl_spill_disk    *disk;
    const sbl_spilled *spilled;
    char              *bounce;
    size_t             at, end;
    uint64_t           done; /* bytes that were read from the disk */
};

static sabal_status refill(struct source *s, sabal_error *err)
{
    size_t       left = s->end - s->at, n;
    uint64_t     more = s->spilled->stored - s->done;
    sabal_status st;

    memmove(s->bounce + LEFT - left, s->bounce + s->at, left);
    n      = more < SBL_SPILL_BOUNCE - LEFT ? (size_t)more : SBL_SPILL_BOUNCE - LEFT;
    st     = sbl_spill_disk_read(s->disk, s->bounce + LEFT, ROUND_UP(n), s->spilled->at + (int64_t)s->done, err);
    s->at  = LEFT - left;
    s->end = LEFT + n;
    s->done += n;
    return st;
}

/* The next n bytes. NULL, and no failure: there are fewer. */
static const char *get(struct source *s, size_t n, sabal_status *st, sabal_error *err)
{
    const char *at;

    *st = SABAL_OK;
    while (s->end - s->at < n && s->done < s->spilled->stored && !*st)
        *st = refill(s, err);
    if (*st || s->end - s->at < n)
        return NULL;
    at = s->bounce + s->at;
    s->at += n;
    return at;
}

/* 1: the block at `from` gave n bytes. */
static int unpack_block(char *to, size_t n, const char *from, uint32_t length)
{
    size_t taken = length & ~AS_IT_WAS;

    if (!(length & AS_IT_WAS))
        return LZ4_decompress_safe(from, to, (int)taken, (int)n) == (int)n;
    if (taken != n)
        return 0;
    memcpy(to, from, n);
    return 1;
}

sabal_status sbl_spill_unpack(sbl_spill_disk *disk, const sbl_spilled *spilled, char *room, XXH3_state_t *sum,
                              sbl_spill_lane *lane, sabal_error *err)
{
    struct source s = {.disk = disk, .spilled = spilled, .bounce = lane->bounce, .at = LEFT, .end = LEFT};
    sabal_status  st;
    uint64_t      at = 0;
    const char   *from;
    uint32_t      length;

    while (at < spilled->size) {
        size_t n = spilled->size - at < SBL_SPILL_PACK ? (size_t)(spilled->size - at) : SBL_SPILL_PACK;

        from = get(&s, 4, &st, err);
        if (!from)
            goto bad;
        memcpy(&length, from, 4);
        if ((length & ~AS_IT_WAS) > MOST - 4)
            goto bad;
        from = get(&s, length & ~AS_IT_WAS, &st, err);
        if (!from || !unpack_block(room + at, n, from, length))
            goto bad;
        XXH3_64bits_update(sum, room + at, n);
        at += n;
    }
    return SABAL_OK;
bad:
    if (st)
        return st;
    return sbl_error_set(err, SABAL_EIO,
                         "what was spilled to the folder %s at %" PRId64 " (%" PRIu64 " bytes compressed to %" PRIu64
                         ") can't be decompressed: it was changed there",
                         disk->folder, spilled->at, spilled->size, spilled->stored);
}
