/*
 * A call in a worker, from the frame that brings it to the frame with its answer. It runs as a task of the worker's own
 * client; who ends the task posts the answer, which a thread of the pool sends.
 */
#include "cluster/worker.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/crash.h"
#include "cluster/wire.h"
#include "graph/held.h"
#include "graph/local.h"
#include "graph/task.h"
#include "graph/watch.h"

/* A call that runs here. */
typedef struct running {
    sbl_work        work; /* that sends the answer */
    struct running *next;
    uint64_t        id;
    sabal_future   *future;
    char           *where; /* the user's line, which the future refers to */
    sbl_watch       watch; /* last: it ends in room for a text */
} running;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list */
static pthread_mutex_t talk = PTHREAD_MUTEX_INITIALIZER; /* held while an answer is put into words and sent */
static running        *calls;
static _Atomic int64_t made; /* segments, for their numbers */

/* --- answers ------------------------------------------------------------------------------------------------------ */

static uint64_t next_id(void *arg)
{
    return sbl_this_worker.first_id + (uint64_t)atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
}

/* The hub knows all that came from it; what was made here it is told, and from then on the table keeps it, until the hub
   says that nobody needs it. */
static sabal_status announce(void *arg, sbl_segment *segment, sabal_error *err)
{
    sabal_status st = segment->told ? SABAL_OK : sbl_send_segment(&sbl_this_worker.channel, segment, err);

    if (st || segment->told)
        return st;
    segment->told = sbl_segment_by_id(sbl_this_worker.segments, segment->id) == segment; /* a reference that stays */
    sbl_segment_close_fd(segment);
    return SABAL_OK;
}

/* The key that the task has here means nothing to the hub; that of a task which this one submitted does. */
static void send_failed_future(const running *r)
{
    sabal_error err = *sabal_future_error(r->future);

    if (!strcmp(err.task, sabal_future_key(r->future)))
        err.task[0] = 0;
    sbl_send_failure(r->id, &err);
}

static void send_value(const running *r)
{
    const sbl_route route = {.segments = sbl_this_worker.segments, .next_id = next_id, .tell = announce};
    sbl_frame       frame = {.type = SBL_MSG_FINISHED};
    sabal_error     err   = SABAL_ERROR_INIT;
    sbl_value      *value = NULL;
    sabal_status    st    = sbl_result_take(&value, r->future, &err);

    sbl_put_u64(&frame, r->id);
    pthread_mutex_lock(&talk);
    if (!st)
        st = sbl_put_value(&frame, value, &route, &err);
    if (!st)
        st = sbl_channel_send(&sbl_this_worker.channel, &frame, &err);
    pthread_mutex_unlock(&talk);
    sbl_value_release(value);
    sbl_frame_clear(&frame);
    if (st == SABAL_EPEER)
        _exit(EXIT_FAILURE);
    if (st)
        sbl_send_failure(r->id, &err);
}

static void running_end(running *r)
{
    running **link = &calls;

    pthread_mutex_lock(&lock);
    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    pthread_mutex_unlock(&lock);
    sbl_handle_release(r->future);
    sbl_free(r->where);
    sbl_free(r);
}

static void answer(sbl_work *work)
{
    running *r = (running *)(void *)((char *)work - offsetof(running, work));

    if (sabal_future_error(r->future))
        send_failed_future(r);
    else
        send_value(r);
    running_end(r);
}

/* By the thread of the pool that ended it, before all else that it has to do. Another thread (the first, which cancels, or
   one of the user's) leaves it to the one that sends: all threads of the pool may be busy. */
