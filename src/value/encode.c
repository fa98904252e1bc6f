/*
 * Encoding: a header that says all there is to say, then the memory of the value as it is. Nothing is added up or
 * hashed: transports do that. Numbers are in the machine's byte order, and the first of them tells whether that is ours.
 *
 *   struct header, then n_pieces sizes of the data pieces (uint64), then
 *     of an n-d array  ndim extents and ndim strides in bytes (int64); strides never negative
 *     of an object     the name of its type, name_length bytes
 */
#include "value/value.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

#define MAGIC 0x5342414cu /* "SBAL" */

enum { VERSION = 1, MAX_PIECES = 65536 };

struct header {
    uint32_t magic;
    uint16_t version;
    uint8_t  kind;
    uint8_t  dtype; /* of an n-d array, else 0 */
    uint32_t size;  /* of all of the header    */
    uint32_t n_pieces;
    uint32_t ndim;        /* of an n-d array, else 0 */
    uint32_t name_length; /* of an object, else 0    */
};
_Static_assert(sizeof(struct header) == 24, "the header crosses the wire");

/* One buffer: the pieces, the header, and, of a chunk with gaps, its elements gathered. Returns where the variable
   part of the header begins; NULL (SABAL_ENOMEM) if there is no memory. */
static char *begin(sbl_encoded *e, struct header *h, size_t variable, size_t gathered, char **elements,
                   sabal_error *err)
{
    size_t table = (1 + (size_t)h->n_pieces) * sizeof(sabal_piece),
           size  = sizeof *h + 8 * (size_t)h->n_pieces + variable;
    size_t start = (table + size + 63) / 64 * 64;
    char  *own   = sbl_buffer_alloc(start + gathered);

    if (!own) {
        sbl_error_memory(err, start + gathered, "encoding a value");
        return NULL;
    }
    h->magic   = MAGIC;
    h->version = VERSION;
    h->size    = (uint32_t)size;
    *e         = (sbl_encoded){.pieces   = (sabal_piece *)(void *)own,
                               .n_pieces = 1 + (int32_t)h->n_pieces,
                               .own      = own,
                               .own_size = start + gathered};
    memcpy(own + table, h, sizeof *h);
    ((sabal_piece *)(void *)own)[0] = (sabal_piece){own + table, size};
    *elements                       = own + start;
    return own + table + sizeof *h;
}

