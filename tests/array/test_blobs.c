/* make_blobs as arrays: lazily, in any chunks, with labels. */
#include "kernel/random.h"
#include "support/client.h"

TestSuite(blobs, .init = open_client, .fini = close_client);

Test(blobs, defaults_are_those_of_scikit_learn)
{
    sabal_blobs_options o;
    sabal_array        *a = sabal_make_blobs(client);

    sabal_blobs_options_init(&o);
    cr_expect_eq(o.struct_size, sizeof o);
    cr_expect(o.n_samples == 100 && o.n_features == 2 && o.centers == 3 && o.cluster_std == 1.0);
    cr_expect(o.center_box_min == -10 && o.center_box_max == 10 && o.dtype == SABAL_FLOAT64);
    cr_assert_null(sabal_array_error(a));
    cr_expect_eq(sabal_array_extent(a, 0), 100);
    cr_expect_eq(sabal_array_extent(a, 1), 2);
    cr_expect_eq(sabal_array_dtype(a), SABAL_FLOAT64);
}

/* Straight from the kernel, in one piece. */
Test(blobs, are_those_of_the_kernel_in_any_chunks)
{
    enum { N = 1000, D = 3, M = 4 };
    static const int64_t chunks[] = {0, 1, 7, 256, 999, 1000};
    static double        x[N * D];
    static float         x32[N * D];
    static int32_t       labels[N];
    double               centers[M * D];

    for (int i = 0; i < M * D; i++)
        centers[i] = 10 * i;
    sbl_blobs_rows(x, labels, SABAL_FLOAT64, 0, N, N, D, centers, M, 0.5, 9);
    sbl_blobs_rows(x32, NULL, SABAL_FLOAT32, 0, N, N, D, centers, M, 0.5, 9);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        SABAL_SCOPE(client);
        sabal_array *y,
            *a = sabal_make_blobs(client, .n_samples = N, .n_features = D, .centers = M, .center_values = centers,
                                  .cluster_std = 0.5, .seed = 9, .chunk_rows = chunks[i], .labels = &y);

        cr_assert_null(sabal_array_error(a));
        cr_expect_arr_eq(values(a), x, sizeof x);
        cr_expect_eq(sabal_array_dtype(y), SABAL_INT32);
        cr_expect_eq(sabal_array_ndim(y), 1);
        cr_expect_arr_eq(values(y), labels, sizeof labels);
        cr_expect_arr_eq(values(sabal_array_rows(a, 123, -77)), x + 123 * D, (N - 200) * D * sizeof *x);
        a = sabal_make_blobs(client, .n_samples = N, .n_features = D, .centers = M, .center_values = centers,
                             .cluster_std = 0.5, .seed = 9, .chunk_rows = chunks[i], .dtype = SABAL_FLOAT32);
        cr_expect_arr_eq(values(a), x32, sizeof x32);
    }
}

Test(blobs, centers_lie_in_the_box_and_depend_on_the_seed)
{
    const double *a = values(sabal_make_blobs(client, .n_samples = 300, .cluster_std = 0.0, .center_box_min = 5,
                                              .center_box_max = 6, .seed = 1));
    const double *b = values(sabal_make_blobs(client, .n_samples = 300, .cluster_std = 0.0, .center_box_min = 5,
                                              .center_box_max = 6, .seed = 2));
    const double *c = values(sabal_make_blobs(client, .n_samples = 300, .cluster_std = 0.0, .center_box_min = 5,
                                              .center_box_max = 6, .seed = 1));

    for (int i = 0; i < 600; i++)
        cr_expect(a[i] >= 5 && a[i] < 6);
    cr_expect(memcmp(a, b, 600 * sizeof *a) != 0);
    cr_expect_arr_eq(a, c, 600 * sizeof *a);
}

Test(blobs, of_a_hundred_million_rows_can_be_looked_at_in_part)
{
    sabal_array *a = sabal_make_blobs(client, .n_samples = 100000000);

    cr_expect_eq(sabal_array_bytes(a), INT64_C(1600000000));
    cr_expect_eq(sabal_ndarray_extent(computed(sabal_array_rows(a, -3, 100000000)), 0), 3);
}

Test(blobs, what_is_no_blob_is_refused_by_name)
{
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .n_samples = -1)), SABAL_EINVAL, "n_samples");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .n_features = -1)), SABAL_EINVAL, "n_features");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .n_samples = INT64_MAX / 2, .n_features = 8)),
                  SABAL_ESHAPE, "");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .centers = 0)), SABAL_EINVAL, "centers");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .cluster_std = -1.0)), SABAL_EINVAL, "cluster_std");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .cluster_std = __builtin_nan(""))), SABAL_EINVAL,
                  "cluster_std");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .center_box_min = 3, .center_box_max = 2)), SABAL_EINVAL,
                  "center_box");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .dtype = SABAL_INT32)), SABAL_EDTYPE, "int32");
    EXPECT_FAILED(sabal_array_error(sabal_make_blobs(client, .chunk_rows = -1)), SABAL_EINVAL, "chunk_rows");
}

Test(blobs, labels_of_failed_blobs_are_failed)
{
    sabal_array *y = NULL;

    cr_assert_not_null(sabal_array_error(sabal_make_blobs(client, .centers = 0, .labels = &y)));
    cr_assert_not_null(y);
    EXPECT_FAILED(sabal_array_error(y), SABAL_EINVAL, "centers");
}
