#include "sched/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sched/pools.h"

typedef struct counted {
    sbl_work         work;
    _Atomic int64_t *count;
    sbl_event       *event; /* set when run */
    sbl_pool        *pool;  /* posts `children` more, if any */
    int32_t          children;
} counted;

static void count_up(sbl_work *work)
{
    counted *c = (counted *)work;

    for (int32_t i = 0; i < c->children; i++) {
        counted *child = calloc(1, sizeof *child);

        *child = (counted){.work = {.run = count_up}, .count = c->count, .event = NULL};
        sbl_pool_post(c->pool, &child->work);
    }
    if (c->event)
        sbl_event_set(c->event);
    atomic_fetch_add(c->count, 1);
    free(c);
}

static counted *counted_new(_Atomic int64_t *count)
{
    counted *c = calloc(1, sizeof *c);

    *c = (counted){.work = {.run = count_up}, .count = count};
    return c;
}

Test(pool, runs_all_that_was_posted_before_it_ends)
{
    for (int32_t threads = 1; threads <= 7; threads += 3) {
        _Atomic int64_t count = 0;
        sbl_pool       *pool  = pool_of(threads);

        for (int i = 0; i < 1000; i++)
            sbl_pool_post(pool, &counted_new(&count)->work);
        sbl_pool_destroy(pool);
        cr_expect_eq(count, 1000);
    }
}

Test(pool, work_may_post_more_while_the_pool_ends)
{
    for (int round = 0; round < 20; round++) {
        _Atomic int64_t count = 0;
        sbl_pool       *pool  = pool_of(3);

        for (int i = 0; i < 50; i++) {
            counted *c = counted_new(&count);

            c->pool     = pool;
            c->children = 20;
            sbl_pool_post(pool, &c->work);
        }
        sbl_pool_destroy(pool);
        cr_expect_eq(count, 50 * 21);
    }
}

typedef struct poster {
    sbl_pool        *pool;
    _Atomic int64_t *count;
} poster;

static void *post_many(void *arg)
{
    poster *p = arg;

    for (int i = 0; i < 500; i++) {
        if (i % 50 == 0) {
            counted *first = NULL;

            for (int k = 0; k < 10; k++) {
                counted *c = counted_new(p->count);

                c->work.next = first ? &first->work : NULL;
                first        = c;
            }
            sbl_pool_post_batch(p->pool, &first->work, 10);
        }
        sbl_pool_post(p->pool, &counted_new(p->count)->work);
    }
    return NULL;
}

Test(pool, posts_of_many_foreign_threads_are_not_lost)
{
    _Atomic int64_t count = 0;
    sbl_pool       *pool  = pool_of(2);
    pthread_t       threads[16];
    poster          p = {pool, &count};

    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, post_many, &p);
    for (int i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    sbl_pool_destroy(pool);
    cr_expect_eq(count, 16 * 600);
}

typedef struct ordered {
    sbl_work work;
    int32_t *log, *n;
    int32_t  value;
} ordered;

static void note(sbl_work *work)
{
    ordered *o = (ordered *)work;

    o->log[(*o->n)++] = o->value;
}

typedef struct gate {
    sbl_work  work;
    sbl_event entered, open;
} gate;

/* Spins, so that the place is not lent. */
static void hold_place(sbl_work *work)
{
    gate *g = (gate *)work;

    sbl_event_set(&g->entered);
    while (!sbl_event_is_set(&g->open))
        sched_yield();
}

Test(pool, higher_priority_first_and_equals_in_order_of_posting)
{
    sbl_pool *pool = pool_of(1);
    ordered   o[600];
    int32_t   log[600], n = 0;
    gate      g = {.work = {.run = hold_place}};

    sbl_pool_post(pool, &g.work);
    cr_assert(sbl_event_wait(&g.entered, -1));
    for (int i = 0; i < 600; i++) {
        o[i] = (ordered){
            .work = {.run = note, .priority = (i * 37 % 23) * (i % 2 ? 1 : -1000)}, .log = log, .n = &n, .value = i};
        sbl_pool_post(pool, &o[i].work);
    }
    sbl_event_set(&g.open);
    sbl_pool_destroy(pool);
    cr_assert_eq(n, 600);
    for (int i = 1; i < n; i++) {
        const ordered *a = &o[log[i - 1]], *b = &o[log[i]];

        cr_assert(a->work.priority > b->work.priority || (a->work.priority == b->work.priority && a->value < b->value));
    }
}

typedef struct waiter {
    sbl_work   work;
    sbl_event *wait, *done;
    int        got;
} waiter;

static void wait_inside(sbl_work *work)
{
    waiter *w = (waiter *)work;

    w->got = sbl_event_wait(w->wait, -1);
    sbl_event_set(w->done);
}

