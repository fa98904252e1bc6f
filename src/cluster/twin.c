/* The twin is a value of bytes that keeps the segment; it hangs on the value it is a copy of, and goes with it. */
#include "cluster/twin.h"

#include "base/error.h"

/* What the pieces take in a segment. */
static size_t room_for(const sbl_encoded *e)
{
    size_t size = 0;

    for (int32_t i = 1; i < e->n_pieces; i++)
        size += sbl_twin_aligned(e->pieces[i].size);
    return size;
}

/* The pieces one behind the other in shared memory, as bytes that keep it. */
static sabal_status copy_shared(sbl_value **twin, const sbl_encoded *e, sbl_segments *segments, uint64_t id,
                                sabal_error *err)
{
    sbl_segment *segment;
    size_t       at = 0;
    sabal_status st = sbl_segment_create(&segment, NULL, segments, id, room_for(e), err);

    if (st)
        return st;
    for (int32_t i = 1; i < e->n_pieces && !st; i++) {
        st = sbl_segment_write(segment, at, e->pieces[i].data, e->pieces[i].size, err);
        at += sbl_twin_aligned(e->pieces[i].size);
    }
    if (st) {
        sbl_segment_release(segment);
        return st;
    }
    sbl_segment_seal(segment, NULL);
    return sbl_bytes_wrap(twin, segment->base, segment->used, sbl_segment_release, segment, err);
}

/* The value's copy in shared memory, which stays until the value goes. */
static sabal_status twin_of(const sbl_value **twin, const sbl_value *value, const sbl_encoded *e,
                            sbl_segments *segments, uint64_t (*next_id)(void *arg), void *arg, sabal_error *err)
{
    _Atomic(sbl_value *) *place = (_Atomic(sbl_value *) *)&value->twin;
    /* acquire: what another thread made */
    sbl_value   *there = atomic_load_explicit(place, memory_order_acquire), *made;
    sabal_status st;

    if (!there) {
        st = copy_shared(&made, e, segments, next_id(arg), err);
        if (st)
            return st;
        /* acq_rel: another thread may have been faster, and then its twin is taken */
        if (atomic_compare_exchange_strong_explicit(place, &there, made, memory_order_acq_rel, memory_order_acquire))
            there = made;
        else
            sbl_value_release(made);
    }
    *twin = there;
    return SABAL_OK;
}

sabal_status sbl_twin_find(sbl_segment **segment, size_t *offset, const sbl_value *value, const sbl_encoded *e,
                           sbl_segments *segments, uint64_t (*next_id)(void *arg), void *arg, sabal_error *err)
{
    const sbl_value *twin;
    const char      *first = e->pieces[1].data;
    size_t           size;
    sabal_status     st;

    *segment = value->kind == SBL_OBJECT ? NULL : sbl_segment_at(segments, first, e->pieces[1].size);
    if (*segment) {
        *offset = (size_t)(first - (*segment)->base);
        return SABAL_OK;
    }
    st = twin_of(&twin, value, e, segments, next_id, arg, err);
    if (st)
        return st;
    first = sbl_value_data(twin, &size);
    if (size != room_for(e)) /* others are what they were when the twin was made */
        return sbl_error_set(err, SABAL_EINVAL, "encode() of type '%s' gave %zu bytes, and another time %zu",
                             sbl_object_type(value)->name, size, room_for(e));
    *segment = sbl_segment_at(segments, first, size);
    *offset  = 0;
    return *segment ? SABAL_OK : sbl_error_set(err, SABAL_EINTERNAL, "a value that was sent by another client before");
}
