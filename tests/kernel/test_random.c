#include "kernel/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/isa.h"
#include "support/test.h"

/* FNV-1a: one number for many bits, the same in each build. */
static uint64_t hash(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t             h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Kolmogorov's distance from the normal distribution; sorts x. */
static double ks_normal(double *x, int64_t n)
{
    double worst = 0;

    qsort(x, (size_t)n, sizeof *x, compare_doubles);
    for (int64_t i = 0; i < n; i++) {
        double p = 0.5 * erfc(-x[i] / sqrt(2.0));

        worst = fmax(worst, fmax(fabs(p - (double)i / (double)n), fabs(p - (double)(i + 1) / (double)n)));
    }
    return worst;
}

/* Random123's tests/kat_vectors, the lines "philox4x32 10": counter, key, result. */
Test(random, agrees_with_the_known_answers_of_random123)
{
    static const struct {
        uint32_t counter[4], key[2], result[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint64_t block  = known[i].counter[0] | (uint64_t)known[i].counter[1] << 32;
        uint64_t stream = known[i].counter[2] | (uint64_t)known[i].counter[3] << 32;
        uint64_t seed   = known[i].key[0] | (uint64_t)known[i].key[1] << 32;
        uint32_t result[4];

        sbl_random_block(result, seed, stream, block);
        cr_expect_arr_eq(result, known[i].result, sizeof result);
    }
    cr_expect_eq(sbl_random_bits(0, 0, 0), UINT64_C(0xe169c58d6627e8d5));
    cr_expect_eq(sbl_random_bits(0, 0, 1), UINT64_C(0x9b00dbd8bc57ac4c));
}

Test(random, uniform_numbers_fill_the_unit_interval_evenly)
{
    enum { N = 1 << 17, BINS = 256 };
    static int count[BINS];
    double     chi2 = 0, least = 1, most = 0;

    for (uint64_t i = 0; i < N; i++) {
        double u = sbl_random_uniform(7, 3, i);

        least = fmin(least, u);
        most  = fmax(most, u);
        count[(int)(u * BINS)]++;
    }
    for (int b = 0; b < BINS; b++)
        chi2 += (count[b] - N / BINS) * (double)(count[b] - N / BINS) / (N / BINS);
    cr_expect(least >= 0 && most < 1);
    /* 255 degrees of freedom: 330.5 is passed once in a thousand, 190.2 is not reached once in a thousand */
    cr_expect(chi2 > 190.2 && chi2 < 330.5);
}

Test(random, below_n_is_below_n_and_even)
{
    enum { N = 70000 };
    int count[7] = {0};

    for (uint64_t i = 0; i < N; i++) {
        int64_t x = sbl_random_below(1, 2, i, 7);

        cr_assert(x >= 0 && x < 7);
        count[x]++;
    }
    for (int i = 0; i < 7; i++)
        cr_expect(abs(count[i] - N / 7) < 4 * 93); /* sqrt(N * 1/7 * 6/7) = 92.6 */
    cr_expect_eq(sbl_random_below(1, 2, 3, 1), 0);
    cr_expect(sbl_random_below(1, 2, 3, INT64_MAX) >= 0);
}

Test(random, seeds_streams_and_indices_all_matter)
{
    uint64_t x = sbl_random_bits(1, 2, 3);

    cr_expect_neq(x, sbl_random_bits(UINT64_C(1) << 32 | 1, 2, 3));
    cr_expect_neq(x, sbl_random_bits(2, 2, 3));
    cr_expect_neq(x, sbl_random_bits(1, UINT64_C(1) << 32 | 2, 3));
    cr_expect_neq(x, sbl_random_bits(1, 3, 3));
    cr_expect_neq(x, sbl_random_bits(1, 2, 4));
    cr_expect_neq(x, sbl_random_bits(1, 2, UINT64_C(1) << 33 | 3));
    cr_expect_eq(x, sbl_random_bits(1, 2, 3));
}

Test(random, normals_are_normal)
{
    enum { N = 100000 };
    double *x = malloc(N * sizeof *x), mean = 0, square = 0, cube = 0, fourth = 0, next = 0;

    sbl_random_normal(x, 42, 5, 0, N);
    for (int i = 0; i < N; i++) {
        mean += x[i] / N;
        square += x[i] * x[i] / N;
        cube += x[i] * x[i] * x[i] / N;
        fourth += x[i] * x[i] * x[i] * x[i] / N;
        next += x[i] * x[(i + 8) % N] / N; /* cosine and sine of one block */
    }
    /* four standard errors: 1, sqrt 2, sqrt 15, sqrt 96 and 1 over sqrt N */
    cr_expect(fabs(mean) < 4 / sqrt(N));
    cr_expect(fabs(square - 1) < 4 * sqrt(2.0 / N));
    cr_expect(fabs(cube) < 4 * sqrt(15.0 / N));
    cr_expect(fabs(fourth - 3) < 4 * sqrt(96.0 / N));
    cr_expect(fabs(next) < 4 / sqrt(N));
    cr_expect(ks_normal(x, N) < 1.95 / sqrt(N)); /* passed once in a thousand */
    free(x);
}

/* Box and Muller with the C library: the same numbers but for the last bits. */
Test(random, agrees_with_the_naive_loop)
{
    double z[64];

    sbl_random_normal(z, 9, 8, 0, 64);
    for (uint64_t i = 0; i < 64; i++) {
        uint64_t block = i / 16 * 8 + i % 8;
        double   u     = 1 - (double)(sbl_random_bits(9, 8, 2 * block) >> 12) * 0x1p-52;
        double   angle = 2 * M_PI * (double)(sbl_random_bits(9, 8, 2 * block + 1) >> 12) * 0x1p-52;
        double   naive = sqrt(-2 * log(u)) * (i / 8 % 2 ? sin(angle) : cos(angle));

        cr_expect(fabs(z[i] - naive) < 1e-14);
    }
}

Test(random, a_normal_does_not_depend_on_how_the_range_is_cut)
{
    enum { N = 1000 };
    static double whole[N], part[N];

    sbl_random_normal(whole, 3, 4, 0, N);
    for (int step = 1; step < 70; step++) {
        memset(part, 0, sizeof part);
        for (int i = 0; i < N; i += step)
            sbl_random_normal(part + i, 3, 4, (uint64_t)i, i + step < N ? step : N - i);
        cr_expect_arr_eq(part, whole, sizeof whole);
    }
    sbl_random_normal(part, 3, 4, 5, 0);
    cr_expect_arr_eq(part, whole, sizeof whole);
}

Test(random, blobs_do_not_depend_on_how_the_rows_are_cut)
{
    enum { N = 777, D = 5, M = 4 };
    static double  whole[N * D], part[N * D], centers[M * D];
    static int32_t labels[N], mine[N];

    for (int i = 0; i < M * D; i++)
        centers[i] = 100 * i;
    sbl_blobs_rows(whole, labels, SABAL_FLOAT64, 0, N, N, D, centers, M, 2.0, 11);
    for (int step = 1; step < N; step += step < 40 ? 1 : 97) {
        memset(part, 0, sizeof part);
        memset(mine, -1, sizeof mine);
        for (int i = 0; i < N; i += step)
            sbl_blobs_rows(part + i * D, mine + i, SABAL_FLOAT64, i, i + step < N ? step : N - i, N, D, centers, M, 2.0,
                           11);
        cr_expect_arr_eq(part, whole, sizeof whole);
        cr_expect_arr_eq(mine, labels, sizeof labels);
    }
    memset(part, 0, sizeof part);
    sbl_blobs_rows(part, NULL, SABAL_FLOAT64, 0, N, N, D, centers, M, 2.0, 11);
    cr_expect_arr_eq(part, whole, sizeof whole);
    memset(mine, -1, sizeof mine);
    sbl_blobs_rows(NULL, mine, SABAL_FLOAT64, 0, N, N, D, centers, M, 2.0, 11);
    cr_expect_arr_eq(mine, labels, sizeof labels);
}

Test(random, blobs_lie_around_their_centers)
{
    enum { N = 60000, D = 2, M = 3 };
    static double  x[N * D];
    static float   x32[N * D];
    static int32_t labels[N];
    const double   centers[M * D] = {0, 1, 1000, 2000, -5, -7};
    double        *z              = malloc(sizeof x);

    sbl_blobs_rows(x, labels, SABAL_FLOAT64, 0, N, N, D, centers, M, 3.0, 1);
    sbl_blobs_rows(x32, NULL, SABAL_FLOAT32, 0, N, N, D, centers, M, 3.0, 1);
    for (int i = 0; i < N * D; i++) {
        z[i] = (x[i] - centers[labels[i / D] * D + i % D]) / 3;
        cr_assert_eq(x32[i], (float)x[i]);
    }
    cr_expect(ks_normal(z, N * D) < 1.95 / sqrt(N * D));
    free(z);
}

Test(random, blobs_differ_in_size_by_one_at_most)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 100, 101, 997, 1000, 4096, 4097, 65537};
    static const int32_t ms[]    = {1, 2, 3, 8, 100};
    int32_t             *labels  = malloc(65537 * sizeof *labels);

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t k = 0; k < sizeof ms / sizeof *ms; k++) {
            int64_t n = sizes[s], count[100] = {0};

            sbl_blobs_rows(NULL, labels, SABAL_FLOAT64, 0, n, n, 2, NULL, ms[k], 1.0, (uint64_t)s);
            for (int64_t i = 0; i < n; i++) {
                cr_assert(labels[i] >= 0 && labels[i] < ms[k]);
                count[labels[i]]++;
            }
            for (int32_t j = 0; j < ms[k]; j++) /* a permutation: exactly as many as numbers below n are j mod m */
                cr_expect_eq(count[j], (n - j + ms[k] - 1) / ms[k]);
        }
    free(labels);
}

