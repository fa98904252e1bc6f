/* OpenMP's side, for gcc (libgomp) and clang (libomp): tasks, loops, dependences. */
#include <omp.h>

#include "drive.h"

static long fib(int n)
{
    long x, y;

    if (n < 2)
        return n;
#pragma omp task shared(x)
    x = fib(n - 1);
    y = fib(n - 2);
#pragma omp taskwait
    return x + y;
}

static uint64_t run_fib(long n, long arg)
{
    uint64_t result = 0;

#pragma omp parallel
#pragma omp single
    result = (uint64_t)fib((int)n);
    return result;
}

static long queens(int n, int j, const char *a)
{
    char boards[QUEENS_MAX][QUEENS_MAX];
    long found[QUEENS_MAX], all = 0;
    int  k = 0;

    if (j == n)
        return 1;
    for (int i = 0; i < n; i++)
        if (queen_is_safe(a, j, i)) {
            long       *out  = &found[k];
            const char *next = boards[k];

            memcpy(boards[k], a, QUEENS_MAX);
            boards[k++][j] = (char)i;
#pragma omp task firstprivate(out, next, n, j)
            *out = queens(n, j + 1, next);
        }
#pragma omp      taskwait
    while (k--)
        all += found[k];
    return all;
}

static uint64_t run_queens(long n, long arg)
{
    const char board[QUEENS_MAX] = {0};
    uint64_t   result            = 0;

#pragma omp parallel
#pragma omp single
    result = (uint64_t)queens((int)n, 0, board);
    return result;
}

static uint64_t uts(const uts_node *p)
{
    const int k = uts_n_children(p);
    uint64_t  n = 1;

    if (!k)
        return n;
    uts_node c[k];
    uint64_t below[k];
    for (int i = 0; i < k; i++) {
        uint64_t *out   = &below[i];
        uts_node *child = &c[i];

        uts_child(p, i, child);
#pragma omp task firstprivate(out, child)
        *out = uts(child);
    }
#pragma omp      taskwait
    for (int i = 0; i < k; i++)
        n += below[i];
    return n;
}

static uint64_t run_uts(long n, long arg)
{
    const uts_node root   = uts_root();
    uint64_t       result = 0;

#pragma omp parallel
#pragma omp single
    result = uts(&root);
    return result;
}

static double integrate(double x1, double y1, double x2, double y2, double area)
{
    const double half = (x2 - x1) / 2, x0 = x1 + half, y0 = cubic(x0);
    const double left = (y1 + y0) / 2 * half, right = (y0 + y2) / 2 * half;
    double       p, q;

    if (fabs(left + right - area) < INTEGRATE_EPS)
        return left + right;
#pragma omp task shared(p)
    p = integrate(x1, y1, x0, y0, left);
    q = integrate(x0, y0, x2, y2, right);
#pragma omp taskwait
    return p + q;
}

static uint64_t run_integrate(long n, long arg)
{
    double result = 0;

#pragma omp parallel
#pragma omp single
    result = integrate(0, cubic(0), (double)n, cubic((double)n), 0);
    return bits_of(result);
}

static void matmul(const double *a, const double *b, double *c, int m, int n, int k)
{
    if (m <= MATMUL_LEAF && n <= MATMUL_LEAF && k <= MATMUL_LEAF) {
        matmul_leaf(a, b, c, m, n, k, g_n);
    } else if (m >= n && m >= k) {
        const int h = m / 2;

#pragma omp task
        matmul(a, b, c, h, n, k);
        matmul(a + h * g_n, b, c + h * g_n, m - h, n, k);
#pragma omp taskwait
    } else if (n >= k) {
        const int h = n / 2;

#pragma omp task
        matmul(a, b, c, m, h, k);
        matmul(a, b + h, c + h, m, n - h, k);
#pragma omp taskwait
    } else {
        const int h = k / 2;

        matmul(a, b, c, m, n, h);
        matmul(a + h, b + h * g_n, c, m, n, k - h);
    }
}

static uint64_t run_matmul(long n, long arg)
{
#pragma omp parallel
#pragma omp single
    matmul(g_a, g_b, g_c, (int)n, (int)n, (int)n);
    return 0;
}

static void merge(const int *x, long nx, const int *y, long ny, int *out)
{
    if (nx + ny <= MERGE_LEAF) {
        merge_leaf(x, nx, y, ny, out);
        return;
    }
    if (nx < ny) {
        merge(y, ny, x, nx, out);
        return;
    }
    const long hx = nx / 2, hy = lower_bound(y, ny, x[hx]);

#pragma omp task
    merge(x, hx, y, hy, out);
    merge(x + hx, nx - hx, y + hy, ny - hy, out + hx + hy);
#pragma omp taskwait
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
#pragma omp task
    sort(a, spare, h, !into_spare);
    sort(a + h, spare + h, n - h, !into_spare);
#pragma omp taskwait
    if (into_spare)
        merge(a, h, a + h, n - h, spare);
    else
        merge(spare, h, spare + h, n - h, a);
}

