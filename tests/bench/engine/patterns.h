/*
 * The patterns of Task Bench (Slaughter et al., SC 2020), under its names: tasks in steps, each after some of the step
 * before. Each task's value is a chain of multiplications over its inputs' values, so that a task that ran too early, or
 * not at all, changes the result; run_serially() says what is right.
 */
#ifndef ENGINE_PATTERNS_H
#define ENGINE_PATTERNS_H

#include "harness.h"

enum {
    TRIVIAL,        /* no dependencies                                              */
    NO_COMM,        /* point i after i                                              */
    STENCIL_1D,     /* after i - 1 .. i + 1                                         */
    FFT,            /* after i and i +- a power of two, another one at each step    */
    RANDOM_NEAREST, /* after i and some of i - 2 .. i + 2, other ones every 3 steps */
    TREE,           /* after i / 2; a step is twice as wide as the one before       */
    N_PATTERNS
};
enum { MOST_DEPENDENCIES = 5, NEAR = 2, PERIOD = 3, WIDTH = 8 };

static inline uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * 0x7fb5d329728ea185ULL;
    x = (x ^ (x >> 27)) * 0x81dadef4bc2dd44dULL;
    return x ^ (x >> 33);
}

static inline long width_at(long pattern, long step)
{
    return pattern == TREE && step < 3 ? 1L << step : WIDTH;
}

/* Whether a task may have any of the near ones for a neighbour: a quarter of them, itself always. */
static inline int is_near(long step, long i, long k)
{
    return i == k || mix((uint64_t)((step % PERIOD * WIDTH + i) * WIDTH + k + 1)) % 4 == 0;
}

/* The points of the step before that a task depends on, in rising order. Returns how many. */
static inline int dependencies(long before[MOST_DEPENDENCIES], long pattern, long step, long i)
{
    const long apart = 1L << ((step + 2) % 3); /* 3 is the logarithm of the width */
    int        n     = 0;

    if (step == 0 || pattern == TRIVIAL)
        return 0;
    if (pattern == NO_COMM || pattern == TREE)
        before[n++] = pattern == TREE ? i / 2 : i;
    for (long k = 0; k < WIDTH; k++)
        if ((pattern == STENCIL_1D && labs(k - i) <= 1) || (pattern == FFT && (k == i || labs(k - i) == apart)) ||
            (pattern == RANDOM_NEAREST && labs(k - i) <= NEAR && is_near(step, i, k)))
            before[n++] = k;
    return n;
}

/* A task's own: folds its inputs in one by one, then works. */
static inline uint64_t begin_task(long step, long i)
{
    return mix((uint64_t)(step * WIDTH + i + 1));
}

static inline uint64_t fold_input(uint64_t x, uint64_t input)
{
    return mix(x ^ input);
}

static inline uint64_t end_task(uint64_t x, long rounds)
{
    return burn(x, rounds);
}

/* Values of all tasks, each on a line of its own. */
typedef struct value {
    uint64_t is;
    char     apart[56];
} value;

static inline void run_task(value *values, long pattern, long step, long i, long rounds)
{
    long      before[MOST_DEPENDENCIES];
    const int n = dependencies(before, pattern, step, i);
    uint64_t  x = begin_task(step, i);

    for (int k = 0; k < n; k++)
        x = fold_input(x, values[(step - 1) * WIDTH + before[k]].is);
    values[step * WIDTH + i].is = end_task(x, rounds);
}

static inline long n_tasks(long pattern, long steps)
{
    long n = 0;

    for (long t = 0; t < steps; t++)
        n += width_at(pattern, t);
    return n;
}

/* One number for the values of all tasks that nobody comes after: those of the last step, or, if trivial, of all. */
static inline uint64_t result_of(const value *values, long pattern, long steps)
{
    uint64_t x = 0;

    for (long t = pattern == TRIVIAL ? 0 : steps - 1; t < steps; t++)
        for (long i = 0; i < width_at(pattern, t); i++)
            x = fold_input(x, values[t * WIDTH + i].is);
    return x;
}

static inline uint64_t run_serially(value *values, long pattern, long steps, long rounds)
{
    for (long t = 0; t < steps; t++)
        for (long i = 0; i < width_at(pattern, t); i++)
            run_task(values, pattern, t, i, rounds);
    return result_of(values, pattern, steps);
}

#endif
