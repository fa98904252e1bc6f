/* Which folder spilled data goes to, and the nameless file in it. */
#ifndef SBL_GRAPH_SPILL_FOLDER_H
#define SBL_GRAPH_SPILL_FOLDER_H

#include <stdint.h>

#include <sabal/status.h>

/* What a file system keeps its files on. */
typedef enum sbl_disk_kind { SBL_DISK_LOCAL, SBL_DISK_NETWORK, SBL_DISK_MEMORY } sbl_disk_kind;

/**
 * The kind of a file system by the f_type of statfs() and, of those that f_type doesn't tell apart, the type of its
 * mount ("fuse.sshfs"). name gets what to call it, "" if it has no name here.
 */
sbl_disk_kind sbl_disk_kind_of(uint64_t f_type, const char *mount_type, const char **name);

/* Ways that tests insist on; 0: the best one that the file system knows. */
enum { SBL_SPILL_NAMED = 1, SBL_SPILL_BUFFERED = 2 };

/** What was opened: a file of length 0 without a name. The caller closes fd and frees folder (sbl_free()). */
typedef struct sbl_spill_opened {
    int   fd;
    int   direct; /* 1: O_DIRECT is on */
    char *folder;
} sbl_spill_opened;
/** The folder `named`, or NULL for the choice that spill_file.h tells. Errors: as sbl_spill_open(). */
sabal_status sbl_spill_folder_open(sbl_spill_opened *opened, const char *named, int ways, sabal_error *err);

struct sbl_spill_file;
/** sbl_spill_open() by such ways. */
sabal_status sbl_spill_open_by(struct sbl_spill_file **file, const char *folder, int ways, sabal_error *err);

#endif
