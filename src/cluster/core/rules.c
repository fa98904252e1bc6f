/*
 * What not all workers may run. A task whose spec names workers, or takes resources, has a rule: its queue is where such tasks wait,
 * its seats are the workers that may run them. A worker looks at the rules that seat it whenever it has room; who finds nothing there
 * and would take something is one of the rule's open seats, so that no worker is ever looked for. A worker's resources are taken
 * from when a task is sent, until it has left, however it ends.
 *
 * Such tasks are never sent ahead and never wait in a worker's own queue: only who may run them ever has them.
 */
#include <string.h>

#include "base/error.h"
#include "cluster/core/hear.h"
#include "cluster/core/place.h"

/* --- rules -------------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const sbl_spec *spec)
{
    uint32_t h = 5381;

    for (const char *c = spec->workers; *c; c++)
        h = h * 33 + (unsigned char)*c;
    for (const char *c = spec->resources; *c; c++)
        h = h * 31 + (unsigned char)*c;
    return (h ^ h >> 16) % SBL_RULE_HASHES;
}

/* It is called so, or its host is, and it has as much at all. */
static int may_run(const sbl_srule *r, const sbl_peer *w)
{
    if (r->only)
        return r->only == w->number;
    if (!w->name || sbl_has_refused(r, w) ||
        (r->workers[0] && !sbl_names_have(r->workers, w->name) && !sbl_names_have(r->workers, w->host)))
        return 0;
    return sbl_amounts_cover(&w->resources, &r->needs);
}

static void add_seat(sbl_scheduler *s, uint32_t rule, uint32_t worker)
{
    sbl_srule     *r    = sbl_rule_at(s, rule);
    const uint32_t seat = sbl_table_take(&s->seats);

    if (!seat) {
        s->no_memory = 1;
        return;
    }
    *sbl_seat_at(s, seat) =
        (sbl_sseat){.worker = worker, .rule = rule, .next = r->seats, .wnext = sbl_peer_at(s, worker)->seats};
    if (r->seats)
        sbl_seat_at(s, r->seats)->previous = seat;
    r->seats = sbl_peer_at(s, worker)->seats = seat;
    r->n_seats++;
}

static void seat_if_it_may(sbl_scheduler *s, uint32_t rule, uint32_t worker)
{
    if (may_run(sbl_rule_at(s, rule), sbl_peer_at(s, worker)))
        add_seat(s, rule, worker);
}

/* With one reference, and no seats. 0: no memory. */
static uint32_t new_rule(sbl_scheduler *s, const sbl_spec *spec)
{
    const uint32_t rule = sbl_table_take(&s->rules);
    sbl_srule     *r    = rule ? sbl_rule_at(s, rule) : NULL;

    if (!rule)
        return 0;
    memset(r, 0, sizeof *r);
    r->workers = sbl_two_texts_keep(spec->workers, spec->resources, &r->resources);
    if (!r->workers) {
        sbl_table_give(&s->rules, rule);
        return 0;
    }
    r->refs = 1;
    return rule;
}

static uint32_t make_rule(sbl_scheduler *s, const sbl_spec *spec, const sbl_amounts *needs, uint32_t hash)
{
    const uint32_t rule = new_rule(s, spec);
    sbl_srule     *r    = rule ? sbl_rule_at(s, rule) : NULL;

    if (!rule)
        return 0;
    r->needs               = *needs;
    r->next                = s->rules_by_hash[hash];
    s->rules_by_hash[hash] = rule;
    sbl_rule_seat(s, rule);
    return rule;
}

int64_t sbl_rule_find(sbl_scheduler *s, const sbl_spec *spec, const char **wrong)
{
    const uint32_t hash = hash_of(spec);
    sbl_amounts    needs;
    uint32_t       rule;

    if (!spec->workers[0] && !spec->resources[0])
        return 0;
    for (rule = s->rules_by_hash[hash]; rule; rule = sbl_rule_at(s, rule)->next) {
        sbl_srule *r = sbl_rule_at(s, rule);

        if (!strcmp(r->workers, spec->workers) && !strcmp(r->resources, spec->resources)) {
            r->refs++;
            return rule;
        }
    }
    if (sbl_names_check(spec->workers, "", NULL) || sbl_amounts_read(&needs, spec->resources, "", NULL)) {
        *wrong = "a kind of task may run where nobody understands";
        return -1;
    }
    rule = make_rule(s, spec, &needs, hash);
    return rule ? (int64_t)rule : -1;
}

