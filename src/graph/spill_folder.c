/*
 * Memory that is spilled to a folder in memory is not saved, so the file system is asked what it is. The file is made
 * without a name (O_TMPFILE); where that is unknown it gets one for the moment until it is unlinked.
 */
#include "graph/spill_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/log.h"

#define PREFIX ".sabal-spill-"

enum { FUSE = 0x65735546, OVERLAY = 0x794c7630 };

sbl_disk_kind sbl_disk_kind_of(uint64_t f_type, const char *mount_type, const char **name)
{
    static const struct {
        uint64_t      f_type;
        sbl_disk_kind kind;
        const char   *name;
    } TYPES[] = {
        {0x01021994, SBL_DISK_MEMORY, "tmpfs"},     {0x858458f6, SBL_DISK_MEMORY, "ramfs"},
        {0x958458f6, SBL_DISK_MEMORY, "hugetlbfs"}, {0x6969, SBL_DISK_NETWORK, "NFS"},
        {0x0bd00bd0, SBL_DISK_NETWORK, "Lustre"},   {0x47504653, SBL_DISK_NETWORK, "GPFS"},
        {0x19830326, SBL_DISK_NETWORK, "BeeGFS"},   {0xff534d42, SBL_DISK_NETWORK, "CIFS"},
        {0xfe534d42, SBL_DISK_NETWORK, "SMB"},      {0x517b, SBL_DISK_NETWORK, "SMB"},
        {0x00c36400, SBL_DISK_NETWORK, "Ceph"},     {0x5346414f, SBL_DISK_NETWORK, "AFS"},
        {0x01021997, SBL_DISK_NETWORK, "9P"},       {0x20030528, SBL_DISK_NETWORK, "OrangeFS"},
        {0xaad7aaea, SBL_DISK_NETWORK, "PanFS"},
    };
    static const char *const FUSES[] = {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.juicefs",
                                        "fuse.s3fs",  "fuse.rclone",    "fuse.beegfs",    "fuse.curlftpfs",
                                        "fuse.davfs", "fuse.gcsfuse",   "fuse.cvmfs2",    "fuse.moosefs",
                                        "fuse.mfs",   "fuse.seaweedfs"};

    *name = "";
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (TYPES[i].f_type == f_type) {
            *name = TYPES[i].name;
            return TYPES[i].kind;
        }
    for (size_t i = 0; f_type == FUSE && i < sizeof FUSES / sizeof *FUSES; i++)
        if (!strcmp(FUSES[i], mount_type)) {
            *name = FUSES[i];
            return SBL_DISK_NETWORK;
        }
    return SBL_DISK_LOCAL;
}

