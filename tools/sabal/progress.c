/*
 * A thread of its own asks how far the work is and draws: the calls that do the work wait inside the library, and
 * nothing here touches what they do.
 */
#include "progress.h"

#include <langinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define FIRST_AFTER 1.0 /* seconds: what ends sooner needs no bar */
#define INTERVAL_NS 100000000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static pthread_cond_t  wake;
static pthread_t       thread;
static int             running, ending;
static progress_fn    *ask;
static void           *ask_user;
static double          started;

static atomic_int shown; /* the signal handler reads it, in any thread */

static const char ERASE[] = "\r\033[K";

static void put(const char *text, size_t size)
{
    if (write(STDERR_FILENO, text, size) < 0)
        return; /* a bar that can't be drawn is no reason to stop */
}

static int terminal_width(void)
{
    struct winsize size;

    if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
        return size.ws_col;
    return 80;
}

/* "kmeans: iterating  ====----  42%  3.1 s", no wider than the terminal. */
static void draw(double elapsed)
{
    char   what[160] = "", line[1024], time[32];
    double fraction  = ask(ask_user, what, sizeof what);
    int    utf8      = !strcmp(nl_langinfo(CODESET), "UTF-8");
    int    width     = terminal_width() - 1, bar, full;
    size_t at;

    cli_seconds(time, elapsed);
    at  = (size_t)snprintf(line, sizeof line, "%s%.*s  ", ERASE, width > 24 ? width - 20 : width, what);
    bar = width - (int)(at - strlen(ERASE)) - 6 - (int)strlen(time) - 2;
    if (bar > 30)
        bar = 30;
    if (fraction > 1)
        fraction = 1;
    if (fraction >= 0 && bar >= 8) {
        full = (int)(fraction * bar + 0.5);
        for (int i = 0; i < bar; i++)
            at += (size_t)sprintf(line + at, "%s", utf8 ? (i < full ? "\u2501" : "\u2500") : (i < full ? "=" : "-"));
        at += (size_t)sprintf(line + at, " %3.0f%%  ", 100 * fraction);
    }
    at += (size_t)snprintf(line + at, sizeof line - at, "%s", time);
    shown = 1;
    put(line, at);
}

static void *draw_on(void *unused)
{
    pthread_mutex_lock(&lock);
    while (!ending) {
        struct timespec until;
        double          elapsed = cli_now() - started;

        if (elapsed >= FIRST_AFTER)
            draw(elapsed);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += INTERVAL_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&wake, &lock, &until);
    }
    pthread_mutex_unlock(&lock);
    return unused;
}

void progress_start(progress_fn *fn, void *user)
{
    pthread_condattr_t attributes;
    const char        *term = getenv("TERM");

    if (running || !isatty(STDERR_FILENO) || !term || !strcmp(term, "dumb"))
        return;
    ask      = fn;
    ask_user = user;
    started  = cli_now();
    ending   = 0;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&wake, &attributes);
    pthread_condattr_destroy(&attributes);
    running = !pthread_create(&thread, NULL, draw_on, NULL); /* without it there is just no bar */
}

void progress_stop(void)
{
    if (!running)
        return;
    pthread_mutex_lock(&lock);
    ending = 1;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&wake);
    running = 0;
    progress_clear();
}

void progress_clear(void)
{
    pthread_mutex_lock(&lock);
    progress_clear_async();
    pthread_mutex_unlock(&lock);
}

void progress_clear_async(void)
{
    if (shown)
        put(ERASE, sizeof ERASE - 1);
    shown = 0;
}
