#include "value/value.h"

#include <stdlib.h>
#include <string.h>

#include <sabal/memory.h>

#include "base/alloc.h"
#include "support/test.h"

static int  released;
static void count_release(void *arg)
{
    released++;
    free(arg);
}

/* What arrives elsewhere: all pieces in one block, each where a transport would put it (at a multiple of 64). */
static void *carry(sabal_piece *pieces, const sbl_encoded *e, size_t skew)
{
    size_t size = 64;
    char  *block;

    for (int32_t i = 0; i < e->n_pieces; i++)
        size += (e->pieces[i].size + 63) / 64 * 64 + 64;
    block = aligned_alloc(64, size);
    size  = 0;
    for (int32_t i = 0; i < e->n_pieces; i++) {
        if (e->pieces[i].size)
            memcpy(block + size + skew, e->pieces[i].data, e->pieces[i].size);
        pieces[i] = (sabal_piece){block + size + skew, e->pieces[i].size};
        size += (e->pieces[i].size + 63) / 64 * 64 + 64;
    }
    return block;
}

static sbl_value *through(const sbl_value *v, const sabal_type *const *types, int32_t n_types, size_t skew)
{
    sabal_piece pieces[100];
    sabal_error err = SABAL_ERROR_INIT;
    sbl_encoded e;
    sbl_value  *got;
    void       *block;
    int32_t     n;

    cr_assert_eq(sbl_value_encode(&e, v, &err), SABAL_OK);
    block = carry(pieces, &e, skew);
    n     = e.n_pieces;
    sbl_encoded_clear(&e);
    cr_assert_eq(sbl_value_decode(&got, pieces, n, types, n_types, count_release, block, &err), SABAL_OK);
    return got;
}

Test(encode, bytes_come_back_without_a_copy)
{
    const size_t sizes[] = {0, 1, 8, 100, 100000};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sbl_value  *v, *got;
        sbl_encoded e;
        size_t      size;
        void       *room;

        cr_assert_eq(sbl_bytes_create(&v, &room, sizes[i], NULL), SABAL_OK);
        memset(room, 3, sizes[i]);
        cr_assert_eq(sbl_value_encode(&e, v, NULL), SABAL_OK);
        cr_expect_eq(e.n_pieces, 2);
        cr_expect_eq(e.pieces[1].data, room);
        sbl_encoded_clear(&e);
        released = 0;
        got      = through(v, NULL, 0, 0);
        cr_expect_eq(released, sizes[i] == 0);
        cr_expect_arr_eq(sbl_value_data(got, &size), room, sizes[i]);
        cr_expect_eq(size, sizes[i]);
        sbl_value_release(got);
        cr_expect_eq(released, 1);
        sbl_value_release(v);
    }
}

/* The elements of both in C order are the same. */
static void expect_same(const sabal_ndarray *a, const sabal_ndarray *b)
{
    size_t bytes = sbl_ndarray_bytes(a);
    char  *x = malloc(bytes + 1), *y = malloc(bytes + 1);

    cr_assert_eq(sabal_ndarray_dtype(a), sabal_ndarray_dtype(b));
    cr_assert_eq(sabal_ndarray_ndim(a), sabal_ndarray_ndim(b));
    for (int32_t i = 0; i < sabal_ndarray_ndim(a); i++)
        cr_assert_eq(sabal_ndarray_extent(a, i), sabal_ndarray_extent(b, i));
    sbl_ndarray_copy_out(x, a);
    sbl_ndarray_copy_out(y, b);
    cr_expect_arr_eq(x, y, bytes);
    free(x);
    free(y);
}