uint32_t sbl_spec_of_its_own(sbl_scheduler *s, uint32_t spec, const char *workers, const char *resources)
{
    sbl_spec       its   = sbl_spec_at(s, spec)->spec;
    const uint32_t again = sbl_table_take(&s->specs);
    const uint32_t rule  = again ? new_rule(s, &(sbl_spec){.workers = workers, .resources = resources}) : 0;

    if (!rule || !sbl_spec_keep_texts(&its)) {
        s->no_memory = 1; /* and so it is no matter what is left */
        return 0;
    }
    sbl_rule_at(s, rule)->is_own = 1;
    *sbl_spec_at(s, again)       = (sbl_sspec){.refs = 1, .spec = its, .rule = rule};
    return again;
}

uint32_t sbl_spec_for(sbl_scheduler *s, uint32_t spec, uint32_t worker, int is_first)
{
    const sbl_peer *w     = sbl_peer_at(s, worker);
    const uint32_t  again = sbl_spec_of_its_own(s, spec, w->name ? w->name : "without a name", "");
    const uint32_t  rule  = again ? sbl_spec_at(s, again)->rule : 0;

    if (!again)
        return 0;
    sbl_rule_at(s, rule)->only     = w->number;
    sbl_rule_at(s, rule)->is_first = (uint32_t)is_first;
    add_seat(s, rule, worker);
    sbl_may_fill(s, worker);
    return again;
}

static void end_rule(sbl_srule *r)
{
    sbl_free(r->workers);
    sbl_free(r->full);
    sbl_squeue_clear(&r->ready);
    r->workers = NULL;
}

/* --- seats -------------------------------------------------------------------------------------------------------- */

static void close_seat(sbl_scheduler *s, uint32_t seat)
{
    sbl_sseat *e = sbl_seat_at(s, seat);

    if (!e->is_open)
        return;
    e->is_open = 0;
    if (e->previous_open)
        sbl_seat_at(s, e->previous_open)->next_open = e->next_open;
    else
        sbl_rule_at(s, e->rule)->open = e->next_open;
    if (e->next_open)
        sbl_seat_at(s, e->next_open)->previous_open = e->previous_open;
}

static void open_seat(sbl_scheduler *s, uint32_t seat)
{
    sbl_sseat *e = sbl_seat_at(s, seat);
    sbl_srule *r = sbl_rule_at(s, e->rule);

    if (e->is_open)
        return;
    e->is_open       = 1;
    e->previous_open = 0;
    e->next_open     = r->open;
    if (r->open)
        sbl_seat_at(s, r->open)->previous_open = seat;
    r->open = seat;
}

/* Out of the list of its rule; that of its worker is the caller's. */
static void end_seat(sbl_scheduler *s, uint32_t seat)
{
    sbl_sseat *e = sbl_seat_at(s, seat);
    sbl_srule *r = sbl_rule_at(s, e->rule);

    close_seat(s, seat);
    if (e->previous)
        sbl_seat_at(s, e->previous)->next = e->next;
    else
        r->seats = e->next;
    if (e->next)
        sbl_seat_at(s, e->next)->previous = e->previous;
    r->n_seats--;
    sbl_table_give(&s->seats, seat);
}

/* Nobody is left who may run its tasks, nor will be. */
static int is_over(const sbl_srule *r)
{
    return !r->seats && (r->only || r->n_full);
}

static void cancel_for_gone(sbl_scheduler *s, uint32_t task)
{
    sabal_error      err = SABAL_ERROR_INIT;
    const sbl_stask *t   = sbl_task_at(s, task);
    const sbl_srule *r   = sbl_rule_at(s, sbl_rule_of(s, t));

    if (r->n_full) { /* all have refused */
        sbl_post(s, SBL_E_CANCEL, task, 0, sbl_sfailure_retain(s, r->why_full));
        return;
    }
    sbl_error_set(&err, SABAL_EPEER, "worker '%.64s' is gone, and it was to run there", r->workers);
    sbl_sign(s, t, &err);
    sbl_post(s, SBL_E_CANCEL, task, 0, sbl_sfailure_make(s, &err));
}

