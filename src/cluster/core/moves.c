/*
 * Copies that are lacking, and who gives them to whom: each that has one gives it to at most two others at a time, and who got it
 * gives it on. What is lacking stands in a list, and has its turn.
 */
#include "cluster/core/moves.h"

enum { MOST_GIVEN = 2, MOST_TAKEN = 2, TRIED = 4, SOME = 8 };
enum { SHARE = 2 }; /* copies take one part of so many of a worker's memory */

/* --- moves -------------------------------------------------------------------------------------------------------- */

static void unlink_from(sbl_scheduler *s, uint32_t *first, uint32_t number, size_t field)
{
    while (*first != number)
        first = (uint32_t *)((char *)sbl_move_at(s, *first) + field);
    *first = *(uint32_t *)((char *)sbl_move_at(s, number) + field);
}

uint32_t sbl_move_end(sbl_scheduler *s, uint32_t number)
{
    sbl_smove     *m    = sbl_move_at(s, number);
    sbl_sspread   *sp   = sbl_spread_at(s, m->spread);
    sbl_peer      *from = sbl_peer_at(s, m->from), *to = sbl_peer_at(s, m->to);
    const uint32_t giver = m->from;

    unlink_from(s, &from->gives, number, offsetof(sbl_smove, gnext));
    unlink_from(s, &to->takes, number, offsetof(sbl_smove, tnext));
    from->n_gives--;
    to->n_takes--;
    to->copied -= sbl_task_at(s, sp->task)->size;
    if (m->previous)
        sbl_move_at(s, m->previous)->next = m->next;
    else
        sp->moves = m->next;
    if (m->next)
        sbl_move_at(s, m->next)->previous = m->previous;
    sp->n_moves--;
    m->spread = 0;
    sbl_table_give(&s->moves, number);
    return giver;
}

uint32_t sbl_move_to(const sbl_scheduler *s, uint32_t spread, uint32_t worker)
{
    uint32_t number = sbl_peer_at(s, worker)->takes;

    while (number && sbl_move_at(s, number)->spread != spread)
        number = sbl_move_at(s, number)->tnext;
    return number;
}

/* --- what is lacking ---------------------------------------------------------------------------------------------- */

int sbl_is_to_be_had(const sbl_stask *t)
{
    return t->state == SBL_T_DONE && (t->at == SBL_AT_WORKERS || t->at == SBL_AT_CLIENT);
}

uint32_t sbl_spread_that_stay(const sbl_scheduler *s, const sbl_sspread *sp)
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

int sbl_spread_lacks(const sbl_scheduler *s, const sbl_sspread *sp)
{
    return sbl_is_to_be_had(sbl_task_at(s, sp->task)) && sbl_spread_that_stay(s, sp) + sp->n_moves < n_wanted(s, sp);
}

void sbl_spread_unlist(sbl_scheduler *s, sbl_sspread *sp)
{
    if (sp->previous)
        sbl_spread_at(s, sp->previous)->next = sp->next;
    else
        s->first_lacking = sp->next;
    if (sp->next)
        sbl_spread_at(s, sp->next)->previous = sp->previous;
    else
        s->last_lacking = sp->previous;
    sp->is_lacking = 0;
}

static void enlist(sbl_scheduler *s, uint32_t number)
{
    sbl_sspread *sp = sbl_spread_at(s, number);

    sp->is_lacking = 1;
    sp->next       = 0;
    sp->previous   = s->last_lacking;
    if (s->last_lacking)
        sbl_spread_at(s, s->last_lacking)->next = number;
    else
        s->first_lacking = number;
    s->last_lacking = number;
}

void sbl_spread_be_last(sbl_scheduler *s, uint32_t number)
{
    sbl_spread_unlist(s, sbl_spread_at(s, number));
    enlist(s, number);
}

