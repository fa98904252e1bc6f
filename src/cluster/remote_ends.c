/* Ends of futures: as the scheduler tells them, or cancelled here; and what nobody wants any more. */
#include "cluster/remote.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/thread.h"
#include "cluster/told.h"
#include "graph/held.h"
#include "graph/local.h"

static sabal_future *take(sbl_remote *r, uint64_t serial)
{
    sabal_future *f;

    pthread_mutex_lock(r->lock);
    f = sbl_futures_take(&r->pending, serial);
    pthread_mutex_unlock(r->lock);
    return f;
}

/* Its result is written. The graph's keep of the record ends with it. */
static void end(sabal_future *f)
{
    sbl_end(f, NULL);
    sbl_future_unkeep(f);
}

void sbl_remote_fail(sabal_future *f, sbl_failure *failure)
{
    if (!sbl_step(f, SBL_WAITING, SBL_ENDING)) {
        sbl_failure_release(failure);
        return;
    }
    f->result.failure = failure;
    f->failed         = 1;
    end(f);
}

/* --- told --------------------------------------------------------------------------------------------------------- */

/* Writes its result. 0: no memory. */
static int write_result(sabal_future *f, uint64_t size, const char *told, uint32_t n, sabal_error *err)
{
    if (!told) {
        if (!sbl_held_make_elsewhere(f, size))
            sbl_error_memory(err, sizeof(sbl_held), "a result that lies elsewhere");
    } else if (n <= SBL_SMALL_BYTES) {
        if (n)
            memcpy(f->result.small.bytes, told, n);
        f->small = (uint8_t)(n + 1);
    } else {
        sbl_value_told(&f->result.value, told, n, err);
    }
    return !err->status;
}

void sbl_remote_done(void *arg, uint64_t serial, uint64_t size, const char *told, uint32_t n)
{
    sbl_remote   *r   = arg;
    sabal_future *f   = take(r, serial);
    sabal_error   err = SABAL_ERROR_INIT;

    if (!f || !sbl_step(f, SBL_WAITING, SBL_ENDING))
        return;
    f->ran = 1;
    if (!write_result(f, size, told, n, &err)) {
        sbl_error_where(&err, f->site->where);
        f->result.failure = sbl_failure_make(&err);
        f->failed         = 1;
    }
    end(f);
}

void sbl_remote_failed(void *arg, uint64_t serial, const sabal_error *err)
{
    sbl_remote   *r = arg;
    sabal_future *f = take(r, serial);

    pthread_mutex_lock(r->lock);
    sbl_remote_look_failed(r, serial, err);
    pthread_mutex_unlock(r->lock);
    if (f)
        sbl_remote_fail(f, sbl_failure_make(err));
}

static void fail_all(sbl_remote *r, const sabal_error *why)
{
    for (;;) {
        sabal_future *f;
        sabal_error   own = *why;

        pthread_mutex_lock(r->lock);
        f = sbl_futures_any(&r->pending);
        if (f)
            sbl_futures_take(&r->pending, f->serial);
        pthread_mutex_unlock(r->lock);
        if (!f)
            return;
        sbl_error_where(&own, f->site->where);
        sbl_remote_fail(f, sbl_failure_make(&own));
    }
}

void sbl_remote_over(sbl_remote *r, const sabal_error *why)
{
    pthread_mutex_lock(r->lock);
    r->is_over = 1;
    r->why     = *why;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(r->lock);
    fail_all(r, why);
    sbl_remote_looks_fail(r, why);
}

/* --- from here ---------------------------------------------------------------------------------------------------- */

void sbl_remote_interrupt_serial(sbl_remote *r, uint64_t serial)
{
    sabal_future *f;

    pthread_mutex_lock(r->lock);
    f = sbl_futures_take(&r->pending, serial);
    if (f)
        sbl_submit_cancel(&r->submitter, serial, 1);
    pthread_mutex_unlock(r->lock);
    if (!f)
        return;
    sbl_speak(r->speaker);
    atomic_fetch_or(&f->interrupted, SBL_ASKED_TO_CANCEL);
    sbl_remote_fail(f, sbl_failure_of_interrupt(f));
}

void sbl_remote_interrupt(sabal_future *f)
{
    sbl_remote_interrupt_serial(sbl_remote_of(f->client), f->serial);
}

/* What is data may be needed by tasks: then the scheduler says when it may go (remote_values.c). */
void sbl_remote_forget(sabal_future *f)
{
    sbl_remote *r = sbl_remote_of(f->client);

    if (!r || !f->elsewhere)
        return;
    pthread_mutex_lock(r->lock);
    if (!r->is_over && (f->site->fn || sbl_remote_data_released(r, f)))
        sbl_submit_release(&r->submitter, f->serial, 1);
    pthread_mutex_unlock(r->lock);
    if (r->speak_late)
        r->speak_late(r);
    else
        sbl_speak(r->speaker);
}

void sbl_remote_stop(sabal_client *client)
{
    sbl_remote *r = sbl_remote_of(client);

    for (;;) {
        sabal_future *f;

        pthread_mutex_lock(r->lock);
        f = sbl_futures_any(&r->pending);
        if (f) {
            sbl_futures_take(&r->pending, f->serial);
            sbl_submit_cancel(&r->submitter, f->serial, 1);
        }
        pthread_mutex_unlock(r->lock);
        if (!f)
            break;
        sbl_remote_fail(f, sbl_failure_of_interrupt(f));
    }
    pthread_mutex_lock(r->lock);
    pthread_cond_broadcast(&r->changed); /* who waits for workers, waits no more */
    pthread_mutex_unlock(r->lock);
    sbl_speak(r->speaker);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

void sbl_remote_init(sbl_remote *r, sabal_client *client, pthread_mutex_t *lock, sbl_outbox *out)
{
    r->client             = client;
    r->lock               = lock;
    r->questions.work.run = sbl_remote_ask;
    r->submitter.out      = out;
    r->submitter.calls    = (sbl_submitter_calls){sbl_remote_done, sbl_remote_failed,      sbl_remote_at,
                                                  sbl_remote_push, sbl_remote_forget_data, r};
    sbl_cond_init(&r->changed);
}

void sbl_remote_clear(sbl_remote *r)
{
    sbl_remote_data_clear(r);
    sbl_remote_kinds_clear(r);
    sbl_futures_clear(&r->pending);
    sbl_words_clear(&r->questions.status.words);
    sbl_words_clear(&r->questions.who_has.words);
    pthread_cond_destroy(&r->changed);
}
