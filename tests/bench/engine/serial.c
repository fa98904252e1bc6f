/* Plain calls and loops, by gcc: what the price of a spawn and the ideal of a loop are measured against. */
#include "drive.h"

/* A real call a node, as any runtime must leave it. */
static __attribute__((noinline)) long fib(int n)
{
    if (n < 2)
        return n;
    const long x = fib(n - 1), y = fib(n - 2);

    return x + y;
}

static uint64_t run_fib(long n, long arg)
{
    return (uint64_t)fib((int)n);
}

static uint64_t run_for_2way(long n, long arg)
{
    for (long l = 0; l < n; l++)
        for (long i = 0; i < 2; i++)
            one_of_two(i, l, arg);
    return 0;
}

static uint64_t run_for_1000(long n, long arg)
{
    for (long l = 0; l < n; l++)
        loop_leaf(g_out, 0, SHORT_LOOP, l, arg);
    return 0;
}

static uint64_t run_reduce(long n, long arg)
{
    uint64_t all = 0;

    for (long l = 0; l < n; l++)
        all ^= sum_leaf(0, SHORT_LOOP, l, arg);
    return all;
}

static const workload workloads[] = {
    {"fib", run_fib}, {"for-2way", run_for_2way}, {"for-1000", run_for_1000}, {"reduce", run_reduce}, {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, NULL, NULL);
}
