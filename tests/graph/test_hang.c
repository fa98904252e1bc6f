/*
 * Nothing hangs: pools of many threads on few cores, pauses at the worst moments, everything at once. Some tens of rounds;
 * HANG_ROUNDS in the environment asks for more (tools/check --long does). A round that takes too long is told with what each
 * thread is doing (support/watchdog.h).
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "graph/engine.h"
#include "sched/chaos.h"
#include "support/engines.h"
#include "support/watchdog.h"
#include "support/fib.h"

#define SECONDS 120 /* a round takes milliseconds; a sanitizer on a machine at work may need a hundred times that */

/* The sanitizers have smaller stacks, larger frames, and thousands of bytes for each thread. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEPTH   2000
#define FOREIGN 200
#else
#define DEPTH   100000
#define FOREIGN 1000
#endif

static sabal_error   err = SABAL_ERROR_INIT;
static sabal_client *client;

static int rounds(int usual)
{
    const char *text = getenv("HANG_ROUNDS");

    return text ? atoi(text) : usual;
}

static void open_pool(int32_t threads)
{
    err    = (sabal_error)SABAL_ERROR_INIT;
    client = sabal_open("local:", &err, .threads = threads);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
}

/* --- what a round does -------------------------------------------------------------------------------------------- */

static int fork_join(void)
{
    return SABAL_RUN(client, fib, 14) == 377;
}

static sabal_status fill(int64_t begin, int64_t end, void *context)
{
    for (int64_t i = begin; i < end; i++)
        ((double *)context)[i] += (double)i;
    return SABAL_OK;
}

static int loops(void)
{
    double x[1000] = {0};
    int    right   = 1;

    right &= sabal_for(client, 0, 1000, fill, x, .grain = 3) == SABAL_OK;
    right &= sabal_for(client, 0, 1000, fill, x, .schedule = SABAL_STATIC) == SABAL_OK;
    for (int i = 0; i < 1000; i++)
        right &= x[i] == 2 * i;
    return right;
}

static sabal_status sum(void *partial, int64_t begin, int64_t end, void *context)
{
    *(double *)partial = 0;
    for (int64_t i = begin; i < end; i++)
        *(double *)partial += (double)i;
    return SABAL_OK;
}

static void add(void *left, const void *right, void *context)
{
    *(double *)left += *(const double *)right;
}

static sabal_status prefix(const void *before, int64_t begin, int64_t end, void *context)
{
    double s = *(const double *)before;

    for (int64_t i = begin; i < end; i++)
        ((double *)context)[i] = s += (double)i;
    return SABAL_OK;
}

static int reduce(void)
{
    double total = 0;

    return sabal_reduce(&total, sizeof total, client, 0, 1000, sum, add, NULL, .grain = 5) == SABAL_OK &&
           total == 499500;
}

static int scan(void)
{
    double x[1000], total = 0;
    int    right = sabal_scan(&total, sizeof total, client, 0, 1000, sum, add, prefix, x, .grain = 5) == SABAL_OK;

    for (int i = 0; i < 1000; i++)
        right &= x[i] == i * (i + 1) / 2;
    return right && total == 499500;
}

/* A grid in which each node adds its two neighbours before it. */
enum { SIDE = 12 };

struct cell {
    int64_t      value;
    struct cell *left, *above;
};

static sabal_status add_neighbours(void *arg)
{
    struct cell *c = arg;

    c->value = c->left || c->above ? (c->left ? c->left->value : 0) + (c->above ? c->above->value : 0) : 1;
    return SABAL_OK;
}

static int graph(void)
{
    struct cell  cells[SIDE][SIDE];
    sabal_graph *g     = sabal_graph_create(client);
    int          right = 1;

    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            cells[i][j] = (struct cell){0, j ? &cells[i][j - 1] : NULL, i ? &cells[i - 1][j] : NULL};
            sabal_graph_add(g, add_neighbours, &cells[i][j]);
            if (j)
                sabal_graph_edge(g, i * SIDE + j - 1, i * SIDE + j);
            if (i)
                sabal_graph_edge(g, (i - 1) * SIDE + j, i * SIDE + j);
        }
    for (int run = 0; run < 3; run++) {
        right &= sabal_graph_run(g, NULL) == SABAL_OK;
        right &= cells[SIDE - 1][SIDE - 1].value == 705432; /* 22 over 11 */
        cells[SIDE - 1][SIDE - 1].value = 0;
    }
    sabal_graph_destroy(g);
    return right;
}

