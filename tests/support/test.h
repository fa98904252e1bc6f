/*
 * What every test includes. Normally it is Criterion, each test in a process of its own. With SBL_PLAIN the same
 * tests become a plain program: sanitizers see it whole (Criterion 2.4 hides their reports, and TSan aborts in it).
 */
#ifndef SBL_TESTS_TEST_H
#define SBL_TESTS_TEST_H

#ifdef SBL_PLAIN
#include "support/plain.h"
#else
#include <criterion/criterion.h>
#endif

/* A call's value, and in place its SABAL_HERE, however the lines of the call are cut. */
#define NOTING(place, ...) ((place) = SABAL_HERE, __VA_ARGS__)

#endif
