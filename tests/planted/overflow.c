/* Planted: a read one past the end of a buffer. */
#include "base/buffer.h"
#include "support/test.h"

Test(planted, overflow)
{
    volatile size_t n      = 100;
    unsigned char  *memory = sbl_buffer_alloc(n);

    memset(memory, 0, n);
    cr_expect_geq(((volatile unsigned char *)memory)[n], 0);
    sbl_buffer_free(memory, n);
}
