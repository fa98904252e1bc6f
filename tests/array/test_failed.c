/* Failed arrays: the first cause, the user's line, and getters that give nothing. */
#include "support/client.h"

static double x[20];

TestSuite(failed, .init = open_client, .fini = close_client);

static sabal_status copy(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    memcpy(out, chunk->data, (size_t)chunk->shape[0] * sizeof(double));
    return SABAL_OK;
}

static sabal_array *no_file(void)
{
    return sabal_array_read_npy(client, "/no/such/folder/points.npy");
}

Test(failed, getters_give_nothing)
{
    sabal_array *a = no_file();

    EXPECT_FAILED(sabal_array_error(a), SABAL_ENOENT, "/no/such/folder/points.npy");
    cr_expect_eq(sabal_array_ndim(a), 0);
    cr_expect_eq((int)sabal_array_dtype(a), 0);
    cr_expect_eq(sabal_array_extent(a, 0), -1);
    cr_expect_eq(sabal_array_n_chunks(a, 0), -1);
    cr_expect_eq(sabal_array_chunk_extent(a, 0, 0), -1);
    cr_expect_eq(sabal_array_bytes(a), -1);
    cr_expect_eq(sabal_array_client(a), client);
}

Test(failed, everything_built_on_it_fails_with_the_same_cause_and_line)
{
    const char  *where;
    sabal_array *a = NOTING(where, sabal_array_read_npy(client, "/no/such/folder/points.npy"));
    sabal_array *b = sabal_array_map_chunks(sabal_array_rows(a, 0, 3), copy);
    sabal_array *c = sabal_persist(b);
    sabal_error  err;

    EXPECT_FAILED(sabal_array_error(b), SABAL_ENOENT, sabal_array_error(a)->message);
    EXPECT_FAILED(sabal_array_error(c), SABAL_ENOENT, sabal_array_error(a)->message);
    cr_expect_str_eq(sabal_array_error(a)->where, where);
    cr_expect_str_eq(sabal_array_error(b)->where, where);
    cr_expect_str_eq(sabal_array_error(c)->where, where);
    err = compute_error(c);
    cr_expect_str_eq(err.message, sabal_array_error(a)->message);
    cr_expect_str_eq(err.where, where);
}

Test(failed, each_maker_notes_the_users_line)
{
    const int64_t bad[1] = {-1};
    const char   *where;
    sabal_array  *a;

    a = NOTING(where, sabal_array_from_memory(client, x, SABAL_FLOAT64, 1, bad));
    cr_expect_str_eq(sabal_array_error(a)->where, where);
    a = NOTING(where, sabal_array_read_hdf5(client, "/no/such/file.h5", "/x"));
    cr_expect_str_eq(sabal_array_error(a)->where, where);
    a = NOTING(where, sabal_array_read(client, "/no/such/file.npy"));
    cr_expect_str_eq(sabal_array_error(a)->where, where);
    a = NOTING(where, sabal_make_blobs(client, .n_samples = -1));
    cr_expect_str_eq(sabal_array_error(a)->where, where);
    a = NOTING(where, sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, 20, 0), copy, .dtype = (sabal_dtype)99));
    cr_expect_str_eq(sabal_array_error(a)->where, where);
}

static sabal_status fails(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    if (chunk->first_row >= *(const int64_t *)arg)
        return sabal_task_fail(task, SABAL_EVALUE, "row %ld is odd", (long)chunk->first_row);
    return copy(out, chunk, arg, task);
}

Test(failed, a_task_that_fails_is_told_with_its_message_key_and_line)
{
    int64_t      from = 4;
    sabal_array *rows = vector(client, x, SABAL_FLOAT64, 20, 4), *a;
    const char  *where;
    sabal_error  err;

    a = NOTING(where, sabal_array_map_chunks(rows, fails, .arg = &from, .arg_size = sizeof from));
    cr_assert_null(sabal_array_error(a)); /* nothing ran yet */
    err = compute_error(a);
    cr_expect_eq(err.status, SABAL_EVALUE);
    cr_expect(strstr(err.message, "row 4 is odd") != NULL);
    cr_expect_str_eq(err.where, where);
    cr_expect_neq(err.task[0], 0);
}

static sabal_status fails_without_a_word(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    return SABAL_EVALUE;
}

Test(failed, a_status_alone_is_a_failure_too)
{
    sabal_error err =
        compute_error(sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, 20, 4), fails_without_a_word));

    cr_expect_eq(err.status, SABAL_EVALUE);
    cr_expect_neq(err.message[0], 0);
}

