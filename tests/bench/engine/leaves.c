/* See leaves.h. */
#include "leaves.h"

#include <string.h>

/* --- UTS: SHA-1 as a splittable random stream -------------------------------------------------------------- */

static uint32_t rotated(uint32_t x, int k)
{
    return (x << k) | (x >> (32 - k));
}

static uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void write_be32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

#define SHA1_ROUNDS(first, last, f, k)                                                                                 \
    for (int i = first; i < last; i++) {                                                                               \
        t = rotated(a, 5) + (f) + e + k + w[i];                                                                        \
        e = d;                                                                                                         \
        d = c;                                                                                                         \
        c = rotated(b, 30);                                                                                            \
        b = a;                                                                                                         \
        a = t;                                                                                                         \
    }
/* Of a message of at most 55 bytes. */
static void sha1_short(const uint8_t *message, int size, uint8_t out[20])
{
    const uint32_t h[5]      = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
    uint8_t        block[64] = {0};
    uint32_t       w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], t;

    memcpy(block, message, (size_t)size);
    block[size] = 0x80;
    block[62]   = (uint8_t)((size * 8) >> 8);
    block[63]   = (uint8_t)(size * 8);
    for (int i = 0; i < 16; i++)
        w[i] = read_be32(block + 4 * i);
    for (int i = 16; i < 80; i++)
        w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    SHA1_ROUNDS(0, 20, (b & c) | (~b & d), 0x5A827999u)
    SHA1_ROUNDS(20, 40, b ^ c ^ d, 0x6ED9EBA1u)
    SHA1_ROUNDS(40, 60, (b & c) | (b & d) | (c & d), 0x8F1BBCDCu)
    SHA1_ROUNDS(60, 80, b ^ c ^ d, 0xCA62C1D6u)
    write_be32(out, h[0] + a);
    write_be32(out + 4, h[1] + b);
    write_be32(out + 8, h[2] + c);
    write_be32(out + 12, h[3] + d);
    write_be32(out + 16, h[4] + e);
}

void uts_seed(int seed, uts_node *root)
{
    uint8_t b[20] = {0};

    write_be32(b + 16, (uint32_t)seed);
    sha1_short(b, 20, root->state);
    root->height = 0;
}

void uts_child(const uts_node *parent, int i, uts_node *child)
{
    uint8_t b[24];

    memcpy(b, parent->state, 20);
    write_be32(b + 20, (uint32_t)i);
    sha1_short(b, 24, child->state);
    child->height = parent->height + 1;
}

/* --- the product of matrices -------------------------------------------------------------------------------- */

void matmul_leaf(const double *a, const double *b, double *c, int m, int n, int k, long stride)
{
    for (int i = 0; i < m; i++)
        for (int p = 0; p < k; p++) {
            const double x = a[i * stride + p];

            for (int j = 0; j < n; j++)
                c[i * stride + j] += x * b[p * stride + j];
        }
}

/* --- sorting ------------------------------------------------------------------------------------------------ */

static void insertion_sort(int *a, long n)
{
    for (long i = 1; i < n; i++) {
        const int x = a[i];
        long      j = i;

        for (; j > 0 && a[j - 1] > x; j--)
            a[j] = a[j - 1];
        a[j] = x;
    }
}

/* Hoare's: gives s so that [0, s) <= pivot <= [s, n). */
static long partition(int *a, long n)
{
    const int x = a[0], y = a[n / 2], z = a[n - 1];
    const int pivot = x < y ? (y < z ? y : (x < z ? z : x)) : (x < z ? x : (y < z ? z : y));
    long      i = -1, j = n;

    for (;;) {
        do
            i++;
        while (a[i] < pivot);
        do
            j--;
        while (a[j] > pivot);
        if (i >= j)
            return j + 1 == n ? j : j + 1;
        const int t = a[i];

        a[i] = a[j];
        a[j] = t;
    }
}

void sort_leaf(int *a, long n)
{
    while (n > 24) {
        const long s = partition(a, n);

        if (s < n - s) {
            sort_leaf(a, s);
            a += s;
            n -= s;
        } else {
            sort_leaf(a + s, n - s);
            n = s;
        }
    }
    insertion_sort(a, n);
}

void merge_leaf(const int *x, long nx, const int *y, long ny, int *out)
{
    const int *x_end = x + nx, *y_end = y + ny;

    while (x < x_end && y < y_end) {
        const int a = *x, b = *y, second = b < a;

        *out++ = second ? b : a;
        x += !second;
        y += second;
    }
    while (x < x_end)
        *out++ = *x++;
    while (y < y_end)
        *out++ = *y++;
}

/* --- short loops -------------------------------------------------------------------------------------------- */

void loop_leaf(uint64_t *out, long begin, long end, long launch, long rounds)
{
    for (long i = begin; i < end; i++)
        out[i] = burn((uint64_t)(i + launch), rounds);
}

uint64_t sum_leaf(long begin, long end, long launch, long rounds)
{
    uint64_t sum = 0;

    for (long i = begin; i < end; i++)
        sum += burn((uint64_t)(i + launch), rounds);
    return sum;
}
