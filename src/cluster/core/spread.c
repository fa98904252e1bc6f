/*
 * Values that so many workers are to have, or all of them. Each that has one gives it to at most two others at a time, and who got it
 * gives it on: so a value is with W workers after about log W times what one takes. What is lacking is looked for when somebody has
 * room to give again, when workers come and go, and at each tick; nothing is asked of tasks of which nothing was declared.
 */
#include "cluster/core/place.h"

enum { MOST_GIVEN = 2, MOST_TAKEN = 2, TRIED = 4, SOME = 8, MOST_AT_A_TICK = 1 << 14 };
enum { SHARE = 2 }; /* copies take one part of so many of a worker's memory */

static sbl_sspread *spread_at(const sbl_scheduler *s, uint32_t number)
{
    return sbl_table_at(&s->spreads, number);
}

static sbl_smove *move_at(const sbl_scheduler *s, uint32_t number)
{
    return sbl_table_at(&s->moves, number);
}

/* --- by task ------------------------------------------------------------------------------------------------------ */

static uint64_t key(const void *record)
{
    return ((const sbl_sspread *)record)->task;
}

/* 0: nothing was declared of it. */
static uint32_t find(const sbl_scheduler *s, uint32_t task)
{
    uint32_t number = sbl_task_at(s, task)->flags & SBL_IS_SPREAD ? *sbl_heads_of(&s->spreads_by_task, task) : 0;

    while (number && spread_at(s, number)->task != task)
        number = spread_at(s, number)->hnext;
    return number;
}

/* --- moves -------------------------------------------------------------------------------------------------------- */

static void unlink_from(sbl_scheduler *s, uint32_t *first, uint32_t number, size_t field)
{
    while (*first != number)
        first = (uint32_t *)((char *)move_at(s, *first) + field);
    *first = *(uint32_t *)((char *)move_at(s, number) + field);
}

/* Returns who gave. */
static uint32_t end_move(sbl_scheduler *s, uint32_t number)
{
    sbl_smove     *m    = move_at(s, number);
    sbl_sspread   *sp   = spread_at(s, m->spread);
    sbl_peer      *from = sbl_peer_at(s, m->from), *to = sbl_peer_at(s, m->to);
    const uint32_t giver = m->from;

    unlink_from(s, &from->gives, number, offsetof(sbl_smove, gnext));
    unlink_from(s, &to->takes, number, offsetof(sbl_smove, tnext));
    from->n_gives--;
    to->n_takes--;
    to->copied -= sbl_task_at(s, sp->task)->size;
    if (m->previous)
        move_at(s, m->previous)->next = m->next;
    else
        sp->moves = m->next;
    if (m->next)
        move_at(s, m->next)->previous = m->previous;
    sp->n_moves--;
    m->spread = 0;
    sbl_table_give(&s->moves, number);
    return giver;
}

/* 0: none. */
static uint32_t move_to(const sbl_scheduler *s, uint32_t spread, uint32_t worker)
{
    uint32_t number = sbl_peer_at(s, worker)->takes;

    while (number && move_at(s, number)->spread != spread)
        number = move_at(s, number)->tnext;
    return number;
}

/* --- what is lacking ---------------------------------------------------------------------------------------------- */

static int is_to_be_had(const sbl_stask *t)
{
    return t->state == SBL_T_DONE && (t->at == SBL_AT_WORKERS || t->at == SBL_AT_CLIENT);
}

static int goes_with_tasks(const sbl_stask *t)
{
    return t->state == SBL_T_DONE && t->at == SBL_AT_SCHEDULER;
}

/* What leaves is not counted. */
static uint32_t n_that_stay(const sbl_scheduler *s, const sbl_sspread *sp)
{
    uint32_t n = sp->n;

    for (uint32_t worker = s->first_leaving; worker; worker = sbl_peer_at(s, worker)->next_leaving)
        n -= (uint32_t)sbl_copy_is_at(s, sp->task, worker);
    return n;
}

/* So many workers can have it at the most. */
static uint32_t n_wanted(const sbl_scheduler *s, const sbl_sspread *sp)
{
    const uint32_t most = s->n_workers - s->n_leaving;

    return sp->wanted < most ? sp->wanted : most;
}

static int lacks(const sbl_scheduler *s, const sbl_sspread *sp)
{
    return is_to_be_had(sbl_task_at(s, sp->task)) && n_that_stay(s, sp) + sp->n_moves < n_wanted(s, sp);
}

static void unlist(sbl_scheduler *s, sbl_sspread *sp)
{
    if (sp->previous)
        spread_at(s, sp->previous)->next = sp->next;
    else
        s->first_lacking = sp->next;
    if (sp->next)
        spread_at(s, sp->next)->previous = sp->previous;
    else
        s->last_lacking = sp->previous;
    sp->is_lacking = 0;
}

