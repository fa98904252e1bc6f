/*
 * The table of a task's life: what each event means in each state. An event that stands in the queue may be out of date when
 * its turn comes; so those that come from other tasks look at how things are, and do nothing if it is as they would have it.
 */
#include "cluster/core/state.h"

#include <stdio.h>

#include "base/error.h"

/* What an event brings along. */
typedef struct sbl_fact {
    sbl_scheduler *s;
    uint32_t       task, edge, failure; /* failure: the event's own reference */
    sbl_stask     *t;
} fact;

/* --- steps that several cells share ------------------------------------------------------------------------------- */

/* The task that it returned is an edge like an input; a chained task has but that one. */
static sbl_stask *input_of(const fact *f)
{
    return sbl_task_at(f->s, sbl_edge_at(f->s, f->edge)->input);
}

/* Its value is here and can't be lost: how it was made is no matter any more. */
static void forget_how(const fact *f)
{
    sbl_edges_end(f->s, f->task);
    sbl_arg_forget(f->t);
}

static void be_done(const fact *f);

/* Nobody runs it. */
static void end_alone(const fact *f)
{
    f->t->at   = SBL_AT_SCHEDULER;
    f->t->kept = 0;
    forget_how(f);
    be_done(f);
}

static void get_ready(const fact *f)
{
    if (f->t->flags & SBL_ENDS_ALONE) {
        end_alone(f);
        return;
    }
    sbl_stask_set_state(f->s, f->t, SBL_T_READY);
    sbl_place(f->s, f->task);
}

/* It is to run (again): counts what it has to wait for. What was released is asked for by holding it. */
static void begin_to_wait(const fact *f)
{
    sbl_scheduler *s = f->s;

    sbl_stask_set_state(s, f->t, SBL_T_WAITING);
    f->t->attempt++;
    f->t->missing = 0;
    sbl_hold_inputs(s, f->task);
    for (uint32_t e = f->t->inputs; e; e = sbl_edge_at(s, e)->next_input) {
        sbl_sedge *edge = sbl_edge_at(s, e);

        edge->missing = sbl_task_at(s, edge->input)->state != SBL_T_DONE;
        f->t->missing += edge->missing;
        if (sbl_task_at(s, edge->input)->state == SBL_T_SENT)
            sbl_may_send_ahead(s, edge->input);
        if (sbl_task_at(s, edge->input)->state == SBL_T_FAILED) /* while this one did not look */
            sbl_post(s, SBL_E_INPUT_FAILED, f->task, e, sbl_sfailure_retain(s, sbl_task_at(s, edge->input)->failure));
    }
    if (!f->t->missing)
        get_ready(f);
}

static void look_whether_needed(const fact *f)
{
    if (!f->t->wanted && !f->t->users)
        sbl_post(f->s, SBL_E_LET_GO, f->task, 0, 0);
}

/* The value is there, and its place noted. */
static void be_done(const fact *f)
{
    sbl_stask_set_state(f->s, f->t, SBL_T_DONE);
    sbl_spread_done(f->s, f->task);
    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_DONE, 0);
    if (f->t->wanted)
        sbl_tell_done(f->s, f->task);
    look_whether_needed(f);
}

static void be_failed(const fact *f)
{
    sbl_stask_set_state(f->s, f->t, SBL_T_FAILED);
    f->t->attempt++;
    f->t->failure = sbl_sfailure_retain(f->s, f->failure);
    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_FAILED, f->failure);
    if (f->t->wanted)
        sbl_tell_failed(f->s, f->task);
    sbl_edges_end(f->s, f->task);
    sbl_arg_forget(f->t);
    look_whether_needed(f);
}

/* What that worker was to make of it, it need not any more. */
static void stop_at_worker(const fact *f)
{
    sbl_words *w = sbl_letter_to(f->s, f->t->worker, SBL_LETTER_STOP);

    sbl_say_u32(w, f->task);
    sbl_say_u32(w, f->t->attempt);
}

/* Those that were sent ahead of it wait there in vain. */
static void leave_worker(const fact *f)
{
    sbl_unsend(f->s, f->task);
    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_VOID, 0);
}

/* --- cells -------------------------------------------------------------------------------------------------------- */

static void waiting_input_done(const fact *f)
{
    sbl_sedge *e = sbl_edge_at(f->s, f->edge);

    if (!e->missing || input_of(f)->state != SBL_T_DONE)
        return;
    e->missing = 0;
    if (!--f->t->missing)
        get_ready(f);
}

