/* A cluster of processes of which one ends: nothing is lost, or what is lost is told. */
#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mount.h>

#include "cluster/job.h"

TestSuite(faults, .init = begin_faults, .fini = end_faults, .timeout = 600);

static const job JOB = {.chunks = 60, .words = 100000, .ms = 3};

Test(faults, a_worker_that_is_killed_takes_nothing_with_it)
{
    for (int after = 20; after <= 220; after += 100) {
        sabal_client *client = open_cluster(3);
        job           j      = JOB;
        int64_t       at;

        job_start(&j, client);
        sleep_ms(after);
        at = now_ms();
        die(2);
        job_expect(&j);
        expect_detected(1, at);
        close_all(client);
    }
}

Test(faults, two_workers_may_be_killed_at_once)
{
    sabal_client *client = open_cluster(3);
    job           j      = JOB;

    job_start(&j, client);
    sleep_ms(100);
    die(1);
    die(3);
    job_expect(&j);
    close_all(client);
}

/* Its value lies with one worker alone, is wanted, and is made again. */
Test(faults, the_only_holder_of_a_value_may_be_killed)
{
    sabal_client *client = open_cluster(1);
    job           j      = JOB;

    job_start(&j, client);
    cr_assert_eq(sabal_future_wait(j.sum, &err), SABAL_OK);
    die(1);
    cluster_start(&cluster, "--join", "1");
    job_expect(&j);
    close_all(client);
}

/* --- while it sends -------------------------------------------------------------------------------------------- */

typedef struct killing {
    pthread_t thread;
    pid_t     pid;
    long      after_us;
} killing;

static void *kill_later(void *arg)
{
    const killing *k = arg;

    nanosleep(&(struct timespec){.tv_nsec = k->after_us * 1000}, NULL);
    kill(k->pid, SIGKILL);
    return NULL;
}

/* 64 MB, to this client, in shared memory: at some moment of it, or just before or after. (Where it takes long and so is sure to
   be under way: test_wires.) */
Test(faults, a_worker_may_be_killed_while_it_sends_a_large_value)
{
    static const long AFTER_US[] = {200, 3000, 10000, 30000};

    for (size_t i = 0; i < sizeof AFTER_US / sizeof *AFTER_US; i++) {
        sabal_client *client = open_cluster(1);
        job           j      = {.chunks = 2, .words = 8000000};
        killing       k      = {.pid = cluster.process[1], .after_us = AFTER_US[i]};

        job_start(&j, client);
        cr_assert_eq(sabal_future_wait(j.sum, &err), SABAL_OK);
        cluster_start(&cluster, "--join", "1");
        pthread_create(&k.thread, NULL, kill_later, &k);
        job_expect(&j);
        pthread_join(k.thread, NULL);
        close_all(client);
    }
}

/* --- while it spills ------------------------------------------------------------------------------------------- */

/* Bytes on disk of the files in the spill folder that a process has open. They have no name. */
static int64_t spilled_by(pid_t pid)
{
    char           path[300], target[300], wanted[128];
    DIR           *dir;
    struct dirent *entry;
    struct stat    st;
    int64_t        bytes = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    snprintf(wanted, sizeof wanted, "%s/spill", behind.folder);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

        target[n > 0 ? n : 0] = 0;
        if (!strncmp(target, wanted, strlen(wanted)) && !fstatat(dirfd(dir), entry->d_name, &st, 0))
            bytes += st.st_blocks * 512;
    }
    if (dir)
        closedir(dir);
    return bytes;
}

/* 60 chunks of 800 KB are kept, and a worker of two may have 12 MB. */
static const job LARGE = {.chunks = 60, .words = 100000, .ms = 3, .keeps = 60};

static sabal_client *open_small(int32_t workers)
{
    sabal_client *client;

    setenv("SABAL_MEMORY_LIMIT", "12000000", 1);
    client = open_cluster(workers);
    return client;
}

static void wait_until_spilled(int process, int64_t bytes)
{
    const int64_t until = now_ms() + 60000;

    while (spilled_by(cluster.process[process]) < bytes && now_ms() < until)
        sleep_ms(1);
    cr_assert_geq(spilled_by(cluster.process[process]), bytes, "it does not spill");
}

Test(faults, a_worker_may_be_killed_while_it_spills)
{
    for (int64_t mb = 1; mb <= 3; mb++) {
        sabal_client *client = open_small(2);
        job           j      = LARGE;

        job_start(&j, client);
        wait_until_spilled(1, mb * 1000000);
        die(1);
        job_expect(&j);
        close_all(client);
    }
}

/* --- it stands still ------------------------------------------------------------------------------------------- */

static void stop(int process)
{
    kill(cluster.process[process], SIGSTOP);
}

