/*
 * Every kernel against a straight loop in long double, within a bound that follows from the number of roundings; and
 * against itself: on every instruction set this processor has, and through a hash that every compiler's build must give.
 */
#include "kernel/kmeans.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "data.h"
#include "base/isa.h"
#include "support/test.h"

static const int64_t     N[] = {0, 1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 255, 256, 1023, 1024, 1025, 2100};
static const sabal_dtype T[] = {SABAL_FLOAT64, SABAL_FLOAT32};
struct shape {
    int32_t k;
    int64_t d;
};
static const struct shape SHAPES[] = {
    {1, 1}, {2, 1},  {3, 1},  {4, 1},   {9, 1},  {1, 2},   {2, 2},  {3, 2},  {4, 2},    {5, 2},   {2, 3},
    {3, 3}, {4, 3},  {2, 4},  {3, 4},   {7, 4},  {16, 5},  {3, 6},  {8, 7},  {5, 8},    {17, 8},  {1, 9},
    {3, 9}, {4, 12}, {8, 16}, {13, 17}, {40, 3}, {30, 31}, {5, 64}, {9, 65}, {100, 16}, {2, 300}, {11, 513}};
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

struct result {
    double  *sums, *counts, *sqdist, inertia;
    int32_t *labels;
};

static struct result result_create(const struct rows *rows)
{
    return (struct result){.sums   = malloc(sizeof(double) * (size_t)(rows->k * rows->d)),
                           .counts = malloc(sizeof(double) * (size_t)rows->k),
                           .sqdist = malloc(sizeof(double) * (size_t)(rows->n + 1)),
                           .labels = malloc(sizeof(int32_t) * (size_t)(rows->n + 1))};
}

static void result_clear(struct result *r)
{
    free(r->sums);
    free(r->counts);
    free(r->sqdist);
    free(r->labels);
}

/* With all != 0 every output at once, else sums, counts and inertia alone. */
static void assign(struct result *r, const struct rows *rows, int weighted, int all)
{
    sbl_kmeans_centers *c       = sbl_kmeans_centers_create(rows->dtype, rows->k, rows->d, rows->centers, rows->shift);
    void               *scratch = sbl_alloc_aligned(64, sbl_kmeans_scratch_size(c));

    sbl_kmeans_assign(c, rows->x, rows->n, weighted ? rows->weights : NULL, r->sums, r->counts, &r->inertia,
                      all ? r->labels : NULL, all ? r->sqdist : NULL, scratch);
    sbl_free(scratch);
    sbl_kmeans_centers_destroy(c);
}

/* Whether products are about the shift: not where it is no farther from 0 than any centre is from it. */
static int shifted(const struct rows *rows)
{
    long double norm = 0, least = INFINITY;

    for (int64_t f = 0; f < rows->d; f++)
        norm += (long double)rows->shift[f] * rows->shift[f];
    for (int32_t j = 0; j < rows->k; j++) {
        long double away = 0;

        for (int64_t f = 0; f < rows->d; f++) {
            const double one = rows->centers[j * rows->d + f] - rows->shift[f];

            away += (long double)one * one;
        }
        least = away < least ? away : least;
    }
    return norm > least;
}

/* The squared distance, and what it may be off by in the kernel: roundings of direct differences if direct, else of
   products. */
static long double square(const struct rows *rows, int64_t r, int32_t j, int direct, long double *slack)
{
    long double sum = 0, size = 0, eps = rows->dtype == SABAL_FLOAT32 && !direct ? FLT_EPSILON : DBL_EPSILON;
    const int   about = !direct && shifted(rows);

    for (int64_t f = 0; f < rows->d; f++) {
        long double x = row_at(rows, r * rows->d + f), c = rows->centers[j * rows->d + f];
        long double s    = about ? rows->shift[f] : 0;
        long double both = fabsl(x - s) + fabsl(c - s);

        sum += (x - c) * (x - c);
        size += both * both;
        if (rows->dtype == SABAL_FLOAT32 && !direct) /* centre and shift are rounded first */
            size += 2 * both * (fabsl(c) + fabsl(s));
    }
    *slack = direct ? (rows->d + 3) * eps * sum : (rows->d + 6) * eps * size;
    return sum;
}

static int near(double value, long double right, long double slack)
{
    return fabsl(value - right) <= slack;
}