static void enlist(sbl_scheduler *s, uint32_t number)
{
    sbl_sspread *sp = spread_at(s, number);

    sp->is_lacking = 1;
    sp->next       = 0;
    sp->previous   = s->last_lacking;
    if (s->last_lacking)
        spread_at(s, s->last_lacking)->next = number;
    else
        s->first_lacking = number;
    s->last_lacking = number;
}

/* The others have their turn before. */
static void be_last(sbl_scheduler *s, uint32_t number)
{
    unlist(s, spread_at(s, number));
    enlist(s, number);
}

/* Returns 1 if it lacks some. */
static int note(sbl_scheduler *s, uint32_t number)
{
    sbl_sspread *sp      = spread_at(s, number);
    const int    lacking = lacks(s, sp);

    if (sp->is_lacking && !lacking)
        unlist(s, sp);
    else if (!sp->is_lacking && lacking)
        enlist(s, number);
    return lacking;
}

/* --- who gives and who takes -------------------------------------------------------------------------------------- */

static int may_give(const sbl_scheduler *s, uint32_t slot)
{
    const sbl_peer *p = sbl_peer_at(s, slot);

    return p->number && !p->is_dropped && !p->is_suspect && p->n_gives < MOST_GIVEN;
}

/* What it spills is no longer in its memory, but it counts: else it would take one after the other until its disk is full. */
static int has_room_for(const sbl_peer *w, uint64_t size)
{
    return !w->limit || (w->copied + size <= w->limit / SHARE && w->managed + size <= w->limit);
}

/* Something, if it is not large. */
static int may_take_any(const sbl_peer *w)
{
    return sbl_may_have_work(w) && w->n_takes < MOST_TAKEN && has_room_for(w, 0);
}

static int may_take(const sbl_scheduler *s, uint32_t number, uint32_t worker)
{
    const sbl_sspread *sp = spread_at(s, number);
    const sbl_peer    *w  = sbl_peer_at(s, worker);

    return may_take_any(w) && has_room_for(w, sbl_task_at(s, sp->task)->size) && !sbl_copy_is_at(s, sp->task, worker) &&
           !move_to(s, number, worker);
}

/* Of a few, the one with the most room. */
static uint32_t roomy_taker(const sbl_scheduler *s, uint32_t number)
{
    const sbl_sspread *sp   = spread_at(s, number);
    uint32_t           best = 0;

    for (uint32_t i = 0; i < TRIED; i++) {
        const uint32_t worker = sbl_any_worker(s, (sp->task ^ sp->turn) * TRIED + i);

        if (may_take(s, number, worker) &&
            (!best || sbl_load_of(sbl_peer_at(s, worker), 0) < sbl_load_of(sbl_peer_at(s, best), 0)))
            best = worker;
    }
    return best;
}

/* 0: nobody can now. If all are to have it, one after the other, so that none is asked again and again. */
static uint32_t next_taker(sbl_scheduler *s, uint32_t number)
{
    sbl_sspread *sp     = spread_at(s, number);
    uint32_t     worker = sp->wanted < s->n_workers ? roomy_taker(s, number) : 0;

    for (uint32_t i = 0; i < s->n_workers && !worker; i++) {
        const uint32_t next = s->workers[(sp->turn + i) % s->n_workers];

        if (may_take(s, number, next)) {
            worker   = next;
            sp->turn = (sp->turn + i) % s->n_workers;
        }
    }
    sp->turn++;
    return worker;
}

static int begin_move(sbl_scheduler *s, uint32_t spread, uint32_t from)
{
    sbl_sspread   *sp     = spread_at(s, spread);
    const uint32_t to     = next_taker(s, spread);
    const uint32_t number = to ? sbl_table_take(&s->moves) : 0;
    sbl_peer      *giver, *taker;

    if (!number) /* or no memory: a tick tries again */
        return 0;
    giver               = sbl_peer_at(s, from);
    taker               = sbl_peer_at(s, to);
    *move_at(s, number) = (sbl_smove){
        .spread = spread, .from = from, .to = to, .next = sp->moves, .gnext = giver->gives, .tnext = taker->takes};
    if (sp->moves)
        move_at(s, sp->moves)->previous = number;
    sp->moves    = number;
    giver->gives = taker->takes = number;
    sp->n_moves++;
    giver->n_gives++;
    taker->n_takes++;
    taker->copied += sbl_task_at(s, sp->task)->size;
    sbl_order_fetch(s, sp->task, from, to);
    note(s, spread);
    return 1;
}

/* All that it can give of that value now. Returns 0 if nobody can take it. */
static int give(sbl_scheduler *s, uint32_t spread, uint32_t from)
{
    while (may_give(s, from) && lacks(s, spread_at(s, spread)))
        if (!begin_move(s, spread, from))
            return 0;
    return 1;
}

