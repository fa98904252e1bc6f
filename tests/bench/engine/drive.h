/*
 * Loops, graphs, idleness, waking, the smallest task: their inputs and checks, and the drivers that measure by
 * themselves with a function of each side. C11 and C++17.
 */
#ifndef ENGINE_DRIVE_H
#define ENGINE_DRIVE_H

#include "kernels.h"

/* --- loops ------------------------------------------------------------------------------------------------- */

enum {
    SHORT_LOOP = 1000,
    APART      = 32
}; /* iterations of a short loop; words that keep two results on lines of their own */
static uint64_t *g_out;
static uint8_t  *g_hits;

static void prepare_loop(long n, long arg)
{
    (void)n;
    (void)arg;
    free(g_out);
    g_out = (uint64_t *)room(sizeof(uint64_t) * SHORT_LOOP);
}

/* Of the last of n launches. */
static int check_loop(uint64_t result, long n, long arg)
{
    (void)result;
    for (long i = 0; i < SHORT_LOOP; i++)
        if (g_out[i] != burn((uint64_t)(i + n - 1), arg))
            return 0;
    return 1;
}

static int check_two(uint64_t result, long n, long arg)
{
    (void)result;
    return g_out[0] == burn((uint64_t)(n - 1), arg) && g_out[APART] == burn((uint64_t)n, arg);
}

static inline void one_of_two(long i, long launch, long rounds)
{
    g_out[i * APART] = burn((uint64_t)(i + launch), rounds);
}

/* For sides that call a function of each index; the others call loop_leaf() and sum_leaf() of a range. */
static inline void one_of_loop(long i, long launch, long rounds)
{
    g_out[i] = burn((uint64_t)(i + launch), rounds);
}

static inline uint64_t one_of_sum(long i, long launch, long rounds)
{
    return burn((uint64_t)(i + launch), rounds);
}

/* Leaf of sides that halve a short loop by hand: two a thread. */
static inline long halving_grain(void)
{
    return (SHORT_LOOP + 2 * g_threads - 1) / (2 * g_threads);
}

static int check_sum(uint64_t result, long n, long arg)
{
    uint64_t all = 0;

    for (long l = 0; l < n; l++)
        all ^= sum_leaf(0, SHORT_LOOP, l, arg);
    return result == all;
}

static void prepare_chunks(long n, long arg)
{
    (void)arg;
    free(g_hits);
    g_hits = (uint8_t *)room((size_t)n);
    memset(g_hits, 0, (size_t)n);
}

static inline void one_chunk(long i)
{
    g_hits[i]++;
}

static int check_chunks(uint64_t result, long n, long arg)
{
    (void)result;
    (void)arg;
    for (long i = 0; i < n; i++)
        if (g_hits[i] != 1)
            return 0;
    return 1;
}

/* --- graphs ------------------------------------------------------------------------------------------------ */

enum { RERUNS = 5 };

static int check_chain(uint64_t result, long n, long arg)
{
    (void)arg;
    return result == (uint64_t)n;
}

static int check_rerun_chain(uint64_t result, long n, long arg)
{
    (void)arg;
    return result == (uint64_t)n * (RERUNS + 1);
}

/* Cell (i, j) of n x n holds 1 + the one above + the one to the left, modulo 2^64. */
static int check_wavefront(uint64_t result, long n, long arg)
{
    uint64_t *row = (uint64_t *)room(sizeof(uint64_t) * (size_t)n);
    uint64_t  last;

    (void)arg;
    memset(row, 0, sizeof(uint64_t) * (size_t)n);
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++)
            row[j] += 1 + (j ? row[j - 1] : 0);
    last = row[n - 1];
    free(row);
    return result == last;
}

/* Sides return how many tasks ran and had the right inputs. */
static int check_count(uint64_t result, long n, long arg)
{
    (void)arg;
    return result == (uint64_t)n;
}

static int is_right(uint64_t result, long n, long arg)
{
    (void)n;
    (void)arg;
    return result == 1;
}

/* --- idleness and waking: pair(us) runs spin_us(us) twice, as two tasks ------------------------------------ */

static int g_spun;

static inline void spin_us(double us)
{
    const double end = now_s() + us * 1e-6;

    __atomic_fetch_add(&g_spun, 1, __ATOMIC_RELAXED);
    while (now_s() < end) {
    }
}

