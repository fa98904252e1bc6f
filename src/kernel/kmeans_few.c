/*
 * Few features and centres: distances as differences, in float64, rows in lanes. The data passes once through the
 * cache, and the aim is to be done before the next of it arrives.
 *
 * Row r adds to lane r % 8 of every sum. That is one definition with two codes: where centres are so few that sums for
 * all of them fit in registers, each row is added to each centre under a mask (adding 0.0 to a sum that began as +0.0
 * changes no bit); else each row is added to the one place in memory where it belongs.
 */
#include "kernel/kmeans_variant.h"

#include <math.h>

#include "kernel/lanes.h"

#define BLOCK 256 /* rows; a multiple of 2 * VD in each build */
#define STEP  (2 * VD)
#define MAX_D 4 /* kmeans.c sends no more */

struct lanes {      /* sums in the virtual lanes */
    double *sums;   /* [lane][k][d] */
    double *counts; /* [lane][k] */
    double  inertia[SBL_LANES];
};

size_t NAME(sbl_few_scratch)(int32_t k, int64_t d) { return sizeof(double) * SBL_LANES * (size_t)k * (size_t)(d + 1); }

/* The nearest centre of 2 * VD rows. */
INLINE void nearest(double *sqdist, int64_t *label, int is_f32, const char *x, int32_t k, const int d,
                    const double *centers)
{
    vd row[2][MAX_D], best[2], where[2];

    for (int u = 0; u < 2; u++) {
        load_rows(row[u], is_f32, x + u * VD * d * (is_f32 ? 4 : 8), d);
        best[u]  = vd_all(INFINITY);
        where[u] = vd_all_bits(0);
    }
    for (int32_t j = 0; j < k; j++) {
        vd sum[2], index = vd_all_bits(j);

        for (int u = 0; u < 2; u++) {
            vd away = row[u][0] - vd_all(centers[j * d]);

            sum[u] = away * away;
        }
        for (int64_t f = 1; f < d; f++)
            for (int u = 0; u < 2; u++) {
                vd away = row[u][f] - vd_all(centers[j * d + f]);

                sum[u] = vd_fma(away, away, sum[u]);
            }
        for (int u = 0; u < 2; u++) {
            where[u] = vd_select(vd_less(sum[u], best[u]), index, where[u]);
            best[u]  = vd_min(sum[u], best[u]);
        }
    }
    for (int u = 0; u < 2; u++) {
        vd_store(sqdist + u * VD, best[u]);
        vd_store(label + u * VD, where[u]);
    }
}

INLINE void add_row(struct lanes *to, int lane, int64_t j, int is_f32, const char *x, int32_t k, int64_t d,
                    const double *weight)
{
    double *sum = to->sums + (lane * k + j) * d;

    if (weight) {
        for (int64_t f = 0; f < d; f++)
            sum[f] = __builtin_fma(*weight, number_from(is_f32, x, f), sum[f]);
        to->counts[lane * k + j] += *weight;
    } else {
        for (int64_t f = 0; f < d; f++)
            sum[f] += number_from(is_f32, x, f);
        to->counts[lane * k + j] += 1.0;
    }
}

/* n <= BLOCK rows from x, the first of which belongs to lane 0. */
INLINE void block(struct lanes *to, const struct sbl_pass *p, int is_f32, const char *x, int64_t n, int32_t k,
                  int64_t d, const double *weights, int32_t *labels, double *sqdist_out)
{
    const double *centers = p->centers->centers;
    const int64_t size    = d * (is_f32 ? 4 : 8); /* bytes of a row */
    double        sqdist[BLOCK];
    int64_t       label[BLOCK];
    char          tail[STEP * MAX_D * 8];
    int64_t       r = 0;

    for (; r + STEP <= n; r += STEP)
        nearest(sqdist + r, label + r, is_f32, x + r * size, k, d, centers);
    if (r < n) { /* the rest, filled up with zeros whose results nobody reads */
        memset(tail, 0, sizeof tail);
        memcpy(tail, x + r * size, (size_t)((n - r) * size));
        nearest(sqdist + r, label + r, is_f32, tail, k, d, centers);
    }
    if (p->sums || p->counts)
        for (r = 0; r < n; r++)
            add_row(to, r % SBL_LANES, label[r], is_f32, x + r * size, k, d, weights ? weights + r : NULL);
    if (p->inertia) {
        r = 0;
        if (!weights) {
            for (; r + SBL_LANES <= n; r += SBL_LANES)
                for (int v = 0; v < SBL_LANES; v += VD)
                    vd_store(to->inertia + v, vd_load(to->inertia + v) + vd_load(sqdist + r + v));
        }
        for (; r < n; r++)
            to->inertia[r % SBL_LANES] = weights ? __builtin_fma(weights[r], sqdist[r], to->inertia[r % SBL_LANES])
                                                 : to->inertia[r % SBL_LANES] + sqdist[r];
    }
    for (r = 0; labels && r < n; r++)
        labels[r] = (int32_t)label[r];
    for (r = 0; sqdist_out && r < n; r++)
        sqdist_out[r] = sqdist[r];
}

