/* libfork's side: coroutines on its lazy pool, which sleeps when idle. It has no graphs; loops are split by halves. */
#include <libfork.hpp>

#include <memory>
#include <utility>

#include "drive.h"

static std::unique_ptr<lf::lazy_pool> pool;

template <class... A> static auto run(A &&...a)
{
    return lf::sync_wait(*pool, std::forward<A>(a)...);
}

static constexpr auto fib = [](auto fib, int n) -> lf::task<long> {
    long x, y;

    if (n < 2)
        co_return n;
    co_await lf::fork(&x, fib)(n - 1);
    co_await lf::call(&y, fib)(n - 2);
    co_await lf::join;
    co_return x + y;
};

static uint64_t run_fib(long n, long)
{
    return (uint64_t)run(fib, (int)n);
}

static constexpr auto queens = [](auto queens, int n, int j, const char *a) -> lf::task<long> {
    char boards[QUEENS_MAX][QUEENS_MAX];
    long found[QUEENS_MAX], all = 0;
    int  k = 0;

    if (j == n)
        co_return 1;
    for (int i = 0; i < n; i++)
        if (queen_is_safe(a, j, i)) {
            const char *next = boards[k];

            memcpy(boards[k], a, QUEENS_MAX);
            boards[k][j] = (char)i;
            co_await lf::fork(&found[k], queens)(n, j + 1, next);
            k++;
        }
    co_await lf::join;
    while (k--)
        all += found[k];
    co_return all;
};

static uint64_t run_queens(long n, long)
{
    const char board[QUEENS_MAX] = {0};

    return (uint64_t)run(queens, (int)n, 0, (const char *)board);
}

struct uts_slot {
    uts_node child;
    uint64_t below;
};

static constexpr auto uts = [](auto uts, const uts_node *p) -> lf::task<uint64_t> {
    const int k = uts_n_children(p);
    uint64_t  n = 1;

    if (!k)
        co_return n;
    auto [slots] = co_await lf::co_new<uts_slot>((size_t)k);
    for (int i = 0; i < k; i++) {
        const uts_node *child = &slots[i].child;

        uts_child(p, i, &slots[i].child);
        if (i + 1 == k)
            co_await lf::call(&slots[i].below, uts)(child);
        else
            co_await lf::fork(&slots[i].below, uts)(child);
    }
    co_await lf::join;
    for (int i = 0; i < k; i++)
        n += slots[i].below;
    co_return n;
};

static uint64_t run_uts(long, long)
{
    const uts_node root = uts_root();

    return run(uts, (const uts_node *)&root);
}

static constexpr auto integrate = [](auto integrate, double x1, double y1, double x2, double y2,
                                     double area) -> lf::task<double> {
    const double half = (x2 - x1) / 2, x0 = x1 + half, y0 = cubic(x0);
    const double left = (y1 + y0) / 2 * half, right = (y0 + y2) / 2 * half;
    double       p, q;

    if (fabs(left + right - area) < INTEGRATE_EPS)
        co_return left + right;
    co_await lf::fork(&p, integrate)(x1, y1, x0, y0, left);
    co_await lf::call(&q, integrate)(x0, y0, x2, y2, right);
    co_await lf::join;
    co_return p + q;
};

static uint64_t run_integrate(long n, long)
{
    return bits_of(run(integrate, 0.0, cubic(0), (double)n, cubic((double)n), 0.0));
}

static constexpr auto matmul = [](auto matmul, const double *a, const double *b, double *c, int m, int n,
                                  int k) -> lf::task<void> {
    if (m <= MATMUL_LEAF && n <= MATMUL_LEAF && k <= MATMUL_LEAF) {
        matmul_leaf(a, b, c, m, n, k, g_n);
        co_return;
    }
    if (m >= n && m >= k) {
        const int h = m / 2;

        co_await lf::fork(matmul)(a, b, c, h, n, k);
        co_await lf::call(matmul)(a + h * g_n, b, c + h * g_n, m - h, n, k);
    } else if (n >= k) {
        const int h = n / 2;

        co_await lf::fork(matmul)(a, b, c, m, h, k);
        co_await lf::call(matmul)(a, b + h, c + h, m, n - h, k);
    } else {
        const int h = k / 2;

        co_await lf::call(matmul)(a, b, c, m, n, h);
        co_await lf::call(matmul)(a + h, b + h * g_n, c, m, n, k - h);
    }
    co_await lf::join;
};

static uint64_t run_matmul(long n, long)
{
    run(matmul, (const double *)g_a, (const double *)g_b, g_c, (int)n, (int)n, (int)n);
    return 0;
}

static constexpr auto merge = [](auto merge, const int *x, long nx, const int *y, long ny, int *out) -> lf::task<void> {
    if (nx + ny <= MERGE_LEAF) {
        merge_leaf(x, nx, y, ny, out);
        co_return;
    }
    if (nx < ny) {
        std::swap(x, y);
        std::swap(nx, ny);
    }
    const long hx = nx / 2, hy = lower_bound(y, ny, x[hx]);

    co_await lf::fork(merge)(x, hx, y, hy, out);
    co_await lf::call(merge)(x + hx, nx - hx, y + hy, ny - hy, out + hx + hy);
    co_await lf::join;
};