static char *put(char *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

static sabal_status encode_bytes(sbl_encoded *e, const sbl_value *value, sabal_error *err)
{
    struct header h = {.kind = SBL_BYTES, .n_pieces = 1};
    sabal_piece   data;
    char         *elements, *at = begin(e, &h, 0, 0, &elements, err);

    if (!at)
        return SABAL_ENOMEM;
    data.data = sbl_value_data(value, &data.size);
    put(at, &(uint64_t){data.size}, 8);
    ((sabal_piece *)e->own)[1] = data;
    return SABAL_OK;
}

static sabal_status encode_ndarray(sbl_encoded *e, const sabal_ndarray *a, sabal_error *err)
{
    int32_t       ndim = sabal_ndarray_ndim(a);
    struct header h    = {
           .kind = SBL_NDARRAY, .dtype = (uint8_t)sabal_ndarray_dtype(a), .n_pieces = 1, .ndim = (uint32_t)ndim};
    const int64_t *shape = sbl_ndarray_shape(a), *strides = sbl_ndarray_strides(a);
    size_t         item = sabal_dtype_size(sabal_ndarray_dtype(a)), bytes = sbl_ndarray_bytes(a);
    int64_t        low, high, c_strides[SABAL_MAX_NDIM];
    sabal_piece    data = {.data = sabal_ndarray_data(a)};
    char          *at, *elements = NULL;
    int            gather;

    sbl_strides_span(&low, &high, item, ndim, shape, strides); /* did not overflow when the array was made */
    gather    = low < 0 || (size_t)high > bytes;
    data.size = bytes == 0 ? 0 : gather ? bytes : (size_t)high;
    at        = begin(e, &h, 16 * (size_t)ndim, gather ? bytes : 0, &elements, err);
    if (!at)
        return SABAL_ENOMEM;
    if (gather) {
        sbl_ndarray_copy_out(elements, a);
        data.data = elements;
    }
    if (gather || bytes == 0) {
        sbl_strides_c(c_strides, item, ndim, shape);
        strides = c_strides;
    }
    at = put(at, &(uint64_t){data.size}, 8);
    at = put(at, shape, 8 * (size_t)ndim);
    put(at, strides, 8 * (size_t)ndim);
    ((sabal_piece *)e->own)[1] = data;
    return SABAL_OK;
}

static sabal_status encode_object(sbl_encoded *e, const sbl_value *value, sabal_error *err)
{
    const sabal_type *type = sbl_object_type(value);
    void             *object;
    struct header     h = {.kind = SBL_OBJECT, .name_length = (uint32_t)strlen(type->name)};
    sabal_piece      *pieces;
    char             *at, *elements;
    int32_t           n;

    if (!type->encode || !type->decode)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             "an object of type '%s' can't leave this process: the type has no encode and decode",
                             type->name);
    object = sbl_object_get(value, type);
    n      = type->encode(object, NULL, 0);
    if (n < 0 || n > MAX_PIECES)
        return sbl_error_set(err, SABAL_EUNSUPPORTED,
                             n < 0 ? "an object of type '%s' can't be encoded: its encode() returned %d"
                                   : "an object of type '%s' is described in %d pieces, of which 65536 are possible",
                             type->name, n);
    h.n_pieces = (uint32_t)n;
    at         = begin(e, &h, h.name_length, 0, &elements, err);
    if (!at)
        return SABAL_ENOMEM;
    pieces = (sabal_piece *)e->own + 1;
    if (n && type->encode(object, pieces, n) != n) {
        sbl_encoded_clear(e);
        return sbl_error_set(err, SABAL_EINVAL, "encode() of type '%s' told two numbers of pieces: %d, then another",
                             type->name, n);
    }
    for (int32_t i = 0; i < n; i++)
        at = put(at, &(uint64_t){pieces[i].size}, 8);
    put(at, type->name, h.name_length);
    return SABAL_OK;
}

sabal_status sbl_value_encode(sbl_encoded *encoded, const sbl_value *value, sabal_error *err)
{
    switch (value->kind) {
    case SBL_NDARRAY:
        return encode_ndarray(encoded, (const sabal_ndarray *)(const void *)value, err);
    case SBL_OBJECT:
        return encode_object(encoded, value, err);
    default:
        return encode_bytes(encoded, value, err);
    }
}

void sbl_encoded_clear(sbl_encoded *encoded)
{
    sbl_buffer_free(encoded->own, encoded->own_size);
    *encoded = (sbl_encoded){0};
}

/* What is being decoded: pieces, the fixed part of the header, and how far the rest of it was read. */
struct decoding {
    const sabal_piece *pieces; /* without the header */
    struct header      h;
    const char        *at; /* behind the sizes */
    void (*release)(void *);
    void *arg;
};

