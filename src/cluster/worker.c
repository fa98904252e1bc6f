/*
 * A worker's process. Its first thread reads what the hub says; calls run as tasks of a local client of its own, so that
 * inside a task everything is as on the local engine. Who ends a task posts the answer, which a thread of the pool
 * sends.
 */
#include <sabal/cluster.h>

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <sabal/version.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/crash.h"
#include "cluster/load.h"
#include "cluster/process.h"
#include "cluster/wire.h"
#include "graph/held.h"
#include "graph/local.h"
#include "graph/task.h"
#include "graph/watch.h"
#include "sched/openmp.h"

/* A call that runs here. */
typedef struct running {
    sbl_work        work; /* that sends the answer */
    struct running *next;
    uint64_t        id;
    sabal_future   *future;
    char           *where; /* the user's line, which the future refers to */
    sbl_watch       watch; /* last: it ends in room for a text */
} running;

/* A function that a task looks for in an object that is not loaded; on its stack. */
typedef struct wanted {
    struct wanted  *next;
    const sbl_code *code;
    int             done;
    sabal_error     err;
} wanted;

/* A call that came before the code it needs. */
typedef struct deferred {
    struct deferred *next;
    sbl_frame        frame;
    sbl_build_id     object;
} deferred;

static struct worker {
    sbl_channel     channel;
    pthread_mutex_t talk; /* held while an answer is put into words and sent */
    sbl_segments   *segments;
    sabal_client   *client;
    uint64_t        first_id; /* numbers of segments made here are made of it */
    _Atomic int64_t made;
    pthread_mutex_t lock;   /* of the lists */
    pthread_cond_t  loaded; /* an object is, or can't be */
    running        *running;
    wanted         *wanted;
    deferred       *deferred;
    sbl_work       *unsent, **last_unsent; /* under the lock: what the sender is to do, in order */
    pthread_cond_t  to_send;
} worker;

/* --- the thread that sends what the first must not ---------------------------------------------------------------- */

/* The first thread always reads, so that no process waits for another to read while it is waited for itself. */

static void leave_to_sender(sbl_work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&worker.lock);
    *(worker.unsent ? worker.last_unsent : &worker.unsent) = work;
    worker.last_unsent                                     = &work->next;
    pthread_cond_signal(&worker.to_send);
    pthread_mutex_unlock(&worker.lock);
}

static void *send_all(void *nothing)
{
    for (;;) {
        sbl_work *work;

        pthread_mutex_lock(&worker.lock);
        while (!worker.unsent)
            pthread_cond_wait(&worker.to_send, &worker.lock);
        work          = worker.unsent;
        worker.unsent = work->next;
        pthread_mutex_unlock(&worker.lock);
        work->run(work);
    }
    return nothing;
}

typedef struct letter {
    sbl_work  work;
    sbl_frame frame;
} letter;

/* A channel that takes nothing any more has no process behind it, and then nobody wants what is done here. */
static void send_letter(sbl_work *work)
{
    letter *l = (letter *)(void *)work;

    if (sbl_channel_send(&worker.channel, &l->frame, NULL) == SABAL_EPEER)
        _exit(EXIT_FAILURE);
    sbl_frame_clear(&l->frame);
    sbl_free(l);
}

