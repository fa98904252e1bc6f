/*
 * How near the k-means kernels are to what the machine can do, on one thread: each case beside the peak of fused
 * multiply-adds and beside a plain sum of the same memory, taken in turns in the same run (the least time of several,
 * as other work may share the machine). Not a test: nothing here passes or fails.
 *
 *     bench_kernel_kmeans [isa] [part of a case's name]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/alloc.h"
#include "base/isa.h"
#include "kernel/kmeans.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ROUNDS 9

/* Of this thread's own time: other work on the machine then only costs caches and memory. */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
/* 12 chains keep two units of latency 4 busy, on registers alone. */
#define PEAK(name, target_, type, all, fma)                                                                            \
    __attribute__((target(target_), noinline)) static double name(int64_t turns)                                       \
    {                                                                                                                  \
        type b = all(0.999), c = all(1e-3), a0 = all(0), a1 = all(1), a2 = all(2), a3 = all(3), a4 = all(4),           \
             a5 = all(5), a6 = all(6), a7 = all(7), a8 = all(8), a9 = all(9), a10 = all(10), a11 = all(11);            \
        for (int64_t i = 0; i < turns; i++) {                                                                          \
            a0 = fma(a0, b, c), a1 = fma(a1, b, c), a2 = fma(a2, b, c), a3 = fma(a3, b, c);                            \
            a4 = fma(a4, b, c), a5 = fma(a5, b, c), a6 = fma(a6, b, c), a7 = fma(a7, b, c);                            \
            a8 = fma(a8, b, c), a9 = fma(a9, b, c), a10 = fma(a10, b, c), a11 = fma(a11, b, c);                        \
        }                                                                                                              \
        a0 = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;                                              \
        return (double)a0[0];                                                                                          \
    }
PEAK(peak_avx2_f64, "avx2,fma", __m256d, _mm256_set1_pd, _mm256_fmadd_pd)
PEAK(peak_avx2_f32, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps)
PEAK(peak_avx512_f64, "avx512f", __m512d, _mm512_set1_pd, _mm512_fmadd_pd)
PEAK(peak_avx512_f32, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps)
#endif

static volatile double sink;

/* Seconds for one flop, at the processor's best whatever the kernels were told to use. */
static double peak_second(sabal_dtype dtype)
{
#if defined(__x86_64__)
    const int64_t turns = 20000;
    const int     wide  = sbl_isa_has(SBL_ISA_AVX512) != 0;
    double        begin = now();

    if (!wide && !sbl_isa_has(SBL_ISA_AVX2))
        return NAN;
    if (dtype == SABAL_FLOAT64)
        sink = wide ? peak_avx512_f64(turns) : peak_avx2_f64(turns);
    else
        sink = wide ? peak_avx512_f32(turns) : peak_avx2_f32(turns);
    return (now() - begin) / (double)(turns * 12 * 2 * (dtype == SABAL_FLOAT64 ? 4 : 8) * (wide ? 2 : 1));
#else
    return NAN;
#endif
}

typedef double vector __attribute__((vector_size(16)));
static void    plain_sum(const void *x, size_t size)
{
    const vector *v = x;
    vector        a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0};

    for (size_t i = 0; i + 8 <= size / sizeof *v; i += 8) {
        a += v[i], b += v[i + 1], c += v[i + 2], d += v[i + 3];
        e += v[i + 4], f += v[i + 5], g += v[i + 6], h += v[i + 7];
    }
    a    = a + b + c + d + e + f + g + h;
    sink = a[0];
}

enum what { ASSIGN, INERTIA, LABELS, WEIGHTS, MOMENTS, POTENTIAL, COUNTS, DISTANCES };
static const char *const WHAT[] = {"assign",  "assign+inertia", "labels", "assign,weights",
                                   "moments", "potential",      "counts", "distances"};