static void waiting_input_undone(const fact *f)
{
    sbl_sedge *e = sbl_edge_at(f->s, f->edge);

    if (e->missing || input_of(f)->state == SBL_T_DONE)
        return;
    e->missing = 1;
    f->t->missing++;
}

static void waiting_input_failed(const fact *f)
{
    be_failed(f);
}

/* Ahead of its inputs: place.c has seen that the worker makes them. */
static void waiting_send(const fact *f)
{
    sbl_stask_set_state(f->s, f->t, SBL_T_SENT);
}

static void waiting_cancel(const fact *f)
{
    be_failed(f);
}

static void ready_input_undone(const fact *f)
{
    sbl_sedge *e = sbl_edge_at(f->s, f->edge);

    if (e->missing || input_of(f)->state == SBL_T_DONE)
        return;
    sbl_unplace(f->s, f->task);
    sbl_stask_set_state(f->s, f->t, SBL_T_WAITING);
    e->missing    = 1;
    f->t->missing = 1;
}

static void ready_send(const fact *f)
{
    sbl_unplace(f->s, f->task);
    sbl_stask_set_state(f->s, f->t, SBL_T_SENT);
}

static void ready_cancel(const fact *f)
{
    sbl_unplace(f->s, f->task);
    be_failed(f);
}

/* The attempt that it waits for at its worker is void: unless that worker makes it again, it waits in vain. */
static void sent_input_void(const fact *f)
{
    const sbl_stask *in = input_of(f);

    if (in->state == SBL_T_DONE || (in->state == SBL_T_SENT && in->worker == f->t->worker))
        return;
    stop_at_worker(f);
    leave_worker(f);
    begin_to_wait(f);
}

/* It was sent ahead, and the worker knows before us. */
static void sent_input_done(const fact *f)
{
    sbl_sedge *e = sbl_edge_at(f->s, f->edge);

    if (!e->missing || input_of(f)->state != SBL_T_DONE)
        return;
    e->missing = 0;
    if (!--f->t->missing)
        sbl_peer_at(f->s, f->t->worker)->n_ahead--;
}

static void sent_input_failed(const fact *f)
{
    stop_at_worker(f);
    leave_worker(f);
    be_failed(f);
}

static void sent_finish(const fact *f)
{
    sbl_unsend(f->s, f->task);
    sbl_refusals_forget(f->s, f->task);
    if (f->t->at == SBL_AT_WORKERS) {
        sbl_tasks_add(f->s, &sbl_peer_at(f->s, f->t->worker)->held, f->task);
    } else {
        f->t->maker = f->t->worker;
        f->t->kept  = f->s->kept;
    }
    sbl_let_inputs_go(f->s, f->task);
    if (f->t->at == SBL_AT_SCHEDULER)
        forget_how(f);
    be_done(f);
}

/* It waits for the task that it returned, which may have ended long ago. */
static void begin_to_follow(const fact *f)
{
    const sbl_stask *target = sbl_task_at(f->s, sbl_edge_at(f->s, f->t->inputs)->input);

    sbl_stask_set_state(f->s, f->t, SBL_T_CHAINED);
    sbl_hold_inputs(f->s, f->task);
    if (target->state == SBL_T_DONE)
        sbl_post(f->s, SBL_E_INPUT_DONE, f->task, f->t->inputs, 0);
    if (target->state == SBL_T_FAILED)
        sbl_post(f->s, SBL_E_INPUT_FAILED, f->task, f->t->inputs, sbl_sfailure_retain(f->s, target->failure));
}

/* The edge to the task that it returned was made by who posts this, and is the only one. */
static void sent_chain(const fact *f)
{
    leave_worker(f);
    sbl_arg_forget(f->t); /* it does not run again */
    begin_to_follow(f);
}

static void sent_fail(const fact *f)
{
    leave_worker(f);
    if (f->t->spec && f->t->tries < SBL_MOST_TRIES && f->t->tries < sbl_spec_at(f->s, f->t->spec)->spec.retries &&
        sbl_sfailure_status(f->s, f->failure) != SABAL_ECANCELED) {
        f->t->tries++;
        f->t->was_sent = 0; /* others go first: what was wrong may be over then */
        begin_to_wait(f);
    } else {
        sbl_welcome_failed(f->s, f->t, f->failure);
        be_failed(f);
    }
}

static void sent_return(const fact *f)
{
    leave_worker(f);
    begin_to_wait(f);
}

/* Others may have room. */
static void sent_no_room(const fact *f)
{
    const uint32_t worker = f->t->worker;

    leave_worker(f);
    if (sbl_refusal_note(f->s, f->task, worker, f->failure)) {
        begin_to_wait(f);
        return;
    }
    sbl_welcome_failed(f->s, f->t, f->failure);
    be_failed(f);
}

