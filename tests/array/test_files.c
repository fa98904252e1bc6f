/* Arrays to and from files: what was stored is read back, and what can't be is refused by name. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/arrays.h"
#include "support/npy.h"

static sabal_client *client;
static char          folder[64];

static void open_client(void)
{
    client = open_engine(2);
    snprintf(folder, sizeof folder, "/tmp/sabal-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

/* Removes the folder and returns how many files were in it. */
static int clear_folder(void)
{
    DIR           *d = opendir(folder);
    struct dirent *e;
    int            n = 0;

    cr_assert_not_null(d);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.' || e->d_name[1]) {
            char path[400];

            n += strcmp(e->d_name, "..") != 0;
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            unlink(path);
        }
    closedir(d);
    return n;
}

static void close_client(void)
{
    sabal_close(client);
    clear_folder();
    rmdir(folder);
}

TestSuite(files, .init = open_client, .fini = close_client);

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static int  i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", folder, name);
    return path[i];
}

static void stored(sabal_status status, const sabal_error *err)
{
    if (status)
        fprintf(stderr, "store: %s %s\n", sabal_status_name(status), err->message);
    cr_assert_eq(status, SABAL_OK);
    cr_expect_eq(err->status, SABAL_OK);
}

Test(files, numpys_file_is_read_as_numpy_wrote_it)
{
    double        *x = npy_doubles("kmeans", "iris_x", 600), *labels = npy_doubles("kmeans", "iris_labels", 150);
    sabal_array   *a = sabal_array_read_npy(client, SBL_TEST_DATA "/kmeans/iris_x.npy", .chunk_rows = 40);
    const uint8_t *mine;

    cr_assert_null(sabal_array_error(a));
    cr_expect_eq(sabal_array_dtype(a), SABAL_FLOAT64);
    cr_expect_eq(sabal_array_extent(a, 0), 150);
    cr_expect_eq(sabal_array_extent(a, 1), 4);
    cr_expect_eq(sabal_array_n_chunks(a, 0), 4);
    cr_expect_arr_eq(values(a), x, 600 * sizeof *x);
    cr_expect_arr_eq(values(sabal_array_rows(a, 39, 81)), x + 39 * 4, 42 * 4 * sizeof *x);
    a    = sabal_array_read(client, SBL_TEST_DATA "/kmeans/iris_labels.npy");
    mine = values(a);
    cr_expect_eq(sabal_array_dtype(a), SABAL_UINT8);
    for (int i = 0; i < 150; i++)
        cr_expect_eq(mine[i], labels[i]);
    free(x);
    free(labels);
}

Test(files, npy_brings_every_dtype_back)
{
    unsigned char x[13 * 3 * 16];

    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (unsigned char)(i * 11 % 251);
    for (int t = SABAL_BOOL; t <= SABAL_COMPLEX128; t++) {
        sabal_error  err = SABAL_ERROR_INIT;
        sabal_array *a;

        for (size_t i = 0; t == SABAL_BOOL && i < sizeof x; i++)
            x[i] &= 1;
        stored(sabal_store_npy(matrix(client, x, (sabal_dtype)t, 13, 3, 4), in_folder("x.npy"), &err), &err);
        a = sabal_array_read_npy(client, in_folder("x.npy"), .chunk_rows = 5);
        cr_assert_null(sabal_array_error(a));
        cr_expect_eq((int)sabal_array_dtype(a), t);
        cr_expect_eq(sabal_array_n_chunks(a, 0), 3);
        cr_expect_arr_eq(values(a), x, 39 * sabal_dtype_size((sabal_dtype)t));
        for (size_t i = 0; i < sizeof x; i++)
            x[i] = (unsigned char)(i * 11 % 251);
    }
    cr_expect_eq(clear_folder(), 1); /* no partial files */
}

