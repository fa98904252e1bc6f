/*
 * Posted work, best first: highest priority, among equals the one posted first.
 *
 * Who posts takes no lock: runs of equal priority go on a stack, from where whoever takes work next moves them on. So
 * a thread that posts and one that takes don't wait for one another, and a batch costs as much as one piece.
 */
#ifndef SBL_SCHED_QUEUE_H
#define SBL_SCHED_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "sched/pool.h"

#define SBL_QUEUE_RECENT 8

/* Work of one priority in the order of posting, linked through next; the first stands for all in the heap. */
typedef struct sbl_run_of_work {
    sbl_work *first, *last;
} sbl_run_of_work;

typedef struct sbl_queue {
    pthread_mutex_t     lock;                     /* guards root, recent and the links of what is in the heap */
    sbl_work           *root;                     /* a pairing heap of runs of equal priority                 */
    sbl_run_of_work     recent[SBL_QUEUE_RECENT]; /* by priority: one that more of its kind can join           */
    _Atomic(sbl_work *) posted;                   /* runs that are not in the heap yet, the newest first       */
    _Atomic uint8_t     has_root;                 /* as root, may be read without the lock, as a hint          */
    _Atomic int32_t     top_priority;             /* of the root; likewise                                     */
    _Atomic uint32_t    top_order;
} sbl_queue;

void sbl_queue_init(sbl_queue *queue);
void sbl_queue_destroy(sbl_queue *queue);
/** n pieces linked through next; order and those after it are theirs. Any thread may. */
void sbl_queue_push(sbl_queue *queue, sbl_work *first, int64_t n, uint32_t order);
/** The best one; NULL if there is none. */
sbl_work *sbl_queue_pop(sbl_queue *queue);
/** 1 if the best of a is better than that of b. A guess, as others take from both. */
int sbl_queue_is_better(sbl_queue *a, sbl_queue *b);
/** The same, as if each had been posted so many pieces later. */
int sbl_queue_is_ahead(sbl_queue *a, uint32_t a_late, sbl_queue *b, uint32_t b_late);

static inline int sbl_queue_has_any(const sbl_queue *queue)
{
    /* acquire: what left the stack is in the heap; pairs with the exchange in take_in() */
    return atomic_load_explicit(&((sbl_queue *)queue)->posted, memory_order_acquire) != NULL ||
           atomic_load_explicit(&((sbl_queue *)queue)->has_root, memory_order_relaxed) != 0;
}

#endif