static void set_inside(sbl_work *work)
{
    sbl_event_set(((waiter *)work)->wait);
}

Test(pool, a_blocked_place_is_lent_to_a_spare_thread)
{
    sbl_pool         *pool  = pool_of(1);
    sbl_event         event = {0}, done = {0};
    waiter            w = {.work = {.run = wait_inside}, .wait = &event, .done = &done};
    waiter            s = {.work = {.run = set_inside}, .wait = &event};
    sbl_pool_counters counters;

    sbl_pool_post(pool, &w.work);
    sbl_pool_post(pool, &s.work);
    cr_expect(sbl_event_wait(&done, -1));
    cr_expect(w.got);
    sbl_pool_count(pool, &counters);
    cr_expect_eq(counters.spares, 1);
    sbl_pool_destroy(pool);
}

Test(pool, fifty_waits_deep_and_each_needs_the_next)
{
    enum { N = 50 };
    sbl_pool *pool          = pool_of(2);
    sbl_event events[N + 1] = {{0}};
    waiter    w[N];

    for (int i = 0; i < N; i++) {
        w[i] = (waiter){.work = {.run = wait_inside}, .wait = &events[i + 1], .done = &events[i]};
        sbl_pool_post(pool, &w[i].work);
    }
    sbl_event_set(&events[N]);
    cr_expect(sbl_event_wait(&events[0], -1));
    sbl_pool_destroy(pool);
}

Test(pool, when_spares_are_used_up_the_place_stands_still_and_nothing_is_lost)
{
    enum { N = SBL_SPARES + 20 };
    sbl_pool       *pool  = pool_of(1);
    sbl_event       event = {0}, done[N] = {{0}};
    static waiter   w[N];
    _Atomic int64_t count = 0;

    for (int i = 0; i < N; i++) {
        w[i] = (waiter){.work = {.run = wait_inside}, .wait = &event, .done = &done[i]};
        sbl_pool_post(pool, &w[i].work);
    }
    sbl_pool_post(pool, &counted_new(&count)->work);
    sbl_event_set(&event);
    for (int i = 0; i < N; i++)
        cr_expect(sbl_event_wait(&done[i], -1));
    sbl_pool_destroy(pool);
    cr_expect_eq(count, 1);
}

Test(pool, an_event_that_nobody_sets_times_out)
{
    sbl_event event = {0};
    int64_t   start = sbl_clock_ns();

    cr_expect_eq(sbl_event_wait(&event, 0), 0);
    cr_expect_eq(sbl_event_wait(&event, 3000000), 0);
    cr_expect_geq(sbl_clock_ns() - start, 3000000);
    sbl_event_set(&event);
    cr_expect_eq(sbl_event_wait(&event, 0), 1);
    cr_expect_eq(sbl_event_wait(&event, INT64_MAX), 1);
}

Test(pool, an_idle_pool_sleeps)
{
    sbl_pool         *pool = pool_of(4);
    sbl_pool_counters before, after;
    struct timespec   nap = {.tv_nsec = 50000000};

    while (SBL_COUNT(sbl_state(pool), SBL_AWAKE)) /* all go to sleep */
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 1000000}, NULL);
    sbl_pool_count(pool, &before);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
    sbl_pool_count(pool, &after);
    cr_expect_eq(SBL_COUNT(sbl_state(pool), SBL_AWAKE), 0);
    cr_expect_eq(before.parks, after.parks); /* and nobody looks round now and then */
    cr_expect_eq(before.wakes, after.wakes);
    sbl_pool_destroy(pool);
}

struct look {
    sbl_work        work;
    pid_t           tid;
    cpu_set_t       mask;
    _Atomic int32_t done;
};

static void look_at_mask(sbl_work *work)
{
    struct look *look = (struct look *)(void *)work;

    sched_getaffinity(0, sizeof look->mask, &look->mask);
    look->tid = gettid();
    atomic_store(&look->done, 1);
}

