#include "graph/spill_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sabal/memory.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "graph/spill_folder.h"
#include "support/test.h"

#define MIB ((size_t)1 << 20)

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/var/tmp/sabal-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    sbl_alloc_fail(0, 0);
    unsetenv("SABAL_SPILL_FOLDER");
    unsetenv("TMPDIR");
    rmdir(folder);
}

TestSuite(spill, .init = make_folder, .fini = remove_folder);

static sbl_spill_file *opened(int ways)
{
    sbl_spill_file *file = NULL;
    sabal_error     err  = SABAL_ERROR_INIT;

    cr_assert_eq(sbl_spill_open_by(&file, folder, ways, &err), SABAL_OK);
    return file;
}

static sbl_spill_stats stats_of(sbl_spill_file *file)
{
    sbl_spill_stats stats;

    sbl_spill_stats_get(file, &stats);
    return stats;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Bytes that can't be compressed, or (period not 0) that repeat. */
static void fill(char *to, size_t size, uint64_t seed, size_t period)
{
    seed = seed * 2654435761u + 88172645463325252u;
    for (size_t i = 0; i < size; i++)
        to[i] = period && i >= period ? to[i - period] : (char)(next_random(&seed) >> 32);
}

/* What lies on the disk, for tests that look behind: the descriptor of this process's only nameless file there. */
static int fd_of_file(void)
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

static void there_and_back(sbl_spill_file *file, size_t size, size_t skew, size_t period)
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

Test(spill, what_was_written_comes_back)
{
    static const size_t sizes[] = {0,       1,           4095,         4096,    4097,       16 * 1024, 70000,  MIB - 1,
                                   2 * MIB, 2 * MIB + 1, 5 * MIB + 77, 9 * MIB, 262144 + 4, 1572864,   1572865};
    static const size_t periods[] = {0, 1, 100};

    for (int ways = 0; ways < 4; ways++) {
        sbl_spill_file *file = opened(ways);

        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t p = 0; p < 3; p++)
                for (size_t skew = 0; skew <= 16; skew += 16)
                    there_and_back(file, sizes[i], skew, periods[p]);
        sbl_spill_close(file);
    }
}

/* Blocks of both sorts in one value: some shorter, some as they were. */
Test(spill, a_value_that_is_compressible_only_in_part_comes_back)
{
    sbl_spill_file *file = opened(0);
    size_t          size = 8 * MIB + 5;
    char           *data = sbl_buffer_alloc(size), *room = sbl_buffer_alloc(size);
    sbl_spilled     spilled;

    memset(data, 3, size);
    for (size_t at = 300000; at + MIB < size; at += MIB + 12345)
        fill(data + at, 270000, at, 0);
    cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, size}, 1, &spilled, NULL), SABAL_OK);
    cr_assert_eq(spilled.packed, 1);
    cr_assert_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_OK);
    cr_expect_arr_eq(room, data, size);
    sbl_spill_free(file, &spilled);
    sbl_spill_close(file);
    sbl_buffer_free(data, size);
    sbl_buffer_free(room, size);
}

/* What the sample looks at is zero, and the rest can't be compressed: it takes no more space than it got. */
Test(spill, a_value_whose_sample_lies_does_not_grow_into_the_next)
{
    sbl_spill_file *file = opened(0);
    size_t          size = 24 * MIB, sample = 16 << 10, step = (size - sample) / 3;
    char           *data = sbl_buffer_alloc(size), *room = sbl_buffer_alloc(size);
    sbl_spilled     spilled[3];

    fill(data, size, 1, 0);
    for (size_t at = 0; at < size; at += step)
        memset(data + at, 0, sample);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, size}, 1, &spilled[i], NULL), SABAL_OK);
        cr_assert_eq(spilled[i].packed, 1);
    }
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(sbl_spill_read(file, &spilled[i], room, NULL), SABAL_OK);
        cr_expect(!memcmp(data, room, size));
        sbl_spill_free(file, &spilled[i]);
    }
    sbl_spill_close(file);
    sbl_buffer_free(data, size);
    sbl_buffer_free(room, size);
}

