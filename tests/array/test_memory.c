/* Arrays over the caller's memory: strides, copies, release, chunks. */
#include "support/client.h"

TestSuite(memory, .init = open_client, .fini = close_client);

static _Atomic int releases;

static void count_release(void *arg)
{
    ++*(_Atomic int *)arg;
}

Test(memory, an_array_has_the_shape_and_the_values_it_was_given)
{
    const int64_t shape[3] = {4, 3, 2};
    int32_t       x[24];
    sabal_array  *a;

    for (int i = 0; i < 24; i++)
        x[i] = i * i;
    a = sabal_array_from_memory(client, x, SABAL_INT32, 3, shape);
    cr_assert_null(sabal_array_error(a));
    cr_expect_eq(sabal_array_ndim(a), 3);
    cr_expect_eq(sabal_array_dtype(a), SABAL_INT32);
    for (int32_t i = 0; i < 3; i++)
        cr_expect_eq(sabal_array_extent(a, i), shape[i]);
    cr_expect_eq(sabal_array_extent(a, 3), -1);
    cr_expect_eq(sabal_array_extent(a, -1), -1);
    cr_expect_eq(sabal_array_bytes(a), 96);
    cr_expect_eq(sabal_array_client(a), client);
    cr_expect_arr_eq(values(a), x, sizeof x);
    cr_expect_eq(sabal_ndarray_ndim(computed(a)), 3);
    cr_expect_eq(sabal_ndarray_extent(computed(a), 1), 3);
}

Test(memory, every_dtype_goes_through)
{
    unsigned char x[160];

    for (int i = 0; i < 160; i++)
        x[i] = (unsigned char)(i * 7);
    for (int t = SABAL_BOOL; t <= SABAL_COMPLEX128; t++) {
        sabal_array *a = vector(client, x, (sabal_dtype)t, 10, 3);

        cr_assert_null(sabal_array_error(a));
        cr_expect_eq((int)sabal_array_dtype(a), t);
        cr_expect_eq(sabal_array_bytes(a), (int64_t)(10 * sabal_dtype_size((sabal_dtype)t)));
        cr_expect_arr_eq(values(a), x, 10 * sabal_dtype_size((sabal_dtype)t));
    }
}

Test(memory, chunk_rows_cut_the_first_axis_and_the_last_may_be_shorter)
{
    double       x[20] = {0};
    sabal_array *a     = matrix(client, x, SABAL_FLOAT64, 10, 2, 4);

    cr_expect_eq(sabal_array_n_chunks(a, 0), 3);
    cr_expect_eq(sabal_array_n_chunks(a, 1), 1);
    cr_expect_eq(sabal_array_n_chunks(a, 2), -1);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 0), 4);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 1), 4);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 2), 2);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 3), -1);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, -1), -1);
    cr_expect_eq(sabal_array_chunk_extent(a, 1, 0), 2);
    a = matrix(client, x, SABAL_FLOAT64, 10, 2, 1000);
    cr_expect_eq(sabal_array_n_chunks(a, 0), 1);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 0), 10);
}

/* Nothing is read before a compute, so that no memory is needed to ask. */
Test(memory, automatic_chunks_depend_on_shape_and_dtype_alone)
{
    static const struct {
        int64_t     rows, columns;
        sabal_dtype dtype;
    } shapes[] = {{100000000, 2, SABAL_FLOAT64},  {100000000, 2, SABAL_FLOAT32}, {1000000, 16, SABAL_FLOAT64},
                  {10, 100000000, SABAL_FLOAT64}, {3, 2, SABAL_FLOAT64},         {2000000000, 1, SABAL_UINT8}};
    static double one;
    sabal_client *other = open_engine(7);

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int64_t      n = shapes[i].rows, row = shapes[i].columns * (int64_t)sabal_dtype_size(shapes[i].dtype);
        sabal_array *a = matrix(client, &one, shapes[i].dtype, n, shapes[i].columns, 0);
        sabal_array *b = matrix(other, &one, shapes[i].dtype, n, shapes[i].columns, 0);
        int64_t      rows, sum = 0;

        cr_assert_null(sabal_array_error(a));
        rows = sabal_array_chunk_extent(a, 0, 0);
        cr_expect_eq(sabal_array_n_chunks(a, 0), sabal_array_n_chunks(b, 0));
        cr_expect_eq(rows, sabal_array_chunk_extent(b, 0, 0));
        cr_expect(rows == n || rows == 1 || rows * row <= (int64_t)16 << 20);
        cr_expect(rows == n || (rows + 1) * row > (int64_t)1 << 20); /* not much smaller than 4 MiB either */
        for (int64_t c = 0; c < sabal_array_n_chunks(a, 0); c++)
            sum += sabal_array_chunk_extent(a, 0, c);
        cr_expect_eq(sum, n);
    }
    sabal_close(other);
}

