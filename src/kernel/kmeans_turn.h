/*
 * Rows as float32, turned around: a panel of TURN_ROWS rows about the shift and times scale, feature by feature, so that
 * lanes hold rows.
 */
#ifndef SBL_KERNEL_KMEANS_TURN_H
#define SBL_KERNEL_KMEANS_TURN_H

#include "kernel/kmeans_tile.h"
#include "kernel/lanes.h"

#define TURN_ROWS (TILE_VECTORS * VF)

/* at[f * TURN_ROWS + r] is float32 of (x[r, f] - shift[f]) * scale; rows from n on are zeros. ahead: bytes from x to what is
   to come into the caches meanwhile; 0: nothing. */
INLINE void turn_panel(float *at, int is_f32, const char *x, int64_t n, int64_t d, const double *shift, double scale,
                       int64_t ahead)
{
    const int size = is_f32 ? 4 : 8;

    if (n < TURN_ROWS) {
        for (int64_t f = 0; f < d; f++)
            for (int64_t r = 0; r < TURN_ROWS; r++)
                at[f * TURN_ROWS + r] = r < n ? (float)((number_from(is_f32, x, r * d + f) - shift[f]) * scale) : 0;
        return;
    }
    for (int64_t r = 0; r < TURN_ROWS; r += VD) {
        const char *row = x + r * d * size;
        int64_t     f   = 0;

        for (int64_t byte = 0; ahead && byte < VD * d * size; byte += 64)
            __builtin_prefetch(row + ahead + byte);
#if !defined(VECTOR_PLAIN)
        for (; f + 2 <= d; f += 2) {
            vd two[2];

            if (is_f32)
                pair_f32(two, (const float *)row + f, d);
            else
                pair_f64(two, (const double *)row + f, d);
            vd_narrow(at + f * TURN_ROWS + r, (two[0] - vd_all(shift[f])) * vd_all(scale));
            vd_narrow(at + (f + 1) * TURN_ROWS + r, (two[1] - vd_all(shift[f + 1])) * vd_all(scale));
        }
#endif
        for (; f < d; f++)
            vd_narrow(at + f * TURN_ROWS + r,
                      (vd_gather(is_f32, row + f * size, d) - vd_all(shift[f])) * vd_all(scale));
    }
}

#endif
