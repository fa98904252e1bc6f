/*
 * A worker that is about to leave: it gets nothing any more, gives back what it has not begun, and what it alone has goes to others.
 * When nothing is left there that is needed, it is told so, and leaves: nothing has to be made again.
 */
#include "cluster/core/place.h"

enum { MOST_MOVING = 64, TRIED = 4, SOME_COPIES = 16 };

/* --- where to ----------------------------------------------------------------------------------------------------- */

static int may_take(const sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    return worker && sbl_may_have_work(sbl_peer_at(s, worker)) && !sbl_copy_is_at(s, task, worker);
}

/* One of a few with the most room, others at another time; if none of these may have it, any that may. 0: there is none. */
static uint32_t target_for(const sbl_scheduler *s, uint32_t task)
{
    const uint64_t size = sbl_task_at(s, task)->size;
    const uint32_t key  = (task ^ (uint32_t)(s->now_ns >> 16)) * TRIED;
    uint32_t       best = 0;

    for (uint32_t i = 0; i < TRIED; i++) {
        const uint32_t worker = sbl_any_worker(s, key + i);

        if (may_take(s, task, worker) &&
            (!best || sbl_load_of(sbl_peer_at(s, worker), size) < sbl_load_of(sbl_peer_at(s, best), size)))
            best = worker;
    }
    for (uint32_t i = 0; i < s->n_workers && !best; i++)
        if (may_take(s, task, s->workers[i]))
            best = s->workers[i];
    return best;
}

/* --- what goes ---------------------------------------------------------------------------------------------------- */

/* Among so many of them. */
static int has_copy_that_stays(const sbl_scheduler *s, const sbl_stask *t, uint32_t most)
{
    uint32_t n = 0;

    for (uint32_t copy = t->copies; copy && n < most; copy = sbl_copy_next(s, copy), n++)
        if (sbl_may_have_work(sbl_peer_at(s, sbl_copy_worker(s, copy))))
            return 1;
    return 0;
}

/* If somebody is there who could have it. */
static void move(sbl_scheduler *s, uint32_t task, uint32_t from)
{
    sbl_stask     *t  = sbl_task_at(s, task);
    const uint32_t to = target_for(s, task);

    if (!to)
        return;
    t->flags |= SBL_IS_MOVING;
    t->taker = to;
    sbl_order_fetch(s, task, from, to);
}

/* Of a list of what lies there: what is elsewhere too is left to those, the rest is moved, some at a time. Returns how many have yet to
   move, of those that were looked at. */
static uint32_t move_some(sbl_scheduler *s, uint32_t first, uint32_t from)
{
    sbl_peer *w = sbl_peer_at(s, from);
    uint32_t  n = 0;

    for (uint32_t task = first, next; task && n < MOST_MOVING; task = next) {
        sbl_stask *t = sbl_task_at(s, task);

        next = t->next;
        if (!(t->flags & SBL_IS_MOVING) && !has_copy_that_stays(s, t, SOME_COPIES))
            move(s, task, from);
        if (t->flags & SBL_IS_MOVING)
            w->n_moving++;
        else if (has_copy_that_stays(s, t, UINT32_MAX)) {
            if (t->at == SBL_AT_WORKERS)
                sbl_copy_leave(s, task, from);
            continue;
        }
        n++;
    }
    return n;
}

/* What it has not begun; what runs, ends there. */
static void ask_for_tasks(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (!w->n_sent || w->is_asked)
        return;
    w->is_asked = 1;
    sbl_say_u32(sbl_letter_to(s, worker, SBL_LETTER_GIVE), w->n_sent);
}

static void look(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);
    uint32_t  n;

    if (!w->is_leaving || w->may_part || w->is_dropped)
        return;
    w->n_moving = 0;
    n           = move_some(s, w->held, worker);
    n += move_some(s, w->data, worker); /* that its tasks have scattered */
    if (n || w->n_sent)
        return;
    w->may_part = 1;
    sbl_say_u32(sbl_letter_to(s, worker, SBL_LETTER_PART), 1);
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

void sbl_retire(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (w->is_leaving)
        return;
    w->is_leaving    = 1;
    w->next_leaving  = s->first_leaving;
    s->first_leaving = worker;
    s->n_leaving++;
    sbl_worker_rests(s, worker);
    sbl_queue_scatter(s, worker);
    sbl_spread_workers_changed(s);
    ask_for_tasks(s, worker);
    look(s, worker);
}

static uint32_t mover_of(const sbl_stask *t)
{
    return t->at == SBL_AT_WORKERS ? t->worker : t->client;
}

/* Who has many is looked at again when half of what was on its way has come. */
void sbl_retire_has(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_peer  *w;

    if (!(t->flags & SBL_IS_MOVING))
        return;
    t->flags &= (uint8_t)~SBL_IS_MOVING;
    w = sbl_peer_at(s, mover_of(t));
    w->n_moving -= w->n_moving != 0;
    if (w->n_moving <= MOST_MOVING / 2)
        look(s, mover_of(t));
}

void sbl_retire_lacks(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_stask *t = sbl_task_at(s, task);

    if (t->flags & SBL_IS_MOVING && t->taker == worker)
        t->flags &= (uint8_t)~SBL_IS_MOVING;
}

static void forget_moves(sbl_scheduler *s, uint32_t first, uint32_t worker)
{
    for (uint32_t task = first; task; task = sbl_task_at(s, task)->next)
        sbl_retire_lacks(s, task, worker);
}

void sbl_retire_lost(sbl_scheduler *s, uint32_t worker)
{
    for (uint32_t i = 0; i < s->n_workers && s->n_leaving; i++) {
        const sbl_peer *w = sbl_peer_at(s, s->workers[i]);

        if (!w->is_leaving)
            continue;
        forget_moves(s, w->held, worker);
        forget_moves(s, w->data, worker);
    }
}

void sbl_retire_tick(sbl_scheduler *s)
{
    for (uint32_t i = 0; i < s->n_workers && s->n_leaving; i++)
        if (sbl_peer_at(s, s->workers[i])->is_leaving) {
            ask_for_tasks(s, s->workers[i]);
            look(s, s->workers[i]);
        }
}
