/* Maps over chunks: other dtypes, other rows, arguments, failures that leave nothing; persist and compute. */
#include <pthread.h>
#include <unistd.h>

#include "support/client.h"

TestSuite(map, .init = open_client, .fini = close_client);

static sabal_status twice(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    const double *x = chunk->data;
    double       *y = out;
    int64_t       n = chunk->shape[0] * chunk->shape[1];

    for (int64_t i = 0; i < n; i++)
        y[i] = 2 * x[i];
    return SABAL_OK;
}

Test(map, keeps_dtype_shape_and_chunks_unless_told_otherwise)
{
    double        x[20];
    sabal_array  *a;
    const double *y;

    for (int i = 0; i < 20; i++)
        x[i] = i;
    a = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 10, 2, 4), twice);
    cr_assert_null(sabal_array_error(a));
    cr_expect_eq(sabal_array_dtype(a), SABAL_FLOAT64);
    cr_expect_eq(sabal_array_ndim(a), 2);
    cr_expect_eq(sabal_array_extent(a, 1), 2);
    cr_expect_eq(sabal_array_n_chunks(a, 0), 3);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 2), 2);
    y = values(a);
    for (int i = 0; i < 20; i++)
        cr_expect_eq(y[i], 2.0 * i);
}

struct scale {
    float factor, shift;
};

/* (n, 2) float64 to (n, 3, 2) float32: each number times 1, 2, 3. */
static sabal_status spread(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    const struct scale *s = arg;
    const double       *x = chunk->data;
    float              *y = out;

    if (chunk->dtype != SABAL_FLOAT64 || chunk->ndim != 2 || chunk->shape[1] != 2)
        return sabal_task_fail(task, SABAL_EINTERNAL, "not the chunk that was promised");
    for (int64_t i = 0; i < chunk->shape[0]; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 2; k++)
                y[(i * 3 + j) * 2 + k] =
                    s->factor * (float)(j + 1) * (float)x[i * 2 + k] + s->shift + (float)(chunk->first_row + i);
    return SABAL_OK;
}

Test(map, may_change_dtype_and_the_shape_of_a_row)
{
    double       x[20];
    struct scale s      = {2, 0.5f};
    int64_t      row[2] = {3, 2};
    sabal_array *a;
    const float *y;

    for (int i = 0; i < 20; i++)
        x[i] = i;
    a = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 10, 2, 4), spread, .arg = &s, .arg_size = sizeof s,
                               .dtype = SABAL_FLOAT32, .row_ndim = 2, .row_shape = row);
    cr_assert_null(sabal_array_error(a));
    s      = (struct scale){0, 0}; /* arguments were copied */
    row[0] = row[1] = 0;
    cr_expect_eq(sabal_array_dtype(a), SABAL_FLOAT32);
    cr_expect_eq(sabal_array_ndim(a), 3);
    cr_expect_eq(sabal_array_extent(a, 0), 10);
    cr_expect_eq(sabal_array_extent(a, 1), 3);
    cr_expect_eq(sabal_array_extent(a, 2), 2);
    cr_expect_eq(sabal_array_bytes(a), 10 * 3 * 2 * 4);
    y = values(a);
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 2; k++)
                cr_expect_eq(y[(i * 3 + j) * 2 + k], 2.0f * (float)(j + 1) * (float)(i * 2 + k) + 0.5f + (float)i);
}

static sabal_status row_sum(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    const double *x = chunk->data;

    for (int64_t i = 0; i < chunk->shape[0]; i++)
        ((double *)out)[i] = x[2 * i] + x[2 * i + 1];
    return SABAL_OK;
}

Test(map, a_row_may_become_one_number)
{
    double        x[20];
    sabal_array  *a;
    const double *y;

    for (int i = 0; i < 20; i++)
        x[i] = i;
    a = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 10, 2, 3), row_sum, .row_ndim = 0);
    cr_expect_eq(sabal_array_ndim(a), 1);
    y = values(a);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(y[i], 4.0 * i + 1);
}

