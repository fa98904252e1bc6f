/* What clients say: tasks and data, what is wanted no more, what is to be cancelled, where things are. */
#include "cluster/core/hear.h"

#include <stdio.h>

#include "base/error.h"

enum { MOST_SPECS = 1 << 20 };
#define MOST_BYTES ((uint64_t)1 << 48) /* of a result, as is said beforehand: sums of such do not wrap */

static int reach_spec(sbl_peer *c, uint32_t number)
{
    uint32_t  n = number + 1 > 2 * c->n_specs ? number + 1 : 2 * c->n_specs;
    uint32_t *more;

    if (number < c->n_specs)
        return 1;
    more = sbl_realloc(c->specs, n * sizeof *more);
    if (!more)
        return 0;
    memset(more + c->n_specs, 0, (n - c->n_specs) * sizeof *more);
    c->specs   = more;
    c->n_specs = n;
    return 1;
}

int sbl_spec_keep_texts(sbl_spec *spec)
{
    const size_t name = strlen(spec->name) + 1, where = strlen(spec->where) + 1;
    char        *texts = sbl_alloc(spec->code_size + name + where);

    if (!texts)
        return 0;
    memcpy(texts, spec->code, spec->code_size);
    memcpy(texts + spec->code_size, spec->name, name);
    memcpy(texts + spec->code_size + name, spec->where, where);
    spec->code    = texts;
    spec->name    = texts + spec->code_size;
    spec->where   = spec->name + name;
    spec->workers = spec->resources = NULL; /* its rule has them */
    return 1;
}

void sbl_hear_client_spec(const sbl_saying *y)
{
    sbl_spec    spec;
    uint32_t    number;
    int64_t     rule;
    sbl_sspec  *kept;
    const char *wrong = NULL;

    sbl_hear_spec(&spec, y->r);
    if (y->r->failed)
        return;
    if (spec.number >= MOST_SPECS || (spec.number < y->p->n_specs && y->p->specs[spec.number])) {
        sbl_break_off(y, "a kind of task has a number that is too large, or was used");
        return;
    }
    rule = sbl_rule_find(y->s, &spec, &wrong);
    if (wrong) {
        sbl_break_off(y, wrong);
        return;
    }
    number = rule >= 0 && reach_spec(y->p, spec.number) ? sbl_table_take(&y->s->specs) : 0;
    if (!number || !sbl_spec_keep_texts(&spec)) {
        if (number)
            sbl_table_give(&y->s->specs, number);
        if (rule > 0)
            sbl_rule_release(y->s, (uint32_t)rule);
        y->s->no_memory = 1;
        return;
    }
    spec.size                = spec.size < MOST_BYTES ? spec.size : MOST_BYTES;
    kept                     = sbl_spec_at(y->s, number);
    *kept                    = (sbl_sspec){.refs = 1, .spec = spec, .rule = (uint32_t)rule};
    y->p->specs[spec.number] = number;
}

void sbl_refuse(const sbl_saying *y, uint64_t serial)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_words  *w   = sbl_letter_to(y->s, y->slot, SBL_LETTER_FAILED);

    y->p->was_refused = 1;
    sbl_error_set(&err, SABAL_ENOMEM, "the scheduler has no memory for a task");
    sbl_say_u64(w, serial);
    sbl_say_failure(w, &err);
}

static uint64_t serial_at(const char *serials, uint64_t i)
{
    uint64_t serial;

    memcpy(&serial, serials + 8 * i, sizeof serial);
    return serial;
}

/* 0: no memory; -1: an input that there is not. */
static int add_inputs(const sbl_saying *y, uint32_t task, const sbl_group *g, uint32_t i)
{
    const char *inputs = g->inputs + (g->shared ? 0 : (size_t)8 * g->n_inputs * i);
    uint32_t    last   = 0;

    for (uint32_t k = 0; k < g->n_inputs; k++) {
        const uint32_t input = sbl_serial_find(y->p, serial_at(inputs, k));

        if (!input)
            return -1;
        if (!sbl_edge_add(y->s, task, input, &last))
            return 0;
    }
    return 1;
}

