/* Every error that <sabal/ml.h> names, provoked. Texts are only looked at for the values a person needs. */
#include <math.h>

#include "support/arrays.h"

enum { N = 40, D = 3 };

static sabal_client *client;
static double        x[N * D];

static void open_client(void)
{
    client = open_engine(2);
    for (int i = 0; i < N * D; i++)
        x[i] = (double)((i * 37) % 101);
}

static void close_client(void)
{
    sabal_close(client);
}

TestSuite(kmeans_errors, .init = open_client, .fini = close_client);

static sabal_array *rows(void)
{
    return matrix(client, x, SABAL_FLOAT64, N, D, 7);
}

/* A failed model gives nothing, and arrays that carry the same cause. */
static void is_a_husk(const sabal_kmeans *km)
{
    const sabal_error *cause = sabal_kmeans_error(km);

    cr_assert_not_null(cause);
    cr_expect_eq(sabal_kmeans_n_iter(km), -1);
    cr_expect_eq(sabal_kmeans_n_clusters(km), -1);
    cr_expect_eq(sabal_kmeans_n_features(km), -1);
    cr_expect_eq(sabal_kmeans_converged(km), 0);
    cr_expect(isnan(sabal_kmeans_inertia(km)));
    cr_assert_not_null(sabal_array_error(sabal_kmeans_centers(km)));
    cr_expect_str_eq(sabal_array_error(sabal_kmeans_centers(km))->message, cause->message);
    cr_assert_not_null(sabal_array_error(sabal_kmeans_labels(km)));
    cr_expect_str_eq(sabal_array_error(sabal_kmeans_labels(km))->message, cause->message);
    cr_expect_str_eq(sabal_array_error(sabal_kmeans_predict(km, rows()))->message, cause->message);
    cr_expect_str_eq(sabal_array_error(sabal_kmeans_transform(km, rows()))->message, cause->message);
}

Test(kmeans_errors, more_clusters_than_rows_is_a_shape_error)
{
    sabal_kmeans *km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 3, 2, 2), .n_clusters = 8);

    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ESHAPE, "8");
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ESHAPE, "3");
    is_a_husk(km);
}

Test(kmeans_errors, n_clusters_below_1_is_invalid)
{
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 0)), SABAL_EINVAL, "0");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = -3)), SABAL_EINVAL, "-3");
}

Test(kmeans_errors, max_iter_0_is_invalid_as_in_scikit_learn)
{
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2, .max_iter = 0)), SABAL_EINVAL,
                  "max_iter");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2, .max_iter = -1)), SABAL_EINVAL,
                  "max_iter");
}

Test(kmeans_errors, options_out_of_range_are_invalid_by_name)
{
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .tol = -1.0)), SABAL_EINVAL, "tol");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .tol = NAN)), SABAL_EINVAL, "tol");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_init = -1)), SABAL_EINVAL, "n_init");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .oversampling = 0.0)), SABAL_EINVAL, "oversampling");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .oversampling = NAN)), SABAL_EINVAL, "oversampling");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .init_rounds = -1)), SABAL_EINVAL, "init_rounds");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .init_rounds = 0)), SABAL_EINVAL,
                  "init_rounds is 0: expected 1 to 1000");
}

Test(kmeans_errors, an_unknown_init_is_invalid_and_the_known_ones_are_named)
{
    sabal_kmeans *km = sabal_kmeans_fit(rows(), .n_clusters = 2, .init = "kmeans+");

    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EINVAL, "kmeans+");
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EINVAL, "k-means||");
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EINVAL, "k-means++");
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EINVAL, "random");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2, .init = NULL)), SABAL_EINVAL, "init");
}

Test(kmeans_errors, nan_and_infinity_are_refused_with_the_first_row_and_column)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    double              keep  = x[D * 20 + 1];

    for (size_t i = 0; i < 3; i++)
        for (int single = 0; single < 2; single++) {
            static float  x32[N * D];
            sabal_kmeans *km;

            x[D * 20 + 1] = bad[i];
            x[D * 33 + 2] = bad[i]; /* a later one, in another chunk, must not be named */
            for (int j = 0; j < N * D; j++)
                x32[j] = (float)x[j];
            km = sabal_kmeans_fit(
                matrix(client, single ? (void *)x32 : x, single ? SABAL_FLOAT32 : SABAL_FLOAT64, N, D, 7),
                .n_clusters = 2);
            EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, i == 0 ? "NaN" : "inf");
            EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "20");
            EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "1");
            if (sabal_kmeans_error(km))
                cr_expect_null(strstr(sabal_kmeans_error(km)->message, "33"));
            is_a_husk(km);
        }
    x[D * 20 + 1] = keep;
}

