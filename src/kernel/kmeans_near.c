/*
 * How far rows are from the nearest of some candidates. It only steers a random choice, so float32 is enough: rows and
 * candidates about the shift, and scaled so that no square overflows. By differences, never by products: where few rows lie
 * far from the rest, products would lose all that tells the rest apart. Few features: rows of a block are turned around
 * first, feature by feature, each BLOCK long. More: in panels of ROWS rows, turned around too, which meet the candidates
 * tile by tile.
 */
#include "kernel/kmeans_variant.h"

#include <math.h>

#include "kernel/kmeans_tile.h"
#include "kernel/kmeans_turn.h"
#include "kernel/lanes.h"

#define BLOCK      SBL_NEAR_ROWS
#define MAX_DIRECT 4 /* features: blocks up to here, panels from there on */

#define ROWS TURN_ROWS

struct candidates {
    int32_t       m;
    int64_t       d;
    const double *shift; /* (d) */
    double        scale;
    float        *near; /* (candidate - shift) * scale: (m, d), or in tiles */
    float        *at;   /* rows, turned around */
};

/* What a block's rows are to the candidates. */
struct found {
    float   sqdist[BLOCK + ROWS] __attribute__((aligned(64))); /* whole panels */
    int32_t nearest[BLOCK + ROWS] __attribute__((aligned(64)));
};

/* Turns n rows around into at[f * BLOCK + r], float32 of (x - shift) * scale, up to a whole vector. */
INLINE void turn(float *at, int is_f32, const char *x, int64_t n, const int d, const double *shift, double scale)
{
    const int64_t size = d * (is_f32 ? 4 : 8);
    int64_t       r    = 0;

    for (; r + VD <= n; r += VD) {
        vd row[MAX_DIRECT];

        load_rows(row, is_f32, x + r * size, d);
        for (int f = 0; f < d; f++)
            vd_narrow(at + f * BLOCK + r, (row[f] - vd_all(shift[f])) * vd_all(scale));
    }
    for (int f = 0; f < d; f++) {
        for (int64_t i = r; i < n; i++)
            at[f * BLOCK + i] = (float)((number_from(is_f32, x + i * size, f) - shift[f]) * scale);
        for (int64_t i = n; i % VF; i++)
            at[f * BLOCK + i] = 0;
    }
}

/* Some candidates, side by side in registers, against all rows of a block. Meanwhile the next block's memory comes. */
INLINE void lower(struct found *to, const float *at, int64_t n, const int d, const float *candidates, int32_t first,
                  const int some, const int named, const char *next)
{
    vf near[4][MAX_DIRECT];

    for (int j = 0; j < some; j++)
        for (int f = 0; f < d; f++)
            near[j][f] = vf_all(candidates[j * d + f]);
    for (int64_t r = 0; r < n; r += VF) {
        vf now = vf_load(to->sqdist + r), row[MAX_DIRECT], who = now;

        if (named)
            who = vf_load(to->nearest + r);
        __builtin_prefetch(next + r * (64 / VF));
        for (int f = 0; f < d; f++)
            row[f] = vf_load(at + f * BLOCK + r);
        for (int j = 0; j < some; j++) {
            vf away = row[0] - near[j][0], sum = away * away;

            for (int f = 1; f < d; f++) {
                away = row[f] - near[j][f];
                sum  = vf_fma(away, away, sum);
            }
            if (named)
                who = vf_select(vf_less(sum, now), vf_all_bits(first + j), who);
            now = vf_min_positive(sum, now);
        }
        vf_store(to->sqdist + r, now);
        if (named)
            vf_store(to->nearest + r, who);
    }
}

