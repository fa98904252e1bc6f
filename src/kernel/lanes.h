/*
 * Vectors as wide as the instruction set this file is compiled for: vd of VD float64, vf of VF float32. The same few
 * operations everywhere, each with one meaning for each element, so that the code above them gives the same bits at any
 * width. What the virtual lanes are is decided above (docs/numerics.md).
 * vd_least_lane(a), of numbers, is the first lane that holds the least.
 * vd_min(a, b) is a < b ? a : b, so b if one is NaN. vf_min_positive() orders as whole numbers do, which for positive
 * numbers is the same, on units that are not busy with products.
 *
 * SBL_WIDE: the shape of AVX-512 in plain C, so that tests can run that shape on any processor.
 */
#ifndef SBL_KERNEL_LANES_H
#define SBL_KERNEL_LANES_H

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline, unused))

/* x comes from files and from strangers' memory: it may lie at any address. */
typedef double any_double __attribute__((aligned(1), may_alias));
typedef float  any_float __attribute__((aligned(1), may_alias));

#if defined(__AVX512F__) && !defined(SBL_WIDE)
#include <immintrin.h>
#define VD 8
#define VF 16
typedef __m512d   vd;
typedef __m512    vf;
typedef __mmask8  md; /* which elements, from a comparison */
typedef __mmask16 mf;

INLINE vd   vd_load(const void *p) { return _mm512_loadu_pd(p); }
INLINE void vd_store(void *p, vd a) { _mm512_storeu_pd(p, a); }
INLINE vd   vd_all(double a) { return _mm512_set1_pd(a); }
INLINE vd   vd_all_bits(int64_t a) { return _mm512_castsi512_pd(_mm512_set1_epi64(a)); }
INLINE vd   vd_fma(vd a, vd b, vd c) { return _mm512_fmadd_pd(a, b, c); }
INLINE md   vd_less(vd a, vd b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
INLINE vd   vd_select(md m, vd a, vd b) { return _mm512_mask_blend_pd(m, b, a); }
INLINE vd   vd_min(vd a, vd b) { return _mm512_min_pd(a, b); }
INLINE vd   vd_add_where(vd a, md m, vd b) { return _mm512_mask_add_pd(a, m, a, b); }
INLINE md   md_and_not(md a, md b) { return (md)(a & ~b); }
INLINE md   md_or(md a, md b) { return (md)(a | b); }
INLINE vd   vd_add_unless(vd a, md m, vd b) { return _mm512_mask_add_pd(a, (md)~m, a, b); }
INLINE vd   vd_count_where(vd a, md m)
{
    return (vd)_mm512_mask_add_epi64((__m512i)a, m, (__m512i)a, _mm512_set1_epi64(1));
}
INLINE vd   vd_max(vd a, vd b) { return _mm512_max_pd(a, b); }
INLINE vd   vd_widen(const void *p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
INLINE void vd_narrow(void *p, vd a) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(a)); }

