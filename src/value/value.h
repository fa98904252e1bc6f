/*
 * What flows between tasks: immutable, counted values. Bytes, dense n-d chunks, objects of the user's types.
 * A sabal_ndarray is a value of the kind SBL_NDARRAY, so that a result can be handed out as it is.
 */
#ifndef SBL_VALUE_VALUE_H
#define SBL_VALUE_VALUE_H

#include <sabal/value.h>

#include "base/handle.h"

typedef enum sbl_value_kind { SBL_BYTES = 1, SBL_NDARRAY = 2, SBL_OBJECT = 3 } sbl_value_kind;

/** The common part; begins every value. */
typedef struct sbl_value {
    sbl_handle     handle;
    sbl_value_kind kind;
    size_t         n_bytes;          /* of data it keeps alive, for the accounting; a view counts nothing of its own */
    size_t         own;              /* of these, bytes that are there for this value alone, and go with it */
    _Atomic(struct sbl_held *) held; /* the graph's record of it, as a result that may leave memory; NULL */
    _Atomic(struct sbl_value *)
        twin; /* its pieces, as encoded, in memory that other processes can map, once it was sent; NULL: none */
} sbl_value;

/** Flat bytes, aligned to 64 from 64 bytes on, to 16 below; *room is to be filled before the value is published. */
sabal_status sbl_bytes_create(sbl_value **value, void **room, size_t size, sabal_error *err);

/** Bytes over somebody else's memory; release as for sbl_ndarray_wrap(). */
sabal_status sbl_bytes_wrap(sbl_value **value, const void *data, size_t size, void (*release)(void *), void *arg,
                            sabal_error *err);

/** A chunk of its own in C order, not filled; *room is its first element. */
sabal_status sbl_ndarray_create(sabal_ndarray **array, void **room, sabal_dtype dtype, int32_t ndim,
                                const int64_t *shape, sabal_error *err);
/** A chunk over somebody else's memory; release(arg), if given, is called once with the last reference, or at once
    on failure. strides in bytes; NULL: C order. */
sabal_status sbl_ndarray_wrap(sabal_ndarray **array, const void *data, sabal_dtype dtype, int32_t ndim,
                              const int64_t *shape, const int64_t *strides, void (*release)(void *), void *arg,
                              sabal_error *err);
/** to[i] is element i of from, of a real dtype, at any address; rounded where float64 has too few bits. */
void sbl_doubles_from(double *to, const void *from, sabal_dtype dtype, int64_t n);
/** A part of another, which it keeps alive: no copy. data points into base's data. */
sabal_status sbl_ndarray_view(sabal_ndarray **array, const sabal_ndarray *base, const void *data, int32_t ndim,
                              const int64_t *shape, const int64_t *strides, sabal_error *err);
/** Rows first .. first + n of axis 0, as a view. */
sabal_status sbl_ndarray_rows(sabal_ndarray **array, const sabal_ndarray *base, int64_t first, int64_t n,
                              sabal_error *err);
/** 1 if the elements lie in C order without gaps. */
int sbl_ndarray_is_contiguous(const sabal_ndarray *array);
/** Copies all elements in C order to out (sbl_ndarray_bytes() of them), whatever the strides. */
void sbl_ndarray_copy_out(void *out, const sabal_ndarray *array);
/** elements * element size */
size_t sbl_ndarray_bytes(const sabal_ndarray *array);
/** Its shape and its strides in bytes; ndim entries each. */
const int64_t *sbl_ndarray_shape(const sabal_ndarray *array);
const int64_t *sbl_ndarray_strides(const sabal_ndarray *array);

/** Elements of a shape. SABAL_EDTYPE, SABAL_EINVAL: no dtype, ndim, a negative extent, more than 2^63 bytes. */
sabal_status sbl_shape_check(int64_t *size, sabal_dtype dtype, int32_t ndim, const int64_t *shape, sabal_error *err);
/** The strides of C order. */
void sbl_strides_c(int64_t *strides, size_t item_size, int32_t ndim, const int64_t *shape);
/** The bytes low .. high, from the first element, that strides reach; SABAL_EINVAL if that overflows. No message. */
sabal_status sbl_strides_span(int64_t *low, int64_t *high, size_t item_size, int32_t ndim, const int64_t *shape,
                              const int64_t *strides);

#define SBL_MAX_TYPE_NAME 255
/** Takes object over (destroys it on failure). */
sabal_status sbl_object_create(sbl_value **value, void *object, const sabal_type *type, sabal_error *err);
/** The object, if it is one of this type; else NULL. */
void *sbl_object_get(const sbl_value *value, const sabal_type *type);
/** Its type; NULL if it is no object. */
const sabal_type *sbl_object_type(const sbl_value *value);

/** The bytes, the first element, or the object; size (may be NULL) as sabal_task_input_size() tells. */
const void *sbl_value_data(const sbl_value *value, size_t *size);

/** For memory that outlives every value: the release that does nothing. */
void sbl_release_nothing(void *arg);

static inline sbl_value *sbl_value_retain(const sbl_value *value)
{
    return sbl_handle_retain(value);
}
static inline void sbl_value_release(const sbl_value *value)
{
    sbl_handle_release(value);
}

/*
 * Encoding: a header of our own, then the value's memory as it is, as a list of pieces that borrow from the value.
 * A chunk whose elements take more room than they need, or run backwards, is the one exception: its elements are
 * gathered into a buffer that the encoding owns.
 */
typedef struct sbl_encoded {
    const sabal_piece *pieces; /* the first is the header */
    int32_t            n_pieces;
    void              *own; /* what sbl_encoded_clear() frees */
    size_t             own_size;
} sbl_encoded;
/** The value must outlive it. SABAL_EUNSUPPORTED for an object whose type has no encode. */
sabal_status sbl_value_encode(sbl_encoded *encoded, const sbl_value *value, sabal_error *err);
void         sbl_encoded_clear(sbl_encoded *encoded);

/**
 * Makes a value from pieces as encoded. data pieces are taken as they are, without copying: release(arg) is called
 * once when the value no longer needs them: at once on failure, of objects, and of the rare piece that does not lie
 * where its elements may (bytes: at multiples of 16), which is copied. types: the user types known, n_types of them.
 * Nothing in the header is believed: SABAL_EFORMAT says what is wrong.
 */
sabal_status sbl_value_decode(sbl_value **value, const sabal_piece *pieces, int32_t n_pieces,
                              const sabal_type *const *types, int32_t n_types, void (*release)(void *), void *arg,
                              sabal_error *err);

#endif
