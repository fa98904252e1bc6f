/* The event loop: order of timers, descriptors that vanish in their own turn, no lost wake-up, sleep when idle. */
#include "support/test.h"

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "cluster/net/evloop.h"

static sbl_evloop *loop;

static void make(void)
{
    cr_assert(sbl_evloop_create(&loop, 20000, NULL) == SABAL_OK);
}

static void end(void)
{
    sbl_evloop_destroy(loop);
}

TestSuite(loop, .init = make, .fini = end);

/* --- timers --------------------------------------------------------------------------------------------------------- */

struct ticked {
    sbl_evtimer timer;
    int64_t     fired;
};

static int64_t last_at, n_fired;
static int     in_order;

static void tick(sbl_evtimer *timer)
{
    struct ticked *t = (struct ticked *)timer;

    in_order &= timer->at >= last_at && sbl_clock_ns() >= timer->at;
    last_at  = timer->at;
    t->fired = ++n_fired;
}

Test(loop, timers_fire_in_order_each_once_and_none_that_was_cleared)
{
    enum { N = 2000 };
    static struct ticked t[N];
    int64_t              now = sbl_clock_ns(), expected = 0;

    memset(t, 0, sizeof t);
    in_order = 1, n_fired = 0, last_at = 0;
    srand(3);
    for (int i = 0; i < N; i++) {
        t[i].timer.fire = tick;
        sbl_evtimer_set(loop, &t[i].timer, now + rand() % 20000000);
    }
    for (int i = 0; i < N; i += 3)
        sbl_evtimer_set(loop, &t[i].timer, now + rand() % 20000000);
    for (int i = 0; i < N; i += 7) {
        sbl_evtimer_clear(loop, &t[i].timer);
        sbl_evtimer_clear(loop, &t[i].timer);
    }
    for (int i = 0; i < N; i++)
        expected += i % 7 != 0;
    /* All are due by then, and those that were cleared would be; on a busy machine it may take longer. */
    while (sbl_clock_ns() < now + 25000000 || (n_fired < expected && sbl_clock_ns() < now + 10000000000))
        sbl_evloop_turn(loop, now + 25000000);
    for (int i = 0; i < N; i++)
        cr_expect((t[i].fired != 0) == (i % 7 != 0));
    cr_expect(in_order && n_fired == expected);
}

static void again(sbl_evtimer *timer)
{
    n_fired++;
    sbl_evtimer_set(loop, timer, sbl_evloop_now(loop)); /* for ever: others are to get their turn all the same */
}

static void stop_on_read(sbl_evwatch *watch, uint32_t events)
{
    sbl_evloop_stop(loop);
}

Test(loop, a_timer_that_is_always_due_starves_nobody)
{
    sbl_evtimer timer = {.fire = again};
    sbl_evwatch watch = {.ready = stop_on_read};
    int         pipes[2];

    cr_assert(pipe(pipes) == 0 && write(pipes[1], "x", 1) == 1);
    cr_assert(sbl_evloop_watch(loop, &watch, pipes[0], EPOLLIN, NULL) == SABAL_OK);
    sbl_evtimer_set(loop, &timer, 0);
    sbl_evloop_run(loop);
    sbl_evtimer_clear(loop, &timer);
    sbl_evloop_unwatch(loop, &watch);
    close(pipes[0]);
    close(pipes[1]);
}

/* --- descriptors ---------------------------------------------------------------------------------------------------- */

struct pair_of_watches {
    sbl_evwatch             watch;
    struct pair_of_watches *other;
    int                     pipes[2], n;
};

/* Whichever comes first ends the other, of which this turn has an event too. */
static void end_other(sbl_evwatch *watch, uint32_t events)
{
    struct pair_of_watches *p = (struct pair_of_watches *)watch;

    p->n++;
    sbl_evloop_unwatch(loop, &p->other->watch);
    memset(&p->other->watch, 0xff, sizeof p->other->watch); /* as if it were freed */
    p->other->watch.fd = -1;
}

Test(loop, what_is_not_watched_any_more_is_not_called_in_the_same_turn)
{
    struct pair_of_watches p[2] = {{.watch.ready = end_other, .other = &p[1]},
                                   {.watch.ready = end_other, .other = &p[0]}};

    for (int i = 0; i < 2; i++) {
        cr_assert(pipe(p[i].pipes) == 0 && write(p[i].pipes[1], "x", 1) == 1);
        cr_assert(sbl_evloop_watch(loop, &p[i].watch, p[i].pipes[0], EPOLLIN, NULL) == SABAL_OK);
    }
    sbl_evloop_turn(loop, sbl_clock_ns() + 1000000000);
    cr_expect_eq(p[0].n + p[1].n, 1);
    for (int i = 0; i < 2; i++) {
        sbl_evloop_unwatch(loop, &p[i].watch);
        close(p[i].pipes[0]);
        close(p[i].pipes[1]);
    }
}

/* --- work ----------------------------------------------------------------------------------------------------------- */