/* One block of few features. */
INLINE void direct(struct found *to, int is_f32, const char *x, int64_t n, const int d, const struct candidates *c,
                   const int named)
{
    const int   some = d <= 2 ? 4 : 2; /* as many as find room in 16 registers */
    const char *next = x + BLOCK * d * (is_f32 ? 4 : 8);
    int32_t     j    = 0;

    turn(c->at, is_f32, x, n, d, c->shift, c->scale);
    for (int64_t r = 0; r < n; r += VF) {
        vf_store(to->sqdist + r, vf_all(INFINITY));
        if (named)
            vf_store(to->nearest + r, vf_all_bits(0));
    }
    for (; j + some <= c->m; j += some, next += BLOCK * (64 / VF))
        lower(to, c->at, n, d, c->near + j * d, j, some, named, next);
    for (; j < c->m; j++, next += BLOCK * (64 / VF))
        lower(to, c->at, n, d, c->near + j * d, j, 1, named, next);
}

/* Adds the squares of differences of some features. A sum is one fma chain over the features in order. */
INLINE void tile_away(vf sum[TILE_CENTERS][TILE_VECTORS], const float *at, const float *near, int64_t n_features)
{
    for (int64_t f = 0; f < n_features; f++, at += ROWS, near += TILE_CENTERS) {
        const vf a0 = vf_load(at), a1 = vf_load(at + VF), a2 = vf_load(at + 2 * VF);

        _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)
        {
            const vf b = vf_all(near[j]);
            vf       away;

            away      = a0 - b;
            sum[j][0] = vf_fma(away, away, sum[j][0]);
            away      = a1 - b;
            sum[j][1] = vf_fma(away, away, sum[j][1]);
            away      = a2 - b;
            sum[j][2] = vf_fma(away, away, sum[j][2]);
        }
    }
}

/* One block of many features. */
INLINE void panels(struct found *to, int is_f32, const char *x, int64_t n, const struct candidates *c, const int named)
{
    const int64_t d = c->d;

    for (int64_t r = 0; r < n; r += ROWS, x += ROWS * d * (is_f32 ? 4 : 8)) {
        vf least[TILE_VECTORS], who[TILE_VECTORS], sum[TILE_CENTERS][TILE_VECTORS];

        turn_panel(c->at, is_f32, x, n - r, d, c->shift, c->scale, ROWS * d * (is_f32 ? 4 : 8));
        _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
        {
            least[u] = vf_all(INFINITY);
            who[u]   = vf_all_bits(0);
        }
        for (int64_t tile = 0; tile < tiles_of(c->m); tile++) {
            _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)
                _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++) sum[j][u] = vf_all(0);
            tile_away(sum, c->at, c->near + tile * d * TILE_CENTERS, d);
            _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)
                _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
            {
                if (named)
                    who[u] = vf_select(vf_less(sum[j][u], least[u]), vf_all_bits(tile * TILE_CENTERS + j), who[u]);
                least[u] = vf_min(sum[j][u], least[u]);
            }
        }
        _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
        {
            vf_store(to->sqdist + r + u * VF, least[u]);
            if (named)
                vf_store(to->nearest + r + u * VF, who[u]);
        }
    }
}

INLINE void block_of(struct found *to, int is_f32, const char *x, int64_t n, const struct candidates *c,
                     const int named)
{
    switch (c->d) {
    case 1:
        direct(to, is_f32, x, n, 1, c, named);
        break;
    case 2:
        direct(to, is_f32, x, n, 2, c, named);
        break;
    case 3:
        direct(to, is_f32, x, n, 3, c, named);
        break;
    case 4:
        direct(to, is_f32, x, n, 4, c, named);
        break;
    default:
        panels(to, is_f32, x, n, c, named);
    }
}

typedef void block_fn(struct found *to, const char *x, int64_t n, const struct candidates *c);
#define BLOCK_FN(name, is_f32, named)                                                                                  \
    static __attribute__((noinline)) void name(struct found *to, const char *x, int64_t n, const struct candidates *c) \
    {                                                                                                                  \
        block_of(to, is_f32, x, n, c, named);                                                                          \
    }
BLOCK_FN(block_f64, 0, 0)
BLOCK_FN(block_f32, 1, 0)
BLOCK_FN(block_f64_named, 0, 1)
BLOCK_FN(block_f32_named, 1, 1)
static block_fn *const BLOCK_OF[2][2] = {{block_f64, block_f32}, {block_f64_named, block_f32_named}}; /* [named][f32] */

