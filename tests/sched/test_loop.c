#include <sabal/loop.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/pools.h"

static const int32_t SIZES[] = {1, 2, 7};

#define N_MARKS 5000
typedef struct marks {
    int64_t          begin, end, grain;
    _Atomic int32_t *marks; /* how often each index was seen */
    _Atomic int32_t  wrong; /* pieces that are none */
} marks;

static sabal_status mark(int64_t begin, int64_t end, void *context)
{
    marks *m = context;

    if (begin < m->begin || end > m->end || begin >= end)
        atomic_fetch_add(&m->wrong, 1);
    if (m->grain &&
        ((begin - m->begin) % m->grain || (end - begin > m->grain) || (end < m->end && end - begin != m->grain)))
        atomic_fetch_add(&m->wrong, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&m->marks[i - m->begin], 1);
    return SABAL_OK;
}

static int covers_once(sbl_pool *pool, int64_t begin, int64_t n, int64_t grain)
{
    static _Atomic int32_t all[N_MARKS];
    marks                  m = {.begin = begin, .end = begin + n, .grain = grain, .marks = all};

    for (int64_t i = 0; i < n; i++)
        atomic_store(&all[i], 0);
    if (sbl_for(pool, begin, begin + n, mark, &m, &(sabal_for_options){.grain = grain}))
        return 0;
    for (int64_t i = 0; i < n; i++)
        if (atomic_load(&all[i]) != 1)
            return 0;
    return !m.wrong;
}

Test(loop, each_index_is_covered_once)
{
    static const int64_t LENGTHS[] = {0, 1, 2, 3, 7, 64, 65, 1000, 4999}, GRAINS[] = {0, 1, 2, 3, 10, 64, 5000};

    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        for (size_t k = 0; k < sizeof LENGTHS / sizeof *LENGTHS; k++)
            for (size_t g = 0; g < sizeof GRAINS / sizeof *GRAINS; g++) {
                cr_expect(covers_once(pool, 0, LENGTHS[k], GRAINS[g]), "%d %d", (int)k, (int)g);
                cr_expect(covers_once(pool, -17, LENGTHS[k], GRAINS[g]), "%d %d", (int)k, (int)g);
                cr_expect(covers_once(pool, INT64_MAX - LENGTHS[k], LENGTHS[k], GRAINS[g]));
                cr_expect(covers_once(pool, INT64_MIN, LENGTHS[k], GRAINS[g]));
            }
        sbl_pool_destroy(pool);
    }
}

struct lengths {
    int64_t         grain, n;
    _Atomic int32_t wrong, of[5]; /* pieces of so many grains */
};

static sabal_status note_length(int64_t begin, int64_t end, void *context)
{
    struct lengths *l      = context;
    const int64_t   grains = (end - begin + l->grain - 1) / l->grain;

    if (begin % l->grain || grains > 4 || (end < l->n && (end - begin) % l->grain))
        atomic_fetch_add(&l->wrong, 1);
    else
        atomic_fetch_add(&l->of[grains], 1);
    return SABAL_OK;
}

Test(loop, without_a_grain_pieces_are_one_two_or_four_grains_long)
{
    for (int i = 0; i < 3; i++) {
        struct lengths l    = {.n = 100000};
        sbl_pool      *pool = pool_of(SIZES[i]);

        l.grain = (l.n + 32 * SIZES[i] - 1) / (32 * SIZES[i]);
        cr_expect_eq(sbl_for(pool, 0, l.n, note_length, &l, NULL), SABAL_OK);
        cr_expect_eq(l.wrong, 0);
        cr_expect_gt(l.of[1], 0); /* the last ones: so all threads end together */
        cr_expect_eq(l.of[3], 0);
        sbl_pool_destroy(pool);
    }
    {
        struct lengths l = {.n = 100000, .grain = 3125};

        cr_expect_eq(sbl_for(NULL, 0, l.n, note_length, &l, NULL), SABAL_OK);
        cr_expect_eq(l.of[4], 7); /* of 32, 28, 24, 20, 16, 12 and 8 that are left */
        cr_expect_eq(l.of[2], 1);
        cr_expect_eq(l.of[1], 2);
    }
}

