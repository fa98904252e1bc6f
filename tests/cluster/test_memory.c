/* Each process of a cluster, and each allocation of it that fails in turn: a mistake is told, nothing hangs, nothing is left. */
#include <sys/resource.h>

#include "support/engines.h"

#include "base/alloc.h"
#include "cluster/office.h"
#include "net/sides.h"

static test_cluster cluster;

static void close_cluster(void)
{
    sbl_alloc_fail(0, 0);
    cluster_close(&cluster);
}

TestSuite(cluster_memory, .fini = close_cluster, .timeout = 200);

static void make_folder(test_cluster *c)
{
    memset(c, 0, sizeof *c);
    strcpy(c->folder, "/tmp/sabal-test-XXXXXX");
    cr_assert(mkdtemp(c->folder) != NULL);
    snprintf(c->file, sizeof c->file, "%s/scheduler.json", c->folder);
}

static void set_most_files(rlim_t n)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = n;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* It ends by itself, as no client comes. */
static sabal_status run_office(sabal_error *err)
{
    const sbl_office_options options = {.file = cluster.file, .idle_ns = 1, .report = -1};

    *err = (sabal_error)SABAL_ERROR_INIT;
    return sbl_office_run(&options, err);
}

Test(cluster_memory, a_scheduler_begins_or_says_why_not)
{
    const int   fds = count_fds();
    sabal_error err;
    sigset_t    before, after;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    make_folder(&cluster);
    for (int64_t n = 1;; n++) {
        sabal_status st;

        sbl_alloc_fail(n, 0);
        st = run_office(&err);
        cr_expect_eq(count_fds(), fds, "descriptors are left when allocation %lld fails", (long long)n);
        unlink(cluster.file); /* it could not be read, and so not be known for its own */
        if (sbl_alloc_fail(0, 0) < n)
            break;
        cr_expect(!st || (st == SABAL_ENOMEM && err.message[0]), "allocation %lld: %s %s", (long long)n,
                  sabal_status_name(st), err.message);
    }
    cr_expect_eq(err.status, SABAL_OK, "%s", err.message);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    cr_expect_eq(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    rmdir(cluster.folder);
}

Test(cluster_memory, a_scheduler_without_descriptors_says_so)
{
    const int     fds = count_fds();
    struct rlimit former;
    sabal_error   err;

    getrlimit(RLIMIT_NOFILE, &former);
    make_folder(&cluster);
    for (int more = 0; more < 12; more++) {
        sabal_status st;
        int          low = dup(0); /* the lowest that is free */

        close(low);
        set_most_files((rlim_t)(low + more));
        st = run_office(&err);
        set_most_files(former.rlim_cur);
        cr_expect(!st || strstr(err.message, "Too many open files"), "%d more: %s", more, err.message);
        cr_expect_eq(count_fds(), fds, "%d more", more);
    }
    cr_expect_eq(err.status, SABAL_OK);
    rmdir(cluster.folder);
}

enum { LOTS = 100000 };

static sabal_status fill(sabal_task *t)
{
    char       *room = sabal_task_return_room(t, LOTS);
    const char *from = sabal_task_input(t, 0);

    if (!room)
        return SABAL_ENOMEM;
    memset(room, from[LOTS - 1], LOTS);
    return SABAL_OK;
}

/* Small and large results, data of the client's; its first mistake, if any. */
static sabal_status work(const char *file, sabal_error *err)
{
    static char   got[LOTS];
    double        v = 3, y = 0;
    sabal_client *client;
    sabal_future *small, *data, *large;

    *err   = (sabal_error)SABAL_ERROR_INIT;
    client = sabal_open(file, err, .threads = 1);
    if (err->status)
        return err->status;
    memset(got, 5, sizeof got);
    small = sabal_submit(client, task_square, &v, sizeof v);
    data  = sabal_scatter(client, got, sizeof got);
    large = sabal_submit(client, fill, NULL, 0, .inputs = SABAL_LIST(data));
    memset(got, 0, sizeof got);
    if (!sabal_future_get(&y, sizeof y, small, err) && !sabal_future_get(got, sizeof got, large, err))
        cr_expect(y == 9 && got[0] == 5 && got[LOTS - 1] == 5);
    sabal_release(small);
    sabal_release(data);
    sabal_release(large);
    sabal_close(client);
    return err->status;
}

Test(cluster_memory, a_client_without_memory_says_so)
{
    const int   fds = count_fds();
    sabal_error err;
    int64_t     last = 0;

    cluster_open(&cluster, 1);
    work(cluster.file, &err); /* what stays with a process */
    for (int64_t n = 1; last >= n - 1; n++) {
        sabal_status st;

        sbl_alloc_fail(n, 0);
        st   = work(cluster.file, &err);
        last = sbl_alloc_fail(0, 0);
        cr_expect(!st || st == SABAL_ENOMEM || st == SABAL_EPEER, "allocation %lld: %s %s", (long long)n,
                  sabal_status_name(st), err.message);
        cr_expect(!st || err.message[0]);
    }
    cr_expect_eq(work(cluster.file, &err), SABAL_OK, "%s", err.message);
    cr_expect_leq(count_fds(), fds + 1);
}

static void no_memory_for(int64_t nth, pid_t *process, int is_worker)
{
    int  ends[2];
    char byte;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    *process = fork();
    if (!*process) {
        sabal_error              err    = SABAL_ERROR_INIT;
        const sbl_office_options office = {.file = cluster.file, .report = ends[1]};

        close(ends[0]);
        sbl_alloc_fail(nth, 0);
        if (is_worker)
            sabal_worker_run(cluster.file, &err, .threads = 1, .interfaces = "", .ready_fd = ends[1]);
        else
            sbl_office_run(&office, &err);
        _exit(err.status ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    close(ends[1]);
    (void)!read(ends[0], &byte, 1); /* or it has ended */
    close(ends[0]);
}

/* Ended as told, perhaps when it was about to end by itself; not by a signal of its own making. */
static void end_process(pid_t process, int64_t n)
{
    int status;

    kill(process, SIGTERM);
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        continue;
    cr_expect(WIFEXITED(status) || WTERMSIG(status) == SIGTERM, "allocation %lld: signal %d", (long long)n,
              WTERMSIG(status));
}

Test(cluster_memory, a_scheduler_without_memory_does_not_hang)
{
    for (int64_t n = 1; n < 400; n += 3) {
        sabal_error err;
        pid_t       scheduler;

        make_folder(&cluster);
        no_memory_for(n, &scheduler, 0);
        if (!access(cluster.file, F_OK)) {
            cluster_try(&cluster, "--join", "1"); /* one of the two may be turned away, or lost */
            cluster_try(&cluster, "--join", "1");
            work(cluster.file, &err);
            cr_expect(!err.status || err.message[0]);
        }
        end_process(scheduler, n);
        for (int i = 0; i < cluster.n; i++)
            waitpid(cluster.process[i], NULL, 0);
        cluster.n = 0;
        unlink(cluster.file);
        rmdir(cluster.folder);
    }
}

Test(cluster_memory, a_worker_without_memory_is_done_without)
{
    for (int64_t n = 1; n < 1000; n += 40) {
        sabal_error err;
        pid_t       worker;

        cluster_open(&cluster, 0);
        no_memory_for(n, &worker, 1);
        cluster_start(&cluster, "--join", "1");
        work(cluster.file, &err);
        cr_expect(!err.status || (err.status == SABAL_ENOMEM && err.message[0]), "allocation %lld: %s %s", (long long)n,
                  sabal_status_name(err.status), err.message);
        end_process(worker, n);
        cluster_close(&cluster);
    }
}
