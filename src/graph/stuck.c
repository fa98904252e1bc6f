/*
 * A task may wait for what waits for itself, and so many may wait that no thread is left to run what they wait for.
 * Neither may hang. A wait on a pool's thread naps and looks around in between: as long as one more thread can be had,
 * another goes on in its place; when there is none, it runs what is ready on top of the wait; when the stack is too
 * full for that, or one of those who wait is isolated (it holds a lock), the wait fails, its task returns, and the thread has room
 * again.
 */
#include "graph/stuck.h"

#include "base/error.h"
#include "graph/budget.h"
#include "graph/local.h"

#define PATIENCE      3 /* rounds in which those who wait for what is ready may come first */
#define LONG_PATIENCE 9 /* and in which what blocks otherwise may come to its end */

static __thread struct sabal_task *innermost;
static __thread uint64_t           tasks_begun; /* by this thread */

struct sabal_task *sbl_task_here(void)
{
    return innermost;
}

static void tell_engine(const struct sabal_task *task, int by)
{
    sabal_client *client = task->future->client;

    if (client->engine->park)
        client->engine->park(client, by);
}

void sbl_task_park(void)
{
    if (!innermost || innermost->n_parked++)
        return;
    sbl_grant_park(&innermost->grant);
    tell_engine(innermost, 1);
}

void sbl_task_unpark(void)
{
    if (!innermost || --innermost->n_parked)
        return;
    sbl_grant_unpark(&innermost->grant);
    tell_engine(innermost, -1);
}

struct sabal_task *sbl_task_swap(struct sabal_task *task)
{
    struct sabal_task *former = innermost;

    innermost = task;
    tasks_begun++;
    return former;
}

sabal_status sbl_stuck_check(sabal_future *f, sabal_error *err)
{
    char own[64], other[64];

    for (const struct sabal_task *t = innermost; t; t = t->below) {
        if (t->future->client != f->client || (t->future != f && !sbl_chain_leads_to(f, t->future)))
            continue;
        sbl_future_write_key(innermost->future, own, sizeof own);
        sbl_future_write_key(f, other, sizeof other);
        if (f == innermost->future)
            return sbl_error_set(err, SABAL_EINVAL, "task '%s' waits for its own future, which would never end", own);
        return sbl_error_set(err, SABAL_EINVAL,
                             "task '%s' waits for '%s', which waits for its own end: neither would end", own, other);
    }
    return SABAL_OK;
}

int64_t sbl_stuck_nap(int64_t left_ns, int32_t round)
{
    int64_t nap = sbl_pool_nap_ns(round);

    return nap < 0 || (left_ns >= 0 && left_ns < nap) ? left_ns : nap;
}

/* Runs what one of them needs; 0: that is nowhere to be had. */
static int help_one(sabal_future *const *futures, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!sbl_future_has_ended(futures[i]) && futures[i]->client->engine->help(futures[i]))
            return 1;
    return 0;
}

static int has_one_ended(sabal_future *const *futures, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (sbl_future_has_ended(futures[i]))
            return 1;
    return 0;
}

/* Much of it may be places of tasks that somebody ran who waited for them. */
static void run_what_is_posted(sabal_future *const *futures, int64_t n)
{
    uint64_t before = tasks_begun;

    while (sbl_pool_run_one() && !has_one_ended(futures, n) && (tasks_begun == before || sbl_pool_is_stuck(0)))
        ;
}

/* What they need may be posted here, but nobody can tell what that is. */
static int are_elsewhere(sabal_future *const *futures, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!futures[i]->elsewhere)
            return 0;
    return 1;
}

static sabal_status rescue_here(sabal_future *const *futures, int64_t n, int32_t round, int called, sabal_error *err)
{
    if (help_one(futures, n))
        return SABAL_OK;
    if (!sbl_anybody_is_isolated()) {
        if (called || round >= PATIENCE || are_elsewhere(futures, n))
            run_what_is_posted(futures, n);
    } else if (round >= LONG_PATIENCE) {
        return sbl_error_set(
            err, SABAL_ENOMEM,
            "all threads are blocked in waits, and one of them is isolated, so that none may run anything "
            "else: a task that would wait under a lock can return the future instead");
    }
    return SABAL_OK;
}

static sabal_status rescue_elsewhere(int32_t round, sabal_error *err)
{
    if (!sbl_anybody_is_isolated() && sbl_pool_call())
        return SABAL_OK;
    if (round < PATIENCE)
        return SABAL_OK;
    return sbl_error_set(
        err, SABAL_ENOMEM,
        "all threads are blocked in waits, and no stack is left to run what they wait for: a task that "
        "would wait so deep can return the future instead");
}

sabal_status sbl_stuck_rescue(sabal_future *const *futures, int64_t n, int32_t round, int called, sabal_error *err)
{
    if (!sbl_pool_is_stuck(called))
        return SABAL_OK;
    return sbl_stack_is_low() ? rescue_elsewhere(round, err) : rescue_here(futures, n, round, called, err);
}
