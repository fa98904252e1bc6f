/*
 * Inputs are there before the task that takes them, so they make no circles; but a task that returned another may wait for what
 * waits for itself, and then neither would end. So, whenever a task returns one, what that waits for is searched first.
 */
#include "cluster/core/state.h"

/* Tasks that were seen; those from `next` on are still to be looked at. */
typedef struct sbl_seen {
    uint32_t *tasks;
    uint32_t  n, room, next;
} seen;

/* 0: no memory. */
static int add(sbl_scheduler *s, seen *all, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    if (sbl_task_has_ended(t) || t->flags & SBL_WAS_SEEN)
        return 1;
    if (all->n == all->room) {
        const uint32_t room = all->room ? 2 * all->room : 64;
        uint32_t      *more = sbl_realloc(all->tasks, room * sizeof *more);

        if (!more)
            return 0;
        all->tasks = more;
        all->room  = room;
    }
    t->flags |= SBL_WAS_SEEN;
    all->tasks[all->n++] = task;
    return 1;
}

static int search(sbl_scheduler *s, seen *all, uint32_t target, uint32_t task)
{
    if (!add(s, all, target))
        return -1;
    while (all->next < all->n) {
        const uint32_t x = all->tasks[all->next++];

        if (x == task)
            return 1;
        for (uint32_t e = sbl_task_at(s, x)->inputs; e; e = sbl_edge_at(s, e)->next_input)
            if (!add(s, all, sbl_edge_at(s, e)->input))
                return -1;
    }
    return 0;
}

int sbl_waits_for(sbl_scheduler *s, uint32_t target, uint32_t task)
{
    const sbl_stask *t   = sbl_task_at(s, task);
    seen             all = {0};
    int              found;

    if (target == task)
        return 1;
    /* nobody waits for it; or none that does leads from one client's tasks to another's */
    if (!t->dependents || (t->client != sbl_task_at(s, target)->client && !s->n_in_state[SBL_T_CHAINED]))
        return 0;
    found = search(s, &all, target, task);
    while (all.n)
        sbl_task_at(s, all.tasks[--all.n])->flags &= (uint8_t)~SBL_WAS_SEEN;
    sbl_free(all.tasks);
    return found;
}