Test(files, npy_brings_shapes_back)
{
    const int64_t shapes[4][3] = {{7, 1, 1}, {5, 2, 3}, {0, 4, 2}, {3, 0, 2}};
    double        x[30];

    for (int i = 0; i < 30; i++)
        x[i] = i;
    for (int s = 0; s < 4; s++)
        for (int32_t ndim = 1; ndim <= 3; ndim++) {
            sabal_error    err = SABAL_ERROR_INIT;
            sabal_array   *a   = sabal_array_from_memory(client, x, SABAL_FLOAT64, ndim, shapes[s], .chunk_rows = 2);
            sabal_ndarray *out;

            stored(sabal_store(a, in_folder("s.npy"), &err), &err);
            out = computed(sabal_array_read(client, in_folder("s.npy")));
            cr_assert_eq(sabal_ndarray_ndim(out), ndim);
            for (int32_t i = 0; i < ndim; i++)
                cr_expect_eq(sabal_ndarray_extent(out, i), shapes[s][i]);
            cr_expect_arr_eq(sabal_ndarray_data(out), x, (size_t)sabal_ndarray_size(out) * 8);
        }
}

Test(files, a_stored_file_replaces_the_one_before)
{
    double      x[6] = {1, 2, 3, 4, 5, 6};
    sabal_error err  = SABAL_ERROR_INIT;

    stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 6, 2), in_folder("r.npy"), &err), &err);
    stored(sabal_store_npy(vector(client, x + 4, SABAL_FLOAT64, 2, 1), in_folder("r.npy"), &err), &err);
    cr_expect_eq(((const double *)values(sabal_array_read_npy(client, in_folder("r.npy"))))[0], 5);
}

static sabal_status fails_late(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    if (chunk->first_row >= 40)
        return sabal_task_fail(task, SABAL_EVALUE, "row %ld is odd", (long)chunk->first_row);
    memcpy(out, chunk->data, (size_t)chunk->shape[0] * sizeof(double));
    return SABAL_OK;
}

Test(files, a_store_that_fails_leaves_nothing)
{
    double       x[50]   = {0};
    sabal_array *a       = sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, 50, 10), fails_late);
    const char  *names[] = {"f.npy", "f.h5:/x"};

    for (int i = 0; i < (sabal_has("hdf5") ? 2 : 1); i++) {
        sabal_error err = SABAL_ERROR_INIT;

        cr_expect_eq(sabal_store(a, in_folder(names[i]), &err), SABAL_EVALUE);
        cr_expect(strstr(err.message, "row 40 is odd") != NULL);
        cr_expect_eq(clear_folder(), 0);
    }
}

Test(files, a_store_that_fails_leaves_the_old_file_as_it_was)
{
    double      x[50];
    sabal_error err = SABAL_ERROR_INIT;

    for (int i = 0; i < 50; i++)
        x[i] = i;
    stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 50, 10), in_folder("o.npy"), &err), &err);
    cr_expect_eq(sabal_store_npy(sabal_array_map_chunks(vector(client, x, SABAL_FLOAT64, 50, 10), fails_late),
                                 in_folder("o.npy"), &err),
                 SABAL_EVALUE);
    cr_expect_arr_eq(values(sabal_array_read_npy(client, in_folder("o.npy"))), x, sizeof x);
    cr_expect_eq(clear_folder(), 1);
}

Test(files, places_where_nothing_can_be_stored_are_told)
{
    double       x[2] = {0};
    sabal_array *a    = vector(client, x, SABAL_FLOAT64, 2, 0);
    sabal_error  err  = SABAL_ERROR_INIT;

    cr_expect_eq(sabal_store_npy(a, "/no/such/folder/x.npy", &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "/no/such/folder") != NULL);
    cr_expect_eq(sabal_store(a, in_folder("x.txt"), NULL), SABAL_EINVAL);
    cr_expect_eq(sabal_store(a, in_folder("x"), NULL), SABAL_EINVAL);
    if (geteuid() != 0) { /* root may write everywhere */
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_expect_eq(sabal_store_npy(a, "/x.npy", &err), SABAL_EACCES);
    }
}

/* A file that may not grow stands for a disk that is full. */
Test(files, a_write_that_fails_is_told_and_leaves_nothing)
{
    enum { MANY = 100000 };
    static double x[MANY];
    const char   *names[] = {"w.npy", "w.h5:/x"};
    struct rlimit before, limit;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit          = before;
    limit.rlim_cur = 200000;
    for (int i = 0; i < (sabal_has("hdf5") ? 2 : 1); i++) {
        sabal_error  err = SABAL_ERROR_INIT;
        sabal_status st;

        setrlimit(RLIMIT_FSIZE, &limit);
        st = sabal_store(vector(client, x, SABAL_FLOAT64, MANY, 1000), in_folder(names[i]), &err);
        setrlimit(RLIMIT_FSIZE, &before);
        cr_expect(st == SABAL_EIO || st == SABAL_ENOSPC);
        cr_expect(strstr(err.message, i ? "w.h5" : "w.npy") != NULL);
        cr_expect_eq(clear_folder(), 0);
    }
}

