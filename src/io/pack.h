/*
 * Chunks of an HDF5 data set on their way into the file: filtered by whoever has the rows, in this process or another, so that
 * who writes the file only hands them on.
 */
#ifndef SBL_IO_PACK_H
#define SBL_IO_PACK_H

#include <stdint.h>

#include <sabal/value.h>

#include "value/value.h"

/** How a data set's chunks of whole rows are filtered, as it travels. chunk_rows 0: there are no chunks. */
typedef struct sbl_packing {
    int64_t n_rows, chunk_rows, row_bytes;
    int32_t element, shuffle, gzip, unused; /* element: its bytes */
} sbl_packing;

/** A chunk as it goes into the file. */
typedef struct sbl_packed {
    const void *data;
    size_t      size;
    uint32_t    mask; /* of the filters that were left out */
} sbl_packed;

/** Rows first .. first + n are whole chunks, but for the last of all. SABAL_EINVAL. */
sabal_status sbl_packing_check(const sbl_packing *how, int64_t first, int64_t n, sabal_error *err);

/** Gets chunk i, borrowed. */
typedef sabal_status sbl_packed_fn(void *arg, int64_t i, const sbl_packed *packed, sabal_error *err);
/** Filters the chunks of rows first .. first + n, which data holds, one after the other, the last of all padded with zeros. What
    fails here names the rows; a failure of fn is passed on. SABAL_EINVAL, SABAL_ENOMEM. */
sabal_status sbl_pack_each(const sbl_packing *how, int64_t first, int64_t n, const void *data, sbl_packed_fn *fn,
                           void *arg, sabal_error *err);

/** All chunks of rows first .. first + n as one value that travels. A message names file, data set, this process, and rows.
    SABAL_EINVAL, SABAL_ENOMEM. */
sabal_status sbl_pack_rows(sbl_value **value, const sbl_packing *how, const char *path, const char *dataset,
                           int64_t first, int64_t n, const void *data, sabal_error *err);
/** Chunk k, from 0 on, of such a value, which it borrows. SABAL_EINTERNAL if the value is none of n chunks. */
sabal_status sbl_packed_get(sbl_packed *packed, const sbl_value *value, int64_t k, int64_t n, sabal_error *err);

#endif
