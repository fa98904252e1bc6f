/* One callback for the process, guarded by a lock, so that it can be changed while others log. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/error.h"

static pthread_mutex_t lock    = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t  guarded = PTHREAD_ONCE_INIT;
static sabal_log_fn   *sink;
static void           *sink_user;
static _Atomic int     threshold = -1; /* -1: the environment was not asked yet; 0: silent */

static const char *const LEVELS[] = {"", "error", "warn", "info", "debug"};

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

/* 0 for none, and for a word that is no level. */
static int level_of(const char *word)
{
    for (int i = SABAL_LOG_ERROR; i <= SABAL_LOG_DEBUG; i++)
        if (!strcmp(word, LEVELS[i]))
            return i;
    return 0;
}

sabal_status sbl_log_check(sabal_error *err)
{
    char word[64];

    if (!sbl_config_text("log", word, sizeof word) || level_of(word))
        return SABAL_OK;
    return sbl_error_set(err, SABAL_EINVAL, "log (SABAL_LOG) is '%s': expected error, warn, info, debug or nothing",
                         word);
}

/* Called with the lock held. */
static void ask_environment(void)
{
    char word[64];
    int  level;

    sbl_config_text("log", word, sizeof word);
    level = level_of(word);
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
