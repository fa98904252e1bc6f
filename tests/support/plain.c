/* The runner of plain test programs. Prints a line for each failure and one at the end; status 1 if any failed. */
#include "support/plain.h"

#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

/* A test without a .timeout has 200 s. A sanitizer makes it several times slower; tools/check tells meson the same. */
enum { USUALLY_S = 200, SLOWER = 4, TO_SAY_SO_S = 10 };

static struct plain_test *first, **last = &first;
static struct {
    const char                 *suite;
    const struct plain_options *options;
} suites[64];
static size_t  n_suites;
static jmp_buf end_of_test;
static int     failed_here, skipped_here, begun;
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

/* What hangs says which test it is. Under TSan a handler waits until its thread calls libc; a kill does not. */
static void took_too_long(int number)
{
    (void)!write(STDERR_FILENO, "FAILED ", 7);
    (void)!write(STDERR_FILENO, name_here, strlen(name_here));
    (void)!write(STDERR_FILENO, ": it took too long\n", 19);
    signal(SIGABRT, SIG_DFL);
    abort();
    (void)number;
}

static timer_t timer_of(int number)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    timer_t         timer;

    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) {
        perror("timer_create");
        exit(1);
    }
    return timer;
}

/* 0: no end. A child of fork() has no timers. */
static void end_after(double seconds)
{
    static timer_t says_so, kills;
    static int     made;

    if (!made++) {
        signal(SIGVTALRM, took_too_long);
        says_so = timer_of(SIGVTALRM);
        kills   = timer_of(SIGKILL);
    }
    for (int i = 0; i < 2; i++) {
        const double            at   = seconds > 0 ? seconds + i * TO_SAY_SO_S : 0;
        const struct itimerspec when = {.it_value = {(time_t)at, (long)((at - (double)(time_t)at) * 1e9)}};

        timer_settime(i ? kills : says_so, 0, &when, NULL);
    }
}

/* Its end runs once if it had begun, however it went: what fails there ends only that. */
static void run(struct plain_test *t)
{
    void (*init)(void) = t->options.init, (*fini)(void) = t->options.fini;
    double timeout = t->options.timeout;

    for (size_t i = 0; i < n_suites; i++)
        if (!strcmp(suites[i].suite, t->suite)) {
            init    = init ? init : suites[i].options->init;
            fini    = fini ? fini : suites[i].options->fini;
            timeout = timeout > 0 ? timeout : suites[i].options->timeout;
        }
    timeout = timeout > 0 ? timeout : USUALLY_S;
    end_after(timeout * SLOWER);
    begun = 0;
    if (!setjmp(end_of_test)) {
        if (init)
            init();
        begun = 1;
        t->run();
    }
    if (fini && begun && !setjmp(end_of_test))
        fini();
    end_after(0);
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
