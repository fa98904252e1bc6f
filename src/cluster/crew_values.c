/*
 * Values in a worker: futures of its local client, so that they are within its budget and may be on disk. They come from other
 * members, and are given to them.
 */
#include "cluster/crew.h"
#include "cluster/crew_comings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/told.h"
#include "graph/held.h"

void *sbl_crew_value_of(void *arg, const char *bytes, uint32_t n)
{
    sbl_value    *value  = NULL;
    sabal_future *future = NULL;

    if (!sbl_value_told(&value, bytes, n, NULL))
        sbl_engine_scatter(sbl_crew.client, value, &future, NULL);
    sbl_value_release(value);
    return future;
}

void sbl_crew_forget(void *arg, void *value)
{
    sbl_handle_release(value);
}

/* --- from others -------------------------------------------------------------------------------------------------- */

/* A value that is on its way. In the loop's thread, but for its making and its cancelling. */
typedef struct fetch {
    sbl_evwork work; /* first: that begins or ends it */
    sbl_coming coming;
    sbl_item  *item; /* under the crew's lock; NULL: it is needed no more */
    uint32_t   task, attempt, from;
    sbl_wish  *wish;
    int        is_begun, is_ending; /* is_ending: its work is posted for that */
} fetch;

static void lacking(fetch *f)
{
    pthread_mutex_lock(&sbl_crew.lock);
    if (f->item)
        sbl_executor_lacking(sbl_crew.executor, f->item);
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_crew_speak();
}

/* Unless somebody has posted its work to end it, and that frees it. */
static void fetch_end(fetch *f)
{
    int is_ending;

    pthread_mutex_lock(&sbl_crew.lock);
    is_ending = f->is_ending;
    f->item   = NULL;
    f->wish   = NULL;
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_coming_end(&f->coming);
    if (!is_ending)
        sbl_free(f);
}

static void came(void *arg, sbl_value *value)
{
    fetch        *f      = arg;
    sabal_future *future = NULL;

    sbl_engine_scatter(sbl_crew.client, value, &future, NULL);
    sbl_value_release(value);
    if (!future) {
        lacking(f);
        fetch_end(f);
        return;
    }
    pthread_mutex_lock(&sbl_crew.lock);
    if (f->item)
        sbl_executor_fetched(sbl_crew.executor, f->item, future);
    else
        sbl_handle_release(future);
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_crew_speak();
    fetch_end(f);
}

static void failed(void *arg, const sabal_error *why)
{
    fetch *f = arg;

    sbl_log(SABAL_LOG_INFO, "a value could not be fetched: %s", why->message);
    lacking(f);
    fetch_end(f);
}

static const sbl_pull_events EVENTS = {.done = came, .failed = failed};

/* There is room for it. */
static void ask_for_it(sbl_coming *coming)
{
    fetch *f = (fetch *)(void *)((char *)coming - offsetof(fetch, coming));

    f->wish = sbl_wish_make(sbl_crew.meetings, f->from, (sbl_value_name){f->task, f->attempt}, &EVENTS, f);
    if (!f->wish) {
        lacking(f);
        fetch_end(f);
    }
}

/* Begins, or, the second time, ends. */
static void run_fetch(sbl_evwork *work)
{
    fetch *f = (fetch *)(void *)work;
    int    is_ending;

    pthread_mutex_lock(&sbl_crew.lock);
    is_ending   = f->is_ending || !f->item;
    f->is_begun = 1;
    pthread_mutex_unlock(&sbl_crew.lock);
    if (is_ending) {
        if (f->wish)
            sbl_wish_cancel(f->wish);
        sbl_coming_end(&f->coming);
        sbl_free(f);
        return;
    }
    if (f->from == sbl_crew.membership.number) { /* data that a task of this worker's has scattered */
        sbl_value *value = sbl_remote_named(&sbl_crew.remote, f->task, f->attempt);

        if (value) {
            came(f, value);
        } else {
            lacking(f);
            fetch_end(f);
        }
        return;
    }
    sbl_coming_ask(&f->coming);
}

void sbl_crew_fetch(void *arg, sbl_item *item, uint32_t task, uint32_t attempt, uint64_t size, uint32_t worker,
                    uint32_t client)
{
    fetch *f = sbl_calloc(1, sizeof *f);

    if (!f)
        _exit(70); /* as for a task */
    *sbl_item_tag(item) = f;
    f->work.run         = run_fetch;
    f->coming           = (sbl_coming){.begin = ask_for_it, .size = size};
    f->item             = item;
    f->task             = task;
    f->attempt          = attempt;
    f->from             = worker == SBL_CLIENT_HAS ? client : worker;
    sbl_evloop_post(sbl_crew.loop, &f->work);
}

void sbl_crew_stop_fetch(void *arg, sbl_item *item)
{
    fetch *f = *sbl_item_tag(item);

    f->item = NULL;
    if (!f->is_begun)
        return; /* its work is on its way, and sees that */
    f->is_ending = 1;
    sbl_evloop_post(sbl_crew.loop, &f->work);
}

/* --- to others ---------------------------------------------------------------------------------------------------- */

typedef struct gift {
    sbl_work      work; /* first */
    sbl_request  *request;
    sabal_future *future;
} gift;

static void give(sbl_work *work)
{
    gift       *g     = (gift *)(void *)work;
    sabal_error err   = SABAL_ERROR_INIT;
    sbl_value  *value = NULL;

    if (sbl_engine_fetch(&value, g->future, &err))
        sbl_request_refuse(g->request, &err);
    else
        sbl_request_answer(g->request, value);
    sbl_handle_release(g->future);
    sbl_free(g);
}

void sbl_crew_lookup(void *arg, sbl_request *request)
{
    const sbl_value_name name = sbl_request_name(request);
    gift                *g    = sbl_calloc(1, sizeof *g);
    sabal_future        *future;

    pthread_mutex_lock(&sbl_crew.lock);
    future = sbl_executor_find(sbl_crew.executor, (uint32_t)name.task, (uint32_t)name.attempt);
    if (future)
        sbl_handle_retain(future);
    pthread_mutex_unlock(&sbl_crew.lock);
    if (!future || !g) {
        sbl_handle_release(future);
        sbl_free(g);
        sbl_remote_lookup(&sbl_crew.remote, request); /* data of its own tasks */
        return;
    }
    *g = (gift){.work = {.run = give}, .request = request, .future = future};
    sbl_errand(&sbl_crew.errands, &g->work);
}