/* By all that have it; returns how many were asked. */
static uint32_t give_by_all(sbl_scheduler *s, uint32_t spread)
{
    const uint32_t   task = spread_at(s, spread)->task;
    const sbl_stask *t    = sbl_task_at(s, task);
    uint32_t         n    = 1;

    if (t->at == SBL_AT_WORKERS && !give(s, spread, t->worker))
        return n;
    if (t->at == SBL_AT_CLIENT && !t->copies)
        give(s, spread, t->client);
    for (uint32_t copy = t->copies; copy && spread_at(s, spread)->is_lacking; copy = sbl_copy_next(s, copy), n++)
        if (!give(s, spread, sbl_copy_worker(s, copy)))
            return n;
    return n;
}

static int can_give(const sbl_scheduler *s, uint32_t task, uint32_t slot)
{
    const sbl_stask *t = sbl_task_at(s, task);

    return sbl_copy_is_at(s, task, slot) || (t->at == SBL_AT_CLIENT && !t->copies && t->client == slot);
}

/* It has room to give again: some of those of which there are too few, in turn. */
static void give_others(sbl_scheduler *s, uint32_t from)
{
    const uint32_t last   = s->last_lacking;
    uint32_t       number = 0;

    for (int i = 0; s->first_lacking && number != last && i < SOME && may_give(s, from); i++) {
        number = s->first_lacking;
        if (can_give(s, spread_at(s, number)->task, from))
            give(s, number, from);
        if (spread_at(s, number)->is_lacking)
            be_last(s, number);
    }
}

/* --- what is declared --------------------------------------------------------------------------------------------- */

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
    *spread_at(s, number) = (sbl_sspread){.task = task, .n = count(s, sbl_task_at(s, task))};
    sbl_heads_add(by_task, &s->spreads, number);
    sbl_task_at(s, task)->flags |= SBL_IS_SPREAD;
    weigh(s, sbl_task_at(s, task), 1);
    return number;
}

/* Fewer are wanted now. What tasks may have been sent for stays. What is on its way is dropped when it has come: who was told to drop
   it before might have said that it has it, and be believed. */
static void drop_surplus(sbl_scheduler *s, uint32_t number)
{
    const sbl_sspread *sp = spread_at(s, number);
    const sbl_stask   *t  = sbl_task_at(s, sp->task);
    const uint32_t     n  = sp->wanted ? sp->wanted : 1;

    if (!is_to_be_had(t) || t->users || sp->n <= n)
        return;
    for (uint32_t copy = t->copies, next; copy && n_that_stay(s, sp) > n; copy = next) {
        const uint32_t worker = sbl_copy_worker(s, copy);

        next = sbl_copy_next(s, copy);
        if (!sbl_peer_at(s, worker)->is_leaving)
            sbl_copy_leave(s, sp->task, worker);
    }
}

static void end_moves(sbl_scheduler *s, uint32_t number, int says_drop)
{
    const sbl_sspread *sp = spread_at(s, number);

    while (sp->moves) {
        const uint32_t to = move_at(s, sp->moves)->to;

        end_move(s, sp->moves);
        if (says_drop)
            sbl_say_drop(s, to, sp->task, sbl_task_at(s, sp->task)->attempt);
    }
}

/* What is too much goes, and its record when no more is wanted than of any other value. */
static void look(sbl_scheduler *s, uint32_t number)
{
    const sbl_sspread *sp = spread_at(s, number);

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
    spread_at(s, number)->wanted = wanted;
    look(s, number);
    if (find(s, task) && note(s, number))
        give_by_all(s, number);
    return 1;
}

void sbl_spread_end(sbl_scheduler *s, uint32_t task)
{
    const uint32_t number = find(s, task);

    if (!number)
        return;
    end_moves(s, number, 1);
    weigh(s, sbl_task_at(s, task), -1);
    if (spread_at(s, number)->is_lacking)
        unlist(s, spread_at(s, number));
    sbl_heads_remove(&s->spreads_by_task, &s->spreads, number);
    spread_at(s, number)->task = 0;
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
        spread_at(s, number)->n = count(s, sbl_task_at(s, task));
        weigh(s, sbl_task_at(s, task), 1);
        if (note(s, number))
            give_by_all(s, number);
        return;
    }
    if ((!other || spread_at(s, other)->wanted < spread_at(s, number)->wanted) &&
        !sbl_spread_declare(s, value, spread_at(s, number)->wanted))
        s->no_memory = 1;
    sbl_spread_end(s, task);
}

void sbl_spread_count(sbl_scheduler *s, uint32_t task, uint32_t worker, int by)
{
    const uint32_t number = find(s, task);

    if (!number)
        return;
    sbl_peer_at(s, worker)->copied += (uint64_t)by * sbl_task_at(s, task)->size;
    spread_at(s, number)->n += (uint32_t)by;
    note(s, number);
}

