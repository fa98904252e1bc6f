/* Sabal's side: fork-join, loops, idleness and waking, a barrier for each step. See harness.h. */
#include <sabal/sabal.h>

#include "drive.h"

static sabal_client *client;

/* --- fork-join --------------------------------------------------------------------------------------------- */

SABAL_JOB(long, fib, int, n)
{
    if (n < 2)
        return n;
    SABAL_SPAWN(fib, n - 1);
    long y = SABAL_CALL(fib, n - 2);
    return y + SABAL_SYNC(fib);
}

static uint64_t run_fib(long n, long arg)
{
    return (uint64_t)SABAL_RUN(client, fib, (int)n);
}

SABAL_JOB(long, queens, int, n, int, j, const char *, a)
{
    char boards[QUEENS_MAX][QUEENS_MAX];
    long found = 0;
    int  k     = 0;

    if (j == n)
        return 1;
    for (int i = 0; i < n; i++)
        if (queen_is_safe(a, j, i)) {
            memcpy(boards[k], a, QUEENS_MAX);
            boards[k][j] = (char)i;
            SABAL_SPAWN(queens, n, j + 1, boards[k]);
            k++;
        }
    while (k--)
        found += SABAL_SYNC(queens);
    return found;
}

static uint64_t run_queens(long n, long arg)
{
    const char board[QUEENS_MAX] = {0};

    return (uint64_t)SABAL_RUN(client, queens, (int)n, 0, board);
}

SABAL_JOB(uint64_t, uts, const uts_node *, p)
{
    const int k = uts_n_children(p);
    uint64_t  n = 1;

    if (!k)
        return n;
    uts_node c[k];
    for (int i = 0; i < k; i++) {
        uts_child(p, i, &c[i]);
        SABAL_SPAWN(uts, &c[i]);
    }
    for (int i = 0; i < k; i++)
        n += SABAL_SYNC(uts);
    return n;
}

static uint64_t run_uts(long n, long arg)
{
    const uts_node root = uts_root();

    return SABAL_RUN(client, uts, &root);
}

/* How far each thread's stack went down below its first job. */
static struct stack {
    uintptr_t high, low;
} stacks[1024];
static int                    n_stacks;
static __thread struct stack *my_stack;

static inline void note_stack(void)
{
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (!my_stack) {
        my_stack       = &stacks[__atomic_fetch_add(&n_stacks, 1, __ATOMIC_RELAXED) % 1024];
        my_stack->high = my_stack->low = here;
    }
    if (here < my_stack->low)
        my_stack->low = here;
}

SABAL_JOB(uint64_t, uts_noted, const uts_node *, p)
{
    const int k = uts_n_children(p);
    uint64_t  n = 1;

    note_stack();
    if (!k)
        return n;
    uts_node c[k];
    for (int i = 0; i < k; i++) {
        uts_child(p, i, &c[i]);
        SABAL_SPAWN(uts_noted, &c[i]);
    }
    for (int i = 0; i < k; i++)
        n += SABAL_SYNC(uts_noted);
    return n;
}

static uint64_t run_uts_stack(long n, long arg)
{
    const uts_node root   = uts_root();
    uint64_t       result = SABAL_RUN(client, uts_noted, &root);

    for (int i = 0; i < n_stacks; i++)
        if ((double)(stacks[i].high - stacks[i].low) > g_value)
            g_value = (double)(stacks[i].high - stacks[i].low);
    return result;
}

SABAL_JOB(double, integrate, double, x1, double, y1, double, x2, double, y2, double, area)
{
    const double half = (x2 - x1) / 2, x0 = x1 + half, y0 = cubic(x0);
    const double left = (y1 + y0) / 2 * half, right = (y0 + y2) / 2 * half;

    if (fabs(left + right - area) < INTEGRATE_EPS)
        return left + right;
    SABAL_SPAWN(integrate, x1, y1, x0, y0, left);
    double q = SABAL_CALL(integrate, x0, y0, x2, y2, right);
    double p = SABAL_SYNC(integrate);
    return p + q;
}

static uint64_t run_integrate(long n, long arg)
{
    return bits_of(SABAL_RUN(client, integrate, 0.0, cubic(0), (double)n, cubic((double)n), 0.0));
}

SABAL_JOB(void, matmul, const double *, a, const double *, b, double *, c, int, m, int, n, int, k)
{
    if (m <= MATMUL_LEAF && n <= MATMUL_LEAF && k <= MATMUL_LEAF) {
        matmul_leaf(a, b, c, m, n, k, g_n);
    } else if (m >= n && m >= k) {
        const int h = m / 2;

        SABAL_SPAWN(matmul, a, b, c, h, n, k);
        SABAL_CALL(matmul, a + h * g_n, b, c + h * g_n, m - h, n, k);
        SABAL_SYNC(matmul);
    } else if (n >= k) {
        const int h = n / 2;

        SABAL_SPAWN(matmul, a, b, c, m, h, k);
        SABAL_CALL(matmul, a, b + h, c + h, m, n - h, k);
        SABAL_SYNC(matmul);
    } else {
        const int h = k / 2;

        SABAL_CALL(matmul, a, b, c, m, n, h);
        SABAL_CALL(matmul, a + h, b + h * g_n, c, m, n, k - h);
    }
}

static uint64_t run_matmul(long n, long arg)
{
    SABAL_RUN(client, matmul, g_a, g_b, g_c, (int)n, (int)n, (int)n);
    return 0;
}

