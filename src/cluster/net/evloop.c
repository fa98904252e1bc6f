/*
 * A turn: what descriptors say, what was posted, timers that are due, pollers, and what waits for the end of a turn.
 *
 * Posted work is a stack that others push to and the loop takes whole. Before it sleeps the loop says so, then looks at the
 * stack once more; who pushes looks whether it sleeps. So one of them sees the other, and who doesn't sleep needs no wake-up.
 *
 * While it sleeps another thread may be in its place: `turn` is held by the loop's thread but when it sleeps. What that thread was told
 * of meanwhile may be about a descriptor that is not watched any more: then it asks once more.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "cluster/net/evloop_parts.h"
#include "cluster/net/evseat.h"

enum { ROOM_BYTES = 256 << 10 };

/* --- descriptors ---------------------------------------------------------------------------------------------------- */

sabal_status sbl_evloop_watch(sbl_evloop *loop, sbl_evwatch *watch, int fd, uint32_t events, sabal_error *err)
{
    struct epoll_event e = {.events = events, .data.ptr = watch};

    watch->fd     = fd;
    watch->events = events;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &e)) {
        watch->fd = -1;
        return sbl_error_errno(err, errno, "watching a descriptor");
    }
    return SABAL_OK;
}

void sbl_evloop_ask_for(sbl_evloop *loop, sbl_evwatch *watch)
{
    const int          is_heard  = loop->seat.is_at || loop->seat.is_left;
    const uint32_t     elsewhere = is_heard && watch == loop->seat.offered ? EPOLLIN : 0;
    struct epoll_event e         = {.events = watch->events & ~elsewhere, .data.ptr = watch};

    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &e); /* of one that is there: nothing is needed for it */
}

void sbl_evloop_watch_for(sbl_evloop *loop, sbl_evwatch *watch, uint32_t events)
{
    if (watch->events == events)
        return;
    watch->events = events;
    if (watch == loop->seat.offered && !(events & EPOLLIN))
        sbl_evseat_end(loop);
    sbl_evloop_ask_for(loop, watch);
}

void sbl_evloop_unwatch(sbl_evloop *loop, sbl_evwatch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd       = -1;
    loop->unwatched = 1;
    if (watch == loop->seat.offered)
        sbl_evseat_offer(loop, NULL);
    for (int i = 0; i < loop->n_events; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
}

/* --- timers --------------------------------------------------------------------------------------------------------- */

static sbl_evtimer *meld(sbl_evtimer *a, sbl_evtimer *b)
{
    sbl_evtimer *other;

    if (!a || !b)
        return a ? a : b;
    if (b->at < a->at) {
        other = a;
        a     = b;
        b     = other;
    }
    b->next = a->child;
    if (b->next)
        b->next->before = b;
    b->before = a;
    a->child  = b;
    return a;
}

/* Of brothers one heap: two by two, then those from the last on. */
static sbl_evtimer *meld_all(sbl_evtimer *first)
{
    sbl_evtimer *pairs = NULL, *whole = NULL, *a, *b;

    while (first) {
        a       = first;
        b       = a->next;
        first   = b ? b->next : NULL;
        a->next = a->before = NULL;
        if (b)
            b->next = b->before = NULL;
        a       = meld(a, b);
        a->next = pairs;
        pairs   = a;
    }
    while (pairs) {
        a       = pairs;
        pairs   = a->next;
        a->next = NULL;
        whole   = meld(whole, a);
    }
    return whole;
}

void sbl_evtimer_clear(sbl_evloop *loop, sbl_evtimer *timer)
{
    if (!timer->is_set)
        return;
    timer->is_set = 0;
    if (timer == loop->timers) {
        loop->timers = meld_all(timer->child);
        return;
    }
    if (timer->before->child == timer)
        timer->before->child = timer->next;
    else
        timer->before->next = timer->next;
    if (timer->next)
        timer->next->before = timer->before;
    loop->timers = meld(loop->timers, meld_all(timer->child));
}

void sbl_evtimer_set(sbl_evloop *loop, sbl_evtimer *timer, int64_t at_ns)
{
    sbl_evtimer_clear(loop, timer);
    timer->child = timer->next = timer->before = NULL;
    timer->at                                  = at_ns;
    timer->is_set                              = 1;
    loop->timers                               = meld(loop->timers, timer);
}

/* One that a timer sets anew for now waits for the next turn. Returns 1 if any was due. */
static int fire_timers(sbl_evloop *loop)
{
    int any = 0;

    for (sbl_evtimer *t = loop->timers; t && t->at <= loop->now; t = loop->timers) {
        sbl_evtimer_clear(loop, t);
        t->fire(t);
        any = 1;
        if (loop->timers && loop->timers->at <= loop->now && sbl_clock_ns() - loop->now > 10000000)
            break; /* others want their turn too */
    }
    return any;
}

/* --- work ----------------------------------------------------------------------------------------------------------- */

void sbl_evloop_wake(sbl_evloop *loop)
{
    uint64_t one = 1;
    ssize_t  n;

    /* acquire and release both: pairs with the store in sleep_until() */
    if (atomic_exchange(&loop->asleep, 0))
        do
            n = write(loop->wake_fd, &one, sizeof one);
        while (n < 0 && errno == EINTR);
}

void sbl_evloop_post(sbl_evloop *loop, sbl_evwork *work)
{
    work->next = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    /* sequentially consistent: before the look at asleep; pairs with the look at posted in sleep_until() */
    while (!atomic_compare_exchange_weak(&loop->posted, &work->next, work))
        ;
    sbl_evloop_wake(loop);
}

int sbl_evloop_run_posted(sbl_evloop *loop)
{
    /* acquire: what was written before the post is seen */
    sbl_evwork *last = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire), *first = NULL, *next;
    int         any = last != NULL;

    for (; last; last = next) { /* the first posted lies deepest */
        next       = last->next;
        last->next = first;
        first      = last;
    }
    for (; first; first = next) {
        next        = first->next;
        first->link = NULL;
        first->run(first); /* which may free it */
    }
    return any;
}

