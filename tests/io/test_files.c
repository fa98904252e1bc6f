/* Paths, opening, the cache of readers, what files hold. */
#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/files.h"
#include "io/reader.h"

TestSuite(files, .init = files_make_folder, .fini = files_remove_folder);

/* 2 x 3 int32, 152 bytes. */
static void put_npy(const char *path)
{
    char        data[152];
    const char *header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }";

    memcpy(data, "\x93NUMPY\1\0\x76\0", 10);
    memset(data + 10, ' ', 118);
    memcpy(data + 10, header, strlen(header));
    memcpy(data + 128, (int32_t[]){1, 2, 3, 4, 5, 6}, 24);
    put_file(path, data, sizeof data);
}

static void expect_split(const char *text, const char *path, const char *dataset, const char *format)
{
    char       *p = NULL, *d = NULL;
    const char *f = NULL;

    cr_assert_eq(sbl_path_split(&p, &d, &f, text, NULL), SABAL_OK);
    cr_expect_str_eq(p, path);
    cr_expect_str_eq(d ? d : "(none)", dataset ? dataset : "(none)");
    cr_expect_str_eq(f, format);
    sbl_free(p);
    sbl_free(d);
}

static void expect_no_split(const char *text, const char *message)
{
    sabal_error err = SABAL_ERROR_INIT;
    char       *p, *d;
    const char *f;

    cr_expect_eq(sbl_path_split(&p, &d, &f, text, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, message);
}

Test(files, a_path_is_cut_at_the_colon_behind_an_ending)
{
    expect_split("a.npy", "a.npy", NULL, "npy");
    expect_split("A.NPY", "A.NPY", NULL, "npy");
    expect_split("b.h5", "b.h5", NULL, "hdf5");
    expect_split("b.H5:x", "b.H5", "x", "hdf5");
    expect_split("/d/b.hdf5:/x/y", "/d/b.hdf5", "/x/y", "hdf5");
    expect_split("b.he5:x:y", "b.he5", "x:y", "hdf5");
    expect_split("a:b/c.nc:t", "a:b/c.nc", "t", "hdf5");
    expect_split("a.h5:b.h5:c", "a.h5", "b.h5:c", "hdf5");
    expect_split("a.h5:b.h5", "a.h5", "b.h5", "hdf5");
    expect_split("a:b.npy", "a:b.npy", NULL, "npy");
}

Test(files, a_file_that_exists_is_taken_as_it_is)
{
    put_file(in_folder("a.h5:b.h5"), "", 0);
    expect_split(in_folder("a.h5:b.h5"), in_folder("a.h5:b.h5"), NULL, "hdf5");
    expect_split(in_folder("a.h5:b.h5:c"), in_folder("a.h5:b.h5"), "c", "hdf5");
    expect_split(in_folder("a.h5:b.h6"), in_folder("a.h5"), "b.h6", "hdf5");
}

Test(files, paths_that_tell_no_format_are_refused)
{
    const char *endings = ": the format of a file is told by its name's ending: .npy, or .h5, .hdf5, .he5, .nc with an "
                          "optional :DATASET behind it";
    char        message[300];
    const char *const bad[] = {"a.csv", "npy", ".npy", "a.npyx", "", "a.npz:x"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(message, sizeof message, "%s%s", bad[i], endings);
        expect_no_split(bad[i], message);
    }
    expect_no_split("a.npy:x", "a.npy:x: a .npy file holds one array: leave away ':x'");
    expect_no_split("a.h5:", "a.h5:: no data set is named behind the colon");
}

static void expect_open_error(const char *path, sabal_status status, const char *message)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_reader *r   = NULL;
    char        prefix[700];

    cr_expect_eq(sbl_reader_open(&r, NULL, path, NULL, &err), status);
    snprintf(prefix, sizeof prefix, "%s: %s", path, message);
    cr_expect_str_eq(err.message, prefix);
    cr_expect_null(r);
}

Test(files, what_cannot_be_opened_says_what_to_do)
{
    char here[4096], message[5000];

    expect_open_error(in_folder("a.npy"), SABAL_ENOENT, "no such file");
    snprintf(message, sizeof message, "no such file in %.200s", getcwd(here, sizeof here));
    expect_open_error("no-such-file.npy", SABAL_ENOENT, message);
    expect_open_error("/no/such/a.npy", SABAL_ENOENT, "there is no folder /no/such: make it, or mend the path");
    mkdir(in_folder("b.npy"), 0777);
    expect_open_error(in_folder("b.npy"), SABAL_EINVAL, "this is a folder: name a file in it");
    mkfifo(in_folder("c.npy"), 0666);
    expect_open_error(in_folder("c.npy"), SABAL_EINVAL,
                      "this is no regular file, and parts of it can't be read in any order: copy it to one");
    put_file(in_folder("d.npy"), "", 0);
    snprintf(message, sizeof message, "%s is no folder: mend the path", in_folder("d.npy"));
    expect_open_error(in_folder("d.npy/e.npy"), SABAL_ENOENT, message);
    symlink("f.npy", in_folder("f.npy"));
    expect_open_error(in_folder("f.npy"), SABAL_EIO, "can't be opened: Too many levels of symbolic links");
}

Test(files, no_permission_is_told)
{
    put_npy(in_folder("a.npy"));
    chmod(in_folder("a.npy"), 0);
    chmod(files_folder, 0755);
    if (geteuid() == 0)
        cr_assert_eq(seteuid(65534), 0);
    expect_open_error(in_folder("a.npy"), SABAL_EACCES,
                      "no permission to read it: ask its owner (ls -l shows who that is)");
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
}

