/*
 * For tests that must hold on every engine: a client of each in turn, and ways to see into tasks that also work when
 * these run in another process (files, not globals).
 */
#ifndef SBL_TESTS_ENGINES_H
#define SBL_TESTS_ENGINES_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sabal/sabal.h>

#include "support/cluster.h"
#include "support/test.h"
#include "support/worker.h"

/* The last: a cluster of processes. */
static const char *const ENGINES[] = {"local:", "rehearse:", "cluster"};

struct engine_walk {
    size_t        next;
    sabal_client *client;
    test_cluster  cluster;
};

/* As many threads in all: a worker for each on the engines that have workers. */
static inline sabal_client *engine_next(struct engine_walk *walk, int32_t threads, size_t n)
{
    sabal_error err = SABAL_ERROR_INIT;

    sabal_close(walk->client);
    walk->client = NULL;
    cluster_close(&walk->cluster);
    if (walk->next == n || (walk->next == 1 && getenv("TEST_EMULATED"))) /* an emulator starts no worker processes */
        return NULL;
    switch (walk->next++) {
    case 0:
        walk->client = sabal_open("local:", &err, .threads = threads);
        break;
    case 1:
        walk->client = sabal_open("rehearse:", &err, .threads = 1, .workers = threads);
        break;
    default:
        cluster_open(&walk->cluster, threads);
        walk->client = sabal_open(walk->cluster.file, &err, .threads = 1);
    }
    cr_assert_eq(err.status, SABAL_OK, "%s: %s", ENGINES[walk->next - 1], err.message);
    return walk->client;
}

/* A block that is run with a client of each engine, which is closed at its end. */
#define for_each_engine(client_, threads_)                                                                             \
    for (struct engine_walk walk_ = {0};                                                                               \
         ((client_) = engine_next(&walk_, (threads_), sizeof ENGINES / sizeof *ENGINES));)
/* The same for what looks at results in this process's memory: the engines that keep them there. */
#define for_engines_with_results_here(client_, threads_)                                                               \
    for (struct engine_walk walk_ = {0}; ((client_) = engine_next(&walk_, (threads_), 2));)
/* The same for what needs tasks in this process: the local engine alone. */
#define for_engines_here(client_, threads_)                                                                            \
    for (struct engine_walk walk_ = {0}; ((client_) = engine_next(&walk_, (threads_), 1));)

/* n futures as a list. */
static inline sabal_list list_of(sabal_future *const *futures, int64_t n)
{
    return (sabal_list){(const void *const *)futures, n};
}

static inline void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A file that tasks and test share: its bytes are marks in the order in which they were made. */
typedef struct marks {
    char path[64];
    int  value; /* what the task that gets it is told besides */
} marks;

static inline marks marks_make(void)
{
    marks m = {.path = "/tmp/sabal-test-XXXXXX"};

    close(mkstemp(m.path));
    return m;
}

static inline void marks_add(const marks *m, char mark)
{
    int fd = open(m->path, O_WRONLY | O_APPEND);

    if (fd >= 0) {
        (void)!write(fd, &mark, 1);
        close(fd);
    }
}

static inline int marks_count(const marks *m)
{
    struct stat s;

    return stat(m->path, &s) ? -1 : (int)s.st_size;
}

/* Waits until there are n marks, or the file is gone. */
static inline void marks_wait(const marks *m, int n)
{
    int count;

    while ((count = marks_count(m)) >= 0 && count < n)
        sleep_ms(1);
}

static inline void marks_read(const marks *m, char *text, size_t size)
{
    int     fd = open(m->path, O_RDONLY);
    ssize_t n  = fd < 0 ? 0 : read(fd, text, size - 1);

    text[n > 0 ? n : 0] = 0;
    if (fd >= 0)
        close(fd);
}

static inline void marks_end(const marks *m)
{
    unlink(m->path);
}

/* --- counting calls, in whatever process they are: a file that is named for the process that tests ------------------ */

/* That of this process, or, in a worker, of who started it. */
static inline void calls_path(char *path, size_t size)
{
    snprintf(path, size, "/tmp/sabal-test-calls-%d", (int)getpid());
    if (access(path, W_OK))
        snprintf(path, size, "/tmp/sabal-test-calls-%d", (int)getppid());
}

/* Sets the count to 0. */
static inline void calls_begin(void)
{
    char path[64];

    snprintf(path, sizeof path, "/tmp/sabal-test-calls-%d", (int)getpid());
    close(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
}

static inline void calls_add(void)
{
    char path[64];
    int  fd;

    calls_path(path, sizeof path);
    fd = open(path, O_WRONLY | O_APPEND);
    if (fd >= 0) {
        (void)!write(fd, "c", 1);
        close(fd);
    }
}

static inline int calls_count(void)
{
    char        path[64];
    struct stat s;

    calls_path(path, sizeof path);
    return stat(path, &s) ? -1 : (int)s.st_size;
}

static inline void calls_end(void)
{
    char path[64];

    calls_path(path, sizeof path);
    unlink(path);
}

/* --- tasks that tests have in common ---------------------------------------------------------------------------- */

static inline sabal_status task_square(sabal_task *t)
{
    const double *v = sabal_task_arg(t);

    return sabal_task_return(t, &(double){*v * *v}, sizeof(double));
}

/* The sum of all inputs, and 1. */
static inline sabal_status task_sum(sabal_task *t)
{
    double sum = 1;

    for (int32_t i = 0; i < sabal_task_n_inputs(t); i++)
        sum += *(const double *)sabal_task_input(t, i);
    return sabal_task_return(t, &sum, sizeof sum);
}

static inline sabal_status task_fail(sabal_task *t)
{
    return sabal_task_fail(t, SABAL_EVALUE, "%d is no good", *(const int *)sabal_task_arg(t));
}

/* Marks that it runs, then waits for one more mark from the test (or for its cancellation). */
static inline sabal_status task_hold(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, 'r');
    while (marks_count(m) < 2 && marks_count(m) >= 0 && !sabal_task_cancelled(t))
        sleep_ms(1);
    return sabal_task_cancelled(t) ? SABAL_ECANCELED : sabal_task_return(t, &(double){m->value}, sizeof(double));
}

/* Makes its value as a mark. */
static inline sabal_status task_mark(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, (char)m->value);
    return sabal_task_return(t, &m->value, sizeof m->value);
}

static inline sabal_future *submit_double(sabal_client *client, double v)
{
    return sabal_submit(client, task_square, &v, sizeof v);
}

#endif