static void check_assign(const struct rows *rows, int weighted)
{
    struct result r = result_create(rows), again = result_create(rows);
    long double  *sums = calloc((size_t)(rows->k * (rows->d + 1)) * 2, sizeof *sums), *slack = sums + rows->k * rows->d;
    long double  *counts = slack + rows->k * rows->d, inertia = 0, inertia_slack = 0;
    int           bad_labels = 0, bad_sqdist = 0, bad_sums = 0, bad_counts = 0;

    assign(&r, rows, weighted, 1);
    assign(&again, rows, weighted, 0);
    for (int64_t i = 0; i < rows->n; i++) {
        long double best = INFINITY, off = 0, own, exact;
        int32_t     label = r.labels[i];

        cr_assert(label >= 0 && label < rows->k);
        for (int32_t j = 0; j < rows->k; j++) {
            long double slack_j, d2 = square(rows, i, j, 0, &slack_j);

            best = d2 < best ? d2 : best;
            off  = slack_j > off ? slack_j : off;
        }
        own = square(rows, i, label, 1, &exact);
        bad_labels += !(own <= best + 2 * off);
        bad_sqdist += !near(r.sqdist[i], own, exact);
        inertia += (weighted ? rows->weights[i] : 1) * own;
        counts[label] += weighted ? rows->weights[i] : 1;
        for (int64_t f = 0; f < rows->d; f++) {
            long double add = row_at(rows, i * rows->d + f) * (long double)(weighted ? rows->weights[i] : 1);

            sums[label * rows->d + f] += add;
            slack[label * rows->d + f] += fabsl(add) * (rows->n + 8) * DBL_EPSILON / 2;
        }
    }
    inertia_slack = inertia * (rows->n + rows->d + 8) * DBL_EPSILON;
    for (int64_t i = 0; i < rows->k * rows->d; i++)
        bad_sums += !near(r.sums[i], sums[i], slack[i]);
    for (int32_t j = 0; j < rows->k; j++)
        bad_counts += !near(r.counts[j], counts[j], weighted ? counts[j] * rows->n * DBL_EPSILON : 0);
    cr_expect_eq(bad_labels, 0, "n %d k %d d %d", (int)rows->n, rows->k, (int)rows->d);
    cr_expect_eq(bad_sqdist, 0, "n %d k %d d %d", (int)rows->n, rows->k, (int)rows->d);
    cr_expect_eq(bad_sums, 0, "n %d k %d d %d", (int)rows->n, rows->k, (int)rows->d);
    cr_expect_eq(bad_counts, 0, "n %d k %d d %d", (int)rows->n, rows->k, (int)rows->d);
    cr_expect(near(r.inertia, inertia, inertia_slack), "n %d k %d d %d", (int)rows->n, rows->k, (int)rows->d);
    /* what is asked for does not change the rest */
    cr_expect_arr_eq(r.sums, again.sums, sizeof(double) * (size_t)(rows->k * rows->d), "n %d k %d d %d", (int)rows->n,
                     rows->k, (int)rows->d);
    cr_expect_arr_eq(r.counts, again.counts, sizeof(double) * (size_t)rows->k);
    cr_expect_eq(r.inertia, again.inertia, "n %d k %d d %d", (int)rows->n, rows->k, (int)rows->d);
    free(sums);
    result_clear(&r);
    result_clear(&again);
}

Test(kmeans, assign_agrees_with_the_naive_loop)
{
    static const double MEAN[] = {0, -5,
                                  -4}; /* about the shift; about 0, which the shift is; about 0, which it is not */

    for (int t = 0; t < COUNT(T); t++)
        for (int s = 0; s < COUNT(SHAPES); s++)
            for (int n = 0; n < COUNT(N); n++) {
                struct rows rows =
                    rows_create(T[t], N[n], SHAPES[s].d, SHAPES[s].k, MEAN[(s + n) % 3], n % 3 == 1, 7 + (uint64_t)s);

                if (N[n] * SHAPES[s].d * SHAPES[s].k < 1500000) {
                    check_assign(&rows, 0);
                    check_assign(&rows, 1);
                }
                rows_clear(&rows);
            }
}

Test(kmeans, far_from_the_origin_the_digits_stay)
{
    for (int s = 0; s < COUNT(SHAPES); s++) {
        struct rows rows = rows_create(SABAL_FLOAT64, 100, SHAPES[s].d, SHAPES[s].k, 1e8, 0, 3);

        check_assign(&rows, 0);
        rows_clear(&rows);
    }
}

