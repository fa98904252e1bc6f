/* A cluster whose workers have names, threads and resources of their own. */
#ifndef SBL_TESTS_CLUSTER_NAMED_H
#define SBL_TESTS_CLUSTER_NAMED_H

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

/* A worker with options of its own: a child of this process; or, supervised, that child's. */
static void add_worker_of(const char *name, int32_t threads, const char *resources, int32_t supervised)
{
    int  ends[2];
    char byte;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    cluster.process[cluster.n] = fork();
    if (!cluster.process[cluster.n]) {
        sabal_worker_options options;

        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sabal_worker_options_init(&options);
        options.name       = name;
        options.threads    = threads;
        options.resources  = resources;
        options.interfaces = "";
        options.supervised = supervised;
        options.ready_fd   = ends[1];
        close(ends[0]);
        _exit(sabal_worker_run_with(cluster.file, NULL, &options) ? 1 : 0);
    }
    close(ends[1]);
    cluster.n++;
    cr_assert_eq(read(ends[0], &byte, 1), 1, "worker '%s' did not start", name);
    close(ends[0]);
}

static void add_worker(const char *name, int32_t threads, const char *resources)
{
    add_worker_of(name, threads, resources, 0);
}

static sabal_client *open_client(void)
{
    sabal_client *client = sabal_open(cluster.file, &err, .threads = 1);

    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

#endif