Test(spill, pieces_lie_at_multiples_of_64_with_zeros_between)
{
    static const size_t sizes[] = {48, 0, 100000, 1, 64, 0, 3 * MIB + 3, 7};
    enum { N = sizeof sizes / sizeof *sizes };
    char  *data = malloc(4 * MIB), *room = malloc(8 * MIB);
    size_t total = 0;

    for (size_t period = 0; period <= 8; period += 8) {
        sbl_spill_file *file = opened(0);
        sabal_piece     pieces[N];
        sbl_spilled     spilled;
        uint64_t        at = 0;

        fill(data, 4 * MIB, 1, period);
        total = 0;
        for (int i = 0; i < N; i++) {
            pieces[i] = (sabal_piece){data + total, sizes[i]};
            total += sizes[i];
        }
        cr_assert_eq(sbl_spill_write(file, pieces, N, &spilled, NULL), SABAL_OK);
        cr_assert_leq(spilled.size, 8 * MIB);
        memset(room, 0x55, 8 * MIB);
        cr_assert_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_OK);
        for (int i = 0; i < N; i++) {
            uint64_t next = sbl_spill_next(at, sizes[i]);

            cr_expect_eq(at % 64, 0);
            if (sizes[i])
                cr_expect_arr_eq(room + at, pieces[i].data, sizes[i]);
            for (uint64_t k = at + sizes[i]; k < next && k < spilled.size; k++)
                cr_expect_eq(room[k], 0);
            cr_expect_leq(at + sizes[i], spilled.size);
            at = next;
        }
        cr_expect_eq(room[spilled.size], 0x55);
        sbl_spill_close(file);
    }
    free(data);
    free(room);
}

/* Every value holds its own bytes to the end, whatever comes and goes around it. Returns how many did not. */
static int come_and_go(sbl_spill_file *file, uint64_t seed, int rounds)
{
    enum { N = 40 };
    int         wrong      = 0;
    sbl_spilled spilled[N] = {{0}};
    size_t      sizes[N]   = {0};
    uint64_t    seeds[N]   = {0};
    char       *data = sbl_buffer_alloc(3 * MIB), *room = sbl_buffer_alloc(3 * MIB);

    for (int round = 0; round < rounds; round++) {
        int i = (int)(next_random(&seed) % N);

        if (sizes[i]) {
            fill(data, sizes[i], seeds[i], seeds[i] % 3 * 50);
            wrong += sbl_spill_read(file, &spilled[i], room, NULL) || memcmp(data, room, sizes[i]);
            sbl_spill_free(file, &spilled[i]);
            sizes[i] = 0;
        } else {
            sizes[i] = 1 + next_random(&seed) % (next_random(&seed) % 4 ? 100000 : 3 * MIB);
            seeds[i] = next_random(&seed);
            fill(data, sizes[i], seeds[i], seeds[i] % 3 * 50);
            if (sbl_spill_write(file, &(sabal_piece){data, sizes[i]}, 1, &spilled[i], NULL)) {
                sizes[i] = 0;
                wrong++;
            }
        }
    }
    for (int i = 0; i < N; i++)
        if (sizes[i])
            sbl_spill_free(file, &spilled[i]);
    sbl_buffer_free(data, 3 * MIB);
    sbl_buffer_free(room, 3 * MIB);
    return wrong;
}

static _Atomic int n_wrong;

static void *in_thread(void *file)
{
    static _Atomic uint64_t seed = 1;

    n_wrong += come_and_go(file, ++seed * 7919, 250);
    return NULL;
}

Test(spill, values_of_several_threads_do_not_touch_each_other)
{
    sbl_spill_file *file = opened(0);
    pthread_t       threads[6]; /* more than there are lanes */

    for (int i = 0; i < 6; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, in_thread, file), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(n_wrong, 0);
    cr_expect_eq(stats_of(file).bytes_held, 0);
    cr_expect_leq(stats_of(file).bytes_on_disk, (int64_t)(66 * MIB));
    sbl_spill_close(file);
}

Test(spill, space_is_used_again_and_given_back)
{
    sbl_spill_file *file  = opened(0);
    char           *data  = sbl_buffer_alloc(4 * MIB);
    sabal_piece     piece = {data, 4 * MIB};
    sbl_spilled     spilled[50];
    int64_t         full;

    fill(data, 4 * MIB, 1, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++)
            cr_assert_eq(sbl_spill_write(file, &piece, 1, &spilled[i], NULL), SABAL_OK);
        full = stats_of(file).bytes_on_disk;
        cr_expect_geq(full, (int64_t)(200 * MIB));
        cr_expect_leq(full, (int64_t)(268 * MIB));
        for (int i = 0; i < 50; i += 2) /* no two touch: only holes can give them back */
            sbl_spill_free(file, &spilled[i]);
        cr_expect_leq(stats_of(file).bytes_on_disk, (int64_t)(168 * MIB));
        for (int i = 1; i < 50; i += 2)
            sbl_spill_free(file, &spilled[i]);
        cr_expect_leq(stats_of(file).bytes_on_disk, (int64_t)(66 * MIB));
    }
    sbl_spill_close(file);
    sbl_buffer_free(data, 4 * MIB);
}

