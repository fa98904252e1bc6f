/* The small problem at the end of k-means||: k centres of some weighted points, in memory, on the fitting
 * thread. */
#include "ml/kmeans.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernel/kmeans.h"
#include "kernel/random.h"

#define LLOYD_PASSES 30

int32_t sbl_kmeans_n_trials(int32_t k)
{
    int32_t n = 2; /* + floor(ln k), without a library's log: powers of e are enough */

    for (double e = 2.718281828459045; e <= k; e *= 2.718281828459045)
        n++;
    return n;
}

static double distance(const double *a, const double *b, int64_t d)
{
    double sum = 0;

    for (int64_t e = 0; e < d; e++)
        sum = __builtin_fma(a[e] - b[e], a[e] - b[e], sum);
    return sum;
}

/* The point where the running sum of weight * closest passes a random share of total. */
static int64_t draw(const double *mass, int64_t m, double total, double uniform)
{
    double  u    = uniform * total;
    int64_t last = -1;

    for (int64_t i = 0; i < m; i++) {
        if (!(mass[i] > 0))
            continue;
        last = i;
        if (u < mass[i])
            break;
        u -= mass[i];
    }
    return last;
}

/* Greedy k-means++: of some trials a centre, the one that leaves least. closest, trial, best: room for m
 * each. */
static void plus_plus(double *centers, const double *points, const double *weights, int64_t m, int64_t d,
                      int32_t k, uint64_t seed, uint64_t stream, double *closest, double *mass, double *trial,
                      double *best)
{
    int32_t  n_trials = sbl_kmeans_n_trials(k);
    uint64_t at       = 0;
    double   total    = 0;
    int64_t  first;

    for (int64_t i = 0; i < m; i++)
        total += weights[i];
    first = draw(weights, m, total, sbl_random_uniform(seed, stream, at++));
    memcpy(centers, points + (first < 0 ? 0 : first) * d, (size_t)d * sizeof *centers);
    for (int64_t i = 0; i < m; i++)
        closest[i] = distance(points + i * d, centers, d);
    for (int32_t c = 1; c < k; c++) {
        double  least  = (double)INFINITY;
        int64_t chosen = -1;

        total = 0;
        for (int64_t i = 0; i < m; i++)
            total += mass[i] = weights[i] * closest[i];
        for (int32_t t = 0; t < n_trials; t++) {
            double  uniform = sbl_random_uniform(seed, stream, at++), left = 0;
            int64_t i = total > 0 ? draw(mass, m, total, uniform) : (int64_t)(uniform * (double)m);

            for (int64_t j = 0; j < m; j++) {
                double to = distance(points + j * d, points + i * d, d);

                trial[j] = to < closest[j] ? to : closest[j];
                left += weights[j] * trial[j];
            }
            if (left < least) {
                double *swap = best;

                least  = left;
                chosen = i;
                best   = trial;
                trial  = swap;
            }
        }
        if (chosen < 0) /* sums that are no numbers: any point will do */
            chosen = c % m;
        else
            memcpy(closest, best, (size_t)m * sizeof *closest);
        memcpy(centers + c * d, points + chosen * d, (size_t)d * sizeof *centers);
    }
}

/* Lloyd over the candidates; a centre that no point is nearest to stays. */
static sabal_status lloyd(double *centers, const double *points, const double *weights, int64_t m, int64_t d,
                          int32_t k, const double *shift, double *sums, double *counts, sabal_error *err)
{
    for (int32_t pass = 0; pass < LLOYD_PASSES; pass++) {
        sbl_kmeans_centers *c = sbl_kmeans_centers_create(SABAL_FLOAT64, k, d, centers, shift);
        size_t              size;
        void               *scratch;
        int                 moved = 0;

        size    = c ? sbl_kmeans_scratch_size(c) : 0;
        scratch = c ? sbl_alloc_aligned(64, size) : NULL;
        if (scratch)
            sbl_kmeans_assign(c, points, m, weights, sums, counts, NULL, NULL, NULL, scratch);
        sbl_kmeans_centers_destroy(c);
        if (!scratch)
            return sbl_error_memory(err, size, "a pass over candidates");
        sbl_free(scratch);
        for (int32_t j = 0; j < k; j++)
            for (int64_t e = 0; e < d && counts[j] > 0; e++) {
                double now = sums[j * d + e] / counts[j];

                moved |= now != centers[j * d + e];
                centers[j * d + e] = now;
            }
        if (!moved)
            break;
    }
    return SABAL_OK;
}

sabal_status sbl_kmeans_local(double *centers, const double *points, const double *weights, int64_t m,
                              int64_t d, int32_t k, const double *shift, uint64_t seed, uint64_t stream, sabal_error *err)
{
    size_t       n_room = 4 * (size_t)m + (size_t)k * (size_t)(d + 1);
    double      *room   = sbl_calloc(n_room, sizeof *room);
    sabal_status st;

    if (!room)
        return sbl_error_memory(err, n_room * sizeof *room, "the candidates of k-means||");
    plus_plus(centers, points, weights, m, d, k, seed, stream, room, room + m, room + 2 * m, room + 3 * m);
    st = lloyd(centers, points, weights, m, d, k, shift, room + 4 * m, room + 4 * m + k * d, err);
    sbl_free(room);
    return st;
}
