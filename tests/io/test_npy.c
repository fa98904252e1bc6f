/* The .npy format against what NumPy writes (tests/data/npy.bin). */
#include <pthread.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "io/files.h"
#include "io/reader.h"
#include "io/writer.h"

TestSuite(npy, .init = files_make_folder, .fini = files_remove_folder);

struct piece {
    const char *data;
    size_t      size;
};
struct fixture {
    char         name[64];
    struct piece file, again;
};

static struct piece next_piece(const char **at)
{
    int32_t      size;
    struct piece p;

    memcpy(&size, *at, sizeof size);
    p = (struct piece){*at + sizeof size, (size_t)size};
    *at += sizeof size + (size_t)size;
    return p;
}

/* All cases of npy.bin; *n of them. The memory stays for all tests of this process. */
static struct fixture *fixtures(int *n)
{
    static struct fixture all[2000];
    static size_t         size;
    static char          *data;

    data = data ? data : get_file(SBL_TEST_DATA "/npy.bin", &size);
    cr_assert_not_null(data);
    *n = 0;
    for (const char *at = data; at < data + size; ++*n) {
        struct piece name = next_piece(&at);

        snprintf(all[*n].name, sizeof all[*n].name, "%.*s", (int)name.size, name.data);
        all[*n].file  = next_piece(&at);
        all[*n].again = next_piece(&at);
    }
    return all;
}

static size_t row_bytes(const sbl_reader *r)
{
    size_t bytes = sabal_dtype_size(r->dtype);

    for (int32_t i = 1; i < r->ndim; i++)
        bytes *= (size_t)r->shape[i];
    return bytes;
}

/* Reads a file in parts of some rows and writes them, the last part first. */
static void copy_through(const char *from, const char *to, int64_t part)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_reader *r;
    sbl_writer *w;
    char       *data;
    size_t      bytes;

    if (sbl_reader_open(&r, NULL, from, NULL, &err))
        fprintf(stderr, "%s\n", err.message);
    cr_assert_eq(err.status, SABAL_OK);
    bytes = row_bytes(r);
    data  = malloc((size_t)r->shape[0] * bytes + 1);
    cr_assert_eq(sbl_npy_create(&w, to, r->dtype, r->ndim, r->shape, &err), SABAL_OK);
    for (int64_t first = 0; first < r->shape[0]; first += part) {
        int64_t n = r->shape[0] - first < part ? r->shape[0] - first : part;

        cr_assert_eq(sbl_reader_rows(r, first, n, data + (size_t)first * bytes, &err), SABAL_OK);
    }
    for (int64_t end = r->shape[0]; end > 0; end -= part) {
        int64_t first = end > part ? end - part : 0;

        cr_assert_eq(sbl_writer_rows(w, first, end - first, data + (size_t)first * bytes, &err), SABAL_OK);
    }
    cr_assert_eq(sbl_writer_finish(w, &err), SABAL_OK);
    sbl_reader_release(r);
    free(data);
}

Test(npy, what_numpy_wrote_is_read_and_written_again_byte_for_byte)
{
    const int64_t   parts[] = {1, 2, 1000000};
    struct fixture *all;
    int             n, read = 0;

    all = fixtures(&n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            size_t size;
            char  *again;

            if (!all[i].again.size)
                continue;
            put_file(in_folder("a.npy"), all[i].file.data, all[i].file.size);
            copy_through(in_folder("a.npy"), in_folder("b.npy"), all[i].file.size > 10000 ? parts[k] * 500 : parts[k]);
            again = get_file(in_folder("b.npy"), &size);
            cr_assert_eq(size, all[i].again.size);
            if (memcmp(again, all[i].again.data, size)) {
                fprintf(stderr, "%s\n", all[i].name);
                cr_assert_fail();
            }
            free(again);
            read++;
        }
    cr_expect_geq(read, 500);
    cr_expect_eq(count_files(files_folder), 2);
}

static int starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

