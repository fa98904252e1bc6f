#include "graph/spill_file.h"

#include <stdarg.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <sabal/memory.h>

#include "graph/spill.h"

TestSuite(full, .init = make_folder, .fini = remove_folder);

Test(full, space_is_used_again_and_given_back)
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

/* A write beyond the limit raises SIGXFSZ, which would end this test. */
Test(full, the_limit_of_a_files_size_is_told_and_what_was_written_is_given_back)
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
Test(full, what_a_failed_write_had_taken_is_given_back)
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

Test(full, a_full_disk_is_told_and_what_is_free_in_the_file_is_used_before)
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
