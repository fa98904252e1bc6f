/* What a cluster says of itself: to who asks and does not join, to its clients, and in its log. */
#include "support/engines.h"

#include <pthread.h>

#include "base/clock.h"

static sabal_error  err = SABAL_ERROR_INIT;
static test_cluster cluster;

static void close_cluster(void)
{
    for (int i = 0; i < cluster.n; i++)
        kill(cluster.process[i], SIGCONT); /* a test that failed may have left one stopped */
    cluster_close(&cluster);
}

static void clear_error(void)
{
    err = (sabal_error)SABAL_ERROR_INIT; /* tests may all be one process */
}

TestSuite(status, .init = clear_error, .fini = close_cluster, .timeout = 120);

enum { MOST_SEEN = 8 };
typedef struct seen {
    int               n;
    sabal_worker_info workers[MOST_SEEN];
    char              states[MOST_SEEN][16];
} seen;

static int32_t see(void *user, const sabal_worker_info *worker)
{
    seen *s = user;

    s->workers[s->n] = *worker;
    snprintf(s->states[s->n++], sizeof s->states[0], "%s", worker->state);
    return s->n == MOST_SEEN;
}

static sabal_cluster_info look(seen *s)
{
    sabal_cluster_info info = {.struct_size = sizeof info};

    memset(s, 0, sizeof *s);
    cr_assert_eq(sabal_cluster_info_get(&info, see, s, cluster.file, &err), SABAL_OK, "%s", err.message);
    return info;
}

/* --- asked ---------------------------------------------------------------------------------------------------------- */

Test(status, tells_the_scheduler_and_its_workers)
{
    seen               s;
    sabal_cluster_info info;

    cluster_open(&cluster, 2);
    info = look(&s);
    cr_expect_eq(info.workers, 2);
    cr_expect_eq(info.threads, 2);
    cr_expect_eq(info.clients, 0, "who asks is no client");
    cr_expect_eq(info.pid, cluster.process[0]);
    cr_expect_eq(info.is_here, 1);
    cr_expect_str_eq(info.version, sabal_version());
    cr_expect_eq(strlen(info.id), 32);
    cr_expect(strstr(info.addresses, "unix /") != NULL, "%s", info.addresses);
    cr_expect(info.age_ns > 0 && info.age_ns < 60000000000);
    cr_assert_eq(s.n, 2);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(s.workers[i].pid, cluster.process[i + 1]);
        cr_expect_eq(s.workers[i].threads, 1);
        cr_expect_eq(s.workers[i].is_here, 1);
        cr_expect_str_eq(s.states[i], "running");
    }
}

Test(status, counts_tasks_by_state_and_worker)
{
    sabal_client      *client;
    const marks        m = marks_make();
    seen               s;
    sabal_cluster_info info;
    sabal_future      *held, *after;

    cluster_open(&cluster, 1);
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(sabal_future_wait(submit_double(client, i), &err), SABAL_OK);
    cr_expect_neq(sabal_future_wait(sabal_submit(client, task_fail, &(int){1}, sizeof(int)), NULL), SABAL_OK);
    held  = sabal_submit(client, task_hold, &m, sizeof m);
    after = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(held));
    marks_wait(&m, 1);
    info = look(&s);
    cr_expect_eq(info.clients, 1);
    cr_expect_eq(info.ended, 11);
    cr_expect_eq(info.done, 10);
    cr_expect_eq(info.failed, 1);
    cr_expect_eq(info.sent + info.waiting, 2, "%lld %lld", (long long)info.sent, (long long)info.waiting);
    cr_assert_eq(s.n, 1);
    cr_expect_eq(s.workers[0].running, 1);
    cr_expect_eq(s.workers[0].done, 10);
    cr_expect_eq(s.workers[0].failed, 1);
    marks_add(&m, 'g');
    cr_expect_eq(sabal_future_wait(after, &err), SABAL_OK, "%s", err.message);
    marks_end(&m);
    sabal_close(client);
}

Test(status, tells_a_worker_that_stands_still)
{
    seen s = {0};

    cluster_open(&cluster, 2);
    kill(cluster.process[2], SIGSTOP);
    sleep_ms(1800);
    look(&s);
    cr_assert_eq(s.n, 2);
    cr_expect_str_eq(s.states[0], "running");
    cr_expect_str_eq(s.states[1], "suspect");
    cr_expect_geq(s.workers[1].silent_ns, 1000000000);
}

