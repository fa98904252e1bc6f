/* What a client has each worker run: those that there are, and those that come. */
#include "cluster/named.h"

static int32_t set_up; /* a variable of each process */

static void begin(void)
{
    clear_error();
    set_up = 0;
}

TestSuite(each, .init = begin, .fini = close_cluster, .timeout = 120);

static sabal_status add_to_variable(sabal_task *t)
{
    sleep_ms(20);
    set_up += *(const int32_t *)sabal_task_arg(t);
    return sabal_task_return(t, NULL, 0);
}

static sabal_status double_variable(sabal_task *t)
{
    set_up *= 2;
    return sabal_task_return(t, NULL, 0);
}

static sabal_status tell_variable(sabal_task *t)
{
    return sabal_task_return(t, &set_up, sizeof set_up);
}

/* With workers "first" and "second". */
static sabal_client *open_two(void)
{
    cluster_open(&cluster, 0);
    add_worker("first", 1, NULL);
    add_worker("second", 1, NULL);
    return open_client();
}

static int32_t variable_of(sabal_client *client, const char *worker)
{
    int32_t answer = -1;

    cr_assert_eq(
        sabal_future_get(&answer, sizeof answer, sabal_submit(client, tell_variable, NULL, 0, .workers = worker), &err),
        SABAL_OK, "%s", err.message);
    return answer;
}

static void run(sabal_client *client, sabal_task_fn *fn, int32_t arg, int32_t later)
{
    cr_assert_eq(sabal_client_run(client, fn, &arg, sizeof arg, &err, .later = later), SABAL_OK, "%s", err.message);
}

Test(each, worker_runs_it_once)
{
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("first", 2, NULL);
    add_worker("second", 4, NULL);
    client = open_client();
    run(client, add_to_variable, 5, 1);
    cr_expect_eq(variable_of(client, "first"), 5);
    cr_expect_eq(variable_of(client, "second"), 5);
    cr_expect_eq(set_up, 0, "not this process");
    sabal_close(client);
}

Test(each, worker_that_is_alone_runs_it_once)
{
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("only", 4, NULL);
    client = open_client();
    run(client, add_to_variable, 5, 1);
    cr_expect_eq(variable_of(client, "only"), 5);
    sabal_close(client);
}

