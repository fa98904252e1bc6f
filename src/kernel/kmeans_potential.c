/*
 * What each row adds to the potential that seeding lowers. It only steers a random choice, so float32 is enough: rows
 * and candidates about the shift, and scaled where their size asks for it, so that no square overflows or vanishes.
 * Rows of a block are turned around first: feature by feature, each BLOCK long.
 */
#include "kernel/kmeans_variant.h"

#include <math.h>

#include "kernel/kmeans_tile.h"
#include "kernel/lanes.h"

#define BLOCK      SBL_POTENTIAL_ROWS
#define MAX_DIRECT 4 /* features: differences up to here, products from there on */

/* Turns n rows around into at[f * BLOCK + r], float32 of (x - shift) * scale. Returns the largest |x - shift|. */
INLINE double turn(float *at, int is_f32, const char *x, int64_t n, const int d, const double *shift, double scale)
{
    const int64_t size = d * (is_f32 ? 4 : 8);
    vd            high = vd_all(0), low = vd_all(0), row[MAX_DIRECT];
    double        lanes[2][VD], most = 0;
    int64_t       r = 0;

    for (; r + VD <= n; r += VD) {
        load_rows(row, is_f32, x + r * size, d);
        for (int f = 0; f < d; f++) {
            const vd v = row[f] - vd_all(shift[f]);

            high = vd_max(v, high);
            low  = vd_min(v, low);
            vd_narrow(at + f * BLOCK + r, v * vd_all(scale));
        }
    }
    vd_store(lanes[0], high);
    vd_store(lanes[1], low);
    for (int l = 0; l < VD; l++) {
        most = lanes[0][l] > most ? lanes[0][l] : most;
        most = -lanes[1][l] > most ? -lanes[1][l] : most;
    }
    for (int f = 0; f < d; f++) {
        for (int64_t i = r; i < n; i++) {
            const double v = number_from(is_f32, x + i * size, f) - shift[f];

            most              = fabs(v) > most ? fabs(v) : most;
            at[f * BLOCK + i] = (float)(v * scale);
        }
        for (int64_t i = n; i % VF; i++)
            at[f * BLOCK + i] = 0;
    }
    return most;
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

struct candidates {
    const double *given, *shift; /* (m, d), (d) */
    int32_t       m;
    int64_t       d;
    double        most;  /* largest |given - shift| */
    double        scale; /* that near has now */
    float        *near;  /* as float32: (m, d), or -2 times that in tiles */
    float        *norms; /* their squares, in tiles only */
    float        *at;    /* rows, turned around */
};

static void rescale(struct candidates *c, double scale)
{
    if (c->scale == scale)
        return;
    c->scale = scale;
    for (int32_t j = 0; j < c->m; j++) {
        float norm = 0;

        for (int64_t f = 0; f < c->d; f++) {
            const float v = (float)((c->given[j * c->d + f] - c->shift[f]) * scale);

            if (c->norms)
                c->near[tile_index(j, f, c->d)] = -2 * v;
            else
                c->near[j * c->d + f] = v;
            norm = __builtin_fmaf(v, v, norm);
        }
        if (c->norms)
            c->norms[j] = norm;
    }
}

INLINE void put(double *out, vf least)
{
    float one[VF];

    vf_store(one, least);
    for (int l = 0; l < VF; l += VD)
        vd_store(out + l, vd_widen(one + l));
}

/* Some candidates, side by side in registers, against all rows of a block. Meanwhile the next block's memory comes. */
INLINE void lower(float *least, const float *at, int64_t n, const int d, const float *candidates, const int some,
                  const char *next)
{
    vf near[4][MAX_DIRECT];

    for (int j = 0; j < some; j++)
        for (int f = 0; f < d; f++)
            near[j][f] = vf_all(candidates[j * d + f]);
    for (int64_t r = 0; r < n; r += VF) {
        vf now = vf_load(least + r), row[MAX_DIRECT];

        __builtin_prefetch(next + r * (64 / VF));
        for (int f = 0; f < d; f++)
            row[f] = vf_load(at + f * BLOCK + r);
        for (int j = 0; j < some; j++) {
            vf away = row[0] - near[j][0], sum = away * away;

            for (int f = 1; f < d; f++) {
                away = row[f] - near[j][f];
                sum  = vf_fma(away, away, sum);
            }
            now = vf_min_positive(sum, now);
        }
        vf_store(least + r, now);
    }
}

INLINE void nearest_direct(double *out, const float *at, int64_t n, const int d, const float *candidates, int32_t m,
                           const char *next)
{
    const int some = d <= 2 ? 4 : 2; /* as many as find room in 16 registers */
    float     least[BLOCK];
    int32_t   j = 0;

    for (int64_t r = 0; r < n; r += VF)
        vf_store(least + r, vf_all(INFINITY));
    for (; j + some <= m; j += some, next += BLOCK * (64 / VF))
        lower(least, at, n, d, candidates + j * d, some, next);
    for (; j < m; j++, next += BLOCK * (64 / VF))
        lower(least, at, n, d, candidates + j * d, 1, next);
    for (int64_t r = 0; r < n; r += VD)
        vd_store(out + r, vd_widen(least + r));
}

/* One block of few features. Returns the scale's inverse: what rows must be multiplied with twice. */
INLINE double direct(double *out, int is_f32, const char *x, int64_t n, const int d, struct candidates *c)
{
    const double reach = turn(c->at, is_f32, x, n, d, c->shift, 1), scale = scale_for(reach > c->most ? reach : c->most);

    if (scale != 1)
        turn(c->at, is_f32, x, n, d, c->shift, scale);
    rescale(c, scale);
    nearest_direct(out, c->at, n, d, c->near, c->m, x + BLOCK * d * (is_f32 ? 4 : 8));
    return 1 / scale;
}

/* The largest |x - shift| of n rows. */
INLINE double reach(int is_f32, const char *x, int64_t n, int64_t d, const double *shift)
{
    const int size = is_f32 ? 4 : 8;
    vd        high = vd_all(0), low = vd_all(0);
    double    lanes[2][VD], most = 0;

    for (int64_t r = 0; r < n; r++, x += d * size) {
        int64_t f = 0;

        for (; f + VD <= d; f += VD) {
            const vd v = vd_from(is_f32, x + f * size) - vd_load(shift + f);

            high = vd_max(v, high);
            low  = vd_min(v, low);
        }
        for (; f < d; f++) {
            const double v = fabs(number_from(is_f32, x, f) - shift[f]);

            most = v > most ? v : most;
        }
    }
    vd_store(lanes[0], high);
    vd_store(lanes[1], low);
    for (int l = 0; l < VD; l++) {
        most = lanes[0][l] > most ? lanes[0][l] : most;
        most = -lanes[1][l] > most ? -lanes[1][l] : most;
    }
    return most;
}

/* vf_ROWS rows, of which n are there: at[f * vf_ROWS + r]. */
INLINE void turn_panel(float *at, int is_f32, const char *x, int64_t n, int64_t d, const double *shift, double scale)
{
    const int size = is_f32 ? 4 : 8;

    if (n < vf_ROWS) {
        for (int64_t f = 0; f < d; f++)
            for (int64_t r = 0; r < vf_ROWS; r++)
                at[f * vf_ROWS + r] =
                    r < n ? (float)((number_from(is_f32, x, r * d + f) - shift[f]) * scale) : 0;
        return;
    }
    for (int64_t r = 0; r < vf_ROWS; r += VD) {
        const char *row = x + r * d * size;
        int64_t     f   = 0;

#if !defined(VECTOR_PLAIN)
        for (; f + 2 <= d; f += 2) {
            vd two[2];

            if (is_f32)
                pair_f32(two, (const float *)row + f, d);
            else
                pair_f64(two, (const double *)row + f, d);
            vd_narrow(at + f * vf_ROWS + r, (two[0] - vd_all(shift[f])) * vd_all(scale));
            vd_narrow(at + (f + 1) * vf_ROWS + r, (two[1] - vd_all(shift[f + 1])) * vd_all(scale));
        }
#endif
        for (; f < d; f++)
            vd_narrow(at + f * vf_ROWS + r, (vd_gather(is_f32, row + f * size, d) - vd_all(shift[f])) * vd_all(scale));
    }
}

/* One block of many features: |x|^2 - 2 x.c + |c|^2, which may round to a little less than nothing. */
INLINE double products(double *out, int is_f32, const char *x, int64_t n, int64_t d, struct candidates *c)
{
    const double far = reach(is_f32, x, n, d, c->shift), scale = scale_for(far > c->most ? far : c->most);

    rescale(c, scale);
    for (int64_t r = 0; r < n; r += vf_ROWS, x += vf_ROWS * d * (is_f32 ? 4 : 8)) {
        vf least[TILE_VECTORS], norm[TILE_VECTORS], sum[TILE_CENTERS][TILE_VECTORS];

        turn_panel(c->at, is_f32, x, n - r, d, c->shift, scale);
        _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
        {
            least[u] = vf_all(INFINITY);
            norm[u]  = vf_all(0);
        }
        for (int64_t f = 0; f < d; f++)
            _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
            {
                const vf v = vf_load(c->at + f * vf_ROWS + u * VF);

                norm[u] = vf_fma(v, v, norm[u]);
            }
        for (int64_t tile = 0; tile < tiles_of(c->m); tile++) {
            _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)
                _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
                    sum[j][u] = vf_all(c->norms[tile * TILE_CENTERS + j]);
            vf_tile(sum, c->at, c->near + tile * d * TILE_CENTERS, d);
            _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)
                _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
                    least[u] = vf_min(sum[j][u], least[u]);
        }
        _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
            put(out + r + u * VF, vf_max(norm[u] + least[u], vf_all(0)));
    }
    return 1 / scale;
}