static sabal_status count_pieces(int64_t begin, int64_t end, void *context)
{
    atomic_fetch_add((_Atomic int64_t *)context, (int64_t)(((uint64_t)end - (uint64_t)begin) >> 32));
    return SABAL_OK;
}

Test(loop, the_largest_range_there_is)
{
    sbl_pool       *pool  = pool_of(3);
    _Atomic int64_t count = 0;

    cr_expect_eq(sbl_for(pool, INT64_MIN, INT64_MAX, count_pieces, &count, NULL), SABAL_OK);
    cr_expect(count >= (((int64_t)1 << 32) - 4000) && count <= ((int64_t)1 << 32));
    sbl_pool_destroy(pool);
}

/* Inside a job, in a plain function, in a loop in a loop. */
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
            nest inner = {.pool = n->pool, .depth = n->depth - 1};

            if (sbl_for(n->pool, 0, 7, add_nested, &inner, &(sabal_for_options){.grain = 1}))
                return SABAL_EINTERNAL;
            atomic_fetch_add_explicit(&n->sum, inner.sum, memory_order_relaxed);
        }
    return SABAL_OK;
}

static int64_t nested_sum(sbl_pool *pool, int depth)
{
    nest n = {.pool = pool, .depth = depth};

    return sbl_for(pool, 0, 7, add_nested, &n, &(sabal_for_options){.grain = 2}) ? -1 : n.sum;
}

SABAL_JOB(int64_t, loops_in_jobs, sbl_pool *, pool, int, n)
{
    int64_t sum;

    if (n == 0)
        return nested_sum(pool, 1);
    SABAL_SPAWN(loops_in_jobs, pool, n - 1);
    sum = nested_sum(pool, 2);
    sum += SABAL_CALL(loops_in_jobs, pool, n - 1);
    return sum + SABAL_SYNC(loops_in_jobs);
}

Test(loop, loops_nest_in_loops_and_in_plain_functions_inside_jobs)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        cr_expect_eq(nested_sum(pool, 4), 16807);
        cr_expect_eq(RUN(pool, loops_in_jobs, pool, 5), 31 * 343 + 32 * 49);
        sbl_pool_destroy(pool);
    }
}

static sabal_status nest_deeper(int64_t begin, int64_t end, void *context)
{
    nest *n = context, inner = {.pool = n->pool, .depth = n->depth - 1};

    if (!n->depth)
        return SABAL_OK;
    if (sbl_for(n->pool, 0, 1, nest_deeper, &inner, NULL))
        return SABAL_EINTERNAL;
    atomic_fetch_add(&n->sum, inner.sum + 1);
    return SABAL_OK;
}

Test(loop, deeper_nesting_than_there_are_slots_goes_on_alone)
{
    sbl_pool *pool = pool_of(2);
    nest      n    = {.pool = pool, .depth = SBL_GUESTS + 100};

    cr_expect_eq(sbl_for(pool, 0, 1, nest_deeper, &n, NULL), SABAL_OK);
    cr_expect_eq(n.sum, SBL_GUESTS + 100);
    sbl_pool_destroy(pool);
}

typedef struct failing {
    int64_t         at, also_at;
    _Atomic int64_t begun_behind; /* pieces begun that lie behind `at` */
} failing;

static sabal_status fail_at(int64_t begin, int64_t end, void *context)
{
    failing *f = context;

    if (begin > f->at)
        atomic_fetch_add(&f->begun_behind, 1);
    if (begin <= f->at && f->at < end)
        return SABAL_EVALUE;
    return begin <= f->also_at && f->also_at < end ? SABAL_EIO : SABAL_OK;
}

