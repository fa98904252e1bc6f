/*
 * Bytes of many elements at once: shuffle and unshuffle, byte order.
 *
 * Unshuffling n-byte elements is a transposition of n rows of bytes. Sixteen elements at a time: n vectors, one from
 * each row, are interleaved log2(n) times, each time the first half with the second.
 */
#include <string.h>

#include "io/hdf5_chunk.h"

typedef unsigned char bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define INTERLEAVE 1
#endif
#endif

#ifdef INTERLEAVE
static inline bytes16 low(bytes16 a, bytes16 b)
{
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline bytes16 high(bytes16 a, bytes16 b)
{
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/* Elements 0 .. of n in blocks of 16; returns how many were done. size is 2, 4, 8 or 16 and known where it is used. */
__attribute__((always_inline)) static inline size_t unshuffle_blocks(unsigned char *out, const unsigned char *in,
                                                                     size_t n, const size_t size)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        bytes16 v[16], w[16];

        for (size_t j = 0; j < size; j++)
            memcpy(&v[j], in + j * n + i, 16);
        for (size_t step = 1; step < size; step *= 2) {
            for (size_t j = 0; j < size / 2; j++) {
                w[2 * j]     = low(v[j], v[j + size / 2]);
                w[2 * j + 1] = high(v[j], v[j + size / 2]);
            }
            memcpy(v, w, size * sizeof *v);
        }
        memcpy(out + i * size, v, size * 16);
    }
    return i;
}
#endif

void sbl_h5_unshuffle(void *out, const void *in, size_t n_bytes, size_t size)
{
    unsigned char       *to   = out;
    const unsigned char *from = in;
    size_t               n = n_bytes / size, done = 0;

#ifdef INTERLEAVE
    if (size == 2)
        done = unshuffle_blocks(to, from, n, 2);
    else if (size == 4)
        done = unshuffle_blocks(to, from, n, 4);
    else if (size == 8)
        done = unshuffle_blocks(to, from, n, 8);
    else if (size == 16)
        done = unshuffle_blocks(to, from, n, 16);
#endif
    for (size_t i = done; i < n; i++)
        for (size_t j = 0; j < size; j++)
            to[i * size + j] = from[j * n + i];
    memcpy(to + n * size, from + n * size, n_bytes - n * size);
}

void sbl_h5_shuffle(void *out, const void *in, size_t n_bytes, size_t size)
{
    unsigned char       *to   = out;
    const unsigned char *from = in;
    size_t               n    = n_bytes / size;

    /* Pieces that stay in the first cache, so that each line of it is read from memory once. */
    for (size_t piece = 0; piece < n; piece += 1024) {
        size_t end = n - piece < 1024 ? n : piece + 1024;

        for (size_t j = 0; j < size; j++)
            for (size_t i = piece; i < end; i++)
                to[j * n + i] = from[i * size + j];
    }
    memcpy(to + n * size, from + n * size, n_bytes - n * size);
}

void sbl_h5_fix(void *data, int64_t n, const sbl_h5_form *form)
{
    size_t         n_bytes = (size_t)n * form->size;
    unsigned char *p       = data;

    if (form->swap == 2)
        for (size_t i = 0; i < n_bytes; i += 2) {
            uint16_t x;

            memcpy(&x, p + i, 2);
            x = __builtin_bswap16(x);
            memcpy(p + i, &x, 2);
        }
    else if (form->swap == 4)
        for (size_t i = 0; i < n_bytes; i += 4) {
            uint32_t x;

            memcpy(&x, p + i, 4);
            x = __builtin_bswap32(x);
            memcpy(p + i, &x, 4);
        }
    else if (form->swap == 8)
        for (size_t i = 0; i < n_bytes; i += 8) {
            uint64_t x;

            memcpy(&x, p + i, 8);
            x = __builtin_bswap64(x);
            memcpy(p + i, &x, 8);
        }
    if (form->is_bool)
        for (size_t i = 0; i < n_bytes; i++)
            p[i] = p[i] != 0;
}
