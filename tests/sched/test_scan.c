/* Scans: beside the naive loop, the tree by itself, failures, memory. */
#include <sabal/loop.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/pools.h"

static const int32_t SIZES[] = {1, 2, 7};

#define N 20011
typedef struct sums {
    const double *x;
    double       *y;
    int           exclusive;
} sums;

static sabal_status sum_leaf(void *partial, int64_t begin, int64_t end, void *context)
{
    const sums *c = context;
    double      s = 0;

    for (int64_t i = begin; i < end; i++)
        s += c->x[i];
    *(double *)partial = s;
    return SABAL_OK;
}

static void sum_combine(void *left, const void *right, void *context)
{
    *(double *)left += *(const double *)right;
}

static sabal_status sum_write(const void *before, int64_t begin, int64_t end, void *context)
{
    const sums *c = context;
    double      s = *(const double *)before;

    for (int64_t i = begin; i < end; i++) {
        double next = s + c->x[i];

        c->y[i] = c->exclusive ? s : next;
        s       = next;
    }
    return SABAL_OK;
}

/* The same tree by itself: first upwards, then downwards. Gives the sum of its leaves. */
static double tree(const sums *c, int64_t n, int64_t grain, int64_t first, int64_t last, const double *before)
{
    int64_t middle = 1, begin = first * grain, end = last * grain < n ? last * grain : n;
    double  left, right, zero                      = 0;

    if (last - first == 1) {
        sum_leaf(&left, begin, end, (void *)c);
        if (c->y)
            sum_write(before ? before : &zero, begin, end, (void *)c);
        return left;
    }
    while (middle * 2 < last - first)
        middle *= 2;
    left  = tree(c, n, grain, first, first + middle, before);
    right = before ? *before + left : left;
    return left + tree(c, n, grain, first + middle, last, &right);
}

static void fill(double *x)
{
    uint64_t state = 1;

    for (int i = 0; i < N; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i]  = ((double)(state >> 11) / 9007199254740992.0 - 0.5) * (i % 7 ? 1 : 1e10);
    }
}

Test(scan, prefix_sums_have_the_bits_of_the_fixed_tree_on_any_number_of_threads)
{
    static double        x[N], y[N], expected[N];
    static const int64_t GRAINS[] = {1, 2, 37, 1000, 200000, 0};
    const double         initial  = 12345.678;

    fill(x);
    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        for (size_t g = 0; g < 2 * sizeof GRAINS / sizeof *GRAINS; g++)
            for (int64_t n = N; n > 0; n = n / 3 - 1) {
                const double *start = g % 2 ? &initial : NULL;
                int64_t       asked = GRAINS[g / 2], grain = asked ? asked : n / 16 + (n % 16 != 0);
                sums          c   = {.x = x, .y = expected, .exclusive = n % 2 == 0};
                double        sum = tree(&c, n, grain, 0, (n - 1) / grain + 1, start), total = -1;

                if (start)
                    sum = *start + sum;
                c.y = y;
                cr_expect_eq(sbl_scan(&total, sizeof total, pool, 0, n, sum_leaf, sum_combine, sum_write, &c,
                                      &(sabal_scan_options){.grain = asked, .initial = start}),
                             SABAL_OK);
                cr_expect(!memcmp(y, expected, (size_t)n * sizeof *y), "n %d grain %d", (int)n, (int)grain);
                cr_expect(!memcmp(&total, &sum, sizeof sum));
            }
        sbl_pool_destroy(pool);
    }
}

Test(scan, its_total_is_that_of_the_reduction)
{
    static double x[N], y[N];
    sbl_pool     *pool = pool_of(3);

    fill(x);
    for (int64_t n = 1; n < N; n = n * 3 + 1) {
        sums   c   = {.x = x, .y = y};
        double sum = -1, total = -2;

        cr_expect_eq(sbl_reduce(&sum, sizeof sum, pool, 0, n, sum_leaf, sum_combine, &c, NULL), SABAL_OK);
        cr_expect_eq(sbl_scan(&total, sizeof total, pool, 0, n, sum_leaf, sum_combine, sum_write, &c, NULL), SABAL_OK);
        cr_expect(!memcmp(&total, &sum, sizeof sum));
    }
    sbl_pool_destroy(pool);
}

Test(scan, results_may_be_written_over_what_they_are_made_of)
{
    static double x[N], y[N];

    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);
        sums      c    = {.x = x, .y = x};

        for (int round = 0; round < 20; round++) {
            double s = 0;

            for (int k = 0; k < N; k++) { /* whole numbers: any order of adding is exact */
                x[k] = k % 10 - 3;
                y[k] = s += x[k];
            }
            cr_expect_eq(sbl_scan(NULL, sizeof s, pool, 0, N, sum_leaf, sum_combine, sum_write, &c,
                                  &(sabal_scan_options){.grain = 50}),
                         SABAL_OK);
            cr_expect(!memcmp(x, y, sizeof x));
        }
        sbl_pool_destroy(pool);
    }
}

/* A partial result that is large, of an operation that is not commutative: the span of indexes. Counts the calls. */
typedef struct span {
    int64_t first, last;
    char    more[200];
} span;
typedef struct spans {
    int64_t         begin, end, first; /* first: what the span before all begins with */
    int64_t         fails_at, write_fails_at;
    _Atomic int64_t wrong, leaves, writes;
} spans;

