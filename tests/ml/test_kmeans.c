/* The contract of <sabal/ml.h>, sentence by sentence; its errors are in test_kmeans_errors.c. */
#include <math.h>

#include "kernel/random.h"
#include "support/client.h"
#include "support/npy.h"

TestSuite(kmeans, .init = open_client, .fini = close_client);

/* Rows without any groups. */
static void scatter(double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = 16 * sbl_random_uniform(1, 2, (uint64_t)i);
}

/* Rows that nobody would cluster otherwise: k groups, far apart. */
static void groups(double *x, int64_t n, int64_t d, int32_t k)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            x[i * d + j] = 100.0 * (double)(i % k) + (double)((i * 7 + j * 13) % 11) * 0.1 + (double)j;
}

static double squared_distance(const double *a, const double *b, int64_t d)
{
    double sum = 0;

    for (int64_t j = 0; j < d; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

static int32_t nearest(const double *row, const double *centers, int32_t k, int64_t d)
{
    int32_t best = 0;

    for (int32_t c = 1; c < k; c++)
        if (squared_distance(row, centers + c * d, d) < squared_distance(row, centers + best * d, d))
            best = c;
    return best;
}

/* Lloyd, one operation at a time, without empty clusters; centers in and out. Returns the number of passes. */
static int32_t naive_lloyd(double *centers, const double *x, const double *weight, int64_t n, int64_t d, int32_t k,
                           double tol, int32_t max_iter)
{
    double *sums = malloc((size_t)(k * d) * sizeof *sums), *counts = malloc((size_t)k * sizeof *counts);
    double  mean, variance = 0, shift = INFINITY;
    int32_t iter = 0;

    for (int64_t j = 0; j < d; j++) {
        mean = 0;
        for (int64_t i = 0; i < n; i++)
            mean += x[i * d + j] / (double)n;
        for (int64_t i = 0; i < n; i++)
            variance += (x[i * d + j] - mean) * (x[i * d + j] - mean) / (double)n / (double)d;
    }
    while (iter < max_iter && !(shift <= tol * variance)) {
        memset(sums, 0, (size_t)(k * d) * sizeof *sums);
        memset(counts, 0, (size_t)k * sizeof *counts);
        for (int64_t i = 0; i < n; i++) {
            int32_t c = nearest(x + i * d, centers, k, d);

            counts[c] += weight ? weight[i] : 1;
            for (int64_t j = 0; j < d; j++)
                sums[c * d + j] += (weight ? weight[i] : 1) * x[i * d + j];
        }
        shift = 0;
        for (int32_t c = 0; c < k; c++) {
            cr_assert(counts[c] > 0);
            for (int64_t j = 0; j < d; j++) {
                double moved = sums[c * d + j] / counts[c];

                shift += (moved - centers[c * d + j]) * (moved - centers[c * d + j]);
                centers[c * d + j] = moved;
            }
        }
        iter++;
    }
    free(sums);
    free(counts);
    return iter;
}

Test(kmeans, agrees_with_the_naive_loop)
{
    static const struct {
        int64_t n, d;
        int32_t k;
    } shapes[] = {{100, 1, 2},  {333, 2, 3},  {500, 3, 8},   {257, 5, 4},
                  {400, 7, 11}, {300, 17, 5}, {600, 33, 20}, {300, 100, 3}};

    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int weighted = 0; weighted < 2; weighted++) {
            SABAL_SCOPE(client);
            int64_t        n = shapes[s].n, d = shapes[s].d;
            int32_t        k = shapes[s].k, iter, wrong = 0;
            double        *x = malloc((size_t)(n * d) * 8), *centers = malloc((size_t)(k * d) * 8);
            double        *w = malloc((size_t)n * 8), inertia = 0, worst = 0;
            sabal_kmeans  *km;
            const double  *mine;
            const int32_t *labels;

            scatter(x, n * d);
            for (int64_t i = 0; i < n; i++)
                w[i] = weighted ? 0.5 + (double)(i % 5) : 1;
            memcpy(centers, x, (size_t)(k * d) * 8);
            km   = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, n, d, 1 + n / 3), .n_clusters = k, .tol = 1e-3,
                                    .init_centers  = matrix(client, x, SABAL_FLOAT64, k, d, 0),
                                    .sample_weight = weighted ? vector(client, w, SABAL_FLOAT64, n, 0) : NULL);
            iter = naive_lloyd(centers, x, w, n, d, k, 1e-3, 300);
            cr_assert_null(sabal_kmeans_error(km));
            cr_expect_eq(sabal_kmeans_n_iter(km), iter);
            mine = values(sabal_kmeans_centers(km));
            for (int64_t i = 0; i < k * d; i++)
                worst = fmax(worst, fabs(mine[i] - centers[i]));
            cr_expect_leq(worst, 1e-11 * 16);
            labels = values(sabal_kmeans_labels(km));
            for (int64_t i = 0; i < n; i++) {
                int32_t c = nearest(x + i * d, mine, k, d);

                wrong += labels[i] != c;
                inertia += w[i] * squared_distance(x + i * d, mine + c * d, d);
            }
            cr_expect_eq(wrong, 0);
            cr_expect_leq(fabs(sabal_kmeans_inertia(km) - inertia), 1e-12 * inertia);
            free(x);
            free(w);
            free(centers);
        }
}

