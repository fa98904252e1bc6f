/*
 * Where of the workers that may run it a task with a rule goes: to the one that has most of its inputs, if that would take it now.
 * It waits in the queue of its rule meanwhile, as all of them, and is only noted down for it: who turns out to have no room, or
 * something else before it, has nothing to do with it.
 */
#include "cluster/core/place.h"

enum { SOME = 16, FEW = 4 };

/* Whether it would take a task of that rule; of one with many seats not all are looked at. */
static int is_open(const sbl_scheduler *s, uint32_t rule, uint32_t worker)
{
    uint32_t seat = sbl_peer_at(s, worker)->seats;

    for (int n = 0; seat && sbl_seat_at(s, seat)->rule != rule && n < SOME; n++)
        seat = sbl_seat_at(s, seat)->wnext;
    return seat && sbl_seat_at(s, seat)->rule == rule && sbl_seat_at(s, seat)->is_open;
}

/* The best of some that were looked at. */
typedef struct choice {
    uint32_t best;
    uint64_t away; /* what that one lacks */
    int      n;
} choice;

static void consider(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker, choice *c)
{
    uint64_t away;

    c->n++;
    if (!worker || !sbl_may_have_work(sbl_peer_at(s, worker)) || !is_open(s, sbl_rule_of(s, t), worker))
        return;
    away = sbl_bytes_away(s, t, worker);
    if (c->best && away >= c->away)
        return;
    c->best = worker;
    c->away = away;
}

/* Of those who have an input. */
static uint32_t open_holder(const sbl_scheduler *s, const sbl_stask *t)
{
    choice c = {0};

    for (uint32_t e = t->inputs; e && c.n < SOME; e = sbl_edge_at(s, e)->next_input) {
        const sbl_stask *in = sbl_task_at(s, sbl_value_task(s, sbl_edge_at(s, e)->input));

        if (in->at == SBL_AT_WORKERS)
            consider(s, t, in->worker, &c);
        for (uint32_t copy = in->copies; copy && c.n < SOME; copy = sbl_copy_next(s, copy))
            consider(s, t, sbl_copy_worker(s, copy), &c);
    }
    return c.best;
}

/* 0: there is nobody, or no memory. */
static int note(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    if (!worker || !sbl_ring_add(&s->near, (uint64_t)task << 32 | sbl_task_at(s, task)->attempt))
        return 0;
    if (!sbl_ring_add(&s->near, worker))
        s->no_memory = 1; /* half of it is there */
    sbl_may_fill(s, worker);
    return 1;
}

int sbl_near_place(sbl_scheduler *s, uint32_t task)
{
    return note(s, task, open_holder(s, sbl_task_at(s, task)));
}

/* --- what any worker may run -------------------------------------------------------------------------------------- */

/* Who made most of a few of its inputs; of several, the first. */
static uint32_t maker_of_most(const sbl_scheduler *s, const sbl_stask *t)
{
    uint32_t makers[FEW], counts[FEW] = {0}, n = 0, best = 0;

    for (uint32_t e = t->inputs, i = 0; e && i < FEW; e = sbl_edge_at(s, e)->next_input, i++) {
        const sbl_stask *in    = sbl_task_at(s, sbl_value_task(s, sbl_edge_at(s, e)->input));
        uint32_t         which = 0;

        if (in->at != SBL_AT_SCHEDULER || !in->maker)
            continue;
        while (which < n && makers[which] != in->maker)
            which++;
        if (which == n)
            makers[n++] = in->maker;
        if (++counts[which] > counts[best])
            best = which;
    }
    return n ? makers[best] : 0;
}

int sbl_near_place_any(sbl_scheduler *s, uint32_t task)
{
    const uint32_t  maker = maker_of_most(s, sbl_task_at(s, task));
    const sbl_peer *w     = maker ? sbl_peer_at(s, maker) : NULL;

    if (!w || !w->is_hungry || !sbl_may_have_work(w) || !note(s, task, maker))
        return 0;
    sbl_hungry_remove(s, maker);
    return 1;
}