/* Centres from the given one on are those before, once more. */
static int n_late_labels(struct rows *rows, int32_t given)
{
    struct result r    = result_create(rows);
    int           late = 0;

    for (int64_t i = given * rows->d; i < rows->k * rows->d; i++)
        rows->centers[i] = rows->centers[i % (given * rows->d)];
    assign(&r, rows, 0, 1);
    for (int64_t i = 0; i < rows->n; i++)
        late += r.labels[i] >= given;
    result_clear(&r);
    return late;
}

/* Two groups of width 0.1 that lie 1 apart, far from 0, and k - 2 centres ten times as far, which draw the mean away. */
static int n_wrong_labels(sabal_dtype dtype, int32_t k, int64_t d)
{
    const double  base = dtype == SABAL_FLOAT32 ? 1e4 : 1e8;
    struct rows   rows = rows_create(dtype, 400, d, k, base, 0, 5);
    struct result r    = result_create(&rows);
    int           bad  = 0;

    for (int64_t i = 0; i < k * d; i++)
        rows.centers[i] = i / d < 2 ? base + (double)(i / d) : base * 10 * (double)(i / d);
    for (int64_t f = 0; f < d; f++)
        rows.shift[f] = base * (1 + 1e-5);
    for (int64_t i = 0; i < rows.n * d; i++) {
        const double v   = rows.centers[i / d % 2 * d + i % d] + 0.1 * uniform((uint64_t)i);
        const float  v32 = (float)v;

        memcpy((char *)rows.x + i * (dtype == SABAL_FLOAT32 ? 4 : 8),
               dtype == SABAL_FLOAT32 ? (void *)&v32 : (void *)&v, dtype == SABAL_FLOAT32 ? 4 : 8);
    }
    assign(&r, &rows, 0, 1);
    for (int64_t i = 0; i < rows.n; i++)
        bad += r.labels[i] != i % 2;
    result_clear(&r);
    rows_clear(&rows);
    return bad;
}

Test(kmeans, one_far_center_costs_the_others_no_digits)
{
    for (int t = 0; t < COUNT(T); t++)
        for (int32_t k = 3; k <= 43; k += 20) /* lanes hold centres, or rows */
            for (int64_t d = 8; d <= 40; d += 16)
                cr_expect_eq(n_wrong_labels(T[t], k, d), 0, "%s k %d d %d", sabal_dtype_name(T[t]), k, (int)d);
}

Test(kmeans, ties_go_to_the_lowest_index)
{
    for (int t = 0; t < COUNT(T); t++)
        for (int s = 0; s < COUNT(SHAPES); s++) {
            struct rows rows = rows_create(T[t], 40, SHAPES[s].d, SHAPES[s].k, 0, 0, 3);

            for (int32_t given = rows.k - 1; given > 0; given--)
                cr_expect_eq(n_late_labels(&rows, given), 0, "k %d d %d given %d", rows.k, (int)rows.d, given);
            rows_clear(&rows);
        }
}

Test(kmeans, huge_and_infinite_numbers_give_labels_in_range)
{
    static const double ODD[] = {1e200, -1e200, INFINITY, -INFINITY, NAN, 1e-320, DBL_MAX, -DBL_MAX};

    for (int s = 0; s < COUNT(SHAPES); s++) {
        struct rows   rows = rows_create(SABAL_FLOAT64, 50, SHAPES[s].d, SHAPES[s].k, 0, 0, 3);
        struct result r    = result_create(&rows);
        int           bad  = 0;

        for (int64_t i = 0; i < rows.n * rows.d; i += 3)
            memcpy((char *)rows.x + i * 8, &ODD[i % COUNT(ODD)], 8);
        assign(&r, &rows, 0, 1);
        for (int64_t i = 0; i < rows.n; i++)
            bad += r.labels[i] < 0 || r.labels[i] >= rows.k;
        cr_expect_eq(bad, 0, "k %d d %d", rows.k, (int)rows.d);
        assign(&r, &rows, 1, 0);
        result_clear(&r);
        rows_clear(&rows);
    }
}

