/* Plain files: opened, read and written at offsets, with messages that say what to do. None names the file. */
#ifndef SBL_IO_FILE_H
#define SBL_IO_FILE_H

#include <stddef.h>
#include <sys/stat.h>

#include <sabal/status.h>

/** Opens for reading what is a regular file. SABAL_ENOENT, SABAL_EACCES, SABAL_EINVAL (a folder, a pipe), SABAL_EIO. */
sabal_status sbl_file_open(int *fd, struct stat *about, const char *path, sabal_error *err);
/** Reads exactly n bytes at an offset (pread, any thread). SABAL_EFORMAT if the file ends before, SABAL_EIO. */
sabal_status sbl_file_read_at(int fd, void *out, size_t n, int64_t offset, sabal_error *err);
/** Writes exactly n bytes at an offset, and starts their way to the disk. SABAL_ENOSPC, SABAL_EIO. */
sabal_status sbl_file_write_at(int fd, const void *data, size_t n, int64_t offset, sabal_error *err);
/** Claims the room for size bytes now, where the file system can: a full disk is told before the work. */
sabal_status sbl_file_reserve(int fd, int64_t size, sabal_error *err);
/** The message for a path that can't be opened or made, from errno: no such folder, no permission, ... */
sabal_status sbl_file_failed(sabal_error *err, int error_number, const char *path, int to_write);
/** The end of a path, which tells more than its beginning, for a message; *dots "..." if it was cut. */
const char *sbl_file_shown(const char **dots, const char *path);
/** Puts "path: " or "path:dataset: " (cut to their ends if long) before the failure, and passes it on to err. */
sabal_status sbl_file_pass(sabal_error *err, sabal_error *failure, const char *path, const char *dataset);
/** The same of a process that works for another, which is named behind (base/here.h). */
sabal_status sbl_file_pass_here(sabal_error *err, sabal_error *failure, const char *path, const char *dataset);

#endif
