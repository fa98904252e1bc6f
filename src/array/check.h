/* Checks and small steps that all makers of arrays share. */
#ifndef SBL_ARRAY_CHECK_H
#define SBL_ARRAY_CHECK_H

#include "array/chunks.h"

/** A known dtype, 1 .. SABAL_MAX_NDIM dimensions, no negative extent, fewer than 2^63 bytes. */
sabal_status sbl_check_shape(sabal_dtype dtype, int32_t ndim, const int64_t *shape, sabal_error *err);
/** Bytes of a shape that was checked. */
int64_t sbl_shape_bytes(sabal_dtype dtype, int32_t ndim, const int64_t *shape);
/** The chunks that a maker asked for (chunk_rows, 0: automatic), for a shape that was checked. */
sabal_status sbl_chunks_choose(sbl_chunks *chunks, sabal_dtype dtype, int32_t ndim, const int64_t *shape,
                               int64_t chunk_rows, int64_t natural_rows, sabal_error *err);
/**
 * Copies the caller's options over defaults: as many bytes as the caller's version has, NULL leaves the
 * defaults. Every options structure begins with its size.
 */
void sbl_options_take(void *options, size_t size, const void *given);

#endif
