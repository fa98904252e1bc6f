/* Reading what h5py wrote (tests/data/make_hdf5.py): every dtype, byte order, layout, filter, chunk index. */
#include "io/hdf5_library.h"
#include <pthread.h>
#include <sys/wait.h>

#include "io/hdf5.h"

static const char *const DTYPES[] = {"bool",  "uint8", "uint16",  "uint32",  "uint64",    "int8",      "int16",
                                     "int32", "int64", "float32", "float64", "complex64", "complex128"};

static int each_dtype(const char *group)
{
    int right = 1;

    for (size_t i = 0; i < sizeof DTYPES / sizeof *DTYPES; i++) {
        char        name[64];
        sbl_reader *r;
        sabal_dtype dtype;

        snprintf(name, sizeof name, "/%s/%s", group, DTYPES[i]);
        r = opened(DATA "types.h5", name);
        sabal_dtype_parse(&dtype, DTYPES[i], NULL);
        right &= r && r->dtype == dtype && r->ndim == 2 && r->shape[0] == 13 && r->shape[1] == 3 && all_is_right(r);
        if (!right)
            fprintf(stderr, "wrong: %s\n", name);
        sbl_reader_release(r);
    }
    return right;
}

Test(hdf5_read, every_dtype_is_right_contiguous_in_either_byte_order)
{
    cr_expect(each_dtype("little/contiguous"));
    cr_expect(each_dtype("big/contiguous"));
}

Test(hdf5_read, every_dtype_is_right_in_plain_chunks_in_either_byte_order)
{
    cr_expect(each_dtype("little/plain"));
    cr_expect(each_dtype("big/plain"));
}

Test(hdf5_read, every_dtype_is_right_shuffled_and_compressed_in_either_byte_order)
{
    cr_expect(each_dtype("little/chunked"));
    cr_expect(each_dtype("big/chunked"));
}

Test(hdf5_read, chunks_that_are_missing_have_the_fill_value_of_every_dtype)
{
    for (size_t i = 1; i < sizeof DTYPES / sizeof *DTYPES; i++)
        for (int big = 0; big < 2; big++) {
            char        name[64], want[16], out[13 * 3 * 16];
            sbl_reader *r;

            snprintf(name, sizeof name, "/%s/missing/%s", big ? "big" : "little", DTYPES[i]);
            r = opened(DATA "types.h5", name);
            cr_assert_not_null(r);
            value_of(want, r->dtype, 4);
            cr_expect_eq(sbl_reader_rows(r, 0, 13, out, NULL), SABAL_OK);
            for (size_t j = 0; j < 13 * 3; j++)
                cr_expect_arr_eq(out + j * sabal_dtype_size(r->dtype), want, sabal_dtype_size(r->dtype));
            sbl_reader_release(r);
        }
}

static const char *const LAYOUTS[] = {"5", "5_4", "5_3", "7_1", "30_4", "4_5_6", "4_2_6", "3_2_4", "2_3_2_1"};
static const char *const FILTERS[] = {"plain", "gzip", "shuffle", "shuffle_gzip", "fletcher", "all"};

static void each_layout(const char *path)
{
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof *LAYOUTS; i++)
        for (size_t j = 0; j < sizeof FILTERS / sizeof *FILTERS; j++) {
            char name[64];

            snprintf(name, sizeof name, "%s/%s", LAYOUTS[i], FILTERS[j]);
            cr_expect(is_right(path, name));
        }
}

Test(hdf5_read, chunks_along_any_axes_with_any_of_our_filters_are_put_together)
{
    each_layout(DATA "layouts.h5");
}

Test(hdf5_read, the_newest_format_is_read_alike)
{
    each_layout(DATA "latest.h5");
    cr_expect(is_right(DATA "v110.h5", "x"));
}

Test(hdf5_read, every_kind_of_chunk_index_is_read)
{
    static const char *const KINDS[] = {"extensible",  "extensible_gzip", "tree",  "tree_gzip", "single",
                                        "single_gzip", "implicit",        "paged", "contiguous"};

    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        cr_expect(is_right(DATA "latest.h5", KINDS[i]));
}

Test(hdf5_read, natural_rows_are_those_of_the_files_chunks)
{
    sbl_reader *r = opened(DATA "layouts.h5", "/7_1/gzip");

    cr_expect_eq(r->natural_rows, 7);
    sbl_reader_release(r);
    r = opened(DATA "userblock.h5", "contiguous");
    cr_expect_eq(r->natural_rows, 0);
    sbl_reader_release(r);
}