/* With m = n the label is the permutation itself. */
Test(random, the_order_of_rows_is_a_permutation_that_looks_random)
{
    enum { N = 10007, BINS = 10 };
    static int32_t image[N];
    static char    seen[N];
    static int     count[BINS * BINS];
    double         chi2 = 0, expected = (double)(N - 1) / (BINS * BINS);
    int            fixed = 0, rising = 0;

    sbl_blobs_rows(NULL, image, SABAL_FLOAT64, 0, N, N, 1, NULL, N, 1.0, 5);
    for (int i = 0; i < N; i++) {
        cr_assert(image[i] >= 0 && image[i] < N && !seen[image[i]]);
        seen[image[i]] = 1;
        fixed += image[i] == i;
        if (i > 0) {
            rising += image[i] > image[i - 1];
            count[image[i - 1] * BINS / N * BINS + image[i] * BINS / N]++;
        }
    }
    for (int b = 0; b < BINS * BINS; b++)
        chi2 += (count[b] - expected) * (count[b] - expected) / expected;
    cr_expect(fixed < 8); /* Poisson with mean 1 */
    cr_expect(fabs(rising - N / 2.0) < 4 * sqrt(N / 12.0));
    cr_expect(chi2 > 61.1 && chi2 < 149.4); /* 99 degrees of freedom, one in a thousand */
}

