/* One allocation for what is small, two for what is large. */
#include "value/storage.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"

void *sbl_storage_create(size_t record_size, size_t storage_offset, size_t n_bytes, void **room)
{
    int          is_inline = n_bytes <= SBL_INLINE_BYTES;
    size_t       align     = is_inline && n_bytes >= 64 ? 64 : 16;
    size_t       at        = (record_size + align - 1) / align * align;
    size_t       size      = is_inline ? at + n_bytes : record_size;
    char        *record    = align == 64 ? sbl_alloc_aligned(64, size) : sbl_alloc(size);
    sbl_storage *storage;

    if (!record)
        return NULL;
    memset(record, 0, record_size);
    storage          = (sbl_storage *)(void *)(record + storage_offset);
    storage->counted = n_bytes;
    if (is_inline) {
        sbl_buffer_count(n_bytes);
        *room = record + at;
        return record;
    }
    storage->buffer = sbl_buffer_alloc(n_bytes);
    if (!storage->buffer) {
        sbl_free(record);
        return NULL;
    }
    *room = storage->buffer;
    return record;
}

void sbl_storage_clear(sbl_storage *storage)
{
    if (storage->release)
        storage->release(storage->arg);
    else if (storage->buffer)
        sbl_buffer_free(storage->buffer, storage->counted);
    else
        sbl_buffer_uncount(storage->counted);
}
