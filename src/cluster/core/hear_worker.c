/* What workers say: of the tasks that they run, of values, of themselves. What is about another attempt than the one that runs
   is out of date. */
#include "cluster/core/hear.h"
#include "cluster/core/place.h"

#include <stdio.h>

#include "base/error.h"

/* The task whose attempt that worker runs; 0: it is out of date. */
static uint32_t hear_attempt(const sbl_saying *y, uint32_t *said, uint32_t *attempt)
{
    const sbl_stask *t;

    *said    = sbl_hear_u32(y->r);
    *attempt = sbl_hear_u32(y->r);
    if (!sbl_table_has(&y->s->tasks, *said))
        return 0;
    t = sbl_task_at(y->s, *said);
    return t->state == SBL_T_SENT && t->worker == y->slot && t->attempt == *attempt ? *said : 0;
}

static const char BEFORE_ITS_INPUTS[] = "a task that has ended before its inputs were there";

static double smoothed(double mean, double value)
{
    return mean > 0 ? mean + (value - mean) / 8 : value;
}

void sbl_hear_ready(const sbl_saying *y)
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
        sbl_break_off(y, "a result that should have been kept by its worker");
        return;
    }
    y->p->has_given = 0;
    y->p->moved_ns  = y->s->now_ns;
    if (!task) {
        if (n == SBL_ELSEWHERE)
            sbl_say_drop(y->s, y->slot, said, attempt);
        return;
    }
    if (t->missing) {
        sbl_break_off(y, BEFORE_ITS_INPUTS);
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
    y->s->n_ended++;
    y->p->n_done++;
    sbl_post(y->s, SBL_E_FINISH, task, 0, 0);
}

void sbl_hear_ended(const sbl_saying *y)
{
    uint32_t         said, attempt;
    const uint32_t   task = hear_attempt(y, &said, &attempt);
    const sbl_stask *t    = task ? sbl_task_at(y->s, task) : NULL;
    sabal_error      err;

    sbl_hear_u32(y->r);
    sbl_hear_failure(&err, y->r);
    y->p->has_given = 0;
    y->p->moved_ns  = y->s->now_ns;
    if (y->r->failed || !task)
        return;
    if (!err.status)
        sbl_error_set(&err, SABAL_EINTERNAL, "a worker told a failure without saying which");
    y->s->n_ended++;
    y->p->n_failed++;
    sbl_sign(y->s, t, &err);
    sbl_post(y->s, SBL_E_FAIL, task, 0, sbl_sfailure_make(y->s, &err));
}

/* It had all that it needed, but for the room. */
void sbl_hear_no_room(const sbl_saying *y)
{
    uint32_t         said, attempt;
    const uint32_t   task = hear_attempt(y, &said, &attempt);
    const sbl_stask *t    = task ? sbl_task_at(y->s, task) : NULL;
    sabal_error      err;

    sbl_hear_failure(&err, y->r);
    if (y->r->failed || !task)
        return;
    if (t->missing) {
        sbl_break_off(y, BEFORE_ITS_INPUTS);
        return;
    }
    if (!err.status)
        sbl_error_set(&err, SABAL_EINTERNAL, "a worker told that it has no room without saying why");
    sbl_sign(y->s, t, &err);
    sbl_post(y->s, SBL_E_NO_ROOM, task, 0, sbl_sfailure_make(y->s, &err));
}

static int may_return(const sbl_saying *y, uint32_t task, uint32_t target, sabal_error *err)
{
    const int circle = target ? sbl_waits_for(y->s, target, task) : 0;

    if (!target)
        sbl_error_set(err, SABAL_EINVAL, "the task returned a future that its client does not have");
    else if (circle > 0)
        sbl_error_set(err, SABAL_EINVAL, "a task returned a future that waits for its own: neither would end");
    else if (circle < 0)
        sbl_error_set(err, SABAL_ENOMEM, "the scheduler has no memory to see what a returned future waits for");
    return !err->status;
}

