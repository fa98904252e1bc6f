/*
 * A call: a worker is chosen, the task is put into words and sent, and its answer awaited. Of the threads that wait for
 * answers of one worker one reads, for all of them; no thread has to be woken to hand on what another waits for, as long
 * as each worker has one.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cluster/hub.h"
#include "cluster/load.h"
#include "cluster/process.h"
#include "cluster/wire.h"
#include "graph/held.h"
#include "sched/chaos.h"

/* --- choosing ----------------------------------------------------------------------------------------------------- */

/* How many bytes of a task's large inputs a worker has mapped. */
static size_t bytes_known(const sbl_worker *w, sbl_segment *const *segments, int32_t n)
{
    size_t bytes = 0;

    for (int32_t i = 0; i < n; i++)
        if (segments[i] && sbl_segment_is_held(segments[i], w->index))
            bytes += segments[i]->size;
    return bytes;
}

enum { LOOKED_AT = 16, MOST_LOSSES = 10 }; /* inputs; workers that a task may lose without its own fault */

static sbl_worker *take_any(sbl_hub *hub, const struct sabal_task *task)
{
    sbl_segment *segments[LOOKED_AT];
    sbl_worker  *best       = NULL;
    size_t       best_bytes = 0;
    int32_t      n          = task->future->n_inputs < LOOKED_AT ? task->future->n_inputs : LOOKED_AT;

    for (int32_t i = 0; i < n; i++) {
        const sabal_future *input = task->future->edges[i].input;
        size_t              size;
        const void         *data = sbl_result_data(input, &size);

        segments[i] = size && !input->small ? sbl_segment_at(hub->segments, data, 1) : NULL;
    }
    pthread_mutex_lock(&hub->lock);
    for (int32_t i = 0; i < hub->n_workers; i++) {
        sbl_worker *w     = &hub->workers[i];
        size_t      bytes = bytes_known(w, segments, n);

        if (w->n_calls >= hub->threads && best)
            continue;
        if (!best || best->n_calls >= hub->threads || bytes > best_bytes ||
            (bytes == best_bytes && w->n_calls < best->n_calls)) {
            best       = w;
            best_bytes = bytes;
        }
    }
    best->n_calls++;
    pthread_mutex_unlock(&hub->lock);
    for (int32_t i = 0; i < n; i++)
        if (segments[i])
            sbl_segment_release(segments[i]);
    return best;
}

/* That which one of them alone is to run is sent there, whatever else it has. */
static sbl_worker *take_worker(sbl_hub *hub, const struct sabal_task *task)
{
    const sbl_rare *rare = sbl_future_rare(task->future);
    sbl_worker     *own  = rare && rare->each >= SBL_EACH_AT ? &hub->workers[rare->each - SBL_EACH_AT] : NULL;

    if (!own)
        return take_any(hub, task);
    pthread_mutex_lock(&hub->lock);
    own->n_calls++;
    pthread_mutex_unlock(&hub->lock);
    return own;
}