Test(kmeans, a_model_tells_its_shape_and_dtypes)
{
    enum { N = 60, D = 3, K = 4 };
    double        x[N * D];
    sabal_kmeans *km;

    groups(x, N, D, K);
    km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, D, 10), .n_clusters = K);
    cr_assert_null(sabal_kmeans_error(km));
    cr_expect_eq(sabal_kmeans_n_clusters(km), K);
    cr_expect_eq(sabal_kmeans_n_features(km), D);
    cr_expect_eq(sabal_kmeans_converged(km), 1);
    cr_expect_geq(sabal_kmeans_n_iter(km), 1);
    cr_expect_eq(sabal_array_ndim(sabal_kmeans_centers(km)), 2);
    cr_expect_eq(sabal_array_extent(sabal_kmeans_centers(km), 0), K);
    cr_expect_eq(sabal_array_extent(sabal_kmeans_centers(km), 1), D);
    cr_expect_eq(sabal_array_dtype(sabal_kmeans_centers(km)), SABAL_FLOAT64);
    cr_expect_eq(sabal_array_ndim(sabal_kmeans_labels(km)), 1);
    cr_expect_eq(sabal_array_extent(sabal_kmeans_labels(km), 0), N);
    cr_expect_eq(sabal_array_dtype(sabal_kmeans_labels(km)), SABAL_INT32);
    cr_expect_eq(sabal_kmeans_labels(km), sabal_kmeans_labels(km)); /* borrowed: the same each time */
}

Test(kmeans, groups_far_apart_are_found_whatever_the_start)
{
    static const char *const inits[] = {"k-means||", "k-means++", "random"};
    enum { N = 300, D = 2, K = 3 };
    double         x[N * D];
    const int32_t *labels;

    groups(x, N, D, K);
    for (int i = 0; i < 3; i++) {
        sabal_kmeans *km =
            sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, D, 70), .n_clusters = K, .init = inits[i]);

        cr_assert_null(sabal_kmeans_error(km));
        labels = values(sabal_kmeans_labels(km));
        for (int j = 0; j < N; j++)
            cr_assert_eq(labels[j], labels[j % K]);
        cr_expect(labels[0] != labels[1] && labels[1] != labels[2] && labels[0] != labels[2]);
    }
}

Test(kmeans, centers_of_float32_data_are_float64_and_exact)
{
    /* the mean of these is not a float32 */
    float         x[4] = {1, 1 + 0x1p-23f, 100, 100 + 0x1p-17f};
    sabal_kmeans *km   = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT32, 4, 1, 0), .n_clusters = 2);
    const double *centers;

    cr_assert_null(sabal_kmeans_error(km));
    centers = values(sabal_kmeans_centers(km));
    cr_expect_eq(sabal_array_dtype(sabal_kmeans_centers(km)), SABAL_FLOAT64);
    cr_expect_eq(fmin(centers[0], centers[1]), 1 + 0x1p-24);
    cr_expect_eq(fmax(centers[0], centers[1]), 100 + 0x1p-18);
}

