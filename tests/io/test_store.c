/* Files on their way: whole under their name, or not there at all. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <sabal/file.h>

#include "io/files.h"
#include "io/partial.h"
#include "io/writer.h"

TestSuite(store, .init = files_make_folder, .fini = files_remove_folder);

static const int64_t SHAPE[2] = {4, 2};
static const int32_t DATA[8]  = {1, 2, 3, 4, 5, 6, 7, 8};

static sbl_writer *create(const char *path)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_writer *w   = NULL;

    cr_assert_eq(sbl_npy_create(&w, path, SABAL_INT32, 2, SHAPE, &err), SABAL_OK);
    return w;
}

static void expect_no_create(const char *path, sabal_status status, const char *message)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_writer *w   = NULL;
    char        text[700];

    cr_expect_eq(sbl_npy_create(&w, path, SABAL_INT32, 2, SHAPE, &err), status);
    snprintf(text, sizeof text, "%s: %s", path, message);
    cr_expect_str_eq(err.message, text);
    cr_expect_null(w);
}

Test(store, the_file_appears_whole_and_with_its_name_at_the_end)
{
    sbl_writer *w = create(in_folder("a.npy"));
    size_t      size;
    char       *data;

    cr_expect_null(get_file(in_folder("a.npy"), &size));
    cr_expect_eq(count_files(files_folder), 1);
    cr_expect_eq(sbl_writer_rows(w, 2, 2, DATA + 4, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_rows(w, 0, 2, DATA, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    data = get_file(in_folder("a.npy"), &size);
    cr_assert_not_null(data);
    cr_expect_eq(size, 128 + sizeof DATA);
    cr_expect_arr_eq(data + 128, DATA, sizeof DATA);
    cr_expect_eq(count_files(files_folder), 1);
    free(data);
}

Test(store, an_abort_leaves_nothing_and_the_former_file_as_it_was)
{
    sbl_writer *w;
    size_t      size;
    char       *data;

    put_file(in_folder("a.npy"), "former", 6);
    w = create(in_folder("a.npy"));
    cr_expect_eq(sbl_writer_rows(w, 0, 4, DATA, NULL), SABAL_OK);
    sbl_writer_abort(w);
    sbl_writer_abort(NULL);
    cr_expect_eq(count_files(files_folder), 1);
    data = get_file(in_folder("a.npy"), &size);
    cr_expect_eq(size, 6);
    cr_expect_arr_eq(data, "former", 6);
    free(data);
}

Test(store, rows_that_are_missing_or_outside_are_told)
{
    sbl_writer *w   = create(in_folder("a.npy"));
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_writer_rows(w, 0, 3, DATA, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_rows(w, 3, 2, DATA, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, in_folder("a.npy: 2 rows from row 3 on were to be written, of 4 there are"));
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_writer_finish(w, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, in_folder("a.npy: only 3 of 4 rows were written"));
    cr_expect_eq(count_files(files_folder), 0);
}

Test(store, places_where_no_file_can_be_are_refused_with_what_to_do)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_writer *w;

    expect_no_create("/no/such/a.npy", SABAL_ENOENT, "there is no folder /no/such: make it, or mend the path");
    mkdir(in_folder("b.npy"), 0777);
    expect_no_create(in_folder("b.npy"), SABAL_EINVAL, "this is a folder: name a file in it");
    expect_no_create(in_folder("b.npy/"), SABAL_EINVAL, "this names a folder: name a file in it");
    expect_no_create("/dev/null", SABAL_EINVAL, "this exists and is no regular file: name another");
    symlink("no/such", in_folder("c.npy"));
    cr_expect_eq(sbl_npy_create(&w, in_folder("%0300d.npy", 1), SABAL_INT32, 2, SHAPE, &err), SABAL_EIO);
    cr_expect(strstr(err.message, "01.npy: can't be made: File name too long") != NULL);
    cr_expect_eq(count_files(files_folder), 2);
}

/* 1 if a file can't be made for this reason; for a child, whose asserts nobody sees. */
static int is_refused(const char *path, const char *message)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_writer *w   = NULL;

    return sbl_npy_create(&w, path, SABAL_INT32, 2, SHAPE, &err) == SABAL_EACCES && strstr(err.message, message);
}

