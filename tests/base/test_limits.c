#include "base/limits.h"

#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

#define GIB ((int64_t)1 << 30)

static char root[64], who[256];

static void put(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *path, const char *format, ...)
{
    char    full[512];
    va_list args;
    FILE   *file;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    file = fopen(full, "w");
    cr_assert_not_null(file);
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    fclose(file);
}

/* A machine of 16 GiB without limits. */
static void make_machine(void)
{
    snprintf(root, sizeof root, "/tmp/sabal-limits-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\n");
    put("/proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units\n"
                             "Max data size             unlimited            unlimited            bytes\n"
                             "Max address space         unlimited            unlimited            bytes\n");
    put("/proc/self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/vda rw\n");
    put("/proc/self/cgroup", "0::/\n");
}

static void remove_machine(void)
{
    char command[100];

    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_expect_eq(system(command), 0);
}

TestSuite(limits, .init = make_machine, .fini = remove_machine);

static void expect_limit(int64_t bytes, const char *text)
{
    cr_expect_eq(sbl_limits_memory_in(root, who, sizeof who), bytes);
    cr_expect_str_eq(who, text);
}

Test(limits, without_others_the_machine_is_the_limit)
{
    expect_limit(16 * GIB, "the machine's memory");
}

#define V2 "31 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"

Test(limits, of_cgroups_v2_the_least_on_the_way_up_holds)
{
    put("/proc/self/mountinfo", V2);
    put("/proc/self/cgroup", "0::/slurm/job_7/step_0\n");
    put("/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n");
    put("/sys/fs/cgroup/slurm/job_7/step_0/memory.high", "max\n");
    put("/sys/fs/cgroup/slurm/job_7/memory.max", "%lld\n", (long long)(4 * GIB));
    put("/sys/fs/cgroup/slurm/memory.max", "%lld\n", (long long)(8 * GIB));
    expect_limit(4 * GIB, "memory.max of the cgroup /slurm/job_7");
    put("/sys/fs/cgroup/slurm/memory.high", "%lld\n", (long long)(3 * GIB));
    expect_limit(3 * GIB, "memory.high of the cgroup /slurm");
    put("/sys/fs/cgroup/memory.max", "%lld\n", (long long)(2 * GIB)); /* a container's top */
    expect_limit(2 * GIB, "memory.max of the cgroup /");
}

Test(limits, of_cgroups_v1_the_controller_of_memory_holds)
{
    put("/proc/self/mountinfo", "40 22 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                "41 22 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "5:cpu:/a\n4:memory:/slurm/uid_1/job_2\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/slurm/uid_1/job_2/memory.limit_in_bytes", "9223372036854771712\n");
    expect_limit(16 * GIB, "the machine's memory");
    put("/sys/fs/cgroup/memory/slurm/uid_1/memory.limit_in_bytes", "%lld\n", (long long)(5 * GIB));
    put("/sys/fs/cgroup/cpu/a/memory.limit_in_bytes", "1\n");
    expect_limit(5 * GIB, "memory.limit_in_bytes of the cgroup /slurm/uid_1");
}

