/* Starts of our own choice: not worse than scikit-learn's k-means++ on the same data. */
#include "support/arrays.h"
#include "support/npy.h"

#include "data/kmeans/cases.h"

enum { RUNS = 15 };

/* Seeds to compare means by. The bits are the same under a sanitizer, which is there to see the code run; the bound of
   not_worse() follows the number. */
static int n_seeds(void)
{
#ifdef SBL_PLAIN
    return getenv("TEST_LONG") ? RUNS : 3;
#else
    return RUNS;
#endif
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static const struct kmeans_quality *quality_of(const char *x)
{
    for (size_t i = 0; i < sizeof kmeans_qualities / sizeof *kmeans_qualities; i++)
        if (!strcmp(kmeans_qualities[i].x, x))
            return &kmeans_qualities[i];
    cr_assert_fail("no such data");
    return NULL;
}

/*
 * The mean inertia over seeds against the mean of scikit-learn's 40: it may be greater by chance, by three standard
 * errors of the difference of the two means (its spread taken for both). And no run may be far better
 * than the best of theirs, which would be a wrong sum: one in a hundred.
 */
static void not_worse(const char *name, const char *init, int32_t n_init)
{
    const struct kmeans_quality *q      = quality_of(name);
    sabal_client                *client = open_engine(2);
    double                      *x      = npy_doubles("kmeans", name, q->n * q->d);
    sabal_array                 *rows   = matrix(client, x, SABAL_FLOAT64, q->n, q->d, 0);
    double                       inertia[RUNS], mean = 0;
    const int                    runs = n_seeds();

    for (int i = 0; i < runs; i++) {
        SABAL_SCOPE(client);
        sabal_kmeans *km =
            sabal_kmeans_fit(rows, .n_clusters = q->k, .init = init, .n_init = n_init, .seed = (uint64_t)i);

        cr_assert_null(sabal_kmeans_error(km));
        inertia[i] = sabal_kmeans_inertia(km);
        mean += inertia[i] / runs;
        cr_expect_geq(inertia[i], q->min * (1 - 1e-2));
    }
    qsort(inertia, (size_t)runs, sizeof *inertia, ascending);
    if (mean > q->mean + 3 * q->std * sqrt(1.0 / runs + 1.0 / 40))
        fprintf(stderr, "%s by %s: mean %g, median %g; scikit-learn %g and %g, standard deviation %g\n", name, init,
                mean, inertia[runs / 2], q->mean, q->median, q->std);
    cr_expect_leq(mean, q->mean + 3 * q->std * sqrt(1.0 / runs + 1.0 / 40));
    cr_expect(runs < RUNS || inertia[0] < inertia[runs - 1]); /* seeds matter, but a few may find the same */
    sabal_close(client);
    free(x);
}

Test(kmeans_seeding, scalable_kmeans_is_not_worse_than_scikit_learn)
{
    not_worse("digits_x", "k-means||", 0);
    not_worse("wide_x", "k-means||", 0);
    not_worse("blobs_x", "k-means||", 0);
}

Test(kmeans_seeding, kmeans_plus_plus_is_not_worse_than_scikit_learn)
{
    not_worse("digits_x", "k-means++", 0);
    not_worse("wide_x", "k-means++", 0);
    not_worse("blobs_x", "k-means++", 0);
}

/* Ten runs, of which the best is kept. */
Test(kmeans_seeding, random_is_not_worse_with_its_ten_runs)
{
    not_worse("digits_x", "random", 0);
}

Test(kmeans_seeding, the_best_of_several_runs_is_kept)
{
    static const char *const     inits[] = {"k-means||", "k-means++", "random"};
    const struct kmeans_quality *q       = quality_of("wide_x");
    sabal_client                *client  = open_engine(2);
    double                      *x       = npy_doubles("kmeans", "wide_x", q->n * q->d);
    sabal_array                 *rows    = matrix(client, x, SABAL_FLOAT64, q->n, q->d, 0);

    for (size_t i = 0; i < 3; i++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            sabal_kmeans *one  = sabal_kmeans_fit(rows, .n_clusters = 8, .init = inits[i], .n_init = 1, .seed = seed);
            sabal_kmeans *many = sabal_kmeans_fit(rows, .n_clusters = 8, .init = inits[i], .n_init = 6, .seed = seed);

            cr_expect_leq(sabal_kmeans_inertia(many), sabal_kmeans_inertia(one));
        }
    sabal_close(client);
    free(x);
}

static void count_runs(void *user, const sabal_kmeans_progress *progress)
{
    int32_t *runs = user;

    *runs = progress->run > *runs ? progress->run : *runs;
    cr_expect_leq(progress->run, progress->n_init);
}

static int32_t runs_of(const sabal_array *x, const char *init, int32_t n_init, const sabal_array *centers)
{
    int32_t runs = 0;

    cr_expect_null(
        sabal_kmeans_error(sabal_kmeans_fit(x, .n_clusters = 3, .init = init, .n_init = n_init, .init_centers = centers,
                                            .progress = count_runs, .progress_user = &runs)));
    return runs;
}

Test(kmeans_seeding, automatic_n_init_is_1_but_10_for_random)
{
    sabal_client *client = open_engine(2);
    double       *x      = npy_doubles("kmeans", "iris_x", 600);
    sabal_array  *rows   = matrix(client, x, SABAL_FLOAT64, 150, 4, 0);

    cr_expect_eq(runs_of(rows, "k-means||", 0, NULL), 1);
    cr_expect_eq(runs_of(rows, "k-means++", 0, NULL), 1);
    cr_expect_eq(runs_of(rows, "random", 0, NULL), 10);
    cr_expect_eq(runs_of(rows, "random", 2, NULL), 2);
    cr_expect_eq(runs_of(rows, "k-means||", 4, NULL), 4);
    cr_expect_eq(runs_of(rows, "random", 0, sabal_array_rows(rows, 0, 3)), 1);
    sabal_close(client);
    free(x);
}

/* Rows of weight 0 must not be chosen as a start, rows of great weight must: with k = 1 pass there is nothing else. */
Test(kmeans_seeding, rows_of_weight_0_are_never_chosen)
{
    static const char *const inits[] = {"k-means||", "k-means++", "random"};
    enum { N = 400 };
    static double x[N], weight[N];
    sabal_client *client = open_engine(2);

    for (int i = 0; i < N; i++) {
        x[i]      = i % 4 ? 1000.0 + i : i; /* three rows of four have no weight */
        weight[i] = i % 4 == 0;
    }
    for (size_t i = 0; i < 3; i++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            SABAL_SCOPE(client);
            sabal_kmeans *km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, 1, 50), .n_clusters = 5,
                                                .init = inits[i], .n_init = 1, .seed = seed,
                                                .sample_weight = vector(client, weight, SABAL_FLOAT64, N, 0));
            const double *centers;

            cr_assert_null(sabal_kmeans_error(km));
            centers = values(sabal_kmeans_centers(km));
            for (int j = 0; j < 5; j++)
                cr_expect_lt(centers[j], N);
        }
    sabal_close(client);
}

