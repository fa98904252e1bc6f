/* Settings are read when asked for: the environment first, then the file, then the default. */
#include "base/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

#define ENTRY(name, environment, fallback, text) {name, environment, fallback, text},
static const sbl_config_entry TABLE[] = {SBL_CONFIG_TABLE(ENTRY)};
#define N_ENTRIES (sizeof TABLE / sizeof *TABLE)

const sbl_config_entry *sbl_config_entry_at(size_t i)
{
    return i < N_ENTRIES ? &TABLE[i] : NULL;
}

static const sbl_config_entry *find(const char *name)
{
    for (size_t i = 0; i < N_ENTRIES; i++)
        if (!strcmp(TABLE[i].name, name))
            return &TABLE[i];
    return NULL;
}

/* $SABAL_CONFIG, else sabal/sabal.conf under $XDG_CONFIG_HOME or ~/.config. Empty: there is none. */
static void file_name(char *path, size_t size)
{
    const char *file = getenv("SABAL_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    path[0] = 0;
    if (file)
        snprintf(path, size, "%s", file);
    else if (xdg && *xdg)
        snprintf(path, size, "%s/sabal/sabal.conf", xdg);
    else if (home && *home)
        snprintf(path, size, "%s/.config/sabal/sabal.conf", home);
}

/* Cuts a line of the form "name = value" (# begins a comment); 0 if it has none. */
static int cut_line(char *line, char **name, char **value)
{
    char *equals, *end;

    line[strcspn(line, "#\n")] = 0;
    equals                     = strchr(line, '=');
    if (!equals)
        return 0;
    *equals = 0;
    for (*name = line; isspace((unsigned char)**name); ++*name)
        ;
    for (end = equals; end > *name && isspace((unsigned char)end[-1]); end--)
        ;
    *end = 0;
    for (*value = equals + 1; isspace((unsigned char)**value); ++*value)
        ;
    for (end = *value + strlen(*value); end > *value && isspace((unsigned char)end[-1]); end--)
        ;
    *end = 0;
    return 1;
}

static int from_file(const char *wanted, char *text, size_t size, char *path, size_t path_size)
{
    char  line[4096], *name, *value;
    int   found = 0;
    FILE *file;

    file_name(path, path_size);
    file = path[0] ? fopen(path, "re") : NULL;
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (cut_line(line, &name, &value) && !strcmp(name, wanted)) {
            snprintf(text, size, "%s", value);
            found = 1;
        }
    fclose(file);
    return found;
}

/* Where the setting was found goes to source, for messages. */
static void look_up(const char *name, char *text, size_t size, char *source, size_t source_size)
{
    const sbl_config_entry *entry = find(name);
    const char             *value;

    assert(entry);
    value = getenv(entry->environment);
    if (value && *value) {
        snprintf(text, size, "%s", value);
        snprintf(source, source_size, "%s", entry->environment);
    } else if (!from_file(name, text, size, source, source_size)) {
        snprintf(text, size, "%s", entry->fallback);
        snprintf(source, source_size, "the default");
    }
}

void sabal_settings_list(sabal_setting_fn *fn, void *user)
{
    for (size_t i = 0; i < N_ENTRIES; i++) {
        char          value[4096], source[4096];
        sabal_setting setting = {.struct_size   = sizeof setting,
                                 .name          = TABLE[i].name,
                                 .environment   = TABLE[i].environment,
                                 .default_value = TABLE[i].fallback,
                                 .text          = TABLE[i].text,
                                 .value         = value,
                                 .source        = source};

        look_up(TABLE[i].name, value, sizeof value, source, sizeof source);
        if (fn(user, &setting))
            return;
    }
}

size_t sbl_config_text(const char *name, char *text, size_t size)
{
    char source[4096];

    look_up(name, text, size, source, sizeof source);
    return strlen(text);
}

sabal_status sbl_config_int(int64_t *value, const char *name, int64_t min, int64_t max, sabal_error *err)
{
    static const char SUFFIXES[] = "KMGT";
    char              text[64], source[256], *end;
    const char       *suffix;
    long long         n;

    look_up(name, text, sizeof text, source, sizeof source);
    errno = 0;
    n     = strtoll(text, &end, 10);
    if (end == text)
        goto bad;
    suffix = *end ? strchr(SUFFIXES, toupper((unsigned char)*end)) : NULL;
    if (suffix) {
        if (__builtin_mul_overflow(n, 1LL << (10 * (suffix - SUFFIXES + 1)), &n))
            goto bad;
        end++;
    }
    if (errno || *end || n < min || n > max)
        goto bad;
    *value = n;
    return SABAL_OK;
bad:
    return sbl_error_set(err, SABAL_EINVAL, "%s is '%s' in %s: expected a whole number from %" PRId64 " to %" PRId64,
                         name, text, source, min, max);
}

sabal_status sbl_config_choice(int *number, const char *name, const char *const *words, int n, sabal_error *err)
{
    char   text[64], source[256], all[256] = "";
    size_t length = 0;

    look_up(name, text, sizeof text, source, sizeof source);
    for (int i = 0; i < n; i++) {
        if (!strcmp(text, words[i]) || (!i && !text[0])) {
            *number = i;
            return SABAL_OK;
        }
        length += (size_t)snprintf(all + length, sizeof all - length, "%s%s",
                                   !i           ? ""
                                   : i == n - 1 ? " or "
                                                : ", ",
                                   words[i]);
    }
    return sbl_error_set(err, SABAL_EINVAL, "%s is '%s' in %s: expected %s", name, text, source, all);
}

sabal_status sbl_config_limit(int64_t *value, const char *name, int64_t all, sabal_error *err)
{
    char        text[64], source[256];
    sabal_error own = SABAL_ERROR_INIT;

    look_up(name, text, sizeof text, source, sizeof source);
    if (sbl_parse_bytes(value, text, all, &own))
        return sbl_error_set(err, SABAL_EINVAL, "%s in %s: %s", name, source, own.message);
    if (*value == 0)
        *value = -1;
    return SABAL_OK;
}
