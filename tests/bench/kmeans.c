/*
 * Sabal's side of `tools/bench kmeans`: a program that does what it is told on standard input, a command a line, and
 * answers each with one line of JSON. The driver so measures it and its peers in turn, each with its data in memory.
 *
 *     load FILE.npy              reads a (n, d) float64 array into memory of this program, on huge pages
 *     fit K SEED                 a whole fit with defaults, seeding included
 *     fit_one_round K SEED       the same with one round of seeding, which draws ten candidates
 *     iterate K CENTERS.npy N    N passes from given centres
 *     labels K SEED              a fit, then the labels of all rows
 *     read                       a plain sum of the same memory by as many threads: what a pass can't beat
 *     peak                       fused multiply-adds on registers alone, by as many threads, in FLOP/s
 *     gemm K                     OpenBLAS's product of the same rows and K centres, by as many threads, in FLOP/s
 *     rss                        the most memory that this process had resident
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cblas.h>
#include <sabal/sabal.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MAX_THREADS 1024

static sabal_client *client;
static sabal_error   err = SABAL_ERROR_INIT;
static double       *data; /* (n, d) */
static int64_t       n, d;

static void die(const char *what)
{
    char text[1024] = "";

    if (err.status)
        sabal_error_format(text, sizeof text, &err);
    fprintf(stderr, "bench: %s: %s\n", what, text);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- the machine's limits ---------------------------------------------------------------------------------- */

struct share {
    pthread_t     thread;
    const double *from;
    size_t        count;
    double        result;
};

/* Eight vectors in flight hide the latency of the additions, so that memory is what it waits for. */
#define SUM_BODY                                                                                                       \
    {                                                                                                                  \
        typedef double vector __attribute__((vector_size(64), aligned(8)));                                            \
        vector         s[8] = {0};                                                                                     \
        double         sum  = 0;                                                                                       \
        size_t         i    = 0;                                                                                       \
        for (; i + 64 <= count; i += 64)                                                                               \
            for (int j = 0; j < 8; j++)                                                                                \
                s[j] += *(const vector *)(from + i + 8 * j);                                                           \
        for (int j = 0; j < 8; j++)                                                                                    \
            for (int k = 0; k < 8; k++)                                                                                \
                sum += s[j][k];                                                                                        \
        for (; i < count; i++)                                                                                         \
            sum += from[i];                                                                                            \
        return sum;                                                                                                    \
    }
static double sum_plain(const double *from, size_t count) SUM_BODY
#if defined(__x86_64__)
    __attribute__((target("avx2"))) static double sum_avx2(const double *from, size_t count) SUM_BODY
    __attribute__((target("avx512f"))) static double sum_avx512(const double *from, size_t count) SUM_BODY
#endif

    static void *sum_share(void *arg)
{
    struct share *s = arg;

#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        s->result = sum_avx512(s->from, s->count);
    else if (__builtin_cpu_supports("avx2"))
        s->result = sum_avx2(s->from, s->count);
    else
#endif
        s->result = sum_plain(s->from, s->count);
    return NULL;
}

#define FMA_ROUNDS 20000000L
#define FMA_CHAINS 12 /* two units of four cycles' latency need eight */
#if defined(__x86_64__)
/* Named one by one, so that each stays in a register: gcc leaves an array in memory. */
#define FMA_FUNCTION(name, isa, vector, set, fma)                                                                      \
    __attribute__((target(isa))) static double name(void)                                                              \
    {                                                                                                                  \
        vector x = set(0.999999), y = set(1e-6);                                                                       \
        vector a0 = y, a1 = y, a2 = y, a3 = y, a4 = y, a5 = y, a6 = y, a7 = y, a8 = y, a9 = y, a10 = y, a11 = y;       \
        for (long i = 0; i < FMA_ROUNDS; i++) {                                                                        \
            a0 = fma(a0, x, y), a1 = fma(a1, x, y), a2 = fma(a2, x, y), a3 = fma(a3, x, y);                            \
            a4 = fma(a4, x, y), a5 = fma(a5, x, y), a6 = fma(a6, x, y), a7 = fma(a7, x, y);                            \
            a8 = fma(a8, x, y), a9 = fma(a9, x, y), a10 = fma(a10, x, y), a11 = fma(a11, x, y);                        \
            __asm__ volatile("" : "+v"(a0), "+v"(a1), "+v"(a2), "+v"(a3), "+v"(a4), "+v"(a5)); /* keep them all */     \
            __asm__ volatile("" : "+v"(a6), "+v"(a7), "+v"(a8), "+v"(a9), "+v"(a10), "+v"(a11));                       \
        }                                                                                                              \
        a0 += a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;                                                  \
        return a0[0];                                                                                                  \
    }
FMA_FUNCTION(fma_avx2, "avx2,fma", __m256d, _mm256_set1_pd, _mm256_fmadd_pd)
FMA_FUNCTION(fma_avx512, "avx512f", __m512d, _mm512_set1_pd, _mm512_fmadd_pd)
#endif

static void *fma_share(void *arg)
{
    struct share *s = arg;

    s->result = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        s->result = fma_avx512();
    else if (__builtin_cpu_supports("fma"))
        s->result = fma_avx2();
#endif
    return NULL;
}

#define GEMM_ROWS 8192 /* a product of so many stays in the caches */
static int gemm_k;

/* What a pass by way of a product begins with. Each thread takes blocks of its own rows, as OpenBLAS is fastest so. */
static void *gemm_share(void *arg)
{
    struct share *s       = arg;
    const int64_t rows    = (int64_t)s->count / d;
    double       *centers = calloc((size_t)(gemm_k * d), sizeof *centers);
    double       *out     = malloc(sizeof *out * GEMM_ROWS * (size_t)gemm_k);

    if (!centers || !out)
        die("no memory");
    for (int64_t i = 0; i < gemm_k * d; i++)
        centers[i] = data[i];
    for (int64_t r = 0; r < rows; r += GEMM_ROWS)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)(rows - r < GEMM_ROWS ? rows - r : GEMM_ROWS), gemm_k,
                    (int)d, 1, s->from + r * d, (int)d, centers, (int)d, 0, out, gemm_k);
    free(centers);
    free(out);
    return NULL;
}

