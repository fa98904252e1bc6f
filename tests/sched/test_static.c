/* The static form of a loop: blocks, who runs them, and that nobody is waited for in vain. */
#include <sabal/loop.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "sched/pools.h"

static const int32_t SIZES[] = {1, 2, 7};

#define MOST 1200
typedef struct seen {
    int64_t         begin, grain;
    _Atomic int32_t marks[MOST]; /* how often each index was seen */
    _Atomic int32_t blocks[MOST];
    _Atomic int32_t wrong, pieces;
    sbl_pool       *pool;
    pthread_t       caller;
    _Atomic int64_t by_others;
    int             all_by_others; /* the caller's piece goes on until the others have had theirs */
} seen;

/* A piece of block b is run by thread b, or by the caller. Blocks of equal size: one index a piece. */
static sabal_status mark(int64_t begin, int64_t end, void *context)
{
    seen   *s     = context;
    int32_t place = sbl_pool_place(s->pool);

    if (begin >= end || (s->grain && ((begin - s->begin) % s->grain || end - begin > s->grain)))
        atomic_fetch_add(&s->wrong, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&s->marks[i - s->begin], 1);
    if (!pthread_equal(pthread_self(), s->caller)) {
        if (place < 0)
            atomic_fetch_add(&s->wrong, 1);
        atomic_store(&s->blocks[begin - s->begin], place);
        atomic_fetch_add(&s->by_others, 1);
    } else {
        for (int64_t i = 0; s->all_by_others && i < 20000 && s->by_others < sbl_pool_threads(s->pool) - 1; i++)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    atomic_fetch_add(&s->pieces, 1);
    return SABAL_OK;
}

static sabal_status run(seen *s, sbl_pool *pool, int64_t begin, int64_t n, int64_t grain)
{
    s->begin  = begin;
    s->grain  = grain;
    s->pool   = pool;
    s->caller = pthread_self();
    for (int64_t i = 0; i < n; i++)
        atomic_store(&s->marks[i], 0);
    return sbl_for(pool, begin, begin + n, mark, s, &(sabal_for_options){.grain = grain, .schedule = SABAL_STATIC});
}

Test(static_loop, each_index_is_covered_once)
{
    static const int64_t LENGTHS[] = {0, 1, 2, 3, 6, 7, 8, 64, 65, 1199}, GRAINS[] = {0, 1, 2, 3, 10, 64, 5000};

    for (int i = 0; i < 3; i++) {
        static seen s;
        sbl_pool   *pool = pool_of(SIZES[i]);

        for (size_t k = 0; k < sizeof LENGTHS / sizeof *LENGTHS; k++)
            for (size_t g = 0; g < sizeof GRAINS / sizeof *GRAINS; g++) {
                const int64_t n = LENGTHS[k], BEGINS[] = {0, -17, INT64_MIN, INT64_MAX - n};

                for (int b = 0; b < 4; b++) {
                    cr_expect_eq(run(&s, pool, BEGINS[b], n, GRAINS[g]), SABAL_OK);
                    for (int64_t x = 0; x < n; x++)
                        cr_expect_eq(s.marks[x], 1);
                }
            }
        cr_expect_eq(s.wrong, 0);
        sbl_pool_destroy(pool);
    }
}

static sabal_status count_pieces(int64_t begin, int64_t end, void *context)
{
    ++*(int *)context;
    return begin == 0 && end == 100 ? SABAL_OK : SABAL_EVALUE;
}

Test(static_loop, without_a_pool_it_is_one_block)
{
    int pieces = 0;

    cr_expect_eq(sbl_for(NULL, 0, 100, count_pieces, &pieces, &(sabal_for_options){.schedule = SABAL_STATIC}),
                 SABAL_OK);
    cr_expect_eq(pieces, 1);
}

Test(static_loop, the_same_block_goes_to_the_same_thread)
{
    static seen s;
    sbl_pool   *pool = pool_of(5);

    s.all_by_others = 1;
    for (int round = 0; round < 50; round++) {
        int64_t n = 5 * (1 + round % 4);

        s.by_others = 0;
        for (int i = 0; i < MOST; i++)
            s.blocks[i] = -1;
        cr_expect_eq(run(&s, pool, -3, n, 0), SABAL_OK);
        cr_expect_eq(s.by_others, 4); /* all took part: the caller's block saw to that */
        for (int b = 1; b < 5; b++)
            cr_expect_eq(s.blocks[b * n / 5], b);
    }
    cr_expect_eq(s.wrong, 0);
    sbl_pool_destroy(pool);
}

/* In pieces: those of a block go to one thread, the block's or the caller. */
Test(static_loop, a_block_in_pieces_stays_whole)
{
    static seen s;
    sbl_pool   *pool = pool_of(4);

    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < MOST; i++)
            s.blocks[i] = -1;
        cr_expect_eq(run(&s, pool, 0, 400, 10), SABAL_OK);
        for (int b = 0; b < 4; b++)
            for (int i = 0; i < 100; i += 10) {
                cr_expect(s.blocks[b * 100 + i] == -1 || s.blocks[b * 100 + i] == b);
                cr_expect_eq(s.blocks[b * 100 + i], s.blocks[b * 100]);
            }
    }
    atomic_store(&sbl_chaos_level, 0);
    cr_expect_eq(s.wrong, 0);
    sbl_pool_destroy(pool);
}

typedef struct gate {
    sbl_work  work;
    sbl_event entered, open, *done;
    sbl_pool *pool;
    seen     *seen;
} gate;

static void hold_place(sbl_work *work)
{
    gate *g = (gate *)work;

    sbl_event_set(&g->entered);
    while (!sbl_event_is_set(&g->open))
        sched_yield();
}

