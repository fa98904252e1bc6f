/* How many cores this process may use: what the affinity mask holds, and no more than the cgroups' CPU quota.
 */
#include "sched/cores.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "sched/pool.h"

static int32_t cores_in_mask(void)
{
    /* The kernel refuses a set smaller than its own; machines beyond 64 Ki cores don't exist yet. */
    for (int n = 1024; n <= 65536; n *= 2) {
        cpu_set_t *set = CPU_ALLOC(n);
        int        got = 0;

        if (!set)
            break;
        if (!sched_getaffinity(0, CPU_ALLOC_SIZE(n), set))
            got = CPU_COUNT_S(CPU_ALLOC_SIZE(n), set);
        CPU_FREE(set);
        if (got > 0)
            return got;
    }
    return 1;
}

/* Two numbers from one file or from two; 0 if there is no limit ("max", -1) or no such file. */
static int read_quota(const char *folder, int v1, long long *quota, long long *period)
{
    char  path[4500];
    FILE *file;
    int   n = 0;

    snprintf(path, sizeof path, "%s/%s", folder, v1 ? "cpu.cfs_quota_us" : "cpu.max");
    file = fopen(path, "re");
    if (!file)
        return 0;
    n = fscanf(file, v1 ? "%lld" : "%lld %lld", quota, period);
    fclose(file);
    if (v1 && n == 1) {
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        file = fopen(path, "re");
        if (!file)
            return 0;
        n += fscanf(file, "%lld", period) == 1;
        fclose(file);
    }
    return n == 2 && *quota > 0 && *period > 0;
}

/* The least quota of a group and all those above it, in whole cores, rounded up; 0: none. */
static int32_t quota_of_group(const char *root, const char *group, int v1)
{
    char      folder[4096], path[4400];
    long long least = 0, quota, period;
    char     *slash;

    snprintf(folder, sizeof folder, "%s", group);
    do {
        snprintf(path, sizeof path, "%s%s", root, folder);
        if (read_quota(path, v1, &quota, &period)) {
            long long cores = (quota + period - 1) / period;

            if (!least || cores < least)
                least = cores;
        }
        slash = strrchr(folder, '/');
        if (slash)
            *slash = 0;
    } while (slash);
    return least > INT32_MAX ? 0 : (int32_t)least;
}

int32_t sbl_quota_cores(const char *proc_file, const char *root)
{
    int32_t least = 0, n;
    char    line[4096], v1_root[256];
    FILE   *file = fopen(proc_file, "re");

    snprintf(v1_root, sizeof v1_root, "%s/cpu", root);
    while (file && fgets(line, sizeof line, file)) {
        char *controllers, *group, *name, *rest;

        line[strcspn(line, "\n")] = 0;
        controllers               = strchr(line, ':');
        group                     = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = 0;
        n        = 0;
        if (!controllers[1])
            n = quota_of_group(root, group, 0);
        else
            for (rest = controllers + 1; (name = strsep(&rest, ","));)
                if (!strcmp(name, "cpu"))
                    n = quota_of_group(v1_root, group, 1);
        if (n && (!least || n < least))
            least = n;
    }
    if (file)
        fclose(file);
    return least;
}

int32_t sbl_usable_cores(void)
{
    int32_t cores = cores_in_mask(), quota = sbl_quota_cores("/proc/self/cgroup", "/sys/fs/cgroup");

    return quota && quota < cores ? quota : cores;
}
