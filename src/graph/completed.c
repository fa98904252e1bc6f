/*
 * Futures in the order of their ends: a watch on each, which moves from the list of the pending to the queue of the
 * ended when it fires. Any number of threads may add and take.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "graph/attend.h"
#include "graph/budget.h"
#include "graph/stuck.h"
#include "graph/submit.h"
#include "graph/watch.h"

/* One future of the iterator: pending (watched), ended (in the queue), or given out and still held for the user. */
struct list {
    struct entry *first, **last;
};
struct entry {
    struct entry       *next, **link;
    struct list        *in;
    sabal_as_completed *it;
    sabal_future       *future; /* one reference */
    sbl_watch           watch;
};

struct sabal_as_completed {
    sbl_handle      handle;
    sabal_client   *client;
    sbl_failure    *failure; /* of its creation */
    pthread_mutex_t lock;    /* after a client's watch_lock, never before */
    pthread_cond_t  ended_one;
    struct list     pending, ended, held;
    int32_t         n_attending; /* threads that wait where news of the client comes */
};

static void as_completed_destroy(void *handle);

static const sbl_handle_class AS_COMPLETED     = {.name = "iterator over futures", .destroy = as_completed_destroy};
static const sbl_handle_class IMMORTAL         = {.name = "failed iterator", .immortal = 1};
static sabal_as_completed     failed_no_memory = {.handle = SBL_IMMORTAL(&IMMORTAL), .failure = &sbl_failure_no_memory};
static sabal_as_completed     failed_no_client = {.handle = SBL_IMMORTAL(&IMMORTAL), .failure = &sbl_failure_no_client};
static sbl_failure            null_future      = {
                    .immortal = 1,
                    .error = {.struct_size = sizeof(sabal_error), .status = SABAL_EINVAL, .message = "a future to wait for is NULL"}};
static sabal_as_completed failed_null   = {.handle = SBL_IMMORTAL(&IMMORTAL), .failure = &null_future};
static sabal_as_completed failed_forked = {.handle = SBL_IMMORTAL(&IMMORTAL), .failure = &sbl_failure_forked};

/* --- lists ------------------------------------------------------------------------------------------------------ */

static void put(struct list *list, struct entry *e)
{
    if (!list->first)
        list->last = &list->first;
    e->in       = list;
    e->next     = NULL;
    e->link     = list->last;
    *list->last = e;
    list->last  = &e->next;
}

static void take(struct entry *e)
{
    *e->link = e->next;
    if (e->next)
        e->next->link = e->link;
    else
        e->in->last = e->link;
}

static void move(struct entry *e, struct list *to)
{
    take(e);
    put(to, e);
}

/* --- making and ending ------------------------------------------------------------------------------------------ */

/* With the lock held. is_ending: a task of the client is, which so is not closed yet. If it closes, what is pending will end. */
static void tell_attending(sabal_as_completed *it, int is_ending)
{
    if (!it->n_attending)
        return;
    if (is_ending) {
        sbl_attend_look(it->client);
    } else if (sbl_client_enter(it->client, 0)) {
        sbl_attend_look(it->client);
        sbl_client_exit(it->client);
    }
}

static void fire(sbl_watch *watch)
{
    struct entry       *e  = (struct entry *)(void *)((char *)watch - offsetof(struct entry, watch));
    sabal_as_completed *it = e->it;

    pthread_mutex_lock(&it->lock);
    move(e, &it->ended);
    pthread_cond_signal(&it->ended_one);
    tell_attending(it, e->future->client == it->client);
    pthread_mutex_unlock(&it->lock);
}

static void free_list(struct list *list)
{
    while (list->first) {
        struct entry *e = list->first;

        list->first = e->next;
        sbl_handle_release(e->future);
        sbl_free(e);
    }
}

static void as_completed_destroy(void *handle)
{
    sabal_as_completed *it     = handle;
    sabal_client       *client = it->client;

    if (sbl_client_is_forked(client))
        return;
    /* Unwatched one by one: an end that comes in between moves its entry, under the lock of its client. */
    for (;;) {
        struct entry *e;

        pthread_mutex_lock(&it->lock);
        e = it->pending.first;
        if (e)
            move(e, &it->held);
        pthread_mutex_unlock(&it->lock);
        if (!e)
            break;
        sbl_watch_remove(&e->watch);
    }
    free_list(&it->ended);
    free_list(&it->held);
    sbl_failure_release(it->failure);
    pthread_cond_destroy(&it->ended_one);
    pthread_mutex_destroy(&it->lock);
    sbl_free(it);
    sbl_client_release(client);
}

