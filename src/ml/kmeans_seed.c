/*
 * Seeding by k-means|| (Bahmani, Moseley, Vattani, Kumar, Vassilvitskii, PVLDB 5(7), 2012): a few rounds,
 * each one pass that finds many candidates at once; then the candidates, weighted by the rows nearest to
 * each, are clustered in memory. A round draws its rows one by one from the distribution of the squared
 * distances (with replacement, repeats dropped), where the paper flips a coin for every row: about as many
 * unless few rows hold most of the sum, and a draw needs the sums over blocks of rows alone. So distances of rows need not be
 * kept, and are not where that would take much beside the rows: each round then looks at all candidates. Where
 * rows are long, 8 bytes for each are kept (how far, and which candidate), and a round looks at its own alone.
 */
#include "ml/kmeans.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernel/random.h"

#define MOST_DRAWS 1000000 /* a round */
#define LONG_ROW   128     /* bytes, from which on something is kept for each row */

struct candidates {
    double  *rows; /* (n, d), room for `room` */
    int64_t *ids;  /* which row of x each is  */
    int64_t  n, room;
    /* what is kept */
    sabal_future **kept;   /* of each chunk; NULL: nothing is */
    int64_t        n_seen; /* by it */
};

/* One draw of a round. */
struct drawn {
    int64_t    chunk;
    sbl_target target;
};

static int by_chunk(const void *a, const void *b)
{
    const struct drawn *x = a, *y = b;

    if (x->chunk != y->chunk)
        return x->chunk < y->chunk ? -1 : 1;
    if (x->target.block != y->target.block)
        return x->target.block < y->target.block ? -1 : 1;
    return x->target.target < y->target.target ? -1 : x->target.target > y->target.target;
}

static int has_row(const struct candidates *c, int64_t row)
{
    for (int64_t i = 0; i < c->n; i++)
        if (c->ids[i] == row)
            return 1;
    return 0;
}

static sabal_status candidates_add(struct candidates *c, int64_t row, const double *values, int64_t d, sabal_error *err)
{
    if (c->n == c->room) {
        int64_t  room = c->room ? 2 * c->room : 64;
        int64_t *ids  = sbl_realloc(c->ids, (size_t)room * sizeof *ids);
        double  *rows;

        c->ids = ids ? ids : c->ids;
        rows   = ids ? sbl_realloc(c->rows, (size_t)room * (size_t)d * sizeof *rows) : NULL;
        if (!rows)
            return sbl_error_memory(err, (size_t)room * (size_t)d * sizeof *rows, "the candidates of k-means||");
        c->rows = rows;
        c->room = room;
    }
    c->ids[c->n] = row;
    memcpy(c->rows + c->n * d, values, (size_t)d * sizeof *values);
    c->n++;
    return SABAL_OK;
}

/* The task that picks the rows of drawn[0 .. m - 1], all in one chunk, by points or by what is kept. */
static sabal_status pick_task(sabal_future **future, const sbl_kmeans_data *data, sabal_future *points,
                              sabal_future **kept, const struct drawn *drawn, int64_t m, sabal_error *err)
{
    size_t             size    = sizeof(sbl_kmeans_params) + (size_t)m * sizeof(sbl_target);
    sbl_kmeans_params *p       = sbl_calloc(1, size);
    sbl_program        program = {0};
    sbl_task_spec      spec;
    sabal_status       st;

    if (!p)
        return sbl_error_memory(err, size, "the draws of a round");
    p->first_row = sbl_chunks_start(&data->x->chunks, drawn[0].chunk);
    p->n_wanted  = m;
    p->weighted  = data->weights != NULL;
    for (int64_t i = 0; i < m; i++)
        ((sbl_target *)(void *)(p + 1))[i] = drawn[i].target;
    st = sbl_program_array(&program, data->x, drawn[0].chunk, err);
    if (!st && kept)
        st = sbl_program_input(&program, kept[drawn[0].chunk], err);
    if (!st && data->weights)
        st = sbl_program_array(&program, data->weights, drawn[0].chunk, err);
    if (!st && points)
        st = sbl_program_input(&program, points, err);
    if (!st)
        st = sbl_program_stage(&program, kept ? sbl_kmeans_kept_pick_stage : sbl_kmeans_pick_stage,
                               2 + (data->weights != NULL), p, size, err);
    if (!st) {
        spec = sbl_program_spec(&program, SBL_SMALL_RESULT, "kmeans-pick", data->where);
        st   = sbl_engine_submit(data->x->client, &spec, 1, future, err);
    }
    sbl_free(p);
    sbl_program_clear(&program);
    return st;
}

/*
 * Fetches what a pick found and adds it. A row drawn twice in a round comes twice in a row; in a later round it lies on
 * itself and is not drawn again.
 */
