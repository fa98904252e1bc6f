/*
 * For tests that must not hang: a thread that ends the program if a step takes too long, and says who hangs: the step, the
 * pool's counts, each slot, and what each thread of the process is doing. Pool threads block all signals, so it reads /proc.
 */
#ifndef SBL_TESTS_WATCHDOG_H
#define SBL_TESTS_WATCHDOG_H

#include <stdarg.h>
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "sched/worker.h"

static struct watchdog {
    _Atomic int64_t     deadline; /* 0: nothing is watched */
    _Atomic(sbl_pool *) pool;
    char                step[120];
} watchdog;

static inline void watchdog_print_line(const char *path)
{
    char  line[200];
    FILE *file = fopen(path, "r");

    if (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        fprintf(stderr, " %s", line);
    }
    if (file)
        fclose(file);
}

/* Of each thread: name, state of the scheduler, system call with its arguments. */
static inline void watchdog_print_threads(void)
{
    DIR           *folder = opendir("/proc/self/task");
    struct dirent *entry;
    char           path[sizeof entry->d_name + 40];

    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        fprintf(stderr, "  thread %s", entry->d_name);
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "/proc/self/task/%s/%s", entry->d_name,
                     (const char *const[]){"comm", "wchan", "syscall"}[i]);
            watchdog_print_line(path);
        }
        fprintf(stderr, "\n");
    }
    if (folder)
        closedir(folder);
}

static inline void watchdog_print_slot(const sbl_slot *slot)
{
    const uint64_t shared = slot->shared;

    if (slot->place.request && !slot->token && !slot->joined && !slot->in_use && !slot->mail &&
        sbl_tail_of(shared) == sbl_split_of(shared) && !sbl_queue_has_any(&slot->queue))
        return; /* an idle one */
    fprintf(stderr,
            "  slot %d tid %d: shared %u..%u age %" PRIu64
            ", split %td, request %d, token %u at %p, joined %u at %p, in use %d, "
            "searching %d, mail %p, queue %d\n",
            (int)slot->index, (int)slot->tid, sbl_tail_of(shared), sbl_split_of(shared), shared / SBL_AGE,
            slot->base ? slot->place.split - slot->base : -1, (int)slot->place.request, slot->token,
            (const void *)&slot->token, slot->joined, (const void *)&slot->joined, (int)slot->in_use,
            (int)slot->searching, (void *)slot->mail, sbl_queue_has_any(&slot->queue));
}

static inline void watchdog_print_pool(sbl_pool *pool)
{
    const uint64_t state = sbl_state(pool);

    fprintf(stderr,
            "  pool of %d: awake %d, searching %d, guests %d, blocked %d, threads %d of %d, no more %d, posted %d\n",
            (int)pool->threads, (int)SBL_COUNT(state, SBL_AWAKE), (int)SBL_COUNT(state, SBL_SEARCHING),
            (int)SBL_COUNT(state, SBL_GUEST), (int)SBL_COUNT(state, SBL_BLOCKED), (int)pool->n_threads,
            (int)pool->max_threads, (int)pool->no_more, sbl_queue_has_any(&pool->queue));
    for (int32_t w = 0; w * 64 < pool->max_threads; w++)
        fprintf(stderr, "  sleeping %d: %#" PRIx64 "\n", (int)w * 64, (uint64_t)pool->sleeping[w]);
    for (int32_t i = 0; i < pool->max_slots; i++)
        if (pool->slots[i])
            watchdog_print_slot(pool->slots[i]);
}

static void *watchdog_run(void *argument)
{
    for (;;) {
        const int64_t deadline = watchdog.deadline;

        if (deadline && sbl_clock_ns() > deadline) {
            fprintf(stderr, "HANGS: %s\n", watchdog.step);
            if (watchdog.pool)
                watchdog_print_pool(watchdog.pool);
            watchdog_print_threads();
            abort();
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return NULL;
}

/* From now on this step may take so long; pool may be NULL. */
static inline void watch(sbl_pool *pool, int64_t seconds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline void watch(sbl_pool *pool, int64_t seconds, const char *format, ...)
{
    static _Atomic int started;
    pthread_t          thread;
    va_list            args;

    watchdog.deadline = 0;
    va_start(args, format);
    vsnprintf(watchdog.step, sizeof watchdog.step, format, args);
    va_end(args);
    watchdog.pool = pool;
    if (!started++) {
        pthread_create(&thread, NULL, watchdog_run, NULL);
        pthread_detach(thread);
    }
    watchdog.deadline = sbl_clock_ns() + seconds * 1000000000;
}

/* The step is over. */
static inline void watch_end(void)
{
    watchdog.deadline = 0;
    watchdog.pool     = NULL;
}

#endif