Test(status, tells_how_fast_it_goes)
{
    sabal_client      *client;
    sabal_future      *f[2000];
    double             v[2000] = {0};
    seen               s;
    sabal_cluster_info info;

    cluster_open(&cluster, 1);
    client = sabal_open(cluster.file, &err, .threads = 1);
    sleep_ms(600);
    sabal_map(f, client, task_square, v, sizeof *v, 2000);
    cr_assert_eq(sabal_wait_all(list_of(f, 2000), &err), SABAL_OK);
    sleep_ms(300);
    info = look(&s);
    cr_expect(info.per_second > 2000 / 2.5 && info.per_second < 2000 / 0.2, "%g", info.per_second);
    sleep_ms(2300);
    cr_expect_eq(look(&s).per_second, 0);
    sabal_close(client);
}

Test(status, a_scheduler_that_stands_still_is_told_within_five_seconds)
{
    sabal_cluster_info info = {.struct_size = sizeof info};
    int64_t            began;
    sabal_status       st;

    cluster_open(&cluster, 0);
    kill(cluster.process[0], SIGSTOP);
    began = sbl_clock_ns();
    st    = sabal_cluster_info_get(&info, NULL, NULL, cluster.file, &err);
    cr_expect(st == SABAL_ETIMEDOUT || st == SABAL_EPEER, "%s", sabal_status_name(st));
    cr_expect_lt(sbl_clock_ns() - began, 5000000000);
    cr_expect(strstr(err.message, "scheduler") != NULL, "%s", err.message);
    kill(cluster.process[0], SIGCONT);
}

Test(status, a_scheduler_that_is_gone_is_told_at_once)
{
    sabal_cluster_info info = {.struct_size = sizeof info};
    int64_t            began;

    cluster_open(&cluster, 0);
    kill(cluster.process[0], SIGKILL);
    waitpid(cluster.process[0], NULL, 0);
    began = sbl_clock_ns();
    cr_expect_eq(sabal_cluster_info_get(&info, NULL, NULL, cluster.file, &err), SABAL_EPEER);
    cr_expect(strstr(err.message, "is left over") != NULL, "%s", err.message);
    cr_expect_lt(sbl_clock_ns() - began, 1000000000);
    unlink(cluster.file);
    rmdir(cluster.folder);
    cluster.n = 0;
}

Test(status, refuses_a_record_without_its_size)
{
    sabal_cluster_info info = {0};
    sabal_client      *client;

    cluster_open(&cluster, 0);
    cr_expect_eq(sabal_cluster_info_get(&info, NULL, NULL, cluster.file, NULL), SABAL_EINVAL);
    client = sabal_open("local:", NULL, .threads = 1);
    cr_expect_eq(sabal_client_cluster_info_get(&info, NULL, NULL, client, NULL), SABAL_EINVAL);
    sabal_close(client);
}

Test(status, a_cluster_that_is_told_to_stop_is_gone)
{
    int status;

    cluster_open(&cluster, 2);
    cr_expect_eq(sabal_cluster_stop(cluster.file, &err), SABAL_OK, "%s", err.message);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(waitpid(cluster.process[i], &status, 0), cluster.process[i]);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "process %d: %d", i, status);
    }
    cr_expect_neq(access(cluster.file, F_OK), 0);
    cr_expect_eq(sabal_cluster_stop(cluster.file, NULL), SABAL_ENOENT);
    rmdir(cluster.folder);
    cluster.n = 0;
}

/* --- clients -------------------------------------------------------------------------------------------------------- */

static void *wait_for_two(void *arg)
{
    cr_expect_eq(sabal_client_wait_for_workers(arg, 2, NULL, .timeout_ns = 20000000000), SABAL_OK);
    return NULL;
}