void sbl_spread_came(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    const uint32_t number = find(s, task), move = number ? move_to(s, number, worker) : 0;
    const uint32_t from = move ? end_move(s, move) : 0;

    if (!number)
        return;
    look(s, number);
    if (find(s, task) && note(s, number)) {
        if (from && can_give(s, task, from))
            give(s, number, from);
        give(s, number, worker);
    }
    if (from)
        give_others(s, from);
}

/* Not tried again at once, as the next would perhaps find the same. */
void sbl_spread_failed(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    const uint32_t number = find(s, task), move = number ? move_to(s, number, worker) : 0;

    if (!move)
        return;
    end_move(s, move);
    note(s, number);
    look(s, number);
}

void sbl_spread_lost(sbl_scheduler *s, uint32_t task)
{
    const uint32_t number = find(s, task);

    if (!number)
        return;
    end_moves(s, number, 0); /* what comes by that name is out of date */
    if (spread_at(s, number)->is_lacking)
        unlist(s, spread_at(s, number));
}

/* --- what happens to others --------------------------------------------------------------------------------------- */

void sbl_spread_workers_changed(sbl_scheduler *s)
{
    for (uint32_t number = 1; sbl_table_count(&s->spreads) && number < s->spreads.fresh; number++)
        if (spread_at(s, number)->task)
            note(s, number);
    s->looks_at_lacking = 1;
}

void sbl_spread_peer_lost(sbl_scheduler *s, uint32_t slot)
{
    sbl_peer *p = sbl_peer_at(s, slot);

    while (p->gives || p->takes) {
        const uint32_t move = p->gives ? p->gives : p->takes, spread = move_at(s, move)->spread;

        end_move(s, move);
        note(s, spread);
        look(s, spread);
    }
}

static int can_anybody_take(const sbl_scheduler *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++)
        if (may_take_any(sbl_peer_at(s, s->workers[i])))
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
        asked += give_by_all(s, number);
        if (spread_at(s, number)->is_lacking) {
            asked += s->n_workers; /* that were asked in vain */
            be_last(s, number);
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
        if (spread_at(s, number)->task && is_to_be_had(sbl_task_at(s, spread_at(s, number)->task)) &&
            (sbl_copy_is_at(s, spread_at(s, number)->task, worker) || move_to(s, number, worker)))
            sum += sbl_task_at(s, spread_at(s, number)->task)->size;
    return sum;
}

static const char *check_moves(const sbl_scheduler *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++) {
        const sbl_peer *w     = sbl_peer_at(s, s->workers[i]);
        uint32_t        gives = 0, takes = 0;

        for (uint32_t m = w->gives; m; m = move_at(s, m)->gnext)
            gives += move_at(s, m)->spread && move_at(s, m)->from == s->workers[i];
        for (uint32_t m = w->takes; m; m = move_at(s, m)->tnext)
            takes += move_at(s, m)->spread && move_at(s, m)->to == s->workers[i];
        if (gives != w->n_gives || takes != w->n_takes || gives > MOST_GIVEN || takes > MOST_TAKEN)
            return "a worker gives or takes other values than is counted";
        if (w->copied != copied_by(s, s->workers[i]))
            return "a worker has copies of another size than is counted";
    }
    return NULL;
}

const char *sbl_spread_check(const sbl_scheduler *s)
{
    for (uint32_t number = 1; number < s->spreads.fresh; number++) {
        const sbl_sspread *sp = spread_at(s, number);
        uint32_t           n  = 0;

        if (!sp->task)
            continue;
        for (uint32_t m = sp->moves; m; m = move_at(s, m)->next)
            n += move_at(s, m)->spread == number;
        if (find(s, sp->task) != number)
            return "copies are wanted of a task that does not know of it";
        if (n != sp->n_moves || sp->n != count(s, sbl_task_at(s, sp->task)))
            return "a value has another number of copies than is counted";
        if ((int)sp->is_lacking != lacks(s, sp))
            return "it is not known that copies are lacking";
    }
    return check_moves(s);
}

const char *sbl_spread_check_ticked(const sbl_scheduler *s)
{
    for (uint32_t number = s->first_lacking; number; number = spread_at(s, number)->next) {
        int gives = 0, takes = 0;

        for (uint32_t slot = 1; slot < s->peers.fresh && !gives; slot++)
            gives = sbl_peer_at(s, slot)->number && may_give(s, slot) && can_give(s, spread_at(s, number)->task, slot);
        for (uint32_t i = 0; i < s->n_workers && gives && !takes; i++)
            takes = may_take(s, number, s->workers[i]);
        if (takes)
            return "a value has too few copies, though one could give it and another take it";
    }
    return NULL;
}
