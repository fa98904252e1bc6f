/* Planted: undefined behaviour that gives a number all the same. */
#include <limits.h>

#include "support/test.h"

Test(planted, undefined)
{
    volatile int most = INT_MAX;
    volatile int sum  = most + 1;

    cr_expect_neq(sum, 0);
}
