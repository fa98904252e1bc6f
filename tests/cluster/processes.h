/* Processes of a cluster that listen on TCP, too; started however a test wants. */
#ifndef SBL_TESTS_CLUSTER_PROCESSES_H
#define SBL_TESTS_CLUSTER_PROCESSES_H

#include "cluster/job.h"

#define ANY_INTERFACE "any"

static int32_t status_of(sabal_status status)
{
    if (status)
        fprintf(stderr, "%s\n", err.message);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Who starts it is what it is for. */
static __attribute__((constructor, used)) void be_a_process_if_started_as_one(int argc, char **argv)
{
    const char *interfaces = argc == 5 && strcmp(argv[3], ANY_INTERFACE) ? argv[3] : NULL;

    if (argc != 5 || strcmp(argv[0], "of-a-cluster") != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!strcmp(argv[1], "--scheduler"))
        exit(status_of(sabal_scheduler_run(argv[2], &err, .interfaces = interfaces, .ready_fd = atoi(argv[4]))));
    exit(status_of(sabal_worker_run(argv[2], &err, .threads = 1, .interfaces = interfaces, .supervised = 0,
                                    .ready_fd = atoi(argv[4]))));
}

/* Starts a --scheduler or a --worker, and waits until it says that it is there. first(arg) is called before, in its process. */
static void start_process(const char *how, const char *interfaces, void (*first)(int arg), int arg)
{
    int   ends[2];
    char  byte;
    pid_t pid;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (!pid) {
        const int log = open(getenv("TEST_CLUSTER_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);

        if (first)
            first(arg);
        if (dup2(ends[1], 60) == 60 && dup2(log, 2) == 2)
            execl("/proc/self/exe", "of-a-cluster", how, cluster.file, interfaces, "60", NULL);
        _exit(127);
    }
    close(ends[1]);
    cluster.process[cluster.n++] = pid;
    if (read(ends[0], &byte, 1) != 1) {
        (void)!system("cat $TEST_CLUSTER_LOG >&2");
        cr_assert_fail("a process of the cluster did not start");
    }
    close(ends[0]);
}

/* With nothing in it yet. */
static void make_cluster(void)
{
    memset(&cluster, 0, sizeof cluster);
    strcpy(cluster.folder, "/tmp/sabal-test-XXXXXX");
    cr_assert(mkdtemp(cluster.folder) != NULL);
    snprintf(cluster.file, sizeof cluster.file, "%s/scheduler.json", cluster.folder);
}

#endif