#define PIECE 256 /* rows, a multiple of SBL_LANES, whose like in the first cache leaves room */

struct piece { /* index i: rows i * VD .. of it, mixed */
    vd row[4][PIECE / VD];
    md mine[4][PIECE / VD]; /* whose the rows are; mine[0]: those that are not the first centre's */
};

/* Distances of n rows, and to whom they belong. */
INLINE void measure(struct piece *to, vd inertia[NV], int is_f32, const char *x, int64_t n, const int k, const int d,
                    const double *centers)
{
    vd in[NV];

    for (int v = 0; v < NV; v++)
        in[v] = inertia[v];
    for (int64_t i = 0; i < n / VD; i += NV)
        for (int v = 0; v < NV; v++) {
            vd row[4], best = vd_all(INFINITY), sum, away;
            md less[4], later;

            load_rows_mixed(row, is_f32, x + (i + v) * VD * d * (is_f32 ? 4 : 8), d);
            for (int f = 0; f < d; f++)
                to->row[f][i + v] = row[f];
            for (int j = 0; j < k; j++) {
                away = row[0] - vd_all(centers[j * d]);
                sum  = away * away;
                for (int f = 1; f < d; f++) {
                    away = row[f] - vd_all(centers[j * d + f]);
                    sum  = vd_fma(away, away, sum);
                }
                if (j == 0) {
                    best = sum;
                } else {
                    less[j] = vd_less(sum, best);
                    best    = vd_min(sum, best);
                }
            }
            in[v] += best;
            later = to->mine[k - 1][i + v] = less[k - 1];
            for (int j = k - 2; j >= 1; j--) {
                to->mine[j][i + v] = md_and_not(less[j], later);
                later              = md_or(later, less[j]);
            }
            if (k > 2)
                to->mine[0][i + v] = later;
        }
    for (int v = 0; v < NV; v++)
        inertia[v] = in[v];
}

/* Adds n rows to the sums of lanes v * VD .. */
INLINE void add(vd sums[4][4], vd counts[4], const struct piece *from, int v, int64_t n, const int k, const int d,
                const char *next, const int size)
{
    vd s[4][4], c[4];

    for (int j = 0; j < k; j++) {
        c[j] = counts[j];
        for (int f = 0; f < d; f++)
            s[j][f] = sums[j][f];
    }
    for (int64_t i = v; i < n / VD; i += NV) {
        for (int byte = 0; byte < VD * size; byte += 64) /* what the next piece will read comes while this adds */
            __builtin_prefetch(next + i * VD * size + byte);
        for (int j = 1; j < k; j++)
            c[j] = vd_count_where(c[j], from->mine[j][i]);
        for (int f = 0; f < d; f++) {
            const vd row = from->row[f][i];

            s[0][f] = vd_add_unless(s[0][f], from->mine[k > 2 ? 0 : 1][i], row);
            for (int j = 1; j < k; j++)
                s[j][f] = vd_add_where(s[j][f], from->mine[j][i], row);
        }
    }
    for (int j = 0; j < k; j++) {
        counts[j] = c[j];
        for (int f = 0; f < d; f++)
            sums[j][f] = s[j][f];
    }
}

/*
 * k and d are constants here, and sums live in registers. In two loops over a piece, as one would need more registers
 * than there are, and its long chain from row to sum would leave units idle.
 * n is a multiple of SBL_LANES.
 */
INLINE void fused(struct lanes *to, int is_f32, const char *x, int64_t n, const int k, const int d,
                  const double *centers)
{
    const int    size = d * (is_f32 ? 4 : 8);
    struct piece piece;
    double       lane[VD];
    vd           sums[NV][4][4], counts[NV][4], inertia[NV];

    memset(sums, 0, sizeof sums);
    memset(counts, 0, sizeof counts);
    memset(inertia, 0, sizeof inertia);
    for (int64_t r = 0; r < n; r += PIECE) {
        const int64_t rows = n - r < PIECE ? n - r : PIECE;

        measure(&piece, inertia, is_f32, x + r * size, rows, k, d, centers);
        for (int v = 0; v < NV; v++)
            add(sums[v], counts[v], &piece, v, rows, k, d, x + (r + PIECE) * size, size);
    }
    for (int v = 0; v < NV; v++) {
        vd_store(lane, inertia[v]);
        for (int l = 0; l < VD; l++) {
            to->inertia[v * VD + LANE_ROW(d)[l]] = lane[l];
            to->counts[(v * VD + l) * k]         = (double)(n / SBL_LANES);
        }
        for (int j = 0; j < k; j++) {
            vd_store(lane, counts[v][j]);
            for (int l = 0; j && l < VD; l++) {
                const int row = v * VD + LANE_ROW(d)[l];
                int64_t   count; /* these are whole numbers */

                memcpy(&count, &lane[l], sizeof count);
                to->counts[row * k + j] = (double)count;
                to->counts[row * k] -= (double)count;
            }
            for (int f = 0; f < d; f++) {
                vd_store(lane, sums[v][j][f]);
                for (int l = 0; l < VD; l++)
                    to->sums[((v * VD + LANE_ROW(d)[l]) * k + j) * d + f] = lane[l];
            }
        }
    }
}

