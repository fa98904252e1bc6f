/* Planted: a leak, by the library's own allocator, of the kind that a forgotten error exit makes. */
#include "base/alloc.h"
#include "support/test.h"

Test(planted, leak)
{
    char *text = sbl_strdup("never freed");

    cr_expect_str_eq(text, "never freed");
}