static sabal_status check_header(struct decoding *d, const sabal_piece *pieces, int32_t n_pieces, sabal_error *err)
{
    size_t   wanted;
    uint64_t size;

    if (n_pieces < 1 || pieces[0].size < sizeof d->h)
        return sbl_error_set(err, SABAL_EFORMAT, "an encoded value of %zu bytes: its header alone takes %zu",
                             n_pieces < 1 ? (size_t)0 : pieces[0].size, sizeof d->h);
    memcpy(&d->h, pieces[0].data, sizeof d->h);
    if (d->h.magic == __builtin_bswap32(MAGIC))
        return sbl_error_set(err, SABAL_EFORMAT, "a value encoded on a machine of the other byte order");
    if (d->h.magic != MAGIC)
        return sbl_error_set(err, SABAL_EFORMAT, "no encoded value: it begins with 0x%08x, not 0x%08x", d->h.magic,
                             MAGIC);
    if (d->h.version != VERSION)
        return sbl_error_set(err, SABAL_EFORMAT, "a value encoded in version %u of the format: this is version %u",
                             d->h.version, VERSION);
    if (d->h.ndim > SABAL_MAX_NDIM || d->h.name_length > SBL_MAX_TYPE_NAME || d->h.n_pieces > MAX_PIECES ||
        (d->h.kind != SBL_NDARRAY && (d->h.ndim || d->h.dtype)) || (d->h.kind != SBL_OBJECT && d->h.name_length))
        return sbl_error_set(err, SABAL_EFORMAT,
                             "an encoded value of kind %u with %u dimensions, %u pieces, a name of %u bytes", d->h.kind,
                             d->h.ndim, d->h.n_pieces, d->h.name_length);
    wanted = sizeof d->h + 8 * (size_t)d->h.n_pieces + 16 * (size_t)d->h.ndim + d->h.name_length;
    if (d->h.size != wanted || pieces[0].size != wanted)
        return sbl_error_set(err, SABAL_EFORMAT,
                             "the header of an encoded value has %zu bytes, says %u and should have %zu",
                             pieces[0].size, d->h.size, wanted);
    if (d->h.n_pieces != (uint32_t)n_pieces - 1)
        return sbl_error_set(err, SABAL_EFORMAT, "an encoded value of %u pieces came in %d", d->h.n_pieces,
                             n_pieces - 1);
    d->pieces = pieces + 1;
    d->at     = (const char *)pieces[0].data + sizeof d->h;
    for (uint32_t i = 0; i < d->h.n_pieces; i++, d->at += 8) {
        memcpy(&size, d->at, 8);
        if (size != d->pieces[i].size)
            return sbl_error_set(err, SABAL_EFORMAT, "piece %u of an encoded value should have %llu bytes, and has %zu",
                                 i, (unsigned long long)size, d->pieces[i].size);
        if (size && !d->pieces[i].data)
            return sbl_error_set(err, SABAL_EFORMAT, "piece %u of an encoded value is missing (NULL)", i);
    }
    return SABAL_OK;
}

/* Ends the pieces; for when the value is not to keep them. */
static void let_go(struct decoding *d)
{
    if (d->release)
        d->release(d->arg);
    d->release = NULL;
}

static sabal_status decode_bytes(sbl_value **value, struct decoding *d, sabal_error *err)
{
    void (*release)(void *) = d->release;
    sabal_status st;
    void        *room;

    if (d->h.n_pieces != 1)
        return sbl_error_set(err, SABAL_EFORMAT, "encoded bytes in %u pieces, not 1", d->h.n_pieces);
    if (d->pieces[0].size && !((uintptr_t)d->pieces[0].data & 15)) {
        d->release = NULL; /* taken over, also on failure */
        return sbl_bytes_wrap(value, d->pieces[0].data, d->pieces[0].size, release, d->arg, err);
    }
    st = sbl_bytes_create(value, &room, d->pieces[0].size, err);
    if (!st && d->pieces[0].size)
        memcpy(room, d->pieces[0].data, d->pieces[0].size);
    return st;
}

static sabal_status check_strides(const int64_t *shape, const int64_t *strides, int64_t size, size_t item, int32_t ndim,
                                  size_t have, sabal_error *err)
{
    int64_t low, high;

    for (int32_t i = 0; i < ndim; i++)
        if (strides[i] < 0 || strides[i] % (int64_t)item)
            return sbl_error_set(err, SABAL_EFORMAT,
                                 "an encoded array with stride %lld along axis %d, of elements of %zu bytes",
                                 (long long)strides[i], i, item);
    if (size == 0 && have == 0)
        return SABAL_OK;
    if (size == 0 || sbl_strides_span(&low, &high, item, ndim, shape, strides) || (uint64_t)high != have)
        return sbl_error_set(err, SABAL_EFORMAT, "an encoded array whose shape and strides don't fit its %zu bytes",
                             have);
    return SABAL_OK;
}