static sabal_status take_picked(struct candidates *c, sabal_future *future, int64_t d, sabal_error *err)
{
    size_t       entry = sizeof(sbl_picked) + (size_t)d * sizeof(double), bytes;
    sbl_value   *value = NULL;
    const char  *from;
    sabal_status st = sbl_engine_fetch(&value, future, err);

    if (st)
        return st;
    from = sbl_value_data(value, &bytes);
    for (size_t i = 0; i < bytes / entry && !st; i++) {
        const sbl_picked *picked = (const sbl_picked *)(const void *)(from + i * entry);

        if (picked->row != c->ids[c->n - 1])
            st = candidates_add(c, picked->row, (const double *)(const void *)(picked + 1), d, err);
    }
    sbl_value_release(value);
    return st;
}

/* The rows that the draws hit, a task for each chunk that has any. drawn is sorted. */
static sabal_status take_draws(struct candidates *c, const sbl_kmeans_data *data, const struct drawn *drawn, int64_t n,
                               sabal_error *err)
{
    sabal_future **futures = sbl_calloc((size_t)n, sizeof *futures), *points = NULL;
    int64_t        n_tasks = 0;
    sabal_status   st      = SABAL_OK;

    if (!futures)
        st = sbl_error_memory(err, (size_t)n * sizeof *futures, "the draws of a round");
    if (!st && !c->kept)
        st = sbl_kmeans_points_pack(&points, data, c->n, c->rows, err);
    for (int64_t i = 0, j; i < n && !st; i = j) {
        for (j = i + 1; j < n && drawn[j].chunk == drawn[i].chunk; j++)
            ;
        st = pick_task(&futures[n_tasks], data, points, c->kept, drawn + i, j - i, err);
        n_tasks += !st;
    }
    for (int64_t t = 0; t < n_tasks && !st; t++)
        st = take_picked(c, futures[t], data->d, err);
    for (int64_t t = 0; t < n_tasks; t++)
        sbl_handle_release(futures[t]);
    sbl_handle_release(points);
    sbl_free(futures);
    return st;
}

/* What is kept takes the candidates that are new to it into account. */
static sabal_status see_new(struct candidates *c, const sbl_kmeans_data *data, sabal_error *err)
{
    int64_t         n    = data->x->chunks.n;
    sbl_kmeans_pass pass = {.stage  = sbl_kmeans_kept_stage,
                            .params = {.first = c->n_seen},
                            .kept   = c->n_seen ? c->kept : NULL,
                            .name   = "kmeans-near"};
    sabal_future  **made = NULL;
    sabal_status    st   = sbl_kmeans_submit(&made, data, &pass, c->n - c->n_seen, c->rows + c->n_seen * data->d, err);

    if (st)
        return st;
    for (int64_t i = 0; i < n; i++) {
        sbl_handle_release(c->kept[i]);
        c->kept[i] = made[i];
    }
    c->n_seen = c->n;
    sbl_free(made);
    return SABAL_OK;
}

/* A look at all candidates: at the rows by one stage, or at what is kept by another. */
static sabal_status look(sabal_future ***futures, struct candidates *c, const sbl_kmeans_data *data,
                         sbl_stage_fn *at_rows, sbl_stage_fn *at_kept, const char *name, sabal_error *err)
{
    sbl_kmeans_pass pass = {.stage     = c->kept ? at_kept : at_rows,
                            .params    = {.n_wanted = c->n},
                            .without_x = c->kept != NULL,
                            .kept      = c->kept,
                            .weighted  = 1,
                            .name      = name};
    sabal_status    st   = c->kept ? see_new(c, data, err) : SABAL_OK;

    return st ? st : sbl_kmeans_submit(futures, data, &pass, c->kept ? 0 : c->n, c->rows, err);
}

/* One round: the potential of the candidates so far, then n_draws rows drawn by it. *potential is 0 at the
 * end. */
static sabal_status round_of(struct candidates *c, sbl_kmeans_data *data, int32_t round, int64_t n_draws,
                             double *potential, sabal_error *err)
{
    uint64_t          stream = sbl_kmeans_stream(data, SBL_STREAM_ROUND, round);
    struct drawn     *drawn  = sbl_calloc((size_t)n_draws, sizeof *drawn);
    sabal_future    **sums   = NULL;
    sbl_kmeans_blocks blocks = {0};
    sabal_status      st;

    if (!drawn)
        return sbl_error_memory(err, (size_t)n_draws * sizeof *drawn, "the draws of a round");
    st = look(&sums, c, data, sbl_kmeans_potential_stage, sbl_kmeans_kept_blocks_stage, "kmeans-potential", err);
    if (!st)
        st = sbl_kmeans_blocks_take(&blocks, data, sums, err);
    if (!st)
        *potential = blocks.total;
    if (!st && blocks.total > 0) {
        for (int64_t i = 0; i < n_draws; i++)
            sbl_kmeans_blocks_find(&drawn[i].chunk, &drawn[i].target, &blocks, data,
                                   sbl_random_uniform(data->seed, stream, (uint64_t)i) * blocks.total);
        qsort(drawn, (size_t)n_draws, sizeof *drawn, by_chunk);
        st = take_draws(c, data, drawn, n_draws, err);
    }
    sbl_kmeans_blocks_clear(&blocks);
    sbl_free(drawn);
    return st;
}

