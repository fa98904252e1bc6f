/*
 * The recursions (fib, queens, UTS, integrate, matrix product, merge sort): what is serial in them, their inputs and the
 * checks of their results, so that each side does the same work. C11 and C++17.
 */
#ifndef ENGINE_KERNELS_H
#define ENGINE_KERNELS_H

#include <sys/mman.h>

#include "harness.h"
#include "leaves.h"

#define HUGE_PAGE ((size_t)2 << 20)

static inline void out_of_memory(void)
{
    fprintf(stderr, "bench: no memory\n");
    exit(1);
}

/* Touched, as page faults are not timed; what is large lies on huge pages, whose places don't matter to the caches. */
static inline void *room(size_t size)
{
    const size_t align = size < HUGE_PAGE ? 64 : HUGE_PAGE;
    void        *p     = aligned_alloc(align, (size + align - 1) / align * align);

    if (!p)
        out_of_memory();
    if (size >= HUGE_PAGE)
        madvise(p, size, MADV_HUGEPAGE);
    memset(p, 1, size);
    return p;
}

/* --- fib --------------------------------------------------------------------------------------------------- */

static int check_fib(uint64_t result, long n, long arg)
{
    uint64_t a = 0, b = 1;

    (void)arg;
    for (long i = 0; i < n; i++) {
        const uint64_t c = a + b;

        a = b;
        b = c;
    }
    return result == a;
}

/* --- queens ------------------------------------------------------------------------------------------------ */

enum { QUEENS_MAX = 16 };

/* May a queen stand in row q beside the first j ones of board a? */
static inline int queen_is_safe(const char *a, int j, int q)
{
    for (int k = 0; k < j; k++) {
        const int p = a[k], d = j - k;

        if (p == q || p == q - d || p == q + d)
            return 0;
    }
    return 1;
}

static int check_queens(uint64_t result, long n, long arg)
{
    static const uint64_t known[] = {1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596};

    (void)arg;
    return n >= 0 && n < 15 && result == known[n];
}

/* --- integrate --------------------------------------------------------------------------------------------- */

/* Two quarters whose areas differ from the half's by less are taken as they are. */
#define INTEGRATE_EPS 1e-9

static inline double cubic(double x)
{
    return (x * x + 1.0) * x;
}

/* The result is the sum's bits: each side adds in the same tree. Rounding alone parts it from the integral. */
static inline uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static int check_integrate(uint64_t result, long n, long arg)
{
    const double x = (double)n, exact = x * x * x * x / 4 + x * x / 2;
    double       got;

    (void)arg;
    memcpy(&got, &result, sizeof got);
    return fabs(got - exact) <= 1e-9 * exact;
}

/* --- UTS: an unbalanced tree, from SHA-1 as a splittable random stream ------------------------------------- */

/* n = 1: T1, geometric, 4,130,071 nodes; 3: T3, binomial, 4,112,897 nodes; 7: T1 cut at a height of 7. */
static struct {
    int    geometric, depth, children, seed;
    double branching, probability;
} g_uts;

static void prepare_uts(long n, long arg)
{
    (void)arg;
    memset(&g_uts, 0, sizeof g_uts);
    g_uts.geometric   = n != 3;
    g_uts.depth       = n == 7 ? 7 : 10;
    g_uts.seed        = n == 3 ? 42 : 19;
    g_uts.branching   = n == 3 ? 2000 : 4;
    g_uts.children    = 8;
    g_uts.probability = 0.124875;
}

static inline uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uts_node uts_root(void)
{
    uts_node r;

    uts_seed(g_uts.seed, &r);
    return r;
}

static inline int uts_n_children(const uts_node *p)
{
    const double u = (double)(read_be32(p->state + 16) & 0x7fffffffu) / 2147483648.0;
    int          k;

    if (!g_uts.geometric)
        return p->height == 0 ? (int)g_uts.branching : u < g_uts.probability ? g_uts.children : 0;
    if (p->height >= g_uts.depth)
        return 0;
    k = (int)floor(log(1 - u) / log(1 - 1.0 / (1.0 + g_uts.branching)));
    return k > 100 ? 100 : k;
}

static uint64_t uts_count(const uts_node *p)
{
    const int k = uts_n_children(p);
    uint64_t  n = 1;

    for (int i = 0; i < k; i++) {
        uts_node c;

        uts_child(p, i, &c);
        n += uts_count(&c);
    }
    return n;
}

static int check_uts(uint64_t result, long n, long arg)
{
    const uts_node root = uts_root();

    (void)arg;
    return result == (n == 1 ? 4130071 : n == 3 ? 4112897 : uts_count(&root)); /* the former two are published */
}

/* --- C += A * B, recursively ------------------------------------------------------------------------------- */

enum { MATMUL_LEAF = 64 };
static double *g_a, *g_b, *g_c;
static long    g_n;

static void prepare_matmul(long n, long arg)
{
    const size_t size = sizeof(double) * (size_t)(n * n);

    (void)arg;
    free(g_a);
    free(g_b);
    free(g_c);
    g_n = n;
    g_a = (double *)room(size);
    g_b = (double *)room(size);
    g_c = (double *)room(size);
    for (long i = 0; i < n * n; i++) {
        g_a[i] = (double)(i % 7);
        g_b[i] = (double)(i % 5);
        g_c[i] = 0;
    }
}

/* Whole numbers: exact in any order. */
static int check_matmul(uint64_t result, long n, long arg)
{
    (void)result;
    (void)arg;
    for (long i = 0; i < n * n; i += 997) {
        double sum = 0;

        for (long k = 0; k < n; k++)
            sum += g_a[i / n * n + k] * g_b[k * n + i % n];
        if (sum != g_c[i])
            return 0;
    }
    return 1;
}

/* --- merge sort -------------------------------------------------------------------------------------------- */

enum { SORT_LEAF = 2048, MERGE_LEAF = 4096 };
static int     *g_list, *g_spare;
static uint64_t g_list_sum;

static void prepare_sort(long n, long arg)
{
    uint64_t x = 42;

    (void)arg;
    free(g_list);
    free(g_spare);
    g_list     = (int *)room(sizeof(int) * (size_t)n);
    g_spare    = (int *)room(sizeof(int) * (size_t)n);
    g_list_sum = 0;
    for (long i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        g_list[i] = (int)(x >> 33);
        g_list_sum += (uint64_t)g_list[i] * (uint64_t)g_list[i];
    }
}

static int check_sort(uint64_t result, long n, long arg)
{
    uint64_t sum = 0;

    (void)result;
    (void)arg;
    for (long i = 0; i < n; i++) {
        sum += (uint64_t)g_list[i] * (uint64_t)g_list[i];
        if (i && g_list[i - 1] > g_list[i])
            return 0;
    }
    return sum == g_list_sum;
}

/* The first index whose value is not below v. */
static inline long lower_bound(const int *a, long n, int v)
{
    long low = 0;

    while (n > 0) {
        const long half = n / 2;

        if (a[low + half] < v) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

#endif