/* Takes the frame over. */
static void send_later(sbl_frame *frame)
{
    letter *l = sbl_calloc(1, sizeof *l);

    if (!l)
        _exit(EXIT_FAILURE); /* the hub tells that this worker ended, which is better than no word */
    l->work.run = send_letter;
    l->frame    = *frame;
    leave_to_sender(&l->work);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static uint64_t next_id(void *arg)
{
    return worker.first_id + (uint64_t)atomic_fetch_add_explicit(&worker.made, 1, memory_order_relaxed);
}

/* The hub knows all that came from it; what was made here it is told, and from then on the table keeps it, until the hub
   says that nobody needs it. */
static sabal_status announce(void *arg, sbl_segment *segment, sabal_error *err)
{
    sabal_status st = segment->told ? SABAL_OK : sbl_send_segment(&worker.channel, segment, err);

    if (st || segment->told)
        return st;
    segment->told = sbl_segment_by_id(worker.segments, segment->id) == segment; /* a reference that stays */
    sbl_segment_close_fd(segment);
    return SABAL_OK;
}

static void send_failure(uint64_t id, const sabal_error *err)
{
    sbl_frame   frame = {.type = SBL_MSG_FAILED};
    sabal_error told  = *err;

    if (!told.node[0])
        snprintf(told.node, sizeof told.node, "worker process %d", (int)getpid());
    sbl_put_u64(&frame, id);
    sbl_put_error(&frame, &told);
    send_later(&frame);
}

/* The key that the task has here means nothing to the hub; that of a task which this one submitted does. */
static void send_failed_future(const running *r)
{
    sabal_error err = *sabal_future_error(r->future);

    if (!strcmp(err.task, sabal_future_key(r->future)))
        err.task[0] = 0;
    send_failure(r->id, &err);
}

static void send_value(const running *r)
{
    const sbl_route route = {.segments = worker.segments, .next_id = next_id, .tell = announce};
    sbl_frame       frame = {.type = SBL_MSG_FINISHED};
    sabal_error     err   = SABAL_ERROR_INIT;
    sbl_value      *value = NULL;
    sabal_status    st    = sbl_result_take(&value, r->future, &err);

    sbl_put_u64(&frame, r->id);
    pthread_mutex_lock(&worker.talk);
    if (!st)
        st = sbl_put_value(&frame, value, &route, &err);
    if (!st)
        st = sbl_channel_send(&worker.channel, &frame, &err);
    pthread_mutex_unlock(&worker.talk);
    sbl_value_release(value);
    sbl_frame_clear(&frame);
    if (st == SABAL_EPEER)
        _exit(EXIT_FAILURE);
    if (st)
        send_failure(r->id, &err);
}

static void running_end(running *r)
{
    running **link = &worker.running;

    pthread_mutex_lock(&worker.lock);
    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    pthread_mutex_unlock(&worker.lock);
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

    if (sbl_pool_place(sbl_client_pool(worker.client)) >= 0)
        sbl_pool_post(sbl_client_pool(worker.client), &r->work);
    else
        leave_to_sender(&r->work);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

/* Calls of other tasks than those that the hub sent, which these submitted, are nobody's. */
static uint64_t call_of(const sabal_future *f)
{
    uint64_t id = 0;

    pthread_mutex_lock(&worker.lock);
    for (const running *r = worker.running; r && !id; r = r->next)
        if (r->future == f)
            id = r->id;
    pthread_mutex_unlock(&worker.lock);
    return id;
}

static sabal_status call_watched(struct sabal_task *task)
{
    uint64_t     before = sbl_crash_begin(call_of(task->future));
    sabal_status st     = sbl_call_here(task);

    sbl_crash_end(before);
    return st;
}

static void ask_for(const sbl_build_id *object)
{
    sbl_frame frame = {.type = SBL_MSG_NEED};

    sbl_put(&frame, object, sizeof *object);
    send_later(&frame);
}

/* The thread that reads loads it meanwhile. */
static sabal_status find_code(void **address, const sbl_code *code, sabal_error *err)
{
    wanted w = {.code = code, .err = SABAL_ERROR_INIT};

    if (!code->object.size)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "a function that could not be named is not in this process");
    pthread_mutex_lock(&worker.lock);
    w.next        = worker.wanted;
    worker.wanted = &w;
    pthread_mutex_unlock(&worker.lock);
    ask_for(&code->object);
    pthread_mutex_lock(&worker.lock);
    while (!w.done)
        pthread_cond_wait(&worker.loaded, &worker.lock);
    pthread_mutex_unlock(&worker.lock);
    *address = sbl_code_find(code);
    return *address ? SABAL_OK : sbl_error_pass(err, &w.err);
}

static void tell_those_who_want(const sbl_build_id *object, const sabal_error *err)
{
    pthread_mutex_lock(&worker.lock);
    for (wanted **link = &worker.wanted; *link;) {
        wanted *w = *link;

        if (!sbl_build_id_equal(&w->code->object, object)) {
            link = &w->next;
            continue;
        }
        *link   = w->next;
        w->err  = *err;
        w->done = 1;
    }
    pthread_cond_broadcast(&worker.loaded);
    pthread_mutex_unlock(&worker.lock);
}

static sbl_engine engine; /* the local one, but for its calls */

static sabal_status choose(const sbl_engine **chosen, const char *address, const sabal_open_options *options,
                           sabal_error *err)
{
    engine      = sbl_engine_local;
    engine.call = call_watched;
    engine.find = find_code;
    *chosen     = &engine;
    return SABAL_OK;
}

static sabal_status take_inputs(sabal_future **inputs, int32_t n, sbl_frame *frame, sbl_build_id *missing,
                                sabal_error *err)
{
    sabal_status st = SABAL_OK;

    for (int32_t i = 0; i < n && !st; i++) {
        sbl_value *value = NULL;

        st = sbl_get_value(&value, frame, worker.segments, missing, err);
        if (!st)
            st = sbl_engine_scatter(worker.client, value, &inputs[i], err);
        sbl_value_release(value);
    }
    return st;
}

/* Whoever calls its function looks for it in the list, and waits for the lock until it is there. */
static sabal_status start(running *r, sbl_task_spec *spec, sabal_error *err)
{
    sabal_status st;

    pthread_mutex_lock(&worker.lock); /* call_of() waits for it */
    st = sbl_engine_submit(worker.client, spec, 1, &r->future, err);
    if (!st) {
        r->next        = worker.running;
        worker.running = r;
    }
    pthread_mutex_unlock(&worker.lock);
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

/* --- what the hub says -------------------------------------------------------------------------------------------- */

/* Keeps the frame until the hub has sent the object. */
static void defer(uint64_t id, sbl_frame *frame, const sbl_build_id *object)
{
    sabal_error err = SABAL_ERROR_INIT;
    deferred   *d   = sbl_calloc(1, sizeof *d);

    if (!d) {
        sbl_error_memory(&err, sizeof *d, "a call that waits for its code");
        send_failure(id, &err);
        return;
    }
    frame->at = 0;
    d->frame  = *frame;
    d->object = *object;
    d->next   = worker.deferred;
    memset(frame, 0, sizeof *frame);
    worker.deferred = d;
    ask_for(object);
}

static void take_call(sbl_frame *frame, const sabal_error *refused)
{
    uint64_t     id      = sbl_get_u64(frame), before;
    sabal_error  err     = SABAL_ERROR_INIT;
    sbl_build_id missing = {0};
    sbl_code     code;
    void        *fn;

    sbl_get_code(&code, frame);
    fn = sbl_code_find(&code);
    if (!fn) {
        missing = code.object;
    } else {
        before = sbl_crash_begin(id); /* decode() of an input is the user's */
        if (run_call(id, (sabal_task_fn *)(uintptr_t)fn, frame, &missing, &err) && !missing.size)
            send_failure(id, &err);
        sbl_crash_end(before);
    }
    if (missing.size && refused)
        send_failure(id, refused);
    else if (missing.size)
        defer(id, frame, &missing);
}

static void take_object(sbl_frame *frame)
{
    const void  *id = sbl_get(frame, sizeof(sbl_build_id));
    const char  *libraries[512];
    sabal_error  err = SABAL_ERROR_INIT;
    sbl_build_id object;
    deferred   **link = &worker.deferred;

    if (!id)
        return;
    memcpy(&object, id, sizeof object);
    sbl_get_error(&err, frame);
    if (!err.status) {
        const char *path = sbl_get_text(frame);
        int32_t     n    = (int32_t)sbl_get_u64(frame);
        int         fd   = sbl_get_fd(frame);

        n = n < 0 ? 0 : n > 512 ? 512 : n;
        for (int32_t i = 0; i < n; i++)
            libraries[i] = sbl_get_text(frame);
        if (fd >= 0)
            sbl_object_load(fd, path, &object, libraries, n, &err);
        else
            sbl_error_set(&err, SABAL_EPEER, "code came without its file");
        if (fd >= 0)
            close(fd);
    }
    sbl_openmp_find(); /* of what came with it */
    if (!err.status)
        sbl_error_set(&err, SABAL_EINTERNAL, "code that was loaded does not hold the function");
    tell_those_who_want(&object, &err);
    while (*link) {
        deferred *d = *link;

        if (!sbl_build_id_equal(&d->object, &object)) {
            link = &d->next;
            continue;
        }
        *link = d->next;
        take_call(&d->frame, &err);
        sbl_frame_clear(&d->frame);
        sbl_free(d);
    }
}

static void take_segment(sbl_frame *frame)
{
    uint64_t     id = sbl_get_u64(frame), size = sbl_get_u64(frame);
    int          fd = sbl_get_fd(frame);
    sbl_segment *segment;

    if (fd >= 0 && !sbl_segment_map(&segment, worker.segments, id, size, fd, NULL))
        segment->told = 1; /* its reference stays until the hub says otherwise */
}

static void take_release(sbl_frame *frame)
{
    sbl_segment *segment = sbl_segment_by_id(worker.segments, sbl_get_u64(frame));

    if (!segment)
        return;
    sbl_segment_release(segment);
    sbl_segment_release(segment); /* and the one that stayed */
}

/* A call that waits for its code ends without it. */
static void cancel_deferred(uint64_t id)
{
    sabal_error err = SABAL_ERROR_INIT;

    for (deferred **link = &worker.deferred; *link; link = &(*link)->next) {
        deferred *d = *link;
        uint64_t  its;

        its         = sbl_get_u64(&d->frame);
        d->frame.at = 0;
        if (its != id)
            continue;
        *link = d->next;
        sbl_error_set(&err, SABAL_ECANCELED, "cancelled");
        send_failure(id, &err);
        sbl_frame_clear(&d->frame);
        sbl_free(d);
        return;
    }
}

static void take_cancel(sbl_frame *frame)
{
    uint64_t      id     = sbl_get_u64(frame);
    sabal_future *future = NULL;

    pthread_mutex_lock(&worker.lock);
    for (running *r = worker.running; r && !future; r = r->next)
        if (r->id == id)
            future = sbl_handle_retain(r->future);
    pthread_mutex_unlock(&worker.lock);
    if (future)
        sabal_future_cancel(future);
    else
        cancel_deferred(id);
    sbl_handle_release(future);
}

static void take_frame(sbl_frame *frame)
{
    switch (frame->type) {
    case SBL_MSG_RUN:
        take_call(frame, NULL);
        break;
    case SBL_MSG_CANCEL:
        take_cancel(frame);
        break;
    case SBL_MSG_SEGMENT:
        take_segment(frame);
        break;
    case SBL_MSG_RELEASE:
        take_release(frame);
        break;
    case SBL_MSG_OBJECT:
        take_object(frame);
        break;
    case SBL_MSG_STOP:
        sbl_client_stop(worker.client);
        break;
    default:
        break;
    }
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static sabal_status open_all(int fault, int32_t threads, sabal_error *err)
{
    sabal_open_options options = {SABAL_OPEN_DEFAULTS, .threads = threads, .trace = "", .memory_limit = -1};
    sabal_status       st      = sbl_crash_watch(fault, err);
    pthread_t          sender;

    pthread_mutex_init(&worker.talk, NULL);
    pthread_mutex_init(&worker.lock, NULL);
    pthread_cond_init(&worker.loaded, NULL);
    pthread_cond_init(&worker.to_send, NULL);
    (void)!getrandom(&worker.first_id, sizeof worker.first_id, 0);
    worker.first_id = (worker.first_id | (uint64_t)1 << 63) & ~(uint64_t)UINT32_MAX; /* the hub's numbers are small */
    if (st)
        return st;
    worker.segments = sbl_segments_create(0, NULL, NULL);
    if (!worker.segments)
        return sbl_error_memory(err, 1, "the table of shared memory");
    worker.client = sbl_client_open(choose, "local:", err, &options);
    if (!err->status && pthread_create(&sender, NULL, send_all, NULL))
        sbl_error_set(err, SABAL_ENOMEM, "a worker's thread that sends could not be started");
    return err->status;
}

/* Also with what tasks have submitted, and nobody waits for. */
static int is_busy(void)
{
    sabal_client_stats stats = {.struct_size = sizeof stats};

    sabal_client_stats_get(worker.client, &stats);
    return stats.pending > 0;
}

/* A number that no task takes by mistake, and that its child processes don't have. */
static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 200);

    if (moved < 0)
        return fd;
    close(fd);
    return moved;
}

static int32_t serve(int fd, int fault, int32_t threads)
{
    sbl_frame    frame = {.type = SBL_MSG_HELLO};
    sabal_error  err   = SABAL_ERROR_INIT;
    sabal_status st;

    setvbuf(stdout, NULL, _IOLBF, 0); /* what tasks print shall not be lost with the process */
    if (threads == 1) /* while the only one that calls is at it, nothing comes that this one would read */
        sbl_rest_after_wakes();
    sbl_channel_init(&worker.channel);
    sbl_channel_open(&worker.channel, move_up(fd));
    st = open_all(fault, threads, &err);
    sbl_put_text(&frame, sabal_version());
    sbl_put_error(&frame, &err);
    sbl_channel_send(&worker.channel, &frame, NULL);
    sbl_frame_clear(&frame);
    while (!st) {
        if (sbl_channel_receive(&worker.channel, &frame, NULL))
            break;
        take_frame(&frame);
        sbl_frame_clear(&frame);
    }
    if (is_busy())
        _exit(0); /* the hub is gone: nobody wants what still runs */
    sabal_close(worker.client);
    sbl_segments_destroy(worker.segments);
    return st ? EXIT_FAILURE : EXIT_SUCCESS;
}

int32_t sabal_worker_main(int argc, char **argv)
{
    const char *threads, *all;

    if (argc != 5 || strcmp(argv[0], "sabal-worker") != 0 || strcmp(argv[1], "--rehearse") != 0) {
        sbl_process_is_own_worker();
        return -1;
    }
    threads = argv[4];
    all     = strchr(threads, ',');
    sbl_openmp_share_cores(all ? atoi(all + 1) : 0);
    return serve(atoi(argv[2]), atoi(argv[3]), atoi(threads));
}