int sbl_spread_note(sbl_scheduler *s, uint32_t number)
{
    sbl_sspread *sp      = sbl_spread_at(s, number);
    const int    lacking = sbl_spread_lacks(s, sp);

    if (sp->is_lacking && !lacking)
        sbl_spread_unlist(s, sp);
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

int sbl_may_take_copies(const sbl_peer *w)
{
    return sbl_may_have_work(w) && w->n_takes < MOST_TAKEN && has_room_for(w, 0);
}

static int may_take(const sbl_scheduler *s, uint32_t number, uint32_t worker)
{
    const sbl_sspread *sp = sbl_spread_at(s, number);
    const sbl_peer    *w  = sbl_peer_at(s, worker);

    return sbl_may_take_copies(w) && has_room_for(w, sbl_task_at(s, sp->task)->size) &&
           !sbl_copy_is_at(s, sp->task, worker) && !sbl_move_to(s, number, worker);
}

/* Of a few, the one with the most room. */
static uint32_t roomy_taker(const sbl_scheduler *s, uint32_t number)
{
    const sbl_sspread *sp   = sbl_spread_at(s, number);
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
    sbl_sspread *sp     = sbl_spread_at(s, number);
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
    sbl_sspread   *sp     = sbl_spread_at(s, spread);
    const uint32_t to     = next_taker(s, spread);
    const uint32_t number = to ? sbl_table_take(&s->moves) : 0;
    sbl_peer      *giver, *taker;

    if (!number) /* or no memory: a tick tries again */
        return 0;
    giver                   = sbl_peer_at(s, from);
    taker                   = sbl_peer_at(s, to);
    *sbl_move_at(s, number) = (sbl_smove){
        .spread = spread, .from = from, .to = to, .next = sp->moves, .gnext = giver->gives, .tnext = taker->takes};
    if (sp->moves)
        sbl_move_at(s, sp->moves)->previous = number;
    sp->moves    = number;
    giver->gives = taker->takes = number;
    sp->n_moves++;
    giver->n_gives++;
    taker->n_takes++;
    taker->copied += sbl_task_at(s, sp->task)->size;
    sbl_order_fetch(s, sp->task, from, to);
    sbl_spread_note(s, spread);
    return 1;
}

int sbl_spread_give(sbl_scheduler *s, uint32_t spread, uint32_t from)
{
    while (may_give(s, from) && sbl_spread_lacks(s, sbl_spread_at(s, spread)))
        if (!begin_move(s, spread, from))
            return 0;
    return 1;
}

uint32_t sbl_spread_give_by_all(sbl_scheduler *s, uint32_t spread)
{
    const uint32_t   task = sbl_spread_at(s, spread)->task;
    const sbl_stask *t    = sbl_task_at(s, task);
    uint32_t         n    = 1;

    if (t->at == SBL_AT_WORKERS && !sbl_spread_give(s, spread, t->worker))
        return n;
    if (t->at == SBL_AT_CLIENT && !t->copies)
        sbl_spread_give(s, spread, t->client);
    for (uint32_t copy = t->copies; copy && sbl_spread_at(s, spread)->is_lacking; copy = sbl_copy_next(s, copy), n++)
        if (!sbl_spread_give(s, spread, sbl_copy_worker(s, copy)))
            return n;
    return n;
}

int sbl_may_give_copy(const sbl_scheduler *s, uint32_t task, uint32_t slot)
{
    const sbl_stask *t = sbl_task_at(s, task);

    return sbl_copy_is_at(s, task, slot) || (t->at == SBL_AT_CLIENT && !t->copies && t->client == slot);
}

void sbl_spread_give_others(sbl_scheduler *s, uint32_t from)
{
    const uint32_t last   = s->last_lacking;
    uint32_t       number = 0;

    for (int i = 0; s->first_lacking && number != last && i < SOME && may_give(s, from); i++) {
        number = s->first_lacking;
        if (sbl_may_give_copy(s, sbl_spread_at(s, number)->task, from))
            sbl_spread_give(s, number, from);
        if (sbl_spread_at(s, number)->is_lacking)
            sbl_spread_be_last(s, number);
    }
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

const char *sbl_moves_check(const sbl_scheduler *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++) {
        const sbl_peer *w     = sbl_peer_at(s, s->workers[i]);
        uint32_t        gives = 0, takes = 0;

        for (uint32_t m = w->gives; m; m = sbl_move_at(s, m)->gnext)
            gives += sbl_move_at(s, m)->spread && sbl_move_at(s, m)->from == s->workers[i];
        for (uint32_t m = w->takes; m; m = sbl_move_at(s, m)->tnext)
            takes += sbl_move_at(s, m)->spread && sbl_move_at(s, m)->to == s->workers[i];
        if (gives != w->n_gives || takes != w->n_takes || gives > MOST_GIVEN || takes > MOST_TAKEN)
            return "a worker gives or takes other values than is counted";
    }
    return NULL;
}

const char *sbl_spread_check_ticked(const sbl_scheduler *s)
{
    for (uint32_t number = s->first_lacking; number; number = sbl_spread_at(s, number)->next) {
        int gives = 0, takes = 0;

        for (uint32_t slot = 1; slot < s->peers.fresh && !gives; slot++)
            gives = sbl_peer_at(s, slot)->number && may_give(s, slot) &&
                    sbl_may_give_copy(s, sbl_spread_at(s, number)->task, slot);
        for (uint32_t i = 0; i < s->n_workers && gives && !takes; i++)
            takes = may_take(s, number, s->workers[i]);
        if (takes)
            return "a value has too few copies, though one could give it and another take it";
    }
    return NULL;
}
