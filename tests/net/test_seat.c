/* A seat at a loop: who sits hears what comes in place of the loop's thread, and the loop hears it when nobody sits. */
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "cluster/net/evloop.h"
#include "cluster/net/evseat.h"

#define SECOND_NS ((int64_t)1000000000)

static sbl_evloop *loop;
static pthread_t   thread;  /* the loop's                    */
static int         pair[2]; /* what is written to 1 comes at 0 */

/* What comes at pair[0]. */
static struct came {
    sbl_evwatch    watch;
    _Atomic int    n;        /* bytes                                           */
    _Atomic int    inside;   /* callbacks, of which there may be one at a time  */
    _Atomic int    together; /* when there were more                            */
    _Atomic(pid_t) by;       /* the thread that heard the last                  */
    void (*then)(void);
} came;

static void hear(sbl_evwatch *watch, uint32_t events)
{
    char    bytes[64];
    ssize_t n;

    if (atomic_fetch_add(&came.inside, 1))
        atomic_fetch_add(&came.together, 1);
    n = recv(watch->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
        atomic_store(&came.by, gettid());
        atomic_fetch_add(&came.n, (int)n);
    }
    if (came.then)
        came.then();
    atomic_fetch_sub(&came.inside, 1);
}

static void *run_loop(void *nothing)
{
    sbl_evloop_run(loop);
    return NULL;
}

/* What has to be done in the loop's thread, and is waited for. */
struct errand {
    sbl_evwork work;
    void (*what)(void);
    _Atomic int done;
};

static void run_errand(sbl_evwork *work)
{
    struct errand *e = (struct errand *)(void *)((char *)work - offsetof(struct errand, work));

    e->what();
    atomic_store(&e->done, 1);
}

static void in_the_loop(void (*what)(void))
{
    struct errand e = {.work.run = run_errand, .what = what};

    sbl_evloop_post(loop, &e.work);
    while (!atomic_load(&e.done))
        usleep(100);
}

static void watch_and_offer(void)
{
    cr_assert(sbl_evloop_watch(loop, &came.watch, pair[0], EPOLLIN, NULL) == SABAL_OK);
    cr_assert(sbl_evseat_offer(loop, &came.watch));
}

static void unwatch(void)
{
    sbl_evloop_unwatch(loop, &came.watch);
}

static void pause_it(void)
{
    sbl_evloop_watch_for(loop, &came.watch, 0);
}

static void go_on(void)
{
    sbl_evloop_watch_for(loop, &came.watch, EPOLLIN);
}

static void begin(void)
{
    came = (struct came){.watch.ready = hear};
    cr_assert(sbl_evloop_create(&loop, 0, NULL) == SABAL_OK);
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    cr_assert(sbl_thread_start(&thread, run_loop, NULL) == 0);
    in_the_loop(watch_and_offer);
}

static void end(void)
{
    sbl_evloop_stop(loop);
    pthread_join(thread, NULL);
    sbl_evloop_unwatch(loop, &came.watch);
    sbl_evloop_destroy(loop);
    close(pair[0]);
    close(pair[1]);
}

TestSuite(seat, .init = begin, .fini = end, .timeout = 60);

static int64_t in_s(double seconds)
{
    return sbl_clock_ns() + (int64_t)(seconds * 1e9);
}

/* The loop is asleep soon. */
static void take_seat(void)
{
    for (const int64_t until = in_s(10); !sbl_evseat_take(loop, 0) && sbl_clock_ns() < until;)
        usleep(100);
}

static void say(const char *bytes, size_t n)
{
    cr_assert(write(pair[1], bytes, n) == (ssize_t)n);
}

static void until_came(int n)
{
    for (const int64_t until = in_s(10); atomic_load(&came.n) < n && sbl_clock_ns() < until;)
        usleep(100);
}

