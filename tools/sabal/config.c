/* sabal config: every setting, its value now, and where that comes from. */
#include <stdio.h>
#include <string.h>

#include <sabal/sabal.h>

#include "cli.h"

static int32_t print_setting(void *user, const sabal_setting *s)
{
    int *n = user;

    if ((*n)++ == 0)
        printf("%-16s %-12s %-26s %s\n", "setting", "value", "from", "environment");
    printf("%-16s %-12s %-26s %s\n    %s (default: %s)\n", s->name, *s->value ? s->value : "-", s->source,
           s->environment, s->text, *s->default_value ? s->default_value : "empty");
    return 0;
}

static int run(const cli_command *command, int argc, char **argv)
{
    const cli_option options[] = {CLI_HELP_OPTION, CLI_END};
    const char      *operand;
    int              st = cli_parse(command, options, &operand, argc, argv), n = 0;

    if (st != CLI_GO_ON)
        return st;
    sabal_settings_list(print_setting, &n);
    return cli_finish_stdout();
}

const cli_command config_command = {
    .name    = "config",
    .usage   = "",
    .summary = "show the settings, their values, and where these come from",
    .text    = "Shows every setting of sabal. The environment wins over the file\n"
               "($SABAL_CONFIG, else $XDG_CONFIG_HOME/sabal/sabal.conf, else\n"
               "~/.config/sabal/sabal.conf; lines 'name = value', # begins a comment),\n"
               "and the file wins over the default.",
    .run     = run,
};
