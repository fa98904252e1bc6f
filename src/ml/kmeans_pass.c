/*
 * Passes over all rows: one task a chunk, partial results combined by tasks in a tree of fixed shape, so that
 * the bits depend on the chunks and on nothing else.
 */
#include "ml/kmeans.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array/flow.h"
#include "base/alloc.h"
#include "base/error.h"

#define FAN_IN 16 /* partials that one task combines */

void sbl_kmeans_tell(sbl_kmeans_data *data, const char *phase, int32_t iter, int32_t max_iter)
{
    data->state.phase    = phase;
    data->state.iter     = iter;
    data->state.max_iter = max_iter;
    if (data->progress)
        data->progress(data->progress_user, &data->state);
}

uint64_t sbl_kmeans_stream(const sbl_kmeans_data *data, int32_t purpose, int32_t round)
{
    return (uint64_t)purpose | (uint64_t)(uint32_t)round << 8 | (uint64_t)(uint32_t)data->run << 40;
}

sabal_status sbl_kmeans_points_pack(sabal_future **points, const sbl_kmeans_data *data, int64_t m, const double *rows,
                                    sabal_error *err)
{
    size_t       row = (size_t)data->d * sizeof(double);
    sbl_value   *value;
    char        *room;
    sabal_status st = sbl_bytes_create(&value, (void **)&room, sizeof(sbl_points) + (size_t)(m + 1) * row, err);

    if (st)
        return st;
    *(sbl_points *)(void *)room = (sbl_points){.m = m, .d = data->d, .scale = data->scale};
    memcpy(room + sizeof(sbl_points), rows, (size_t)m * row);
    memcpy(room + sizeof(sbl_points) + (size_t)m * row, data->shift, row);
    st = sbl_engine_scatter(data->x->client, value, points, err);
    sbl_value_release(value);
    return st;
}

/* One layer of the tree: n futures become (n + FAN_IN - 1) / FAN_IN, in place. */
static sabal_status combine_layer(sabal_future **futures, int64_t *n, const sbl_kmeans_data *data, sabal_error *err)
{
    int64_t        m        = (*n + FAN_IN - 1) / FAN_IN;
    sbl_program   *programs = sbl_calloc((size_t)m, sizeof *programs);
    sabal_future **made     = sbl_calloc((size_t)m, sizeof *made);
    sabal_status   st       = SABAL_OK;

    if (!programs || !made)
        st = sbl_error_memory(err, (size_t)m * sizeof *programs, "the tree of a reduction");
    for (int64_t i = 0; i < m && !st; i++) {
        int64_t end = (i + 1) * FAN_IN < *n ? (i + 1) * FAN_IN : *n;

        for (int64_t j = i * FAN_IN; j < end && !st; j++)
            st = sbl_program_input(&programs[i], futures[j], err);
        if (!st)
            st = sbl_program_stage(&programs[i], sbl_kmeans_combine_stage, (int32_t)(end - i * FAN_IN), NULL, 0, err);
    }
    if (!st)
        st = sbl_programs_submit(made, data->x->client, programs, m, SBL_SMALL_RESULT, "kmeans-combine", data->where,
                                 err);
    for (int64_t j = 0; j < *n; j++) {
        sbl_handle_release(futures[j]);
        futures[j] = !st && j < m ? made[j] : NULL;
    }
    *n = st ? 0 : m;
    sbl_free(made);
    sbl_programs_free(programs, m);
    return st;
}

sabal_status sbl_kmeans_combine(sbl_value **partial, const sbl_kmeans_data *data, sabal_future **futures, int64_t n,
                                sabal_error *err)
{
    sabal_status st = SABAL_OK;

    while (n > 1 && !st)
        st = combine_layer(futures, &n, data, err);
    if (!st)
        st = sbl_engine_fetch(partial, futures[0], err);
    for (int64_t j = 0; j < n; j++)
        sbl_handle_release(futures[j]);
    sbl_free(futures);
    return st;
}

/* The program of chunk i: [x] [kept] [weights] [points] -> stage. */
static sabal_status write_program(sbl_program *program, const sbl_kmeans_data *data, const sbl_kmeans_pass *pass,
                                  sabal_future *points, int64_t i, sabal_error *err)
{
    sbl_kmeans_params p    = pass->params;
    int32_t           n_in = 0;
    sabal_status      st   = SABAL_OK;

    p.first_row = sbl_chunks_start(&data->x->chunks, i);
    p.weighted  = pass->weighted && data->weights;
    if (!pass->without_x) {
        st = sbl_program_array(program, data->x, i, err);
        n_in++;
    }
    if (!st && pass->kept) {
        st = sbl_program_input(program, pass->kept[i], err);
        n_in++;
    }
    if (!st && p.weighted) {
        st = sbl_program_array(program, data->weights, i, err);
        n_in++;
    }
    if (!st && points) {
        st = sbl_program_input(program, points, err);
        n_in++;
    }
    return st ? st : sbl_program_stage(program, pass->stage, n_in, &p, sizeof p, err);
}