Test(encode, arrays_come_back_and_only_gaps_and_backward_strides_are_copied)
{
    static const double data[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                    13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
    const struct {
        int32_t ndim;
        int64_t shape[3], strides[3];
        int     copied;
        size_t  sent;
    } cases[] = {
        {2, {4, 6}, {48, 8}, 0, 192},        /* C order */
        {2, {6, 4}, {8, 48}, 0, 192},        /* Fortran order */
        {3, {2, 3, 4}, {32, 64, 8}, 0, 192}, /* axes exchanged */
        {2, {5, 4}, {0, 8}, 0, 32},          /* one row, repeated */
        {2, {4, 3}, {48, 8}, 1, 96},         /* gaps */
        {1, {5}, {-8}, 1, 40},               /* backwards */
        {0, {0}, {0}, 0, 8},                 /* a number */
        {2, {0, 6}, {48, 8}, 0, 0},          /* nothing */
        {1, {1}, {800}, 0, 8},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t skew = 0; skew < 2; skew++) {
            sabal_ndarray *a;
            sbl_encoded    e;
            sbl_value     *got;

            cr_assert_eq(sbl_ndarray_wrap(&a, data + (cases[i].strides[0] < 0 ? 10 : 0), SABAL_FLOAT64, cases[i].ndim,
                                          cases[i].shape, cases[i].strides, NULL, NULL, NULL),
                         SABAL_OK);
            cr_assert_eq(sbl_value_encode(&e, (sbl_value *)(void *)a, NULL), SABAL_OK);
            cr_expect_eq(e.pieces[1].size, cases[i].sent);
            cr_expect_eq(e.pieces[1].data != sabal_ndarray_data(a), cases[i].copied);
            sbl_encoded_clear(&e);
            released = 0;
            got      = through((sbl_value *)(void *)a, NULL, 0, skew);
            cr_expect_eq(released, skew || !cases[i].sent);
            expect_same(a, (sabal_ndarray *)(void *)got);
            cr_expect_eq(got->n_bytes, cases[i].sent);
            sbl_value_release(got);
            cr_expect_eq(released, 1);
            sbl_handle_release(a);
        }
}

/* A user's type of two parts. */
typedef struct pair {
    int64_t number;
    char   *text;
} pair;
static int32_t pieces_told = 2;
static int32_t pair_encode(const void *object, sabal_piece *pieces, int32_t n)
{
    const pair *p = object;

    if (pieces) {
        pieces[0] = (sabal_piece){&p->number, sizeof p->number};
        pieces[1] = (sabal_piece){p->text, strlen(p->text)};
    }
    return pieces ? 2 : pieces_told;
}
static void *pair_decode(const sabal_piece *pieces, int32_t n)
{
    pair *p;

    if (n != 2 || pieces[0].size != 8)
        return NULL;
    p = malloc(sizeof *p);
    memcpy(&p->number, pieces[0].data, 8);
    p->text = strndup(pieces[1].data, pieces[1].size);
    return p;
}
static void pair_destroy(void *object)
{
    free(((pair *)object)->text);
    free(object);
}
static const sabal_type PAIR = {
    .struct_size = sizeof PAIR, .name = "pair", .destroy = pair_destroy, .encode = pair_encode, .decode = pair_decode};
static const sabal_type MUTE = {.struct_size = sizeof MUTE, .name = "mute", .destroy = pair_destroy};

static sbl_value *a_pair(const sabal_type *type)
{
    sbl_value *v;
    pair      *p = malloc(sizeof *p);

    *p = (pair){42, strdup("answer")};
    cr_assert_eq(sbl_object_create(&v, p, type, NULL), SABAL_OK);
    return v;
}

Test(encode, objects_come_back_as_what_their_type_makes_of_them)
{
    const sabal_type *types[] = {&MUTE, &PAIR};
    sbl_value        *v       = a_pair(&PAIR), *got;
    pair             *p;

    released = 0;
    got      = through(v, types, 2, 0);
    cr_expect_eq(released, 1);
    p = sbl_object_get(got, &PAIR);
    cr_assert_not_null(p);
    cr_expect_eq(p->number, 42);
    cr_expect_str_eq(p->text, "answer");
    sbl_value_release(got);
    sbl_value_release(v);
}

Test(encode, objects_that_cannot_travel_say_so)
{
    sbl_value  *v = a_pair(&MUTE), *w = a_pair(&PAIR);
    sabal_error err = SABAL_ERROR_INIT;
    sbl_encoded e;

    cr_expect_eq(sbl_value_encode(&e, v, &err), SABAL_EUNSUPPORTED);
    cr_expect_str_eq(err.message,
                     "an object of type 'mute' can't leave this process: the type has no encode and decode");
    pieces_told = -3;
    err         = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_value_encode(&e, w, &err), SABAL_EUNSUPPORTED);
    cr_expect_str_eq(err.message, "an object of type 'pair' can't be encoded: its encode() returned -3");
    pieces_told = 70000;
    err         = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_value_encode(&e, w, &err), SABAL_EUNSUPPORTED);
    cr_expect_str_eq(err.message, "an object of type 'pair' is described in 70000 pieces, of which 65536 are possible");
    pieces_told = 3;
    err         = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_value_encode(&e, w, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "encode() of type 'pair' told two numbers of pieces: 3, then another");
    pieces_told = 2;
    sbl_value_release(v);
    sbl_value_release(w);
}

