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

#endif
