/* Row slices, chunk by chunk, against plain indexing. */
#include "support/client.h"

TestSuite(rows, .init = open_client, .fini = close_client);

enum { N = 11 };

/* NumPy's rule for x[start:stop] */
static void bounds(int64_t *start, int64_t *stop)
{
    int64_t *both[2] = {start, stop};

    for (int i = 0; i < 2; i++) {
        if (*both[i] < 0)
            *both[i] += N;
        *both[i] = *both[i] < 0 ? 0 : *both[i] > N ? N : *both[i];
    }
    if (*stop < *start)
        *stop = *start;
}

Test(rows, agree_with_the_naive_loop_for_every_start_stop_and_chunk)
{
    int32_t x[N * 2];

    for (int i = 0; i < N * 2; i++)
        x[i] = i;
    for (int64_t chunk = 1; chunk <= N + 1; chunk += chunk < 5 ? 1 : 3)
        for (int64_t start = -N - 2; start <= N + 2; start++)
            for (int64_t stop = -N - 2; stop <= N + 2; stop++) {
                SABAL_SCOPE(client);
                int64_t        first = start, last = stop, sum = 0;
                sabal_array   *a = sabal_array_rows(matrix(client, x, SABAL_INT32, N, 2, chunk), start, stop);
                sabal_ndarray *out;

                bounds(&first, &last);
                cr_assert_null(sabal_array_error(a));
                cr_assert_eq(sabal_array_extent(a, 0), last - first);
                for (int64_t c = 0; c < sabal_array_n_chunks(a, 0); c++)
                    sum += sabal_array_chunk_extent(a, 0, c);
                cr_assert_eq(sum, last - first);
                if ((start + stop) % 3) /* a third of them is enough to compute */
                    continue;
                out = computed(a);
                cr_assert_eq(sabal_ndarray_extent(out, 0), last - first);
                cr_assert_eq(sabal_ndarray_extent(out, 1), 2);
                cr_assert_arr_eq(sabal_ndarray_data(out), x + first * 2, (size_t)(last - first) * 8);
            }
}

Test(rows, of_rows_of_rows)
{
    int32_t      x[100];
    sabal_array *a;

    for (int i = 0; i < 100; i++)
        x[i] = i;
    a = sabal_array_rows(sabal_array_rows(sabal_array_rows(vector(client, x, SABAL_INT32, 100, 7), 3, -2), 10, 60), -20,
                         -1);
    cr_expect_eq(sabal_array_extent(a, 0), 19);
    cr_expect_arr_eq(values(a), x + 3 + 10 + 30, 19 * sizeof *x);
}

Test(rows, an_empty_result_is_an_array)
{
    double         x[10] = {0};
    sabal_array   *a     = sabal_array_rows(matrix(client, x, SABAL_FLOAT64, 5, 2, 2), 4, 1);
    sabal_ndarray *out   = computed(a);

    cr_expect_eq(sabal_array_extent(a, 0), 0);
    cr_expect_eq(sabal_array_extent(a, 1), 2);
    cr_expect_eq(sabal_array_bytes(a), 0);
    cr_expect_eq(sabal_ndarray_ndim(out), 2);
    cr_expect_eq(sabal_ndarray_size(out), 0);
    cr_expect_eq(sabal_array_extent(sabal_persist(a), 0), 0);
    cr_expect_eq(sabal_ndarray_size(computed(sabal_array_rows(sabal_persist(a), 0, 3))), 0);
}

static sabal_status counted(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    calls_add();
    memcpy(out, chunk->data, (size_t)chunk->shape[0] * sizeof(int32_t));
    return SABAL_OK;
}

Test(rows, only_the_chunks_they_touch_are_computed)
{
    int32_t      x[40] = {0};
    sabal_array *a     = sabal_array_map_chunks(vector(client, x, SABAL_INT32, 40, 10), counted);

    calls_begin();
    computed(sabal_array_rows(a, 12, 18));
    cr_expect_eq(calls_count(), 1);
    computed(sabal_array_rows(a, 9, 11));
    cr_expect_eq(calls_count(), 3);
    computed(sabal_array_rows(a, 10, 30));
    cr_expect_eq(calls_count(), 5);
    calls_end();
}

Test(rows, of_a_result_in_memory_take_no_memory)
{
    enum { MANY = 1 << 20 };
    double      *x      = calloc(MANY, sizeof *x);
    sabal_memory before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    sabal_array *whole, *part;
    sabal_error  err = SABAL_ERROR_INIT;

    whole = sabal_persist(vector(client, x, SABAL_FLOAT64, MANY, MANY / 4));
    computed(sabal_array_rows(whole, 1, MANY)); /* an engine elsewhere has its copy of each chunk then */
    sabal_memory_get(&before);
    part = sabal_persist(sabal_array_rows(whole, 1000, MANY - 1000));
    cr_assert_not_null(computed(sabal_array_rows(part, 0, 1)));
    sabal_memory_get(&after);
    cr_expect_lt(after.in_use, before.in_use + 4096);
    cr_expect_eq(err.status, SABAL_OK);
    sabal_release(part);
    sabal_release(whole);
    free(x);
}

/* Chunks may be asked for that are larger than any array. */
Test(rows, a_chunk_beyond_all_rows_is_all_rows)
{
    double       x[20];
    sabal_array *a, *b;

    for (int i = 0; i < 20; i++)
        x[i] = i;
    a = matrix(client, x, SABAL_FLOAT64, 10, 2, INT64_MAX);
    cr_expect_eq(sabal_array_n_chunks(a, 0), 1);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 0), 10);
    cr_expect_arr_eq(values(a), x, sizeof x);
    b = sabal_array_rows(a, 3, 7);
    cr_expect_eq(sabal_array_n_chunks(b, 0), 1);
    cr_expect_arr_eq(values(b), x + 6, 8 * sizeof *x);
    b = sabal_array_rows(matrix(client, x, SABAL_FLOAT64, 10, 2, INT64_MAX - 1), 10, 10);
    cr_expect_eq(sabal_array_n_chunks(b, 0), 0);
    cr_expect_eq(sabal_ndarray_size(computed(b)), 0);
    a = matrix(client, x, SABAL_UINT8, INT64_MAX, 1, INT64_MAX - 1); /* nothing is read of it */
    cr_expect_null(sabal_array_error(a));
    cr_expect_eq(sabal_array_n_chunks(a, 0), 2);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 1), 1);
}