Test(status, a_client_waits_for_workers)
{
    sabal_client *client;
    pthread_t     thread;

    cluster_open(&cluster, 1);
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_expect_eq(sabal_client_wait_for_workers(client, 0, &err), SABAL_OK);
    cr_expect_eq(sabal_client_wait_for_workers(client, 1, &err), SABAL_OK);
    cr_expect_eq(sabal_client_wait_for_workers(client, 2, &err, .timeout_ns = 50000000), SABAL_ETIMEDOUT);
    cr_expect_str_eq(err.message, "2 workers were waited for, and there are 1");
    cr_expect(strstr(err.where, "test_status.c:") != NULL, "%s", err.where);
    cr_expect_eq(sabal_client_wait_for_workers(client, -1, NULL), SABAL_EINVAL);
    pthread_create(&thread, NULL, wait_for_two, client);
    sleep_ms(100);
    cluster_start(&cluster, "--join", "1");
    pthread_join(thread, NULL);
    kill(cluster.process[1], SIGKILL);
    err = (sabal_error)SABAL_ERROR_INIT;
    sleep_ms(500);
    cr_expect_eq(sabal_client_wait_for_workers(client, 2, &err, .timeout_ns = 0), SABAL_ETIMEDOUT);
    cr_expect_str_eq(err.message, "2 workers were waited for, and there are 1");
    kill(cluster.process[0], SIGKILL);
    cr_expect_eq(sabal_client_wait_for_workers(client, 2, NULL), SABAL_EPEER);
    sabal_close(client);
    unlink(cluster.file);
}

static void *wait_in_vain(void *arg)
{
    cr_expect_eq(sabal_client_wait_for_workers(arg, 2, NULL), SABAL_ECLOSED);
    return NULL;
}

Test(status, closing_a_client_ends_the_wait_for_workers)
{
    sabal_client *client;
    pthread_t     thread;

    cluster_open(&cluster, 1);
    client = sabal_open(cluster.file, &err, .threads = 1);
    pthread_create(&thread, NULL, wait_in_vain, client);
    sleep_ms(100);
    sabal_close(client);
    pthread_join(thread, NULL);
}

