/* Writing: what is stored is read by the library itself and by h5py; failures leave what was there. */
#include "io/hdf5_library.h"
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "io/hdf5.h"

static char *folder;

static void set_up(void)
{
    folder = make_folder();
}

static void tear_down(void)
{
    remove_folder(folder);
}

TestSuite(hdf5_write, .init = set_up, .fini = tear_down);

/* A path in the folder; good until the call after the next. */
static const char *in_folder(const char *name)
{
    static char paths[2][256];
    static int  turn;

    turn ^= 1;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static int n_files(void)
{
    DIR *d = opendir(folder);
    int  n = 0;

    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

/* Rows of the formula from one writer, n at a time, last ones first if backwards. */
static sabal_status write_all(sbl_writer *w, sabal_dtype dtype, int64_t rows, int64_t row, int64_t n, int backwards,
                              sabal_error *err)
{
    size_t       size = sabal_dtype_size(dtype);
    char        *data = malloc((size_t)(n * row) * size + 1);
    sabal_status st   = SABAL_OK;
    int64_t      last = (rows + n - 1) / n - 1;

    for (int64_t i = 0; i <= last && !st; i++) {
        int64_t first = (backwards ? last - i : i) * n, m = rows - first < n ? rows - first : n;

        for (int64_t k = 0; k < m * row; k++)
            value_of(data + (size_t)k * size, dtype, first * row + k);
        st = sbl_writer_rows(w, first, m, data, err);
    }
    free(data);
    return st;
}

static sabal_status store(const char *path, const char *name, sabal_dtype dtype, int32_t ndim, const int64_t *shape,
                          const sbl_writer_options *options, sabal_error *err)
{
    sbl_writer  *w   = NULL;
    int64_t      row = 1;
    sabal_status st  = sbl_hdf5_create(&w, path, name, dtype, ndim, shape, options, err);

    if (st)
        return st;
    for (int32_t k = 1; k < ndim; k++)
        row *= shape[k];
    st = write_all(w, dtype, shape[0], row, w->natural_rows ? 2 * w->natural_rows : 4, 1, err);
    if (st) {
        sbl_writer_abort(w);
        return st;
    }
    return sbl_writer_finish(w, err);
}

static int stored(const char *path, const char *name, sabal_dtype dtype, int32_t ndim, const int64_t *shape,
                  const sbl_writer_options *options)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (store(path, name, dtype, ndim, shape, options, &err))
        fprintf(stderr, "%s\n", err.message);
    return !err.status;
}

/* Read by the library, whole, into memory of the machine's own types. */
static int library_agrees(const char *path, const char *name, sabal_dtype dtype, int64_t n)
{
    size_t size = sabal_dtype_size(dtype);
    char  *out  = malloc((size_t)n * size + 1), want[16];
    hid_t  file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t  type = H5Dget_type(set), memory = H5Tget_native_type(type, H5T_DIR_ASCEND);
    int    right = H5Tget_size(memory) == size && H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;

    for (int64_t i = 0; right && i < n; i++) {
        value_of(want, dtype, i);
        right = !memcmp(want, out + (size_t)i * size, size);
    }
    H5Tclose(memory);
    H5Tclose(type);
    H5Dclose(set);
    H5Fclose(file);
    free(out);
    return right;
}

static const sbl_writer_options OPTIONS[] = {
    {0},
    {.chunk_rows = 3},
    {.chunk_rows = 5, .gzip = 4},
    {.gzip = 9, .shuffle = 1},
    {.chunk_rows = 100, .shuffle = 1},
    {.chunk_rows = 1, .gzip = 1, .shuffle = 1},
};
#define N_OPTIONS (sizeof OPTIONS / sizeof *OPTIONS)

Test(hdf5_write, every_dtype_comes_back_through_the_library_and_through_us)
{
    const int64_t shape[] = {17, 3};

    for (int d = SABAL_BOOL; d <= SABAL_COMPLEX128; d++)
        for (size_t o = 0; o < N_OPTIONS; o++) {
            char name[32];

            snprintf(name, sizeof name, "g%zu/%s", o, sabal_dtype_name((sabal_dtype)d));
            cr_expect(stored(in_folder("a.h5"), name, (sabal_dtype)d, 2, shape, &OPTIONS[o]));
            cr_expect(library_agrees(in_folder("a.h5"), name, (sabal_dtype)d, 17 * 3));
            cr_expect(is_right(in_folder("a.h5"), name));
        }
    cr_expect_eq(n_files(), 1);
}

Test(hdf5_write, one_to_four_dimensions_come_back)
{
    const int64_t shape[] = {17, 3, 4, 2};

    for (int32_t ndim = 1; ndim <= 4; ndim++)
        for (size_t o = 0; o < N_OPTIONS; o++) {
            char name[32];

            snprintf(name, sizeof name, "/%d/%zu", ndim, o);
            cr_expect(stored(in_folder("a.h5"), name, SABAL_FLOAT32, ndim, shape, &OPTIONS[o]));
            cr_expect(is_right(in_folder("a.h5"), name));
        }
    cr_expect(library_agrees(in_folder("a.h5"), "/4/3", SABAL_FLOAT32, 17 * 3 * 4 * 2));
}

Test(hdf5_write, arrays_of_no_elements_are_stored_whatever_is_asked)
{
    const int64_t shapes[][2] = {{0, 3}, {3, 0}};

    for (int i = 0; i < 2; i++)
        for (size_t o = 0; o < N_OPTIONS; o++) {
            char        name[32];
            sbl_reader *r;

            snprintf(name, sizeof name, "%d-%zu", i, o);
            cr_expect(stored(in_folder("a.h5"), name, SABAL_FLOAT64, 2, shapes[i], &OPTIONS[o]));
            r = opened(in_folder("a.h5"), name);
            cr_assert_not_null(r);
            cr_expect(r->shape[0] == shapes[i][0] && r->shape[1] == shapes[i][1]);
            sbl_reader_release(r);
        }
}

Test(hdf5_write, without_a_name_the_data_set_is_called_data)
{
    const int64_t shape[] = {4};

    cr_expect(stored(in_folder("a.h5"), NULL, SABAL_INT32, 1, shape, NULL));
    cr_expect(is_right(in_folder("a.h5"), "/data"));
}

Test(hdf5_write, incompressible_chunks_are_stored_as_they_are)
{
    const int64_t shape[] = {4096};
    uint64_t      data[4096], back[4096], x = 88172645463325252u;
    sbl_writer   *w = NULL;
    sbl_reader   *r;
    struct stat   s;
    hid_t         file, set;

    for (int i = 0; i < 4096; i++)
        data[i] = (x ^= x << 13, x ^= x >> 7, x ^= x << 17);
    cr_assert_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_UINT64, 1, shape,
                                 &(sbl_writer_options){.gzip = 9, .chunk_rows = 1024}, NULL),
                 SABAL_OK);
    cr_expect_eq(sbl_writer_rows(w, 0, 4096, data, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    r = opened(in_folder("a.h5"), "x");
    cr_expect_eq(sbl_reader_rows(r, 0, 4096, back, NULL), SABAL_OK);
    cr_expect_arr_eq(back, data, sizeof data);
    sbl_reader_release(r);
    cr_expect_eq(stat(in_folder("a.h5"), &s), 0);
    cr_expect_lt(s.st_size, 4096 * 8 + 20000);
    memset(back, 0, sizeof back);
    file = H5Fopen(in_folder("a.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    set  = H5Dopen2(file, "x", H5P_DEFAULT);
    cr_expect(H5Dread(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, back) >= 0);
    cr_expect_arr_eq(back, data, sizeof data);
    H5Dclose(set);
    H5Fclose(file);
}

struct share {
    sbl_writer *w;
    int64_t     first, n;
};

static void *write_share(void *arg)
{
    struct share *s = arg;
    float         data[4 * 6];

    for (int64_t i = s->first; i < s->first + s->n; i += 4) {
        for (int64_t k = 0; k < 4 * 6; k++)
            value_of(&data[k], SABAL_FLOAT32, i * 6 + k);
        if (sbl_writer_rows(s->w, i, 4, data, NULL))
            return s;
    }
    return NULL;
}

Test(hdf5_write, rows_may_come_from_eight_threads_at_once)
{
    const int64_t shape[] = {8 * 40, 6};

    for (int chunked = 0; chunked < 2; chunked++) {
        const sbl_writer_options o    = {.chunk_rows = chunked ? 4 : 0, .gzip = chunked ? 1 : 0};
        const char              *name = chunked ? "b.h5" : "a.h5";
        sbl_writer              *w    = NULL;
        pthread_t                threads[8];
        struct share             shares[8];

        cr_assert_eq(sbl_hdf5_create(&w, in_folder(name), "x", SABAL_FLOAT32, 2, shape, &o, NULL), SABAL_OK);
        for (int t = 0; t < 8; t++) {
            shares[t] = (struct share){w, t * 40, 40};
            cr_assert_eq(pthread_create(&threads[t], NULL, write_share, &shares[t]), 0);
        }
        for (int t = 0; t < 8; t++) {
            void *failed;

            pthread_join(threads[t], &failed);
            cr_expect_null(failed);
        }
        cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
        cr_expect(is_right(in_folder(name), "x"));
    }
}

Test(hdf5_write, nothing_is_there_before_it_is_whole_and_nothing_is_left_of_what_was_aborted)
{
    const int64_t shape[] = {20};

    for (size_t o = 0; o < N_OPTIONS; o++) {
        sbl_writer *w = NULL;

        cr_assert_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_FLOAT32, 1, shape, &OPTIONS[o], NULL), SABAL_OK);
        cr_expect_neq(access(in_folder("a.h5"), F_OK), 0);
        cr_expect_eq(write_all(w, SABAL_FLOAT32, 20, 1, w->natural_rows ? w->natural_rows : 20, 0, NULL), SABAL_OK);
        cr_expect_neq(access(in_folder("a.h5"), F_OK), 0);
        sbl_writer_abort(w);
        cr_expect_eq(n_files(), 0);
    }
    cr_expect_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

Test(hdf5_write, adding_to_a_file_keeps_what_is_in_it_and_its_permissions)
{
    const int64_t shape[] = {20};
    size_t        size;
    char         *data = slurp(DATA "userblock.h5", &size);
    struct stat   s;

    spit(in_folder("a.h5"), data, size);
    chmod(in_folder("a.h5"), 0640);
    cr_expect(stored(in_folder("a.h5"), "new/contiguous", SABAL_FLOAT32, 1, shape, NULL));
    cr_expect(stored(in_folder("a.h5"), "new/chunked", SABAL_FLOAT32, 1, shape, &OPTIONS[3]));
    cr_expect(is_right(in_folder("a.h5"), "new/contiguous"));
    cr_expect(is_right(in_folder("a.h5"), "new/chunked"));
    cr_expect(library_agrees(in_folder("a.h5"), "new/contiguous", SABAL_FLOAT32, 20));
    cr_expect(is_right(in_folder("a.h5"), "contiguous"));
    cr_expect(is_right(in_folder("a.h5"), "chunked"));
    cr_expect_eq(stat(in_folder("a.h5"), &s), 0);
    cr_expect_eq(s.st_mode & 0777, 0640);
    cr_expect_eq(n_files(), 1);
    free(data);
}

/* The failure of storing 20 rows of float32 there, in text. */
static sabal_status store_fails(char text[512], const char *path, const char *name, const sbl_writer_options *options)
{
    const int64_t shape[] = {20};
    sabal_error   err     = SABAL_ERROR_INIT;
    sabal_status  st      = store(path, name, SABAL_FLOAT32, 1, shape, options, &err);

    snprintf(text, 512, "%s", err.message);
    return st;
}

Test(hdf5_write, a_name_that_is_taken_is_refused_and_the_file_is_as_it_was)
{
    size_t size, after;
    char  *data = slurp(DATA "one.h5", &size), *now, text[512], want[600];

    spit(in_folder("a.h5"), data, size);
    cr_expect_eq(store_fails(text, in_folder("a.h5"), "/deep/er/only", NULL), SABAL_EINVAL);
    snprintf(want, sizeof want, "%s:/deep/er/only: '/deep/er/only' exists already: name another, or remove it first",
             in_folder("a.h5"));
    cr_expect_str_eq(text, want);
    cr_expect_eq(store_fails(text, in_folder("a.h5"), "deep/er", NULL), SABAL_EINVAL);
    cr_expect_eq(store_fails(text, in_folder("a.h5"), "deep/er/only/below", NULL), SABAL_EINVAL);
    cr_expect_not_null(strstr(text, "'deep/er/only' is a data set, so nothing can lie in it"));
    cr_expect_eq(store_fails(text, in_folder("a.h5"), "/", NULL), SABAL_EINVAL);
    cr_expect_eq(store_fails(text, in_folder("a.h5"), "a/./b", NULL), SABAL_EINVAL);
    now = slurp(in_folder("a.h5"), &after);
    cr_expect(size == after && !memcmp(data, now, size));
    cr_expect_eq(n_files(), 1);
    free(data);
    free(now);
}

Test(hdf5_write, a_file_that_is_not_hdf5_is_not_touched)
{
    char   text[512], *now;
    size_t size;

    spit(in_folder("a.h5"), "\x93NUMPY and more of it", 21);
    cr_expect_eq(store_fails(text, in_folder("a.h5"), "x", NULL), SABAL_EFORMAT);
    cr_expect_not_null(strstr(text, "a NumPy .npy file"));
    now = slurp(in_folder("a.h5"), &size);
    cr_expect_eq(size, 21);
    cr_expect_eq(n_files(), 1);
    free(now);
}

Test(hdf5_write, bad_arguments_are_refused_by_name)
{
    const int64_t shape[] = {4, -1};
    const int64_t rows[]  = {INT64_MAX / 2, 16};
    const int64_t wide[]  = {4, INT64_C(1) << 30};
    sbl_writer   *w       = NULL;
    sabal_error   err     = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", 0, 1, shape, NULL, NULL), SABAL_EDTYPE);
    cr_expect_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_INT8, 0, shape, NULL, NULL), SABAL_ESHAPE);
    cr_expect_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_INT8, 2, shape, NULL, NULL), SABAL_ESHAPE);
    cr_expect_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_INT8, 2, rows, NULL, NULL), SABAL_ESHAPE);
    cr_expect_eq(
        sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_INT8, 1, shape, &(sbl_writer_options){.gzip = 10}, NULL),
        SABAL_EINVAL);
    cr_expect_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_INT8, 1, shape,
                                 &(sbl_writer_options){.chunk_rows = -1}, NULL),
                 SABAL_EINVAL);
    cr_expect_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_FLOAT32, 2, wide,
                                 &(sbl_writer_options){.chunk_rows = 2}, &err),
                 SABAL_EINVAL);
    cr_expect_not_null(strstr(err.message, "4 GiB"));
    cr_expect_eq(sbl_hdf5_create(&w, "no/such/folder/a.h5", "x", SABAL_INT8, 1, shape, NULL, NULL), SABAL_ENOENT);
    cr_expect_null(w);
    cr_expect_eq(n_files(), 0);
}

