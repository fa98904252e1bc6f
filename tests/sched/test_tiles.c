/* Loops over two and three axes. */
#include <sabal/loop.h>

#include <stdatomic.h>
#include <string.h>

#include "sched/pools.h"

static const int32_t SIZES[] = {1, 2, 7};

#define MOST 30
typedef struct cube {
    int64_t         begin[3], end[3], grain[3];
    _Atomic int32_t marks[MOST][MOST][MOST];
    _Atomic int64_t wrong, tiles;
    int64_t         fails_at, fails_also_at; /* numbers of tiles; the first with SABAL_EVALUE */
} cube;

/* The number of the tile that begins there, in order. */
static int64_t number_of(const cube *c, const int64_t *begin)
{
    int64_t number = 0;

    for (int k = 0; k < 3; k++) {
        int64_t n = (c->end[k] - c->begin[k] + c->grain[k] - 1) / c->grain[k];

        number = number * n + (begin[k] - c->begin[k]) / c->grain[k];
    }
    return number;
}

static sabal_status mark_3d(int64_t begin0, int64_t end0, int64_t begin1, int64_t end1, int64_t begin2, int64_t end2,
                            void *context)
{
    cube         *c    = context;
    const int64_t b[3] = {begin0, begin1, begin2}, e[3] = {end0, end1, end2};
    int           sized = c->grain[0] && c->grain[1] && c->grain[2];

    atomic_fetch_add(&c->tiles, 1);
    for (int k = 0; k < 3; k++)
        if (b[k] < c->begin[k] || b[k] >= e[k] || e[k] > c->end[k] ||
            (c->grain[k] && ((b[k] - c->begin[k]) % c->grain[k] || e[k] - b[k] > c->grain[k] ||
                             (e[k] < c->end[k] && e[k] - b[k] != c->grain[k]))))
            atomic_fetch_add(&c->wrong, 1);
    for (int64_t x = begin0; x < end0; x++)
        for (int64_t y = begin1; y < end1; y++)
            for (int64_t z = begin2; z < end2; z++)
                atomic_fetch_add(&c->marks[x - c->begin[0]][y - c->begin[1]][z - c->begin[2]], 1);
    if (sized && number_of(c, b) == c->fails_at)
        return SABAL_EVALUE;
    return sized && number_of(c, b) == c->fails_also_at ? SABAL_EIO : SABAL_OK;
}

static sabal_status mark_2d(int64_t begin0, int64_t end0, int64_t begin1, int64_t end1, void *context)
{
    return mark_3d(0, 1, begin0, end0, begin1, end1, context);
}

static sabal_status run_3d(sbl_pool *pool, cube *c, enum sabal_schedule schedule)
{
    sabal_for_3d_options o = {.schedule = schedule};

    memcpy(o.grain, c->grain, sizeof o.grain);
    return sbl_for_3d(pool, c->begin, c->end, mark_3d, c, &o);
}

static sabal_status run_2d(sbl_pool *pool, cube *c, enum sabal_schedule schedule)
{
    sabal_for_2d_options o = {.grain = {c->grain[1], c->grain[2]}, .schedule = schedule};

    return sbl_for_2d(pool, c->begin + 1, c->end + 1, mark_2d, c, &o);
}

static int covers_once(const cube *c)
{
    for (int64_t x = 0; x < MOST; x++)
        for (int64_t y = 0; y < MOST; y++)
            for (int64_t z = 0; z < MOST; z++)
                if (c->marks[x][y][z] !=
                    (x < c->end[0] - c->begin[0] && y < c->end[1] - c->begin[1] && z < c->end[2] - c->begin[2]))
                    return 0;
    return !c->wrong;
}

static void set_axis(cube *c, int k, int which)
{
    static const int64_t BEGINS[] = {0, -5, INT64_MIN, INT64_MAX - 29}, LENGTHS[] = {1, 2, 7, 16, 29};
    static const int64_t GRAINS[] = {0, 1, 2, 3, 16, 100};

    c->begin[k] = BEGINS[which % 4];
    c->end[k]   = c->begin[k] + LENGTHS[which / 4 % 5];
    c->grain[k] = GRAINS[which / 20 % 6];
}

Test(tiles, each_index_is_covered_once)
{
    static cube c;

    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        for (int round = 0; round < 120; round++) {
            memset(&c, 0, sizeof c);
            c.fails_at = c.fails_also_at = -1;
            set_axis(&c, 0, round * 7);
            set_axis(&c, 1, round * 31 + 11);
            set_axis(&c, 2, round * 53 + 5);
            cr_expect_eq(run_3d(pool, &c, round % 3 ? SABAL_LAZY : SABAL_STATIC), SABAL_OK);
            cr_expect(covers_once(&c), "3d, round %d", round);
            memset(c.marks, 0, sizeof c.marks);
            c.begin[0] = 0;
            c.end[0]   = 1;
            cr_expect_eq(run_2d(pool, &c, round % 3 ? SABAL_LAZY : SABAL_STATIC), SABAL_OK);
            cr_expect(covers_once(&c), "2d, round %d", round);
        }
        sbl_pool_destroy(pool);
    }
}

