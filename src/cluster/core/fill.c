/*
 * What workers are sent. A worker has little more than it works at: for each thread one task, and one more; of short ones as
 * many as take it some milliseconds. Of these it is sent those that depend on what it makes itself, ahead. Who has nothing to do
 * takes from who has too much.
 */
#include "cluster/core/place.h"

enum { TRIED = 4, MOST_IN_FRONTIER = 256 };

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* How many of its inputs are not done; that worker makes all of them, or -1. */
static int32_t missing_from(const sbl_scheduler *s, const sbl_stask *t, uint32_t worker)
{
    int32_t n = 0;

    for (uint32_t e = t->inputs; e; e = sbl_edge_at(s, e)->next_input) {
        const sbl_stask *in = sbl_task_at(s, sbl_edge_at(s, e)->input);

        if (in->state == SBL_T_DONE)
            continue;
        if (in->state != SBL_T_SENT || in->worker != worker)
            return -1;
        n++;
    }
    return n;
}

/* Who gave it may be asked again if somebody who had nothing to do gets it; else the same would go round and round, with what is sent
   ahead of it. */
static void note_giver(sbl_scheduler *s, sbl_stask *t, uint32_t worker)
{
    if (!(t->flags & SBL_WAS_GIVEN)) {
        if (!t->missing)
            sbl_peer_at(s, worker)->has_given = 0; /* it has something new */
        return;
    }
    t->flags &= (uint8_t)~SBL_WAS_GIVEN;
    if (t->giver == worker || sbl_is_busy(sbl_peer_at(s, worker)))
        return;
    sbl_peer_at(s, t->giver)->n_moved++;
    sbl_peer_at(s, t->giver)->has_given = 0;
    sbl_may_fill(s, t->giver);
}

static void send(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_peer  *w = sbl_peer_at(s, worker);

    note_giver(s, t, worker);
    sbl_post(s, SBL_E_SEND, task, 0, 0);
    sbl_settle(s);
    t->worker   = worker;
    t->was_sent = 1;
    if (!w->n_sent++)
        w->moved_ns = s->now_ns;
    w->n_ahead += t->missing != 0;
    w->promised += sbl_size_of(s, t);
    s->n_sent++;
    if (sbl_rule_of(s, t))
        sbl_rule_take(s, t, worker);
    sbl_tasks_add(s, &w->sent, task);
    sbl_order_send(s, task, worker);
    if (t->dependents && !sbl_ring_add(&w->frontier, (uint64_t)task << 32 | t->attempt))
        s->no_memory = 1;
}

void sbl_unsend(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_peer  *w = sbl_peer_at(s, t->worker);

    sbl_tasks_remove(s, &w->sent, task);
    w->n_sent--;
    w->n_ahead -= t->missing != 0;
    w->promised -= sbl_size_of(s, t);
    if (sbl_rule_of(s, t))
        sbl_rule_give(s, t);
    sbl_may_fill(s, t->worker);
}

/* Tasks of others than that client: if chains of its went on by themselves, those would not get their turn. */
static int others_wait(const sbl_scheduler *s, uint32_t client)
{
    return s->roots && (s->roots != client || sbl_peer_at(s, client)->next_roots != client);
}

/* Any worker may run it, and one has to. */
static int may_be_sent_ahead(const sbl_scheduler *s, const sbl_stask *t)
{
    return !sbl_rule_of(s, t) && !(t->flags & SBL_ENDS_ALONE);
}

/* Those that wait for one of its tasks, and for nothing that it does not make; some of them, as others want to help with many.
   0: there is no room for more. */
static int send_ahead_of(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    int n = 0;

    for (uint32_t e = sbl_task_at(s, task)->dependents; e && n < SBL_LOOKED_AT; e = sbl_edge_at(s, e)->next, n++) {
        const uint32_t   owner = sbl_edge_at(s, e)->owner;
        const sbl_stask *d     = sbl_task_at(s, owner);

        if (d->state != SBL_T_WAITING || d->missing > SBL_LOOKED_AT || !may_be_sent_ahead(s, d) ||
            others_wait(s, d->client) || missing_from(s, d, worker) <= 0)
            continue;
        if (w->n_ahead >= (uint32_t)w->threads && !sbl_fits(w, w->n_ahead, sbl_cost_of(s, d)))
            return 0;
        send(s, owner, worker);
    }
    return 1;
}

