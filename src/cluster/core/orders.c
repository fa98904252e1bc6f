/* What is said to workers and clients of tasks: what to run and where its inputs are, what is done, what has failed. */
#include "cluster/core/state.h"

#include <stdio.h>

#include "base/error.h"

enum { FEW = 16 };

sbl_words *sbl_letter_to(sbl_scheduler *s, uint32_t slot, uint32_t kind)
{
    sbl_peer *p = sbl_peer_at(s, slot);

    if (!p->has_letters) {
        p->has_letters   = 1;
        p->next_letters  = s->first_letters;
        s->first_letters = slot;
    }
    return sbl_outbox_item(&p->out, kind);
}

uint32_t sbl_value_task(const sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t = sbl_task_at(s, task);

    return t->state == SBL_T_DONE && t->at == SBL_AT_TARGET ? sbl_edge_at(s, t->inputs)->input : task;
}

static int grow_bits(uint64_t **bits, uint32_t *n, uint32_t index)
{
    const uint32_t words = index / 64 + 1 > 2 * *n ? index / 64 + 1 : 2 * *n;
    uint64_t      *more;

    if (index / 64 < *n)
        return 1;
    more = sbl_realloc(*bits, words * sizeof *more);
    if (!more)
        return 0;
    memset(more + *n, 0, (words - *n) * sizeof *more);
    *bits = more;
    *n    = words;
    return 1;
}

/* Sets a bit. 1: it was not set before, or can't be noted, and then all is told once more. */
static int is_new(uint64_t **bits, uint32_t *n, uint32_t index)
{
    const uint64_t bit = (uint64_t)1 << (index % 64);

    if (!grow_bits(bits, n, index))
        return 1;
    if ((*bits)[index / 64] & bit)
        return 0;
    (*bits)[index / 64] |= bit;
    return 1;
}

uint32_t sbl_mention(sbl_scheduler *s, uint32_t slot, uint32_t worker)
{
    sbl_peer *p = sbl_peer_at(s, slot);

    if (is_new(&p->met, &p->n_met, worker))
        s->calls.introduce(s->calls.arg, p->number, sbl_peer_at(s, worker)->number);
    return sbl_peer_at(s, worker)->number;
}

/* --- to workers --------------------------------------------------------------------------------------------------- */

void sbl_say_drop(sbl_scheduler *s, uint32_t worker, uint32_t task, uint32_t attempt)
{
    sbl_words *w = sbl_letter_to(s, worker, SBL_LETTER_DROP);

    sbl_say_u32(w, task);
    sbl_say_u32(w, attempt);
}

static void say_spec_once(sbl_scheduler *s, uint32_t spec, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);
    sbl_spec  said;

    if (!is_new(&w->specs_told, &w->n_specs_told, spec))
        return;
    said        = sbl_spec_at(s, spec)->spec;
    said.number = spec;
    sbl_say_spec(sbl_letter_to(s, worker, SBL_LETTER_WSPEC), &said);
}

/* One of those who have it; which of them depends on who asks, so that not all ask the same. */
static uint32_t holder_for(const sbl_scheduler *s, const sbl_stask *in, uint32_t worker)
{
    const uint32_t copy = in->copies ? sbl_copy_first(s, in) : 0;

    if (in->at != SBL_AT_WORKERS)
        return copy;
    return copy && worker % 2 ? copy : in->worker;
}

/* Where a task that runs at that worker finds an input. */
static void say_input(sbl_scheduler *s, sbl_words *w, uint32_t input, uint32_t worker)
{
    const uint32_t   task = sbl_value_task(s, input);
    const sbl_stask *in   = sbl_task_at(s, task);
    uint32_t         holder;

    sbl_say_u32(w, task);
    sbl_say_u32(w, in->attempt);
    sbl_say_u64(w, in->size);
    if (in->state != SBL_T_DONE || (in->at != SBL_AT_SCHEDULER && sbl_copy_is_at(s, task, worker))) {
        sbl_say_u32(w, SBL_MADE_THERE);
        return;
    }
    if (in->at == SBL_AT_SCHEDULER) {
        sbl_say_u32(w, SBL_HERE_IT_IS);
        sbl_say_u32(w, in->kept);
        sbl_say(w, sbl_value_of(in), SBL_BYTES_OF(in->kept));
        return;
    }
    holder = holder_for(s, in, worker);
    sbl_say_u32(w, holder ? sbl_peer_at(s, holder)->number : SBL_CLIENT_HAS);
    if (!holder)
        sbl_say_u32(w, sbl_peer_at(s, in->client)->number);
}

/* The client that keeps it is to bring it there. */
static void say_push(sbl_scheduler *s, uint32_t task, uint32_t peer)
{
    const sbl_stask *t = sbl_task_at(s, task);
    sbl_words       *w;

    sbl_mention(s, t->client, peer);
    w = sbl_letter_to(s, t->client, SBL_LETTER_PUSH);
    sbl_say_u64(w, t->serial);
    sbl_say_u32(w, task);
    sbl_say_u32(w, t->attempt);
    sbl_say_u32(w, sbl_peer_at(s, peer)->number);
}

