/* The cgroup's CPU quota, with its files' places as parameters so that it can be tested. */
#ifndef SBL_SCHED_CORES_H
#define SBL_SCHED_CORES_H

#include <stdint.h>

/**
 * The cores that the CPU quotas of this process's cgroups allow, rounded up; 0: no quota.
 *
 *   proc_file  which groups the process is in, as /proc/self/cgroup
 *   root       where cgroup v2 is mounted, with v1's cpu controller in "cpu" below it, as /sys/fs/cgroup
 */
int32_t sbl_quota_cores(const char *proc_file, const char *root);

#endif