static void until_all_sleep(sbl_pool *pool)
{
    while (SBL_COUNT(sbl_state(pool), SBL_AWAKE))
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* Wakes the thread that sleeps, and waits until it does again. */
static void wake_once(sbl_pool *pool, struct look *look)
{
    *look = (struct look){.work.run = look_at_mask};
    until_all_sleep(pool);
    sbl_pool_post(pool, &look->work);
    while (!atomic_load(&look->done))
        sched_yield();
    until_all_sleep(pool);
}

static int has_mask(pid_t tid, const cpu_set_t *expected)
{
    cpu_set_t mask;

    return !sched_getaffinity(tid, sizeof mask, &mask) && CPU_EQUAL(&mask, expected);
}

struct rest {
    sbl_pool *pool;
    pid_t     tid;
    cpu_set_t all;
    int       taken_back, whole; /* what is found */
};

static void *wake_and_rest(void *arg)
{
    struct rest *rest = arg;
    sbl_slot    *slot = sbl_slot_at(rest->pool, 0);
    struct look  look;

    sbl_rest_after_wakes();
    while (!(atomic_load(&rest->pool->sleeping[0]) & 1)) /* as who wakes it sees that it may be steered */
        sched_yield();
    sbl_steer_away(slot);
    rest->taken_back = slot->away == -1 && has_mask(rest->tid, &rest->all);
    wake_once(rest->pool, &look);
    rest->whole = CPU_EQUAL(&look.mask, &rest->all) && has_mask(rest->tid, &rest->all);
    return NULL;
}

/* Waking changes a thread's mask for a moment: nothing of that is to be seen by what it runs. */
Test(pool, a_woken_thread_may_run_on_every_core_again)
{
    sbl_pool *pool = pool_of(2);
    cpu_set_t all;

    sched_getaffinity(0, sizeof all, &all);
    for (int i = 0; i < 200; i++) {
        struct look look = {.work.run = look_at_mask};

        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL); /* they sleep by then */
        sbl_pool_post(pool, &look.work);
        while (!atomic_load(&look.done))
            sched_yield();
        cr_assert(CPU_EQUAL(&look.mask, &all));
    }
    sbl_pool_destroy(pool);
}

/* Who rests may be followed on its own core, also after one who did not. */
Test(pool, who_rests_after_a_wake_leaves_the_sleeper_all_cores)
{
    struct rest rest = {.pool = pool_of(1)};

    sched_getaffinity(0, sizeof rest.all, &rest.all);
    for (int i = 0; i < 20; i++) {
        pthread_t   thread;
        struct look look;

        for (int tries = 0; tries < 100; tries++) { /* a waker that was late has given back what the next sleep took */
            wake_once(rest.pool, &look);
            rest.tid = look.tid;
            if (!has_mask(rest.tid, &rest.all))
                break;
        }
        cr_assert(CPU_COUNT(&rest.all) == 1 || !has_mask(rest.tid, &rest.all)); /* this thread does not rest */
        pthread_create(&thread, NULL, wake_and_rest, &rest);
        pthread_join(thread, NULL);
        cr_assert(rest.taken_back);
        cr_assert(rest.whole);
    }
    sbl_pool_destroy(rest.pool);
}

/* Also of a pool whose thread sleeps at once. */
Test(pool, what_is_gathered_wakes_nobody_before_it_goes)
{
    for (int rests = 0; rests < 2; rests++) {
        _Atomic int64_t count = 0;
        sbl_pool       *pool  = pool_of(1);

        int slept_on = 0;

        if (rests)
            sbl_pool_rest(pool);
        for (int i = 0; i < 20; i++) {
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); /* it sleeps by then, most likely */
            sbl_posts_gather();
            sbl_pool_post(pool, &counted_new(&count)->work);
            sbl_pool_post(pool, &counted_new(&count)->work);
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
            slept_on += count == 2 * i;
            sbl_posts_go();
            while (count < 2 * i + 2) /* for ever, if it was not woken */
                sched_yield();
        }
        cr_expect_geq(slept_on, 5);
        sbl_pool_destroy(pool);
    }
}

Test(pool, is_made_and_ended_many_times)
{
    for (int i = 0; i < 200; i++) {
        _Atomic int64_t count = 0;
        sbl_pool       *pool  = pool_of(1 + i % 5);

        if (i % 3)
            sbl_pool_post(pool, &counted_new(&count)->work);
        sbl_pool_destroy(pool);
        cr_expect_eq(count, i % 3 ? 1 : 0);
    }
}

Test(pool, every_failed_allocation_and_thread_is_reported)
{
    sbl_pool_destroy(pool_of(1)); /* asks for the topology, once a process; a failure of that costs only nearness */
    for (int64_t nth = 1;; nth++) {
        sbl_pool    *pool = NULL;
        sabal_error  err  = SABAL_ERROR_INIT;
        sabal_status st;

        sbl_alloc_fail(nth, 0);
        st = sbl_pool_create(&pool, &(sbl_pool_options){.threads = 3}, &err);
        sbl_alloc_fail(0, 0);
        if (!st) {
            cr_expect_gt(nth, 10);
            sbl_pool_destroy(pool);
            break;
        }
        cr_expect_eq(st, SABAL_ENOMEM);
        cr_expect_eq(err.status, SABAL_ENOMEM);
        cr_expect_null(pool);
    }
}

