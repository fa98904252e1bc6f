/* Which scheduler file is meant. */
#ifndef SABAL_TOOL_SCHEDULER_FILE_H
#define SABAL_TOOL_SCHEDULER_FILE_H

#include <limits.h>

#include "cli.h"

#define CLI_CLUSTER_FILE(target_)                                                                                      \
    {                                                                                                                  \
        "scheduler-file", 'f', "FILE", CLI_TEXT, (target_), 0, 0,                                                      \
            "the cluster's file (default: $SABAL_SCHEDULER_FILE,\nelse ~/sabal-scheduler.json)"                        \
    }

/** given (may be NULL), else the setting scheduler_file, else ~/sabal-scheduler.json, as an absolute path. CLI_GO_ON, or what the
    mistake gives. */
int scheduler_file_find(char path[PATH_MAX], const cli_command *command, const char *given);

#endif
