/*
 * Workers with supervisors for tests (support/cluster.h): a process of this program is the supervisor, and starts another
 * one that is the worker. All that a worker keeps on disk lies in the cluster's own folder, so that a test sees what is left.
 */
#ifndef SBL_TESTS_SUPERVISED_H
#define SBL_TESTS_SUPERVISED_H

#include <dirent.h>

#include "support/engines.h"

/* "name=n1" and so on, to options. */
static inline void supervised_option(sabal_worker_options *o, char *text)
{
    char *value = strchr(text, '=');

    *value++ = 0;
    if (!strcmp(text, "name"))
        o->name = value;
    else if (!strcmp(text, "threads"))
        o->threads = atoi(value);
    else if (!strcmp(text, "memory"))
        o->memory_limit = atoll(value);
    else if (!strcmp(text, "lifetime"))
        o->lifetime_ns = (int64_t)(atof(value) * 1e9);
    else if (!strcmp(text, "preload"))
        o->preload = value;
    else if (!strcmp(text, "directory"))
        o->local_directory = value;
    else if (!strcmp(text, "ready"))
        o->ready_fd = atoi(value);
    else if (!strcmp(text, "timeout"))
        o->timeout_ns = (int64_t)(atof(value) * 1e9);
}

/* Before main(), which is Criterion's: "--supervise FILE option=value ...". */
static __attribute__((constructor, used)) void be_a_supervisor_if_started_as_one(int argc, char **argv)
{
    sabal_worker_options options;
    sabal_error          err = SABAL_ERROR_INIT;

    if (argc < 3 || strcmp(argv[1], "--supervise") != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sabal_worker_options_init(&options);
    options.interfaces = "";
    options.threads    = 1;
    for (int i = 3; i < argc; i++)
        supervised_option(&options, argv[i]);
    if (!sabal_worker_run_with(argv[2], &err, &options))
        exit(EXIT_SUCCESS);
    fprintf(stderr, "%s\n", err.message);
    exit(EXIT_FAILURE);
}

/* Starts a supervisor, whose stderr goes to fd (-1: to where ours goes); up to 8 options, NULL last. Returns where it says that it is
   there. */
static inline int supervised_begin(test_cluster *c, int fd, const char *const *options)
{
    posix_spawn_file_actions_t files;
    char                       directory[128];
    char *args[16] = {(char *)"test", (char *)"--supervise", c->file, (char *)"ready=60", directory};
    int   ends[2], n = 5;

    snprintf(directory, sizeof directory, "directory=%s/local", c->folder);
    for (int i = 0; options[i]; i++)
        args[n++] = (char *)(uintptr_t)options[i];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 60);
    if (fd >= 0)
        posix_spawn_file_actions_adddup2(&files, fd, 2);
    cr_assert_eq(posix_spawn(&c->process[c->n], "/proc/self/exe", &files, NULL, args, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    c->n++;
    return ends[0];
}

/* 1: it says that it is there; 0: that it will not be. */
static inline int supervised_wait(int fd)
{
    char      byte;
    const int got = read(fd, &byte, 1) == 1;

    close(fd);
    return got;
}

#define supervised_start(c_, ...)                                                                                      \
    cr_assert(supervised_wait(supervised_begin((c_), -1, (const char *const[]){__VA_ARGS__, NULL})),                   \
              "a worker did not start")

/* The worker of a supervisor; 0: there is none at this moment. */
static inline pid_t worker_of(pid_t supervisor)
{
    char  path[64], text[64] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)supervisor, (int)supervisor);
    file = fopen(path, "r");
    if (file && !fgets(text, sizeof text, file))
        text[0] = 0;
    if (file)
        fclose(file);
    return atoi(text);
}

/* Another than `before`. */
static inline pid_t next_worker_of(pid_t supervisor, pid_t before)
{
    pid_t worker;

    while ((worker = worker_of(supervisor)) == 0 || worker == before)
        sleep_ms(2);
    return worker;
}

/* Also as a zombie, which its parent has yet to look at. */
static inline int is_gone(pid_t pid)
{
    char  path[64], state = 'Z';
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    if (file)
        fclose(file);
    return state == 'Z' || state == 'X';
}

static inline int is_gone_within(pid_t pid, int ms)
{
    for (; ms > 0 && !is_gone(pid); ms -= 5)
        sleep_ms(5);
    return is_gone(pid);
}