/* A header and one piece of data, to be spoiled. */
struct wire {
    uint32_t magic;
    uint16_t version;
    uint8_t  kind, dtype;
    uint32_t size, n_pieces, ndim, name_length;
    uint64_t data_size;
    int64_t  shape[2], strides[2];
};
static const struct wire GOOD = {0x5342414c, 1, SBL_NDARRAY, SABAL_INT32, 64, 1, 2, 0, 24, {2, 3}, {12, 4}};
static int32_t           room[64];

static void expect_refused(const struct wire *w, size_t size, size_t data_size, const char *message)
{
    sabal_piece pieces[2] = {{w, size}, {room, data_size}};
    sabal_error err       = SABAL_ERROR_INIT;
    sbl_value  *v         = NULL;

    released = 0;
    cr_expect_eq(sbl_value_decode(&v, pieces, 2, NULL, 0, count_release, NULL, &err), SABAL_EFORMAT);
    cr_expect_null(v);
    cr_expect_eq(released, 1);
    cr_expect_str_eq(err.message, message);
}

Test(encode, nothing_in_a_header_is_believed)
{
    struct wire w;

#define SPOIL(change, message)                                                                                         \
    w = GOOD;                                                                                                          \
    change;                                                                                                            \
    expect_refused(&w, sizeof w, 24, message)
    SPOIL(w.magic = 0x4c414253, "a value encoded on a machine of the other byte order");
    SPOIL(w.magic = 1, "no encoded value: it begins with 0x00000001, not 0x5342414c");
    SPOIL(w.version = 2, "a value encoded in version 2 of the format: this is version 1");
    SPOIL(w.kind = 9; w.ndim = 0; w.dtype = 0;
          w.size = 32, "the header of an encoded value has 64 bytes, says 32 and should have 32");
    SPOIL(w.ndim = 33, "an encoded value of kind 2 with 33 dimensions, 1 pieces, a name of 0 bytes");
    SPOIL(w.name_length = 5, "an encoded value of kind 2 with 2 dimensions, 1 pieces, a name of 5 bytes");
    SPOIL(w.n_pieces = 0xffffffff,
          "an encoded value of kind 2 with 2 dimensions, 4294967295 pieces, a name of 0 bytes");
    SPOIL(w.kind = SBL_BYTES, "an encoded value of kind 1 with 2 dimensions, 1 pieces, a name of 0 bytes");
    SPOIL(w.ndim = 1, "the header of an encoded value has 64 bytes, says 64 and should have 48");
    SPOIL(w.size = 63, "the header of an encoded value has 64 bytes, says 63 and should have 64");
    SPOIL(w.data_size = 23, "piece 0 of an encoded value should have 23 bytes, and has 24");
    SPOIL(w.dtype = 0, "an encoded array: 0 is no dtype");
    SPOIL(w.dtype = 200, "an encoded array: 200 is no dtype");
    SPOIL(w.shape[0] = -2, "an encoded array: extent -2 along axis 0");
    SPOIL(w.shape[0] = INT64_MAX,
          "an encoded array: a shape of more than 2^63 bytes (axis 0 has extent 9223372036854775807)");
    SPOIL(w.shape[0] = 3, "an encoded array whose shape and strides don't fit its 24 bytes");
    SPOIL(w.shape[0] = 0, "an encoded array whose shape and strides don't fit its 24 bytes");
    SPOIL(w.strides[0] = -12, "an encoded array with stride -12 along axis 0, of elements of 4 bytes");
    SPOIL(w.strides[1] = 3, "an encoded array with stride 3 along axis 1, of elements of 4 bytes");
    SPOIL(w.strides[0] = INT64_MAX - 3, "an encoded array whose shape and strides don't fit its 24 bytes");
    SPOIL(w.strides[0] = 8, "an encoded array whose shape and strides don't fit its 24 bytes");
    w = GOOD;
    expect_refused(&w, 23, 24, "an encoded value of 23 bytes: its header alone takes 24");
    w.kind = 9, w.ndim = 0, w.dtype = 0, w.size = 32;
    expect_refused(&w, 32, 24, "an encoded value of kind 9, which is unknown");
}

