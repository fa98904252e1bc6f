/* Arrays longer than the memory that their client may take. */
#include <math.h>
#include <unistd.h>

#include "support/arrays.h"

static sabal_client *client;
static sabal_error   err = SABAL_ERROR_INIT;
static char          path[64];

enum { N = 1000000, CHUNK = 20000 }; /* 8 MB in chunks of 160 KB */

static void open_client(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
    setenv("SABAL_MEMORY_LIMIT", "1MiB", 1);
    client = open_engine(2);
    snprintf(path, sizeof path, "/tmp/sabal-test-%d.h5", (int)getpid());
}

static void close_client(void)
{
    sabal_close(client);
    unlink(path);
    unsetenv("SABAL_MEMORY_LIMIT");
    unsetenv("SABAL_SPILL_FOLDER");
}

TestSuite(array_budget, .init = open_client, .fini = close_client, .timeout = 100);

static const double *numbers(void)
{
    static double x[N];

    for (int64_t i = 0; i < N; i++)
        x[i] = (double)(i % 1009);
    return x;
}

static sabal_client_memory memory_now(void)
{
    sabal_client_memory m = {.struct_size = sizeof m};

    cr_assert_eq(sabal_client_memory_get(client, &m), SABAL_OK);
    return m;
}

/* What leaves does so by a thread of its own. */
static sabal_client_memory memory_when_settled(void)
{
    for (int i = 0; i < 10000 && memory_now().managed > 1 << 20; i++)
        usleep(1000);
    return memory_now();
}

static void expect_numbers(const sabal_array *array)
{
    const double  *x = numbers(), *got;
    sabal_ndarray *all;

    cr_assert_eq(sabal_compute(&all, array, &err), SABAL_OK, "%s", err.message);
    got = sabal_ndarray_data(all);
    for (int64_t i = 0; i < N; i++)
        cr_assert_eq(got[i], x[i], "element %lld", (long long)i);
}

static sabal_array *in_a_file(void)
{
    const int64_t shape[1] = {N};
    char          name[80];
    sabal_array  *a = sabal_array_from_memory(client, numbers(), SABAL_FLOAT64, 1, shape, .chunk_rows = CHUNK);

    cr_assert_eq(sabal_store_hdf5(a, path, "x", &err), SABAL_OK, "%s", err.message);
    snprintf(name, sizeof name, "%s:x", path);
    return sabal_array_read(client, name, .chunk_rows = CHUNK);
}

/* Nothing can be written: what leaves is read from its own file again. */
Test(array_budget, chunks_of_a_file_are_read_again_not_spilled)
{
    sabal_client_memory m;
    sabal_array        *kept;

    if (!sabal_has("hdf5"))
        return;
    kept = in_a_file();
    setenv("SABAL_SPILL_FOLDER", "/nonexistent/folder", 1);
    kept = sabal_persist(kept);
    expect_numbers(kept);
    m = memory_when_settled();
    cr_expect_leq(m.managed, 1 << 20, "%zu of %zu in memory, %zu away, peak %zu", m.managed, m.limit, m.spilled,
                  m.peak);
    cr_expect_gt(m.spilled, 6000000);
    expect_numbers(kept);
}

/* A file that has changed meanwhile is no longer what was read. */
Test(array_budget, a_file_that_changed_is_told_when_it_is_read_again)
{
    sabal_array   *kept;
    sabal_ndarray *all;

    if (!sabal_has("hdf5"))
        return;
    kept = sabal_persist(in_a_file());
    cr_assert_eq(sabal_compute(&all, kept, &err), SABAL_OK, "%s", err.message);
    sabal_release(all);
    cr_assert_eq(truncate(path, 4096), 0);
    cr_expect_neq(sabal_compute(&all, kept, &err), SABAL_OK);
    cr_expect(strstr(err.message, path), "%s", err.message);
}

static sabal_status twice(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    const double *x = chunk->data;
    double       *y = out;
    int64_t       n = chunk->shape[0];

    for (int64_t i = 0; i < n; i++)
        y[i] = 2 * x[i];
    return SABAL_OK;
}

/* What was computed from others is written; compute's own result counts, so tasks go one at a time then, but they go. */
Test(array_budget, chunks_that_were_computed_are_spilled)
{
    const double       *x = numbers(), *got;
    sabal_client_memory m;
    sabal_array        *kept;

    kept = sabal_persist(sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, N, CHUNK), twice));
    got  = values(kept);
    for (int64_t i = 0; i < N; i++)
        cr_assert_eq(got[i], 2 * x[i], "element %lld", (long long)i);
    m = memory_when_settled();
    cr_expect_gt(m.spilled, 6000000);
    cr_expect_leq(m.managed, 1 << 20, "%zu of %zu in memory, %zu away, peak %zu", m.managed, m.limit, m.spilled,
                  m.peak);
}