Test(kmeans, distances_agree_with_the_naive_loop)
{
    for (int t = 0; t < COUNT(T); t++)
        for (int s = 0; s < COUNT(SHAPES); s++)
            for (int n = 0; n < 12; n++) {
                struct rows rows = rows_create(T[t], N[n], SHAPES[s].d, SHAPES[s].k, 0, n % 3 == 1, 7);
                size_t      size = T[t] == SABAL_FLOAT64 ? 8 : 4;
                char       *out  = malloc((size_t)(rows.n * rows.k) * size + 1);
                int         bad  = 0;

                sbl_kmeans_distances(out, T[t], rows.x, rows.n, rows.d, rows.centers, rows.k);
                for (int64_t i = 0; i < rows.n * rows.k; i++) {
                    long double slack, right = square(&rows, i / rows.k, (int32_t)(i % rows.k), 1, &slack);
                    double      value = T[t] == SABAL_FLOAT64 ? ((double *)out)[i] : (double)((float *)out)[i];

                    right = sqrtl(right);
                    slack = right * ((rows.d + 4) * DBL_EPSILON + (size == 4 ? FLT_EPSILON : 0));
                    bad += !near(value, right, slack);
                }
                cr_expect_eq(bad, 0, "n %d k %d d %d", (int)rows.n, rows.k, (int)rows.d);
                free(out);
                rows_clear(&rows);
            }
}

static void check_moments(const struct rows *rows, int weighted)
{
    double *sum = malloc(sizeof(double) * (size_t)rows->d * 2), *sumsq = sum + rows->d;
    int     bad = 0;

    cr_expect_eq(sbl_kmeans_moments(rows->dtype, rows->x, rows->n, rows->d, rows->shift,
                                    weighted ? rows->weights : NULL, sum, sumsq),
                 -1);
    for (int64_t f = 0; f < rows->d; f++) {
        long double s = 0, ss = 0, slack = 0;

        for (int64_t r = 0; r < rows->n; r++) {
            long double v = row_at(rows, r * rows->d + f) - (long double)rows->shift[f];
            long double w = weighted ? rows->weights[r] : 1;

            s += w * v;
            ss += w * v * v;
            slack += fabsl(w * v) * (rows->n + 8) * DBL_EPSILON;
        }
        bad += !near(sum[f], s, slack);
        bad += !near(sumsq[f], ss, ss * (rows->n + 8) * DBL_EPSILON);
    }
    cr_expect_eq(bad, 0, "n %d d %d", (int)rows->n, (int)rows->d);
    free(sum);
}

Test(kmeans, moments_agree_with_the_naive_loop)
{
    static const int64_t D[] = {1, 2, 3, 4, 5, 7, 8, 16, 33, 63, 64, 65, 130};

    for (int t = 0; t < COUNT(T); t++)
        for (int d = 0; d < COUNT(D); d++)
            for (int n = 0; n < COUNT(N); n++) {
                struct rows rows = rows_create(T[t], N[n], D[d], 3, n % 2 ? 1e6 : 0, n % 3 == 1, 5);

                check_moments(&rows, 0);
                check_moments(&rows, 1);
                rows_clear(&rows);
            }
}

Test(kmeans, moments_find_the_first_number_that_is_not_finite)
{
    static const double  ODD[] = {NAN, INFINITY, -INFINITY};
    static const int64_t D[]   = {1, 2, 3, 16, 100};

    for (int t = 0; t < COUNT(T); t++)
        for (int d = 0; d < COUNT(D); d++)
            for (int64_t at = 0; at < 40 * D[d]; at += 1 + at / 3) {
                struct rows  rows = rows_create(T[t], 40, D[d], 3, 0, 1, 5);
                const size_t size = T[t] == SABAL_FLOAT64 ? 8 : 4;
                double       out[2][100], odd = ODD[at % 3];
                float        odd32 = (float)odd;

                for (int twice = 0; twice < 2; twice++) /* the last, and the one that is asked for */
                    memcpy((char *)rows.x + (size_t)(twice ? at : 40 * D[d] - 1) * size,
                           size == 8 ? (void *)&odd : (void *)&odd32, size);
                cr_expect_eq(sbl_kmeans_moments(T[t], rows.x, 40, D[d], rows.shift, NULL, out[0], out[1]), at);
                cr_expect_eq(sbl_kmeans_moments(T[t], rows.x, 40, D[d], rows.shift, rows.weights, out[0], out[1]), at);
                rows_clear(&rows);
            }
}

