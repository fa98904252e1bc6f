/*
 * A woken thread is kept off its waker's core. In virtual machines the kernel likes to put it there although another core
 * is idle (a halted virtual core looks as if it were taken away), and a waker that goes on working, as one does who takes
 * part in a loop, then keeps it from starting until a clock tick: a millisecond, where a wake takes some ten microseconds. So
 * the waker takes its own core out of the sleeper's mask, and the sleeper puts the mask back when it runs.
 */
#include <sched.h>

#include "sched/worker.h"

void sbl_steer_away(sbl_slot *slot)
{
    const pid_t tid = atomic_load_explicit(&slot->tid, memory_order_relaxed);
    const int   cpu = sched_getcpu();
    cpu_set_t   left;

    slot->steered = 0;
    if (!tid || cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(tid, sizeof slot->mask, &slot->mask))
        return; /* more cores than the set has bits: the kernel may do as it likes */
    left = slot->mask;
    CPU_CLR(cpu, &left);
    if (CPU_COUNT(&left) && CPU_ISSET(cpu, &slot->mask))
        slot->steered = !sched_setaffinity(tid, sizeof left, &left);
}

void sbl_steer_back(sbl_slot *self)
{
    if (self->steered)
        sched_setaffinity(0, sizeof self->mask, &self->mask);
    self->steered = 0;
}
