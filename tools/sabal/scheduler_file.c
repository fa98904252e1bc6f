/* Which scheduler file is meant: as named, as set, or the one in the home folder. */
#include "scheduler_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int32_t take_setting(void *user, const sabal_setting *setting)
{
    if (strcmp(setting->name, "scheduler_file") != 0)
        return 0;
    snprintf(user, PATH_MAX, "%s", setting->value);
    return 1;
}

/* What stands for no file ("local:") is not looked for. */
static int is_file(const char *text)
{
    return text && *text && text[strlen(text) - 1] != ':';
}

int scheduler_file_find(char path[PATH_MAX], const cli_command *command, const char *given)
{
    char        setting[PATH_MAX] = "", here[PATH_MAX] = "";
    const char *home = getenv("HOME"), *name = given;
    int         n;

    sabal_settings_list(take_setting, setting);
    if (!name && is_file(setting))
        name = setting;
    if (name && name[0] == '/') {
        n = snprintf(path, PATH_MAX, "%s", name);
    } else if (name) {
        if (!getcwd(here, sizeof here))
            return cli_fail("the current folder: %s", strerror(errno));
        n = snprintf(path, PATH_MAX, "%s/%s", here, name);
    } else {
        if (!home || !*home)
            return cli_usage(command, "no scheduler file is named, and HOME, where it would be, is not set");
        n = snprintf(path, PATH_MAX, "%s/sabal-scheduler.json", home);
    }
    return n < PATH_MAX ? CLI_GO_ON : cli_fail("the path of the scheduler file is too long");
}
