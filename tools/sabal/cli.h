/*
 * What all commands share. A command's options stand in one table, which the parser obeys and the help prints, so
 * that they cannot disagree. A failure is one line on stderr.
 */
#ifndef SABAL_TOOL_CLI_H
#define SABAL_TOOL_CLI_H

#include <sabal/sabal.h>

enum { CLI_OK = 0, CLI_FAILURE = 1, CLI_USAGE = 2, CLI_GO_ON = -1 };

typedef enum cli_kind {
    CLI_FLAG,  /* int: 1 if given                                             */
    CLI_TEXT,  /* const char *: not empty                                     */
    CLI_INT,   /* int64_t from min to max; 1e8 is understood                  */
    CLI_SEED,  /* uint64_t                                                    */
    CLI_REAL,  /* double >= min, finite                                       */
    CLI_BYTES, /* int64_t >= 0; suffixes K, M, G, T of 1024                   */
    CLI_HELP
} cli_kind;

typedef struct cli_option {
    const char *name;   /* long name without its dashes */
    char        letter; /* short name; 0: none          */
    const char *value;  /* what the help calls the value; NULL for a flag */
    cli_kind    kind;
    void       *target; /* filled if the option is given */
    int64_t     min, max;
    const char *text; /* for the help; a newline where a line may not be joined */
} cli_option;
#define CLI_HELP_OPTION                                                                                                \
    {                                                                                                                  \
        "help", 'h', NULL, CLI_HELP, NULL, 0, 0, "show this help"                                                      \
    }
#define CLI_END                                                                                                        \
    {                                                                                                                  \
        NULL, 0, NULL, CLI_FLAG, NULL, 0, 0, NULL                                                                      \
    }
#define CLI_THREADS(target_)                                                                                           \
    {                                                                                                                  \
        "threads", 't', "N", CLI_INT, (target_), 1, 1024, "threads to use (default: the cores this process may use)"   \
    }

#define CLI_CLUSTER(target_)                                                                                           \
    {                                                                                                                  \
        "scheduler-file", 'f', "FILE", CLI_TEXT, (target_), 0, 0,                                                      \
            "run on the cluster of that file (default:\n$SABAL_SCHEDULER_FILE, else this node)"                        \
    }

typedef struct cli_command {
    const char *name;
    const char *operand; /* "FILE[:DATASET]"; "[FILE]" if it may be left away; NULL if it takes none */
    const char *usage;   /* what follows the name in the help's first line */
    const char *summary; /* one line, for the list of commands             */
    const char *text;    /* a paragraph or two, lines cut by hand          */
    int (*run)(const struct cli_command *command, int argc, char **argv);
} cli_command;

extern const cli_command kmeans_command, info_command, make_blobs_command, config_command, scheduler_command,
    worker_command, cluster_command, status_command, version_command;

/** Reads argv[1..]; *operand stays NULL if there was none. CLI_GO_ON, or the status to exit with. */
int cli_parse(const cli_command *command, const cli_option *options, const char **operand, int argc, char **argv);

/** "sabal: ..." as one line on stderr, whatever the text holds. Returns CLI_FAILURE. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** The same for an error of the library about path, with what to do about it. */
int cli_error(const char *path, const sabal_error *err);
/** The same for a mistake in the call, with a pointer to the help of command (may be NULL). Returns CLI_USAGE. */
int cli_usage(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** "sabal: note: ..." on stderr. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The one of n names (at step bytes from one to the next) that name was probably meant to be; NULL: none is near. */
const char *cli_nearest(const char *name, const char *const *first, size_t step, size_t n);

/** Flushes stdout; a reader that has gone is no failure worth a word. CLI_OK or CLI_FAILURE. */
int cli_finish_stdout(void);

/** n with commas between thousands, into text (32 bytes), which it returns. */
const char *cli_count(char *text, int64_t n);
/** "1.5 GiB", into text (32 bytes), which it returns. */
const char *cli_bytes(char *text, double bytes);
/** "3.21 s", "1 min 12 s", into text (32 bytes), which it returns. */
const char *cli_seconds(char *text, double seconds);
/** Seconds of a clock that only goes forward. */
double cli_now(void);

#endif
