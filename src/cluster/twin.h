/* A value's place in shared memory: where it lies already, or a copy that is made once in its life, its twin. */
#ifndef SBL_CLUSTER_TWIN_H
#define SBL_CLUSTER_TWIN_H

#include "cluster/segment.h"
#include "value/value.h"

/** Pieces lie at multiples of 64 there, one behind the other. */
static inline size_t sbl_twin_aligned(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/** The segment that holds the value's data pieces as encoded, one reference, and where the first begins. next_id: a number for
    a new one. From any thread. */
sabal_status sbl_twin_find(sbl_segment **segment, size_t *offset, const sbl_value *value, const sbl_encoded *e,
                           sbl_segments *segments, uint64_t (*next_id)(void *arg), void *arg, sabal_error *err);

#endif
