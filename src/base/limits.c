/* What may be used, from all who may say so: files of /proc and of the cgroups, read when asked for. */
#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sabal/memory.h>

/* The least limit so far and who set it. */
struct least {
    int64_t bytes;
    char    who[512];
};

static void consider(struct least *least, int64_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void consider(struct least *least, int64_t bytes, const char *format, ...)
{
    va_list args;

    if (bytes < 0 || bytes >= least->bytes)
        return;
    least->bytes = bytes;
    va_start(args, format);
    vsnprintf(least->who, sizeof least->who, format, args);
    va_end(args);
}

static FILE *open_in(const char *root, const char *path)
{
    char full[8192];

    return snprintf(full, sizeof full, "%s%s", root, path) < (int)sizeof full ? fopen(full, "re") : NULL;
}

/* A whole number at the beginning of a text; -1 if there is none ("max", "unlimited") or it is beyond int64_t. */
static int64_t number_at(const char *text)
{
    unsigned long long n;

    return sscanf(text, "%llu", &n) == 1 && n <= INT64_MAX ? (int64_t)n : -1;
}

static int64_t number_in(const char *root, const char *path)
{
    char  text[64] = "";
    FILE *file     = open_in(root, path);

    if (!file)
        return -1;
    if (!fgets(text, sizeof text, file))
        text[0] = 0;
    fclose(file);
    return number_at(text);
}

static void consider_machine(struct least *least, const char *root)
{
    char  line[256];
    FILE *file = open_in(root, "/proc/meminfo");

    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "MemTotal:", 9) && number_at(line + 9) >= 0)
            consider(least, number_at(line + 9) * 1024, "the machine's memory");
    if (file)
        fclose(file);
}

/* The soft limits, which hold: lines such as "Max address space   unlimited   unlimited   bytes". */
static void consider_rlimits(struct least *least, const char *root)
{
    static const struct {
        const char *line, *name;
    } LIMITS[] = {{"Max address space ", "RLIMIT_AS (ulimit -v)"}, {"Max data size ", "RLIMIT_DATA (ulimit -d)"}};
    char  line[256];
    FILE *file = open_in(root, "/proc/self/limits");

    while (file && fgets(line, sizeof line, file))
        for (size_t i = 0; i < 2; i++)
            if (!strncmp(line, LIMITS[i].line, strlen(LIMITS[i].line)))
                consider(least, number_at(line + strlen(LIMITS[i].line)), "%s", LIMITS[i].name);
    if (file)
        fclose(file);
}

/* Where a hierarchy is mounted, and which of its groups is there (not its root, in a container). */
struct hierarchy {
    char        mount[2048], top[2048];
    const char *leaves[2]; /* files that hold a limit */
};

/* The mount of version 2, or of version 1's controller `memory`. 0: there is none. */
static int find_hierarchy(struct hierarchy *h, const char *root, int version)
{
    char  *line  = NULL;
    size_t room  = 0;
    int    found = 0;
    FILE  *file  = open_in(root, "/proc/self/mountinfo");

    while (file && !found && getline(&line, &room, file) > 0) {
        const char *dash = strstr(line, " - ");
        char        type[64], options[1024];

        if (!dash || sscanf(dash, " - %63s %*s %1023s", type, options) != 2 ||
            sscanf(line, "%*d %*d %*s %2047s %2047s", h->top, h->mount) != 2)
            continue;
        found = version == 2 ? !strcmp(type, "cgroup2") : !strcmp(type, "cgroup") && strstr(options, "memory");
    }
    free(line);
    if (file)
        fclose(file);
    h->leaves[0] = version == 2 ? "memory.max" : "memory.limit_in_bytes";
    h->leaves[1] = version == 2 ? "memory.high" : NULL;
    return found;
}

/* Where a group lies below the mount. */
static void find_folder(char folder[2048], const struct hierarchy *h, const char *group)
{
    size_t top = strlen(h->top);

    if (strncmp(group, "/..", 3) == 0)
        group = ""; /* outside of what this namespace shows: the limits of its top hold for that too */
    else if (top > 1 && !strncmp(group, h->top, top) && (group[top] == '/' || !group[top]))
        group += top;
    else if (top > 1)
        group = "";
    snprintf(folder, 2048, "%s", strcmp(group, "/") ? group : "");
}

