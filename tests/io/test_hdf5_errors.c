/* What can't be read is refused by one line that says what, where and what there is instead; and what files hold. */
#include "io/hdf5_library.h"
#include <sys/stat.h>

#include "io/hdf5.h"

static int says(const char *path, const char *dataset, sabal_status status, const char *part)
{
    char         text[512];
    sabal_status st    = refusal(text, path, dataset);
    int          right = st == status && strstr(text, part) && strstr(text, path);

    if (!right)
        fprintf(stderr, "%s: %s, not %s ... %s\n", sabal_status_name(st), text, sabal_status_name(status), part);
    return right;
}

Test(hdf5_errors, a_file_that_can_not_be_opened_says_why)
{
    char *folder = make_folder(), path[64];

    cr_expect(says("not_there.h5", NULL, SABAL_ENOENT, "no such file"));
    cr_expect(says(DATA, NULL, SABAL_EINVAL, "folder"));
    snprintf(path, sizeof path, "%s/pipe.h5", folder);
    cr_expect_eq(mkfifo(path, 0600), 0);
    cr_expect(says(path, NULL, SABAL_EINVAL, "no regular file"));
    unlink(path);
    spit(path, "", 0);
    cr_expect(says(path, NULL, SABAL_EFORMAT, "empty"));
    chmod(path, 0);
    if (geteuid())
        cr_expect(says(path, NULL, SABAL_EACCES, "no permission"));
    remove_folder(folder);
}

Test(hdf5_errors, a_file_that_is_something_else_is_told_by_its_first_bytes)
{
    static const struct {
        const char *bytes, *what;
        size_t      size;
    } FILES[] = {
        {"\x93NUMPY\1\0", "a NumPy .npy file", 8},
        {"PK\3\4....", "a zip archive", 8},
        {"CDF\1....", "a NetCDF classic file", 8},
        {"\037\213......", "a gzip file", 8},
        {"II*\0....", "a TIFF image", 8},
        {"x,y\n1,2\n", "text", 8},
        {"\0\0\0\0\0\0", "zeros", 6},
        {"\1\2\3\4\xff", "something else (bytes 01 02 03 04)", 5},
        {"a", "text", 1},
    };
    char *folder = make_folder(), path[64];

    snprintf(path, sizeof path, "%s/a.h5", folder);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        spit(path, FILES[i].bytes, FILES[i].size);
        cr_expect(says(path, NULL, SABAL_EFORMAT, FILES[i].what));
    }
    remove_folder(folder);
}

Test(hdf5_errors, a_data_set_that_is_not_there_gets_the_nearest_names)
{
    cr_expect(says(DATA "userblock.h5", "/Plane", SABAL_ENOENT,
                   "no data set '/Plane'; there is /plain, /chunked, /contiguous"));
    cr_expect(says(DATA "many.h5", "presure", SABAL_ENOENT, "the nearest are /pressure, "));
    cr_expect(says(DATA "many.h5", "/run7/temperature", SABAL_ENOENT, "/run07/temperature"));
    cr_expect(says(DATA "many.h5", "temperature", SABAL_ENOENT, "/temperature, "));
    cr_expect(says(DATA "many.h5", "temperature", SABAL_ENOENT, "and 36 more"));
    cr_expect(says(DATA "none.h5", "x", SABAL_ENOENT, "holds none at all"));
    cr_expect(says(DATA "one.h5", "/deep/er/only/below", SABAL_ENOENT, "/deep/er/only"));
}

Test(hdf5_errors, without_a_name_there_must_be_one_data_set)
{
    cr_expect(says(DATA "none.h5", NULL, SABAL_ENOENT, "the file holds no data set"));
    cr_expect(says(DATA "userblock.h5", NULL, SABAL_EINVAL,
                   "the file holds 3 data sets, so name one: /chunked, /contiguous, /plain"));
    cr_expect(says(DATA "many.h5", NULL, SABAL_EINVAL, "holds 41 data sets, so name one: /pressure, "));
}