static void put_later(sbl_evwork **list, sbl_evwork *work)
{
    work->next = *list;
    work->link = list;
    if (work->next)
        work->next->link = &work->next;
    *list = work;
}

void sbl_evloop_later(sbl_evloop *loop, sbl_evwork *work)
{
    if (!work->link)
        put_later(&loop->later, work);
}

void sbl_evloop_not_later(sbl_evwork *work)
{
    if (!work->link)
        return;
    *work->link = work->next;
    if (work->next)
        work->next->link = work->link;
    work->link = NULL;
}

/* What is asked for meanwhile waits for the next turn, which then doesn't sleep. */
int sbl_evloop_run_later(sbl_evloop *loop)
{
    sbl_evwork *list = NULL;
    int         any  = loop->later != NULL;

    while (loop->later) { /* in the order of asking; the list moves to where its links stay right */
        sbl_evwork *work = loop->later;

        sbl_evloop_not_later(work);
        put_later(&list, work);
    }
    while (list) {
        sbl_evwork *work = list;

        sbl_evloop_not_later(work);
        work->run(work);
    }
    return any;
}

/* --- pollers -------------------------------------------------------------------------------------------------------- */

void sbl_evloop_poll(sbl_evloop *loop, sbl_evpoller *poller)
{
    poller->next  = loop->pollers;
    loop->pollers = poller;
}

void sbl_evloop_unpoll(sbl_evloop *loop, sbl_evpoller *poller)
{
    for (sbl_evpoller **p = &loop->pollers; *p; p = &(*p)->next)
        if (*p == poller) {
            *p = poller->next;
            return;
        }
}

static int run_pollers(sbl_evloop *loop)
{
    int any = 0;

    for (sbl_evpoller *p = loop->pollers, *next; p; p = next) {
        next = p->next;
        any |= p->poll(p);
    }
    return any;
}