/* The mean inertia after one pass: what the start is worth. */
static double worth(const double *x, int64_t n, int64_t d, int32_t k, const char *init, double oversampling)
{
    sabal_client *client = open_engine(2);
    double        mean   = 0;

    for (uint64_t seed = 0; seed < RUNS; seed++) {
        SABAL_SCOPE(client);
        sabal_kmeans *km = sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, n, d, 0), .n_clusters = k, .init = init,
                                            .n_init = 1, .oversampling = oversampling, .max_iter = 1, .seed = seed);

        cr_assert_null(sabal_kmeans_error(km));
        mean += sabal_kmeans_inertia(km) / RUNS;
    }
    sabal_close(client);
    return mean;
}

/* The same draws, but for those that rounding to float32 decides: so hardly another mean. */
Test(kmeans_seeding, data_far_from_the_origin_is_seeded_as_well)
{
    enum { N = 4000, D = 8, K = 40 };
    double *x    = malloc(sizeof *x * N * D);
    double  near = 0;

    for (int i = 0; i < N * D; i++) /* 40 groups on a grid, each 1 wide */
        x[i] = 10.0 * (i / D % K * (3 + i % D * 7) % K) + (double)((i * 7919LL) % 1009) / 1009;
    near = worth(x, N, D, K, "k-means||", 2);
    for (int i = 0; i < N * D; i++)
        x[i] += 1e12;
    cr_expect_leq(worth(x, N, D, K, "k-means||", 2), 1.5 * near);
    free(x);
}