/* Neighbouring rows of a large array: pairs of blobs are as frequent as chance has it. */
Test(random, blobs_of_neighbouring_rows_are_independent)
{
    enum { N = 90000, M = 3 };
    static int32_t labels[N];
    int            count[M * M] = {0};
    double         chi2         = 0;

    for (int lag = 1; lag <= 4; lag++) {
        memset(count, 0, sizeof count);
        chi2 = 0;
        sbl_blobs_rows(NULL, labels, SABAL_FLOAT64, 12345678, N, 100000000, 1, NULL, M, 1.0, 0);
        for (int i = lag; i < N; i++)
            count[labels[i - lag] * M + labels[i]]++;
        for (int b = 0; b < M * M; b++)
            chi2 += (count[b] - N / 9.0) * (count[b] - N / 9.0) / (N / 9.0);
        cr_expect(chi2 < 26.1); /* 8 degrees of freedom, one in a thousand */
    }
}

Test(random, rows_far_out_can_be_made)
{
    int32_t labels[40], again[40];
    double  x[40], y[40], centers[2] = {1, 2};
    int64_t n_samples = INT64_MAX / 2;

    sbl_blobs_rows(x, labels, SABAL_FLOAT64, n_samples - 40, 40, n_samples, 1, centers, 2, 1.0, 77);
    for (int i = 0; i < 40; i++) {
        cr_expect(labels[i] == 0 || labels[i] == 1);
        sbl_blobs_rows(y + i, again + i, SABAL_FLOAT64, n_samples - 40 + i, 1, n_samples, 1, centers, 2, 1.0, 77);
    }
    cr_expect_arr_eq(labels, again, sizeof labels);
    cr_expect_arr_eq(x, y, sizeof x);
    n_samples = (INT64_C(1) << 52) - 1; /* the last where the remainder is taken in doubles */
    sbl_blobs_rows(NULL, labels, SABAL_FLOAT64, n_samples - 40, 40, n_samples, 1, NULL, INT32_MAX, 1.0, 77);
    for (int i = 0; i < 40; i++)
        cr_expect(labels[i] >= 0 && labels[i] < INT32_MAX);
}

/* The numbers as they are, in every variant, with every compiler: a change here changes everyone's results. */
static void the_bits(void)
{
    static double  z[10000], x[1000 * 3];
    static int32_t labels[1000];
    const double   centers[6] = {1, 2, 3, 4, 5, 6};

    sbl_random_normal(z, 1, 2, 3, 10000);
    cr_expect_eq(hash(z, sizeof z), UINT64_C(0x4849bf89cd2119f2));
    sbl_blobs_rows(x, labels, SABAL_FLOAT64, 1000, 1000, 5000, 3, centers, 2, 0.5, 4);
    cr_expect_eq(hash(x, sizeof x), UINT64_C(0xf6024c2203aa9317));
    cr_expect_eq(hash(labels, sizeof labels), UINT64_C(0x363a726f05ee11c4));
}

Test(random, the_bits_are_those_of_every_variant_and_compiler)
{
    if (!sbl_random_has_normal())
        cr_skip_test("this processor has no fma");
    for (int isa = 0; isa < SBL_N_ISAS; isa++)
        if (sbl_isa_has((sbl_isa)isa)) {
            sbl_isa_set((sbl_isa)isa);
            the_bits();
        }
}
