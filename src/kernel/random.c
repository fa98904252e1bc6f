/* Random numbers one by one, and the choice of the variant that makes many. */
#include "kernel/random.h"

#include <Random123/philox.h>

#include "base/isa.h"
#include "kernel/random_fill.h"

/* Streams of this file. */
#define STREAM_BLOBS   (UINT64_C(1) << 63)
#define STREAM_SHUFFLE (STREAM_BLOBS + 1)

static const struct {
    __typeof__(sbl_random_fill_normal_baseline) *normal;
    __typeof__(sbl_random_fill_blobs_baseline)  *blobs;
} fill[SBL_N_ISAS] = {
    [SBL_ISA_BASELINE] = {sbl_random_fill_normal_baseline, sbl_random_fill_blobs_baseline},
#if defined(SBL_BUILT_AVX2)
    [SBL_ISA_AVX2] = {sbl_random_fill_normal_avx2, sbl_random_fill_blobs_avx2},
#endif
#if defined(SBL_BUILT_AVX512)
    [SBL_ISA_AVX512] = {sbl_random_fill_normal_avx512, sbl_random_fill_blobs_avx512},
#endif
    [SBL_ISA_WIDE] = {sbl_random_fill_normal_wide, sbl_random_fill_blobs_wide},
};

void sbl_random_block(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t block)
{
    philox4x32_ctr_t counter = {{(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}};
    philox4x32_key_t key     = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};

    counter = philox4x32_R(10, counter, key);
    for (int i = 0; i < 4; i++)
        out[i] = counter.v[i];
}

uint64_t sbl_random_bits(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t block[4];
    uint64_t half = index % 2 * 2;

    sbl_random_block(block, seed, stream, index / 2);
    return block[half] | (uint64_t)block[half + 1] << 32;
}

double sbl_random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (double)(sbl_random_bits(seed, stream, index) >> 11) * 0x1p-53;
}

int64_t sbl_random_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t n)
{
    return (int64_t)(((unsigned __int128)sbl_random_bits(seed, stream, index) * (uint64_t)n) >> 64);
}

int sbl_random_has_normal(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("fma") != 0;
#else
    return 1;
#endif
}

void sbl_random_normal(double *out, uint64_t seed, uint64_t stream, uint64_t first, int64_t n)
{
    fill[sbl_isa_get()].normal(out, seed, stream, first, n);
}

static void shuffle_init(struct sbl_shuffle *s, uint64_t n, uint64_t seed)
{
    uint32_t block[4];

    s->n = n;
    s->a = (uint64_t)__builtin_sqrt((double)n);
    while (s->a * s->a < n) /* the root of a number beyond 2^53 is rounded */
        s->a++;
    while (s->a > 1 && (s->a - 1) * (s->a - 1) >= n)
        s->a--;
    s->b = (n + s->a - 1) / s->a;
    for (int i = 0; i < SBL_SHUFFLE_ROUNDS; i++) {
        sbl_random_block(block, seed, STREAM_SHUFFLE, (uint64_t)i);
        s->keys[i] = block[0];
    }
}

void sbl_blobs_rows(void *x, int32_t *labels, sabal_dtype dtype, int64_t first, int64_t n, int64_t n_samples, int64_t d,
                    const double *centers, int32_t m, double std, uint64_t seed)
{
    struct sbl_shuffle shuffle;

    shuffle_init(&shuffle, (uint64_t)n_samples, seed);
    fill[sbl_isa_get()].blobs(x, labels, dtype == SABAL_FLOAT32, first, n, d, &shuffle, centers, m, std, seed,
                              STREAM_BLOBS);
}
