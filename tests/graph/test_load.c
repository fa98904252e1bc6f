/* A client that is closed, and a process that forks, while everything is at work. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "graph/engine.h"
#include "sched/chaos.h"
#include "support/engines.h"
#include "support/watchdog.h"
#include "support/fib.h"

#define SECONDS 120 /* a round takes milliseconds; as in test_hang.c */

enum { ROUNDS = 30, MANY = 400, KINDS = 6, FORKS = 40 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEPTH 2000
#else
#define DEPTH 100000
#endif

static sabal_error   err = SABAL_ERROR_INIT;
static sabal_client *client;

static atomic_int inside; /* tasks that run now; of the local engine */

/* --- what there is to do ------------------------------------------------------------------------------------------ */

static sabal_status nap_a_little(int64_t begin, int64_t end, void *context)
{
    for (int64_t i = begin; i < end; i += 10)
        sched_yield();
    return SABAL_OK;
}

static sabal_status work(sabal_task *t);

/* Two of the next kinds, which it waits for; both calls may be too late. */
static sabal_status submit_and_wait(sabal_task *t, int kind)
{
    sabal_client *c = sabal_task_client(t);
    int           a = (kind + 1) % KINDS, b = (kind + 2) % KINDS;

    return sabal_wait_all(SABAL_LIST(sabal_submit(c, work, &a, sizeof a), sabal_submit(c, work, &b, sizeof b)), NULL);
}

static sabal_status do_kind(sabal_task *t, int kind)
{
    sabal_client *c  = sabal_task_client(t);
    sabal_status  st = SABAL_OK;

    switch (kind) {
    case 0:
        return SABAL_RUN(c, fib, 10) == 55 ? SABAL_OK : SABAL_EVALUE;
    case 1:
        return sabal_for(c, 0, 1000, nap_a_little, NULL, .grain = 10);
    case 2:
        sabal_blocking_begin();
        sleep_ms(1);
        sabal_blocking_end();
        return SABAL_OK;
    case 3:
        sabal_isolate_begin();
        kind = 0;
        st   = sabal_future_wait(sabal_submit(c, work, &kind, sizeof kind), NULL);
        sabal_isolate_end();
        return st;
    case 4:
        return submit_and_wait(t, kind);
    default:
        return sabal_future_wait(sabal_submit(c, work, &(int){4}, sizeof(int)), NULL, .timeout_ns = 2000000);
    }
}

static sabal_status work(sabal_task *t)
{
    sabal_status st;

    atomic_fetch_add(&inside, 1);
    st = do_kind(t, *(const int *)sabal_task_arg(t));
    atomic_fetch_sub(&inside, 1);
    return st;
}

static void submit_many(sabal_future **futures, int n)
{
    for (int i = 0; i < n; i++) {
        int kind = i % KINDS;

        futures[i] = sabal_submit(client, work, &kind, sizeof kind);
        sabal_retain(futures[i]);
    }
}

/* --- closing -------------------------------------------------------------------------------------------------------- */

/* All that was begun is over, and what is kept is not pending. */
static void close_and_look(sabal_future **futures, int n)
{
    sabal_close(client);
    cr_expect_eq(atomic_load(&inside), 0);
    for (int i = 0; i < n; i++) {
        cr_expect_neq(sabal_future_state_get(futures[i]), SABAL_PENDING);
        sabal_release(futures[i]);
    }
}

Test(load, a_client_is_closed_while_tasks_of_all_kinds_run)
{
    static sabal_future *futures[MANY];

    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t engine = 0; engine < (getenv("TEST_EMULATED") ? 1 : 2); engine++) {
            int32_t threads = (int32_t[]){1, 2, 8}[round % 3];

            watch(NULL, SECONDS, "%s with %d threads, round %d", ENGINES[engine], (int)threads, round);
            client = sabal_open(ENGINES[engine], &err, .threads = threads);
            cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
            watchdog.pool = sbl_client_pool(client);
            submit_many(futures, MANY);
            sabal_future_wait(futures[round * 7 % MANY], NULL);
            close_and_look(futures, MANY);
            watch_end();
        }
    atomic_store(&sbl_chaos_level, 0);
}

static atomic_int deepest;

static sabal_status wait_deeper(sabal_task *t)
{
    int          less = *(const int *)sabal_task_arg(t) - 1;
    sabal_status st   = SABAL_OK;

    atomic_store(&deepest, DEPTH - less);
    atomic_fetch_add(&inside, 1);
    if (less >= 0)
        st = sabal_future_wait(sabal_submit(sabal_task_client(t), wait_deeper, &less, sizeof less), NULL);
    atomic_fetch_sub(&inside, 1);
    return st;
}

Test(load, a_client_is_closed_in_the_middle_of_deep_waits)
{
    for (int round = 0; round < 6; round++) {
        int           n = DEPTH;
        sabal_future *f;

        watch(NULL, SECONDS, "deep waits, round %d", round);
        atomic_store(&deepest, 0);
        client        = sabal_open("local:", &err, .threads = (int32_t[]){1, 2, 8}[round % 3]);
        watchdog.pool = sbl_client_pool(client);
        f             = sabal_submit(client, wait_deeper, &n, sizeof n);
        sabal_retain(f);
        while (atomic_load(&deepest) < DEPTH / 3)
            sched_yield();
        close_and_look(&f, 1);
        watch_end();
    }
}

/* --- forking -------------------------------------------------------------------------------------------------------- */

static atomic_int over;

static void *keep_busy(void *nothing)
{
    while (!atomic_load(&over)) {
        sabal_scope scope;

        sabal_scope_open(&scope, client);
        for (int kind = 0; kind < KINDS; kind++)
            sabal_future_wait(sabal_submit(client, work, &kind, sizeof kind), NULL);
        sabal_scope_close(&scope);
    }
    return nothing;
}

/* In a child: what it inherited tells that, and a client of its own works. 0: so it is. */
static int be_a_child(void)
{
    sabal_error   e   = SABAL_ERROR_INIT;
    sabal_client *own = sabal_open("local:", &e, .threads = 2);
    int           wrong;

    alarm(60);
    wrong = sabal_future_wait(sabal_submit(client, work, &(int){0}, sizeof(int)), NULL) != SABAL_EFORKED;
    wrong |= e.status != SABAL_OK;
    for (int kind = 0; kind < 4; kind++) /* those after have limits of time */
        wrong |= sabal_future_wait(sabal_submit(own, work, &kind, sizeof kind), NULL) != SABAL_OK;
    sabal_close(own);
    sabal_close(client);
    return wrong;
}

Test(load, children_made_under_load_open_clients_of_their_own)
{
    pthread_t threads[4];

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) /* whose malloc has locks that a fork leaves locked */
    cr_skip_test("threads after fork are beyond this sanitizer");
#endif
    if (getenv("TEST_EMULATED"))
        cr_skip_test("threads after fork are beyond this emulator, whose own locks a fork leaves locked");
    for (size_t engine = 0; engine < 2; engine++) {
        watch(NULL, SECONDS, "forks under load, %s", ENGINES[engine]);
        atomic_store(&over, 0);
        client = sabal_open(ENGINES[engine], &err, .threads = 2);
        cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, keep_busy, NULL);
        for (int i = 0; i < FORKS; i++) {
            int   status = -1;
            pid_t pid;

            fflush(NULL);
            pid = fork();
            if (!pid)
                _exit(be_a_child());
            waitpid(pid, &status, 0);
            cr_expect_eq(status, 0, "the child ended with %#x", (unsigned)status);
        }
        atomic_store(&over, 1);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        sabal_close(client);
        watch_end();
    }
}
