/* A cluster whose machines are joined by wires that are cut, mended and slow: each worker is on a machine of its own. */
#include "cluster/job.h"
#include "cluster/processes.h"
#include "support/wires.h"

static wires wire;

static void move_to(int machine)
{
    if (!wires_move_to(&wire, machine))
        _exit(126);
}

static void start_on(int machine, const char *how)
{
    start_process(how, ANY_INTERFACE, move_to, machine);
}

/* The scheduler and the client on the switch, worker i on machine i. */
static sabal_client *open_machines(int32_t workers)
{
    sabal_client *client;

    if (!wires_begin(&wire, workers))
        cr_skip_test("this machine allows no network namespaces, or has no ip, tc or nsenter");
    make_cluster();
    start_on(0, "--scheduler");
    for (int32_t i = 1; i <= workers; i++)
        start_on(i, "--worker");
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

static void end_wires(void)
{
    wires_end(&wire);
    end_faults();
}

static void close_machines(sabal_client *client)
{
    sabal_close(client);
    cluster_close(&cluster);
    wires_end(&wire);
    close_all(NULL);
}

TestSuite(wires, .init = begin_faults, .fini = end_wires, .timeout = 600);

/* After which a process that reaches nobody ends by itself (SILENCE_MS of src/cluster/net/link.c). */
enum { ALONE_MS = 10000 };

static const job JOB = {.chunks = 60, .words = 100000, .ms = 3};

Test(wires, machines_on_a_switch_are_a_cluster)
{
    sabal_client *client = open_machines(2);

    job_run(JOB, client);
    cr_expect_geq(wires_sent(&wire, 1) + wires_sent(&wire, 2), JOB.words * 8); /* values did cross */
    close_machines(client);
}

/* --- a cut ----------------------------------------------------------------------------------------------------- */

/* Until the process ended by itself; milliseconds, and -1 if it did not. */
static int64_t wait_for_end(int process, int64_t most_ms)
{
    const int64_t since = now_ms();
    siginfo_t     what  = {0};

    while (now_ms() - since < most_ms) {
        if (!waitid(P_PID, (id_t)cluster.process[process], &what, WEXITED | WNOHANG | WNOWAIT) && what.si_pid)
            return now_ms() - since;
        sleep_ms(10);
    }
    return -1;
}

/* What was on its way comes later. */
Test(wires, a_wire_that_is_cut_for_a_second_costs_nobody)
{
    sabal_client *client = open_machines(2);
    job           j      = JOB;

    job_start(&j, client);
    sleep_ms(50);
    wires_cut(&wire, 1);
    sleep_ms(1000);
    wires_mend(&wire, 1);
    job_expect(&j);
    cr_expect_eq(log_count("' is gone: "), 0);
    close_machines(client);
}

/* The worker behind it is taken for dead. When it is heard again it is told so, and ends. */
Test(wires, a_wire_that_is_cut_and_mended_takes_nothing_with_it)
{
    sabal_client *client = open_machines(2);
    job           j      = JOB;
    int64_t       at;

    job_start(&j, client);
    sleep_ms(50);
    at = now_ms();
    wires_cut(&wire, 1);
    expect_detected(1, at);
    wires_mend(&wire, 1);
    job_expect(&j);
    cr_expect_geq(wait_for_end(1, ALONE_MS + SLACK_MS), 0);
    job_run(JOB, client);
    close_machines(client);
}

/* And the worker behind it ends by itself. */
Test(wires, a_wire_that_is_cut_for_good_takes_nothing_with_it)
{
    sabal_client *client = open_machines(2);
    job           j      = JOB;
    int64_t       at;

    job_start(&j, client);
    sleep_ms(50);
    at = now_ms();
    wires_cut(&wire, 1);
    expect_detected(1, at);
    job_expect(&j);
    job_run(JOB, client);
    cr_expect_geq(wait_for_end(1, ALONE_MS + SLACK_MS), 0);
    close_machines(client);
}

/* A client on a machine of its own, which waits for what never ends. 0: it is told why it waits no more. */
static int wait_from(int machine)
{
    sabal_client *client;
    sabal_future *f;
    marks         m = {.path = "/dev/null"};

    if (!wires_move_to(&wire, machine))
        return 1;
    client = sabal_open(cluster.file, NULL, .threads = 1);
    f      = sabal_submit(client, task_hold, &m, sizeof m);
    if (sabal_future_wait(f, &err, .timeout_ns = 60000000000) != SABAL_EPEER || !strstr(err.message, "scheduler"))
        return 2;
    return 0;
}

Test(wires, a_client_that_is_cut_off_is_told_and_leaves_the_cluster_to_others)
{
    sabal_client *client = open_machines(2);
    pid_t         other;
    int           status = -1;
    int64_t       at;

    cr_assert(wires_add(&wire));
    sabal_close(client);
    other = fork();
    if (!other)
        _exit(wait_from(3));
    log_wait("client ", 2, now_ms());
    sleep_ms(200);
    at = now_ms();
    wires_cut(&wire, 3);
    waitpid(other, &status, 0);
    cr_expect_eq(status, 0);
    cr_expect_leq(now_ms() - at, ALONE_MS + SLACK_MS);
    while (!log_count("client 2") && now_ms() - at < ALONE_MS + SLACK_MS)
        sleep_ms(10);
    client = sabal_open(cluster.file, &err, .threads = 1);
    job_run(JOB, client);
    close_machines(client);
}

/* --- slow wires ------------------------------------------------------------------------------------------------ */

/* 10 Mbit/s: heartbeats come through between values, and nobody is taken for dead. */
Test(wires, slow_wires_make_it_slow_and_nothing_else)
{
    sabal_client *client = open_machines(2);
    job           j      = {.chunks = 20, .words = 100000, .ms = 3};

    wires_slow(&wire, 1, "10mbit");
    wires_slow(&wire, 2, "10mbit");
    job_run(j, client);
    cr_expect_geq(wires_sent(&wire, 1) + wires_sent(&wire, 2), j.words * 8 * 2);
    cr_expect_eq(log_count("' is gone: "), 0);
    close_machines(client);
}

/* 4 MB take 3 seconds, of which one has gone. */
Test(wires, a_worker_may_be_killed_while_it_sends_a_large_value_to_a_client)
{
    sabal_client *client = open_machines(1);
    job           j      = {.chunks = 2, .words = 500000};
    long long     sent;
    pid_t         killer;

    job_start(&j, client);
    cr_assert_eq(sabal_future_wait(j.sum, &err), SABAL_OK);
    cr_assert(wires_add(&wire));
    start_on(2, "--worker");
    wires_slow(&wire, 1, "10mbit");
    sent   = wires_sent(&wire, 1);
    killer = fork();
    if (!killer) {
        while (wires_sent(&wire, 1) < sent + 1000000)
            sleep_ms(1);
        kill(cluster.process[1], SIGKILL);
        _exit(0);
    }
    job_expect(&j);
    cr_expect_eq(waitpid(killer, NULL, 0), killer);
    cr_expect_eq(log_count("' is gone: "), 1);
    close_machines(client);
}

/* Values of 800 KB go both ways, each for the better part of a second. */
Test(wires, a_worker_may_be_killed_while_it_sends_to_another)
{
    sabal_client *client = open_machines(2);
    job           j      = {.chunks = 16, .words = 100000, .ms = 3};
    long long     sent;

    wires_slow(&wire, 1, "10mbit");
    wires_slow(&wire, 2, "10mbit");
    sent = wires_sent(&wire, 1);
    job_start(&j, client);
    while (wires_sent(&wire, 1) < sent + 400000 && sabal_future_wait(j.sum, NULL, .timeout_ns = 0) == SABAL_ETIMEDOUT)
        sleep_ms(1);
    die(1);
    job_expect(&j);
    cr_expect_eq(log_count("' is gone: "), 1);
    close_machines(client);
}

/* Each reaches the scheduler, and not the other: what is needed where it can't be had is made again there. */
Test(wires, workers_that_do_not_reach_each_other_do_without)
{
    sabal_client *client = open_machines(2);
    job           j      = {.chunks = 4, .words = 100000, .ms = 3};

    wires_part(&wire, 1, 1);
    wires_part(&wire, 2, 1);
    job_run(j, client);
    cr_expect_geq(log_count("a value could not be fetched"), 1);
    cr_expect_eq(log_count("' is gone: "), 0);
    close_machines(client);
}
