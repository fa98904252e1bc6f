/*
 * Values to and from a client. A result that lies with workers is looked for when it is wanted, and pulled from one of them. Data
 * that a task has as an input is told to the scheduler, and kept here until it says that it may go; workers pull it.
 */
#include "cluster/remote.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/told.h"
#include "graph/held.h"
#include "graph/stuck.h"
#include "sched/pool.h"

enum { MOST_TRIES = 10 };

/* --- data that goes ----------------------------------------------------------------------------------------------- */

/* Data that was told to the scheduler. */
struct sbl_data {
    uint64_t   serial;
    uint32_t   task, attempt; /* its name there, once a worker wants it; 0: none yet */
    sbl_value *value;         /* NULL: it was told whole */
};

static sbl_data *find_data(const sbl_remote *r, uint64_t serial)
{
    return (sbl_data *)(void *)sbl_futures_find(&r->data, serial);
}

int sbl_remote_tell_data(sbl_remote *r, sabal_future *f)
{
    char       bytes[SBL_INLINE];
    uint32_t   n;
    sbl_value *value;
    sbl_data  *d;

    if (find_data(r, f->serial))
        return 1;
    if (sbl_result_take(&value, f, NULL))
        return 0;
    d = sbl_calloc(1, sizeof *d);
    if (!d || !sbl_futures_put(&r->data, f->serial, (sabal_future *)(void *)d)) {
        sbl_value_release(value);
        sbl_free(d);
        return 0;
    }
    n            = sbl_value_tell(bytes, value);
    d->serial    = f->serial;
    f->elsewhere = 1;
    sbl_submit_data(&r->submitter, f->serial, value->n_bytes, n == SBL_ELSEWHERE ? NULL : bytes, n);
    if (n == SBL_ELSEWHERE)
        d->value = value;
    else
        sbl_value_release(value);
    return 1;
}

void sbl_remote_say_replicas(sbl_remote *r, const sabal_future *f, int32_t n)
{
    sbl_submit_spread(&r->submitter, f->serial, n == SABAL_EVERY_WORKER ? SBL_EVERYBODY : (uint32_t)n);
}

/* Data that no task has needed yet is told for that. */
sabal_status sbl_remote_replicate(sabal_future *f, int32_t n, sabal_error *err)
{
    sbl_remote  *r  = sbl_remote_of(f->client);
    sabal_status st = SABAL_OK;

    if (!r)
        return sbl_error_pass(err, &sbl_failure_closed.error);
    pthread_mutex_lock(r->lock);
    if (r->is_over)
        st = sbl_error_pass(err, &r->why);
    else if (!f->site->fn && !sbl_remote_tell_data(r, f))
        st = sbl_error_memory(err, sizeof(sbl_data), "scattered data");
    else
        sbl_remote_say_replicas(r, f, n);
    pthread_mutex_unlock(r->lock);
    sbl_speak(r->speaker);
    return st;
}

static void end_data(sbl_remote *r, sbl_data *d)
{
    sbl_futures_take(&r->data, d->serial);
    if (d->task)
        sbl_futures_take(&r->named, d->task);
    sbl_value_release(d->value);
    sbl_free(d);
}

int sbl_remote_data_released(sbl_remote *r, sabal_future *f)
{
    sbl_data *d = find_data(r, f->serial);

    if (d && !d->value)
        end_data(r, d);
    return d != NULL;
}

void sbl_remote_forget_data(void *arg, uint64_t serial)
{
    sbl_remote *r = arg;
    sbl_data   *d;

    pthread_mutex_lock(r->lock);
    d = find_data(r, serial);
    if (d)
        end_data(r, d);
    pthread_mutex_unlock(r->lock);
}

void sbl_remote_data_clear(sbl_remote *r)
{
    sabal_future *any;

    while ((any = sbl_futures_any(&r->data)))
        end_data(r, (sbl_data *)(void *)any);
    sbl_futures_clear(&r->data);
    sbl_futures_clear(&r->named);
}

