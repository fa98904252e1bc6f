/* So many workers are to have a value: results, results to come, scattered data; when workers come and go. On a cluster of processes. */
#include "cluster/job.h"

enum { LARGE = 1 << 20 };

static sabal_client *client;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
}

static void fini(void)
{
    cluster_close(&cluster); /* of a test that failed */
}

TestSuite(replicas, .init = init, .fini = fini, .timeout = 120);

static int32_t count(void *user, const sabal_worker_info *worker)
{
    ++*(int *)user;
    return 0;
}

static int holders_of(const sabal_future *f)
{
    int n = 0;

    cr_assert_eq(sabal_future_who_has(count, &n, f, &err), SABAL_OK, "%s", err.message);
    return n;
}

/* Copies come by themselves. */
static int holders_soon(const sabal_future *f, int n)
{
    for (int64_t until = now_ms() + 20000; holders_of(f) != n && now_ms() < until;)
        sleep_ms(10);
    return holders_of(f);
}

/* LARGE bytes; a mark for each run. */
static sabal_status make(sabal_task *t)
{
    marks_add(sabal_task_arg(t), 'm');
    return sabal_task_return_room(t, LARGE) ? SABAL_OK : SABAL_ENOMEM;
}

static void open_with(int32_t workers)
{
    client = open_cluster(workers);
}

static void end_all(void)
{
    sabal_close(client);
    cluster_close(&cluster);
}

Test(replicas, a_result_is_with_as_many_workers_as_were_asked_for)
{
    marks         m = marks_make();
    sabal_future *f, *all;

    open_with(4);
    f   = sabal_submit(client, make, &m, sizeof m, .replicas = 2);
    all = sabal_submit(client, make, &m, sizeof m, .replicas = SABAL_EVERY_WORKER);
    cr_expect_eq(holders_soon(f, 2), 2);
    cr_expect_eq(holders_soon(all, 4), 4);
    cr_expect_eq(sabal_future_replicate(f, 3, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(holders_soon(f, 3), 3);
    cr_expect_eq(sabal_future_replicate(all, 1, &err), SABAL_OK);
    cr_expect_eq(holders_soon(all, 1), 1);
    marks_wait(&m, 2);
    cr_expect_eq(err.status, SABAL_OK, "%s", err.message);
    marks_end(&m);
    end_all();
}

static sabal_status first_byte(sabal_task *t)
{
    return sabal_task_return(t, sabal_task_input(t, 0), 1);
}

Test(replicas, scattered_data_is_with_each_worker_before_a_task_needs_it_and_with_those_that_come)
{
    static char   data[LARGE] = {42};
    char          got         = 0;
    sabal_future *f;

    open_with(3);
    f = sabal_scatter(client, data, LARGE, .replicas = SABAL_EVERY_WORKER);
    cr_expect_eq(holders_soon(f, 3), 3);
    cluster_start(&cluster, "--join", "1");
    cr_expect_eq(holders_soon(f, 4), 4);
    cr_expect_eq(sabal_future_get(&got, 1, sabal_submit(client, first_byte, NULL, 0, .inputs = SABAL_LIST(f)), &err),
                 SABAL_OK);
    cr_expect_eq(got, 42);
    end_all();
}

/* Not made again: the second mark never comes. */
Test(replicas, of_one_that_is_killed_another_gets_it_and_it_is_not_made_again)
{
    marks         m = marks_make();
    static char   got[LARGE];
    sabal_future *f;

    open_with(3);
    f = sabal_submit(client, make, &m, sizeof m, .replicas = 2);
    cr_assert_eq(holders_soon(f, 2), 2);
    for (int i = 1; i <= 2; i++) { /* two of three: one of them has it, perhaps both at first */
        kill(cluster.process[i], SIGKILL);
        cluster_start(&cluster, "--join", "1");
        cr_expect_eq(holders_soon(f, 2), 2);
    }
    cr_expect_eq(sabal_future_get(got, LARGE, f, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(marks_count(&m), 1);
    marks_end(&m);
    end_all();
}

static sabal_status scatter_to_all(sabal_task *t)
{
    static char data[LARGE] = {7};

    return sabal_task_return_future(t,
                                    sabal_scatter(sabal_task_client(t), data, LARGE, .replicas = SABAL_EVERY_WORKER));
}

Test(replicas, what_a_task_scatters_spreads_too)
{
    sabal_future *f;

    open_with(3);
    f = sabal_submit(client, scatter_to_all, NULL, 0);
    cr_assert_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(holders_soon(f, 3), 3);
    end_all();
}

Test(replicas, elsewhere_nothing_is_to_be_done_and_wrong_numbers_are_refused)
{
    for_each_engine(client, 2)
    {
        double        v = 3, got = 0;
        sabal_future *f = sabal_scatter(client, &v, sizeof v, .replicas = 2), *bad, *g;

        g = sabal_submit(client, task_square, &v, sizeof v, .replicas = SABAL_EVERY_WORKER);
        cr_expect_eq(sabal_future_get(&got, sizeof got, g, &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(got, 9);
        cr_expect_eq(sabal_future_replicate(f, 2, &err), SABAL_OK);
        cr_expect_eq(sabal_future_replicate(f, 0, &err), SABAL_OK);
        cr_expect_eq(sabal_future_replicate(f, -2, &err), SABAL_EINVAL);
        cr_expect(strstr(err.message, "-2 workers"), "%s", err.message);
        err = (sabal_error)SABAL_ERROR_INIT;
        bad = sabal_submit(client, task_square, &v, sizeof v, .replicas = -2);
        cr_expect_eq(sabal_future_wait(bad, &err), SABAL_EINVAL);
        cr_expect(strstr(err.where, "test_replicas.c"), "%s", err.where);
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_expect_eq(sabal_future_wait(sabal_scatter(client, &v, sizeof v, .replicas = -7), &err), SABAL_EINVAL);
        cr_expect(strstr(err.where, "test_replicas.c"), "%s", err.where);
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_expect_eq(sabal_future_replicate(NULL, 1, &err), SABAL_EINVAL);
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_expect_eq(sabal_future_replicate(bad, 1, &err), SABAL_EINVAL, "its own failure");
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}
