#include "cluster/net/room.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"

static size_t aligned(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

sabal_status sbl_landing_begin(sbl_landing *l, const sbl_announce *a, sabal_error *err)
{
    size_t table  = sizeof *l->pieces * (1 + (size_t)a->n_pieces),
           starts = sizeof *l->starts * ((size_t)a->n_pieces + 1);
    char *own     = sbl_alloc(table + starts + a->head.size);

    if (!own)
        return sbl_error_memory(err, table + starts + a->head.size, "the pieces of a value");
    memset(l, 0, sizeof *l);
    l->pieces = (sabal_piece *)(void *)own;
    l->starts = (uint64_t *)(void *)(own + table);
    l->n      = a->n_pieces;
    l->total  = a->total;
    l->type   = a->type;
    if (a->head.size)
        memcpy(own + table + starts, a->head.data, a->head.size);
    l->pieces[0] = (sabal_piece){own + table + starts, a->head.size};
    l->starts[0] = 0;
    for (int32_t i = 0; i < l->n; i++) {
        l->pieces[1 + i] = (sabal_piece){NULL, sbl_announce_piece(a, i)};
        l->starts[i + 1] = l->starts[i] + l->pieces[1 + i].size;
    }
    return SABAL_OK;
}

/* A buffer that remembers its size. */
struct buffer {
    void  *memory;
    size_t size;
};

static void buffer_free(void *arg)
{
    struct buffer *b = arg;

    sbl_buffer_free(b->memory, b->size);
    sbl_free(b);
}

sabal_status sbl_landing_room(sbl_landing *l, sabal_error *err)
{
    struct buffer *b    = sbl_alloc(sizeof *b);
    size_t         size = 0;

    for (int32_t i = 1; i <= l->n; i++)
        size += i == l->n ? l->pieces[i].size : aligned(l->pieces[i].size);
    if (b)
        *b = (struct buffer){sbl_buffer_alloc(size), size};
    if (!b || !b->memory) {
        sbl_free(b);
        return sbl_error_memory(err, size, "a value from another process");
    }
    sbl_landing_at(l, b->memory, buffer_free, b);
    return SABAL_OK;
}

void sbl_landing_at(sbl_landing *l, const char *base, void (*release)(void *), void *arg)
{
    for (int32_t i = 1; i <= l->n; i++) {
        l->pieces[i].data = base;
        base += aligned(l->pieces[i].size);
    }
    l->release = release;
    l->arg     = arg;
}

/* The piece that has this byte: the last that begins at or before it. */
static int32_t piece_of(const sbl_landing *l, uint64_t offset)
{
    int32_t low = 0, high = l->n - 1;

    while (low < high) {
        int32_t middle = low + (high - low + 1) / 2;

        if (l->starts[middle] <= offset)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

int sbl_landing_runs(const sbl_landing *l, uint64_t offset, uint64_t size, struct iovec *runs, int32_t most)
{
    int32_t n = 0;

    if (offset > l->total || size > l->total - offset || !size)
        return -1;
    for (int32_t i = piece_of(l, offset); size; i++) {
        uint64_t inside = offset - l->starts[i], part = l->pieces[1 + i].size - inside;

        part = part < size ? part : size;
        if (!part)
            continue;
        if (n == most)
            return -1;
        runs[n++] = (struct iovec){(char *)(uintptr_t)l->pieces[1 + i].data + inside, part};
        offset += part;
        size -= part;
    }
    return n;
}

sabal_status sbl_landing_value(sbl_landing *l, sbl_value **value, sabal_error *err)
{
    const sabal_type *type = l->type.object.size ? sbl_code_find(&l->type) : NULL;
    sabal_status      st   = SABAL_OK;

    if (l->type.object.size && !type)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "the type of an object is not loaded here");
    st         = sbl_value_decode(value, l->pieces, 1 + l->n, &type, type != NULL, l->release, l->arg, err);
    l->release = NULL;
    if (!st)
        (*value)->own = (*value)->n_bytes; /* nobody else has these bytes in this process */
    return st;
}

void sbl_landing_clear(sbl_landing *l)
{
    if (l->release)
        l->release(l->arg);
    sbl_free(l->pieces);
    memset(l, 0, sizeof *l);
}