/* Submits two, and waits for them inside the task. */
static sabal_status tree(sabal_task *t)
{
    int           n = *(const int *)sabal_task_arg(t), less = n - 1;
    int64_t       a = 1, b = 0;
    sabal_client *c  = sabal_task_client(t);
    sabal_status  st = SABAL_OK;

    if (n) {
        sabal_future *f = sabal_submit(c, tree, &less, sizeof less), *g = sabal_submit(c, tree, &less, sizeof less);

        st = sabal_future_get(&a, sizeof a, f, NULL);
        st = st ? st : sabal_future_get(&b, sizeof b, g, NULL);
    }
    a += b;
    return st ? st : sabal_task_return(t, &a, sizeof a);
}

static int futures(void)
{
    int         n   = 6;
    int64_t     got = 0;
    sabal_scope scope;

    sabal_scope_open(&scope, client);
    sabal_future_get(&got, sizeof got, sabal_submit(client, tree, &n, sizeof n), NULL);
    sabal_scope_close(&scope);
    return got == 64;
}

/* A task that is a loop and a job at once. */
static sabal_status loop_in_task(sabal_task *t)
{
    return loops() && fork_join() && reduce() ? SABAL_OK : SABAL_EVALUE;
}

static int loops_in_tasks(void)
{
    sabal_future *f[8];
    sabal_scope   scope;
    sabal_status  st;

    sabal_scope_open(&scope, client);
    for (int i = 0; i < 8; i++)
        f[i] = sabal_submit(client, loop_in_task, NULL, 0);
    st = sabal_wait_all(list_of(f, 8), NULL);
    sabal_scope_close(&scope);
    return st == SABAL_OK;
}

static void *be_a_guest(void *argument)
{
    _Atomic int *right = argument;

    *right += fork_join() && loops() && reduce() && futures();
    return NULL;
}

static int guests(void)
{
    pthread_t   threads[4];
    _Atomic int right = 0;

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, be_a_guest, &right);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return right == 4;
}

/* --- the rounds --------------------------------------------------------------------------------------------------- */

static void run(const char *name, int (*round)(void))
{
    const int32_t sizes[] = {8, 64, 200};

    atomic_store(&sbl_chaos_level, 1);
    for (int s = 0; s < 3; s++)
        for (int i = 0, n = rounds(10); i < n; i++) {
            watch(NULL, SECONDS, "%s on %d threads, round %d: opening", name, (int)sizes[s], i);
            if (i % 5 == 0)
                open_pool(sizes[s]);
            watch(sbl_client_pool(client), SECONDS, "%s on %d threads, round %d", name, (int)sizes[s], i);
            cr_expect(round());
            watch(sbl_client_pool(client), SECONDS, "%s on %d threads, round %d: closing", name, (int)sizes[s], i);
            if (i % 5 == 4 || i + 1 == n)
                sabal_close(client);
            watch_end();
        }
    atomic_store(&sbl_chaos_level, 0);
}

Test(hang, fork_join_ends)
{
    run("fork-join", fork_join);
}

Test(hang, loops_end)
{
    run("loops", loops);
}

Test(hang, reductions_end)
{
    run("reduce", reduce);
}

Test(hang, scans_end)
{
    run("scan", scan);
}

Test(hang, graphs_end)
{
    run("graph", graph);
}

Test(hang, futures_with_waits_end)
{
    run("futures", futures);
}

Test(hang, loops_in_tasks_end)
{
    run("loops in tasks", loops_in_tasks);
}

Test(hang, guests_end)
{
    run("guests", guests);
}

/* --- many that submit --------------------------------------------------------------------------------------------- */

static _Atomic int64_t   counted;
static pthread_barrier_t gate;

static sabal_status count_one(sabal_task *t)
{
    atomic_fetch_add(&counted, 1);
    return SABAL_OK;
}

/* Waits for one of its tasks, and leaves the others to the pool. */
static void *submit_some(void *argument)
{
    sabal_future *f[5];
    sabal_scope   scope;

    pthread_barrier_wait(&gate);
    sabal_scope_open(&scope, client);
    for (int i = 0; i < 5; i++)
        f[i] = sabal_keep(sabal_submit(client, count_one, NULL, 0));
    *(int *)argument = sabal_future_wait(f[2], NULL) == SABAL_OK;
    sabal_scope_close(&scope);
    *(int *)argument &= sabal_wait_all(list_of(f, 5), NULL) == SABAL_OK;
    for (int i = 0; i < 5; i++)
        sabal_release(f[i]);
    return NULL;
}

