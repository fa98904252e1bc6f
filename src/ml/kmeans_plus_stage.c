/* What tasks of k-means++ do: they keep, for each row, its squared distance to the nearest centre chosen so
 * far. */
#include "ml/kmeans.h"

#include <math.h>

#include "ml/kmeans_chunk.h"

static sabal_status distances_to(double *out, const sabal_ndarray *x, const double *point, sabal_error *err)
{
    return sbl_kmeans_distances_to(out, sabal_ndarray_dtype(x), sabal_ndarray_data(x), sabal_ndarray_extent(x, 0),
                                   sabal_ndarray_extent(x, 1), point, err);
}

sabal_status sbl_kmeans_closer_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                     size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_points    *points = sbl_value_data(in[n_in - 1], NULL);
    const double        *before = n_in == 3 ? sbl_value_data(in[1], NULL) : NULL;
    const sabal_ndarray *x      = NULL;
    sbl_value           *value  = NULL;
    double              *now    = NULL;
    int64_t              n      = 0;
    sabal_status         st     = sbl_dense(&x, in[0], err);

    if (!st) {
        n  = sabal_ndarray_extent(x, 0);
        st = sbl_bytes_create(&value, (void **)&now, (size_t)n * sizeof *now, err);
    }
    if (!st)
        st = distances_to(now, x, sbl_points_rows(points), err);
    if (!st) {
        for (int64_t i = 0; before && i < n; i++)
            now[i] = before[i] < now[i] ? before[i] : now[i];
        *out  = value;
        value = NULL;
    }
    sbl_value_release(value);
    sbl_handle_release(x);
    return st;
}

sabal_status sbl_kmeans_blocks_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                     size_t size, sabal_task *task, sabal_error *err)
{
    size_t        bytes;
    const double *closest  = sbl_value_data(in[0], &bytes);
    const double *weights  = n_in == 2 ? sbl_value_data(in[1], NULL) : NULL;
    int64_t       n        = (int64_t)(bytes / sizeof *closest);
    int64_t       n_blocks = (n + SBL_BLOCK_ROWS - 1) / SBL_BLOCK_ROWS;
    sbl_value    *value;
    double       *sums;
    sabal_status  st = sbl_bytes_create(&value, (void **)&sums, (size_t)n_blocks * sizeof *sums, err);

    if (st)
        return st;
    for (int64_t b = 0; b < n_blocks; b++) {
        int64_t end = (b + 1) * SBL_BLOCK_ROWS < n ? (b + 1) * SBL_BLOCK_ROWS : n;
        double  sum = 0;

        for (int64_t i = b * SBL_BLOCK_ROWS; i < end; i++)
            sum += weights ? weights[i] * closest[i] : closest[i];
        sums[b] = sum;
    }
    *out = value;
    return SABAL_OK;
}

sabal_status sbl_kmeans_trial_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                    size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p       = params;
    const sbl_points        *trials  = sbl_value_data(in[n_in - 1], NULL);
    const double            *closest = sbl_value_data(in[1], NULL);
    const double            *weights = p->weighted ? sbl_value_data(in[2], NULL) : NULL;
    const sabal_ndarray     *x       = NULL;
    sbl_value               *value   = NULL;
    double                  *partial, *dist = NULL;
    int64_t                  n  = 0;
    sabal_status             st = sbl_dense(&x, in[0], err);

    if (!st) {
        n    = sabal_ndarray_extent(x, 0);
        dist = sbl_buffer_alloc((size_t)n * sizeof *dist);
        st   = dist ? sbl_bytes_create(&value, (void **)&partial, (size_t)(1 + trials->m) * sizeof *partial, err)
                    : sbl_error_memory(err, (size_t)n * sizeof *dist, "distances of a chunk");
    }
    for (int64_t t = 0; t < trials->m && !st; t++) {
        double sum = 0;

        st = distances_to(dist, x, sbl_points_rows(trials) + t * trials->d, err);
        for (int64_t i = 0; i < n && !st; i++) {
            double near = closest[i] < dist[i] ? closest[i] : dist[i];

            sum += weights ? weights[i] * near : near;
        }
        partial[1 + t] = sum;
    }
    if (!st) {
        partial[0] = (double)INFINITY;
        *out       = value;
        value      = NULL;
    }
    sbl_value_release(value);
    sbl_buffer_free(dist, (size_t)n * sizeof *dist);
    sbl_handle_release(x);
    return st;
}

sabal_status sbl_kmeans_pick_closest_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in,
                                           const void *params, size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p       = params;
    const sbl_target        *targets = (const sbl_target *)(const void *)(p + 1);
    size_t                   bytes;
    const double            *closest = sbl_value_data(in[0], &bytes);
    const double            *weights = p->weighted ? sbl_value_data(in[1], NULL) : NULL;
    int64_t                  n       = (int64_t)(bytes / sizeof *closest), *rows;
    double                   shares[SBL_BLOCK_ROWS];
    sbl_value               *value;
    sabal_status             st = sbl_bytes_create(&value, (void **)&rows, (size_t)p->n_wanted * sizeof *rows, err);

    if (st)
        return st;
    for (int64_t t = 0; t < p->n_wanted; t++) {
        int64_t start = targets[t].block * SBL_BLOCK_ROWS;
        int64_t m     = n - start < SBL_BLOCK_ROWS ? n - start : SBL_BLOCK_ROWS;

        for (int64_t i = 0; i < m; i++)
            shares[i] = weights ? weights[start + i] * closest[start + i] : closest[start + i];
        rows[t] = p->first_row + start + pick_one(shares, m, targets[t].target);
    }
    *out = value;
    return SABAL_OK;
}