Test(tiles, an_empty_axis_leaves_nothing_to_do)
{
    static cube c;

    for (int k = 0; k < 3; k++) {
        c.end[0] = c.end[1] = c.end[2] = 9;
        c.end[k]                       = k % 2 ? 0 : -4;
        cr_expect_eq(run_3d(NULL, &c, SABAL_LAZY), SABAL_OK);
        if (k)
            cr_expect_eq(run_2d(NULL, &c, SABAL_STATIC), SABAL_OK);
    }
    cr_expect_eq(c.tiles, 0);
}

Test(tiles, without_grains_there_are_about_32_a_thread)
{
    static cube c;

    for (int i = 0; i < 3; i++) {
        sbl_pool *pool = pool_of(SIZES[i]);

        for (int k = 0; k < 3; k++) {
            memset(&c, 0, sizeof c);
            c.end[0] = k == 0 ? 29 : 5;
            c.end[1] = k == 1 ? 29 : 7;
            c.end[2] = 29;
            cr_expect_eq(run_3d(pool, &c, SABAL_LAZY), SABAL_OK);
            cr_expect(c.tiles >= 16 * SIZES[i] && c.tiles <= 2 * 32 * SIZES[i], "%d tiles", (int)c.tiles);
        }
        sbl_pool_destroy(pool);
    }
}

Test(tiles, the_first_tile_in_order_that_fails_gives_the_status)
{
    static cube c;

    for (int i = 0; i < 4; i++) {
        sbl_pool *pool = i < 3 ? pool_of(SIZES[i]) : NULL;

        for (int round = 0; round < 200; round++) {
            c = (cube){.end = {5, 9, 10}, .grain = {2, 2, 3}, .fails_at = round % 60, .fails_also_at = round * 7 % 60};
            cr_expect_eq(run_3d(pool, &c, round % 2 ? SABAL_LAZY : SABAL_STATIC),
                         c.fails_at <= c.fails_also_at ? SABAL_EVALUE : SABAL_EIO);
            cr_expect_eq(c.wrong, 0);
            if (!pool)
                cr_expect_eq(c.tiles, 1 + (c.fails_at < c.fails_also_at ? c.fails_at : c.fails_also_at));
        }
        sbl_pool_destroy(pool);
    }
}

Test(tiles, what_cannot_be_is_refused)
{
    static cube c = {.end = {9, 9, 9}};

    for (int k = 0; k < 3; k++) {
        c.grain[k] = -1;
        cr_expect_eq(run_3d(NULL, &c, SABAL_LAZY), SABAL_EINVAL);
        if (k)
            cr_expect_eq(run_2d(NULL, &c, SABAL_LAZY), SABAL_EINVAL);
        c.grain[k] = 0;
    }
    cr_expect_eq(run_3d(NULL, &c, (enum sabal_schedule)7), SABAL_EINVAL);
    c = (cube){.end = {1, (int64_t)1 << 32, (int64_t)1 << 31}, .grain = {1, 1, 1}};
    cr_expect_eq(run_2d(NULL, &c, SABAL_LAZY), SABAL_EINVAL);
    c = (cube){.begin = {INT64_MIN, 0, 0}, .end = {INT64_MAX, 1, 1}, .grain = {1, 1, 1}};
    cr_expect_eq(run_3d(NULL, &c, SABAL_LAZY), SABAL_EINVAL);
    cr_expect_eq(c.tiles, 0);
}

static sabal_status stop_at_once(int64_t begin0, int64_t end0, int64_t begin1, int64_t end1, void *context)
{
    return begin0 == INT64_MIN && begin1 == INT64_MIN ? SABAL_END : SABAL_EVALUE;
}

Test(tiles, the_largest_axes_there_are)
{
    const int64_t        begin[2] = {INT64_MIN, INT64_MIN}, end[2] = {INT64_MAX, INT64_MAX};
    sabal_for_2d_options o    = {0};
    sbl_pool            *pool = pool_of(2);

    cr_expect_eq(sbl_for_2d(pool, begin, end, stop_at_once, NULL, &o), SABAL_END);
    cr_expect_eq(sbl_for_2d(NULL, begin, end, stop_at_once, NULL, &o), SABAL_END);
    sbl_pool_destroy(pool);
}