Test(hdf5_read, offsets_count_the_user_block)
{
    cr_expect(is_right(DATA "userblock.h5", "contiguous"));
    cr_expect(is_right(DATA "userblock.h5", "plain"));
    cr_expect(is_right(DATA "userblock.h5", "chunked"));
}

Test(hdf5_read, what_we_can_not_read_ourselves_is_read_by_the_library)
{
    static const char *const NAMES[] = {"scaleoffset", "compact", "narrow",  "three_bytes", "odd_float",
                                        "odd_complex", "enum",    "virtual", "soft"};

    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        cr_expect(is_right(DATA "library.h5", NAMES[i]));
    if (H5Zfilter_avail(H5Z_FILTER_SZIP) > 0)
        cr_expect(is_right(DATA "library.h5", "szip"));
}

Test(hdf5_read, external_data_and_external_links_are_followed)
{
    char here[4096];

    cr_assert_not_null(getcwd(here, sizeof here));
    cr_assert_eq(chdir(DATA), 0); /* external data is looked for where the program runs */
    cr_expect(is_right("library.h5", "external"));
    cr_expect(is_right("library.h5", "linked"));
    cr_expect_eq(chdir(here), 0);
    cr_expect(is_right(DATA "library.h5", "linked"));
}

Test(hdf5_read, the_only_data_set_needs_no_name)
{
    cr_expect(is_right(DATA "one.h5", NULL));
    cr_expect(is_right(DATA "one.h5", "deep/er/only"));
    cr_expect(is_right(DATA "one.h5", "/deep//er/only"));
}

static void expect_holes(const char *name)
{
    sbl_reader *r = opened(DATA "holes.h5", name);
    int32_t     out[20][4], want;

    cr_assert_not_null(r);
    cr_expect_eq(sbl_reader_rows(r, 0, 20, out, NULL), SABAL_OK);
    for (int i = 0; i < 20; i++)
        for (int j = 0; j < 4; j++) {
            value_of(&want, SABAL_INT32, i * 4 + j);
            cr_expect_eq(out[i][j], i >= 4 && i < 8 ? want : -7);
        }
    sbl_reader_release(r);
}

Test(hdf5_read, rows_that_were_never_written_have_the_fill_value_in_either_byte_order)
{
    expect_holes("little");
    expect_holes("big");
}

Test(hdf5_read, data_that_is_not_there_at_all_is_the_fill_value)
{
    static const char *const NAMES[] = {"nothing", "late"};

    for (int i = 0; i < 2; i++) {
        sbl_reader *r = opened(DATA "holes.h5", NAMES[i]);
        float       out[20][4];

        cr_assert_not_null(r);
        cr_expect_eq(sbl_reader_rows(r, 0, 20, out, NULL), SABAL_OK);
        for (int j = 0; j < 80; j++)
            cr_expect_eq(out[j / 4][j % 4], 2.5f);
        sbl_reader_release(r);
    }
}

Test(hdf5_read, without_a_fill_value_it_is_zero_and_true_stays_1)
{
    double      zeros[80];
    uint8_t     yes[9];
    sbl_reader *r = opened(DATA "holes.h5", "zeros");

    memset(zeros, 1, sizeof zeros);
    cr_expect_eq(sbl_reader_rows(r, 0, 20, zeros, NULL), SABAL_OK);
    for (int i = 0; i < 80; i++)
        cr_expect_eq(zeros[i], 0);
    sbl_reader_release(r);
    r = opened(DATA "holes.h5", "true");
    cr_expect_eq(sbl_reader_rows(r, 0, 9, yes, NULL), SABAL_OK);
    cr_expect_arr_eq(yes, "\1\1\1\1\1\1\1\1\1", 9);
    sbl_reader_release(r);
}

Test(hdf5_read, arrays_of_no_elements_are_read)
{
    char        nothing[1];
    sbl_reader *r = opened(DATA "holes.h5", "empty");

    cr_expect_eq(r->shape[0], 0);
    cr_expect_eq(sbl_reader_rows(r, 0, 0, nothing, NULL), SABAL_OK);
    sbl_reader_release(r);
    r = opened(DATA "holes.h5", "no_columns");
    cr_expect_eq(r->shape[1], 0);
    cr_expect_eq(sbl_reader_rows(r, 0, 4, nothing, NULL), SABAL_OK);
    sbl_reader_release(r);
}

