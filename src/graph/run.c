/* Running one task: its function, again if it failed and may be retried, and what its answer means. */
#include "graph/budget.h"
#include "graph/local.h"

#include "base/clock.h"
#include "base/error.h"
#include "graph/stuck.h"
#include "graph/timer.h"
#include "graph/trace.h"

static void begin(struct sabal_task *task, sabal_future *f)
{
    task->future   = f;
    task->n_parked = 0;
    task->value    = NULL;
    task->chain    = NULL;
    task->n_small  = 0;
    task->failed   = 0;
    sbl_error_clear(&task->error);
}

static void drop(struct sabal_task *task)
{
    sbl_value_release(task->value);
    sbl_handle_release(task->chain);
    task->value   = NULL;
    task->chain   = NULL;
    task->n_small = 0;
}

static int is_interrupted(const sabal_future *f)
{
    return atomic_load_explicit(&f->interrupted, memory_order_relaxed) || sbl_client_is_closing(f->client);
}

/* The function sees scopes of its own; those of a task that waits below on this stack come back after. */
sabal_status sbl_call_here(struct sabal_task *task)
{
    sabal_scope  scope, *former = sbl_scope_swap(NULL);
    sabal_status st;

    sbl_scope_begin(&scope, task->future->client);
    task->below = sbl_task_swap(task);
    st          = task->future->site->fn(task);
    sbl_task_swap(task->below);
    sbl_scope_end(&scope);
    sbl_scope_swap(former);
    return st;
}

static sabal_status call(struct sabal_task *task)
{
    return task->future->client->engine->call(task);
}

static sabal_status call_with_limit(struct sabal_task *task)
{
    const sbl_rare *rare = sbl_future_rare(task->future);
    sbl_limit       limit;
    sabal_status    st;

    if (!rare || rare->timeout_ns <= 0)
        return call(task);
    sbl_timer_arm(&limit, task->future, rare->timeout_ns);
    st = call(task);
    sbl_timer_disarm(&limit);
    return st;
}

/* An answer such as SABAL_END would be taken for one of the call that waits for this task. */
static sabal_status no_status(struct sabal_task *task, sabal_status returned)
{
    char        made_up[64];
    const char *name = sbl_future_name(task->future, made_up, sizeof made_up);

    task->error.status = SABAL_OK; /* what a call noted before is not what ended the task */
    return sbl_error_set(&task->error, SABAL_EINVAL,
                         "task '%s' returned %d (%s), which is neither SABAL_OK nor a failure", name, (int)returned,
                         sabal_status_name(returned));
}

/* A task that hands nothing over has a result of no bytes. */
static sabal_status run_once(struct sabal_task *task)
{
    sabal_status st = call_with_limit(task);

    if (task->failed)
        st = task->error.status;
    else if (st && !sbl_status_is_failure(st))
        st = no_status(task, st);
    if (st == SABAL_OK && is_interrupted(task->future))
        st = SABAL_ECANCELED;
    if (st == SABAL_OK && !task->value && !task->chain && !task->n_small)
        task->n_small = 1;
    return st;
}

/* A timeout is a failure of this run and may be tried again; a cancellation is final. */
static int may_retry(sabal_future *f, sabal_status st, int32_t *retries_left)
{
    uint8_t was;

    if (*retries_left <= 0 || sbl_client_is_closing(f->client))
        return 0;
    was = atomic_fetch_and_explicit(&f->interrupted, (uint8_t)~SBL_TIME_IS_UP, memory_order_relaxed);
    if (was & SBL_ASKED_TO_CANCEL || (st == SABAL_ECANCELED && !(was & SBL_TIME_IS_UP)))
        return 0;
    --*retries_left;
    return 1;
}

sbl_failure *sbl_failure_of_interrupt(const sabal_future *f)
{
    uint8_t why = atomic_load_explicit(&f->interrupted, memory_order_relaxed);

    if (why & SBL_ASKED_TO_CANCEL)
        return sbl_failure_of_task(f, SABAL_ECANCELED, "the task was cancelled");
    if (why & SBL_TIME_IS_UP)
        return sbl_failure_of_task(f, SABAL_ETIMEDOUT, "the task ran longer than the %g s it was given",
                                   (double)sbl_future_rare(f)->timeout_ns * 1e-9);
    return &sbl_failure_closed;
}

