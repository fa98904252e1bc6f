/* Records that grow: each begins with its size as the caller's version of the headers has it. */
#ifndef SBL_BASE_STRUCT_H
#define SBL_BASE_STRUCT_H

#include <string.h>

#include <sabal/status.h>

/**
 * Copies a record of size bytes to the caller's, no more than its struct_size (which stays) says.
 * SABAL_EINVAL, and nothing is written, if that leaves no room for anything: it was not set.
 */
static inline sabal_status sbl_struct_give(void *out, const void *record, size_t size)
{
    size_t room;

    memcpy(&room, out, sizeof room);
    if (room <= sizeof room)
        return SABAL_EINVAL;
    memcpy((char *)out + sizeof room, (const char *)record + sizeof room, (room < size ? room : size) - sizeof room);
    return SABAL_OK;
}

/** Copies the caller's record over one of size bytes, no more than its struct_size says: what an older program doesn't know stays as
    it is. NULL: it has none. */
static inline void sbl_struct_take(void *record, size_t size, const void *in)
{
    size_t given;

    if (!in)
        return;
    memcpy(&given, in, sizeof given);
    memcpy(record, in, given < size ? given : size);
}

#endif