Test(kmeans, one_cluster_is_the_mean)
{
    double        x[5] = {1, 2, 3, 4, 10}, w[5] = {1, 1, 1, 1, 6};
    sabal_kmeans *km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 5, 1, 2), .n_clusters = 1);

    cr_expect_float_eq(*(const double *)values(sabal_kmeans_centers(km)), 4.0, 1e-15);
    cr_expect_float_eq(sabal_kmeans_inertia(km), 9.0 + 4 + 1 + 0 + 36, 1e-13);
    km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 5, 1, 2), .n_clusters = 1,
                          .sample_weight = vector(client, w, SABAL_FLOAT64, 5, 3));
    cr_expect_float_eq(*(const double *)values(sabal_kmeans_centers(km)), 7.0, 1e-15);
}

Test(kmeans, as_many_clusters_as_rows_leave_no_inertia)
{
    double x[8] = {5, 1, 9, 3, 7, 2, 8, 4};

    for (int i = 0; i < 3; i++) {
        sabal_kmeans *km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 8, 1, 3), .n_clusters = 8,
                                            .init = i == 0   ? "k-means||"
                                                    : i == 1 ? "k-means++"
                                                             : "random");

        cr_assert_null(sabal_kmeans_error(km));
        cr_expect_eq(sabal_kmeans_inertia(km), 0);
    }
}

Test(kmeans, identical_rows_make_one_cluster_and_its_copies)
{
    double         x[20];
    const int32_t *labels;
    const double  *centers;

    for (int i = 0; i < 20; i++)
        x[i] = 3.25;
    for (int i = 0; i < 3; i++) {
        sabal_kmeans *km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 10, 2, 4), .n_clusters = 3,
                                            .init = i == 0   ? "k-means||"
                                                    : i == 1 ? "k-means++"
                                                             : "random");

        cr_assert_null(sabal_kmeans_error(km));
        cr_expect_eq(sabal_kmeans_inertia(km), 0);
        cr_expect_eq(sabal_kmeans_converged(km), 1);
        labels  = values(sabal_kmeans_labels(km));
        centers = values(sabal_kmeans_centers(km));
        for (int j = 0; j < 10; j++)
            cr_expect_eq(labels[j], labels[0]);
        for (int j = 0; j < 6; j++)
            cr_expect_eq(centers[j], 3.25);
    }
}

/* Their mean rounds, so they do not lie on their centre: still there is nothing to move to an empty cluster. */
Test(kmeans, fewer_different_rows_than_clusters_end_at_once)
{
    enum { N = 5000 };
    static double x[N * 2];

    for (int kinds = 1; kinds <= 5; kinds += 4) {
        sabal_kmeans *km;

        for (int i = 0; i < N * 2; i++)
            x[i] = 0.1 + 0.7 * (i / 2 % kinds);
        km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, 2, 700), .n_clusters = 8);
        cr_assert_null(sabal_kmeans_error(km));
        cr_expect_eq(sabal_kmeans_converged(km), 1);
        cr_expect_leq(sabal_kmeans_n_iter(km), 3);
        cr_expect_leq(sabal_kmeans_inertia(km), 1e-20);
    }
}

/* As an array of a packed record does. */
Test(kmeans, rows_may_lie_at_odd_addresses)
{
    enum { N = 300, D = 5 };
    static double x[N * D];
    static char   odd[sizeof x + 1];

    for (int i = 0; i < N * D; i++)
        x[i] = (double)((i * 7919) % 1009);
    memcpy(odd + 1, x, sizeof x);
    for (int t = 0; t < 2; t++) {
        const sabal_dtype dtype = t ? SABAL_FLOAT32 : SABAL_FLOAT64;
        float             y[N * D];
        sabal_kmeans     *a, *b;

        for (int i = 0; i < N * D; i++)
            y[i] = (float)x[i];
        if (t)
            memcpy(odd + 1, y, sizeof y);
        a = sabal_kmeans_fit(matrix(client, t ? (const void *)y : x, dtype, N, D, 0), .n_clusters = 4);
        b = sabal_kmeans_fit(matrix(client, odd + 1, dtype, N, D, 0), .n_clusters = 4);
        cr_assert_null(sabal_kmeans_error(b));
        cr_expect_eq(sabal_kmeans_inertia(a), sabal_kmeans_inertia(b));
    }
}

