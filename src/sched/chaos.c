/* For tests: the slow paths call here at moments when an unlucky pause would hurt most. Off, it is one
 * relaxed load. */
#include <sched.h>

#include "sched/futex.h"
#include "sched/worker.h"

_Atomic uint32_t sbl_chaos_level;

void sbl_chaos_now(void)
{
    static __thread uint32_t x;
    struct timespec          nap = {.tv_nsec = 1000};

    if (!x)
        x = (uint32_t)(uintptr_t)&x ^ 0x9e3779b9u;
    x = x * 1664525u + 1013904223u;
    if (x >> 24 < 128)
        return;
    if (x >> 24 < 250)
        sched_yield();
    else
        clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}