/* The copy that is added to stops at the limit. */
Test(files, a_data_set_is_not_added_to_a_file_that_may_not_be_so_long)
{
    enum { MANY = 100000 };
    static double x[MANY];
    struct rlimit before, limit;
    struct stat   is, was;
    sabal_error   err = SABAL_ERROR_INIT;

    if (!sabal_has("hdf5"))
        cr_skip_test("built without HDF5");
    cr_assert_eq(sabal_store(vector(client, x, SABAL_FLOAT64, MANY, 1000), in_folder("w.h5:/x"), &err), SABAL_OK);
    cr_assert_eq(stat(in_folder("w.h5"), &was), 0);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit          = before;
    limit.rlim_cur = 200000;
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_expect_eq(sabal_store(vector(client, x, SABAL_FLOAT64, 10, 10), in_folder("w.h5:/y"), &err), SABAL_ENOSPC);
    setrlimit(RLIMIT_FSIZE, &before);
    cr_expect(strstr(err.message, "ulimit -f") != NULL);
    cr_expect(!stat(in_folder("w.h5"), &is) && is.st_ino == was.st_ino && is.st_size == was.st_size);
    cr_expect_eq(clear_folder(), 1);
}

static void write_bytes(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");

    cr_assert(f && fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

/* A .npy file of version 1 with this header and so many bytes of data. */
static void write_npy(const char *name, const char *descr, const char *order, const char *shape, size_t n_bytes)
{
    char   head[128 + 4096] = "\x93NUMPY\x01";
    size_t n;

    n = (size_t)snprintf(head + 10, 118, "{'descr': %s, 'fortran_order': %s, 'shape': %s, }", descr, order, shape);
    memset(head + 10 + n, ' ', 118 - n);
    head[127] = '\n';
    head[8]   = 118;
    for (size_t i = 0; i < n_bytes; i++)
        head[128 + i] = (char)i;
    write_bytes(name, head, 128 + n_bytes);
}

Test(files, what_cannot_be_read_is_refused_by_name)
{
    static const struct {
        const char  *descr, *shape;
        sabal_status status;
        const char  *text;
    } bad[] = {
        {"'<f2'", "(4,)", SABAL_EDTYPE, "float16"}, {"'<U5'", "(4,)", SABAL_EDTYPE, "U5"},
        {"'|S3'", "(4,)", SABAL_EDTYPE, "S3"},      {"'<M8[ns]'", "(4,)", SABAL_EDTYPE, "M8"},
        {"'|O'", "(4,)", SABAL_EDTYPE, "O"},        {"[('a', '<f8')]", "(4,)", SABAL_EDTYPE, ""},
        {"'<f8'", "()", SABAL_ESHAPE, "0"},         {"'<f8'", "(400,)", SABAL_EFORMAT, "3200"},
        {"'<f8'", "(-4,)", SABAL_EFORMAT, ""},      {"'<q9'", "(4,)", SABAL_EFORMAT, ""},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sabal_array *a;

        write_npy("bad.npy", bad[i].descr, "False", bad[i].shape, 64);
        a = sabal_array_read_npy(client, in_folder("bad.npy"));
        if (bad[i].descr[2] == 'q') { /* a descr that NumPy doesn't know: either of the two is an answer */
            cr_assert_not_null(sabal_array_error(a));
            cr_expect(sabal_array_error(a)->status == SABAL_EFORMAT || sabal_array_error(a)->status == SABAL_EDTYPE);
            continue;
        }
        EXPECT_FAILED(sabal_array_error(a), bad[i].status, bad[i].text);
        EXPECT_FAILED(sabal_array_error(a), bad[i].status, "bad.npy");
    }
    write_bytes("bad.npy", "not numpy's", 11);
    EXPECT_FAILED(sabal_array_error(sabal_array_read_npy(client, in_folder("bad.npy"))), SABAL_EFORMAT, "bad.npy");
    write_bytes("bad.npy", "", 0);
    EXPECT_FAILED(sabal_array_error(sabal_array_read_npy(client, in_folder("bad.npy"))), SABAL_EFORMAT, "bad.npy");
    cr_assert_not_null(sabal_array_error(sabal_array_read_npy(client, folder)));
    EXPECT_FAILED(sabal_array_error(sabal_array_read_npy(client, folder)), SABAL_EINVAL, "folder");
    EXPECT_FAILED(sabal_array_error(sabal_array_read_npy(client, NULL)), SABAL_EINVAL, "NULL");
    write_bytes("bad.npy", "\x93NUMPY\4\0\0\0\0\0", 12);
    EXPECT_FAILED(sabal_array_error(sabal_array_read_npy(client, in_folder("bad.npy"))), SABAL_EUNSUPPORTED,
                  "version 4.0");
    write_npy("bad.npy", "'<f8'", "False", "(4,)", 32);
    EXPECT_FAILED(sabal_array_error(sabal_array_read_npy(client, in_folder("bad.npy"), .chunk_rows = -1)), SABAL_EINVAL,
                  "chunk_rows is -1");
    EXPECT_FAILED(sabal_array_error(sabal_array_read(client, in_folder("bad.csv"))), SABAL_EINVAL, "bad.csv");
}

Test(files, fortran_order_and_big_endian_are_converted)
{
    const uint8_t *a;
    const int16_t *b;

    write_npy("f.npy", "'|u1'", "True", "(4, 3)", 12);
    a = values(sabal_array_read_npy(client, in_folder("f.npy"), .chunk_rows = 3));
    for (int i = 0; i < 12; i++)
        cr_expect_eq(a[i], (i % 3) * 4 + i / 3);
    write_npy("b.npy", "'>i2'", "False", "(6,)", 12);
    b = values(sabal_array_read_npy(client, in_folder("b.npy"), .chunk_rows = 4));
    for (int i = 0; i < 6; i++)
        cr_expect_eq(b[i], 2 * i * 256 + 2 * i + 1);
}

/* Cut short after it was opened: the read says so, and nobody gets wrong numbers. */
Test(files, a_file_that_shrinks_is_told_when_it_is_read)
{
    double       x[1000] = {0};
    sabal_error  err     = SABAL_ERROR_INIT;
    sabal_array *a;

    stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 1000, 0), in_folder("t.npy"), &err), &err);
    a = sabal_array_read_npy(client, in_folder("t.npy"), .chunk_rows = 100);
    cr_assert_eq(truncate(in_folder("t.npy"), 4000), 0);
    err = compute_error(a);
    EXPECT_FAILED(&err, SABAL_EIO, "t.npy changed since the array was made: it had 8128 bytes, has 4000");
}

