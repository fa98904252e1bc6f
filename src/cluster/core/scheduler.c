/* The scheduler as a whole: made, ended, counted, looked over. */
#include "cluster/core/place.h"

enum { PLENTY = 2 };

/* A task counts them in a byte. */
static int32_t within_a_count(int32_t limit)
{
    return limit < 1 ? 1 : limit < UINT8_MAX ? limit : UINT8_MAX;
}

sbl_scheduler *sbl_scheduler_create(const sbl_scheduler_calls *calls, const sbl_scheduler_options *options)
{
    sbl_scheduler *s = sbl_calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->calls                  = *calls;
    s->options                = options ? *options : (sbl_scheduler_options){SBL_SCHEDULER_DEFAULTS};
    s->options.allowed_kills  = within_a_count(s->options.allowed_kills);
    s->options.allowed_losses = within_a_count(s->options.allowed_losses);
    sbl_table_init(&s->tasks, sizeof(sbl_stask));
    sbl_table_init(&s->edges, sizeof(sbl_sedge));
    sbl_table_init(&s->copies, sizeof(sbl_scopy));
    sbl_table_init(&s->failures, sizeof(sbl_sfailure));
    sbl_table_init(&s->specs, sizeof(sbl_sspec));
    sbl_table_init(&s->peers, sizeof(sbl_peer));
    sbl_table_init(&s->rules, sizeof(sbl_srule));
    sbl_table_init(&s->seats, sizeof(sbl_sseat));
    sbl_table_init(&s->spreads, sizeof(sbl_sspread));
    sbl_table_init(&s->moves, sizeof(sbl_smove));
    if (sbl_copies_init(s))
        return s;
    sbl_scheduler_destroy(s);
    return NULL;
}

void sbl_scheduler_destroy(sbl_scheduler *s)
{
    if (!s)
        return;
    for (uint32_t task = 1; task < s->tasks.fresh; task++) {
        sbl_stask *t = sbl_task_at(s, task);

        if (t->state == SBL_T_GONE)
            continue;
        sbl_value_forget(t);
        sbl_arg_forget(t);
    }
    sbl_peers_end(s);
    for (uint32_t f = 1; f < s->failures.fresh; f++)
        sbl_free(((sbl_sfailure *)sbl_table_at(&s->failures, f))->words);
    for (uint32_t spec = 1; spec < s->specs.fresh; spec++)
        if (sbl_spec_at(s, spec)->refs)
            sbl_free((char *)sbl_spec_at(s, spec)->spec.code);
    sbl_table_clear(&s->tasks);
    sbl_table_clear(&s->edges);
    sbl_table_clear(&s->copies);
    sbl_table_clear(&s->failures);
    sbl_table_clear(&s->specs);
    sbl_table_clear(&s->peers);
    sbl_rules_end(s);
    sbl_spreads_end(s);
    sbl_ring_clear(&s->near);
    sbl_free(s->workers);
    sbl_free(s->events);
    sbl_free(s->copies_by_place.first);
    sbl_free(s);
}

int sbl_scheduler_has_failed(const sbl_scheduler *s)
{
    return s->no_memory;
}

void sbl_scheduler_send(sbl_scheduler *s)
{
    if (!s->no_memory)
        sbl_spread_feed(s);
    if (!s->no_memory)
        sbl_fill_workers(s);
    while (s->first_letters && !s->no_memory) {
        sbl_peer *p = sbl_peer_at(s, s->first_letters);

        s->first_letters = p->next_letters;
        p->has_letters   = 0;
        sbl_outbox_close(&p->out);
        if (p->out.words.failed)
            s->no_memory = 1;
        else if (!p->is_dropped && p->number)
            s->calls.send(s->calls.arg, p->number, &p->out.words);
        sbl_outbox_empty(&p->out);
    }
}

/* --- looking at it ------------------------------------------------------------------------------------------------ */

void sbl_scheduler_count(const sbl_scheduler *s, sbl_scheduler_counts *counts)
{
    *counts = (sbl_scheduler_counts){.tasks    = sbl_table_count(&s->tasks),
                                     .edges    = sbl_table_count(&s->edges),
                                     .copies   = sbl_table_count(&s->copies),
                                     .failures = sbl_table_count(&s->failures),
                                     .specs    = sbl_table_count(&s->specs),
                                     .rules    = sbl_table_count(&s->rules),
                                     .seats    = sbl_table_count(&s->seats),
                                     .spreads  = sbl_table_count(&s->spreads) + sbl_table_count(&s->moves),
                                     .clients  = s->n_clients,
                                     .workers  = s->n_workers,
                                     .leaving  = s->n_leaving,
                                     .hungry   = s->n_hungry,
                                     .sent     = s->n_sent,
                                     .ended    = s->n_ended};
    for (int i = 0; i < SBL_T_STATES; i++)
        counts->by_state[i] = s->n_in_state[i];
}

