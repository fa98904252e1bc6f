/*
 * A woken thread is kept off its waker's core. In virtual machines the kernel likes to put it there although another core
 * is idle (a halted virtual core looks as if it were taken away), and a waker that goes on working, as one does who takes
 * part in a loop, then keeps it from starting until a clock tick: a millisecond, where a wake takes some ten microseconds.
 * So that core is taken out of the sleeper's mask, and put back before it runs anything.
 *
 * Each change of a mask takes ten microseconds or more when caches are cold, so none is made between the wake and the work
 * if that can be helped: who goes to sleep takes out the core from where it was woken last time; who wakes it puts that
 * back after the wake, while the sleeper's core is still starting. A waker may be late. So whoever changes a mask holds
 * `steered` meanwhile, and a thread that runs has seen to it that nobody can get hold of that any more.
 *
 * Who sleeps right after a wake does none of this: a worker process's thread that reads calls, those that send calls there.
 * Their own core is the best one then, and another most likely belongs to another process.
 */
#include <sched.h>

#include "sched/futex.h"
#include "sched/worker.h"

enum {
    WHOLE,
    TAKEN,
    CHANGING
}; /* of `steered`: the mask is as the thread has it; one core is taken out; a waker is at it */

static __thread int rests; /* this thread does, once it has woken another */

/* acq_rel: the mask; pairs with those of others */
static int swap(sbl_slot *slot, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(&slot->steered, &from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static void set(sbl_slot *slot, uint32_t to)
{
    atomic_store_explicit(&slot->steered, to, memory_order_release); /* pairs with swap() and sbl_steer_back() */
}

/* 0: it can't be, or the kernel would not. */
static int take_out(const sbl_slot *slot, int cpu)
{
    cpu_set_t left = slot->mask;

    if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &left))
        return 0;
    CPU_CLR(cpu, &left);
    return CPU_COUNT(&left) &&
           !sched_setaffinity(atomic_load_explicit(&slot->tid, memory_order_relaxed), sizeof left, &left);
}

static void put_back(const sbl_slot *slot)
{
    sched_setaffinity(atomic_load_explicit(&slot->tid, memory_order_relaxed), sizeof slot->mask, &slot->mask);
}

void sbl_steer_early(sbl_slot *self)
{
    if (sched_getaffinity(0, sizeof self->mask, &self->mask))
        CPU_ZERO(&self->mask); /* more cores than the set has bits: the kernel may do as it likes */
    self->away = take_out(self, self->waker_cpu) ? self->waker_cpu : -1;
    set(self, self->away >= 0 ? TAKEN : WHOLE);
}

/* It may run on any core, the caller's first of all. */
static void leave_whole(sbl_slot *slot)
{
    slot->waker_cpu = -1;
    if (slot->away < 0 || !swap(slot, TAKEN, CHANGING))
        return;
    put_back(slot);
    slot->away = -1;
    set(slot, WHOLE);
}

void sbl_rest_after_wakes(void)
{
    rests = 1;
}

void sbl_steer_away(sbl_slot *slot)
{
    int cpu;

    if (rests) {
        leave_whole(slot);
        return;
    }
    cpu             = sched_getcpu();
    slot->waker_cpu = cpu;
    if (slot->away == cpu || !swap(slot, slot->away >= 0 ? TAKEN : WHOLE, CHANGING))
        return;
    if (take_out(slot, cpu))
        slot->away = cpu;
    set(slot, slot->away >= 0 ? TAKEN : WHOLE);
}

void sbl_steer_end(sbl_slot *slot)
{
    if (!swap(slot, TAKEN, CHANGING))
        return;
    put_back(slot);
    set(slot, WHOLE);
}

void sbl_steer_back(sbl_slot *self)
{
    cpu_set_t now;

    if (self->away < 0)
        return;
    swap(self, TAKEN, WHOLE);
    for (int i = 1; atomic_load_explicit(&self->steered, memory_order_acquire) == CHANGING; i++)
        if (i % 64)
            sbl_pause();
        else
            sched_yield(); /* it may wait for this core */
    /* To look costs little; most likely the waker was faster. */
    if (sched_getaffinity(0, sizeof now, &now) || !CPU_EQUAL(&now, &self->mask))
        put_back(self);
}
