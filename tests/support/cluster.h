/*
 * A cluster of processes for tests: one scheduler and some workers, all of them this program (support/worker.h), on this node. It
 * is the test's own, and ends with it.
 */
#ifndef SBL_TESTS_CLUSTER_H
#define SBL_TESTS_CLUSTER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

enum { MOST_PROCESSES = 9 };

typedef struct test_cluster {
    char  folder[64], file[96];
    pid_t process[MOST_PROCESSES]; /* the scheduler first */
    int   n;
} test_cluster;

/* Starts one, and waits until it says that it is there, or has ended: 0. What it prints goes to $TEST_CLUSTER_LOG, if that is set. */
static inline int cluster_try(test_cluster *c, const char *how, const char *threads)
{
    posix_spawn_file_actions_t files;
    char                       ready[16];
    char *const                worker[] = {(char *)"sabal-worker", (char *)how, c->file, (char *)threads, ready, NULL};
    char *const                scheduler[] = {(char *)"sabal-worker", (char *)how, c->file, ready, NULL};
    int                        ends[2], got;
    char                       byte;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    snprintf(ready, sizeof ready, "%d", 60);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 60);
    if (getenv("TEST_CLUSTER_LOG"))
        posix_spawn_file_actions_addopen(&files, 2, getenv("TEST_CLUSTER_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    cr_assert_eq(posix_spawn(&c->process[c->n], "/proc/self/exe", &files, NULL, threads ? worker : scheduler, environ),
                 0);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    c->n++;
    got = read(ends[0], &byte, 1) == 1;
    close(ends[0]);
    return got;
}

static inline void cluster_start(test_cluster *c, const char *how, const char *threads)
{
    cr_assert(cluster_try(c, how, threads), "a process of the cluster did not start");
}

static inline void cluster_open(test_cluster *c, int32_t workers)
{
    memset(c, 0, sizeof *c);
    strcpy(c->folder, "/tmp/sabal-test-XXXXXX");
    cr_assert(mkdtemp(c->folder) != NULL);
    snprintf(c->file, sizeof c->file, "%s/scheduler.json", c->folder);
    cluster_start(c, "--schedule", NULL);
    for (int32_t i = 0; i < workers; i++)
        cluster_start(c, "--join", "1");
}

static inline void cluster_close(test_cluster *c)
{
    int status;

    if (!c->n)
        return;
    kill(c->process[0], SIGTERM);
    for (int i = 0; i < c->n; i++)
        while (waitpid(c->process[i], &status, 0) < 0 && errno == EINTR)
            continue;
    unlink(c->file); /* of a scheduler that was killed */
    rmdir(c->folder);
    c->n = 0;
}

#endif
