/* Names and amounts with commas, as users write them and other processes say them. */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/lists.h"

Test(lists, amounts_are_read_to_the_millionth)
{
    sbl_amounts amounts;
    sabal_error err = SABAL_ERROR_INIT;

    cr_assert_eq(sbl_amounts_read(&amounts, "gpu=2, licence=0.5,x=.25,none=0,all=1000000000", "", &err), SABAL_OK);
    cr_assert_eq(amounts.n, 5);
    cr_expect_eq(sbl_amounts_find(&amounts, "gpu")->millionths, 2000000);
    cr_expect_eq(sbl_amounts_find(&amounts, "licence")->millionths, 500000);
    cr_expect_eq(sbl_amounts_find(&amounts, "x")->millionths, 250000);
    cr_expect_eq(sbl_amounts_find(&amounts, "none")->millionths, 0);
    cr_expect_eq(sbl_amounts_find(&amounts, "all")->millionths, 1000000000000000);
    cr_expect_null(sbl_amounts_find(&amounts, "gp"));
}

Test(lists, amounts_are_told_as_they_are_read)
{
    static const char *const TEXTS[] = {"", "gpu=2", "gpu=20,licence=0.5,none=0,x=0.000001", "all=1000000000"};

    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        sbl_amounts amounts;
        char        text[SBL_AMOUNTS_TEXT];

        cr_assert_eq(sbl_amounts_read(&amounts, TEXTS[i], "", NULL), SABAL_OK);
        cr_expect_str_eq(sbl_amounts_tell(text, &amounts), TEXTS[i]);
    }
}

Test(lists, the_longest_amounts_fit)
{
    sbl_amounts amounts = {.n = SBL_MOST_AMOUNTS}, again;
    char        text[SBL_AMOUNTS_TEXT];

    for (int i = 0; i < SBL_MOST_AMOUNTS; i++) {
        snprintf(amounts.of[i].name, SBL_AMOUNT_NAME, "a23456789012345678901234567890%c", 'a' + i);
        amounts.of[i].millionths = (uint64_t)SBL_MOST_AMOUNT * 1000000 - 1;
    }
    cr_assert_eq(sbl_amounts_read(&again, sbl_amounts_tell(text, &amounts), "", NULL), SABAL_OK, "%s", text);
    cr_expect(sbl_amounts_cover(&again, &amounts) && sbl_amounts_cover(&amounts, &again));
}

Test(lists, nothing_is_no_amount)
{
    sbl_amounts amounts;
    sabal_error err = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_amounts_read(&amounts, NULL, "", &err), SABAL_OK);
    cr_expect_eq(amounts.n, 0);
    cr_expect_eq(sbl_amounts_read(&amounts, "", "", &err), SABAL_OK);
    cr_expect_eq(amounts.n, 0);
}

Test(lists, what_is_no_amount_is_refused_and_quoted)
{
    static const char *const WRONG[] = {"gpu",
                                        "gpu=",
                                        "=1",
                                        "gpu=1,",
                                        "gpu=1,,x=1",
                                        ",",
                                        "gpu=-1",
                                        "gpu=+1",
                                        "gpu=1x",
                                        "gpu=1.2.3",
                                        "gpu=.",
                                        "gpu=nan",
                                        "gpu=1e3",
                                        "gpu=0x1",
                                        "gpu=1000000001",
                                        "gpu=1000000000.1",
                                        "a=1,a=2",
                                        "a b=1",
                                        "gpu=1 x=1",
                                        "gpu=1.0000001",
                                        "a=99999999999999999999999999999999",
                                        "a234567890123456789012345678901b=1"};

    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        sbl_amounts amounts;
        sabal_error err = SABAL_ERROR_INIT;

        cr_expect_eq(sbl_amounts_read(&amounts, WRONG[i], "resources", &err), SABAL_EINVAL, "'%s'", WRONG[i]);
        cr_expect_eq(amounts.n, 0);
        cr_expect(strstr(err.message, WRONG[i]) && !strncmp(err.message, "resources '", 11), "%s", err.message);
    }
}

Test(lists, amounts_are_few)
{
    char        text[256] = "";
    sbl_amounts amounts;
    sabal_error err = SABAL_ERROR_INIT;

    for (int i = 0; i < SBL_MOST_AMOUNTS; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%sa%d=1", i ? "," : "", i);
    cr_expect_eq(sbl_amounts_read(&amounts, text, "", &err), SABAL_OK);
    strcat(text, ",one=1");
    cr_expect_eq(sbl_amounts_read(&amounts, text, "", &err), SABAL_EINVAL);
}

Test(lists, amounts_cover_what_is_needed)
{
    sbl_amounts there, needed;
    sabal_error err = SABAL_ERROR_INIT;

    sbl_amounts_read(&there, "gpu=2,licence=0.5", "", &err);
    sbl_amounts_read(&needed, "licence=0.5", "", &err);
    cr_expect(sbl_amounts_cover(&there, &needed));
    sbl_amounts_read(&needed, "licence=0.500001", "", &err);
    cr_expect(!sbl_amounts_cover(&there, &needed));
    sbl_amounts_read(&needed, "disk=0,gpu=2", "", &err);
    cr_expect(sbl_amounts_cover(&there, &needed), "nothing is needed of what is not there");
    sbl_amounts_read(&needed, "disk=1", "", &err);
    cr_expect(!sbl_amounts_cover(&there, &needed));
}

Test(lists, names_are_whole_names)
{
    cr_expect(sbl_names_have("a", "a"));
    cr_expect(sbl_names_have("node1, node22", "node22"));
    cr_expect(!sbl_names_have("node1,node22", "node2"));
    cr_expect(!sbl_names_have("node22", "node2"));
    cr_expect(!sbl_names_have("node2", "node22"));
    cr_expect(!sbl_names_have("", "a"));
}

Test(lists, what_is_no_list_of_names_is_refused)
{
    static char long_text[SBL_LIST_TEXT + 1];
    sabal_error err = SABAL_ERROR_INIT;

    memset(long_text, 'a', SBL_LIST_TEXT);
    cr_expect_eq(sbl_names_check(NULL, "", &err), SABAL_OK);
    cr_expect_eq(sbl_names_check("a, b,c", "", &err), SABAL_OK);
    cr_expect_eq(sbl_names_check(",", "", &err), SABAL_EINVAL);
    cr_expect_eq(sbl_names_check("a,", "", &err), SABAL_EINVAL);
    cr_expect_eq(sbl_names_check("a,,b", "", &err), SABAL_EINVAL);
    cr_expect_eq(sbl_names_check("a, ,b", "", &err), SABAL_EINVAL);
    cr_expect_eq(sbl_names_check(" ", "", &err), SABAL_EINVAL);
    cr_expect_eq(sbl_names_check(long_text, "", &err), SABAL_EINVAL);
}