Test(kmeans, labels_fit_the_returned_centers_when_max_iter_is_used_up)
{
    enum { N = 500 };
    double         x[N * 2];
    sabal_kmeans  *km;
    const double  *centers;
    const int32_t *labels;
    double         inertia = 0;

    scatter(x, N * 2);
    for (int32_t max_iter = 1; max_iter <= 3; max_iter++) {
        km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, 2, 100), .n_clusters = 7, .max_iter = max_iter,
                              .tol = 0);
        cr_assert_null(sabal_kmeans_error(km));
        cr_expect_eq(sabal_kmeans_n_iter(km), max_iter);
        cr_expect_eq(sabal_kmeans_converged(km), 0);
        centers = values(sabal_kmeans_centers(km));
        labels  = values(sabal_kmeans_labels(km));
        inertia = 0;
        for (int i = 0; i < N; i++) {
            cr_expect_eq(labels[i], nearest(x + i * 2, centers, 7, 2));
            inertia += squared_distance(x + i * 2, centers + labels[i] * 2, 2);
        }
        cr_expect_float_eq(sabal_kmeans_inertia(km), inertia, 1e-12 * inertia);
    }
}

Test(kmeans, a_weight_of_two_is_the_row_twice)
{
    enum { N = 50, D = 2 };
    double        x[N * D], twice[N * 2 * D], w[N];
    int64_t       n = 0;
    sabal_kmeans *km, *other;
    const double *a, *b;

    for (int i = 0; i < N; i++) {
        w[i] = 1 + i % 2;
        for (int j = 0; j < D; j++)
            x[i * D + j] = (double)((i * 37 + j * 11) % 101);
        for (int t = 0; t < 1 + i % 2; t++, n++)
            memcpy(twice + n * D, x + i * D, D * sizeof *x);
    }
    km    = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, D, 0), .n_clusters = 3, .tol = 0,
                             .init_centers  = matrix(client, x, SABAL_FLOAT64, 3, D, 0),
                             .sample_weight = vector(client, w, SABAL_FLOAT64, N, 0));
    other = sabal_kmeans_fit(matrix(client, twice, SABAL_FLOAT64, n, D, 0), .n_clusters = 3, .tol = 0,
                             .init_centers = matrix(client, x, SABAL_FLOAT64, 3, D, 0));
    a     = values(sabal_kmeans_centers(km));
    b     = values(sabal_kmeans_centers(other));
    for (int i = 0; i < 3 * D; i++)
        cr_expect_float_eq(a[i], b[i], 1e-12);
    cr_expect_float_eq(sabal_kmeans_inertia(km), sabal_kmeans_inertia(other), 1e-9);
}

Test(kmeans, predict_gives_the_nearest_center_of_new_rows)
{
    enum { N = 90, D = 2, K = 3 };
    double         x[N * D], other[5 * D] = {0, 0, 100, 100, 200, 200, 149, 149, 151, 152};
    float          single[5 * D];
    sabal_kmeans  *km;
    const double  *centers;
    const int32_t *labels;

    groups(x, N, D, K);
    for (int i = 0; i < 5 * D; i++)
        single[i] = (float)other[i];
    km      = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, D, 0), .n_clusters = K);
    centers = values(sabal_kmeans_centers(km));
    labels  = values(sabal_kmeans_predict(km, matrix(client, other, SABAL_FLOAT64, 5, D, 2)));
    for (int i = 0; i < 5; i++)
        cr_expect_eq(labels[i], nearest(other + i * D, centers, K, D));
    labels = values(sabal_kmeans_predict(km, matrix(client, single, SABAL_FLOAT32, 5, D, 2)));
    for (int i = 0; i < 5; i++)
        cr_expect_eq(labels[i], nearest(other + i * D, centers, K, D));
}

Test(kmeans, predicting_the_rows_of_the_fit_gives_its_labels)
{
    enum { N = 200, D = 5 };
    double        x[N * D];
    sabal_array  *rows;
    sabal_kmeans *km;

    scatter(x, N * D);
    rows = matrix(client, x, SABAL_FLOAT64, N, D, 33);
    km   = sabal_kmeans_fit(rows, .n_clusters = 6);
    cr_expect_arr_eq(values(sabal_kmeans_predict(km, rows)), values(sabal_kmeans_labels(km)), N * sizeof(int32_t));
}

