#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sabal/memory.h>

#include "base/alloc.h"
#include "base/home.h"
#include "support/test.h"

#define MIB ((size_t)1 << 20)

Test(buffer, counts_what_was_asked_for)
{
    sabal_memory before = {.struct_size = sizeof before}, m = before;
    void        *a, *b;

    sabal_memory_get(&before);
    a = sbl_buffer_alloc(100);
    b = sbl_buffer_alloc(5 * MIB + 1);
    sabal_memory_get(&m);
    cr_expect_eq(m.in_use - before.in_use, 5 * MIB + 101);
    cr_expect_eq(m.count - before.count, 2);
    sbl_buffer_free(a, 100);
    sbl_buffer_free(b, 5 * MIB + 1);
    sabal_memory_get(&m);
    cr_expect_eq(m.in_use, before.in_use);
    cr_expect_geq(m.peak, before.in_use + 5 * MIB + 101);
    sabal_memory_reset_peak();
    sabal_memory_get(&m);
    cr_expect_eq(m.peak, m.in_use);
}

Test(buffer, a_large_one_is_used_again)
{
    void        *a = sbl_buffer_alloc(4 * MIB), *b;
    sabal_memory m = {.struct_size = sizeof m};

    memset(a, 1, 4 * MIB);
    sbl_buffer_free(a, 4 * MIB);
    sabal_memory_get(&m);
    cr_expect_geq(m.cached, 4 * MIB);
    b = sbl_buffer_alloc(4 * MIB - 5);
    cr_expect_eq(a, b);
    sbl_buffer_free(b, 4 * MIB - 5);
    sabal_memory_trim();
    sabal_memory_get(&m);
    cr_expect_eq(m.cached, 0);
}

Test(buffer, every_size_is_aligned_writable_and_loses_at_most_an_eighth_past_32_mib)
{
    for (size_t size = 0; size < 300 * MIB; size = size * 5 / 3 + 1) {
        sabal_memory m = {.struct_size = sizeof m};
        char        *p = sbl_buffer_alloc(size);

        cr_assert_not_null(p);
        cr_expect_eq((uintptr_t)p % 64, 0);
        if (size)
            p[0] = p[size - 1] = 1;
        sbl_buffer_free(p, size);
        sabal_memory_get(&m);
        if (size > 32 * MIB)
            cr_expect_leq(m.cached, size + size / 8 + 2 * MIB);
        sabal_memory_trim();
    }
}

Test(buffer, the_cache_keeps_to_its_limit, .init = NULL)
{
    sabal_memory m = {.struct_size = sizeof m};
    void        *p[10];

    setenv("SABAL_BUFFER_CACHE", "10M", 1); /* read at the first use in this process: Criterion forks */
    for (int i = 0; i < 10; i++)
        p[i] = sbl_buffer_alloc(4 * MIB);
    for (int i = 0; i < 10; i++)
        sbl_buffer_free(p[i], 4 * MIB);
    sabal_memory_get(&m);
#ifndef SBL_PLAIN
    cr_expect_eq(m.cached, 8 * MIB);
#endif
    sabal_memory_trim();
}

/* A program built with headers of an older sabal, whose record was shorter. */
Test(buffer, what_is_told_of_memory_is_as_long_as_the_caller_says)
{
    struct {
        size_t struct_size, in_use, guard;
    } old               = {.struct_size = offsetof(sabal_memory, peak), .guard = 4711};
    sabal_memory now    = {.struct_size = sizeof now};
    void        *buffer = sbl_buffer_alloc(1000);

    cr_expect_eq(sabal_memory_get((sabal_memory *)(void *)&old), SABAL_OK);
    cr_expect_eq(sabal_memory_get(&now), SABAL_OK);
    cr_expect_eq(old.in_use, now.in_use);
    cr_expect_geq(now.in_use, 1000);
    cr_expect_eq(old.guard, 4711);
    cr_expect_eq(old.struct_size, offsetof(sabal_memory, peak));
    for (size_t small = 0; small <= sizeof small; small++) {
        old.struct_size = small;
        old.in_use      = 1;
        cr_expect_eq(sabal_memory_get((sabal_memory *)(void *)&old), SABAL_EINVAL);
        cr_expect_eq(old.in_use, 1);
    }
    sbl_buffer_free(buffer, 1000);
}

