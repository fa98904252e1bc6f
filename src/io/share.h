/*
 * A file that one process makes and several fill: each opens it by name, writes rows where they belong, and closes it before
 * it says that they are written. The maker has it closed meanwhile, and opens it again when all have said so: what file
 * servers promise (NFS: close-to-open) is that then everybody's bytes are there.
 *
 * Who fills it opens it for writing alone and never maps it: so a machine that has written a part of a page sends that part,
 * and not what it takes the rest of the page for.
 */
#ifndef SBL_IO_SHARE_H
#define SBL_IO_SHARE_H

#include "io/identity.h"
#include "io/writer.h"

/** What others have to know, as it travels; the two texts go with it. */
typedef struct sbl_share {
    int64_t      data_at, row_bytes, n_rows; /* row i lies at data_at + i * row_bytes */
    sbl_identity identity;                   /* of the file, as its maker sees it; its time says nothing */
    int64_t      to_disk;                    /* 1: it has to be on the disk before it gets its name */
} sbl_share;

/** 1 if a writer's file can be filled by several processes: its data lies in one piece. */
static inline int sbl_writer_is_flat(const sbl_writer *writer)
{
    return writer->flat.partial != NULL;
}
/**
 * Closes the file, which has its full length now, for others to fill. path: its name of now, absolute, as everybody sees it;
 * freed by the caller. From now on rows are written by sbl_share_open() and its kin alone, and told by sbl_writer_told().
 */
sabal_status sbl_writer_share(sbl_share *share, char **path, sbl_writer *writer, sabal_error *err);

/** Opens it, for one part. target: what it will be, for messages, which name this process too.
    Errors: SABAL_ENOENT and its kin (it is not to be seen here), SABAL_EIO (another is) */
sabal_status sbl_share_open(int *fd, const sbl_share *share, const char *path, const char *target, sabal_error *err);
sabal_status sbl_share_write(int fd, const sbl_share *share, const char *target, int64_t first, int64_t n,
                             const void *data, sabal_error *err);
/** Waits, where others are on other machines, until it is there for them. Closes it in any case. SABAL_EIO, SABAL_ENOSPC. */
sabal_status sbl_share_close(int fd, const sbl_share *share, const char *target, sabal_error *err);

#endif