static constexpr auto sort = [](auto sort, int *a, int *spare, long n, int into_spare) -> lf::task<void> {
    const long h = n / 2;

    if (n <= SORT_LEAF) {
        sort_leaf(a, n);
        if (into_spare)
            memcpy(spare, a, sizeof(int) * (size_t)n);
        co_return;
    }
    co_await lf::fork(sort)(a, spare, h, !into_spare);
    co_await lf::call(sort)(a + h, spare + h, n - h, !into_spare);
    co_await lf::join;
    const int *from = into_spare ? a : spare;
    int       *to   = into_spare ? spare : a;

    co_await lf::call(merge)(from, h, from + h, n - h, to);
    co_await lf::join;
};

static uint64_t run_sort(long n, long)
{
    run(sort, g_list, g_spare, n, 0);
    return 0;
}

/* --- loops ------------------------------------------------------------------------------------------------- */

static constexpr auto two_piece = [](auto, long i, long launch, long rounds) -> lf::task<void> {
    one_of_two(i, launch, rounds);
    co_return;
};

static constexpr auto twos = [](auto, long n, long rounds) -> lf::task<void> {
    for (long l = 0; l < n; l++) {
        co_await lf::fork(two_piece)(0L, l, rounds);
        co_await lf::call(two_piece)(1L, l, rounds);
        co_await lf::join;
    }
};

static uint64_t run_for_2way(long n, long arg)
{
    run(twos, n, arg);
    return 0;
}

static constexpr auto loop_halves = [](auto loop_halves, long begin, long end, long grain, long launch,
                                       long rounds) -> lf::task<void> {
    if (end - begin <= grain) {
        loop_leaf(g_out, begin, end, launch, rounds);
        co_return;
    }
    const long middle = begin + (end - begin) / 2;

    co_await lf::fork(loop_halves)(begin, middle, grain, launch, rounds);
    co_await lf::call(loop_halves)(middle, end, grain, launch, rounds);
    co_await lf::join;
};

static constexpr auto loops = [](auto, long n, long grain, long rounds) -> lf::task<void> {
    for (long l = 0; l < n; l++) {
        co_await lf::call(loop_halves)(0L, (long)SHORT_LOOP, grain, l, rounds);
        co_await lf::join;
    }
};

static uint64_t run_for_1000(long n, long arg)
{
    run(loops, n, halving_grain(), arg);
    return 0;
}

static constexpr auto sum_halves = [](auto sum_halves, long begin, long end, long grain, long launch,
                                      long rounds) -> lf::task<uint64_t> {
    uint64_t x, y;

    if (end - begin <= grain)
        co_return sum_leaf(begin, end, launch, rounds);
    const long middle = begin + (end - begin) / 2;

    co_await lf::fork(&x, sum_halves)(begin, middle, grain, launch, rounds);
    co_await lf::call(&y, sum_halves)(middle, end, grain, launch, rounds);
    co_await lf::join;
    co_return x + y;
};

static constexpr auto sums = [](auto, long n, long grain, long rounds) -> lf::task<uint64_t> {
    uint64_t all = 0, sum;

    for (long l = 0; l < n; l++) {
        co_await lf::call(&sum, sum_halves)(0L, (long)SHORT_LOOP, grain, l, rounds);
        co_await lf::join;
        all ^= sum;
    }
    co_return all;
};

static uint64_t run_reduce(long n, long arg)
{
    return run(sums, n, halving_grain(), arg);
}

static constexpr auto chunks = [](auto chunks, long begin, long end) -> lf::task<void> {
    if (end - begin <= 1) {
        if (begin < end)
            one_chunk(begin);
        co_return;
    }
    const long middle = begin + (end - begin) / 2;

    co_await lf::fork(chunks)(begin, middle);
    co_await lf::call(chunks)(middle, end);
    co_await lf::join;
};

static uint64_t run_dynamic_chunk(long n, long)
{
    run(chunks, 0L, n);
    return 0;
}

/* --- idleness, waking, steps with a barrier ---------------------------------------------------------------- */

static constexpr auto spin = [](auto, double us) -> lf::task<void> {
    spin_us(us);
    co_return;
};

static constexpr auto both = [](auto, double us) -> lf::task<void> {
    co_await lf::fork(spin)(us);
    co_await lf::call(spin)(us);
    co_await lf::join;
};

static void pair(double us)
{
    run(both, us);
}

static uint64_t run_wake(long n, long)
{
    return wake_with(pair, n);
}

static uint64_t run_cpu(long n, long)
{
    return idle_with(pair, n);
}

static constexpr auto stencil_piece = [](auto, long i, long rounds) -> lf::task<void> {
    stencil_task(i, rounds);
    co_return;
};

static constexpr auto steps = [](auto, long rounds) -> lf::task<void> {
    for (int t = 0; t < METG_STEPS; t++) {
        for (long i = 1; i < METG_WIDTH; i++)
            co_await lf::fork(stencil_piece)(i, rounds);
        co_await lf::call(stencil_piece)(0L, rounds);
        co_await lf::join;
    }
};

static void run_steps(long rounds)
{
    run(steps, rounds);
}

static uint64_t run_metg_barrier(long n, long)
{
    return metg_with(NULL, run_steps, n);
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    pool = std::make_unique<lf::lazy_pool>((size_t)threads);
    pair(500);
}

static void stop(void)
{
    pool.reset();
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
    {"cpu", run_cpu},
    {"wake", run_wake},
    {"metg-barrier", run_metg_barrier},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, stop);
}
