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

/* Its words: file, name, threads, resources, carriers, supervised, descriptor. */
static __attribute__((constructor, used)) void be_a_named_worker_if_started_as_one(int argc, char **argv)
{
    sabal_worker_options options;

    if (argc != 8 || strcmp(argv[0], "named-worker") != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sabal_worker_options_init(&options);
    options.name       = argv[2];
    options.threads    = atoi(argv[3]);
    options.resources  = argv[4];
    options.tls        = argv[5][0] ? argv[5] : NULL;
    options.interfaces = argv[5][0] ? "lo" : "";
    options.supervised = atoi(argv[6]);
    options.ready_fd   = atoi(argv[7]);
    exit(sabal_worker_run_with(argv[1], NULL, &options) ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* A worker with options of its own, in a process of this program; supervised, in another beside it. tls: how its values go, "" as
   they do on one node. */
static void start_named(const char *name, int32_t threads, const char *resources, const char *tls, int32_t supervised)
{
    posix_spawn_file_actions_t files;
    char                       n[16], watched[16];
    char *const                words[] = {(char *)"named-worker",
                                          cluster.file,
                                          (char *)name,
                                          n,
                                          (char *)(resources ? resources : ""),
                                          (char *)tls,
                                          watched,
                                          (char *)"60",
                                          NULL};
    int                        ends[2];
    char                       byte;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    snprintf(n, sizeof n, "%d", (int)threads);
    snprintf(watched, sizeof watched, "%d", (int)supervised);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 60);
    cr_assert_eq(posix_spawn(&cluster.process[cluster.n], "/proc/self/exe", &files, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    cluster.n++;
    cr_assert_eq(read(ends[0], &byte, 1), 1, "worker '%s' did not start", name);
    close(ends[0]);
}

static inline void add_worker_of(const char *name, int32_t threads, const char *resources, int32_t supervised)
{
    start_named(name, threads, resources, "", supervised);
}

static inline void add_worker(const char *name, int32_t threads, const char *resources)
{
    start_named(name, threads, resources, "", 0);
}

static inline sabal_client *open_client(void)
{
    sabal_client *client = sabal_open(cluster.file, &err, .threads = 1);

    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
    return client;
}

#endif