void sbl_may_send_ahead(sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t = sbl_task_at(s, task);
    sbl_peer        *w = sbl_peer_at(s, t->worker);

    if (w->frontier.n >= MOST_IN_FRONTIER || !sbl_ring_add(&w->frontier, (uint64_t)task << 32 | t->attempt))
        return; /* then it is sent when its input is there */
    sbl_may_fill(s, t->worker);
}

static void send_ahead(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);
    uint64_t  item;

    while (w->frontier.n) {
        const uint64_t   first = w->frontier.items[w->frontier.first];
        const sbl_stask *t     = sbl_task_at(s, (uint32_t)(first >> 32));

        if (t->state == SBL_T_SENT && t->worker == worker && t->attempt == (uint32_t)first &&
            !send_ahead_of(s, (uint32_t)(first >> 32), worker))
            break;
        sbl_ring_take(&w->frontier, &item);
    }
}

/* Results of others fill its memory. If all that it has waits for other tasks, it may have more: it would never have room otherwise. */
int sbl_has_memory_for(const sbl_peer *w, uint64_t size)
{
    const uint64_t most = w->limit / 5 * 4, has = w->managed + w->promised;

    return !w->limit || sbl_n_runnable(w) <= (uint32_t)w->spare || (has <= most && size <= most - has);
}

/* The next task of the client whose turn it is; if that worker has no memory for it, of one of those whose turn is next. */
static uint32_t next_root(const sbl_scheduler *s, const sbl_peer *w, int32_t *priority)
{
    uint32_t client = s->roots;

    for (int i = 0; client && i < TRIED; i++) {
        const uint32_t root = sbl_squeue_first(&sbl_peer_at(s, client)->roots, priority);

        if (sbl_has_memory_for(w, sbl_size_of(s, sbl_task_at(s, root))))
            return root;
        client = sbl_peer_at(s, client)->next_roots;
    }
    return 0;
}

/* Whose queue a task comes from. */
enum { FROM_OWN, FROM_CLIENT, FROM_RULE };

/* The next of what any worker may run, from its own queue or a client's; 0: there is none. Of one client's tasks the more urgent goes
   first, and what ends something before what begins it; of two clients' the one that did not have the last turn. */
static uint32_t next_for_any(const sbl_scheduler *s, const sbl_peer *w, int *from, int32_t *priority)
{
    int32_t        own_priority = 0, root_priority = 0;
    const uint32_t own = sbl_squeue_first(&w->ready, &own_priority), root = next_root(s, w, &root_priority);
    const int      both = own && root;
    int            is_root;

    if (both && sbl_task_at(s, own)->client != sbl_task_at(s, root)->client)
        is_root = w->had_own;
    else
        is_root = root && (!own || root_priority > own_priority);
    *from     = is_root ? FROM_CLIENT : FROM_OWN;
    *priority = is_root ? root_priority : own_priority;
    return is_root ? root : own;
}

/* The next task for a worker. What others may not run goes first if it is not less urgent, and if another client's, in turn. */
static uint32_t next_for(const sbl_scheduler *s, const sbl_peer *w, int *from)
{
    int32_t        priority, ruled_priority;
    const uint32_t any   = next_for_any(s, w, from, &priority);
    const uint32_t ruled = w->seats ? sbl_rule_next(s, w, &ruled_priority) : 0;

    if (!ruled)
        return any;
    if (any &&
        (sbl_task_at(s, any)->client == sbl_task_at(s, ruled)->client ? priority > ruled_priority : w->had_ruled))
        return any;
    *from = FROM_RULE;
    return ruled;
}

/* Whose turn it was when that task was taken. */
static void note_turn(sbl_scheduler *s, sbl_peer *w, uint32_t task, int from)
{
    const uint32_t client = sbl_task_at(s, task)->client;

    w->had_ruled = from == FROM_RULE;
    if (from != FROM_RULE)
        w->had_own = from == FROM_OWN;
    if (from == FROM_CLIENT || client == s->roots)
        s->roots = sbl_peer_at(s, from == FROM_CLIENT ? client : s->roots)->next_roots;
}

