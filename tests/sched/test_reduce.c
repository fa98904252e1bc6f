/* Partial results of every size: where they lie differs, what they are must not. */
#include <string.h>

#include "sched/job_pool.h"
#include "sched/pools.h"
#include "support/test.h"

enum { MOST = 100 };

typedef struct sum {
    sbl_pool *pool;
    size_t    size;
    int64_t   fail_at;
    int       nested; /* combine() runs reductions of its own */
} sum;

static sabal_status leaf(void *partial, int64_t begin, int64_t end, void *context)
{
    const sum     *s = context;
    unsigned char *p = partial;

    cr_assert_eq((uintptr_t)partial % 16, 0);
    memset(p, 1, s->size);
    for (int64_t i = begin; i < end; i++) {
        if (i == s->fail_at)
            return SABAL_EIO;
        for (size_t k = 0; k < s->size; k++)
            p[k] = (unsigned char)(p[k] * 7 + i * (int64_t)(k + 3));
    }
    return SABAL_OK;
}

static void join(void *left, const void *right, void *context)
{
    const sum           *s = context;
    unsigned char       *p = left;
    const unsigned char *q = right;

    if (s->nested) {
        sum           inner = {.pool = s->pool, .size = s->size, .fail_at = -1};
        unsigned char out[MOST], before[MOST];

        memcpy(before, right, s->size);
        cr_assert_eq(sbl_reduce(out, s->size, s->pool, 0, 37, leaf, join, &inner, &(sabal_reduce_options){.grain = 1}),
                     SABAL_OK);
        cr_assert_arr_eq(before, right, s->size);
    }
    for (size_t k = 0; k < s->size; k++)
        p[k] = (unsigned char)(p[k] * 31 + q[k] * 17 + 5);
}

/* The tree of the contract, by plain calls. */
static void tree(unsigned char *out, sum *s, int64_t first, int64_t last)
{
    unsigned char _Alignas(16) right[MOST];
    int64_t middle = 1;

    if (last - first == 1) {
        leaf(out, first, last, s);
        return;
    }
    while (middle * 2 < last - first)
        middle *= 2;
    tree(out, s, first, first + middle);
    tree(right, s, first + middle, last);
    join(out, right, s);
}

static void look_at(sbl_pool *pool, size_t size, int nested)
{
    const sabal_reduce_options one = {.grain = 1};
    sum                        s   = {.pool = pool, .size = size, .fail_at = -1};
    unsigned char _Alignas(16) expected[MOST];
    unsigned char got[MOST];

    for (int64_t n = 1; n < 70; n += 1 + n / 3) {
        s.nested = 0;
        tree(expected, &s, 0, n);
        s.nested = nested;
        memset(got, 0, size);
        cr_expect_eq(sbl_reduce(got, size, pool, 0, n, leaf, join, &s, &one), SABAL_OK);
        cr_expect_arr_eq(got, expected, size);
        s.fail_at = n - 1;
        cr_expect_eq(sbl_reduce(got, size, pool, 0, n, leaf, join, &s, &one), SABAL_EIO);
        cr_expect_arr_eq(got, expected, size);
        s.fail_at = -1;
    }
}

Test(reduce, partial_results_of_every_size)
{
    sbl_pool *pool = pool_of(3);

    for (int round = 0; round < 10; round++)
        for (size_t size = 1; size < MOST; size += size < 18 || (size > 60 && size < 68) ? 1 : 7)
            look_at(pool, size, round % 5 == 0);
    sbl_pool_destroy(pool);
}
