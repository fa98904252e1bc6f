/*
 * Which file a path meant when somebody looked. What is done by several processes names its files by path, and may find
 * another file there: a worker has other folders mounted, or the file was replaced meanwhile.
 */
#ifndef SBL_IO_IDENTITY_H
#define SBL_IO_IDENTITY_H

#include <sys/stat.h>

#include <sabal/status.h>

typedef struct sbl_identity {
    int64_t  size, mtime_ns;
    uint64_t device, inode; /* of the machine: the same file may have others on the next */
    uint64_t machine;       /* of base/here.h */
} sbl_identity;

void sbl_identify(sbl_identity *identity, const struct stat *about);
/** 1 if both may be the same file. Where inodes of both can be compared they count; else size and time do. */
int sbl_identity_same(const sbl_identity *a, const sbl_identity *b);
/** Looks up the file that the program meant by a path. Errors, which name the file and this process: those of
    sbl_file_failed() if it is not to be seen; SABAL_EIO if another is there, with what differs. */
sabal_status sbl_identity_find(sbl_identity *found, const char *path, const sbl_identity *meant, sabal_error *err);
/** "PLACE does not see 'PATH', which this program WHAT (reason): advice", by errno. */
sabal_status sbl_identity_missing(sabal_error *err, int error_number, const char *path, const char *what);
#endif
