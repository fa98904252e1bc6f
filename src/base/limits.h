/* How much memory this process may use, who says so, and how much it uses. */
#ifndef SBL_BASE_LIMITS_H
#define SBL_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

/**
 * Bytes of memory that this process may use: the least of the machine's memory, its cgroups' limits (memory.max and
 * memory.high of v2, memory.limit_in_bytes of v1, up to the root that can be seen), and RLIMIT_AS and RLIMIT_DATA.
 * text (NULL allowed) gets which one it was, for messages: "memory.max of the cgroup /slurm/job_12". Reads files.
 */
int64_t sbl_limits_memory(char *text, size_t size);
/** The same in a tree that is made up: `root` stands before every path that is read (/proc/..., /sys/fs/cgroup/...). */
int64_t sbl_limits_memory_in(const char *root, char *text, size_t size);

/** How many processes of this process's cgroup have been killed as memory ran out; -1: the system doesn't tell. Reads files. */
int64_t sbl_limits_oom_kills(void);
int64_t sbl_limits_oom_kills_in(const char *root);

/** Bytes of this process that are in memory now, and the most that ever were; -1 if the system doesn't tell. */
int64_t sbl_limits_resident(void);
int64_t sbl_limits_resident_peak(void);

/**
 * A number of bytes as a person writes it, and as Dask reads it: "1GB" (10^9), "1.5 GiB" (2^30), "500M" (10^6), "1e6",
 * "100 kB", in either case. If `whole` is not 0 it is a part of that too: "80%", "0.8", "1" (all of it: a number up to 1
 * without a unit is a part), "auto" (all of it). "0" and "none" are 0.
 * Errors: SABAL_EINVAL, whose message quotes the text
 */
sabal_status sbl_parse_bytes(int64_t *bytes, const char *text, int64_t whole, sabal_error *err);
/** "17 bytes", "8.0 MiB", "1.5 GiB". Returns text. */
const char *sbl_tell_bytes(char *text, size_t size, int64_t bytes);

#endif