Test(map, of_maps_of_slices)
{
    double        x[40];
    const double *y;
    sabal_array  *a;

    for (int i = 0; i < 40; i++)
        x[i] = i;
    a = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 20, 2, 6), twice);
    a = sabal_array_rows(sabal_array_map_chunks(sabal_array_rows(a, 3, 17), twice), 2, -1);
    y = values(a);
    cr_expect_eq(sabal_array_extent(a, 0), 11);
    for (int i = 0; i < 22; i++)
        cr_expect_eq(y[i], 4.0 * (i + 10));
}

/* Rows come without gaps, in C order, whatever the strides of what they were made from. */
Test(map, chunks_are_dense_whatever_the_strides)
{
    double        x[24];
    const int64_t shape[2] = {4, 2}, strides[2] = {-6 * 8, 3 * 8};
    const double *y;

    for (int i = 0; i < 24; i++)
        x[i] = i;
    y = values(sabal_array_map_chunks(
        sabal_array_from_memory(client, x + 18, SABAL_FLOAT64, 2, shape, .strides = strides, .chunk_rows = 3), twice));
    for (int i = 0; i < 8; i++)
        cr_expect_eq(y[i], 2.0 * (18 - (i / 2) * 6 + (i % 2) * 3));
}

Test(map, of_an_empty_array_is_empty)
{
    double x[2] = {0};

    cr_expect_eq(sabal_ndarray_size(computed(sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 0, 2, 0), twice))),
                 0);
}

Test(map, what_is_no_result_is_refused)
{
    double        x[2]   = {0};
    const int64_t bad[1] = {-1};
    int64_t       many[SABAL_MAX_NDIM];
    sabal_array  *a = matrix(client, x, SABAL_FLOAT64, 1, 2, 0);

    for (int i = 0; i < SABAL_MAX_NDIM; i++)
        many[i] = 1;
    EXPECT_FAILED(sabal_array_error(sabal_array_map_chunks(a, NULL)), SABAL_EINVAL, "");
    EXPECT_FAILED(sabal_array_error(sabal_array_map_chunks(a, twice, .dtype = (sabal_dtype)55)), SABAL_EDTYPE, "55");
    EXPECT_FAILED(sabal_array_error(sabal_array_map_chunks(a, twice, .row_ndim = 1, .row_shape = bad)), SABAL_ESHAPE,
                  "-1");
    EXPECT_FAILED(sabal_array_error(sabal_array_map_chunks(a, twice, .row_ndim = 1)), SABAL_EINVAL, "row_shape");
    EXPECT_FAILED(sabal_array_error(sabal_array_map_chunks(a, twice, .row_ndim = SABAL_MAX_NDIM, .row_shape = many)),
                  SABAL_EINVAL, "32");
    EXPECT_FAILED(sabal_array_error(sabal_array_map_chunks(a, twice, .row_ndim = -2)), SABAL_EINVAL, "row_ndim");
}

static sabal_status counted(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    calls_add();
    return twice(out, chunk, arg, task);
}

Test(map, nothing_runs_before_it_is_asked_for_and_persist_runs_it_once)
{
    double       x[40] = {0};
    sabal_array *a     = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 20, 2, 5), counted), *b;

    calls_begin();
    cr_expect_eq(calls_count(), 0);
    computed(a);
    cr_expect_eq(calls_count(), 4);
    computed(a); /* a description computes again */
    cr_expect_eq(calls_count(), 8);
    b = sabal_persist(a);
    computed(b);
    computed(b);
    cr_expect_eq(calls_count(), 12);
    calls_end();
    cr_expect_eq(sabal_array_n_chunks(b, 0), 4);
    cr_expect_eq(sabal_array_dtype(b), SABAL_FLOAT64);
}