/* Whose names begin so. */
static inline int files_in(const char *path, const char *prefix)
{
    DIR           *dir = opendir(path);
    struct dirent *entry;
    int            n = 0;

    while (dir && (entry = readdir(dir)))
        n += entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix));
    if (dir)
        closedir(dir);
    return n;
}

/* --- one cluster a test -------------------------------------------------------------------------------------------- */

static sabal_error   err = SABAL_ERROR_INIT;
static test_cluster  cluster;
static sabal_client *client;
static char          local[128]; /* where workers keep what they have on disk */

enum { WORDS = 20000, N = 40 };

static inline void open_cluster(void)
{
    err = (sabal_error)SABAL_ERROR_INIT; /* of the test before, where one process runs all */
    cluster_open(&cluster, 0);
    snprintf(local, sizeof local, "%s/local", cluster.folder);
    mkdir(local, 0700);
}

/* All ends, and nothing is left: no process, socket, spilled value, shared memory, file. */
static inline void end_cluster(void)
{
    char  folder[sizeof cluster.folder];
    pid_t workers[MOST_PROCESSES];
    int   n = cluster.n;

    sabal_close(client);
    client = NULL;
    strcpy(folder, cluster.folder);
    for (int i = 1; i < n; i++) {
        workers[i] = worker_of(cluster.process[i]);
        if (workers[i])
            kill(workers[i], SIGCONT);
    }
    cluster_close(&cluster);
    for (int i = 1; i < n; i++)
        cr_expect(!workers[i] || is_gone_within(workers[i], 1000), "a worker is left");
    cr_expect_eq(files_in(local, ""), 0, "files are left in %s", local);
    cr_expect_eq(files_in("/dev/shm", "sabal"), 0, "shared memory is left");
    rmdir(local);
    rmdir(folder);
    cr_expect(access(folder, F_OK) != 0, "files are left in %s", folder);
}

/* Of a test that failed. */
static inline void close_cluster(void)
{
    if (cluster.n)
        end_cluster();
}

static inline void connect_client(void)
{
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
}

/* --- a job beside ------------------------------------------------------------------------------------------------- */

typedef struct part {
    int64_t number;
    long    ms;
} part;

static inline sabal_status make(sabal_task *t)
{
    const part *p     = sabal_task_arg(t);
    double     *words = sabal_task_return_room(t, WORDS * sizeof(double));

    for (int64_t i = 0; words && i < WORDS; i++)
        words[i] = (double)((p->number * 7919 + i) % 1009);
    sleep_ms(p->ms);
    return words ? SABAL_OK : SABAL_ENOMEM;
}

static inline sabal_status add_up(sabal_task *t)
{
    double *words = sabal_task_return_room(t, WORDS * sizeof(double));

    for (int64_t i = 0; words && i < WORDS; i++) {
        words[i] = 0;
        for (int32_t k = 0; k < sabal_task_n_inputs(t); k++)
            words[i] += ((const double *)sabal_task_input(t, k))[i];
    }
    return words ? SABAL_OK : SABAL_ENOMEM;
}

/* N chunks of 160 KB, ms each, then their sum: chunks lie with workers, and are made again. */
static inline sabal_future *job(long ms)
{
    sabal_future *chunks[N];
    part          parts[N];

    for (int64_t i = 0; i < N; i++)
        parts[i] = (part){i, ms};
    sabal_map(chunks, client, make, parts, sizeof *parts, N);
    return sabal_submit(client, add_up, NULL, 0, .inputs = list_of(chunks, N));
}

static inline void expect_sum(sabal_future *f)
{
    double *got = malloc(WORDS * sizeof *got);

    cr_assert_eq(sabal_future_get(got, WORDS * sizeof *got, f, &err), SABAL_OK, "%s", err.message);
    for (int64_t i = 0; i < WORDS; i++) {
        double sum = 0;

        for (int64_t c = 0; c < N; c++)
            sum += (double)((c * 7919 + i) % 1009);
        cr_assert_eq(got[i], sum, "word %lld", (long long)i);
    }
    free(got);
}

static inline void take_long(void)
{
    sleep_ms(4000);
}

/* Workers that are as tests want them. */
static __attribute__((constructor(101), used)) void be_odd(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--crew") != 0)
        return;
    if (getenv("TEST_CRASHES_AT_START"))
        raise(SIGKILL);
    if (getenv("TEST_ENDS_SLOWLY"))
        atexit(take_long);
}

#endif
