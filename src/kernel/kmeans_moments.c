/*
 * Sum and sum of squares of each column. 8 rows are 8 * d numbers in a row in memory; number p of them adds to place p,
 * whatever the width of registers. From LANED_D features on a row alone is long enough, and rows add one by one.
 */
#include "kernel/kmeans_variant.h"

#include "kernel/lanes.h"

#define LANED_D 64

/* Adds one row, weighted, to place 0 .. d - 1 of s and ss. */
INLINE void add_row(double *s, double *ss, int is_f32, const char *x, int64_t d, const double *shift, double weight)
{
    for (int64_t f = 0; f < d; f++) {
        double v = number_from(is_f32, x, f) - shift[f];

        s[f]  = __builtin_fma(weight, v, s[f]);
        ss[f] = __builtin_fma(weight * v, v, ss[f]);
    }
}

INLINE void add_numbers(vd *s, vd *ss, int is_f32, const char *x, const double *shift)
{
    vd v = vd_from(is_f32, x) - vd_load(shift);

    *s  = *s + v;
    *ss = vd_fma(v, v, *ss);
}

/* As many groups of 8 rows as there are; d is a constant, and the sums stay in registers. */
INLINE void groups_small(double *s, double *ss, int is_f32, const char *x, int64_t n_groups, const int d,
                         const double *shift)
{
    const int size = is_f32 ? 4 : 8;
    vd        a[8], b[8];

    for (int q = 0; q < NV * d; q++) {
        a[q] = vd_load(s + q * VD);
        b[q] = vd_load(ss + q * VD);
    }
    for (int64_t g = 0; g < n_groups; g++, x += SBL_LANES * d * size)
        for (int q = 0; q < NV * d; q++)
            add_numbers(&a[q], &b[q], is_f32, x + q * VD * size, shift + q * VD);
    for (int q = 0; q < NV * d; q++) {
        vd_store(s + q * VD, a[q]);
        vd_store(ss + q * VD, b[q]);
    }
}

INLINE void groups_any(double *s, double *ss, int is_f32, const char *x, int64_t n_groups, int64_t d,
                       const double *shift)
{
    const int size = is_f32 ? 4 : 8;

    for (int64_t g = 0; g < n_groups; g++, x += SBL_LANES * d * size)
        for (int64_t q = 0; q < NV * d; q++) {
            vd a = vd_load(s + q * VD), b = vd_load(ss + q * VD);

            add_numbers(&a, &b, is_f32, x + q * VD * size, shift + q * VD);
            vd_store(s + q * VD, a);
            vd_store(ss + q * VD, b);
        }
}

INLINE void laned(int is_f32, const char *x, int64_t n, int64_t d, const double *shift, const double *weights,
                  double *sum, double *sumsq)
{
    const int64_t size = d * (is_f32 ? 4 : 8);
    double        s[SBL_LANES * LANED_D], ss[SBL_LANES * LANED_D], shifts[SBL_LANES * LANED_D];
    double        lane[SBL_LANES];
    int64_t       r = 0;

    memset(s, 0, sizeof *s * SBL_LANES * (size_t)d);
    memset(ss, 0, sizeof *ss * SBL_LANES * (size_t)d);
    for (int64_t i = 0; i < SBL_LANES * d; i++)
        shifts[i] = shift[i % d];
    if (!weights) {
        if (d == 1)
            groups_small(s, ss, is_f32, x, n / SBL_LANES, 1, shifts);
#if VD >= 4
        else if (d == 2)
            groups_small(s, ss, is_f32, x, n / SBL_LANES, 2, shifts);
#endif
        else
            groups_any(s, ss, is_f32, x, n / SBL_LANES, d, shifts);
        r = n - n % SBL_LANES;
    }
    for (; r < n; r++)
        add_row(s + r % SBL_LANES * d, ss + r % SBL_LANES * d, is_f32, x + r * size, d, shift,
                weights ? weights[r] : 1.0);
    for (int64_t f = 0; f < d; f++) {
        for (int l = 0; l < SBL_LANES; l++)
            lane[l] = s[l * d + f];
        sum[f] = fold_lanes(lane);
        for (int l = 0; l < SBL_LANES; l++)
            lane[l] = ss[l * d + f];
        sumsq[f] = fold_lanes(lane);
    }
}

INLINE void by_row(int is_f32, const char *x, int64_t n, int64_t d, const double *shift, const double *weights,
                   double *sum, double *sumsq)
{
    const int size = is_f32 ? 4 : 8;

    memset(sum, 0, sizeof *sum * (size_t)d);
    memset(sumsq, 0, sizeof *sumsq * (size_t)d);
    for (int64_t r = 0; r < n; r++, x += d * size) {
        int64_t f = 0;

        for (; !weights && f + VD <= d; f += VD) {
            vd a = vd_load(sum + f), b = vd_load(sumsq + f);

            add_numbers(&a, &b, is_f32, x + f * size, shift + f);
            vd_store(sum + f, a);
            vd_store(sumsq + f, b);
        }
        add_row(sum + f, sumsq + f, is_f32, x + f * size, d - f, shift + f, weights ? weights[r] : 1.0);
    }
}

void NAME(sbl_moments)(sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *shift,
                       const double *weights, double *sum, double *sumsq)
{
    if (d < LANED_D && dtype == SABAL_FLOAT32)
        laned(1, x, n, d, shift, weights, sum, sumsq);
    else if (d < LANED_D)
        laned(0, x, n, d, shift, weights, sum, sumsq);
    else if (dtype == SABAL_FLOAT32)
        by_row(1, x, n, d, shift, weights, sum, sumsq);
    else
        by_row(0, x, n, d, shift, weights, sum, sumsq);
}