Test(kmeans, finite_numbers_whose_sum_overflows_are_not_taken_for_infinite)
{
    double x[16], shift = 0, sum, sumsq;

    for (int i = 0; i < 16; i++)
        x[i] = DBL_MAX;
    cr_expect_eq(sbl_kmeans_moments(SABAL_FLOAT64, x, 16, 1, &shift, NULL, &sum, &sumsq), -1);
}

/* size multiplies everything: seeding must work on galaxies and on atoms. */
static void check_near(const struct rows *rows, int weighted, double size_of_all)
{
    const int64_t blocks   = (rows->n + SBL_NEAR_ROWS - 1) / SBL_NEAR_ROWS;
    double       *sums     = malloc(sizeof(double) * (size_t)(blocks + 1));
    double       *out      = malloc(sizeof(double) * (size_t)(rows->n + 1));
    double       *counts   = malloc(sizeof(double) * (size_t)rows->k);
    double       *right    = calloc((size_t)rows->k, sizeof(double));
    sbl_near      query    = {.dtype      = rows->dtype,
                              .x          = rows->x,
                              .n          = rows->n,
                              .d          = rows->d,
                              .weights    = weighted ? rows->weights : NULL,
                              .candidates = rows->centers,
                              .m          = rows->k,
                              .shift      = rows->shift,
                              .scale      = sbl_near_scale(size_of_all * size_of_all),
                              .block_sums = sums,
                              .scratch    = sbl_alloc_aligned(64, sbl_near_scratch(rows->d, rows->k))};
    sbl_near      block    = query;
    const size_t  size     = rows->dtype == SABAL_FLOAT64 ? 8 : 4;
    int           bad_sums = 0, bad_rows = 0, bad_counts = 0;
    double        unsure = 0;

    sbl_near_look(&query);
    query.block_sums = NULL;
    query.counts     = counts;
    sbl_near_look(&query);
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t from  = b * SBL_NEAR_ROWS;
        double        total = 0;

        block.block_sums = NULL;
        block.rows       = out;
        block.x          = (char *)rows->x + (size_t)(from * rows->d) * size;
        block.n          = rows->n - from < SBL_NEAR_ROWS ? rows->n - from : SBL_NEAR_ROWS;
        block.weights    = weighted ? rows->weights + from : NULL;
        sbl_near_look(&block);
        for (int64_t r = 0; r < block.n; r++) {
            long double best = INFINITY, second = INFINITY, off = 0, w = weighted ? rows->weights[from + r] : 1;
            int32_t     who = 0;

            for (int32_t j = 0; j < rows->k; j++) {
                long double slack = 0, d2 = 0;

                for (int64_t f = 0; f < rows->d; f++) { /* both sides are rounded to float32 about the shift */
                    long double x = row_at(rows, (from + r) * rows->d + f), c = rows->centers[j * rows->d + f];
                    long double moved = FLT_EPSILON * (fabsl(x - rows->shift[f]) + fabsl(c - rows->shift[f]));

                    d2 += (x - c) * (x - c);
                    slack += 2 * fabsl(x - c) * moved + moved * moved;
                }
                slack += (d2 + slack) * (rows->d + 3) * FLT_EPSILON;
                if (d2 < best) {
                    second = best;
                    best   = d2;
                    who    = j;
                } else if (d2 < second) {
                    second = d2;
                }
                off = slack > off ? slack : off;
            }
            bad_rows += !near(out[r] / query.scale / query.scale, w * best, w * off);
            total += out[r];
            right[who] += (double)w;
            unsure += second - best < 2 * off ? (double)w : 0; /* may count elsewhere */
        }
        bad_sums += !near(sums[b], total, total * 1100 * DBL_EPSILON);
    }
    for (int32_t j = 0; j < rows->k; j++)
        bad_counts += !near(counts[j], right[j], unsure + right[j] * (double)rows->n * DBL_EPSILON);
    cr_expect_eq(bad_rows, 0, "n %d k %d d %d size %g", (int)rows->n, rows->k, (int)rows->d, size_of_all);
    cr_expect_eq(bad_sums, 0, "n %d k %d d %d size %g", (int)rows->n, rows->k, (int)rows->d, size_of_all);
    cr_expect_eq(bad_counts, 0, "n %d k %d d %d size %g", (int)rows->n, rows->k, (int)rows->d, size_of_all);
    sbl_free(query.scratch);
    free(sums);
    free(out);
    free(counts);
    free(right);
}