/* Rows at random, until there are k candidates: few rounds, or few rows that differ. */
static sabal_status fill_up(struct candidates *c, const sbl_kmeans_data *data, int32_t k, sabal_error *err)
{
    int64_t     *rows   = sbl_calloc((size_t)k, sizeof *rows);
    double      *values = sbl_calloc((size_t)k * (size_t)data->d, sizeof *values);
    sabal_error  few    = SABAL_ERROR_INIT;
    sabal_status st     = SABAL_OK;

    if (!rows || !values)
        st = sbl_error_memory(err, (size_t)k * (size_t)data->d * sizeof *values, "rows for seeding");
    if (!st)
        st = sbl_kmeans_random_rows(rows, data, k, sbl_kmeans_stream(data, SBL_STREAM_FILL, 0), &few);
    if (st == SABAL_EVALUE) { /* fewer rows have a weight than there are clusters: then of all */
        sbl_kmeans_data even = *data;

        even.weight_of = NULL;
        st             = sbl_kmeans_random_rows(rows, &even, k, sbl_kmeans_stream(data, SBL_STREAM_FILL, 0), err);
    } else if (st && few.status) {
        st = sbl_error_pass(err, &few);
    }
    if (!st)
        st = sbl_kmeans_gather_rows(values, data, rows, k, err);
    for (int32_t i = 0; i < k && c->n < k && !st; i++)
        if (!has_row(c, rows[i]))
            st = candidates_add(c, rows[i], values + i * data->d, data->d, err);
    sbl_free(rows);
    sbl_free(values);
    return st;
}

/* The weight of each candidate: that of the rows which are nearest to it. One pass. */
static sabal_status count_rows(double *weights, struct candidates *c, const sbl_kmeans_data *data, sabal_error *err)
{
    sabal_future **counts = NULL;
    sbl_value     *value  = NULL;
    sabal_status   st =
        look(&counts, c, data, sbl_kmeans_near_counts_stage, sbl_kmeans_kept_counts_stage, "kmeans-counts", err);

    if (!st)
        st = sbl_kmeans_combine(&value, data, counts, data->x->chunks.n, err);
    if (!st)
        memcpy(weights, (const double *)sbl_value_data(value, NULL) + SBL_PARTIAL_HEAD, (size_t)c->n * sizeof *weights);
    sbl_value_release(value);
    return st;
}

static sabal_status candidates_create(struct candidates *c, const sbl_kmeans_data *data, sabal_error *err)
{
    int64_t n = data->x->chunks.n;

    *c = (struct candidates){0};
    if (data->d * (int64_t)sabal_dtype_size(data->x->dtype) < LONG_ROW)
        return SABAL_OK;
    c->kept = sbl_calloc((size_t)n, sizeof *c->kept);
    return c->kept ? SABAL_OK : sbl_error_memory(err, (size_t)n * sizeof *c->kept, "what is kept of chunks");
}

static void candidates_clear(struct candidates *c, const sbl_kmeans_data *data)
{
    for (int64_t i = 0; c->kept && i < data->x->chunks.n; i++)
        sbl_handle_release(c->kept[i]);
    sbl_free(c->kept);
    sbl_free(c->rows);
    sbl_free(c->ids);
}

sabal_status sbl_kmeans_seed_parallel(double *centers, sbl_kmeans_data *data, int32_t k, double oversampling,
                                      int32_t rounds, sabal_error *err)
{
    int64_t           n_draws = (int64_t)ceil(fmin(oversampling * k, 2 * MOST_DRAWS));
    struct candidates c;
    double           *weights = NULL, *row, potential = 1;
    int64_t           first;
    sabal_status      st;

    if (n_draws > MOST_DRAWS)
        return sbl_error_set(err, SABAL_EINVAL, "oversampling is %g: expected at most %g for %d clusters", oversampling,
                             (double)MOST_DRAWS / k, k);
    st  = candidates_create(&c, data, err);
    row = sbl_calloc((size_t)data->d, sizeof *row);
    if (!st && !row)
        st = sbl_error_memory(err, (size_t)data->d * sizeof *row, "a row");
    if (!st)
        st = sbl_kmeans_random_rows(&first, data, 1, sbl_kmeans_stream(data, SBL_STREAM_FIRST, 0), err);
    if (!st)
        st = sbl_kmeans_gather_rows(row, data, &first, 1, err);
    if (!st)
        st = candidates_add(&c, first, row, data->d, err);
    for (int32_t i = 0; i < rounds && !st && potential > 0; i++) {
        st = round_of(&c, data, i, n_draws, &potential, err);
        if (!st)
            sbl_kmeans_tell(data, "seed", i + 1, rounds + 1);
    }
    if (!st && c.n < k)
        st = fill_up(&c, data, k, err);
    if (!st && !(weights = sbl_calloc((size_t)c.n, sizeof *weights)))
        st = sbl_error_memory(err, (size_t)c.n * sizeof *weights, "the candidates of k-means||");
    if (!st)
        st = count_rows(weights, &c, data, err);
    if (!st)
        st = sbl_kmeans_local(centers, data, c.rows, weights, c.n, k, err);
    if (!st)
        sbl_kmeans_tell(data, "seed", rounds + 1, rounds + 1);
    candidates_clear(&c, data);
    sbl_free(row);
    sbl_free(weights);
    return st;
}