/* "spelled" cases are read above; of the others NumPy tells what they are, or knows them as little as we do. */
Test(npy, every_spelling_of_a_dtype_is_taken_for_what_numpy_takes_it_for)
{
    struct fixture *all;
    int             n, named = 0, unknown = 0, spelled = 0;

    all = fixtures(&n);
    for (int i = 0; i < n; i++) {
        int         is_named = starts(all[i].name, "named "), is_unknown = starts(all[i].name, "unknown ");
        sabal_error err = SABAL_ERROR_INIT;
        sbl_reader *r   = NULL;
        char        what[100];

        spelled += starts(all[i].name, "spelled ");
        if (!is_named && !is_unknown)
            continue;
        snprintf(what, sizeof what, "its elements are ");
        if (is_named)
            snprintf(what + 17, sizeof what - 17, "%.*s (dtype '", (int)strcspn(all[i].name, ":") - 6, all[i].name + 6);
        put_file(in_folder("a.npy"), all[i].file.data, all[i].file.size);
        if (sbl_reader_open(&r, NULL, in_folder("a.npy"), NULL, &err) != SABAL_EDTYPE || !strstr(err.message, what)) {
            fprintf(stderr, "%s: %s\n", all[i].name, err.message);
            cr_expect_eq(err.status, 0, "as NumPy takes it");
        }
        sbl_reader_release(r);
        named += is_named;
        unknown += is_unknown;
    }
    cr_expect(spelled > 100 && named > 100 && unknown > 100);
}

Test(npy, what_is_not_read_is_refused_by_name_with_what_to_do)
{
    static const struct {
        const char  *name, *message;
        sabal_status status;
    } wanted[] = {
        {"float16",
         "its elements are float16 (dtype '<f2'), and only numbers are read: in NumPy, save a.astype('float32')",
         SABAL_EDTYPE},
        {"longdouble",
         "its elements are extended precision floats (dtype '<f16'), and only numbers are read: in NumPy, save a.astype('float64')",
         SABAL_EDTYPE},
        {"clongdouble",
         "its elements are extended precision complex numbers (dtype '<c32'), and only numbers are read: in NumPy, save a.astype('complex128')",
         SABAL_EDTYPE},
        {"bytes",
         "its elements are byte strings (dtype '|S2'), and only numbers are read: in NumPy, save numbers, such as np.unique(a, return_inverse=True)[1]",
         SABAL_EDTYPE},
        {"str",
         "its elements are strings (dtype '<U2'), and only numbers are read: in NumPy, save numbers, such as np.unique(a, return_inverse=True)[1]",
         SABAL_EDTYPE},
        {"datetime",
         "its elements are dates (datetime64) (dtype '<M8[ns]'), and only numbers are read: in NumPy, save a.astype('int64')",
         SABAL_EDTYPE},
        {"timedelta",
         "its elements are durations (timedelta64) (dtype '<m8[s]'), and only numbers are read: in NumPy, save a.astype('int64')",
         SABAL_EDTYPE},
        {"object",
         "its elements are Python objects (dtype '|O'), and only numbers are read: in NumPy, save a.astype('float64') if they are numbers",
         SABAL_EDTYPE},
        {"void",
         "its elements are raw bytes (void) (dtype '|V3'), and only numbers are read: in NumPy, save a.view('uint8')",
         SABAL_EDTYPE},
        {"structure",
         "its elements are a structure (dtype '[('x', '<f8'), ('y', '<i4', (2,))]'), and only numbers are read: in NumPy, save each field on its own, a['name']",
         SABAL_EDTYPE},
        {"names",
         "its elements are a structure (dtype '[('?]}', '<f8'), (\"it's\", '<f8')]'), and only numbers are read: in NumPy, save each field on its own, a['name']",
         SABAL_EDTYPE},
        {"0-d", "it holds a single number (0 dimensions), and rows are read: save np.atleast_1d(a)", SABAL_ESHAPE},
        {"33 dimensions", "it has 33 dimensions, and at most 32 are read: save a.reshape(len(a), -1)", SABAL_ESHAPE},
    };
    struct fixture *all;
    int             n, refused = 0;

    all = fixtures(&n);
    for (int i = 0; i < n; i++) {
        sabal_error err = SABAL_ERROR_INIT;
        sbl_reader *r   = NULL;
        size_t      k   = 0;

        if (all[i].again.size || starts(all[i].name, "named ") || starts(all[i].name, "unknown "))
            continue;
        while (k < 13 && strcmp(wanted[k].name, all[i].name))
            k++;
        cr_assert_lt(k, 13);
        put_file(in_folder("a.npy"), all[i].file.data, all[i].file.size);
        cr_expect_eq(sbl_reader_open(&r, NULL, in_folder("a.npy"), NULL, &err), wanted[k].status);
        cr_expect_str_eq(err.message + strlen(in_folder("a.npy: ")), wanted[k].message);
        cr_expect_null(r);
        refused++;
    }
    cr_expect_eq(refused, 13);
}

