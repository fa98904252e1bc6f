/* Workers and their supervisors: ends that were planned, beginnings that fail, and what is left. */
#include "support/supervised.h"

TestSuite(supervisor_ends, .init = open_cluster, .fini = close_cluster, .timeout = 120);

/* --- ends that were planned --------------------------------------------------------------------------------------- */

static int status_of(int process)
{
    int status = -1;

    while (waitpid(cluster.process[process], &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

Test(supervisor_ends, a_worker_whose_lifetime_is_over_leaves_and_is_not_started_again)
{
    sabal_future *sum;

    supervised_start(&cluster, "name=n1", "lifetime=1");
    supervised_start(&cluster, "name=n2");
    connect_client();
    sum = job(60);
    cr_expect(is_gone_within(cluster.process[1], 5000), "it leaves by itself, and is not killed");
    cr_expect_eq(status_of(1), 0);
    expect_sum(sum);
    end_cluster();
}

static sabal_status run_long(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, 'r');
    sleep_ms(13000); /* longer than a worker has that is told to leave at once */
    return sabal_task_return(t, NULL, 0);
}

Test(supervisor_ends, what_runs_when_the_lifetime_is_over_ends_there)
{
    marks         m = marks_make();
    sabal_future *f;

    supervised_start(&cluster, "name=n1", "lifetime=1");
    connect_client();
    f = sabal_submit(client, run_long, &m, sizeof m);
    marks_wait(&m, 1);
    supervised_start(&cluster, "name=n2");
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(marks_count(&m), 1, "it ran once");
    cr_expect(is_gone_within(cluster.process[1], 5000));
    cr_expect_eq(status_of(1), 0);
    marks_end(&m);
    end_cluster();
}

Test(supervisor_ends, both_end_when_the_supervisor_is_told_to)
{
    pid_t worker;

    supervised_start(&cluster, "name=n1");
    worker = worker_of(cluster.process[1]);
    kill(cluster.process[1], SIGTERM);
    cr_expect_eq(status_of(1), 0);
    cr_expect(is_gone(worker));
    end_cluster();
}

/* It stands still, so that it can't; it is killed, and what it leaves is removed. */
Test(supervisor_ends, a_worker_that_does_not_leave_is_killed)
{
    pid_t worker;

    supervised_start(&cluster, "name=n1");
    worker = worker_of(cluster.process[1]);
    kill(worker, SIGSTOP);
    kill(cluster.process[1], SIGTERM);
    sleep_ms(200);
    cr_expect(!is_gone(worker), "it has ten seconds");
    kill(cluster.process[1], SIGINT);
    cr_expect_eq(status_of(1), 0);
    cr_expect(is_gone(worker));
    cr_expect_eq(files_in(local, ""), 0);
    end_cluster();
}

Test(supervisor_ends, both_end_when_the_cluster_ends)
{
    supervised_start(&cluster, "name=n1");
    kill(cluster.process[0], SIGTERM);
    cr_expect_eq(status_of(1), 0);
    end_cluster();
}

Test(supervisor_ends, a_worker_ends_within_a_second_of_its_supervisor)
{
    sabal_future *sum;
    pid_t         worker;

    supervised_start(&cluster, "name=n1");
    supervised_start(&cluster, "name=n2");
    connect_client();
    sum = job(20);
    sleep_ms(100);
    worker = worker_of(cluster.process[1]);
    kill(cluster.process[1], SIGKILL);
    cr_expect(is_gone_within(worker, 1000));
    expect_sum(sum);
    end_cluster();
}

/* --- what can't begin --------------------------------------------------------------------------------------------- */

/* Runs one that is to fail, and reads what it says. */
static int failed_start(char *said, size_t size, const char *const *options)
{
    int     ends[2], status;
    ssize_t n = 0, got;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_expect(!supervised_wait(supervised_begin(&cluster, ends[1], options)));
    close(ends[1]);
    while ((size_t)n + 1 < size && (got = read(ends[0], said + n, size - 1 - (size_t)n)) > 0)
        n += got;
    said[n] = 0;
    close(ends[0]);
    status = status_of(--cluster.n);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(supervisor_ends, a_library_that_is_not_there_is_named)
{
    char said[4096];

    cr_expect_eq(failed_start(said, sizeof said, (const char *const[]){"preload=libnot-there.so", NULL}), 1);
    cr_expect(strstr(said, "a library to be loaded first, 'libnot-there.so'") != NULL, "%s", said);
    end_cluster();
}

Test(supervisor_ends, a_library_is_loaded_before_tasks_run)
{
    double v = 3;

    supervised_start(&cluster, "name=n1", "preload=libm.so.6,libutil.so.1");
    connect_client();
    cr_expect_eq(sabal_future_wait(sabal_submit(client, task_square, &v, sizeof v), &err), SABAL_OK, "%s", err.message);
    end_cluster();
}

Test(supervisor_ends, a_local_directory_is_made_and_removed)
{
    rmdir(local);
    supervised_start(&cluster, "name=n1");
    cr_expect_eq(files_in(local, "sabal-"), 1, "a folder for sockets");
    kill(worker_of(cluster.process[1]), SIGKILL);
    sleep_ms(300);
    cr_expect_eq(files_in(local, "sabal-"), 1, "what the former worker left was swept");
    kill(cluster.process[1], SIGTERM);
    cr_expect_eq(status_of(1), 0);
    cr_expect(access(local, F_OK) != 0);
    end_cluster();
}

Test(supervisor_ends, a_local_directory_that_others_can_write_to_is_refused)
{
    char said[4096];

    chmod(local, 0777);
    cr_expect_eq(failed_start(said, sizeof said, (const char *const[]){"name=n1", NULL}), 1);
    cr_expect(strstr(said, "is no place for sockets: others can write to it") != NULL, "%s", said);
    end_cluster();
}

Test(supervisor_ends, a_worker_that_never_joins_is_told)
{
    char said[4096];

    setenv("TEST_CRASHES_AT_START", "1", 1);
    cr_expect_eq(failed_start(said, sizeof said, (const char *const[]){"name=n1", NULL}), 1);
    unsetenv("TEST_CRASHES_AT_START");
    cr_expect(strstr(said, "3 times in a row a worker ended before it had joined, the last with signal 9") != NULL,
              "%s", said);
    end_cluster();
}

Test(supervisor_ends, a_scheduler_that_is_gone_is_told)
{
    pid_t worker;

    supervised_start(&cluster, "name=n1", "timeout=1");
    worker = worker_of(cluster.process[1]);
    kill(cluster.process[0], SIGKILL);
    cr_expect_eq(WEXITSTATUS(status_of(1)), 1);
    cr_expect(is_gone(worker));
    unlink(cluster.file);
    end_cluster();
}
