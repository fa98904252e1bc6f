/* What loops, reductions and scans share: the failure that comes first in index order, and a range cut into leaves. */
#ifndef SBL_SCHED_RANGE_H
#define SBL_SCHED_RANGE_H

#include <pthread.h>
#include <stdatomic.h>

#include <sabal/status.h>

typedef struct sbl_first {
    _Atomic int64_t at;     /* the lowest index at which something failed; INT64_MAX: nothing did */
    sabal_status    status; /* its status */
    pthread_mutex_t lock;   /* guards changes of the two */
} sbl_first;
#define SBL_FIRST_INIT                                                                                                 \
    {                                                                                                                  \
        .at = INT64_MAX, .lock = PTHREAD_MUTEX_INITIALIZER                                                             \
    }

/** Word by word: what is read again at once must not have been written in larger parts, nor with them. */
static inline void sbl_first_init(sbl_first *first)
{
    atomic_init(&first->at, INT64_MAX);
    first->status = SABAL_OK;
    first->lock   = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static inline int64_t sbl_first_at(sbl_first *first)
{
    return atomic_load_explicit(&first->at, memory_order_relaxed);
}

/** Notes a failure, unless one before it is known. */
void sbl_first_note(sbl_first *first, int64_t at, sabal_status status);

/** The distance of two indexes may exceed what int64_t holds. */
static inline uint64_t sbl_distance(int64_t begin, int64_t end)
{
    return end > begin ? (uint64_t)end - (uint64_t)begin : 0;
}

/* A range in leaves of `grain` indexes, the last one shorter perhaps. They depend on range and grain alone. */
typedef struct sbl_leaves {
    int64_t begin, end, grain;
    int64_t n; /* leaves; 1 for an empty range */
} sbl_leaves;

/** grain 0: a sixteenth of the range, at most 4096, but no more than 65,536 leaves. Written in place: a copy of what was
    written just before would wait for the cache. */
void sbl_leaves_cut(sbl_leaves *leaves, int64_t begin, int64_t end, int64_t grain);

static inline int64_t sbl_leaf_begin(const sbl_leaves *l, int64_t leaf)
{
    return (int64_t)((uint64_t)l->begin + (uint64_t)leaf * (uint64_t)l->grain);
}

static inline int64_t sbl_leaf_end(const sbl_leaves *l, int64_t leaf)
{
    int64_t begin = sbl_leaf_begin(l, leaf);

    return sbl_distance(begin, l->end) > (uint64_t)l->grain ? (int64_t)((uint64_t)begin + (uint64_t)l->grain) : l->end;
}

/** Where a node of two leaves or more is cut: it has the largest power of two below its size on its left. */
static inline int64_t sbl_leaves_middle(int64_t first, int64_t last)
{
    return first + ((int64_t)1 << (63 - __builtin_clzll((uint64_t)(last - first) - 1)));
}

#endif