static int n_names(void)
{
    DIR           *dir = opendir(folder);
    struct dirent *entry;
    int            n = 0;

    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.' || entry->d_name[1] == 's';
    closedir(dir);
    return n;
}

Test(spill, no_name_is_left_while_it_is_open_and_those_of_the_killed_are_swept)
{
    char            path[128];
    sbl_spill_file *file;

    for (int ways = 0; ways < 4; ways++) {
        file = opened(ways);
        there_and_back(file, 100000, 0, 0);
        cr_expect_eq(n_names(), 0);
        sbl_spill_close(file);
    }
    snprintf(path, sizeof path, "%s/.sabal-spill-123-4", folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    cr_expect_eq(n_names(), 1);
    file = opened(SBL_SPILL_NAMED);
    cr_expect_eq(n_names(), 0);
    sbl_spill_close(file);
}

Test(spill, a_named_folder_in_memory_is_refused)
{
    sbl_spill_file *file = NULL;
    sabal_error     err  = SABAL_ERROR_INIT;

    cr_expect_eq(sbl_spill_open(&file, "/dev/shm", &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "the spill folder /dev/shm lies in memory (tmpfs), which spilling is to free: set "
                                  "SABAL_SPILL_FOLDER to a folder on a disk");
    err = (sabal_error)SABAL_ERROR_INIT;
    setenv("SABAL_SPILL_FOLDER", "/dev/shm", 1);
    cr_expect_eq(sbl_spill_open(&file, NULL, &err), SABAL_EINVAL);
    cr_expect_null(file);
}

Test(spill, a_folder_that_is_none_is_refused_by_name)
{
    static const struct {
        const char  *folder, *message;
        sabal_status status;
    } cases[] = {
        {"/nonexistent/x", "the spill folder /nonexistent/x: No such file or directory", SABAL_ENOENT},
        {"/etc/passwd", "the spill folder /etc/passwd is not a folder", SABAL_EINVAL},
    };

    for (size_t i = 0; i < 2; i++) {
        sbl_spill_file *file = NULL;
        sabal_error     err  = SABAL_ERROR_INIT;

        cr_expect_eq(sbl_spill_open(&file, cases[i].folder, &err), cases[i].status);
        cr_expect_str_eq(err.message, cases[i].message);
    }
}

Test(spill, without_a_setting_the_first_folder_on_a_disk_is_taken)
{
    sbl_spill_file *file = NULL;

    setenv("TMPDIR", folder, 1);
    cr_assert_eq(sbl_spill_open(&file, NULL, NULL), SABAL_OK);
    cr_expect_str_eq(sbl_spill_where(file), folder);
    sbl_spill_close(file);
    setenv("TMPDIR", "/dev/shm", 1);
    cr_assert_eq(sbl_spill_open(&file, NULL, NULL), SABAL_OK);
    cr_expect_str_eq(sbl_spill_where(file), "/var/tmp");
    sbl_spill_close(file);
    setenv("SABAL_SPILL_FOLDER", folder, 1);
    cr_assert_eq(sbl_spill_open(&file, NULL, NULL), SABAL_OK);
    cr_expect_str_eq(sbl_spill_where(file), folder);
    sbl_spill_close(file);
}

Test(spill, file_systems_in_memory_and_on_networks_are_known)
{
    static const struct {
        uint64_t      f_type;
        const char   *mount, *name;
        sbl_disk_kind kind;
    } cases[] = {
        {0x01021994, "", "tmpfs", SBL_DISK_MEMORY},
        {0x858458f6, "", "ramfs", SBL_DISK_MEMORY},
        {0x958458f6, "", "hugetlbfs", SBL_DISK_MEMORY},
        {0xef53, "", "", SBL_DISK_LOCAL},
        {0x58465342, "", "", SBL_DISK_LOCAL},
        {0x6969, "nfs4", "NFS", SBL_DISK_NETWORK},
        {0x0bd00bd0, "", "Lustre", SBL_DISK_NETWORK},
        {0x47504653, "", "GPFS", SBL_DISK_NETWORK},
        {0x19830326, "", "BeeGFS", SBL_DISK_NETWORK},
        {0xff534d42, "cifs", "CIFS", SBL_DISK_NETWORK},
        {0x65735546, "fuse.sshfs", "fuse.sshfs", SBL_DISK_NETWORK},
        {0x65735546, "fuse.ntfs-3g", "", SBL_DISK_LOCAL},
        {0x65735546, "fuseblk", "", SBL_DISK_LOCAL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name;

        cr_expect_eq(sbl_disk_kind_of(cases[i].f_type, cases[i].mount, &name), cases[i].kind);
        cr_expect_str_eq(name, cases[i].name);
    }
}

/* A write beyond the limit raises SIGXFSZ, which would end this test. */
Test(spill, the_limit_of_a_files_size_is_told_and_what_was_written_is_given_back)
{
    sbl_spill_file *file = opened(0);
    struct rlimit   old, limit;
    char           *data = sbl_buffer_alloc(4 * MIB), *room = sbl_buffer_alloc(4 * MIB), wanted[400];
    sabal_piece     piece = {data, 4 * MIB};
    sbl_spilled     spilled[4];
    sabal_error     err = SABAL_ERROR_INIT;
    int             n   = 0;

    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){10 * MIB, old.rlim_max};
    fill(data, 4 * MIB, 1, 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    while (n < 4 && sbl_spill_write(file, &piece, 1, &spilled[n], &err) == SABAL_OK)
        n++;
    cr_expect_eq(n, 2);
    cr_expect_eq(err.status, SABAL_ENOSPC);
    snprintf(
        wanted, sizeof wanted,
        "spilling a value of 4194304 bytes: the file in the spill folder %s can't grow by 4194304 bytes from 8388608 "
        "on: this process may write files of 10485760 bytes (RLIMIT_FSIZE, ulimit -f)",
        folder);
    cr_expect_str_eq(err.message, wanted);
    cr_expect_leq(stats_of(file).bytes_on_disk, (int64_t)(10 * MIB));
    cr_expect_eq(sbl_spill_read(file, &spilled[1], room, NULL), SABAL_OK);
    cr_expect_arr_eq(room, data, 4 * MIB);
    sbl_spill_free(file, &spilled[0]);
    cr_expect_eq(sbl_spill_write(file, &piece, 1, &spilled[0], NULL), SABAL_OK);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_expect_eq(sbl_spill_write(file, &piece, 1, &spilled[2], NULL), SABAL_OK);
    sbl_spill_close(file);
    sbl_buffer_free(data, 4 * MIB);
    sbl_buffer_free(room, 4 * MIB);
}

/* The space was had before the limit fell: the write itself fails. */
Test(spill, what_a_failed_write_had_taken_is_given_back)
{
    sbl_spill_file *file = opened(0);
    struct rlimit   old, limit;
    char           *data  = sbl_buffer_alloc(4 * MIB);
    sabal_piece     piece = {data, 4 * MIB};
    sbl_spilled     spilled;
    sabal_error     err = SABAL_ERROR_INIT;
    int64_t         on_disk;

    fill(data, 4 * MIB, 1, 0);
    cr_assert_eq(sbl_spill_write(file, &piece, 1, &spilled, NULL), SABAL_OK);
    on_disk = stats_of(file).bytes_on_disk;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){6 * MIB, old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 40; i++)
        cr_expect_eq(sbl_spill_write(file, &piece, 1, &spilled, i % 2 ? &err : NULL), SABAL_ENOSPC);
    setrlimit(RLIMIT_FSIZE, &old);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(sbl_spill_write(file, &piece, 1, &spilled, NULL), SABAL_OK);
    cr_expect_leq(stats_of(file).bytes_on_disk, on_disk + (int64_t)MIB);
    cr_expect_eq(stats_of(file).bytes_held, (int64_t)(44 * MIB));
    sbl_spill_close(file);
    sbl_buffer_free(data, 4 * MIB);
}

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char    command[400];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

Test(spill, a_full_disk_is_told_and_what_is_free_in_the_file_is_used_before)
{
    char            image[80];
    sbl_spill_file *file;
    char           *data  = sbl_buffer_alloc(4 * MIB);
    sabal_piece     piece = {data, 4 * MIB};
    sbl_spilled     spilled[32];
    sabal_error     err = SABAL_ERROR_INIT;
    int             n   = 0;

    snprintf(image, sizeof image, "%s.img", folder);
    if (run("truncate -s 64M %s && /sbin/mkfs.ext4 -q -F %s && mount -o loop %s %s 2>/dev/null", image, image, image,
            folder)) {
        unlink(image);
        cr_skip_test("needs the right to mount a file as a disk");
    }
    unlink(image);
    file = opened(0);
    fill(data, 4 * MIB, 1, 0);
    while (n < 32 && sbl_spill_write(file, &piece, 1, &spilled[n], &err) == SABAL_OK)
        n++;
    cr_expect_geq(n, 11); /* of 64 MiB, of which ext4 has its share */
    cr_expect_leq(n, 15);
    cr_expect_leq(stats_of(file).bytes_on_disk, (int64_t)((size_t)n * 4 * MIB + MIB));
    cr_expect_eq(err.status, SABAL_ENOSPC);
    cr_expect_not_null(strstr(err.message, "spilling a value of 4194304 bytes: the disk of the spill folder "));
    cr_expect_not_null(strstr(err.message, folder));
    cr_expect_not_null(strstr(err.message, " is full: 4194304 bytes were to be written, "));
    sbl_spill_free(file, &spilled[0]);
    sbl_spill_free(file, &spilled[2]);
    cr_expect_eq(sbl_spill_write(file, &piece, 1, &spilled[0], NULL), SABAL_OK);
    cr_expect_eq(sbl_spill_write(file, &piece, 1, &spilled[2], NULL), SABAL_OK);
    cr_expect_eq(sbl_spill_write(file, &piece, 1, &spilled[n], NULL), SABAL_ENOSPC);
    /* Two gaps, neither large enough: the file gives them back to the disk and grows. */
    sbl_spill_free(file, &spilled[4]);
    sbl_spill_free(file, &spilled[6]);
    cr_expect_eq(sbl_spill_write(file, (sabal_piece[]){piece, piece}, 2, &spilled[4], NULL), SABAL_OK);
    cr_expect_eq(sbl_spill_read(file, &spilled[5], data, NULL), SABAL_OK);
    sbl_spill_close(file);
    sbl_buffer_free(data, 4 * MIB);
    cr_expect_eq(umount(folder), 0); /* nothing of it is in use any more */
}

Test(spill, bytes_that_were_changed_on_the_disk_are_found)
{
    for (size_t period = 0; period <= 100; period += 100) {
        sbl_spill_file *file = opened(SBL_SPILL_BUFFERED);
        char           *data = malloc(MIB), *room = malloc(MIB), byte = 0;
        sbl_spilled     spilled;
        int             fd = fd_of_file(), caught = 0;

        cr_assert_geq(fd, 0);
        fill(data, MIB, 5, period);
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, MIB}, 1, &spilled, NULL), SABAL_OK);
        cr_assert_eq(spilled.packed, period != 0);
        for (uint64_t at = 0; at < spilled.stored; at += spilled.stored / 97) {
            sabal_error err = SABAL_ERROR_INIT;

            cr_assert_eq(pread(fd, &byte, 1, spilled.at + (int64_t)at), 1);
            byte ^= 0x40;
            cr_assert_eq(pwrite(fd, &byte, 1, spilled.at + (int64_t)at), 1);
            caught += sbl_spill_read(file, &spilled, room, &err) == SABAL_EIO && strstr(err.message, folder);
            byte ^= 0x40;
            cr_assert_eq(pwrite(fd, &byte, 1, spilled.at + (int64_t)at), 1);
        }
        cr_expect_geq(caught, 97);
        cr_expect_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_OK);
        cr_assert_eq(ftruncate(fd, spilled.at), 0);
        cr_expect_eq(sbl_spill_read(file, &spilled, room, NULL), SABAL_EIO);
        sbl_spill_close(file);
        free(data);
        free(room);
    }
}