static sabal_status submit_programs(sabal_future **made, const sbl_kmeans_data *data, const sbl_kmeans_pass *pass,
                                    sabal_future *points, sabal_error *err)
{
    int64_t      n        = data->x->chunks.n;
    sbl_program *programs = sbl_calloc((size_t)n, sizeof *programs);
    sabal_status st = programs ? SABAL_OK : sbl_error_memory(err, (size_t)n * sizeof *programs, "the tasks of a pass");

    for (int64_t i = 0; i < n && !st; i++)
        st = write_program(&programs[i], data, pass, points, i, err);
    if (!st)
        st = sbl_programs_submit(made, data->x->client, programs, n, SBL_SMALL_RESULT, pass->name, data->where, err);
    sbl_programs_free(programs, n);
    return st;
}

sabal_status sbl_kmeans_submit(sabal_future ***futures, const sbl_kmeans_data *data, const sbl_kmeans_pass *pass,
                               int64_t m, const double *rows, sabal_error *err)
{
    sabal_future  *points = NULL;
    sabal_future **made   = sbl_calloc((size_t)data->x->chunks.n, sizeof *made);
    sabal_status   st     = SABAL_OK;

    if (!made)
        st = sbl_error_memory(err, (size_t)data->x->chunks.n * sizeof *made, "the tasks of a pass");
    if (!st && m)
        st = sbl_kmeans_points_pack(&points, data, m, rows, err);
    if (!st)
        st = submit_programs(made, data, pass, points, err);
    sbl_handle_release(points);
    if (st)
        sbl_free(made);
    else
        *futures = made;
    return st;
}

sabal_status sbl_kmeans_assign_pass(const sbl_kmeans_data *data, int32_t k, const double *centers, double *counts,
                                    double *sums, double *inertia, sabal_error *err)
{
    sbl_kmeans_pass pass    = {.stage    = sbl_kmeans_assign_stage,
                               .params   = {.want = (sums ? SBL_WANT_SUMS : 0) | (inertia ? SBL_WANT_INERTIA : 0)},
                               .weighted = 1,
                               .name     = "kmeans-pass"};
    sabal_future  **futures = NULL;
    sbl_value      *value   = NULL;
    sabal_status    st      = sbl_kmeans_submit(&futures, data, &pass, k, centers, err);

    if (!st)
        st = sbl_kmeans_combine(&value, data, futures, data->x->chunks.n, err);
    if (!st) {
        const double *partial = sbl_value_data(value, NULL);

        if (inertia)
            *inertia = partial[1];
        memcpy(counts, partial + 2, (size_t)k * sizeof *counts);
        if (sums)
            memcpy(sums, partial + 2 + k, (size_t)(k * data->d) * sizeof *sums);
    }
    sbl_value_release(value);
    return st;
}

sabal_status sbl_kmeans_blocks_take(sbl_kmeans_blocks *blocks, const sbl_kmeans_data *data, sabal_future **futures,
                                    sabal_error *err)
{
    int64_t      n  = data->x->chunks.n;
    sabal_status st = SABAL_OK;

    *blocks        = (sbl_kmeans_blocks){.n = n};
    blocks->sums   = sbl_calloc((size_t)n, sizeof *blocks->sums);
    blocks->totals = sbl_calloc((size_t)n, sizeof *blocks->totals);
    if (!blocks->sums || !blocks->totals)
        st = sbl_error_memory(err, (size_t)n * 2 * sizeof *blocks->totals, "sums over the chunks");
    if (!st) /* for all at once: to wake this thread for each costs as much as a small task */
        st = sbl_engine_wait(data->x->client, futures, n, -1, err);
    for (int64_t i = 0; i < n; i++) {
        sbl_value    *value = NULL;
        const double *from;
        size_t        bytes;

        if (!st)
            st = sbl_engine_fetch(&value, futures[i], err);
        if (!st) {
            from            = sbl_value_data(value, &bytes);
            blocks->sums[i] = sbl_alloc(bytes);
            if (!blocks->sums[i])
                st = sbl_error_memory(err, bytes, "sums over the blocks of a chunk");
        }
        if (!st) {
            memcpy(blocks->sums[i], from, bytes);
            for (size_t b = 0; b < bytes / sizeof *from; b++)
                blocks->totals[i] += from[b];
            blocks->total += blocks->totals[i];
        }
        sbl_value_release(value);
        sbl_handle_release(futures[i]);
    }
    sbl_free(futures);
    if (st)
        sbl_kmeans_blocks_clear(blocks);
    return st;
}

void sbl_kmeans_blocks_clear(sbl_kmeans_blocks *blocks)
{
    for (int64_t i = 0; blocks->sums && i < blocks->n; i++)
        sbl_free(blocks->sums[i]);
    sbl_free(blocks->sums);
    sbl_free(blocks->totals);
    memset(blocks, 0, sizeof *blocks);
}

