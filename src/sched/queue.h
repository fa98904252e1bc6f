/* Posted work, best first: highest priority, among equals the one posted first. */
#ifndef SBL_SCHED_QUEUE_H
#define SBL_SCHED_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "sched/pool.h"

#define SBL_QUEUE_RECENT 8

typedef struct sbl_queue {
    pthread_mutex_t  lock;                     /* guards root, recent and the links of what is in the queue */
    sbl_work        *root;                     /* a pairing heap of chains of equal priority                */
    sbl_work        *recent[SBL_QUEUE_RECENT]; /* by priority: a chain that more of its kind can join       */
    _Atomic int64_t  count;                    /* may be read without the lock, as a hint                    */
    _Atomic int32_t  top_priority;             /* of the root; likewise                                      */
    _Atomic uint64_t top_order;
} sbl_queue;

void sbl_queue_init(sbl_queue *queue);
void sbl_queue_destroy(sbl_queue *queue);
/** n pieces linked through next; order and those after it are theirs. */
void sbl_queue_push(sbl_queue *queue, sbl_work *first, int64_t n, uint64_t order);
/** The best one; NULL if there is none. */
sbl_work *sbl_queue_pop(sbl_queue *queue);

static inline int64_t sbl_queue_count(const sbl_queue *queue)
{
    return atomic_load_explicit(&((sbl_queue *)queue)->count, memory_order_relaxed);
}

#endif
