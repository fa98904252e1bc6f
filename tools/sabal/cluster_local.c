/*
 * sabal cluster: a scheduler and workers on this machine, started and ended together. Beside the scheduler file lies a folder, FILE.logs,
 * with what they say and with a list of them, by which they are ended even if the scheduler does not answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sabal/sabal.h>

#include "cli.h"
#include "local_processes.h"
#include "scheduler_file.h"
#include "cluster_status.h"

#define QUICKLY_NS   ((int64_t)2000000000)
#define START_S      30.0
#define END_S        5.0
#define MOST_WORKERS 1024

typedef struct cluster {
    char        file[PATH_MAX], folder[PATH_MAX + 8];
    const char *interfaces, *leavers, *resources, *directory;
    int64_t     workers, threads, memory;
    int         keep_logs;
    int         lock;                /* a descriptor of the folder's; -1: none */
    int         made_folder, joined; /* joined: workers of this machine, as the scheduler tells */
    processes   all;
} cluster;

static void path_in(char path[PATH_MAX + 64], const cluster *c, const char *name)
{
    snprintf(path, PATH_MAX + 64, "%s/%s", c->folder, name);
}

/* --- the folder ------------------------------------------------------------------------------------------------- */

/* One command at a time works at a cluster. */
static int lock_folder(cluster *c)
{
    struct stat s;

    c->lock = open(c->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (c->lock < 0 || fstat(c->lock, &s))
        return cli_fail("%s, for logs: %s", c->folder, strerror(errno));
    if (s.st_uid != geteuid() || s.st_mode & 022)
        return cli_fail("%s, for logs, is another's or can be written by others: remove it", c->folder);
    if (flock(c->lock, LOCK_EX | LOCK_NB))
        return cli_fail("another 'sabal cluster' works at %s: wait until it has ended", c->file);
    return CLI_GO_ON;
}

static int open_folder(cluster *c)
{
    c->made_folder = !mkdir(c->folder, 0700);
    if (!c->made_folder && errno != EEXIST)
        return cli_fail("%s, for logs: %s", c->folder, strerror(errno));
    return lock_folder(c);
}

/* What this command has put there, and nothing else. */
static void remove_folder(const cluster *c)
{
    char path[PATH_MAX + 64];

    for (int64_t i = 0; i <= MOST_WORKERS; i++) {
        char name[32];

        snprintf(name, sizeof name, i ? "worker-%" PRId64 ".log" : "scheduler.log", i);
        path_in(path, c, name);
        if (unlink(path) && i > 64)
            break;
    }
    path_in(path, c, "processes");
    unlink(path);
    rmdir(c->folder);
}

static void save(const cluster *c)
{
    char path[PATH_MAX + 64];
    int  error;

    path_in(path, c, "processes");
    error = processes_save(&c->all, path);
    if (error)
        cli_note("%s: %s", path, strerror(error));
}

/* --- ending ----------------------------------------------------------------------------------------------------- */

/* Asks, then insists. Returns how many had to be killed, or -1: some are still there. */
static int end_all(const cluster *c)
{
    int killed;

    if (!processes_wait(&c->all, END_S))
        return 0;
    processes_signal(&c->all, SIGTERM);
    if (!processes_wait(&c->all, 2))
        return 0;
    killed = processes_signal(&c->all, SIGKILL);
    return processes_wait(&c->all, 5) ? -1 : killed;
}

/* The process that joined: a child of the one that was started, which watches over it. */
static int32_t take_worker(void *user, const sabal_worker_info *worker)
{
    cluster *c = user;

    if (worker->is_here)
        processes_add(&c->all, worker->pid, "worker's");
    c->joined += worker->is_here != 0;
    return 0;
}

/* A scheduler that was killed has left its file. Telling it to stop sweeps away what else such processes have left. */
static void remove_stale_file(const cluster *c)
{
    if (sabal_cluster_stop(c->file, NULL, .timeout_ns = QUICKLY_NS) == SABAL_EPEER)
        unlink(c->file);
}

/* Of workers those that had joined are counted, if that is known, else those that were started. */
static void describe_all(char *text, size_t size, const cluster *c, int answers)
{
    int schedulers = 0, workers = 0;

    for (int i = 0; i < c->all.n; i++) {
        schedulers += !strcmp(c->all.list[i].what, "scheduler");
        workers += !strcmp(c->all.list[i].what, "worker");
    }
    workers = answers ? c->joined : workers;
    snprintf(text, size, "%s%s%d worker%s", schedulers ? "the scheduler" : "", schedulers ? " and " : "", workers,
             workers == 1 ? "" : "s");
}

static int stop_found(cluster *c, int answers, int gone)
{
    char what[96];
    int  killed;

    describe_all(what, sizeof what, c, answers);
    if (!answers || sabal_cluster_stop(c->file, NULL, .timeout_ns = QUICKLY_NS))
        processes_signal(&c->all, SIGTERM);
    killed = end_all(c);
    if (killed < 0)
        return cli_fail("%d processes of the cluster are still there: 'ps' shows them; logs in %s",
                        processes_count(&c->all), c->folder);
    remove_stale_file(c);
    printf("stopped: %s", what);
    if (killed)
        printf("; %d had to be killed", killed);
    if (gone)
        printf("; %d had ended before", gone);
    if (c->lock >= 0 && (killed || gone || c->keep_logs))
        printf("; logs are kept in %s", c->folder);
    else if (c->lock >= 0)
        remove_folder(c);
    putchar('\n');
    return cli_finish_stdout();
}

/* What was killed can't have removed its file. */
static int clear_away(const cluster *c, const sabal_error *err)
{
    if (err->status != SABAL_EPEER || !strstr(err->message, "is left over"))
        return cli_error(c->file, err);
    remove_stale_file(c);
    printf("nothing of it runs any more; %s, left over, is removed", c->file);
    if (c->lock >= 0)
        printf("; logs are kept in %s", c->folder);
    putchar('\n');
    return cli_finish_stdout();
}

static int stop(cluster *c)
{
    sabal_cluster_info info = {.struct_size = sizeof info};
    sabal_error        err  = SABAL_ERROR_INIT;
    char               list[PATH_MAX + 64];
    int                gone = 0, answers;

    if (!access(c->folder, F_OK) && lock_folder(c) != CLI_GO_ON)
        return CLI_FAILURE;
    path_in(list, c, "processes");
    if (c->lock >= 0)
        processes_load(&c->all, &gone, list);
    answers = !sabal_cluster_info_get(&info, take_worker, c, c->file, &err, .timeout_ns = QUICKLY_NS);
    if (answers && !info.is_here)
        return cli_fail("the scheduler of %s runs on %s, not here: stop it there", c->file, info.host);
    if (answers)
        processes_add(&c->all, info.pid, "scheduler");
    if (!answers && !c->all.n)
        return clear_away(c, &err);
    return stop_found(c, answers, gone);
}

/* --- starting --------------------------------------------------------------------------------------------------- */

/* The last line of a log, without "sabal: ". */
static void last_line(char *text, size_t size, const cluster *c, const char *name)
{
    char  path[PATH_MAX + 64], line[1024];
    FILE *file;

    path_in(path, c, name);
    snprintf(text, size, "it said nothing");
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        snprintf(text, size, "%s", !strncmp(line, "sabal: ", 7) ? line + 7 : line);
    }
    if (file)
        fclose(file);
}

