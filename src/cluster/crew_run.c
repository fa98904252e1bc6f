/* Tasks in a worker: from the executor's order to the local client, and back with its end. */
#include "cluster/crew.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "cluster/crew_page.h"
#include "cluster/told.h"
#include "graph/held.h"
#include "graph/local.h"
#include "graph/watch.h"

/* --- kinds -------------------------------------------------------------------------------------------------------- */

static void kind_release(sbl_kind *kind)
{
    if (kind && !--kind->refs)
        sbl_free(kind);
}

static sbl_kind *make_kind(const sbl_spec *spec)
{
    const size_t name = strlen(spec->name) + 1, where = strlen(spec->where) + 1;
    sbl_kind    *kind  = sbl_calloc(1, sizeof *kind + name + where);
    char        *texts = (char *)(kind + 1);

    if (!kind)
        return NULL;
    kind->refs = 1;
    kind->spec = *spec;
    memcpy(texts, spec->name, name);
    memcpy(texts + name, spec->where, where);
    kind->spec.name  = texts;
    kind->spec.where = texts + name;
    kind->spec.code  = NULL;
    if (spec->code_size == sizeof kind->code)
        memcpy(&kind->code, spec->code, sizeof kind->code);
    return kind;
}

void sbl_crew_hear_spec(void *arg, const sbl_spec *spec)
{
    if (spec->number >= sbl_crew.n_kinds) {
        const uint32_t n    = 2 * spec->number + 16;
        sbl_kind     **more = sbl_realloc(sbl_crew.kinds, n * sizeof *more);

        if (!more)
            return; /* its tasks fail one by one */
        memset(more + sbl_crew.n_kinds, 0, (n - sbl_crew.n_kinds) * sizeof *more);
        sbl_crew.kinds   = more;
        sbl_crew.n_kinds = n;
    }
    kind_release(sbl_crew.kinds[spec->number]);
    sbl_crew.kinds[spec->number] = make_kind(spec);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void free_running(sbl_running *r)
{
    kind_release(r->kind);
    sbl_free(r->watch);
    sbl_free(r->own);
    sbl_free(r);
}

/* The key that the task has here means nothing elsewhere. */
static void tell_failure(sbl_running *r, const sabal_error *why)
{
    sabal_error err = *why;

    if (r->future && !strcmp(err.task, sabal_future_key(r->future)))
        err.task[0] = 0;
    if (!err.node[0])
        snprintf(err.node, sizeof err.node, "%.40s", sbl_crew.membership.who.name);
    if (r->future && sbl_future_had_no_room(r->future)) {
        sbl_log(SABAL_LOG_WARN, "a task is given back: %s", err.message);
        sbl_executor_refused(sbl_crew.executor, r->item, &err);
    } else {
        sbl_executor_failed(sbl_crew.executor, r->item, &err);
    }
}

static void tell_value(sbl_running *r)
{
    char         bytes[SBL_INLINE];
    sbl_value   *value = NULL;
    sabal_error  err   = SABAL_ERROR_INIT;
    uint32_t     n     = SBL_ELSEWHERE;
    const size_t size  = sbl_result_bytes(r->future);

    if (size <= SBL_INLINE) {
        if (sbl_result_take(&value, r->future, &err)) {
            sbl_handle_release(r->future);
            r->future = NULL;
            tell_failure(r, &err);
            return;
        }
        n = sbl_value_tell(bytes, value);
        sbl_value_release(value);
    }
    sbl_executor_finished(sbl_crew.executor, r->item, r->future, size, (uint64_t)r->ns,
                          n == SBL_ELSEWHERE ? NULL : bytes, n);
    r->future = NULL; /* the executor's now */
}

static void answer(sbl_work *work)
{
    sbl_running       *r = (sbl_running *)(void *)work;
    const sabal_error *why;
    sabal_future      *chain = r->chain;
    sbl_awaited        by    = SBL_AWAITED_ELSEWHERE;
    const int64_t      ns    = r->ns;

    pthread_mutex_lock(&sbl_crew.lock);
    if (r->future)
        sbl_future_set_tag(r->future, NULL);
    why = r->future ? sabal_future_error(r->future) : &r->err;
    if (r->item && why)
        tell_failure(r, why);
    else if (r->item && chain)
        sbl_executor_chained(sbl_crew.executor, r->item, chain->serial);
    else if (r->item) {
        by = sbl_item_awaited(r->item);
        tell_value(r);
    }
    if (r->future)
        sbl_handle_release(r->future);
    free_running(r);
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_handle_release(chain); /* which is said, too, after it was said that it was returned */
    sbl_crew_ended(by, ns);
}

/* Who has run it looks at what is posted next; others may be held by tasks for long. */
static void answer_soon(sbl_running *r)
{
    sbl_pool *pool = sbl_client_pool(sbl_crew.client);

    if (sbl_pool_place(pool) >= 0)
        sbl_pool_post(pool, &r->work);
    else
        sbl_errand(&sbl_crew.errands, &r->work);
}

/* With a lock of the client held, by who ended it. */
static void post_answer(sbl_watch *watch)
{
    sbl_running *r;

    memcpy(&r, watch->key, sizeof r);
    answer_soon(r);
}

/* --- the beginning ------------------------------------------------------------------------------------------------ */

/* For their code: in the order in which they are to run, also those that were taken back. */
static struct {
    sbl_running *first, **end;
} waiting = {.end = &waiting.first};

/*
 * Among those of its priority what other workers wait for goes first. But now and then one of these does not: so what stands behind them
 * gets its turn, however many of these come, a sixteenth of the time at least.
 */
static int32_t priority_of(const sbl_running *r)
{
    enum { ONE_IN = 16 };
    const int32_t   most = INT32_MAX / 4, given = r->kind->spec.priority;
    const int32_t   kept = given > most ? most : given < -most ? -most : given;
    static uint32_t n; /* with the lock */

    return 2 * kept + (sbl_item_awaited(r->item) == SBL_AWAITED_ELSEWHERE && n++ % ONE_IN);
}

static void submit(sbl_running *r)
{
    const sbl_spec *spec = &r->kind->spec;
    sbl_task_spec   task = {.fn           = r->kind->fn,
                            .arg          = r->run->arg_size ? r->run->arg : NULL,
                            .arg_size     = r->run->arg_size,
                            .inputs       = (sabal_future *const *)r->run->inputs,
                            .n_inputs     = (int32_t)r->run->n_inputs,
                            .priority     = priority_of(r),
                            .timeout_ns   = spec->timeout_ns,
                            .output_bytes = spec->size,
                            .name         = spec->name,
                            .where        = spec->where[0] ? spec->where : NULL,
                            .own_where    = 1,
                            .tag          = r};

    if (sbl_engine_submit(sbl_crew.client, &task, 1, &r->future, &r->err)) {
        answer_soon(r);
        return;
    }
    if (!sbl_watch_add(r->watch, r->future))
        post_answer(r->watch);
}

/* 0: its code is not here. */
static int submit_if_found(sbl_running *r)
{
    sbl_kind *kind = r->kind;

    if (!kind->fn) /* else another of its kind has found it */
        kind->fn = (sabal_task_fn *)(uintptr_t)sbl_code_find(&kind->code);
    if (!kind->fn)
        return 0;
    submit(r);
    return 1;
}

void sbl_crew_start(void *arg, sbl_item *item, const sbl_task_run *run)
{
    sbl_kind    *kind = run->spec < sbl_crew.n_kinds ? sbl_crew.kinds[run->spec] : NULL;
    sbl_running *r    = sbl_calloc(1, sizeof *r);

    if (!r || !(r->watch = sbl_calloc(1, sizeof *r->watch + sizeof r)))
        _exit(SBL_CREW_NO_MEMORY); /* the supervisor tells; there is no way to tell of this task alone */
    sbl_crew_count(1);
    *sbl_item_tag(item) = r;
    r->work.run         = answer;
    r->work.priority    = INT32_MAX;
    r->item             = item;
    r->run              = run;
    r->err              = (sabal_error)SABAL_ERROR_INIT;
    r->watch->fire      = post_answer;
    r->watch->fd        = -1;
    memcpy(r->watch->key, &r, sizeof r);
    if (!kind) {
        sbl_error_set(&r->err, SABAL_ENOMEM, "a worker had no memory for what a kind of task is");
        answer_soon(r);
        return;
    }
    r->kind = kind;
    kind->refs++;
    if (submit_if_found(r))
        return;
    if (sbl_crew_need(&kind->code.object, &r->err)) {
        answer_soon(r);
        return;
    }
    *waiting.end = r;
    waiting.end  = &r->next;
}

/* Its code came, or can't be had. */
static void go_on(sbl_running *r, const sabal_error *err)
{
    if (!r->item) {
        free_running(r);
    } else if (!submit_if_found(r)) {
        r->err = *err;
        answer_soon(r);
    }
}

void sbl_crew_code_came(const sbl_build_id *object, const sabal_error *err)
{
    sbl_running **at = &waiting.first;

    while (*at) {
        sbl_running *r = *at;

        if (sbl_build_id_equal(&r->kind->code.object, object)) {
            *at = r->next;
            go_on(r, err);
        } else {
            at = &r->next;
        }
    }
    waiting.end = at;
}

int sbl_crew_take_back(void *arg, sbl_item *item)
{
    sbl_running *r = *sbl_item_tag(item);

    if (!r->future && r->err.status)
        return 0; /* its end is on the way */
    if (r->future && !sbl_end_unstarted(r->future))
        return 0;
    if (!r->future) /* it waits for its code: nobody will tell of its end */
        sbl_crew_count(-1);
    r->item = NULL;
    return 1;
}

void sbl_crew_interrupt(void *arg, sbl_item *item)
{
    sbl_running *r = *sbl_item_tag(item);

    if (r->future)
        sabal_future_cancel(r->future);
}