/* The only one that may run them is gone. */
static void end_tasks(sbl_scheduler *s, uint32_t rule)
{
    const sbl_squeue *q = &sbl_rule_at(s, rule)->ready;

    for (uint32_t i = 0; i < q->n_levels; i++)
        for (uint32_t task = q->levels[i].first; task; task = sbl_task_at(s, task)->next)
            cancel_for_gone(s, task);
}

void sbl_seats_begin(sbl_scheduler *s, uint32_t worker)
{
    for (uint32_t rule = 1; rule < s->rules.fresh && !s->no_memory; rule++)
        if (sbl_rule_at(s, rule)->refs)
            seat_if_it_may(s, rule, worker);
}

void sbl_seats_end(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    while (w->seats) {
        const uint32_t   seat = w->seats, rule = sbl_seat_at(s, seat)->rule;
        const sbl_srule *r = sbl_rule_at(s, rule);

        w->seats = sbl_seat_at(s, seat)->wnext;
        end_seat(s, seat);
        if (!r->seats && r->only)
            end_tasks(s, rule);
        else if (!r->seats && r->n_full)
            sbl_refusals_end(s, rule); /* it might have had room, and comes again perhaps: all are asked once more */
    }
}

static void leave_worker(sbl_scheduler *s, uint32_t seat)
{
    uint32_t *link = &sbl_peer_at(s, sbl_seat_at(s, seat)->worker)->seats;

    while (*link != seat)
        link = &sbl_seat_at(s, *link)->wnext;
    *link = sbl_seat_at(s, seat)->wnext;
}

/* Whether it has tasks that go before all others, but for those of that rule, which has none any more. */
static void look_whether_new(sbl_scheduler *s, uint32_t worker, uint32_t but)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    w->is_new = 0;
    for (uint32_t seat = w->seats; seat; seat = sbl_seat_at(s, seat)->wnext)
        w->is_new |= sbl_seat_at(s, seat)->rule != but && sbl_rule_at(s, sbl_seat_at(s, seat)->rule)->is_first;
    sbl_may_fill(s, worker);
}

/* Out of those with the same hash. */
static void unlink_rule(sbl_scheduler *s, uint32_t rule)
{
    const sbl_srule *r    = sbl_rule_at(s, rule);
    uint32_t        *link = &s->rules_by_hash[hash_of(&(sbl_spec){.workers = r->workers, .resources = r->resources})];

    while (*link != rule)
        link = &sbl_rule_at(s, *link)->next;
    *link = r->next;
}

void sbl_rule_release(sbl_scheduler *s, uint32_t rule)
{
    sbl_srule *r = sbl_rule_at(s, rule);

    if (--r->refs)
        return;
    if (!r->is_own)
        unlink_rule(s, rule);
    sbl_sfailure_release(s, r->why_full);
    while (r->seats) {
        if (r->is_first)
            look_whether_new(s, sbl_seat_at(s, r->seats)->worker, rule);
        leave_worker(s, r->seats);
        end_seat(s, r->seats);
    }
    end_rule(r);
    sbl_table_give(&s->rules, rule);
}

void sbl_rule_seat(sbl_scheduler *s, uint32_t rule)
{
    sbl_srule *r = sbl_rule_at(s, rule);

    while (r->seats) {
        leave_worker(s, r->seats);
        end_seat(s, r->seats);
    }
    for (uint32_t i = 0; i < s->n_workers; i++) {
        seat_if_it_may(s, rule, s->workers[i]);
        sbl_may_fill(s, s->workers[i]); /* so that it is one of the open */
    }
}

void sbl_rules_end(sbl_scheduler *s)
{
    for (uint32_t rule = 1; rule < s->rules.fresh; rule++)
        if (sbl_rule_at(s, rule)->refs)
            end_rule(sbl_rule_at(s, rule));
    sbl_table_clear(&s->rules);
    sbl_table_clear(&s->seats);
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

/* One of those who would take a task may have it now. */
static void feed_one(sbl_scheduler *s, sbl_srule *r)
{
    while (r->open) {
        const uint32_t worker = sbl_seat_at(s, r->open)->worker;

        close_seat(s, r->open);
        if (!sbl_may_have_work(sbl_peer_at(s, worker)))
            continue; /* it looks by itself when it may again */
        sbl_may_fill(s, worker);
        return;
    }
}

void sbl_rule_place(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);
    sbl_srule *r = sbl_rule_at(s, sbl_rule_of(s, t));

    t->worker = 0;
    if (!sbl_squeue_add(s, &r->ready, task, sbl_priority_of(s, t),
                        t->was_sent || t->inputs ? SBL_FOREMOST : SBL_BEHIND))
        s->no_memory = 1;
    sbl_peer_at(s, t->client)->n_ruled_ready++;
    if (is_over(r))
        cancel_for_gone(s, task);
    else if (r->is_first)
        sbl_may_fill(s, sbl_seat_at(s, r->seats)->worker);
    else if (!sbl_near_place(s, task))
        feed_one(s, r);
}

