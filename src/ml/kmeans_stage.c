/* What tasks of k-means do to a chunk of rows: thin wrappers that give the kernels their memory. */
#include "ml/kmeans.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "kernel/kmeans.h"
#include "ml/kmeans_chunk.h"

static sbl_kmeans_centers *centers_of(const struct rows *r, const sbl_points *p, sabal_error *err)
{
    sbl_kmeans_centers *c =
        sbl_kmeans_centers_create(r->dtype, (int32_t)p->m, p->d, sbl_points_rows(p), sbl_points_shift(p));

    if (!c)
        sbl_error_memory(err, (size_t)(p->m * p->d) * sizeof(double), "centres made ready for a pass");
    return c;
}

sabal_status sbl_kmeans_moments_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                      size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p     = params;
    const sbl_points        *pilot = points_of(in, n_in);
    struct rows              r     = {0};
    sbl_value               *value;
    double                  *partial;
    int64_t                  bad;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = doubles_create(&value, &partial, 1 + 2 * r.d, err);
    if (!st) {
        bad = sbl_kmeans_moments(r.dtype, r.x, r.n, r.d, sbl_points_rows(pilot), NULL, partial + 1, partial + 1 + r.d);
        partial[0] = bad < 0 ? (double)INFINITY : (double)(p->first_row * r.d + bad);
        *out       = value;
    }
    rows_clear(&r);
    return st;
}

sabal_status sbl_kmeans_assign_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                     size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p            = params;
    const sbl_points        *points       = points_of(in, n_in);
    int64_t                  m            = points->m;
    struct rows              r            = {0};
    sbl_kmeans_centers      *centers      = NULL;
    void                    *scratch      = NULL;
    size_t                   scratch_size = 0;
    sbl_value               *value;
    double                  *partial;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st && !(centers = centers_of(&r, points, err)))
        st = SABAL_ENOMEM;
    if (!st) {
        scratch_size = sbl_kmeans_scratch_size(centers);
        st           = scratch_take(&scratch, scratch_size, err);
    }
    if (!st)
        st = doubles_create(&value, &partial, 2 + m + (p->want & SBL_WANT_SUMS ? m * r.d : 0), err);
    if (!st) {
        partial[0] = (double)INFINITY;
        partial[1] = 0;
        sbl_kmeans_assign(centers, r.x, r.n, p->weighted ? doubles_of(in[1]) : NULL,
                          p->want & SBL_WANT_SUMS ? partial + 2 + m : NULL, partial + 2,
                          p->want & SBL_WANT_INERTIA ? partial + 1 : NULL, NULL, NULL, scratch);
        *out = value;
    }
    sbl_buffer_free(scratch, scratch_size);
    sbl_kmeans_centers_destroy(centers);
    rows_clear(&r);
    return st;
}

sabal_status sbl_kmeans_gather_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                     size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p    = params;
    const int64_t           *rows = (const int64_t *)(const void *)(p + 1);
    struct rows              r    = {0};
    sbl_value               *value;
    double                  *room;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = doubles_create(&value, &room, p->n_wanted * r.d, err);
    if (!st) {
        for (int64_t i = 0; i < p->n_wanted; i++)
            row_out(room + i * r.d, &r, rows[i]);
        *out = value;
    }
    rows_clear(&r);
    return st;
}

/* Labels and squared distances of all rows of a chunk. */
static sabal_status assign_rows(const struct rows *r, const sbl_points *points, int32_t *labels, double *sqdist,
                                sabal_error *err)
{
    sbl_kmeans_centers *centers = centers_of(r, points, err);
    size_t              size    = centers ? sbl_kmeans_scratch_size(centers) : 0;
    void               *scratch = NULL;
    sabal_status        st      = centers ? scratch_take(&scratch, size, err) : SABAL_ENOMEM;

    if (!st)
        sbl_kmeans_assign(centers, r->x, r->n, NULL, NULL, NULL, NULL, labels, sqdist, scratch);
    sbl_buffer_free(scratch, size);
    sbl_kmeans_centers_destroy(centers);
    return st;
}

