/* Records of tasks and what ties them together, and the queue of events. Nothing is decided here. */
#include "cluster/core/state.h"

#include <string.h>

#include "base/error.h"

/* --- events ------------------------------------------------------------------------------------------------------- */

static int grow_events(sbl_scheduler *s)
{
    const uint32_t room = s->events_room ? 2 * s->events_room : 1024;
    sbl_sevent    *more = sbl_alloc(room * sizeof *more);

    if (!more) {
        s->no_memory = 1;
        return 0;
    }
    for (uint32_t i = 0; i < s->n_events; i++)
        more[i] = s->events[(s->first_event + i) & (s->events_room - 1)];
    sbl_free(s->events);
    s->events      = more;
    s->events_room = room;
    s->first_event = 0;
    return 1;
}

void sbl_post(sbl_scheduler *s, uint32_t kind, uint32_t task, uint32_t edge, uint32_t failure)
{
    if (s->n_events == s->events_room && !grow_events(s)) {
        sbl_sfailure_release(s, failure);
        return;
    }
    s->events[(s->first_event + s->n_events++) & (s->events_room - 1)] =
        (sbl_sevent){.kind = kind, .task = task, .edge = edge, .failure = failure};
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

uint32_t sbl_stask_make(sbl_scheduler *s, uint32_t client, uint64_t serial, uint32_t spec)
{
    const uint32_t number = sbl_table_take(&s->tasks);
    sbl_stask     *t;
    uint32_t       attempt;

    if (!number)
        return 0;
    t       = sbl_task_at(s, number);
    attempt = t->attempt; /* goes on from whoever had this place before */
    memset(t, 0, sizeof *t);
    t->attempt = attempt + 1;
    t->client  = client;
    t->serial  = serial;
    t->spec    = spec;
    t->wanted  = 1;
    if (spec)
        sbl_spec_at(s, spec)->refs++;
    s->n_in_state[SBL_T_WAITING]++;
    sbl_peer_at(s, client)->n_tasks++;
    sbl_peer_at(s, client)->n_unended++;
    return number;
}

void sbl_stask_end(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    sbl_spread_end(s, task);
    sbl_value_forget(t);
    sbl_arg_forget(t);
    if (t->state == SBL_T_FAILED)
        sbl_sfailure_release(s, t->failure);
    if (t->spec)
        sbl_sspec_release(s, t->spec);
    s->n_in_state[t->state]--;
    sbl_peer_at(s, t->client)->n_unended -= !sbl_task_has_ended(t);
    t->state = SBL_T_GONE;
    if (!--sbl_peer_at(s, t->client)->n_tasks && sbl_peer_at(s, t->client)->is_gone)
        sbl_peer_forget(s, t->client);
    sbl_table_give(&s->tasks, task);
}

void sbl_stask_set_state(sbl_scheduler *s, sbl_stask *t, int state)
{
    const int had_ended = sbl_task_has_ended(t);

    s->n_in_state[t->state]--;
    t->state = (uint8_t)state;
    s->n_in_state[state]++;
    if (had_ended != sbl_task_has_ended(t))
        sbl_peer_at(s, t->client)->n_unended += had_ended ? 1 : UINT32_MAX;
}

int sbl_bytes_keep(void *place, const char *bytes, size_t size)
{
    char *block;

    if (size <= 8) {
        if (size)
            memcpy(place, bytes, size);
        return 1;
    }
    block = sbl_alloc(size);
    if (!block)
        return 0;
    memcpy(block, bytes, size);
    memcpy(place, &block, sizeof block);
    return 1;
}

void sbl_arg_forget(sbl_stask *t)
{
    if (t->arg_size > sizeof t->arg.bytes)
        sbl_free(t->arg.block);
    t->arg_size = 0;
}

char *sbl_two_texts_keep(const char *first, const char *second, const char **second_kept)
{
    const size_t size = strlen(first) + 1, more = strlen(second) + 1;
    char        *kept = sbl_alloc(size + more);

    if (!kept)
        return NULL;
    memcpy(kept, first, size);
    memcpy(kept + size, second, more);
    *second_kept = kept + size;
    return kept;
}

void sbl_value_forget(sbl_stask *t)
{
    if (t->state == SBL_T_DONE && t->at == SBL_AT_SCHEDULER && SBL_BYTES_OF(t->kept) > sizeof t->value.bytes)
        sbl_free(t->value.block);
    t->value.block = NULL;
}

/* --- edges -------------------------------------------------------------------------------------------------------- */

int sbl_edge_add(sbl_scheduler *s, uint32_t task, uint32_t input, uint32_t *last)
{
    const uint32_t number = sbl_table_take(&s->edges);
    sbl_stask     *t = sbl_task_at(s, task), *in = sbl_task_at(s, input);
    sbl_sedge     *e;

    if (!number)
        return 0;
    e  = sbl_edge_at(s, number);
    *e = (sbl_sedge){.owner = task, .input = input, .next = in->dependents};
    if (e->next)
        sbl_edge_at(s, e->next)->previous = number;
    in->dependents = number;
    if (*last)
        sbl_edge_at(s, *last)->next_input = number;
    else
        t->inputs = number;
    *last = number;
    return 1;
}

static void let_go(sbl_scheduler *s, uint32_t input)
{
    sbl_stask *in = sbl_task_at(s, input);

    if (!--in->users && !in->wanted)
        sbl_post(s, SBL_E_LET_GO, input, 0, 0);
}

void sbl_hold_inputs(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    if (t->holds)
        return;
    t->holds = 1;
    for (uint32_t e = t->inputs; e; e = sbl_edge_at(s, e)->next_input) {
        const uint32_t input = sbl_edge_at(s, e)->input;

        if (!sbl_task_at(s, input)->users++ && sbl_task_at(s, input)->state == SBL_T_RELEASED)
            sbl_post(s, SBL_E_NEED, input, 0, 0);
    }
}

void sbl_let_inputs_go(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    if (!t->holds)
        return;
    t->holds = 0;
    for (uint32_t e = t->inputs; e; e = sbl_edge_at(s, e)->next_input)
        let_go(s, sbl_edge_at(s, e)->input);
}

void sbl_edges_end(sbl_scheduler *s, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    while (t->inputs) {
        const uint32_t number = t->inputs;
        sbl_sedge     *e      = sbl_edge_at(s, number);
        sbl_stask     *in     = sbl_task_at(s, e->input);

        t->inputs = e->next_input;
        if (e->previous)
            sbl_edge_at(s, e->previous)->next = e->next;
        else
            in->dependents = e->next;
        if (e->next)
            sbl_edge_at(s, e->next)->previous = e->previous;
        if (t->holds)
            in->users--;
        if (!in->users && !in->wanted)
            sbl_post(s, SBL_E_LET_GO, e->input, 0, 0);
        e->input = 0; /* events that name it find it gone */
        sbl_table_give(&s->edges, number);
    }
    t->holds   = 0;
    t->missing = 0;
}

void sbl_tell_dependents(sbl_scheduler *s, uint32_t task, uint32_t kind, uint32_t failure)
{
    for (uint32_t e = sbl_task_at(s, task)->dependents; e; e = sbl_edge_at(s, e)->next) {
        const uint32_t owner = sbl_edge_at(s, e)->owner;

        if (sbl_task_at(s, owner)->holds)
            sbl_post(s, kind, owner, e, failure ? sbl_sfailure_retain(s, failure) : 0);
    }
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

void sbl_tasks_add(sbl_scheduler *s, uint32_t *first, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    t->previous = 0;
    t->next     = *first;
    if (*first)
        sbl_task_at(s, *first)->previous = task;
    *first = task;
}

void sbl_tasks_remove(sbl_scheduler *s, uint32_t *first, uint32_t task)
{
    sbl_stask *t = sbl_task_at(s, task);

    if (t->previous)
        sbl_task_at(s, t->previous)->next = t->next;
    else
        *first = t->next;
    if (t->next)
        sbl_task_at(s, t->next)->previous = t->previous;
    t->next = t->previous = 0;
}

/* --- failures and specs ------------------------------------------------------------------------------------------- */

static const sabal_error no_memory = {.struct_size = sizeof(sabal_error),
                                      .status      = SABAL_ENOMEM,
                                      .message     = "the scheduler has no memory for a task's failure"};

uint32_t sbl_sfailure_make(sbl_scheduler *s, const sabal_error *err)
{
    const uint32_t number = sbl_table_take(&s->failures);
    sbl_words      whole  = {0};
    sbl_sfailure  *failure;

    if (!number)
        return 0;
    sbl_say_failure(&whole, err);
    failure        = sbl_table_at(&s->failures, number);
    failure->refs  = 1;
    failure->size  = (uint32_t)whole.size;
    failure->words = whole.failed ? NULL : sbl_alloc(whole.size);
    if (failure->words)
        memcpy(failure->words, whole.bytes, whole.size);
    sbl_words_clear(&whole);
    if (failure->words)
        return number;
    sbl_sfailure_release(s, number);
    return 0;
}

uint32_t sbl_sfailure_retain(sbl_scheduler *s, uint32_t failure)
{
    if (failure)
        ((sbl_sfailure *)sbl_table_at(&s->failures, failure))->refs++;
    return failure;
}

void sbl_sfailure_release(sbl_scheduler *s, uint32_t failure)
{
    sbl_sfailure *f = failure ? sbl_table_at(&s->failures, failure) : NULL;

    if (!f || --f->refs)
        return;
    sbl_free(f->words);
    f->words = NULL;
    sbl_table_give(&s->failures, failure);
}

sabal_status sbl_sfailure_status(const sbl_scheduler *s, uint32_t failure)
{
    const sbl_sfailure *f = failure ? sbl_table_at(&s->failures, failure) : NULL;
    sbl_reader          r = {.at = f ? f->words : NULL, .end = f ? f->words + f->size : NULL};

    return f ? (sabal_status)sbl_hear_u32(&r) : no_memory.status;
}

void sbl_sfailure_say(const sbl_scheduler *s, uint32_t failure, sbl_words *w)
{
    const sbl_sfailure *f = failure ? sbl_table_at(&s->failures, failure) : NULL;

    if (f)
        sbl_say(w, f->words, f->size);
    else
        sbl_say_failure(w, &no_memory);
}

void sbl_sspec_release(sbl_scheduler *s, uint32_t spec)
{
    sbl_sspec *p = sbl_spec_at(s, spec);

    if (--p->refs)
        return;
    for (uint32_t i = 0; i < s->n_workers; i++) { /* its number will be another's */
        sbl_peer *w = sbl_peer_at(s, s->workers[i]);

        if (spec / 64 < w->n_specs_told)
            w->specs_told[spec / 64] &= ~((uint64_t)1 << (spec % 64));
    }
    sbl_free((char *)p->spec.code); /* its texts lie behind */
    if (p->rule)
        sbl_rule_release(s, p->rule);
    if (p->kind)
        sbl_sspec_release(s, p->kind);
    sbl_table_give(&s->specs, spec);
}
