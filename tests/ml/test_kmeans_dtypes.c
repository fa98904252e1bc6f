/* Real numbers of every dtype: what a fit makes of them is what it makes of the same numbers as float64, bit by bit. */
#include <string.h>

#include "support/client.h"

TestSuite(kmeans_dtypes, .init = open_client, .fini = close_client);

enum { N = 60, D = 3, K = 3 };
static const sabal_dtype REAL[] = {SABAL_BOOL, SABAL_UINT8, SABAL_UINT16, SABAL_UINT32, SABAL_UINT64,
                                   SABAL_INT8, SABAL_INT16, SABAL_INT32,  SABAL_INT64,  SABAL_FLOAT64};
#define N_REAL ((int)(sizeof REAL / sizeof *REAL))

/* Number i of the test in a dtype: 0 or 1 for booleans; negative ones where there are any. */
static double number(sabal_dtype dtype, int i)
{
    const int is_signed = dtype >= SABAL_INT8;
    const int value     = i / D % K * 40 + i * 7 % 11;

    return dtype == SABAL_BOOL ? i * 7 % 11 < 4 : is_signed ? value - 60 : value;
}

#define PUT(type)                                                                                                      \
    ((type *)to)[i] = (type)v;                                                                                         \
    break

static void put(void *to, sabal_dtype dtype, int i, double v)
{
    switch (dtype) {
    case SABAL_BOOL:
    case SABAL_UINT8:
        PUT(uint8_t);
    case SABAL_UINT16:
        PUT(uint16_t);
    case SABAL_UINT32:
        PUT(uint32_t);
    case SABAL_UINT64:
        PUT(uint64_t);
    case SABAL_INT8:
        PUT(int8_t);
    case SABAL_INT16:
        PUT(int16_t);
    case SABAL_INT32:
        PUT(int32_t);
    case SABAL_INT64:
        PUT(int64_t);
    default:
        PUT(double);
    }
}

/* The same numbers in a dtype, and as float64. */
struct both {
    double given[N * D], floats[N * D];
};

static struct both both_of(sabal_dtype dtype)
{
    struct both b;

    for (int i = 0; i < N * D; i++) {
        put(b.given, dtype, i, number(dtype, i));
        b.floats[i] = number(dtype, i);
    }
    return b;
}

static int same(const sabal_array *a, const sabal_array *b)
{
    const sabal_ndarray *x = computed(a), *y = computed(b);

    return sabal_ndarray_dtype(x) == sabal_ndarray_dtype(y) && sabal_ndarray_size(x) == sabal_ndarray_size(y) &&
           !memcmp(sabal_ndarray_data(x), sabal_ndarray_data(y),
                   (size_t)sabal_ndarray_size(x) * sabal_dtype_size(sabal_ndarray_dtype(x)));
}

Test(kmeans_dtypes, rows_of_any_real_dtype_give_what_float64_gives)
{
    for (int t = 0; t < N_REAL; t++) {
        struct both        b      = both_of(REAL[t]);
        const sabal_array *given  = matrix(client, b.given, REAL[t], N, D, 7);
        const sabal_array *floats = matrix(client, b.floats, SABAL_FLOAT64, N, D, 7);
        sabal_kmeans      *a      = sabal_kmeans_fit(given, .n_clusters = K);
        sabal_kmeans      *right  = sabal_kmeans_fit(floats, .n_clusters = K);

        cr_assert_null(sabal_kmeans_error(a), "%s", sabal_dtype_name(REAL[t]));
        cr_expect(same(sabal_kmeans_centers(a), sabal_kmeans_centers(right)), "%s", sabal_dtype_name(REAL[t]));
        cr_expect(same(sabal_kmeans_labels(a), sabal_kmeans_labels(right)), "%s", sabal_dtype_name(REAL[t]));
        cr_expect_eq(sabal_kmeans_inertia(a), sabal_kmeans_inertia(right), "%s", sabal_dtype_name(REAL[t]));
        cr_expect(same(sabal_kmeans_predict(right, given), sabal_kmeans_labels(right)), "%s",
                  sabal_dtype_name(REAL[t]));
        cr_expect(same(sabal_kmeans_transform(right, given), sabal_kmeans_transform(right, floats)), "%s",
                  sabal_dtype_name(REAL[t]));
    }
}

Test(kmeans_dtypes, centers_and_weights_of_any_real_dtype_will_do)
{
    for (int t = 0; t < N_REAL; t++) {
        struct both   b = both_of(REAL[t]);
        double        w[N], ones[N];
        sabal_kmeans *a, *right;

        for (int i = 0; i < N; i++) {
            ones[i] = i % 2;
            put(w, REAL[t], i, ones[i]);
        }
        a     = sabal_kmeans_fit(matrix(client, b.given, REAL[t], N, D, 7), .n_clusters = K,
                                 .init_centers  = matrix(client, b.given, REAL[t], K, D, 0),
                                 .sample_weight = vector(client, w, REAL[t], N, 0));
        right = sabal_kmeans_fit(matrix(client, b.floats, SABAL_FLOAT64, N, D, 7), .n_clusters = K,
                                 .init_centers  = matrix(client, b.floats, SABAL_FLOAT64, K, D, 0),
                                 .sample_weight = vector(client, ones, SABAL_FLOAT64, N, 0));
        cr_assert_null(sabal_kmeans_error(a), "%s", sabal_dtype_name(REAL[t]));
        cr_expect(same(sabal_kmeans_centers(a), sabal_kmeans_centers(right)), "%s", sabal_dtype_name(REAL[t]));
        cr_expect_eq(sabal_kmeans_inertia(a), sabal_kmeans_inertia(right), "%s", sabal_dtype_name(REAL[t]));
    }
}

Test(kmeans_dtypes, what_float64_can_not_hold_is_rounded)
{
    const uint64_t x[4] = {UINT64_MAX, UINT64_MAX - 1, (UINT64_C(1) << 53) + 1, 3};
    sabal_kmeans  *km   = sabal_kmeans_fit(matrix(client, x, SABAL_UINT64, 4, 1, 0), .n_clusters = 1,
                                           .init_centers = matrix(client, x + 3, SABAL_UINT64, 1, 1, 0));
    const double  *mean = values(sabal_kmeans_centers(km));

    cr_assert_null(sabal_kmeans_error(km));
    cr_expect_eq(*mean, (0x1p64 + 0x1p64 + 0x1p53 + 3) / 4);
}

Test(kmeans_dtypes, complex_numbers_are_refused_by_name)
{
    static const char zeros[N * D * 16];
    sabal_kmeans     *km = sabal_kmeans_fit(matrix(client, zeros, SABAL_FLOAT64, N, D, 0), .n_clusters = 1);
    sabal_array      *z  = matrix(client, zeros, SABAL_COMPLEX64, N, D, 0);

    cr_expect_eq(sabal_kmeans_error(sabal_kmeans_fit(z, .n_clusters = 2))->status, SABAL_EDTYPE);
    cr_expect_eq(sabal_array_error(sabal_kmeans_predict(km, z))->status, SABAL_EDTYPE);
    cr_expect_eq(sabal_array_error(sabal_kmeans_transform(km, z))->status, SABAL_EDTYPE);
    cr_expect_not_null(strstr(sabal_array_error(sabal_kmeans_transform(km, z))->message, "complex64"));
}