static void bench(enum what what, sabal_dtype dtype, int64_t n, int64_t d, int32_t k, const char *part)
{
    const size_t size = (size_t)(n * d) * (dtype == SABAL_FLOAT64 ? 8 : 4);
    char         name[80];
    double       best = INFINITY, read = INFINITY, peak = INFINITY, *centers, *shift, *sums, *weights, inertia;
    void        *x, *scratch;
    int32_t     *labels;
    double      *out;

    snprintf(name, sizeof name, "%s %s n%lld k%d d%d", WHAT[what], dtype == SABAL_FLOAT64 ? "f64" : "f32", (long long)n,
             k, (int)d);
    if (part && !strstr(name, part))
        return;
    x = mmap(NULL, size + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(x, size, MADV_HUGEPAGE);
    centers = malloc(sizeof *centers * (size_t)(k * d));
    shift   = calloc((size_t)d, sizeof *shift);
    sums    = malloc(sizeof *sums * (size_t)(k * d + k + 2 * d));
    weights = malloc(sizeof *weights * (size_t)n);
    labels  = malloc(sizeof *labels * (size_t)n);
    out     = malloc(sizeof *out * (size_t)(what == DISTANCES ? n * k : n));
    srand(1);
    for (int64_t i = 0; i < k * d; i++)
        centers[i] = rand() / (double)RAND_MAX;
    for (int64_t i = 0; i < n * d; i++) {
        double v = (double)((uint64_t)i * 0x9e3779b97f4a7c15ull >> 11) * 0x1p-53;

        if (dtype == SABAL_FLOAT64)
            ((double *)x)[i] = v;
        else
            ((float *)x)[i] = (float)v;
    }
    for (int64_t i = 0; i < n; i++)
        weights[i] = 1;
    sbl_kmeans_centers *c      = sbl_kmeans_centers_create(dtype, k, d, centers, shift);
    const size_t        need_a = sbl_kmeans_scratch_size(c), need_p = sbl_near_scratch(d, k);

    scratch       = sbl_alloc_aligned(64, need_a > need_p ? need_a : need_p);
    sbl_near near = {.dtype      = dtype,
                     .x          = x,
                     .n          = n,
                     .d          = d,
                     .candidates = centers,
                     .m          = k,
                     .shift      = shift,
                     .scale      = 1,
                     .scratch    = scratch};
    for (int round = 0; round < ROUNDS; round++) {
        const int repeat = size < 1 << 24 ? (int)((1 << 24) / size) : 1;
        double    begin  = now(), took;

        for (int i = 0; i < repeat; i++)
            plain_sum(x, size);
        took  = (now() - begin) / repeat;
        read  = took < read ? took : read;
        took  = peak_second(dtype);
        peak  = took < peak ? took : peak;
        begin = now();
        for (int i = 0; i < repeat; i++)
            switch (what) {
            case ASSIGN:
                sbl_kmeans_assign(c, x, n, NULL, sums, sums + k * d, NULL, NULL, NULL, scratch);
                break;
            case INERTIA:
                sbl_kmeans_assign(c, x, n, NULL, sums, sums + k * d, &inertia, NULL, NULL, scratch);
                break;
            case LABELS:
                sbl_kmeans_assign(c, x, n, NULL, NULL, NULL, &inertia, labels, NULL, scratch);
                break;
            case WEIGHTS:
                sbl_kmeans_assign(c, x, n, weights, sums, sums + k * d, NULL, NULL, NULL, scratch);
                break;
            case MOMENTS:
                sbl_kmeans_moments(dtype, x, n, d, shift, NULL, sums, sums + d);
                break;
            case POTENTIAL:
            case COUNTS:
                near.block_sums = what == POTENTIAL ? out : NULL;
                near.counts     = what == COUNTS ? sums : NULL;
                sbl_near_look(&near);
                break;
            case DISTANCES:
                sbl_kmeans_distances(out, dtype, x, n, d, centers, k);
                break;
            }
        took = (now() - begin) / repeat;
        best = took < best ? took : best;
    }
    printf("%-38s %7.2f GB/s = %5.2f of a plain sum   %7.2f GFLOP/s = %4.2f of peak %5.1f   %8.4f ns/(row*k)\n", name,
           1e-9 * (double)size / best, read / best, 2e-9 * (double)(n * k * d) / best,
           2.0 * (double)(n * k * d) * peak / best, 1e-9 / peak, 1e9 * best / (double)(n * k));
    fflush(stdout);
    sbl_kmeans_centers_destroy(c);
    sbl_free(scratch);
    munmap(x, size + 64);
    free(centers);
    free(shift);
    free(sums);
    free(weights);
    free(labels);
    free(out);
}

int main(int argc, char **argv)
{
    const char *part = argc > 2 ? argv[2] : NULL;

    for (int isa = 0; argc > 1 && isa < SBL_N_ISAS; isa++)
        if (!strcmp(argv[1], sbl_isa_name((sbl_isa)isa)) && sbl_isa_has((sbl_isa)isa))
            sbl_isa_set((sbl_isa)isa);
    printf("isa %s\n", sbl_isa_name(sbl_isa_get()));
    for (int t = 0; t < 2; t++) {
        const sabal_dtype dtype = t ? SABAL_FLOAT32 : SABAL_FLOAT64;
        static const struct {
            int32_t k;
            int64_t d;
        } FEW[]  = {{2, 2}, {3, 2}, {4, 2}, {8, 2}, {16, 2}, {100, 2}, {3, 1}, {3, 3}, {3, 4}, {8, 4}, {8, 8}, {16, 8}},
          MANY[] = {{8, 16}, {8, 64}, {8, 128}, {100, 16}, {100, 64}, {100, 128}, {20, 10}, {10, 784}};

        for (int i = 0; i < (int)(sizeof FEW / sizeof *FEW); i++) {
            bench(ASSIGN, dtype, 16000 / FEW[i].d, FEW[i].d, FEW[i].k, part); /* in the second cache */
            bench(INERTIA, dtype, 8000000 / FEW[i].d, FEW[i].d, FEW[i].k, part);
        }
        bench(LABELS, dtype, 4000000, 2, 3, part);
        bench(WEIGHTS, dtype, 4000000, 2, 3, part);
        for (int i = 0; i < (int)(sizeof MANY / sizeof *MANY); i++) {
            bench(ASSIGN, dtype, 16000 / MANY[i].d, MANY[i].d, MANY[i].k, part);
            bench(ASSIGN, dtype, 10000000 / MANY[i].d, MANY[i].d, MANY[i].k, part);
        }
        bench(INERTIA, dtype, 10000000 / 64, 64, 8, part);
        bench(INERTIA, dtype, 10000000 / 64, 64, 100, part);
        for (int d = 1; d <= 64; d *= 2)
            bench(MOMENTS, dtype, 8000000 / d, d, 1, part);
        bench(MOMENTS, dtype, 8000000 / 3, 3, 1, part);
        bench(POTENTIAL, dtype, 4000000, 2, 1, part);
        for (int d = 1; d <= 128; d = d < 4 ? d + 1 : d * 2)
            bench(POTENTIAL, dtype, 2000000 / d, d, 31, part), bench(COUNTS, dtype, 2000000 / d, d, 31, part);
        bench(DISTANCES, dtype, 1000000, 2, 3, part);
        bench(DISTANCES, dtype, 10000, 64, 100, part);
    }
    return 0;
}
