/* One callback for the process, guarded by a lock, so that it can be changed while others log. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"

static pthread_mutex_t lock    = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t  guarded = PTHREAD_ONCE_INIT;
static sabal_log_fn   *sink;
static void           *sink_user;
static _Atomic int     threshold = -1; /* -1: the environment was not asked yet; 0: silent */

static const char *const LEVELS[] = {"none", "error", "warn", "info", "debug"};

static void to_stderr(void *user, sabal_log_level level, const char *line)
{
    fprintf(stderr, "sabal %s: %s\n", LEVELS[level], line);
}

/* A child made by fork() has this thread alone: the lock must not be another's at that moment. */
static void lock_for_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void guard_fork(void)
{
    pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
}

static sabal_status read_setting(int *level, sabal_error *err)
{
    return sbl_config_choice(level, "log", LEVELS, sizeof LEVELS / sizeof *LEVELS, err);
}

sabal_status sbl_log_check(sabal_error *err)
{
    int level;

    return read_setting(&level, err);
}

/* Called with the lock held. What is no level is told by sabal_open(); here it is silence. */
static void ask_environment(void)
{
    int level = 0;

    read_setting(&level, NULL);
    if (level)
        sink = to_stderr;
    atomic_store_explicit(&threshold, level, memory_order_relaxed);
}

void sabal_set_log(sabal_log_fn *fn, void *user, sabal_log_level level)
{
    pthread_once(&guarded, guard_fork);
    pthread_mutex_lock(&lock);
    sink      = fn;
    sink_user = user;
    atomic_store_explicit(&threshold, fn ? (int)level : 0, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
}

void sbl_log(sabal_log_level level, const char *format, ...)
{
    int     limit = atomic_load_explicit(&threshold, memory_order_relaxed);
    char    line[1024];
    va_list args;

    if (limit >= 0 && (int)level > limit)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_once(&guarded, guard_fork);
    pthread_mutex_lock(&lock);
    if (atomic_load_explicit(&threshold, memory_order_relaxed) < 0)
        ask_environment();
    if (sink && (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed))
        sink(sink_user, level, line);
    pthread_mutex_unlock(&lock);
}