Test(files, a_file_that_changed_is_told_with_what_differs)
{
    const struct timespec later[2] = {{2000000000, 0}, {2000000000, 0}};
    double                x[1000]  = {0};
    sabal_error           err      = SABAL_ERROR_INIT;
    sabal_array          *a;

    stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 1000, 0), in_folder("c.npy"), &err), &err);
    a = sabal_array_read_npy(client, in_folder("c.npy"), .chunk_rows = 100);
    cr_assert_eq(utimensat(AT_FDCWD, in_folder("c.npy"), later, 0), 0);
    err = compute_error(a);
    EXPECT_FAILED(&err, SABAL_EIO,
                  "c.npy changed since the array was made: it was written to (its modification time differs)");
    err = (sabal_error)SABAL_ERROR_INIT;
    stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 900, 0), in_folder("c.npy"), &err), &err);
    err = compute_error(a);
    EXPECT_FAILED(&err, SABAL_EIO, "c.npy changed since the array was made: it had 8128 bytes, has 7328");
}

/* What is read later is the file that was named then, wherever the program has gone meanwhile. */
Test(files, a_relative_path_stays_where_it_was_when_the_program_changes_its_folder)
{
    double       x[100], y[100] = {0};
    char         here[4096];
    sabal_error  err  = SABAL_ERROR_INIT;
    const char  *hdf5 = sabal_has("hdf5") ? "r.h5:x" : "r.npy";
    sabal_array *a, *b;

    for (int i = 0; i < 100; i++)
        x[i] = i;
    cr_assert_not_null(getcwd(here, sizeof here));
    cr_assert_eq(chdir(folder), 0);
    stored(sabal_store_npy(vector(client, x, SABAL_FLOAT64, 100, 0), "r.npy", &err), &err);
    stored(sabal_store(vector(client, x, SABAL_FLOAT64, 100, 0), hdf5, &err), &err);
    a = sabal_array_read_npy(client, "r.npy", .chunk_rows = 10);
    b = sabal_array_read(client, hdf5, .chunk_rows = 10);
    cr_assert_eq(mkdir("other", 0777), 0);
    cr_assert_eq(chdir("other"), 0);
    stored(sabal_store_npy(vector(client, y, SABAL_FLOAT64, 100, 0), "r.npy", &err), &err);
    cr_expect_arr_eq(values(a), x, sizeof x);
    cr_expect_arr_eq(values(b), x, sizeof x);
    unlink("r.npy");
    cr_assert_eq(chdir(".."), 0);
    cr_expect_arr_eq(values(a), x, sizeof x);
    cr_assert_eq(rmdir("other"), 0);
    cr_assert_eq(chdir(here), 0);
}

