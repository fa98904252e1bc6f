/* A cluster of processes of which one ends: nothing is lost, or what is lost is told. */
#include "support/engines.h"

static sabal_error  err = SABAL_ERROR_INIT;
static test_cluster cluster;

enum { WORDS = 100000, N = 60 }; /* 800 KB each: they lie with workers */

static void close_cluster(void)
{
    for (int i = 0; i < cluster.n; i++)
        kill(cluster.process[i], SIGCONT); /* a test that failed may have left one stopped */
    cluster_close(&cluster);
}

TestSuite(faults, .fini = close_cluster, .timeout = 120);

static void die(int process)
{
    kill(cluster.process[process], SIGKILL);
}

static sabal_status make(sabal_task *t)
{
    const int64_t *c     = sabal_task_arg(t);
    double        *words = sabal_task_return_room(t, WORDS * sizeof(double));

    if (!words)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < WORDS; i++)
        words[i] = (double)((*c * 7919 + i) % 1009);
    sleep_ms(3);
    return SABAL_OK;
}

static sabal_status add_up(sabal_task *t)
{
    const double *a = sabal_task_input(t, 0), *b = sabal_task_input(t, 1);
    double       *words = sabal_task_return_room(t, WORDS * sizeof(double));

    if (!words)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < WORDS; i++)
        words[i] = a[i] + b[i];
    sleep_ms(3);
    return SABAL_OK;
}

/* The sum of N chunks as a tree, its inputs released as it grows. */
static sabal_future *tree(sabal_client *client)
{
    sabal_future *level[N];
    int64_t       n = N;

    for (int64_t c = 0; c < N; c++)
        level[c] = sabal_submit(client, make, &c, sizeof c);
    while (n > 1) {
        for (int64_t i = 0; i < n / 2; i++) {
            sabal_future *sum =
                sabal_submit(client, add_up, NULL, 0, .inputs = SABAL_LIST(level[2 * i], level[2 * i + 1]));

            sabal_release(level[2 * i]);
            sabal_release(level[2 * i + 1]);
            level[i] = sum;
        }
        if (n % 2)
            level[n / 2] = level[n - 1];
        n = n / 2 + n % 2;
    }
    return level[0];
}

static void expect_sum(sabal_future *f)
{
    double *got = malloc(WORDS * sizeof *got);

    cr_assert_eq(sabal_future_get(got, WORDS * sizeof *got, f, &err), SABAL_OK, "%s", err.message);
    for (int64_t i = 0; i < WORDS; i++) {
        double sum = 0;

        for (int64_t c = 0; c < N; c++)
            sum += (double)((c * 7919 + i) % 1009);
        cr_assert_eq(got[i], sum, "word %lld", (long long)i);
    }
    free(got);
}

static sabal_client *open_cluster(int32_t workers)
{
    sabal_client *client;

    cluster_open(&cluster, workers);
    err    = (sabal_error)SABAL_ERROR_INIT;
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

Test(faults, a_worker_that_is_killed_takes_nothing_with_it)
{
    for (int after = 20; after <= 220; after += 100) {
        sabal_client *client = open_cluster(3);
        sabal_future *sum    = tree(client);

        sleep_ms(after);
        die(2);
        expect_sum(sum);
        sabal_close(client);
        cluster_close(&cluster);
    }
}

Test(faults, two_workers_may_be_killed_at_once)
{
    sabal_client *client = open_cluster(3);
    sabal_future *sum    = tree(client);

    sleep_ms(100);
    die(1);
    die(3);
    expect_sum(sum);
    sabal_close(client);
}

/* Its value lies with one worker alone, is wanted, and is made again. */
Test(faults, the_only_holder_of_a_value_may_be_killed)
{
    sabal_client *client = open_cluster(1);
    sabal_future *sum    = tree(client);

    cr_assert_eq(sabal_future_wait(sum, &err), SABAL_OK);
    die(1);
    cluster_start(&cluster, "--join", "1");
    expect_sum(sum);
    sabal_close(client);
}

Test(faults, a_worker_that_stands_still_is_taken_for_dead_and_changes_nothing_when_it_goes_on)
{
    sabal_client *client = open_cluster(2);
    sabal_future *sum    = tree(client);

    sleep_ms(50);
    kill(cluster.process[1], SIGSTOP);
    expect_sum(sum);
    kill(cluster.process[1], SIGCONT);
    expect_sum(tree(client));
    sabal_close(client);
}

Test(faults, a_killed_scheduler_is_told_to_who_waits)
{
    sabal_client *client = open_cluster(2);
    sabal_future *sum    = tree(client);
    double        v      = 1;

    sleep_ms(50);
    die(0);
    cr_expect_eq(sabal_future_wait(sum, &err, .timeout_ns = 10000000000), SABAL_EPEER, "%s", err.message);
    cr_expect(strstr(err.message, "scheduler") != NULL, "%s", err.message);
    cr_expect_eq(sabal_future_wait(sabal_submit(client, task_square, &v, sizeof v), NULL), SABAL_EPEER);
    sabal_close(client);
}

Test(faults, a_client_that_is_killed_leaves_the_cluster_to_others)
{
    sabal_client *client = open_cluster(2);
    pid_t         other;
    int           status;

    sabal_close(client);
    other = fork();
    if (!other) {
        tree(sabal_open(cluster.file, NULL, .threads = 1));
        raise(SIGKILL);
    }
    waitpid(other, &status, 0);
    client = sabal_open(cluster.file, &err, .threads = 1);
    expect_sum(tree(client));
    sabal_close(client);
}

/* Tasks wait for the first worker, whenever it comes. */
Test(faults, workers_may_come_later)
{
    sabal_client *client = open_cluster(0);
    sabal_future *sum    = tree(client);

    sleep_ms(50);
    cluster_start(&cluster, "--join", "1");
    expect_sum(sum);
    sabal_close(client);
}

Test(faults, several_clients_share_a_cluster)
{
    sabal_client *a = open_cluster(2), *b = sabal_open(cluster.file, &err, .threads = 1);
    sabal_future *x = tree(a), *y = tree(b);

    expect_sum(y);
    sabal_close(b);
    expect_sum(x);
    sabal_close(a);
}
