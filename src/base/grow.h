/*
 * The system's calls that may make a file longer, also one of shared memory. Past RLIMIT_FSIZE (ulimit -f) the system raises
 * SIGXFSZ in the calling thread, which ends a process that has not thought of it; here the call fails with EFBIG, and that is
 * all.
 */
#ifndef SBL_BASE_GROW_H
#define SBL_BASE_GROW_H

#include <stddef.h>
#include <sys/types.h>

ssize_t sbl_grow_write(int fd, const void *data, size_t n);
ssize_t sbl_grow_pwrite(int fd, const void *data, size_t n, off_t offset);
/** copy_file_range(), from where both stand. */
ssize_t sbl_grow_copy(int to, int from, size_t n);
int     sbl_grow_truncate(int fd, off_t size);
int     sbl_grow_allocate(int fd, off_t offset, off_t size);
/** What to do where one failed with EFBIG: raise the limit if there is one, else use another file system. For the end of a
    message. */
const char *sbl_grow_advice(void);

#endif
