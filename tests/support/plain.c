/* The runner of plain test programs. Prints a line for each failure and one at the end; status 1 if any failed. */
#include "support/plain.h"

#include <stdarg.h>

static struct plain_test *first, **last = &first;
static struct {
    const char                 *suite;
    const struct plain_options *options;
} suites[64];
static size_t  n_suites;
static jmp_buf end_of_test;
static int     failed_here, skipped_here;
static char    name_here[256];

void plain_register(struct plain_test *test)
{
    *last = test;
    last  = &test->next;
}

void plain_register_suite(const char *suite, const struct plain_options *options)
{
    suites[n_suites].suite     = suite;
    suites[n_suites++].options = options;
}

void plain_fail(const char *file, int line, int stop, const char *format, ...)
{
    va_list args;

    failed_here = 1;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (stop)
        longjmp(end_of_test, 1);
}

void plain_skip(const char *format, ...)
{
    va_list args;

    skipped_here = 1;
    fprintf(stderr, "SKIPPED %s: ", name_here);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    longjmp(end_of_test, 1);
}

static void run(struct plain_test *t)
{
    void (*init)(void) = t->options.init, (*fini)(void) = t->options.fini;

    for (size_t i = 0; i < n_suites; i++)
        if (!strcmp(suites[i].suite, t->suite)) {
            init = init ? init : suites[i].options->init;
            fini = fini ? fini : suites[i].options->fini;
        }
    if (init)
        init();
    if (!setjmp(end_of_test))
        t->run();
    if (fini)
        fini();
}

/* With an argument, only the tests whose "suite/name" contains it. */
int main(int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;

    for (struct plain_test *t = first; t; t = t->next) {
        snprintf(name_here, sizeof name_here, "%s/%s", t->suite, t->name);
        if (t->options.disabled || (argc > 1 && !strstr(name_here, argv[1])))
            continue;
        failed_here = skipped_here = 0;
        run(t);
        failed += failed_here;
        skipped += !failed_here && skipped_here;
        passed += !failed_here && !skipped_here;
        if (failed_here)
            fprintf(stderr, "FAILED %s\n", name_here);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
