/* Two views of one thing: what the scheduler's records say that a worker has, and what its executor has. */
#include "core/sim.h"

#include "cluster/core/items.h"
#include "cluster/core/state.h"

/* Tasks that are to run there. */
static const char *look_at_tasks(const sbl_scheduler *s, const sbl_peer *p, const sbl_executor *x)
{
    uint32_t n = 0;

    for (uint32_t task = p->sent; task; task = sbl_task_at(s, task)->next) {
        const sbl_item *item = sbl_item_find(x, task, sbl_task_at(s, task)->attempt);

        if (!item || (item->state != SBL_I_WAITING && item->state != SBL_I_READY))
            return "a task was sent to a worker that does not have it";
    }
    for (uint32_t i = 0; i < x->room; i++)
        for (const sbl_item *item = x->table[i]; item; item = item->next)
            n += item->state == SBL_I_WAITING || item->state == SBL_I_READY;
    return n != p->n_sent ? "a worker is to run what was not sent to it" : NULL;
}

static const char *look_at_value(const sbl_executor *x, uint32_t task, uint32_t attempt)
{
    const sbl_item *item = sbl_item_find(x, task, attempt);

    return !item || item->state != SBL_I_HERE || item->is_dropped
               ? "a worker does not have a value that it is said to have"
               : NULL;
}

/* Values that are kept there. */
static const char *look_at_values(const sbl_scheduler *s, const sbl_peer *p, const sbl_executor *x)
{
    const char *wrong = NULL;

    for (uint32_t task = p->held; task && !wrong; task = sbl_task_at(s, task)->next)
        wrong = look_at_value(x, task, sbl_task_at(s, task)->attempt);
    for (uint32_t c = p->copies; c && !wrong; c = ((const sbl_scopy *)sbl_table_at(&s->copies, c))->wnext) {
        const uint32_t task = ((const sbl_scopy *)sbl_table_at(&s->copies, c))->task;

        wrong = look_at_value(x, task, sbl_task_at(s, task)->attempt);
    }
    for (uint32_t i = 0; i < x->room && !wrong; i++)
        for (const sbl_item *item = x->table[i]; item && !wrong; item = item->next)
            if (item->state == SBL_I_HERE && !item->is_told && !item->is_dropped &&
                (!sbl_table_has(&s->tasks, item->task) || sbl_task_at(s, item->task)->attempt != item->attempt ||
                 !sbl_copy_is_at(s, item->task, (uint32_t)(p->number & 0xffff))))
                wrong = "a worker keeps a value of which the scheduler does not know";
    return wrong;
}

void sim_check_views(sim *w)
{
    const sbl_scheduler *s = w->scheduler;

    for (int i = 1; i < w->n_procs && !w->wrong[0]; i++) {
        const proc    *it    = &w->procs[i];
        const uint32_t slot  = it->is_alive && it->is_linked && it->executor ? sbl_peer_slot(s, it->peer) : 0;
        const char    *wrong = NULL;

        if (!slot || sbl_peer_at(s, slot)->is_dropped || sim_is_talking(w, i))
            continue;
        wrong = look_at_tasks(s, sbl_peer_at(s, slot), it->executor);
        if (!wrong)
            wrong = look_at_values(s, sbl_peer_at(s, slot), it->executor);
        if (wrong)
            sim_say_wrong(w, "process %d: %s", i, wrong);
    }
}
