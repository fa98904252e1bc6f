/*
 * Files that are not whole yet: made under a hidden name in the folder of their target, renamed when whole. Their
 * names stand in a table that a signal handler may walk (sabal_remove_partial_files()).
 *
 * Before the rename the data is brought to the disk (fsync), so that what stands under the file's name is whole even
 * after a crash, and so that an error that the disk or the server reports late is reported at all. Writers start
 * that early (sbl_file_write_at()); the setting `fsync` = 0 leaves it away, the errors of close() stay.
 */
#ifndef SBL_IO_PARTIAL_H
#define SBL_IO_PARTIAL_H

#include <sabal/status.h>

typedef struct sbl_partial {
    int   fd;        /* open for reading and writing; -1: closed by its user, who writes by name  */
    char *temporary; /* absolute name of the partial file                                         */
    char *target;    /* absolute name of what it will be; symbolic links followed                 */
    int   slot;      /* in the table                                                              */
    int   settled;   /* sbl_partial_settle() was called                                           */
    int   is_new;    /* set by its user: what has got the target's name meanwhile is not replaced */
} sbl_partial;

/**
 * Makes the file; an existing target keeps its permissions and stays as it is until sbl_partial_finish().
 * Messages don't name the file. Errors: SABAL_ENOENT (the folder), SABAL_EACCES, SABAL_EINVAL (a folder, a device),
 * SABAL_EUNSUPPORTED (too many at once), SABAL_EIO, SABAL_ENOSPC, SABAL_ENOMEM
 */
sabal_status sbl_partial_create(sbl_partial *partial, const char *path, sabal_error *err);
/** Closes it for now: others write it, by name. SABAL_EIO, SABAL_ENOSPC: what was written so far could not be kept. */
sabal_status sbl_partial_close(sbl_partial *partial, sabal_error *err);
/** fsync, close: all that can take long is done. */
sabal_status sbl_partial_settle(sbl_partial *partial, sabal_error *err);
/** The same, and rename; on failure as sbl_partial_abort(). SABAL_EIO if somebody made the target of one that is_new. */
sabal_status sbl_partial_finish(sbl_partial *partial, sabal_error *err);
/** Closes and unlinks. A zeroed partial, and one that was ended, is left alone. */
void sbl_partial_abort(sbl_partial *partial);

#endif