Test(kmeans, transform_gives_the_distances)
{
    enum { N = 40, D = 3, K = 4 };
    double        x[N * D];
    float         single[N * D];
    sabal_kmeans *km;
    sabal_array  *t, *t32;
    const double *centers, *d64;
    const float  *d32;

    groups(x, N, D, K);
    for (int i = 0; i < N * D; i++)
        single[i] = (float)x[i];
    km      = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, D, 0), .n_clusters = K);
    centers = values(sabal_kmeans_centers(km));
    t       = sabal_kmeans_transform(km, matrix(client, x, SABAL_FLOAT64, N, D, 9));
    t32     = sabal_kmeans_transform(km, matrix(client, single, SABAL_FLOAT32, N, D, 9));
    cr_expect_eq(sabal_array_dtype(t), SABAL_FLOAT64);
    cr_expect_eq(sabal_array_dtype(t32), SABAL_FLOAT32);
    cr_expect_eq(sabal_array_extent(t, 0), N);
    cr_expect_eq(sabal_array_extent(t, 1), K);
    d64 = values(t);
    d32 = values(t32);
    for (int i = 0; i < N; i++)
        for (int c = 0; c < K; c++) {
            double naive = sqrt(squared_distance(x + i * D, centers + c * D, D));

            cr_expect_float_eq(d64[i * K + c], naive, 1e-12 * 400);
            cr_expect_float_eq((double)d32[i * K + c], naive, 1e-4);
        }
}

static sabal_status counted(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    calls_add();
    memcpy(out, chunk->data, (size_t)(chunk->shape[0] * chunk->shape[1]) * sizeof(double));
    return SABAL_OK;
}

Test(kmeans, labels_predict_and_transform_are_lazy)
{
    enum { N = 30 };
    double        x[N * 2];
    int           after_fit;
    sabal_array  *rows, *labels, *other;
    sabal_kmeans *km;

    calls_begin();
    groups(x, N, 2, 3);
    rows      = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, N, 2, 10), counted);
    km        = sabal_kmeans_fit(rows, .n_clusters = 3);
    after_fit = calls_count();
    cr_expect_gt(after_fit, 0);
    labels = sabal_kmeans_predict(km, rows);
    other  = sabal_kmeans_transform(km, rows);
    (void)sabal_kmeans_labels(km);
    cr_expect_eq(calls_count(), after_fit);
    computed(labels);
    cr_expect_eq(calls_count(), after_fit + 3);
    computed(other);
    cr_expect_eq(calls_count(), after_fit + 6);
    computed(sabal_kmeans_labels(km));
    cr_expect_leq(calls_count(), after_fit + 9);
    calls_end();
}

Test(kmeans, a_persisted_array_is_computed_once)
{
    enum { N = 30 };
    double        x[N * 2];
    sabal_kmeans *km;

    calls_begin();
    groups(x, N, 2, 3);
    km = sabal_kmeans_fit(sabal_persist(sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, N, 2, 10), counted)),
                          .n_clusters = 3);
    computed(sabal_kmeans_labels(km));
    cr_expect_eq(calls_count(), 3);
    calls_end();
}

Test(kmeans, labels_keep_the_rows_alive_and_a_retained_model_outlives_its_scope)
{
    enum { N = 30 };
    double             *x = malloc(N * 2 * sizeof *x);
    const sabal_kmeans *km;
    const int32_t      *labels;

    groups(x, N, 2, 3);
    {
        SABAL_SCOPE(client);
        const int64_t shape[2] = {N, 2};

        km = sabal_retain(sabal_kmeans_fit(
            sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, shape, .release = free, .release_arg = x),
            .n_clusters = 3));
    }
    labels = values(sabal_kmeans_labels(km));
    for (int i = 0; i < N; i++)
        cr_expect_eq(labels[i], labels[i % 3]);
    sabal_release(km);
}

static int32_t phases;

static void watch(void *user, const sabal_kmeans_progress *progress)
{
    cr_expect_eq(user, &phases);
    cr_expect_eq(progress->n_init, 2);
    cr_expect(progress->run >= 1 && progress->run <= 2);
    cr_expect_leq(progress->iter, progress->max_iter);
    if (!strcmp(progress->phase, "seed"))
        phases |= 1;
    else if (!strcmp(progress->phase, "iterate"))
        phases |= 2;
    else
        cr_expect_str_eq(progress->phase, "label");
}

