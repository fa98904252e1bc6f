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

struct local {
    const double *points, *weights; /* (m, d), (m) */
    int64_t       m, d;
    int32_t       k;
    const double *shift;
    double       *closest, *mass, *trial, *best; /* (m) each */
    double       *sums, *counts;                 /* (k, d), (k) */
};

/* By differences: what lies near together must be told apart here. */
static sabal_status distances_to(const struct local *l, double *out, const double *point, sabal_error *err)
{
    return sbl_kmeans_distances_to(out, SABAL_FLOAT64, l->points, l->m, l->d, point, err);
}

/* Greedy k-means++: of some trials a centre, the one that leaves least. */
static sabal_status plus_plus(double *centers, struct local *l, uint64_t seed, uint64_t stream, sabal_error *err)
{
    int64_t      m = l->m, d = l->d, first;
    int32_t      n_trials = sbl_kmeans_n_trials(l->k);
    uint64_t     at       = 0;
    double       total    = 0;
    sabal_status st;

    for (int64_t i = 0; i < m; i++)
        total += l->weights[i];
    first = draw(l->weights, m, total, sbl_random_uniform(seed, stream, at++));
    memcpy(centers, l->points + (first < 0 ? 0 : first) * d, (size_t)d * sizeof *centers);
    st = distances_to(l, l->closest, centers, err);
    for (int32_t c = 1; c < l->k && !st; c++) {
        double  least  = (double)INFINITY;
        int64_t chosen = -1;

        total = 0;
        for (int64_t i = 0; i < m; i++)
            total += l->mass[i] = l->weights[i] * l->closest[i];
        for (int32_t t = 0; t < n_trials && !st; t++) {
            double  uniform = sbl_random_uniform(seed, stream, at++), left = 0;
            int64_t i = total > 0 ? draw(l->mass, m, total, uniform) : (int64_t)(uniform * (double)m);

            st = distances_to(l, l->trial, l->points + i * d, err);
            for (int64_t j = 0; j < m && !st; j++) {
                l->trial[j] = l->trial[j] < l->closest[j] ? l->trial[j] : l->closest[j];
                left += l->weights[j] * l->trial[j];
            }
            if (left < least) {
                double *swap = l->best;

                least    = left;
                chosen   = i;
                l->best  = l->trial;
                l->trial = swap;
            }
        }
        if (chosen < 0) /* sums that are no numbers: any point will do */
            chosen = c % m;
        else
            memcpy(l->closest, l->best, (size_t)m * sizeof *l->closest);
        memcpy(centers + c * d, l->points + chosen * d, (size_t)d * sizeof *centers);
    }
    return st;
}

/* Lloyd over the candidates; a centre that no point is nearest to stays. */
static sabal_status lloyd(double *centers, const struct local *l, sabal_error *err)
{
    for (int32_t pass = 0; pass < LLOYD_PASSES; pass++) {
        sbl_kmeans_centers *c       = sbl_kmeans_centers_create(SABAL_FLOAT64, l->k, l->d, centers, l->shift);
        size_t              size    = c ? sbl_kmeans_scratch_size(c) : 0;
        void               *scratch = c ? sbl_alloc_aligned(64, size) : NULL;
        int                 moved   = 0;

        if (scratch)
            sbl_kmeans_assign(c, l->points, l->m, l->weights, l->sums, l->counts, NULL, NULL, NULL, scratch);
        sbl_kmeans_centers_destroy(c);
        if (!scratch)
            return sbl_error_memory(err, size, "a pass over candidates");
        sbl_free(scratch);
        for (int32_t j = 0; j < l->k; j++)
            for (int64_t e = 0; e < l->d && l->counts[j] > 0; e++) {
                double now = l->sums[j * l->d + e] / l->counts[j];

                moved |= now != centers[j * l->d + e];
                centers[j * l->d + e] = now;
            }
        if (!moved)
            break;
    }
    return SABAL_OK;
}

sabal_status sbl_kmeans_local(double *centers, const sbl_kmeans_data *data, const double *rows, const double *weights,
                              int64_t m, int32_t k, sabal_error *err)
{
    struct local l      = {.points = rows, .weights = weights, .m = m, .d = data->d, .k = k, .shift = data->shift};
    size_t       n_room = 4 * (size_t)m + (size_t)k * (size_t)(l.d + 1);
    double      *room   = sbl_calloc(n_room, sizeof *room);
    sabal_status st;

    if (!room)
        return sbl_error_memory(err, n_room * sizeof *room, "the candidates of k-means||");
    l.closest = room;
    l.mass    = room + m;
    l.trial   = room + 2 * m;
    l.best    = room + 3 * m;
    l.sums    = room + 4 * m;
    l.counts  = l.sums + k * l.d;
    st        = plus_plus(centers, &l, data->seed, sbl_kmeans_stream(data, SBL_STREAM_LOCAL, 0), err);
    if (!st)
        st = lloyd(centers, &l, err);
    sbl_free(room);
    return st;
}