void sbl_hear_chain(const sbl_saying *y)
{
    uint32_t       said, attempt, last = 0;
    const uint32_t task   = hear_attempt(y, &said, &attempt);
    const uint32_t target = sbl_serial_find(y->p, sbl_hear_u64(y->r));
    sabal_error    err    = SABAL_ERROR_INIT;

    y->p->has_given = 0;
    y->p->moved_ns  = y->s->now_ns;
    if (y->r->failed || !task)
        return;
    if (sbl_task_at(y->s, task)->missing) {
        sbl_break_off(y, BEFORE_ITS_INPUTS);
        return;
    }
    if (!may_return(y, task, target, &err)) {
        sbl_sign(y->s, sbl_task_at(y->s, task), &err);
        sbl_post(y->s, SBL_E_FAIL, task, 0, sbl_sfailure_make(y->s, &err));
        return;
    }
    y->s->n_ended++;
    y->p->n_done++;
    sbl_edges_end(y->s, task);
    if (!sbl_edge_add(y->s, task, target, &last)) {
        y->s->no_memory = 1;
        return;
    }
    sbl_post(y->s, SBL_E_CHAIN, task, 0, 0);
}

void sbl_hear_lack(const sbl_saying *y)
{
    uint32_t         said, attempt;
    const uint32_t   task  = hear_attempt(y, &said, &attempt);
    const uint32_t   input = sbl_hear_u32(y->r), its = sbl_hear_u32(y->r), worker = sbl_hear_u32(y->r);
    const uint32_t   holder = worker == SBL_MADE_THERE ? y->slot : sbl_peer_slot(y->s, worker);
    const sbl_stask *in     = sbl_table_has(&y->s->tasks, input) ? sbl_task_at(y->s, input) : NULL;

    if (y->r->failed)
        return;
    if (in && in->state == SBL_T_DONE && in->attempt == its) {
        sbl_retire_lacks(y->s, input, y->slot);
        sbl_spread_failed(y->s, input, y->slot);
        if (holder && (said || holder == y->slot)) /* what could not be moved may be out of reach for that one alone */
            sbl_is_not_at(y->s, input, holder, y->slot);
    }
    if (task && sbl_task_at(y->s, task)->state == SBL_T_SENT && sbl_task_at(y->s, task)->attempt == attempt)
        sbl_post(y->s, SBL_E_RETURN, task, 0, 0);
}

void sbl_hear_have(const sbl_saying *y)
{
    const uint32_t   task = sbl_hear_u32(y->r), attempt = sbl_hear_u32(y->r);
    const sbl_stask *t = sbl_table_has(&y->s->tasks, task) ? sbl_task_at(y->s, task) : NULL;

    if (y->r->failed)
        return;
    if (t && t->state == SBL_T_DONE && t->attempt == attempt && (t->at == SBL_AT_WORKERS || t->at == SBL_AT_CLIENT)) {
        sbl_copy_add(y->s, task, y->slot);
        sbl_retire_has(y->s, task);
        sbl_spread_came(y->s, task, y->slot);
    } else {
        sbl_say_drop(y->s, y->slot, task, attempt);
    }
}

void sbl_hear_gave(const sbl_saying *y)
{
    uint32_t       said, attempt;
    const uint32_t task = hear_attempt(y, &said, &attempt);

    if (y->r->failed)
        return;
    if (!said) { /* that was all */
        y->p->is_asked  = 0;
        y->p->has_given = !y->p->n_moved;
        y->p->n_moved   = 0;
        sbl_may_fill(y->s, y->slot); /* perhaps it may be asked again, */
        sbl_feed_one(y->s);          /* and who asked it may have to ask another */
    }
    if (!task)
        return;
    sbl_post(y->s, SBL_E_RETURN, task, 0, 0);
    sbl_settle(y->s);
    if (sbl_task_at(y->s, task)->state == SBL_T_READY) {
        sbl_task_at(y->s, task)->flags |= SBL_WAS_GIVEN;
        sbl_task_at(y->s, task)->giver = y->slot;
    }
}

void sbl_hear_spare(const sbl_saying *y)
{
    const uint32_t n = sbl_hear_u32(y->r);

    y->p->spare = n < 1 << 20 ? (int32_t)n : 1 << 20;
    sbl_may_fill(y->s, y->slot);
}

void sbl_hear_beat(const sbl_saying *y)
{
    y->p->managed = sbl_hear_u64(y->r);
    y->p->limit   = sbl_hear_u64(y->r);
    sbl_may_fill(y->s, y->slot);
}

void sbl_hear_retire(const sbl_saying *y)
{
    sbl_hear_u32(y->r);
    if (!y->r->failed)
        sbl_retire(y->s, y->slot);
}