/* Its counts of kills and losses have gone up; failure 0: it may be tried again. */
static void sent_kill(const fact *f)
{
    leave_worker(f);
    if (f->failure)
        be_failed(f);
    else
        begin_to_wait(f);
}

static void sent_cancel(const fact *f)
{
    stop_at_worker(f);
    leave_worker(f);
    be_failed(f);
}

/* What it returned may have returned something itself: it takes over the last, so that no chain of chains is ever walked. */
static int shorten(const fact *f)
{
    const uint32_t target = sbl_edge_at(f->s, f->edge)->input, last = sbl_value_task(f->s, target);
    uint32_t       edge = 0, old;

    if (last == target)
        return 1;
    old          = f->t->inputs;
    f->t->inputs = 0;
    if (!sbl_edge_add(f->s, f->task, last, &edge)) {
        f->t->inputs    = old;
        f->s->no_memory = 1;
        return 0;
    }
    sbl_task_at(f->s, last)->users++;
    f->t->inputs = old;
    sbl_edges_end(f->s, f->task);
    f->t->inputs = edge;
    f->t->holds  = 1;
    return 1;
}

static void chained_input_done(const fact *f)
{
    if (input_of(f)->state != SBL_T_DONE || !shorten(f))
        return;
    f->t->size = sbl_task_at(f->s, sbl_value_task(f->s, sbl_edge_at(f->s, f->t->inputs)->input))->size;
    f->t->at   = SBL_AT_TARGET;
    be_done(f);
}

static void chained_input_failed(const fact *f)
{
    be_failed(f);
}

static void chained_cancel(const fact *f)
{
    be_failed(f);
}

/* Of a task whose value is another's. */
static void done_input_undone(const fact *f)
{
    if (f->t->at != SBL_AT_TARGET || input_of(f)->state == SBL_T_DONE)
        return;
    sbl_stask_set_state(f->s, f->t, SBL_T_CHAINED);
    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_UNDONE, 0);
}

/* Data can't be made again: who posts this says so in a failure. */
static void done_lose(const fact *f)
{
    sbl_spread_lost(f->s, f->task);
    if (f->t->flags & SBL_IS_DATA) {
        sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_UNDONE, 0);
        be_failed(f);
        return;
    }
    if (!f->t->wanted && !f->t->users) {
        sbl_stask_set_state(f->s, f->t, SBL_T_RELEASED);
        sbl_post(f->s, SBL_E_LET_GO, f->task, 0, 0);
        return;
    }
    sbl_tell_dependents(f->s, f->task, SBL_E_INPUT_UNDONE, 0);
    begin_to_wait(f);
}

/* What others were made of may be needed again: what can't be made again (small values, whose inputs are forgotten, and data)
   stays as long as there are such. */
static void done_let_go(const fact *f)
{
    const int again = !(f->t->flags & SBL_IS_DATA) && f->t->at != SBL_AT_SCHEDULER;

    if (f->t->wanted || f->t->users || (f->t->dependents && !again))
        return;
    sbl_copies_drop(f->s, f->task);
    if (f->t->dependents) {
        sbl_let_inputs_go(f->s, f->task); /* that of a task whose value is another's */
        sbl_stask_set_state(f->s, f->t, SBL_T_RELEASED);
        return;
    }
    if (f->t->at == SBL_AT_CLIENT) {
        sbl_tasks_remove(f->s, &sbl_peer_at(f->s, f->t->client)->data, f->task);
        sbl_tell_forget(f->s, f->task);
    }
    sbl_edges_end(f->s, f->task);
    sbl_stask_end(f->s, f->task);
}

static void end_if_unneeded(const fact *f)
{
    if (f->t->wanted || f->t->users || f->t->dependents)
        return;
    sbl_edges_end(f->s, f->task);
    sbl_stask_end(f->s, f->task);
}

static void released_need(const fact *f)
{
    if (!f->t->wanted && !f->t->users)
        return;
    if (f->t->at == SBL_AT_TARGET)
        begin_to_follow(f);
    else
        begin_to_wait(f);
}

/* It runs all the same, for what it does; but not for a client that wanted it and is gone. */
static void under_way_let_go(const fact *f)
{
    if (f->t->flags & SBL_WAS_LEFT && !f->t->wanted && !f->t->users)
        sbl_post(f->s, SBL_E_CANCEL, f->task, 0, sbl_why_left(f->s));
}