static sbl_failure *failure_of_run(struct sabal_task *task, sabal_status st)
{
    const sabal_future *f = task->future;
    char                made_up[64], key[64];
    const char         *name;

    if (is_interrupted(f))
        return sbl_failure_of_interrupt(f);
    if (task->error.status == st) { /* a call of this task told more about it */
        sbl_future_write_key(f, key, sizeof key);
        sbl_error_task(&task->error, key);
        sbl_error_where(&task->error, f->site->where);
        return sbl_failure_make(&task->error);
    }
    name = sbl_future_name(f, made_up, sizeof made_up);
    return sbl_failure_of_task(f, st, "task '%s' returned %s", name, sabal_status_name(st));
}

static void fail(sabal_future *f, sbl_failure *failure, sabal_future **next)
{
    f->result.failure = failure;
    f->failed         = 1;
    atomic_store_explicit(&f->stage, SBL_ENDING, memory_order_relaxed);
    sbl_end(f, next);
}

/* What it takes was promised, or it gets that now; its inputs come into memory. */
static sabal_status take_memory(struct sabal_task *task, const sbl_grant *grant)
{
    if (grant)
        task->grant = *grant;
    else
        sbl_budget_let_in(&task->grant, task->future);
    return sbl_grant_begin(&task->grant, task->future, &task->error);
}

/* The result is counted before what was promised for it is given back. From here on it may leave memory. */
static void give_memory(struct sabal_task *task, sabal_status st)
{
    sabal_future *f = task->future;

    if (st == SABAL_OK && task->n_small) {
        f->result.small = task->small;
        f->small        = task->n_small;
    } else if (st == SABAL_OK && task->value) {
        if (f->client->budget && !f->sized)
            sbl_budget_learn(f->client->budget, f, task->value->own);
        f->result.value = task->value;
        sbl_held_make(f);
    }
    sbl_grant_end(&task->grant, f);
}

/* What it has handed over. */
static size_t bytes_of(const struct sabal_task *task)
{
    if (task->n_small)
        return (size_t)task->n_small - 1;
    return task->value ? task->value->n_bytes : 0;
}

void sbl_run(sabal_future *f, const sbl_grant *grant, sabal_future **next)
{
    const sbl_rare   *rare         = sbl_future_rare(f);
    int32_t           retries_left = rare ? rare->retries : 0;
    struct sabal_task task;
    sabal_status      st;

    begin(&task, f);
    st = take_memory(&task, grant);
    if (is_interrupted(f)) {
        give_memory(&task, SABAL_ECANCELED);
        fail(f, sbl_failure_of_interrupt(f), next);
        return;
    }
    f->ran = 1;
    while (!st) {
        int64_t started = f->client->trace ? sbl_clock_ns() : 0;

        st = run_once(&task);
        if (f->client->trace)
            sbl_trace_run(f->client->trace, f, started, st, bytes_of(&task));
        if (st == SABAL_OK || !may_retry(f, st, &retries_left))
            break;
        drop(&task);
        begin(&task, f);
        st = SABAL_OK;
    }
    give_memory(&task, st);
    if (st == SABAL_OK && task.chain) {
        st = sbl_chain(f, task.chain, next, &task.error);
        if (!st)
            return;
    }
    if (st) {
        drop(&task); /* before the end can be seen: a future that was to be returned holds a result that is counted */
        fail(f, failure_of_run(&task, st), next);
    } else {
        atomic_store_explicit(&f->stage, SBL_ENDING, memory_order_relaxed);
        sbl_end(f, next);
    }
}

sabal_status sbl_run_again(sbl_value **value, sabal_future *f, sabal_error *err)
{
    struct sabal_task task;
    sabal_status      st;

    begin(&task, f);
    task.grant = (sbl_grant){0};
    st         = call(&task);
    if (task.failed)
        st = task.error.status;
    if (st == SABAL_OK && task.value) {
        *value = task.value;
        return SABAL_OK;
    }
    drop(&task);
    if (task.error.status)
        return sbl_error_pass(err, &task.error);
    return sbl_error_set(err, st ? st : SABAL_EINTERNAL, "a result that left memory could not be made again");
}
