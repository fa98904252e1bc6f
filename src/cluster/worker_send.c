/*
 * The thread that sends what the first one must not: that one always reads, so that no process waits for another to
 * read while it is waited for itself.
 */
#include "cluster/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/wire.h"

static pthread_mutex_t lock    = PTHREAD_MUTEX_INITIALIZER; /* of the list */
static pthread_cond_t  to_send = PTHREAD_COND_INITIALIZER;
static sbl_work       *unsent, **last_unsent; /* what the sender is to do, in order */

void sbl_leave_to_sender(sbl_work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&lock);
    *(unsent ? last_unsent : &unsent) = work;
    last_unsent                       = &work->next;
    pthread_cond_signal(&to_send);
    pthread_mutex_unlock(&lock);
}

static void *send_all(void *nothing)
{
    for (;;) {
        sbl_work *work;

        pthread_mutex_lock(&lock);
        while (!unsent)
            pthread_cond_wait(&to_send, &lock);
        work   = unsent;
        unsent = work->next;
        pthread_mutex_unlock(&lock);
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

    if (sbl_channel_send(&sbl_this_worker.channel, &l->frame, NULL) == SABAL_EPEER)
        _exit(EXIT_FAILURE);
    sbl_frame_clear(&l->frame);
    sbl_free(l);
}

void sbl_send_later(sbl_frame *frame)
{
    letter *l = sbl_calloc(1, sizeof *l);

    if (!l)
        _exit(EXIT_FAILURE); /* the hub tells that this worker ended, which is better than no word */
    l->work.run = send_letter;
    l->frame    = *frame;
    sbl_leave_to_sender(&l->work);
}

void sbl_send_failure(uint64_t id, const sabal_error *err)
{
    sbl_frame   frame = {.type = SBL_MSG_FAILED};
    sabal_error told  = *err;

    if (!told.node[0])
        snprintf(told.node, sizeof told.node, "worker process %d", (int)getpid());
    sbl_put_u64(&frame, id);
    sbl_put_error(&frame, &told);
    sbl_send_later(&frame);
}

sabal_status sbl_sender_start(sabal_error *err)
{
    pthread_t sender;

    if (pthread_create(&sender, NULL, send_all, NULL))
        return sbl_error_set(err, SABAL_ENOMEM, "a worker's thread that sends could not be started");
    return SABAL_OK;
}
