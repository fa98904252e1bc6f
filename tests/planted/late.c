/* Planted: a test that does not end by itself. */
#include <unistd.h>

#include "support/test.h"

Test(planted, late, .timeout = 0.25)
{
    for (;;)
        pause();
}
