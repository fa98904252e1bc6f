#include "cluster/net/announce.h"

#include <string.h>

enum { HAS_DATA = 1, IS_SHARED = 2, HAS_TYPE = 4, FLOWS = 8, MAX_PIECES = 65536, TYPE_SIZE = SBL_BUILD_ID + 8 + 8 + 8 };

size_t sbl_announce_size(const sbl_announce *a)
{
    return 32 + (a->is_shared ? 24 : 0) + (a->type.object.size ? TYPE_SIZE : 0) + 8 * (size_t)a->n_pieces +
           a->head.size + (a->has_data ? a->total : 0);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
    if (n)
        memcpy(at, bytes, n);
    return at + n;
}

void sbl_announce_put(uint8_t *at, const sbl_announce *a, const sabal_piece *pieces)
{
    const int      has_type   = a->type.object.size != 0;
    const uint64_t begin[4]   = {(uint64_t)((a->has_data ? HAS_DATA : 0) | (a->is_shared ? IS_SHARED : 0) |
                                          (has_type ? HAS_TYPE : 0) | (a->flows ? FLOWS : 0)),
                                 (uint64_t)a->n_pieces, a->total, a->head.size};
    const uint64_t segment[3] = {a->segment, a->segment_size, a->offset};
    const uint64_t type[3]    = {a->type.object.size, a->type.is_data, a->type.offset};

    at = put(at, begin, sizeof begin);
    if (a->is_shared)
        at = put(at, segment, sizeof segment);
    if (has_type) {
        at = put(at, a->type.object.bytes, SBL_BUILD_ID);
        at = put(at, type, sizeof type);
    }
    for (int32_t i = 0; i < a->n_pieces; i++)
        at = put(at, &(uint64_t){pieces[i].size}, 8);
    at = put(at, a->head.data, a->head.size);
    for (int32_t i = 0; i < a->n_pieces && a->has_data; i++)
        at = put(at, pieces[i].data, pieces[i].size);
}

static int get_type(sbl_code *type, sbl_cursor *c)
{
    const void *bytes = sbl_cursor_bytes(c, SBL_BUILD_ID);
    uint64_t    size  = sbl_cursor_u64(c);

    if (!bytes || size == 0 || size > SBL_BUILD_ID)
        return 0;
    memcpy(type->object.bytes, bytes, SBL_BUILD_ID);
    type->object.size = (uint8_t)size;
    type->is_data     = sbl_cursor_u64(c) != 0;
    type->offset      = sbl_cursor_u64(c);
    return !c->failed;
}

uint64_t sbl_announce_piece(const sbl_announce *a, int32_t i)
{
    uint64_t n;

    memcpy(&n, a->sizes + 8 * (size_t)i, 8);
    return n;
}

/* The pieces are as large as they say in all; in a segment, they lie in it. */
static int sizes_fit(const sbl_announce *a)
{
    uint64_t sum = 0, at = a->offset;

    for (int32_t i = 0; i < a->n_pieces; i++) {
        uint64_t size = sbl_announce_piece(a, i);

        if (size > UINT64_MAX / 4 || (sum += size) > UINT64_MAX / 4)
            return 0;
        if (a->is_shared && (at > a->segment_size || size > a->segment_size - at))
            return 0;
        at += (size + 63) & ~(uint64_t)63;
    }
    return sum == a->total;
}

int sbl_announce_get(sbl_announce *a, const uint8_t *body, size_t size)
{
    sbl_cursor c     = {body, size, 0};
    uint64_t   flags = sbl_cursor_u64(&c), n = sbl_cursor_u64(&c);

    memset(a, 0, sizeof *a);
    a->total     = sbl_cursor_u64(&c);
    a->head.size = sbl_cursor_u64(&c);
    if (c.failed || n > MAX_PIECES || flags & ~(uint64_t)(HAS_DATA | IS_SHARED | HAS_TYPE | FLOWS))
        return 0;
    a->n_pieces  = (int32_t)n;
    a->has_data  = (flags & HAS_DATA) != 0;
    a->is_shared = (flags & IS_SHARED) != 0;
    a->flows     = (flags & FLOWS) != 0;
    if (a->is_shared) {
        a->segment      = sbl_cursor_u64(&c);
        a->segment_size = sbl_cursor_u64(&c);
        a->offset       = sbl_cursor_u64(&c);
    }
    if (flags & HAS_TYPE && !get_type(&a->type, &c))
        return 0;
    a->sizes     = sbl_cursor_bytes(&c, 8 * (size_t)n);
    a->head.data = sbl_cursor_bytes(&c, a->head.size);
    if (c.failed || (a->is_shared && a->has_data) || (a->flows && (a->is_shared || a->has_data || !a->total)) ||
        !sizes_fit(a))
        return 0;
    if (a->has_data)
        a->data = sbl_cursor_bytes(&c, a->total);
    return !c.failed && c.left == 0;
}
