/*
 * What a worker's tasks submit goes to the scheduler, as a client's tasks do: the worker is a client too, over the same link.
 * Its engine tells the two kinds of tasks apart: those that the scheduler has ordered run here, and have a tag.
 */
#include "cluster/crew.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "cluster/crash.h"
#include "graph/budget.h"
#include "graph/local.h"
#include "graph/stuck.h"
#include "graph/task.h"

static int is_ordered(const sabal_future *f)
{
    const sbl_rare *rare = sbl_future_rare(f);

    return rare && rare->tag;
}

/* --- tasks of a task ---------------------------------------------------------------------------------------------- */

/* With the lock held. Without memory it is not noted: then it is not asked to end with who submitted it. */
static void note_own(sbl_running *r, uint64_t first, uint64_t n)
{
    sbl_range *last = r->n_own ? &r->own[r->n_own - 1] : NULL;

    if (last && last->first + last->n == first) {
        last->n += n;
        return;
    }
    if (r->n_own == r->own_room) {
        const uint32_t room = r->own_room ? 2 * r->own_room : 4;
        sbl_range     *more = sbl_realloc(r->own, room * sizeof *more);

        if (!more)
            return;
        r->own      = more;
        r->own_room = room;
    }
    r->own[r->n_own++] = (sbl_range){first, n};
}

static void start_for(const struct sabal_task *task, sabal_client *client, sabal_future **futures, int64_t n)
{
    sbl_running *r = sbl_future_rare(task->future)->tag;

    pthread_mutex_lock(&sbl_crew.lock);
    note_own(r, futures[0]->serial, (uint64_t)n);
    pthread_mutex_unlock(&sbl_crew.lock);
    sbl_remote_start(client, futures, n);
    /* After it was noted: who asks it to end marks it first, and looks at what is noted then. */
    for (int64_t i = 0; i < n && atomic_load(&task->future->interrupted); i++)
        sbl_remote_interrupt(futures[i]);
}

static void start(sabal_client *client, sabal_future **futures, int64_t n)
{
    const struct sabal_task *task = sbl_task_here();

    if (is_ordered(futures[0]))
        sbl_local_start(client, futures, n);
    else if (task && task->future->client == client && is_ordered(task->future))
        start_for(task, client, futures, n);
    else
        sbl_remote_start(client, futures, n);
}

typedef struct ending {
    sbl_work      work; /* first */
    sabal_future *future;
} ending;

/* The i-th of its ranges; 0: there are no more, or it has ended. */
static int range_of(const sabal_future *f, uint32_t i, sbl_range *range)
{
    const sbl_running *r;

    pthread_mutex_lock(&sbl_crew.lock);
    r = sbl_future_rare(f)->tag;
    if (r && i < r->n_own)
        *range = r->own[i];
    else
        r = NULL;
    pthread_mutex_unlock(&sbl_crew.lock);
    return r != NULL;
}

static void end_own(sbl_work *work)
{
    ending   *e = (ending *)(void *)work;
    sbl_range range;

    for (uint32_t i = 0; range_of(e->future, i, &range); i++)
        for (uint64_t k = 0; k < range.n; k++)
            sbl_remote_interrupt_serial(&sbl_crew.remote, range.first + k);
    sbl_handle_release(e->future);
    sbl_free(e);
}

/* A task that runs is asked to end: so are those that it has submitted and waits for, perhaps. With or without the lock. */
static void tell(sabal_future *f)
{
    ending *e = is_ordered(f) ? sbl_calloc(1, sizeof *e) : NULL;

    if (!e)
        return;
    *e = (ending){.work.run = end_own, .future = sbl_handle_retain(f)};
    sbl_errand(&sbl_crew.errands, &e->work);
}

/* --- the engine --------------------------------------------------------------------------------------------------- */

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
    sbl_crew_speak_later(); /* who waits may have locks of his own */
}

/* By the user's own word, the second way to wait for others: its threads may submit what they wait for. */
static void blocking_told(int by)
{
    if (by > 0)
        sbl_task_park();
    else
        sbl_task_unpark();
}

/* It has ended without saying that it blocks no more. */
static void end_parking(struct sabal_task *task)
{
    if (!task->n_parked)
        return;
    task->n_parked = 0;
    sbl_grant_unpark(&task->grant);
    park(task->future->client, -1);
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
    end_parking(task);
    if (task->chain && task->chain->elsewhere && !(sbl_future_has_ended(task->chain) && task->chain->failed)) {
        r->chain    = task->chain;
        task->chain = NULL;
    }
    return st;
}

static sbl_engine engine;

const sbl_engine *sbl_crew_engine(void)
{
    sbl_blocking_told      = blocking_told;
    engine                 = sbl_engine_local;
    engine.is_here         = 0;
    engine.chooses_workers = 1;
    engine.start           = start;
    engine.call            = call;
    engine.interrupt       = interrupt;
    engine.tell            = tell;
    engine.park            = park;
    engine.find            = sbl_crew_find;
    engine.help            = help;
    engine.forget          = sbl_remote_forget;
    engine.bring           = sbl_remote_bring;
    engine.replicate       = sbl_remote_replicate;
    return &engine;
}

static sabal_future *find(uint32_t task, uint32_t attempt)
{
    sabal_future *future = sbl_executor_find(sbl_crew.executor, task, attempt);

    return future ? sbl_handle_retain(future) : NULL;
}

void sbl_crew_submits(void)
{
    sbl_remote_init(&sbl_crew.remote, sbl_crew.client, &sbl_crew.lock, sbl_executor_outbox(sbl_crew.executor));
    sbl_errands_init(&sbl_crew.errands);
    sbl_crew.remote.membership = &sbl_crew.membership;
    sbl_crew.remote.errands    = &sbl_crew.errands;
    sbl_crew.remote.speaker    = &sbl_crew.speaker;
    sbl_crew.remote.find       = find;
    sbl_crew.client->elsewhere = &sbl_crew.remote;
}