Test(hdf5_errors, what_is_no_data_set_is_told_for_what_it_is)
{
    cr_expect(says(DATA "one.h5", "deep", SABAL_EINVAL, "'deep' is a group, not a data set; in it: /er/only"));
    cr_expect(says(DATA "one.h5", "/", SABAL_EINVAL, "is a group"));
    cr_expect(says(DATA "one.h5", "", SABAL_EINVAL, "is a group"));
    cr_expect(says(DATA "one.h5", "deep/empty", SABAL_EINVAL, "in it: no data set"));
    cr_expect(says(DATA "refused.h5", "type", SABAL_EINVAL, "a named type"));
    cr_expect(says(DATA "library.h5", "nowhere", SABAL_EFORMAT, "leads nowhere"));
    cr_expect(says(DATA "library.h5", "gone", SABAL_ENOENT, "leads nowhere"));
}

Test(hdf5_errors, types_and_shapes_that_sabal_lacks_are_refused_by_name)
{
    cr_expect(says(DATA "refused.h5", "string", SABAL_EDTYPE, "string of 3 bytes"));
    cr_expect(says(DATA "refused.h5", "vlen_string", SABAL_EDTYPE, "variable-length string"));
    cr_expect(says(DATA "refused.h5", "compound", SABAL_EDTYPE, "compound {a, b}"));
    cr_expect(says(DATA "refused.h5", "wide", SABAL_EDTYPE, "compound {a_long_member_name_0, "));
    cr_expect(says(DATA "refused.h5", "reference", SABAL_EDTYPE, "type reference"));
    cr_expect(says(DATA "refused.h5", "vlen", SABAL_EDTYPE, "variable-length sequence"));
    cr_expect(says(DATA "refused.h5", "opaque", SABAL_EDTYPE, "type opaque"));
    cr_expect(says(DATA "refused.h5", "half", SABAL_EDTYPE, "type float16"));
    cr_expect(says(DATA "refused.h5", "long_double", SABAL_EDTYPE, "type float128"));
    cr_expect(says(DATA "refused.h5", "array", SABAL_EDTYPE, "array type"));
    cr_expect(says(DATA "refused.h5", "bitfield", SABAL_EDTYPE, "type bitfield"));
    cr_expect(says(DATA "refused.h5", "number", SABAL_ESHAPE, "0-d"));
    cr_expect(says(DATA "refused.h5", "null", SABAL_ESHAPE, "null data space"));
}

Test(hdf5_errors, a_filter_that_the_library_lacks_is_named)
{
    if (H5Zfilter_avail(32000) > 0)
        cr_skip_test("the library has the lzf filter here");
    cr_expect(says(DATA "lzf.h5", "lzf", SABAL_EUNSUPPORTED, "the filter lzf (number 32000)"));
}

Test(hdf5_errors, a_file_cut_short_anywhere_is_refused_or_right)
{
    static const char *const FILES[] = {"userblock.h5", "v110.h5", "one.h5"};
    static const char *const NAMES[] = {"chunked", "x", "deep/er/only"};
    char                    *folder  = make_folder(), path[64];

    snprintf(path, sizeof path, "%s/a.h5", folder);
    for (int i = 0; i < 3; i++) {
        char   from[512], text[512], *data;
        size_t size;

        snprintf(from, sizeof from, "%s%s", DATA, FILES[i]);
        data = slurp(from, &size);
        for (size_t cut = 0; cut < size; cut += 61) {
            spit(path, data, cut);
            cr_expect_eq(refusal(text, path, NAMES[i]), SABAL_EFORMAT);
            cr_expect_not_null(strstr(text, path));
        }
        spit(path, data, size - 1);
        cr_expect_eq(refusal(text, path, NAMES[i]), SABAL_EFORMAT);
        cr_expect_not_null(strstr(text, "it was cut short"));
        spit(path, data, size);
        cr_expect(is_right(path, NAMES[i]));
        free(data);
    }
    remove_folder(folder);
}

