/* oneTBB's side, but for graphs: parallel_invoke, task_group, parallel_for, all in an arena of as many threads. */
#include <memory>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_invoke.h>
#include <tbb/parallel_reduce.h>
#include <tbb/task_group.h>

#include "drive.h"
#include "tbb_arena.hpp"

using range = tbb::blocked_range<long>;

static long fib(int n)
{
    long x, y;

    if (n < 2)
        return n;
    tbb::parallel_invoke([&] { x = fib(n - 1); }, [&] { y = fib(n - 2); });
    return x + y;
}

static uint64_t run_fib(long n, long)
{
    return inside([=] { return (uint64_t)fib((int)n); });
}

static long queens(int n, int j, const char *a)
{
    char            boards[QUEENS_MAX][QUEENS_MAX];
    long            found[QUEENS_MAX], all = 0;
    int             k = 0;
    tbb::task_group group;

    if (j == n)
        return 1;
    for (int i = 0; i < n; i++)
        if (queen_is_safe(a, j, i)) {
            long       *out  = &found[k];
            const char *next = boards[k];

            memcpy(boards[k], a, QUEENS_MAX);
            boards[k++][j] = (char)i;
            group.run([=] { *out = queens(n, j + 1, next); });
        }
    group.wait();
    while (k--)
        all += found[k];
    return all;
}

static uint64_t run_queens(long n, long)
{
    const char board[QUEENS_MAX] = {0};

    return inside([&] { return (uint64_t)queens((int)n, 0, board); });
}

static uint64_t uts(const uts_node *p)
{
    const int k = uts_n_children(p);
    uint64_t  n = 1;

    if (!k)
        return n;
    uts_node       *c     = (uts_node *)alloca(sizeof(uts_node) * (size_t)k);
    uint64_t       *below = (uint64_t *)alloca(sizeof(uint64_t) * (size_t)k);
    tbb::task_group group;
    for (int i = 0; i < k; i++) {
        uint64_t *out   = &below[i];
        uts_node *child = &c[i];

        uts_child(p, i, child);
        group.run([=] { *out = uts(child); });
    }
    group.wait();
    for (int i = 0; i < k; i++)
        n += below[i];
    return n;
}

static uint64_t run_uts(long, long)
{
    const uts_node root = uts_root();

    return inside([&] { return uts(&root); });
}

static double integrate(double x1, double y1, double x2, double y2, double area)
{
    const double half = (x2 - x1) / 2, x0 = x1 + half, y0 = cubic(x0);
    const double left = (y1 + y0) / 2 * half, right = (y0 + y2) / 2 * half;
    double       p, q;

    if (fabs(left + right - area) < INTEGRATE_EPS)
        return left + right;
    tbb::parallel_invoke([&] { p = integrate(x1, y1, x0, y0, left); }, [&] { q = integrate(x0, y0, x2, y2, right); });
    return p + q;
}

static uint64_t run_integrate(long n, long)
{
    return inside([=] { return bits_of(integrate(0, cubic(0), (double)n, cubic((double)n), 0)); });
}

static void matmul(const double *a, const double *b, double *c, int m, int n, int k)
{
    if (m <= MATMUL_LEAF && n <= MATMUL_LEAF && k <= MATMUL_LEAF) {
        matmul_leaf(a, b, c, m, n, k, g_n);
    } else if (m >= n && m >= k) {
        const int h = m / 2;

        tbb::parallel_invoke([=] { matmul(a, b, c, h, n, k); },
                             [=] { matmul(a + h * g_n, b, c + h * g_n, m - h, n, k); });
    } else if (n >= k) {
        const int h = n / 2;

        tbb::parallel_invoke([=] { matmul(a, b, c, m, h, k); }, [=] { matmul(a, b + h, c + h, m, n - h, k); });
    } else {
        const int h = k / 2;

        matmul(a, b, c, m, n, h);
        matmul(a + h, b + h * g_n, c, m, n, k - h);
    }
}

static uint64_t run_matmul(long n, long)
{
    return inside([=] { return matmul(g_a, g_b, g_c, (int)n, (int)n, (int)n), 0; });
}

static void merge(const int *x, long nx, const int *y, long ny, int *out)
{
    if (nx + ny <= MERGE_LEAF)
        return merge_leaf(x, nx, y, ny, out);
    if (nx < ny)
        return merge(y, ny, x, nx, out);
    const long hx = nx / 2, hy = lower_bound(y, ny, x[hx]);

    tbb::parallel_invoke([=] { merge(x, hx, y, hy, out); },
                         [=] { merge(x + hx, nx - hx, y + hy, ny - hy, out + hx + hy); });
}

