/* Many features: products. (Straight loops for now.) */
#include "kernel/kmeans_variant.h"

#include <math.h>

#include "kernel/lanes.h"

size_t NAME(sbl_many_packed)(sabal_dtype dtype, int32_t k, int64_t d)
{
    return (dtype == SABAL_FLOAT32 ? 4 : 8) * ((size_t)k * (size_t)(d + 1) + (size_t)d);
}

size_t NAME(sbl_many_scratch)(sabal_dtype dtype, int32_t k, int64_t d)
{
    return sizeof(double) * (size_t)d;
}

#define MANY(T, FMA, suffix)                                                                                       \
    static void pack_##suffix(struct sbl_kmeans_centers *c, const double *shift)                                   \
    {                                                                                                              \
        T      *h = c->packed, *s = h + c->k, *m = s + c->d;                                                       \
        int64_t d = c->d;                                                                                          \
        for (int64_t f = 0; f < d; f++)                                                                            \
            s[f] = shift ? (T)shift[f] : 0;                                                                        \
        for (int32_t j = 0; j < c->k; j++) {                                                                       \
            double sum = 0;                                                                                        \
            for (int64_t f = 0; f < d; f++) {                                                                      \
                T v          = (T)c->centers[j * d + f] - s[f];                                                    \
                sum          = __builtin_fma(v, v, sum);                                                           \
                m[j * d + f] = -2 * v;                                                                             \
            }                                                                                                      \
            h[j] = (T)sum;                                                                                         \
        }                                                                                                          \
    }                                                                                                              \
    static void assign_##suffix(const struct sbl_pass *p)                                                          \
    {                                                                                                              \
        const struct sbl_kmeans_centers *c = p->centers;                                                           \
        const T                         *h = c->packed, *s = h + c->k, *m = s + c->d;                              \
        const any_##T                   *x = p->x;                                                                 \
        int64_t                          d = c->d;                                                                 \
        for (int64_t r = 0; r < p->n; r++, x += d) {                                                               \
            T       best  = INFINITY;                                                                              \
            int32_t label = 0;                                                                                     \
            double  w     = p->weights ? p->weights[r] : 1;                                                        \
            for (int32_t j = 0; j < c->k; j++) {                                                                   \
                T sum = h[j];                                                                                      \
                for (int64_t f = 0; f < d; f++)                                                                    \
                    sum = FMA((T)(x[f] - s[f]), m[j * d + f], sum);                                                \
                if (sum < best) {                                                                                  \
                    best  = sum;                                                                                   \
                    label = j;                                                                                     \
                }                                                                                                  \
            }                                                                                                      \
            if (p->sums)                                                                                           \
                for (int64_t f = 0; f < d; f++)                                                                    \
                    p->sums[label * d + f] = __builtin_fma(w, x[f], p->sums[label * d + f]);                       \
            if (p->counts)                                                                                         \
                p->counts[label] += w;                                                                             \
            if (p->labels)                                                                                         \
                p->labels[r] = label;                                                                              \
            if (p->inertia || p->sqdist) {                                                                         \
                double lane[SBL_LANES] = {0}, square;                                                              \
                for (int64_t f = 0; f < d; f++) {                                                                  \
                    double v           = x[f] - c->centers[label * d + f];                                         \
                    lane[f % SBL_LANES] = __builtin_fma(v, v, lane[f % SBL_LANES]);                                \
                }                                                                                                  \
                square = fold_lanes(lane);                                                                         \
                if (p->sqdist)                                                                                     \
                    p->sqdist[r] = square;                                                                         \
                if (p->inertia)                                                                                    \
                    *p->inertia = __builtin_fma(w, square, *p->inertia);                                           \
            }                                                                                                      \
        }                                                                                                          \
    }
MANY(float, __builtin_fmaf, f32)
MANY(double, __builtin_fma, f64)

void NAME(sbl_many_pack)(struct sbl_kmeans_centers *centers, const double *shift)
{
    if (centers->dtype == SABAL_FLOAT32)
        pack_f32(centers, shift);
    else
        pack_f64(centers, shift);
}

void NAME(sbl_many_assign)(const struct sbl_pass *p)
{
    if (p->sums)
        memset(p->sums, 0, sizeof(double) * (size_t)p->centers->k * (size_t)p->centers->d);
    if (p->counts)
        memset(p->counts, 0, sizeof(double) * (size_t)p->centers->k);
    if (p->inertia)
        *p->inertia = 0;
    if (p->centers->dtype == SABAL_FLOAT32)
        assign_f32(p);
    else
        assign_f64(p);
}
