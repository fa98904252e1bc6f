/* The sabal command: finds the command that is meant, and ends cleanly whatever the user or the system does. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <sabal/sabal.h>

#include "cli.h"
#include "output.h"
#include "progress.h"

static const cli_command *const COMMANDS[] = {&kmeans_command,    &info_command,   &make_blobs_command,
                                              &scheduler_command, &worker_command, &cluster_command,
                                              &status_command,    &config_command, &version_command};
#define N_COMMANDS (sizeof COMMANDS / sizeof *COMMANDS)

/* --- version ----------------------------------------------------------------------------------------------- */

static int run_version(const cli_command *command, int argc, char **argv)
{
    static const char *const PARTS[]   = {"hdf5", "jemalloc", "avx2", "avx512"};
    const cli_option         options[] = {CLI_HELP_OPTION, CLI_END};
    const char              *operand;
    int                      st = cli_parse(command, options, &operand, argc, argv);

    if (st != CLI_GO_ON)
        return st;
    printf("sabal %s\n", sabal_version());
    if (strcmp(sabal_version(), SABAL_VERSION) != 0)
        printf("command built for %s\n", SABAL_VERSION);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        printf("  %-9s %s\n", PARTS[i], sabal_has(PARTS[i]) ? "yes" : "no");
#ifdef SABAL_TOOL_PLOT
    printf("  %-9s yes\n", "plot");
#else
    printf("  %-9s no\n", "plot");
#endif
    return cli_finish_stdout();
}

const cli_command version_command = {
    .name    = "version",
    .usage   = "",
    .summary = "show the version, and what this build and machine have",
    .text    = "Shows the version of sabal, the optional parts of this build, and the\n"
               "instruction sets of this machine that it uses.",
    .run     = run_version,
};

/* --- help -------------------------------------------------------------------------------------------------- */

static int print_commands(void)
{
    printf("usage: sabal COMMAND [options]\n\n"
           "Clusters data larger than memory, on all cores.\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-11s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    printf("  %-11s %s\n\n", "help", "show this, or the help of a command: sabal help kmeans");
    printf("Try it:\n"
           "  sabal make-blobs blobs.h5 --samples 1e7\n"
           "  sabal kmeans blobs.h5 -k 3 --plot blobs.svg\n\n"
           "More: man sabal\n");
    return cli_finish_stdout();
}

static const cli_command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(COMMANDS[i]->name, name))
            return COMMANDS[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[N_COMMANDS + 1] = {"help"}, *near;

    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i + 1] = COMMANDS[i]->name;
    near = cli_nearest(name, names, sizeof *names, N_COMMANDS + 1);
    if (near)
        return cli_usage(NULL, "unknown command '%s': did you mean '%s'?", name, near);
    return cli_usage(NULL, "unknown command '%s'", name);
}

static int help(int argc, char **argv)
{
    char               flag[] = "--help", *words[] = {argv[0], flag, NULL};
    const cli_command *command;

    if (argc < 2 || argv[1][0] == '-' || !strcmp(argv[1], "help"))
        return print_commands();
    command = find(argv[1]);
    return command ? command->run(command, 2, words) : unknown_command(argv[1]);
}

/* --- ends -------------------------------------------------------------------------------------------------- */

/* Ends at once: removes what is not whole, then dies of the same signal, so that the shell sees why. */
static void on_signal(int signal_number)
{
    const int number = errno; /* of whoever was interrupted, as long as the signal has not ended him */

    progress_clear_async();
    output_remove_partial();
    sabal_remove_partial_files();
    errno = number;
    raise(signal_number); /* SA_RESETHAND has put the default back, SA_NODEFER lets it through */
}

static void set_up_signals(void)
{
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action    = {.sa_handler = on_signal, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)}, old;

    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
        if (!sigaction(SIGNALS[i], NULL, &old) && old.sa_handler != SIG_IGN) /* nohup stays nohup */
            sigaction(SIGNALS[i], &action, NULL);
    /* A reader that goes away is met by the result of the write: results in files are finished all the same. */
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    const cli_command *command;
    const int32_t      status = sabal_worker_main(argc, argv); /* the process of a worker is this program too */

    if (status >= 0)
        return status;
    setlocale(LC_CTYPE, ""); /* for the bar's characters; numbers stay as they are */
    set_up_signals();
    if (argc < 2)
        return cli_usage(NULL, "no command given: kmeans, info, make-blobs, config, version or help");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return help(1, argv);
    if (!strcmp(argv[1], "help"))
        return help(argc - 1, argv + 1);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
        return run_version(&version_command, 1, argv);
    command = find(argv[1]);
    return command ? command->run(command, argc - 1, argv + 1) : unknown_command(argv[1]);
}