enum { N_THREADS = 3, N_POSTS = 20000 };
struct poster {
    pthread_t thread;
    struct posted {
        sbl_evwork     work;
        struct poster *poster;
        int            number;
    } posts[N_POSTS];
    int     seen, wrong;
    int64_t rest_ns; /* between posts, so that the loop falls asleep in between */
};
static int n_left;

static void count(sbl_evwork *work)
{
    struct posted *p = (struct posted *)work;

    p->poster->wrong += p->number != p->poster->seen;
    p->poster->seen++;
    if (--n_left == 0)
        sbl_evloop_stop(loop);
}

static void *post_all(void *arg)
{
    struct poster *p = arg;

    for (int i = 0; i < N_POSTS; i++) {
        p->posts[i] = (struct posted){.work.run = count, .poster = p, .number = i};
        sbl_evloop_post(loop, &p->posts[i].work);
        if (p->rest_ns && i % 64 == 0)
            for (int64_t until = sbl_clock_ns() + p->rest_ns; sbl_clock_ns() < until;)
                ;
    }
    return NULL;
}

Test(loop, all_that_threads_post_is_run_in_their_order_and_no_wake_up_is_lost, .timeout = 60)
{
    static struct poster posters[N_THREADS];

    n_left = N_THREADS * N_POSTS;
    for (int i = 0; i < N_THREADS; i++) {
        posters[i].seen = posters[i].wrong = 0;
        posters[i].rest_ns                 = i * 30000; /* about as long as it spins */
        cr_assert(sbl_thread_start(&posters[i].thread, post_all, &posters[i]) == 0);
    }
    sbl_evloop_run(loop);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        cr_expect(posters[i].seen == N_POSTS && posters[i].wrong == 0);
    }
}

struct ping {
    sbl_evwork  work;
    _Atomic int done;
};

static void answer(sbl_evwork *work)
{
    atomic_store(&((struct ping *)work)->done, 1);
}

static void *ping_often(void *arg)
{
    for (int i = 0; i < 3000; i++) {
        struct ping p = {.work.run = answer};

        sbl_evloop_post(loop, &p.work);
        while (!atomic_load(&p.done)) /* for ever, if it was lost */
            ;
        for (int64_t until = sbl_clock_ns() + i % 50 * 1000; sbl_clock_ns() < until;)
            ;
    }
    sbl_evloop_stop(loop);
    return NULL;
}

Test(loop, one_post_at_a_time_always_wakes_it, .timeout = 60)
{
    pthread_t thread;

    cr_assert(sbl_thread_start(&thread, ping_often, NULL) == 0);
    sbl_evloop_run(loop);
    pthread_join(thread, NULL);
}

/* --- in its place ---------------------------------------------------------------------------------------------------- */

static int         inside, n_together; /* in the loop's callbacks and in its place: by one thread at a time */
static _Atomic int n_borrowed;
static int         n_borrowers;

struct task_of_one {
    sbl_evtimer timer;
    sbl_evwork  work;
    _Atomic int done;
};

static void run_alone(_Atomic int *done)
{
    n_together += inside++ != 0;
    inside--;
    atomic_store(done, 1);
}

static void fired_alone(sbl_evtimer *timer)
{
    run_alone(&((struct task_of_one *)timer)->done);
}

static void posted_alone(sbl_evwork *work)
{
    run_alone(&((struct task_of_one *)(void *)((char *)work - offsetof(struct task_of_one, work)))->done);
}

static void end_of_borrowing(sbl_evwork *work)
{
    if (--n_borrowers == 0)
        sbl_evloop_stop(loop);
}

static void *borrow_often(void *arg)
{
    sbl_evwork *end = arg;

    /* On a busy machine the loop may never have slept by then. */
    for (int i = 0; i < 300 || !atomic_load(&n_borrowed); i++) {
        struct task_of_one t = {.timer.fire = fired_alone, .work.run = posted_alone};

        if (sbl_evloop_borrow(loop)) {
            n_together += inside++ != 0;
            n_borrowed++;
            sbl_evtimer_set(loop, &t.timer, 0); /* for which the loop has to be woken */
            inside--;
            sbl_evloop_give_back(loop);
        } else {
            sbl_evloop_post(loop, &t.work);
        }
        while (!atomic_load(&t.done)) /* for ever, if it was not woken */
            sched_yield();
        if (i >= 300)
            usleep(1000);
        for (int64_t until = sbl_clock_ns() + i % 100 * 1000; sbl_clock_ns() < until;)
            ;
    }
    sbl_evloop_post(loop, end);
    return NULL;
}