Test(hdf5_write, rows_that_are_no_whole_chunks_are_refused)
{
    const int64_t shape[]  = {20};
    float         data[20] = {0};
    sbl_writer   *w        = NULL;

    cr_assert_eq(sbl_hdf5_create(&w, in_folder("a.h5"), "x", SABAL_FLOAT32, 1, shape, &OPTIONS[1], NULL), SABAL_OK);
    cr_expect_eq(w->natural_rows, 3);
    cr_expect_eq(sbl_writer_rows(w, 3, 4, data, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_writer_rows(w, 1, 3, data, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_writer_rows(w, 18, 3, data, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_EIO); /* what failed once does not become whole */
    cr_expect_eq(n_files(), 0);
}

Test(hdf5_write, a_file_changed_by_somebody_else_meanwhile_is_left_to_them)
{
    const int64_t shape[] = {20};
    sbl_writer   *a = NULL, *b = NULL;
    sabal_error   err = SABAL_ERROR_INIT;

    cr_assert_eq(sbl_hdf5_create(&a, in_folder("a.h5"), "a", SABAL_FLOAT32, 1, shape, NULL, NULL), SABAL_OK);
    cr_assert_eq(sbl_hdf5_create(&b, in_folder("a.h5"), "b", SABAL_FLOAT32, 1, shape, &OPTIONS[2], NULL), SABAL_OK);
    cr_expect_eq(write_all(a, SABAL_FLOAT32, 20, 1, 20, 0, NULL), SABAL_OK);
    cr_expect_eq(write_all(b, SABAL_FLOAT32, 20, 1, 20, 0, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(a, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(b, &err), SABAL_EIO);
    cr_expect_not_null(strstr(err.message, "made by somebody else meanwhile"));
    cr_expect(is_right(in_folder("a.h5"), "a"));
    cr_expect_eq(n_files(), 1);
}

/* Stores 8 MiB of contiguous or of chunked rows where there is no room for them. */
static void expect_full(const char *path, int files)
{
    const int64_t shape[] = {INT64_C(1) << 18, 4};

    for (size_t o = 0; o < 4; o++) {
        sabal_error err = SABAL_ERROR_INIT;

        cr_expect_eq(store(path, "x", SABAL_FLOAT64, 2, shape,
                           &(sbl_writer_options){.chunk_rows = o ? 1 << 12 : 0, .shuffle = o == 2, .gzip = o == 3},
                           &err),
                     SABAL_ENOSPC);
        cr_expect_not_null(strstr(err.message, path));
        cr_expect_eq(n_files(), files);
    }
    cr_expect_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

Test(hdf5_write, a_limit_on_the_size_of_files_is_an_error_that_leaves_nothing)
{
    struct rlimit was, little = {.rlim_cur = 100000};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    getrlimit(RLIMIT_FSIZE, &was);
    little.rlim_max = was.rlim_max;
    setrlimit(RLIMIT_FSIZE, &little);
    expect_full(in_folder("a.h5"), 0);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
}

Test(hdf5_write, a_full_disk_is_an_error_that_leaves_nothing)
{
    const int64_t shape[] = {20};
    const char   *path;
    size_t        size, after;
    char         *before, *now;

    if (mount("sabal", folder, "tmpfs", 0, "size=256k"))
        cr_skip_test("a small tmpfs can't be mounted: %s", strerror(errno));
    path = in_folder("a.h5");
    expect_full(path, 0);
    cr_expect(stored(path, "there", SABAL_FLOAT32, 1, shape, NULL));
    before = slurp(path, &size);
    expect_full(path, 1);
    now = slurp(path, &after);
    cr_expect(size == after && !memcmp(before, now, size));
    free(before);
    free(now);
    umount(folder);
}

Test(hdf5_write, every_failed_allocation_is_reported_and_leaves_nothing)
{
    const int64_t shape[] = {20, 3};

    for (size_t o = 0; o < N_OPTIONS; o++) {
        for (int64_t nth = 1;; nth++) {
            sabal_error  err = SABAL_ERROR_INIT;
            sabal_status st;

            sbl_alloc_fail(nth, 0);
            st = store(in_folder("a.h5"), "g/x", SABAL_FLOAT32, 2, shape, &OPTIONS[o], &err);
            sbl_alloc_fail(0, 0);
            if (!st)
                break;
            cr_expect_eq(st, SABAL_ENOMEM);
            cr_expect_eq(n_files(), 0);
            cr_assert_lt(nth, 1000);
        }
        cr_expect(is_right(in_folder("a.h5"), "g/x"));
        unlink(in_folder("a.h5"));
    }
    cr_expect_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

Test(hdf5_write, h5py_reads_what_is_written)
{
    static const char CHECK[] =
        "import sys, numpy as np, h5py\n"
        "f = h5py.File(sys.argv[1])\n"
        "for name in 'bool uint8 int16 int64 float32 float64 complex64 complex128'.split():\n"
        "    for o in range(6):\n"
        "        d = f[f'{name}/{o}']; i = np.arange(51).reshape(17, 3); v = 7 * i + 3\n"
        "        w = {'b': i % 3 == 0, 'u': v % 101, 'i': v % 101 - 50, 'f': v / 8, 'c': v / 8 - 1j * (v / 8 + 1)}\n"
        "        assert d.dtype == np.dtype(name) and (d[:] == w[d.dtype.kind].astype(name)).all(), (name, o)\n"
        "        assert (d.chunks is None) == (o == 0) and d.compression == (None, None, 'gzip', 'gzip', None, 'gzip')[o]\n"
        "        assert d.shuffle == (o in (3, 4, 5))\n";
    static const sabal_dtype DTYPES[] = {SABAL_BOOL,    SABAL_UINT8,   SABAL_INT16,     SABAL_INT64,
                                         SABAL_FLOAT32, SABAL_FLOAT64, SABAL_COMPLEX64, SABAL_COMPLEX128};
    const int64_t            shape[]  = {17, 3};
    char                     command[600];

    if (system("/usr/bin/python3 -c 'import h5py' 2>/dev/null"))
        cr_skip_test("no h5py here");
    for (size_t d = 0; d < sizeof DTYPES / sizeof *DTYPES; d++)
        for (size_t o = 0; o < N_OPTIONS; o++) {
            char name[32];

            snprintf(name, sizeof name, "%s/%zu", sabal_dtype_name(DTYPES[d]), o);
            cr_expect(stored(in_folder("a.h5"), name, DTYPES[d], 2, shape, &OPTIONS[o]));
        }
    spit(in_folder("check.py"), CHECK, sizeof CHECK - 1);
    snprintf(command, sizeof command, "/usr/bin/python3 %s/check.py %s/a.h5", folder, folder);
    cr_expect_eq(system(command), 0);
}