/* Pages of the file that are in the page cache. */
static size_t pages_in_memory(const sbl_spilled *spilled)
{
    size_t         n_pages = spilled->size / 4096, n = 0;
    unsigned char *in_memory = malloc(n_pages);
    void          *mapped    = mmap(NULL, spilled->size, PROT_READ, MAP_SHARED, fd_of_file(), spilled->at);

    cr_assert_neq(mapped, MAP_FAILED);
    cr_assert_eq(mincore(mapped, spilled->size, in_memory), 0);
    for (size_t i = 0; i < n_pages; i++)
        n += in_memory[i] & 1;
    munmap(mapped, spilled->size);
    free(in_memory);
    return n;
}

/* A slice's worth at most. */
Test(spill, pages_do_not_stay_in_memory)
{
    for (int ways = 0; ways < 3; ways += SBL_SPILL_BUFFERED) {
        sbl_spill_file *file = opened(ways);
        size_t          size = 32 * MIB;
        char           *data = sbl_buffer_alloc(size);
        sbl_spilled     spilled;

        fill(data, size, 3, 0);
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, size}, 1, &spilled, NULL), SABAL_OK);
        cr_expect_leq(pages_in_memory(&spilled), 4 * MIB / 4096);
        cr_assert_eq(sbl_spill_read(file, &spilled, data, NULL), SABAL_OK);
        cr_expect_leq(pages_in_memory(&spilled), 4 * MIB / 4096);
        sbl_spill_close(file);
        sbl_buffer_free(data, size);
    }
}

