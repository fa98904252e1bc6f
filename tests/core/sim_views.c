/* Two views of one thing: what the scheduler's records say that a worker has, and what its executor has. */
#include "core/sim.h"

#include "cluster/core/items.h"
#include "cluster/core/state.h"

/* Tasks that are to run there. NULL, or what is wrong with *task. */
static const char *look_at_tasks(const sbl_scheduler *s, const sbl_peer *p, const sbl_executor *x, uint32_t *task)
{
    uint32_t n = 0;

    for (*task = p->sent; *task; *task = sbl_task_at(s, *task)->next) {
        const sbl_item *item = sbl_item_find(x, *task, sbl_task_at(s, *task)->attempt);

        if (!item || (item->state != SBL_I_WAITING && item->state != SBL_I_READY))
            return "was sent to a worker that does not have it";
    }
    for (uint32_t i = 0; i < x->room; i++)
        for (const sbl_item *item = x->table[i]; item; item = item->next)
            n += item->state == SBL_I_WAITING || item->state == SBL_I_READY;
    return n != p->n_sent ? "is one of fewer than its worker is to run" : NULL;
}

static const char *look_at_value(const sbl_scheduler *s, const sbl_executor *x, uint32_t task)
{
    const sbl_item *item = sbl_item_find(x, task, sbl_task_at(s, task)->attempt);

    return !item || item->state != SBL_I_HERE || item->is_dropped ? "is said to be where it is not" : NULL;
}

static const char *look_at_item(const sbl_scheduler *s, const sbl_peer *p, const sbl_item *item)
{
    const uint32_t task  = item->task;
    const int      known = sbl_table_has(&s->tasks, task) && sbl_task_at(s, task)->attempt == item->attempt &&
                      sbl_copy_is_at(s, task, p->number & 0xffff);

    return item->state == SBL_I_HERE && !item->is_told && !item->is_dropped && !known ? "is where it is not said to be"
                                                                                      : NULL;
}

/* Values that are kept there. */
static const char *look_at_values(const sbl_scheduler *s, const sbl_peer *p, const sbl_executor *x, uint32_t *task)
{
    const char *wrong = NULL;

    for (uint32_t t = p->held; t && !wrong; t = sbl_task_at(s, t)->next)
        wrong = look_at_value(s, x, *task = t);
    for (uint32_t c = p->copies; c && !wrong; c = ((const sbl_scopy *)sbl_table_at(&s->copies, c))->wnext)
        wrong = look_at_value(s, x, *task = ((const sbl_scopy *)sbl_table_at(&s->copies, c))->task);
    for (uint32_t i = 0; i < x->room && !wrong; i++)
        for (const sbl_item *item = x->table[i]; item && !wrong; item = item->next)
            wrong = look_at_item(s, p, item), *task = item->task;
    return wrong;
}

/* Values that others were told to give to it. */
static const char *look_at_moves(const sbl_scheduler *s, const sbl_peer *p, const sbl_executor *x, uint32_t *task)
{
    for (uint32_t m = p->takes; m; m = ((const sbl_smove *)sbl_table_at(&s->moves, m))->tnext) {
        const uint32_t  spread = ((const sbl_smove *)sbl_table_at(&s->moves, m))->spread;
        const sbl_item *item;

        *task = ((const sbl_sspread *)sbl_table_at(&s->spreads, spread))->task;
        item  = sbl_item_find(x, *task, sbl_task_at(s, *task)->attempt);
        if (!item || item->state != SBL_I_COMING)
            return "is on its way to a worker that does not wait for it";
    }
    return NULL;
}

void sim_check_views(sim *w)
{
    const sbl_scheduler *s    = w->scheduler;
    uint32_t             task = 0;

    for (int i = 1; i < w->n_procs && !w->wrong[0]; i++) {
        const proc    *it    = &w->procs[i];
        const uint32_t slot  = it->is_alive && it->is_linked && it->executor ? sbl_peer_slot(s, it->peer) : 0;
        const char    *wrong = NULL;

        if (!slot || sbl_peer_at(s, slot)->is_dropped || sim_is_talking(w, i))
            continue;
        wrong = look_at_tasks(s, sbl_peer_at(s, slot), it->executor, &task);
        if (!wrong)
            wrong = look_at_moves(s, sbl_peer_at(s, slot), it->executor, &task);
        if (!wrong)
            wrong = look_at_values(s, sbl_peer_at(s, slot), it->executor, &task);
        if (wrong)
            sim_say_wrong(w, "process %d: task %u %s", i, task, wrong);
    }
}
