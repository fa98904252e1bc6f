/*
 * Files that several processes read and write by name: on every engine, the same bytes; and what another process does not see,
 * or sees otherwise, is told by name. /proc/self/cwd leads each process to a folder of its own.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "support/arrays.h"
#include "support/folder.h"

TestSuite(shared, .init = make_folder, .fini = clear_folder, .timeout = 100);

static int names_a_worker(const char *message)
{
    return strstr(message, "worker '") || strstr(message, "worker process ");
}

static void expect_stored(sabal_status status, const sabal_error *err)
{
    if (status)
        fprintf(stderr, "store: %s %s\n", sabal_status_name(status), err->message);
    cr_assert_eq(status, SABAL_OK);
}

static uint64_t hash_file(const char *path, int64_t *size)
{
    FILE    *f = fopen(path, "rb");
    char    *data;
    uint64_t h;

    cr_assert(f != NULL, "%s", path);
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    data = malloc((size_t)*size + 1);
    cr_assert_eq(fread(data, 1, (size_t)*size, f), (size_t)*size);
    fclose(f);
    h = hash_bytes(data, (size_t)*size);
    free(data);
    return h;
}

static void expect_same_file(const char *a, const char *b)
{
    int64_t  size_a = 0, size_b = 0;
    uint64_t hash_a = hash_file(a, &size_a), hash_b = hash_file(b, &size_b);

    cr_expect_eq(size_a, size_b);
    cr_expect_eq(hash_a, hash_b);
}

/* --- what is stored ------------------------------------------------------------------------------------------------- */

static sabal_array *blobs(sabal_client *client, int64_t rows, int64_t chunk_rows)
{
    return sabal_make_blobs(client, .n_samples = rows, .n_features = 3, .seed = 7, .chunk_rows = chunk_rows);
}

Test(shared, every_engine_stores_the_bytes_that_the_local_one_stores)
{
    const int64_t rows[]  = {1, 999, 10007};
    sabal_client *client  = open_engine(2), *local;
    sabal_error   err     = SABAL_ERROR_INIT;
    const int     formats = sabal_has("hdf5") ? 2 : 1;

    local = sabal_open("local:", &err, .threads = 2);
    for (int i = 0; i < 3; i++)
        for (int f = 0; f < formats; f++) {
            const char *mine = f ? "a.h5:/g/x" : "a.npy", *theirs = f ? "b.h5:/g/x" : "b.npy";

            expect_stored(sabal_store(blobs(client, rows[i], 251), in_folder(mine), &err), &err);
            expect_stored(sabal_store(blobs(local, rows[i], 100), in_folder(theirs), &err), &err);
            expect_same_file(in_folder(f ? "a.h5" : "a.npy"), in_folder(f ? "b.h5" : "b.npy"));
            cr_expect_eq(entries(), 2); /* and no partial file */
            unlink(in_folder(f ? "a.h5" : "a.npy"));
            unlink(in_folder(f ? "b.h5" : "b.npy"));
        }
    sabal_close(local);
    sabal_close(client);
}

Test(shared, what_is_added_to_a_file_leaves_what_was_there)
{
    sabal_client *client = open_engine(2), *local;
    sabal_error   err    = SABAL_ERROR_INIT;

    if (!sabal_has("hdf5"))
        cr_skip_test("built without HDF5");
    local = sabal_open("local:", &err, .threads = 2);
    for (int i = 0; i < 2; i++) {
        sabal_client *c    = i ? client : local;
        const char   *path = in_folder(i ? "a.h5" : "b.h5");

        expect_stored(sabal_store_hdf5(blobs(c, 1000, 100), path, "first", &err), &err);
        expect_stored(sabal_store_hdf5(blobs(c, 3001, 100), path, "packed", &err, .gzip = 1, .chunk_rows = 4000), &err);
        expect_stored(sabal_store_hdf5(blobs(c, 2000, 77), path, "last", &err), &err);
    }
    expect_same_file(in_folder("a.h5"), in_folder("b.h5"));
    sabal_close(local);
    sabal_close(client);
}