/* Median of what a pair of 1 ms tasks takes beyond 1 ms, in us, after an idle gap of n ms. */
static uint64_t wake_with(void (*pair)(double), long n)
{
    enum { TIMES = 61 };
    double v[TIMES];

    g_spun = 0;
    for (int i = 0; i < TIMES; i++) {
        double start;

        usleep((useconds_t)n * 1000);
        start = now_s();
        pair(1000);
        v[i] = (now_s() - start) * 1e6 - 1000;
    }
    qsort(v, TIMES, sizeof v[0], compare_doubles);
    g_value = v[TIMES / 2];
    return g_spun == 2 * TIMES;
}

/* Microseconds of processor that the process uses in n ms after work. */
static uint64_t idle_with(void (*pair)(double), long n)
{
    double cpu;

    g_spun = 0;
    for (int i = 0; i < 100; i++)
        pair(50);
    cpu = exact_cpu_s();
    usleep((useconds_t)n * 1000);
    g_value = (exact_cpu_s() - cpu) * 1e6;
    return g_spun == 200;
}

/* --- the smallest task at which both threads work at a given part of their time ---------------------------- */

enum { METG_WIDTH = 4, METG_STEPS = 400, METG_RUNS = 7, METG_LARGEST = 16384 };

static struct cell {
    uint64_t steps;
    char     apart[120];
} __attribute__((aligned(128))) g_cells[METG_WIDTH];

/* Task (step, i) of the stencil follows (step - 1, i - 1 .. i + 1), so each cell has one writer at a time. */
static inline void stencil_task(long i, long rounds)
{
    sink(burn(1, rounds));
    g_cells[i].steps++;
}

/* Best of some runs: one that is disturbed must not end the search. */
static double stencil_seconds(void (*run)(long), long rounds)
{
    double best = 1e9;

    for (int k = 0; k < METG_RUNS; k++) {
        const double start = now_s();
        double       took;

        run(rounds);
        took = now_s() - start;
        if (took < best)
            best = took;
    }
    return best;
}

/*
 * prepare (may be NULL) builds, untimed, what run goes through. Grains fall by the root of two; between the last grain
 * that is still efficient and the next the crossing is interpolated. n: efficiency in percent.
 */
static uint64_t metg_with(void (*prepare)(long rounds), void (*run)(long rounds), long n)
{
    const double wanted = (double)n / 100, a_round = ns_a_round();
    double       last_efficiency = 1, last_grain = 0;
    uint64_t     right = 1;

    for (double g = METG_LARGEST; g >= 32; g /= 1.41421356) {
        const long   rounds = g / a_round < 1 ? 1 : (long)(g / a_round);
        const double grain  = (double)rounds * a_round;
        double       efficiency;

        if (prepare)
            prepare(rounds);
        run(rounds);
        memset(g_cells, 0, sizeof g_cells);
        efficiency = grain * 1e-9 * METG_WIDTH * METG_STEPS / (stencil_seconds(run, rounds) * g_threads);
        for (int i = 0; i < METG_WIDTH; i++)
            right &= g_cells[i].steps == METG_STEPS * METG_RUNS;
        if (efficiency >= wanted)
            g_value = grain;
        else if (last_grain > 0 && last_efficiency >= wanted)
            g_value = grain * pow(last_grain / grain, (wanted - efficiency) / (last_efficiency - efficiency));
        last_efficiency = efficiency;
        last_grain      = grain;
    }
    return right; /* a value of 0: it is never so efficient */
}

/* --- all of them ------------------------------------------------------------------------------------------- */

static const kernel kernels[] = {
    {"fib", NULL, check_fib},
    {"queens", NULL, check_queens},
    {"uts", prepare_uts, check_uts},
    {"uts-stack", prepare_uts, check_uts},
    {"integrate", NULL, check_integrate},
    {"sort", prepare_sort, check_sort},
    {"matmul", prepare_matmul, check_matmul},
    {"for-2way", prepare_loop, check_two},
    {"for-outside", prepare_loop, check_two},
    {"for-1000", prepare_loop, check_loop},
    {"reduce", NULL, check_sum},
    {"dynamic-chunk", prepare_chunks, check_chunks},
    {"build-chain", NULL, check_chain},
    {"build-wavefront", NULL, check_wavefront},
    {"rerun-chain", NULL, check_rerun_chain},
    {"rerun-wavefront", NULL, check_wavefront},
    {"futures-chain", NULL, check_count},
    {"futures-tree", NULL, check_count},
    {"futures-map", NULL, check_count},
    {"futures-map-reduce", NULL, check_count},
    {"roundtrip", NULL, check_count},
    {"both", NULL, check_count},
    {"rest", NULL, check_count},
    {"futures-bytes", NULL, check_count},
    {"cpu", NULL, is_right},
    {"wake", NULL, is_right},
    {"metg-graph", NULL, is_right},
    {"metg-barrier", NULL, is_right},
    {NULL, NULL, NULL},
};

#endif
