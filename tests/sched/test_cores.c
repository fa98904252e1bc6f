#include "sched/cores.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/pool.h"
#include "support/test.h"

static char root[64];

static void put(const char *path, const char *text)
{
    char  full[256];
    FILE *file;

    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    file = fopen(full, "w");
    fputs(text, file);
    fclose(file);
}

static int32_t cores(void)
{
    char proc[128];

    snprintf(proc, sizeof proc, "%s/proc", root);
    return sbl_quota_cores(proc, root);
}

static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/sabal-cores-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void remove_root(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", root);
    if (system(command)) /* the folder stays: no harm */
        return;
}

TestSuite(cores, .init = make_root, .fini = remove_root);

Test(cores, a_quota_of_cgroup_v2_is_rounded_up)
{
    put("proc", "0::/a/b\n");
    put("a/b/cpu.max", "250000 100000\n");
    cr_expect_eq(cores(), 3);
}

Test(cores, the_least_of_a_group_and_those_above_counts)
{
    put("proc", "0::/a/b\n");
    put("a/b/cpu.max", "max 100000\n");
    put("a/cpu.max", "100000 50000\n");
    put("cpu.max", "500000 100000\n");
    cr_expect_eq(cores(), 2);
}

Test(cores, a_quota_of_cgroup_v1_is_read_from_two_files)
{
    put("proc", "5:memory:/m\n4:cpuacct,cpu:/a\n0::/\n");
    put("cpu/a/cpu.cfs_quota_us", "150000\n");
    put("cpu/a/cpu.cfs_period_us", "100000\n");
    cr_expect_eq(cores(), 2);
    put("cpu/a/cpu.cfs_quota_us", "-1\n");
    cr_expect_eq(cores(), 0);
}

Test(cores, without_a_quota_there_is_no_limit)
{
    cr_expect_eq(cores(), 0);
    put("proc", "0::/gone\nnonsense\n");
    cr_expect_eq(cores(), 0);
}

Test(cores, the_affinity_mask_is_respected)
{
    cpu_set_t before, one;
    int       core = 0;

    cr_expect_geq(sbl_usable_cores(), 1);
    sched_getaffinity(0, sizeof before, &before);
    while (!CPU_ISSET(core, &before))
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
    cr_expect_eq(sbl_usable_cores(), 1);
    sched_setaffinity(0, sizeof before, &before);
}