Test(loop, who_is_in_its_place_is_alone_and_what_he_leaves_to_it_is_done, .timeout = 60)
{
    pthread_t  threads[3];
    sbl_evwork ends[3];

    n_together = inside = 0;
    n_borrowed          = 0;
    n_borrowers         = 3;
    cr_expect_not(sbl_evloop_borrow(loop), "it does not run");
    for (int i = 0; i < 3; i++) {
        ends[i] = (sbl_evwork){.run = end_of_borrowing};
        cr_assert(sbl_thread_start(&threads[i], borrow_often, &ends[i]) == 0);
    }
    sbl_evloop_run(loop);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(n_together, 0);
    cr_expect_gt(n_borrowed, 0);
    cr_expect_not(sbl_evloop_borrow(loop), "it does not run any more");
}

static void is_not_to_be_called(sbl_evwatch *watch, uint32_t events)
{
    n_together++;
}

/* The loop has been told of the descriptor already, and waits for its turn. */
static void *unwatch_in_its_place(void *arg)
{
    sbl_evwatch *watch = arg;
    int          pipes[2];

    cr_assert(pipe(pipes) == 0);
    while (!sbl_evloop_borrow(loop))
        usleep(1000);
    cr_assert(sbl_evloop_watch(loop, watch, pipes[0], EPOLLIN, NULL) == SABAL_OK);
    cr_assert(write(pipes[1], "x", 1) == 1);
    usleep(20000);
    sbl_evloop_unwatch(loop, watch);
    sbl_evloop_give_back(loop);
    usleep(20000);
    sbl_evloop_stop(loop);
    close(pipes[0]);
    close(pipes[1]);
    return NULL;
}

Test(loop, what_was_unwatched_in_its_place_is_not_called, .timeout = 60)
{
    sbl_evwatch watch = {.ready = is_not_to_be_called};
    pthread_t   thread;

    n_together = 0;
    cr_assert(sbl_thread_start(&thread, unwatch_in_its_place, &watch) == 0);
    sbl_evloop_run(loop);
    pthread_join(thread, NULL);
    cr_expect_eq(n_together, 0);
}

static sbl_evwork works[4];
static int        ran[4], n_ran;

static void run_one(sbl_evwork *work)
{
    ran[n_ran++] = (int)(work - works);
    if (work == &works[1] && n_ran < 4) {
        sbl_evloop_later(loop, work);    /* in the next turn */
        sbl_evloop_not_later(&works[2]); /* which has not run yet */
    }
}

Test(loop, what_waits_for_the_end_of_a_turn_runs_once_in_order_and_can_be_taken_back)
{
    static const int RIGHT[] = {0, 1, 3, 1};

    n_ran = 0;
    for (int i = 0; i < 4; i++) {
        works[i] = (sbl_evwork){.run = run_one};
        sbl_evloop_later(loop, &works[i]);
        sbl_evloop_later(loop, &works[i]);
    }
    sbl_evloop_not_later(&works[3]);
    sbl_evloop_later(loop, &works[3]);
    sbl_evloop_turn(loop, 0);
    cr_expect_eq(n_ran, 3);
    sbl_evloop_turn(loop, INT64_MAX); /* which doesn't sleep */
    cr_assert_eq(n_ran, 4);
    cr_expect_arr_eq(ran, RIGHT, sizeof RIGHT);
}

Test(loop, idle_it_takes_no_time)
{
    struct timespec cpu[2];
    int64_t         now = sbl_clock_ns();

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[0]);
    while (sbl_clock_ns() < now + 200000000)
        sbl_evloop_turn(loop, now + 200000000);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[1]);
    cr_expect_lt((cpu[1].tv_sec - cpu[0].tv_sec) * 1000000000 + cpu[1].tv_nsec - cpu[0].tv_nsec, 2000000); /* 1% */
}

static int n_polls, n_arms;

static int poll_thrice(sbl_evpoller *poller)
{
    return ++n_polls < 3;
}

static int arm_second_time(sbl_evpoller *poller)
{
    return ++n_arms > 1;
}

Test(loop, pollers_are_asked_in_each_turn_and_armed_before_it_sleeps)
{
    sbl_evpoller poller = {.poll = poll_thrice, .arm = arm_second_time};
    int64_t      began  = sbl_clock_ns();

    n_polls = n_arms = 0;
    sbl_evloop_poll(loop, &poller);
    while (n_arms < 2)
        sbl_evloop_turn(loop, began + 50000000);
    cr_expect(n_polls > 3 && sbl_clock_ns() >= began + 50000000);
    sbl_evloop_unpoll(loop, &poller);
    n_polls = 0;
    sbl_evloop_turn(loop, 0);
    cr_expect_eq(n_polls, 0);
}

Test(loop, every_failed_allocation_is_reported)
{
    sbl_evloop *other = NULL;
    int         n     = 0;

    for (;; n++) {
        sabal_error  err = SABAL_ERROR_INIT;
        sabal_status st;

        sbl_alloc_fail(n + 1, 0);
        st = sbl_evloop_create(&other, 0, &err);
        sbl_alloc_fail(0, 0);
        if (!st)
            break;
        cr_assert_eq(st, SABAL_ENOMEM);
    }
    cr_expect_eq(n, 2);
    sbl_evloop_destroy(other);
}
