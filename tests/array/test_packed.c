/*
 * Chunks of HDF5 files: on every engine, compressed by the tasks that make them, and what lies in the file is byte for byte what
 * the local engine and the HDF5 library put there.
 */
#include <hdf5.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "support/arrays.h"
#include "support/folder.h"

enum { COLUMNS = 3, CHUNK = 100 };

TestSuite(packed, .init = make_folder, .fini = clear_folder, .timeout = 100);

/* Some rows are noise, which gzip can't make smaller, some are all the same. */
static sabal_status mix(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    const int64_t rows = chunk->shape[0];
    double       *to   = out;

    memcpy(to, chunk->data, (size_t)(rows * COLUMNS) * sizeof *to);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; (chunk->first_row + i) / CHUNK % 3 == 1 && k < COLUMNS; k++)
            to[i * COLUMNS + k] = 7;
    return SABAL_OK;
}

static sabal_array *rows_of(sabal_client *client, int64_t rows, int64_t chunk_rows)
{
    return sabal_array_map_chunks(
        sabal_make_blobs(client, .n_samples = rows, .n_features = COLUMNS, .seed = 7, .chunk_rows = chunk_rows), mix);
}

static void expect_stored(sabal_status status, const sabal_error *err)
{
    cr_assert_eq(status, SABAL_OK, "%s", err->message);
}

/* A chunk as it lies in the file. */
static char *raw_chunk(hid_t set, int64_t row, hsize_t *size, uint32_t *mask)
{
    const hsize_t at[] = {(hsize_t)row, 0};
    char         *bytes;

    cr_assert_geq(H5Dget_chunk_storage_size(set, at, size), 0);
    cr_assert_gt(*size, 0, "row %lld", (long long)row);
    bytes = malloc((size_t)*size);
    cr_assert_geq(H5Dread_chunk(set, H5P_DEFAULT, at, mask, bytes), 0);
    return bytes;
}

/* n rows, in chunks of so many; the number of chunks whose gzip was left out. */
static int expect_same_chunks(const char *a, const char *b, int64_t n, int64_t chunk_rows)
{
    hid_t   file[2] = {H5Fopen(a, H5F_ACC_RDONLY, H5P_DEFAULT), H5Fopen(b, H5F_ACC_RDONLY, H5P_DEFAULT)}, set[2];
    size_t  bytes   = (size_t)(n * COLUMNS) * sizeof(double);
    double *data[2] = {malloc(bytes), malloc(bytes)};
    int     left    = 0;

    for (int i = 0; i < 2; i++) {
        set[i] = H5Dopen2(file[i], "x", H5P_DEFAULT);
        cr_assert_geq(set[i], 0);
        cr_assert_geq(H5Dread(set[i], H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data[i]), 0);
    }
    cr_expect_arr_eq(data[0], data[1], bytes);
    for (int64_t row = 0; row < n; row += chunk_rows) {
        uint32_t mask[2] = {9, 8};
        hsize_t  size[2];
        char    *raw[2];

        for (int i = 0; i < 2; i++)
            raw[i] = raw_chunk(set[i], row, &size[i], &mask[i]);
        cr_expect_eq(mask[0], mask[1]);
        cr_expect_eq(size[0], size[1]);
        cr_expect_arr_eq(raw[0], raw[1], (size_t)size[0]);
        left += mask[0] != 0;
        free(raw[0]);
        free(raw[1]);
    }
    for (int i = 0; i < 2; i++) {
        free(data[i]);
        H5Dclose(set[i]);
        H5Fclose(file[i]);
    }
    return left;
}

Test(packed, every_engine_stores_the_chunks_that_the_local_one_stores)
{
    static const struct {
        int64_t chunk_rows;
        int     gzip, shuffle;
    } HOW[] = {{CHUNK, 6, 1}, {50, 9, 0}, {100, 0, 1}, {25, 0, 0}, {CHUNK, 1, 1}, {70, 4, 1}, {4000, 2, 1}, {0, 3, 1}};
    const int64_t rows[] = {1, 900, 1037};
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = open_engine(2), *local = sabal_open("local:", &err, .threads = 2);
    int           left = 0;

    for (size_t h = 0; h < sizeof HOW / sizeof *HOW; h++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            const int64_t asked = HOW[h].chunk_rows ? HOW[h].chunk_rows : CHUNK;

            for (int i = 0; i < 2; i++)
                expect_stored(sabal_store_hdf5(rows_of(i ? local : client, rows[r], CHUNK),
                                               in_folder(i ? "b.h5" : "a.h5"), "x", &err,
                                               .chunk_rows = HOW[h].chunk_rows, .gzip = HOW[h].gzip,
                                               .shuffle = HOW[h].shuffle),
                              &err);
            left +=
                expect_same_chunks(in_folder("a.h5"), in_folder("b.h5"), rows[r], asked < rows[r] ? asked : rows[r]);
            cr_expect_eq(entries(), 2); /* and no partial file */
            clear_folder();
            cr_assert_eq(mkdir(folder, 0700), 0);
        }
    cr_expect_gt(left, 0, "no chunk was noise");
    sabal_close(local);
    sabal_close(client);
}