Test(spill, every_failed_allocation_of_the_opening_is_reported)
{
    sabal_memory    before = {.struct_size = sizeof before}, after = before;
    sbl_spill_file *file = NULL;
    sabal_status    st   = SABAL_ENOMEM;

    sabal_memory_get(&before);
    for (int64_t nth = 1; st == SABAL_ENOMEM; nth++) {
        sabal_error err = SABAL_ERROR_INIT;

        cr_assert_lt(nth, 20);
        sbl_alloc_fail(nth, 0);
        st = sbl_spill_open(&file, folder, &err);
        sbl_alloc_fail(0, 0);
        cr_expect_eq(err.status, st);
        cr_expect_eq(st == SABAL_OK, file != NULL);
    }
    cr_expect_eq(st, SABAL_OK);
    cr_expect_eq(fd_of_file() >= 0, 1);
    sbl_spill_close(file);
    cr_expect_eq(fd_of_file(), -1);
    sabal_memory_get(&after);
    cr_expect_eq(after.in_use, before.in_use);
}

Test(spill, once_open_it_needs_no_memory)
{
    sbl_spill_file *file = opened(0);
    char           *data = malloc(MIB);

    fill(data, MIB, 1, 0);
    sbl_alloc_fail(1, 1);
    for (int i = 0; i < 20; i++) {
        sbl_spilled spilled;

        cr_expect_eq(sbl_spill_write(file, &(sabal_piece){data, MIB}, 1, &spilled, NULL), SABAL_OK);
        cr_expect_eq(sbl_spill_read(file, &spilled, data, NULL), SABAL_OK);
        if (i % 2)
            sbl_spill_free(file, &spilled);
    }
    sbl_alloc_fail(0, 0);
    sbl_spill_close(file);
    free(data);
}