static void many_submit(int n)
{
    static pthread_t threads[FOREIGN];
    static int       right[FOREIGN];
    pthread_attr_t   attributes;

    watch(NULL, 2 * SECONDS, "%d foreign threads", n);
    counted = 0;
    open_pool(2);
    watchdog.pool = sbl_client_pool(client);
    atomic_store(&sbl_chaos_level, 1);
    pthread_barrier_init(&gate, NULL, (unsigned)n);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    for (int i = 0; i < n; i++)
        cr_assert_eq(pthread_create(&threads[i], &attributes, submit_some, &right[i]), 0);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        cr_expect(right[i]);
    }
    atomic_store(&sbl_chaos_level, 0);
    pthread_attr_destroy(&attributes);
    pthread_barrier_destroy(&gate);
    sabal_close(client);
    watch_end();
    cr_expect_eq(counted, 5 * n);
}

Test(hang, four_foreign_threads_that_submit_at_once_lose_nothing)
{
    for (int i = 0, n = rounds(30); i < n; i++)
        many_submit(4);
}

Test(hang, a_thousand_foreign_threads_that_submit_at_once_lose_nothing)
{
    many_submit(FOREIGN);
}

/* --- waits -------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* A mutex held across waits of all kinds; whoever else wants it blocks, and says so. */
static sabal_status wait_under_mutex(sabal_task *t)
{
    sabal_status st;

    sabal_blocking_begin();
    pthread_mutex_lock(&mutex);
    sabal_blocking_end();
    sabal_isolate_begin();
    st = sabal_future_wait(sabal_submit(sabal_task_client(t), count_one, NULL, 0), NULL);
    if (!st && !(fork_join() && loops()))
        st = SABAL_EVALUE;
    sabal_isolate_end();
    pthread_mutex_unlock(&mutex);
    return st;
}

Test(hang, a_mutex_held_across_waits_is_given_back)
{
    const int32_t sizes[] = {1, 2, 8};
    sabal_future *f[50];

    atomic_store(&sbl_chaos_level, 1);
    for (int s = 0; s < 3; s++)
        for (int i = 0, n = rounds(10); i < n; i++) {
            open_pool(sizes[s]);
            watch(sbl_client_pool(client), SECONDS, "mutex on %d threads, round %d", (int)sizes[s], i);
            for (int k = 0; k < 50; k++)
                f[k] = sabal_submit(client, wait_under_mutex, NULL, 0);
            cr_expect_eq(sabal_wait_all(list_of(f, 50), &err), SABAL_OK, "%s", err.message);
            sabal_close(client);
            watch_end();
        }
    atomic_store(&sbl_chaos_level, 0);
}

static sabal_status wait_for_next(sabal_task *t)
{
    int          less = *(const int *)sabal_task_arg(t) - 1;
    sabal_error  own  = SABAL_ERROR_INIT;
    sabal_status st   = SABAL_OK;

    if (less >= 0)
        st = sabal_future_wait(sabal_submit(sabal_task_client(t), wait_for_next, &less, sizeof less), &own);
    return st ? sabal_task_fail(t, st, "%s", own.message) : SABAL_OK;
}

SABAL_JOB(int, nested, int, n)
{
    if (!n)
        return 0;
    SABAL_SPAWN(nested, n - 1);
    return 1 + SABAL_SYNC(nested);
}

static sabal_status run_nested(sabal_task *t)
{
    return SABAL_RUN(sabal_task_client(t), nested, DEPTH) == DEPTH ? SABAL_OK : SABAL_EVALUE;
}

/* As it should be done: the future of the next is what this one returns. */
static sabal_status return_next(sabal_task *t)
{
    int less = *(const int *)sabal_task_arg(t) - 1;

    if (less < 0)
        return SABAL_OK;
    return sabal_task_return_future(t, sabal_submit(sabal_task_client(t), return_next, &less, sizeof less));
}

/* A client of one of the engines, whose tasks run on so many threads. */
static void open_engine(const char *engine, int32_t threads)
{
    const int32_t workers = strcmp(engine, "rehearse:") ? 0 : 1;

    err    = (sabal_error)SABAL_ERROR_INIT;
    client = sabal_open(engine, &err, .threads = threads, .workers = workers);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
}

static void nest(const char *engine, int32_t threads)
{
    int n = DEPTH;

    open_engine(engine, threads);
    watch(sbl_client_pool(client), SECONDS, "nested waits, %s with %d threads", engine, (int)threads);
    cr_expect_eq(sabal_future_wait(sabal_submit(client, wait_for_next, &n, sizeof n), &err), SABAL_OK,
                 "%s with %d threads: %s", engine, (int)threads, err.message);
    err = (sabal_error)SABAL_ERROR_INIT;
    watch(sbl_client_pool(client), SECONDS, "nested futures, %s with %d threads", engine, (int)threads);
    cr_expect_eq(sabal_future_wait(sabal_submit(client, return_next, &n, sizeof n), &err), SABAL_OK);
    watch(sbl_client_pool(client), SECONDS, "nested jobs, %s with %d threads", engine, (int)threads);
    cr_expect_eq(sabal_future_wait(sabal_submit(client, run_nested, NULL, 0), &err), SABAL_OK);
    sabal_close(client);
    watch_end();
}

