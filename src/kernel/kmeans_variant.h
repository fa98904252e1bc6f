/* What one build of the k-means kernels offers to kmeans.c, which chooses among them. Private to this folder. */
#ifndef SBL_KERNEL_KMEANS_VARIANT_H
#define SBL_KERNEL_KMEANS_VARIANT_H

#include "base/isa.h"
#include "kernel/kmeans.h"

/* Names of what is built several times: NAME(f) is f_avx2 in the AVX2 build. */
#define SBL_NAME_(f, variant)  f##_##variant
#define SBL_NAME__(f, variant) SBL_NAME_(f, variant)
#define NAME(f)                SBL_NAME__(f, SBL_VARIANT)

/* Virtual lanes: row r of a call adds to lane r % SBL_LANES; docs/numerics.md. */
#define SBL_LANES 8

struct sbl_kmeans_kernels;
struct sbl_kmeans_centers {
    const struct sbl_kmeans_kernels *kernels;
    sabal_dtype                      dtype;
    int32_t                          k;
    int64_t                          d;
    int                              few;     /* direct differences in float64; else products, in x's dtype */
    int                              shifted; /* many features: rows and centres are taken about the shift */
    size_t                           scratch; /* bytes */
    double                          *centers; /* (k, d), as given */
    void                            *packed;  /* the kernel's own */
};

struct sbl_pass { /* what sbl_kmeans_assign() is given */
    const struct sbl_kmeans_centers *centers;
    const void                      *x;
    int64_t                          n;
    const double                    *weights;
    double                          *sums, *counts, *inertia;
    int32_t                         *labels;
    double                          *sqdist;
    void                            *scratch;
};

struct sbl_kmeans_kernels {
    /* few features */
    size_t (*few_scratch)(int32_t k, int64_t d);
    void (*few_assign)(const struct sbl_pass *pass);
    /* many features: in float64 and in float32 */
    size_t (*many_packed[2])(int32_t k, int64_t d);
    void (*many_pack[2])(struct sbl_kmeans_centers *centers, const double *shift);
    size_t (*many_scratch[2])(int32_t k, int64_t d);
    void (*many_assign[2])(const struct sbl_pass *pass);

    void (*distances)(void *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *centers,
                      int32_t k);
    void (*moments)(sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *shift, const double *weights,
                    double *sum, double *sumsq);
    size_t (*near_scratch)(int64_t d, int32_t m);
    void (*near)(const sbl_near *query);
};

extern const struct sbl_kmeans_kernels sbl_kmeans_kernels_baseline;
#if defined(SBL_BUILT_AVX2)
extern const struct sbl_kmeans_kernels sbl_kmeans_kernels_avx2;
#endif
#if defined(SBL_BUILT_AVX512)
extern const struct sbl_kmeans_kernels sbl_kmeans_kernels_avx512;
#endif
/* In the tests' programs only. */
extern const struct sbl_kmeans_kernels sbl_kmeans_kernels_wide __attribute__((weak));

/** NULL if it was not built. */
const struct sbl_kmeans_kernels *sbl_kmeans_kernels_of(sbl_isa isa);

/* The parts of a build, each from a source file of its own. */
#if defined(SBL_VARIANT)
size_t NAME(sbl_few_scratch)(int32_t k, int64_t d);
void   NAME(sbl_few_assign)(const struct sbl_pass *pass);
size_t NAME(sbl_many_packed_f64)(int32_t k, int64_t d);
size_t NAME(sbl_many_packed_f32)(int32_t k, int64_t d);
void   NAME(sbl_many_pack_f64)(struct sbl_kmeans_centers *centers, const double *shift);
void   NAME(sbl_many_pack_f32)(struct sbl_kmeans_centers *centers, const double *shift);
size_t NAME(sbl_many_scratch_f64)(int32_t k, int64_t d);
size_t NAME(sbl_many_scratch_f32)(int32_t k, int64_t d);
void   NAME(sbl_many_assign_f64)(const struct sbl_pass *pass);
void   NAME(sbl_many_assign_f32)(const struct sbl_pass *pass);
void   NAME(sbl_distances)(void *out, sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *centers,
                         int32_t k);
void   NAME(sbl_moments)(sabal_dtype dtype, const void *x, int64_t n, int64_t d, const double *shift,
                       const double *weights, double *sum, double *sumsq);
size_t NAME(sbl_near_scratch)(int64_t d, int32_t m);
void   NAME(sbl_near)(const sbl_near *query);
#endif

#endif