/* They are finite, but distances between them are not: labels would be wrong without a word. */
Test(kmeans_errors, numbers_whose_squares_overflow_are_refused)
{
    static double wide[N * 6];
    static float  wide32[N * 6];
    sabal_kmeans *km;

    for (int i = 0; i < N * 6; i++) {
        wide[i]   = (i % 7 - 3) * 1e160;
        wide32[i] = (float)(i % 7 - 3) * 1e20f;
    }
    km = sabal_kmeans_fit(matrix(client, wide, SABAL_FLOAT64, N, 6, 7), .n_clusters = 3);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "overflow: scale x");
    is_a_husk(km);
    km = sabal_kmeans_fit(matrix(client, wide, SABAL_FLOAT64, N, 2, 7), .n_clusters = 3);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "overflow: scale x");
    km = sabal_kmeans_fit(matrix(client, wide32, SABAL_FLOAT32, N, 6, 7), .n_clusters = 3);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "overflow float32, first in row 0");
    /* few features are float64 inside */
    km = sabal_kmeans_fit(matrix(client, wide32, SABAL_FLOAT32, N, 2, 7), .n_clusters = 3);
    cr_expect_null(sabal_kmeans_error(km));
    /* and a model refuses rows that it was not made of */
    km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N / 2, 6, 7), .n_clusters = 3);
    cr_assert_null(sabal_kmeans_error(km));
    for (int i = 0; i < 2; i++) {
        sabal_ndarray *out = NULL;
        sabal_error    err = SABAL_ERROR_INIT;
        sabal_array   *big = matrix(client, wide, SABAL_FLOAT64, N, 6, 7);

        cr_expect_eq(sabal_compute(&out, i ? sabal_kmeans_transform(km, big) : sabal_kmeans_predict(km, big), &err),
                     SABAL_EVALUE);
        EXPECT_FAILED(&err, SABAL_EVALUE, "overflow float64");
    }
}

/* Their sum over all rows may be beyond float32, as long as none of them is. */
Test(kmeans_errors, large_numbers_whose_squares_do_not_overflow_are_taken)
{
    enum { MANY = 60000, FEATURES = 5 };
    float         *big = malloc(sizeof *big * MANY * FEATURES);
    sabal_ndarray *out = NULL;
    sabal_error    err = SABAL_ERROR_INIT;
    sabal_kmeans  *km;

    for (int i = 0; i < MANY * FEATURES; i++)
        big[i] = (float)((i * 7919LL) % 2003 - 1001) * 2e13f;
    km = sabal_kmeans_fit(matrix(client, big, SABAL_FLOAT32, MANY, FEATURES, 0), .n_clusters = 3);
    cr_expect_null(sabal_kmeans_error(km));
    cr_expect_eq(
        sabal_compute(&out, sabal_kmeans_predict(km, matrix(client, big, SABAL_FLOAT32, MANY, FEATURES, 0)), &err),
        SABAL_OK);
    sabal_release(out);
    big[(MANY - 1) * FEATURES] = 3e19f;
    km = sabal_kmeans_fit(matrix(client, big, SABAL_FLOAT32, MANY, FEATURES, 0), .n_clusters = 3);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "first in row 59999");
    free(big);
}

Test(kmeans_errors, nan_is_refused_with_centers_given_too)
{
    x[D * 11 + 2] = NAN;
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .init_centers = matrix(client, x, SABAL_FLOAT64, 2, D, 0))),
                  SABAL_EVALUE, "11");
}

Test(kmeans_errors, x_must_have_two_dimensions)
{
    const int64_t shape[3] = {10, 2, 2};
    sabal_kmeans *km       = sabal_kmeans_fit(vector(client, x, SABAL_FLOAT64, N, 0), .n_clusters = 2);

    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ESHAPE, "1");
    is_a_husk(km);
    km = sabal_kmeans_fit(sabal_array_from_memory(client, x, SABAL_FLOAT64, 3, shape), .n_clusters = 2);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ESHAPE, "3");
}

