/*
 * Seeding by greedy k-means++ (Arthur and Vassilvitskii, SODA 2007; the trials are scikit-learn's): for each
 * centre some rows are drawn by their squared distance to the nearest centre so far, and the one that leaves
 * least is taken. The distances are kept between passes, 8 bytes a row, where the chunks are.
 */
#include "ml/kmeans.h"

#include <math.h>
#include <string.h>

#include "array/flow.h"
#include "base/alloc.h"
#include "base/error.h"
#include "kernel/random.h"

static void release_all(sabal_future **futures, int64_t n)
{
    for (int64_t i = 0; futures && i < n; i++) {
        sbl_handle_release(futures[i]);
        futures[i] = NULL;
    }
}

/* Takes a centre into account: closest becomes the distances to it too. */
static sabal_status come_closer(sabal_future **closest, const sbl_kmeans_data *data, const double *center, int first,
                                sabal_error *err)
{
    int64_t         n    = data->x->chunks.n;
    sbl_kmeans_pass pass = {.stage = sbl_kmeans_closer_stage, .kept = first ? NULL : closest, .name = "kmeans-closer"};
    sabal_future  **made = NULL;
    sabal_status    st   = sbl_kmeans_submit(&made, data, &pass, 1, center, err);

    if (st)
        return st;
    release_all(closest, n);
    memcpy(closest, made, (size_t)n * sizeof *made);
    sbl_free(made);
    return SABAL_OK;
}

/* The row that a draw hit. */
static sabal_status pick(int64_t *row, const sbl_kmeans_data *data, sabal_future **closest, int64_t chunk,
                         const sbl_target *target, sabal_error *err)
{
    struct {
        sbl_kmeans_params head;
        sbl_target        target;
    } p = {.head = {.first_row = sbl_chunks_start(&data->x->chunks, chunk), .n_wanted = 1}, .target = *target};
    sbl_program   program = {0};
    sabal_future *future  = NULL;
    sbl_value    *value   = NULL;
    int32_t       n_in    = 1;
    sbl_task_spec spec;
    sabal_status  st = sbl_program_input(&program, closest[chunk], err);

    if (!st && data->weights) {
        st              = sbl_program_array(&program, data->weights, chunk, err);
        p.head.weighted = 1;
        n_in            = 2;
    }
    if (!st)
        st = sbl_program_stage(&program, sbl_kmeans_pick_closest_stage, n_in, &p, sizeof p, err);
    if (!st) {
        spec = sbl_program_spec(&program, SBL_SMALL_RESULT, "kmeans-pick", data->where);
        st   = sbl_engine_submit(data->x->client, &spec, 1, &future, err);
    }
    if (!st)
        st = sbl_engine_fetch(&value, future, err);
    if (!st)
        memcpy(row, sbl_value_data(value, NULL), sizeof *row);
    sbl_value_release(value);
    sbl_handle_release(future);
    sbl_program_clear(&program);
    return st;
}

/* n_trials rows drawn by distance (evenly if all distances are 0), as trials (n_trials, d). */
static sabal_status draw_trials(double *trials, const sbl_kmeans_data *data, sabal_future **closest, int32_t n_trials,
                                uint64_t stream, int64_t *rows, sabal_error *err)
{
    sbl_kmeans_pass pass = {
        .stage = sbl_kmeans_blocks_stage, .without_x = 1, .kept = closest, .weighted = 1, .name = "kmeans-blocks"};
    sabal_future    **sums   = NULL;
    sbl_kmeans_blocks blocks = {0};
    sabal_status      st     = sbl_kmeans_submit(&sums, data, &pass, 0, NULL, err);

    if (st)
        return st;
    st = sbl_kmeans_blocks_take(&blocks, data, sums, err);
    for (int32_t t = 0; t < n_trials && !st; t++) {
        double     u = sbl_random_uniform(data->seed, stream, (uint64_t)t);
        int64_t    chunk;
        sbl_target target;

        if (blocks.total > 0) {
            sbl_kmeans_blocks_find(&chunk, &target, &blocks, data, u * blocks.total);
            st = pick(&rows[t], data, closest, chunk, &target, err);
        } else {
            rows[t] = sbl_random_below(data->seed, stream, (uint64_t)(n_trials + t), data->n);
        }
    }
    sbl_kmeans_blocks_clear(&blocks);
    return st ? st : sbl_kmeans_gather_rows(trials, data, rows, n_trials, err);
}

/* The trial that leaves least. */
static sabal_status best_trial(int32_t *best, const sbl_kmeans_data *data, sabal_future **closest, const double *trials,
                               int32_t n_trials, sabal_error *err)
{
    sbl_kmeans_pass pass    = {.stage = sbl_kmeans_trial_stage, .kept = closest, .weighted = 1, .name = "kmeans-trial"};
    sabal_future  **futures = NULL;
    sbl_value      *value   = NULL;
    const double   *left;
    sabal_status    st = sbl_kmeans_submit(&futures, data, &pass, n_trials, trials, err);

    if (!st)
        st = sbl_kmeans_combine(&value, data, futures, data->x->chunks.n, err);
    if (st)
        return st;
    left  = (const double *)sbl_value_data(value, NULL) + SBL_PARTIAL_HEAD;
    *best = 0;
    for (int32_t t = 1; t < n_trials; t++)
        if (left[t] < left[*best])
            *best = t;
    sbl_value_release(value);
    return SABAL_OK;
}

sabal_status sbl_kmeans_seed_plus(double *centers, sbl_kmeans_data *data, int32_t k, sabal_error *err)
{
    int64_t        d = data->d, first, *rows = NULL;
    int32_t        n_trials = sbl_kmeans_n_trials(k), best;
    sabal_future **closest  = sbl_calloc((size_t)data->x->chunks.n, sizeof *closest);
    double        *trials   = sbl_calloc((size_t)n_trials * (size_t)d, sizeof *trials);
    sabal_status   st       = SABAL_OK;

    rows = sbl_calloc((size_t)n_trials, sizeof *rows);
    if (!closest || !trials || !rows)
        st = sbl_error_memory(err, (size_t)n_trials * (size_t)d * sizeof *trials, "the trials of k-means++");
    if (!st)
        st = sbl_kmeans_random_rows(&first, data, 1, sbl_kmeans_stream(data, SBL_STREAM_FIRST, 0), err);
    if (!st)
        st = sbl_kmeans_gather_rows(centers, data, &first, 1, err);
    for (int32_t c = 1; c < k && !st; c++) {
        sbl_kmeans_tell(data, "seed", c, k);
        st = come_closer(closest, data, centers + (c - 1) * d, c == 1, err);
        if (!st)
            st = draw_trials(trials, data, closest, n_trials, sbl_kmeans_stream(data, SBL_STREAM_PLUS, c), rows, err);
        if (!st)
            st = best_trial(&best, data, closest, trials, n_trials, err);
        if (!st)
            memcpy(centers + c * d, trials + best * d, (size_t)d * sizeof *centers);
    }
    release_all(closest, data->x->chunks.n);
    sbl_free(closest);
    sbl_free(trials);
    sbl_free(rows);
    if (!st)
        sbl_kmeans_tell(data, "seed", k, k);
    return st;
}
