/*
 * k-means by Lloyd's iteration, as scikit-learn's KMeans does it: assign every row to its nearest centre,
 * move each centre to the mean of its rows, until the centres' squared move is small; one pass over the rows
 * an iteration.
 */
#include "ml/kmeans_model.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "array/check.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/struct.h"
#include "kernel/kmeans.h"

/* One run from one seeding. Arrays are (k, d), (k). */
struct run {
    double *centers, *sums, *counts;
    double  inertia;
    int32_t k, n_iter, converged;
};

static sabal_status run_create(struct run *run, int32_t k, int64_t d, sabal_error *err)
{
    size_t size = ((size_t)k * (size_t)d * 2 + (size_t)k) * sizeof(double);

    run->k       = k;
    run->inertia = (double)INFINITY;
    run->centers = sbl_calloc(1, size);
    if (!run->centers)
        return sbl_error_memory(err, size, "the centres");
    run->sums   = run->centers + k * d;
    run->counts = run->sums + k * d;
    return SABAL_OK;
}

static void run_clear(struct run *run)
{
    sbl_free(run->centers);
    memset(run, 0, sizeof *run);
}

/* --- empty clusters ----------------------------------------------------------------------------------------
 */

static sbl_far *far_at(char *table, size_t entry, int64_t i)
{
    return (sbl_far *)(void *)(table + (size_t)i * entry);
}

/* Merges a chunk's farthest rows into those found so far, both sorted; earlier chunks win ties. */
static void far_merge(char *best, char *spare, const char *from, int64_t n, size_t entry)
{
    for (int64_t i = 0, a = 0, b = 0; i < n; i++) {
        const sbl_far *x = far_at(best, entry, a), *y = far_at((char *)(uintptr_t)from, entry, b);

        if (x->dist >= y->dist) {
            memcpy(far_at(spare, entry, i), x, entry);
            a++;
        } else {
            memcpy(far_at(spare, entry, i), y, entry);
            b++;
        }
    }
    memcpy(best, spare, (size_t)n * entry);
}

/* The n rows that lie farthest from their centres. table has room for twice n entries. */
static sabal_status find_farthest(char *table, const struct run *run, const sbl_kmeans_data *data, int64_t n,
                                  size_t entry, sabal_error *err)
{
    sbl_kmeans_pass pass   = {.stage = sbl_kmeans_farthest_stage, .params = {.n_wanted = n}, .name = "kmeans-farthest"};
    int64_t         chunks = data->x->chunks.n;
    sabal_future  **futures = NULL;
    sabal_status    st      = sbl_kmeans_submit(&futures, data, &pass, run->k, run->centers, err);

    for (int64_t i = 0; i < n; i++)
        *far_at(table, entry, i) = (sbl_far){.dist = -1};
    for (int64_t i = 0; i < chunks && !st; i++) {
        sbl_value *value = NULL;

        st = sbl_engine_fetch(&value, futures[i], err);
        if (!st)
            far_merge(table, table + (size_t)n * entry, sbl_value_data(value, NULL), n, entry);
        sbl_value_release(value);
    }
    for (int64_t i = 0; futures && i < chunks; i++)
        sbl_handle_release(futures[i]);
    sbl_free(futures);
    return st;
}

static double square(const double *row, int64_t d)
{
    double sum = 0;

    for (int64_t e = 0; e < d; e++)
        sum += row[e] * row[e];
    return sum;
}

/* How far, of its own size, the mean of equal rows may lie from them: a rounding for each row of a chunk, and the tree's. */
static double mean_error(const sbl_kmeans_data *data)
{
    return DBL_EPSILON * (double)(sbl_chunks_rows(&data->x->chunks, 0) + data->x->chunks.n);
}

/*
 * Each cluster without rows takes the row that lies farthest from its centre out of that row's cluster: sums
 * and counts change as scikit-learn's _relocate_empty_clusters changes them.
 */
