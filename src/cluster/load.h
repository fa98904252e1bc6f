/* A worker takes in code that it lacks: a library where it lies, a program as a private copy. */
#ifndef SBL_CLUSTER_LOAD_H
#define SBL_CLUSTER_LOAD_H

#include "base/code.h"

/** For who offers code: opens the file of an object of this process and looks whether another can load it. The
    descriptor is the caller's. Errors: SABAL_EUNSUPPORTED (sbl_elf_look()), SABAL_EIO (a file that is gone or was
    replaced since it was loaded). */
sabal_status sbl_object_open(int *fd, char *path, size_t size, const sbl_build_id *id, sabal_error *err);
/**
 * Loads an object for good. fd: its file (stays the caller's); path: where it lies on the other side, "" for a program.
 * libraries: paths of what was loaded there, n of them, in case it needs some that aren't found here by name.
 * Errors: those of sbl_elf_look(), SABAL_EUNSUPPORTED (the loader refuses it: its words), SABAL_EIO, SABAL_ENOMEM.
 */
sabal_status sbl_object_load(int fd, const char *path, const sbl_build_id *id, const char *const *libraries, int32_t n,
                             sabal_error *err);
/** The paths of all objects of this process but the program, one after the other, each ended by 0, up to size bytes;
    returns how many. */
int32_t sbl_object_list(char *paths, size_t size);

#endif