Test(pool, a_spare_that_cannot_be_started_is_not_needed_for_progress_later)
{
    sbl_pool       *pool  = pool_of(1);
    sbl_event       event = {0}, done = {0};
    waiter          w     = {.work = {.run = wait_inside}, .wait = &event, .done = &done};
    _Atomic int64_t count = 0;

    sbl_pool_post(pool, &w.work);
    while (!SBL_COUNT(sbl_state(pool), SBL_BLOCKED))
        sched_yield();
    {
        counted *c = counted_new(&count);

        sbl_alloc_fail(1, 1);
        sbl_pool_post(pool, &c->work);
        sbl_alloc_fail(0, 0);
    }
    sbl_event_set(&event);
    cr_expect(sbl_event_wait(&done, -1));
    sbl_pool_destroy(pool);
    cr_expect_eq(count, 1);
}

static void set_done(sbl_work *work)
{
    sbl_event_set(((waiter *)work)->done);
}

typedef struct posting {
    sbl_pool *pool;
    sbl_work *work;
} posting;

static void *post(void *arg)
{
    posting *p = arg;

    sbl_pool_post(p->pool, p->work);
    return NULL;
}

/* Who posts counts a searcher that he then fails to start; the only thread comes back meanwhile, is one too many, sleeps. */
Test(pool, work_is_not_slept_over_while_a_spare_is_tried_in_vain)
{
    sbl_pool *pool  = pool_of(1);
    sbl_event event = {0}, done = {0}, run = {0};
    waiter    w = {.work = {.run = wait_inside}, .wait = &event, .done = &done};
    waiter    c = {.work = {.run = set_done}, .done = &run};
    posting   p = {.pool = pool, .work = &c.work};
    pthread_t thread;

    sbl_pool_post(pool, &w.work);
    while (!SBL_COUNT(sbl_state(pool), SBL_BLOCKED))
        sched_yield();
    pthread_mutex_lock(&pool->lock); /* stops who starts a spare */
    pthread_create(&thread, NULL, post, &p);
    while (!SBL_COUNT(sbl_state(pool), SBL_SEARCHING))
        sched_yield();
    sbl_event_set(&event);
    while (!atomic_load(&pool->sleeping[0]))
        sched_yield();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* for it to fall asleep */
    sbl_alloc_fail(1, 1);
    pthread_mutex_unlock(&pool->lock);
    pthread_join(thread, NULL);
    sbl_alloc_fail(0, 0);
    cr_expect(sbl_event_wait(&run, INT64_C(10000000000)));
    sbl_wake(pool, 0); /* so that the test ends if that failed */
    sbl_pool_destroy(pool);
}

Test(pool, threads_out_of_range_are_refused)
{
    sbl_pool   *pool = NULL;
    sabal_error err  = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_pool_create(&pool, &(sbl_pool_options){.threads = 1025}, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "1025 threads asked of a pool: 1 to 1024 are possible");
    cr_expect_eq(sbl_pool_create(&pool, &(sbl_pool_options){.threads = -1}, NULL), SABAL_EINVAL);
    cr_expect_null(pool);
}

static void note_place(sbl_work *work)
{
    waiter *w = (waiter *)work;

    w->got = sbl_pool_place((sbl_pool *)w->wait);
    sbl_event_set(w->done);
}

Test(pool, a_thread_knows_its_place)
{
    sbl_pool *pool = pool_of(2);
    sbl_event done = {0};
    waiter    w    = {.work = {.run = note_place}, .wait = (sbl_event *)pool, .done = &done, .got = -2};

    cr_expect_eq(sbl_pool_place(pool), -1);
    sbl_pool_post(pool, &w.work);
    cr_expect(sbl_event_wait(&done, -1));
    cr_expect(w.got >= 0 && w.got < sbl_pool_places(pool));
    cr_expect_eq(sbl_pool_threads(pool), 2);
    sbl_pool_destroy(pool);
}

Test(pool, survives_unlucky_pauses_with_more_threads_than_cores)
{
    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 100; round++) {
        _Atomic int64_t count = 0;
        sbl_pool       *pool  = pool_of(8);
        sbl_event       event = {0}, done[8] = {{0}};
        waiter          w[8];

        for (int i = 0; i < 8; i++) {
            w[i] = (waiter){.work = {.run = wait_inside}, .wait = &event, .done = &done[i]};
            sbl_pool_post(pool, &w[i].work);
        }
        for (int i = 0; i < 20; i++) {
            counted *c = counted_new(&count);

            c->pool     = pool;
            c->children = 5;
            c->event    = i == 19 ? &event : NULL;
            sbl_pool_post(pool, &c->work);
        }
        for (int i = 0; i < 8; i++)
            cr_expect(sbl_event_wait(&done[i], -1));
        sbl_pool_destroy(pool);
        cr_expect_eq(count, 20 * 6);
    }
    atomic_store(&sbl_chaos_level, 0);
}