/* The mount that holds a device's files: its type, and its options for the file system itself. 0: not found. */
static int find_mount(dev_t device, char type[64], char options[4096])
{
    FILE  *file  = fopen("/proc/self/mountinfo", "re");
    char  *line  = NULL;
    size_t room  = 0;
    int    found = 0;

    while (file && !found && getline(&line, &room, file) > 0) {
        unsigned    major, minor;
        const char *dash = strstr(line, " - ");

        found = dash && sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 && makedev(major, minor) == device &&
                sscanf(dash, " - %63s %*s %4095[^\n]", type, options) == 2;
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}

/* An overlay is as its upper folder is, where that can be seen from here (in a container it often can't). */
static sbl_disk_kind kind_of_overlay(const char *options, const char **name)
{
    const char   *upper = strstr(options, "upperdir=");
    char          path[4096];
    struct statfs fs;

    *name = "";
    if (!upper || sscanf(upper, "upperdir=%4095[^,\n]", path) != 1 || statfs(path, &fs))
        return SBL_DISK_LOCAL;
    return sbl_disk_kind_of((uint64_t)(uint32_t)fs.f_type, "", name);
}

static sbl_disk_kind kind_of_folder(const struct stat *folder, const struct statfs *fs, const char **name)
{
    uint64_t f_type   = (uint32_t)fs->f_type;
    char     type[64] = "", options[4096] = "";
    int      has_to_ask = f_type == FUSE || f_type == OVERLAY;

    if (has_to_ask)
        find_mount(folder->st_dev, type, options);
    return f_type == OVERLAY ? kind_of_overlay(options, name) : sbl_disk_kind_of(f_type, type, name);
}

/* A name of ours that is left over belongs to a process that was killed between two calls, or is about to unlink it
   itself: in either case it may go. */
static void sweep(const char *folder)
{
    DIR           *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (!strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static int make_named(const char *folder, int flags)
{
    char path[4096];
    int  fd;

    if (snprintf(path, sizeof path, "%s/" PREFIX "%d-%llx", folder, (int)getpid(), (long long)sbl_clock_ns()) >=
        (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd >= 0 || errno == EINVAL) /* EINVAL: some make the file, then find that they don't know O_DIRECT */
        unlink(path);
    return fd;
}

static int make_nameless(const char *folder, int flags)
{
    return open(folder, O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC | flags, 0600);
}

/* -1 with errno if no file can be made. */
static int make_file(const char *folder, int ways, int *direct)
{
    int named = ways & SBL_SPILL_NAMED, fd;

    *direct = !(ways & SBL_SPILL_BUFFERED);
    for (;;) {
        fd = (named ? make_named : make_nameless)(folder, *direct ? O_DIRECT : 0);
        if (fd >= 0 && named)
            sweep(folder);
        if (fd >= 0)
            return fd;
        if (!named && (errno == EOPNOTSUPP || errno == EISDIR))
            named = 1;
        else if (*direct && errno == EINVAL)
            *direct = 0;
        else if (errno != EINTR)
            return -1;
    }
}

/* SABAL_END: it lies in memory, and name says what it is. */
static sabal_status try_folder(sbl_spill_opened *opened, const char *folder, int ways, const char **name,
                               sabal_error *err)
{
    struct stat   st;
    struct statfs fs;
    sbl_disk_kind kind;

    if (stat(folder, &st) || statfs(folder, &fs))
        return sbl_error_errno(err, errno, "the spill folder %s", folder);
    if (!S_ISDIR(st.st_mode))
        return sbl_error_set(err, SABAL_EINVAL, "the spill folder %s is not a folder", folder);
    kind = kind_of_folder(&st, &fs, name);
    if (kind == SBL_DISK_MEMORY)
        return SABAL_END;
    opened->folder = sbl_strdup(folder);
    if (!opened->folder)
        return sbl_error_memory(err, strlen(folder) + 1, "the name of the spill folder");
    opened->fd = make_file(folder, ways, &opened->direct);
    if (opened->fd < 0) {
        int number = errno;

        sbl_free(opened->folder);
        return sbl_error_errno(err, number, "making a file in the spill folder %s", folder);
    }
    if (kind == SBL_DISK_NETWORK)
        sbl_log(SABAL_LOG_WARN,
                "the spill folder %s is on a network file system (%s): a disk of this node is faster; "
                "SABAL_SPILL_FOLDER names one",
                folder, *name);
    return SABAL_OK;
}

static sabal_status open_named(sbl_spill_opened *opened, const char *folder, int ways, sabal_error *err)
{
    const char  *name;
    sabal_status st = try_folder(opened, folder, ways, &name, err);

    if (st == SABAL_END)
        return sbl_error_set(err, SABAL_EINVAL,
                             "the spill folder %s lies in memory (%s), which spilling is to free: set "
                             "SABAL_SPILL_FOLDER to a folder on a disk",
                             folder, name);
    return st;
}

/* Cut where the record of an error would cut it. */
static void add_reason(char *reasons, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add_reason(char *reasons, size_t size, const char *format, ...)
{
    size_t  used = strlen(reasons);
    va_list args;

    va_start(args, format);
    vsnprintf(reasons + used, size - used, format, args);
    va_end(args);
}

static sabal_status open_first(sbl_spill_opened *opened, int ways, sabal_error *err)
{
    const char *const folders[]    = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    char              reasons[400] = "";

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        sabal_error  why = SABAL_ERROR_INIT;
        const char  *name;
        sabal_status st;

        if (!folders[i] || !*folders[i])
            continue;
        st = try_folder(opened, folders[i], ways, &name, &why);
        if (st == SABAL_OK)
            return st;
        if (st == SABAL_ENOMEM)
            return sbl_error_pass(err, &why);
        if (st == SABAL_END)
            add_reason(reasons, sizeof reasons, "; %s lies in memory (%s)", folders[i], name);
        else
            add_reason(reasons, sizeof reasons, "; %s", why.message);
    }
    return sbl_error_set(err, SABAL_ENOENT,
                         "no folder on a disk for what doesn't fit in memory: set SABAL_SPILL_FOLDER to one%s",
                         reasons);
}

sabal_status sbl_spill_folder_open(sbl_spill_opened *opened, const char *named, int ways, sabal_error *err)
{
    char setting[4096];

    if (!named && sbl_config_text("spill_folder", setting, sizeof setting))
        named = setting;
    return named ? open_named(opened, named, ways, err) : open_first(opened, ways, err);
}
