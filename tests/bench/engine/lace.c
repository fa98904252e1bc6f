/*
 * Lace's side. It has neither a parallel loop nor graphs: loops are split by halves down to a fixed leaf.
 */
#include <lace.h>

#include "drive.h"

TASK_1(long, fib, int, n)
{
    if (n < 2)
        return n;
    SPAWN(fib, n - 1);
    long y = CALL(fib, n - 2);
    long x = SYNC(fib);
    return x + y;
}

static uint64_t run_fib(long n, long arg)
{
    return (uint64_t)RUN(fib, (int)n);
}

TASK_3(long, queens, int, n, int, j, const char *, a)
{
    char boards[QUEENS_MAX][QUEENS_MAX];
    long found = 0;
    int  k     = 0;

    if (j == n)
        return 1;
    for (int i = 0; i < n; i++)
        if (queen_is_safe(a, j, i)) {
            memcpy(boards[k], a, QUEENS_MAX);
            boards[k][j]     = (char)i;
            const char *next = boards[k++];
            SPAWN(queens, n, j + 1, next);
        }
    while (k--)
        found += SYNC(queens);
    return found;
}

static uint64_t run_queens(long n, long arg)
{
    const char board[QUEENS_MAX] = {0};

    return (uint64_t)RUN(queens, (int)n, 0, board);
}

TASK_1(uint64_t, uts, const uts_node *, p)
{
    const int k = uts_n_children(p);
    uint64_t  n = 1;

    if (!k)
        return n;
    uts_node c[k];
    for (int i = 0; i < k; i++) {
        uts_child(p, i, &c[i]);
        SPAWN(uts, &c[i]);
    }
    for (int i = 0; i < k; i++)
        n += SYNC(uts);
    return n;
}

static uint64_t run_uts(long n, long arg)
{
    const uts_node root = uts_root();

    return RUN(uts, &root);
}

TASK_5(double, integrate, double, x1, double, y1, double, x2, double, y2, double, area)
{
    const double half = (x2 - x1) / 2, x0 = x1 + half, y0 = cubic(x0);
    const double left = (y1 + y0) / 2 * half, right = (y0 + y2) / 2 * half;

    if (fabs(left + right - area) < INTEGRATE_EPS)
        return left + right;
    SPAWN(integrate, x1, y1, x0, y0, left);
    double q = CALL(integrate, x0, y0, x2, y2, right);
    double p = SYNC(integrate);
    return p + q;
}

static uint64_t run_integrate(long n, long arg)
{
    return bits_of(RUN(integrate, 0.0, cubic(0), (double)n, cubic((double)n), 0.0));
}

VOID_TASK_6(matmul, const double *, a, const double *, b, double *, c, int, m, int, n, int, k)
{
    if (m <= MATMUL_LEAF && n <= MATMUL_LEAF && k <= MATMUL_LEAF) {
        matmul_leaf(a, b, c, m, n, k, g_n);
    } else if (m >= n && m >= k) {
        const int h = m / 2;

        SPAWN(matmul, a, b, c, h, n, k);
        CALL(matmul, a + h * g_n, b, c + h * g_n, m - h, n, k);
        SYNC(matmul);
    } else if (n >= k) {
        const int h = n / 2;

        SPAWN(matmul, a, b, c, m, h, k);
        CALL(matmul, a, b + h, c + h, m, n - h, k);
        SYNC(matmul);
    } else {
        const int h = k / 2;

        CALL(matmul, a, b, c, m, n, h);
        CALL(matmul, a + h, b + h * g_n, c, m, n, k - h);
    }
}

static uint64_t run_matmul(long n, long arg)
{
    RUN(matmul, g_a, g_b, g_c, (int)n, (int)n, (int)n);
    return 0;
}

VOID_TASK_5(merge, const int *, x, long, nx, const int *, y, long, ny, int *, out)
{
    if (nx + ny <= MERGE_LEAF) {
        merge_leaf(x, nx, y, ny, out);
        return;
    }
    if (nx < ny) {
        CALL(merge, y, ny, x, nx, out);
        return;
    }
    const long hx = nx / 2, hy = lower_bound(y, ny, x[hx]);

    SPAWN(merge, x, hx, y, hy, out);
    CALL(merge, x + hx, nx - hx, y + hy, ny - hy, out + hx + hy);
    SYNC(merge);
}