/* Puts row i in its place among the n_wanted farthest; farther first, ties by row. */
static void far_insert(char *room, size_t entry, int64_t n_wanted, const struct rows *r, int64_t i, int64_t first_row,
                       double dist, int32_t label)
{
    int64_t  at   = n_wanted;
    sbl_far *here = NULL;

    while (at > 0 && ((sbl_far *)(void *)(room + (size_t)(at - 1) * entry))->dist < dist)
        at--;
    if (at == n_wanted)
        return;
    memmove(room + (size_t)(at + 1) * entry, room + (size_t)at * entry, (size_t)(n_wanted - 1 - at) * entry);
    here  = (sbl_far *)(void *)(room + (size_t)at * entry);
    *here = (sbl_far){.dist = dist, .row = first_row + i, .label = label};
    row_out((double *)(void *)(here + 1), r, i);
}

sabal_status sbl_kmeans_farthest_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                       size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p      = params;
    const sbl_points        *points = points_of(in, n_in);
    size_t                   entry  = sizeof(sbl_far) + (size_t)points->d * sizeof(double);
    struct rows              r      = {0};
    int32_t                 *labels = NULL;
    double                  *sqdist = NULL;
    sbl_value               *value;
    char                    *room;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st) {
        labels = sbl_buffer_alloc((size_t)r.n * sizeof *labels);
        sqdist = sbl_buffer_alloc((size_t)r.n * sizeof *sqdist);
        if (!labels || !sqdist)
            st = sbl_error_memory(err, (size_t)r.n * sizeof *sqdist, "distances of a chunk");
    }
    if (!st)
        st = assign_rows(&r, points, labels, sqdist, err);
    if (!st)
        st = sbl_bytes_create(&value, (void **)&room, (size_t)p->n_wanted * entry, err);
    if (!st) {
        for (int64_t i = 0; i < p->n_wanted; i++)
            *(sbl_far *)(void *)(room + (size_t)i * entry) = (sbl_far){.dist = -1};
        for (int64_t i = 0; i < r.n; i++)
            if (sqdist[i] > ((sbl_far *)(void *)(room + (size_t)(p->n_wanted - 1) * entry))->dist)
                far_insert(room, entry, p->n_wanted, &r, i, p->first_row, sqdist[i], labels[i]);
        *out = value;
    }
    sbl_buffer_free(labels, (size_t)r.n * sizeof *labels);
    sbl_buffer_free(sqdist, (size_t)r.n * sizeof *sqdist);
    rows_clear(&r);
    return st;
}

sabal_status sbl_kmeans_combine_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                      size_t size, sabal_task *task, sabal_error *err)
{
    sbl_value   *value;
    double      *room;
    size_t       bytes;
    int64_t      n;
    sabal_status st;

    sbl_value_data(in[0], &bytes);
    n  = (int64_t)(bytes / sizeof(double));
    st = doubles_create(&value, &room, n, err);
    if (st)
        return st;
    memcpy(room, doubles_of(in[0]), bytes);
    for (int32_t j = 1; j < n_in; j++) {
        const double *from = doubles_of(in[j]);

        room[0] = from[0] < room[0] ? from[0] : room[0];
        for (int64_t i = 1; i < n; i++)
            room[i] += from[i];
    }
    *out = value;
    return SABAL_OK;
}

sabal_status sbl_kmeans_distances_to(double *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d,
                                     const double *point, sabal_error *err)
{
    sbl_kmeans_centers *c       = sbl_kmeans_centers_create(dtype, 1, d, point, NULL);
    size_t              size    = c ? sbl_kmeans_scratch_size(c) : 0;
    void               *scratch = NULL;
    sabal_status        st      = c ? scratch_take(&scratch, size, err)
                                    : sbl_error_memory(err, (size_t)d * sizeof *point, "a centre made ready for a pass");

    if (!st)
        sbl_kmeans_assign(c, x, n, NULL, NULL, NULL, NULL, NULL, out, scratch);
    sbl_buffer_free(scratch, size);
    sbl_kmeans_centers_destroy(c);
    return st;
}

/* The first row that is so far from the shift that its square is above the limit; -1: none. */
static sabal_status find_too_large(int64_t *row, const struct rows *r, const double *shift, double limit,
                                   sabal_error *err)
{
    double      *sqdist = sbl_buffer_alloc((size_t)r->n * sizeof *sqdist);
    sabal_status st     = sqdist ? sbl_kmeans_distances_to(sqdist, r->dtype, r->x, r->n, r->d, shift, err)
                                 : sbl_error_memory(err, (size_t)r->n * sizeof *sqdist, "a check of the rows");

    *row = -1;
    for (int64_t i = 0; i < r->n && *row < 0 && !st; i++)
        if (!(sqdist[i] <= limit))
            *row = i;
    sbl_buffer_free(sqdist, (size_t)r->n * sizeof *sqdist);
    return st;
}

