/*
 * What a worker's tasks submit goes to the scheduler, as a client's tasks do: the worker is a client too, over the same link.
 * Its engine tells the two kinds of tasks apart: those that the scheduler has ordered run here, and have a tag.
 */
#include "cluster/crew.h"

#include "base/clock.h"
#include "cluster/crash.h"
#include "graph/local.h"
#include "graph/task.h"

static int is_ordered(const sabal_future *f)
{
    const sbl_rare *rare = sbl_future_rare(f);

    return rare && rare->tag;
}

static void start(sabal_client *client, sabal_future **futures, int64_t n)
{
    if (is_ordered(futures[0]))
        sbl_local_start(client, futures, n);
    else
        sbl_remote_start(client, futures, n);
}

static void interrupt(sabal_future *f)
{
    if (f->elsewhere)
        sbl_remote_interrupt(f);
    else
        sbl_local_interrupt(f);
}

static int help(sabal_future *f)
{
    return f->elsewhere ? 0 : sbl_local_help(f);
}

/* So many tasks wait for others: the scheduler may send as many more. */
static void park(sabal_client *client, int by)
{
    atomic_fetch_add(&sbl_crew.n_parked, by);
    sbl_crew_speak();
}

/* How long it took is noted; a task that it returned, if another process runs that, is told of and not waited for. */
static sabal_status call(struct sabal_task *task)
{
    sbl_running   *r = is_ordered(task->future) ? sbl_future_rare(task->future)->tag : NULL;
    sbl_crash_call before;
    char           made_up[64];
    int64_t        start;
    sabal_status   st;

    if (!r)
        return sbl_call_here(task);
    before = sbl_crash_begin((uint64_t)r->run->task << 32 | r->run->attempt,
                             sbl_future_name(task->future, made_up, sizeof made_up));
    start  = sbl_clock_ns();
    st     = sbl_call_here(task);
    r->ns  = sbl_clock_ns() - start;
    sbl_crash_end(before);
    if (task->chain && task->chain->elsewhere && !(sbl_future_has_ended(task->chain) && task->chain->failed)) {
        r->chain    = task->chain;
        task->chain = NULL;
    }
    return st;
}

static sbl_engine engine;

const sbl_engine *sbl_crew_engine(void)
{
    engine           = sbl_engine_local;
    engine.is_here   = 0;
    engine.start     = start;
    engine.call      = call;
    engine.interrupt = interrupt;
    engine.park      = park;
    engine.find      = sbl_crew_find;
    engine.help      = help;
    engine.forget    = sbl_remote_forget;
    engine.bring     = sbl_remote_bring;
    return &engine;
}

static void speak(sbl_remote *r)
{
    sbl_crew_speak();
}

static sabal_future *find(uint32_t task, uint32_t attempt)
{
    sabal_future *future = sbl_executor_find(sbl_crew.executor, task, attempt);

    return future ? sbl_handle_retain(future) : NULL;
}

void sbl_crew_submits(void)
{
    sbl_remote_init(&sbl_crew.remote, sbl_crew.client, &sbl_crew.lock, sbl_executor_outbox(sbl_crew.executor), speak);
    sbl_errands_init(&sbl_crew.errands);
    sbl_crew.remote.membership = &sbl_crew.membership;
    sbl_crew.remote.errands    = &sbl_crew.errands;
    sbl_crew.remote.find       = find;
    sbl_crew.client->elsewhere = &sbl_crew.remote;
}
