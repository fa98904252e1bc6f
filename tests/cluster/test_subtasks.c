/* Tasks on a cluster that submit tasks: these go through the scheduler, and run where there is room. */
#include "support/engines.h"

static sabal_error  err = SABAL_ERROR_INIT;
static test_cluster cluster;

static void close_cluster(void)
{
    cluster_close(&cluster);
}

static void clear_error(void)
{
    err = (sabal_error)SABAL_ERROR_INIT; /* tests may all be one process */
}

TestSuite(subtasks, .init = clear_error, .fini = close_cluster, .timeout = 120);

static sabal_client *open_cluster(int32_t workers)
{
    sabal_client *client;

    cluster_open(&cluster, workers);
    err    = (sabal_error)SABAL_ERROR_INIT;
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

static void get(void *out, size_t size, sabal_future *f)
{
    cr_assert_eq(sabal_future_get(out, size, f, &err), SABAL_OK, "%s", err.message);
}

static sabal_status tell_process(sabal_task *t)
{
    sleep_ms(20);
    return sabal_task_return(t, &(pid_t){getpid()}, sizeof(pid_t));
}

/* In how many processes eight of them ran. */
static sabal_status spread(sabal_task *t)
{
    sabal_future *f[8];
    pid_t         pid[8];
    int32_t       n   = 0;
    sabal_error   own = SABAL_ERROR_INIT;

    sabal_map(f, sabal_task_client(t), tell_process, NULL, 0, 8);
    for (int i = 0; i < 8; i++) {
        int j = 0;

        if (sabal_future_get(&pid[i], sizeof *pid, f[i], &own))
            return sabal_task_fail(t, own.status, "%s", own.message);
        while (pid[j] != pid[i])
            j++;
        n += j == i;
    }
    return sabal_task_return(t, &n, sizeof n);
}

Test(subtasks, run_on_all_workers)
{
    sabal_client *client = open_cluster(2);
    int32_t       n;

    get(&n, sizeof n, sabal_submit(client, spread, NULL, 0));
    cr_expect_eq(n, 2);
    sabal_close(client);
}

static sabal_status twice(sabal_task *t)
{
    const int64_t *i = sabal_task_arg(t);

    return sabal_task_return(t, &(int64_t){2 * *i}, sizeof(int64_t));
}

static sabal_status wait_for_one(sabal_task *t)
{
    const int64_t *i   = sabal_task_arg(t);
    sabal_error    own = SABAL_ERROR_INIT;
    int64_t        answer;

    if (sabal_future_get(&answer, sizeof answer, sabal_submit(sabal_task_client(t), twice, i, sizeof *i), &own))
        return sabal_task_fail(t, own.status, "%s", own.message);
    return sabal_task_return(t, &(int64_t){answer + 1}, sizeof(int64_t));
}

/* A hundred on two threads: each gives back its place while it waits. */
Test(subtasks, a_hundred_may_be_waited_for_on_two_threads)
{
    enum { MANY = 100 };
    sabal_client *client = open_cluster(2);
    sabal_future *f[MANY];
    int64_t       arg[MANY], answer;

    for (int64_t i = 0; i < MANY; i++)
        arg[i] = i;
    sabal_map(f, client, wait_for_one, arg, sizeof *arg, MANY);
    for (int64_t i = 0; i < MANY; i++) {
        get(&answer, sizeof answer, f[i]);
        cr_expect_eq(answer, 2 * i + 1);
    }
    sabal_close(client);
}

enum { FRAME = 12 << 20 }; /* bytes of a stack, of which only the first is touched */

/* Waits for the next, without end. */
static sabal_status wide(sabal_task *t)
{
    char         room[FRAME];
    sabal_error  own = SABAL_ERROR_INIT;
    sabal_status st;

    room[0] = 0;
    __asm__ volatile("" : : "r"(room) : "memory");
    st = sabal_future_wait(sabal_submit(sabal_task_client(t), wide, NULL, 0), &own);
    __asm__ volatile("" : : "r"(room) : "memory");
    return sabal_task_fail(t, st, "%s", own.message);
}

Test(subtasks, that_wait_deeper_than_all_stacks_together_fail)
{
    sabal_client *client = open_cluster(1);

    cr_expect_eq(sabal_future_wait(sabal_submit(client, wide, NULL, 0), &err), SABAL_ENOMEM);
    cr_expect(strstr(err.message, "return the future instead") != NULL, "%s", err.message);
    sabal_close(client);
}

/* --- returned ----------------------------------------------------------------------------------------------------- */

static sabal_status add(sabal_task *t)
{
    const int64_t *a = sabal_task_input(t, 0), *b = sabal_task_input(t, 1);

    return sabal_task_return(t, &(int64_t){*a + *b}, sizeof(int64_t));
}

static sabal_status fib(sabal_task *t)
{
    const int64_t n = *(const int64_t *)sabal_task_arg(t), one = n - 1, two = n - 2;
    sabal_client *c = sabal_task_client(t);
    sabal_future *a, *b;

    if (n < 2)
        return sabal_task_return(t, &n, sizeof n);
    a = sabal_submit(c, fib, &one, sizeof one);
    b = sabal_submit(c, fib, &two, sizeof two);
    return sabal_task_return_future(t, sabal_submit(c, add, NULL, 0, .inputs = SABAL_LIST(a, b)));
}

Test(subtasks, may_be_returned_by_those_that_submit_them)
{
    sabal_client *client = open_cluster(2);
    int64_t       n      = 12, answer;

    get(&answer, sizeof answer, sabal_submit(client, fib, &n, sizeof n));
    cr_expect_eq(answer, 144);
    sabal_close(client);
}

static sabal_status fails(sabal_task *t)
{
    return sabal_task_fail(t, SABAL_EVALUE, "this is wrong");
}

static sabal_status return_failing(sabal_task *t)
{
    return sabal_task_return_future(t, sabal_submit(sabal_task_client(t), fails, NULL, 0));
}

Test(subtasks, that_fail_fail_who_returned_them)
{
    sabal_client *client = open_cluster(2);

    cr_expect_eq(sabal_future_wait(sabal_submit(client, return_failing, NULL, 0), &err), SABAL_EVALUE);
    cr_expect_str_eq(err.message, "this is wrong");
    cr_expect(strstr(err.task, "fails") != NULL, "%s", err.task);
    cr_expect(strstr(err.where, "test_subtasks.c:") != NULL, "%s", err.where);
    sabal_close(client);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

enum { WORDS = 100000 };

static sabal_status sum_of(sabal_task *t)
{
    const int64_t *words = sabal_task_input(t, 0);
    int64_t        sum   = *(const int64_t *)sabal_task_arg(t);

    for (int i = 0; i < WORDS; i++)
        sum += words[i];
    sleep_ms(20);
    return sabal_task_return(t, &sum, sizeof sum);
}

/* Data of a task's own goes to other workers, and to itself. */
static sabal_status scatter_and_add(sabal_task *t)
{
    sabal_client *c     = sabal_task_client(t);
    int64_t      *words = malloc(WORDS * sizeof *words), sum = 0, one;
    sabal_future *data, *f[8];
    sabal_error   own = SABAL_ERROR_INIT;

    for (int64_t i = 0; i < WORDS; i++)
        words[i] = i;
    data = sabal_scatter(c, words, WORDS * sizeof *words);
    free(words);
    for (int64_t i = 0; i < 8; i++)
        f[i] = sabal_submit(c, sum_of, &i, sizeof i, .inputs = SABAL_LIST(data));
    sabal_release(data);
    for (int i = 0; i < 8; i++) {
        if (sabal_future_get(&one, sizeof one, f[i], &own))
            return sabal_task_fail(t, own.status, "%s", own.message);
        sum += one;
    }
    return sabal_task_return(t, &sum, sizeof sum);
}

Test(subtasks, get_data_that_a_task_has_scattered)
{
    sabal_client *client = open_cluster(2);
    int64_t       sum;

    get(&sum, sizeof sum, sabal_submit(client, scatter_and_add, NULL, 0));
    cr_expect_eq(sum, 8 * (int64_t)WORDS * (WORDS - 1) / 2 + 28);
    sabal_close(client);
}

static sabal_status make(sabal_task *t)
{
    const int64_t *from  = sabal_task_arg(t);
    int64_t       *words = sabal_task_return_room(t, WORDS * sizeof *words);

    for (int64_t i = 0; i < WORDS; i++)
        words[i] = *from + i;
    sleep_ms(10);
    return SABAL_OK;
}

/* Large results, made here and elsewhere, are read inside of a task. */
static sabal_status read_large(sabal_task *t)
{
    sabal_client *c = sabal_task_client(t);
    sabal_future *f[6];
    int64_t       sum = 0;
    sabal_error   own = SABAL_ERROR_INIT;

    for (int64_t i = 0; i < 6; i++)
        f[i] = sabal_submit(c, make, &i, sizeof i);
    for (int i = 0; i < 6; i++) {
        const void *data;
        size_t      size;

        if (sabal_future_borrow(&data, &size, f[i], &own))
            return sabal_task_fail(t, own.status, "%s", own.message);
        for (int k = 0; k < WORDS; k++)
            sum += ((const int64_t *)data)[k];
    }
    return sabal_task_return(t, &sum, sizeof sum);
}

Test(subtasks, may_have_large_results)
{
    sabal_client *client = open_cluster(2);
    int64_t       sum;

    get(&sum, sizeof sum, sabal_submit(client, read_large, NULL, 0));
    cr_expect_eq(sum, 6 * (int64_t)WORDS * (WORDS - 1) / 2 + 15 * (int64_t)WORDS);
    sabal_close(client);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

/* Who waits is begun again elsewhere, with all that it submits. */
Test(subtasks, of_a_worker_that_is_killed_are_submitted_again)
{
    for (int after = 30; after <= 150; after += 60) {
        sabal_client *client = open_cluster(3);
        sabal_future *f[12];
        int64_t       n = 9, answer;

        for (int i = 0; i < 12; i++)
            f[i] = i % 2 ? sabal_submit(client, fib, &n, sizeof n) : sabal_submit(client, scatter_and_add, NULL, 0);
        sleep_ms(after);
        kill(cluster.process[2], SIGKILL);
        for (int i = 0; i < 12; i++) {
            get(&answer, sizeof answer, f[i]);
            cr_expect_eq(answer, i % 2 ? 34 : 8 * (int64_t)WORDS * (WORDS - 1) / 2 + 28);
        }
        sabal_close(client);
        cluster_close(&cluster);
    }
}

static sabal_status sleep_long(sabal_task *t)
{
    for (int i = 0; i < 3000 && !sabal_task_cancelled(t); i++)
        sleep_ms(10);
    return SABAL_ECANCELED;
}

static sabal_status wait_long(sabal_task *t)
{
    return sabal_future_wait(sabal_submit(sabal_task_client(t), sleep_long, NULL, 0), NULL);
}

/* The subtask runs for half a minute unless it is asked to end: then there would be no thread for who comes after. */
Test(subtasks, of_a_cancelled_task_are_cancelled)
{
    sabal_client *client = open_cluster(1);
    sabal_future *f      = sabal_submit(client, wait_long, NULL, 0);
    int64_t       i      = 4, answer;

    sleep_ms(200);
    sabal_future_cancel(f);
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_ECANCELED);
    err = (sabal_error)SABAL_ERROR_INIT;
    f   = sabal_submit(client, twice, &i, sizeof i);
    cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 15000000000), SABAL_OK, "%s", err.message);
    get(&answer, sizeof answer, f);
    cr_expect_eq(answer, 8);
    sabal_close(client);
}

/* So are those of one whose time is up. */
Test(subtasks, of_a_task_whose_time_is_up_are_cancelled)
{
    sabal_client *client = open_cluster(1);
    sabal_future *f      = sabal_submit(client, wait_long, NULL, 0, .timeout_ns = 200000000);

    cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 15000000000), SABAL_ETIMEDOUT);
    cr_expect(strstr(err.message, "ran longer than") != NULL, "%s", err.message);
    sabal_close(client);
}