SABAL_JOB(void, merge, const int *, x, long, nx, const int *, y, long, ny, int *, out)
{
    if (nx + ny <= MERGE_LEAF) {
        merge_leaf(x, nx, y, ny, out);
        return;
    }
    if (nx < ny) {
        SABAL_CALL(merge, y, ny, x, nx, out);
        return;
    }
    const long hx = nx / 2, hy = lower_bound(y, ny, x[hx]);

    SABAL_SPAWN(merge, x, hx, y, hy, out);
    SABAL_CALL(merge, x + hx, nx - hx, y + hy, ny - hy, out + hx + hy);
    SABAL_SYNC(merge);
}

SABAL_JOB(void, sort, int *, a, int *, spare, long, n, int, into_spare)
{
    const long h = n / 2;

    if (n <= SORT_LEAF) {
        sort_leaf(a, n);
        if (into_spare)
            memcpy(spare, a, sizeof(int) * (size_t)n);
        return;
    }
    SABAL_SPAWN(sort, a, spare, h, !into_spare);
    SABAL_CALL(sort, a + h, spare + h, n - h, !into_spare);
    SABAL_SYNC(sort);
    if (into_spare)
        SABAL_CALL(merge, a, h, a + h, n - h, spare);
    else
        SABAL_CALL(merge, spare, h, spare + h, n - h, a);
}

static uint64_t run_sort(long n, long arg)
{
    SABAL_RUN(client, sort, g_list, g_spare, n, 0);
    return 0;
}

/* --- loops ------------------------------------------------------------------------------------------------- */

struct launch {
    long number, rounds;
};

static sabal_status two_piece(int64_t begin, int64_t end, void *context)
{
    const struct launch *l = context;

    for (int64_t i = begin; i < end; i++)
        one_of_two(i, l->number, l->rounds);
    return SABAL_OK;
}

static sabal_status loop_piece(int64_t begin, int64_t end, void *context)
{
    const struct launch *l = context;

    loop_leaf(g_out, begin, end, l->number, l->rounds);
    return SABAL_OK;
}

static sabal_status sum_piece(void *partial, int64_t begin, int64_t end, void *context)
{
    const struct launch *l = context;

    *(uint64_t *)partial = sum_leaf(begin, end, l->number, l->rounds);
    return SABAL_OK;
}

static void add(void *left, const void *right, void *context)
{
    *(uint64_t *)left += *(const uint64_t *)right;
}

static sabal_status chunk_piece(int64_t begin, int64_t end, void *context)
{
    one_chunk(begin); /* the grain is 1, so that is all of the piece */
    return SABAL_OK;
}

static void launch_twos(long n, long rounds)
{
    for (long l = 0; l < n; l++)
        sabal_for(client, 0, 2, two_piece, (&(struct launch){l, rounds}), .grain = 1);
}

SABAL_JOB(void, twos, long, n, long, rounds)
{
    launch_twos(n, rounds);
}

static uint64_t run_for_2way(long n, long arg)
{
    SABAL_RUN(client, twos, n, arg);
    return 0;
}

static uint64_t run_for_outside(long n, long arg)
{
    launch_twos(n, arg);
    return 0;
}

SABAL_JOB(void, loops, long, n, long, rounds)
{
    for (long l = 0; l < n; l++)
        sabal_for(client, 0, SHORT_LOOP, loop_piece, (&(struct launch){l, rounds}));
}

static uint64_t run_for_1000(long n, long arg)
{
    SABAL_RUN(client, loops, n, arg);
    return 0;
}

SABAL_JOB(uint64_t, sums, long, n, long, rounds)
{
    uint64_t all = 0, sum = 0;

    for (long l = 0; l < n; l++) {
        sabal_reduce(&sum, sizeof sum, client, 0, SHORT_LOOP, sum_piece, add, (&(struct launch){l, rounds}));
        all ^= sum;
    }
    return all;
}

static uint64_t run_reduce(long n, long arg)
{
    return SABAL_RUN(client, sums, n, arg);
}

static uint64_t run_dynamic_chunk(long n, long arg)
{
    sabal_for(client, 0, n, chunk_piece, NULL, .grain = 1);
    return 0;
}

/* --- idleness, waking, steps with a barrier ---------------------------------------------------------------- */

SABAL_JOB(void, spin, double, us)
{
    spin_us(us);
}

SABAL_JOB(void, both, double, us)
{
    SABAL_SPAWN(spin, us);
    SABAL_CALL(spin, us);
    SABAL_SYNC(spin);
}

static void pair(double us)
{
    SABAL_RUN(client, both, us);
}

static uint64_t run_wake(long n, long arg)
{
    return wake_with(pair, n);
}

static uint64_t run_cpu(long n, long arg)
{
    return idle_with(pair, n);
}

static sabal_status stencil_piece(int64_t begin, int64_t end, void *context)
{
    for (int64_t i = begin; i < end; i++)
        stencil_task(i, *(const long *)context);
    return SABAL_OK;
}

SABAL_JOB(void, steps, long, rounds)
{
    for (int t = 0; t < METG_STEPS; t++)
        sabal_for(client, 0, METG_WIDTH, stencil_piece, &rounds, .grain = 1);
}

static void run_steps(long rounds)
{
    SABAL_RUN(client, steps, rounds);
}

static uint64_t run_metg_barrier(long n, long arg)
{
    return metg_with(NULL, run_steps, n);
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    sabal_error err = SABAL_ERROR_INIT;
    char        text[512];

    client = sabal_open("local:", &err, .threads = threads);
    if (err.status) {
        sabal_error_format(text, sizeof text, &err);
        fprintf(stderr, "bench: open: %s\n", text);
        exit(1);
    }
    pair(500);
}

static void stop(void)
{
    sabal_close(client);
}

static const workload workloads[] = {
    {"fib", run_fib},
    {"queens", run_queens},
    {"uts", run_uts},
    {"uts-stack", run_uts_stack},
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
    return bench_main(argc, argv, kernels, workloads, start, stop);
}