Test(map, results_go_when_their_last_reference_goes)
{
    enum { MANY = 1 << 18 };
    double      *x      = calloc(MANY, sizeof *x);
    sabal_memory before = {.struct_size = sizeof before}, during = before, after = before;

    sabal_memory_get(&before);
    {
        SABAL_SCOPE(client);
        sabal_array *a =
            sabal_persist(sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, MANY / 2, 2, 1000), twice));

        cr_assert_not_null(computed(sabal_array_rows(a, -1, MANY)));
        computed(a);
        sabal_memory_get(&during);
        cr_expect_geq(during.in_use, before.in_use + 2 * MANY * sizeof *x);
    }
    sabal_memory_get(&after);
    cr_expect_eq(after.in_use, before.in_use);
    free(x);
}

struct own {
    sabal_array *array;
};

static void *compute_there(void *arg)
{
    struct own *own = arg;
    SABAL_SCOPE(client);
    const double *y = values(sabal_array_rows(own->array, 5, 15));

    for (int i = 0; i < 20; i++)
        cr_expect_eq(y[i], 2.0 * (10 + i));
    return NULL;
}

Test(map, arrays_may_be_shared_between_threads)
{
    double     x[40];
    pthread_t  threads[4];
    struct own own;

    for (int i = 0; i < 40; i++)
        x[i] = i;
    own.array = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 20, 2, 3), twice);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, compute_there, &own), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static sabal_status compute_inside(sabal_task *task)
{
    static const double x[8]     = {1, 2, 3, 4, 5, 6, 7, 8};
    const int64_t       shape[2] = {4, 2};
    sabal_array        *a        = sabal_array_map_chunks(
                      sabal_array_from_memory(sabal_task_client(task), x, SABAL_FLOAT64, 2, shape, .chunk_rows = 1), twice);
    sabal_ndarray *out;
    sabal_error    err = SABAL_ERROR_INIT;

    if (sabal_compute(&out, a, &err))
        return sabal_task_fail(task, err.status, "%s", err.message);
    return sabal_task_return_ndarray(task, out);
}

Test(map, a_task_may_compute)
{
    sabal_ndarray *out;
    sabal_error    err = SABAL_ERROR_INIT;

    cr_assert_eq(sabal_future_ndarray(&out, sabal_submit(client, compute_inside, NULL, 0), &err), SABAL_OK);
    cr_expect_eq(((const double *)sabal_ndarray_data(out))[7], 16);
}

/* The status of its argument for the second chunk and all behind it. */
static sabal_status end_early(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    return chunk->first_row ? *(const sabal_status *)arg : twice(out, chunk, arg, task);
}

Test(map, a_status_that_is_no_failure_is_one_and_names_the_call)
{
    static const struct {
        int         returned;
        const char *says;
    } CASES[] = {
        {SABAL_END, "returned 100 (SABAL_END), which is neither SABAL_OK nor a failure"},
        {4711, "returned 4711 (SABAL_E?), which is neither SABAL_OK nor a failure"},
        {-1, "returned -1 (SABAL_E?), which is neither SABAL_OK nor a failure"},
    };
    double x[40] = {0};

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sabal_array *a =
            sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 20, 2, 5), end_early, .arg = &CASES[i].returned,
                                   .arg_size = sizeof(int), .where = "here.c:7");
        sabal_error err = compute_error(a);

        EXPECT_FAILED(&err, SABAL_EINVAL, CASES[i].says);
        cr_expect_str_eq(err.where, "here.c:7");
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_expect_eq(sabal_store_npy(a, "/tmp/sabal-map-ended.npy", &err), SABAL_EINVAL);
        cr_expect_neq(access("/tmp/sabal-map-ended.npy", F_OK), 0);
    }
}

Test(map, a_failure_without_a_message_names_the_call_that_mapped)
{
    const int     status = SABAL_EVALUE;
    static double x[40]  = {0};
    sabal_array  *a      = sabal_array_map_chunks(matrix(client, x, SABAL_FLOAT64, 20, 2, 5), end_early, .arg = &status,
                                                  .arg_size = sizeof status, .where = "here.c:7");
    sabal_error   err    = compute_error(sabal_array_map_chunks(a, twice, .where = "there.c:8"));

    EXPECT_FAILED(&err, SABAL_EVALUE, "the function mapped over chunks returned SABAL_EVALUE");
    cr_expect_str_eq(err.where, "here.c:7");
}