static sabal_status zeros(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    memset(out, 0, (size_t)(chunk->shape[0] * chunk->shape[1]) * sizeof(double));
    return SABAL_OK;
}

Test(packed, nothing_but_compressed_chunks_comes_to_the_program)
{
    enum { ROWS = 1 << 21 }; /* 48 MB */
    sabal_client_memory memory = {.struct_size = sizeof memory};
    sabal_error         err    = SABAL_ERROR_INIT;
    struct rusage       before, after;
    sabal_client       *client;

    if (is_here())
        cr_skip_test("chunks are made in this process");
    client = open_engine(2);
    expect_stored(sabal_store_hdf5(rows_of(client, 1000, 10), in_folder("s.h5"), "x", &err, .gzip = 1), &err);
    cr_assert_eq(getrusage(RUSAGE_SELF, &before), 0);
    expect_stored(sabal_store_hdf5(sabal_array_map_chunks(rows_of(client, ROWS, 1 << 14), zeros), in_folder("m.h5"),
                                   "x", &err, .gzip = 1),
                  &err);
    cr_assert_eq(getrusage(RUSAGE_SELF, &after), 0);
    cr_assert_eq(sabal_client_memory_get(client, &memory), SABAL_OK);
    cr_expect_lt(memory.peak, (size_t)1 << 20, "%zu bytes", memory.peak);
    cr_expect_lt(after.ru_maxrss - before.ru_maxrss, 8 << 10, "%ld KiB more", after.ru_maxrss - before.ru_maxrss);
    sabal_close(client);
}

static sabal_status refuse_a_row(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    if (chunk->first_row == 5 * CHUNK)
        return sabal_task_fail(task, SABAL_EINVAL, "not this one");
    return zeros(out, chunk, arg, task);
}

Test(packed, a_chunk_that_fails_leaves_nothing)
{
    sabal_client *client = open_engine(2);
    sabal_error   err    = SABAL_ERROR_INIT;

    cr_expect_eq(sabal_store_hdf5(sabal_array_map_chunks(rows_of(client, 1000, CHUNK), refuse_a_row), in_folder("a.h5"),
                                  "x", &err, .gzip = 1),
                 SABAL_EINVAL);
    cr_expect(strstr(err.message, "not this one") != NULL, "%s", err.message);
    cr_expect_eq(entries(), 0);
    sabal_close(client);
}

/* --- a worker that ends --------------------------------------------------------------------------------------------- */

static test_cluster apart;

/* Soon after the file was begun: gzip takes nearly all of the time. */
static void *kill_a_worker(void *arg)
{
    int *was_there = arg;

    for (int i = 0; i < 10000 && !*was_there; i++) {
        DIR *d = opendir(folder);

        for (struct dirent *e = readdir(d); e; e = readdir(d))
            *was_there |= strstr(e->d_name, ".part") != NULL;
        closedir(d);
        usleep(1000);
    }
    usleep(200000);
    *was_there = *was_there && entries() == 1; /* still */
    kill(apart.process[1], SIGKILL);
    return NULL;
}

Test(packed, a_worker_that_ends_while_it_compresses_leaves_the_file_whole)
{
    enum { ROWS = 300 * 4000 }; /* 29 MB */
    const char   *engine    = getenv("SABAL_TEST_ENGINE");
    sabal_error   err       = SABAL_ERROR_INIT;
    int           was_there = 0;
    sabal_client *client, *local;
    pthread_t     killer;

    if (!engine || strcmp(engine, "cluster") != 0)
        cr_skip_test("there is no worker that others could stand in for");
    cluster_open(&apart, 2);
    client = sabal_open(apart.file, &err, .threads = 1);
    cr_assert_null(sabal_client_error(client), "%s", err.message);
    local = sabal_open("local:", &err, .threads = 2);
    cr_assert_eq(pthread_create(&killer, NULL, kill_a_worker, &was_there), 0);
    expect_stored(sabal_store_hdf5(rows_of(client, ROWS, 4000), in_folder("a.h5"), "x", &err, .gzip = 9, .shuffle = 1),
                  &err);
    pthread_join(killer, NULL);
    cr_expect(was_there, "it was stored before the worker was killed");
    expect_stored(sabal_store_hdf5(rows_of(local, ROWS, 4000), in_folder("b.h5"), "x", &err, .gzip = 9, .shuffle = 1),
                  &err);
    expect_same_chunks(in_folder("a.h5"), in_folder("b.h5"), ROWS, 4000);
    cr_expect_eq(entries(), 2);
    sabal_close(local);
    sabal_close(client);
    cluster_close(&apart);
}
