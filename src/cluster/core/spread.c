/*
 * Values that so many workers are to have, or all of them. Who has one gives it on (moves.c): so a value is with W workers after
 * about log W times what one takes. What is lacking is looked for when somebody has room to give again, when workers come and go, and at
 * each tick; nothing is asked of tasks of which nothing was declared.
 */
#include "cluster/core/moves.h"

enum { MOST_AT_A_TICK = 1 << 14 };

/* --- by task ------------------------------------------------------------------------------------------------------ */

static uint64_t key(const void *record)
{
    return ((const sbl_sspread *)record)->task;
}

/* 0: nothing was declared of it. */
static uint32_t find(const sbl_scheduler *s, uint32_t task)
{
    uint32_t number = sbl_task_at(s, task)->flags & SBL_IS_SPREAD ? *sbl_heads_of(&s->spreads_by_task, task) : 0;

    while (number && sbl_spread_at(s, number)->task != task)
        number = sbl_spread_at(s, number)->hnext;
    return number;
}

/* --- what is declared --------------------------------------------------------------------------------------------- */

static int goes_with_tasks(const sbl_stask *t)
{
    return t->state == SBL_T_DONE && t->at == SBL_AT_SCHEDULER;
}

static uint32_t count(const sbl_scheduler *s, const sbl_stask *t)
{
    uint32_t n = t->state == SBL_T_DONE && t->at == SBL_AT_WORKERS && t->worker;

    for (uint32_t copy = t->copies; copy; copy = sbl_copy_next(s, copy))
        n++;
    return n;
}

/* All that have it have so much more of what is declared, or (-1) less. */
static void weigh(sbl_scheduler *s, const sbl_stask *t, int by)
{
    if (t->state == SBL_T_DONE && t->at == SBL_AT_WORKERS && t->worker)
        sbl_peer_at(s, t->worker)->copied += (uint64_t)by * t->size;
    for (uint32_t copy = t->copies; copy; copy = sbl_copy_next(s, copy))
        sbl_peer_at(s, sbl_copy_worker(s, copy))->copied += (uint64_t)by * t->size;
}

static uint32_t make(sbl_scheduler *s, uint32_t task)
{
    sbl_heads *by_task = &s->spreads_by_task;
    uint32_t   number;

    by_task->next = offsetof(sbl_sspread, hnext);
    by_task->key  = key;
    number = sbl_heads_reach(by_task, &s->spreads, sbl_table_count(&s->spreads) + 1) ? sbl_table_take(&s->spreads) : 0;
    if (!number)
        return 0;
    *sbl_spread_at(s, number) = (sbl_sspread){.task = task, .n = count(s, sbl_task_at(s, task))};
    sbl_heads_add(by_task, &s->spreads, number);
    sbl_task_at(s, task)->flags |= SBL_IS_SPREAD;
    weigh(s, sbl_task_at(s, task), 1);
    return number;
}

/* Fewer are wanted now. What tasks may have been sent for stays. What is on its way is dropped when it has come: who was told to drop
   it before might have said that it has it, and be believed. */
static void drop_surplus(sbl_scheduler *s, uint32_t number)
{
    const sbl_sspread *sp = sbl_spread_at(s, number);
    const sbl_stask   *t  = sbl_task_at(s, sp->task);
    const uint32_t     n  = sp->wanted ? sp->wanted : 1;

    if (!sbl_is_to_be_had(t) || t->users || sp->n <= n)
        return;
    for (uint32_t copy = t->copies, next; copy && sbl_spread_that_stay(s, sp) > n; copy = next) {
        const uint32_t worker = sbl_copy_worker(s, copy);

        next = sbl_copy_next(s, copy);
        if (!sbl_peer_at(s, worker)->is_leaving)
            sbl_copy_leave(s, sp->task, worker);
    }
}

static void end_moves(sbl_scheduler *s, uint32_t number, int says_drop)
{
    const sbl_sspread *sp = sbl_spread_at(s, number);

    while (sp->moves) {
        const uint32_t to = sbl_move_at(s, sp->moves)->to;

        sbl_move_end(s, sp->moves);
        if (says_drop)
            sbl_say_drop(s, to, sp->task, sbl_task_at(s, sp->task)->attempt);
    }
}

