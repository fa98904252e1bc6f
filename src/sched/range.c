#include "sched/range.h"

#define MAX_LEAF   4096
#define MAX_LEAVES 65536

void sbl_first_note(sbl_first *first, int64_t at, sabal_status status)
{
    pthread_mutex_lock(&first->lock);
    if (at < sbl_first_at(first)) {
        atomic_store_explicit(&first->at, at, memory_order_relaxed);
        first->status = status;
    }
    pthread_mutex_unlock(&first->lock);
}

static int64_t choose_grain(uint64_t n)
{
    uint64_t grain = n / 16 + (n % 16 != 0), least = n / MAX_LEAVES + (n % MAX_LEAVES != 0);

    if (grain > MAX_LEAF)
        grain = MAX_LEAF;
    return (int64_t)(grain < least ? least : grain);
}

void sbl_leaves_cut(sbl_leaves *leaves, int64_t begin, int64_t end, int64_t grain)
{
    uint64_t n = sbl_distance(begin, end), pieces = 1;

    if (!n)
        grain = 1;
    else if (!grain)
        grain = choose_grain(n);
    if (n)
        pieces = (n - 1) / (uint64_t)grain + 1;
    leaves->begin = begin;
    leaves->end   = n ? end : begin;
    leaves->grain = grain;
    leaves->n     = pieces > INT64_MAX ? INT64_MAX : (int64_t)pieces;
}
