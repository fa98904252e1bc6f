#include <sabal/job.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/pools.h"
#include "support/fib.h"

/* Solutions of n queens with bits for taken columns and diagonals. */
SABAL_JOB(long, queens, int, n, unsigned, columns, unsigned, left, unsigned, right)
{
    unsigned free_columns = ((1u << n) - 1) & ~(columns | left | right);
    long     sum          = 0;
    int      spawned      = 0;

    if (columns == (1u << n) - 1)
        return 1;
    for (; free_columns; free_columns &= free_columns - 1, spawned++) {
        unsigned bit = free_columns & -free_columns;

        SABAL_SPAWN(queens, n, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    while (spawned--)
        sum += SABAL_SYNC(queens);
    return sum;
}

static const int32_t SIZES[] = {1, 2, 7};

Test(job, fib_and_queens_are_right_on_any_number_of_threads)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        for (int round = 0; round < 5; round++) {
            cr_expect_eq(RUN(pool, fib, 22), 17711);
            cr_expect_eq(RUN(pool, queens, 8, 0, 0, 0), 92);
        }
        sbl_pool_destroy(pool);
    }
}

Test(job, without_a_pool_it_runs_on_this_thread_alone)
{
    cr_expect_eq(RUN(NULL, fib, 15), 610);
    cr_expect_eq(RUN(NULL, queens, 7, 0, 0, 0), 40);
}

/* All shapes of jobs. */
static _Atomic int64_t touched;

SABAL_JOB(void, touch)
{
    atomic_fetch_add(&touched, 1);
}

SABAL_JOB(int, zero)
{
    return 7;
}

typedef struct triple {
    double a, b, c;
} triple;

SABAL_JOB(triple, turn, triple, t, double, more, char, what)
{
    return (triple){t.b + more, t.c, t.a + what};
}

SABAL_JOB(void *, pointers, void *, a, const char *, b, int64_t *, c, double *, d, struct sabal_record *, e)
{
    return a && b && c && !d && !e ? a : NULL;
}

SABAL_JOB(unsigned long, six, char, a, short, b, int, c, long, d, float, e, double, f)
{
    return (unsigned long)(a + b + c + d + (long)e + (long)f);
}

SABAL_JOB(void, touch_many, int, n)
{
    if (n == 1) {
        SABAL_CALL(touch);
        return;
    }
    SABAL_SPAWN(touch_many, n / 2);
    SABAL_CALL(touch_many, n - n / 2);
    SABAL_SYNC(touch_many);
}

SABAL_JOB(int, shapes)
{
    int64_t number = 0;
    triple  t;
    void   *p;
    int     n;

    SABAL_SPAWN(touch_many, 100);
    SABAL_SPAWN(turn, (triple){1, 2, 3}, 0.5, 2);
    SABAL_SPAWN(pointers, &number, "x", &number, NULL, NULL);
    SABAL_SPAWN(six, 1, 2, 3, 4, 5, 6);
    SABAL_SPAWN(zero);
    SABAL_SPAWN(touch);
    SABAL_SYNC(touch);
    n = SABAL_SYNC(zero);
    n += (int)SABAL_SYNC(six);
    p = SABAL_SYNC(pointers);
    t = SABAL_SYNC(turn);
    SABAL_SYNC(touch_many);
    return n == 28 && p == &number && t.a == 2.5 && t.b == 3 && t.c == 3;
}

Test(job, any_shape_of_arguments_and_result)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        atomic_store(&touched, 0);
        for (int round = 0; round < 50; round++)
            cr_expect_eq(RUN(pool, shapes), 1);
        cr_expect_eq(touched, 50 * 101);
        sbl_pool_destroy(pool);
    }
}

/* Two jobs that spawn each other. */
SABAL_JOB_DECLARE(int, even, int, n);
SABAL_JOB_DECLARE(int, odd, int, n);
SABAL_JOB_BODY(int, even, int, n)
{
    if (!n)
        return 1;
    SABAL_SPAWN(odd, n - 1);
    return SABAL_SYNC(odd);
}
SABAL_JOB_BODY(int, odd, int, n)
{
    if (!n)
        return 0;
    SABAL_SPAWN(even, n - 1);
    return SABAL_SYNC(even);
}

Test(job, jobs_may_spawn_each_other)
{
    sbl_pool *pool = pool_of(2);

    cr_expect_eq(RUN(pool, even, 1000), 1);
    cr_expect_eq(RUN(pool, even, 1001), 0);
    sbl_pool_destroy(pool);
}

/* A tree as in UTS: a few children with many below, most without; deep, unbalanced, known only as it is
 * walked. */
static _Atomic uint64_t highest; /* bytes of stack that a thread of the pool used below its first job */

