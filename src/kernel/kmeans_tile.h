/*
 * Tiles, where lanes hold rows: TILE_VECTORS vectors of rows against TILE_CENTERS points, all sums in registers. The points
 * of a tile lie side by side for each feature.
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

INLINE int64_t tiles_of(int32_t k) { return (k + TILE_CENTERS - 1) / TILE_CENTERS; }
INLINE int64_t tile_index(int32_t j, int64_t f, int64_t d)
{
    return (j / TILE_CENTERS * d + f) * TILE_CENTERS + j % TILE_CENTERS;
}

/* Adds products of vectors of rows and the points of a tile. A sum is one fma chain over the features in order. */
#define TILE_PRODUCTS(T, V, W, VEC)                                                                                    \
    INLINE void VEC(tile)(V sum[TILE_CENTERS][TILE_VECTORS], const T *at, const T *centers, int64_t n_features)        \
    {                                                                                                                  \
        for (int64_t f = 0; f < n_features; f++, at += TILE_VECTORS * W, centers += TILE_CENTERS) {                    \
            const V a0 = VEC(load)(at), a1 = VEC(load)(at + W), a2 = VEC(load)(at + 2 * W);                            \
                                                                                                                       \
            _Pragma("GCC unroll 8") for (int j = 0; j < TILE_CENTERS; j++)                                             \
            {                                                                                                          \
                const V b = VEC(all)(centers[j]);                                                                      \
                                                                                                                       \
                sum[j][0] = VEC(fma)(a0, b, sum[j][0]);                                                                \
                sum[j][1] = VEC(fma)(a1, b, sum[j][1]);                                                                \
                sum[j][2] = VEC(fma)(a2, b, sum[j][2]);                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }
#define TILE_F64(f) vd_##f
#define TILE_F32(f) vf_##f
TILE_PRODUCTS(double, vd, VD, TILE_F64)
TILE_PRODUCTS(float, vf, VF, TILE_F32)

#endif
