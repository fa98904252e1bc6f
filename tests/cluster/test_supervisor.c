/* Workers that end, beside their supervisors: who is charged with it, and what begins again. */
#include "support/supervised.h"

#include <sys/mman.h>

TestSuite(supervisor, .init = open_cluster, .fini = close_cluster, .timeout = 120);

/* --- a task's own fault ------------------------------------------------------------------------------------------- */

enum way { SEGV, ABORT, EXIT, UNDERSCORE_EXIT, OVERFLOW };

static int overflow(volatile char *below)
{
    volatile char here[4096];

    here[0] = 1;
    return below[0] ? overflow(here) + here[0] : 0;
}

static int *volatile nowhere;

/* Marks that it began, then ends its process. */
static __attribute__((no_sanitize("undefined"))) sabal_status end_worker(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, 'b');
    switch ((enum way)m->value) {
    case SEGV:
        *nowhere = 1;
        break;
    case ABORT:
        abort();
    case EXIT:
        exit(3);
    case UNDERSCORE_EXIT:
        _exit(4);
    case OVERFLOW:
        overflow((volatile char[]){1});
    }
    return SABAL_OK;
}

static void expect_ended_workers(enum way way, const char *how)
{
    marks         m = marks_make();
    sabal_future *bad, *sum;
    char          begin[96];
    const char   *where;

    err     = (sabal_error)SABAL_ERROR_INIT;
    m.value = way;
    sum     = job(5);
    bad     = NOTING(where, sabal_submit(client, end_worker, &m, sizeof m, .name = "bad"));
    cr_expect_eq(sabal_future_wait(bad, &err), SABAL_EPEER, "%s", err.message);
    snprintf(begin, sizeof begin, "task 'bad' ended 3 workers, the last 'n");
    cr_expect(!strncmp(err.message, begin, strlen(begin)), "%s", err.message);
    cr_expect(strstr(err.message, how) != NULL, "%s", err.message);
    cr_expect_str_eq(err.where, where);
    cr_expect_eq(err.node[0], 'n', "%s", err.node);
    cr_expect_eq(marks_count(&m), 3, "%d: %s", marks_count(&m), err.message);
    expect_sum(sum);
    marks_end(&m);
}

Test(supervisor, a_task_that_crashes_ends_by_name_after_the_third_worker)
{
    supervised_start(&cluster, "name=n1");
    supervised_start(&cluster, "name=n2");
    connect_client();
    expect_ended_workers(SEGV, "with signal 11 (Segmentation fault)");
    expect_sum(job(0)); /* the workers are there again */
    end_cluster();
}

Test(supervisor, a_task_that_calls_exit_is_charged_with_it)
{
    supervised_start(&cluster, "name=n1");
    connect_client();
    expect_ended_workers(EXIT, "exit"); /* its status, or that it was called, if the process takes long to end */
    end_cluster();
}

Test(supervisor, so_are_abort_and_a_stack_that_runs_over)
{
    supervised_start(&cluster, "name=n1");
    supervised_start(&cluster, "name=n2");
    connect_client();
    expect_ended_workers(ABORT, "with signal 6 (Aborted)");
    expect_ended_workers(OVERFLOW, "with signal 11 (Segmentation fault)");
    end_cluster();
}

/* No handler sees that; but nothing else ran. */
Test(supervisor, what_ran_alone_is_charged_where_nothing_was_noted)
{
    supervised_start(&cluster, "name=n1");
    connect_client();
    expect_ended_workers(UNDERSCORE_EXIT, "with exit status 4");
    end_cluster();
}

/* As when the system writes a core file: nobody waits for that. */
Test(supervisor, an_end_that_takes_long_is_told_at_once)
{
    marks         m = marks_make();
    sabal_future *bad;
    pid_t         worker;

    setenv("TEST_ENDS_SLOWLY", "1", 1);
    supervised_start(&cluster, "name=n1");
    supervised_start(&cluster, "name=n2");
    unsetenv("TEST_ENDS_SLOWLY");
    connect_client();
    worker  = worker_of(cluster.process[1]);
    m.value = EXIT;
    bad     = sabal_submit(client, end_worker, &m, sizeof m);
    for (int ms = 0; ms < 1000 && marks_count(&m) < 2; ms += 5)
        sleep_ms(5);
    cr_expect_eq(marks_count(&m), 2, "the second worker has it");
    cr_expect(worker_of(cluster.process[1]) == worker && !is_gone(worker), "the first one still ends");
    sabal_future_cancel(bad);
    marks_end(&m);
    end_cluster();
}