Test(memory, strides_pick_elements_as_numpy_does)
{
    enum { ROWS = 6, COLUMNS = 4 };
    double        x[ROWS * COLUMNS];
    const int64_t shape[2] = {3, 2}, fortran[2] = {ROWS, COLUMNS};
    const int64_t every_other[2] = {2 * COLUMNS * 8, 2 * 8}, backwards[2] = {-COLUMNS * 8, -8},
                  transposed[2] = {8, 8 * ROWS}, same[2] = {0, 8};
    const double *v;

    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i] = i;
    v = values(sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, shape, .strides = every_other, .chunk_rows = 2));
    for (int i = 0; i < 6; i++)
        cr_expect_eq(v[i], (i / 2) * 2 * COLUMNS + (i % 2) * 2);
    v = values(sabal_array_from_memory(client, x + ROWS * COLUMNS - 1, SABAL_FLOAT64, 2, shape, .strides = backwards,
                                       .chunk_rows = 1));
    for (int i = 0; i < 6; i++)
        cr_expect_eq(v[i], ROWS * COLUMNS - 1 - (i / 2) * COLUMNS - i % 2);
    v = values(sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, fortran, .strides = transposed, .chunk_rows = 4));
    for (int i = 0; i < ROWS * COLUMNS; i++)
        cr_expect_eq(v[i], i / COLUMNS + (i % COLUMNS) * ROWS);
    v = values(sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, shape, .strides = same));
    for (int i = 0; i < 6; i++)
        cr_expect_eq(v[i], i % 2);
}

Test(memory, a_copy_does_not_see_later_changes)
{
    double       x[6] = {1, 2, 3, 4, 5, 6};
    sabal_array *a    = sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, ((const int64_t[]){3, 2}), .copy = 1,
                                                .release = count_release, .release_arg = &releases);

    memset(x, 0, sizeof x);
    cr_expect_eq(releases, 1); /* the data is the caller's again when the call returns */
    cr_expect_eq(((const double *)values(a))[5], 6);
}

Test(memory, release_is_called_once_when_the_last_user_is_gone)
{
    static double x[1000];
    _Atomic int   released = 0;

    {
        SABAL_SCOPE(client);
        const int64_t shape[2] = {500, 2};
        sabal_array  *a        = sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, shape, .chunk_rows = 100,
                                                         .release = count_release, .release_arg = &released);
        sabal_array  *b        = sabal_array_rows(a, 10, 300);

        computed(b);
        sabal_release(a);
        cr_expect_eq(released, 0); /* b needs it */
    }
    for (int i = 0; i < 5000 && !released; i++) /* a cluster's scheduler has to say that no worker needs it any more */
        sleep_ms(1);
    cr_expect_eq(released, 1);
}

Test(memory, release_is_called_on_failure_too)
{
    double        x[4]     = {0};
    const int64_t shape[2] = {2, -2};
    _Atomic int   released = 0;

    cr_assert_not_null(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, shape,
                                                                 .release = count_release, .release_arg = &released)));
    cr_expect_eq(released, 1);
    cr_assert_not_null(sabal_array_error(sabal_array_from_memory(client, x, (sabal_dtype)99, 2, shape,
                                                                 .release = count_release, .release_arg = &released)));
    cr_expect_eq(released, 2);
}

Test(memory, release_is_called_when_the_client_closes)
{
    static double x[4];
    _Atomic int   released = 0;
    sabal_client *other    = open_engine(1);

    (void)sabal_array_from_memory(other, x, SABAL_FLOAT64, 1, ((const int64_t[]){4}), .release = count_release,
                                  .release_arg = &released);
    sabal_close(other);
    cr_expect_eq(released, 1);
}

Test(memory, a_computed_result_outlives_the_memory_it_came_from)
{
    double        *x = malloc(6 * sizeof *x);
    sabal_ndarray *out;
    sabal_client  *other = open_engine(2);

    for (int i = 0; i < 6; i++)
        x[i] = i;
    out = sabal_retain(computed(sabal_array_from_memory(other, x, SABAL_FLOAT64, 2, ((const int64_t[]){3, 2}),
                                                        .release = free, .release_arg = x)));
    sabal_close(other);
    cr_expect_eq(((const double *)sabal_ndarray_data(out))[5], 5);
    sabal_release(out);
}

Test(memory, empty_arrays_are_arrays)
{
    double         x[1] = {0};
    sabal_ndarray *out;

    out = computed(matrix(client, x, SABAL_FLOAT64, 0, 3, 0));
    cr_expect_eq(sabal_ndarray_extent(out, 0), 0);
    cr_expect_eq(sabal_ndarray_extent(out, 1), 3);
    out = computed(matrix(client, x, SABAL_FLOAT64, 3, 0, 2));
    cr_expect_eq(sabal_ndarray_extent(out, 0), 3);
    cr_expect_eq(sabal_ndarray_extent(out, 1), 0);
    cr_expect_eq(sabal_array_bytes(matrix(client, x, SABAL_FLOAT64, 3, 0, 2)), 0);
}

Test(memory, what_is_no_array_is_refused_by_name)
{
    double        x[4]   = {0};
    const int64_t bad[2] = {2, -1}, huge[2] = {INT64_MAX / 2, 4}, good[2] = {2, 2};
    int64_t       ones[SABAL_MAX_NDIM + 1];

    for (int i = 0; i <= SABAL_MAX_NDIM; i++)
        ones[i] = 1;
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, bad)), SABAL_ESHAPE, "-1");
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, huge)), SABAL_ESHAPE, "");
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, 0, good)), SABAL_ESHAPE, "0");
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, x, (sabal_dtype)77, 2, good)), SABAL_EDTYPE, "77");
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, SABAL_MAX_NDIM + 1, ones)),
                  SABAL_ESHAPE, "33");
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, -1, good)), SABAL_ESHAPE, "-1");
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, NULL, SABAL_FLOAT64, 2, good)), SABAL_EINVAL, "");
    EXPECT_FAILED(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, good, .chunk_rows = -1)),
                  SABAL_EINVAL, "chunk_rows");
    cr_expect_null(sabal_array_error(sabal_array_from_memory(client, x, SABAL_FLOAT64, SABAL_MAX_NDIM, ones)));
}