void sbl_rule_unplace(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    sbl_squeue_remove(s, &sbl_rule_at(s, sbl_rule_of(s, t))->ready, task, sbl_priority_of(s, t));
    sbl_peer_at(s, t->client)->n_ruled_ready--;
}

uint32_t sbl_rule_next_first(const sbl_scheduler *s, const sbl_peer *w)
{
    uint32_t first = 0;

    /* The newest seat is the first of its list. */
    for (uint32_t seat = w->n_sent ? 0 : w->seats; seat; seat = sbl_seat_at(s, seat)->wnext) {
        const sbl_srule *r    = sbl_rule_at(s, sbl_seat_at(s, seat)->rule);
        const uint32_t   task = r->is_first ? sbl_squeue_first(&r->ready, &(int32_t){0}) : 0;

        first = task ? task : first;
    }
    return first;
}

static int share_a_name(const sbl_amounts *a, const sbl_amounts *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (sbl_amounts_find((sbl_amounts *)b, a->of[i].name))
            return 1;
    return 0;
}

/* The seat whose rule's first task is the most urgent, of those the one that has waited longest for a turn; 0: none. but: nothing that
   takes of what this one needs, nor what is lacking. */
static uint32_t best_seat(const sbl_scheduler *s, const sbl_peer *w, const sbl_srule *but, int32_t *priority)
{
    uint32_t best = 0;

    for (uint32_t seat = w->seats; seat; seat = sbl_seat_at(s, seat)->wnext) {
        const sbl_srule *r = sbl_rule_at(s, sbl_seat_at(s, seat)->rule);
        int32_t          its;
        const uint32_t   task = sbl_squeue_first(&r->ready, &its);

        if (!task || (but && (!sbl_amounts_cover(&w->left, &r->needs) || share_a_name(&but->needs, &r->needs))))
            continue;
        if (!sbl_task_at(s, task)->inputs && !sbl_has_memory_for(w, sbl_size_of(s, sbl_task_at(s, task))))
            continue;
        if (!best || its > *priority || (its == *priority && sbl_seat_at(s, seat)->turn < sbl_seat_at(s, best)->turn)) {
            best      = seat;
            *priority = its;
        }
    }
    return best;
}

/* What is next and lacks something has it first when it comes free: else those who need less would always be before it. But where
   tasks wait for others, these may be what is waited for. */
uint32_t sbl_rule_next(const sbl_scheduler *s, const sbl_peer *w, int32_t *priority)
{
    static const sbl_srule NOBODY;
    uint32_t               seat = best_seat(s, w, NULL, priority);
    const sbl_srule       *r    = seat ? sbl_rule_at(s, sbl_seat_at(s, seat)->rule) : NULL;

    if (seat && !sbl_amounts_cover(&w->left, &r->needs))
        seat = best_seat(s, w, w->spare ? &NOBODY : r, priority);
    return seat ? sbl_squeue_first(&sbl_rule_at(s, sbl_seat_at(s, seat)->rule)->ready, priority) : 0;
}

/* Of each that the rule needs so much less; by -1: more. */
static void take_amounts(sbl_peer *w, const sbl_amounts *needs, int by)
{
    for (uint32_t i = 0; i < needs->n; i++) {
        sbl_amount *left = sbl_amounts_find(&w->left, needs->of[i].name);

        if (left) /* of what it does not have, nothing is needed */
            left->millionths -= (uint64_t)by * needs->of[i].millionths;
    }
}

void sbl_rule_take(sbl_scheduler *s, const sbl_stask *t, uint32_t worker)
{
    const uint32_t rule = sbl_rule_of(s, t);
    sbl_peer      *w    = sbl_peer_at(s, worker);

    w->n_ruled++;
    take_amounts(w, &sbl_rule_at(s, rule)->needs, 1);
    for (uint32_t seat = w->seats; seat; seat = sbl_seat_at(s, seat)->wnext)
        if (sbl_seat_at(s, seat)->rule == rule)
            sbl_seat_at(s, seat)->turn = s->n_sent;
}

