/* Chooses: which build of the kernels, once for the process, and which shape, from (k, d, dtype) alone. */
#include "kernel/kmeans.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/kmeans_variant.h"

const struct sbl_kmeans_kernels *sbl_kmeans_kernels_of(sbl_isa isa)
{
    switch (isa) {
    case SBL_ISA_BASELINE:
        return &sbl_kmeans_kernels_baseline;
#if defined(SBL_BUILT_AVX2)
    case SBL_ISA_AVX2:
        return &sbl_kmeans_kernels_avx2;
#endif
#if defined(SBL_BUILT_AVX512)
    case SBL_ISA_AVX512:
        return &sbl_kmeans_kernels_avx512;
#endif
    case SBL_ISA_WIDE:
        return &sbl_kmeans_kernels_wide; /* weak: NULL outside the tests */
    default:
        return NULL;
    }
}

static const struct sbl_kmeans_kernels *kernels(void) { return sbl_kmeans_kernels_of(sbl_isa_get()); }

/* Part of what decides the bits of a result (docs/numerics.md): a change here changes them. */
static int few_features(int32_t k, int64_t d) { return d <= 4 && k <= 256; }

/* If the shift is no farther from 0 than any centre is from it, |x| + |c| is at most 3 (|x - shift| + |c - shift|): then
   products about 0 lose no more than a digit against those about the shift. */
static int shifted(const double *centers, const double *shift, int32_t k, int64_t d)
{
    double norm = 0, least = INFINITY;

    for (int64_t f = 0; f < d; f++)
        norm += shift[f] * shift[f];
    for (int64_t j = 0; j < k; j++) {
        double away = 0;

        for (int64_t f = 0; f < d; f++)
            away += (centers[j * d + f] - shift[f]) * (centers[j * d + f] - shift[f]);
        least = away < least ? away : least;
    }
    return !(norm <= least);
}

/* Where products are about 0, |x| and |c| are at most twice the root of this, and |c|^2 - 2 x.c and all that it is added up
   from at most twelve times this. */
double sbl_kmeans_largest(sabal_dtype dtype, int32_t k, int64_t d)
{
    return dtype == SABAL_FLOAT32 && !few_features(k, d) ? (double)FLT_MAX / 32 : DBL_MAX / 32;
}

sbl_kmeans_centers *sbl_kmeans_centers_create(sabal_dtype dtype, int32_t k, int64_t d, const double *centers,
                                              const double *shift)
{
    const size_t        size = sizeof(double) * (size_t)k * (size_t)d;
    const int           f32  = dtype == SABAL_FLOAT32;
    sbl_kmeans_centers *c    = sbl_calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->kernels = kernels();
    c->dtype   = dtype;
    c->k       = k;
    c->d       = d;
    c->few     = few_features(k, d);
    c->scratch = c->few ? c->kernels->few_scratch(k, d) : c->kernels->many_scratch[f32](k, d);
    c->centers = sbl_alloc_aligned(64, size);
    if (!c->centers)
        goto fail;
    memcpy(c->centers, centers, size);
    if (!c->few) {
        c->packed = sbl_alloc_aligned(64, c->kernels->many_packed[f32](k, d));
        if (!c->packed)
            goto fail;
        c->shifted = shift && shifted(centers, shift, k, d);
        c->kernels->many_pack[f32](c, shift);
    }
    return c;
fail:
    sbl_kmeans_centers_destroy(c);
    return NULL;
}

void sbl_kmeans_centers_destroy(sbl_kmeans_centers *c)
{
    if (!c)
        return;
    sbl_free(c->packed);
    sbl_free(c->centers);
    sbl_free(c);
}

size_t sbl_kmeans_scratch_size(const sbl_kmeans_centers *c) { return c->scratch; }

void sbl_kmeans_assign(const sbl_kmeans_centers *c, const void *x, int64_t n, const double *weights, double *sums,
                       double *counts, double *inertia, int32_t *labels, double *sqdist, void *scratch)
{
    const struct sbl_pass pass = {.centers = c,
                                  .x       = x,
                                  .n       = n,
                                  .weights = weights,
                                  .sums    = sums,
                                  .counts  = counts,
                                  .inertia = inertia,
                                  .labels  = labels,
                                  .sqdist  = sqdist,
                                  .scratch = scratch};

    if (c->few)
        c->kernels->few_assign(&pass);
    else
        c->kernels->many_assign[c->dtype == SABAL_FLOAT32](&pass);
}

void sbl_kmeans_distances(void *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *centers,
                          int32_t k)
{
    kernels()->distances(out, dtype, x, n, d, centers, k);
}

/* The first that is not finite. x may lie at any address. */
static int64_t first_not_finite(sabal_dtype dtype, const char *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double v;
        float  v32;

        if (dtype == SABAL_FLOAT32) {
            memcpy(&v32, x + i * 4, sizeof v32);
            v = v32;
        } else {
            memcpy(&v, x + i * 8, sizeof v);
        }
        if (!isfinite(v))
            return i;
    }
    return -1;
}

int64_t sbl_kmeans_moments(sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *shift,
                           const double *weights, double *sum, double *sumsq)
{
    kernels()->moments(dtype, x, n, d, shift, weights, sum, sumsq);
    /* NaN or infinity in a column makes its sum so. The converse fails only where finite numbers overflow. */
    for (int64_t f = 0; f < d; f++)
        if (!isfinite(sum[f]))
            return first_not_finite(dtype, x, n * d);
    return -1;
}

void sbl_near_look(const sbl_near *query) { kernels()->near(query); }

size_t sbl_near_scratch(int64_t d, int32_t m) { return kernels()->near_scratch(d, m); }

double sbl_near_scale(double mean_variance)
{
    int e;

    if (!(mean_variance > 0) || !isfinite(mean_variance))
        return 1;
    frexp(mean_variance, &e);
    return ldexp(1, -e / 2);
}
