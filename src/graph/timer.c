/*
 * The limits that run now are as few as threads, so they are an unsorted list: the timer's thread looks through it
 * when it wakes, and is woken only by a limit earlier than the one it sleeps for.
 */
#include "graph/timer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

struct sbl_timer {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    pthread_t       thread;
    sbl_limit      *first;
    int64_t         wakes_ns; /* until when it sleeps */
    int             stop;
};

/* With the lock held. Marks those whose time is up; returns when the next one's is. */
static int64_t look(struct sbl_timer *timer)
{
    int64_t now = sbl_clock_ns(), earliest = INT64_MAX;

    for (sbl_limit *l = timer->first, *next; l; l = next) {
        next = l->next;
        if (l->deadline_ns > now) {
            earliest = l->deadline_ns < earliest ? l->deadline_ns : earliest;
            continue;
        }
        atomic_fetch_or(&l->future->interrupted, SBL_TIME_IS_UP);
        if (l->future->client->engine->tell)
            l->future->client->engine->tell(l->future);
        *l->link = l->next;
        if (l->next)
            l->next->link = l->link;
        l->link = NULL;
    }
    return earliest;
}

static void *run(void *arg)
{
    struct sbl_timer *timer = arg;

    pthread_mutex_lock(&timer->lock);
    while (!timer->stop) {
        timer->wakes_ns = look(timer);
        sbl_cond_wait(&timer->changed, &timer->lock, timer->wakes_ns);
    }
    pthread_mutex_unlock(&timer->lock);
    return NULL;
}

static void destroy(struct sbl_timer *timer)
{
    pthread_cond_destroy(&timer->changed);
    pthread_mutex_destroy(&timer->lock);
    sbl_free(timer);
}

static sabal_status create(struct sbl_timer **out, sabal_error *err)
{
    struct sbl_timer *timer = sbl_calloc(1, sizeof *timer);

    if (!timer)
        return sbl_error_memory(err, sizeof *timer, "the timer of tasks with timeouts");
    pthread_mutex_init(&timer->lock, NULL);
    sbl_cond_init(&timer->changed);
    if (sbl_thread_start(&timer->thread, run, timer)) {
        destroy(timer);
        return sbl_error_set(err, SABAL_ENOMEM, "no thread could be had for the timeouts of tasks");
    }
    *out = timer;
    return SABAL_OK;
}

sabal_status sbl_timer_start(sabal_client *client, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    pthread_mutex_lock(&client->watch_lock);
    if (!client->timer && !sbl_client_is_closing(client)) /* else nothing of it will run */
        st = create(&client->timer, err);
    pthread_mutex_unlock(&client->watch_lock);
    return st;
}

void sbl_timer_arm(sbl_limit *limit, sabal_future *future, int64_t timeout_ns)
{
    struct sbl_timer *timer = future->client->timer;
    int64_t           now   = sbl_clock_ns();

    limit->future      = future;
    limit->deadline_ns = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
    pthread_mutex_lock(&timer->lock);
    limit->next = timer->first;
    limit->link = &timer->first;
    if (limit->next)
        limit->next->link = &limit->next;
    timer->first = limit;
    if (limit->deadline_ns < timer->wakes_ns)
        pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
}

void sbl_timer_disarm(sbl_limit *limit)
{
    struct sbl_timer *timer = limit->future->client->timer;

    pthread_mutex_lock(&timer->lock);
    if (limit->link) {
        *limit->link = limit->next;
        if (limit->next)
            limit->next->link = limit->link;
    }
    pthread_mutex_unlock(&timer->lock);
}

void sbl_timer_stop(sabal_client *client)
{
    struct sbl_timer *timer;

    pthread_mutex_lock(&client->watch_lock); /* who comes after sees that the client is closing */
    timer         = client->timer;
    client->timer = NULL;
    pthread_mutex_unlock(&client->watch_lock);
    if (!timer)
        return;
    pthread_mutex_lock(&timer->lock);
    timer->stop = 1;
    pthread_cond_signal(&timer->changed);
    pthread_mutex_unlock(&timer->lock);
    pthread_join(timer->thread, NULL);
    destroy(timer);
}