/* A wait takes some kilobytes of a stack. How the waits fall on the threads is chance, and all stacks together have room. */
Test(hang, waits_nested_a_hundred_thousand_deep_end)
{
    const int32_t sizes[] = {1, 2, 8, 64};

    for (int s = 0; s < 4; s++)
        nest("local:", sizes[s]);
}

Test(hang, waits_nested_a_hundred_thousand_deep_in_a_worker_end)
{
    const int32_t sizes[] = {1, 2, 8};

    for (int s = 0; s < 3 && !getenv("TEST_EMULATED"); s++)
        nest("rehearse:", sizes[s]);
}

/* All stacks there may be have no room for that: not a crash, and what comes after works. */
Test(hang, waits_nested_ten_million_deep_fail_and_say_why)
{
    int n = 100 * DEPTH;

    if (DEPTH < 100000)
        return; /* the sanitizers' frames take minutes to fill their stacks */
    open_pool(1);
    watch(sbl_client_pool(client), SECONDS, "waits nested without end");
    cr_expect_eq(sabal_future_wait(sabal_submit(client, wait_for_next, &n, sizeof n), &err), SABAL_ENOMEM);
    cr_expect(strstr(err.message, "return the future instead") != NULL, "%s", err.message);
    n   = 1000;
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sabal_future_wait(sabal_submit(client, wait_for_next, &n, sizeof n), &err), SABAL_OK);
    sabal_close(client);
    watch_end();
}

/* The deepest end of a stack is not kept when nobody waits there any more. */
Test(hang, deep_waits_leave_no_memory_behind)
{
    int     n = DEPTH;
    int64_t before, after = INT64_MAX;

    if (DEPTH < 100000)
        return; /* a sanitizer keeps what was freed */
    open_pool(1);
    before = sbl_limits_resident();
    watch(sbl_client_pool(client), SECONDS, "nested waits, and what they leave");
    cr_expect_eq(sabal_future_wait(sabal_submit(client, wait_for_next, &n, sizeof n), &err), SABAL_OK);
    for (int i = 0; i < 1000 && after > before + (int64_t)DEPTH * 1000; i++) {
        sleep_ms(1); /* until the threads sleep */
        after = sbl_limits_resident();
    }
    cr_expect(after <= before + (int64_t)DEPTH * 1000, "%lld bytes before, %lld after", (long long)before,
              (long long)after);
    sabal_close(client);
    watch_end();
}

/* Ten seconds, unless it is cancelled. */
static sabal_status take_long(sabal_task *t)
{
    for (int64_t end = sbl_clock_ns() + INT64_C(10000000000); sbl_clock_ns() < end;)
        if (sabal_task_cancelled(t))
            return SABAL_ECANCELED;
    return SABAL_OK;
}

static sabal_status take_a_millisecond(sabal_task *t)
{
    for (int64_t end = sbl_clock_ns() + 1000000; sbl_clock_ns() < end;)
        ;
    return SABAL_OK;
}

/* A wait of a millisecond while tasks of ten seconds are ready: had it run one of these on top, that would have ended. */
static sabal_status wait_a_millisecond(sabal_task *t)
{
    sabal_client *c = sabal_task_client(t);
    sabal_future *brief, *far[8];
    int32_t       ended = 0;

    for (int i = 0; i < 8; i++)
        far[i] = sabal_submit(c, take_long, NULL, 0);
    brief = sabal_submit(c, take_a_millisecond, NULL, 0);
    sabal_future_wait(brief, NULL);
    for (int i = 0; i < 8; i++)
        ended += sabal_future_state_get(far[i]) == SABAL_FINISHED;
    for (int i = 0; i < 8; i++)
        sabal_future_cancel(far[i]);
    return sabal_task_return(t, &ended, sizeof ended);
}

Test(hang, a_short_wait_is_not_buried_under_a_long_task)
{
    for (int32_t threads = 1; threads <= 2; threads++) {
        int32_t ended = -1;

        open_pool(threads);
        watch(sbl_client_pool(client), SECONDS, "a short wait beside long tasks on %d threads", (int)threads);
        cr_expect_eq(sabal_future_get(&ended, sizeof ended, sabal_submit(client, wait_a_millisecond, NULL, 0), NULL),
                     SABAL_OK);
        cr_expect_eq(ended, 0);
        sabal_close(client);
        watch_end();
    }
}
