#include "base/alloc.h"

#include <string.h>

#include "base/buffer.h"
#include "support/test.h"

Test(alloc, the_nth_allocation_fails_and_only_that)
{
    void *a, *b, *c;

    sbl_alloc_fail(2, 0);
    a = sbl_alloc(8);
    b = sbl_buffer_alloc(8);
    c = sbl_calloc(1, 8);
    cr_expect_not_null(a);
    cr_expect_null(b);
    cr_expect_not_null(c);
    cr_expect_eq(sbl_alloc_fail(0, 0), 3);
    sbl_free(a);
    sbl_free(c);
}

Test(alloc, forever_means_all_after_it)
{
    void *a;

    sbl_alloc_fail(2, 1);
    a = sbl_alloc(8);
    cr_expect_not_null(a);
    cr_expect_null(sbl_alloc(8));
    cr_expect_null(sbl_realloc(a, 100));
    sbl_alloc_fail(0, 0);
    sbl_free(a);
}

Test(alloc, overflow_gives_no_memory)
{
    volatile size_t huge = SIZE_MAX / 2;

    cr_expect_null(sbl_calloc(huge, 4));
    cr_expect_null(sbl_buffer_alloc(SIZE_MAX - 3));
}

Test(alloc, aligned_memory_is_aligned)
{
    for (size_t align = 1; align <= 4096; align *= 2) {
        void *p = sbl_alloc_aligned(align, 3);

        cr_expect_eq((uintptr_t)p % align, 0);
        sbl_free(p);
    }
}
