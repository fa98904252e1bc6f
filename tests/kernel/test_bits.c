/*
 * The same bits: every kernel's every output goes into one hash, which must not depend on the instruction set, the
 * compiler or the alignment of the data. The constants below were printed by one build and must be met by all.
 */
#include "kernel/kmeans.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "data.h"
#include "base/isa.h"
#include "support/test.h"

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

static uint64_t hash_case(uint64_t hash, const struct rows *rows, int weighted)
{
    const size_t        k = (size_t)rows->k, d = (size_t)rows->d, n = (size_t)rows->n;
    const size_t        size = rows->dtype == SABAL_FLOAT64 ? 8 : 4, scratch_p = sbl_near_scratch(rows->d, rows->k);
    sbl_kmeans_centers *c = sbl_kmeans_centers_create(rows->dtype, rows->k, rows->d, rows->centers, rows->shift);
    const size_t        scratch_a = sbl_kmeans_scratch_size(c);
    void               *scratch   = sbl_alloc_aligned(64, scratch_a > scratch_p ? scratch_a : scratch_p);
    double             *out = calloc(k * d + k + 1 + n + n * k + 2 * d + 8 + k, sizeof *out), *next = out;
    int32_t            *labels  = malloc(sizeof *labels * n);
    const double       *weights = weighted ? rows->weights : NULL;
    sbl_near            near    = {.dtype      = rows->dtype,
                                   .x          = rows->x,
                                   .n          = rows->n,
                                   .d          = rows->d,
                                   .weights    = weights,
                                   .candidates = rows->centers,
                                   .m          = rows->k,
                                   .shift      = rows->shift,
                                   .scale      = 1,
                                   .scratch    = scratch};

    sbl_kmeans_assign(c, rows->x, rows->n, weights, next, next + k * d, next + k * d + k, labels, next + k * d + k + 1,
                      scratch);
    next += k * d + k + 1 + n;
    sbl_kmeans_distances(next, rows->dtype, rows->x, rows->n, rows->d, rows->centers, rows->k);
    next += n * k * size / 8;
    sbl_kmeans_moments(rows->dtype, rows->x, rows->n, rows->d, rows->shift, weights, next, next + d);
    next += 2 * d;
    near.block_sums = next;
    sbl_near_look(&near);
    next += 2;
    near.block_sums = NULL;
    near.counts     = next;
    sbl_near_look(&near);
    next += k;
    hash = hash_bytes(hash, out, (size_t)(next - out) * sizeof *out);
    hash = hash_bytes(hash, labels, sizeof *labels * n);
    /* sums alone take another way where centres are few */
    sbl_kmeans_assign(c, rows->x, rows->n, weights, out, out + k * d, out + k * d + k, NULL, NULL, scratch);
    hash = hash_bytes(hash, out, (k * d + k + 1) * sizeof *out);
    free(labels);
    free(out);
    sbl_free(scratch);
    sbl_kmeans_centers_destroy(c);
    return hash;
}

struct shape {
    int32_t k;
    int64_t d;
};
static const struct shape SHAPES[] = {{1, 1},  {3, 1},  {2, 2},   {3, 2},   {4, 2},   {8, 2},
                                      {3, 3},  {4, 4},  {8, 8},   {1, 9},   {3, 9},   {8, 16},
                                      {5, 17}, {20, 3}, {12, 31}, {37, 64}, {2, 301}, {7, 520}};

static uint64_t hash_all(sbl_isa isa, sabal_dtype dtype, int shift_bytes)
{
    uint64_t hash = 0xcbf29ce484222325ull;

    sbl_isa_set(isa);
    for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++)
        for (int kind = 0; kind < 4; kind++) { /* with weights or without; products about the shift, or about 0 */
            struct rows rows = rows_create(dtype, s % 2 ? 1187 : 194, SHAPES[s].d, SHAPES[s].k, kind < 2 ? 0 : -4,
                                           shift_bytes, 11 + s);

            hash = hash_case(hash, &rows, kind % 2);
            rows_clear(&rows);
        }
    return hash;
}

static void check(sabal_dtype dtype, uint64_t right)
{
    for (int isa = 0; isa < SBL_N_ISAS; isa++)
        for (int shift_bytes = 0; shift_bytes < 2 && sbl_isa_has((sbl_isa)isa); shift_bytes++) {
            uint64_t hash = hash_all((sbl_isa)isa, dtype, shift_bytes);

            if (hash != right)
                printf("%s: %s, x off by %d: hash %016" PRIx64 "\n", sbl_isa_name((sbl_isa)isa),
                       sabal_dtype_name(dtype), shift_bytes, hash);
            cr_expect_eq(hash, right);
        }
}

Test(bits, float64_gives_the_same_bits_everywhere)
{
    check(SABAL_FLOAT64, UINT64_C(0x4055465694b4403a));
}

Test(bits, float32_gives_the_same_bits_everywhere)
{
    check(SABAL_FLOAT32, UINT64_C(0x302f4d4e14f9aaf1));
}
