/* For tests: yields and naps at random, called where an unlucky pause would hurt most. Off, it is a relaxed load. */
#ifndef SBL_SCHED_CHAOS_H
#define SBL_SCHED_CHAOS_H

#include <stdatomic.h>
#include <stdint.h>

extern _Atomic uint32_t sbl_chaos_level;
void                    sbl_chaos_now(void);

static inline void sbl_chaos(void)
{
    if (__builtin_expect(atomic_load_explicit(&sbl_chaos_level, memory_order_relaxed) != 0, 0))
        sbl_chaos_now();
}

#endif