void sbl_remote_push(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint32_t worker)
{
    sbl_remote *r = arg;
    sbl_data   *d;

    pthread_mutex_lock(r->lock);
    d = find_data(r, serial);
    if (d && d->value) {
        if (d->task)
            sbl_futures_take(&r->named, d->task);
        d->task    = sbl_futures_put(&r->named, task, (sabal_future *)(void *)d) ? task : 0;
        d->attempt = attempt;
    }
    pthread_mutex_unlock(r->lock);
    if (worker != r->number)
        sbl_meetings_visit(r->meetings, worker);
}

typedef struct gift {
    sbl_work     work; /* first */
    sbl_request *request;
    sbl_value   *value;
} gift;

static void give(sbl_work *work)
{
    gift *g = (gift *)(void *)work;

    sbl_request_answer(g->request, g->value);
    sbl_free(g);
}

sbl_value *sbl_remote_named(sbl_remote *r, uint64_t task, uint64_t attempt)
{
    sbl_value      *value = NULL;
    const sbl_data *d;

    pthread_mutex_lock(r->lock);
    d = (const sbl_data *)(const void *)sbl_futures_find(&r->named, task);
    if (d && d->attempt == attempt)
        value = sbl_value_retain(d->value);
    pthread_mutex_unlock(r->lock);
    return value;
}

/* Copied into shared memory, perhaps. */
void sbl_remote_lookup(void *arg, sbl_request *request)
{
    sbl_remote          *r     = arg;
    const sbl_value_name name  = sbl_request_name(request);
    gift                *g     = sbl_calloc(1, sizeof *g);
    sbl_value           *value = sbl_remote_named(r, name.task, name.attempt);

    if (!g || !value) {
        sbl_value_release(value);
        sbl_free(g);
        sbl_request_refuse(request, NULL);
        return;
    }
    *g = (gift){.work = {.run = give}, .request = request, .value = value};
    sbl_errand(r->errands, &g->work);
}

/* --- results that come -------------------------------------------------------------------------------------------- */

/* Somebody waits for a value; on his stack. */
typedef struct sbl_look {
    struct sbl_look *next;
    sbl_remote      *remote;
    uint64_t         serial;
    uint32_t         asked; /* the worker that it was wished from last */
    sbl_wish        *wish;  /* the loop's; NULL: none is open */
    int              tries, done;
    sbl_value       *value;
    sabal_future    *here; /* this worker has it */
    sabal_error      err;
} look;

/* In the loop's thread, with the lock held. From here on it may be gone: nothing more may come of its wish. */
static void end_look(look *l)
{
    look **link = &l->remote->looks;

    if (l->wish)
        sbl_wish_cancel(l->wish);
    while (*link && *link != l)
        link = &(*link)->next;
    if (*link)
        *link = l->next;
    l->done = 1;
    pthread_cond_broadcast(&l->remote->changed);
}

static void came(void *arg, sbl_value *value)
{
    look       *l = arg;
    sbl_remote *r = l->remote;

    pthread_mutex_lock(r->lock);
    l->wish  = NULL;
    l->value = value;
    end_look(l);
    pthread_mutex_unlock(r->lock);
}

/* That worker could not give it: another has it, or it is made again. */
static void did_not_come(void *arg, const sabal_error *why)
{
    look       *l = arg;
    sbl_remote *r = l->remote;

    pthread_mutex_lock(r->lock);
    l->wish = NULL;
    if (++l->tries >= MOST_TRIES || r->is_over || why->status == SABAL_ENOMEM || why->status == SABAL_EUNSUPPORTED) {
        l->err = *why;
        end_look(l);
    } else {
        sbl_submitter_look(&r->submitter, l->serial, l->asked);
    }
    pthread_mutex_unlock(r->lock);
    sbl_speak(r->speaker);
}

static const sbl_pull_events EVENTS = {.done = came, .failed = did_not_come};

