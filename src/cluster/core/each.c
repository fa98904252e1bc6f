/*
 * What a client has each worker run: those that there are, and, if it says so, those that come. For each of them there is a task with a
 * rule of its own, which that worker alone may run; the client's own task has these as inputs, and ends when they have. A worker
 * that comes runs what all clients have each one run, one after the other, before it gets anything else.
 */
#include <string.h>

#include "cluster/core/hear.h"

/* One that nobody knows by a number. 0: no memory. */
static uint32_t task_for(sbl_scheduler *s, uint32_t client, const sbl_swelcome *welcome, uint32_t worker, int is_first)
{
    const uint32_t spec = sbl_spec_for(s, welcome->spec, worker, is_first);
    const uint32_t task = spec ? sbl_stask_make(s, client, welcome->serial, spec) : 0;
    sbl_stask     *t    = task ? sbl_task_at(s, task) : NULL;

    if (!task || !sbl_bytes_keep(&t->arg, welcome->arg, welcome->arg_size)) {
        s->no_memory = 1;
        return 0;
    }
    sbl_sspec_release(s, spec); /* the task has a reference of its own */
    t->wanted   = 0;
    t->arg_size = welcome->arg_size;
    return task;
}

static void welcome_for(sbl_scheduler *s, uint32_t client, uint32_t worker)
{
    for (sbl_swelcome *welcome = sbl_peer_at(s, client)->welcomes; welcome; welcome = welcome->next) {
        const uint32_t task = task_for(s, client, welcome, worker, 1);

        if (!task)
            return;
        sbl_peer_at(s, worker)->is_new = 1;
        sbl_stask_begin(s, task);
        sbl_settle(s);
    }
}

void sbl_welcome(sbl_scheduler *s, uint32_t worker)
{
    for (uint32_t slot = 1; slot < s->peers.fresh && !s->no_memory; slot++)
        if (sbl_peer_at(s, slot)->number)
            welcome_for(s, slot, worker);
}

void sbl_welcome_failed(sbl_scheduler *s, const sbl_stask *t, uint32_t failure)
{
    const uint32_t   rule  = sbl_rule_of(s, t);
    const sbl_srule *r     = rule ? sbl_rule_at(s, rule) : NULL;
    sbl_words        words = {0};
    sabal_error      why   = SABAL_ERROR_INIT;

    if (!r || !r->is_first || !s->calls.unheard)
        return;
    sbl_sfailure_say(s, failure, &words);
    if (!words.failed)
        sbl_hear_failure(&why, &(sbl_reader){.at = words.bytes, .end = words.bytes + words.size});
    s->calls.unheard(s->calls.arg, sbl_peer_at(s, t->client)->number, r->only, sbl_spec_at(s, t->spec)->spec.name,
                     &why);
    sbl_words_clear(&words);
}

static void forget_welcome(sbl_scheduler *s, sbl_swelcome *welcome)
{
    sbl_sspec_release(s, welcome->spec);
    sbl_free(welcome);
}

void sbl_welcomes_end(sbl_scheduler *s, sbl_peer *client)
{
    while (client->welcomes) {
        sbl_swelcome *welcome = client->welcomes;

        client->welcomes = welcome->next;
        forget_welcome(s, welcome);
    }
}

/* --- the letter --------------------------------------------------------------------------------------------------- */

/* NULL: no memory. */
static sbl_swelcome *make_welcome(sbl_scheduler *s, uint32_t spec, const sbl_group *g)
{
    sbl_swelcome *welcome = sbl_calloc(1, sizeof *welcome + g->arg_size);

    if (!welcome)
        return NULL;
    welcome->serial   = g->serial;
    welcome->spec     = spec;
    welcome->arg_size = g->arg_size;
    if (g->arg_size)
        memcpy(welcome->arg, g->args, g->arg_size);
    sbl_spec_at(s, spec)->refs++;
    return welcome;
}

/* At the end. */
static void keep_welcome(sbl_peer *client, sbl_swelcome *welcome)
{
    sbl_swelcome **place = &client->welcomes;

    while (*place)
        place = &(*place)->next;
    *place = welcome;
}

/* All are inputs before the first begins. */
static void run_in_each(const sbl_saying *y, uint32_t task, const sbl_swelcome *welcome)
{
    sbl_scheduler *s    = y->s;
    uint32_t       last = 0;

    for (uint32_t i = 0; i < s->n_workers && !s->no_memory; i++) {
        const uint32_t its = task_for(s, y->slot, welcome, s->workers[i], 0);

        if (!its || !sbl_edge_add(s, task, its, &last))
            s->no_memory = 1;
    }
    if (s->no_memory)
        return;
    sbl_stask_begin(s, task);
    for (uint32_t e = sbl_task_at(s, task)->inputs; e; e = sbl_edge_at(s, e)->next_input)
        sbl_stask_begin(s, sbl_edge_at(s, e)->input);
    sbl_settle(s);
}

/* The one that ends when all have. 0: no memory. */
static uint32_t make_task(const sbl_saying *y, const sbl_group *g, uint32_t spec)
{
    const uint32_t task = sbl_stask_make(y->s, y->slot, g->serial, spec);

    if (!task)
        return 0;
    if (!sbl_serial_set(y->p, g->serial, task)) {
        sbl_take_back(y, task);
        return 0;
    }
    sbl_task_at(y->s, task)->flags |= SBL_ENDS_ALONE;
    return task;
}

void sbl_hear_each(const sbl_saying *y)
{
    sbl_group     g;
    uint32_t      later, spec, task;
    sbl_swelcome *welcome;

    sbl_hear_group(&g, y->r);
    later = sbl_hear_u32(y->r);
    if (y->r->failed)
        return;
    spec = g.spec < y->p->n_specs ? y->p->specs[g.spec] : 0;
    if (!spec || g.n != 1 || g.n_inputs || g.arg_size > SBL_MOST_EACH_ARG || sbl_spec_at(y->s, spec)->rule) {
        sbl_break_off(y, "what is no task that each worker could run");
        return;
    }
    if (!sbl_takes_numbers(y, g.serial, 1))
        return;
    welcome = make_welcome(y->s, spec, &g);
    task    = welcome ? make_task(y, &g, spec) : 0;
    if (task)
        run_in_each(y, task, welcome);
    else
        sbl_refuse(y, g.serial);
    if (task && later)
        keep_welcome(y->p, welcome);
    else if (welcome)
        forget_welcome(y->s, welcome);
}