Test(failed, other_work_goes_on_after_a_failure)
{
    int64_t from = 0;

    compute_error(
        sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, 20, 4), fails, .arg = &from, .arg_size = sizeof from));
    cr_expect_arr_eq(values(sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, 20, 4), copy)), x, sizeof x);
}

Test(failed, a_persisted_failure_is_told_when_it_is_asked_for)
{
    int64_t      from = 8;
    sabal_array *a    = sabal_persist(
           sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, 20, 4), fails, .arg = &from, .arg_size = sizeof from));
    sabal_error err = compute_error(a);

    cr_expect(strstr(err.message, "row 8 is odd") != NULL);
    cr_expect_eq(sabal_ndarray_extent(computed(sabal_array_rows(a, 0, 8)), 0), 8); /* the good chunks are good */
}

Test(failed, a_record_that_holds_a_failure_keeps_it)
{
    sabal_error    err = SABAL_ERROR_INIT;
    sabal_ndarray *out = NULL;

    cr_expect_eq(sabal_compute(&out, no_file(), &err), SABAL_ENOENT);
    cr_expect_eq(sabal_compute(&out, sabal_array_from_memory(client, x, SABAL_FLOAT64, 0, NULL), &err), SABAL_ESHAPE);
    cr_expect_eq(err.status, SABAL_ENOENT);
    cr_expect_eq(sabal_compute(&out, no_file(), NULL), SABAL_ENOENT);
    cr_expect_null(out);
}

Test(failed, a_client_that_could_not_open_gives_failed_arrays)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *failed = sabal_open("local:", &err, .workers = 1);
    double        y[2]   = {0};
    sabal_array  *made[] = {sabal_array_from_memory(failed, y, SABAL_FLOAT64, 1, ((const int64_t[]){2})),
                            sabal_array_read_npy(failed, "/no.npy"), sabal_array_read_hdf5(failed, "/no.h5", NULL),
                            sabal_make_blobs(failed)};

    cr_expect_eq(err.status, SABAL_EINVAL);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        EXPECT_FAILED(sabal_array_error(made[i]), SABAL_EINVAL, err.message);
        EXPECT_FAILED(sabal_array_error(sabal_persist(made[i])), SABAL_EINVAL, err.message);
    }
    sabal_close(failed);
}

Test(failed, a_closed_client_leaves_husks)
{
    sabal_client *other = open_engine(1);
    sabal_array  *a     = sabal_retain(vector(other, x, SABAL_FLOAT64, 20, 0));
    sabal_error   err;

    sabal_close(other);
    EXPECT_FAILED(sabal_array_error(a), SABAL_ECLOSED, "");
    cr_expect_eq(sabal_array_ndim(a), 0);
    err = compute_error(a);
    cr_expect_eq(err.status, SABAL_ECLOSED);
    sabal_release(a);
}

Test(failed, a_call_never_takes_over_its_arguments)
{
    sabal_array *a = vector(client, x, SABAL_FLOAT64, 20, 6), *b = sabal_array_rows(a, 1, 19);

    sabal_release(a);
    cr_expect_arr_eq(values(b), x + 1, 18 * sizeof *x);
}

static _Atomic int let_go;

static void release(void *arg)
{
    let_go++;
}

Test(failed, a_null_client_is_told_by_whatever_is_made_with_it)
{
    const int64_t shape[1]  = {20};
    sabal_array  *labels    = NULL;
    sabal_array  *arrays[6] = {
         sabal_array_from_memory(NULL, x, SABAL_FLOAT64, 1, shape, .release = release),
         sabal_make_blobs(NULL, .labels = &labels),
         sabal_array_read(NULL, "points.npy"),
         sabal_array_read_npy(NULL, "points.npy"),
         sabal_array_read_hdf5(NULL, "points.h5", "x"),
         labels,
    };

    for (int i = 0; i < 6; i++) {
        sabal_array *built = sabal_array_rows(sabal_array_map_chunks(arrays[i], copy), 0, 1);
        sabal_error  err   = compute_error(arrays[i]);

        EXPECT_FAILED(sabal_array_error(arrays[i]), SABAL_EINVAL, "the client is NULL");
        EXPECT_FAILED(&err, SABAL_EINVAL, "the client is NULL");
        EXPECT_FAILED(sabal_array_error(built), SABAL_EINVAL, "the client is NULL");
        EXPECT_FAILED(sabal_array_error(sabal_persist(built)), SABAL_EINVAL, "the client is NULL");
        EXPECT_FAILED(sabal_client_error(sabal_array_client(built)), SABAL_EINVAL, "the client is NULL");
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_expect_eq(sabal_store_npy(built, "/tmp/null.npy", &err), SABAL_EINVAL);
    }
    cr_expect_eq(let_go, 1);
}