/* On two threads: the one beside is run again, as often as it takes. */
static sabal_status beside(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, 'b');
    sleep_ms(400);
    return sabal_task_return(t, &(double){1}, sizeof(double));
}

Test(supervisor, what_ran_beside_a_crash_runs_again_and_is_not_charged)
{
    marks         m = marks_make(), crash = marks_make();
    sabal_future *good, *bad;

    supervised_start(&cluster, "name=n1", "threads=2");
    connect_client();
    crash.value = SEGV;
    good        = sabal_submit(client, beside, &m, sizeof m);
    marks_wait(&m, 1);
    bad = sabal_submit(client, end_worker, &crash, sizeof crash);
    cr_expect_eq(sabal_future_wait(good, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(sabal_future_wait(bad, &err), SABAL_EPEER, "%s", err.message);
    cr_expect_geq(marks_count(&m), 2);
    marks_end(&m);
    marks_end(&crash);
    end_cluster();
}

/* --- nobody's fault ----------------------------------------------------------------------------------------------- */

/* One task runs each time, and part of a job. */
Test(supervisor, a_worker_that_is_killed_five_times_is_started_again_and_nobody_is_blamed)
{
    marks         m = marks_make();
    sabal_future *sum, *f;
    pid_t         worker = 0;

    supervised_start(&cluster, "name=n1", "threads=2");
    connect_client();
    f   = sabal_submit(client, beside, &m, sizeof m, .priority = 1);
    sum = job(25);
    for (int i = 1; i <= 5; i++) {
        worker = next_worker_of(cluster.process[1], worker);
        marks_wait(&m, i);
        sleep_ms(100);
        kill(worker, SIGKILL);
    }
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(marks_count(&m), 6);
    expect_sum(sum);
    marks_end(&m);
    end_cluster();
}

/* Leaves the number of its thread, then runs for a while. */
static sabal_status tell_thread(sabal_task *t)
{
    const marks *m    = sabal_task_arg(t);
    FILE        *file = fopen(m->path, "w");

    if (file) {
        fprintf(file, "%d", (int)gettid());
        fclose(file);
    }
    sleep_ms(500);
    return sabal_task_return(t, &(double){1}, sizeof(double));
}

static pid_t told_thread(const marks *m)
{
    char text[32] = "";

    marks_wait(m, 1);
    sleep_ms(20);
    marks_read(m, text, sizeof text);
    (void)!truncate(m->path, 0);
    return atoi(text);
}

/* To the very thread that runs it. */
Test(supervisor, a_signal_that_was_sent_is_not_the_tasks_fault)
{
    marks         m = marks_make();
    sabal_future *f;
    pid_t         worker = 0;

    supervised_start(&cluster, "name=n1");
    connect_client();
    f = sabal_submit(client, tell_thread, &m, sizeof m);
    for (int i = 1; i <= 4; i++) {
        worker = next_worker_of(cluster.process[1], worker);
        cr_assert_eq(tgkill(worker, told_thread(&m), SIGSEGV), 0);
    }
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
    marks_end(&m);
    end_cluster();
}

/* One that stands still has not ended: after a while it is taken for dead, and it comes back as another. */
Test(supervisor, a_worker_that_stands_still_is_not_started_again_until_it_goes_on)
{
    sabal_future *sum;
    pid_t         worker;

    supervised_start(&cluster, "name=n1");
    connect_client();
    worker = worker_of(cluster.process[1]);
    sum    = job(10);
    sleep_ms(50);
    kill(worker, SIGSTOP);
    sleep_ms(4500);
    cr_expect_eq(worker_of(cluster.process[1]), worker);
    kill(worker, SIGCONT);
    expect_sum(sum);
    cr_expect_neq(worker_of(cluster.process[1]), worker);
    end_cluster();
}

Test(supervisor, a_scheduler_that_answers_late_is_joined_again)
{
    supervised_start(&cluster, "name=n1", "timeout=0.5");
    kill(cluster.process[0], SIGSTOP);
    kill(worker_of(cluster.process[1]), SIGKILL);
    sleep_ms(4000);
    kill(cluster.process[0], SIGCONT);
    connect_client();
    expect_sum(job(0));
    end_cluster();
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static sabal_status take_memory(sabal_task *t)
{
    const marks *m    = sabal_task_arg(t);
    const size_t size = (size_t)m->value << 20;
    char        *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (size_t i = 0; room != MAP_FAILED && i < size; i += 4096)
        room[i] = 1;
    marks_add(m, 'b');
    sleep_ms(60000);
    return SABAL_OK;
}

/* The test is the system that kills. */
Test(supervisor, a_task_whose_worker_is_killed_over_its_limit_is_charged)
{
    marks         m = marks_make();
    sabal_future *f;
    pid_t         worker = 0;

    supervised_start(&cluster, "name=n1", "memory=100000000");
    connect_client();
    m.value = 200;
    f       = sabal_submit(client, take_memory, &m, sizeof m, .name = "greedy");
    for (int i = 1; i <= 3; i++) {
        worker = next_worker_of(cluster.process[1], worker);
        marks_wait(&m, i);
        kill(worker, SIGKILL);
    }
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_EPEER);
    cr_expect_str_eq(err.message,
                     "task 'greedy' ended 3 workers, the last 'n1' with signal 9 (Killed) while its memory "
                     "was over its limit");
    marks_end(&m);
    end_cluster();
}

/* A folder of the cgroup that this process is in, for less memory; "": none can be made here. */
static void make_cgroup(char path[512], const char *limit)
{
    char        line[256], own[256] = "", name[600];
    FILE       *file = fopen("/proc/self/cgroup", "r");
    struct stat st;

    while (file && fgets(line, sizeof line, file))
        if (strstr(line, ":memory:"))
            sscanf(strstr(line, ":memory:") + 8, "%255s", own);
    if (file)
        fclose(file);
    snprintf(path, 512, "/sys/fs/cgroup/memory%s/sabal-test-%d", own, (int)getpid());
    if (!own[0] || mkdir(path, 0755)) {
        path[0] = 0;
        return;
    }
    snprintf(name, sizeof name, "%s/memory.limit_in_bytes", path);
    file = stat(name, &st) ? NULL : fopen(name, "w");
    if (!file || fputs(limit, file) < 0 || fclose(file)) {
        rmdir(path);
        path[0] = 0;
    }
}

static void join_cgroup(const char *path, pid_t pid)
{
    char  name[600];
    FILE *file;

    snprintf(name, sizeof name, "%s/cgroup.procs", path);
    file = fopen(name, "w");
    cr_assert(file && fprintf(file, "%d", (int)pid) > 0 && !fclose(file));
}

Test(supervisor, a_worker_that_the_system_kills_as_memory_ran_out_is_its_tasks_fault)
{
    marks         m = marks_make();
    sabal_future *f;
    pid_t         worker;
    char          group[512];

    make_cgroup(group, "150000000");
    if (!group[0]) {
        marks_end(&m);
        end_cluster();
        return; /* needs a cgroup of version 1 that may be divided */
    }
    supervised_start(&cluster, "name=n1", "memory=120000000");
    worker = worker_of(cluster.process[1]);
    join_cgroup(group, cluster.process[1]);
    kill(worker, SIGKILL); /* the next one is in the group */
    next_worker_of(cluster.process[1], worker);
    connect_client();
    m.value = 400;
    f       = sabal_submit(client, take_memory, &m, sizeof m, .name = "greedy");
    cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 30000000000), SABAL_EPEER, "%s", err.message);
    cr_expect(strstr(err.message, "with signal 9 (Killed) as memory ran out") != NULL, "%s", err.message);
    marks_end(&m);
    end_cluster();
    cr_expect_eq(rmdir(group), 0);
}