static void sort(int *a, int *spare, long n, int into_spare)
{
    const long h = n / 2;

    if (n <= SORT_LEAF) {
        sort_leaf(a, n);
        if (into_spare)
            memcpy(spare, a, sizeof(int) * (size_t)n);
        return;
    }
    tbb::parallel_invoke([=] { sort(a, spare, h, !into_spare); }, [=] { sort(a + h, spare + h, n - h, !into_spare); });
    if (into_spare)
        merge(a, h, a + h, n - h, spare);
    else
        merge(spare, h, spare + h, n - h, a);
}

static uint64_t run_sort(long n, long)
{
    return inside([=] { return sort(g_list, g_spare, n, 0), 0; });
}

/* --- loops ------------------------------------------------------------------------------------------------- */

static uint64_t run_for_2way(long n, long rounds)
{
    return inside([=] {
        for (long l = 0; l < n; l++)
            tbb::parallel_for(
                range(0, 2, 1),
                [=](const range &r) {
                    for (long i = r.begin(); i < r.end(); i++)
                        one_of_two(i, l, rounds);
                },
                tbb::static_partitioner());
        return 0;
    });
}

/* Each launch enters the arena anew. */
static uint64_t run_for_outside(long n, long rounds)
{
    for (long l = 0; l < n; l++)
        inside([=] {
            tbb::parallel_invoke([=] { one_of_two(0, l, rounds); }, [=] { one_of_two(1, l, rounds); });
            return 0;
        });
    return 0;
}

static uint64_t run_for_1000(long n, long rounds)
{
    return inside([=] {
        for (long l = 0; l < n; l++)
            tbb::parallel_for(range(0, SHORT_LOOP),
                              [=](const range &r) { loop_leaf(g_out, r.begin(), r.end(), l, rounds); });
        return 0;
    });
}

static uint64_t run_reduce(long n, long rounds)
{
    return inside([=] {
        uint64_t all = 0;

        for (long l = 0; l < n; l++)
            all ^= tbb::parallel_reduce(
                range(0, SHORT_LOOP), (uint64_t)0,
                [=](const range &r, uint64_t sum) { return sum + sum_leaf(r.begin(), r.end(), l, rounds); },
                [](uint64_t x, uint64_t y) { return x + y; });
        return all;
    });
}

static uint64_t run_dynamic_chunk(long n, long)
{
    return inside([=] {
        tbb::parallel_for(
            range(0, n, 1),
            [](const range &r) {
                for (long i = r.begin(); i < r.end(); i++)
                    one_chunk(i);
            },
            tbb::simple_partitioner());
        return 0;
    });
}

/* --- idleness, waking, steps with a barrier ---------------------------------------------------------------- */

static void pair(double us)
{
    inside([=] { return tbb::parallel_invoke([=] { spin_us(us); }, [=] { spin_us(us); }), 0; });
}

static uint64_t run_wake(long n, long)
{
    return wake_with(pair, n);
}

static uint64_t run_cpu(long n, long)
{
    return idle_with(pair, n);
}

static void run_steps(long rounds)
{
    inside([=] {
        for (int t = 0; t < METG_STEPS; t++)
            tbb::parallel_for(
                range(0, METG_WIDTH, 1),
                [=](const range &r) {
                    for (long i = r.begin(); i < r.end(); i++)
                        stencil_task(i, rounds);
                },
                tbb::static_partitioner());
        return 0;
    });
}

static uint64_t run_metg_barrier(long n, long)
{
    return metg_with(NULL, run_steps, n);
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    open_arena(threads);
    pair(500);
}

static const workload workloads[] = {
    {"fib", run_fib},
    {"queens", run_queens},
    {"uts", run_uts},
    {"integrate", run_integrate},
    {"sort", run_sort},
    {"matmul", run_matmul},
    {"for-2way", run_for_2way},
    {"for-outside", run_for_outside},
    {"for-1000", run_for_1000},
    {"reduce", run_reduce},
    {"dynamic-chunk", run_dynamic_chunk},
    {"cpu", run_cpu},
    {"wake", run_wake},
    {"metg-barrier", run_metg_barrier},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, NULL);
}