static sabal_status span_leaf(void *partial, int64_t begin, int64_t end, void *context)
{
    spans *c = context;

    if (begin == end) {
        *(span *)partial = (span){.first = begin, .last = begin};
        return SABAL_OK;
    }
    atomic_fetch_add(&c->leaves, 1);
    if (begin <= c->fails_at && c->fails_at < end)
        return SABAL_EVALUE;
    *(span *)partial = (span){.first = begin, .last = end};
    return SABAL_OK;
}

static void span_combine(void *left, const void *right, void *context)
{
    if (((span *)left)->last != ((const span *)right)->first)
        atomic_fetch_add(&((spans *)context)->wrong, 1);
    ((span *)left)->last = ((const span *)right)->last;
}

static sabal_status span_write(const void *before, int64_t begin, int64_t end, void *context)
{
    spans      *c = context;
    const span *b = before;

    atomic_fetch_add(&c->writes, 1);
    if (b->first != c->first || b->last != begin)
        atomic_fetch_add(&c->wrong, 1);
    return begin <= c->write_fails_at && c->write_fails_at < end ? SABAL_EIO : SABAL_OK;
}

static sabal_status scan_spans(sbl_pool *pool, spans *c, span *total, int64_t grain, const span *initial)
{
    c->first = initial ? initial->first : c->begin;
    return sbl_scan(total, sizeof *total, pool, c->begin, c->end, span_leaf, span_combine, span_write, c,
                    &(sabal_scan_options){.grain = grain, .initial = initial});
}

Test(scan, each_leaf_gets_all_that_is_left_of_it_and_is_called_once)
{
    atomic_store(&sbl_chaos_level, 1);
    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        for (int64_t n = 1; n < 3000; n = n * 2 + 1) {
            spans c     = {.begin = -n, .end = n, .fails_at = INT64_MIN, .write_fails_at = INT64_MIN};
            span  total = {0}, initial = {.first = -n - 9, .last = -n};

            cr_expect_eq(scan_spans(pool, &c, &total, 1, NULL), SABAL_OK);
            cr_expect(c.leaves == 2 * n && c.writes == 2 * n && !c.wrong);
            cr_expect(total.first == -n && total.last == n);
            cr_expect_eq(scan_spans(pool, &c, &total, 3, &initial), SABAL_OK);
            cr_expect(!c.wrong && total.first == -n - 9 && total.last == n);
        }
        sbl_pool_destroy(pool);
    }
    atomic_store(&sbl_chaos_level, 0);
}

Test(scan, the_whole_range_of_indexes_in_few_leaves)
{
    spans c = {.begin = INT64_MIN, .end = INT64_MAX, .fails_at = INT64_MIN, .write_fails_at = INT64_MIN};
    span  total;

    c.fails_at = c.write_fails_at = INT64_MAX;
    cr_expect_eq(scan_spans(NULL, &c, &total, INT64_MAX / 5, NULL), SABAL_OK);
    cr_expect(c.leaves == 11 && c.writes == 11 && !c.wrong && total.first == INT64_MIN && total.last == INT64_MAX);
}

Test(scan, an_empty_range_gives_what_stands_before_it)
{
    spans      c     = {.begin = 5, .end = 5};
    span       total = {0};
    const span given = {.first = 1, .last = 5};

    cr_expect_eq(scan_spans(NULL, &c, &total, 0, NULL), SABAL_OK);
    cr_expect(total.first == 5 && total.last == 5);
    c.end = -7;
    cr_expect_eq(scan_spans(NULL, &c, &total, 0, &given), SABAL_OK);
    cr_expect(total.first == 1 && total.last == 5 && c.leaves + c.writes == 0);
}

Test(scan, the_first_leaf_that_fails_either_way_gives_the_status_and_no_total)
{
    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        for (int64_t at = 0; at < 300; at += 7)
            for (int64_t other = 0; other < 300; other += 41) {
                spans c     = {.begin = 0, .end = 300, .fails_at = at, .write_fails_at = other};
                span  total = {.first = -1};

                cr_expect_eq(scan_spans(pool, &c, &total, 2, NULL), at / 2 <= other / 2 ? SABAL_EVALUE : SABAL_EIO);
                cr_expect(total.first == -1 && !c.wrong);
            }
        sbl_pool_destroy(pool);
    }
}

Test(scan, alone_nothing_is_begun_behind_a_failure)
{
    spans c = {.begin = 0, .end = 300, .fails_at = 100, .write_fails_at = 1000};
    span  total;

    cr_expect_eq(scan_spans(NULL, &c, &total, 1, NULL), SABAL_EVALUE);
    cr_expect(c.leaves == 101 && c.writes == 100);
}

Test(scan, without_memory_for_the_partial_results_it_says_so)
{
    spans c     = {.begin = 0, .end = 300, .fails_at = 1000, .write_fails_at = 1000};
    span  total = {.first = -1};

    sbl_alloc_fail(1, 0);
    cr_expect_eq(scan_spans(NULL, &c, &total, 0, NULL), SABAL_ENOMEM);
    sbl_alloc_fail(0, 0);
    cr_expect(total.first == -1 && c.leaves == 0);
    for (size_t size = SIZE_MAX / 64; size; size = size == SIZE_MAX ? 0 : size * 2 + 1)
        cr_expect_eq(sbl_scan(&total, size, NULL, 0, 300, span_leaf, span_combine, span_write, &c, NULL), SABAL_ENOMEM);
}

Test(scan, a_negative_grain_is_refused)
{
    spans c = {.begin = 0, .end = 300};
    span  total;

    cr_expect_eq(scan_spans(NULL, &c, &total, -1, NULL), SABAL_EINVAL);
}