Test(seat, who_sits_hears_what_comes_and_the_loop_hears_it_when_nobody_sits)
{
    take_seat();
    say("a", 1);
    cr_expect(sbl_evseat_sleep(loop, 0, in_s(10)));
    cr_expect_eq(came.n, 1);
    cr_expect_eq(came.by, gettid());
    say("b", 1);
    usleep(20000);
    cr_expect_eq(came.n, 1, "the loop is not told while somebody sits");
    sbl_evseat_leave(loop);
    until_came(2);
    cr_expect_eq(came.n, 2);
    cr_expect_neq(came.by, gettid());
}

Test(seat, is_had_by_one_at_a_time_and_only_while_there_is_something_to_hear)
{
    take_seat();
    cr_expect_not(sbl_evseat_take(loop, 0));
    sbl_evseat_leave(loop);
    in_the_loop(pause_it);
    usleep(20000);
    cr_expect_not(sbl_evseat_take(loop, 0), "nothing is read there now");
    in_the_loop(go_on);
    take_seat();
    say("a", 1);
    cr_expect(sbl_evseat_sleep(loop, SECOND_NS, in_s(10)));
    cr_expect_eq(came.by, gettid());
    in_the_loop(pause_it); /* under who sits */
    say("b", 1);
    cr_expect_not(sbl_evseat_sleep(loop, SECOND_NS, in_s(10)));
    cr_expect_eq(came.n, 1);
    in_the_loop(go_on);
    until_came(2);
    cr_expect_eq(came.n, 2, "the loop hears it, as nobody does there");
    sbl_evseat_leave(loop);
}

static void *ring_soon(void *nothing)
{
    usleep(20000);
    sbl_evseat_ring(loop);
    return NULL;
}

Test(seat, its_bell_wakes_who_sits_and_time_does)
{
    const int64_t began = sbl_clock_ns();
    pthread_t     ringer;

    take_seat();
    cr_expect(sbl_evseat_sleep(loop, 1000, in_s(0.02)));
    cr_expect_geq(sbl_clock_ns() - began, SECOND_NS / 50);
    sbl_evseat_ring(loop); /* by who sits: nobody need be woken */
    cr_assert(sbl_thread_start(&ringer, ring_soon, NULL) == 0);
    cr_expect(sbl_evseat_sleep(loop, 0, INT64_MAX));
    pthread_join(ringer, NULL);
    cr_expect_eq(came.n, 0);
    sbl_evseat_leave(loop);
}

/* --- a turn of who sits ---------------------------------------------------------------------------------------------- */

static struct {
    sbl_evwork     work, later;
    sbl_evtimer    timer;
    _Atomic(pid_t) worked, finished, fired;
} turn;

static void work(sbl_evwork *w)
{
    atomic_store(&turn.worked, gettid());
}

static void finish(sbl_evwork *w)
{
    atomic_store(&turn.finished, gettid());
}

static void fire(sbl_evtimer *t)
{
    atomic_store(&turn.fired, gettid());
}

static void leave_things_to_do(void)
{
    turn.work.run   = work;
    turn.later.run  = finish;
    turn.timer.fire = fire;
    sbl_evloop_post(loop, &turn.work);
    sbl_evloop_later(loop, &turn.later);
    sbl_evtimer_set(loop, &turn.timer, sbl_clock_ns() + SECOND_NS / 100);
}

Test(seat, who_sits_does_what_a_turn_leaves_to_do_and_timers_stay_the_loop_s)
{
    turn.worked = turn.finished = turn.fired = 0;
    came.then                                = leave_things_to_do;
    take_seat();
    say("a", 1);
    cr_expect(sbl_evseat_sleep(loop, 0, in_s(10)));
    cr_expect_eq(turn.worked, gettid());
    cr_expect_eq(turn.finished, gettid());
    for (const int64_t until = in_s(10); !turn.fired && sbl_clock_ns() < until;)
        usleep(100);
    cr_expect_neq(turn.fired, 0, "for which the loop has to be woken");
    cr_expect_neq(turn.fired, gettid());
    sbl_evseat_leave(loop);
}