Test(status, every_engine_tells_its_workers)
{
    sabal_client *client;

    for_each_engine(client, 2)
    {
        seen               s    = {0};
        sabal_cluster_info info = {.struct_size = sizeof info};

        cr_expect_eq(sabal_client_wait_for_workers(client, 2, &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(sabal_client_cluster_info_get(&info, see, &s, client, &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(s.n, info.workers);
        cr_expect_eq(info.threads, 2);
        cr_expect_eq(info.clients, 1);
        cr_expect_str_eq(info.version, sabal_version());
        for (int i = 0; i < s.n; i++) {
            cr_expect_eq(s.workers[i].is_here, 1);
            cr_expect_eq(kill(s.workers[i].pid, 0), 0);
        }
    }
}

Test(status, more_workers_than_there_ever_are_are_not_waited_for)
{
    sabal_client *client = sabal_open("local:", &err, .threads = 2);

    cr_expect_eq(sabal_client_wait_for_workers(client, 3, &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "2 threads in all") != NULL, "%s", err.message);
    sabal_close(client);
    cr_expect_eq(sabal_client_wait_for_workers(NULL, 1, NULL), SABAL_EINVAL);
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

/* A scheduler that has been alone for 400 ms ends. Its process. */
static pid_t start_idle_scheduler(void)
{
    int   ends[2];
    char  byte;
    pid_t pid;

    memset(&cluster, 0, sizeof cluster);
    strcpy(cluster.folder, "/tmp/sabal-test-XXXXXX");
    cr_assert(mkdtemp(cluster.folder) != NULL);
    snprintf(cluster.file, sizeof cluster.file, "%s/scheduler.json", cluster.folder);
    cr_assert_eq(pipe(ends), 0);
    pid = fork();
    if (!pid)
        _exit(sabal_scheduler_run(cluster.file, NULL, .interfaces = "", .idle_timeout_ns = 400000000,
                                  .ready_fd = ends[1]) != SABAL_OK);
    close(ends[1]);
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static int has_ended(pid_t pid)
{
    int status;

    return waitpid(pid, &status, WNOHANG) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Test(status, a_scheduler_without_clients_ends_though_it_is_asked)
{
    const pid_t   pid   = start_idle_scheduler();
    const int64_t began = sbl_clock_ns();
    int           ended = 0;

    while (!(ended = has_ended(pid)) && sbl_clock_ns() - began < 10000000000) {
        sabal_cluster_info info = {.struct_size = sizeof info};

        sabal_cluster_info_get(&info, NULL, NULL, cluster.file, NULL);
        sleep_ms(20);
    }
    cr_expect(ended, "it goes on");
    cr_expect_geq(sbl_clock_ns() - began, 300000000);
    cr_expect_neq(access(cluster.file, F_OK), 0);
    rmdir(cluster.folder);
}

Test(status, a_client_keeps_a_scheduler)
{
    const pid_t   pid    = start_idle_scheduler();
    sabal_client *client = sabal_open(cluster.file, &err, .threads = 1);

    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    sleep_ms(1500);
    cr_expect(!has_ended(pid));
    sabal_close(client);
    sleep_ms(1500);
    cr_expect(has_ended(pid));
    rmdir(cluster.folder);
}

Test(status, workers_end_when_their_scheduler_is_killed)
{
    int     status;
    int64_t began;

    cluster_open(&cluster, 2);
    began = sbl_clock_ns();
    kill(cluster.process[0], SIGKILL);
    for (int i = 0; i < 3; i++)
        waitpid(cluster.process[i], &status, 0);
    cr_expect_lt(sbl_clock_ns() - began, 2000000000);
    unlink(cluster.file);
    rmdir(cluster.folder);
    cluster.n = 0;
}

/* It keeps its connections, and says nothing. */
Test(status, who_depends_on_a_scheduler_that_stands_still_ends)
{
    sabal_client *client;
    int64_t       began;
    double        v = 1;
    int           status;

    cluster_open(&cluster, 1);
    client = sabal_open(cluster.file, &err, .threads = 1);
    kill(cluster.process[0], SIGSTOP);
    began = sbl_clock_ns();
    cr_expect_eq(sabal_future_wait(sabal_submit(client, task_square, &v, sizeof v), &err), SABAL_EPEER);
    cr_expect(strstr(err.message, "has not said a word for 30 s") != NULL, "%s", err.message);
    cr_expect_lt(sbl_clock_ns() - began, 45000000000);
    waitpid(cluster.process[1], &status, 0);
    cr_expect_lt(sbl_clock_ns() - began, 45000000000);
    cr_expect(WIFEXITED(status), "%d", status);
    sabal_close(client);
    kill(cluster.process[0], SIGKILL);
    kill(cluster.process[0], SIGCONT);
    cluster.n = 1;
    cluster_close(&cluster);
    unlink(cluster.file);
    rmdir(cluster.folder);
}

/* --- the log -------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static char            last_line[1024];

static void take_line(void *user, sabal_log_level level, const char *line)
{
    pthread_mutex_lock(&line_lock);
    if (level <= SABAL_LOG_WARN)
        snprintf(last_line, sizeof last_line, "%s", line);
    pthread_mutex_unlock(&line_lock);
}

static int has_line(const char *text)
{
    int is_it;

    pthread_mutex_lock(&line_lock);
    is_it = strcmp(last_line, text) == 0;
    pthread_mutex_unlock(&line_lock);
    return is_it;
}

/* Not at once, but within half a minute. */
static void expect_line_later(const char *text)
{
    cr_expect(has_line(""), "%s", last_line);
    for (int i = 0; i < 300 && has_line(""); i++)
        sleep_ms(100);
    cr_expect(has_line(text), "%s", last_line);
}

Test(status, a_client_hears_that_its_tasks_wait_for_a_worker)
{
    sabal_client *client, *other;
    double        v = 1;
    sabal_future *f;

    sabal_set_log(take_line, NULL, SABAL_LOG_WARN);
    cluster_open(&cluster, 0);
    client = sabal_open(cluster.file, &err, .threads = 1);
    other  = sabal_open(cluster.file, &err, .threads = 1);
    f      = sabal_submit(client, task_square, &v, sizeof v);
    expect_line_later("tasks wait, and for 5 s there has been no worker: start 'sabal worker'");
    cluster_start(&cluster, "--join", "1");
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
    sabal_close(other);
    sabal_close(client);
    sabal_set_log(NULL, NULL, 0);
}
