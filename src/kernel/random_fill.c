/*
 * Random numbers in bulk. Philox runs on as many blocks side by side as the registers hold 64-bit lanes; integer
 * arithmetic, sqrt and SLEEF's Sleef_finz_* functions are the same in every lane and register, so that every variant
 * gives the same bits.
 */
#include "kernel/random_fill.h"

#include <Random123/philox.h>
#ifndef FP_FAST_FMA
#define FP_FAST_FMA /* sleef.h declares its scalar fma functions only then; who calls them asks the processor first */
#endif
#include <sleef.h>
#include <string.h>

#include "kernel/kmeans_variant.h" /* NAME() */

#if defined(__AVX512F__)
enum { W = 8 };
typedef __m512d         doubles;
typedef Sleef___m512d_2 doubles2;
#define LOG(x)      Sleef_finz_logd8_u35avx512f(x)
#define SINCOSPI(x) Sleef_finz_sincospid8_u35avx512f(x)
#define SQRT(x)     _mm512_sqrt_pd(x)
#define MUL32(x, y) ((words)_mm512_mul_epu32((__m512i)(x), (__m512i)(y)))
#elif defined(__AVX2__) && !defined(SBL_WIDE)
enum { W = 4 };
typedef __m256d         doubles;
typedef Sleef___m256d_2 doubles2;
#define LOG(x)      Sleef_finz_logd4_u35avx2(x)
#define SINCOSPI(x) Sleef_finz_sincospid4_u35avx2(x)
#define SQRT(x)     _mm256_sqrt_pd(x)
#define MUL32(x, y) ((words)_mm256_mul_epu32((__m256i)(x), (__m256i)(y)))
#else
#if defined(SBL_WIDE) /* tests run the shape of AVX-512 on any processor */
enum { W = 8 };
#else
enum { W = 2 };
#endif
typedef double doubles __attribute__((vector_size(8 * W)));
typedef struct {
    doubles x, y;
} doubles2;

static inline doubles LOG(doubles x)
{
    for (int i = 0; i < W; i++)
        x[i] = Sleef_finz_logd1_u35purecfma(x[i]);
    return x;
}

static inline doubles2 SINCOSPI(doubles x)
{
    doubles2 out;

    for (int i = 0; i < W; i++) {
        Sleef_double_2 one = Sleef_finz_sincospid1_u35purecfma(x[i]);

        out.x[i] = one.x;
        out.y[i] = one.y;
    }
    return out;
}

static inline doubles SQRT(doubles x)
{
    for (int i = 0; i < W; i++)
        x[i] = __builtin_sqrt(x[i]);
    return x;
}
#if defined(__SSE2__) && !defined(SBL_WIDE)
#define MUL32(x, y) ((words)_mm_mul_epu32((__m128i)(x), (__m128i)(y)))
#else
#define MUL32(x, y) (((x)&0xffffffff) * ((y)&0xffffffff))
#endif
#endif

typedef uint64_t words __attribute__((vector_size(8 * W)));
typedef int64_t  integers __attribute__((vector_size(8 * W))); /* compared faster; what is compared is below 2^63 */
/* As it may lie in memory. */
typedef double doubles_anywhere __attribute__((vector_size(8 * W), aligned(8), may_alias));

enum { GROUP = SBL_NORMAL_GROUP, CHUNK = 256, ROWS = 16 };

static inline words all(uint64_t x) { return (words){0} + x; }

static inline words counting(void)
{
    words x;

    for (int i = 0; i < W; i++)
        x[i] = (uint64_t)i;
    return x;
}

/*
 * Blocks first .. first + W: their halves as 64-bit numbers. Each word of Philox lies in the low half of a 64-bit
 * lane; what is above it is left to chance until the end, as the multiplication doesn't look there.
 */
static inline void philox(words *half0, words *half1, uint64_t seed, uint64_t stream, uint64_t first)
{
    const words m0 = all(PHILOX_M4x32_0), m1 = all(PHILOX_M4x32_1);
    words       x0, x1, x2, x3, p0, p1;
    uint32_t    k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    x0 = all(first) + counting();
    x1 = x0 >> 32;
    x2 = all(stream & 0xffffffff);
    x3 = all(stream >> 32);
    for (int round = 0; round < 10; round++) {
        p0 = MUL32(x0, m0);
        p1 = MUL32(x2, m1);
        x0 = (p1 >> 32) ^ x1 ^ k0;
        x1 = p1;
        x2 = (p0 >> 32) ^ x3 ^ k1;
        x3 = p0;
        k0 += PHILOX_W32_0;
        k1 += PHILOX_W32_1;
    }
    *half0 = (x0 & 0xffffffff) | (x1 << 32);
    *half1 = (x2 & 0xffffffff) | (x3 << 32);
}