Test(shared, empty_arrays_and_empty_rows_are_stored_too)
{
    const int64_t shapes[2][2] = {{0, 3}, {4, 0}};
    sabal_client *client       = open_engine(2);

    for (int s = 0; s < 2; s++)
        for (int f = 0; f < (sabal_has("hdf5") ? 2 : 1); f++) {
            sabal_error    err  = SABAL_ERROR_INIT;
            sabal_array   *a    = sabal_array_from_memory(client, folder, SABAL_FLOAT32, 2, shapes[s], .chunk_rows = 3);
            const char    *path = in_folder(f ? "e.h5" : "e.npy");
            sabal_ndarray *out;

            expect_stored(sabal_store(a, path, &err), &err);
            out = computed(sabal_array_read(client, path));
            cr_expect(sabal_ndarray_extent(out, 0) == shapes[s][0] && sabal_ndarray_extent(out, 1) == shapes[s][1]);
            unlink(path);
        }
    sabal_close(client);
}

/* Chunks that are views of others, whose elements don't lie one behind the other. */
Test(shared, rows_of_another_array_and_turned_memory_are_stored_in_c_order)
{
    enum { ROWS = 500, COLUMNS = 7 };
    static double x[COLUMNS][ROWS], turned[ROWS][COLUMNS];
    const int64_t shape[2] = {ROWS, COLUMNS}, strides[2] = {sizeof(double), ROWS * sizeof(double)};
    sabal_client *client = open_engine(2);
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_array  *a;

    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            turned[i][j] = x[j][i] = i * 10 + j;
    a = sabal_array_from_memory(client, x, SABAL_FLOAT64, 2, shape, .chunk_rows = 64, .strides = strides);
    expect_stored(sabal_store(sabal_array_rows(a, 30, 491), in_folder("v.npy"), &err), &err);
    cr_expect_arr_eq(values(sabal_array_read(client, in_folder("v.npy"))), turned[30], 461 * sizeof *turned);
    sabal_close(client);
}

Test(shared, the_programs_memory_does_not_grow_with_the_file)
{
    enum { ROWS = 1 << 21 }; /* 48 MB */
    sabal_client_memory memory = {.struct_size = sizeof memory};
    sabal_client       *client;
    sabal_error         err = SABAL_ERROR_INIT;
    struct rusage       before, after;

    if (is_here())
        cr_skip_test("chunks are made in this process");
    client = open_engine(2);
    expect_stored(sabal_store_npy(blobs(client, 1000, 10), in_folder("s.npy"), &err), &err);
    cr_assert_eq(getrusage(RUSAGE_SELF, &before), 0);
    expect_stored(sabal_store_npy(blobs(client, ROWS, 1 << 14), in_folder("m.npy"), &err), &err);
    cr_assert_eq(getrusage(RUSAGE_SELF, &after), 0);
    cr_assert_eq(sabal_client_memory_get(client, &memory), SABAL_OK);
    cr_expect_lt(memory.peak, (size_t)1 << 20, "%zu bytes", memory.peak);
    cr_expect_lt(after.ru_maxrss - before.ru_maxrss, 8 << 10, "%ld KiB more", after.ru_maxrss - before.ru_maxrss);
    sabal_close(client);
}

/* --- what is not to be seen ----------------------------------------------------------------------------------------- */

static test_cluster apart;

/* Workers of this test alone: what they start with is theirs. */
static sabal_client *open_apart(void)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    const char   *engine = getenv("SABAL_TEST_ENGINE");
    sabal_client *client;

    if (!engine || strcmp(engine, "cluster") != 0)
        return open_engine(2);
    cluster_open(&apart, 2);
    client = sabal_open(apart.file, &err, .threads = 1);
    cr_assert_null(sabal_client_error(client), "%s", err.message);
    return client;
}

/* The program goes where its workers are not. */
static sabal_client *open_elsewhere(const char *workers)
{
    sabal_client *client;

    cr_assert_eq(chdir(workers), 0);
    client = open_apart();
    cr_assert_eq(chdir(folder), 0);
    return client;
}

static void close_apart(sabal_client *client)
{
    sabal_close(client);
    cluster_close(&apart);
    cr_assert_eq(chdir("/"), 0);
}

