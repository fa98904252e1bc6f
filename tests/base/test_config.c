#include "base/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

static char path[] = "/tmp/sabal-config-XXXXXX";

static void write_file(const char *text)
{
    int   fd   = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    fputs(text, file);
    fclose(file);
    setenv("SABAL_CONFIG", path, 1);
}

static void clean(void)
{
    unsetenv("SABAL_THREADS");
    unsetenv("SABAL_CONFIG");
    unlink(path);
    snprintf(path, sizeof path, "/tmp/sabal-config-XXXXXX");
}

Test(config, environment_beats_file_beats_default, .fini = clean)
{
    int64_t n = -1;

    setenv("SABAL_CONFIG", "/nonexistent", 1);
    cr_expect_eq(sbl_config_int(&n, "threads", 0, 99, NULL), SABAL_OK);
    cr_expect_eq(n, 0);
    write_file("# my node\nthreads = 7 # of 8\n");
    sbl_config_int(&n, "threads", 0, 99, NULL);
    cr_expect_eq(n, 7);
    setenv("SABAL_THREADS", "3", 1);
    sbl_config_int(&n, "threads", 0, 99, NULL);
    cr_expect_eq(n, 3);
}

Test(config, a_bad_number_names_setting_and_source, .fini = clean)
{
    sabal_error err = SABAL_ERROR_INIT;
    int64_t     n   = 5;

    setenv("SABAL_THREADS", "many", 1);
    cr_expect_eq(sbl_config_int(&n, "threads", 0, 99, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "threads is 'many' in SABAL_THREADS: expected a whole number from 0 to 99");
    cr_expect_eq(n, 5);
}

Test(config, suffixes_multiply_and_overflow_is_refused, .fini = clean)
{
    int64_t n = 0;

    setenv("SABAL_THREADS", "2k", 1);
    cr_expect_eq(sbl_config_int(&n, "threads", 0, INT64_MAX, NULL), SABAL_OK);
    cr_expect_eq(n, 2048);
    setenv("SABAL_THREADS", "9999999999T", 1);
    cr_expect_eq(sbl_config_int(&n, "threads", 0, INT64_MAX, NULL), SABAL_EINVAL);
}

static int32_t note_threads(void *user, const sabal_setting *setting)
{
    char *found = user;

    if (strcmp(setting->name, "threads"))
        return 0;
    snprintf(found, 256, "%s from %s, else %s", setting->value, setting->source, setting->default_value);
    return 1;
}

Test(config, the_list_of_settings_tells_values_and_where_they_come_from, .fini = clean)
{
    char found[256] = "";

    setenv("SABAL_THREADS", "3", 1);
    sabal_settings_list(note_threads, found);
    cr_expect_str_eq(found, "3 from SABAL_THREADS, else 0");
    unsetenv("SABAL_THREADS");
    setenv("SABAL_CONFIG", "/nonexistent", 1);
    sabal_settings_list(note_threads, found);
    cr_expect_str_eq(found, "0 from the default, else 0");
}