void sbl_take_back(const sbl_saying *y, uint32_t task)
{
    sbl_edges_end(y->s, task);
    sbl_task_at(y->s, task)->wanted = 0;
    sbl_stask_end(y->s, task);
}

int sbl_takes_numbers(const sbl_saying *y, uint64_t first, uint64_t n)
{
    uint64_t end;

    if (first && !__builtin_add_overflow(first, n, &end) && !sbl_serial_any(y->p, first, n))
        return 1;
    sbl_break_off(y, "a number that is in use");
    return 0;
}

static void hear_task(const sbl_saying *y, const sbl_group *g, uint32_t spec, uint32_t i)
{
    const uint32_t task = sbl_stask_make(y->s, y->slot, g->serial + i, spec);
    sbl_stask     *t    = task ? sbl_task_at(y->s, task) : NULL;
    int            ok;

    if (!task) {
        sbl_refuse(y, g->serial + i);
        return;
    }
    ok = sbl_bytes_keep(&t->arg, g->args + (size_t)g->arg_size * i, g->arg_size);
    if (ok)
        t->arg_size = g->arg_size;
    if (ok)
        ok = add_inputs(y, task, g, i);
    if (ok > 0)
        ok = sbl_serial_set(y->p, t->serial, task);
    if (ok > 0) {
        sbl_stask_begin(y->s, task);
        return;
    }
    sbl_take_back(y, task);
    if (ok < 0 && !y->p->was_refused)
        sbl_break_off(y, "a task has an input that there is not");
    else
        sbl_refuse(y, g->serial + i);
}

void sbl_hear_tasks(const sbl_saying *y)
{
    sbl_group g;
    uint32_t  spec;

    sbl_hear_group(&g, y->r);
    if (y->r->failed)
        return;
    spec = g.spec < y->p->n_specs ? y->p->specs[g.spec] : 0;
    if (!spec) {
        sbl_break_off(y, "tasks of a kind that was not told");
        return;
    }
    if (!sbl_takes_numbers(y, g.serial, g.n))
        return;
    for (uint32_t i = 0; i < g.n && !y->r->failed; i++) {
        hear_task(y, &g, spec, i);
        sbl_settle(y->s);
    }
}

void sbl_hear_data(const sbl_saying *y)
{
    const uint64_t serial = sbl_hear_u64(y->r), size = sbl_hear_u64(y->r);
    const uint32_t n     = sbl_hear_u32(y->r);
    const char    *bytes = n == SBL_ELSEWHERE ? NULL : sbl_hear(y->r, SBL_BYTES_OF(n));
    uint32_t       task;
    sbl_stask     *t;

    if (y->r->failed)
        return;
    if (bytes && SBL_BYTES_OF(n) > SBL_INLINE) {
        sbl_break_off(y, "data that should have been kept by its client");
        return;
    }
    if (!sbl_takes_numbers(y, serial, 1))
        return;
    task = sbl_stask_make(y->s, y->slot, serial, 0);
    if (!task) {
        sbl_refuse(y, serial);
        return;
    }
    t        = sbl_task_at(y->s, task);
    t->flags = SBL_IS_DATA;
    t->size  = size;
    t->at    = bytes ? SBL_AT_SCHEDULER : SBL_AT_CLIENT;
    t->kept  = bytes ? n : 0;
    if (!sbl_serial_set(y->p, serial, task)) {
        sbl_take_back(y, task);
        sbl_refuse(y, serial);
        return;
    }
    if (bytes && !sbl_bytes_keep(&t->value, bytes, SBL_BYTES_OF(n))) {
        sbl_serial_forget(y->p, serial);
        sbl_take_back(y, task);
        sbl_refuse(y, serial);
        return;
    }
    sbl_stask_set_state(y->s, t, SBL_T_DONE);
    if (!bytes)
        sbl_tasks_add(y->s, &y->p->data, task);
}