/* Lays the candidates out in scratch; what fills the last tile is infinitely far away. */
static void prepare(struct candidates *c, const sbl_near *q)
{
    const int64_t room = tiles_of(q->m) * TILE_CENTERS * q->d;

    *c    = (struct candidates){.m = q->m, .d = q->d, .shift = q->shift, .scale = q->scale, .near = q->scratch};
    c->at = c->near + room;
    for (int64_t i = 0; q->d > MAX_DIRECT && i < room; i++)
        c->near[i] = INFINITY;
    for (int32_t j = 0; j < q->m; j++)
        for (int64_t f = 0; f < q->d; f++)
            c->near[q->d > MAX_DIRECT ? tile_index(j, f, q->d) : j * q->d + f] =
                (float)((q->candidates[j * q->d + f] - q->shift[f]) * q->scale);
}

/* The rows' shares of the potential, and their sum in the virtual lanes. */
static double shares(double out[BLOCK], const float *sqdist, int64_t n, const double *weights)
{
    double lane[SBL_LANES];
    vd     sum[NV];

    for (int64_t r = 0; r < n; r++)
        out[r] = weights ? (double)sqdist[r] * weights[r] : (double)sqdist[r];
    for (int64_t r = n; r % SBL_LANES; r++)
        out[r] = 0;
    memset(sum, 0, sizeof sum);
    for (int64_t r = 0; r < n; r += SBL_LANES)
        for (int v = 0; v < NV; v++)
            sum[v] += vd_load(out + r + v * VD);
    for (int v = 0; v < NV; v++)
        vd_store(lane + v * VD, sum[v]);
    return fold_lanes(lane);
}

/* Merges what was found with what was known; found.sqdist then holds the less. */
static void merge(const sbl_near *q, struct found *found, int64_t begin, int64_t n)
{
    float   *sqdist  = q->sqdist + begin;
    int32_t *nearest = q->nearest + begin;

    for (int64_t r = 0; r < n; r++) {
        const int closer = found->sqdist[r] < sqdist[r];

        nearest[r]       = closer ? q->first + found->nearest[r] : nearest[r];
        sqdist[r]        = closer ? found->sqdist[r] : sqdist[r];
        found->sqdist[r] = sqdist[r];
    }
}

size_t NAME(sbl_near_scratch)(int64_t d, int32_t m)
{
    const size_t tiles = (size_t)tiles_of(m) * TILE_CENTERS;

    return sizeof(float) * ((size_t)d * (d <= MAX_DIRECT ? BLOCK : ROWS) + tiles * (size_t)d);
}

void NAME(sbl_near)(const sbl_near *q)
{
    const int         f32   = q->dtype == SABAL_FLOAT32;
    block_fn         *block = BLOCK_OF[q->counts || q->sqdist][f32];
    struct candidates c;
    struct found      found;
    double            out[BLOCK];

    prepare(&c, q);
    if (q->counts)
        memset(q->counts, 0, sizeof *q->counts * (size_t)q->m);
    for (int64_t begin = 0; begin < q->n; begin += BLOCK) {
        const int64_t n       = q->n - begin < BLOCK ? q->n - begin : BLOCK;
        const double *weights = q->weights ? q->weights + begin : NULL;
        double        sum;

        block(&found, (const char *)q->x + begin * q->d * (f32 ? 4 : 8), n, &c);
        if (q->sqdist)
            merge(q, &found, begin, n);
        for (int64_t r = 0; q->counts && r < n; r++)
            q->counts[found.nearest[r]] += weights ? weights[r] : 1.0;
        if (!q->block_sums && !q->rows)
            continue;
        sum = shares(out, found.sqdist, n, weights);
        if (q->block_sums)
            q->block_sums[begin / BLOCK] = sum;
        if (q->rows)
            memcpy(q->rows + begin, out, sizeof *out * (size_t)n);
    }
}