/* Doubles in a vector of this processor. */
static int lanes(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return 8;
    if (__builtin_cpu_supports("fma"))
        return 4;
#endif
    fprintf(stderr, "bench: peak: only for x86-64 with fma\n");
    exit(1);
}

/* Seconds that threads take for a function, each with its share of the data. */
static double in_parallel(void *(*run)(void *))
{
    struct share shares[MAX_THREADS];
    int32_t      threads = sabal_client_threads(client);
    size_t       count = (size_t)(n * d), each = count / (size_t)threads;
    double       start = now();

    for (int32_t i = 0; i < threads; i++) {
        shares[i].from  = data + (size_t)i * each;
        shares[i].count = i == threads - 1 ? count - (size_t)i * each : each;
        if (pthread_create(&shares[i].thread, NULL, run, &shares[i]))
            die("no thread");
    }
    for (int32_t i = 0; i < threads; i++)
        pthread_join(shares[i].thread, NULL);
    return now() - start;
}

/* --- commands ---------------------------------------------------------------------------------------------- */

/* Reads the .npy header itself, so that the library's reader has no part in what is measured. */
static void load(const char *path)
{
    FILE         *file = fopen(path, "rb");
    unsigned char head[10];
    char          text[65536];
    const char   *shape;
    size_t        size;
    long long     rows = 0, columns = 0;

    if (!file || fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY\x01", 7))
        die(path);
    size = head[8] + 256u * head[9];
    if (fread(text, 1, size, file) != size)
        die(path);
    text[size - 1] = 0;
    shape          = strstr(text, "'shape': (");
    if (!strstr(text, "'<f8'") || strstr(text, "True") || !shape ||
        sscanf(shape + 10, "%lld, %lld", &rows, &columns) != 2)
        die("not a two-dimensional little-endian float64 array in C order");
    n    = rows;
    d    = columns;
    size = (size_t)(n * d) * sizeof(double);
    data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        die("no memory");
    madvise(data, size, MADV_HUGEPAGE);
    if (fread(data, 1, size, file) != size)
        die(path);
    fclose(file);
    printf("{\"rows\": %lld, \"columns\": %lld, \"threads\": %d, \"lanes\": %d}\n", rows, columns,
           (int)sabal_client_threads(client), lanes());
}

static sabal_array *array(void)
{
    return sabal_array_from_memory(client, data, SABAL_FLOAT64, 2, ((const int64_t[]){n, d}));
}

/* Times passes: from one word of progress to the next, where the later one tells of an iteration. The pass that a fit
   ends with, for the inertia of the last centres, is no iteration. */
struct passes {
    double last, seconds;
    int    n;
};

static void passed(void *user, const sabal_kmeans_progress *progress)
{
    struct passes *p    = user;
    const double   then = p->last;

    p->last = now();
    if (then > 0 && !strcmp(progress->phase, "iterate")) {
        p->seconds += p->last - then;
        p->n++;
    }
}

static void tell_fit(const sabal_kmeans *km, double start, const struct passes *passes)
{
    sabal_kmeans_times times = {.struct_size = sizeof times};
    sabal_ndarray     *centers;
    const double      *c;
    double             seconds;

    if (sabal_compute(&centers, sabal_kmeans_centers(km), &err))
        die("fit");
    seconds = now() - start;
    sabal_kmeans_times_get(km, &times);
    printf("{\"seconds\": %.9g, \"seed\": %.9g, \"iterate\": %.9g, \"pass\": %.9g, \"n_iter\": %d, \"inertia\": %.17g, "
           "\"centers\": [",
           seconds, times.seed, times.iterate, passes->seconds / passes->n, (int)sabal_kmeans_n_iter(km),
           sabal_kmeans_inertia(km));
    c = sabal_ndarray_data(centers);
    for (int64_t i = 0; i < sabal_ndarray_size(centers); i++)
        printf("%s%.17g", i ? ", " : "", c[i]);
    printf("]}\n");
}

static void fit(int k, unsigned long long seed, int32_t rounds, double oversampling)
{
    SABAL_SCOPE(client);
    struct passes passes = {0};
    double        start  = now();

    tell_fit(sabal_kmeans_fit(array(), .n_clusters = k, .seed = seed, .init_rounds = rounds,
                              .oversampling = oversampling, .progress = passed, .progress_user = &passes),
             start, &passes);
}

static void iterate(int k, const char *centers, int max_iter)
{
    SABAL_SCOPE(client);
    struct passes passes = {0};
    double        start  = now();

    tell_fit(sabal_kmeans_fit(array(), .n_clusters = k, .init_centers = sabal_array_read_npy(client, centers),
                              .max_iter = max_iter, .tol = 0, .progress = passed, .progress_user = &passes),
             start, &passes);
}

static void labels(int k, unsigned long long seed)
{
    SABAL_SCOPE(client);
    sabal_ndarray *out;

    if (sabal_compute(&out, sabal_kmeans_labels(sabal_kmeans_fit(array(), .n_clusters = k, .seed = seed)), &err))
        die("labels");
    printf("{\"labels\": %lld}\n", (long long)sabal_ndarray_size(out));
}

static void rss(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char  line[256];
    long  kib = 0;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    printf("{\"bytes\": %ld}\n", kib * 1024);
}

int main(void)
{
    char               line[4096], path[4000];
    int                k, passes;
    unsigned long long seed;

    openblas_set_num_threads(1); /* gemm has threads of its own */
    client = sabal_open("local:", &err);
    if (err.status)
        die("open");
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "load %3999s", path) == 1)
            load(path);
        else if (sscanf(line, "fit %d %llu", &k, &seed) == 2)
            fit(k, seed, 5, 2);
        else if (sscanf(line, "fit_one_round %d %llu", &k, &seed) == 2)
            fit(k, seed, 1, 10.0 / k);
        else if (sscanf(line, "iterate %d %3999s %d", &k, path, &passes) == 3)
            iterate(k, path, passes);
        else if (sscanf(line, "labels %d %llu", &k, &seed) == 2)
            labels(k, seed);
        else if (!strcmp(line, "read\n"))
            printf("{\"seconds\": %.9g}\n", in_parallel(sum_share));
        else if (!strcmp(line, "peak\n"))
            printf("{\"flops\": %.9g}\n",
                   2.0 * FMA_ROUNDS * FMA_CHAINS * lanes() * sabal_client_threads(client) / in_parallel(fma_share));
        else if (sscanf(line, "gemm %d", &gemm_k) == 1)
            printf("{\"flops\": %.9g}\n", 2.0 * (double)(n * d) * gemm_k / in_parallel(gemm_share));
        else if (!strcmp(line, "rss\n"))
            rss();
        else
            die(line);
        fflush(stdout);
    }
    sabal_close(client);
    return 0;
}