/* Calls one for each task of a range of serials. */
static void for_range(const sbl_saying *y, void (*one)(const sbl_saying *y, uint64_t serial, uint32_t task))
{
    uint64_t           first = sbl_hear_u64(y->r), n = sbl_hear_u64(y->r), end;
    const sbl_serials *known = &y->p->serials;
    const uint64_t     low = known->first << SBL_SERIALS_SHIFT, high = (known->first + known->n) << SBL_SERIALS_SHIFT;

    if (y->r->failed || __builtin_add_overflow(first, n, &end))
        return;
    for (uint64_t serial = first > low ? first : low; serial < end && serial < high;) {
        const uint32_t task = sbl_serial_find(y->p, serial);

        if (task)
            one(y, serial, task);
        serial = sbl_serial_next(y->p, serial);
    }
}

static void release_one(const sbl_saying *y, uint64_t serial, uint32_t task)
{
    sbl_task_at(y->s, task)->wanted = 0;
    sbl_serial_forget(y->p, serial);
    sbl_post(y->s, SBL_E_LET_GO, task, 0, 0);
    sbl_settle(y->s);
}

void sbl_sign(const sbl_scheduler *s, const sbl_stask *t, sabal_error *err)
{
    const sbl_spec *spec = t->spec ? &sbl_spec_at(s, t->spec)->spec : NULL;
    char            key[64];

    if (!spec)
        return;
    snprintf(key, sizeof key, "%.40s-%llu", spec->name, (unsigned long long)t->serial);
    sbl_error_task(err, key);
    sbl_error_where(err, spec->where);
}

static void cancel_one(const sbl_saying *y, uint64_t serial, uint32_t task)
{
    sabal_error      err = SABAL_ERROR_INIT;
    const sbl_stask *t   = sbl_task_at(y->s, task);

    if (sbl_task_has_ended(t))
        return;
    sbl_error_set(&err, SABAL_ECANCELED, "the task was cancelled");
    sbl_sign(y->s, t, &err);
    sbl_post(y->s, SBL_E_CANCEL, task, 0, sbl_sfailure_make(y->s, &err));
    sbl_settle(y->s);
}

void sbl_hear_release(const sbl_saying *y)
{
    for_range(y, release_one);
}

void sbl_hear_cancel(const sbl_saying *y)
{
    for_range(y, cancel_one);
}

/* What was released meanwhile is no matter. */
void sbl_hear_spread(const sbl_saying *y)
{
    const uint64_t serial = sbl_hear_u64(y->r);
    const uint32_t n = sbl_hear_u32(y->r), task = sbl_serial_find(y->p, serial);

    if (y->r->failed || !task || sbl_task_at(y->s, task)->state == SBL_T_FAILED)
        return;
    if (!sbl_spread_declare(y->s, sbl_value_task(y->s, task), n))
        y->s->no_memory = 1;
}

void sbl_hear_look(const sbl_saying *y)
{
    const uint64_t serial = sbl_hear_u64(y->r);
    const uint32_t not_at = sbl_peer_slot(y->s, sbl_hear_u32(y->r)), task = sbl_serial_find(y->p, serial);
    sbl_stask     *t = task ? sbl_task_at(y->s, task) : NULL;

    if (!task || y->r->failed)
        return;
    if (not_at && t->state == SBL_T_DONE)
        sbl_is_not_at(y->s, sbl_value_task(y->s, task), not_at, 0);
    if (t->state == SBL_T_DONE)
        sbl_tell_where(y->s, task);
    else if (t->state == SBL_T_FAILED)
        sbl_tell_failed(y->s, task);
    else
        t->flags |= SBL_LOOKED_FOR;
}
