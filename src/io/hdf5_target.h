/*
 * The file that is there already under the name that is written: the partial file begins as its copy, and takes its
 * place only if it is still what was copied.
 */
#ifndef SBL_IO_HDF5_TARGET_H
#define SBL_IO_HDF5_TARGET_H

#include <sys/stat.h>

#include "io/partial.h"

/**
 * Copies what is under the partial file's target into it; where nothing is, it stays empty. path: the target by the
 * user's name. before: becomes what it was, st_ino 0: nothing; no word of it holds after a failure. Messages don't
 * name the file.
 * Errors: those of sbl_file_open(), _read_at() and _write_at(); SABAL_EFORMAT (it is not HDF5), SABAL_ENOMEM
 */
sabal_status sbl_h5_target_copy(struct stat *before, const sbl_partial *partial, const char *path, sabal_error *err);
/** SABAL_EIO if somebody else has changed, made or removed it since: what they did must not be lost. */
sabal_status sbl_h5_target_check(const struct stat *before, const sbl_partial *partial, sabal_error *err);

#endif
