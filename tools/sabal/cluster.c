/* sabal scheduler, sabal worker: the processes of a cluster. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sabal/sabal.h>

#include "cli.h"

#define CLI_FILE(target_)                                                                                              \
    {                                                                                                                  \
        "scheduler-file", 'f', "FILE", CLI_TEXT, (target_), 0, 0,                                                      \
            "the cluster's file (default: $SABAL_SCHEDULER_FILE)"                                                      \
    }
#define CLI_INTERFACES(target_)                                                                                        \
    {                                                                                                                  \
        "interface", 'i', "NAME,...", CLI_TEXT, (target_), 0, 0,                                                       \
            "where others reach this process; none: from this\nnode alone (default: all that are up but loopback)"     \
    }

/* CLI_GO_ON, or what the mistake gives. */
static int find_file(const cli_command *command, const char **file)
{
    if (!*file)
        *file = getenv("SABAL_SCHEDULER_FILE");
    if (*file && **file && (*file)[strlen(*file) - 1] != ':')
        return CLI_GO_ON;
    return cli_usage(command, "--scheduler-file is missing, and SABAL_SCHEDULER_FILE names no file");
}

static int32_t is_log_set(void *is_set, const sabal_setting *setting)
{
    if (!strcmp(setting->name, "log"))
        *(int *)is_set = setting->value[0] != 0;
    return 0;
}

/* Who runs one of these wants to read what goes wrong, unless a setting says otherwise. */
static void log_warnings(void)
{
    int is_set = 0;

    sabal_settings_list(is_log_set, &is_set);
    if (!is_set)
        setenv("SABAL_LOG", "warn", 1);
}

static const char *interfaces_of(const char *text)
{
    return text && !strcmp(text, "none") ? "" : text;
}

/* --- scheduler ---------------------------------------------------------------------------------------------------- */

static int run_scheduler(const cli_command *command, int argc, char **argv)
{
    const char      *file = NULL, *interfaces = NULL, *operand;
    int64_t          port    = 0;
    int              encrypt = 0;
    double           idle = 0, watchdog = 30;
    int64_t          record_limit = 1 << 30;
    const char      *record       = NULL;
    const cli_option options[]    = {
           CLI_FILE(&file),
           CLI_INTERFACES(&interfaces),
           {"port", 'p', "N", CLI_INT, &port, 0, 65535, "port of each interface (default: one that is free)"},
           {"encrypt", 0, NULL, CLI_FLAG, &encrypt, 0, 0, "encrypt what is said; it always is authenticated"},
           {"idle-timeout", 0, "SECONDS", CLI_REAL, &idle, 0, 0, "end after so long without a client (default: never)"},
           {"watchdog", 0, "SECONDS", CLI_REAL, &watchdog, 0, 0,
            "log what waits for what when no task has ended for so\nlong; 0: never (default: 30)"},
           {"record", 0, "FILE", CLI_TEXT, &record, 0, 0, "write all that the scheduler is told, to be replayed"},
           {"record-limit", 0, "BYTES", CLI_BYTES, &record_limit, 0, 0, "bytes of that file at most (default: 1G)"},
           CLI_HELP_OPTION,
           CLI_END,
    };
    sabal_error err = SABAL_ERROR_INIT;
    int         st  = cli_parse(command, options, &operand, argc, argv);

    if (st == CLI_GO_ON)
        st = find_file(command, &file);
    if (st != CLI_GO_ON)
        return st;
    log_warnings();
    if (sabal_scheduler_run(file, &err, .interfaces = interfaces_of(interfaces), .port = (int32_t)port,
                            .encrypt = encrypt, .idle_timeout_ns = (int64_t)(idle * 1e9),
                            .watchdog_ns = (int64_t)(watchdog * 1e9), .record = record, .record_limit = record_limit))
        return cli_fail("%s", err.message);
    return CLI_OK;
}

