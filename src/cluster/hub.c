/* Making and ending the hub, its workers' processes, and what becomes of shared memory that nobody needs any more. */
#include "cluster/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/grow.h"
#include "cluster/process.h"
#include "cluster/wire.h"

enum { LOWEST_FD = 16, PATIENCE_MS = 2000 };

/* A descriptor that is above those by which a worker gets its own. Takes fd over; -1 on failure. */
static int above_lowest(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);

    if (fd >= 0)
        close(fd);
    return moved;
}

/* --- segments that end ------------------------------------------------------------------------------------------- */

/* Called with the table's lock held. A worker that is gone knows nothing any more, so failures don't matter. */
static void segment_ended(void *arg, sbl_segment *segment)
{
    sbl_hub *hub = arg;

    if (hub->pid != getpid())
        return;
    for (int32_t i = 0; i < hub->n_workers; i++) {
        sbl_frame frame = {.type = SBL_MSG_RELEASE};

        if (!(segment->holders[i / 64] >> (i % 64) & 1))
            continue;
        sbl_put_u64(&frame, segment->id);
        sbl_channel_send(&hub->workers[i].channel, &frame, NULL);
        sbl_frame_clear(&frame);
    }
}

/* --- a worker's process ------------------------------------------------------------------------------------------- */

enum { HELLO_MS = 30000 };

/* SABAL_END: it ended without a word. */
static sabal_status expect_hello(sbl_worker *w, sabal_error *err)
{
    struct pollfd ready = {.fd = w->channel.fd, .events = POLLIN};
    sbl_frame     frame;
    sabal_error   own = SABAL_ERROR_INIT;
    sabal_status  st  = SABAL_OK;
    int           n;

    do
        n = poll(&ready, 1, HELLO_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return sbl_error_set(err, SABAL_EPEER, "a worker was started, and has not said a word for %d s",
                             HELLO_MS / 1000);
    if (sbl_channel_receive(&w->channel, &frame, NULL))
        return SABAL_END;
    if (frame.type != SBL_MSG_HELLO)
        st = sbl_error_set(&own, SABAL_EPEER, "a worker began with a message of type %u", frame.type);
    if (!st && strcmp(sbl_get_text(&frame), sabal_version()) != 0)
        st =
            sbl_error_set(&own, SABAL_EPEER, "a worker of another version of sabal than this one, %s", sabal_version());
    if (!st)
        sbl_get_error(&own, &frame);
    sbl_frame_clear(&frame);
    return own.status ? sbl_error_pass(err, &own) : SABAL_OK;
}

sabal_status sbl_worker_start_process(sbl_worker *w, sabal_error *err)
{
    int          pair[2] = {-1, -1};
    int          status;
    char         text[96];
    sabal_error  own = SABAL_ERROR_INIT;
    sabal_status st;

    atomic_store(&w->fault->begun, 0);
    atomic_store(&w->fault->call, 0);
    atomic_store(&w->fault->signal, 0);
    atomic_store(&w->fault->is_noted, 0);
    atomic_store(&w->fault->n_threads, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return sbl_error_errno(err, errno, "the channel to a worker");
    pair[1] = above_lowest(pair[1]);
    st      = pair[1] < 0 ? sbl_error_errno(err, errno, "the channel to a worker")
                          : sbl_process_start(&w->pid, pair[1], w->fault_fd, w->hub->threads, w->hub->all_threads, err);
    if (pair[1] >= 0)
        close(pair[1]);
    if (st) {
        close(pair[0]);
        return st;
    }
    pthread_mutex_lock(&w->talk); /* who was putting a call for the former one into words sees that it is another */
    w->process = atomic_fetch_add_explicit(&w->hub->ids, 1, memory_order_relaxed);
    sbl_channel_open(&w->channel, pair[0]);
    pthread_mutex_unlock(&w->talk);
    st = expect_hello(w, &own);
    if (st) {
        sbl_channel_close(&w->channel);
        status = sbl_process_end(w->pid, PATIENCE_MS);
        if (st == SABAL_END)
            return sbl_error_set(err, SABAL_EPEER, "a worker could not be started: it ended with %s",
                                 sbl_process_tell(text, sizeof text, status, 0));
        return sbl_error_pass(err, &own);
    }
    w->is_there = 1;
    return SABAL_OK;
}

void sbl_worker_is_lost(sbl_worker *w)
{
    const uint64_t guilty = atomic_load(&w->fault->call), begun = atomic_load(&w->fault->begun);
    const int      signal = atomic_load(&w->fault->signal);
    int            status;

    shutdown(w->channel.fd, SHUT_RDWR); /* whoever sends holds w->talk, and comes to an end */
    pthread_mutex_lock(&w->talk);
    sbl_channel_close(&w->channel);
    w->process = 0;
    sbl_segments_forget(w->hub->segments, w->index);
    pthread_mutex_unlock(&w->talk);
    status = sbl_process_end(w->pid, PATIENCE_MS);
    if (w->announced)
        sbl_segment_release(w->announced);
    w->announced = NULL;
    w->is_there  = 0;
    for (sbl_call *call = w->calls; call; call = call->next) {
        call->done = call->lost = 1;
        call->guilty            = guilty ? call->id == guilty : call->id <= begun;
        call->signal            = signal;
        call->status            = status;
    }
    w->calls = NULL;
    pthread_cond_broadcast(&w->changed);
}

/* --- the hub ------------------------------------------------------------------------------------------------------ */

static sabal_status worker_init(sbl_worker *w, sbl_hub *hub, int32_t index, sabal_error *err)
{
    w->hub   = hub;
    w->index = index;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->talk, NULL);
    pthread_cond_init(&w->changed, NULL);
    sbl_channel_init(&w->channel);
    w->fault    = MAP_FAILED;
    w->fault_fd = above_lowest(sbl_alloc_must_fail() ? -1 : memfd_create("sabal-fault", MFD_CLOEXEC));
    if (w->fault_fd < 0 || sbl_grow_truncate(w->fault_fd, sizeof *w->fault))
        return sbl_error_errno(err, errno, "memory shared with a worker");
    w->fault = mmap(NULL, sizeof *w->fault, PROT_READ | PROT_WRITE, MAP_SHARED, w->fault_fd, 0);
    return w->fault == MAP_FAILED ? sbl_error_memory(err, sizeof *w->fault, "memory shared with a worker") : SABAL_OK;
}

static void worker_clear(sbl_worker *w)
{
    sbl_channel_destroy(&w->channel);
    if (w->fault && w->fault != MAP_FAILED)
        munmap(w->fault, sizeof *w->fault);
    if (w->fault_fd >= 0)
        close(w->fault_fd);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->talk);
    pthread_cond_destroy(&w->changed);
}