void sbl_rule_give(sbl_scheduler *s, const sbl_stask *t)
{
    sbl_peer *w = sbl_peer_at(s, t->worker);

    w->n_ruled--;
    take_amounts(w, &sbl_rule_at(s, sbl_rule_of(s, t))->needs, -1);
}

void sbl_seats_note(sbl_scheduler *s, uint32_t worker)
{
    const sbl_peer *w = sbl_peer_at(s, worker);

    for (uint32_t seat = w->seats; seat; seat = sbl_seat_at(s, seat)->wnext) {
        sbl_srule *r = sbl_rule_at(s, sbl_seat_at(s, seat)->rule);

        close_seat(s, seat);
        if (r->ready.n)
            feed_one(s, r);
        else if (!sbl_is_busy(w) && sbl_amounts_cover(&w->left, &r->needs))
            open_seat(s, seat);
    }
}

void sbl_seats_feed(sbl_scheduler *s, uint32_t worker)
{
    for (uint32_t seat = sbl_peer_at(s, worker)->seats; seat; seat = sbl_seat_at(s, seat)->wnext) {
        sbl_srule *r = sbl_rule_at(s, sbl_seat_at(s, seat)->rule);

        if (r->ready.n)
            feed_one(s, r);
    }
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

static int has_first_tasks(const sbl_scheduler *s, const sbl_peer *w)
{
    for (uint32_t seat = w->seats; seat; seat = sbl_seat_at(s, seat)->wnext)
        if (sbl_rule_at(s, sbl_seat_at(s, seat)->rule)->is_first)
            return 1;
    return 0;
}

static const char *check_worker(const sbl_scheduler *s, const sbl_peer *w)
{
    sbl_peer again = {.left = w->resources};
    uint32_t n     = 0;

    for (uint32_t task = w->sent; task; task = sbl_task_at(s, task)->next) {
        const uint32_t rule = sbl_rule_of(s, sbl_task_at(s, task));

        if (w->is_new && !(rule && sbl_rule_at(s, rule)->is_first))
            return "a worker that is new has something before what it is to run first";
        if (!rule)
            continue;
        if (!may_run(sbl_rule_at(s, rule), w))
            return "a worker has a task that it may not run";
        if (!sbl_amounts_cover(&again.left, &sbl_rule_at(s, rule)->needs))
            return "the tasks of a worker take more than it has";
        take_amounts(&again, &sbl_rule_at(s, rule)->needs, 1);
        n++;
    }
    if (w->is_new != has_first_tasks(s, w))
        return "a worker is new and has nothing to run first, or the other way round";
    if (n != w->n_ruled || memcmp(&again.left, &w->left, sizeof w->left) != 0)
        return "a worker's tasks take other amounts than are counted";
    return NULL;
}

static const char *check_rule(const sbl_scheduler *s, const sbl_srule *r)
{
    uint32_t n = 0, may = 0;

    for (uint32_t seat = r->seats; seat; seat = sbl_seat_at(s, seat)->next, n++)
        if (!may_run(r, sbl_peer_at(s, sbl_seat_at(s, seat)->worker)))
            return "a worker that is gone, or may not run its tasks, has a seat";
    for (uint32_t i = 0; i < s->n_workers; i++)
        may += (uint32_t)may_run(r, sbl_peer_at(s, s->workers[i]));
    if (n != r->n_seats || n != may)
        return "a rule has another number of seats than is counted, or workers that may run its tasks";
    for (uint32_t seat = r->ready.n && !s->first_fill ? r->open : 0; seat; seat = sbl_seat_at(s, seat)->next_open)
        if (sbl_may_have_work(sbl_peer_at(s, sbl_seat_at(s, seat)->worker)))
            return "a task waits, and a worker would take it";
    return NULL;
}

const char *sbl_rules_check(const sbl_scheduler *s)
{
    const char *wrong = NULL;

    for (uint32_t i = 0; i < s->n_workers && !wrong; i++)
        wrong = check_worker(s, sbl_peer_at(s, s->workers[i]));
    for (uint32_t rule = 1; rule < s->rules.fresh && !wrong; rule++)
        if (sbl_rule_at(s, rule)->refs)
            wrong = check_rule(s, sbl_rule_at(s, rule));
    return wrong;
}
