/* Values that a name describes: made by who holds them, compared by who gets them. */
#ifndef SBL_TESTS_VALUES_H
#define SBL_TESTS_VALUES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/net/plane.h"

/* name.task; attempt is the size or number. */
enum { V_BYTES = 1, V_SHARED, V_ARRAY, V_OBJECT, V_MISSING, V_LATER, V_ECHO, V_NEVER, V_PLANT, V_STRIDED };

static inline uint8_t byte_at(uint64_t seed, size_t i)
{
    uint64_t x = (i / 8 + 1) * 0x9e3779b97f4a7c15u ^ seed;

    return (uint8_t)((x ^ x >> 29) >> 8 * (i % 8));
}

static inline void fill(void *to, size_t n, uint64_t seed)
{
    uint64_t *words = to;
    size_t    i;

    for (i = 0; i < n / 8; i++) {
        uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u ^ seed;

        words[i] = x ^ x >> 29;
    }
    for (i *= 8; i < n; i++)
        ((uint8_t *)to)[i] = byte_at(seed, i);
}

static inline int is_filled(const void *at, size_t n, uint64_t seed)
{
    const uint64_t *words = at;
    size_t          i;

    for (i = 0; i < n / 8; i++) {
        uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u ^ seed;

        if (words[i] != (x ^ x >> 29))
            return 0;
    }
    for (i *= 8; i < n; i++)
        if (((const uint8_t *)at)[i] != byte_at(seed, i))
            return 0;
    return 1;
}

/* An object of many pieces: piece i has (i * 37) % 1001 bytes. */
typedef struct parts {
    int32_t  n;
    uint8_t *piece[];
} parts;

static size_t part_size(int32_t i)
{
    return (size_t)i * 37 % 1001;
}

static void parts_destroy(void *object)
{
    parts *p = object;

    for (int32_t i = 0; i < p->n; i++)
        free(p->piece[i]);
    free(p);
}

static int32_t parts_encode(const void *object, sabal_piece *pieces, int32_t n)
{
    const parts *p = object;

    for (int32_t i = 0; pieces && i < n; i++)
        pieces[i] = (sabal_piece){p->piece[i], part_size(i)};
    return p->n;
}

static parts *parts_make(int32_t n)
{
    parts *p = calloc(1, sizeof *p + (size_t)n * sizeof(void *));

    p->n = n;
    for (int32_t i = 0; i < n; i++) {
        p->piece[i] = malloc(part_size(i) + 8);
        fill(p->piece[i], part_size(i), (uint64_t)i);
    }
    return p;
}

static void *parts_decode(const sabal_piece *pieces, int32_t n)
{
    parts *p = parts_make(n);

    for (int32_t i = 0; i < n; i++)
        if (pieces[i].size != part_size(i) || memcmp(pieces[i].data, p->piece[i], pieces[i].size)) {
            parts_destroy(p);
            return NULL;
        }
    return p;
}

static const sabal_type PARTS = {.struct_size = sizeof(sabal_type),
                                 .name        = "parts",
                                 .destroy     = parts_destroy,
                                 .encode      = parts_encode,
                                 .decode      = parts_decode};

static inline sbl_value *make_value(sbl_plane *plane, sbl_value_name name)
{
    size_t     n     = name.attempt;
    sbl_value *value = NULL;
    void      *room;

    if (name.task == V_SHARED) {
        sbl_segment *segment;

        if (sbl_plane_room(&segment, &room, plane, n, NULL))
            return NULL;
        fill(room, n, n);
        sbl_segment_seal(segment, room);
        sbl_bytes_wrap(&value, segment->base, n, sbl_segment_release, segment, NULL);
    } else if (name.task == V_ARRAY || name.task == V_STRIDED) {
        sabal_ndarray *a, *view;

        if (sbl_ndarray_create(&a, &room, SABAL_FLOAT64, 2, (int64_t[]){(int64_t)n, 10}, NULL))
            return NULL;
        fill(room, n * 80, n);
        value = (sbl_value *)(void *)a;
        if (name.task == V_STRIDED) { /* every second column, backwards in rows: has to be gathered */
            sbl_ndarray_view(&view, a, (char *)room + (n - 1) * 80, 2, (int64_t[]){(int64_t)n, 5}, (int64_t[]){-80, 16},
                             NULL);
            sbl_handle_release(a);
            value = (sbl_value *)(void *)view;
        }
    } else if (name.task == V_OBJECT) {
        sbl_object_create(&value, parts_make((int32_t)n), &PARTS, NULL);
    } else if (!sbl_bytes_create(&value, &room, n, NULL)) {
        fill(room, n, n);
    }
    return value;
}

static inline int is_right(const sbl_value *value, sbl_value_name name)
{
    size_t      n    = name.attempt, size;
    const void *data = sbl_value_data(value, &size);

    if (name.task == V_OBJECT)
        return sbl_object_get(value, &PARTS) && ((parts *)sbl_object_get(value, &PARTS))->n == (int32_t)n;
    if (name.task == V_STRIDED) {
        const sabal_ndarray *a     = (const sabal_ndarray *)(const void *)value;
        double              *whole = malloc(n * 80), *out = malloc(n * 40);
        int                  right = value->kind == SBL_NDARRAY && sbl_ndarray_bytes(a) == n * 40;

        fill(whole, n * 80, n);
        sbl_ndarray_copy_out(out, a);
        for (size_t i = 0; i < n && right; i++)
            for (size_t j = 0; j < 5; j++)
                right &= !memcmp(&out[i * 5 + j], &whole[(n - 1 - i) * 10 + 2 * j], 8);
        free(whole);
        free(out);
        return right;
    }
    if (name.task == V_ARRAY)
        return value->kind == SBL_NDARRAY && size == n * 80 && is_filled(data, size, n);
    return value->kind == SBL_BYTES && size == n && is_filled(data, n, n);
}

#endif