/* What was begun is undone; the logs stay. */
static int give_up(cluster *c)
{
    processes_signal(&c->all, SIGTERM);
    end_all(c);
    remove_stale_file(c);
    return CLI_FAILURE;
}

/* One of those that were started has ended: that is told. They stand in the list in the order in which they were. */
static int tell_who_has_ended(const cluster *c)
{
    char log[48] = "scheduler.log", what[48] = "the scheduler", text[1024];

    for (int i = 0; i < c->all.n; i++) {
        if (process_is_there(&c->all.list[i]))
            continue;
        if (i) {
            snprintf(log, sizeof log, "worker-%d.log", i);
            snprintf(what, sizeof what, "worker-%d", i);
        }
        last_line(text, sizeof text, c, log);
        return cli_fail("%s has ended: %s (logs in %s)", what, text, c->folder);
    }
    return CLI_GO_ON;
}

static int start_one(cluster *c, char *const argv[], const char *what, const char *log)
{
    char  path[PATH_MAX + 64];
    pid_t pid;

    path_in(path, c, log);
    pid = process_start(argv, path);
    if (pid < 0)
        return cli_fail("%s could not be started: %s", what, strerror(errno));
    if (!processes_add(&c->all, pid, what))
        return cli_fail("out of memory");
    save(c);
    return CLI_GO_ON;
}

/* Until there is a scheduler with so many workers, or ^C, which the caller has blocked. */
static int wait_for(cluster *c, int64_t workers)
{
    sabal_cluster_info    info  = {.struct_size = sizeof info};
    const struct timespec pause = {.tv_nsec = 10000000};
    const double          until = cli_now() + START_S;
    sigset_t              signals;
    int                   st = CLI_GO_ON;

    sigprocmask(SIG_BLOCK, NULL, &signals);
    while (st == CLI_GO_ON && cli_now() < until) {
        if (!sabal_cluster_info_get(&info, NULL, NULL, c->file, NULL, .timeout_ns = QUICKLY_NS) &&
            info.workers >= workers)
            return CLI_GO_ON;
        st = tell_who_has_ended(c);
        if (st == CLI_GO_ON && sigtimedwait(&signals, NULL, &pause) > 0)
            st = cli_fail("interrupted: what was started is ended again");
    }
    if (st == CLI_GO_ON)
        st = cli_fail("%s not come within %.0f s (logs in %s)", workers ? "the workers have" : "the scheduler has",
                      START_S, c->folder);
    return st;
}