/* Candidates that rounds did not find are drawn from all rows, not from the first; and some were found. */
Test(kmeans_seeding, with_few_candidates_the_start_is_better_than_random)
{
    enum { N = 2000 };
    static double x[N];

    for (int i = 0; i < N; i++)
        x[i] = i;
    cr_expect_leq(worth(x, N, 1, 10, "k-means||", 0.01), worth(x, N, 1, 10, "random", 2));
}

/* Two pairs: what lies near together beside what lies far away is less than float32 can tell by products. */
Test(kmeans_seeding, tight_pairs_far_apart_are_told_apart)
{
    enum { N = 4000 };
    static const int64_t D[] = {2, 8};

    for (size_t s = 0; s < 2; s++) {
        const int64_t d    = D[s];
        double       *x    = malloc(sizeof *x * (size_t)(N * d));
        double        wide = 0;

        for (int64_t i = 0; i < N * d; i++) {
            const double noise = 1e-6 * ((double)((i * 7919LL) % 2003) / 2003 - 0.5);

            x[i] = (i / d % 2 ? 1 : -1) + (i / d / 2 % 2 ? 1e-4 : 0) + noise;
            wide += noise * noise;
        }
        for (uint64_t seed = 0; seed < RUNS; seed++) {
            sabal_client *client = open_engine(2);
            sabal_kmeans *km =
                sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, N, d, 0), .n_clusters = 4, .tol = 0, .seed = seed);

            cr_assert_null(sabal_kmeans_error(km));
            cr_expect_leq(sabal_kmeans_inertia(km), 1.1 * wide);
            sabal_close(client);
        }
        free(x);
    }
}

/* Groups 1 wide and 10 apart, and far from all of them a tenth of the rows, or one: what is far must not hide the rest. */
static void far_rows_hide_nothing(int64_t n, int64_t d, int64_t n_far, double far)
{
    enum { GROUPS = 8 };
    double       *x      = malloc(sizeof *x * (size_t)(n * d));
    double        wide   = 0;
    sabal_client *client = open_engine(2);

    for (int64_t i = 0; i < n * d; i++) {
        const int64_t row = i / d, f = i % d;
        const double  noise = (double)((i * 7919LL) % 1009) / 1009 - 0.5;

        x[i] = (row % GROUPS >> f % 3 & 1 ? 10 : 0) + noise + (f == 0 && row < n_far ? far : 0);
        wide += noise * noise;
    }
    for (uint64_t seed = 0; seed < 6; seed++) { /* k leaves room for the far ones in groups of their own */
        sabal_kmeans *km =
            sabal_kmeans_fit(matrix(client, x, SABAL_FLOAT64, n, d, 0),
                             .n_clusters = n_far > 1 ? 2 * GROUPS : GROUPS + 1, .tol = 0, .n_init = 4, .seed = seed);

        cr_assert_null(sabal_kmeans_error(km));
        cr_expect_leq(sabal_kmeans_inertia(km), 1.1 * wide, "d %d, %d at %g: %g, groups alone %g", (int)d, (int)n_far,
                      far, sabal_kmeans_inertia(km), wide);
    }
    sabal_close(client);
    free(x);
}

Test(kmeans_seeding, rows_far_away_do_not_hide_how_the_rest_lies)
{
    far_rows_hide_nothing(4000, 16, 400, 999999);
    far_rows_hide_nothing(4000, 5, 2000, 1e6);
    far_rows_hide_nothing(1000, 16, 1, 1e7);
    far_rows_hide_nothing(1000, 3, 1, 1e7);
}