/* What is too much goes, and its record when no more is wanted than of any other value. */
static void look(sbl_scheduler *s, uint32_t number)
{
    const sbl_sspread *sp = sbl_spread_at(s, number);

    drop_surplus(s, number);
    if (sp->wanted <= 1 && !sp->moves)
        sbl_spread_end(s, sp->task);
}

int sbl_spread_declare(sbl_scheduler *s, uint32_t task, uint32_t wanted)
{
    uint32_t number = find(s, task);

    if (!number && (wanted <= 1 || goes_with_tasks(sbl_task_at(s, task))))
        return 1;
    if (!number)
        number = make(s, task);
    if (!number)
        return 0;
    sbl_spread_at(s, number)->wanted = wanted;
    look(s, number);
    if (find(s, task) && sbl_spread_note(s, number))
        sbl_spread_give_by_all(s, number);
    return 1;
}

void sbl_spread_end(sbl_scheduler *s, uint32_t task)
{
    const uint32_t number = find(s, task);

    if (!number)
        return;
    end_moves(s, number, 1);
    weigh(s, sbl_task_at(s, task), -1);
    if (sbl_spread_at(s, number)->is_lacking)
        sbl_spread_unlist(s, sbl_spread_at(s, number));
    sbl_heads_remove(&s->spreads_by_task, &s->spreads, number);
    sbl_spread_at(s, number)->task = 0;
    sbl_task_at(s, task)->flags &= (uint8_t)~SBL_IS_SPREAD;
    sbl_table_give(&s->spreads, number);
}

/* --- what happens to it ------------------------------------------------------------------------------------------- */

void sbl_spread_done(sbl_scheduler *s, uint32_t task)
{
    const uint32_t number = find(s, task), value = number ? sbl_value_task(s, task) : 0,
                   other = number ? find(s, value) : 0;

    if (!number)
        return;
    if (goes_with_tasks(sbl_task_at(s, task))) {
        sbl_spread_end(s, task);
        return;
    }
    if (value == task) {
        sbl_spread_at(s, number)->n = count(s, sbl_task_at(s, task));
        weigh(s, sbl_task_at(s, task), 1);
        if (sbl_spread_note(s, number))
            sbl_spread_give_by_all(s, number);
        return;
    }
    if ((!other || sbl_spread_at(s, other)->wanted < sbl_spread_at(s, number)->wanted) &&
        !sbl_spread_declare(s, value, sbl_spread_at(s, number)->wanted))
        s->no_memory = 1;
    sbl_spread_end(s, task);
}

void sbl_spread_count(sbl_scheduler *s, uint32_t task, uint32_t worker, int by)
{
    const uint32_t number = find(s, task);

    if (!number)
        return;
    sbl_peer_at(s, worker)->copied += (uint64_t)by * sbl_task_at(s, task)->size;
    sbl_spread_at(s, number)->n += (uint32_t)by;
    sbl_spread_note(s, number);
}

void sbl_spread_came(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    const uint32_t number = find(s, task), move = number ? sbl_move_to(s, number, worker) : 0;
    const uint32_t from = move ? sbl_move_end(s, move) : 0;

    if (!number)
        return;
    look(s, number);
    if (find(s, task) && sbl_spread_note(s, number)) {
        if (from && sbl_may_give_copy(s, task, from))
            sbl_spread_give(s, number, from);
        sbl_spread_give(s, number, worker);
    }
    if (from)
        sbl_spread_give_others(s, from);
}

/* Not tried again at once, as the next would perhaps find the same. */
void sbl_spread_failed(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    const uint32_t number = find(s, task), move = number ? sbl_move_to(s, number, worker) : 0;

    if (!move)
        return;
    sbl_move_end(s, move);
    sbl_spread_note(s, number);
    look(s, number);
}