static void go_on(int process)
{
    kill(cluster.process[process], SIGCONT);
}

Test(faults, a_worker_that_stands_still_is_taken_for_dead_and_changes_nothing_when_it_goes_on)
{
    sabal_client *client = open_cluster(2);
    job           j      = JOB;
    int64_t       at;

    job_start(&j, client);
    sleep_ms(50);
    at = now_ms();
    stop(1);
    expect_detected(1, at);
    job_expect(&j);
    go_on(1);
    job_run(JOB, client);
    close_all(client);
}

/* What it has to say then is of a job that has ended, and comes while the next one runs. */
Test(faults, a_worker_that_comes_back_in_the_middle_of_the_next_job_changes_nothing)
{
    sabal_client *client = open_cluster(2);
    job           j = JOB, next = JOB;
    int64_t       at;

    job_start(&j, client);
    sleep_ms(50);
    at = now_ms();
    stop(1);
    expect_detected(1, at);
    job_expect(&j);
    next.ms = 10;
    job_start(&next, client);
    sleep_ms(100);
    go_on(1);
    job_expect(&next);
    cr_expect_eq(log_count("this is worker"), 2); /* and it is not taken in again */
    close_all(client);
}

/* It was silent for less than that, and stays. */
Test(faults, a_worker_that_stands_still_for_a_second_is_waited_for)
{
    sabal_client *client = open_cluster(2);
    job           j      = JOB;

    job_start(&j, client);
    sleep_ms(50);
    stop(1);
    sleep_ms(1200);
    go_on(1);
    job_expect(&j);
    cr_expect_eq(log_count("' is gone: "), 0);
    close_all(client);
}

/* It hears nobody, and that is its own fault: what was said meanwhile is heard before anybody is taken for dead. */
Test(faults, a_scheduler_that_stands_still_takes_nobody_for_dead)
{
    sabal_client *client = open_cluster(2);
    job           j      = JOB;

    job_start(&j, client);
    sleep_ms(50);
    stop(0);
    sleep_ms(DETECTED_MS);
    go_on(0);
    job_expect(&j);
    cr_expect_eq(log_count("' is gone: "), 0);
    close_all(client);
}

/* --- a disk is full -------------------------------------------------------------------------------------------- */

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char    command[600];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

/* A disk of so many MB in place of the spill folder. */
static void mount_small_disk(int mb)
{
    if (run("truncate -s %dM %s/disk && /sbin/mkfs.ext4 -q -m 0 -O ^has_journal -F %s/disk && mount -o loop %s/disk %s/spill "
            "2>/dev/null && rmdir %s/spill/lost+found",
            mb, behind.folder, behind.folder, behind.folder, behind.folder, behind.folder)) {
        run("rm -f %s/disk", behind.folder);
        cr_skip_test("needs the right to mount a file as a disk");
    }
    run("rm -f %s/disk", behind.folder);
}

static void unmount_disk(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/spill", behind.folder);
    cr_expect_eq(umount(path), 0); /* nothing of it is in use any more */
}

/* Of what a job keeps, as much as there was room for is there, in memory or on disk, and right. */
static int count_kept(const job *j)
{
    const size_t size = (size_t)j->words * sizeof(uint64_t);
    uint64_t    *got  = malloc(size);
    int          n    = 0;

    for (int64_t c = 0; c < j->keeps; c++) {
        if (sabal_future_wait(j->kept[c], NULL, .timeout_ns = 0))
            continue;
        cr_assert_eq(sabal_future_get(got, size, j->kept[c], &err), SABAL_OK, "%s", err.message);
        n++;
        for (int64_t i = 0; i < j->words; i++)
            cr_assert_eq(got[i], job_word(c, i), "chunk %lld", (long long)c);
    }
    free(got);
    return n;
}

Test(faults, a_disk_that_is_full_while_values_are_spilled_is_told_and_nothing_else_is_lost)
{
    sabal_client *client;
    job           j = LARGE;

    mount_small_disk(8);
    client = open_small(2);
    job_start(&j, client);
    cr_expect_eq(sabal_future_wait(j.sum, &err), SABAL_ENOSPC, "%s", err.message);
    cr_expect(strstr(err.message, behind.folder) && strstr(err.message, " is full: "), "%s", err.message);
    cr_expect(err.node[0] != 0, "no worker is named");
    cr_expect_geq(log_count("is given back: "), 2); /* by each of the two */
    cr_expect_geq(count_kept(&j), 20);
    job_release(&j);
    job_run(JOB, client);
    sabal_close(client);
    cluster_close(&cluster);
    unmount_disk();
    close_all(NULL);
}

/* One worker's memory and disk are full after some 10 of the chunks, however few come to it; the other has room
   for all. */
