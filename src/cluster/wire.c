/*
 * A value in a frame: the code of its type (objects), its header as encoded, the number of pieces and their sizes; then
 * either their bytes, or a segment's number and where each piece lies there.
 */
#include "cluster/wire.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "cluster/twin.h"

enum { SHARED_FROM = 65536 }; /* bytes; below, a copy costs less than a descriptor */

void sbl_put_code(sbl_frame *frame, const sbl_code *code)
{
    sbl_put(frame, &code->object, sizeof code->object);
    sbl_put_u64(frame, code->is_data);
    sbl_put_u64(frame, code->offset);
}

void sbl_get_code(sbl_code *code, sbl_frame *frame)
{
    const void *id = sbl_get(frame, sizeof code->object);

    memset(code, 0, sizeof *code);
    if (id)
        memcpy(&code->object, id, sizeof code->object);
    code->is_data = sbl_get_u64(frame) != 0;
    code->offset  = sbl_get_u64(frame);
}

void sbl_put_error(sbl_frame *frame, const sabal_error *err)
{
    sbl_put_u64(frame, (uint64_t)err->status);
    sbl_put_text(frame, err->task);
    sbl_put_text(frame, err->node);
    sbl_put_text(frame, err->where);
    sbl_put_text(frame, err->message);
}

static void get_field(char *field, size_t size, sbl_frame *frame)
{
    const char *text   = sbl_get_text(frame);
    size_t      length = strlen(text);

    length = length < size ? length : size - 1;
    memcpy(field, text, length);
    field[length] = 0;
}

