/* What flows between tasks and comes out of them: element types, dense n-d arrays, the user's own types. */
#ifndef SABAL_VALUE_H
#define SABAL_VALUE_H

#include <stdio.h>

#include <sabal/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Element types, by NumPy's names and sizes; always in the machine's byte order. */
typedef enum sabal_dtype {
    SABAL_BOOL       = 1, /* one byte, 0 or 1 */
    SABAL_UINT8      = 2,
    SABAL_UINT16     = 3,
    SABAL_UINT32     = 4,
    SABAL_UINT64     = 5,
    SABAL_INT8       = 6,
    SABAL_INT16      = 7,
    SABAL_INT32      = 8,
    SABAL_INT64      = 9,
    SABAL_FLOAT32    = 10,
    SABAL_FLOAT64    = 11,
    SABAL_COMPLEX64  = 12, /* two float32 */
    SABAL_COMPLEX128 = 13  /* two float64 */
} sabal_dtype;

/** Bytes of one element; 0 for a number that is no dtype. */
SABAL_API size_t sabal_dtype_size(sabal_dtype dtype);
/** "float64", as NumPy writes it; "?" for a number that is no dtype. Static. */
SABAL_API const char *sabal_dtype_name(sabal_dtype dtype);
/** Reads such a name. SABAL_EDTYPE if it is none, with the names there are. */
SABAL_API sabal_status sabal_dtype_parse(sabal_dtype *dtype, const char *name, sabal_error *err);

#define SABAL_MAX_NDIM 32

/**
 * A dense n-d array in memory: a plain result, counted, immutable, independent of any client's life.
 * What a call hands out through `sabal_ndarray **` is one reference: end it with sabal_release(), or let the
 * scope or client do it.
 */
typedef struct sabal_ndarray sabal_ndarray;

/**
 * Copies n elements into a new array in C order.
 *
 *   array   filled on success, one reference owned by the caller: end it with sabal_release()
 *   data    elements in C order; borrowed
 *   shape   ndim extents, each >= 0; ndim 0 .. SABAL_MAX_NDIM
 *
 * Errors: SABAL_EINVAL, SABAL_EDTYPE, SABAL_ENOMEM
 */
SABAL_API sabal_status sabal_ndarray_create(sabal_ndarray **array, const void *data, sabal_dtype dtype, int32_t ndim,
                                            const int64_t *shape, sabal_error *err);
SABAL_API sabal_dtype  sabal_ndarray_dtype(const sabal_ndarray *array);
SABAL_API int32_t      sabal_ndarray_ndim(const sabal_ndarray *array);
/** Extent along axis; -1 if there is no such axis. */
SABAL_API int64_t sabal_ndarray_extent(const sabal_ndarray *array, int32_t axis);
/** Bytes from one element to the next along axis; 0 if there is no such axis. */
SABAL_API int64_t sabal_ndarray_stride(const sabal_ndarray *array, int32_t axis);
/** Number of elements. */
SABAL_API int64_t sabal_ndarray_size(const sabal_ndarray *array);
/** The first element; borrowed. Use the strides: results of sabal_compute() are in C order, without gaps. */
SABAL_API const void *sabal_ndarray_data(const sabal_ndarray *array);
/**
 * Prints as NumPy does: what str() of the array is in NumPy 2.4, and a newline. (At most 8 digits behind the point,
 * rows in brackets, lines of 75 characters; past 1000 elements only the first and last 3 along each axis.) NULL
 * prints "(none)". The file is flushed. Errors: SABAL_EIO
 */
SABAL_API sabal_status sabal_ndarray_print(const sabal_ndarray *array, FILE *file, sabal_error *err);

/** One piece of an encoded value. */
typedef struct sabal_piece {
    const void *data;
    size_t      size;
} sabal_piece;

/**
 * A type of the user's own, for results of tasks that are more than flat bytes. It must be static: values keep
 * its address. `encode` and `decode` carry the value to another process; a type without them stays in this one.
 */
typedef struct sabal_type {
    size_t      struct_size;
    const char *name; /* the same in every process; 1 .. 255 bytes */
    /* Bytes that the object holds, for the accounting; NULL: counts as none. */
    size_t (*size)(const void *object);
    /* Ends the object. Called once, by the thread that drops the last reference. NULL: there is nothing to end. */
    void (*destroy)(void *object);
    /* Describes the object as n_pieces pieces of memory that stay valid while the object lives; called first
       with pieces NULL for their number, which it returns both times. Negative: can't be encoded. 65536 at most. */
    int32_t (*encode)(const void *object, sabal_piece *pieces, int32_t n_pieces);
    /* Makes an object from the same pieces, which end when it returns; NULL if they are not right or memory is short. */
    void *(*decode)(const sabal_piece *pieces, int32_t n_pieces);
} sabal_type;

#ifdef __cplusplus
}
#endif
#endif
