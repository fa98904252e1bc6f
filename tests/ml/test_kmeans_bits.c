/* The same bits, however many threads, on whatever registers, by whichever compiler, today and tomorrow. */
#include "base/isa.h"
#include "support/arrays.h"

struct job {
    int64_t     n, d;
    int32_t     k;
    sabal_dtype dtype;
    const char *init;
    int32_t     weighted, max_iter;
    int64_t     chunk_rows;
    uint64_t    hash; /* of all results: one constant for all compilers and processors */
};

/* A change to seeding, chunks or kernels that is meant changes these: take what the test prints, if it is always the same. */
static const struct job jobs[] = {
    {6000, 2, 3, SABAL_FLOAT64, "k-means||", 0, 20, 1111, UINT64_C(0x9b595bb89b534cd)},
    {6000, 2, 3, SABAL_FLOAT32, "k-means||", 0, 20, 1111, UINT64_C(0x17c2f2ddd4f8bd37)},
    {3000, 1, 5, SABAL_FLOAT64, "k-means++", 1, 20, 777, UINT64_C(0x73505da7625d22b)},
    {3000, 3, 8, SABAL_FLOAT32, "random", 1, 10, 512, UINT64_C(0x41b658ef7e739a95)},
    {2000, 16, 8, SABAL_FLOAT64, "k-means||", 0, 10, 401, UINT64_C(0x3cf384c3128f8ea0)},
    {2000, 16, 8, SABAL_FLOAT32, "k-means||", 0, 10, 401, UINT64_C(0xc5cf609a4826e906)},
    {300, 64, 37, SABAL_FLOAT64, "k-means++", 0, 5, 100, UINT64_C(0xac4aeaee6de71d3c)},
    {300, 65, 50, SABAL_FLOAT32, "k-means||", 1, 4, 100, UINT64_C(0x6b5630a2b0a0045b)},
    {200, 128, 50, SABAL_FLOAT64, "random", 1, 3, 0, UINT64_C(0x94164e08fcef257a)},
};
enum { N_JOBS = sizeof jobs / sizeof *jobs };

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
    return (h ^ hash_bytes(data, n)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Fits and hashes centres, labels, distances, inertia and number of iterations. */
static uint64_t run(const struct job *job, int32_t threads)
{
    sabal_client *client = open_engine(threads);
    sabal_array  *x =
        sabal_make_blobs(client, .n_samples = job->n, .n_features = job->d, .centers = 6, .dtype = job->dtype,
                         .cluster_std = 4.0, .seed = 3, .chunk_rows = job->chunk_rows);
    double       *weights = malloc((size_t)job->n * sizeof *weights), inertia;
    sabal_kmeans *km;
    int32_t       n_iter;
    uint64_t      h;

    for (int64_t i = 0; i < job->n; i++)
        weights[i] = 1.0 / (double)(1 + i % 7);
    km = sabal_kmeans_fit(x, .n_clusters = job->k, .init = job->init, .n_init = 1, .max_iter = job->max_iter, .seed = 5,
                          .sample_weight = job->weighted ? vector(client, weights, SABAL_FLOAT64, job->n, 0) : NULL);
    cr_assert_null(sabal_kmeans_error(km));
    inertia = sabal_kmeans_inertia(km);
    n_iter  = sabal_kmeans_n_iter(km);
    h       = mix(0, values(sabal_kmeans_centers(km)), (size_t)(job->k * job->d) * sizeof(double));
    h       = mix(h, values(sabal_kmeans_labels(km)), (size_t)job->n * sizeof(int32_t));
    h       = mix(h, values(sabal_kmeans_transform(km, x)), (size_t)(job->n * job->k) * sabal_dtype_size(job->dtype));
    h       = mix(h, &inertia, sizeof inertia);
    h       = mix(h, &n_iter, sizeof n_iter);
    sabal_close(client);
    free(weights);
    return h;
}

static void all_give_the_constants(int32_t threads)
{
    for (int i = 0; i < N_JOBS; i++) {
        uint64_t h = run(&jobs[i], threads);

        if (h != jobs[i].hash)
            fprintf(stderr, "job %d, %d threads, %s: %#lx\n", i, threads, sbl_isa_name(sbl_isa_get()), (long)h);
        cr_expect_eq(h, jobs[i].hash);
    }
}

Test(kmeans_bits, threads_do_not_change_the_bits)
{
    all_give_the_constants(1);
    all_give_the_constants(2);
    all_give_the_constants(7);
}

Test(kmeans_bits, twice_in_a_row_gives_the_same_bits)
{
    all_give_the_constants(2);
    all_give_the_constants(2);
}

Test(kmeans_bits, instruction_sets_do_not_change_the_bits)
{
    sbl_isa best = sbl_isa_get();
    int     n    = 0;

    for (int isa = 0; isa < SBL_N_ISAS; isa++)
        if (sbl_isa_has((sbl_isa)isa)) {
            sbl_isa_set((sbl_isa)isa);
            all_give_the_constants(2);
            n++;
        }
    sbl_isa_set(best);
    cr_expect_geq(n, 1);
}

/* Whole numbers add up exactly in any order: then chunks don't matter either. */
Test(kmeans_bits, chunking_does_not_change_the_bits_of_exact_sums)
{
    enum { N = 3000, D = 4, K = 7 };
    static const int64_t chunks[] = {0, 1, 17, 64, 1000, 2999, 3000, 5000};
    static double        x[N * D];
    double               centers[K * D];
    int32_t              labels[N];
    sabal_client        *client = open_engine(2);

    for (int i = 0; i < N * D; i++)
        x[i] = (double)((uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
        sabal_kmeans *km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, D, chunks[c]), .n_clusters = K,
                                            .init_centers = matrix(client, x, SABAL_FLOAT64, K, D, 0), .tol = 0);

        cr_assert_null(sabal_kmeans_error(km));
        if (!c) {
            memcpy(centers, values(sabal_kmeans_centers(km)), sizeof centers);
            memcpy(labels, values(sabal_kmeans_labels(km)), sizeof labels);
        }
        cr_expect_arr_eq(values(sabal_kmeans_centers(km)), centers, sizeof centers);
        cr_expect_arr_eq(values(sabal_kmeans_labels(km)), labels, sizeof labels);
    }
    sabal_close(client);
}

/* The seed is all that differs. */
Test(kmeans_bits, another_seed_gives_another_start)
{
    static const char *const inits[] = {"k-means||", "k-means++", "random"};
    enum { N = 500 };
    static double x[N];
    sabal_client *client = open_engine(2);

    for (int i = 0; i < N; i++)
        x[i] = (double)((uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
    for (int i = 0; i < 3; i++) {
        sabal_kmeans *a = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, 1, 50), .init = inits[i], .n_init = 1,
                                           .max_iter = 1, .seed = 1);
        sabal_kmeans *b = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, 1, 50), .init = inits[i], .n_init = 1,
                                           .max_iter = 1, .seed = 2);
        sabal_kmeans *c = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, 1, 50), .init = inits[i], .n_init = 1,
                                           .max_iter = 1, .seed = 1);

        cr_assert_null(sabal_kmeans_error(a));
        cr_expect(memcmp(values(sabal_kmeans_centers(a)), values(sabal_kmeans_centers(b)), 8 * sizeof(double)) != 0);
        cr_expect_arr_eq(values(sabal_kmeans_centers(a)), values(sabal_kmeans_centers(c)), 8 * sizeof(double));
    }
    sabal_close(client);
}