static int has_room(const sbl_scheduler *s, const sbl_peer *w, uint32_t task, int from)
{
    const double cost = sbl_cost_of(s, sbl_task_at(s, task));

    return from == FROM_RULE ? sbl_has_room_for_ruled(w, cost) : sbl_has_room(w, cost);
}

/* The next of those who have too much; those who do not any more leave the list. 0: there is none. */
static uint32_t next_rich(sbl_scheduler *s, uint32_t but)
{
    uint32_t worker;

    while ((worker = s->first_rich)) {
        sbl_rich_remove(s, worker);
        if (worker == but || !sbl_has_to_spare(sbl_peer_at(s, worker)))
            continue;
        sbl_rich_add(s, worker); /* behind the others, whose turn is first next time */
        return worker;
    }
    return 0;
}

/* Whether that worker had better have a task which waits in another's queue. */
static int pays(const sbl_scheduler *s, uint32_t task, const sbl_peer *other, uint32_t worker)
{
    const sbl_stask *t    = sbl_task_at(s, task);
    const double     cost = sbl_guess_ns(s, t);

    return sbl_wait_ns(s, other, cost) >= 2 * sbl_price_ns(s, t, worker, cost);
}

/* The first in another's queue, if it would not begin soon there, and it pays. 0: there is none. */
static uint32_t first_that_pays(const sbl_scheduler *s, uint32_t other, uint32_t worker)
{
    const sbl_peer *v    = sbl_peer_at(s, other);
    const uint32_t  task = sbl_squeue_first(&v->ready, &(int32_t){0});

    return task && pays(s, task, v, worker) ? task : 0;
}

/* What one that had nothing to do takes from another's queue. */
typedef struct lot {
    uint32_t other, left;
} lot;

/* After the first, of short ones as many as it has room for, up to half of that queue: else each would cost a round trip. */
static uint32_t take_more(const sbl_scheduler *s, uint32_t worker, lot *l)
{
    const uint32_t task = l->left ? first_that_pays(s, l->other, worker) : 0;

    if (!task || !sbl_has_time(sbl_peer_at(s, worker), sbl_cost_of(s, sbl_task_at(s, task))))
        return 0;
    l->left--;
    return task;
}

static uint32_t take_from_other(sbl_scheduler *s, uint32_t worker, lot *l)
{
    if (sbl_is_busy(sbl_peer_at(s, worker)))
        return take_more(s, worker, l);
    for (int i = 0; i < TRIED; i++) {
        const uint32_t other = next_rich(s, worker), task = other ? first_that_pays(s, other, worker) : 0;

        if (!other)
            return 0;
        if (task) {
            *l = (lot){other, sbl_peer_at(s, other)->ready.n / 2};
            return task;
        }
    }
    return 0;
}

/* Asks one to give back half of what it has not begun, and would not soon. */
static void ask_other(sbl_scheduler *s, uint32_t worker)
{
    for (int i = 0; i < TRIED; i++) {
        const uint32_t other = next_rich(s, worker);
        sbl_peer      *v     = other ? sbl_peer_at(s, other) : NULL;
        uint32_t       excess;

        if (!other)
            return;
        excess = sbl_n_to_give(v);
        if (!excess || v->is_asked || v->has_given || !sbl_may_have_work(v))
            continue;
        v->is_asked = 1;
        v->asked_ns = s->now_ns;
        if (!v->ready.n)
            sbl_rich_remove(s, other);
        sbl_say_u32(sbl_letter_to(s, other, SBL_LETTER_GIVE), (excess + 1) / 2);
        return;
    }
}

/* How many of what has no place yet a worker may have before its threads need them: so that all get some of the last ones, and none
   of them one more while another, whose turn is next, has nothing. */
static uint64_t share_of_roots(const sbl_scheduler *s)
{
    return s->n_roots / (2 * (uint64_t)s->n_workers) + !s->first_fill;
}

/* What it has room for. Returns whether something that not all may run took the room of what any may, or is to have the next. */
static int send_some(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w     = sbl_peer_at(s, worker);
    uint64_t  share = share_of_roots(s);
    int       ruled = 0;
    lot       l     = {0, 0};

    for (;;) {
        int      from;
        uint32_t task = next_for(s, w, &from);

        if (!task)
            task = take_from_other(s, worker, &l);
        if (!task)
            break;
        ruled |= from == FROM_RULE;
        if (!has_room(s, w, task, from) || (from == FROM_CLIENT && sbl_is_busy(w) && !share--))
            break;
        note_turn(s, w, task, from);
        send(s, task, worker);
    }
    return ruled;
}