INLINE vf   vf_load(const void *p) { return _mm512_loadu_ps(p); }
INLINE void vf_store(void *p, vf a) { _mm512_storeu_ps(p, a); }
INLINE vf   vf_all(float a) { return _mm512_set1_ps(a); }
INLINE vf   vf_all_bits(int32_t a) { return _mm512_castsi512_ps(_mm512_set1_epi32(a)); }
INLINE vf   vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE mf   vf_less(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
INLINE vf   vf_select(mf m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
INLINE vf   vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf   vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf   vf_min_positive(vf a, vf b) { return (vf)_mm512_min_epi32((__m512i)a, (__m512i)b); }

INLINE int vd_least_lane(vd a)
{
    return __builtin_ctz(_mm512_cmp_pd_mask(a, _mm512_set1_pd(_mm512_reduce_min_pd(a)), _CMP_EQ_OQ));
}
INLINE int vf_least_lane(vf a)
{
    return __builtin_ctz(_mm512_cmp_ps_mask(a, _mm512_set1_ps(_mm512_reduce_min_ps(a)), _CMP_EQ_OQ));
}

#elif defined(__AVX2__) && defined(__FMA__) && !defined(SBL_WIDE)
#include <immintrin.h>
#define VD 4
#define VF 8
typedef __m256d vd;
typedef __m256  vf;
typedef __m256d md; /* all bits of an element set, or none */
typedef __m256  mf;

INLINE vd   vd_load(const void *p) { return _mm256_loadu_pd(p); }
INLINE void vd_store(void *p, vd a) { _mm256_storeu_pd(p, a); }
INLINE vd   vd_all(double a) { return _mm256_set1_pd(a); }
INLINE vd   vd_all_bits(int64_t a) { return _mm256_castsi256_pd(_mm256_set1_epi64x(a)); }
INLINE vd   vd_fma(vd a, vd b, vd c) { return _mm256_fmadd_pd(a, b, c); }
INLINE md   vd_less(vd a, vd b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
INLINE vd   vd_select(md m, vd a, vd b) { return _mm256_blendv_pd(b, a, m); }
INLINE vd   vd_min(vd a, vd b) { return _mm256_min_pd(a, b); }
INLINE vd   vd_add_where(vd a, md m, vd b) { return a + _mm256_and_pd(m, b); }
INLINE md   md_and_not(md a, md b) { return _mm256_andnot_pd(b, a); }
INLINE md   md_or(md a, md b) { return _mm256_or_pd(a, b); }
INLINE vd   vd_add_unless(vd a, md m, vd b) { return a + _mm256_andnot_pd(m, b); }
INLINE vd   vd_count_where(vd a, md m) { return (vd)_mm256_sub_epi64((__m256i)a, (__m256i)m); }
INLINE vd   vd_max(vd a, vd b) { return _mm256_max_pd(a, b); }
INLINE vd   vd_widen(const void *p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
INLINE void vd_narrow(void *p, vd a) { _mm_storeu_ps(p, _mm256_cvtpd_ps(a)); }

INLINE vf   vf_load(const void *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(void *p, vf a) { _mm256_storeu_ps(p, a); }
INLINE vf   vf_all(float a) { return _mm256_set1_ps(a); }
INLINE vf   vf_all_bits(int32_t a) { return _mm256_castsi256_ps(_mm256_set1_epi32(a)); }
INLINE vf   vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE mf   vf_less(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
INLINE vf   vf_select(mf m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
INLINE vf   vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf   vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf   vf_min_positive(vf a, vf b) { return (vf)_mm256_min_epi32((__m256i)a, (__m256i)b); }

INLINE int vd_least_lane(vd a)
{
    vd least = _mm256_min_pd(a, _mm256_permute2f128_pd(a, a, 1));

    least = _mm256_min_pd(least, _mm256_permute_pd(least, 5));
    return __builtin_ctz((unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a, least, _CMP_EQ_OQ)));
}
INLINE int vf_least_lane(vf a)
{
    vf least = _mm256_min_ps(a, _mm256_permute2f128_ps(a, a, 1));

    least = _mm256_min_ps(least, _mm256_permute_ps(least, 0x4e));
    least = _mm256_min_ps(least, _mm256_permute_ps(least, 0xb1));
    return __builtin_ctz((unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, least, _CMP_EQ_OQ)));
}

#else
#define VECTOR_PLAIN
#if defined(SBL_WIDE)
#define VD 8
#define VF 16
#else
#define VD 2
#define VF 4
#endif
typedef double  vd __attribute__((vector_size(8 * VD)));
typedef float   vf __attribute__((vector_size(4 * VF)));
typedef int64_t md __attribute__((vector_size(8 * VD))); /* -1 or 0 */
typedef int32_t mf __attribute__((vector_size(4 * VF)));

INLINE vd vd_load(const void *p)
{
    vd a;
    memcpy(&a, p, sizeof a);
    return a;
}
INLINE void vd_store(void *p, vd a) { memcpy(p, &a, sizeof a); }
INLINE vd   vd_all(double a) { return a - (vd){0}; }
INLINE vd   vd_all_bits(int64_t a) { return (vd)(a + (md){0}); }
INLINE vd   vd_fma(vd a, vd b, vd c)
{
    for (int l = 0; l < VD; l++)
        c[l] = __builtin_fma(a[l], b[l], c[l]);
    return c;
}
INLINE md   vd_less(vd a, vd b) { return a < b; }
INLINE vd   vd_select(md m, vd a, vd b) { return (vd)(((md)a & m) | ((md)b & ~m)); }
INLINE vd   vd_min(vd a, vd b) { return vd_select(a < b, a, b); }
INLINE vd   vd_add_where(vd a, md m, vd b) { return a + (vd)((md)b & m); }
INLINE md   md_and_not(md a, md b) { return a & ~b; }
INLINE md   md_or(md a, md b) { return a | b; }
INLINE vd   vd_add_unless(vd a, md m, vd b) { return a + (vd)((md)b & ~m); }
INLINE vd   vd_count_where(vd a, md m) { return (vd)((md)a - m); }
INLINE vd   vd_max(vd a, vd b) { return vd_select(a > b, a, b); }
INLINE void vd_narrow(void *p, vd a)
{
    for (int l = 0; l < VD; l++)
        ((any_float *)p)[l] = (float)a[l];
}
INLINE vd vd_widen(const void *p)
{
    vd a;
    for (int l = 0; l < VD; l++)
        a[l] = ((const any_float *)p)[l];
    return a;
}

INLINE vf vf_load(const void *p)
{
    vf a;
    memcpy(&a, p, sizeof a);
    return a;
}
INLINE void vf_store(void *p, vf a) { memcpy(p, &a, sizeof a); }
INLINE vf   vf_all(float a) { return a - (vf){0}; }
INLINE vf   vf_all_bits(int32_t a) { return (vf)(a + (mf){0}); }
INLINE vf   vf_fma(vf a, vf b, vf c)
{
    for (int l = 0; l < VF; l++)
        c[l] = __builtin_fmaf(a[l], b[l], c[l]);
    return c;
}
INLINE mf vf_less(vf a, vf b) { return a < b; }
INLINE vf vf_select(mf m, vf a, vf b) { return (vf)(((mf)a & m) | ((mf)b & ~m)); }
INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
INLINE vf vf_min_positive(vf a, vf b) { return vf_select((mf)a < (mf)b, a, b); }

INLINE int vd_least_lane(vd a)
{
    int least = 0;

    for (int l = 1; l < VD; l++)
        least = a[l] < a[least] ? l : least;
    return least;
}
INLINE int vf_least_lane(vf a)
{
    int least = 0;

    for (int l = 1; l < VF; l++)
        least = a[l] < a[least] ? l : least;
    return least;
}
#endif

#define NV (8 / VD) /* native vectors that make the 8 virtual lanes of float64 */

/* VD rows of d features each, one after the other at x: out[f] holds feature f of each. */
INLINE vd     vd_from(int is_f32, const void *x) { return is_f32 ? vd_widen(x) : vd_load(x); }
INLINE double number_from(int is_f32, const void *x, int64_t i)
{
    return is_f32 ? (double)((const any_float *)x)[i] : ((const any_double *)x)[i];
}
INLINE vd vd_gather(int is_f32, const void *x, int64_t stride)
{
    vd a;
    for (int l = 0; l < VD; l++)
        a[l] = number_from(is_f32, x, l * stride);
    return a;
}

#if VD == 4 && !defined(VECTOR_PLAIN)
INLINE void pair_f64(vd *out, const double *x, int64_t d)
{
    vd a = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x)), _mm_loadu_pd(x + 2 * d), 1);
    vd b = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x + d)), _mm_loadu_pd(x + 3 * d), 1);

    out[0] = _mm256_unpacklo_pd(a, b);
    out[1] = _mm256_unpackhi_pd(a, b);
}
INLINE __m128 two_pairs(const float *x, int64_t d)
{
    return _mm_castpd_ps(_mm_set_pd(*(const any_double *)(x + d), *(const any_double *)x));
}
INLINE void pair_f32(vd *out, const float *x, int64_t d)
{
    __m128 a = two_pairs(x, d), b = two_pairs(x + 2 * d, d);

    out[0] = _mm256_cvtps_pd(_mm_shuffle_ps(a, b, 0x88));
    out[1] = _mm256_cvtps_pd(_mm_shuffle_ps(a, b, 0xdd));
}
#elif VD == 8 && !defined(VECTOR_PLAIN)
INLINE vd four_pairs(const double *x, int64_t d)
{
    vd a = _mm512_castpd128_pd512(_mm_loadu_pd(x));

    a = _mm512_insertf64x2(a, _mm_loadu_pd(x + 2 * d), 1);
    a = _mm512_insertf64x2(a, _mm_loadu_pd(x + 4 * d), 2);
    return _mm512_insertf64x2(a, _mm_loadu_pd(x + 6 * d), 3);
}
INLINE void pair_f64(vd *out, const double *x, int64_t d)
{
    vd a = four_pairs(x, d), b = four_pairs(x + d, d);

    out[0] = _mm512_unpacklo_pd(a, b);
    out[1] = _mm512_unpackhi_pd(a, b);
}
INLINE __m128 two_pairs(const float *x, int64_t d)
{
    return _mm_castpd_ps(_mm_set_pd(*(const any_double *)(x + d), *(const any_double *)x));
}
INLINE void pair_f32(vd *out, const float *x, int64_t d)
{
    __m128 a = two_pairs(x, d), b = two_pairs(x + 2 * d, d);
    __m128 e = two_pairs(x + 4 * d, d), f = two_pairs(x + 6 * d, d);

    out[0] = _mm512_cvtps_pd(_mm256_set_m128(_mm_shuffle_ps(e, f, 0x88), _mm_shuffle_ps(a, b, 0x88)));
    out[1] = _mm512_cvtps_pd(_mm256_set_m128(_mm_shuffle_ps(e, f, 0xdd), _mm_shuffle_ps(a, b, 0xdd)));
}
#endif