static int start_scheduler(cluster *c)
{
    char *const argv[] = {(char *)"sabal",
                          (char *)"scheduler",
                          (char *)"--scheduler-file",
                          c->file,
                          (char *)"--interface",
                          (char *)(c->interfaces ? c->interfaces : "none"),
                          NULL};
    int         st     = start_one(c, argv, "scheduler", "scheduler.log");

    return st == CLI_GO_ON ? wait_for(c, 0) : st;
}

/* What is named goes on to the worker's command. */
static void add_option(char **argv, const char *name, const char *value)
{
    while (*argv)
        argv++;
    argv[0] = (char *)name;
    argv[1] = (char *)value;
}

static int start_worker(cluster *c, int64_t i)
{
    char  threads[24], memory[24], name[32], log[48];
    char *argv[20] = {(char *)"sabal", (char *)"worker"};

    snprintf(threads, sizeof threads, "%" PRId64, c->threads);
    snprintf(memory, sizeof memory, "%" PRId64, c->memory);
    snprintf(name, sizeof name, "worker-%" PRId64, i);
    snprintf(log, sizeof log, "worker-%" PRId64 ".log", i);
    add_option(argv, "--scheduler-file", c->file);
    add_option(argv, "--interface", c->interfaces ? c->interfaces : "none");
    add_option(argv, "--name", name);
    add_option(argv, "--threads", threads);
    if (c->memory)
        add_option(argv, "--memory-limit", memory);
    if (c->directory)
        add_option(argv, "--local-directory", c->directory);
    if (c->resources)
        add_option(argv, "--resources", c->resources);
    return start_one(c, argv, "worker", log);
}

static int start_workers(cluster *c)
{
    int st = CLI_GO_ON;

    for (int64_t i = 1; i <= c->workers && st == CLI_GO_ON; i++)
        st = start_worker(c, i);
    return st == CLI_GO_ON ? wait_for(c, c->workers) : st;
}

/* A file that is not that of a scheduler which is known to be gone is let be. */
static int refuse_if_taken(const cluster *c)
{
    sabal_cluster_info info = {.struct_size = sizeof info};
    sabal_error        err  = SABAL_ERROR_INIT;

    switch (sabal_cluster_info_get(&info, NULL, NULL, c->file, &err, .timeout_ns = QUICKLY_NS)) {
    case SABAL_OK:
        return cli_fail("a cluster of %s runs already: process %d on %s, with %d workers; 'sabal cluster stop' ends it",
                        c->file, (int)info.pid, info.host, (int)info.workers);
    case SABAL_ENOENT:
        return CLI_GO_ON;
    case SABAL_EPEER:
        if (strstr(err.message, "is left over") || strstr(err.message, "of an earlier run"))
            return CLI_GO_ON;
        return cli_fail("%s; if that cluster is gone, remove %s", err.message, c->file);
    default:
        return cli_error(c->file, &err);
    }
}

/* The cores and the memory of this process, shared out. */
static int share_out(cluster *c)
{
    sabal_error   err = SABAL_ERROR_INIT;
    sabal_client *client;

    if (c->threads && (c->memory || c->workers == 1))
        return CLI_GO_ON;
    client = sabal_open("local:", &err);
    if (!c->threads)
        c->threads = sabal_client_threads(client) / c->workers;
    if (c->threads < 1)
        c->threads = 1;
    sabal_close(client);
    if (err.status)
        return cli_fail("%s", err.message);
    if (!c->memory && c->workers > 1)
        c->memory = sabal_memory_limit() / c->workers;
    return CLI_GO_ON;
}

static int tell_how_to_use(const cluster *c)
{
    printf("a scheduler and %" PRId64 " worker%s with %" PRId64 " thread%s%s run on this machine\n", c->workers,
           c->workers == 1 ? "" : "s", c->threads, c->threads == 1 ? "" : "s", c->workers == 1 ? "" : " each");
    printf("  file  %s\n  logs  %s\n\n", c->file, c->folder);
    printf(
        "Use it:\n  SABAL_SCHEDULER_FILE=%s ./program\n  sabal status %s\n  sabal cluster stop --scheduler-file %s\n",
        c->file, c->file, c->file);
    return cli_finish_stdout();
}

static int start_all(cluster *c)
{
    int st = start_scheduler(c);

    if (st == CLI_GO_ON)
        st = start_workers(c);
    return st == CLI_GO_ON ? tell_how_to_use(c) : give_up(c);
}