static void fill(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer      *w     = sbl_peer_at(s, worker);
    const uint32_t had   = w->n_sent;
    const int      ruled = send_some(s, worker);

    if (w->n_sent > had && (s->n_roots || s->first_rich)) /* it was called for more than it took, perhaps */
        sbl_feed_one(s);
    send_ahead(s, worker);
    sbl_hungry_remove(s, worker);
    if (sbl_has_to_spare(w)) { /* and so does not count as hungry: two such would feed each other for ever */
        sbl_rich_add(s, worker);
        sbl_feed_one(s);
    } else if (!ruled && sbl_n_runnable(w) <= sbl_places_of(w)) {
        sbl_hungry_add(s, worker);
    }
    if (ruled) /* perhaps it was called for what others may have; nor does it count as hungry */
        sbl_feed_one(s);
    sbl_seats_note(s, worker);
    if (!sbl_is_busy(w) && sbl_has_memory_for(w, 0))
        ask_other(s, worker);
}

/* It may have that task as well as the one whose turn it is. */
static int are_alike(const sbl_scheduler *s, const sbl_stask *a, const sbl_stask *b)
{
    return sbl_rule_of(s, a) == sbl_rule_of(s, b) && a->client == b->client &&
           sbl_priority_of(s, a) == sbl_priority_of(s, b);
}

/* Nobody has nothing to do while this one has something, as far as a few tell; and it has memory for it. */
static int is_next(const sbl_scheduler *s, const sbl_stask *t, const sbl_peer *w)
{
    uint32_t other = s->first_fill;

    if (!sbl_has_memory_for(w, sbl_size_of(s, t)))
        return 0;
    if (!sbl_is_busy(w))
        return 1;
    for (int i = 0; other && i < TRIED; i++, other = sbl_peer_at(s, other)->next_fill)
        if (sbl_may_have_work(sbl_peer_at(s, other)) && !sbl_is_busy(sbl_peer_at(s, other)))
            return 0;
    return !s->first_hungry || sbl_is_busy(sbl_peer_at(s, s->first_hungry));
}

static void send_near(sbl_scheduler *s, uint32_t task, uint32_t attempt, uint32_t worker)
{
    const sbl_stask *t = sbl_task_at(s, task);
    sbl_peer        *w = sbl_peer_at(s, worker);
    uint32_t         next;
    int              from;

    if (t->state != SBL_T_READY || t->attempt != attempt || !sbl_may_have_work(w))
        return; /* who rests has had another called in its place (idle.c) */
    next = next_for(s, w, &from);
    if (!next || from == FROM_OWN || !are_alike(s, sbl_task_at(s, next), t) || !has_room(s, w, task, from) ||
        (from == FROM_CLIENT && !is_next(s, t, w))) {
        if (!sbl_rule_of(s, t)) /* of what not all may run, it is looked at when this one is filled */
            sbl_feed_one(s);
        return;
    }
    note_turn(s, w, task, from);
    send(s, task, worker);
    if (from == FROM_CLIENT)
        return;
    sbl_hungry_remove(s, worker); /* perhaps it was called for what others may have */
    sbl_feed_one(s);
}

/* What was noted down for who has its inputs (near.c), before anybody gets anything. */
static void send_all_near(sbl_scheduler *s)
{
    uint64_t item, worker;

    while (sbl_ring_take(&s->near, &item) && sbl_ring_take(&s->near, &worker))
        send_near(s, (uint32_t)(item >> 32), (uint32_t)item, (uint32_t)worker);
}

void sbl_fill_workers(sbl_scheduler *s)
{
    for (send_all_near(s); s->first_fill; send_all_near(s)) {
        const uint32_t worker = s->first_fill;
        sbl_peer      *w      = sbl_peer_at(s, worker);
        uint32_t       first;

        s->first_fill = w->next_fill;
        w->to_fill    = 0;
        if (sbl_may_have_work(w))
            fill(s, worker);
        else if (sbl_is_there(w) && (first = sbl_rule_next_first(s, w)))
            send(s, first, worker);
    }
}
