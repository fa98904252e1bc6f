/* Given scikit-learn's initial centres: its labels, its number of iterations, its centres. */
#include "support/arrays.h"
#include "support/npy.h"

#include "data/kmeans/cases.h"

static const struct kmeans_case *find(const char *name)
{
    for (size_t i = 0; i < sizeof kmeans_cases / sizeof *kmeans_cases; i++)
        if (!strcmp(kmeans_cases[i].name, name))
            return &kmeans_cases[i];
    cr_assert_fail("no such case");
    return NULL;
}

static double *file_of(const struct kmeans_case *c, const char *what, int64_t n)
{
    char name[64];

    snprintf(name, sizeof name, "%s_%s", c->name, what);
    return npy_doubles("kmeans", name, n);
}

/* |a - b| <= tolerance * the greatest |b|: a centre's coordinate may be anywhere near 0 */
static double worst_difference(const double *a, const double *b, int64_t n)
{
    double worst = 0, scale = 0;

    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs(a[i] - b[i]));
        scale = fmax(scale, fabs(b[i]));
    }
    return scale > 0 ? worst / scale : worst;
}

static void agrees(const char *name, int64_t chunk_rows, int32_t threads)
{
    const struct kmeans_case *c      = find(name);
    sabal_client             *client = open_engine(threads);
    double                   *x = npy_doubles("kmeans", c->x, c->n * c->d), *init = file_of(c, "init", c->k * c->d);
    double                   *labels = file_of(c, "labels", c->n), *centers = file_of(c, "centers", c->k * c->d);
    double                   *weights   = c->weight ? npy_doubles("kmeans", c->weight, c->n) : NULL;
    float                    *single    = malloc((size_t)(c->n * c->d) * sizeof *single);
    double                    tolerance = c->dtype == SABAL_FLOAT64 ? 1e-9 : 1e-5;
    sabal_array              *rows;
    sabal_kmeans             *km;
    const int32_t            *mine;
    int64_t                   wrong = 0;

    for (int64_t i = 0; i < c->n * c->d; i++)
        single[i] = (float)x[i];
    rows = matrix(client, c->dtype == SABAL_FLOAT64 ? (void *)x : single, c->dtype, c->n, c->d, chunk_rows);
    km   = sabal_kmeans_fit(rows, .n_clusters = c->k, .tol = c->tol, .max_iter = c->max_iter,
                            .init_centers  = matrix(client, init, SABAL_FLOAT64, c->k, c->d, 0),
                            .sample_weight = weights ? vector(client, weights, SABAL_FLOAT64, c->n, 0) : NULL);
    if (sabal_kmeans_error(km))
        fprintf(stderr, "%s: %s\n", name, sabal_kmeans_error(km)->message);
    cr_assert_null(sabal_kmeans_error(km));
    cr_expect_eq(sabal_kmeans_n_iter(km), c->n_iter);
    cr_expect_eq(sabal_kmeans_converged(km), c->converged);
    mine = values(sabal_kmeans_labels(km));
    for (int64_t i = 0; i < c->n; i++)
        wrong += mine[i] != (int32_t)labels[i];
    cr_expect_eq(wrong, 0);
    cr_expect_leq(worst_difference(values(sabal_kmeans_centers(km)), centers, c->k * c->d), tolerance);
    cr_expect_leq(fabs(sabal_kmeans_inertia(km) - c->inertia), tolerance * c->inertia);
    if (sabal_kmeans_n_iter(km) != c->n_iter || wrong)
        fprintf(stderr, "%s: %d iterations, scikit-learn %d; %ld labels differ; inertia %.17g, scikit-learn %.17g\n",
                name, sabal_kmeans_n_iter(km), c->n_iter, (long)wrong, sabal_kmeans_inertia(km), c->inertia);
    sabal_close(client);
    free(x);
    free(init);
    free(labels);
    free(centers);
    free(weights);
    free(single);
}

Test(kmeans_sklearn, agrees_on_iris)
{
    agrees("iris", 0, 2);
    agrees("iris", 7, 2);
}

Test(kmeans_sklearn, agrees_on_iris_with_one_cluster)
{
    agrees("iris_k1", 0, 1);
}

Test(kmeans_sklearn, agrees_on_iris_with_weights)
{
    agrees("iris_weighted", 40, 2);
}

Test(kmeans_sklearn, agrees_on_digits)
{
    agrees("digits", 0, 2);
    agrees("digits", 100, 2);
}

Test(kmeans_sklearn, agrees_on_a_hundred_thousand_points)
{
    agrees("blobs", 0, 2);
    agrees("blobs", 9973, 2);
}

Test(kmeans_sklearn, agrees_with_tolerance_0)
{
    agrees("blobs_tol0", 0, 2);
}

Test(kmeans_sklearn, agrees_when_max_iter_is_used_up)
{
    agrees("blobs_max_iter", 0, 2);
}

Test(kmeans_sklearn, agrees_with_16_features_and_8_clusters)
{
    agrees("wide", 0, 2);
    agrees("wide", 999, 2);
}

Test(kmeans_sklearn, agrees_with_weights)
{
    agrees("wide_weighted", 0, 2);
    agrees("wide_weighted", 1024, 2);
}

Test(kmeans_sklearn, agrees_on_float32)
{
    agrees("float32", 0, 2);
    agrees("float32", 64, 2);
}

Test(kmeans_sklearn, agrees_far_from_the_origin)
{
    agrees("far", 0, 2);
}

Test(kmeans_sklearn, an_empty_cluster_moves_to_the_farthest_row)
{
    agrees("empty", 0, 2);
    agrees("empty", 31, 2);
}

Test(kmeans_sklearn, two_empty_clusters_move_to_the_two_farthest_rows)
{
    agrees("empty_two", 0, 2);
    agrees("empty_two", 31, 2);
}

Test(kmeans_sklearn, an_empty_cluster_takes_its_rows_weight_along)
{
    agrees("empty_weighted", 0, 2);
}

Test(kmeans_sklearn, clusters_beyond_the_distinct_rows_lie_on_the_biggest)
{
    agrees("duplicates", 0, 2);
    agrees("duplicates", 3, 2);
}
