/*
 * What tasks of k-means|| do: how far the rows of a chunk are from the candidates so far, which rows a draw hits, how many
 * are nearest to each candidate. Either each looks at the rows and all candidates; or what was found is kept between rounds,
 * 8 bytes a row, and a look is at new candidates alone.
 */
#include "ml/kmeans.h"

#include <math.h>
#include <string.h>

#include "kernel/kmeans.h"
#include "ml/kmeans_chunk.h"

_Static_assert(SBL_BLOCK_ROWS == SBL_NEAR_ROWS, "blocks are the kernel's");

/* What seeding asks of all rows; for near_done(), also after a failure. */
static sabal_status near_query(sbl_near *query, const struct rows *r, const double *weights, const sbl_points *points,
                               sabal_error *err)
{
    *query = (sbl_near){.dtype      = r->dtype,
                        .x          = r->x,
                        .n          = r->n,
                        .d          = r->d,
                        .weights    = weights,
                        .candidates = sbl_points_rows(points),
                        .m          = (int32_t)points->m,
                        .shift      = sbl_points_shift(points),
                        .scale      = points->scale};
    return scratch_take(&query->scratch, sbl_near_scratch(r->d, query->m), err);
}

static void near_done(sbl_near *query)
{
    if (query->scratch)
        sbl_buffer_free(query->scratch, sbl_near_scratch(query->d, query->m));
}

sabal_status sbl_kmeans_potential_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                        size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p     = params;
    sbl_near                 query = {0};
    struct rows              r     = {0};
    sbl_value               *value;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = near_query(&query, &r, p->weighted ? doubles_of(in[1]) : NULL, points_of(in, n_in), err);
    if (!st)
        st = doubles_create(&value, &query.block_sums, (r.n + SBL_BLOCK_ROWS - 1) / SBL_BLOCK_ROWS, err);
    if (!st) {
        sbl_near_look(&query);
        *out = value;
    }
    near_done(&query);
    rows_clear(&r);
    return st;
}

sabal_status sbl_kmeans_near_counts_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                          size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p     = params;
    sbl_near                 query = {0};
    struct rows              r     = {0};
    sbl_value               *value;
    double                  *partial;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = near_query(&query, &r, p->weighted ? doubles_of(in[1]) : NULL, points_of(in, n_in), err);
    if (!st)
        st = doubles_create(&value, &partial, SBL_PARTIAL_HEAD + query.m, err);
    if (!st) {
        partial[0]   = (double)INFINITY;
        query.counts = partial + SBL_PARTIAL_HEAD;
        sbl_near_look(&query);
        *out = value;
    }
    near_done(&query);
    rows_clear(&r);
    return st;
}

sabal_status sbl_kmeans_pick_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                   size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p       = params;
    const sbl_target        *targets = (const sbl_target *)(const void *)(p + 1);
    const sbl_points        *points  = points_of(in, n_in);
    size_t                   entry   = sizeof(sbl_picked) + (size_t)points->d * sizeof(double);
    const double            *weights = p->weighted ? doubles_of(in[1]) : NULL;
    sbl_near                 query   = {0};
    struct rows              r       = {0};
    double                   values[SBL_BLOCK_ROWS];
    sbl_value               *value;
    char                    *room;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = near_query(&query, &r, weights, points, err);
    if (!st)
        st = sbl_bytes_create(&value, (void **)&room, (size_t)p->n_wanted * entry, err);
    query.rows = values;
    for (int64_t i = 0; i < p->n_wanted && !st; i++) {
        int64_t     start  = targets[i].block * SBL_BLOCK_ROWS, row;
        sbl_picked *picked = (sbl_picked *)(void *)(room + (size_t)i * entry);

        if (i == 0 || targets[i].block != targets[i - 1].block) { /* they are sorted */
            query.x       = row_at(&r, start);
            query.n       = r.n - start < SBL_BLOCK_ROWS ? r.n - start : SBL_BLOCK_ROWS;
            query.weights = weights ? weights + start : NULL;
            sbl_near_look(&query);
        }
        row         = start + pick_one(values, query.n, targets[i].target);
        picked->row = p->first_row + row;
        row_out((double *)(void *)(picked + 1), &r, row);
    }
    if (!st)
        *out = value;
    near_done(&query);
    rows_clear(&r);
    return st;
}

/* --- with what is kept ----------------------------------------------------------------------------------------------- */

static int64_t kept_rows(const sbl_value *kept)
{
    size_t bytes;

    sbl_value_data(kept, &bytes);
    return (int64_t)(bytes / (sizeof(float) + sizeof(int32_t)));
}

static const float *kept_sqdist(const sbl_value *kept)
{
    return sbl_value_data(kept, NULL);
}

