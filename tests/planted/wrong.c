/* Planted: a wrong result. */
#include "support/test.h"

Test(planted, wrong)
{
    volatile int two = 2;

    cr_expect_eq(two + two, 5);
}
