/* Chunks that are filtered in one place and written in another. */
#include "io/pack.h"

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

TestSuite(hdf5_pack, .init = set_up, .fini = tear_down);

enum { ROWS = 23, COLUMNS = 4 };
static const int64_t            SHAPE[] = {ROWS, COLUMNS};
static const sbl_writer_options HOW     = {.chunk_rows = 5, .gzip = 4, .shuffle = 1};

static const char *path(void)
{
    static char text[256];

    snprintf(text, sizeof text, "%s/a.h5", folder);
    return text;
}

static float *rows(int64_t first, int64_t n)
{
    static float data[ROWS][COLUMNS];

    for (int64_t i = 0; i < n * COLUMNS; i++)
        value_of(&data[0][0] + i, SABAL_FLOAT32, first * COLUMNS + i);
    return data[0];
}

static sbl_writer *begin(void)
{
    sbl_writer *w = NULL;

    cr_assert_eq(sbl_hdf5_create(&w, path(), "g/x", SABAL_FLOAT32, 2, SHAPE, &HOW, NULL), SABAL_OK);
    return w;
}

static sbl_value *packed(const sbl_writer *w, int64_t first, int64_t n)
{
    sabal_error err   = SABAL_ERROR_INIT;
    sbl_value  *value = NULL;

    cr_assert_eq(sbl_pack_rows(&value, &w->chunked.how, "a.h5", "g/x", first, n, rows(first, n), &err), SABAL_OK, "%s",
                 err.message);
    return value;
}

Test(hdf5_pack, what_was_packed_comes_back_and_may_be_mixed_with_what_was_not)
{
    sbl_writer *w     = begin();
    sbl_value  *value = packed(w, 5, 10), *last = packed(w, 20, 3);

    cr_expect_eq(sbl_writer_packed(w, 20, 3, last, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_rows(w, 0, 5, rows(0, 5), NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_packed(w, 5, 10, value, NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_rows(w, 15, 5, rows(15, 5), NULL), SABAL_OK);
    cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_OK);
    cr_expect(is_right(path(), "g/x"));
    sbl_value_release(value);
    sbl_value_release(last);
}

Test(hdf5_pack, a_value_that_is_none_of_these_chunks_is_an_error_that_names_the_data_set)
{
    for (int i = 0; i < 3; i++) {
        sbl_writer *w     = begin();
        sbl_value  *value = packed(w, 0, 5), *bad = NULL;
        sabal_error err = SABAL_ERROR_INIT;
        size_t      size;
        const char *bytes = sbl_value_data(value, &size);
        void       *room;

        cr_assert_eq(sbl_bytes_create(&bad, &room, i == 0 ? 3 : size - 1, NULL), SABAL_OK);
        memcpy(room, bytes, i == 0 ? 3 : size - 1);
        cr_expect_eq(sbl_writer_packed(w, 0, i == 2 ? 4 : 5, i == 2 ? value : bad, &err),
                     i == 2 ? SABAL_EINVAL : SABAL_EINTERNAL);
        cr_expect_not_null(strstr(err.message, "a.h5:g/x: "));
        cr_expect_eq(sbl_writer_finish(w, NULL), SABAL_EIO);
        sbl_value_release(value);
        sbl_value_release(bad);
    }
}

Test(hdf5_pack, a_filter_that_fails_names_file_data_set_and_rows)
{
    sbl_writer *w     = begin();
    int         named = 0;

    for (int64_t nth = 1;; nth++) {
        sbl_value   *value = NULL;
        sabal_error  err   = SABAL_ERROR_INIT;
        sabal_status st;

        sbl_alloc_fail(nth, 0);
        st = sbl_pack_rows(&value, &w->chunked.how, "some/a.h5", "g/x", 15, 8, rows(15, 8), &err);
        sbl_alloc_fail(0, 0);
        if (!st) {
            sbl_value_release(value);
            break;
        }
        cr_expect_eq(st, SABAL_ENOMEM);
        cr_expect_eq(strncmp(err.message, "some/a.h5:g/x: rows ", 20), 0, "%s", err.message);
        named += strstr(err.message, "rows 15 to 23: ") && strstr(err.message, "compressing a chunk");
        cr_assert_lt(nth, 100);
    }
    cr_expect_gt(named, 0);
    sbl_writer_abort(w);
}