Test(faults, what_a_full_disk_has_no_room_for_runs_where_there_is_room)
{
    sabal_client *client;
    job           j = {.chunks = 120, .words = 100000, .ms = 10, .keeps = 120};

    mount_small_disk(2);
    setenv("SABAL_MEMORY_LIMIT", "6000000", 1);
    cluster_open(&cluster, 1);
    setenv("SABAL_MEMORY_LIMIT", "1000000000", 1);
    cluster_start(&cluster, "--join", "1");
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    job_start(&j, client);
    cr_expect_eq(sabal_future_wait(j.sum, &err), SABAL_OK, "%s", err.message);
    cr_expect_geq(log_count("results can't be spilled: "), 1); /* and if it then got a task, it gave that back */
    cr_expect_eq(count_kept(&j), 120);
    job_expect(&j);
    sabal_close(client);
    cluster_close(&cluster);
    unmount_disk();
    close_all(NULL);
}

static sabal_status fill_its_own_disk(sabal_task *task)
{
    return sabal_task_fail(task, SABAL_ENOSPC, "no room for its file");
}

/* That is the function's word, not the worker's. */
Test(faults, a_function_that_finds_a_full_disk_fails_where_it_ran)
{
    sabal_client *client = open_cluster(2);

    cr_expect_eq(sabal_future_wait(sabal_submit(client, fill_its_own_disk, NULL, 0), &err), SABAL_ENOSPC);
    cr_expect_str_eq(err.message, "no room for its file");
    cr_expect_eq(log_count("is given back: "), 0);
    close_all(client);
}

/* --- schedulers and clients ------------------------------------------------------------------------------------ */

Test(faults, a_killed_scheduler_is_told_to_who_waits)
{
    sabal_client *client = open_cluster(2);
    job           j      = JOB;
    double        v      = 1;

    job_start(&j, client);
    sleep_ms(50);
    die(0);
    cr_expect_eq(sabal_future_wait(j.sum, &err, .timeout_ns = 10000000000), SABAL_EPEER, "%s", err.message);
    cr_expect(strstr(err.message, "scheduler") != NULL, "%s", err.message);
    cr_expect_eq(sabal_future_wait(sabal_submit(client, task_square, &v, sizeof v), NULL), SABAL_EPEER);
    job_release(&j);
    sabal_close(client);
    cluster_close(&cluster);
    cluster_open(&cluster, 0); /* sweeps, if its workers ended before the system had ended all of it */
    close_all(NULL);
}

Test(faults, a_client_that_is_killed_leaves_the_cluster_to_others)
{
    sabal_client *client = open_cluster(2);
    pid_t         other;
    int           status;

    sabal_close(client);
    other = fork();
    if (!other) {
        job j = JOB;

        job_start(&j, sabal_open(cluster.file, NULL, .threads = 1));
        raise(SIGKILL);
    }
    waitpid(other, &status, 0);
    client = sabal_open(cluster.file, &err, .threads = 1);
    job_run(JOB, client);
    close_all(client);
}

static sabal_status spin(sabal_task *t)
{
    marks_add(sabal_task_arg(t), 's');
    while (!sabal_task_cancelled(t))
        sleep_ms(1);
    return SABAL_ECANCELED;
}

static sabal_status spin_below(sabal_task *t)
{
    sabal_future *f = sabal_submit(sabal_task_client(t), spin, sabal_task_arg(t), sizeof(marks));

    sabal_future_wait(f, NULL);
    return sabal_task_return(t, "", 1);
}

/* What it ran, and what that had submitted, are told to end: then workers have room for others. */
Test(faults, a_client_that_leaves_takes_its_tasks_and_theirs_with_it)
{
    sabal_client *client = open_cluster(1), *other;
    marks         m      = marks_make();

    other = sabal_open(cluster.file, &err, .threads = 1);
    sabal_submit(other, spin_below, &m, sizeof m);
    marks_wait(&m, 1);
    sabal_close(other);
    job_run(JOB, client);
    marks_end(&m);
    close_all(client);
}

/* Tasks wait for the first worker, whenever it comes. */
Test(faults, workers_may_come_later)
{
    sabal_client *client = open_cluster(0);
    job           j      = JOB;

    job_start(&j, client);
    sleep_ms(50);
    cluster_start(&cluster, "--join", "1");
    job_expect(&j);
    close_all(client);
}

Test(faults, several_clients_share_a_cluster)
{
    sabal_client *a = open_cluster(2), *b = sabal_open(cluster.file, &err, .threads = 1);
    job           x = JOB, y = JOB;

    job_start(&x, a);
    job_start(&y, b);
    job_expect(&y);
    sabal_close(b);
    job_expect(&x);
    close_all(a);
}