VOID_TASK_4(sort, int *, a, int *, spare, long, n, int, into_spare)
{
    const long h = n / 2;

    if (n <= SORT_LEAF) {
        sort_leaf(a, n);
        if (into_spare)
            memcpy(spare, a, sizeof(int) * (size_t)n);
        return;
    }
    SPAWN(sort, a, spare, h, !into_spare);
    CALL(sort, a + h, spare + h, n - h, !into_spare);
    SYNC(sort);
    if (into_spare)
        CALL(merge, a, h, a + h, n - h, spare);
    else
        CALL(merge, spare, h, spare + h, n - h, a);
}

static uint64_t run_sort(long n, long arg)
{
    RUN(sort, g_list, g_spare, n, 0);
    return 0;
}

/* --- loops ------------------------------------------------------------------------------------------------- */

VOID_TASK_3(two_piece, long, i, long, launch, long, rounds)
{
    one_of_two(i, launch, rounds);
}

VOID_TASK_2(twos, long, n, long, rounds)
{
    for (long l = 0; l < n; l++) {
        SPAWN(two_piece, 1, l, rounds);
        CALL(two_piece, 0, l, rounds);
        SYNC(two_piece);
    }
}

static uint64_t run_for_2way(long n, long arg)
{
    RUN(twos, n, arg);
    return 0;
}

VOID_TASK_5(loop_halves, long, begin, long, end, long, grain, long, launch, long, rounds)
{
    if (end - begin > grain) {
        const long middle = begin + (end - begin) / 2;

        SPAWN(loop_halves, middle, end, grain, launch, rounds);
        CALL(loop_halves, begin, middle, grain, launch, rounds);
        SYNC(loop_halves);
    } else {
        loop_leaf(g_out, begin, end, launch, rounds);
    }
}

VOID_TASK_2(loops, long, n, long, rounds)
{
    for (long l = 0; l < n; l++)
        CALL(loop_halves, 0, SHORT_LOOP, halving_grain(), l, rounds);
}

static uint64_t run_for_1000(long n, long arg)
{
    RUN(loops, n, arg);
    return 0;
}

TASK_5(uint64_t, sum_halves, long, begin, long, end, long, grain, long, launch, long, rounds)
{
    if (end - begin <= grain)
        return sum_leaf(begin, end, launch, rounds);
    const long middle = begin + (end - begin) / 2;

    SPAWN(sum_halves, middle, end, grain, launch, rounds);
    uint64_t x = CALL(sum_halves, begin, middle, grain, launch, rounds);
    uint64_t y = SYNC(sum_halves);
    return x + y;
}

TASK_2(uint64_t, sums, long, n, long, rounds)
{
    uint64_t all = 0;

    for (long l = 0; l < n; l++)
        all ^= CALL(sum_halves, 0, SHORT_LOOP, halving_grain(), l, rounds);
    return all;
}

static uint64_t run_reduce(long n, long arg)
{
    return RUN(sums, n, arg);
}

VOID_TASK_2(chunks, long, begin, long, end)
{
    if (end - begin > 1) {
        const long middle = begin + (end - begin) / 2;

        SPAWN(chunks, middle, end);
        CALL(chunks, begin, middle);
        SYNC(chunks);
    } else if (end > begin) {
        one_chunk(begin);
    }
}

static uint64_t run_dynamic_chunk(long n, long arg)
{
    RUN(chunks, 0, n);
    return 0;
}

/* --- steps with a barrier; its idle workers spin, so it has no part in idleness and waking -------------------- */

VOID_TASK_2(stencil_piece, long, i, long, rounds)
{
    stencil_task(i, rounds);
}

VOID_TASK_1(steps, long, rounds)
{
    for (int t = 0; t < METG_STEPS; t++) {
        for (long i = 1; i < METG_WIDTH; i++)
            SPAWN(stencil_piece, i, rounds);
        CALL(stencil_piece, 0, rounds);
        for (long i = 1; i < METG_WIDTH; i++)
            SYNC(stencil_piece);
    }
}

static void run_steps(long rounds)
{
    RUN(steps, rounds);
}

static uint64_t run_metg_barrier(long n, long arg)
{
    return metg_with(NULL, run_steps, n);
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    lace_start((unsigned)threads, 1 << 21);
    RUN(fib, 20);
}

static void stop(void)
{
    lace_stop();
}

static const workload workloads[] = {
    {"fib", run_fib},
    {"queens", run_queens},
    {"uts", run_uts},
    {"integrate", run_integrate},
    {"sort", run_sort},
    {"matmul", run_matmul},
    {"for-2way", run_for_2way},
    {"for-1000", run_for_1000},
    {"reduce", run_reduce},
    {"dynamic-chunk", run_dynamic_chunk},
    {"metg-barrier", run_metg_barrier},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, stop);
}