/* A group and all those above it up to the mount. */
static void consider_group(void *found, const char *root, const struct hierarchy *h, const char *group)
{
    struct least *least = found;
    char          folder[2048], path[8192];

    find_folder(folder, h, group);
    for (;;) {
        char *slash;

        for (int i = 0; i < 2 && h->leaves[i]; i++) {
            snprintf(path, sizeof path, "%s%s/%s", h->mount, folder, h->leaves[i]);
            consider(least, number_in(root, path), "%s of the cgroup %s", h->leaves[i], *folder ? folder : "/");
        }
        slash = strrchr(folder, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

/* In a file of the group alone: a group's count holds those of the groups below. */
static void count_kills(void *found, const char *root, const struct hierarchy *h, const char *group)
{
    int64_t *kills = found, n;
    char     folder[2048], path[8192], line[256];
    FILE    *file;

    find_folder(folder, h, group);
    snprintf(path, sizeof path, "%s%s/%s", h->mount, folder, h->leaves[1] ? "memory.events" : "memory.oom_control");
    file = open_in(root, path);
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "oom_kill ", 9) && (n = number_at(line + 9)) >= 0)
            *kills = (*kills < 0 ? 0 : *kills) + n;
    if (file)
        fclose(file);
}

typedef void of_group(void *found, const char *root, const struct hierarchy *h, const char *group);

/* Lines "0::/group" of version 2, "4:memory:/group" and "3:cpu,memory:/group" of version 1. */
static void each_cgroup(of_group *look, void *found, const char *root)
{
    char             *line = NULL;
    size_t            room = 0;
    FILE             *file = open_in(root, "/proc/self/cgroup");
    struct hierarchy *h    = malloc(sizeof *h);

    while (file && h && getline(&line, &room, file) > 0) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        int   version;

        if (!group)
            continue;
        *group++                    = 0;
        group[strcspn(group, "\n")] = 0;
        version                     = controllers[1] ? 1 : 2;
        if ((version == 2 || strstr(controllers + 1, "memory")) && find_hierarchy(h, root, version))
            look(found, root, h, group);
    }
    free(h);
    free(line);
    if (file)
        fclose(file);
}

int64_t sbl_limits_memory_in(const char *root, char *text, size_t size)
{
    struct least least = {.bytes = INT64_MAX, .who = "no limit that is known"};

    consider_machine(&least, root);
    each_cgroup(consider_group, &least, root);
    consider_rlimits(&least, root);
    if (text)
        snprintf(text, size, "%s", least.who);
    return least.bytes;
}

int64_t sbl_limits_memory(char *text, size_t size)
{
    int64_t bytes   = sbl_limits_memory_in("", text, size);
    int64_t machine = (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);

    if (bytes <= machine)
        return bytes;
    if (text) /* without /proc */
        snprintf(text, size, "the machine's memory");
    return machine;
}

size_t sabal_memory_limit(void)
{
    return (size_t)sbl_limits_memory(NULL, 0);
}

int64_t sbl_limits_oom_kills_in(const char *root)
{
    int64_t kills = -1;

    each_cgroup(count_kills, &kills, root);
    return kills;
}

int64_t sbl_limits_oom_kills(void)
{
    return sbl_limits_oom_kills_in("");
}

int64_t sbl_limits_resident(void)
{
    FILE     *file = fopen("/proc/self/statm", "re");
    long long all, resident = -1;

    if (!file)
        return -1;
    if (fscanf(file, "%lld %lld", &all, &resident) != 2)
        resident = -1;
    fclose(file);
    return resident < 0 ? -1 : resident * (int64_t)sysconf(_SC_PAGESIZE);
}

/* Not getrusage(), whose peak begins with that of the program that started this one. */
int64_t sbl_limits_resident_peak(void)
{
    char    line[256];
    int64_t peak = -1;
    FILE   *file = fopen("/proc/self/status", "re");

    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "VmHWM:", 6) && number_at(line + 6) >= 0)
            peak = number_at(line + 6) * 1024;
    if (file)
        fclose(file);
    return peak;
}