/* A store that is under way: its chunk function does what a signal's handler would. */
static sabal_status remove_partial_files(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    if (chunk->first_row == 4)
        sabal_remove_partial_files();
    memcpy(out, chunk->data, (size_t)chunk->shape[0] * sizeof(double));
    return SABAL_OK;
}

Test(files, partial_files_that_are_removed_during_a_store_leave_nothing)
{
    double        x[8] = {0};
    sabal_error   err  = SABAL_ERROR_INIT;
    sabal_client *here = sabal_open("local:", &err, .threads = 2); /* the files are this process's */
    sabal_array  *a    = sabal_array_map_chunks(vector(here, x, SABAL_FLOAT64, 8, 1), remove_partial_files);

    cr_expect_eq(sabal_store_npy(a, in_folder("gone.npy"), &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "gone.npy") != NULL && strstr(err.message, "removed") != NULL);
    if (sabal_has("hdf5"))
        cr_expect_neq(sabal_store_hdf5(a, in_folder("gone.h5"), "x", NULL), SABAL_OK);
    cr_expect_eq(clear_folder(), 0);
    err = (sabal_error)SABAL_ERROR_INIT;
    stored(sabal_store_npy(vector(here, x, SABAL_FLOAT64, 8, 0), in_folder("gone.npy"), &err), &err);
    cr_expect_eq(clear_folder(), 1);
    sabal_close(here);
}

Test(files, hdf5_brings_every_real_dtype_back)
{
    unsigned char x[13 * 3 * 16];

    if (!sabal_has("hdf5"))
        cr_skip_test("built without HDF5");
    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (unsigned char)(i * 11 % 251);
    for (int t = SABAL_UINT8; t <= SABAL_FLOAT64; t++)
        for (int layout = 0; layout < 4; layout++) {
            sabal_error  err = SABAL_ERROR_INIT;
            sabal_array *a   = matrix(client, x, (sabal_dtype)t, 13, 3, 4);
            char         name[32];

            snprintf(name, sizeof name, "x%d%d.h5", t, layout);
            stored(sabal_store_hdf5(a, in_folder(name), "/data", &err, .chunk_rows = layout ? 5 : 0,
                                    .gzip = layout > 1 ? 4 : 0, .shuffle = layout > 2),
                   &err);
            a = sabal_array_read_hdf5(client, in_folder(name), "/data", .chunk_rows = 6);
            cr_assert_null(sabal_array_error(a));
            cr_expect_eq((int)sabal_array_dtype(a), t);
            cr_expect_arr_eq(values(a), x, 39 * sabal_dtype_size((sabal_dtype)t));
            cr_expect_arr_eq(values(sabal_array_rows(a, 4, 11)), x + 12 * sabal_dtype_size((sabal_dtype)t),
                             21 * sabal_dtype_size((sabal_dtype)t));
        }
}

