/*
 * What every side of the engine's benchmarks is made of: a clock, a look at the machine's load, and a main function
 * that runs one workload of a table and prints one line of JSON. C11 and C++17; each program includes it once.
 *
 *     PROGRAM THREADS WORKLOAD N ARG WARM     runs it with WARM (0: not at all), then, timed, with N
 *
 *     {"seconds": S, "value": V, "foreign": F, "cpu": C}
 *         S  by the clock, of the whole
 *         V  what the workload measured itself, in ns, µs or bytes; 0 if the seconds are all there is
 *         F  seconds of processors that others used meanwhile, on the whole machine (a tick is 10 ms)
 *         C  seconds of processors that it used itself
 *
 * The time holds neither the making of the input nor the check of the result; a wrong one ends the program with
 * status 3. Status 4: this side has no such workload.
 */
#ifndef ENGINE_HARNESS_H
#define ENGINE_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "leaves.h"

typedef struct workload {
    const char *name;
    uint64_t (*run)(long n, long arg);
} workload;

static int    g_threads = 1;
static double g_value; /* see V above */

static inline double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline double own_cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/*
 * The same to the last nanosecond: the kernel adds what a running thread has used to the process's time at a clock tick, or
 * when the thread stops, so that work of up to some milliseconds would seem to be done later. A thread's own clock is exact.
 */
static inline double exact_cpu_s(void)
{
    double         all    = 0;
    DIR           *folder = opendir("/proc/self/task");
    struct dirent *entry;

    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.') {
            const clockid_t clock =
                (clockid_t)(~(unsigned)atoi(entry->d_name) << 3 | 6); /* of that thread: its scheduled time */
            struct timespec t;

            if (!clock_gettime(clock, &t))
                all += (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
        }
    if (folder)
        closedir(folder);
    return all;
}

/* Seconds that the machine's processors were busy so far, or were taken by a host. */
static inline double busy_s(void)
{
    unsigned long long v[8] = {0};
    FILE              *f    = fopen("/proc/stat", "r");
    int                n;

    if (!f)
        return 0;
    n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7);
    fclose(f);
    if (n < 8)
        return 0;
    return (double)(v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / (double)sysconf(_SC_CLK_TCK);
}

static inline long resident_bytes(void)
{
    long  all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f || fscanf(f, "%ld %ld", &all, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

static inline int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline void sink(uint64_t x)
{
    __asm__ volatile("" : : "r"(x));
}

/* What a round of burn() costs here. */
static inline double ns_a_round(void)
{
    double best = 1e9;

    for (int r = 0; r < 7; r++) {
        const double start = now_s();
        double       took;

        sink(burn((uint64_t)r, 1000000));
        took = now_s() - start;
        if (took < best)
            best = took;
    }
    return best * 1e3;
}

/* What all sides' runs of one workload have in common: its input is made and its result looked at outside the time. */
typedef struct kernel {
    const char *name;
    void (*prepare)(long n, long arg);               /* NULL: nothing is to be made */
    int (*check)(uint64_t result, long n, long arg); /* 1: it is right              */
} kernel;

struct timing {
    double seconds, foreign, cpu;
};

static inline struct timing run_once(const workload *w, const kernel *k, long n, long arg)
{
    struct timing t;
    double        busy, cpu;
    uint64_t      result;

    if (k->prepare)
        k->prepare(n, arg);
    g_value   = 0;
    busy      = busy_s();
    cpu       = own_cpu_s();
    t.seconds = now_s();
    result    = w->run(n, arg);
    t.seconds = now_s() - t.seconds;
    t.cpu     = own_cpu_s() - cpu;
    t.foreign = busy_s() - busy - t.cpu;
    if (t.foreign < 0)
        t.foreign = 0;
    if (!k->check(result, n, arg)) {
        fprintf(stderr, "bench: %s %ld %ld: the result is wrong (%llu)\n", w->name, n, arg, (unsigned long long)result);
        exit(3);
    }
    return t;
}

/* Both tables end with a name that is NULL; start and stop may be NULL. */
static int bench_main(int argc, char **argv, const kernel *k, const workload *w, void (*start)(int threads),
                      void (*stop)(void))
{
    struct timing t;
    long          n, arg, warm;

    if (argc != 6) {
        fprintf(stderr, "usage: %s THREADS WORKLOAD N ARG WARM\n", argv[0]);
        return 2;
    }
    g_threads = atoi(argv[1]);
    n         = atol(argv[3]);
    arg       = atol(argv[4]);
    warm      = atol(argv[5]);
    while (w->name && strcmp(w->name, argv[2]))
        w++;
    while (k->name && strcmp(k->name, argv[2]))
        k++;
    if (!w->name || !k->name)
        return 4;
    if (start)
        start(g_threads);
    if (warm)
        run_once(w, k, warm, arg);
    t = run_once(w, k, n, arg);
    if (stop)
        stop();
    printf("{\"seconds\": %.9g, \"value\": %.9g, \"foreign\": %.3f, \"cpu\": %.3f}\n", t.seconds, g_value, t.foreign,
           t.cpu);
    return 0;
}

#endif