Test(store, no_permission_is_told)
{
    char  message[300];
    int   status;
    pid_t child;

    snprintf(message, sizeof message, "no permission to write in folder %s: name another, or ask its owner",
             files_folder);
    put_file(in_folder("a.npy"), "", 0);
    chmod(in_folder("a.npy"), 0444);
    chmod(files_folder, 0555);
    child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534))
            _exit(2);
        _exit(!(is_refused(in_folder("b.npy"), message) &&
                is_refused(in_folder("a.npy"), "this exists and may not be written: name another, or chmod u+w it")));
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    chmod(files_folder, 0755);
}

Test(store, a_link_is_followed_and_permissions_are_kept)
{
    struct stat about;
    sbl_writer *w;

    put_file(in_folder("real.npy"), "", 0);
    chmod(in_folder("real.npy"), 0640);
    symlink("real.npy", in_folder("link.npy"));
    w = create(in_folder("link.npy"));
    cr_expect_eq(sbl_writer_rows(w, 0, 4, DATA, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    cr_expect_eq(lstat(in_folder("link.npy"), &about), 0);
    cr_expect(S_ISLNK(about.st_mode));
    cr_expect_eq(stat(in_folder("real.npy"), &about), 0);
    cr_expect_eq(about.st_size, 160);
    cr_expect_eq(about.st_mode & 0777, 0640);
}

Test(store, a_relative_path_stays_where_it_was_when_the_program_changes_its_folder)
{
    char        here[4096];
    sbl_writer *w;

    cr_assert_not_null(getcwd(here, sizeof here));
    cr_assert_eq(chdir(files_folder), 0);
    w = create("a.npy");
    cr_assert_eq(chdir("/"), 0);
    cr_expect_eq(sbl_writer_rows(w, 0, 4, DATA, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    cr_expect_eq(access(in_folder("a.npy"), R_OK), 0);
    cr_assert_eq(chdir(here), 0);
}

Test(store, partial_files_can_be_removed_and_finishing_one_is_an_error_then)
{
    sbl_writer *w = create(in_folder("a.npy")), *v = create(in_folder("b.npy"));
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(count_files(files_folder), 2);
    cr_expect_eq(sbl_writer_rows(w, 0, 4, DATA, NULL), SABAL_OK);
    sabal_remove_partial_files();
    cr_expect_eq(count_files(files_folder), 0);
    cr_expect_eq(sbl_writer_finish(w, &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "a.npy: the partial file /tmp/sabal-test-") != NULL);
    cr_expect(strstr(err.message, ".part was removed by somebody") != NULL);
    sbl_writer_abort(v);
    cr_expect_eq(count_files(files_folder), 0);
}

Test(store, a_forked_child_leaves_the_partial_files_of_its_parent)
{
    sbl_writer *w = create(in_folder("a.npy"));
    int         status;
    pid_t       child = fork();

    if (child == 0) {
        sabal_remove_partial_files();
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(count_files(files_folder), 1);
    sbl_writer_abort(w);
}

static void on_signal(int number)
{
    sabal_remove_partial_files();
    _exit(3);
}

Test(store, a_signal_handler_may_remove_them)
{
    int   status;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGINT, on_signal);
        for (int i = 0;; i++) {
            sbl_writer *w, *v;

            if (sbl_npy_create(&v, in_folder("v.npy"), SABAL_INT32, 2, SHAPE, NULL) ||
                sbl_npy_create(&w, in_folder("w.npy"), SABAL_INT32, 2, SHAPE, NULL))
                _exit(1);
            sbl_writer_abort(w);
            sbl_writer_abort(v);
            if (i == 20)
                raise(SIGINT);
        }
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    cr_expect_eq(count_files(files_folder), 0);
}

Test(store, more_partial_files_than_there_is_room_for_are_refused)
{
    static sbl_partial partials[129];
    sabal_error        err = SABAL_ERROR_INIT;

    for (int i = 0; i < 128; i++)
        cr_assert_eq(sbl_partial_create(&partials[i], in_folder("%d.npy", i), &err), SABAL_OK);
    cr_expect_eq(sbl_partial_create(&partials[128], in_folder("x.npy"), &err), SABAL_EUNSUPPORTED);
    cr_expect_str_eq(err.message, "128 files are being written already: wait for one to end");
    for (int i = 0; i < 129; i++)
        sbl_partial_abort(&partials[i]);
    cr_expect_eq(count_files(files_folder), 0);
}

Test(store, a_file_without_rows_or_dimensions_is_whole_at_once)
{
    const int64_t shape[2] = {0, 3};
    sbl_writer   *w;
    size_t        size;

    cr_assert_eq(sbl_npy_create(&w, in_folder("a.npy"), SABAL_FLOAT64, 2, shape, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    free(get_file(in_folder("a.npy"), &size));
    cr_expect_eq(size, 128);
}

Test(store, a_full_disk_is_told_before_the_work_and_leaves_nothing)
{
    const int64_t shape[1] = {1 << 20};
    sabal_error   err      = SABAL_ERROR_INIT;
    sbl_writer   *w        = NULL;

    if (mount("sabal-test", files_folder, "tmpfs", 0, "size=256k"))
        cr_skip_test("a small file system can't be mounted here: this needs root");
    cr_expect_eq(sbl_npy_create(&w, in_folder("a.npy"), SABAL_FLOAT64, 1, shape, &err), SABAL_ENOSPC);
    cr_expect_null(w);
    cr_expect_str_eq(err.message, in_folder("a.npy: the disk is full: no room for 8388736 bytes at offset 0: free room "
                                            "there, or name another folder"));
    cr_expect_eq(count_files(files_folder), 0);
    cr_expect_eq(umount(files_folder), 0);
}

Test(store, a_file_larger_than_the_limit_is_told)
{
    const int64_t shape[1] = {1 << 20};
    struct rlimit former, limit;
    sabal_error   err = SABAL_ERROR_INIT;
    sbl_writer   *w   = NULL;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &former);
    limit          = former;
    limit.rlim_cur = 100000;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(sbl_npy_create(&w, in_folder("a.npy"), SABAL_FLOAT64, 1, shape, &err), SABAL_ENOSPC);
    setrlimit(RLIMIT_FSIZE, &former);
    cr_expect_null(w);
    cr_expect_str_eq(err.message, in_folder("a.npy: the file gets larger than is allowed at offset 0: raise the limit "
                                            "(ulimit -f), which shared memory falls under, too"));
    cr_expect_eq(count_files(files_folder), 0);
}

Test(store, a_setting_that_cannot_be_read_is_told)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_writer *w   = create(in_folder("a.npy"));

    cr_expect_eq(sbl_writer_rows(w, 0, 4, DATA, NULL), SABAL_OK);
    setenv("SABAL_FSYNC", "maybe", 1);
    cr_expect_eq(sbl_writer_finish(w, &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "SABAL_FSYNC") != NULL);
    cr_expect_eq(count_files(files_folder), 0);
    setenv("SABAL_FSYNC", "0", 1);
    w = create(in_folder("a.npy"));
    cr_expect_eq(sbl_writer_rows(w, 0, 4, DATA, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    unsetenv("SABAL_FSYNC");
    cr_expect_eq(count_files(files_folder), 1);
}

struct writing {
    sbl_writer *writer;
    int64_t     first;
};
enum { PARTS = 8, PART_ROWS = 10000 };

static void *write_part(void *arg)
{
    struct writing *a    = arg;
    int64_t        *rows = malloc(PART_ROWS * 2 * sizeof *rows);

    for (int64_t i = 0; i < PART_ROWS * 2; i++)
        rows[i] = a->first * 2 + i;
    cr_expect_eq(sbl_writer_rows(a->writer, a->first, PART_ROWS, rows, NULL), SABAL_OK);
    free(rows);
    return NULL;
}

Test(store, threads_write_parts_at_once)
{
    const int64_t  shape[2] = {PARTS * PART_ROWS, 2};
    struct writing parts[PARTS];
    pthread_t      threads[PARTS];
    sbl_writer    *w;
    size_t         size;
    char          *data;

    cr_assert_eq(sbl_npy_create(&w, in_folder("a.npy"), SABAL_INT64, 2, shape, NULL), SABAL_OK);
    for (int i = 0; i < PARTS; i++) {
        parts[i] = (struct writing){w, (int64_t)i * PART_ROWS};
        cr_assert_eq(pthread_create(&threads[i], NULL, write_part, &parts[i]), 0);
    }
    for (int i = 0; i < PARTS; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    data = get_file(in_folder("a.npy"), &size);
    cr_assert_eq(size, 128 + (size_t)PARTS * PART_ROWS * 16);
    for (int64_t i = 0; i < PARTS * PART_ROWS * 2; i++) {
        int64_t v;

        memcpy(&v, data + 128 + i * 8, 8);
        cr_assert_eq(v, i);
    }
    free(data);
}
