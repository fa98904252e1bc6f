#include "base/error.h"

#include <errno.h>
#include <sys/resource.h>

#include "support/test.h"

Test(error, first_cause_stays)
{
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_error_set(&err, SABAL_ESHAPE, "%d rows", 3), SABAL_ESHAPE);
    cr_expect_eq(sbl_error_set(&err, SABAL_EIO, "later"), SABAL_EIO);
    cr_expect_eq(err.status, SABAL_ESHAPE);
    cr_expect_str_eq(err.message, "3 rows");
}

Test(error, prefix_and_place_are_printed)
{
    sabal_error err = SABAL_ERROR_INIT;
    char        text[256];

    sbl_error_set(&err, SABAL_EFORMAT, "no magic at offset 0");
    sbl_error_prefix(&err, "%s", "points.npy");
    sbl_error_where(&err, "a.c:1");
    sbl_error_where(&err, "b.c:2");
    sbl_error_task(&err, "read-1");
    sabal_error_format(text, sizeof text, &err);
    cr_expect_str_eq(text, "points.npy: no magic at offset 0 (at a.c:1, in task 'read-1')");
}

Test(error, prefix_of_a_long_message_is_cut_not_overrun)
{
    sabal_error err = SABAL_ERROR_INIT;
    char        big[1000];

    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    sbl_error_set(&err, SABAL_EIO, "%s", big);
    sbl_error_prefix(&err, "%s", "file");
    cr_expect_eq(strlen(err.message), sizeof err.message - 1);
    cr_expect_eq(strncmp(err.message, "file: xxx", 9), 0);
}

Test(error, a_null_record_is_allowed)
{
    cr_expect_eq(sbl_error_set(NULL, SABAL_EIO, "x"), SABAL_EIO);
    cr_expect_eq(sbl_error_prefix(NULL, "x"), SABAL_OK);
}

Test(error, of_a_file_that_may_not_be_so_long_tells_what_to_do)
{
    struct rlimit former, limit;
    sabal_error   err = SABAL_ERROR_INIT, other = SABAL_ERROR_INIT;

    getrlimit(RLIMIT_FSIZE, &former);
    limit          = former;
    limit.rlim_cur = 1 << 30;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(sbl_error_errno(&err, EFBIG, "writing"), SABAL_ENOSPC);
    cr_expect_str_eq(err.message,
                     "writing: File too large: raise the limit (ulimit -f), which shared memory falls under, too");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &former), 0);
    if (former.rlim_cur != RLIM_INFINITY)
        cr_skip_test("there is a limit for the size of files");
    cr_expect_eq(sbl_error_errno(&other, EFBIG, "writing"), SABAL_ENOSPC);
    cr_expect_str_eq(other.message,
                     "writing: File too large: its file system has no longer ones: name a folder on another");
}

Test(error, errno_gives_the_status_that_fits)
{
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_error_errno(&err, ENOSPC, "writing %s", "a.npy"), SABAL_ENOSPC);
    cr_expect_str_eq(err.message, "writing a.npy: No space left on device");
}

Test(error, every_status_has_a_name)
{
    for (int s = 0; s <= SABAL_EINTERNAL; s++)
        cr_expect_str_neq(sabal_status_name((sabal_status)s), "SABAL_E?");
    cr_expect_str_eq(sabal_status_name((sabal_status)99), "SABAL_E?");
}

Test(error, lists_count_to_their_end_or_as_told)
{
    int         a, b;
    const void *items[] = {&a, &b};

    cr_expect_eq(sabal_list_count(SABAL_LIST(&a, &b, &a)), 3);
    cr_expect_eq(sabal_list_count((sabal_list){items, 2}), 2);
    cr_expect_eq(sabal_list_count((sabal_list){0}), 0);
}

Test(error, only_a_failure_is_a_failure)
{
    for (int s = 1; s <= SABAL_EINTERNAL; s++)
        cr_expect(sbl_status_is_failure((sabal_status)s));
    cr_expect_not(sbl_status_is_failure(SABAL_OK));
    cr_expect_not(sbl_status_is_failure(SABAL_END));
    cr_expect_not(sbl_status_is_failure((sabal_status)(SABAL_EINTERNAL + 1)));
    cr_expect_not(sbl_status_is_failure((sabal_status)-1));
}