Test(kmeans, progress_tells_phases_runs_and_passes)
{
    double        x[60];
    sabal_kmeans *km;

    groups(x, 30, 2, 3);
    km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 30, 2, 0), .n_clusters = 3, .n_init = 2, .progress = watch,
                          .progress_user = &phases);
    cr_assert_null(sabal_kmeans_error(km));
    cr_expect_eq(phases, 3);
}

Test(kmeans, times_add_up)
{
    sabal_kmeans_times t = {.struct_size = sizeof t};
    struct {
        size_t struct_size;
        double seed, guard;
    } old = {.struct_size = offsetof(sabal_kmeans_times, iterate), .seed = -1, .guard = 4711};
    double        x[60];
    sabal_kmeans *km;

    groups(x, 30, 2, 3);
    km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 30, 2, 0), .n_clusters = 3);
    cr_expect_eq(sabal_kmeans_times_get(km, &t), SABAL_OK);
    cr_expect(t.seed > 0 && t.iterate > 0);
    cr_expect_leq(t.seed + t.iterate, t.total * 1.001);
    cr_expect_eq(sabal_kmeans_times_get(km, (sabal_kmeans_times *)(void *)&old), SABAL_OK);
    cr_expect_eq(old.seed, t.seed);
    cr_expect_eq(old.guard, 4711);
    old.struct_size = 0;
    cr_expect_eq(sabal_kmeans_times_get(km, (sabal_kmeans_times *)(void *)&old), SABAL_EINVAL);
}

Test(kmeans, the_default_is_eight_clusters_by_scalable_kmeans)
{
    sabal_kmeans_options o;

    sabal_kmeans_options_init(&o);
    cr_expect_eq(o.struct_size, sizeof o);
    cr_expect_eq(o.n_clusters, 8);
    cr_expect_str_eq(o.init, "k-means||");
    cr_expect_eq(o.max_iter, 300);
    cr_expect_eq(o.tol, 1e-4);
    cr_expect_eq(o.n_init, 0);
    cr_expect_eq(o.oversampling, 2.0);
    cr_expect_eq(o.init_rounds, 5);
    cr_expect_null(o.init_centers);
    cr_expect_null(o.sample_weight);
}

Test(kmeans, no_options_means_all_defaults)
{
    double        x[60];
    sabal_kmeans *a, *b;

    groups(x, 30, 2, 15);
    a = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 30, 2, 0));
    b = sabal_kmeans_fit_with(matrix(client, x, SABAL_FLOAT64, 30, 2, 0), NULL);
    cr_assert_null(sabal_kmeans_error(a));
    cr_assert_null(sabal_kmeans_error(b));
    cr_expect_eq(sabal_kmeans_n_clusters(b), 8);
    cr_expect_arr_eq(values(sabal_kmeans_centers(a)), values(sabal_kmeans_centers(b)), 16 * sizeof(double));
}

static sabal_status fit_inside(sabal_task *task)
{
    double        x[60], inertia;
    sabal_kmeans *km;

    groups(x, 30, 2, 3);
    km      = sabal_kmeans_fit(matrix(sabal_task_client(task), x, SABAL_FLOAT64, 30, 2, 5), .n_clusters = 3);
    inertia = sabal_kmeans_inertia(km);
    return sabal_task_return(task, &inertia, sizeof inertia);
}

Test(kmeans, a_task_may_fit)
{
    double        x[60], inertia[4];
    sabal_future *f[4];
    sabal_error   err = SABAL_ERROR_INIT;

    groups(x, 30, 2, 3);
    for (int i = 0; i < 4; i++) /* more than there are threads: each lends its place while it waits */
        f[i] = sabal_submit(client, fit_inside, NULL, 0);
    cr_assert_eq(sabal_gather(inertia, sizeof *inertia, SABAL_LIST(f[0], f[1], f[2], f[3]), &err), SABAL_OK);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(inertia[i], sabal_kmeans_inertia(
                                     sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 30, 2, 5), .n_clusters = 3)));
}
