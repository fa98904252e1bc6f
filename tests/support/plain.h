/* The part of Criterion that our tests use, as a plain program: tests run one after the other in one process. */
#ifndef SBL_TESTS_PLAIN_H
#define SBL_TESTS_PLAIN_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_options {
    void (*init)(void);
    void (*fini)(void);
    double      timeout; /* seconds, as Criterion's; here four times that */
    int         disabled;
    const char *description;
};
struct plain_test {
    const char *suite, *name;
    void (*run)(void);
    struct plain_options options;
    struct plain_test   *next;
};

void plain_register(struct plain_test *test);
void plain_fail(const char *file, int line, int stop, const char *format, ...) __attribute__((format(printf, 4, 5)));
void plain_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The suite-wide options come from TestSuite(). */
void plain_register_suite(const char *suite, const struct plain_options *options);

#define Test(suite_, name_, ...)                                                                                       \
    static void                              suite_##_##name_##_run(void);                                             \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                                         \
    {                                                                                                                  \
        static struct plain_test t = {                                                                                 \
            .suite = #suite_, .name = #name_, .run = suite_##_##name_##_run, .options = {__VA_ARGS__}};                \
        plain_register(&t);                                                                                            \
    }                                                                                                                  \
    static void suite_##_##name_##_run(void)
#define TestSuite(suite_, ...)                                                                                         \
    __attribute__((constructor)) static void suite_##_suite_register(void)                                             \
    {                                                                                                                  \
        static const struct plain_options o = {__VA_ARGS__};                                                           \
        plain_register_suite(#suite_, &o);                                                                             \
    }                                                                                                                  \
    struct plain_test

#define PLAIN_(stop, condition, text)    ((condition) ? (void)0 : plain_fail(__FILE__, __LINE__, stop, "%s", text))
#define cr_assert(c, ...)                PLAIN_(1, (c), #c)
#define cr_expect(c, ...)                PLAIN_(0, (c), #c)
#define cr_assert_not(c, ...)            PLAIN_(1, !(c), "not " #c)
#define cr_expect_not(c, ...)            PLAIN_(0, !(c), "not " #c)
#define cr_fatal(...)                    PLAIN_(1, 0, "fatal")
#define cr_assert_fail(...)              PLAIN_(1, 0, "fail")
#define cr_assert_eq(a, b, ...)          PLAIN_(1, (a) == (b), #a " == " #b)
#define cr_expect_eq(a, b, ...)          PLAIN_(0, (a) == (b), #a " == " #b)
#define cr_assert_neq(a, b, ...)         PLAIN_(1, (a) != (b), #a " != " #b)
#define cr_expect_neq(a, b, ...)         PLAIN_(0, (a) != (b), #a " != " #b)
#define cr_assert_lt(a, b, ...)          PLAIN_(1, (a) < (b), #a " < " #b)
#define cr_expect_lt(a, b, ...)          PLAIN_(0, (a) < (b), #a " < " #b)
#define cr_assert_leq(a, b, ...)         PLAIN_(1, (a) <= (b), #a " <= " #b)
#define cr_expect_leq(a, b, ...)         PLAIN_(0, (a) <= (b), #a " <= " #b)
#define cr_assert_gt(a, b, ...)          PLAIN_(1, (a) > (b), #a " > " #b)
#define cr_expect_gt(a, b, ...)          PLAIN_(0, (a) > (b), #a " > " #b)
#define cr_assert_geq(a, b, ...)         PLAIN_(1, (a) >= (b), #a " >= " #b)
#define cr_expect_geq(a, b, ...)         PLAIN_(0, (a) >= (b), #a " >= " #b)
#define cr_assert_null(a, ...)           PLAIN_(1, (a) == NULL, #a " is NULL")
#define cr_expect_null(a, ...)           PLAIN_(0, (a) == NULL, #a " is NULL")
#define cr_assert_not_null(a, ...)       PLAIN_(1, (a) != NULL, #a " is not NULL")
#define cr_expect_not_null(a, ...)       PLAIN_(0, (a) != NULL, #a " is not NULL")
#define cr_assert_float_eq(a, b, e, ...) PLAIN_(1, (a) - (b) <= (e) && (b) - (a) <= (e), #a " ~ " #b)
#define cr_expect_float_eq(a, b, e, ...) PLAIN_(0, (a) - (b) <= (e) && (b) - (a) <= (e), #a " ~ " #b)
#define cr_assert_str_eq(a, b, ...)      PLAIN_STR_(1, a, b)
#define cr_expect_str_eq(a, b, ...)      PLAIN_STR_(0, a, b)
#define cr_assert_str_neq(a, b, ...)     PLAIN_(1, strcmp((a), (b)) != 0, #a " != " #b)
#define cr_expect_str_neq(a, b, ...)     PLAIN_(0, strcmp((a), (b)) != 0, #a " != " #b)
#define cr_assert_arr_eq(a, b, n, ...)   PLAIN_(1, memcmp((a), (b), (n)) == 0, #a " == " #b)
#define cr_expect_arr_eq(a, b, n, ...)   PLAIN_(0, memcmp((a), (b), (n)) == 0, #a " == " #b)
#define cr_skip_test(...)                plain_skip(__VA_ARGS__)
#define PLAIN_STR_(stop, a, b)                                                                                         \
    __extension__({                                                                                                    \
        const char *plain_a_ = (a), *plain_b_ = (b);                                                                   \
        if (strcmp(plain_a_, plain_b_))                                                                                \
            plain_fail(__FILE__, __LINE__, stop, "\"%s\" is not \"%s\"", plain_a_, plain_b_);                          \
    })

#endif