static int lent_slots(sbl_pool *pool)
{
    int n = 0;

    for (int32_t i = pool->max_threads; i < pool->max_slots; i++)
        n += (int)(atomic_load(&pool->active[i / 64]) >> (i % 64) & 1);
    return n;
}

/* A job's slot keeps what its loops borrow, but not longer than it is needed. */
Test(loop, slots_of_loops_in_jobs_are_given_back_when_the_threads_sleep)
{
    sbl_pool *pool = pool_of(3);

    for (int i = 0; i < 20; i++)
        cr_expect_eq(RUN(pool, loops_in_jobs, pool, 5), 31 * 343 + 32 * 49);
    while (SBL_COUNT(sbl_state(pool), SBL_AWAKE))
        sched_yield();
    cr_expect_eq(lent_slots(pool), 0);
    sbl_pool_destroy(pool);
}

Test(loop, the_failed_piece_with_the_lowest_index_gives_the_status)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        for (int round = 0; round < 200; round++) {
            failing f = {.at = round * 5, .also_at = round * 5 + 20 + round};

            cr_expect_eq(sbl_for(pool, 0, 2000, fail_at, &f, &(sabal_for_options){.grain = 3}), SABAL_EVALUE);
        }
        sbl_pool_destroy(pool);
    }
}

Test(loop, alone_nothing_is_begun_behind_a_failure)
{
    failing f = {.at = 100, .also_at = 300};

    cr_expect_eq(sbl_for(NULL, 0, 2000, fail_at, &f, &(sabal_for_options){.grain = 1}), SABAL_EVALUE);
    cr_expect_eq(f.begun_behind, 0);
}

Test(loop, a_negative_grain_is_refused)
{
    double out = 5;

    cr_expect_eq(sbl_for(NULL, 0, 9, fail_at, NULL, &(sabal_for_options){.grain = -1}), SABAL_EINVAL);
    cr_expect_eq(sbl_reduce(&out, 8, NULL, 0, 9, NULL, NULL, NULL, &(sabal_reduce_options){.grain = -1}), SABAL_EINVAL);
    cr_expect_eq(out, 5);
}

/* --- reductions --- */

static sabal_status sum_leaf(void *partial, int64_t begin, int64_t end, void *context)
{
    const double *x = context;
    double        s = 0;

    for (int64_t i = begin; i < end; i++)
        s += x[i];
    *(double *)partial = s;
    return SABAL_OK;
}

static void sum_combine(void *left, const void *right, void *context)
{
    *(double *)left += *(const double *)right;
}

static double sum_tree(const double *x, int64_t begin, int64_t end, int64_t first, int64_t last, int64_t grain)
{
    int64_t middle = 1;
    double  s      = 0;

    if (last - first == 1) {
        for (int64_t i = begin + first * grain; i < end && i < begin + last * grain; i++)
            s += x[i];
        return s;
    }
    while (middle * 2 < last - first)
        middle *= 2;
    s = sum_tree(x, begin, end, first, first + middle, grain);
    return s + sum_tree(x, begin, end, first + middle, last, grain);
}

Test(loop, a_sum_has_the_same_bits_on_any_number_of_threads)
{
    enum { N = 100003 };
    static double        x[N];
    static const int64_t GRAINS[] = {1, 2, 37, 1000, 200000, 0};
    uint64_t             state    = 1;

    for (int i = 0; i < N; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i]  = ((double)(state >> 11) / 9007199254740992.0 - 0.5) * (i % 7 ? 1 : 1e10);
    }
    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        for (size_t g = 0; g < sizeof GRAINS / sizeof *GRAINS; g++)
            for (int64_t n = N; n > 0; n = n / 3 - 1) {
                int64_t grain = GRAINS[g] ? GRAINS[g] : n / 16 + (n % 16 != 0) > 4096 ? 4096 : n / 16 + (n % 16 != 0);
                double  expected = sum_tree(x, 0, n, 0, (n - 1) / grain + 1, grain), got = -1;

                cr_expect_eq(sbl_reduce(&got, sizeof got, pool, 0, n, sum_leaf, sum_combine, x,
                                        &(sabal_reduce_options){.grain = GRAINS[g]}),
                             SABAL_OK);
                cr_expect(!memcmp(&got, &expected, sizeof got));
            }
        sbl_pool_destroy(pool);
    }
}