/* Groups first .. first + n of normals, to out. */
static inline void groups(double *out, uint64_t seed, uint64_t stream, uint64_t first, int64_t n)
{
    const words one_bits = all(UINT64_C(0x3ff0000000000000)); /* the exponent of [1, 2) */

    for (int64_t g = 0; g < n; g++) {
        for (int i = 0; i < GROUP / 2; i += W) {
            words    half0, half1;
            doubles  radius, angle;
            doubles2 sincos;

            philox(&half0, &half1, seed, stream, (first + (uint64_t)g) * (GROUP / 2) + (uint64_t)i);
            /* 2 - [1, 2) is (0, 1]: its logarithm is finite */
            radius                                     = SQRT(-2.0 * LOG(2.0 - (doubles)(half0 >> 12 | one_bits)));
            angle                                      = 2.0 * ((doubles)(half1 >> 12 | one_bits) - 1.0);
            sincos                                     = SINCOSPI(angle);
            *(doubles_anywhere *)(out + i)             = radius * sincos.y;
            *(doubles_anywhere *)(out + i + GROUP / 2) = radius * sincos.x;
        }
        out += GROUP;
    }
}

void NAME(sbl_random_fill_normal)(double *out, uint64_t seed, uint64_t stream, uint64_t first, int64_t n)
{
    double buffer[GROUP];

    while (n > 0) {
        int64_t skip = (int64_t)(first % GROUP), take = GROUP - skip;

        if (!skip && n >= GROUP) {
            take = n / GROUP * GROUP;
            groups(out, seed, stream, first / GROUP, n / GROUP);
        } else {
            take = take < n ? take : n;
            groups(buffer, seed, stream, first / GROUP, 1);
            memcpy(out, buffer + skip, (size_t)take * sizeof *out);
        }
        out += take;
        first += (uint64_t)take;
        n -= take;
    }
}

/* x in 0 .. extent - 1, moved by a hash of other and key. All below 2^32. */
static inline words move(words x, words other, uint32_t key, uint64_t extent)
{
    words h, limit = all(extent);

    h = MUL32(other, all(PHILOX_M4x32_0));
    h = h ^ (h >> 32) ^ key;
    h = MUL32(h, all(PHILOX_M4x32_1));
    h = h ^ (h >> 32);
    x += MUL32(h, limit) >> 32;
    return x - (limit & (words)((integers)x >= (integers)limit));
}

/*
 * The numbers at (x, y) of the rectangle, put through the rounds until each is below n. Several registers at once,
 * as a round is a long chain of short steps.
 */
static inline void walk(words image[ROWS / W], const struct sbl_shuffle *s, words x[ROWS / W], words y[ROWS / W])
{
    words    again[ROWS / W], next;
    uint64_t any;

    for (int v = 0; v < ROWS / W; v++)
        again[v] = ~all(0);
    do {
        for (int r = 0; r < SBL_SHUFFLE_ROUNDS; r += 2) {
            for (int v = 0; v < ROWS / W; v++)
                x[v] = move(x[v], y[v], s->keys[r], s->a);
            for (int v = 0; v < ROWS / W; v++)
                y[v] = move(y[v], x[v], s->keys[r + 1], s->b);
        }
        any = 0;
        for (int v = 0; v < ROWS / W; v++) {
            next     = MUL32(y[v], all(s->a)) + x[v];
            image[v] = (again[v] & next) | (~again[v] & image[v]);
            again[v] &= (words)((integers)next >= (integers)all(s->n));
            for (int i = 0; i < W; i++)
                any |= again[v][i];
        }
    } while (any);
}