/* Candidates in two goes, the second by what is known of the first: what one go finds, bit for bit. */
static void check_known(const struct rows *rows)
{
    const int32_t half    = rows->k / 2;
    double       *out     = malloc(sizeof *out * (size_t)(rows->n + 1));
    double       *counts  = malloc(sizeof *counts * (size_t)rows->k);
    double       *named   = calloc((size_t)rows->k, sizeof *named);
    float        *sqdist  = malloc(sizeof *sqdist * (size_t)(rows->n + 1));
    int32_t      *nearest = calloc((size_t)(rows->n + 1), sizeof *nearest);
    sbl_near      all     = {.dtype      = rows->dtype,
                             .x          = rows->x,
                             .n          = rows->n,
                             .d          = rows->d,
                             .candidates = rows->centers,
                             .m          = rows->k,
                             .shift      = rows->shift,
                             .scale      = 1,
                             .counts     = counts,
                             .rows       = out,
                             .scratch    = sbl_alloc_aligned(64, sbl_near_scratch(rows->d, rows->k))};
    sbl_near      some    = all;
    int           bad     = 0;

    for (int64_t r = 0; r < rows->n; r++)
        sqdist[r] = INFINITY;
    some.counts  = NULL;
    some.rows    = NULL;
    some.sqdist  = sqdist;
    some.nearest = nearest;
    some.m       = half;
    if (half)
        sbl_near_look(&some);
    some.candidates += half * rows->d;
    some.first = half;
    some.m     = rows->k - half;
    sbl_near_look(&some);
    sbl_near_look(&all);
    for (int64_t r = 0; r < rows->n; r++) {
        bad += (double)sqdist[r] != out[r] || nearest[r] < 0 || nearest[r] >= rows->k;
        named[nearest[r]]++;
    }
    for (int32_t j = 0; j < rows->k; j++)
        bad += named[j] != counts[j];
    cr_expect_eq(bad, 0, "n %d k %d d %d", (int)rows->n, rows->k, (int)rows->d);
    sbl_free(all.scratch);
    free(out);
    free(counts);
    free(named);
    free(sqdist);
    free(nearest);
}

Test(kmeans, near_in_two_goes_is_near_in_one)
{
    for (int t = 0; t < COUNT(T); t++)
        for (int s = 0; s < COUNT(SHAPES); s++) {
            struct rows rows = rows_create(T[t], 2500, SHAPES[s].d, SHAPES[s].k, 0, s % 2, 9);

            check_known(&rows);
            rows_clear(&rows);
        }
}

Test(kmeans, near_agrees_with_the_naive_loop_at_any_size)
{
    static const double SCALE[] = {1, 1e60, 1e-60, 1e15, 1e-15};

    for (int t = 0; t < COUNT(T); t++)
        for (int s = 0; s < COUNT(SHAPES); s++)
            for (int n = 0; n < COUNT(N); n++) {
                double      scale = t == 0 ? SCALE[(s + n) % 5] : 1;
                struct rows rows  = rows_create(T[t], N[n], SHAPES[s].d, SHAPES[s].k, 0, n % 3 == 1, 7);

                for (int64_t i = 0; i < rows.k * rows.d; i++)
                    rows.centers[i] *= scale;
                for (int64_t i = 0; i < rows.d; i++)
                    rows.shift[i] *= scale;
                for (int64_t i = 0; t == 0 && i < rows.n * rows.d; i++) {
                    double v = row_at(&rows, i) * scale;

                    memcpy((char *)rows.x + i * 8, &v, 8);
                }
                if (N[n] * SHAPES[s].d * SHAPES[s].k < 1500000)
                    check_near(&rows, n % 2, scale);
                rows_clear(&rows);
            }
}

Test(kmeans, every_failed_allocation_is_reported)
{
    static const double CENTERS[64] = {0};

    for (int32_t k = 1; k <= 4; k += 3)
        for (int64_t d = 2; d <= 16; d += 14)
            for (int64_t nth = 1;; nth++) {
                sbl_kmeans_centers *c;

                sbl_alloc_fail(nth, 0);
                c = sbl_kmeans_centers_create(SABAL_FLOAT64, k, d, CENTERS, NULL);
                sbl_alloc_fail(0, 0);
                sbl_kmeans_centers_destroy(c);
                if (c)
                    break;
                cr_assert_leq(nth, 4);
            }
}
