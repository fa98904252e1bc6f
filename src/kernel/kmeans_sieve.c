/*
 * |c|^2 - 2 x.c in float32, x and c about the shift and scaled so that the longest c has length 1/2 to 1.
 *
 * With u = 2^-24 and d features, an fma chain from |c|^2 over d products adds at most d u M to what its inputs say, where
 * M = |c|^2 + 2 |x||c| bounds every partial sum (Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition,
 * chapter 3); rounding x, c and |c|^2 to float32 adds 2 u 2|x||c| + u |c|^2, so E = (d + 3) u M in all, to first order. The
 * float64 sum that a caller would form is about the shift or about 0, and off by at most 8 (d + 3) 2^-53 M (kmeans.c:
 * shifted()). The bound here is (d + 8) u M with M <= 2 |c|^2 + |x|^2 for the longest c: the 5 u M more are for that, for
 * terms of second order (d u < 2^-14), for the rounding of |x|^2 and of the bound itself, and for numbers below the normal
 * ones, which are off by 2^-150 and not by u.
 */
#include "kernel/kmeans_sieve.h"

#include <math.h>

#define PIECE 64 /* features between two prefetches */

struct packed {
    int32_t k;
    int64_t d;
    double  scale;     /* a power of two */
    float   longest;   /* twice the square of the longest centre */
    float   precision; /* 2 (d + 8) u */
    float  *centers;   /* -2 c, in tiles */
    float  *norms;     /* |c|^2; infinite for centres there are not */
    double *shift;
};

static size_t aligned(size_t n) { return (n + 63) & ~(size_t)63; }

static size_t place(struct packed *p, int32_t k, int64_t d)
{
    const size_t room    = (size_t)tiles_of(k) * TILE_CENTERS;
    const size_t head    = aligned(sizeof *p);
    const size_t centers = aligned(room * (size_t)d * sizeof(float)), norms = aligned(room * sizeof(float));

    if (p) {
        p->centers = (float *)(void *)((char *)p + head);
        p->norms   = (float *)(void *)((char *)p + head + centers);
        p->shift   = (double *)(void *)((char *)p + head + centers + norms);
    }
    return head + centers + norms + aligned((size_t)d * sizeof(double));
}

size_t NAME(sbl_sieve_packed)(int32_t k, int64_t d) { return place(NULL, k, d); }

size_t NAME(sbl_sieve_scratch)(int64_t d) { return aligned((size_t)d * SIEVE_ROWS * sizeof(float)); }

void NAME(sbl_sieve_pack)(void *packed, int32_t k, int64_t d, const double *centers, const double *shift)
{
    struct packed *p       = packed;
    double         longest = 0;
    int            exponent;

    memset(packed, 0, place(NULL, k, d));
    place(p, k, d);
    p->k = k;
    p->d = d;
    for (int64_t f = 0; shift && f < d; f++)
        p->shift[f] = shift[f];
    for (int32_t j = 0; j < k; j++) {
        double norm = 0;

        for (int64_t f = 0; f < d; f++)
            norm += (centers[j * d + f] - p->shift[f]) * (centers[j * d + f] - p->shift[f]);
        longest = norm > longest ? norm : longest;
    }
    frexp(sqrt(longest), &exponent);
    p->scale     = longest > 0 && isfinite(longest) ? ldexp(1, -exponent) : 1;
    p->longest   = (float)(2 * longest * p->scale * p->scale);
    p->precision = 2 * (float)(d + 8) * 0x1p-24f;
    for (int64_t j = 0; j < tiles_of(k) * TILE_CENTERS; j++)
        p->norms[j] = INFINITY;
    for (int32_t j = 0; j < k; j++) {
        double norm = 0;

        for (int64_t f = 0; f < d; f++) {
            const double c = (centers[j * d + f] - p->shift[f]) * p->scale;

            norm += c * c;
            p->centers[tile_index(j, f, d)] = (float)(-2 * c);
        }
        p->norms[j] = (float)norm;
    }
}

/* What is known of a panel's rows. */
struct nearest {
    vf least[TILE_VECTORS], second[TILE_VECTORS], which[TILE_VECTORS];
};

INLINE void compare(struct nearest *to, vf sum[TILE_CENTERS][TILE_VECTORS], int64_t first)
{
    _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)
    {
        const vf index = vf_all_bits((int32_t)first + j);

        _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
        {
            to->which[u]  = vf_select(vf_less(sum[j][u], to->least[u]), index, to->which[u]);
            to->second[u] = vf_min(vf_max(sum[j][u], to->least[u]), to->second[u]);
            to->least[u]  = vf_min(sum[j][u], to->least[u]);
        }
    }
}

/* A bit for each row whose least sum and the next are so close that rounding could have changed their order. NaN is. */
INLINE uint64_t doubted(const struct packed *p, const struct nearest *found, const float *at)
{
    vf       square[TILE_VECTORS];
    float    spare[SIEVE_ROWS] __attribute__((aligned(64)));
    uint64_t bits = 0;

    _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++) square[u] = vf_all(p->longest);
    for (int64_t f = 0; f < p->d; f++, at += SIEVE_ROWS)
        _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
        {
            const vf a = vf_load(at + u * VF);

            square[u] = vf_fma(a, a, square[u]);
        }
    _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
        vf_store(spare + u * VF, (found->second[u] - found->least[u]) - square[u] * vf_all(p->precision));
    for (int r = 0; r < SIEVE_ROWS; r++)
        bits |= (uint64_t) !(spare[r] > 0) << r;
    return bits;
}

uint64_t NAME(sbl_sieve)(int64_t label[SIEVE_ROWS], const void *packed, const void *x, int64_t n, void *scratch,
                         const void *next)
{
    const struct packed *p = packed;
    const int64_t        d = p->d, tiles = tiles_of(p->k);
    const int64_t        share = SIEVE_ROWS * d * (int64_t)sizeof(double) / (tiles * ((d + PIECE - 1) / PIECE)) + 1;
    const char          *ahead = next;
    float               *at    = scratch;
    struct nearest       found;
    int32_t              which[SIEVE_ROWS] __attribute__((aligned(64)));

    turn_panel(at, 0, x, n, d, p->shift, p->scale, 0);
    _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++)
    {
        found.least[u] = found.second[u] = vf_all(INFINITY);
        found.which[u]                   = vf_all_bits(0);
    }
    for (int64_t tile = 0; tile < tiles; tile++) {
        vf sum[TILE_CENTERS][TILE_VECTORS];

        _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)
            _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++) sum[j][u] =
                vf_all(p->norms[tile * TILE_CENTERS + j]);
        for (int64_t f = 0; f < d; f += PIECE, ahead += share) {
            for (int64_t byte = 0; byte < share; byte += 64)
                __builtin_prefetch(ahead + byte);
            vf_tile(sum, at + f * SIEVE_ROWS, p->centers + (tile * d + f) * TILE_CENTERS,
                    d - f < PIECE ? d - f : PIECE);
        }
        compare(&found, sum, tile * TILE_CENTERS);
    }
    _Pragma("GCC unroll 3") for (int u = 0; u < TILE_VECTORS; u++) vf_store(which + u * VF, found.which[u]);
    for (int r = 0; r < SIEVE_ROWS; r++)
        label[r] = which[r];
    return doubted(p, &found, at) & (n < SIEVE_ROWS ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0 >> (64 - SIEVE_ROWS));
}