static uint64_t hash(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static __thread uintptr_t stack_top;

static void note_stack(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uint64_t  used;

    if (!sbl_me.worker)
        return;
    if (!stack_top || here > stack_top)
        stack_top = here;
    used = stack_top - here;
    if (used > atomic_load_explicit(&highest, memory_order_relaxed))
        atomic_store_explicit(&highest, used, memory_order_relaxed);
}

SABAL_JOB(int64_t, tree, uint64_t, id, int, depth)
{
    int     n   = depth == 0 ? 200 : hash(id) % 1000 < 124 ? 8 : 0;
    int64_t sum = 1;

    if (n)
        note_stack();
    for (int i = 0; i < n; i++)
        SABAL_SPAWN(tree, hash(id + (uint64_t)i * 77), depth + 1);
    for (int i = 0; i < n; i++)
        sum += SABAL_SYNC(tree);
    return sum;
}

static int64_t tree_serial(uint64_t id, int depth)
{
    int     n   = depth == 0 ? 200 : hash(id) % 1000 < 124 ? 8 : 0;
    int64_t sum = 1;

    for (int i = 0; i < n; i++)
        sum += tree_serial(hash(id + (uint64_t)i * 77), depth + 1);
    return sum;
}

Test(job, a_deep_unbalanced_tree_needs_little_stack)
{
    int64_t expected = tree_serial(42, 0);

    cr_expect_gt(expected, 10000);
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        for (int round = 0; round < 5; round++)
            cr_expect_eq(RUN(pool, tree, 42, 0), expected);
        sbl_pool_destroy(pool);
    }
    cr_expect_lt(highest, 1 << 20);
}

SABAL_JOB(int64_t, same, int64_t, i)
{
    return i;
}

SABAL_JOB(int64_t, flat, int64_t, n)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < n; i++)
        SABAL_SPAWN(same, i);
    for (int64_t i = n; i-- > 0;) {
        int64_t got = SABAL_SYNC(same);

        sum += got == i ? 1 : -1000000;
    }
    return sum;
}

Test(job, more_jobs_than_records_run_at_once_and_keep_their_results)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        cr_expect_eq(RUN(pool, flat, SBL_RECORDS + 1), SBL_RECORDS + 1);
        cr_expect_eq(RUN(pool, flat, SBL_RECORDS + 70000), SBL_RECORDS + 70000);
        cr_expect_eq(RUN(pool, flat, 1000), 1000);
        sbl_pool_destroy(pool);
    }
    cr_expect_eq(RUN(NULL, flat, 3000), 3000);
}

static __attribute__((noinline)) long plain_fib(sbl_pool *pool, int n)
{
    return RUN(pool, fib, n);
}

/* Goes through a plain function, which does not know the deque's head, at every level. */
SABAL_JOB_DECLARE(long, through, int, n, sbl_pool *, pool);
static __attribute__((noinline)) long plain_through(sbl_pool *pool, int n)
{
    return RUN(pool, through, n, pool);
}
SABAL_JOB_BODY(long, through, int, n, sbl_pool *, pool)
{
    long x;

    if (n < 2)
        return n;
    SABAL_SPAWN(through, n - 1, pool);
    SABAL_SPAWN(fib, 5);
    x = plain_through(pool, n - 2);
    x += plain_fib(pool, 3) - 2;
    x += SABAL_SYNC(fib) - 5;
    return x + SABAL_SYNC(through);
}

Test(job, a_plain_function_inside_a_job_may_run_jobs)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        for (int round = 0; round < 20; round++)
            cr_expect_eq(RUN(pool, through, 14, pool), 377);
        sbl_pool_destroy(pool);
    }
}

typedef struct runner {
    sbl_work  work;
    sbl_pool *pool, *other;
    sbl_event done;
    int64_t   wrong;
    int       rounds;
} runner;

static void *run_fibs(void *arg)
{
    runner *r = arg;

    for (int i = 0; i < r->rounds; i++) {
        r->wrong += RUN(r->pool, fib, 12) != 144;
        if (r->other)
            r->wrong += RUN(r->other, through, 8, r->pool) != 21;
    }
    return NULL;
}

Test(job, sixty_four_foreign_threads_at_once_lose_nothing)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);
        pthread_t threads[64];
        runner    r[64];

        for (int k = 0; k < 64; k++) {
            r[k] = (runner){.pool = pool, .rounds = 30};
            cr_assert_eq(pthread_create(&threads[k], NULL, run_fibs, &r[k]), 0);
        }
        for (int k = 0; k < 64; k++) {
            pthread_join(threads[k], NULL);
            cr_expect_eq(r[k].wrong, 0);
        }
        sbl_pool_destroy(pool);
    }
}

static void run_posted(sbl_work *work)
{
    runner *r = (runner *)work;

    run_fibs(r);
    sbl_event_set(&r->done);
}

