/* What files hold, and files that are not whole yet. Reading and storing arrays is in <sabal/array.h>. */
#ifndef SABAL_FILE_H
#define SABAL_FILE_H

#include <sabal/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The partial files that stores of this process are writing now, to be removed by a program that is interrupted:
    calls unlink() for each and nothing else, so that a signal handler may call it. */
SABAL_API void sabal_remove_partial_files(void);

/** One array that a file holds. */
typedef struct sabal_file_entry {
    size_t         struct_size;
    const char    *name;  /* "/group/data"; NULL for .npy                          */
    const char    *dtype; /* "float64", or what the file calls a type sabal lacks  */
    int32_t        ndim;
    const int64_t *shape;
    const char    *layout; /* "contiguous", "chunks of (100, 2), shuffle, gzip(4)", "Fortran order" ... */
    int64_t        stored_bytes;
    int32_t        readable; /* 1 if sabal can read it */
} sabal_file_entry;
/** Gets one entry, valid during the call; returns 0 to go on. */
typedef int32_t sabal_file_fn(void *user, const sabal_file_entry *entry);
/**
 * Calls fn for each array in a .npy or HDF5 file, until fn returns something else than 0.
 * Errors: SABAL_ENOENT, SABAL_EACCES, SABAL_EIO, SABAL_EFORMAT, SABAL_EINVAL (neither, by the name's ending)
 */
SABAL_API sabal_status sabal_file_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err);

#ifdef __cplusplus
}
#endif
#endif