/* x mod m for x below 2^52: the quotient as a double may be one off, products and differences are exact. */
static inline words modulo(words x, double m)
{
    const double magic = 0x1p52; /* added to what is below it, leaves the nearest whole number in the last bits */
    doubles      value = (doubles)(x | (words)((doubles)all(0) + magic)) - magic, rest;

    rest = value - (value * (1.0 / m) + magic - magic) * m;
    rest += (doubles)((words)(rest < 0.0) & (words)((doubles)all(0) + m));
    rest -= (doubles)((words)(rest >= m) & (words)((doubles)all(0) + m));
    return (words)(rest + magic) & UINT64_C(0xfffffffffffff);
}

/* labels (n) of rows first .. first + n. */
static void label_rows(int32_t *labels, const struct sbl_shuffle *s, int64_t first, int64_t n, int32_t m)
{
    uint64_t row = (uint64_t)first / s->a, column = (uint64_t)first % s->a;

    for (int64_t done = 0; done < n; done += ROWS) {
        int64_t count = n - done < ROWS ? n - done : ROWS;
        words   x[ROWS / W], y[ROWS / W], image[ROWS / W] = {{0}};

        if (count == ROWS && column + ROWS <= s->a) {
            for (int v = 0; v < ROWS / W; v++) {
                x[v] = all(column + (uint64_t)(v * W)) + counting();
                y[v] = all(row);
            }
            column += ROWS;
        } else {
            memset(x, 0, sizeof x); /* lanes not used take (0, 0), which is in any rectangle */
            memset(y, 0, sizeof y);
            for (int i = 0; i < count; i++, column++) {
                if (column == s->a) {
                    column = 0;
                    row++;
                }
                x[i / W][i % W] = column;
                y[i / W][i % W] = row;
            }
        }
        walk(image, s, x, y);
        for (int v = 0; v < ROWS / W; v++)
            if (s->n <= UINT64_C(1) << 52)
                image[v] = modulo(image[v], (double)m);
            else
                image[v] %= all((uint64_t)m);
        for (int i = 0; i < count; i++)
            labels[done + i] = (int32_t)image[i / W][i % W];
    }
}

/* Elements `skip` .. `skip` + n of a run of rows: z becomes centers[label][column] + std * z. */
static inline void place(double *z, const int32_t *labels, const double *centers, int64_t d, double std, int64_t skip,
                         int64_t n)
{
    int64_t row = skip / d, column = skip % d;

    if (d == 2 && !column && n % 2 == 0) { /* the loop below is no longer than its own overhead here */
        for (int64_t i = 0; i < n; i += 2) {
            const double *center = centers + 2 * (int64_t)labels[row++];

            z[i]     = center[0] + std * z[i];
            z[i + 1] = center[1] + std * z[i + 1];
        }
        return;
    }
    for (int64_t i = 0; i < n; row++, column = 0) {
        const double *center = centers + labels[row] * d + column;
        int64_t       count  = d - column < n - i ? d - column : n - i;

        for (int64_t j = 0; j < count; j++)
            z[i + j] = center[j] + std * z[i + j];
        i += count;
    }
}

void NAME(sbl_random_fill_blobs)(void *x, int32_t *labels, int is_float32, int64_t first, int64_t n, int64_t d,
                                 const struct sbl_shuffle *shuffle, const double *centers, int32_t m, double std,
                                 uint64_t seed, uint64_t stream)
{
    int32_t label_buffer[CHUNK];
    double  z[CHUNK];

    for (int64_t done = 0; done < n; done += CHUNK) {
        int64_t  rows    = n - done < CHUNK ? n - done : CHUNK;
        int32_t *label   = labels ? labels + done : label_buffer;
        uint64_t element = (uint64_t)(first + done) * (uint64_t)d;

        label_rows(label, shuffle, first + done, rows, m);
        for (int64_t i = 0; x && i < rows * d;) {
            int64_t in_group = (int64_t)((element + (uint64_t)i) % GROUP);
            int64_t count    = CHUNK - in_group < rows * d - i ? CHUNK - in_group : rows * d - i;
            double *mine     = z + in_group;

            groups(z, seed, stream, (element + (uint64_t)i) / GROUP, (in_group + count + GROUP - 1) / GROUP);
            place(mine, label, centers, d, std, i, count);
            if (is_float32)
                for (int64_t j = 0; j < count; j++)
                    ((float *)x)[done * d + i + j] = (float)mine[j];
            else
                memcpy((double *)x + done * d + i, mine, (size_t)count * sizeof *mine);
            i += count;
        }
    }
}