Test(job, posted_work_runs_jobs_on_its_own_pool_and_on_another)
{
    sbl_pool *a = pool_of(2), *b = pool_of(3);
    runner    r[20];

    for (int i = 0; i < 20; i++) {
        r[i] = (runner){.work = {.run = run_posted}, .pool = a, .other = i % 2 ? b : NULL, .rounds = 10};
        sbl_pool_post(i % 3 ? a : b, &r[i].work);
    }
    for (int i = 0; i < 20; i++) {
        cr_expect(sbl_event_wait(&r[i].done, -1));
        cr_expect_eq(r[i].wrong, 0);
    }
    sbl_pool_destroy(a);
    sbl_pool_destroy(b);
}

/* A job whose sync must sleep: what it waits for sits on an event that only posted work sets. */
typedef struct setter {
    sbl_work  work;
    sbl_event event, taken;
} setter;

static void set_event(sbl_work *work)
{
    sbl_event_set(&((setter *)work)->event);
}

SABAL_JOB(int, wait_for_setter, setter *, s)
{
    sbl_event_set(&s->taken);
    return sbl_event_wait(&s->event, -1);
}

SABAL_JOB(int, sync_on_sleeper, sbl_pool *, pool, setter *, s, int, spawner_waits)
{
    int got;

    SABAL_SPAWN(wait_for_setter, s);
    while (spawner_waits && !sbl_event_is_set(&s->taken)) { /* until a thief has it; jobs are offered by spawning */
        SABAL_SPAWN(same, 1);
        sched_yield();
        (void)SABAL_SYNC(same);
    }
    sbl_pool_post(pool, &s->work);
    got = SABAL_SYNC(wait_for_setter);
    return got;
}

typedef struct posted_sync {
    sbl_work  work;
    sbl_pool *pool;
    setter   *setter;
    int       waits, got;
    sbl_event done;
} posted_sync;

static void run_sync_on_sleeper(sbl_work *work)
{
    posted_sync *p = (posted_sync *)work;

    p->got = RUN(p->pool, sync_on_sleeper, p->pool, p->setter, p->waits);
    sbl_event_set(&p->done);
}

Test(job, a_sync_that_sleeps_lends_its_place)
{
    for (int i = 0; i < 3; i++)
        for (int round = 0; round < 20; round++) {
            sbl_pool   *pool = pool_of(SIZES[i]);
            setter      s    = {.work = {.run = set_event}};
            posted_sync p = {.work = {.run = run_sync_on_sleeper}, .pool = pool, .setter = &s, .waits = SIZES[i] > 1};

            sbl_pool_post(pool, &p.work);
            cr_expect(sbl_event_wait(&p.done, -1));
            cr_expect_eq(p.got, 1);
            sbl_pool_destroy(pool);
        }
}

static void hold_place(sbl_work *work)
{
    setter *s = (setter *)work;

    sbl_event_set(&s->taken);
    while (!sbl_event_is_set(&s->event))
        sched_yield();
}

Test(job, a_guest_runs_its_job_though_no_thread_of_the_pool_is_free)
{
    sbl_pool *pool = pool_of(1);
    setter    s    = {.work = {.run = hold_place}};

    sbl_pool_post(pool, &s.work);
    cr_expect(sbl_event_wait(&s.taken, -1));
    cr_expect_eq(RUN(pool, fib, 20), 6765);
    sbl_event_set(&s.event);
    sbl_pool_destroy(pool);
}

Test(job, threads_help_each_other)
{
    sbl_pool         *pool = pool_of(4);
    sbl_pool_counters counters;
    int64_t           n = 0;

    do {
        cr_expect_eq(RUN(pool, fib, 25), 75025);
        sbl_pool_count(pool, &counters);
    } while (!counters.steals && n++ < 1000);
    cr_expect_gt(counters.steals, 0);
    cr_expect_gt(counters.shares, 0);
    sbl_pool_destroy(pool);
}

Test(job, without_memory_for_a_guest_it_still_runs)
{
    for (int64_t nth = 1; nth < 5; nth++) {
        sbl_pool *pool = pool_of(2);

        sbl_alloc_fail(nth, 0);
        cr_expect_eq(RUN(pool, fib, 15), 610);
        sbl_alloc_fail(0, 0);
        sbl_pool_destroy(pool);
    }
}

Test(job, survives_unlucky_pauses_with_more_threads_than_cores)
{
    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 30; round++) {
        sbl_pool *pool = pool_of(8);
        pthread_t threads[4];
        runner    r[4];

        for (int k = 0; k < 4; k++) {
            r[k] = (runner){.pool = pool, .other = pool, .rounds = 4};
            cr_assert_eq(pthread_create(&threads[k], NULL, run_fibs, &r[k]), 0);
        }
        cr_expect_eq(RUN(pool, queens, 7, 0, 0, 0), 40);
        cr_expect_eq(RUN(pool, through, 10, pool), 55);
        for (int k = 0; k < 4; k++) {
            pthread_join(threads[k], NULL);
            cr_expect_eq(r[k].wrong, 0);
        }
        sbl_pool_destroy(pool);
    }
    atomic_store(&sbl_chaos_level, 0);
}