static uint64_t run_sort(long n, long arg)
{
#pragma omp parallel
#pragma omp single
    sort(g_list, g_spare, n, 0);
    return 0;
}

/* --- loops: a parallel region each --------------------------------------------------------------------------- */

static uint64_t run_for_2way(long n, long arg)
{
    for (long l = 0; l < n; l++) {
#pragma omp parallel for schedule(static)
        for (long i = 0; i < 2; i++)
            one_of_two(i, l, arg);
    }
    return 0;
}

static uint64_t run_for_1000(long n, long arg)
{
    for (long l = 0; l < n; l++) {
#pragma omp parallel for schedule(static)
        for (long i = 0; i < SHORT_LOOP; i++)
            one_of_loop(i, l, arg);
    }
    return 0;
}

static uint64_t run_reduce(long n, long arg)
{
    uint64_t all = 0;

    for (long l = 0; l < n; l++) {
        uint64_t sum = 0;

#pragma omp parallel for schedule(static) reduction(+ : sum)
        for (long i = 0; i < SHORT_LOOP; i++)
            sum += one_of_sum(i, l, arg);
        all ^= sum;
    }
    return all;
}

static uint64_t run_dynamic_chunk(long n, long arg)
{
#pragma omp parallel for schedule(dynamic, 1)
    for (long i = 0; i < n; i++)
        one_chunk(i);
    return 0;
}

/* --- graphs: run as they are built, by depend clauses --------------------------------------------------------- */

static uint64_t run_chain(long n, long arg)
{
    uint64_t c = 0;

#pragma omp parallel
#pragma omp single
    for (long i = 0; i < n; i++) {
#pragma omp task depend(inout : c) shared(c)
        c++;
    }
    return c;
}

static void wavefront_task(uint64_t *c, long n, long i, long j)
{
    uint64_t *up = i ? c - n : c, *left = j ? c - 1 : c;

    if (i && j) {
#pragma omp task depend(in : *up, *left) depend(out : *c) firstprivate(c, up, left)
        *c = 1 + *up + *left;
    } else if (i) {
#pragma omp task depend(in : *up) depend(out : *c) firstprivate(c, up)
        *c = 1 + *up;
    } else if (j) {
#pragma omp task depend(in : *left) depend(out : *c) firstprivate(c, left)
        *c = 1 + *left;
    } else {
#pragma omp task depend(out : *c) firstprivate(c)
        *c = 1;
    }
}

static uint64_t run_wavefront(long n, long arg)
{
    uint64_t *cells = (uint64_t *)room(sizeof(uint64_t) * (size_t)(n * n)), result;

#pragma omp parallel
#pragma omp single
    for (long i = 0; i < n * n; i++)
        wavefront_task(cells + i, n, i / n, i % n);
    result = cells[n * n - 1];
    free(cells);
    return result;
}

/* --- idleness, waking, the smallest task --------------------------------------------------------------------- */

static void pair(double us)
{
#pragma omp parallel for schedule(static)
    for (int i = 0; i < 2; i++)
        spin_us(us);
}

static uint64_t run_wake(long n, long arg)
{
    return wake_with(pair, n);
}

static uint64_t run_cpu(long n, long arg)
{
    return idle_with(pair, n);
}

static void run_depend(long rounds)
{
    static char v[2][METG_WIDTH + 2];

#pragma omp parallel
#pragma omp single
    for (long t = 0; t < METG_STEPS; t++)
        for (long i = 0; i < METG_WIDTH; i++) {
            char *out = &v[t & 1][1 + i], *in = &v[~t & 1][1 + i];

#pragma omp task depend(in : in[-1], in[0], in[1]) depend(out : *out) firstprivate(rounds, i)
            stencil_task(i, rounds);
        }
}

static uint64_t run_metg_graph(long n, long arg)
{
    return metg_with(NULL, run_depend, n);
}

static void run_steps(long rounds)
{
    for (int t = 0; t < METG_STEPS; t++) {
#pragma omp parallel for schedule(static)
        for (long i = 0; i < METG_WIDTH; i++)
            stencil_task(i, rounds);
    }
}

static uint64_t run_metg_barrier(long n, long arg)
{
    return metg_with(NULL, run_steps, n);
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    omp_set_num_threads(threads);
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
    {"for-1000", run_for_1000},
    {"reduce", run_reduce},
    {"dynamic-chunk", run_dynamic_chunk},
    {"build-chain", run_chain},
    {"build-wavefront", run_wavefront},
    {"cpu", run_cpu},
    {"wake", run_wake},
    {"metg-graph", run_metg_graph},
    {"metg-barrier", run_metg_barrier},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, NULL);
}