static sabal_status relocate_empty(struct run *run, const sbl_kmeans_data *data, sabal_error *err)
{
    int64_t      d = data->d, n_empty = 0, next = 0;
    double       near;
    size_t       entry = sizeof(sbl_far) + (size_t)d * sizeof(double);
    char        *table;
    sabal_status st;

    for (int32_t j = 0; j < run->k; j++)
        n_empty += run->counts[j] == 0;
    if (!n_empty)
        return SABAL_OK;
    table = sbl_calloc(2 * (size_t)n_empty, entry);
    if (!table)
        return sbl_error_memory(err, 2 * (size_t)n_empty * entry, "empty clusters");
    st   = find_farthest(table, run, data, n_empty, entry, err);
    near = mean_error(data);
    for (int32_t j = 0; j < run->k && !st && next < n_empty; j++) {
        const sbl_far *far;
        const double  *row;
        double         weight;

        if (run->counts[j] != 0)
            continue;
        far = far_at(table, entry, next++);
        row = (const double *)(const void *)(far + 1);
        if (far->dist <= near * near * square(row, d))
            break; /* this row is its centre, and so are all that follow: there are too few that differ */
        weight = data->weight_of ? data->weight_of[far->row] : 1;
        for (int64_t e = 0; e < d; e++) {
            run->sums[far->label * d + e] -= row[e] * weight;
            run->sums[j * d + e] = row[e] * weight;
        }
        run->counts[j] = weight;
        run->counts[far->label] -= weight;
    }
    sbl_free(table);
    return st;
}

/* --- the iteration -----------------------------------------------------------------------------------------
 */

/* Moves each centre to the mean of its rows; returns the squared move of all. */
static double move_centers(struct run *run, int64_t d)
{
    int32_t biggest = 0;
    double  moved   = 0;

    for (int32_t j = 1; j < run->k; j++)
        if (run->counts[j] > run->counts[biggest])
            biggest = j;
    /* a cluster that stayed empty goes where the biggest is, as in scikit-learn */
    for (int32_t j = 0; j < run->k; j++) {
        int32_t from = run->counts[j] > 0 ? j : biggest;

        for (int64_t e = 0; e < d; e++) {
            double now  = run->sums[from * d + e] / run->counts[from];
            double step = now - run->centers[j * d + e];

            moved                   = __builtin_fma(step, step, moved);
            run->centers[j * d + e] = now;
        }
    }
    return moved;
}

static sabal_status iterate(struct run *run, sbl_kmeans_data *data, const sabal_kmeans_options *o, sabal_error *err)
{
    double       limit = o->tol * data->mean_variance, moved;
    sabal_status st    = SABAL_OK;

    data->state.limit = limit;
    while (run->n_iter < o->max_iter && !run->converged && !st) {
        st = sbl_kmeans_assign_pass(data, run->k, run->centers, run->counts, run->sums, NULL, err);
        if (!st)
            st = relocate_empty(run, data, err);
        if (st)
            break;
        moved             = move_centers(run, data->d);
        run->converged    = moved <= limit;
        data->state.shift = moved;
        sbl_kmeans_tell(data, "iterate", ++run->n_iter, o->max_iter);
    }
    if (!st) /* with many features an inertia costs a fifth of a pass, so only the last centres get one */
        st = sbl_kmeans_assign_pass(data, run->k, run->centers, run->counts, NULL, &run->inertia, err);
    return st;
}

/* Distances between x and each given centre can be told. */
static sabal_status check_given(const struct run *run, const sbl_kmeans_data *data, sabal_error *err)
{
    const double limit = sbl_kmeans_largest(data->x->dtype, run->k, data->d);

    for (int32_t j = 0; j < run->k; j++) {
        double square = 0;

        for (int64_t e = 0; e < data->d; e++) {
            const double c = run->centers[j * data->d + e];

            if (!isfinite(c))
                return sbl_error_set(err, SABAL_EVALUE, "init_centers holds NaN or infinity in row %d, column %" PRId64,
                                     j, e);
            square += (c - data->shift[e]) * (c - data->shift[e]);
        }
        if (!(square <= limit))
            return sbl_error_set(err, SABAL_EVALUE,
                                 "init_centers lies so far from x that squares overflow %s, first in row %d: give "
                                 "centres near the rows of x",
                                 sabal_dtype_name(data->x->dtype), j);
    }
    return SABAL_OK;
}