INLINE double block(double *out, int is_f32, const char *x, int64_t n, struct candidates *c)
{
    switch (c->d) {
    case 1: return direct(out, is_f32, x, n, 1, c);
    case 2: return direct(out, is_f32, x, n, 2, c);
    case 3: return direct(out, is_f32, x, n, 3, c);
    case 4: return direct(out, is_f32, x, n, 4, c);
    default: return products(out, is_f32, x, n, c->d, c);
    }
}

size_t NAME(sbl_potential_scratch)(int64_t d, int32_t m)
{
    const size_t tiles = (size_t)tiles_of(m) * TILE_CENTERS;

    return sizeof(float) * ((size_t)d * (d <= MAX_DIRECT ? BLOCK : vf_ROWS) + tiles * (size_t)(d + 1));
}

void NAME(sbl_potential)(double *block_sums, double *rows, sabal_dtype dtype, const void *x_, int64_t n, int64_t d,
                         const double *weights, const double *candidates, int32_t m, const double *shift, void *scratch)
{
    const int64_t     tiles = tiles_of(m) * TILE_CENTERS;
    const char       *x     = x_;
    struct candidates c = {.given = candidates, .shift = shift, .m = m, .d = d, .near = scratch, .scale = NAN};
    double            out[BLOCK + vf_ROWS]; /* whole panels */

    c.at = c.near + tiles * d;
    if (d > MAX_DIRECT) {
        memset(c.near, 0, sizeof *c.near * (size_t)(tiles * d));
        c.norms = c.at;
        c.at += tiles;
        for (int64_t j = m; j < tiles; j++)
            c.norms[j] = INFINITY;
    }
    for (int32_t j = 0; j < m; j++)
        for (int64_t f = 0; f < d; f++) {
            const double v = fabs(candidates[j * d + f] - shift[f]);

            c.most = v > c.most ? v : c.most;
        }
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        const int64_t count = n - begin < BLOCK ? n - begin : BLOCK;
        double        up, lane[SBL_LANES];
        vd            sum[NV];

        if (dtype == SABAL_FLOAT32)
            up = block(out, 1, x + begin * d * 4, count, &c);
        else
            up = block(out, 0, x + begin * d * 8, count, &c);
        for (int64_t r = count; r % SBL_LANES; r++)
            out[r] = 0;
        for (int64_t r = 0; weights && r < count; r++)
            out[r] *= weights[begin + r];
        memset(sum, 0, sizeof sum);
        for (int64_t r = 0; r < count; r += SBL_LANES)
            for (int v = 0; v < NV; v++) {
                const vd value = vd_load(out + r + v * VD) * vd_all(up) * vd_all(up);

                vd_store(out + r + v * VD, value);
                sum[v] += value;
            }
        for (int v = 0; v < NV; v++)
            vd_store(lane + v * VD, sum[v]);
        if (block_sums)
            *block_sums++ = fold_lanes(lane);
        if (rows)
            memcpy(rows + begin, out, sizeof *out * (size_t)count);
    }
}