static sabal_status add(sabal_as_completed *it, sabal_future *future, sabal_error *err)
{
    struct entry *e;

    if (!future)
        return sbl_error_set(err, SABAL_EINVAL, "a future to wait for is NULL");
    e = sbl_alloc(sizeof *e);
    if (!e)
        return sbl_error_memory(err, sizeof *e, "an iterator over futures");
    e->it     = it;
    e->future = sbl_handle_retain(future);
    e->watch  = (sbl_watch){.fire = fire, .fd = -1};
    pthread_mutex_lock(&it->lock);
    put(&it->pending, e);
    pthread_mutex_unlock(&it->lock);
    if (!sbl_watch_add(&e->watch, future)) {
        pthread_mutex_lock(&it->lock);
        move(e, &it->ended);
        pthread_cond_signal(&it->ended_one);
        tell_attending(it, 0);
        pthread_mutex_unlock(&it->lock);
    }
    return SABAL_OK;
}

static sabal_as_completed *make(sabal_client *client)
{
    sabal_as_completed *it = sbl_calloc(1, sizeof *it);

    if (!it)
        return NULL;
    sbl_handle_init(it, &AS_COMPLETED);
    it->client = client;
    sbl_client_retain(client);
    pthread_mutex_init(&it->lock, NULL);
    sbl_cond_init(&it->ended_one);
    return it;
}

sabal_as_completed *sabal_as_completed_create(sabal_client *client, sabal_list futures)
{
    sabal_as_completed *it;
    int64_t             n = sabal_list_count(futures);

    if (!client || client == &sbl_client_none)
        return &failed_no_client;
    if (sbl_client_is_forked(client))
        return &failed_forked;
    for (int64_t i = 0; i < n; i++)
        if (!futures.items[i])
            return &failed_null;
    it = make(client);
    for (int64_t i = 0; it && i < n; i++)
        if (add(it, (sabal_future *)futures.items[i], NULL)) {
            sbl_handle_release(it);
            it = NULL;
        }
    return it ? sbl_handle_adopt(it, &client->owner) : &failed_no_memory;
}

sabal_status sabal_as_completed_add(sabal_as_completed *it, const sabal_future *future, sabal_error *err)
{
    if (it->failure)
        return sbl_error_pass(err, &it->failure->error);
    if (sbl_client_is_forked(it->client))
        return sbl_error_pass(err, &sbl_failure_forked.error);
    return add(it, (sabal_future *)future, err);
}

/* --- taking ----------------------------------------------------------------------------------------------------- */

static int has_news(void *arg)
{
    sabal_as_completed *it = arg;
    int                 has;

    pthread_mutex_lock(&it->lock);
    has = it->ended.first || !it->pending.first;
    pthread_mutex_unlock(&it->lock);
    return has;
}

/* With the lock held, which is given up meanwhile: until one has ended, if that can be done now. */
static void attend(sabal_as_completed *it, int64_t deadline_ns)
{
    const sabal_future *first = it->pending.first->future;

    if (first->client != it->client || !sbl_may_attend(first))
        return;
    it->n_attending++;
    pthread_mutex_unlock(&it->lock);
    sbl_attend(it->client, has_news, it, deadline_ns);
    pthread_mutex_lock(&it->lock);
    it->n_attending--;
}

/* With the lock held. 0: the time ran out. */
static int sleep_until(sabal_as_completed *it, int64_t deadline_ns, int *called)
{
    int woken;

    sbl_nap_begin(NULL);
    sbl_blocking_begin();
    woken = sbl_cond_wait(&it->ended_one, &it->lock, deadline_ns);
    sbl_blocking_end();
    *called = sbl_nap_end();
    return woken;
}

/*
 * With the lock held, which is given up meanwhile. What stands in the way of sleeping for the first pending one:
 * nothing, a failure of the wait, or, *helped, that something was run. The only one is run here, as in a wait for it;
 * of several it is not known which ends first.
 */