Test(static_loop, nobody_is_waited_for_who_has_not_begun)
{
    static seen s;
    sbl_pool   *pool = pool_of(3);
    gate        g[3];

    for (int i = 0; i < 3; i++) {
        g[i] = (gate){.work = {.run = hold_place}};
        sbl_pool_post(pool, &g[i].work);
    }
    for (int i = 0; i < 3; i++)
        cr_assert(sbl_event_wait(&g[i].entered, -1));
    cr_expect_eq(run(&s, pool, 0, 99, 0), SABAL_OK);
    cr_expect(s.pieces == 3 && s.by_others == 0);
    for (int i = 0; i < 3; i++)
        sbl_event_set(&g[i].open);
    sbl_pool_destroy(pool);
}

static void run_inside(sbl_work *work)
{
    gate *g = (gate *)work;

    run(g->seen, g->pool, 0, 4 * 20, 0);
    sbl_event_set(&g->open);
}

Test(static_loop, a_thread_of_the_pool_that_calls_it_runs_its_own_block)
{
    static seen s;
    sbl_pool   *pool = pool_of(4);

    s.all_by_others = 1;
    for (int round = 0; round < 40; round++) {
        gate g = {.work = {.run = run_inside}, .pool = pool, .seen = &s};

        s.by_others = 0;
        for (int i = 0; i < MOST; i++)
            s.blocks[i] = -1;
        sbl_pool_post(pool, &g.work);
        cr_expect(sbl_event_wait(&g.open, -1));
        cr_expect_eq(s.by_others, 3);
        for (int b = 0, missing = 0; b < 4; b++) {
            missing += s.blocks[b * 20] == -1;
            cr_expect(s.blocks[b * 20] == b || (s.blocks[b * 20] == -1 && missing == 1));
        }
    }
    sbl_pool_destroy(pool);
}

typedef struct failing {
    int64_t at, also_at;
} failing;

static sabal_status fail_at(int64_t begin, int64_t end, void *context)
{
    const failing *f = context;

    if (begin <= f->at && f->at < end)
        return SABAL_EVALUE;
    return begin <= f->also_at && f->also_at < end ? SABAL_EIO : SABAL_OK;
}

Test(static_loop, the_failed_piece_with_the_lowest_index_gives_the_status)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        for (int round = 0; round < 200; round++) {
            failing f = {.at = round * 5, .also_at = round * 5 + 20 + round};

            cr_expect_eq(
                sbl_for(pool, 0, 2000, fail_at, &f, &(sabal_for_options){.schedule = SABAL_STATIC, .grain = 3}),
                SABAL_EVALUE);
        }
        sbl_pool_destroy(pool);
    }
}

Test(static_loop, an_unknown_schedule_is_refused)
{
    failing f = {-1, -1};

    cr_expect_eq(sbl_for(NULL, 0, 9, fail_at, &f, &(sabal_for_options){.schedule = (enum sabal_schedule)2}),
                 SABAL_EINVAL);
    cr_expect_eq(sbl_for(NULL, 0, 9, fail_at, &f, &(sabal_for_options){.schedule = SABAL_STATIC, .grain = -1}),
                 SABAL_EINVAL);
}

/* Loops in loops, from several threads at once, static and lazy. */
typedef struct nest {
    sbl_pool       *pool;
    _Atomic int64_t sum;
    int             depth;
} nest;

static sabal_status add_nested(int64_t begin, int64_t end, void *context)
{
    nest *n = context;

    for (int64_t i = begin; i < end; i++)
        if (n->depth == 0) {
            atomic_fetch_add_explicit(&n->sum, 1, memory_order_relaxed);
        } else {
            nest              inner = {.pool = n->pool, .depth = n->depth - 1};
            sabal_for_options o     = {.schedule = i % 3 ? SABAL_STATIC : SABAL_LAZY, .grain = i % 2};

            if (sbl_for(n->pool, 0, 7, add_nested, &inner, &o))
                return SABAL_EINTERNAL;
            atomic_fetch_add_explicit(&n->sum, inner.sum, memory_order_relaxed);
        }
    return SABAL_OK;
}

static void *loop_from_outside(void *arg)
{
    for (int i = 0; i < 10; i++) {
        nest n = {.pool = arg, .depth = 2};

        if (sbl_for(n.pool, 0, 7, add_nested, &n, &(sabal_for_options){.schedule = SABAL_STATIC}) || n.sum != 343)
            return arg;
    }
    return NULL;
}

Test(static_loop, survives_unlucky_pauses_with_more_threads_than_cores)
{
    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 15; round++) {
        sbl_pool *pool = pool_of(1 + round % 8);
        pthread_t threads[6];

        for (int i = 0; i < 6; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, loop_from_outside, pool), 0);
        for (int i = 0; i < 6; i++) {
            void *wrong;

            pthread_join(threads[i], &wrong);
            cr_expect_null(wrong);
        }
        sbl_pool_destroy(pool);
    }
    atomic_store(&sbl_chaos_level, 0);
}

Test(static_loop, an_idle_pool_sleeps_after_it)
{
    static seen       s;
    sbl_pool         *pool = pool_of(4);
    sbl_pool_counters before, after;

    for (int round = 0; round < 20; round++)
        cr_expect_eq(run(&s, pool, 0, 4, 1), SABAL_OK);
    while (SBL_COUNT(sbl_state(pool), SBL_AWAKE))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    sbl_pool_count(pool, &before);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    sbl_pool_count(pool, &after);
    cr_expect_eq(before.parks, after.parks);
    cr_expect_eq(before.wakes, after.wakes);
    for (int i = 0; i < 4; i++)
        cr_expect_null(sbl_slot_at(pool, i)->mail);
    sbl_pool_destroy(pool);
}
