/*
 * A result that may leave memory: the value, or where it lies on disk, or how it is made again. Futures that have the same
 * result (a task that returned another's future) share one. Small results have none: they stay where they are.
 *
 * Who uses the value pins it; a value that is pinned, or that somebody else has a reference to, stays. So a pointer into
 * it is good while the pin or the reference lasts.
 */
#ifndef SBL_GRAPH_HELD_H
#define SBL_GRAPH_HELD_H

#include <stdatomic.h>

#include "graph/future.h"

typedef struct sbl_budget sbl_budget;

enum { SBL_HELD_FROM = 4097 }; /* bytes: below, a record of it would cost too much of what it could give back */

typedef struct sbl_disk_copy sbl_disk_copy;

typedef struct sbl_held {
    struct sbl_held *next, *previous; /* in its list; under that one's lock */
    sbl_budget      *budget;
    int32_t          list;
    _Atomic int32_t  refs;    /* futures that have it, and who works at it */
    _Atomic uint32_t pins;    /* who uses the value; SBL_HELD_LEAVING, SBL_HELD_AWAY */
    _Atomic int32_t  users;   /* tasks that will use it, as far as is known */
    _Atomic uint64_t need;    /* the serial of the first of them */
    _Atomic uint64_t touched; /* the budget's tick when it was used last */
    _Atomic int32_t  home;    /* the NUMA node on which it lies, from 1 on; 0: not known, or away */
    _Atomic uint8_t  stays;   /* it can't leave: somebody has its address for good, or it has no encode() */
    sbl_value       *value;   /* NULL: away. Changes under the budget's lock, while nobody has it pinned */
    sbl_disk_copy   *copy;    /* under the budget's lock; NULL: none yet. Stays when the value comes back */
    _Atomic uint8_t  on_disk; /* there is one, or there is maker */
    sabal_future    *maker;   /* kept: its task is run again for the value, which is never written. NULL */
    sabal_future
           *source; /* whose result this is, and whose value lies elsewhere too: it is brought from there, and never
                                 written. Not kept: it ends after this. NULL */
    int32_t coming; /* under the budget's lock: somebody brings it back */
    sbl_value_kind kind;
    size_t         n_bytes; /* of the value, for the accounting */
    size_t         own;     /* which leave memory with it */
} sbl_held;

#define SBL_HELD_LEAVING 0x40000000u /* being written; still there */
#define SBL_HELD_AWAY    0x80000000u /* not in memory */

/** Takes the value of a future that has its result into a record, if it is large and its client has a budget. What can't
    be had for want of memory stays as it is. */
void sbl_held_make(sabal_future *f);
/** The result of f, of so many bytes, lies elsewhere, from where its client's engine brings it. 0: no memory, or the client has no
    budget. */
int sbl_held_make_elsewhere(sabal_future *f, size_t size);
/** Before its client's engine ends: results that lie elsewhere, and that the program has retained, are brought here. */
void sbl_held_bring_retained(sbl_budget *budget);
/** f has the same result as from, which has it in a record or not. */
void sbl_held_share(sabal_future *f, const sabal_future *from);
/** One reference more, unless the last has gone, and it is about to leave its list and its value. 0: none. The caller has
    the lock under which it would leave. */
int  sbl_held_keep(sbl_held *held);
void sbl_held_release(sbl_held *held);

/** The value is in memory until sbl_held_unpin(). Errors: what reading it back gives. */
sabal_status sbl_held_pin(sbl_held *held, sabal_error *err);
void         sbl_held_unpin(sbl_held *held);
/** From now on it stays where it is: its address was given away. Pinned by the caller. */
void sbl_held_lend(sbl_held *held);
/** A task that has it as an input waits or has begun to; and has ended. */
void sbl_held_wanted(sbl_held *held, uint64_t serial);
void sbl_held_unwanted(sbl_held *held);

/** Writes it out, if nobody uses it; SABAL_OK also if it had to stay. The caller has a reference. For the spiller. */
sabal_status sbl_held_evict(sbl_held *held, sabal_error *err);
/** How soon it will be needed: the larger the later. UINT64_MAX / 2 and above: nobody is known to need it. */
uint64_t sbl_held_distance(const sbl_held *held);

static inline int sbl_held_is_away(const sbl_held *held)
{
    return (atomic_load_explicit(&held->pins, memory_order_relaxed) & SBL_HELD_AWAY) != 0;
}

/*
 * The result of a future that has finished; one in a record has to be pinned for all but its size.
 */
/** The value, borrowed; NULL: it is small, and lies in the future. */
static inline sbl_value *sbl_result_value(const sabal_future *f)
{
    if (f->small)
        return NULL;
    return f->is_held ? f->result.held->value : f->result.value;
}
/** A reference for the caller; a value is made for a small one. Errors: SABAL_ENOMEM. */
sabal_status sbl_result_take(sbl_value **value, const sabal_future *f, sabal_error *err);
/** As sbl_value_data(). Good as long as the future. */
static inline const void *sbl_result_data(const sabal_future *f, size_t *size)
{
    if (!f->small)
        return sbl_value_data(sbl_result_value(f), size);
    *size = (size_t)f->small - 1;
    return f->result.small.bytes;
}
/** For the accounting. */
static inline size_t sbl_result_bytes(const sabal_future *f)
{
    if (f->small)
        return (size_t)f->small - 1;
    return f->is_held ? f->result.held->n_bytes : f->result.value->n_bytes;
}

#endif