static sabal_status before_sleep(sabal_as_completed *it, int64_t deadline_ns, int32_t round, int called, int *helped,
                                 sabal_error *err)
{
    sabal_future *f    = sbl_handle_retain(it->pending.first->future);
    int           only = !it->pending.first->next;
    sabal_status  st   = SABAL_OK;

    pthread_mutex_unlock(&it->lock);
    *helped = only && deadline_ns == INT64_MAX && !sbl_future_has_ended(f) && f->client->engine->help(f);
    if (!*helped && only && !sbl_future_has_ended(f))
        st = sbl_stuck_check(f, err);
    if (!*helped && !st && round)
        st = sbl_stuck_rescue(&f, 1, round - 1, called, err);
    sbl_handle_release(f);
    pthread_mutex_lock(&it->lock);
    return st;
}

/* With the lock held. Until one has ended or none is pending any more. */
static sabal_status wait_in_rounds(sabal_as_completed *it, int64_t deadline_ns, sabal_error *err)
{
    int called = 0;

    attend(it, deadline_ns);

    for (int32_t round = 0; !it->ended.first && it->pending.first; round++) {
        int64_t      now, nap, wake;
        int          helped;
        sabal_status st = before_sleep(it, deadline_ns, round, called, &helped, err);

        if (st)
            return st;
        if (helped || it->ended.first || !it->pending.first)
            continue;
        now  = sbl_clock_ns();
        nap  = sbl_stuck_nap(deadline_ns == INT64_MAX ? -1 : deadline_ns > now ? deadline_ns - now : 0, round);
        wake = nap < 0 ? deadline_ns : now + nap;
        if (!sleep_until(it, wake, &called) && wake >= deadline_ns && !it->ended.first)
            return SABAL_ETIMEDOUT;
    }
    return SABAL_OK;
}

static sabal_status wait_for_one(sabal_as_completed *it, int64_t deadline_ns, sabal_error *err)
{
    sabal_status st;

    if (it->ended.first || !it->pending.first)
        return SABAL_OK;
    sbl_task_park();
    st = wait_in_rounds(it, deadline_ns, err);
    sbl_task_unpark();
    return st;
}

/* The user's reference, or his scope's, is as good as ours; if there is none, ours stays until the iterator goes. */
static int is_held_by_user(sabal_future *f)
{
    int held = atomic_load_explicit(&f->handle.users, memory_order_relaxed) > 0;

    if (!f->client || held)
        return 1;
    pthread_mutex_lock(&f->client->owner.lock);
    held = f->handle.home != 0;
    pthread_mutex_unlock(&f->client->owner.lock);
    return held;
}

static sabal_future *give_out(sabal_as_completed *it, struct entry *e)
{
    sabal_future *f = e->future;

    if (is_held_by_user(f)) {
        sbl_free(e);
        sbl_handle_release(f);
    } else {
        pthread_mutex_lock(&it->lock);
        put(&it->held, e);
        pthread_mutex_unlock(&it->lock);
    }
    return f;
}

static sabal_status next(sabal_future **future, sabal_as_completed *it, int64_t timeout_ns, sabal_error *err)
{
    int64_t       now      = timeout_ns < 0 ? 0 : sbl_clock_ns();
    int64_t       deadline = timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
    sabal_error   why      = SABAL_ERROR_INIT; /* told only if none has ended meanwhile */
    struct entry *e;
    sabal_status  st;

    pthread_mutex_lock(&it->lock);
    st = wait_for_one(it, deadline, &why);
    e  = it->ended.first;
    if (e)
        take(e);
    if (!it->ended.first && !it->pending.first)
        pthread_cond_broadcast(&it->ended_one); /* others that wait: there is nothing more */
    pthread_mutex_unlock(&it->lock);
    if (e) {
        *future = give_out(it, e);
        return SABAL_OK;
    }
    if (st == SABAL_ETIMEDOUT)
        return sbl_error_set(err, SABAL_ETIMEDOUT, "none of the futures has ended within %g s",
                             (double)timeout_ns * 1e-9);
    if (st)
        return sbl_error_pass(err, &why);
    *future = NULL;
    return SABAL_END;
}

sabal_status sabal_as_completed_next_with(sabal_future **future, sabal_as_completed *it, sabal_error *err,
                                          const sabal_wait_options *options)
{
    sabal_wait_options o = sbl_wait_options_of(options);
    sabal_status       st;

    if (it->failure)
        st = sbl_error_pass(err, &it->failure->error);
    else if (sbl_client_is_forked(it->client))
        st = sbl_error_pass(err, &sbl_failure_forked.error);
    else
        st = next(future, it, o.timeout_ns, err);
    if (st && st != SABAL_END)
        sbl_error_where(err, o.where);
    return st;
}