Test(files, hdf5_chunks_are_multiples_of_the_files)
{
    double       x[1000] = {0};
    sabal_error  err     = SABAL_ERROR_INIT;
    sabal_array *a;

    if (!sabal_has("hdf5"))
        cr_skip_test("built without HDF5");
    stored(
        sabal_store_hdf5(matrix(client, x, SABAL_FLOAT64, 500, 2, 0), in_folder("c.h5"), "/x", &err, .chunk_rows = 7),
        &err);
    a = sabal_array_read_hdf5(client, in_folder("c.h5"), NULL); /* the only data set */
    cr_assert_null(sabal_array_error(a));
    cr_expect(sabal_array_n_chunks(a, 0) == 1 || sabal_array_chunk_extent(a, 0, 0) % 7 == 0);
    stored(sabal_store_hdf5(matrix(client, x, SABAL_FLOAT64, 500, 2, INT64_MAX), in_folder("c.h5"), "/y", &err,
                            .chunk_rows = INT64_MAX),
           &err);
    a = sabal_array_read_hdf5(client, in_folder("c.h5"), "/y", .chunk_rows = INT64_MAX);
    cr_expect_eq(sabal_array_n_chunks(a, 0), 1);
    cr_expect_arr_eq(values(a), x, sizeof x);
}

Test(files, hdf5_data_sets_are_added_but_not_replaced)
{
    double      x[6] = {1, 2, 3, 4, 5, 6};
    sabal_error err  = SABAL_ERROR_INIT;

    if (!sabal_has("hdf5"))
        cr_skip_test("built without HDF5");
    stored(sabal_store_hdf5(vector(client, x, SABAL_FLOAT64, 6, 2), in_folder("m.h5"), "/a", &err), &err);
    stored(sabal_store_hdf5(vector(client, x, SABAL_FLOAT64, 3, 2), in_folder("m.h5"), "/group/b", &err), &err);
    cr_expect_eq(sabal_store_hdf5(vector(client, x, SABAL_FLOAT64, 2, 2), in_folder("m.h5"), "/a", &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "/a") != NULL);
    cr_expect_arr_eq(values(sabal_array_read_hdf5(client, in_folder("m.h5"), "/a")), x, sizeof x);
    cr_expect_arr_eq(values(sabal_array_read_hdf5(client, in_folder("m.h5"), "/group/b")), x, 3 * sizeof *x);
    EXPECT_FAILED(sabal_array_error(sabal_array_read_hdf5(client, in_folder("m.h5"), "/group/c")), SABAL_ENOENT,
                  "/group/b");
    cr_assert_not_null(sabal_array_error(sabal_array_read_hdf5(client, in_folder("m.h5"), NULL))); /* two: which? */
    cr_expect_arr_eq(values(sabal_array_read(client, in_folder("m.h5:/a"))), x, sizeof x);
    stored(sabal_store(vector(client, x, SABAL_FLOAT64, 4, 2), in_folder("m.h5"),
                       (err = (sabal_error)SABAL_ERROR_INIT, &err)),
           &err);
    cr_expect_arr_eq(values(sabal_array_read(client, in_folder("m.h5:data"))), x, 4 * sizeof *x);
}

Test(files, an_hdf5_file_that_is_none_is_refused)
{
    if (!sabal_has("hdf5"))
        cr_skip_test("built without HDF5");
    write_bytes("n.h5", "not HDF5", 8);
    EXPECT_FAILED(sabal_array_error(sabal_array_read_hdf5(client, in_folder("n.h5"), "/x")), SABAL_EFORMAT, "n.h5");
    EXPECT_FAILED(sabal_array_error(sabal_array_read_hdf5(client, in_folder("none.h5"), "/x")), SABAL_ENOENT,
                  "none.h5");
}

static int32_t note(void *user, const sabal_file_entry *entry)
{
    snprintf(user, 200, "%s %s %d %ld %d", entry->name ? entry->name : "-", entry->dtype, entry->ndim,
             (long)entry->shape[0], entry->readable);
    return 0;
}

Test(files, a_listing_tells_what_was_stored)
{
    double      x[6]      = {0};
    char        text[200] = "";
    sabal_error err       = SABAL_ERROR_INIT;

    stored(sabal_store_npy(matrix(client, x, SABAL_FLOAT64, 3, 2, 0), in_folder("l.npy"), &err), &err);
    cr_expect_eq(sabal_file_list(in_folder("l.npy"), note, text, &err), SABAL_OK);
    cr_expect_str_eq(text, "- float64 2 3 1");
    if (!sabal_has("hdf5"))
        return;
    stored(sabal_store_hdf5(matrix(client, x, SABAL_FLOAT64, 3, 2, 0), in_folder("l.h5"), "/g/x", &err), &err);
    cr_expect_eq(sabal_file_list(in_folder("l.h5"), note, text, &err), SABAL_OK);
    cr_expect_str_eq(text, "/g/x float64 2 3 1");
}