/* Opens it, changes the file's bytes from `at` on under the reader, reads. */
static sabal_status read_damaged(char text[512], const char *file, const char *dataset, const char *find, size_t n_find,
                                 int64_t cut)
{
    char        *folder = make_folder(), path[64], from[512], *data, *at;
    char         out[23 * 4 * 8];
    size_t       size;
    sbl_reader  *r;
    sabal_error  err = SABAL_ERROR_INIT;
    sabal_status st  = SABAL_EINTERNAL;

    snprintf(path, sizeof path, "%s/a.h5", folder);
    snprintf(from, sizeof from, "%s%s", DATA, file);
    data = slurp(from, &size);
    spit(path, data, size);
    r  = opened(path, dataset);
    at = find ? memmem(data, size, find, n_find) : data;
    if (r && at && cut >= 0) {
        cr_expect_eq(truncate(path, cut), 0);
        st = sbl_reader_rows(r, 0, r->shape[0], out, &err);
    } else if (r && at) {
        int fd = open(path, O_WRONLY);

        cr_expect_eq(pwrite(fd, "\xee\xee\xee", 3, at - data + (int64_t)n_find), 3);
        close(fd);
        st = sbl_reader_rows(r, 0, r->shape[0], out, &err);
    }
    snprintf(text, 512, "%s", err.message);
    sbl_reader_release(r);
    free(data);
    remove_folder(folder);
    return st;
}

Test(hdf5_errors, a_file_cut_short_after_it_was_opened_is_told_with_its_offset)
{
    char text[512];

    cr_expect_eq(read_damaged(text, "userblock.h5", "contiguous", NULL, 0, 3000), SABAL_EFORMAT);
    cr_expect_not_null(strstr(text, "a.h5:contiguous: "));
    cr_expect_eq(read_damaged(text, "userblock.h5", "chunked", NULL, 0, 3000), SABAL_EFORMAT);
    cr_expect_not_null(strstr(text, "chunk (0, 0) at offset "));
    cr_expect_eq(read_damaged(text, "library.h5", "compact", NULL, 0, 3000), SABAL_EIO);
    cr_expect_not_null(strstr(text, "changed since it was opened"));
}

Test(hdf5_errors, a_damaged_chunk_is_told_with_its_place)
{
    char text[512];

    cr_expect_eq(read_damaged(text, "userblock.h5", "chunked", "\x78\x5e", 2, -1), SABAL_EFORMAT);
    cr_expect_not_null(strstr(text, "chunk (0, 0) at offset "));
    cr_expect_not_null(strstr(text, "no valid zlib stream"));
}