const cli_command scheduler_command = {
    .name    = "scheduler",
    .usage   = "--scheduler-file FILE [options]",
    .summary = "run the scheduler of a cluster",
    .text    = "Runs the scheduler of a cluster until it is told to end (SIGTERM, ^C). It\n"
               "writes FILE, by which workers and programs find it and prove that they\n"
               "may join: who can read that file can run code as you, so it is yours alone.",
    .run     = run_scheduler,
};

/* --- worker ------------------------------------------------------------------------------------------------------- */

static int run_worker(const cli_command *command, int argc, char **argv)
{
    const char      *file = NULL, *interfaces = NULL, *name = NULL, *tls = NULL, *directory = NULL, *preload = NULL;
    const char      *operand, *resources = NULL;
    int64_t          threads = 0, memory = 0;
    int              encrypt = 0, no_nanny = 0;
    double           timeout = 5, lifetime = 0;
    const cli_option options[] = {
        CLI_FILE(&file),
        CLI_THREADS(&threads),
        {"memory-limit", 'm', "BYTES", CLI_BYTES, &memory, 0, 0,
         "bytes that results and tasks may take, such as 8G\n(default: what this process may use)"},
        {"name", 'n', "NAME", CLI_TEXT, &name, 0, 0,
         "for messages, and for tasks that are to run there\n(default: the machine's)"},
        CLI_INTERFACES(&interfaces),
        {"tls", 0, "NAME,...", CLI_TEXT, &tls, 0, 0,
         "how values may go: memfd, tcp, rdma, ucx-shm, ucx-tcp\n(default: all but the last two)"},
        {"encrypt", 0, NULL, CLI_FLAG, &encrypt, 0, 0, "encrypt what is said; it always is authenticated"},
        {"local-directory", 0, "DIR", CLI_TEXT, &directory, 0, 0,
         "on this node, for sockets and values that don't fit in\nmemory; made if it is missing (default: the usual ones)"},
        {"lifetime", 0, "SECONDS", CLI_REAL, &lifetime, 0, 0,
         "leave after so long, before a time limit (default: never)"},
        {"preload", 0, "LIB,...", CLI_TEXT, &preload, 0, 0, "libraries to be loaded before tasks run"},
        {"resources", 0, "NAME=N,...", CLI_TEXT, &resources, 0, 0,
         "what tasks may take of it, such as gpu=2,licence=1"},
        {"no-nanny", 0, NULL, CLI_FLAG, &no_nanny, 0, 0,
         "run in this process, and end with it; by default another\nis started when a task has ended the worker"},
        {"timeout", 0, "SECONDS", CLI_REAL, &timeout, 0, 0, "to wait for the file and the scheduler (default: 5)"},
        CLI_HELP_OPTION,
        CLI_END,
    };
    sabal_error err = SABAL_ERROR_INIT;
    int         st  = cli_parse(command, options, &operand, argc, argv);

    if (st == CLI_GO_ON)
        st = find_file(command, &file);
    if (st != CLI_GO_ON)
        return st;
    log_warnings();
    if (sabal_worker_run(file, &err, .threads = (int32_t)threads, .memory_limit = memory, .name = name,
                         .interfaces = interfaces_of(interfaces), .tls = tls, .encrypt = encrypt,
                         .timeout_ns = (int64_t)(timeout * 1e9), .supervised = !no_nanny,
                         .lifetime_ns = (int64_t)(lifetime * 1e9), .local_directory = directory, .preload = preload,
                         .resources = resources))
        return cli_fail("%s", err.message);
    return CLI_OK;
}

const cli_command worker_command = {
    .name    = "worker",
    .usage   = "--scheduler-file FILE [options]",
    .summary = "run a worker of a cluster, one on each node",
    .text    = "Runs a worker: it joins the cluster of FILE, runs tasks there, and ends when\n"
               "the scheduler does, or when it is told to (SIGTERM, ^C). The worker is a\n"
               "process of its own; when a task has ended that, another is started.",
    .run     = run_worker,
};