void sbl_spread_lost(sbl_scheduler *s, uint32_t task)
{
    const uint32_t number = find(s, task);

    if (!number)
        return;
    end_moves(s, number, 0); /* what comes by that name is out of date */
    if (sbl_spread_at(s, number)->is_lacking)
        sbl_spread_unlist(s, sbl_spread_at(s, number));
}

/* --- what happens to others --------------------------------------------------------------------------------------- */

void sbl_spread_workers_changed(sbl_scheduler *s)
{
    for (uint32_t number = 1; sbl_table_count(&s->spreads) && number < s->spreads.fresh; number++)
        if (sbl_spread_at(s, number)->task)
            sbl_spread_note(s, number);
    s->looks_at_lacking = 1;
}

void sbl_spread_peer_lost(sbl_scheduler *s, uint32_t slot)
{
    sbl_peer *p = sbl_peer_at(s, slot);

    while (p->gives || p->takes) {
        const uint32_t move = p->gives ? p->gives : p->takes, spread = sbl_move_at(s, move)->spread;

        sbl_move_end(s, move);
        sbl_spread_note(s, spread);
        look(s, spread);
    }
}

static int can_anybody_take(const sbl_scheduler *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++)
        if (sbl_may_take_copies(sbl_peer_at(s, s->workers[i])))
            return 1;
    return 0;
}

void sbl_spread_feed(sbl_scheduler *s)
{
    const uint32_t last  = s->last_lacking;
    uint32_t       asked = 0, number = 0;

    if (!s->looks_at_lacking)
        return;
    s->looks_at_lacking = 0;
    if (!last || !can_anybody_take(s))
        return;
    while (asked < MOST_AT_A_TICK && s->first_lacking && number != last) {
        number = s->first_lacking;
        asked += sbl_spread_give_by_all(s, number);
        if (sbl_spread_at(s, number)->is_lacking) {
            asked += s->n_workers; /* that were asked in vain */
            sbl_spread_be_last(s, number);
        }
    }
}

void sbl_spread_tick(sbl_scheduler *s)
{
    s->looks_at_lacking = 1;
    sbl_spread_feed(s);
}

void sbl_spreads_end(sbl_scheduler *s)
{
    sbl_table_clear(&s->spreads);
    sbl_table_clear(&s->moves);
    sbl_free(s->spreads_by_task.first);
}

static uint64_t copied_by(const sbl_scheduler *s, uint32_t worker)
{
    uint64_t sum = 0;

    for (uint32_t number = 1; number < s->spreads.fresh; number++)
        if (sbl_spread_at(s, number)->task && sbl_is_to_be_had(sbl_task_at(s, sbl_spread_at(s, number)->task)) &&
            (sbl_copy_is_at(s, sbl_spread_at(s, number)->task, worker) || sbl_move_to(s, number, worker)))
            sum += sbl_task_at(s, sbl_spread_at(s, number)->task)->size;
    return sum;
}

static const char *check_weights(const sbl_scheduler *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++)
        if (sbl_peer_at(s, s->workers[i])->copied != copied_by(s, s->workers[i]))
            return "a worker has copies of another size than is counted";
    return NULL;
}

const char *sbl_spread_check(const sbl_scheduler *s)
{
    const char *wrong;

    for (uint32_t number = 1; number < s->spreads.fresh; number++) {
        const sbl_sspread *sp = sbl_spread_at(s, number);
        uint32_t           n  = 0;

        if (!sp->task)
            continue;
        for (uint32_t m = sp->moves; m; m = sbl_move_at(s, m)->next)
            n += sbl_move_at(s, m)->spread == number;
        if (find(s, sp->task) != number)
            return "copies are wanted of a task that does not know of it";
        if (n != sp->n_moves || sp->n != count(s, sbl_task_at(s, sp->task)))
            return "a value has another number of copies than is counted";
        if ((int)sp->is_lacking != sbl_spread_lacks(s, sp))
            return "it is not known that copies are lacking";
    }
    wrong = sbl_moves_check(s);
    return wrong ? wrong : check_weights(s);
}