/* --- on several NUMA nodes, pretended ---------------------------------------------------------------------------- */

static int32_t node;

static int32_t node_here(void)
{
    return node;
}

Test(buffer, one_that_comes_back_goes_to_its_own_node_whoever_returns_it)
{
    char *a, *b, *c;

    sbl_buffer_nodes(3, node_here);
    node = 2;
    a    = sbl_buffer_alloc(4 * MIB);
    cr_assert_not_null(a);
    cr_expect_eq(sbl_home_of(a), 2);
    cr_expect_eq(sbl_home_of(a + 4 * MIB - 1), 2); /* a view's data may begin anywhere */
    node = 0;
    sbl_buffer_free(a, 4 * MIB);
    b = sbl_buffer_alloc(4 * MIB);
    cr_expect_neq(a, b, "it lies on another node");
    cr_expect_eq(sbl_home_of(b), 0);
    node = 2;
    c    = sbl_buffer_alloc(4 * MIB);
    cr_expect_eq(a, c);
    cr_expect_eq(sbl_home_of(c), 2);
    sbl_buffer_free(b, 4 * MIB);
    sbl_buffer_free(c, 4 * MIB);
    sbl_buffer_nodes(1, NULL);
}

Test(buffer, memory_that_went_back_to_the_system_has_no_home)
{
    void *a, *small;

    sbl_buffer_nodes(2, node_here);
    node  = 1;
    a     = sbl_buffer_alloc(2 * MIB);
    small = sbl_buffer_alloc(1000);
    cr_expect_eq(sbl_home_of(a), 1);
    cr_expect_eq(sbl_home_of(small), SBL_NO_HOME);
    cr_expect_eq(sbl_home_of(&a), SBL_NO_HOME);
    cr_expect_eq(sbl_home_of((void *)UINTPTR_MAX), SBL_NO_HOME);
    cr_expect_eq(sbl_home_of(NULL), SBL_NO_HOME);
    sbl_buffer_free(a, 2 * MIB);
    sabal_memory_trim();
    cr_expect_eq(sbl_home_of(a), SBL_NO_HOME);
    sbl_buffer_free(small, 1000);
    sbl_buffer_nodes(1, NULL);
    cr_expect_eq(sbl_home_of(&a), SBL_NO_HOME);
}

/* Those who have buffers when the nodes become known, or when there are fewer again, or another number. */
Test(buffer, the_number_of_nodes_may_change_under_buffers)
{
    void        *early = sbl_buffer_alloc(3 * MIB), *late;
    sabal_memory m     = {.struct_size = sizeof m};

    sbl_buffer_nodes(8, node_here);
    node = 7;
    late = sbl_buffer_alloc(3 * MIB);
    sbl_buffer_free(early, 3 * MIB);
    sbl_buffer_nodes(2, node_here);
    sbl_buffer_free(late, 3 * MIB);
    cr_expect_not_null(late = sbl_buffer_alloc(3 * MIB));
    sbl_buffer_nodes(1, NULL);
    sbl_buffer_free(late, 3 * MIB);
    cr_expect_eq(sbl_buffer_alloc(3 * MIB), late);
    sbl_buffer_free(late, 3 * MIB);
    sabal_memory_trim();
    sabal_memory_get(&m);
    cr_expect_eq(m.cached, 0);
}

/* Without memory for the tables it is as on one node. */
Test(buffer, without_memory_for_homes_there_are_none)
{
    void *a;

    for (int64_t n = 1; n <= 2; n++) {
        sbl_alloc_fail(n, 1);
        sbl_buffer_nodes(2, node_here);
        sbl_alloc_fail(0, 0);
        node = 1;
        a    = sbl_buffer_alloc(2 * MIB);
        cr_assert_not_null(a);
        cr_expect(sbl_homes() == 1 || n == 2); /* one of the tables is kept: a test before this one may have made it */
        cr_expect_eq(sbl_home_of(a), sbl_homes() == 1 ? SBL_NO_HOME : 1);
        sbl_buffer_free(a, 2 * MIB);
    }
    sbl_buffer_nodes(SBL_MOST_HOMES + 1, node_here);
    cr_expect_eq(sbl_homes(), 1);
}