static int arm_pollers(sbl_evloop *loop)
{
    for (sbl_evpoller *p = loop->pollers; p; p = p->next)
        if (p->arm && !p->arm(p))
            return 0;
    return 1;
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

/* Milliseconds until then, rounded up: a timer never fires early. */
static int ms_until(int64_t at, int64_t now)
{
    int64_t left = at - now;

    if (at == INT64_MAX)
        return -1;
    return left <= 0 ? 0 : left > 3600000000000 ? 3600000 : (int)((left + 999999) / 1000000);
}

static int ask(sbl_evloop *loop, int timeout_ms)
{
    int n = epoll_wait(loop->epoll, loop->events, SBL_LOOP_EVENTS, timeout_ms);

    return n > 0 ? n : 0; /* EINTR: the next turn asks again */
}

static int64_t next_timer(const sbl_evloop *loop, int64_t deadline_ns)
{
    return loop->timers && loop->timers->at < deadline_ns ? loop->timers->at : deadline_ns;
}

int sbl_evloop_oversleeps(const sbl_evloop *loop)
{
    return next_timer(loop, INT64_MAX) < loop->sleeps_until;
}

static int sleep_until(sbl_evloop *loop, int64_t deadline_ns)
{
    int n, ms;

    if (!arm_pollers(loop))
        return ask(loop, 0);
    loop->sleeps_until = next_timer(loop, deadline_ns);
    loop->unwatched    = 0;
    /* sequentially consistent, both: see the head of this file */
    atomic_store(&loop->asleep, 1);
    ms = atomic_load(&loop->posted) || atomic_load(&loop->stopped) ? 0 : ms_until(loop->sleeps_until, sbl_clock_ns());
    if (loop->runs)
        pthread_mutex_unlock(&loop->turn);
    n = ask(loop, ms);
    if (loop->runs)
        pthread_mutex_lock(&loop->turn);
    atomic_store_explicit(&loop->asleep, 0, memory_order_relaxed);
    return loop->unwatched ? ask(loop, 0) : n;
}

int sbl_evloop_borrow(sbl_evloop *loop)
{
    if (!atomic_load_explicit(&loop->asleep, memory_order_relaxed) || pthread_mutex_trylock(&loop->turn))
        return 0;
    if (loop->runs)
        return 1;
    pthread_mutex_unlock(&loop->turn);
    return 0;
}

void sbl_evloop_give_back(sbl_evloop *loop)
{
    const int must_wake = loop->later || sbl_evloop_oversleeps(loop);

    pthread_mutex_unlock(&loop->turn);
    if (must_wake)
        sbl_evloop_wake(loop);
}

static int dispatch(sbl_evloop *loop)
{
    int any = 0;

    for (int i = 0; i < loop->n_events; i++) {
        sbl_evwatch *watch = loop->events[i].data.ptr;

        if (!watch)
            continue;
        any |= watch != &loop->wake;
        watch->ready(watch, loop->events[i].events);
    }
    loop->n_events = 0;
    return any;
}

void sbl_evloop_turn(sbl_evloop *loop, int64_t deadline_ns)
{
    int may_sleep = !loop->later && loop->now >= loop->fresh_until, any;

    loop->n_events = may_sleep ? sleep_until(loop, deadline_ns) : ask(loop, 0);
    loop->now      = sbl_clock_ns();
    any            = dispatch(loop);
    any |= sbl_evloop_run_posted(loop);
    any |= fire_timers(loop);
    any |= run_pollers(loop);
    any |= sbl_evloop_run_later(loop);
    if (any && loop->spin_ns)
        loop->fresh_until = loop->now + loop->spin_ns;
    else if (!may_sleep && !any)
        sched_yield(); /* whom it waits for may need this core */
}

void sbl_evloop_run(sbl_evloop *loop)
{
    pthread_mutex_lock(&loop->turn);
    loop->runs = 1;
    /* acquire: what was written before sbl_evloop_stop() is seen after this returned */
    while (!atomic_exchange_explicit(&loop->stopped, 0, memory_order_acquire))
        sbl_evloop_turn(loop, INT64_MAX);
    loop->runs = 0;
    pthread_mutex_unlock(&loop->turn);
}

void sbl_evloop_stop(sbl_evloop *loop)
{
    atomic_store(&loop->stopped, 1);
    sbl_evloop_wake(loop);
}

int64_t sbl_evloop_now(const sbl_evloop *loop)
{
    return loop->now;
}

void *sbl_evloop_room(sbl_evloop *loop, size_t *size)
{
    *size = ROOM_BYTES;
    return loop->room;
}

static void woken(sbl_evwatch *watch, uint32_t events)
{
    uint64_t n;
    ssize_t  got = read(watch->fd, &n, sizeof n);

    (void)got; /* EAGAIN is as good: what counts is the stack */
}

sabal_status sbl_evloop_create(sbl_evloop **out, int64_t spin_ns, sabal_error *err)
{
    sbl_evloop  *loop = sbl_calloc(1, sizeof *loop);
    sabal_status st   = SABAL_OK;

    if (!loop)
        return sbl_error_memory(err, sizeof *loop, "an event loop");
    pthread_mutex_init(&loop->turn, NULL);
    loop->spin_ns    = spin_ns;
    loop->now        = sbl_clock_ns();
    loop->wake.ready = woken;
    loop->room       = sbl_alloc_aligned(64, ROOM_BYTES);
    loop->epoll      = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd    = loop->epoll < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->seat.bell  = -1;
    if (loop->wake_fd < 0)
        st = sbl_error_errno(err, errno, "the descriptors of an event loop");
    else if (!loop->room)
        st = sbl_error_memory(err, ROOM_BYTES, "an event loop");
    else
        st = sbl_evloop_watch(loop, &loop->wake, loop->wake_fd, EPOLLIN, err);
    if (st)
        sbl_evloop_destroy(loop);
    else
        *out = loop;
    return st;
}

void sbl_evloop_destroy(sbl_evloop *loop)
{
    if (!loop)
        return;
    if (loop->seat.bell >= 0)
        close(loop->seat.bell);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->epoll >= 0)
        close(loop->epoll);
    pthread_mutex_destroy(&loop->turn);
    sbl_free(loop->room);
    sbl_free(loop);
}