/* Centres given by the caller. */
static sabal_status given_centers(struct run *run, const sbl_kmeans_data *data, const sabal_array *given,
                                  sabal_error *err)
{
    sabal_ndarray *values = NULL;
    sabal_status   st;

    if (sabal_array_error(given))
        return sbl_error_pass(err, sabal_array_error(given));
    if (given->client != data->x->client)
        return sbl_error_set(err, SABAL_EINVAL, "init_centers belongs to another client than x");
    if (given->ndim != 2 || given->shape[0] != run->k || given->shape[1] != data->d)
        return sbl_error_set(err, SABAL_ESHAPE,
                             "init_centers has %d dimensions, %" PRId64 " rows and %" PRId64
                             " columns: expected (%d, %" PRId64 ")",
                             given->ndim, sabal_array_extent(given, 0), sabal_array_extent(given, 1), run->k, data->d);
    st = sbl_kmeans_check_real(given, "init_centers", err);
    if (!st)
        st = sabal_compute(&values, given, err);
    if (st)
        return st;
    sbl_doubles_from(run->centers, sabal_ndarray_data(values), given->dtype, run->k * data->d);
    sabal_release(values);
    return check_given(run, data, err);
}

static sabal_status seed(struct run *run, sbl_kmeans_data *data, const sabal_kmeans_options *o, sabal_error *err)
{
    if (o->init_centers)
        return given_centers(run, data, o->init_centers, err);
    if (!strcmp(o->init, "k-means++"))
        return sbl_kmeans_seed_plus(run->centers, data, run->k, err);
    if (!strcmp(o->init, "random"))
        return sbl_kmeans_seed_random(run->centers, data, run->k, err);
    return sbl_kmeans_seed_parallel(run->centers, data, run->k, o->oversampling, o->init_rounds, err);
}

/* --- the fit -----------------------------------------------------------------------------------------------
 */

static sabal_status check_options(const sabal_kmeans_options *o, sabal_error *err)
{
    if (o->n_clusters < 1)
        return sbl_error_set(err, SABAL_EINVAL, "n_clusters is %d: expected 1 or more", o->n_clusters);
    if (!o->init || (strcmp(o->init, "k-means||") && strcmp(o->init, "k-means++") && strcmp(o->init, "random")))
        return sbl_error_set(err, SABAL_EINVAL, "init is '%s': expected k-means||, k-means++ or random",
                             o->init ? o->init : "(NULL)");
    if (o->n_init < 0)
        return sbl_error_set(err, SABAL_EINVAL, "n_init is %d: expected 1 or more, or 0 for automatic", o->n_init);
    if (o->max_iter < 1)
        return sbl_error_set(err, SABAL_EINVAL, "max_iter is %d: expected 1 or more", o->max_iter);
    if (!(o->tol >= 0))
        return sbl_error_set(err, SABAL_EINVAL, "tol is %g: expected 0 or more", o->tol);
    if (o->init_centers || strcmp(o->init, "k-means||"))
        return SABAL_OK; /* the rest is told to k-means|| alone */
    if (!(o->oversampling > 0))
        return sbl_error_set(err, SABAL_EINVAL, "oversampling is %g: expected above 0", o->oversampling);
    if (o->init_rounds < 1 || o->init_rounds > 1000) /* without a round there is one candidate */
        return sbl_error_set(err, SABAL_EINVAL, "init_rounds is %d: expected 1 to 1000", o->init_rounds);
    return SABAL_OK;
}