Test(hdf5_read, a_chunks_filter_mask_is_honoured)
{
    cr_expect(is_right(DATA "holes.h5", "masked"));
}

Test(hdf5_read, rows_can_be_read_by_eight_threads_at_once)
{
    static const char *const NAMES[] = {"3_2_4/all", "5_4/plain", "7_1/shuffle_gzip"};

    for (int i = 0; i < 4; i++) {
        sbl_reader *r = i < 3 ? opened(DATA "layouts.h5", NAMES[i]) : opened(DATA "library.h5", "scaleoffset");
        pthread_t   threads[8];
        int         right = 1;

        cr_assert_not_null(r);
        for (int t = 0; t < 8; t++)
            cr_assert_eq(pthread_create(&threads[t], NULL, (void *(*)(void *))(void (*)(void))all_is_right, r), 0);
        for (int t = 0; t < 8; t++) {
            void *result;

            pthread_join(threads[t], &result);
            right &= (int)(intptr_t)result;
        }
        cr_expect(right);
        sbl_reader_release(r);
    }
}

static _Atomic int stop;

static void *read_again_and_again(void *reader)
{
    while (!stop)
        all_is_right(reader);
    return NULL;
}

Test(hdf5_read, a_child_made_by_fork_while_another_thread_reads_can_read)
{
    sbl_reader *r = opened(DATA "library.h5", "compact"); /* through the library, so under its lock */
    pthread_t   thread;

    cr_assert_not_null(r);
    stop = 0;
    cr_assert_eq(pthread_create(&thread, NULL, read_again_and_again, r), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        int   status;

        if (child == 0) {
            alarm(20); /* instead of waiting for ever */
            _exit(is_right(DATA "library.h5", "compact") ? 0 : 1);
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0);
    }
    stop = 1;
    pthread_join(thread, NULL);
    sbl_reader_release(r);
}

static herr_t hosts_own(hid_t stack, void *data)
{
    ++*(int *)data;
    return 0;
}

Test(hdf5_read, the_hosts_error_handler_is_not_called_and_is_there_after)
{
    int         calls = 0;
    H5E_auto2_t is;
    void       *data;
    char        text[512];

    H5Eset_auto2(H5E_DEFAULT, hosts_own, &calls);
    cr_expect_eq(refusal(text, DATA "many.h5", "/nowhere"), SABAL_ENOENT);
    cr_expect_eq(calls, 0);
    H5Eget_auto2(H5E_DEFAULT, &is, &data);
    cr_expect(is == hosts_own && data == &calls);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

Test(hdf5_read, nothing_of_the_library_stays_open)
{
    sbl_reader *a = opened(DATA "layouts.h5", "3_2_4/all"), *b = opened(DATA "library.h5", "compact");

    cr_expect(all_is_right(a));
    cr_expect(all_is_right(b));
    cr_expect_eq(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    H5close(); /* of the host */
    cr_expect(all_is_right(a));
    cr_expect(all_is_right(b));
    sbl_reader_release(a);
    sbl_reader_release(b);
}

Test(hdf5_read, every_failed_allocation_is_reported)
{
    static const char *const NAMES[] = {"3_2_4/all", "5_4/plain", "7_1/shuffle_gzip", "nothing"};

    for (int i = 0; i < 4; i++)
        for (int64_t nth = 1;; nth++) {
            sbl_reader  *r   = NULL;
            sabal_error  err = SABAL_ERROR_INIT;
            double       out[11 * 5 * 6];
            sabal_status st;

            sbl_alloc_fail(nth, 0);
            st = sbl_reader_open(&r, "hdf5", DATA "layouts.h5", NAMES[i], &err);
            if (!st)
                st = sbl_reader_rows(r, 1, 9, out, &err);
            sbl_alloc_fail(0, 0);
            sbl_reader_release(r);
            if (st != SABAL_ENOMEM) {
                cr_expect_eq(st, i < 3 ? SABAL_OK : SABAL_ENOENT);
                break;
            }
            cr_expect_eq(err.status, SABAL_ENOMEM);
            cr_assert_lt(nth, 1000);
        }
}