/* Walks n values until their running sum passes *u; rounding may leave the end unpassed: then the last above
 * 0. */
static int64_t walk(const double *values, int64_t n, double *u)
{
    int64_t last = 0;
    double  left = *u, left_at_last = 0;

    for (int64_t i = 0; i < n; i++) {
        if (values[i] > 0) {
            last         = i;
            left_at_last = left;
            if (left < values[i])
                break;
        }
        left -= values[i];
    }
    *u = left_at_last;
    return last;
}

void sbl_kmeans_blocks_find(int64_t *chunk, sbl_target *target, const sbl_kmeans_blocks *blocks,
                            const sbl_kmeans_data *data, double u)
{
    int64_t rows;

    *chunk         = walk(blocks->totals, blocks->n, &u);
    rows           = sbl_chunks_rows(&data->x->chunks, *chunk);
    target->block  = walk(blocks->sums[*chunk], (rows + SBL_BLOCK_ROWS - 1) / SBL_BLOCK_ROWS, &u);
    target->target = u;
}

/* The wanted rows of one chunk, gathered by one task. places[j] says where in out row j goes. */
struct wanted {
    int64_t row, place;
};

static int by_row(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;

    return x->row < y->row ? -1 : x->row > y->row ? 1 : x->place < y->place ? -1 : x->place > y->place;
}

/* The task that gathers those of wanted[0 ..] that lie in the chunk of the first; *n tells how many these
 * are. */
static sabal_status gather_task(sabal_future **future, int64_t *n, const sbl_kmeans_data *data,
                                const struct wanted *wanted, int64_t n_wanted, sabal_error *err)
{
    int64_t            chunk = sbl_chunks_find(&data->x->chunks, wanted[0].row);
    int64_t            start = sbl_chunks_start(&data->x->chunks, chunk);
    int64_t            end = start + sbl_chunks_rows(&data->x->chunks, chunk), m = 0;
    sbl_program        program = {0};
    sbl_kmeans_params *p;
    int64_t           *local;
    size_t             size;
    sbl_task_spec      spec;
    sabal_status       st;

    while (m < n_wanted && wanted[m].row < end)
        m++;
    size = sizeof *p + (size_t)m * sizeof *local;
    p    = sbl_calloc(1, size);
    if (!p)
        return sbl_error_memory(err, size, "the rows to gather");
    p->n_wanted = m;
    local       = (int64_t *)(void *)(p + 1);
    for (int64_t j = 0; j < m; j++)
        local[j] = wanted[j].row - start;
    st = sbl_program_array(&program, data->x, chunk, err);
    if (!st)
        st = sbl_program_stage(&program, sbl_kmeans_gather_stage, 1, p, size, err);
    if (!st) {
        spec = sbl_program_spec(&program, SBL_SMALL_RESULT, "kmeans-gather", data->where);
        st   = sbl_engine_submit(data->x->client, &spec, 1, future, err);
    }
    sbl_free(p);
    sbl_program_clear(&program);
    *n = m;
    return st;
}

sabal_status sbl_kmeans_gather_rows(double *out, const sbl_kmeans_data *data, const int64_t *rows, int64_t n,
                                    sabal_error *err)
{
    struct wanted *wanted  = sbl_calloc((size_t)n, sizeof *wanted);
    sabal_future **futures = sbl_calloc((size_t)n, sizeof *futures);
    int64_t       *counts  = sbl_calloc((size_t)n, sizeof *counts);
    int64_t        n_tasks = 0;
    sabal_status   st      = SABAL_OK;

    if (!wanted || !futures || !counts)
        st = sbl_error_memory(err, (size_t)n * sizeof *wanted, "the rows to gather");
    for (int64_t i = 0; i < n && !st; i++)
        wanted[i] = (struct wanted){.row = rows[i], .place = i};
    if (!st)
        qsort(wanted, (size_t)n, sizeof *wanted, by_row);
    for (int64_t i = 0; i < n && !st;) {
        st = gather_task(&futures[n_tasks], &counts[n_tasks], data, wanted + i, n - i, err);
        if (!st)
            i += counts[n_tasks++];
    }
    for (int64_t t = 0, i = 0; t < n_tasks && !st; t++) {
        sbl_value *value = NULL;

        st = sbl_engine_fetch(&value, futures[t], err);
        for (int64_t j = 0; j < counts[t] && !st; j++, i++)
            memcpy(out + wanted[i].place * data->d, (const double *)sbl_value_data(value, NULL) + j * data->d,
                   (size_t)data->d * sizeof *out);
        sbl_value_release(value);
    }
    for (int64_t t = 0; t < n_tasks; t++)
        sbl_handle_release(futures[t]);
    sbl_free(wanted);
    sbl_free(futures);
    sbl_free(counts);
    return st;
}