static int32_t runs_wanted(const sabal_kmeans_options *o)
{
    if (o->init_centers)
        return 1;
    if (o->n_init)
        return o->n_init;
    return strcmp(o->init, "random") ? 1 : 10;
}

/* Runs n_init times; best is the run of least inertia. */
static sabal_status fit_runs(struct run *best, sabal_kmeans_times *times, sbl_kmeans_data *data,
                             const sabal_kmeans_options *o, sabal_error *err)
{
    struct run   run = {0};
    sabal_status st  = SABAL_OK;

    data->state.n_init = runs_wanted(o);
    for (data->run = 0; data->run < data->state.n_init && !st; data->run++) {
        int64_t start = sbl_clock_ns(), seeded;

        data->state.run = data->run + 1;
        st              = run_create(&run, o->n_clusters, data->d, err);
        if (!st)
            st = seed(&run, data, o, err);
        seeded = sbl_clock_ns();
        if (!st)
            st = iterate(&run, data, o, err);
        times->seed += (double)(seeded - start) * 1e-9;
        times->iterate += (double)(sbl_clock_ns() - seeded) * 1e-9;
        if (!st && (!best->centers || run.inertia < best->inertia)) {
            run_clear(best);
            *best = run;
            run   = (struct run){0};
        }
        run_clear(&run);
    }
    return st;
}

/* The arrays of the model, from the best run. */
static sabal_status describe(sabal_kmeans *model, const sbl_kmeans_data *data, const struct run *best, sabal_error *err)
{
    int64_t        shape[2] = {best->k, data->d};
    sbl_chunks     chunks   = sbl_chunks_make(best->k, best->k, best->k);
    sabal_ndarray *centers;
    void          *room;
    sabal_status   st = sbl_ndarray_create(&centers, &room, SABAL_FLOAT64, 2, shape, err);

    if (st)
        return st;
    memcpy(room, best->centers, (size_t)(best->k * data->d) * sizeof(double));
    model->centers = sbl_array_of_value(data->x->client, centers, &chunks, data->where);
    sbl_handle_release(centers);
    if (sabal_array_error(model->centers))
        return sbl_error_pass(err, sabal_array_error(model->centers));
    st = sbl_kmeans_points_pack(&model->points, data, best->k, best->centers, err);
    if (st)
        return st;
    model->labels = sbl_kmeans_labels_node(data->x, model->points, 0, data->where);
    if (sabal_array_error(model->labels))
        return sbl_error_pass(err, sabal_array_error(model->labels));
    model->n_clusters = best->k;
    model->n_features = data->d;
    model->inertia    = best->inertia;
    model->n_iter     = best->n_iter;
    model->converged  = best->converged;
    if (!best->converged)
        sbl_log(SABAL_LOG_WARN, "k-means stopped after %d passes without converging", best->n_iter);
    return SABAL_OK;
}

static sabal_status fit(sabal_kmeans *model, const sabal_array *x, const sabal_kmeans_options *o, sabal_error *err)
{
    int64_t            start  = sbl_clock_ns(), opened;
    const sabal_array *floats = sbl_array_floats(x);
    sbl_kmeans_data    data   = {0};
    struct run         best   = {0};
    sabal_status       st     = check_options(o, err);

    if (!st)
        st = sbl_kmeans_data_open(&data, floats, o, err);
    opened = sbl_clock_ns();
    if (!st)
        st = fit_runs(&best, &model->times, &data, o, err);
    if (!st)
        st = describe(model, &data, &best, err);
    model->times.seed += (double)(opened - start) * 1e-9;
    model->times.total = (double)(sbl_clock_ns() - start) * 1e-9;
    run_clear(&best);
    sbl_kmeans_data_close(&data);
    sbl_handle_release(floats);
    return st;
}

/* --- the model ---------------------------------------------------------------------------------------------
 */

