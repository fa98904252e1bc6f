/* Distances of rows to centres, in float64 for both dtypes: 2 * VD rows in lanes against 4 centres at a time. */
#include "kernel/kmeans_variant.h"

#include "kernel/lanes.h"

#define ROWS    (2 * VD)
#define CENTERS 4
#define PIECE   128 /* features turned around at a time */

/* Adds to sum the squared differences over n_features. at[f * 2 + u] is feature f of VD rows. */
INLINE void add_squares(vd sum[CENTERS][2], const vd *at, int64_t n_features, const double *center, int64_t d)
{
    for (int64_t f = 0; f < n_features; f++)
        for (int j = 0; j < CENTERS; j++)
            for (int u = 0; u < 2; u++) {
                vd away = at[f * 2 + u] - vd_all(center[j * d + f]);

                sum[j][u] = vd_fma(away, away, sum[j][u]);
            }
}

/* Turns n_features from x around; only the first n rows exist, the others are left as zeros. */
INLINE void turn(vd *at, int is_f32, const char *x, int64_t n, int64_t d, int64_t n_features)
{
    for (int64_t f = 0; f < n_features; f++)
        for (int u = 0; u < 2; u++) {
            double one[VD] = {0};

            for (int64_t l = 0; l < VD && u * VD + l < n; l++)
                one[l] = number_from(is_f32, x, (u * VD + l) * d + f);
            at[f * 2 + u] = vd_load(one);
        }
}

INLINE void distances(void *out, int is_f32, const char *x, int64_t n, int64_t d, const double *centers, int32_t k)
{
    const int size = is_f32 ? 4 : 8;
    vd        at[PIECE * 2];
    double    lane[CENTERS][ROWS];

    for (int64_t r = 0; r < n; r += ROWS) {
        const int64_t rows = n - r < ROWS ? n - r : ROWS;

        for (int32_t j = 0; j < k; j += CENTERS) {
            const int some = k - j < CENTERS ? k - j : CENTERS;
            vd        sum[CENTERS][2];

            memset(sum, 0, sizeof sum);
            for (int64_t f = 0; f < d; f += PIECE) {
                const int64_t n_features = d - f < PIECE ? d - f : PIECE;

                if (j == 0 || d > PIECE)
                    turn(at, is_f32, x + (r * d + f) * size, rows, d, n_features);
                if (some == CENTERS)
                    add_squares(sum, at, n_features, centers + j * d + f, d);
                else
                    for (int i = 0; i < some; i++) /* with the stride 0: four times the same centre */
                    {
                        vd same[CENTERS][2];

                        for (int q = 0; q < CENTERS; q++)
                            memcpy(same[q], sum[i], sizeof same[q]);
                        add_squares(same, at, n_features, centers + (j + i) * d + f, 0);
                        memcpy(sum[i], same[0], sizeof sum[i]);
                    }
            }
            for (int i = 0; i < some; i++)
                for (int u = 0; u < 2; u++)
                    vd_store(&lane[i][u * VD], sum[i][u]);
            for (int64_t l = 0; l < rows; l++)
                for (int i = 0; i < some; i++) {
                    double distance = __builtin_sqrt(lane[i][l]);

                    if (is_f32)
                        ((any_float *)out)[(r + l) * k + j + i] = (float)distance;
                    else
                        ((any_double *)out)[(r + l) * k + j + i] = distance;
                }
        }
    }
}

void NAME(sbl_distances)(void *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *centers,
                         int32_t k)
{
    if (dtype == SABAL_FLOAT32)
        distances(out, 1, x, n, d, centers, k);
    else
        distances(out, 0, x, n, d, centers, k);
}