Test(shared, a_file_that_a_worker_does_not_see_is_told_by_both_names)
{
    double        x[100] = {0};
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client, *local;
    const char   *line = "";
    sabal_array  *a;

    if (is_here())
        cr_skip_test("nobody else reads it");
    client = open_elsewhere("/");
    local  = sabal_open("local:", &err, .threads = 1);
    expect_stored(sabal_store_npy(vector(local, x, SABAL_FLOAT64, 100, 10), "x.npy", &err), &err);
    a   = NOTING(line, sabal_array_read_npy(client, "/proc/self/cwd/x.npy", .chunk_rows = 10));
    err = compute_error(a);
    cr_expect_eq(err.status, SABAL_ENOENT);
    cr_expect(names_a_worker(err.message) && strstr(err.message, "does not see '/proc/self/cwd/x.npy', which this "
                                                                 "program reads (No such file or directory)"),
              "%s", err.message);
    cr_expect_str_eq(err.where, line);
    cr_expect(err.node[0] != 0);
    sabal_close(local);
    close_apart(client);
}

Test(shared, another_file_under_the_same_name_is_told_with_size_and_time)
{
    double        x[200] = {0};
    char          other[64];
    sabal_error   err = SABAL_ERROR_INIT;
    sabal_client *client, *local;
    struct statfs fs;
    struct stat   a, b;

    if (is_here())
        cr_skip_test("nobody else reads it");
    if (stat("/dev/shm", &a) || stat("/tmp", &b) || a.st_dev == b.st_dev || statfs("/dev/shm", &fs) || !fs.f_bavail)
        cr_skip_test("there is no second file system");
    strcpy(other, "/dev/shm/sabal-test-XXXXXX");
    cr_assert_not_null(mkdtemp(other));
    client = open_elsewhere(other);
    local  = sabal_open("local:", &err, .threads = 1);
    expect_stored(sabal_store_npy(vector(local, x, SABAL_FLOAT64, 100, 0), "x.npy", &err), &err);
    cr_assert_eq(chdir(other), 0);
    expect_stored(sabal_store_npy(vector(local, x, SABAL_FLOAT64, 200, 0), "x.npy", &err), &err);
    cr_assert_eq(chdir(folder), 0);
    err = compute_error(sabal_array_read_npy(client, "/proc/self/cwd/x.npy"));
    cr_expect_eq(err.status, SABAL_EIO);
    cr_expect(names_a_worker(err.message) &&
                  strstr(err.message, "sees another '/proc/self/cwd/x.npy': 1728 bytes of 20") &&
                  strstr(err.message, "UTC, the program has 928 bytes of 20"),
              "%s", err.message);
    cr_assert_eq(chdir(other), 0);
    unlink("x.npy");
    rmdir(other);
    sabal_close(local);
    close_apart(client);
}

/* The same size and time, but not the same file. */
Test(shared, a_file_that_another_took_the_place_of_is_told_though_size_and_time_are_the_same)
{
    const struct timespec then[2] = {{1700000000, 5}, {1700000000, 5}};
    double                x[100]  = {0};
    sabal_client         *client  = open_engine(2);
    sabal_error           err     = SABAL_ERROR_INIT;
    sabal_array          *a;

    expect_stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 100, 10), in_folder("x.npy"), &err), &err);
    cr_assert_eq(utimensat(AT_FDCWD, in_folder("x.npy"), then, 0), 0);
    a = sabal_array_read_npy(client, in_folder("x.npy"), .chunk_rows = 10);
    cr_expect_arr_eq(values(a), x, sizeof x);
    x[0] = 1;
    expect_stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 100, 10), in_folder("x.npy"), &err), &err);
    cr_assert_eq(utimensat(AT_FDCWD, in_folder("x.npy"), then, 0), 0);
    err = compute_error(a);
    EXPECT_FAILED(&err, SABAL_EIO, "x.npy changed since the array was made: another file of the same size and time");
    cr_expect_arr_eq(values(sabal_array_read_npy(client, in_folder("x.npy"))), x, sizeof x);
    sabal_close(client);
}

