#include <sabal/value.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"
#include "value/value.h"

/* What printing an array writes, without the newline at the end. */
static char *printed(const sabal_ndarray *a)
{
    char  *text = NULL;
    size_t size = 0;
    FILE  *file = open_memstream(&text, &size);

    cr_assert_eq(sabal_ndarray_print(a, file, NULL), SABAL_OK);
    fclose(file);
    cr_assert(size > 0 && text[size - 1] == '\n');
    text[size - 1] = 0;
    return text;
}

static int64_t file_bytes(char **bytes, const char *path)
{
    FILE *file = fopen(path, "rb");
    long  size;

    cr_assert_not_null(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    *bytes = malloc((size_t)size);
    cr_assert_eq(fread(*bytes, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return size;
}

static int check_all(void)
{
    char   *bytes;
    int64_t size = file_bytes(&bytes, SBL_TEST_DATA "/print.bin");
    int     n = 0, wrong = 0;

    for (const char *at = bytes; at < bytes + size; n++) {
        int32_t        head[2], length;
        int64_t        shape[SABAL_MAX_NDIM];
        sabal_ndarray *a;
        char          *text;

        memcpy(head, at, sizeof head);
        memcpy(shape, at + 8, (size_t)head[1] * 8);
        at += 8 + head[1] * 8;
        cr_assert_eq(sabal_ndarray_create(&a, at, (sabal_dtype)head[0], head[1], shape, NULL), SABAL_OK);
        at += sbl_ndarray_bytes(a);
        memcpy(&length, at, sizeof length);
        text = printed(a);
        if (strlen(text) != (size_t)length || memcmp(text, at + 4, (size_t)length)) {
            if (wrong++ < 10)
                fprintf(stderr, "case %d, %s:\n%s\nNumPy:\n%.*s\n", n, sabal_dtype_name((sabal_dtype)head[0]), text,
                        length, at + 4);
        }
        at += 4 + length;
        free(text);
        sabal_release(a);
    }
    free(bytes);
    cr_expect_geq(n, 1600);
    return wrong;
}

Test(print, agrees_with_numpy_to_the_character)
{
    cr_expect_eq(check_all(), 0);
}

Test(print, the_hosts_locale_does_not_show)
{
    char folder[] = "/tmp/sabal-test-XXXXXX", command[200];

    /* made here (Debian: locales), so that none has to be set up on the machine */
    cr_assert_not_null(mkdtemp(folder));
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    if (system(command))
        cr_skip_test("localedef or its de_DE is missing");
    setenv("LOCPATH", folder, 1);
    cr_assert_not_null(setlocale(LC_ALL, "de_DE.UTF-8"));
    cr_expect_str_eq(localeconv()->decimal_point, ",");
    cr_expect_eq(check_all(), 0);
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect_eq(system(command), 0);
}

Test(print, strides_do_not_show)
{
    const double   data[6] = {1, 2, 3, 4, 5, 6.5};
    sabal_ndarray *a;
    char          *text;

    cr_assert_eq(sbl_ndarray_wrap(&a, data, SABAL_FLOAT64, 2, (int64_t[]){3, 2}, (int64_t[]){8, 24}, NULL, NULL, NULL),
                 SABAL_OK);
    text = printed(a);
    cr_expect_str_eq(text, "[[1.  4. ]\n [2.  5. ]\n [3.  6.5]]");
    free(text);
    sbl_handle_release(a);
}

Test(print, null_is_none)
{
    char *text = printed(NULL);

    cr_expect_str_eq(text, "(none)");
    free(text);
}

Test(print, a_full_device_is_an_error)
{
    FILE          *full = fopen("/dev/full", "w");
    sabal_error    err  = SABAL_ERROR_INIT;
    sabal_ndarray *a;

    cr_assert_eq(sabal_ndarray_create(&a, (double[]){1, 2}, SABAL_FLOAT64, 1, (int64_t[]){2}, NULL), SABAL_OK);
    if (!full)
        cr_skip_test("there is no /dev/full");
    cr_expect_eq(sabal_ndarray_print(a, full, &err), SABAL_EIO);
    cr_expect_str_eq(err.message, "an array could not be printed: No space left on device");
    fclose(full);
    sabal_release(a);
}
