/*
 * A worker's process from within; what the hub has of a worker is in hub.h. Its first thread reads what the hub says;
 * each sbl_take_...() is that thread's, and takes one kind of frame, which stays the caller's to clear.
 */
#ifndef SBL_CLUSTER_WORKER_H
#define SBL_CLUSTER_WORKER_H

#include "base/code.h"
#include "cluster/channel.h"
#include "cluster/segment.h"
#include "graph/client.h"
#include "sched/pool.h"

/* The one there is. Set before the first frame is taken. */
extern struct sbl_this_worker {
    sbl_channel   channel;
    sbl_segments *segments;
    sabal_client *client;   /* in which calls are tasks */
    uint64_t      first_id; /* numbers of segments made here are made of it */
} sbl_this_worker;

/* worker_call.c */
/** Starts a call, which answers when it ends; or, if code that it needs is not there, puts it aside until it is.
    refused: why it can't be had, and the call fails instead; NULL: nobody has asked for it yet. */
void sbl_take_call(sbl_frame *frame, const sabal_error *refused);
/** Cancels a call that runs or was put aside. One that has ended is left alone. */
void sbl_take_cancel(sbl_frame *frame);
/** Runs a task's function; what ends the process meanwhile is noted as the fault of its call. */
sabal_status sbl_call_watched(struct sabal_task *task);

/* worker_code.c */
/** Waits until the object that holds the function was sent and loaded; not for the first thread, which loads it.
    Errors: SABAL_EUNSUPPORTED (the function has no name), what the hub says instead of sending it, those of
    sbl_object_load(), SABAL_EINTERNAL (the object lacks the function) */
sabal_status sbl_find_lacking(void **address, const sbl_code *code, sabal_error *err);
/** Keeps a call's frame, which it empties, until the hub has sent the object that the call lacks. */
void sbl_defer_call(uint64_t id, sbl_frame *frame, const sbl_build_id *object);
/** A call that was put aside ends without its code; there may be none of that number. */
void sbl_cancel_deferred(uint64_t id);
/** Loads what the hub sent, wakes those who wait for it, and begins anew with take_call what was put aside for it. */
void sbl_take_object(sbl_frame *frame, void (*take_call)(sbl_frame *frame, const sabal_error *refused));

/* worker_send.c */
/** Starts the thread that sends. SABAL_ENOMEM. */
sabal_status sbl_sender_start(sabal_error *err);
/** Has the thread that sends run it, after all that it was given before. From any thread; never waits for the hub. */
void sbl_leave_to_sender(sbl_work *work);
/** As sbl_leave_to_sender(), for a frame, which it takes over. Without memory for it, or a hub, the process ends. */
void sbl_send_later(sbl_frame *frame);
/** Tells the hub that a call failed, in the same way. */
void sbl_send_failure(uint64_t id, const sabal_error *err);

#endif
