/* Encoded: the number of pieces, their sizes, their bytes. Objects are not told: their types would have to be named, too. */
#include "cluster/told.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

enum { MOST_PIECES = 8 };

static uint32_t tell_encoded(char bytes[SBL_INLINE], const sbl_encoded *e)
{
    size_t   at = 4 + 4 * (size_t)e->n_pieces, total = at;
    uint32_t n = (uint32_t)e->n_pieces;

    if (n > MOST_PIECES)
        return SBL_ELSEWHERE;
    for (uint32_t i = 0; i < n && total <= SBL_INLINE; i++)
        total = e->pieces[i].size <= SBL_INLINE ? total + e->pieces[i].size : SBL_INLINE + 1;
    if (total > SBL_INLINE)
        return SBL_ELSEWHERE;
    memcpy(bytes, &n, 4);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t size = (uint32_t)e->pieces[i].size;

        memcpy(bytes + 4 + 4 * i, &size, 4);
        if (size)
            memcpy(bytes + at, e->pieces[i].data, size);
        at += size;
    }
    return (uint32_t)total | SBL_ENCODED;
}

uint32_t sbl_value_tell(char bytes[SBL_INLINE], const sbl_value *value)
{
    sbl_encoded e;
    uint32_t    n;
    size_t      size;
    const void *data = sbl_value_data(value, &size);

    if (value->kind == SBL_OBJECT || size > SBL_INLINE)
        return SBL_ELSEWHERE;
    if (value->kind == SBL_BYTES) {
        if (size)
            memcpy(bytes, data, size);
        return (uint32_t)size;
    }
    if (sbl_value_encode(&e, value, NULL))
        return SBL_ELSEWHERE;
    n = tell_encoded(bytes, &e);
    sbl_encoded_clear(&e);
    return n;
}

static sabal_status plain(sbl_value **value, const char *bytes, uint32_t n, sabal_error *err)
{
    void        *room;
    sabal_status st = sbl_bytes_create(value, &room, n, err);

    if (!st && n)
        memcpy(room, bytes, n);
    return st;
}

static void release_copy(void *arg)
{
    sbl_buffer_free(arg, SBL_INLINE + 64 * MOST_PIECES);
}

/* Each piece where its elements may lie. */
static sabal_status encoded(sbl_value **value, const char *bytes, uint32_t size, sabal_error *err)
{
    sabal_piece pieces[MOST_PIECES];
    uint32_t    n = 0;
    size_t      at, to = 0;
    char       *room;

    if (size >= 4)
        memcpy(&n, bytes, 4);
    at = 4 + 4 * (size_t)n;
    if (!n || n > MOST_PIECES || at > size)
        return sbl_error_set(err, SABAL_EFORMAT, "a small value that makes no sense");
    room = sbl_buffer_alloc(SBL_INLINE + 64 * MOST_PIECES);
    if (!room)
        return sbl_error_memory(err, SBL_INLINE, "a small value");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t piece;

        memcpy(&piece, bytes + 4 + 4 * i, 4);
        if (piece > size - at) {
            release_copy(room);
            return sbl_error_set(err, SABAL_EFORMAT, "a small value that is cut short");
        }
        memcpy(room + to, bytes + at, piece);
        pieces[i] = (sabal_piece){room + to, piece};
        at += piece;
        to = (to + piece + 63) & ~(size_t)63;
    }
    return sbl_value_decode(value, pieces, (int32_t)n, NULL, 0, release_copy, room, err);
}

sabal_status sbl_value_told(sbl_value **value, const char *bytes, uint32_t n, sabal_error *err)
{
    return n & SBL_ENCODED ? encoded(value, bytes, SBL_BYTES_OF(n), err) : plain(value, bytes, n, err);
}
