/*
 * An encoded value of any bytes: the first two are the length of the header, then come the lengths of up to three
 * more pieces, then their bytes. What is decoded is used whole, printed, encoded again, and must be the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value/value.h"

enum { MOST = 1 << 20, MOST_PIECES = 4 };

static void must(int condition)
{
    if (!condition)
        abort();
}

/* A type that keeps its first piece. */
typedef struct blob {
    size_t size;
    char   data[];
} blob;
static int32_t blob_encode(const void *object, sabal_piece *pieces, int32_t n)
{
    const blob *b = object;

    if (pieces)
        pieces[0] = (sabal_piece){b->data, b->size};
    return 1;
}
static void *blob_decode(const sabal_piece *pieces, int32_t n)
{
    blob *b = n == 1 ? malloc(sizeof *b + pieces[0].size) : NULL;

    if (!b)
        return NULL;
    b->size = pieces[0].size;
    if (b->size)
        memcpy(b->data, pieces[0].data, b->size);
    return b;
}
static const sabal_type BLOB = {
    .struct_size = sizeof BLOB, .name = "blob", .destroy = free, .encode = blob_encode, .decode = blob_decode};

static int  n_releases;
static void released(void *arg)
{
    n_releases++;
}

static char sum_of(const sbl_value *v)
{
    size_t      size;
    const char *data = sbl_value_data(v, &size);
    char        sum  = 0;

    if (v->kind == SBL_BYTES)
        for (size_t i = 0; i < size; i++)
            sum = (char)(sum ^ data[i]);
    return sum;
}

static void use_array(const sabal_ndarray *a, FILE *sink)
{
    char *copy;

    if (sbl_ndarray_bytes(a) > MOST)
        return;
    copy = malloc(sbl_ndarray_bytes(a) + 1);
    sbl_ndarray_copy_out(copy, a);
    free(copy);
    if (sabal_ndarray_size(a) <= 64) /* deep ones are long */
        must(sabal_ndarray_print(a, sink, NULL) == SABAL_OK);
}

static void round_trip(const sbl_value *v, const sabal_type *const *types)
{
    sbl_encoded e;
    sbl_value  *again;

    if (v->kind == SBL_NDARRAY && sbl_ndarray_bytes((const sabal_ndarray *)(const void *)v) > MOST)
        return;
    must(sbl_value_encode(&e, v, NULL) == SABAL_OK);
    must(sbl_value_decode(&again, e.pieces, e.n_pieces, types, 1, NULL, NULL, NULL) == SABAL_OK);
    must(again->kind == v->kind && sum_of(again) == sum_of(v));
    sbl_value_release(again);
    sbl_encoded_clear(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const sabal_type *types[] = {&BLOB};
    static FILE      *sink;
    sabal_piece       pieces[MOST_PIECES];
    sabal_error       err      = SABAL_ERROR_INIT;
    sbl_value        *v        = NULL;
    int32_t           n_pieces = 0;
    void             *blocks[MOST_PIECES];

    if (!sink)
        sink = fopen("/dev/null", "w");
    while (n_pieces < MOST_PIECES && n >= 2) {
        size_t size = bytes[0] | (size_t)bytes[1] << 8;

        size             = size < n - 2 ? size : n - 2;
        blocks[n_pieces] = malloc(size + !size); /* exactly: what is read beyond is seen */
        memcpy(blocks[n_pieces], bytes + 2, size);
        pieces[n_pieces] = (sabal_piece){blocks[n_pieces], size};
        n_pieces++;
        bytes += 2 + size;
        n -= 2 + size;
    }
    n_releases = 0;
    if (sbl_value_decode(&v, pieces, n_pieces, types, 1, released, NULL, &err)) {
        must(!v && err.message[0] && !strchr(err.message, '\n') && n_releases == 1);
    } else {
        sum_of(v);
        if (v->kind == SBL_NDARRAY)
            use_array((const sabal_ndarray *)(const void *)v, sink);
        round_trip(v, types);
        sbl_value_release(v);
        must(n_releases == 1);
    }
    for (int32_t i = 0; i < n_pieces; i++)
        free(blocks[i]);
    return 0;
}