Test(limits, kills_for_want_of_memory_are_those_of_the_own_group)
{
    cr_expect_eq(sbl_limits_oom_kills_in(root), -1);
    put("/proc/self/mountinfo", V2);
    put("/proc/self/cgroup", "0::/slurm/job_7\n");
    put("/sys/fs/cgroup/slurm/memory.events", "low 0\noom 9\noom_kill 9\noom_group_kill 0\n");
    cr_expect_eq(sbl_limits_oom_kills_in(root), -1);
    put("/sys/fs/cgroup/slurm/job_7/memory.events", "low 0\nhigh 0\nmax 5\noom 3\noom_kill 2\noom_group_kill 0\n");
    cr_expect_eq(sbl_limits_oom_kills_in(root), 2);
    put("/proc/self/mountinfo", "41 22 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "4:memory:/a\n");
    put("/sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
    cr_expect_eq(sbl_limits_oom_kills_in(root), 4);
}

Test(limits, a_mount_that_shows_a_part_of_the_groups_is_understood)
{
    put("/proc/self/mountinfo", "31 22 0:26 /docker/abc /mnt/cg rw,nosuid - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "0::/docker/abc/child\n");
    put("/mnt/cg/memory.max", "%lld\n", (long long)(7 * GIB));
    put("/mnt/cg/child/memory.max", "%lld\n", (long long)(6 * GIB));
    expect_limit(6 * GIB, "memory.max of the cgroup /child");
    put("/proc/self/cgroup", "0::/docker/abcdef\n");
    expect_limit(7 * GIB, "memory.max of the cgroup /");
    put("/proc/self/mountinfo", V2);
    put("/proc/self/cgroup", "0::/../../other\n");
    put("/sys/fs/cgroup/memory.max", "%lld\n", (long long)(5 * GIB));
    expect_limit(5 * GIB, "memory.max of the cgroup /");
}

Test(limits, of_the_process_itself_hold_too)
{
    put("/proc/self/limits", "Max data size             3221225472            unlimited            bytes\n"
                             "Max address space         unlimited            unlimited            bytes\n");
    expect_limit(3 * GIB, "RLIMIT_DATA (ulimit -d)");
    put("/proc/self/limits", "Max data size             3221225472            unlimited            bytes\n"
                             "Max address space         1073741824           2147483648           bytes\n");
    expect_limit(GIB, "RLIMIT_AS (ulimit -v)");
}

Test(limits, nothing_known_is_no_limit)
{
    snprintf(who, sizeof who, "%s/none", root);
    cr_expect_eq(sbl_limits_memory_in("/nonexistent", who, sizeof who), INT64_MAX);
}

Test(limits, this_machine_and_process_agree_with_the_system)
{
    int64_t        machine = (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
    int64_t        before  = sbl_limits_resident();
    size_t         size    = (size_t)64 << 20;
    volatile char *memory  = malloc(size); /* so that the writes are made */
    struct rlimit  limit;

    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    cr_expect_gt(sbl_limits_memory(NULL, 0), 0);
    cr_expect_leq(sbl_limits_memory(NULL, 0), machine);
    cr_expect_geq(sbl_limits_resident(), before + (60 << 20));
    cr_expect_geq(sbl_limits_resident_peak(), sbl_limits_resident() - (4 << 20));
    free((void *)memory);
#ifndef SBL_PLAIN /* sanitizers keep books of each page, and have reserved more */
    memory = malloc(size);
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    cr_expect_leq(sbl_limits_resident(), before + (70 << 20));
    free((void *)memory);
    getrlimit(RLIMIT_DATA, &limit);
    limit.rlim_cur = (rlim_t)1 << 30;
    cr_assert_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    cr_expect_leq(sbl_limits_memory(who, sizeof who), GIB);
#endif
    (void)limit;
}

Test(limits, bytes_are_read_as_dask_reads_them)
{
    static const struct {
        const char *text;
        int64_t     whole, bytes;
    } cases[] = {
        {"100", 0, 100},
        {"100 MB", 0, 100000000},
        {"100M", 0, 100000000},
        {"5kB", 0, 5000},
        {"5.4 kB", 0, 5400},
        {"1kiB", 0, 1024},
        {"1Mi", 0, 1048576},
        {"1e6", 0, 1000000},
        {"1e6 kB", 0, 1000000000},
        {"1GB", 0, 1000000000},
        {"1.5 GiB", 0, 1610612736},
        {" 2 tib ", 0, 2199023255552},
        {"1PB", 0, 1000000000000000},
        {"12 B", 0, 12},
        {".5GiB", 0, 536870912},
        {"0", 0, 0},
        {"none", 0, 0},
        {"None", 1000, 0},
        {"0", 1000, 0},
        {"1", 0, 1},
        {"1", 1000, 1000},
        {"0.25", 1000, 250},
        {"1.0", 1000, 1000},
        {"80%", 1000, 800},
        {"12.5 %", 1000, 125},
        {"auto", 1000, 1000},
        {"2000", 1000, 2000},
        {"1B", 1000, 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t bytes = -1;

        cr_expect_eq(sbl_parse_bytes(&bytes, cases[i].text, cases[i].whole, NULL), SABAL_OK);
        cr_expect_eq(bytes, cases[i].bytes, "%s: %lld", cases[i].text, (long long)bytes);
    }
}

Test(limits, what_is_no_number_of_bytes_is_refused_with_the_text)
{
    static const struct {
        const char *text;
        int64_t     whole;
        const char *message;
    } cases[] = {
        {"5 foos", 0, "'5 foos' has no unit of bytes that is known: expected such as '8 GB' or '1.5GiB'"},
        {"lots", 0, "'lots' is no number of bytes: expected such as '8 GB' or '1.5GiB'"},
        {"", 0, "'' is no number of bytes: expected such as '8 GB' or '1.5GiB'"},
        {"MB", 0, "'MB' is no number of bytes: expected such as '8 GB' or '1.5GiB'"},
        {"-1", 0, "'-1' is no number of bytes: expected such as '8 GB' or '1.5GiB'"},
        {"0x10", 0, "'0x10' has no unit of bytes that is known: expected such as '8 GB' or '1.5GiB'"},
        {"1.2.3", 0, "'1.2.3' has no unit of bytes that is known: expected such as '8 GB' or '1.5GiB'"},
        {"inf", 0, "'inf' is no number of bytes: expected such as '8 GB' or '1.5GiB'"},
        {"1e99", 0, "'1e99' is more bytes than there can be: expected such as '8 GB' or '1.5GiB'"},
        {"1e999999999999999999999", 0,
         "'1e999999999999999999999' is more bytes than there can be: expected such as '8 GB' or '1.5GiB'"},
        {"10 EB", 0, "'10 EB' is more bytes than there can be: expected such as '8 GB' or '1.5GiB'"},
        {"80%", 0, "'80%' is a part, but of what is not known: expected such as '8 GB' or '1.5GiB'"},
        {"auto", 0, "'auto' is no number of bytes: expected such as '8 GB' or '1.5GiB'"},
        {"120%", 1000, "'120%' is more than all there is: expected such as '8 GB', '1.5GiB', '80%', 'auto' or 'none'"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sabal_error err   = SABAL_ERROR_INIT;
        int64_t     bytes = 4711;

        cr_expect_eq(sbl_parse_bytes(&bytes, cases[i].text, cases[i].whole, &err), SABAL_EINVAL);
        cr_expect_str_eq(err.message, cases[i].message);
        cr_expect_eq(bytes, 4711);
    }
}

Test(limits, the_point_is_a_point_in_every_locale)
{
    char    command[200];
    int64_t bytes = 0;

    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", root);
    if (system(command))
        cr_skip_test("localedef or its de_DE is missing");
    setenv("LOCPATH", root, 1);
    cr_assert_not_null(setlocale(LC_ALL, "de_DE.UTF-8"));
    cr_expect_eq(sbl_parse_bytes(&bytes, "1.5 kB", 0, NULL), SABAL_OK);
    cr_expect_eq(bytes, 1500);
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
}
