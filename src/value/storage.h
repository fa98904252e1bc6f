/*
 * What keeps a value's bytes. Small ones lie behind the value's own record, in the same allocation; large ones in a
 * buffer; others belong to somebody who is told when they are no longer needed. All that is ours is counted.
 */
#ifndef SBL_VALUE_STORAGE_H
#define SBL_VALUE_STORAGE_H

#include "value/value.h"

enum { SBL_INLINE_BYTES = 4096 }; /* up to here one allocation; beyond, the buffer's reuse is worth a second */

typedef struct sbl_storage {
    void  *buffer;           /* ours, of `counted` bytes; NULL: inline, or somebody else's   */
    size_t counted;          /* bytes that stand in the count of buffers                     */
    void (*release)(void *); /* somebody else's: called once                                 */
    void *arg;
} sbl_storage;

/**
 * A zeroed record of record_size bytes with room for n_bytes of data, which storage (a field of the record, at
 * storage_offset) ends: sbl_storage_clear(), then sbl_free() of the record. NULL if there is no memory.
 */
void *sbl_storage_create(size_t record_size, size_t storage_offset, size_t n_bytes, void **room);
void  sbl_storage_clear(sbl_storage *storage);

#endif