#define FUSED(k_, d_)                                                                                                  \
    static __attribute__((noinline)) void fused_##k_##_##d_(struct lanes *to, int is_f32, const char *x, int64_t n,    \
                                                            const double *centers)                                     \
    {                                                                                                                  \
        if (is_f32)                                                                                                    \
            fused(to, 1, x, n, k_, d_, centers);                                                                       \
        else                                                                                                           \
            fused(to, 0, x, n, k_, d_, centers);                                                                       \
    }
FUSED(2, 1)
FUSED(3, 1)
FUSED(4, 1)
FUSED(2, 2)
FUSED(3, 2)
FUSED(4, 2)
FUSED(2, 3)
FUSED(3, 3)
FUSED(4, 3)
FUSED(2, 4)
FUSED(3, 4)

typedef void           fused_fn(struct lanes *to, int is_f32, const char *x, int64_t n, const double *centers);
static fused_fn *const FUSED_OF[5][5] = {
    /* [k][d] */
    [2] = {NULL, fused_2_1, fused_2_2, fused_2_3, fused_2_4},
    [3] = {NULL, fused_3_1, fused_3_2, fused_3_3, fused_3_4},
    [4] = {NULL, fused_4_1, fused_4_2, fused_4_3, NULL},
};

INLINE void blocks(struct lanes *to, const struct sbl_pass *p, int is_f32, int64_t from, int64_t d)
{
    for (int64_t r = from; r < p->n; r += BLOCK)
        block(to, p, is_f32, (const char *)p->x + r * d * (is_f32 ? 4 : 8), p->n - r < BLOCK ? p->n - r : BLOCK,
              p->centers->k, d, p->weights ? p->weights + r : NULL, p->labels ? p->labels + r : NULL,
              p->sqdist ? p->sqdist + r : NULL);
}

#define BLOCKS(d_)                                                                                                     \
    static __attribute__((noinline)) void blocks_##d_(struct lanes *to, const struct sbl_pass *p, int64_t from)        \
    {                                                                                                                  \
        if (p->centers->dtype == SABAL_FLOAT32)                                                                        \
            blocks(to, p, 1, from, d_);                                                                                \
        else                                                                                                           \
            blocks(to, p, 0, from, d_);                                                                                \
    }
BLOCKS(1)
BLOCKS(2)
BLOCKS(3)
BLOCKS(4)
void NAME(sbl_few_assign)(const struct sbl_pass *p)
{
    const int32_t k    = p->centers->k;
    const int64_t d    = p->centers->d;
    struct lanes  to   = {.sums = p->scratch, .counts = (double *)p->scratch + SBL_LANES * k * d};
    int64_t       from = 0;
    double        lane[SBL_LANES];

    memset(p->scratch, 0, NAME(sbl_few_scratch)(k, d));
    if (!p->weights && !p->labels && !p->sqdist && k <= 4 && d <= 4 && FUSED_OF[k][d]) {
        from = p->n - p->n % SBL_LANES;
        FUSED_OF[k][d](&to, p->centers->dtype == SABAL_FLOAT32, p->x, from, p->centers->centers);
    }
    switch (d) {
    case 1:
        blocks_1(&to, p, from);
        break;
    case 2:
        blocks_2(&to, p, from);
        break;
    case 3:
        blocks_3(&to, p, from);
        break;
    default:
        blocks_4(&to, p, from);
    }
    for (int64_t i = 0; p->sums && i < k * d; i++) {
        for (int l = 0; l < SBL_LANES; l++)
            lane[l] = to.sums[l * k * d + i];
        p->sums[i] = fold_lanes(lane);
    }
    for (int32_t j = 0; p->counts && j < k; j++) {
        for (int l = 0; l < SBL_LANES; l++)
            lane[l] = to.counts[l * k + j];
        p->counts[j] = fold_lanes(lane);
    }
    if (p->inertia)
        *p->inertia = fold_lanes(to.inertia);
}
