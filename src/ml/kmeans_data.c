/* The rows to be clustered: checked once, with their weights and their variance. */
#include "ml/kmeans.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernel/kmeans.h"

sabal_status sbl_kmeans_check_real(const sabal_array *array, const char *name, sabal_error *err)
{
    if (array->dtype == SABAL_COMPLEX64 || array->dtype == SABAL_COMPLEX128)
        return sbl_error_set(err, SABAL_EDTYPE, "%s is %s: expected real numbers", name,
                             sabal_dtype_name(array->dtype));
    return SABAL_OK;
}

static sabal_status check_weights(const sbl_kmeans_data *data, const sabal_array *w, sabal_error *err)
{
    if (sabal_array_error(w))
        return sbl_error_pass(err, sabal_array_error(w));
    if (w->client != data->x->client)
        return sbl_error_set(err, SABAL_EINVAL, "sample_weight belongs to another client than x");
    if (w->ndim != 1 || w->shape[0] != data->n)
        return sbl_error_set(err, SABAL_ESHAPE,
                             "sample_weight has %d dimensions and %" PRId64 " rows: x has %" PRId64
                             " rows, so expected (%" PRId64 ",)",
                             w->ndim, sabal_array_extent(w, 0), data->n, data->n);
    return sbl_kmeans_check_real(w, "sample_weight", err);
}

/* Computes the weights, whole (8 bytes a row), and cuts them as x is cut. */
static sabal_status take_weights(sbl_kmeans_data *data, const sabal_array *w, sabal_error *err)
{
    sabal_ndarray *given = NULL;
    double        *room, total = 0;
    sabal_status   st = check_weights(data, w, err);

    if (!st)
        st = sabal_compute(&given, w, err);
    if (!st)
        st = sbl_ndarray_create(&data->weight_rows, (void **)&room, SABAL_FLOAT64, 1, &data->n, err);
    if (!st)
        sbl_doubles_from(room, sabal_ndarray_data(given), w->dtype, data->n);
    for (int64_t i = 0; i < data->n && !st; i++) {
        total += room[i];
        if (!(room[i] >= 0) || isinf(room[i]))
            st = sbl_error_set(err, SABAL_EVALUE, "sample_weight of row %" PRId64 " is %g: expected 0 or more", i,
                               room[i]);
    }
    if (!st && isinf(total))
        st = sbl_error_set(err, SABAL_EVALUE, "the weights of sample_weight are so large that their sum overflows");
    if (!st && !(total > 0))
        st = sbl_error_set(err, SABAL_EVALUE, "all weights of sample_weight are 0");
    sabal_release(given);
    if (st)
        return st;
    data->weight_of = room;
    data->weights   = sbl_array_of_value(data->x->client, data->weight_rows, &data->x->chunks, data->where);
    return sabal_array_error(data->weights) ? sbl_error_pass(err, sabal_array_error(data->weights)) : SABAL_OK;
}

static sabal_status check_input(const sabal_array *x, const sabal_kmeans_options *o, sabal_error *err)
{
    sabal_status st = sbl_array_check(x, err);

    if (st)
        return st;
    if (x->ndim != 2)
        return sbl_error_set(err, SABAL_ESHAPE, "x has %d dimension%s, not 2", x->ndim, x->ndim == 1 ? "" : "s");
    st = sbl_kmeans_check_real(x, "x", err);
    if (st)
        return st;
    if (x->shape[1] < 1)
        return sbl_error_set(err, SABAL_ESHAPE, "x has no columns");
    if (x->shape[0] < o->n_clusters)
        return sbl_error_set(err, SABAL_ESHAPE, "%d clusters asked of %" PRId64 " row%s", o->n_clusters, x->shape[0],
                             x->shape[0] == 1 ? "" : "s");
    return SABAL_OK;
}

/* Looks at every row, as the sum of their squares alone does not tell. */
static sabal_status check_rows(const sbl_kmeans_data *data, int32_t k, sabal_error *err)
{
    sbl_kmeans_pass pass    = {.stage = sbl_kmeans_size_stage, .params = {.n_wanted = k}, .name = "kmeans-size"};
    sabal_future  **futures = NULL;
    sbl_value      *value   = NULL;
    double          row;
    sabal_status    st = sbl_kmeans_submit(&futures, data, &pass, 1, data->shift, err);

    if (!st)
        st = sbl_kmeans_combine(&value, data, futures, data->x->chunks.n, err);
    if (!st)
        row = *(const double *)sbl_value_data(value, NULL);
    if (!st && !isinf(row))
        st = sbl_kmeans_too_large(data->x->dtype, (int64_t)row, err);
    sbl_value_release(value);
    return st;
}

