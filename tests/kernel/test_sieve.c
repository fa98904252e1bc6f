/*
 * Where float32 can't tell which of two centres is nearer, float64 decides: labels and sums are those of a plain loop in
 * float64, bit for bit, whatever share of the rows is in doubt.
 */
#include "kernel/kmeans.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/isa.h"
#include "data.h"
#include "kernel/kmeans_variant.h"
#include "support/test.h"

enum { N = 700 };

static void put(struct rows *rows, int64_t r, int64_t f, double v)
{
    memcpy((char *)rows->x + (r * rows->d + f) * (int64_t)sizeof v, &v, sizeof v);
}

/* Row r lies between two centres, nearer to one by so much of their distance as float32 doesn't show. */
static void between(struct rows *rows, int64_t r)
{
    const int64_t one = (int64_t)(mix((uint64_t)r) % (uint64_t)rows->k), other = (one + 1) % rows->k;
    const double  t = 0.5 + (uniform((uint64_t)r) - 0.5) * 1e-9;

    for (int64_t f = 0; f < rows->d; f++)
        put(rows, r, f,
            rows->centers[one * rows->d + f] +
                t * (rows->centers[other * rows->d + f] - rows->centers[one * rows->d + f]));
}

static void scale_all(struct rows *rows, double by)
{
    for (int64_t i = 0; i < rows->n * rows->d; i++)
        put(rows, 0, i, row_at(rows, i) * by);
    for (int64_t i = 0; i < rows->k * rows->d; i++)
        rows->centers[i] *= by;
    for (int64_t f = 0; f < rows->d; f++)
        rows->shift[f] *= by;
}

static void now_and_then(struct rows *rows)
{
    for (int64_t r = 0; r < rows->n; r += 97)
        between(rows, r);
}

static void everywhere(struct rows *rows)
{
    for (int64_t r = 0; r < rows->n; r++)
        between(rows, r);
}

/* So many that the sieve gives up, but not at once. */
static void later(struct rows *rows)
{
    for (int64_t r = rows->n / 2; r < rows->n; r++)
        between(rows, r);
}

static void tiny(struct rows *rows)
{
    scale_all(rows, 1e-150);
}
static void huge(struct rows *rows)
{
    scale_all(rows, 1e150);
}

/* Beyond float32 when the centres have length 1; and so near the shift that float32 calls it 0. */
static void some_far(struct rows *rows)
{
    for (int64_t r = 0; r < rows->n; r += 31)
        for (int64_t f = 0; f < rows->d; f++) {
            const double away = row_at(rows, r * rows->d + f) - rows->shift[f];

            put(rows, r, f, rows->shift[f] + away * (r % 2 ? 1e60 : 1e-60));
        }
}

/* Ties: the lowest index. */
static void twice(struct rows *rows)
{
    memcpy(rows->centers + (rows->k - 1) * rows->d, rows->centers + rows->d, sizeof(double) * (size_t)rows->d);
}

static void at_the_shift(struct rows *rows)
{
    for (int64_t i = 0; i < rows->k * rows->d; i++)
        rows->centers[i] = rows->shift[i % rows->d];
}

static void plain(struct rows *rows)
{
    (void)rows;
}

typedef void kind_fn(struct rows *rows);
static const struct {
    const char *name;
    kind_fn    *make;
} KINDS[] = {{"plain", plain},
             {"now and then", now_and_then},
             {"everywhere", everywhere},
             {"later", later},
             {"tiny", tiny},
             {"huge", huge},
             {"some far", some_far},
             {"twice", twice},
             {"at the shift", at_the_shift}};