static const int32_t *kept_nearest(const sbl_value *kept)
{
    return (const int32_t *)(const void *)(kept_sqdist(kept) + kept_rows(kept));
}

sabal_status sbl_kmeans_kept_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                   size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p     = params;
    sbl_near                 query = {0};
    struct rows              r     = {0};
    sbl_value               *value;
    void                    *room;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = near_query(&query, &r, NULL, points_of(in, n_in), err);
    if (!st)
        st = sbl_bytes_create(&value, &room, (size_t)r.n * (sizeof(float) + sizeof(int32_t)), err);
    if (!st) {
        query.sqdist  = room;
        query.nearest = (int32_t *)(void *)(query.sqdist + r.n);
        query.first   = (int32_t)p->first;
        if (n_in == 3)
            memcpy(room, kept_sqdist(in[1]), (size_t)r.n * (sizeof(float) + sizeof(int32_t)));
        for (int64_t i = 0; n_in == 2 && i < r.n; i++) {
            query.sqdist[i]  = (float)INFINITY;
            query.nearest[i] = 0;
        }
        sbl_near_look(&query);
        *out = value;
    }
    near_done(&query);
    rows_clear(&r);
    return st;
}

/* The shares in the potential of rows `from` on, n of them. */
static double kept_shares(double *out, const sbl_value *kept, const double *weights, int64_t from, int64_t n)
{
    const float *sqdist = kept_sqdist(kept) + from;
    double       sum    = 0;

    for (int64_t i = 0; i < n; i++) {
        out[i] = weights ? (double)sqdist[i] * weights[from + i] : (double)sqdist[i];
        sum += out[i];
    }
    return sum;
}

sabal_status sbl_kmeans_kept_blocks_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                          size_t size, sabal_task *task, sabal_error *err)
{
    const double *weights = n_in == 2 ? doubles_of(in[1]) : NULL;
    int64_t       n       = kept_rows(in[0]);
    double        shares[SBL_BLOCK_ROWS], *sums;
    sbl_value    *value;
    sabal_status  st = doubles_create(&value, &sums, (n + SBL_BLOCK_ROWS - 1) / SBL_BLOCK_ROWS, err);

    if (st)
        return st;
    for (int64_t from = 0; from < n; from += SBL_BLOCK_ROWS)
        sums[from / SBL_BLOCK_ROWS] =
            kept_shares(shares, in[0], weights, from, n - from < SBL_BLOCK_ROWS ? n - from : SBL_BLOCK_ROWS);
    *out = value;
    return SABAL_OK;
}

sabal_status sbl_kmeans_kept_pick_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                        size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p       = params;
    const sbl_target        *targets = (const sbl_target *)(const void *)(p + 1);
    const double            *weights = p->weighted ? doubles_of(in[2]) : NULL;
    struct rows              r       = {0};
    double                   shares[SBL_BLOCK_ROWS];
    sbl_value               *value;
    char                    *room;
    size_t                   entry = 0;
    sabal_status             st    = rows_take(&r, in[0], err);

    if (!st) {
        entry = sizeof(sbl_picked) + (size_t)r.d * sizeof(double);
        st    = sbl_bytes_create(&value, (void **)&room, (size_t)p->n_wanted * entry, err);
    }
    for (int64_t i = 0; i < p->n_wanted && !st; i++) {
        int64_t     start  = targets[i].block * SBL_BLOCK_ROWS;
        int64_t     n      = r.n - start < SBL_BLOCK_ROWS ? r.n - start : SBL_BLOCK_ROWS, row;
        sbl_picked *picked = (sbl_picked *)(void *)(room + (size_t)i * entry);

        if (i == 0 || targets[i].block != targets[i - 1].block) /* they are sorted */
            kept_shares(shares, in[1], weights, start, n);
        row         = start + pick_one(shares, n, targets[i].target);
        picked->row = p->first_row + row;
        row_out((double *)(void *)(picked + 1), &r, row);
    }
    if (!st)
        *out = value;
    rows_clear(&r);
    return st;
}

sabal_status sbl_kmeans_kept_counts_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                          size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p       = params;
    const int32_t           *nearest = kept_nearest(in[0]);
    const double            *weights = n_in == 2 ? doubles_of(in[1]) : NULL;
    int64_t                  n       = kept_rows(in[0]);
    sbl_value               *value;
    double                  *partial;
    sabal_status             st = doubles_create(&value, &partial, SBL_PARTIAL_HEAD + p->n_wanted, err);

    if (st)
        return st;
    memset(partial, 0, (size_t)(SBL_PARTIAL_HEAD + p->n_wanted) * sizeof *partial);
    partial[0] = (double)INFINITY;
    for (int64_t i = 0; i < n; i++)
        partial[SBL_PARTIAL_HEAD + nearest[i]] += weights ? weights[i] : 1;
    *out = value;
    return SABAL_OK;
}
