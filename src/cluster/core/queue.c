/* Ready tasks by priority. Few priorities are in use at a time: their levels are a sorted list. */
#include "cluster/core/state.h"

#include <string.h>

enum { LOOKED_AT = 16 };

/* Where that level is, or would be. */
static uint32_t find(const sbl_squeue *q, int32_t priority)
{
    uint32_t low = 0, high = q->n_levels;

    while (low < high) {
        const uint32_t middle = (low + high) / 2;

        if (q->levels[middle].priority < priority)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int insert(sbl_squeue *q, uint32_t at, int32_t priority)
{
    if (q->n_levels == q->room) {
        const uint32_t room = q->room ? 2 * q->room : 4;
        sbl_level     *more = sbl_realloc(q->levels, room * sizeof *more);

        if (!more)
            return 0;
        q->levels = more;
        q->room   = room;
    }
    memmove(q->levels + at + 1, q->levels + at, (q->n_levels - at) * sizeof *q->levels);
    q->levels[at] = (sbl_level){.priority = priority};
    q->n_levels++;
    return 1;
}

/* Behind which of those that go before the others: in the order in which they were submitted, as far as a few tell, so that what lags
   behind catches up, and much is ready soon. */
static uint32_t before_those_of_later(const sbl_scheduler *s, const sbl_level *level, const sbl_stask *t)
{
    uint32_t task = level->last_first;

    for (int i = 0; task && i < LOOKED_AT && sbl_task_at(s, task)->serial > t->serial; i++)
        task = sbl_task_at(s, task)->previous;
    return task;
}

int sbl_squeue_add(sbl_scheduler *s, sbl_squeue *q, uint32_t task, int32_t priority, int where)
{
    const uint32_t at = find(q, priority);
    sbl_stask     *t  = sbl_task_at(s, task);
    sbl_level     *level;

    if ((at == q->n_levels || q->levels[at].priority != priority) && !insert(q, at, priority))
        return 0;
    level       = &q->levels[at];
    t->previous = where == SBL_BEHIND ? level->last : where == SBL_BEFORE ? before_those_of_later(s, level, t) : 0;
    t->next     = where == SBL_BEHIND ? 0 : t->previous ? sbl_task_at(s, t->previous)->next : level->first;
    if (where != SBL_BEHIND && t->previous == level->last_first)
        level->last_first = task;
    if (t->next)
        sbl_task_at(s, t->next)->previous = task;
    else
        level->last = task;
    if (t->previous)
        sbl_task_at(s, t->previous)->next = task;
    else
        level->first = task;
    q->n++;
    return 1;
}

void sbl_squeue_remove(sbl_scheduler *s, sbl_squeue *q, uint32_t task, int32_t priority)
{
    const uint32_t at    = find(q, priority);
    sbl_level     *level = &q->levels[at];
    sbl_stask     *t     = sbl_task_at(s, task);

    if (level->last_first == task)
        level->last_first = t->previous; /* it is one of these too */
    if (t->previous)
        sbl_task_at(s, t->previous)->next = t->next;
    else
        level->first = t->next;
    if (t->next)
        sbl_task_at(s, t->next)->previous = t->previous;
    else
        level->last = t->previous;
    t->next = t->previous = 0;
    q->n--;
    if (level->first)
        return;
    memmove(level, level + 1, (q->n_levels - at - 1) * sizeof *level);
    q->n_levels--;
}

uint32_t sbl_squeue_first(const sbl_squeue *q, int32_t *priority)
{
    if (!q->n_levels)
        return 0;
    *priority = q->levels[q->n_levels - 1].priority;
    return q->levels[q->n_levels - 1].first;
}

void sbl_squeue_clear(sbl_squeue *q)
{
    sbl_free(q->levels);
    memset(q, 0, sizeof *q);
}

/* --- rings -------------------------------------------------------------------------------------------------------- */

int sbl_ring_add(sbl_ring *ring, uint64_t item)
{
    if (ring->n == ring->room) {
        const uint32_t room = ring->room ? 2 * ring->room : 16;
        uint64_t      *more = sbl_alloc(room * sizeof *more);

        if (!more)
            return 0;
        for (uint32_t i = 0; i < ring->n; i++)
            more[i] = ring->items[(ring->first + i) & (ring->room - 1)];
        sbl_free(ring->items);
        *ring = (sbl_ring){.items = more, .n = ring->n, .room = room};
    }
    ring->items[(ring->first + ring->n++) & (ring->room - 1)] = item;
    return 1;
}

int sbl_ring_take(sbl_ring *ring, uint64_t *item)
{
    if (!ring->n)
        return 0;
    *item       = ring->items[ring->first];
    ring->first = (ring->first + 1) & (ring->room - 1);
    ring->n--;
    return 1;
}

void sbl_ring_clear(sbl_ring *ring)
{
    sbl_free(ring->items);
    memset(ring, 0, sizeof *ring);
}