Test(kmeans_errors, x_must_have_a_column_and_a_row)
{
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 5, 0, 0), .n_clusters = 2)),
                  SABAL_ESHAPE, "");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, 0, 2, 0), .n_clusters = 1)),
                  SABAL_ESHAPE, "");
}

Test(kmeans_errors, x_must_be_real_numbers)
{
    static const sabal_dtype others[] = {SABAL_COMPLEX64, SABAL_COMPLEX128};
    static const char        zeros[N * D * 16];

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        sabal_kmeans *km = sabal_kmeans_fit(matrix(client, zeros, others[i], N, D, 0), .n_clusters = 2);

        EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EDTYPE, sabal_dtype_name(others[i]));
        is_a_husk(km);
    }
}

Test(kmeans_errors, init_centers_must_fit)
{
    const int64_t shape[1] = {2};
    double        nan[2 * D];

    memcpy(nan, x, sizeof nan);
    nan[4] = NAN;
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .init_centers = matrix(client, x, SABAL_FLOAT64, 4, D, 0))),
                  SABAL_ESHAPE, "4");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .init_centers = matrix(client, x, SABAL_FLOAT64, 2, D + 2, 0))),
                  SABAL_ESHAPE, "5");
    EXPECT_FAILED(
        sabal_kmeans_error(sabal_kmeans_fit(
            rows(), .n_clusters = 2, .init_centers = sabal_array_from_memory(client, x, SABAL_FLOAT64, 1, shape))),
        SABAL_ESHAPE, "");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .init_centers = matrix(client, nan, SABAL_FLOAT64, 2, D, 0))),
                  SABAL_EVALUE, "init_centers holds NaN or infinity in row 1, column 1");
    nan[4] = 1e160;
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .init_centers = matrix(client, nan, SABAL_FLOAT64, 2, D, 0))),
                  SABAL_EVALUE, "init_centers lies so far from x that squares overflow float64, first in row 1");
}

Test(kmeans_errors, sample_weight_must_fit)
{
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .sample_weight = vector(client, x, SABAL_FLOAT64, N - 1, 0))),
                  SABAL_ESHAPE, "39");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .sample_weight = matrix(client, x, SABAL_FLOAT64, N, 1, 0))),
                  SABAL_ESHAPE, "");
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .sample_weight = vector(client, x, SABAL_COMPLEX64, N, 0))),
                  SABAL_EDTYPE, "complex64");
}

Test(kmeans_errors, weights_must_be_finite_and_not_negative_nor_all_zero)
{
    double w[N];

    for (int i = 0; i < N; i++)
        w[i] = 1;
    w[17] = -0.5;
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .sample_weight = vector(client, w, SABAL_FLOAT64, N, 0))),
                  SABAL_EVALUE, "17");
    w[17] = NAN;
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .sample_weight = vector(client, w, SABAL_FLOAT64, N, 0))),
                  SABAL_EVALUE, "17");
    w[17] = INFINITY;
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .sample_weight = vector(client, w, SABAL_FLOAT64, N, 0))),
                  SABAL_EVALUE, "17");
    memset(w, 0, sizeof w);
    EXPECT_FAILED(sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2,
                                                      .sample_weight = vector(client, w, SABAL_FLOAT64, N, 0))),
                  SABAL_EVALUE, "sample_weight");
}

Test(kmeans_errors, weights_whose_sums_overflow_are_refused)
{
    double        weight[N];
    sabal_kmeans *km;

    for (int i = 0; i < N; i++)
        weight[i] = 1e307;
    km = sabal_kmeans_fit(rows(), .n_clusters = 2, .sample_weight = vector(client, weight, SABAL_FLOAT64, N, 0));
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "sum overflows");
    for (int i = 0; i < N; i++)
        weight[i] = 1e305;
    km = sabal_kmeans_fit(rows(), .n_clusters = 2, .sample_weight = vector(client, weight, SABAL_FLOAT64, N, 0));
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EVALUE, "or the weights,");
}