Test(files, every_errno_has_a_message)
{
    static const struct {
        int          number;
        sabal_status status;
        const char  *message;
    } cases[] = {
        {EROFS, SABAL_EACCES, "the file system of /tmp is read-only: name another folder"},
        {ENOSPC, SABAL_ENOSPC, "the disk of /tmp is full: free room there, or name another folder"},
        {EDQUOT, SABAL_ENOSPC, "your quota in /tmp is used up: free room, or name another folder"},
        {EIO, SABAL_EIO, "can't be made: Input/output error"},
        {EACCES, SABAL_EACCES, "no permission to write in folder /tmp: name another, or ask its owner"},
        {ENOENT, SABAL_ENOENT, "the path can't be made: it leads through a broken link"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sabal_error err = SABAL_ERROR_INIT;

        cr_expect_eq(sbl_file_failed(&err, cases[i].number, "/tmp/x.npy", 1), cases[i].status);
        cr_expect_str_eq(err.message, cases[i].message);
    }
}

Test(files, a_long_path_is_cut_so_that_the_cause_is_seen)
{
    sabal_error err = SABAL_ERROR_INIT, failure = SABAL_ERROR_INIT;
    char        path[1001];

    memset(path, 'x', 1000);
    path[1000] = 0;
    sbl_error_set(&failure, SABAL_EIO, "the cause");
    cr_expect_eq(sbl_file_pass(&err, &failure, path, "data"), SABAL_EIO);
    cr_expect_eq(strlen(err.message), 3 + 200 + strlen(":data: the cause"));
    cr_expect_str_eq(err.message + 203, ":data: the cause");
}

Test(files, an_npy_file_has_no_data_sets_and_formats_are_npy_and_hdf5)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_reader *r;

    put_npy(in_folder("a.npy"));
    cr_expect_eq(sbl_reader_open(&r, "npy", in_folder("a.npy"), "x", &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "a .npy file holds one array: leave away the data set's name 'x'") != NULL);
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_reader_open(&r, "csv", in_folder("a.npy"), NULL, &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "there is no format 'csv': npy and hdf5 are known") != NULL);
}

Test(files, two_opens_share_a_reader_until_the_file_changes)
{
    sbl_reader *a, *b, *c;

    put_npy(in_folder("a.npy"));
    cr_assert_eq(sbl_reader_open(&a, NULL, in_folder("a.npy"), NULL, NULL), SABAL_OK);
    cr_assert_eq(sbl_reader_open(&b, "npy", in_folder("a.npy"), NULL, NULL), SABAL_OK);
    cr_expect_eq(a, b);
    sbl_reader_release(b);
    put_npy(in_folder("b.npy"));
    cr_assert_eq(rename(in_folder("b.npy"), in_folder("a.npy")), 0);
    cr_assert_eq(sbl_reader_open(&c, NULL, in_folder("a.npy"), NULL, NULL), SABAL_OK);
    cr_expect_neq(a, c);
    sbl_reader_release(sbl_reader_retain(a));
    sbl_reader_release(a);
    sbl_reader_release(c);
    sbl_reader_release(NULL);
}

static void *open_often(void *path)
{
    for (int i = 0; i < 300; i++) {
        sbl_reader *r;
        int32_t     out[6];

        cr_assert_eq(sbl_reader_open(&r, NULL, path, NULL, NULL), SABAL_OK);
        cr_assert_eq(sbl_reader_rows(r, 0, 2, out, NULL), SABAL_OK);
        cr_assert_eq(out[5], 6);
        sbl_reader_release(r);
    }
    return NULL;
}

Test(files, threads_may_open_and_release_the_same_file)
{
    pthread_t threads[4];
    char     *path = in_folder("a.npy");

    put_npy(path);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, open_often, path), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static int32_t note_entry(void *user, const sabal_file_entry *e)
{
    char *text = user;

    snprintf(text, 300, "%s %s %d (%d, %d) %s %d %d", e->name ? e->name : "-", e->dtype, e->ndim, (int)e->shape[0],
             e->ndim > 1 ? (int)e->shape[1] : -1, e->layout, (int)e->stored_bytes, e->readable);
    return 0;
}

Test(files, listing_tells_what_a_file_holds)
{
    sabal_error err       = SABAL_ERROR_INIT;
    char        text[300] = "";

    put_npy(in_folder("a.npy"));
    cr_expect_eq(sabal_file_list(in_folder("a.npy"), note_entry, text, &err), SABAL_OK);
    cr_expect_str_eq(text, "- int32 2 (2, 3) C order 24 1");
    put_file(in_folder("b.npy"), "\x93NUMPY\1\0\x37\0{'descr': '>f2', 'fortran_order': True, 'shape': (2,)}\n....", 69);
    cr_expect_eq(sabal_file_list(in_folder("b.npy"), note_entry, text, &err), SABAL_OK);
    cr_expect_str_eq(text, "- float16 (>f2) 1 (2, -1) Fortran order 4 0");
    cr_expect_eq(sabal_file_list(in_folder("c.npy"), note_entry, text, &err), SABAL_ENOENT);
    cr_expect_str_eq(err.message, in_folder("c.npy: no such file"));
    cr_expect_eq(sabal_file_list("c.txt", note_entry, text, NULL), SABAL_EINVAL);
}