static look *find_look(const sbl_remote *r, uint64_t serial)
{
    look *l = r->looks;

    while (l && l->serial != serial)
        l = l->next;
    return l;
}

static void take_here(look *l, uint32_t task, uint32_t attempt)
{
    sbl_remote *r   = l->remote;
    sabal_error err = SABAL_ERROR_INIT;
    int         has;

    pthread_mutex_lock(r->lock);
    l->here = r->find(task, attempt);
    has     = l->here != NULL;
    if (has)
        end_look(l);
    pthread_mutex_unlock(r->lock);
    if (has)
        return;
    sbl_error_set(&err, SABAL_EPEER, "this worker has lost a value of its own");
    did_not_come(l, &err);
}

void sbl_remote_at(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint64_t size, const char *workers,
                   uint32_t n)
{
    sbl_remote *r   = arg;
    sabal_error err = SABAL_ERROR_INIT;
    look       *l;

    pthread_mutex_lock(r->lock);
    l = find_look(r, serial);
    pthread_mutex_unlock(r->lock);
    if (!l || l->wish)
        return;
    if (!n) {
        sbl_error_set(&err, SABAL_EINTERNAL, "a value that is nowhere");
        did_not_come(l, &err);
        return;
    }
    memcpy(&l->asked, workers, sizeof l->asked);
    if (l->asked == r->number) {
        take_here(l, task, attempt);
        return;
    }
    l->wish = sbl_wish_make(r->meetings, l->asked, (sbl_value_name){task, attempt}, &EVENTS, l);
    if (!l->wish) {
        sbl_error_memory(&err, 1, "a value's way");
        did_not_come(l, &err);
    }
}

int sbl_remote_look_failed(sbl_remote *r, uint64_t serial, const sabal_error *err)
{
    look *l = find_look(r, serial);

    if (!l)
        return 0;
    l->err = *err;
    end_look(l);
    return 1;
}

void sbl_remote_looks_fail(sbl_remote *r, const sabal_error *why)
{
    pthread_mutex_lock(r->lock);
    while (r->looks)
        sbl_remote_look_failed(r, r->looks->serial, why);
    pthread_mutex_unlock(r->lock);
}

/* A task's thread that waits here lends its place: what it waits for may have to be made again. */
static void wait_for_look(look *l)
{
    sbl_remote *r = l->remote;

    sbl_task_park();
    sbl_blocking_begin();
    pthread_mutex_lock(r->lock);
    while (!l->done && !l->err.status)
        pthread_cond_wait(&r->changed, r->lock);
    pthread_mutex_unlock(r->lock);
    sbl_blocking_end();
    sbl_task_unpark();
}

/* The loop's thread may not wait, so that is done here. */
static sabal_status take_from_here(sbl_value **value, sabal_future *here, sabal_error *err)
{
    sabal_status st = sbl_engine_fetch(value, here, err);

    sbl_handle_release(here);
    return st;
}

sabal_status sbl_remote_bring(sbl_value **value, sabal_future *f, sabal_error *err)
{
    sbl_remote *r = sbl_remote_of(f->client);
    look        l = {.remote = r, .serial = f->serial, .err = SABAL_ERROR_INIT};

    if (!r)
        return sbl_error_pass(err, &sbl_failure_closed.error);
    pthread_mutex_lock(r->lock);
    if (r->is_over) {
        l.err = r->why;
    } else {
        l.next   = r->looks;
        r->looks = &l;
        sbl_submitter_look(&r->submitter, l.serial, SBL_NOBODY);
    }
    pthread_mutex_unlock(r->lock);
    sbl_speak(r->speaker);
    wait_for_look(&l);
    if (l.err.status) {
        sbl_error_where(&l.err, f->site->where);
        return sbl_error_pass(err, &l.err);
    }
    if (l.here)
        return take_from_here(value, l.here, err);
    *value = l.value;
    return SABAL_OK;
}