#if VF == 8 && !defined(VECTOR_PLAIN)
INLINE void vd_pair(vd *out, const double *x, int64_t d) { pair_f64(out, x, d); }
/* The same for VF rows of float32, as they are. */
INLINE void vf_pair(vf *out, const float *x, int64_t d)
{
    __m128 a = two_pairs(x, d), b = two_pairs(x + 2 * d, d);
    __m128 e = two_pairs(x + 4 * d, d), f = two_pairs(x + 6 * d, d);

    out[0] = _mm256_set_m128(_mm_shuffle_ps(e, f, 0x88), _mm_shuffle_ps(a, b, 0x88));
    out[1] = _mm256_set_m128(_mm_shuffle_ps(e, f, 0xdd), _mm_shuffle_ps(a, b, 0xdd));
}
#elif VF == 16 && !defined(VECTOR_PLAIN)
INLINE void   vd_pair(vd *out, const double *x, int64_t d) { pair_f64(out, x, d); }
INLINE __m256 eight(const float *x, int64_t d, int odd)
{
    __m128 a = two_pairs(x, d), b = two_pairs(x + 2 * d, d);
    __m128 e = two_pairs(x + 4 * d, d), f = two_pairs(x + 6 * d, d);

    return odd ? _mm256_set_m128(_mm_shuffle_ps(e, f, 0xdd), _mm_shuffle_ps(a, b, 0xdd))
               : _mm256_set_m128(_mm_shuffle_ps(e, f, 0x88), _mm_shuffle_ps(a, b, 0x88));
}
INLINE void vf_pair(vf *out, const float *x, int64_t d)
{
    out[0] = _mm512_insertf32x8(_mm512_castps256_ps512(eight(x, d, 0)), eight(x + 8 * d, d, 0), 1);
    out[1] = _mm512_insertf32x8(_mm512_castps256_ps512(eight(x, d, 1)), eight(x + 8 * d, d, 1), 1);
}
#endif