Test(kmeans_errors, predict_and_transform_want_the_models_columns)
{
    sabal_kmeans *km = sabal_kmeans_fit(rows(), .n_clusters = 2);

    cr_assert_null(sabal_kmeans_error(km));
    EXPECT_FAILED(sabal_array_error(sabal_kmeans_predict(km, matrix(client, x, SABAL_FLOAT64, 4, D + 1, 0))),
                  SABAL_ESHAPE, "4");
    EXPECT_FAILED(sabal_array_error(sabal_kmeans_transform(km, matrix(client, x, SABAL_FLOAT64, 4, D + 1, 0))),
                  SABAL_ESHAPE, "4");
    EXPECT_FAILED(sabal_array_error(sabal_kmeans_predict(km, vector(client, x, SABAL_FLOAT64, D, 0))), SABAL_ESHAPE,
                  "1");
    EXPECT_FAILED(sabal_array_error(sabal_kmeans_transform(km, vector(client, x, SABAL_FLOAT64, D, 0))), SABAL_ESHAPE,
                  "1");
}

Test(kmeans_errors, predict_of_no_rows_is_no_rows)
{
    sabal_kmeans *km = sabal_kmeans_fit(rows(), .n_clusters = 2);

    cr_expect_eq(sabal_ndarray_extent(computed(sabal_kmeans_predict(km, matrix(client, x, SABAL_FLOAT64, 0, D, 0))), 0),
                 0);
    cr_expect_eq(
        sabal_ndarray_extent(computed(sabal_kmeans_transform(km, matrix(client, x, SABAL_FLOAT64, 0, D, 0))), 1), 2);
}

Test(kmeans_errors, a_failed_array_passes_its_first_cause_on)
{
    sabal_array  *failed = sabal_array_read_npy(client, "/no/such/folder/points.npy");
    sabal_kmeans *km     = sabal_kmeans_fit(failed, .n_clusters = 2);

    cr_assert_eq(sabal_array_error(failed)->status, SABAL_ENOENT);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ENOENT, sabal_array_error(failed)->message);
    cr_expect_str_eq(sabal_kmeans_error(km)->where, sabal_array_error(failed)->where);
    is_a_husk(km);
    km = sabal_kmeans_fit(rows(), .n_clusters = 2, .init_centers = failed);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ENOENT, sabal_array_error(failed)->message);
    km = sabal_kmeans_fit(rows(), .n_clusters = 2, .sample_weight = failed);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ENOENT, sabal_array_error(failed)->message);
    km = sabal_kmeans_fit(rows(), .n_clusters = 2);
    cr_expect_eq(sabal_array_error(sabal_kmeans_predict(km, failed))->status, SABAL_ENOENT);
    cr_expect_eq(sabal_array_error(sabal_kmeans_transform(km, failed))->status, SABAL_ENOENT);
}

Test(kmeans_errors, the_users_line_is_in_the_record)
{
    const char   *where;
    sabal_kmeans *km = NOTING(where, sabal_kmeans_fit(rows(), .n_clusters = 0));

    cr_expect_str_eq(sabal_kmeans_error(km)->where, where);
}

static sabal_status fails_the_second_time(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    calls_add();
    if (calls_count() > *(const int *)arg)
        return sabal_task_fail(task, SABAL_EIO, "the disk at row %ld is gone", (long)chunk->first_row);
    memcpy(out, chunk->data, (size_t)(chunk->shape[0] * D) * sizeof(double));
    return SABAL_OK;
}

/* Wherever in the fit a chunk can't be made, the model carries that cause. */
Test(kmeans_errors, a_chunk_that_fails_fails_the_model_with_its_cause)
{
    sabal_kmeans *km;

    for (int good = 0; good < 40; good += 3) {
        calls_begin();
        km = sabal_kmeans_fit(
            sabal_array_map_chunks(rows(), fails_the_second_time, .arg = &good, .arg_size = sizeof good),
            .n_clusters = 3, .tol = 0, .max_iter = 20, .init_rounds = 2);
        if (calls_count() <= good)
            break; /* the whole fit needs no more */
        EXPECT_FAILED(sabal_kmeans_error(km), SABAL_EIO, "the disk at row");
        is_a_husk(km);
    }
    calls_end();
}

Test(kmeans_errors, a_failed_client_passes_its_cause_on)
{
    sabal_client *failed = sabal_open("no-such-scheduler.json", NULL);
    sabal_kmeans *km     = sabal_kmeans_fit(sabal_make_blobs(failed, .n_samples = 100), .n_clusters = 3);

    cr_assert_not_null(sabal_client_error(failed));
    EXPECT_FAILED(sabal_kmeans_error(km), sabal_client_error(failed)->status, sabal_client_error(failed)->message);
    sabal_close(failed);
}