/* Whether each squared distance, and the sum of all with their weights, can be told. moments: sums, sums of squares (d). */
static sabal_status check_size(const sbl_kmeans_data *data, int32_t k, const double *moments, sabal_error *err)
{
    double total = 0, most = 1;

    for (int64_t e = 0; e < data->d; e++)
        total += moments[data->d + e] + 0 * moments[e];
    for (int64_t i = 0; data->weight_of && i < data->n; i++)
        most = data->weight_of[i] > most ? data->weight_of[i] : most;
    if (!(4 * most * total <= DBL_MAX))
        return sbl_error_set(err, SABAL_EVALUE,
                             "the numbers of x%s are so large that sums of squares overflow: scale x",
                             data->weight_of ? ", or the weights," : "");
    return total <= sbl_kmeans_largest(data->x->dtype, k, data->d) ? SABAL_OK : check_rows(data, k, err);
}

/*
 * One pass: every element is finite, the mean of the features, the mean of their variances. Moments are taken
 * about row 0, so that data far from the origin keeps its digits.
 */
static sabal_status take_moments(sbl_kmeans_data *data, int32_t k, sabal_error *err)
{
    static const int64_t FIRST   = 0;
    sbl_kmeans_pass      pass    = {.stage = sbl_kmeans_moments_stage, .name = "kmeans-moments"};
    int64_t              d       = data->d;
    double              *pilot   = sbl_calloc((size_t)d, sizeof *pilot);
    sabal_future       **futures = NULL;
    sbl_value           *value   = NULL;
    const double        *partial;
    sabal_status         st = pilot ? SABAL_OK : sbl_error_memory(err, (size_t)d * sizeof *pilot, "a row");

    if (!st)
        st = sbl_kmeans_gather_rows(pilot, data, &FIRST, 1, err);
    for (int64_t e = 0; e < d && !st; e++)
        if (!isfinite(pilot[e]))
            pilot[e] = 0; /* the pass finds it and says where */
    if (!st)
        st = sbl_kmeans_submit(&futures, data, &pass, 1, pilot, err);
    if (!st)
        st = sbl_kmeans_combine(&value, data, futures, data->x->chunks.n, err);
    if (st)
        goto done;
    partial = sbl_value_data(value, NULL);
    if (!isinf(partial[0])) {
        st = sbl_error_set(err, SABAL_EVALUE,
                           "x holds NaN or infinity, first at row %" PRId64 ", column %" PRId64
                           ": fill or drop such rows before",
                           (int64_t)partial[0] / d, (int64_t)partial[0] % d);
        goto done;
    }
    for (int64_t e = 0; e < d; e++) {
        double mean = partial[1 + e] / (double)data->n, square = partial[1 + d + e] / (double)data->n;
        double variance = square - mean * mean;

        data->shift[e] = pilot[e] + mean;
        data->mean_variance += (variance > 0 ? variance : 0) / (double)d;
    }
    data->scale = sbl_near_scale(data->mean_variance);
    st          = check_size(data, k, partial + 1, err);
done:
    sbl_value_release(value);
    sbl_free(pilot);
    return st;
}

sabal_status sbl_kmeans_data_open(sbl_kmeans_data *data, const sabal_array *x, const sabal_kmeans_options *o,
                                  sabal_error *err)
{
    sabal_status st = check_input(x, o, err);

    if (st)
        return st;
    *data       = (sbl_kmeans_data){.x             = sbl_handle_retain(x),
                                    .n             = x->shape[0],
                                    .d             = x->shape[1],
                                    .where         = o->where,
                                    .seed          = o->seed,
                                    .progress      = o->progress,
                                    .progress_user = o->progress_user,
                                    .scale         = 1,
                                    .state         = {.struct_size = sizeof data->state, .run = 1, .n_init = 1}};
    data->shift = sbl_calloc((size_t)data->d, sizeof *data->shift);
    if (!data->shift)
        return sbl_error_memory(err, (size_t)data->d * sizeof *data->shift, "the mean of the features");
    if (o->sample_weight)
        st = take_weights(data, o->sample_weight, err);
    return st ? st : take_moments(data, o->n_clusters, err);
}

void sbl_kmeans_data_close(sbl_kmeans_data *data)
{
    sbl_handle_release(data->weights);
    sbl_handle_release(data->weight_rows);
    sbl_handle_release(data->x);
    sbl_free(data->shift);
    memset(data, 0, sizeof *data);
}