/* The table of free space grows with the number of values: the one allocation there is, and it is told. */
Test(spill, a_table_that_cannot_grow_is_told_and_nothing_is_taken)
{
    sbl_spill_file *file = opened(0);
    sabal_error     err  = SABAL_ERROR_INIT;
    sbl_spilled     spilled;
    int             n = 0;

    sbl_alloc_fail(1, 1);
    while (n < 1000 && sbl_spill_write(file, &(sabal_piece){"x", 1}, 1, &spilled, &err) == SABAL_OK)
        n++;
    sbl_alloc_fail(0, 0);
    cr_expect_eq(err.status, SABAL_ENOMEM);
    cr_expect_eq(stats_of(file).bytes_held, n);
    cr_expect_eq(sbl_spill_write(file, &(sabal_piece){"x", 1}, 1, &spilled, NULL), SABAL_OK);
    sbl_spill_close(file);
}

Test(spill, the_counts_are_those_of_the_calls)
{
    sbl_spill_file *file = opened(0);
    char           *data = calloc(1, MIB);
    sbl_spilled     spilled[3];
    sbl_spill_stats stats;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(sbl_spill_write(file, &(sabal_piece){data, MIB}, 1, &spilled[i], NULL), SABAL_OK);
    cr_assert_eq(sbl_spill_read(file, &spilled[0], data, NULL), SABAL_OK);
    sbl_spill_free(file, &spilled[1]);
    stats = stats_of(file);
    cr_expect_eq(stats.n_written, 3);
    cr_expect_eq(stats.n_read, 1);
    cr_expect_eq(stats.bytes_written, (int64_t)(3 * MIB));
    cr_expect_eq(stats.bytes_read, (int64_t)MIB);
    cr_expect_eq(stats.bytes_held, (int64_t)(2 * MIB));
    cr_expect_gt(stats.ns_writing, 0);
    cr_expect_gt(stats.ns_reading, 0);
    sbl_spill_close(file);
    free(data);
}
