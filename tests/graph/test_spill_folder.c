#include "graph/spill_folder.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <sabal/memory.h>

#include "graph/spill.h"

TestSuite(folder, .init = make_folder, .fini = remove_folder);

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

Test(folder, no_name_is_left_while_it_is_open_and_those_of_the_killed_are_swept)
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

Test(folder, a_named_folder_in_memory_is_refused)
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

Test(folder, a_folder_that_is_none_is_refused_by_name)
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

Test(folder, without_a_setting_the_first_folder_on_a_disk_is_taken)
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

Test(folder, file_systems_in_memory_and_on_networks_are_known)
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

/* An overlay is as its upper folder is. */
Test(folder, an_overlay_over_memory_is_memory)
{
    char            upper[] = "/dev/shm/sabal-test-XXXXXX", command[400];
    sbl_spill_file *file    = NULL;
    sabal_error     err     = SABAL_ERROR_INIT;

    cr_assert_not_null(mkdtemp(upper));
    snprintf(
        command, sizeof command,
        "mkdir %s/u %s/w && mount -t overlay overlay -o lowerdir=/var/tmp,upperdir=%s/u,workdir=%s/w %s 2>/dev/null",
        upper, upper, upper, upper, folder);
    if (system(command) == 0) {
        cr_expect_eq(sbl_spill_open(&file, folder, &err), SABAL_EINVAL);
        cr_expect_not_null(strstr(err.message, "lies in memory (tmpfs)"));
        cr_expect_eq(umount(folder), 0);
    } else {
        err.status = SABAL_EACCES; /* told when the folders are gone */
    }
    snprintf(command, sizeof command, "rm -rf %s", upper);
    cr_expect_eq(system(command), 0);
    if (err.status == SABAL_EACCES)
        cr_skip_test("needs the right to mount an overlay");
}
