/* What tests of the spill file share: a folder of their own on a disk, and bytes to write. */
#ifndef SBL_TESTS_SPILL_H
#define SBL_TESTS_SPILL_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "graph/spill_file.h"
#include "graph/spill_folder.h"
#include "support/test.h"

#define MIB ((size_t)1 << 20)

static char folder[64];

static inline void make_folder(void)
{
    snprintf(folder, sizeof folder, "/var/tmp/sabal-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static inline void remove_folder(void)
{
    sbl_alloc_fail(0, 0);
    unsetenv("SABAL_SPILL_FOLDER");
    unsetenv("TMPDIR");
    rmdir(folder);
}

static inline sbl_spill_file *opened(int ways)
{
    sbl_spill_file *file = NULL;
    sabal_error     err  = SABAL_ERROR_INIT;

    cr_assert_eq(sbl_spill_open_by(&file, folder, ways, &err), SABAL_OK);
    return file;
}

static inline sbl_spill_stats stats_of(sbl_spill_file *file)
{
    sbl_spill_stats stats;

    sbl_spill_stats_get(file, &stats);
    return stats;
}

static inline uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Bytes that can't be compressed, or (period not 0) that repeat. */
static inline void fill(char *to, size_t size, uint64_t seed, size_t period)
{
    seed = seed * 2654435761u + 88172645463325252u;
    for (size_t i = 0; i < size; i++)
        to[i] = period && i >= period ? to[i - period] : (char)(next_random(&seed) >> 32);
}

/* What lies on the disk, for tests that look behind: the descriptor of this process's only nameless file there. */
static inline int fd_of_file(void)
{
    DIR           *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    char           path[300], target[300];
    int            fd = -1;

    while (dir && (entry = readdir(dir))) {
        ssize_t n;

        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        n = readlink(path, target, sizeof target - 1);
        if (n > 0 && !strncmp(target, folder, strlen(folder)))
            fd = atoi(entry->d_name);
    }
    closedir(dir);
    return fd;
}

/* Written, read, compared and freed. */
static inline void there_and_back(sbl_spill_file *file, size_t size, size_t skew, size_t period)
{
    char       *data = sbl_buffer_alloc(size + skew), *room = sbl_buffer_alloc(size + skew);
    sbl_spilled spilled;
    sabal_error err = SABAL_ERROR_INIT;

    fill(data + skew, size, size, period);
    cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data + skew, size}, 1, &spilled, &err), SABAL_OK);
    cr_expect_eq(spilled.size, size);
    if (period && size > 2 * period + 4096)
        cr_expect_lt(spilled.stored, size / 4);
    if (!period)
        cr_expect_eq(spilled.stored, size);
    memset(room, 0x55, size + skew);
    cr_assert_eq(sbl_spill_read(file, &spilled, room + skew, &err), SABAL_OK);
    if (size)
        cr_expect_arr_eq(room + skew, data + skew, size);
    cr_expect_eq(stats_of(file).bytes_held, (int64_t)size);
    sbl_spill_free(file, &spilled);
    cr_expect_eq(stats_of(file).bytes_held, 0);
    sbl_buffer_free(data, size + skew);
    sbl_buffer_free(room, size + skew);
}

#endif