void sbl_get_error(sabal_error *err, sbl_frame *frame)
{
    *err        = (sabal_error)SABAL_ERROR_INIT;
    err->status = (sabal_status)sbl_get_u64(frame);
    get_field(err->task, sizeof err->task, frame);
    get_field(err->node, sizeof err->node, frame);
    get_field(err->where, sizeof err->where, frame);
    get_field(err->message, sizeof err->message, frame);
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

sabal_status sbl_send_segment(sbl_channel *channel, const sbl_segment *segment, sabal_error *err)
{
    sbl_frame    frame = {.type = SBL_MSG_SEGMENT};
    sabal_status st;

    sbl_put_u64(&frame, segment->id);
    sbl_put_u64(&frame, segment->size);
    sbl_put_fd(&frame, segment->fd);
    st = sbl_channel_send(channel, &frame, err);
    sbl_frame_clear(&frame);
    return st;
}

static sabal_status put_type(sbl_frame *frame, const sbl_value *value, sabal_error *err)
{
    const sabal_type *type = sbl_object_type(value);
    sbl_code          code = {0};
    sabal_status      st   = SABAL_OK;
    char              what[320];

    sbl_put_u64(frame, type != NULL);
    if (!type)
        return SABAL_OK;
    snprintf(what, sizeof what, "the sabal_type '%s', which should be a static variable,", type->name);
    st = sbl_code_name(&code, type, what, err);
    sbl_put_code(frame, &code);
    return st;
}

static sabal_status put_shared(sbl_frame *frame, const sbl_value *value, const sbl_encoded *e, const sbl_route *route,
                               sabal_error *err)
{
    sbl_segment *segment;
    size_t       offset;
    sabal_status st = sbl_twin_find(&segment, &offset, value, e, route->segments, route->next_id, route->arg, err);

    if (st)
        return st;
    st = route->tell(route->arg, segment, err);
    sbl_put_u64(frame, segment->id);
    for (int32_t i = 1; i < e->n_pieces; i++) {
        sbl_put_u64(frame, offset);
        offset += sbl_twin_aligned(e->pieces[i].size);
    }
    sbl_segment_release(segment);
    return st;
}

sabal_status sbl_put_value(sbl_frame *frame, const sbl_value *value, const sbl_route *route, sabal_error *err)
{
    sbl_encoded  e;
    size_t       total = 0;
    sabal_status st    = put_type(frame, value, err);

    if (st)
        return st;
    st = sbl_value_encode(&e, value, err);
    if (st)
        return st;
    sbl_put_u64(frame, e.pieces[0].size);
    sbl_put(frame, e.pieces[0].data, e.pieces[0].size);
    sbl_put_u64(frame, (uint64_t)e.n_pieces - 1);
    for (int32_t i = 1; i < e.n_pieces; i++) {
        sbl_put_u64(frame, e.pieces[i].size);
        total += e.pieces[i].size;
    }
    sbl_put_u64(frame, total >= SHARED_FROM);
    if (total >= SHARED_FROM)
        st = put_shared(frame, value, &e, route, err);
    for (int32_t i = 1; i < e.n_pieces && total < SHARED_FROM; i++)
        sbl_put(frame, e.pieces[i].data, e.pieces[i].size);
    sbl_encoded_clear(&e);
    return st;
}

/* --- receiving -------------------------------------------------------------------------------------------------- */

static sabal_status malformed(sabal_error *err)
{
    return sbl_error_set(err, SABAL_EFORMAT, "a message with a value that is cut short or doesn't fit");
}

/* A buffer of small values that remembers its size. */
struct own {
    _Alignas(64) size_t size;
};

static void own_free(void *arg)
{
    struct own *own = arg;

    if (own)
        sbl_buffer_free(own, own->size);
}

/* Their bytes, copied out of the frame into memory of their own. */
static sabal_status take_inline(sabal_piece *pieces, int32_t n, sbl_frame *frame, struct own **own, sabal_error *err)
{
    size_t total = sizeof **own;
    char  *at;

    for (int32_t i = 0; i < n; i++) {
        if (pieces[i].size > SHARED_FROM)
            return malformed(err);
        total += sbl_twin_aligned(pieces[i].size);
    }
    *own = sbl_buffer_alloc(total);
    if (!*own)
        return sbl_error_memory(err, total, "a value from another process");
    (*own)->size = total;
    at           = (char *)(*own + 1);
    for (int32_t i = 0; i < n; i++) {
        const void *from = sbl_get(frame, pieces[i].size);

        if (!from)
            return malformed(err);
        if (pieces[i].size)
            memcpy(at, from, pieces[i].size);
        pieces[i].data = at;
        at += sbl_twin_aligned(pieces[i].size);
    }
    return SABAL_OK;
}

static sabal_status take_shared(sabal_piece *pieces, int32_t n, sbl_frame *frame, sbl_segments *segments,
                                sbl_segment **segment, sabal_error *err)
{
    *segment = sbl_segment_by_id(segments, sbl_get_u64(frame));
    if (!*segment)
        return sbl_error_set(err, SABAL_EPEER, "a value in shared memory that was not announced");
    for (int32_t i = 0; i < n; i++) {
        uint64_t offset = sbl_get_u64(frame);

        if (offset > (*segment)->size || pieces[i].size > (*segment)->size - offset)
            return malformed(err);
        pieces[i].data = (*segment)->base + offset;
    }
    return SABAL_OK;
}

sabal_status sbl_get_value(sbl_value **value, sbl_frame *frame, sbl_segments *segments, sbl_build_id *missing,
                           sabal_error *err)
{
    const sabal_type *type = NULL;
    sabal_piece      *pieces;
    sbl_segment      *segment = NULL;
    struct own       *own     = NULL;
    uint64_t          n, size;
    sabal_status      st;

    if (sbl_get_u64(frame)) {
        sbl_code code;

        sbl_get_code(&code, frame);
        type = sbl_code_find(&code);
        if (!type && missing) {
            *missing = code.object;
            return sbl_error_set(err, SABAL_EUNSUPPORTED, "the type of an object is not loaded here");
        }
    }
    size             = sbl_get_u64(frame);
    const void *head = sbl_get(frame, size);
    n                = sbl_get_u64(frame);
    if (frame->failed || n > (frame->size - frame->at) / sizeof(uint64_t))
        return malformed(err);
    pieces = sbl_calloc(n + 1, sizeof *pieces);
    if (!pieces)
        return sbl_error_memory(err, n * sizeof *pieces, "the pieces of a value");
    pieces[0] = (sabal_piece){head, size};
    for (uint64_t i = 1; i <= n; i++)
        pieces[i].size = sbl_get_u64(frame);
    st = sbl_get_u64(frame) ? take_shared(pieces + 1, (int32_t)n, frame, segments, &segment, err)
                            : take_inline(pieces + 1, (int32_t)n, frame, &own, err);
    if (!st && frame->failed)
        st = malformed(err);
    if (!st)
        st = sbl_value_decode(value, pieces, 1 + (int32_t)n, &type, type != NULL,
                              segment ? sbl_segment_release : own_free, segment ? (void *)segment : own, err);
    else if (segment)
        sbl_segment_release(segment);
    else
        own_free(own);
    if (!st)
        (*value)->own = (*value)->n_bytes; /* nobody else has these bytes in this process */
    sbl_free(pieces);
    return st;
}