Test(kmeans_errors, a_closed_client_leaves_husks)
{
    sabal_client *other = open_engine(1);
    sabal_kmeans *km    = sabal_retain(sabal_kmeans_fit(matrix(other, x, SABAL_FLOAT64, N, D, 0), .n_clusters = 2));

    cr_assert_null(sabal_kmeans_error(km));
    sabal_close(other);
    EXPECT_FAILED(sabal_kmeans_error(km), SABAL_ECLOSED, "");
    cr_expect_eq(sabal_kmeans_n_clusters(km), -1);
    sabal_release(km);
}

static sabal_status waits_until_cancelled(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    calls_add();
    while (!sabal_task_cancelled(task))
        ;
    return SABAL_ECANCELED;
}

static sabal_status fit_that_hangs(sabal_task *task)
{
    static const double zeros[20];
    int32_t             status;
    const int64_t       shape[2] = {10, 2};
    sabal_array        *a        = sabal_array_from_memory(sabal_task_client(task), zeros, SABAL_FLOAT64, 2, shape);
    sabal_kmeans       *km       = sabal_kmeans_fit(sabal_array_map_chunks(a, waits_until_cancelled), .n_clusters = 2);

    status = sabal_kmeans_error(km) ? (int32_t)sabal_kmeans_error(km)->status : 0;
    return sabal_task_return(task, &status, sizeof status);
}

/* The fit is inside a task, which is cancelled: what it waits for ends, and so does it. */
Test(kmeans_errors, closing_the_client_ends_a_fit)
{
    sabal_client *other = open_engine(2);
    sabal_future *f;

    calls_begin();
    f = sabal_retain(sabal_submit(other, fit_that_hangs, NULL, 0));
    while (!calls_count())
        sleep_ms(1);
    calls_end();
    sabal_close(other);
    cr_expect_neq(sabal_future_state_get(f), SABAL_PENDING);
    sabal_release(f);
}

Test(kmeans_errors, a_null_client_is_told_by_the_model)
{
    sabal_kmeans *model = sabal_kmeans_fit(sabal_make_blobs(NULL));

    EXPECT_FAILED(sabal_kmeans_error(model), SABAL_EINVAL, "the client is NULL");
    EXPECT_FAILED(sabal_array_error(sabal_kmeans_labels(model)), SABAL_EINVAL, "the client is NULL");
    sabal_release(model);
}

Test(kmeans_errors, options_of_scalable_seeding_are_checked_for_it_alone)
{
    const double zeros[2 * D] = {0};
    sabal_array *centers      = matrix(client, zeros, SABAL_FLOAT64, 2, D, 0);

    cr_expect_null(
        sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2, .init = "random", .oversampling = 0.0)));
    cr_expect_null(
        sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2, .init = "k-means++", .init_rounds = -1)));
    cr_expect_null(
        sabal_kmeans_error(sabal_kmeans_fit(rows(), .n_clusters = 2, .init_centers = centers, .init_rounds = 0)));
}

Test(kmeans_errors, a_model_refuses_rows_that_are_not_finite_when_they_are_computed)
{
    double        y[6 * D] = {0};
    sabal_kmeans *km       = sabal_kmeans_fit(rows(), .n_clusters = 2);
    sabal_error   err;

    y[4 * D + 1] = NAN;
    cr_assert_null(sabal_kmeans_error(km));
    err = compute_error(sabal_kmeans_predict(km, matrix(client, y, SABAL_FLOAT64, 6, D, 4)));
    EXPECT_FAILED(&err, SABAL_EVALUE, "x holds NaN or infinity, first at row 4, column 1");
    err = compute_error(sabal_kmeans_transform(km, matrix(client, y, SABAL_FLOAT64, 6, D, 4)));
    EXPECT_FAILED(&err, SABAL_EVALUE, "x holds NaN or infinity, first at row 4, column 1");
}

Test(kmeans_errors, a_model_refuses_rows_of_another_client)
{
    const double  y[D]  = {0};
    sabal_client *other = open_engine(1);
    sabal_kmeans *km    = sabal_kmeans_fit(rows(), .n_clusters = 2);
    sabal_array  *there = matrix(other, y, SABAL_FLOAT64, 1, D, 0);

    EXPECT_FAILED(sabal_array_error(sabal_kmeans_predict(km, there)), SABAL_EINVAL, "another client");
    EXPECT_FAILED(sabal_array_error(sabal_kmeans_transform(km, there)), SABAL_EINVAL, "another client");
    sabal_close(other);
}