/* A partial result too large for the stack, and an operation that is not commutative: first and last index
 * seen. */
typedef struct span {
    int64_t first, last, n;
    char    more[200];
} span;

static sabal_status span_leaf(void *partial, int64_t begin, int64_t end, void *context)
{
    span *s = partial;

    if (context && begin <= *(int64_t *)context && *(int64_t *)context < end)
        return SABAL_EVALUE;
    *s = (span){.first = begin, .last = end, .n = end - begin};
    memset(s->more, (int)(begin % 100), sizeof s->more);
    return SABAL_OK;
}

static void span_combine(void *left, const void *right, void *context)
{
    span       *l = left;
    const span *r = right;

    if (l->last != r->first)
        l->n = INT64_MIN / 2;
    l->last = r->last;
    l->n += r->n;
}

Test(loop, neighbours_are_combined_in_order_of_their_indexes)
{
    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        for (int64_t n = 0; n < 3000; n = n * 2 + 1) {
            span s = {.n = -1};

            cr_expect_eq(sbl_reduce(&s, sizeof s, pool, -n, n, span_leaf, span_combine, NULL,
                                    &(sabal_reduce_options){.grain = 1}),
                         SABAL_OK);
            cr_expect_eq(s.first, -n);
            cr_expect_eq(s.last, n);
            cr_expect_eq(s.n, 2 * n);
        }
        sbl_pool_destroy(pool);
    }
}

Test(loop, a_failed_leaf_gives_its_status_and_no_result)
{
    sbl_pool *pool = pool_of(3);

    for (int64_t at = 0; at < 300; at += 7) {
        span s = {.n = -1};

        cr_expect_eq(
            sbl_reduce(&s, sizeof s, pool, 0, 300, span_leaf, span_combine, &at, &(sabal_reduce_options){.grain = 2}),
            SABAL_EVALUE);
        cr_expect_eq(s.n, -1);
    }
    sbl_pool_destroy(pool);
}

Test(loop, without_memory_for_the_partial_results_it_says_so)
{
    span s = {.n = -1};

    sbl_alloc_fail(1, 0);
    cr_expect_eq(sbl_reduce(&s, sizeof s, NULL, 0, 300, span_leaf, span_combine, NULL, NULL), SABAL_ENOMEM);
    sbl_alloc_fail(0, 0);
    cr_expect_eq(s.n, -1);
    cr_expect_eq(sbl_reduce(&s, SIZE_MAX / 2, NULL, 0, 300, span_leaf, span_combine, NULL, NULL), SABAL_ENOMEM);
}

typedef struct foreign {
    sbl_pool *pool;
    int       wrong;
} foreign;

static void *loop_from_outside(void *arg)
{
    foreign *f = arg;

    for (int i = 0; i < 20; i++)
        f->wrong += nested_sum(f->pool, 2) != 343;
    return NULL;
}

Test(loop, survives_unlucky_pauses_with_more_threads_than_cores)
{
    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 15; round++) {
        sbl_pool *pool = pool_of(8);
        pthread_t threads[6];
        foreign   f[6];

        for (int i = 0; i < 6; i++) {
            f[i] = (foreign){.pool = pool};
            cr_assert_eq(pthread_create(&threads[i], NULL, loop_from_outside, &f[i]), 0);
        }
        for (int i = 0; i < 6; i++) {
            pthread_join(threads[i], NULL);
            cr_expect_eq(f[i].wrong, 0);
        }
        cr_expect_eq(RUN(pool, loops_in_jobs, pool, 3), 7 * 343 + 8 * 49);
        sbl_pool_destroy(pool);
    }
    atomic_store(&sbl_chaos_level, 0);
}
