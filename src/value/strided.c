/*
 * Axes that lie behind each other without gaps are one axis. If what is left ends in a run of whole elements it is
 * copied run by run; else the innermost axis is paired with the one whose elements lie closest in the source, and
 * the two are walked in tiles, so that a cache line that was fetched is used whole on both sides.
 */
#include "value/strided.h"

#include <string.h>

#include <sabal/value.h>

enum { TILE = 32 };

struct axis {
    int64_t n, in, out; /* extent; bytes from one element to the next on either side */
};

#define COPY_TILE(bytes)                                                                                               \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        for (int64_t j = 0; j < m; j++)                                                                                \
            memcpy(out + i * out_i + j * out_j, in + i * in_i + j * in_j, bytes);                                      \
    break

static void copy_tile(char *out, int64_t out_i, int64_t out_j, const char *in, int64_t in_i, int64_t in_j, int64_t n,
                      int64_t m, size_t item)
{
    switch (item) {
    case 1:
        COPY_TILE(1);
    case 2:
        COPY_TILE(2);
    case 4:
        COPY_TILE(4);
    case 8:
        COPY_TILE(8);
    default:
        COPY_TILE(16);
    }
}

void sbl_strided_copy_2d(char *out, int64_t out_i, int64_t out_j, const char *in, int64_t in_i, int64_t in_j, int64_t n,
                         int64_t m, size_t item)
{
    for (int64_t i = 0; i < n; i += TILE)
        for (int64_t j = 0; j < m; j += TILE)
            copy_tile(out + i * out_i + j * out_j, out_i, out_j, in + i * in_i + j * in_j, in_i, in_j,
                      n - i < TILE ? n - i : TILE, m - j < TILE ? m - j : TILE, item);
}

/* Axes of extent 1 left out, neighbours without gaps joined. Returns how many stay. */
static int32_t simplify(struct axis *axes, size_t item, int32_t ndim, const int64_t *shape, const int64_t *strides)
{
    int64_t step = (int64_t)item;
    int32_t n    = 0; /* filled from the innermost axis outward */

    for (int32_t i = ndim; i-- > 0;) {
        if (shape[i] == 1)
            continue;
        if (n && strides[i] == axes[n - 1].in * axes[n - 1].n)
            axes[n - 1].n *= shape[i];
        else
            axes[n++] = (struct axis){shape[i], strides[i], step};
        step *= shape[i];
    }
    return n;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* The axis to walk beside the innermost one: that of the smallest step in the source. */
static int32_t partner(const struct axis *axes, int32_t n)
{
    int32_t best = 1;

    for (int32_t i = 2; i < n; i++)
        if (magnitude(axes[i].in) < magnitude(axes[best].in))
            best = i;
    return best;
}

void sbl_strided_copy(void *out, const void *in, size_t item, int32_t ndim, const int64_t *shape,
                      const int64_t *strides)
{
    struct axis axes[SABAL_MAX_NDIM + 2], a, b;
    int64_t     at[SABAL_MAX_NDIM + 2] = {0};
    char       *to                     = out;
    const char *from                   = in;
    int32_t     n, p, is_run;

    for (int32_t i = 0; i < ndim; i++)
        if (shape[i] == 0)
            return;
    n = simplify(axes, item, ndim, shape, strides);
    while (n < 2) /* a scalar or a run is a plane, too */
        axes[n++] = (struct axis){1, (int64_t)item, (int64_t)item};
    is_run  = axes[0].in == (int64_t)item;
    p       = is_run ? 1 : partner(axes, n);
    a       = axes[0];
    b       = axes[p];
    axes[p] = axes[1]; /* axes[2 ..] are the outer ones now; each keeps its own steps */
    for (;;) {
        int32_t i = 2;

        if (is_run)
            for (int64_t j = 0; j < b.n; j++)
                memcpy(to + j * b.out, from + j * b.in, (size_t)a.n * item);
        else
            sbl_strided_copy_2d(to, b.out, a.out, from, b.in, a.in, b.n, a.n, item);
        for (; i < n && ++at[i] == axes[i].n; i++) {
            at[i] = 0;
            to -= (axes[i].n - 1) * axes[i].out;
            from -= (axes[i].n - 1) * axes[i].in;
        }
        if (i == n)
            return;
        to += axes[i].out;
        from += axes[i].in;
    }
}
