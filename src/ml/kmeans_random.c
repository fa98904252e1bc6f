/* Rows drawn at random without replacement, by weight if there are weights. */
#include "ml/kmeans.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernel/random.h"

/* A set of rows: open addressing, at most half full; -1 is an empty place. */
struct row_set {
    int64_t *places, mask;
};

static int row_set_add(struct row_set *set, int64_t row)
{
    int64_t i = (int64_t)((uint64_t)row * 0x9e3779b97f4a7c15ULL >> 20) & set->mask;

    while (set->places[i] >= 0) {
        if (set->places[i] == row)
            return 0;
        i = (i + 1) & set->mask;
    }
    set->places[i] = row;
    return 1;
}

static sabal_status row_set_create(struct row_set *set, int64_t k, sabal_error *err)
{
    int64_t size = 4;

    while (size < 2 * k)
        size *= 2;
    set->mask   = size - 1;
    set->places = sbl_alloc((size_t)size * sizeof *set->places);
    if (!set->places)
        return sbl_error_memory(err, (size_t)size * sizeof *set->places, "a set of rows");
    memset(set->places, 0xff, (size_t)size * sizeof *set->places);
    return SABAL_OK;
}

/* k of n by Floyd's method (Bentley and Floyd, CACM 30(9), 1987): k draws, no repeats to throw away; then
 * shuffled. */
static void draw_even(int64_t *rows, int64_t n, int64_t k, struct row_set *set, uint64_t seed, uint64_t stream)
{
    for (int64_t i = 0; i < k; i++) {
        int64_t top = n - k + i, row = sbl_random_below(seed, stream, (uint64_t)i, top + 1);

        rows[i] = row_set_add(set, row) ? row : (row_set_add(set, top), top);
    }
    for (int64_t i = k - 1; i > 0; i--) {
        int64_t j = sbl_random_below(seed, stream, (uint64_t)(k + i), i + 1), swap = rows[i];

        rows[i] = rows[j];
        rows[j] = swap;
    }
}

/* Draws by weight and drops repeats; what is taken leaves the sum, so that every draw can hit. */
static sabal_status draw_weighted(int64_t *rows, const sbl_kmeans_data *data, int64_t k, uint64_t stream,
                                  sabal_error *err)
{
    int64_t n = data->n, n_blocks = (n + SBL_BLOCK_ROWS - 1) / SBL_BLOCK_ROWS, n_positive = 0;
    double *left = sbl_alloc((size_t)n * sizeof *left), *sums = sbl_calloc((size_t)n_blocks, sizeof *sums);
    double  total;

    if (!left || !sums) {
        sbl_free(left);
        sbl_free(sums);
        return sbl_error_memory(err, (size_t)n * sizeof *left, "weights");
    }
    memcpy(left, data->weight_of, (size_t)n * sizeof *left);
    for (int64_t i = 0; i < n; i++) {
        sums[i / SBL_BLOCK_ROWS] += left[i];
        n_positive += left[i] > 0;
    }
    for (int64_t j = 0; j < k && n_positive >= k; j++) {
        double  u;
        int64_t block = -1, row = -1;

        total = 0;
        for (int64_t b = 0; b < n_blocks; b++)
            total += sums[b];
        u = sbl_random_uniform(data->seed, stream, (uint64_t)j) * total;
        for (int64_t b = 0; b < n_blocks && (block < 0 || u >= 0); b++)
            if (sums[b] > 0) {
                block = b;
                if (u < sums[b])
                    break;
                u -= sums[b];
            }
        for (int64_t i = block * SBL_BLOCK_ROWS; i < n && i < (block + 1) * SBL_BLOCK_ROWS; i++)
            if (left[i] > 0) {
                row = i;
                if (u < left[i])
                    break;
                u -= left[i];
            }
        rows[j]     = row;
        left[row]   = 0;
        sums[block] = 0;
        for (int64_t i = block * SBL_BLOCK_ROWS; i < n && i < (block + 1) * SBL_BLOCK_ROWS; i++)
            sums[block] += left[i];
    }
    sbl_free(left);
    sbl_free(sums);
    if (n_positive < k)
        return sbl_error_set(err, SABAL_EVALUE, "only %" PRId64 " rows have a weight above 0: %" PRId64 " are needed",
                             n_positive, k);
    return SABAL_OK;
}

sabal_status sbl_kmeans_random_rows(int64_t *rows, const sbl_kmeans_data *data, int64_t k, uint64_t stream,
                                    sabal_error *err)
{
    struct row_set set;
    sabal_status   st;

    if (data->weight_of)
        return draw_weighted(rows, data, k, stream, err);
    st = row_set_create(&set, k, err);
    if (st)
        return st;
    draw_even(rows, data->n, k, &set, data->seed, stream);
    sbl_free(set.places);
    return SABAL_OK;
}

sabal_status sbl_kmeans_seed_random(double *centers, sbl_kmeans_data *data, int32_t k, sabal_error *err)
{
    int64_t     *rows = sbl_calloc((size_t)k, sizeof *rows);
    sabal_status st   = rows ? SABAL_OK : sbl_error_memory(err, (size_t)k * sizeof *rows, "rows for seeding");

    if (!st)
        st = sbl_kmeans_random_rows(rows, data, k, sbl_kmeans_stream(data, SBL_STREAM_RANDOM, 0), err);
    if (!st)
        st = sbl_kmeans_gather_rows(centers, data, rows, k, err);
    sbl_free(rows);
    sbl_kmeans_tell(data, "seed", 1, 1);
    return st;
}
