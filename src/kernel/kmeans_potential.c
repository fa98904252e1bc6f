/*
 * What each row adds to the potential that seeding lowers. It only steers a random choice, so float32 is enough: rows
 * and candidates about the shift, and scaled where their size asks for it, so that no square overflows or vanishes.
 * Rows of a block are turned around first: feature by feature, each BLOCK long.
 */
#include "kernel/kmeans_variant.h"

#include <math.h>

#include "kernel/lanes.h"

#define BLOCK SBL_POTENTIAL_ROWS
#define U     4 /* vectors of rows at a time */

size_t NAME(sbl_potential_scratch)(int64_t d, int32_t m)
{
    return sizeof(float) * (size_t)d * (size_t)(BLOCK + m);
}

/* Turns n rows around into at[f * BLOCK + r], float32 of (x - shift) * scale. Returns the largest |x - shift|. */
INLINE double turn(float *at, int is_f32, const char *x, int64_t n, int64_t d, const double *shift, double scale)
{
    const int64_t size = d * (is_f32 ? 4 : 8);
    vd            high = vd_all(0), low = vd_all(0), row[8];
    double        lanes[2][VD], most = 0;
    int64_t       r = 0;

    for (; r + VD <= n; r += VD)
        for (int64_t f0 = 0; f0 < d; f0 += 8)
            for (int64_t f = f0; f < d && f < f0 + 8; f++) {
                if (d <= 8 && f == 0)
                    load_rows(row, is_f32, x + r * size, d);
                else if (d > 8)
                    row[f - f0] = vd_gather(is_f32, x + r * size + f * (is_f32 ? 4 : 8), d);
                vd v = row[f - f0] - vd_all(shift[f]);

                high = vd_max(v, high);
                low  = vd_min(v, low);
                vd_narrow(at + f * BLOCK + r, v * vd_all(scale));
            }
    vd_store(lanes[0], high);
    vd_store(lanes[1], low);
    for (int l = 0; l < VD; l++) {
        most = lanes[0][l] > most ? lanes[0][l] : most;
        most = -lanes[1][l] > most ? -lanes[1][l] : most;
    }
    for (int64_t f = 0; f < d; f++) {
        for (int64_t i = r; i < n; i++) {
            double v = number_from(is_f32, x + i * size, f) - shift[f];

            most               = fabs(v) > most ? fabs(v) : most;
            at[f * BLOCK + i] = (float)(v * scale);
        }
        for (int64_t i = n; i % (U * VF); i++)
            at[f * BLOCK + i] = 0;
    }
    return most;
}

static double turn_candidates(float *at, const double *candidates, int32_t m, int64_t d, const double *shift,
                              double scale)
{
    double most = 0;

    for (int64_t i = 0; i < m * d; i++) {
        double v = candidates[i] - shift[i % d];

        most  = fabs(v) > most ? fabs(v) : most;
        at[i] = (float)(v * scale);
    }
    return most;
}

INLINE void nearest_direct(double *out, const float *at, int64_t n, int64_t d, const float *candidates, int32_t m)
{
    for (int64_t r = 0; r < n; r += U * VF) {
        vf least[U];

        for (int u = 0; u < U; u++)
            least[u] = vf_all(INFINITY);
        for (int32_t j = 0; j < m; j++) {
            vf sum[U];

            for (int u = 0; u < U; u++) {
                vf away = vf_load(at + r + u * VF) - vf_all(candidates[j * d]);

                sum[u] = away * away;
            }
            for (int64_t f = 1; f < d; f++)
                for (int u = 0; u < U; u++) {
                    vf away = vf_load(at + f * BLOCK + r + u * VF) - vf_all(candidates[j * d + f]);

                    sum[u] = vf_fma(away, away, sum[u]);
                }
            for (int u = 0; u < U; u++)
                least[u] = vf_min_positive(sum[u], least[u]);
        }
        for (int u = 0; u < U; u++) {
            float one[VF];

            vf_store(one, least[u]);
            for (int l = 0; l < VF; l += VD)
                vd_store(out + r + u * VF + l, vd_widen(one + l));
        }
    }
}

/* A power of two that brings `most` near 1, if it is so far from it that squares in float32 might not do. */
static double scale_for(double most)
{
    int e;

    if (!(most > 0) || !isfinite(most))
        return 1;
    frexp(most, &e);
    if (e >= -30 && e <= 30)
        return 1;
    return ldexp(1, e > 1000 ? -1000 : e < -1000 ? 1000 : -e);
}

INLINE void potential(double *block_sums, double *rows, int is_f32, const char *x, int64_t n, int64_t d,
                      const double *weights, const double *candidates, int32_t m, const double *shift, float *at)
{
    float *const  near = at + d * BLOCK; /* candidates as float32 */
    const double  most = turn_candidates(near, candidates, m, d, shift, 1);
    double        own[BLOCK], *out = rows ? rows : own, scale = 1, last = 1;

    for (int64_t begin = 0; begin < n; begin += BLOCK, x += BLOCK * d * (is_f32 ? 4 : 8)) {
        const int64_t count = n - begin < BLOCK ? n - begin : BLOCK;
        double        lane[SBL_LANES] = {0}, reach, up;

        reach = turn(at, is_f32, x, count, d, shift, 1);
        scale = scale_for(reach > most ? reach : most);
        if (scale != 1)
            turn(at, is_f32, x, count, d, shift, scale);
        if (scale != last)
            turn_candidates(near, candidates, m, d, shift, scale);
        last = scale;
        up   = 1 / scale;
        switch (d) {
        case 1: nearest_direct(own, at, count, 1, near, m); break;
        case 2: nearest_direct(own, at, count, 2, near, m); break;
        case 3: nearest_direct(own, at, count, 3, near, m); break;
        default: nearest_direct(own, at, count, d, near, m);
        }
        for (int64_t r = 0; r < count; r++) {
            double v = own[r] * up * up * (weights ? weights[begin + r] : 1.0);

            out[r] = v;
            lane[r % SBL_LANES] += v;
        }
        if (block_sums)
            *block_sums++ = fold_lanes(lane);
    }
}

void NAME(sbl_potential)(double *block_sums, double *rows, sabal_dtype dtype, const void *x, int64_t n, int64_t d,
                         const double *weights, const double *candidates, int32_t m, const double *shift, void *scratch)
{
    if (dtype == SABAL_FLOAT32)
        potential(block_sums, rows, 1, x, n, d, weights, candidates, m, shift, scratch);
    else
        potential(block_sums, rows, 0, x, n, d, weights, candidates, m, shift, scratch);
}