Test(hdf5_errors, rows_beyond_the_end_are_refused)
{
    sbl_reader *r = opened(DATA "userblock.h5", "plain");
    double      out[23 * 4];

    cr_expect_eq(sbl_reader_rows(r, 20, 4, out, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_reader_rows(r, -1, 4, out, NULL), SABAL_EINVAL);
    sbl_reader_release(r);
}

/* The library would read beyond them. */
Test(hdf5_errors, compact_data_with_fewer_bytes_than_its_shape_takes_is_refused)
{
    static const uint64_t SHAPE[2] = {40, 3};
    char                 *folder   = make_folder(), path[64], text[512], *data, *at;
    size_t                size;

    snprintf(path, sizeof path, "%s/a.h5", folder);
    data = slurp(DATA "library.h5", &size);
    for (at = data; (at = memmem(at, size - (size_t)(at - data), SHAPE, sizeof SHAPE)) != NULL; at += sizeof SHAPE)
        at[0] = 41; /* rows */
    spit(path, data, size);
    cr_expect_eq(refusal(text, path, "compact"), SABAL_EFORMAT);
    cr_expect_not_null(strstr(text, "takes 492 bytes, but 480 are stored"));
    free(data);
    remove_folder(folder);
}

struct listing {
    char text[4096];
    int  stop_after;
};

static int32_t note(void *user, const sabal_file_entry *e)
{
    struct listing *l  = user;
    size_t          at = strlen(l->text);

    at += (size_t)snprintf(l->text + at, sizeof l->text - at, "%s %s (", e->name, e->dtype);
    for (int32_t k = 0; k < e->ndim; k++)
        at += (size_t)snprintf(l->text + at, sizeof l->text - at, "%s%d", k ? ", " : "", (int)e->shape[k]);
    snprintf(l->text + at, sizeof l->text - at, ") %s%s\n", e->layout, e->readable ? "" : " !");
    return --l->stop_after == 0;
}

static const char *listed(const char *path, int stop_after)
{
    static struct listing l;
    sabal_error           err = SABAL_ERROR_INIT;

    memset(&l, 0, sizeof l);
    l.stop_after = stop_after;
    if (sabal_file_list(path, note, &l, &err))
        snprintf(l.text, sizeof l.text, "%s", err.message);
    return l.text;
}

Test(hdf5_errors, a_listing_has_every_data_set_with_its_type_shape_and_layout)
{
    cr_expect_str_eq(listed(DATA "userblock.h5", 0), "/chunked float64 (23, 4) chunks of (5, 3), gzip(4)\n"
                                                     "/contiguous float64 (23, 4) contiguous\n"
                                                     "/plain float64 (23, 4) chunks of (5, 4)\n");
    cr_expect_str_eq(listed(DATA "userblock.h5:/plain", 0), "/plain float64 (23, 4) chunks of (5, 4)\n");
    cr_expect_str_eq(listed(DATA "many.h5", 2), "/pressure uint8 (2) contiguous\n"
                                                "/run00/temperature uint8 (2) contiguous\n");
    cr_expect_str_eq(listed(DATA "lzf.h5", 0), H5Zfilter_avail(32000) > 0
                                                   ? "/lzf float64 (40, 3) chunks of (16, 3), lzf\n"
                                                   : "/lzf float64 (40, 3) chunks of (16, 3), lzf !\n");
    cr_expect_str_eq(listed(DATA "none.h5", 0), "");
    cr_expect_not_null(
        strstr(listed(DATA "layouts.h5", 0), "/5/all float64 (23) chunks of (5,), shuffle, gzip(4), fletcher32\n"));
    cr_expect_not_null(strstr(listed(DATA "library.h5", 0), "/compact int32 (40, 3) compact\n"));
    cr_expect_not_null(strstr(listed(DATA "library.h5", 0), "/virtual int32 (40, 3) virtual\n"));
    cr_expect_not_null(strstr(listed(DATA "library.h5", 0), "/external int32 (40, 3) contiguous, in other files\n"));
    cr_expect_not_null(strstr(listed(DATA "refused.h5", 0), "/half float16 (3) contiguous !\n"));
    cr_expect_not_null(strstr(listed(DATA "refused.h5", 0), "/number float64 () contiguous !\n"));
}

Test(hdf5_errors, a_listing_that_fails_names_the_file)
{
    cr_expect_not_null(strstr(listed("not_there.h5", 0), "not_there.h5: no such file"));
}

static int32_t use_sabal(void *user, const sabal_file_entry *e)
{
    *(int *)user += is_right(DATA "userblock.h5", e->name);
    return 0;
}

Test(hdf5_errors, the_function_of_a_listing_may_read_the_file)
{
    int n = 0;

    cr_expect_eq(sabal_file_list(DATA "userblock.h5", use_sabal, &n, NULL), SABAL_OK);
    cr_expect_eq(n, 3);
}

Test(hdf5_errors, every_failed_allocation_of_a_listing_is_reported)
{
    for (int64_t nth = 1;; nth++) {
        struct listing l = {0};
        sabal_status   st;

        sbl_alloc_fail(nth, 0);
        st = sabal_file_list(DATA "many.h5", note, &l, NULL);
        sbl_alloc_fail(0, 0);
        if (!st)
            break;
        cr_expect_eq(st, SABAL_ENOMEM);
        cr_assert_lt(nth, 1000);
    }
}