static void stop(void)
{
    sbl_evloop_stop(loop);
}

Test(seat, who_sits_can_stop_the_loop)
{
    came.then = stop;
    take_seat();
    say("a", 1);
    cr_expect(sbl_evseat_sleep(loop, 0, in_s(10)));
    pthread_join(thread, NULL); /* for ever, if it was not woken */
    sbl_evseat_leave(loop);
    came.then = NULL;
    cr_assert(sbl_thread_start(&thread, run_loop, NULL) == 0);
}

/* --- its end --------------------------------------------------------------------------------------------------------- */

static void *unwatch_soon(void *nothing)
{
    usleep(20000);
    in_the_loop(unwatch);
    return NULL;
}

Test(seat, is_no_more_when_nothing_is_heard_there)
{
    pthread_t other;

    take_seat();
    cr_assert(sbl_thread_start(&other, unwatch_soon, NULL) == 0);
    cr_expect_not(sbl_evseat_sleep(loop, 0, INT64_MAX));
    pthread_join(other, NULL);
    cr_expect_not(sbl_evseat_sleep(loop, 0, in_s(0.001)));
    sbl_evseat_leave(loop);
    usleep(20000);
    cr_expect_not(sbl_evseat_take(loop, 0));
    say("a", 1);
    usleep(20000);
    cr_expect_eq(came.n, 0);
}

Test(seat, who_sits_may_end_it_himself)
{
    came.then = unwatch;
    take_seat();
    say("a", 1);
    cr_expect_not(sbl_evseat_sleep(loop, 0, in_s(10)));
    cr_expect_eq(came.n, 1);
    sbl_evseat_leave(loop);
}

/* --- many ------------------------------------------------------------------------------------------------------------ */

enum { SITTERS = 3, BYTES = 3000 };

static void *sit_often(void *nothing)
{
    while (atomic_load(&came.n) < BYTES)
        if (sbl_evseat_take(loop, 0)) {
            for (int i = 0; i < 20 && atomic_load(&came.n) < BYTES; i++)
                sbl_evseat_sleep(loop, i % 2 * 20000, in_s(0.002));
            sbl_evseat_leave(loop);
        } else {
            usleep(50);
        }
    return NULL;
}

static _Atomic int n_posted, n_worked;

struct small_errand {
    sbl_evwork  work; /* first */
    _Atomic int done;
};

static void work_small(sbl_evwork *w)
{
    if (atomic_fetch_add(&came.inside, 1))
        atomic_fetch_add(&came.together, 1);
    atomic_fetch_add(&n_worked, 1);
    atomic_fetch_sub(&came.inside, 1);
    atomic_store(&((struct small_errand *)(void *)w)->done, 1);
}

static void *post_often(void *nothing)
{
    while (atomic_load(&came.n) < BYTES) {
        struct small_errand e = {.work.run = work_small};

        sbl_evloop_post(loop, &e.work);
        atomic_fetch_add(&n_posted, 1);
        while (!atomic_load(&e.done)) /* for ever, if nobody was woken */
            sched_yield();
    }
    return NULL;
}

Test(seat, one_of_many_and_the_loop_hear_everything_one_at_a_time)
{
    pthread_t sitters[SITTERS], poster;

    n_posted = n_worked = 0;
    for (int i = 0; i < SITTERS; i++)
        cr_assert(sbl_thread_start(&sitters[i], sit_often, NULL) == 0);
    cr_assert(sbl_thread_start(&poster, post_often, NULL) == 0);
    for (int i = 0; i < BYTES; i++) {
        say("x", 1);
        if (i % 3 == 0)
            until_came(i + 1);
    }
    for (int i = 0; i < SITTERS; i++)
        pthread_join(sitters[i], NULL);
    pthread_join(poster, NULL);
    cr_expect_eq(came.n, BYTES);
    cr_expect_eq(came.together, 0);
    cr_expect_eq(n_worked, n_posted);
}