INLINE void load_rows(vd *out, int is_f32, const void *x, int64_t d)
{
    int64_t f = 0;

    if (d == 1) {
        out[0] = vd_from(is_f32, x);
        return;
    }
#if !defined(VECTOR_PLAIN)
    for (; f + 2 <= d; f += 2)
        if (is_f32)
            pair_f32(out + f, (const float *)x + f, d);
        else
            pair_f64(out + f, (const double *)x + f, d);
#endif
    for (; f < d; f++)
        out[f] = vd_gather(is_f32, (const char *)x + f * (is_f32 ? 4 : 8), d);
}

/*
 * The same, but rows in whatever order is quickest: lane l holds row LANE_ROW(d)[l]. For sums in lanes that is as good,
 * if who reads the lanes at the end knows.
 */
#if VD == 4 && !defined(VECTOR_PLAIN)
static const unsigned char LANE_ROW_[2][VD] = {{0, 1, 2, 3}, {0, 2, 1, 3}};
#define UNPACK_LOW(a, b)  _mm256_unpacklo_pd(a, b)
#define UNPACK_HIGH(a, b) _mm256_unpackhi_pd(a, b)
#elif VD == 8 && !defined(VECTOR_PLAIN)
static const unsigned char LANE_ROW_[2][VD] = {{0, 1, 2, 3, 4, 5, 6, 7}, {0, 4, 1, 5, 2, 6, 3, 7}};
#define UNPACK_LOW(a, b)  _mm512_unpacklo_pd(a, b)
#define UNPACK_HIGH(a, b) _mm512_unpackhi_pd(a, b)
#else
static const unsigned char LANE_ROW_[2][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7}};
#endif
#define LANE_ROW(d) (LANE_ROW_[(d) == 2])

INLINE void load_rows_mixed(vd *out, int is_f32, const void *x, int64_t d)
{
#if !defined(VECTOR_PLAIN)
    if (d == 2) {
        const vd a = vd_from(is_f32, x), b = vd_from(is_f32, (const char *)x + VD * (is_f32 ? 4 : 8));

        out[0] = UNPACK_LOW(a, b);
        out[1] = UNPACK_HIGH(a, b);
        return;
    }
#endif
    load_rows(out, is_f32, x, d);
}

/* Lanes into one number, always in this order. */
INLINE double fold_lanes(const double *lane)
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* The same for lanes that are in registers. */
INLINE double fold_vectors(const vd sum[NV])
{
#if VD == 4 && !defined(VECTOR_PLAIN)
    const vd      four = sum[0] + sum[1];
    const __m128d two  = _mm256_castpd256_pd128(four) + _mm256_extractf128_pd(four, 1);

    return two[0] + two[1];
#else
    double lane[8];

    for (int v = 0; v < NV; v++)
        vd_store(lane + v * VD, sum[v]);
    return fold_lanes(lane);
#endif
}

#endif
