/*
 * Loops over two and three axes: a loop over the numbers of tiles. So all that the loop over one axis does (splitting,
 * early exit, blocks) is done here too, and the tiles of a thread follow one another in memory.
 */
#include <string.h>

#include "sched/loop.h"

typedef struct tiles {
    sbl_leaves       axes[3]; /* the last runs fastest; of two axes, the last two */
    sabal_for_2d_fn *fn_2d;
    sabal_for_3d_fn *fn_3d; /* NULL: it is the other */
    void            *context;
} tiles;

static sabal_status run_tile(const tiles *t, const int64_t *at)
{
    int64_t begin[3], end[3];

    for (int k = 0; k < 3; k++) {
        begin[k] = sbl_leaf_begin(&t->axes[k], at[k]);
        end[k]   = sbl_leaf_end(&t->axes[k], at[k]);
    }
    if (t->fn_3d)
        return t->fn_3d(begin[0], end[0], begin[1], end[1], begin[2], end[2], t->context);
    return t->fn_2d(begin[1], end[1], begin[2], end[2], t->context);
}

static sabal_status run_tiles(int64_t first, int64_t last, void *context)
{
    const tiles *t     = context;
    int64_t      row   = first / t->axes[2].n;
    int64_t      at[3] = {row / t->axes[1].n, row % t->axes[1].n, first % t->axes[2].n};

    for (int64_t i = first; i < last; i++) {
        sabal_status st = run_tile(t, at);

        if (st)
            return st;
        for (int k = 2; ++at[k] == t->axes[k].n && k > 0; k--)
            at[k] = 0;
    }
    return SABAL_OK;
}

/* Cuts an axis into as many pieces as are still wanted, and says how many are wanted of the next. */
static int64_t cut(sbl_leaves *axis, int64_t begin, int64_t end, int64_t grain, int64_t wanted)
{
    uint64_t n = sbl_distance(begin, end);

    if (!grain) {
        uint64_t pieces = n < (uint64_t)wanted ? n : (uint64_t)wanted, most = n / pieces + (n % pieces != 0);

        grain = most > INT64_MAX ? INT64_MAX : (int64_t)most;
    }
    sbl_leaves_cut(axis, begin, end, grain);
    return (wanted - 1) / axis->n + 1;
}

static sabal_status run(tiles *t, int ndim, sbl_pool *pool, const int64_t *begin, const int64_t *end,
                        const int64_t *grain, enum sabal_schedule schedule)
{
    sbl_leaves *axes   = t->axes + 3 - ndim;
    sbl_loop    loop   = {.fn = run_tiles, .context = t, .grain = 1, .end = 1};
    int64_t     wanted = sbl_loop_pieces(pool);
    int         empty  = 0;

    if (schedule != SABAL_LAZY && schedule != SABAL_STATIC)
        return SABAL_EINVAL;
    t->axes[0] = (sbl_leaves){.end = 1, .grain = 1, .n = 1};
    for (int k = 0; k < ndim; k++) {
        if (grain[k] < 0)
            return SABAL_EINVAL;
        empty |= begin[k] >= end[k];
    }
    if (empty)
        return SABAL_OK;
    for (int given = 1; given >= 0; given--) /* what the axes with a grain are cut into, the others need not be */
        for (int k = 0; k < ndim; k++)
            if ((grain[k] != 0) == given)
                wanted = cut(&axes[k], begin[k], end[k], grain[k], wanted);
    for (int k = 0; k < ndim; k++)
        if (axes[k].n == INT64_MAX || __builtin_mul_overflow(loop.end, axes[k].n, &loop.end))
            return SABAL_EINVAL;
    return sbl_loop_run(&loop, pool, schedule);
}

void sabal_for_2d_options_init(sabal_for_2d_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

void sabal_for_3d_options_init(sabal_for_3d_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

sabal_status sbl_for_2d(sbl_pool *pool, const int64_t *begin, const int64_t *end, sabal_for_2d_fn *fn, void *context,
                        const sabal_for_2d_options *options)
{
    tiles t = {.fn_2d = fn, .context = context};

    return run(&t, 2, pool, begin, end, options->grain, options->schedule);
}

sabal_status sbl_for_3d(sbl_pool *pool, const int64_t *begin, const int64_t *end, sabal_for_3d_fn *fn, void *context,
                        const sabal_for_3d_options *options)
{
    tiles t = {.fn_3d = fn, .context = context};

    return run(&t, 3, pool, begin, end, options->grain, options->schedule);
}