static void naive(const struct rows *rows, int shifted, int32_t *labels, double *sums)
{
    const int64_t d = rows->d;

    memset(sums, 0, sizeof(double) * (size_t)(rows->k * d));
    for (int64_t r = 0; r < rows->n; r++) {
        double least = (double)INFINITY;

        labels[r] = 0;
        for (int32_t j = 0; j < rows->k; j++) {
            double sum = 0;

            for (int64_t f = 0; f < d; f++) {
                const double c = rows->centers[j * d + f] - (shifted ? rows->shift[f] : 0);

                sum = __builtin_fma(c, c, sum);
            }
            for (int64_t f = 0; f < d; f++)
                sum = __builtin_fma(row_at(rows, r * d + f) - (shifted ? rows->shift[f] : 0),
                                    -2 * (rows->centers[j * d + f] - (shifted ? rows->shift[f] : 0)), sum);
            if (sum < least) {
                least     = sum;
                labels[r] = j;
            }
        }
        for (int64_t f = 0; f < d; f++)
            sums[labels[r] * d + f] += row_at(rows, r * d + f);
    }
}

static void check(const struct rows *rows, const char *kind, int32_t *right, double *right_sums)
{
    const size_t n_sums = (size_t)(rows->k * rows->d);
    int32_t     *labels = malloc(sizeof *labels * (size_t)rows->n);
    double      *sums = malloc(sizeof *sums * n_sums), *counts = malloc(sizeof *counts * (size_t)rows->k);
    int          known = 0;

    for (int isa = 0; isa < SBL_N_ISAS; isa++) {
        sbl_kmeans_centers *c;
        void               *scratch;

        if (!sbl_isa_has((sbl_isa)isa))
            continue;
        sbl_isa_set((sbl_isa)isa);
        c       = sbl_kmeans_centers_create(rows->dtype, rows->k, rows->d, rows->centers, rows->shift);
        scratch = sbl_alloc_aligned(64, sbl_kmeans_scratch_size(c));
        if (!known++)
            naive(rows, c->shifted, right, right_sums);
        sbl_kmeans_assign(c, rows->x, rows->n, NULL, sums, counts, NULL, labels, NULL, scratch);
        for (int64_t r = 0; r < rows->n; r++)
            cr_assert_eq(labels[r], right[r], "%s, %s, k %d, d %d: row %d has label %d, not %d", kind,
                         sbl_isa_name((sbl_isa)isa), (int)rows->k, (int)rows->d, (int)r, (int)labels[r], (int)right[r]);
        cr_assert_eq(memcmp(sums, right_sums, sizeof *sums * n_sums), 0, "%s, %s, k %d, d %d: sums differ", kind,
                     sbl_isa_name((sbl_isa)isa), (int)rows->k, (int)rows->d);
        sbl_free(scratch);
        sbl_kmeans_centers_destroy(c);
    }
    free(labels);
    free(sums);
    free(counts);
}

Test(sieve, labels_and_sums_are_those_of_float64)
{
    static const struct {
        int32_t k;
        int64_t d;
    } SHAPES[] = {{13, 5}, {25, 16}, {100, 64}, {50, 77}, {20, 512}, {20, 513}};

    for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++)
        for (size_t kind = 0; kind < sizeof KINDS / sizeof *KINDS; kind++)
            for (int far = 0; far < 2; far++) {
                struct rows rows  = rows_create(SABAL_FLOAT64, N, SHAPES[s].d, SHAPES[s].k, far ? 1e4 : -4, 0, 3 + s);
                int32_t    *right = malloc(sizeof *right * N);
                double     *sums  = malloc(sizeof *sums * (size_t)(rows.k * rows.d));

                KINDS[kind].make(&rows);
                check(&rows, KINDS[kind].name, right, sums);
                free(sums);
                free(right);
                rows_clear(&rows);
            }
}

Test(sieve, fewer_rows_than_a_group)
{
    for (int64_t n = 0; n < 60; n++) {
        struct rows rows = rows_create(SABAL_FLOAT64, n, 9, 40, -4, 1, 5);
        int32_t     right[60];
        double      sums[40 * 9];

        if (n)
            between(&rows, n - 1);
        check(&rows, "few rows", right, sums);
        rows_clear(&rows);
    }
}