/* A file with this header in version 1, and 24 bytes of data behind it. */
static void put_npy(const char *path, const char *header)
{
    char   data[4096] = "\x93NUMPY\1\0";
    size_t n          = strlen(header);

    data[8] = (char)(n & 0xff);
    data[9] = (char)(n >> 8);
    memcpy(data + 10, header, n);
    put_file(path, data, 10 + n + 24);
}

static sabal_status open_status(sabal_error *err, const char *path)
{
    sbl_reader  *r;
    sabal_status st;

    *err = (sabal_error)SABAL_ERROR_INIT;
    st   = sbl_reader_open(&r, NULL, path, NULL, err);
    if (!st)
        sbl_reader_release(r);
    return st;
}

static void expect_open_error(const char *path, sabal_status status, const char *message)
{
    sabal_error err;
    char        prefix[600];

    cr_expect_eq(open_status(&err, path), status);
    snprintf(prefix, sizeof prefix, "%s: %s", path, message);
    cr_expect_str_eq(err.message, prefix);
}

Test(npy, a_malformed_header_is_told_with_its_offset)
{
    static const char *const cases[][2] = {
        {"", "'{' expected at offset 10, found the end of the header"},
        {"[", "'{' expected at offset 10, found '['"},
        {"{", "a key in quotes, or '}' expected at offset 11, found the end of the header"},
        {"{}", "the key 'descr' is missing"},
        {"{'descr': '<i4', 'shape': (6,)}", "the key 'fortran_order' is missing"},
        {"{'descr': '<i4', 'fortran_order': False}", "the key 'shape' is missing"},
        {"{'descr': '<i4', 'descr': '<i4'}", "the key 'descr' at offset 27 stands there twice"},
        {"{'dscr': '<i4'}", "the key 'dscr' at offset 11 is none of descr, fortran_order and shape"},
        {"{'a\x01\xff': 1}", "the key 'a\?\?' at offset 11 is none of descr, fortran_order and shape"},
        {"{descr: 1}", "a key in quotes, or '}' expected at offset 11, found 'd'"},
        {"{'descr' '<i4'}", "':' expected at offset 19, found '''"},
        {"{'descr': <i4}", "a dtype (a string or a list) expected at offset 20, found '<'"},
        {"{'descr': '<i4}", "the end of a string expected at offset 25, found the end of the header"},
        {"{'descr': '<i4\n'}", "the end of a string expected at offset 24, found byte 0x0a"},
        {"{'descr': ['<i4', (2, ", "the end of 'descr' expected at offset 32, found the end of the header"},
        {"{'descr': [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "'descr' is nested more than 32 deep"},
        {"{'fortran_order': 0}", "True or False expected at offset 28, found '0'"},
        {"{'fortran_order': Falsely}", "True or False expected at offset 28, found 'F'"},
        {"{'fortran_order': True 'x'}", "',' or '}' expected at offset 33, found '''"},
        {"{'shape': 6}", "the shape: '(' expected at offset 20, found '6'"},
        {"{'shape': (6)}", "the shape is a number in brackets, not a tuple (a comma is missing)"},
        {"{'shape': (6 7)}", "',' or ')' expected at offset 23, found '7'"},
        {"{'shape': (-6,)}", "an extent (a whole number) expected at offset 21, found '-'"},
        {"{'shape': (,)}", "an extent (a whole number) expected at offset 21, found ','"},
        {"{'shape': (1, 99999999999999999999,)}", "the extent at offset 24 is beyond 2^63"},
        {"{'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
         "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
         "a shape of more than 64 dimensions"},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (6,)} x", "nothing more expected at offset 66, found 'x'"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (4611686018427387904, 2)}",
         "a shape of more than 2^63 bytes"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[512];

        snprintf(message, sizeof message, "malformed header: %s", cases[i][1]);
        put_npy(in_folder("a.npy"), cases[i][0]);
        expect_open_error(in_folder("a.npy"), SABAL_EFORMAT, message);
    }
    put_npy(in_folder("a.npy"), "{'descr': '<q9', 'fortran_order': False, 'shape': (6,)}");
    expect_open_error(
        in_folder("a.npy"), SABAL_EDTYPE,
        "its elements are an unknown type (dtype '<q9'), and only numbers are read: in NumPy, save a.astype('float64')");
}

