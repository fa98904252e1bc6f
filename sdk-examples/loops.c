/*
 * Loops over ranges: memory near its threads, a transpose by tiles, a filter that keeps the order by a scan.
 *
 *     cc -O2 loops.c $(pkg-config --cflags --libs sabal) -o loops
 *     ./loops                # 1000 x 1000 numbers
 *     ./loops 10000
 *
 * What it teaches:
 *   - SABAL_STATIC gives the same block to the same thread each time. Who writes to a page first has it near: so large
 *     arrays are filled and worked on with it.
 *   - sabal_for_2d() goes by tiles. A transpose reads rows and writes columns: a tile of both fits into the cache.
 *   - A scan gives each part of a range what all parts before it come to. Here: how many numbers are kept before this
 *     part, which is where its own go. So all threads write at once, each to its place, and the order stays.
 */
#include <sabal/sabal.h>
#include <stdio.h>
#include <stdlib.h>

//! [scan]
/* The numbers, and room for those that are kept. */
struct filter {
    const double *from;
    double       *to;
};

static int is_kept(double x)
{
    return x < 0.25;
}

/* A leaf: how many of its part are kept. */
static sabal_status count(void *partial, int64_t begin, int64_t end, void *context)
{
    const struct filter *f = context;
    int64_t              n = 0;

    for (int64_t i = begin; i < end; i++)
        n += is_kept(f->from[i]);
    *(int64_t *)partial = n;
    return SABAL_OK;
}

static void add(void *left, const void *right, void *context)
{
    (void)context;
    *(int64_t *)left += *(const int64_t *)right;
}

/* The same part again: *before of those left of it are kept, so that is where its own begin. */
static sabal_status copy(const void *before, int64_t begin, int64_t end, void *context)
{
    const struct filter *f  = context;
    int64_t              to = *(const int64_t *)before;

    for (int64_t i = begin; i < end; i++)
        if (is_kept(f->from[i]))
            f->to[to++] = f->from[i];
    return SABAL_OK;
}
//! [scan]

//! [tiles]
struct matrix {
    const double *from;
    double       *to;
    int64_t       n;
};

/* A tile: these rows of these columns. */
static sabal_status transpose(int64_t row, int64_t end_row, int64_t column, int64_t end_column, void *context)
{
    const struct matrix *m = context;

    for (int64_t i = row; i < end_row; i++)
        for (int64_t j = column; j < end_column; j++)
            m->to[j * m->n + i] = m->from[i * m->n + j];
    return SABAL_OK;
}
//! [tiles]

/* A piece of a loop: numbers between 0 and 1, each made of its index alone. */
static sabal_status fill(int64_t begin, int64_t end, void *context)
{
    double *x = context;

    for (int64_t i = begin; i < end; i++)
        x[i] = (double)((uint64_t)i * 0x9e3779b97f4a7c15u >> 11) / 9007199254740992.0;
    return SABAL_OK;
}

int main(int argc, char **argv)
{
    int64_t       n      = argc > 1 ? atoll(argv[1]) : 1000;
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open("local:", &err);
    double       *x      = malloc((size_t)(n * n) * sizeof *x);
    double       *y      = malloc((size_t)(n * n) * sizeof *y);
    int64_t       n_kept = 0;
    sabal_status  st     = x && y ? err.status : SABAL_ENOMEM;

    if (!st) {
        //! [run static]
        st = sabal_for(client, 0, n * n, fill, x, .schedule = SABAL_STATIC);
        //! [run static]
    }
    if (!st) {
        //! [run tiles]
        struct matrix m = {.from = x, .to = y, .n = n};

        st = sabal_for_2d(client, 0, n, 0, n, transpose, &m, .grain = {64, 64});
        //! [run tiles]
    }
    if (!st) {
        //! [run scan]
        struct filter f = {.from = y, .to = x};

        st = sabal_scan(&n_kept, sizeof n_kept, client, 0, n * n, count, add, copy, &f);
        //! [run scan]
    }
    if (!st && n_kept)
        printf("%lld of %lld numbers are kept, from %.6f to %.6f\n", (long long)n_kept, (long long)(n * n), x[0],
               x[n_kept - 1]);
    free(x);
    free(y);
    sabal_close(client);
    if (st)
        fprintf(stderr, "loops: %s\n", err.status ? err.message : sabal_status_name(st));
    return st ? EXIT_FAILURE : EXIT_SUCCESS;
}