Test(each, worker_that_comes_runs_them_in_order_before_any_task)
{
    sabal_client *client;
    sabal_future *f;
    int32_t       answer;

    cluster_open(&cluster, 0);
    client = open_client();
    run(client, add_to_variable, 3, 1);
    run(client, double_variable, 0, 1);
    run(client, add_to_variable, 100, 0);
    f = sabal_submit(client, tell_variable, NULL, 0);
    add_worker("late", 4, NULL);
    cr_expect_eq(sabal_future_get(&answer, sizeof answer, f, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(answer, 6);
    sabal_close(client);
}

Test(each, closed_client_has_nothing_run)
{
    sabal_client *client;

    cluster_open(&cluster, 0);
    client = open_client();
    run(client, add_to_variable, 3, 1);
    sabal_close(client);
    client = open_client();
    add_worker("late", 1, NULL);
    cr_expect_eq(variable_of(client, "late"), 0);
    sabal_close(client);
}

static sabal_status fail_at_second(sabal_task *t)
{
    if (getpid() == *(const pid_t *)sabal_task_arg(t))
        return sabal_task_fail(t, SABAL_EVALUE, "not here");
    return sabal_task_return(t, NULL, 0);
}

Test(each, failure_names_its_worker)
{
    sabal_client *client = open_two();

    cr_expect_eq(sabal_client_run(client, fail_at_second, &cluster.process[2], sizeof(pid_t), &err), SABAL_EVALUE);
    cr_expect_str_eq(err.message, "not here");
    cr_expect_str_eq(err.node, "second");
    cr_expect(strstr(err.where, "test_each.c"), "%s", err.where);
    sabal_close(client);
}

static sabal_status fail_when_late(sabal_task *t)
{
    return sabal_task_fail(t, SABAL_EVALUE, "too late");
}

/* What is said to stderr meanwhile is in a file, and read from there. */
Test(each, failure_in_a_worker_that_comes_is_in_the_programs_log)
{
    FILE         *log        = tmpfile();
    const int     was        = dup(STDERR_FILENO);
    char          text[4096] = "";
    sabal_client *client;

    setenv("SABAL_LOG", "warn", 1);
    cluster_open(&cluster, 0);
    client = open_client();
    run(client, fail_when_late, 0, 1);
    dup2(fileno(log), STDERR_FILENO);
    add_worker("late", 1, NULL);
    for (int i = 0; i < 200 && !strstr(text, "which has joined since"); i++) {
        sleep_ms(20);
        cr_assert(pread(fileno(log), text, sizeof text - 1, 0) >= 0);
    }
    dup2(was, STDERR_FILENO);
    close(was);
    fclose(log);
    unsetenv("SABAL_LOG");
    cr_expect(strstr(text, "'late', which has joined since: too late"), "%s", text);
    sabal_close(client);
}

static sabal_status end_here(sabal_task *t)
{
    _exit(1);
}

Test(each, worker_that_ends_is_a_failure)
{
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("only", 1, NULL);
    client = open_client();
    cr_expect_eq(sabal_client_run(client, end_here, NULL, 0, &err, .later = 0), SABAL_EPEER);
    cr_expect(strstr(err.message, "'only'"), "%s", err.message);
    sabal_close(client);
}

static sabal_status run_for_all(sabal_task *t)
{
    sabal_error own = SABAL_ERROR_INIT;

    if (sabal_client_run(sabal_task_client(t), add_to_variable, &(int32_t){7}, sizeof(int32_t), &own))
        return sabal_task_fail(t, own.status, "%s", own.message);
    return sabal_task_return(t, NULL, 0);
}

Test(each, task_may_ask_for_it_too)
{
    sabal_client *client = open_two();

    cr_expect_eq(sabal_future_wait(sabal_submit(client, run_for_all, NULL, 0), &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(variable_of(client, "first"), 7);
    cr_expect_eq(variable_of(client, "second"), 7);
    sabal_close(client);
}

/* --- other engines ------------------------------------------------------------------------------------------------ */

Test(each, process_of_the_local_engine_runs_it)
{
    sabal_client *client = sabal_open("local:", &err, .threads = 2);

    run(client, add_to_variable, 4, 1);
    cr_expect_eq(set_up, 4);
    cr_expect_eq(sabal_client_run(client, task_fail, &(int){3}, sizeof(int), &err), SABAL_EVALUE);
    cr_expect_str_eq(err.message, "3 is no good");
    sabal_close(client);
}

Test(each, rehearsed_processes_run_it_once)
{
    sabal_client *client = sabal_open("rehearse:", &err, .threads = 2, .workers = 3);
    sabal_future *f[30];
    int32_t       answer;

    run(client, add_to_variable, 1, 1);
    for (int i = 0; i < 10; i++) /* short ones, which one process alone could run */
        run(client, double_variable, 0, 1);
    sabal_map(f, client, tell_variable, NULL, 0, 30);
    for (int i = 0; i < 30; i++) {
        cr_assert_eq(sabal_future_get(&answer, sizeof answer, f[i], &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(answer, 1024);
    }
    cr_expect_eq(set_up, 0, "not this process");
    cr_expect_eq(sabal_client_run(client, task_fail, &(int){3}, sizeof(int), &err), SABAL_EVALUE);
    sabal_close(client);
}

Test(each, what_cannot_be_run_is_refused)
{
    static char   large[(1 << 20) + 1];
    sabal_client *client;

    cr_expect_eq(sabal_client_run(NULL, double_variable, NULL, 0, &err), SABAL_EINVAL);
    clear_error();
    cluster_open(&cluster, 1);
    client = open_client();
    cr_expect_eq(sabal_client_run(client, NULL, NULL, 0, &err), SABAL_EINVAL);
    clear_error();
    cr_expect_eq(sabal_client_run(client, double_variable, NULL, 8, &err), SABAL_EINVAL);
    clear_error();
    cr_expect_eq(sabal_client_run(client, double_variable, large, sizeof large, &err), SABAL_EINVAL);
    sabal_close(client);
}
