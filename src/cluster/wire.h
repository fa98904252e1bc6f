/* What is said between processes, in bytes of a frame: codes, errors, values. */
#ifndef SBL_CLUSTER_WIRE_H
#define SBL_CLUSTER_WIRE_H

#include "cluster/channel.h"
#include "base/code.h"
#include "cluster/segment.h"
#include "value/value.h"

/* Frames. The hub is the process with the client; its numbers for tasks are its own. */
enum {
    SBL_MSG_HELLO    = 1, /* worker: it is there. text: version */
    SBL_MSG_RUN      = 2, /* hub: task, code, name, line, priority, argument, inputs */
    SBL_MSG_CANCEL   = 3, /* hub: task */
    SBL_MSG_SEGMENT  = 4, /* both: number, size; its descriptor */
    SBL_MSG_RELEASE  = 5, /* hub: the number of a segment that nobody needs any more */
    SBL_MSG_FINISHED = 6, /* worker: task, value */
    SBL_MSG_FAILED   = 7, /* worker: task, error */
    SBL_MSG_NEED     = 8, /* worker: build-id of an object that it lacks */
    SBL_MSG_OBJECT   = 9, /* hub: build-id, error, path, list of libraries; its descriptor */
    SBL_MSG_STOP     = 10 /* hub: the client closes: all that runs is asked to end */
};

void sbl_put_code(sbl_frame *frame, const sbl_code *code);
void sbl_get_code(sbl_code *code, sbl_frame *frame);
void sbl_put_error(sbl_frame *frame, const sabal_error *err);
void sbl_get_error(sabal_error *err, sbl_frame *frame);

/** Announces a segment: number, size, its descriptor. */
sabal_status sbl_send_segment(sbl_channel *channel, const sbl_segment *segment, sabal_error *err);

/** What a value's way needs. */
typedef struct sbl_route {
    sbl_segments *segments;
    uint64_t (*next_id)(void *arg); /* a number for a new segment */
    /* The other side is to know this segment before the frame comes. */
    sabal_status (*tell)(void *arg, sbl_segment *segment, sabal_error *err);
    void *arg;
} sbl_route;

/** A value: small ones in the frame; large ones as a part of a segment. If they lie in none, a copy there is made, once in
    the life of a value. */
sabal_status sbl_put_value(sbl_frame *frame, const sbl_value *value, const sbl_route *route, sabal_error *err);
/** Its counterpart; the segment is in the table already. missing, if not NULL: becomes the object that holds the type of an
    object and is not loaded here (then the status tells a failure). */
sabal_status sbl_get_value(sbl_value **value, sbl_frame *frame, sbl_segments *segments, sbl_build_id *missing,
                           sabal_error *err);

#endif