static void model_destroy(void *handle)
{
    sabal_kmeans *m = handle;

    sbl_handle_release(m->centers);
    sbl_handle_release(m->labels);
    sbl_handle_release(m->points);
    sbl_free(m->error);
    sbl_client_release(m->client);
    sbl_free(m);
}

static const sbl_handle_class MODEL    = {.name = "sabal_kmeans", .destroy = model_destroy};
static const sbl_handle_class IMMORTAL = {.name = "sabal_kmeans", .immortal = 1};

static sabal_error no_memory = {
    .struct_size = sizeof(sabal_error), .status = SABAL_ENOMEM, .message = "no memory for a model"};
static sabal_kmeans out_of_memory = {.handle = SBL_IMMORTAL(&IMMORTAL), .error = &no_memory};

/* A failed model keeps the cause, and failed arrays that carry it. */
static sabal_kmeans *model_fail(sabal_kmeans *model, const sabal_error *err, const char *where)
{
    sbl_handle_release(model->centers);
    sbl_handle_release(model->labels);
    model->centers = sbl_array_failed(model->client, err, where);
    model->labels  = sbl_handle_retain(model->centers);
    model->error   = sbl_alloc(sizeof *err);
    if (!model->error) {
        sbl_handle_release(model);
        return &out_of_memory;
    }
    *model->error = *err;
    sbl_error_where(model->error, where);
    return model;
}

void sabal_kmeans_options_init(sabal_kmeans_options *options)
{
    *options = (sabal_kmeans_options){SABAL_KMEANS_DEFAULTS};
}

sabal_kmeans *sabal_kmeans_fit_with(const sabal_array *x, const sabal_kmeans_options *options)
{
    sabal_kmeans_options o     = {SABAL_KMEANS_DEFAULTS};
    sabal_error          err   = SABAL_ERROR_INIT;
    sabal_kmeans        *model = x->client ? sbl_calloc(1, sizeof *model) : NULL;

    if (!model)
        return &out_of_memory;
    sbl_options_take(&o, sizeof o, options);
    sbl_handle_init(model, &MODEL);
    sbl_client_retain(x->client);
    model->client            = x->client;
    model->times.struct_size = sizeof model->times;
    if (fit(model, x, &o, &err))
        model = model_fail(model, &err, o.where);
    return model->client ? sbl_handle_adopt(model, sbl_client_owner(model->client)) : model;
}

/* Its own failure, or what became of its client since: a closed client leaves husks. */
const sabal_error *sabal_kmeans_error(const sabal_kmeans *model)
{
    return model->error || !model->client ? model->error : sabal_client_error(model->client);
}

const sabal_array *sabal_kmeans_centers(const sabal_kmeans *model)
{
    return model->centers ? model->centers : sbl_array_failed(NULL, &no_memory, NULL);
}

const sabal_array *sabal_kmeans_labels(const sabal_kmeans *model)
{
    return model->labels ? model->labels : sbl_array_failed(NULL, &no_memory, NULL);
}

double sabal_kmeans_inertia(const sabal_kmeans *model)
{
    return sabal_kmeans_error(model) ? (double)NAN : model->inertia;
}

int32_t sabal_kmeans_n_iter(const sabal_kmeans *model)
{
    return sabal_kmeans_error(model) ? -1 : model->n_iter;
}

int32_t sabal_kmeans_converged(const sabal_kmeans *model)
{
    return sabal_kmeans_error(model) ? 0 : model->converged;
}

int32_t sabal_kmeans_n_clusters(const sabal_kmeans *model)
{
    return sabal_kmeans_error(model) ? -1 : model->n_clusters;
}

int64_t sabal_kmeans_n_features(const sabal_kmeans *model)
{
    return sabal_kmeans_error(model) ? -1 : model->n_features;
}

sabal_status sabal_kmeans_times_get(const sabal_kmeans *model, sabal_kmeans_times *times)
{
    return sbl_struct_give(times, &model->times, sizeof model->times);
}
