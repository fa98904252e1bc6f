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

#endif
