/* Planted: what a test has to put away fails, each time that it is asked. */
#include "support/test.h"

static int ends;

static void end(void)
{
    ends++;
    cr_assert_eq(ends, 0);
}

Test(planted, end, .fini = end, .timeout = 1)
{
}

Test(planted, end_ran_once)
{
    if (ends == 1)
        fprintf(stderr, "ended once\n");
}