sabal_status sbl_kmeans_too_large(sabal_dtype dtype, int64_t row, sabal_error *err)
{
    return sbl_error_set(err, SABAL_EVALUE,
                         "the numbers of x are so large that squares overflow %s, first in row %" PRId64 ": scale x",
                         sabal_dtype_name(dtype), row);
}

sabal_status sbl_kmeans_size_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                   size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p = params;
    struct rows              r = {0};
    sbl_value               *value;
    double                  *partial;
    int64_t                  row;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = find_too_large(&row, &r, sbl_points_rows(points_of(in, n_in)),
                            sbl_kmeans_largest(r.dtype, (int32_t)p->n_wanted, r.d), err);
    if (!st)
        st = doubles_create(&value, &partial, SBL_PARTIAL_HEAD, err);
    if (!st) {
        partial[0] = row < 0 ? (double)INFINITY : (double)(p->first_row + row);
        *out       = value;
    }
    rows_clear(&r);
    return st;
}

/* A model sees rows that no fit has checked. limit: of a row's squared distance from the shift. */
static sabal_status check_rows(const struct rows *r, int64_t first_row, const sbl_points *points, double limit,
                               sabal_error *err)
{
    double      *moments = sbl_buffer_alloc(2 * (size_t)r->d * sizeof *moments), total = 0;
    int64_t      bad;
    sabal_status st = SABAL_OK;

    if (!moments)
        return sbl_error_memory(err, 2 * (size_t)r->d * sizeof *moments, "a check of the rows");
    bad = sbl_kmeans_moments(r->dtype, r->x, r->n, r->d, sbl_points_shift(points), NULL, moments, moments + r->d);
    for (int64_t e = 0; e < r->d; e++)
        total += moments[r->d + e];
    if (bad >= 0)
        st = sbl_error_set(err, SABAL_EVALUE, "x holds NaN or infinity, first at row %" PRId64 ", column %" PRId64,
                           first_row + bad / r->d, bad % r->d);
    else if (!(total <= limit))
        st = find_too_large(&bad, r, sbl_points_shift(points), limit, err);
    if (!st && bad >= 0)
        st = sbl_kmeans_too_large(r->dtype, first_row + bad, err);
    sbl_buffer_free(moments, 2 * (size_t)r->d * sizeof *moments);
    return st;
}

sabal_status sbl_kmeans_labels_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                     size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p = params;
    struct rows              r = {0};
    sabal_ndarray           *made;
    void                    *room;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st && p->want)
        st = check_rows(&r, p->first_row, points_of(in, n_in),
                        sbl_kmeans_largest(r.dtype, (int32_t)points_of(in, n_in)->m, r.d), err);
    if (!st)
        st = sbl_ndarray_create(&made, &room, SABAL_INT32, 1, &r.n, err);
    if (!st) {
        st = assign_rows(&r, points_of(in, n_in), room, NULL, err);
        if (st)
            sbl_handle_release(made);
        else
            *out = (sbl_value *)(void *)made;
    }
    rows_clear(&r);
    return st;
}

sabal_status sbl_kmeans_distances_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                        size_t size, sabal_task *task, sabal_error *err)
{
    const sbl_kmeans_params *p      = params;
    const sbl_points        *points = points_of(in, n_in);
    struct rows              r      = {0};
    int64_t                  shape[2];
    sabal_ndarray           *made;
    void                    *room;
    sabal_status             st = rows_take(&r, in[0], err);

    if (!st)
        st = check_rows(&r, p->first_row, points, sbl_kmeans_largest(SABAL_FLOAT64, (int32_t)points->m, r.d), err);
    shape[0] = r.n;
    shape[1] = points->m;
    if (!st)
        st = sbl_ndarray_create(&made, &room, r.dtype, 2, shape, err);
    if (!st) {
        sbl_kmeans_distances(room, r.dtype, r.x, r.n, r.d, sbl_points_rows(points), (int32_t)points->m);
        *out = (sbl_value *)(void *)made;
    }
    rows_clear(&r);
    return st;
}