sabal_status sbl_hub_create(sbl_hub **hub, int32_t n_workers, int32_t threads, sabal_error *err)
{
    sbl_hub     *h  = sbl_calloc(1, sizeof *h + (size_t)n_workers * sizeof h->workers[0]);
    sabal_status st = SABAL_OK;

    if (!h)
        return sbl_error_memory(err, sizeof *h, "the record of worker processes");
    h->pid         = getpid();
    h->threads     = threads;
    h->all_threads = n_workers * threads;
    pthread_mutex_init(&h->lock, NULL);
    atomic_init(&h->ids, 1);
    h->segments = sbl_segments_create(n_workers, segment_ended, h);
    if (!h->segments)
        st = sbl_error_memory(err, 1, "the table of shared memory");
    for (int32_t i = 0; i < n_workers && !st; i++) {
        h->n_workers = i + 1;
        st           = worker_init(&h->workers[i], h, i, err);
        if (!st)
            st = sbl_worker_start_process(&h->workers[i], err);
    }
    if (st)
        sbl_hub_destroy(h);
    else
        *hub = h;
    return st;
}

void sbl_hub_destroy(sbl_hub *hub)
{
    if (!hub)
        return;
    for (int32_t i = 0; i < hub->n_workers; i++) {       /* all at once: each ends when its channel does */
        shutdown(hub->workers[i].channel.fd, SHUT_RDWR); /* a forked child may hold it too */
        sbl_channel_close(&hub->workers[i].channel);
    }
    for (int32_t i = 0; i < hub->n_workers; i++)
        if (hub->workers[i].is_there)
            sbl_process_end(hub->workers[i].pid, PATIENCE_MS);
    sbl_segments_destroy(hub->segments);
    for (int32_t i = 0; i < hub->n_workers; i++)
        worker_clear(&hub->workers[i]);
    pthread_mutex_destroy(&hub->lock);
    sbl_free(hub);
}

void sbl_hub_abandon(sbl_hub *hub)
{
    for (int32_t i = 0; hub && i < hub->n_workers; i++)
        close(hub->workers[i].channel.fd); /* else the parent's end would not be seen by its workers */
}
