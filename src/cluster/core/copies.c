/* Which workers have the value of a task: the first is in the task's record and in that worker's list of what it holds; others
   are records of their own, in a list of the task, one of the worker, and a table by both, as a value may have thousands. */
#include "cluster/core/state.h"

#include <stdio.h>

#include "base/error.h"

static sbl_scopy *copy_at(const sbl_scheduler *s, uint32_t copy)
{
    return sbl_table_at(&s->copies, copy);
}

/* --- the table by task and worker --------------------------------------------------------------------------------- */

static uint64_t key_of(uint32_t task, uint32_t worker)
{
    return (uint64_t)task << 32 | worker;
}

static uint64_t key(const void *record)
{
    const sbl_scopy *c = record;

    return key_of(c->task, c->worker);
}

int sbl_copies_init(sbl_scheduler *s)
{
    s->copies_by_place = (sbl_heads){.next = offsetof(sbl_scopy, hnext), .key = key};
    return sbl_heads_reach(&s->copies_by_place, &s->copies, 1);
}

/* 0: none. */
static uint32_t find(const sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    uint32_t c = *sbl_heads_of(&s->copies_by_place, key_of(task, worker));

    while (c && (copy_at(s, c)->task != task || copy_at(s, c)->worker != worker))
        c = copy_at(s, c)->hnext;
    return c;
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

uint32_t sbl_copy_first(const sbl_scheduler *s, const sbl_stask *t)
{
    return copy_at(s, t->copies)->worker;
}

uint32_t sbl_copy_next(const sbl_scheduler *s, uint32_t copy)
{
    return copy_at(s, copy)->next;
}

uint32_t sbl_copy_worker(const sbl_scheduler *s, uint32_t copy)
{
    return copy_at(s, copy)->worker;
}

int sbl_copy_is_at(const sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    const sbl_stask *t = sbl_task_at(s, task);

    return (t->at == SBL_AT_WORKERS && t->worker == worker) || (t->copies && find(s, task, worker));
}

void sbl_copy_add(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_peer  *w = sbl_peer_at(s, worker);
    uint32_t   number;

    if (sbl_copy_is_at(s, task, worker))
        return;
    number = sbl_table_take(&s->copies);
    if (!number) {
        s->no_memory = 1;
        return;
    }
    *copy_at(s, number) = (sbl_scopy){.worker = worker, .task = task, .next = t->copies, .wnext = w->copies};
    sbl_heads_reach(&s->copies_by_place, &s->copies, sbl_table_count(&s->copies));
    sbl_heads_add(&s->copies_by_place, &s->copies, number);
    if (w->copies)
        copy_at(s, w->copies)->wprevious = number;
    if (t->copies)
        copy_at(s, t->copies)->previous = number;
    t->copies = number;
    w->copies = number;
    sbl_spread_count(s, task, worker, 1);
}

static void end_copy(sbl_scheduler *s, uint32_t number)
{
    sbl_scopy *c = copy_at(s, number);

    sbl_heads_remove(&s->copies_by_place, &s->copies, number);
    if (c->wprevious)
        copy_at(s, c->wprevious)->wnext = c->wnext;
    else
        sbl_peer_at(s, c->worker)->copies = c->wnext;
    if (c->wnext)
        copy_at(s, c->wnext)->wprevious = c->wprevious;
    if (c->previous)
        copy_at(s, c->previous)->next = c->next;
    else
        sbl_task_at(s, c->task)->copies = c->next;
    if (c->next)
        copy_at(s, c->next)->previous = c->previous;
    sbl_spread_count(s, c->task, c->worker, -1);
    sbl_table_give(&s->copies, number);
}

/* One of the others becomes the first. */
static void promote(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    t->at     = SBL_AT_WORKERS;
    t->worker = sbl_copy_first(s, t);
    end_copy(s, t->copies);
    sbl_spread_count(s, task, t->worker, 1);
    sbl_tasks_add(s, &sbl_peer_at(s, t->worker)->held, task);
}

int sbl_copy_remove(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_stask *t = sbl_task_at(s, task);
    uint32_t   number;

    if (t->at != SBL_AT_WORKERS || t->worker != worker) {
        number = find(s, task, worker);
        if (number)
            end_copy(s, number);
        return 0;
    }
    sbl_tasks_remove(s, &sbl_peer_at(s, worker)->held, task);
    t->worker = 0;
    t->flags &= (uint8_t)~SBL_IS_MOVING;
    sbl_spread_count(s, task, worker, -1);
    if (!t->copies)
        return 1;
    promote(s, task);
    return 0;
}

static void say_drop(sbl_scheduler *s, uint32_t worker, uint32_t task)
{
    sbl_say_drop(s, worker, task, sbl_task_at(s, task)->attempt);
}

void sbl_copy_leave(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    say_drop(s, worker, task);
    sbl_copy_remove(s, task, worker);
}

void sbl_copies_drop(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    t->flags &= (uint8_t)~SBL_IS_MOVING;
    sbl_spread_end(s, task);
    if (t->at == SBL_AT_WORKERS && t->worker) {
        say_drop(s, t->worker, task);
        sbl_tasks_remove(s, &sbl_peer_at(s, t->worker)->held, task);
        t->worker = 0;
    }
    while (t->copies) {
        say_drop(s, sbl_copy_first(s, t), task);
        end_copy(s, t->copies);
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

void sbl_data_leaves_client(sbl_scheduler *s, uint32_t client)
{
    sbl_peer *p = sbl_peer_at(s, client);

    while (p->data) {
        const uint32_t task = p->data;
        sbl_stask     *t    = sbl_task_at(s, task);

        sbl_tasks_remove(s, &p->data, task);
        t->flags &= (uint8_t)~SBL_IS_MOVING;
        t->at     = SBL_AT_WORKERS;
        t->worker = 0;
        if (t->copies)
            promote(s, task);
        else
            sbl_post(s, SBL_E_LOSE, task, 0, sbl_why_lost(s, task));
    }
    sbl_settle(s);
}

void sbl_copies_lose(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    while (w->copies)
        end_copy(s, w->copies);
    while (w->held) {
        const uint32_t task = w->held;

        if (sbl_copy_remove(s, task, worker))
            sbl_post(s, SBL_E_LOSE, task, 0, sbl_why_lost(s, task));
    }
}
