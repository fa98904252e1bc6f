/*
 * The descriptor stays watched by the loop, but not for what can be read. Who sits sleeps in a poll of his own, and takes the turn when he
 * wakes, as who borrows it does; what he was told of may be about a descriptor that is another one by now, which `offered` tells.
 */
#include "cluster/net/evseat.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster/net/evloop_parts.h"

enum { CREDIT_PART = 20, SOON_NS = 100000 };

static __thread sbl_evloop *sits_at; /* of the calling thread; NULL: it does not sit */

/* With the turn. */
static void set_at(sbl_evloop *loop, int is_at)
{
    loop->seat.is_at = is_at;
    sbl_evloop_ask_for(loop, loop->seat.offered);
}

void sbl_evseat_end(sbl_evloop *loop)
{
    if (!loop->seat.is_at)
        return;
    loop->seat.is_at = 0;
    sbl_evseat_ring(loop);
}

int sbl_evseat_offer(sbl_evloop *loop, sbl_evwatch *watch)
{
    if (loop->seat.bell < 0 && watch)
        loop->seat.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->seat.bell < 0)
        return !watch;
    sbl_evseat_end(loop);
    loop->seat.is_left = 0;
    if (loop->seat.offered && loop->seat.offered->fd >= 0)
        sbl_evloop_ask_for(loop, loop->seat.offered); /* the loop hears it again */
    loop->seat.offered = watch;
    return 1;
}

/* If the loop's thread is awake, it is about to sleep, mostly: who did not wait for that would be woken by it, and it first, each time. */
static int borrow_soon(sbl_evloop *loop, int64_t patience_ns)
{
    const int64_t until = patience_ns ? sbl_clock_ns() + patience_ns : 0;

    while (!sbl_evloop_borrow(loop)) {
        if (!patience_ns || sbl_clock_ns() >= until)
            return 0;
        sched_yield();
    }
    return 1;
}

int sbl_evseat_take(sbl_evloop *loop, int64_t patience_ns)
{
    int may = 0, is_taken = 0;

    if (atomic_load_explicit(&loop->seat.is_taken, memory_order_relaxed) ||
        !atomic_compare_exchange_strong(&loop->seat.is_taken, &is_taken, 1))
        return 0;
    if (borrow_soon(loop, patience_ns)) {
        may = loop->seat.offered && loop->seat.offered->events & EPOLLIN && !loop->pollers;
        if (may) {
            loop->seat.fd = loop->seat.offered->fd;
            set_at(loop, 1);
        }
        sbl_evloop_give_back(loop);
    }
    if (may)
        sits_at = loop;
    else
        atomic_store(&loop->seat.is_taken, 0);
    return may;
}

void sbl_evseat_leave(sbl_evloop *loop)
{
    sits_at = NULL;
    pthread_mutex_lock(&loop->turn);
    if (loop->seat.is_at)
        set_at(loop, 0);
    pthread_mutex_unlock(&loop->turn);
    atomic_store(&loop->seat.is_taken, 0);
}

void sbl_evseat_ring(sbl_evloop *loop)
{
    const uint64_t one = 1;

    if (sits_at != loop && loop->seat.bell >= 0)
        (void)!write(loop->seat.bell, &one, sizeof one);
}

/*
 * A turn of the loop's, with what one descriptor says. Who posts meanwhile wakes nobody, as in any turn, and finds it done at the end.
 * The loop's own thread is asleep, or about to be or not to be: what is not done here wakes it.
 */
static void turn(sbl_evloop *loop, uint32_t events)
{
    int any;

    atomic_store(&loop->asleep, 0);
    loop->now = sbl_clock_ns();
    loop->seat.offered->ready(loop->seat.offered, events);
    do {
        do {
            any = sbl_evloop_run_posted(loop);
            any |= sbl_evloop_run_later(loop);
        } while (any);
        /* sequentially consistent, both: as before the loop sleeps */
        atomic_store(&loop->asleep, 1);
    } while (atomic_load(&loop->posted));
    if (atomic_load(&loop->stopped) || loop->pollers || sbl_evloop_oversleeps(loop))
        sbl_evloop_wake(loop);
}

void sbl_evseat_leave_to_others(sbl_evloop *loop, int is_left)
{
    if (loop->seat.is_left == is_left || !loop->seat.offered || (is_left && loop->pollers))
        return;
    loop->seat.is_left = is_left;
    sbl_evloop_ask_for(loop, loop->seat.offered);
}

void sbl_evseat_pass(sbl_evloop *loop)
{
    if (loop->seat.is_left && !loop->seat.is_at && loop->seat.offered->events & EPOLLIN && !loop->pollers)
        turn(loop, EPOLLIN);
}

static void look(sbl_evloop *loop, uint32_t events)
{
    pthread_mutex_lock(&loop->turn);
    if (loop->seat.is_at)
        turn(loop, events);
    pthread_mutex_unlock(&loop->turn);
}

/* Looks again and again for a while, and lets others have this core if they want it. 1: there is something. To look for long, or in
   vain, takes of a credit which grows by a part of the time that goes by: so that it takes no more of a core in the long run. */
static int spin(sbl_evloop *loop, struct pollfd at[2], int64_t spin_ns, int64_t deadline_ns)
{
    static const struct timespec NONE  = {0};
    const int64_t                began = sbl_clock_ns();
    int64_t                      now   = began;
    int                          got   = 0;

    loop->seat.credit_ns += (began - loop->seat.credited_at) / CREDIT_PART;
    loop->seat.credited_at = began;
    if (loop->seat.credit_ns > spin_ns)
        loop->seat.credit_ns = spin_ns;
    for (const int64_t until = began + loop->seat.credit_ns; !got && now < until && now < deadline_ns;
         now                 = sbl_clock_ns()) {
        got = ppoll(at, 2, &NONE, NULL) > 0;
        if (!got)
            sched_yield();
    }
    if (!got || now - began > SOON_NS)
        loop->seat.credit_ns -= now - began;
    return got;
}

/* 0: the time is over. */
static int wait_for_any(sbl_evloop *loop, struct pollfd at[2], int64_t spin_ns, int64_t deadline_ns)
{
    int64_t now;

    if (spin_ns && spin(loop, at, spin_ns, deadline_ns))
        return 1;
    now = sbl_clock_ns();
    if (deadline_ns == INT64_MAX)
        return ppoll(at, 2, NULL, NULL) > 0;
    deadline_ns = deadline_ns > now ? deadline_ns - now : 0;
    return ppoll(at, 2, &(struct timespec){.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000},
                 NULL) > 0;
}

int sbl_evseat_sleep(sbl_evloop *loop, int64_t spin_ns, int64_t deadline_ns)
{
    struct pollfd at[2] = {{.fd = loop->seat.fd, .events = POLLIN}, {.fd = loop->seat.bell, .events = POLLIN}};
    uint64_t      n;
    int           is_at;

    if (wait_for_any(loop, at, spin_ns, deadline_ns)) {
        if (at[1].revents)
            (void)!read(loop->seat.bell, &n, sizeof n);
        if (at[0].revents & ~POLLNVAL)
            look(loop, (uint32_t)at[0].revents); /* EPOLLIN, EPOLLERR and EPOLLHUP are the same bits */
    }
    pthread_mutex_lock(&loop->turn);
    is_at = loop->seat.is_at;
    pthread_mutex_unlock(&loop->turn);
    return is_at;
}
_Static_assert(POLLIN == EPOLLIN && POLLERR == EPOLLERR && POLLHUP == EPOLLHUP, "one is given for the other");