int sbl_scheduler_has_plenty(const sbl_scheduler *s, uint32_t client)
{
    const uint32_t slot = sbl_peer_slot(s, client);

    return slot && s->n_threads && !sbl_peer_at(s, slot)->is_worker &&
           sbl_peer_at(s, slot)->n_unended > PLENTY * s->n_threads;
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

static const char *check_edges(const sbl_scheduler *s, uint32_t task, uint32_t *users)
{
    const sbl_stask *t       = sbl_task_at(s, task);
    uint32_t         missing = 0;

    for (uint32_t e = t->inputs; e; e = sbl_edge_at(s, e)->next_input) {
        const sbl_sedge *edge = sbl_edge_at(s, e);
        const sbl_stask *in   = sbl_task_at(s, edge->input);

        if (edge->owner != task || in->state == SBL_T_GONE)
            return "an edge to what is gone";
        missing += edge->missing;
        users[edge->input] += t->holds;
        if (t->state == SBL_T_WAITING && edge->missing != (in->state != SBL_T_DONE))
            return "an edge is counted as missing and is there, or the other way round";
        if (t->state == SBL_T_READY && in->state != SBL_T_DONE)
            return "a ready task has an input that is not done";
    }
    if (missing != t->missing)
        return "a task waits for another number of inputs than are missing";
    if (t->state == SBL_T_WAITING && !missing)
        return "a task waits for nothing";
    return NULL;
}

static const char *check_task(const sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t = sbl_task_at(s, task);

    if (t->state == SBL_T_SENT && !sbl_peer_at(s, t->worker)->number)
        return "a task was sent to a worker that is gone";
    if (t->state == SBL_T_READY && t->worker && sbl_rule_of(s, t))
        return "what not all may run waits for a worker";
    if (t->state == SBL_T_DONE && t->at == SBL_AT_WORKERS && (!t->worker || !sbl_peer_at(s, t->worker)->number))
        return "a value lies with a worker that is gone";
    if (t->holds != (t->state <= SBL_T_CHAINED || (t->state == SBL_T_DONE && t->at == SBL_AT_TARGET)) && t->inputs)
        return "a task needs its inputs and does not hold them, or the other way round";
    if ((t->state == SBL_T_DONE || t->state == SBL_T_RELEASED || t->state == SBL_T_FAILED) && !t->wanted && !t->users &&
        !t->dependents)
        return "a record that nobody needs";
    if (t->state == SBL_T_RELEASED && (t->wanted || t->users))
        return "a value is needed and was released";
    return NULL;
}

/* After check_task() of all: n_unended of them, by slot. */
static const char *check_peers(const sbl_scheduler *s, const uint32_t *n_unended)
{
    uint64_t threads = 0;

    for (uint32_t i = 0; i < s->n_workers; i++)
        threads += (uint64_t)sbl_peer_at(s, s->workers[i])->threads;
    if (threads != s->n_threads)
        return "there are more or fewer threads than is counted";
    for (uint32_t slot = 1; slot < s->peers.fresh; slot++)
        if ((sbl_peer_at(s, slot)->number || sbl_peer_at(s, slot)->is_gone) &&
            sbl_peer_at(s, slot)->n_unended != n_unended[slot])
            return "more or fewer tasks of a client have yet to end than is counted";
    return NULL;
}

static const char *check_workers(const sbl_scheduler *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++) {
        const sbl_peer *w = sbl_peer_at(s, s->workers[i]);
        uint32_t        n = 0, ahead = 0;
        uint64_t        promised = 0;

        for (uint32_t task = w->sent; task; task = sbl_task_at(s, task)->next, n++) {
            ahead += sbl_task_at(s, task)->missing != 0;
            promised += sbl_size_of(s, sbl_task_at(s, task));
        }
        if (n != w->n_sent || ahead != w->n_ahead || promised != w->promised)
            return "a worker has another number of tasks than is counted";
        if (w->may_part && w->n_sent)
            return "a worker that may leave has tasks";
        if (w->is_suspect && !w->is_dropped && w->ready.n)
            return "tasks wait in the queue of a silent worker";
    }
    return NULL;
}

const char *sbl_scheduler_check(const sbl_scheduler *s)
{
    uint32_t   *users     = sbl_calloc(s->tasks.fresh + 1, sizeof *users);
    uint32_t   *n_unended = sbl_calloc(s->peers.fresh + 1, sizeof *n_unended);
    const char *wrong     = !users || !n_unended ? "no memory to look" : s->broken ? s->broken : check_workers(s);

    if (!wrong)
        wrong = sbl_rules_check(s);
    if (!wrong)
        wrong = sbl_spread_check(s);

    for (uint32_t task = 1; task < s->tasks.fresh && !wrong; task++)
        if (sbl_task_at(s, task)->state != SBL_T_GONE) {
            wrong = check_edges(s, task, users);
            if (!wrong)
                wrong = check_task(s, task);
            n_unended[sbl_task_at(s, task)->client] += !sbl_task_has_ended(sbl_task_at(s, task));
        }
    for (uint32_t task = 1; task < s->tasks.fresh && !wrong; task++)
        if (sbl_task_at(s, task)->state != SBL_T_GONE && sbl_task_at(s, task)->users != users[task])
            wrong = "a task has another number of users than is counted";
    if (!wrong)
        wrong = check_peers(s, n_unended);
    sbl_free(users);
    sbl_free(n_unended);
    return wrong;
}

int sbl_scheduler_cell_was_used(const sbl_scheduler *s, int state, int event)
{
    return s->used[state][event];
}

const char *sbl_scheduler_state_name(int state)
{
    static const char *const NAMES[] = {"waiting", "ready", "sent", "chained", "done", "failed", "released"};

    return state < SBL_T_STATES ? NAMES[state] : NULL;
}

const char *sbl_scheduler_event_name(int event)
{
    static const char *const NAMES[] = {"input done", "input undone", "input failed", "input void", "send",
                                        "finish",     "chain",        "fail",         "return",     "kill",
                                        "lose",       "need",         "let go",       "cancel",     "no room"};

    return event < SBL_E_EVENTS ? NAMES[event] : NULL;
}