Test(encode, pieces_that_are_missing_or_too_many_are_told)
{
    sabal_piece pieces[3] = {{&GOOD, sizeof GOOD}, {NULL, 24}, {room, 24}};
    sabal_error err       = SABAL_ERROR_INIT;
    sbl_value  *v         = NULL;

    cr_expect_eq(sbl_value_decode(&v, pieces, 2, NULL, 0, NULL, NULL, &err), SABAL_EFORMAT);
    cr_expect_str_eq(err.message, "piece 0 of an encoded value is missing (NULL)");
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_value_decode(&v, pieces, 3, NULL, 0, NULL, NULL, &err), SABAL_EFORMAT);
    cr_expect_str_eq(err.message, "an encoded value of 1 pieces came in 2");
    cr_expect_eq(sbl_value_decode(&v, pieces, 0, NULL, 0, NULL, NULL, NULL), SABAL_EFORMAT);
    cr_expect_null(v);
}

Test(encode, an_unknown_or_empty_type_name_is_told)
{
    static struct {
        uint32_t magic;
        uint16_t version;
        uint8_t  kind, dtype;
        uint32_t size, n_pieces, ndim, name_length;
        char     name[8];
    } w                       = {0x5342414c, 1, SBL_OBJECT, 0, 28, 0, 0, 4, "pa\001r"};
    const sabal_type *types[] = {&PAIR, &MUTE};
    sabal_piece       piece   = {&w, 28};
    sabal_error       err     = SABAL_ERROR_INIT;
    sbl_value        *v       = NULL;

    cr_expect_eq(sbl_value_decode(&v, &piece, 1, types, 2, NULL, NULL, &err), SABAL_EFORMAT);
    cr_expect_str_eq(err.message, "the type 'pa?r' of an encoded object is not known here");
    memcpy(w.name, "mute", 4);
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_value_decode(&v, &piece, 1, types, 2, NULL, NULL, &err), SABAL_EFORMAT);
    cr_expect_str_eq(err.message, "the type 'mute' of an encoded object has no decode here");
    memcpy(w.name, "pair", 4);
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_value_decode(&v, &piece, 1, types, 2, NULL, NULL, &err), SABAL_EFORMAT);
    cr_expect_str_eq(err.message, "decode() of type 'pair' made no object from 0 pieces");
    memcpy(w.name, "p\0ir", 4);
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_value_decode(&v, &piece, 1, types, 2, NULL, NULL, &err), SABAL_EFORMAT);
    cr_expect_str_eq(err.message, "an encoded object whose type has no name");
    cr_expect_null(v);
}

Test(encode, every_failed_allocation_is_reported_and_the_pieces_let_go)
{
    const sabal_type *types[] = {&PAIR};
    sabal_ndarray    *array;
    sabal_memory      before = {.struct_size = sizeof before}, after = before;
    sbl_value        *values[3];
    void             *data;

    cr_assert_eq(sbl_bytes_create(&values[0], &data, 100, NULL), SABAL_OK);
    memset(data, 0, 100);
    cr_assert_eq(sbl_ndarray_wrap(&array, room, SABAL_INT32, 1, (int64_t[]){8}, (int64_t[]){8}, NULL, NULL, NULL),
                 SABAL_OK);
    values[1] = (sbl_value *)(void *)array;
    values[2] = a_pair(&PAIR);
    sabal_memory_get(&before);
    for (int i = 0; i < 3; i++)
        for (size_t skew = 0; skew < 2; skew++) {
            sabal_status st  = SABAL_ENOMEM;
            sbl_value   *got = NULL;
            sbl_encoded  e;

            sbl_alloc_fail(1, 0);
            cr_expect_eq(sbl_value_encode(&e, values[i], NULL), SABAL_ENOMEM);
            sbl_alloc_fail(0, 0);
            for (int64_t nth = 1; st == SABAL_ENOMEM; nth++) {
                sabal_piece pieces[3];
                void       *block;

                cr_assert_eq(sbl_value_encode(&e, values[i], NULL), SABAL_OK);
                block    = carry(pieces, &e, skew);
                released = 0;
                sbl_alloc_fail(nth, 0);
                st = sbl_value_decode(&got, pieces, e.n_pieces, types, 1, count_release, block, NULL);
                sbl_alloc_fail(0, 0);
                cr_expect_eq(released, st || skew || i == 2);
                sbl_encoded_clear(&e);
            }
            cr_expect_eq(st, SABAL_OK);
            sbl_value_release(got);
        }
    sabal_memory_get(&after);
    cr_expect_eq(after.in_use, before.in_use);
    for (int i = 0; i < 3; i++)
        sbl_value_release(values[i]);
}