static int start(cluster *c)
{
    sigset_t signals;
    int      st;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    st = open_folder(c);
    if (st != CLI_GO_ON)
        return st;
    st = refuse_if_taken(c);
    if (st == CLI_GO_ON)
        st = share_out(c);
    if (st != CLI_GO_ON) {
        if (c->made_folder)
            rmdir(c->folder);
        return st;
    }
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return start_all(c);
}

static int retire(const cluster *c)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (sabal_cluster_retire(c->leavers, c->file, &err)) /* the message names the file, where that is what is wrong */
        return cli_fail("%s", err.message);
    printf("left: %s\n", c->leavers);
    return cli_finish_stdout();
}

/* --- the command ------------------------------------------------------------------------------------------------ */

static int check_options(const cli_command *command, const cluster *c, const char *what, int as_json)
{
    const int starts = !strcmp(what, "start"), stops = !strcmp(what, "stop"), shows = !strcmp(what, "status"),
              retires = !strcmp(what, "retire");

    if (!starts && !stops && !shows && !retires)
        return cli_usage(command, "'%s': expected start, status, retire or stop", what);
    if (!retires && c->leavers)
        return cli_usage(command, "--worker is for retire");
    if (retires && !c->leavers)
        return cli_usage(command, "retire which workers? --worker NAME,...");
    if (!starts && (c->workers || c->threads || c->memory || c->interfaces || c->resources || c->directory))
        return cli_usage(command,
                         "--workers, --threads, --memory-limit, --local-directory, --resources and --interface "
                         "are for start");
    if (!stops && c->keep_logs)
        return cli_usage(command, "--keep-logs is for stop");
    if (!shows && as_json)
        return cli_usage(command, "--json is for status");
    return CLI_GO_ON;
}

static int run(const cli_command *command, int argc, char **argv)
{
    cluster          c         = {.lock = -1};
    const char      *given     = NULL, *what;
    int              as_json   = 0, st;
    const cli_option options[] = {
        CLI_CLUSTER_FILE(&given),
        {"workers", 'w', "N", CLI_INT, &c.workers, 1, MOST_WORKERS, "start: worker processes (default: 1)"},
        {"threads", 't', "N", CLI_INT, &c.threads, 1, 1024,
         "start: threads of each (default: an equal share of\nthe cores that this process may use)"},
        {"memory-limit", 'm', "BYTES", CLI_BYTES, &c.memory, 0, 0,
         "start: bytes that results and tasks of each worker may\ntake (default: an equal share)"},
        {"local-directory", 0, "DIR", CLI_TEXT, &c.directory, 0, 0,
         "start: for sockets and values that don't fit in memory;\nmade if it is missing (default: the usual ones)"},
        {"resources", 0, "NAME=N,...", CLI_TEXT, &c.resources, 0, 0,
         "start: what tasks may take of each worker, such as\ngpu=1,licence=1"},
        {"interface", 'i', "NAME,...", CLI_TEXT, &c.interfaces, 0, 0,
         "start: where others reach them (default: none, this\nmachine alone)"},
        {"keep-logs", 0, NULL, CLI_FLAG, &c.keep_logs, 0, 0, "stop: do not remove the logs"},
        {"worker", 0, "NAME,...", CLI_TEXT, &c.leavers, 0, 0, "retire: names or numbers, as sabal status shows them"},
        {"json", 0, NULL, CLI_FLAG, &as_json, 0, 0, "status: print one JSON object"},
        CLI_HELP_OPTION,
        CLI_END,
    };

    st = cli_parse(command, options, &what, argc, argv);
    if (st == CLI_GO_ON)
        st = check_options(command, &c, what, as_json);
    if (st == CLI_GO_ON)
        st = scheduler_file_find(c.file, command, given);
    if (st != CLI_GO_ON)
        return st;
    snprintf(c.folder, sizeof c.folder, "%s.logs", c.file);
    c.workers = c.workers ? c.workers : 1;
    st        = !strcmp(what, "start")    ? start(&c)
                : !strcmp(what, "stop")   ? stop(&c)
                : !strcmp(what, "retire") ? retire(&c)
                                          : status_show(c.file, as_json);
    processes_clear(&c.all);
    if (c.lock >= 0)
        close(c.lock);
    return st;
}

const cli_command cluster_command = {
    .name    = "cluster",
    .operand = "start|status|retire|stop",
    .usage   = "start|status|retire|stop [options]",
    .summary = "start, show and stop a cluster on this machine",
    .text    = "start: starts a scheduler and workers on this machine, which go on when this\n"
               "command has ended, and waits until all are there. What they say is logged in\n"
               "FILE.logs. stop: ends them, waits until they are gone, and removes the logs.\n"
               "status: as sabal status. retire: asks workers to leave, on whatever machine;\n"
               "what they have goes to other workers first.",
    .run     = run,
};
