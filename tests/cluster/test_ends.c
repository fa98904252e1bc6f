/* What is under way when something ends: nothing of it comes later, and nothing is left of it. */
#include <pthread.h>

#include "support/engines.h"

static sabal_error  err = SABAL_ERROR_INIT;
static test_cluster cluster;

enum { LARGE = 1 << 20 };

static void close_cluster(void)
{
    for (int i = 0; i < cluster.n; i++)
        kill(cluster.process[i], SIGCONT);
    cluster_close(&cluster);
}

static void clear_error(void)
{
    err = (sabal_error)SABAL_ERROR_INIT; /* tests may all be one process */
}

TestSuite(ends, .init = clear_error, .fini = close_cluster, .timeout = 120);

static sabal_client *open_cluster(int32_t workers)
{
    sabal_client *client;

    cluster_open(&cluster, workers);
    err    = (sabal_error)SABAL_ERROR_INIT;
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

static sabal_status make_large(sabal_task *t)
{
    char *room = sabal_task_return_room(t, LARGE);

    if (!room)
        return SABAL_ENOMEM;
    memset(room, 7, LARGE);
    return SABAL_OK;
}

/* What lay on the stack of who waited is something else now. 1: it stays so for a while. */
static __attribute__((noinline)) int stack_stays(long ms)
{
    volatile unsigned char room[16384];

    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0x5a;
    sleep_ms(ms);
    for (size_t i = 0; i < sizeof room; i++)
        if (room[i] != 0x5a)
            return 0;
    return 1;
}

static void *kill_soon(void *process)
{
    sleep_ms(500);
    kill(*(pid_t *)process, SIGKILL);
    return NULL;
}

/* Its worker stands still, so that a connection to it is made and not answered; then the scheduler goes. */
Test(ends, of_a_value_that_nobody_waits_for_any_more_nothing_comes)
{
    sabal_client *client = open_cluster(1);
    sabal_future *f      = sabal_submit(client, make_large, NULL, 0);
    static char   got[LARGE];
    pthread_t     killer;

    cr_assert_eq(sabal_future_wait(f, &err), SABAL_OK);
    kill(cluster.process[1], SIGSTOP);
    cr_assert_eq(pthread_create(&killer, NULL, kill_soon, &cluster.process[0]), 0);
    cr_expect_eq(sabal_future_get(got, LARGE, f, &err), SABAL_EPEER);
    cr_expect(strstr(err.message, "scheduler") != NULL, "%s", err.message);
    cr_expect(stack_stays(6000)); /* a worker that does not answer is given up after five */
    pthread_join(killer, NULL);
    sabal_close(client);
}

static void *close_soon(void *client)
{
    sleep_ms(500);
    sabal_close(client);
    return NULL;
}

/* Its worker stands still, so that it is on its way when the client closes. The future goes with the client while it is in use,
   which only lasts as long as the wait: the program's error, which the thread sanitizer sees. */
Test(ends, who_waits_for_a_value_hears_that_its_client_was_closed)
{
#ifdef __SANITIZE_THREAD__
    cr_skip_test("a handle is used that another thread ends");
#endif
    sabal_client *client = open_cluster(1);
    sabal_future *f      = sabal_submit(client, make_large, NULL, 0);
    static char   got[LARGE];
    pthread_t     closer;

    cr_assert_eq(sabal_future_wait(f, &err), SABAL_OK);
    kill(cluster.process[1], SIGSTOP);
    cr_assert_eq(pthread_create(&closer, NULL, close_soon, client), 0);
    cr_expect_eq(sabal_future_get(got, LARGE, f, &err), SABAL_ECLOSED, "%s", err.message);
    pthread_join(closer, NULL);
}

/* Leaks are errors where these are looked for. */
Test(ends, a_client_that_closes_while_it_connects_leaves_nothing)
{
    sabal_client *client = open_cluster(1);
    sabal_future *f      = sabal_submit(client, make_large, NULL, 0);
    static char   got[LARGE];
    pthread_t     killer;

    cr_assert_eq(sabal_future_wait(f, &err), SABAL_OK);
    kill(cluster.process[1], SIGSTOP);
    cr_assert_eq(pthread_create(&killer, NULL, kill_soon, &cluster.process[0]), 0);
    cr_expect_eq(sabal_future_get(got, LARGE, f, &err), SABAL_EPEER);
    pthread_join(killer, NULL);
    sabal_close(client);
}

Test(ends, a_scheduler_does_not_take_the_file_of_another_that_runs)
{
    sabal_error own = SABAL_ERROR_INIT;

    cluster_open(&cluster, 0);
    cr_expect_eq(sabal_scheduler_run(cluster.file, &own, .idle_timeout_ns = 1, .interfaces = ""), SABAL_EINVAL);
    cr_expect(strstr(own.message, "is of a scheduler that runs") != NULL, "%s", own.message);
    sabal_close(sabal_open(cluster.file, &own, .threads = 1));
    kill(cluster.process[0], SIGKILL);
    waitpid(cluster.process[0], NULL, 0);
    own = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sabal_scheduler_run(cluster.file, &own, .idle_timeout_ns = 1, .interfaces = ""), SABAL_OK, "%s",
                 own.message);
    cluster.n = 0;
    rmdir(cluster.folder);
}