/* It means nothing then, or comes too late. */
static void nothing(const fact *f)
{
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

typedef void cell(const fact *f);

/*
 * NULL: can't come; if it did, it would be left alone, and sbl_scheduler_check() says so. Reports of workers come only for the
 * attempt that runs, hence in the state sent. A ready task has no input that is not done, so what becomes of one tells it first
 * that it is undone; so with one whose value is its target's. A failed task has no edges any more, a released one holds none, and
 * needs come only to those, once, as nobody lets go of it before it was heard.
 */
static cell *const table[SBL_T_STATES][SBL_E_EVENTS] = {
    [SBL_T_WAITING]  = {[SBL_E_INPUT_DONE]   = waiting_input_done,
                        [SBL_E_INPUT_UNDONE] = waiting_input_undone,
                        [SBL_E_INPUT_FAILED] = waiting_input_failed,
                        [SBL_E_INPUT_VOID]   = nothing,
                        [SBL_E_SEND]         = waiting_send,
                        [SBL_E_LET_GO]       = under_way_let_go,
                        [SBL_E_CANCEL]       = waiting_cancel},
    [SBL_T_READY]    = {[SBL_E_INPUT_UNDONE] = ready_input_undone,
                        [SBL_E_SEND]         = ready_send,
                        [SBL_E_LET_GO]       = under_way_let_go,
                        [SBL_E_CANCEL]       = ready_cancel},
    [SBL_T_SENT]     = {[SBL_E_INPUT_DONE]   = sent_input_done,
                        [SBL_E_INPUT_UNDONE] = nothing, /* it has it, or will say that it lacks it */
                        [SBL_E_INPUT_FAILED] = sent_input_failed,
                        [SBL_E_INPUT_VOID]   = sent_input_void,
                        [SBL_E_FINISH]       = sent_finish,
                        [SBL_E_CHAIN]        = sent_chain,
                        [SBL_E_FAIL]         = sent_fail,
                        [SBL_E_RETURN]       = sent_return,
                        [SBL_E_KILL]         = sent_kill,
                        [SBL_E_NO_ROOM]      = sent_no_room,
                        [SBL_E_LET_GO]       = under_way_let_go,
                        [SBL_E_CANCEL]       = sent_cancel},
    [SBL_T_CHAINED]  = {[SBL_E_INPUT_DONE]   = chained_input_done,
                        [SBL_E_INPUT_FAILED] = chained_input_failed,
                        [SBL_E_INPUT_VOID]   = nothing,
                        [SBL_E_LET_GO]       = under_way_let_go,
                        [SBL_E_CANCEL]       = chained_cancel},
    [SBL_T_DONE]     = {[SBL_E_INPUT_UNDONE] = done_input_undone,
                        [SBL_E_LOSE]         = done_lose,
                        [SBL_E_LET_GO]       = done_let_go,
                        [SBL_E_CANCEL]       = nothing},
    [SBL_T_FAILED]   = {[SBL_E_LET_GO] = end_if_unneeded, [SBL_E_CANCEL] = nothing},
    [SBL_T_RELEASED] = {[SBL_E_NEED] = released_need, [SBL_E_LET_GO] = end_if_unneeded},
};

void sbl_stask_begin(sbl_scheduler *s, uint32_t task)
{
    const fact f = {.s = s, .task = task, .t = sbl_task_at(s, task)};

    begin_to_wait(&f);
}

int sbl_scheduler_cell_is_void(int state, int event)
{
    return !table[state][event];
}

/* 0: what it was about is gone. */
static int is_about_something(const sbl_scheduler *s, const sbl_sevent *e)
{
    const sbl_sedge *edge;

    if (!e->edge)
        return 1;
    edge = sbl_edge_at(s, e->edge);
    return edge->input && edge->owner == e->task;
}

void sbl_settle(sbl_scheduler *s)
{
    while (s->n_events && !s->no_memory) {
        const sbl_sevent e = s->events[s->first_event];
        sbl_stask       *t = sbl_task_at(s, e.task);

        s->first_event = (s->first_event + 1) & (s->events_room - 1);
        s->n_events--;
        if (t->state != SBL_T_GONE && is_about_something(s, &e)) {
            const fact f = {.s = s, .task = e.task, .edge = e.edge, .failure = e.failure, .t = t};

            s->used[t->state][e.kind] = 1;
            if (table[t->state][e.kind])
                table[t->state][e.kind](&f);
            else
                s->broken = "an event that can't come in that state";
        }
        sbl_sfailure_release(s, e.failure);
    }
}