Test(shared, the_only_data_set_needs_no_name)
{
    double        x[100] = {3, 1, 4};
    sabal_client *client = open_engine(2);
    sabal_error   err    = SABAL_ERROR_INIT;

    if (!sabal_has("hdf5"))
        cr_skip_test("built without HDF5");
    expect_stored(sabal_store_hdf5(vector(client, x, SABAL_FLOAT64, 100, 10), in_folder("o.h5"), "/g/x", &err), &err);
    cr_expect_arr_eq(values(sabal_array_read_hdf5(client, in_folder("o.h5"), NULL, .chunk_rows = 10)), x, sizeof x);
    cr_expect_arr_eq(values(sabal_array_read(client, in_folder("o.h5"))), x, sizeof x);
    sabal_close(client);
}

Test(shared, a_folder_that_a_worker_does_not_see_is_told_when_a_file_is_stored_there)
{
    sabal_error   err = SABAL_ERROR_INIT;
    sabal_client *client;

    if (is_here())
        cr_skip_test("nobody else writes it");
    client = open_elsewhere("/");
    cr_expect_eq(sabal_store_npy(blobs(client, 1000, 10), "/proc/self/cwd/x.npy", &err), SABAL_ENOENT);
    cr_expect(names_a_worker(err.message) && strstr(err.message, "/proc/self/cwd/x.npy: worker"), "%s", err.message);
    cr_expect(strstr(err.message, "(No such file or directory): store where all workers see it"), "%s", err.message);
    cr_expect_eq(entries(), 0);
    close_apart(client);
}

/* A limit that workers have stands for a disk that gets full while they write. */
Test(shared, a_worker_that_can_write_no_more_is_told_with_file_and_line)
{
    enum { ROWS = 1 << 18 }; /* 6 MB */
    struct rlimit before, limit;
    sabal_error   err  = SABAL_ERROR_INIT;
    const char   *line = "";
    sabal_client *client;
    sabal_array  *a;

    if (is_here())
        cr_skip_test("nobody else writes it");
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit          = before;
    limit.rlim_cur = 3 << 20;
    setrlimit(RLIMIT_FSIZE, &limit);
    client = open_apart();
    setrlimit(RLIMIT_FSIZE, &before);
    for (int f = 0; f < (sabal_has("hdf5") ? 2 : 1); f++) {
        err = (sabal_error)SABAL_ERROR_INIT;
        a   = NOTING(line, sabal_make_blobs(client, .n_samples = ROWS, .n_features = 3, .chunk_rows = 1000));
        cr_expect_eq(sabal_store(a, in_folder(f ? "x.h5" : "x.npy"), &err), SABAL_ENOSPC);
        cr_expect(names_a_worker(err.message) && strstr(err.message, f ? "x.h5: worker" : "x.npy: worker"), "%s",
                  err.message);
        cr_expect_str_eq(err.where, line);
        cr_expect_eq(entries(), 0);
    }
    close_apart(client);
}

static sabal_status remove_the_file(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    if (chunk->first_row == 500) {
        DIR           *d = opendir(arg);
        struct dirent *e;
        char           path[400];

        while ((e = readdir(d)))
            if (strstr(e->d_name, ".part")) {
                snprintf(path, sizeof path, "%s/%s", (const char *)arg, e->d_name);
                unlink(path);
            }
        closedir(d);
    }
    memcpy(out, chunk->data, (size_t)(chunk->shape[0] * chunk->shape[1]) * sizeof(double));
    return SABAL_OK;
}

/* As a program does that is interrupted: its handler removes them. */
Test(shared, a_file_that_is_removed_while_it_is_written_is_told_and_nothing_is_left)
{
    sabal_client *client = open_engine(2);
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_array  *a =
        sabal_array_map_chunks(blobs(client, 1000, 10), remove_the_file, .arg = folder, .arg_size = strlen(folder) + 1);

    cr_expect_eq(sabal_store_npy(a, in_folder("x.npy"), &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "x.npy") != NULL, "%s", err.message);
    cr_expect_eq(entries(), 0);
    sabal_close(client);
}