static sabal_status decode_ndarray(sbl_value **value, struct decoding *d, sabal_error *err)
{
    void (*release)(void *) = d->release;
    sabal_dtype    dtype    = (sabal_dtype)d->h.dtype;
    size_t         item     = sabal_dtype_size(dtype);
    int32_t        ndim     = (int32_t)d->h.ndim;
    int64_t        shape[SABAL_MAX_NDIM], strides[SABAL_MAX_NDIM], size;
    const char    *data;
    sabal_error    shape_error = SABAL_ERROR_INIT;
    sabal_ndarray *a;
    sabal_status   st;
    void          *copy = NULL;

    if (d->h.n_pieces != 1)
        return sbl_error_set(err, SABAL_EFORMAT, "an encoded array in %u pieces, not 1", d->h.n_pieces);
    memcpy(shape, d->at, 8 * (size_t)ndim);
    memcpy(strides, d->at + 8 * ndim, 8 * (size_t)ndim);
    if (sbl_shape_check(&size, dtype, ndim, shape, &shape_error))
        return sbl_error_set(err, SABAL_EFORMAT, "an encoded array: %s", shape_error.message);
    st = check_strides(shape, strides, size, item, ndim, d->pieces[0].size, err);
    if (st)
        return st;
    data = d->pieces[0].data;
    if ((uintptr_t)data % (item < 16 ? item : 8) || size == 0) { /* rare: moved to where elements may lie */
        sabal_ndarray *view;

        st = sbl_ndarray_create(&a, &copy, dtype, 1, (int64_t[]){(int64_t)(d->pieces[0].size / item)}, err);
        if (st)
            return st;
        if (size)
            memcpy(copy, data, d->pieces[0].size);
        st = sbl_ndarray_view(&view, a, copy, ndim, shape, strides, err);
        if (!st)
            ((sbl_value *)(void *)view)->n_bytes = d->pieces[0].size;
        sbl_handle_release(a);
        a = view;
    } else {
        d->release = NULL; /* taken over, also on failure */
        st         = sbl_ndarray_wrap(&a, data, dtype, ndim, shape, strides, release, d->arg, err);
    }
    if (!st)
        *value = (sbl_value *)(void *)a;
    return st;
}

static sabal_status decode_object(sbl_value **value, struct decoding *d, const sabal_type *const *types,
                                  int32_t n_types, sabal_error *err)
{
    const sabal_type *type = NULL;
    char              name[SBL_MAX_TYPE_NAME + 1];
    void             *object;

    memcpy(name, d->at, d->h.name_length);
    name[d->h.name_length] = 0;
    if (!name[0] || strlen(name) != d->h.name_length)
        return sbl_error_set(err, SABAL_EFORMAT, "an encoded object whose type has no name");
    for (int32_t i = 0; i < n_types && !type; i++)
        if (types[i]->name && !strcmp(types[i]->name, name))
            type = types[i];
    if (!type || !type->decode) {
        for (char *c = name; *c; c++)
            *c = *c > ' ' && *c < 127 ? *c : '?';
        return sbl_error_set(err, SABAL_EFORMAT,
                             type ? "the type '%s' of an encoded object has no decode here"
                                  : "the type '%s' of an encoded object is not known here",
                             name);
    }
    object = type->decode(d->pieces, (int32_t)d->h.n_pieces);
    if (!object)
        return sbl_error_set(err, SABAL_EFORMAT, "decode() of type '%s' made no object from %u pieces", type->name,
                             d->h.n_pieces);
    return sbl_object_create(value, object, type, err);
}

sabal_status sbl_value_decode(sbl_value **value, const sabal_piece *pieces, int32_t n_pieces,
                              const sabal_type *const *types, int32_t n_types, void (*release)(void *), void *arg,
                              sabal_error *err)
{
    struct decoding d = {.release = release, .arg = arg};
    sabal_status    st;

    st = check_header(&d, pieces, n_pieces, err);
    if (st)
        goto done;
    if (d.h.kind == SBL_BYTES)
        st = decode_bytes(value, &d, err);
    else if (d.h.kind == SBL_NDARRAY)
        st = decode_ndarray(value, &d, err);
    else if (d.h.kind == SBL_OBJECT)
        st = decode_object(value, &d, types, n_types, err);
    else
        st = sbl_error_set(err, SABAL_EFORMAT, "an encoded value of kind %u, which is unknown", d.h.kind);
done:
    let_go(&d);
    return st;
}
