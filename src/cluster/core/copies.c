/* Which workers have the value of a task: the first is in the task's record and in that worker's list of what it holds; others
   are records of their own, in a list of the task and one of the worker. */
#include "cluster/core/state.h"

#include <stdio.h>

#include "base/error.h"

static sbl_scopy *copy_at(const sbl_scheduler *s, uint32_t copy)
{
    return sbl_table_at(&s->copies, copy);
}

uint32_t sbl_copy_first(const sbl_scheduler *s, const sbl_stask *t)
{
    return copy_at(s, t->copies)->worker;
}

int sbl_copy_is_at(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker)
{
    if (t->at == SBL_AT_WORKERS && t->worker == worker)
        return 1;
    for (uint32_t c = t->copies; c; c = copy_at(s, c)->next)
        if (copy_at(s, c)->worker == worker)
            return 1;
    return 0;
}

void sbl_copy_add(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_peer  *w = sbl_peer_at(s, worker);
    uint32_t   number;

    if (sbl_copy_is_at(s, t, worker))
        return;
    number = sbl_table_take(&s->copies);
    if (!number)
        return; /* one that is not known does no harm: it goes with what is dropped by name */
    *copy_at(s, number) = (sbl_scopy){.worker = worker, .task = task, .next = t->copies, .wnext = w->copies};
    if (w->copies)
        copy_at(s, w->copies)->wprevious = number;
    t->copies = number;
    w->copies = number;
}

/* Out of the worker's list and the table; the task's list is the caller's. */
static void end_copy(sbl_scheduler *s, uint32_t number)
{
    sbl_scopy *c = copy_at(s, number);

    if (c->wprevious)
        copy_at(s, c->wprevious)->wnext = c->wnext;
    else
        sbl_peer_at(s, c->worker)->copies = c->wnext;
    if (c->wnext)
        copy_at(s, c->wnext)->wprevious = c->wprevious;
    sbl_table_give(&s->copies, number);
}

static int take_from_task(sbl_scheduler *s, sbl_stask *t, uint32_t worker)
{
    for (uint32_t *link = &t->copies; *link; link = &copy_at(s, *link)->next)
        if (copy_at(s, *link)->worker == worker) {
            const uint32_t number = *link;

            *link = copy_at(s, number)->next;
            end_copy(s, number);
            return 1;
        }
    return 0;
}

int sbl_copy_remove(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_stask *t = sbl_task_at(s, task);
    uint32_t   first;

    if (t->at != SBL_AT_WORKERS || t->worker != worker) {
        take_from_task(s, t, worker);
        return 0;
    }
    sbl_tasks_remove(s, &sbl_peer_at(s, worker)->held, task);
    t->worker = 0;
    if (!t->copies)
        return 1;
    first     = copy_at(s, t->copies)->worker;
    t->worker = first;
    take_from_task(s, t, first);
    sbl_tasks_add(s, &sbl_peer_at(s, first)->held, task);
    return 0;
}

static void say_drop(sbl_scheduler *s, uint32_t worker, uint32_t task)
{
    sbl_words *w = sbl_letter_to(s, worker, SBL_LETTER_DROP);

    sbl_say_u32(w, task);
    sbl_say_u32(w, sbl_task_at(s, task)->attempt);
}

void sbl_copies_drop(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    if (t->at == SBL_AT_WORKERS && t->worker) {
        say_drop(s, t->worker, task);
        sbl_tasks_remove(s, &sbl_peer_at(s, t->worker)->held, task);
        t->worker = 0;
    }
    while (t->copies) {
        const uint32_t number = t->copies;

        say_drop(s, copy_at(s, number)->worker, task);
        t->copies = copy_at(s, number)->next;
        end_copy(s, number);
    }
}

uint32_t sbl_why_lost(sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t   = sbl_task_at(s, task);
    sabal_error      err = SABAL_ERROR_INIT;

    if (!(t->flags & SBL_IS_DATA))
        return 0;
    sbl_error_set(
        &err, SABAL_EPEER,
        "scattered data (%llu bytes, number %llu of its client) is lost: its client is gone, and no worker has it",
        (unsigned long long)t->size, (unsigned long long)t->serial);
    return sbl_sfailure_make(s, &err);
}

void sbl_data_leaves_client(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);
    uint32_t   first;

    if (!t->copies) {
        sbl_post(s, SBL_E_LOSE, task, 0, sbl_why_lost(s, task));
        return;
    }
    first = copy_at(s, t->copies)->worker;
    take_from_task(s, t, first);
    t->at     = SBL_AT_WORKERS;
    t->worker = first;
    sbl_tasks_add(s, &sbl_peer_at(s, first)->held, task);
}

void sbl_copies_lose(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    while (w->copies) {
        const uint32_t task = copy_at(s, w->copies)->task;

        take_from_task(s, sbl_task_at(s, task), worker);
    }
    while (w->held) {
        const uint32_t task = w->held;

        if (sbl_copy_remove(s, task, worker))
            sbl_post(s, SBL_E_LOSE, task, 0, sbl_why_lost(s, task));
    }
}