static void give_worker(sbl_worker *w)
{
    pthread_mutex_lock(&w->hub->lock);
    w->n_calls--;
    pthread_mutex_unlock(&w->hub->lock);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static uint64_t next_id(void *arg)
{
    sbl_worker *w = arg;

    return atomic_fetch_add_explicit(&w->hub->ids, 1, memory_order_relaxed);
}

/* Under w->talk, so that the call that needs it can't come first. */
static sabal_status announce(void *arg, sbl_segment *segment, sabal_error *err)
{
    sbl_worker *w = arg;

    /* Under talk the bit goes again with its worker (sbl_worker_is_lost()); a failure here is that, or no memory. */
    return sbl_segment_hold(segment, w->index) ? SABAL_OK : sbl_send_segment(&w->channel, segment, err);
}

static sabal_status put_input(sbl_frame *frame, const struct sabal_task *task, int32_t i, const sbl_route *route,
                              sabal_error *err)
{
    sbl_value   *value;
    sabal_status st = sbl_task_input_value(&value, task, i, err);

    if (st)
        return st;
    st = sbl_put_value(frame, value, route, err);
    sbl_value_release(value);
    return st;
}

/* *is_gone: the worker is, which is for the reader to find. */
static sabal_status send_call(sbl_worker *w, const sbl_call *call, int *is_gone, sabal_error *err)
{
    const sabal_future *f     = call->task->future;
    const sbl_route     route = {.segments = w->hub->segments, .next_id = next_id, .tell = announce, .arg = w};
    sbl_frame           frame = {.type = SBL_MSG_RUN};
    sbl_code            code;
    char                made_up[64], what[128];
    const char         *name = sbl_future_name(f, made_up, sizeof made_up);
    sabal_status        st;

    snprintf(what, sizeof what, "the function of task '%.64s'", name);
    st = sbl_code_name(&code, (const void *)(uintptr_t)f->site->fn, what, err);
    sbl_put_u64(&frame, call->id);
    sbl_put_code(&frame, &code);
    sbl_put_text(&frame, name);
    sbl_put_text(&frame, f->site->where);
    sbl_put_u64(&frame, (uint64_t)(int64_t)f->work.priority);
    sbl_put_u64(&frame, f->arg_size);
    if (f->arg_size)
        sbl_put(&frame, sbl_future_arg(f), f->arg_size);
    sbl_put_u64(&frame, (uint64_t)f->n_inputs);
    pthread_mutex_lock(&w->talk);
    if (!st && call->process != w->process)
        st = *is_gone = SABAL_EPEER;
    for (int32_t i = 0; i < f->n_inputs && !st; i++)
        st = put_input(&frame, call->task, i, &route, err);
    if (!st && !frame.failed)
        st = *is_gone = sbl_channel_send(&w->channel, &frame, err);
    else if (!st)
        st = sbl_error_memory(err, frame.size, "a call");
    pthread_mutex_unlock(&w->talk);
    sbl_frame_clear(&frame);
    return st;
}

static void send_cancel(sbl_worker *w, uint64_t id)
{
    sbl_frame frame = {.type = SBL_MSG_CANCEL};

    sbl_put_u64(&frame, id);
    sbl_channel_send(&w->channel, &frame, NULL);
    sbl_frame_clear(&frame);
}

void sbl_hub_tell(sbl_hub *hub, sabal_future *f)
{
    for (int32_t i = 0; i < hub->n_workers; i++) {
        sbl_worker *w = &hub->workers[i];

        pthread_mutex_lock(&w->lock);
        for (sbl_call *call = w->calls; call; call = call->next)
            if (call->task->future == f)
                send_cancel(w, call->id);
        pthread_mutex_unlock(&w->lock);
    }
}

void sbl_hub_stop(sbl_hub *hub)
{
    for (int32_t i = 0; i < hub->n_workers; i++) {
        sbl_frame frame = {.type = SBL_MSG_STOP};

        sbl_put(&frame, NULL, 0);
        sbl_channel_send(&hub->workers[i].channel, &frame, NULL);
        sbl_frame_clear(&frame);
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Takes a call off the list of those that are awaited; NULL: nobody awaits it. */
static sbl_call *take_call(sbl_worker *w, uint64_t id)
{
    sbl_call **link = &w->calls, *call;

    pthread_mutex_lock(&w->lock);
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    call = *link;
    if (call)
        *link = call->next;
    pthread_mutex_unlock(&w->lock);
    return call;
}

static void take_answer(sbl_worker *w, sbl_frame *frame)
{
    sbl_call *call = take_call(w, sbl_get_u64(frame));

    if (call && frame->type == SBL_MSG_FINISHED) {
        sabal_error own = SABAL_ERROR_INIT;

        call->st = sbl_get_value(&call->task->value, frame, w->hub->segments, NULL, &own);
        if (call->st)
            sbl_error_pass(&call->task->error, &own);
    } else if (call) {
        sbl_get_error(&call->task->error, frame);
        call->st = call->task->error.status;
    }
    if (w->announced && frame->type == SBL_MSG_FINISHED) {
        sbl_segment_release(w->announced); /* the value has its own reference now */
        w->announced = NULL;
    }
    pthread_mutex_lock(&w->lock);
    if (call)
        call->done = 1;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void take_segment(sbl_worker *w, sbl_frame *frame)
{
    uint64_t     id = sbl_get_u64(frame), size = sbl_get_u64(frame);
    int          fd = sbl_get_fd(frame);
    sbl_segment *segment;

    if (fd < 0 || sbl_segment_map(&segment, w->hub->segments, id, size, fd, NULL))
        return; /* the value that needs it will be missing it */
    sbl_segment_hold(segment, w->index);
    if (w->announced)
        sbl_segment_release(w->announced);
    w->announced = segment;
}

/* A worker lacks an object: it gets the file, and the paths of what else is loaded here. */
static void offer_object(sbl_worker *w, sbl_frame *asked)
{
    const void  *id    = sbl_get(asked, sizeof(sbl_build_id));
    sbl_frame    frame = {.type = SBL_MSG_OBJECT};
    sabal_error  own   = SABAL_ERROR_INIT;
    sbl_build_id object;
    char         path[4096], libraries[32768];
    int          fd = -1;
    int32_t      n;

    if (!id)
        return;
    memcpy(&object, id, sizeof object);
    sbl_object_open(&fd, path, sizeof path, &object, &own);
    sbl_put(&frame, &object, sizeof object);
    sbl_put_error(&frame, &own);
    if (fd >= 0) {
        n = sbl_object_list(libraries, sizeof libraries);
        sbl_put_text(&frame, path);
        sbl_put_u64(&frame, (uint64_t)n);
        for (const char *at = libraries; n > 0; n--, at += strlen(at) + 1)
            sbl_put_text(&frame, at);
        sbl_put_fd(&frame, fd);
    }
    sbl_channel_send(&w->channel, &frame, NULL);
    sbl_frame_clear(&frame);
    if (fd >= 0)
        close(fd);
}

static void take_frame(sbl_worker *w, sbl_frame *frame)
{
    switch (frame->type) {
    case SBL_MSG_FINISHED:
    case SBL_MSG_FAILED:
        take_answer(w, frame);
        break;
    case SBL_MSG_SEGMENT:
        take_segment(w, frame);
        break;
    case SBL_MSG_NEED:
        offer_object(w, frame);
        break;
    default:
        break; /* of a later version: nothing that an answer waits for */
    }
}

/* With w->lock held. Reads for all, or waits until somebody has read. */
static void read_or_wait(sbl_worker *w)
{
    sbl_frame    frame;
    sabal_status st;

    if (w->is_read) {
        pthread_cond_wait(&w->changed, &w->lock);
        return;
    }
    w->is_read = 1;
    pthread_mutex_unlock(&w->lock);
    st = sbl_channel_receive(&w->channel, &frame, NULL);
    if (!st) {
        take_frame(w, &frame);
        sbl_frame_clear(&frame);
    }
    pthread_mutex_lock(&w->lock);
    w->is_read = 0;
    if (st)
        sbl_worker_is_lost(w);
    pthread_cond_broadcast(&w->changed);
}

/* --- the call ----------------------------------------------------------------------------------------------------- */

/* With w->lock held. */
static sabal_status begin(sbl_worker *w, sbl_call *call, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    if (!w->is_there)
        st = sbl_worker_start_process(w, err);
    if (!st) {
        call->process = w->process;
        call->next    = w->calls;
        w->calls      = call;
    }
    return st;
}

static int is_asked_to_end(const sabal_future *f)
{
    return atomic_load(&f->interrupted) || sbl_client_is_closing(f->client);
}

static sabal_status call_at(sbl_worker *w, sbl_call *call, sabal_error *err)
{
    int          is_gone = 0;
    sabal_status st;

    pthread_mutex_lock(&w->lock);
    st = begin(w, call, err);
    pthread_mutex_unlock(&w->lock);
    if (st)
        return st;
    st = send_call(w, call, &is_gone, err);
    if (st && !is_gone) { /* it can't be put into words; unless its worker is gone meanwhile, and it is off the list */
        take_call(w, call->id);
        return st;
    }
    sbl_chaos();
    /* It is in the list, so that who asks from now on finds it; who asked before is found here. */
    if (is_asked_to_end(call->task->future))
        send_cancel(w, call->id);
    pthread_mutex_lock(&w->lock);
    while (!call->done)
        read_or_wait(w);
    pthread_mutex_unlock(&w->lock);
    return call->st;
}

static sabal_status ended_its_worker(struct sabal_task *task, const sbl_call *call)
{
    char        made_up[64], text[96];
    const char *name = sbl_future_name(task->future, made_up, sizeof made_up);

    task->error.status = SABAL_OK;
    return sbl_error_set(&task->error, SABAL_EPEER, "task '%s' ended its worker: %s", name,
                         sbl_process_tell(text, sizeof text, call->status, call->signal));
}

/* So often it can hardly be a neighbour's fault. */
static sabal_status ended_before(struct sabal_task *task, const sbl_call *call, int losses)
{
    char        made_up[64], text[96];
    const char *name = sbl_future_name(task->future, made_up, sizeof made_up);

    task->error.status = SABAL_OK;
    return sbl_error_set(
        &task->error, SABAL_EPEER,
        "%d workers ended while task '%s' was with them, the last with %s: because of tasks beside it, or "
        "of a constructor of the program that a worker runs when it loads it",
        losses, name, sbl_process_tell(text, sizeof text, call->status, call->signal));
}

sabal_status sbl_hub_call(struct sabal_task *task)
{
    sbl_hub *hub    = task->future->client->elsewhere;
    int      losses = 0;

    sbl_rest_after_wakes(); /* this thread of the pool waits for answers most of the time */
    for (;;) {
        sbl_call     call = {.id = atomic_fetch_add_explicit(&hub->ids, 1, memory_order_relaxed), .task = task};
        sbl_worker  *w    = take_worker(hub, task);
        sabal_error  own  = SABAL_ERROR_INIT;
        sabal_status st   = call_at(w, &call, &own);

        give_worker(w);
        if (call.lost && call.guilty)
            return ended_its_worker(task, &call);
        if (call.lost && !is_asked_to_end(task->future) && ++losses < MOST_LOSSES)
            continue; /* another task's fault: once more, and nothing is charged */
        if (call.lost && losses == MOST_LOSSES)
            return ended_before(task, &call, losses);
        if (call.lost)
            return SABAL_ECANCELED;
        if (own.status)
            sbl_error_pass(&task->error, &own);
        return st;
    }
}
