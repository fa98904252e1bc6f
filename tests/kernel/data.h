/* Data for tests of kernels: made of whole numbers and products alone, so that it is the same everywhere. */
#ifndef SBL_TESTS_KERNEL_DATA_H
#define SBL_TESTS_KERNEL_DATA_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sabal/value.h>

static inline uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline double uniform(uint64_t i) /* 0 <= u < 1 */
{
    return (double)(mix(i) >> 11) * 0x1p-53;
}

static inline double bell(uint64_t i) /* mean 0, variance 1, like a normal */
{
    double sum = -6;

    for (uint64_t j = 0; j < 12; j++)
        sum += uniform(i * 12 + j);
    return sum;
}

/* Rows around k points that lie about `mean`, one as often as the other, in dtype, `shift_bytes` past alignment. */
struct rows {
    sabal_dtype dtype;
    int64_t     n, d;
    int32_t     k;
    double     *centers, *shift, *weights;
    char       *memory;
    void       *x;
};

static inline double row_at(const struct rows *rows, int64_t i)
{
    double v;
    float  v32;

    if (rows->dtype == SABAL_FLOAT64) {
        memcpy(&v, (char *)rows->x + i * 8, sizeof v);
        return v;
    }
    memcpy(&v32, (char *)rows->x + i * 4, sizeof v32);
    return v32;
}

static inline struct rows rows_create(sabal_dtype dtype, int64_t n, int64_t d, int32_t k, double mean, int shift_bytes,
                                      uint64_t seed)
{
    struct rows  rows = {.dtype = dtype, .n = n, .d = d, .k = k};
    const size_t size = dtype == SABAL_FLOAT64 ? 8 : 4;

    rows.centers = malloc(sizeof(double) * (size_t)(k * d));
    rows.shift   = malloc(sizeof(double) * (size_t)d);
    rows.weights = malloc(sizeof(double) * (size_t)(n + 1));
    rows.memory  = malloc(size * (size_t)(n * d) + 64); /* no byte more than needed after an unaligned x */
    rows.x       = rows.memory + 64 - shift_bytes;
    for (int64_t i = 0; i < k * d; i++)
        rows.centers[i] = mean + 10 * uniform(seed + (uint64_t)i);
    for (int64_t f = 0; f < d; f++)
        rows.shift[f] = mean + 5;
    for (int64_t i = 0; i < n; i++)
        rows.weights[i] = mix(seed ^ (uint64_t)i) % 7 ? uniform(seed * 3 + (uint64_t)i) * 2 : 0;
    for (int64_t i = 0; i < n * d; i++) {
        double v = rows.centers[(int64_t)(mix((uint64_t)(i / d) + seed) % (uint64_t)k) * d + i % d] +
                   2 * bell(seed + (uint64_t)i);
        float v32 = (float)v;

        memcpy((char *)rows.x + (size_t)i * size, dtype == SABAL_FLOAT64 ? (void *)&v : (void *)&v32, size);
    }
    return rows;
}

static inline void rows_clear(struct rows *rows)
{
    free(rows->centers);
    free(rows->shift);
    free(rows->weights);
    free(rows->memory);
}

#endif