/* Before the order itself: who is named in it, and clients that have to bring what they keep. */
static void prepare(sbl_scheduler *s, uint32_t input, uint32_t worker)
{
    const uint32_t   task = sbl_value_task(s, input);
    const sbl_stask *in   = sbl_task_at(s, task);
    uint32_t         holder;

    if (in->state != SBL_T_DONE || in->at == SBL_AT_SCHEDULER || sbl_copy_is_at(s, task, worker))
        return;
    holder = holder_for(s, in, worker);
    if (holder) {
        sbl_mention(s, worker, holder);
        return;
    }
    say_push(s, task, worker);
}

void sbl_order_fetch(sbl_scheduler *s, uint32_t task, uint32_t from, uint32_t to)
{
    const sbl_stask *t         = sbl_task_at(s, task);
    const int        by_client = t->at == SBL_AT_CLIENT && from == t->client;
    sbl_words       *w;

    if (by_client)
        say_push(s, task, to);
    else
        sbl_mention(s, to, from);
    w = sbl_letter_to(s, to, SBL_LETTER_FETCH);
    sbl_say_u32(w, task);
    sbl_say_u32(w, t->attempt);
    sbl_say_u64(w, t->size);
    sbl_say_u32(w, by_client ? SBL_CLIENT_HAS : sbl_peer_at(s, from)->number);
    if (by_client)
        sbl_say_u32(w, sbl_peer_at(s, from)->number);
}

/* How many wait for it, so that its worker knows whether only what was sent ahead to it does. */
static uint32_t awaited(const sbl_scheduler *s, const sbl_stask *t)
{
    uint32_t n = 0;

    if (t->wanted)
        return SBL_BY_CLIENT;
    for (uint32_t e = t->dependents; e && n <= FEW; e = sbl_edge_at(s, e)->next)
        n++;
    return n > FEW ? SBL_BY_MANY : n;
}

void sbl_order_send(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    const sbl_stask *t     = sbl_task_at(s, task);
    sbl_order        order = {.rank     = s->n_sent,
                              .task     = task,
                              .attempt  = t->attempt,
                              .spec     = t->spec,
                              .arg_size = t->arg_size,
                              .awaited  = awaited(s, t)};
    sbl_words       *w;

    for (uint32_t e = t->inputs; e; e = sbl_edge_at(s, e)->next_input) {
        order.n_inputs++;
        prepare(s, sbl_edge_at(s, e)->input, worker);
    }
    say_spec_once(s, t->spec, worker);
    w = sbl_letter_to(s, worker, SBL_LETTER_RUN);
    sbl_say_order(w, &order);
    for (uint32_t e = t->inputs; e; e = sbl_edge_at(s, e)->next_input)
        say_input(s, w, sbl_edge_at(s, e)->input, worker);
    sbl_say(w, sbl_arg_of(t), t->arg_size);
}

/* --- to clients --------------------------------------------------------------------------------------------------- */

void sbl_tell_done(sbl_scheduler *s, uint32_t task)
{
    sbl_stask       *t  = sbl_task_at(s, task);
    const sbl_stask *in = sbl_task_at(s, sbl_value_task(s, task));
    sbl_words       *w;

    if (t->flags & SBL_LOOKED_FOR) {
        sbl_tell_where(s, task);
        return;
    }
    if (t->flags & SBL_IS_DATA)
        return;
    w = sbl_letter_to(s, t->client, SBL_LETTER_DONE);
    sbl_say_u64(w, t->serial);
    sbl_say_u64(w, in->size);
    sbl_say_u32(w, in->at == SBL_AT_SCHEDULER ? in->kept : SBL_ELSEWHERE);
    if (in->at == SBL_AT_SCHEDULER)
        sbl_say(w, sbl_value_of(in), SBL_BYTES_OF(in->kept));
}

void sbl_tell_failed(sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t = sbl_task_at(s, task);
    sbl_words       *w = sbl_letter_to(s, t->client, SBL_LETTER_FAILED);

    sbl_say_u64(w, t->serial);
    sbl_sfailure_say(s, t->failure, w);
}

void sbl_tell_forget(sbl_scheduler *s, uint32_t task)
{
    const sbl_stask *t = sbl_task_at(s, task);

    sbl_say_u64(sbl_letter_to(s, t->client, SBL_LETTER_FORGET), t->serial);
}

void sbl_tell_where(sbl_scheduler *s, uint32_t task)
{
    sbl_stask       *t      = sbl_task_at(s, task);
    const uint32_t   place  = sbl_value_task(s, task);
    const sbl_stask *in     = sbl_task_at(s, place);
    const uint32_t   holder = holder_for(s, in, t->client);
    const uint32_t   n      = holder ? 1 : 0;
    sbl_words       *w;

    t->flags &= (uint8_t)~SBL_LOOKED_FOR;
    if (in->at == SBL_AT_SCHEDULER) {
        sbl_tell_done(s, task);
        return;
    }
    if (holder)
        sbl_mention(s, t->client, holder);
    else if (place != task) /* it returned data of the client of the worker that it ran at; perhaps its own client */
        say_push(s, place, t->client);
    w = sbl_letter_to(s, t->client, SBL_LETTER_AT);
    sbl_say_u64(w, t->serial);
    sbl_say_u32(w, place);
    sbl_say_u32(w, in->attempt);
    sbl_say_u64(w, in->size);
    sbl_say_u32(w, n);
    if (holder)
        sbl_say_u32(w, sbl_peer_at(s, holder)->number);
}
