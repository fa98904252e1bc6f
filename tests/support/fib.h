/* The smallest job that spawns, for tests that need one. */
#ifndef SBL_TESTS_FIB_H
#define SBL_TESTS_FIB_H

#include <sabal/job.h>

SABAL_JOB(long, fib, int, n)
{
    if (n < 2)
        return n;
    SABAL_SPAWN(fib, n - 1);
    long y = SABAL_CALL(fib, n - 2);
    return y + SABAL_SYNC(fib);
}

#endif
