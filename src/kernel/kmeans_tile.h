/*
 * The heart of the kernels for many features: TILE_VECTORS vectors of rows against TILE_CENTERS centres, all sums in
 * registers. Rows come turned around, at[f * ROWS + r], centres so that those of a tile lie side by side for each
 * feature. A sum is one fma chain over the features in order, so neither the tile's shape nor where a long chain is
 * cut and taken up again changes a bit.
 */
#ifndef SBL_KERNEL_KMEANS_TILE_H
#define SBL_KERNEL_KMEANS_TILE_H

#include "kernel/lanes.h"

/* 12 chains (24 on AVX-512, with its 32 registers) for 2 units of latency 4, and few loads for each product. */
#define TILE_VECTORS 3
#if VD == 8
#define TILE_CENTERS 8
#else
#define TILE_CENTERS 4
#endif
#define TILE_FEATURES 256 /* so many of a tile's rows stay in the first cache */

#define DEFINE_TILE(v, T, W)                                                                                           \
    enum { v##_ROWS = TILE_VECTORS * (W) };                                                                            \
    INLINE void v##_tile(v sum[TILE_CENTERS][TILE_VECTORS], const T *at, const T *centers, int64_t n_features)         \
    {                                                                                                                  \
        for (int64_t f = 0; f < n_features; f++, at += v##_ROWS, centers += TILE_CENTERS) {                            \
            const v a0 = v##_load(at), a1 = v##_load(at + (W)), a2 = v##_load(at + 2 * (W));                           \
            _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)                                             \
            {                                                                                                          \
                const v b = v##_all(centers[j]);                                                                       \
                                                                                                                       \
                sum[j][0] = v##_fma(a0, b, sum[j][0]);                                                                 \
                sum[j][1] = v##_fma(a1, b, sum[j][1]);                                                                 \
                sum[j][2] = v##_fma(a2, b, sum[j][2]);                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    }
DEFINE_TILE(vd, double, VD)
DEFINE_TILE(vf, float, VF)

/* Centres of a tile side by side; what fills the last tile is zero. packed holds tiles_of(k) * d * TILE_CENTERS. */
INLINE int64_t tiles_of(int32_t k) { return (k + TILE_CENTERS - 1) / TILE_CENTERS; }
INLINE int64_t tile_index(int32_t j, int64_t f, int64_t d)
{
    return (j / TILE_CENTERS * d + f) * TILE_CENTERS + j % TILE_CENTERS;
}

#endif