static void post_answer(sbl_watch *watch)
{
    running *r = (running *)(void *)((char *)watch - offsetof(running, watch));

    if (sbl_pool_place(sbl_client_pool(sbl_this_worker.client)) >= 0)
        sbl_pool_post(sbl_client_pool(sbl_this_worker.client), &r->work);
    else
        sbl_leave_to_sender(&r->work);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

/* Calls of other tasks than those that the hub sent, which these submitted, are nobody's. */
static uint64_t call_of(const sabal_future *f)
{
    uint64_t id = 0;

    pthread_mutex_lock(&lock);
    for (const running *r = calls; r && !id; r = r->next)
        if (r->future == f)
            id = r->id;
    pthread_mutex_unlock(&lock);
    return id;
}

sabal_status sbl_call_watched(struct sabal_task *task)
{
    const uint64_t       call   = call_of(task->future);
    const sbl_crash_call before = sbl_crash_begin(call, NULL);
    sabal_status         st;

    sbl_crash_begun(call);
    st = sbl_call_here(task);
    sbl_crash_end(before);
    return st;
}

static sabal_status take_inputs(sabal_future **inputs, int32_t n, sbl_frame *frame, sbl_build_id *missing,
                                sabal_error *err)
{
    sabal_status st = SABAL_OK;

    for (int32_t i = 0; i < n && !st; i++) {
        sbl_value *value = NULL;

        st = sbl_get_value(&value, frame, sbl_this_worker.segments, missing, err);
        if (!st)
            st = sbl_engine_scatter(sbl_this_worker.client, value, &inputs[i], err);
        sbl_value_release(value);
    }
    return st;
}

/* Whoever calls its function looks for it in the list, and waits for the lock until it is there. */
static sabal_status start(running *r, sbl_task_spec *spec, sabal_error *err)
{
    sabal_status st;

    pthread_mutex_lock(&lock); /* call_of() waits for it */
    st = sbl_engine_submit(sbl_this_worker.client, spec, 1, &r->future, err);
    if (!st) {
        r->next = calls;
        calls   = r;
    }
    pthread_mutex_unlock(&lock);
    if (!st && !sbl_watch_add(&r->watch, r->future))
        post_answer(&r->watch);
    return st;
}

static sabal_status run_call(uint64_t id, sabal_task_fn *fn, sbl_frame *frame, sbl_build_id *missing, sabal_error *err)
{
    const char    *name     = sbl_get_text(frame);
    running       *r        = sbl_calloc(1, sizeof *r);
    sbl_task_spec  spec     = {.fn = fn, .name = name, .own_where = 1};
    sabal_future **inputs   = NULL;
    sabal_status   st       = SABAL_OK;
    uint64_t       n_inputs = 0;

    if (!r)
        return sbl_error_memory(err, sizeof *r, "a call");
    r->id            = id;
    r->work.run      = answer;
    r->work.priority = INT32_MAX;
    r->watch.fire    = post_answer;
    r->watch.fd      = -1;
    r->where         = sbl_strdup(sbl_get_text(frame));
    spec.where       = r->where && r->where[0] ? r->where : NULL;
    spec.priority    = (int32_t)(int64_t)sbl_get_u64(frame);
    spec.arg_size    = sbl_get_u64(frame);
    spec.arg         = sbl_get(frame, spec.arg_size);
    spec.arg         = spec.arg_size ? spec.arg : NULL;
    n_inputs         = sbl_get_u64(frame);
    if (frame->failed || n_inputs > INT32_MAX)
        st = sbl_error_set(err, SABAL_EFORMAT, "a call that is cut short");
    else if (!(inputs = sbl_calloc(n_inputs + 1, sizeof *inputs)))
        st = sbl_error_memory(err, n_inputs * sizeof *inputs, "the inputs of a call");
    spec.inputs   = inputs;
    spec.n_inputs = (int32_t)n_inputs;
    if (!st)
        st = take_inputs(inputs, spec.n_inputs, frame, missing, err);
    if (!st)
        st = start(r, &spec, err);
    for (uint64_t i = 0; inputs && i < n_inputs; i++)
        sbl_handle_release(inputs[i]);
    sbl_free(inputs);
    if (st) {
        sbl_free(r->where);
        sbl_free(r);
    }
    return st;
}

void sbl_take_call(sbl_frame *frame, const sabal_error *refused)
{
    uint64_t       id      = sbl_get_u64(frame);
    sabal_error    err     = SABAL_ERROR_INIT;
    sbl_build_id   missing = {0};
    sbl_crash_call before;
    sbl_code       code;
    void          *fn;

    sbl_get_code(&code, frame);
    fn = sbl_code_find(&code);
    if (!fn) {
        missing = code.object;
    } else {
        before = sbl_crash_begin(id, NULL); /* decode() of an input is the user's */
        sbl_crash_begun(id);
        if (run_call(id, (sabal_task_fn *)(uintptr_t)fn, frame, &missing, &err) && !missing.size)
            sbl_send_failure(id, &err);
        sbl_crash_end(before);
    }
    if (missing.size && refused)
        sbl_send_failure(id, refused);
    else if (missing.size)
        sbl_defer_call(id, frame, &missing);
}

void sbl_take_cancel(sbl_frame *frame)
{
    uint64_t      id     = sbl_get_u64(frame);
    sabal_future *future = NULL;

    pthread_mutex_lock(&lock);
    for (running *r = calls; r && !future; r = r->next)
        if (r->id == id)
            future = sbl_handle_retain(r->future);
    pthread_mutex_unlock(&lock);
    if (future)
        sabal_future_cancel(future);
    else
        sbl_cancel_deferred(id);
    sbl_handle_release(future);
}
