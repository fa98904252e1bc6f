/* What peers say: letters become changes of records and events. Nothing that a peer says is believed: a number that means
   nothing is out of date and left alone, what can't be meant drops the peer. */
#include "cluster/core/state.h"

#include <stdio.h>

#include "base/error.h"

/* Who speaks, and what he says. */
typedef struct saying {
    sbl_scheduler *s;
    uint32_t       slot;
    sbl_peer      *p;
    sbl_reader    *r;
} saying;

static void break_off(const saying *y, const char *why)
{
    y->r->failed = 1;
    sbl_drop_peer(y->s, y->slot, why);
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

enum { MOST_SPECS = 1 << 20 };

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

/* Its texts one behind the other. */
static int keep_texts(sbl_spec *spec)
{
    const size_t name = strlen(spec->name) + 1, where = strlen(spec->where) + 1;
    char        *texts = sbl_alloc(spec->code_size + name + where);

    if (!texts)
        return 0;
    memcpy(texts, spec->code, spec->code_size);
    memcpy(texts + spec->code_size, spec->name, name);
    memcpy(texts + spec->code_size + name, spec->where, where);
    spec->code  = texts;
    spec->name  = texts + spec->code_size;
    spec->where = spec->name + name;
    return 1;
}

static void hear_client_spec(const saying *y)
{
    sbl_spec   spec;
    uint32_t   number;
    sbl_sspec *kept;

    sbl_hear_spec(&spec, y->r);
    if (y->r->failed)
        return;
    if (spec.number >= MOST_SPECS || (spec.number < y->p->n_specs && y->p->specs[spec.number])) {
        break_off(y, "a kind of task has a number that is too large, or was used");
        return;
    }
    number = reach_spec(y->p, spec.number) ? sbl_table_take(&y->s->specs) : 0;
    if (!number || !keep_texts(&spec)) {
        if (number)
            sbl_table_give(&y->s->specs, number);
        y->s->no_memory = 1;
        return;
    }
    kept                     = sbl_spec_at(y->s, number);
    *kept                    = (sbl_sspec){.refs = 1, .spec = spec};
    y->p->specs[spec.number] = number;
}

/* Without a record: there was no memory for it. */
static void refuse(const saying *y, uint64_t serial)
{
    sabal_error err = SABAL_ERROR_INIT;
    sbl_words  *w   = sbl_letter_to(y->s, y->slot, SBL_FAILED);

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
static int add_inputs(const saying *y, uint32_t task, const sbl_group *g, uint32_t i)
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

/* A record that is not begun: nothing depends on it. */
static void take_back(const saying *y, uint32_t task)
{
    sbl_edges_end(y->s, task);
    sbl_task_at(y->s, task)->wanted = 0;
    sbl_stask_end(y->s, task);
}

/* Its numbers go up: none means two things, however late a letter is. */
static int takes_numbers(const saying *y, uint64_t first, uint64_t n)
{
    uint64_t end;

    if (first <= y->p->last_serial || __builtin_add_overflow(first, n, &end)) {
        break_off(y, "a number that was used");
        return 0;
    }
    y->p->last_serial = n ? end - 1 : y->p->last_serial;
    return 1;
}

static void hear_task(const saying *y, const sbl_group *g, uint32_t spec, uint32_t i)
{
    const uint32_t task = sbl_stask_make(y->s, y->slot, g->serial + i, spec);
    sbl_stask     *t    = task ? sbl_task_at(y->s, task) : NULL;
    int            ok;

    if (!task) {
        refuse(y, g->serial + i);
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
    take_back(y, task);
    if (ok < 0)
        break_off(y, "a task has an input that there is not");
    else
        refuse(y, g->serial + i);
}

static void hear_tasks(const saying *y)
{
    sbl_group g;
    uint32_t  spec;

    sbl_hear_group(&g, y->r);
    if (y->r->failed)
        return;
    spec = g.spec < y->p->n_specs ? y->p->specs[g.spec] : 0;
    if (!spec) {
        break_off(y, "tasks of a kind that was not told");
        return;
    }
    if (!takes_numbers(y, g.serial, g.n))
        return;
    for (uint32_t i = 0; i < g.n && !y->r->failed; i++) {
        hear_task(y, &g, spec, i);
        sbl_settle(y->s);
    }
}

static void hear_data(const saying *y)
{
    const uint64_t serial = sbl_hear_u64(y->r), size = sbl_hear_u64(y->r);
    const uint32_t n     = sbl_hear_u32(y->r);
    const char    *bytes = n == SBL_ELSEWHERE ? NULL : sbl_hear(y->r, SBL_BYTES_OF(n));
    uint32_t       task;
    sbl_stask     *t;

    if (y->r->failed)
        return;
    if (bytes && SBL_BYTES_OF(n) > SBL_INLINE) {
        break_off(y, "data that should have been kept by its client");
        return;
    }
    if (!takes_numbers(y, serial, 1))
        return;
    task = sbl_stask_make(y->s, y->slot, serial, 0);
    if (!task) {
        refuse(y, serial);
        return;
    }
    t        = sbl_task_at(y->s, task);
    t->flags = SBL_IS_DATA;
    t->size  = size;
    t->at    = bytes ? SBL_AT_SCHEDULER : SBL_AT_CLIENT;
    t->kept  = bytes ? n : 0;
    if (!sbl_serial_set(y->p, serial, task)) {
        take_back(y, task);
        refuse(y, serial);
        return;
    }
    if (bytes && !sbl_bytes_keep(&t->value, bytes, SBL_BYTES_OF(n))) {
        sbl_serial_forget(y->p, serial);
        take_back(y, task);
        refuse(y, serial);
        return;
    }
    sbl_stask_set_state(y->s, t, SBL_T_DONE);
    if (!bytes)
        sbl_list_add(y->s, &y->p->data, task);
}

/* Calls one for each task of a range of serials. */
static void for_range(const saying *y, void (*one)(const saying *y, uint64_t serial, uint32_t task))
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
    sbl_settle(y->s);
}

static void release_one(const saying *y, uint64_t serial, uint32_t task)
{
    sbl_task_at(y->s, task)->wanted = 0;
    sbl_serial_forget(y->p, serial);
    sbl_post(y->s, SBL_E_LET_GO, task, 0, 0);
}

static void cancel_one(const saying *y, uint64_t serial, uint32_t task)
{
    sabal_error      err = SABAL_ERROR_INIT;
    const sbl_stask *t   = sbl_task_at(y->s, task);

    if (sbl_task_has_ended(t))
        return;
    sbl_error_set(&err, SABAL_ECANCELED, "cancelled");
    sbl_post(y->s, SBL_E_CANCEL, task, 0, sbl_sfailure_make(y->s, &err));
    sbl_settle(y->s);
}

static void hear_release(const saying *y)
{
    for_range(y, release_one);
}

static void hear_cancel(const saying *y)
{
    for_range(y, cancel_one);
}

/* That worker does not have it, whatever was thought. */
static void it_is_not_at(sbl_scheduler *s, uint32_t task, uint32_t worker)
{
    sbl_words *w;

    if (!sbl_copy_is_at(s, task, worker))
        return;
    w = sbl_letter_to(s, worker, SBL_DROP); /* it may be there, and only out of reach */
    sbl_say_u32(w, task);
    sbl_say_u32(w, sbl_task_at(s, task)->attempt);
    if (sbl_copy_remove(s, task, worker))
        sbl_post(s, SBL_E_LOSE, task, 0, sbl_why_lost(s, task));
    sbl_settle(s);
}

static void hear_look(const saying *y)
{
    const uint64_t serial = sbl_hear_u64(y->r);
    const uint32_t not_at = sbl_peer_slot(y->s, sbl_hear_u32(y->r)), task = sbl_serial_find(y->p, serial);
    sbl_stask     *t = task ? sbl_task_at(y->s, task) : NULL;

    if (!task || y->r->failed)
        return;
    if (not_at && t->state == SBL_T_DONE)
        it_is_not_at(y->s, sbl_value_task(y->s, task), not_at);
    if (t->state == SBL_T_DONE)
        sbl_tell_where(y->s, task);
    else if (t->state == SBL_T_FAILED)
        sbl_tell_failed(y->s, task);
    else
        t->flags |= SBL_LOOKED_FOR;
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

/* The task whose attempt that worker runs; 0: it is out of date. */
static uint32_t hear_attempt(const saying *y, uint32_t *said, uint32_t *attempt)
{
    const sbl_stask *t;

    *said    = sbl_hear_u32(y->r);
    *attempt = sbl_hear_u32(y->r);
    if (!sbl_table_has(&y->s->tasks, *said))
        return 0;
    t = sbl_task_at(y->s, *said);
    return t->state == SBL_T_SENT && t->worker == y->slot && t->attempt == *attempt ? *said : 0;
}

static void say_drop(const saying *y, uint32_t task, uint32_t attempt)
{
    sbl_words *w = sbl_letter_to(y->s, y->slot, SBL_DROP);

    sbl_say_u32(w, task);
    sbl_say_u32(w, attempt);
}

static const char BEFORE_ITS_INPUTS[] = "a task that has ended before its inputs were there";

static double smoothed(double mean, double value)
{
    return mean > 0 ? mean + (value - mean) / 8 : value;
}

static void hear_ready(const saying *y)
{
    uint32_t       said, attempt;
    const uint32_t task = hear_attempt(y, &said, &attempt);
    const uint64_t time = sbl_hear_u64(y->r), size = sbl_hear_u64(y->r);
    const uint32_t n     = sbl_hear_u32(y->r);
    const char    *bytes = n == SBL_ELSEWHERE ? NULL : sbl_hear(y->r, SBL_BYTES_OF(n));
    sbl_stask     *t     = task ? sbl_task_at(y->s, task) : NULL;
    const double   ns    = time ? (double)time : 1;

    if (y->r->failed)
        return;
    if (bytes && SBL_BYTES_OF(n) > SBL_INLINE) {
        break_off(y, "a result that should have been kept by its worker");
        return;
    }
    y->p->has_given = 0;
    if (!task) {
        if (n == SBL_ELSEWHERE)
            say_drop(y, said, attempt);
        return;
    }
    if (t->missing) {
        break_off(y, BEFORE_ITS_INPUTS);
        return;
    }
    if (t->spec)
        sbl_spec_at(y->s, t->spec)->cost_ns = smoothed(sbl_spec_at(y->s, t->spec)->cost_ns, ns);
    y->p->mean_ns = smoothed(y->p->mean_ns, ns);
    t->size       = size;
    t->at         = bytes ? SBL_AT_SCHEDULER : SBL_AT_WORKERS;
    if (bytes && !sbl_bytes_keep(&t->value, bytes, SBL_BYTES_OF(n))) {
        y->s->no_memory = 1;
        return;
    }
    y->s->kept = n;
    sbl_post(y->s, SBL_E_FINISH, task, 0, 0);
}

static void hear_ended(const saying *y)
{
    uint32_t         said, attempt;
    const uint32_t   task = hear_attempt(y, &said, &attempt);
    const sbl_stask *t    = task ? sbl_task_at(y->s, task) : NULL;
    sabal_error      err;

    sbl_hear_u32(y->r);
    sbl_hear_failure(&err, y->r);
    y->p->has_given = 0;
    if (y->r->failed || !task)
        return;
    if (!err.status)
        sbl_error_set(&err, SABAL_EINTERNAL, "a worker told a failure without saying which");
    if (t->spec) {
        char key[64];

        snprintf(key, sizeof key, "%.40s-%llu", sbl_spec_at(y->s, t->spec)->spec.name, (unsigned long long)t->serial);
        sbl_error_task(&err, key);
        sbl_error_where(&err, sbl_spec_at(y->s, t->spec)->spec.where);
    }
    sbl_post(y->s, SBL_E_FAIL, task, 0, sbl_sfailure_make(y->s, &err));
}

static void hear_chain(const saying *y)
{
    uint32_t       said, attempt, last = 0;
    const uint32_t task   = hear_attempt(y, &said, &attempt);
    const uint32_t target = sbl_serial_find(y->p, sbl_hear_u64(y->r));
    sabal_error    err    = SABAL_ERROR_INIT;

    y->p->has_given = 0;
    if (y->r->failed || !task)
        return;
    if (sbl_task_at(y->s, task)->missing) {
        break_off(y, BEFORE_ITS_INPUTS);
        return;
    }
    if (!target || target == task) {
        sbl_error_set(&err, SABAL_EINVAL, "the task returned a future that its client does not have");
        sbl_post(y->s, SBL_E_FAIL, task, 0, sbl_sfailure_make(y->s, &err));
        return;
    }
    sbl_edges_end(y->s, task);
    if (!sbl_edge_add(y->s, task, target, &last)) {
        y->s->no_memory = 1;
        return;
    }
    sbl_post(y->s, SBL_E_CHAIN, task, 0, 0);
}

static void hear_lack(const saying *y)
{
    uint32_t       said, attempt;
    const uint32_t task  = hear_attempt(y, &said, &attempt);
    const uint32_t   input = sbl_hear_u32(y->r), its = sbl_hear_u32(y->r), worker = sbl_hear_u32(y->r);
    const uint32_t   holder = worker == SBL_MADE_THERE ? y->slot : sbl_peer_slot(y->s, worker);
    const sbl_stask *in     = sbl_table_has(&y->s->tasks, input) ? sbl_task_at(y->s, input) : NULL;

    if (y->r->failed)
        return;
    if (in && holder && in->state == SBL_T_DONE && in->attempt == its)
        it_is_not_at(y->s, input, holder);
    if (task && sbl_task_at(y->s, task)->state == SBL_T_SENT && sbl_task_at(y->s, task)->attempt == attempt)
        sbl_post(y->s, SBL_E_RETURN, task, 0, 0);
}

static void hear_have(const saying *y)
{
    const uint32_t   task = sbl_hear_u32(y->r), attempt = sbl_hear_u32(y->r);
    const sbl_stask *t = sbl_table_has(&y->s->tasks, task) ? sbl_task_at(y->s, task) : NULL;

    if (y->r->failed)
        return;
    if (t && t->state == SBL_T_DONE && t->attempt == attempt && (t->at == SBL_AT_WORKERS || t->at == SBL_AT_CLIENT))
        sbl_copy_add(y->s, task, y->slot);
    else
        say_drop(y, task, attempt);
}

static void hear_gave(const saying *y)
{
    uint32_t       said, attempt;
    const uint32_t task = hear_attempt(y, &said, &attempt);

    if (y->r->failed)
        return;
    if (!said) { /* that was all */
        y->p->is_asked = 0;
        y->p->has_given = 1;
    }
    if (task)
        sbl_post(y->s, SBL_E_RETURN, task, 0, 0);
}

static void hear_spare(const saying *y)
{
    const uint32_t n = sbl_hear_u32(y->r);

    y->p->spare = n < 1 << 20 ? (int32_t)n : 1 << 20;
    sbl_may_fill(y->s, y->slot);
}

static void hear_beat(const saying *y)
{
    y->p->managed = sbl_hear_u64(y->r);
    y->p->limit   = sbl_hear_u64(y->r);
    sbl_may_fill(y->s, y->slot);
}

/* --- letters ------------------------------------------------------------------------------------------------------ */

typedef void hear_fn(const saying *y);

/* Each hears one item. */
static hear_fn *listener(uint32_t kind, int is_worker)
{
    static hear_fn *const CLIENTS[] = {
        [SBL_SPEC] = hear_client_spec, [SBL_TASKS] = hear_tasks,   [SBL_DATA] = hear_data,
        [SBL_RELEASE] = hear_release,  [SBL_CANCEL] = hear_cancel, [SBL_LOOK] = hear_look};
    static hear_fn *const WORKERS[] = {
        [SBL_READY] = hear_ready, [SBL_ENDED] = hear_ended, [SBL_CHAIN] = hear_chain, [SBL_LACK] = hear_lack,
        [SBL_HAVE] = hear_have,   [SBL_GAVE] = hear_gave,   [SBL_SPARE] = hear_spare, [SBL_BEAT] = hear_beat};

    if (kind < sizeof CLIENTS / sizeof *CLIENTS)
        return CLIENTS[kind];
    return is_worker && kind < sizeof WORKERS / sizeof *WORKERS ? WORKERS[kind] : NULL;
}

static void hear_letter(sbl_scheduler *s, uint32_t slot, uint32_t kind, sbl_reader *letter)
{
    const saying y    = {.s = s, .slot = slot, .p = sbl_peer_at(s, slot), .r = letter};
    hear_fn     *hear = listener(kind, y.p->is_worker);

    if (!hear) {
        break_off(&y, "a letter of a kind that it may not send");
        return;
    }
    while (!sbl_reader_is_at_end(letter)) {
        hear(&y);
        sbl_settle(s);
    }
    if (letter->failed)
        break_off(&y, "a letter that is cut short");
}

void sbl_scheduler_hear(sbl_scheduler *s, uint32_t peer, const void *bytes, size_t size, int64_t now_ns)
{
    const uint32_t slot  = sbl_peer_slot(s, peer);
    sbl_reader     frame = {.at = bytes, .end = (const char *)bytes + size}, letter;
    uint32_t       kind;

    s->now_ns = now_ns;
    if (!slot || sbl_peer_at(s, slot)->is_dropped)
        return;
    sbl_peer_was_heard(s, slot);
    while (!sbl_peer_at(s, slot)->is_dropped && (kind = sbl_letter_next(&letter, &frame)))
        hear_letter(s, slot, kind, &letter);
    if (frame.failed)
        sbl_drop_peer(s, slot, "a frame that is cut short");
}
