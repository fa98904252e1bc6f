/* Every allocation of a fit fails in turn: each time the caller is told, and nothing stays behind. */
#include "base/alloc.h"
#include "support/arrays.h"

enum { N = 200, MOST = 16, K = 4 };

static double  x[N * MOST], weight[N];
static int64_t d = 3; /* with 16 seeding keeps something for each row */

static void fill(void)
{
    for (int i = 0; i < N * MOST; i++)
        x[i] = (double)((uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 40) / (1 << 20);
    for (int i = 0; i < N; i++)
        weight[i] = 1 + i % 3;
}

static size_t in_use(void)
{
    sabal_memory m = {.struct_size = sizeof m};

    sabal_memory_get(&m);
    return m.in_use;
}

static void told_of_memory(const sabal_error *err, const char *by)
{
    if (err->status != SABAL_ENOMEM)
        fprintf(stderr, "%s: %s \"%s\"\n", by, sabal_status_name(err->status), err->message);
    cr_expect_eq(err->status, SABAL_ENOMEM);
    cr_expect_neq(err->message[0], 0);
}

/* One whole use of the library. Returns 1 if all of it succeeded. */
static int use(const char *init, int weighted, int n_init)
{
    sabal_error    err    = SABAL_ERROR_INIT;
    sabal_client  *client = sabal_open("local:", &err, .threads = 2);
    sabal_array   *rows   = matrix(client, x, SABAL_FLOAT64, N, d, 60);
    sabal_array   *w      = weighted ? vector(client, weight, SABAL_FLOAT64, N, 0) : NULL;
    sabal_array   *start  = init ? NULL : sabal_array_rows(rows, 0, K);
    sabal_kmeans  *km     = sabal_kmeans_fit(sabal_persist(rows), .n_clusters = K, .init = init ? init : "random",
                                             .init_centers = start, .sample_weight = w, .n_init = n_init, .max_iter = 5);
    sabal_ndarray *labels = NULL, *distances = NULL;
    int            ok = 1;

    if (sabal_client_error(client)) {
        told_of_memory(sabal_client_error(client), "open");
        cr_expect_eq(err.status, SABAL_ENOMEM);
        ok = 0;
    }
    if (sabal_kmeans_error(km)) {
        told_of_memory(sabal_kmeans_error(km), "fit");
        cr_expect_eq(sabal_kmeans_n_iter(km), -1);
        ok = 0;
    } else {
        cr_expect(sabal_kmeans_n_iter(km) >= 1 && sabal_kmeans_inertia(km) > 0);
    }
    err = (sabal_error)SABAL_ERROR_INIT;
    if (sabal_compute(&labels, sabal_kmeans_labels(km), &err)) {
        told_of_memory(&err, "labels");
        cr_expect_null(labels);
        ok = 0;
    } else {
        cr_expect_eq(sabal_ndarray_extent(labels, 0), N);
    }
    err = (sabal_error)SABAL_ERROR_INIT;
    if (sabal_compute(&distances, sabal_kmeans_transform(km, rows), &err)) {
        told_of_memory(&err, "transform");
        cr_expect_null(distances);
        ok = 0;
    }
    sabal_close(client);
    return ok;
}

/* The thread sanitizer takes minutes for all, and failing is much the same for it everywhere; what is lost shows to the others. */
static int64_t stride(void)
{
#ifdef __SANITIZE_THREAD__
    return getenv("TEST_LONG") ? 1 : 5;
#else
    return 1;
#endif
}

static void each_allocation_fails_in_turn(const char *init, int weighted, int n_init, int forever)
{
    size_t before;

    fill();
    cr_expect(use(init, weighted, n_init)); /* what is made once in a process is made now */
    before = in_use();
    for (int64_t n = 1;; n += stride()) {
        int     ok;
        int64_t made;

        sbl_alloc_fail(n, forever);
        ok   = use(init, weighted, n_init);
        made = sbl_alloc_fail(0, 0);
        cr_expect_eq(in_use(), before);
        if (made < n) {
            cr_expect(ok);
            break;
        }
        cr_assert_lt(n, 100000);
    }
}

Test(kmeans_memory, every_failed_allocation_is_reported)
{
    each_allocation_fails_in_turn("k-means||", 0, 0, 0);
}

Test(kmeans_memory, every_failed_allocation_is_reported_with_weights)
{
    each_allocation_fails_in_turn("k-means++", 1, 2, 0);
}

Test(kmeans_memory, every_failed_allocation_is_reported_with_centers_given)
{
    each_allocation_fails_in_turn(NULL, 0, 0, 0);
}

Test(kmeans_memory, memory_that_stays_out_is_reported_too)
{
    each_allocation_fails_in_turn("k-means||", 1, 0, 1);
}

Test(kmeans_memory, every_failed_allocation_is_reported_with_long_rows)
{
    d = MOST;
    each_allocation_fails_in_turn("k-means||", 0, 0, 0);
    each_allocation_fails_in_turn("k-means||", 1, 0, 1);
    d = 3;
}