Test(npy, other_files_are_recognised)
{
    static const struct {
        const char  *start;
        size_t       size;
        sabal_status status;
        const char  *message;
    } cases[] = {
        {"", 0, SABAL_EFORMAT, "the file is empty: no .npy file"},
        {"\x89HDF\r\n\x1a\n....", 12, SABAL_EFORMAT,
         "this is an HDF5 file: give it the ending .h5, or read it as HDF5"},
        {"PK\3\4", 4, SABAL_EFORMAT, "this is a .npz or zip archive: unpack it (unzip), and name one of its files"},
        {"\x1f\x8b\1\2", 4, SABAL_EFORMAT, "this is compressed with gzip: unpack it first (gunzip)"},
        {"x,y\n1,2\n3", 9, SABAL_EFORMAT, "no .npy file: it begins with \"x,y\\x0a1,2\\x0a\", not with \"\\x93NUMPY\""},
        {"\x93NUM", 4, SABAL_EFORMAT, "cut short: the file ends at offset 4, within the header: copy or save it again"},
        {"\x93NUMPY\4\0....", 12, SABAL_EUNSUPPORTED,
         "version 4.0 of the .npy format: 1.0, 2.0 and 3.0 are read: save it again with np.save"},
        {"\x93NUMPY\1\0\xff\xff..", 12, SABAL_EFORMAT,
         "cut short: the header ends at offset 65545, the file at 12: copy or save it again"},
        {"\x93NUMPY\2\0\xff\xff\xff\xff", 12, SABAL_EFORMAT,
         "a header of 4294967295 bytes (offset 8): at most 1048576 are believed"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_file(in_folder("a.npy"), cases[i].start, cases[i].size);
        expect_open_error(in_folder("a.npy"), cases[i].status, cases[i].message);
    }
}

Test(npy, a_file_cut_anywhere_is_an_error)
{
    struct fixture *all;
    int             n;

    all = fixtures(&n);
    for (size_t size = 0; size < all[0].file.size; size++) {
        sabal_error err;

        put_file(in_folder("a.npy"), all[0].file.data, size);
        cr_expect_eq(open_status(&err, in_folder("a.npy")), SABAL_EFORMAT);
        if (size == 130) {
            cr_expect_str_eq(
                err.message + strlen(in_folder("a.npy: ")),
                "cut short: 5 elements of bool from offset 128 on take 5 bytes, but the file has only 2 there: "
                "copy or save it again");
        }
    }
}

Test(npy, a_file_that_shrinks_while_it_is_read_is_an_error)
{
    const char *const orders[] = {"False", "True"};

    for (int i = 0; i < 2; i++) {
        char        header[128];
        int32_t     out[6];
        sabal_error err = SABAL_ERROR_INIT;
        sbl_reader *r;

        snprintf(header, sizeof header, "{'descr': '<i4', 'fortran_order': %s, 'shape': (3, 2)}", orders[i]);
        put_npy(in_folder("a.npy"), header);
        cr_assert_eq(sbl_reader_open(&r, NULL, in_folder("a.npy"), NULL, &err), SABAL_OK);
        cr_assert_eq(truncate(in_folder("a.npy"), 77), 0);
        cr_expect_eq(sbl_reader_rows(r, 0, 3, out, &err), SABAL_EFORMAT);
        cr_expect(strstr(err.message, "a.npy: cut short: bytes ") != NULL);
        cr_expect(strstr(err.message,
                         "were expected, but the file ends at 77 now: was it changed while it was read?") != NULL);
        sbl_reader_release(r);
    }
}

Test(npy, bytes_that_are_neither_0_nor_1_are_true)
{
    sbl_reader *r;
    uint8_t     out[24];
    char        file[256] = "\x93NUMPY\1\0";
    const char *header    = "{'descr': '|b1', 'fortran_order': False, 'shape': (4,)}";

    file[8] = (char)strlen(header);
    strcpy(file + 10, header);
    memcpy(file + 10 + strlen(header), "\0\1\2\xff", 4);
    put_file(in_folder("a.npy"), file, 14 + strlen(header));
    cr_assert_eq(sbl_reader_open(&r, NULL, in_folder("a.npy"), NULL, NULL), SABAL_OK);
    cr_assert_eq(sbl_reader_rows(r, 0, 4, out, NULL), SABAL_OK);
    cr_expect_arr_eq(out, "\0\1\1\1", 4);
    sbl_reader_release(r);
}

/* Element (i, j) of the large file in Fortran order. */
static int64_t large_element(int64_t i, int64_t j)
{
    return i * 1000003 + j;
}

enum { ROWS = 5000, COLUMNS = 37 };
struct reading {
    sbl_reader *reader;
    int64_t     first, n, wrong;
};

static void *read_some(void *arg)
{
    struct reading *a   = arg;
    int64_t        *out = malloc((size_t)a->n * COLUMNS * sizeof *out);

    a->wrong = sbl_reader_rows(a->reader, a->first, a->n, out, NULL) != SABAL_OK;
    for (int64_t i = 0; i < a->n; i++)
        for (int64_t j = 0; j < COLUMNS; j++)
            a->wrong += out[i * COLUMNS + j] != large_element(a->first + i, j);
    free(out);
    return NULL;
}

Test(npy, threads_read_parts_of_a_file_in_fortran_order_at_once)
{
    char           header[128];
    struct reading parts[8];
    pthread_t      threads[8];
    sbl_reader    *r;
    FILE          *file;

    snprintf(header, sizeof header, "{'descr': '<i8', 'fortran_order': True, 'shape': (%d, %d)}", ROWS, COLUMNS);
    put_npy(in_folder("a.npy"), header);
    file = fopen(in_folder("a.npy"), "r+b");
    fseek(file, 10 + (long)strlen(header), SEEK_SET);
    for (int64_t j = 0; j < COLUMNS; j++)
        for (int64_t i = 0; i < ROWS; i++)
            fwrite(&(int64_t){large_element(i, j)}, 8, 1, file);
    fclose(file);
    cr_assert_eq(sbl_reader_open(&r, NULL, in_folder("a.npy"), NULL, NULL), SABAL_OK);
    for (int i = 0; i < 8; i++) {
        const int64_t firsts[] = {0, 1, 17, 2500, 4999, 0, 3000, 4000},
                      counts[] = {5000, 1, 3000, 2500, 1, 2048, 2000, 999};

        parts[i] = (struct reading){.reader = r, .first = firsts[i], .n = counts[i]};
        cr_assert_eq(pthread_create(&threads[i], NULL, read_some, &parts[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(parts[i].wrong, 0);
    }
    sbl_reader_release(r);
}

Test(npy, rows_outside_are_refused)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_reader *r;

    put_npy(in_folder("a.npy"), "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2)}");
    cr_assert_eq(sbl_reader_open(&r, NULL, in_folder("a.npy"), NULL, NULL), SABAL_OK);
    cr_expect_eq(sbl_reader_rows(r, -1, 1, NULL, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_reader_rows(r, INT64_MAX, 2, NULL, NULL), SABAL_EINVAL);
    cr_expect_eq(sbl_reader_rows(r, 3, 0, NULL, NULL), SABAL_OK);
    cr_expect_eq(sbl_reader_rows(r, 2, 2, NULL, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message + strlen(in_folder("a.npy: ")), "2 rows from row 2 on were asked for, of 3 there are");
    sbl_reader_release(r);
}

Test(npy, every_failed_allocation_is_reported)
{
    sabal_status st = SABAL_ENOMEM;
    int64_t      nth;

    put_npy(in_folder("a.npy"), "{'descr': '<i4', 'fortran_order': True, 'shape': (3, 2)}");
    for (nth = 1; st == SABAL_ENOMEM; nth++) {
        const int64_t shape[2] = {3, 2};
        sabal_error   err      = SABAL_ERROR_INIT;
        sbl_reader   *r        = NULL;
        sbl_writer   *w        = NULL;
        int32_t       data[6];

        sbl_alloc_fail(nth, 0);
        st = sbl_reader_open(&r, NULL, in_folder("a.npy"), NULL, &err);
        if (!st)
            st = sbl_reader_rows(r, 0, 3, data, &err);
        if (!st)
            st = sbl_npy_create(&w, in_folder("b.npy"), SABAL_INT32, 2, shape, &err);
        if (!st)
            st = sbl_writer_rows(w, 0, 3, data, &err);
        if (!st) {
            st = sbl_writer_finish(w, &err);
            w  = NULL;
        }
        sbl_alloc_fail(0, 0);
        sbl_writer_abort(w);
        sbl_reader_release(r);
        cr_expect_eq(st, err.status);
        cr_expect_eq(count_files(files_folder), st ? 1 : 2);
    }
    cr_expect_eq(st, SABAL_OK);
    cr_expect_geq(nth, 9);
}
