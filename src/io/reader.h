/*
 * An array in a file, as its readers see it: shape, dtype, and "give me these rows". Readers are counted and shared:
 * two opens of the same unchanged file give the same reader, so that a task can name its file by path.
 */
#ifndef SBL_IO_READER_H
#define SBL_IO_READER_H

#include <sabal/file.h>

#include "io/identity.h"
#include "value/value.h"

typedef struct sbl_reader sbl_reader;

typedef struct sbl_reader_class {
    /* Fills out with rows first .. first + n in C order, machine byte order. Any thread, several at once. */
    sabal_status (*read_rows)(sbl_reader *reader, int64_t first, int64_t n, void *out, sabal_error *err);
    void (*close)(sbl_reader *reader); /* frees it, but not path and dataset */
} sbl_reader_class;

/* A format's open() makes it zeroed (usually as the first member of more) and fills the second half. */
struct sbl_reader {
    _Atomic int32_t refs;
    sbl_reader     *next;           /* of the cache */
    int64_t         unused_since;   /* by sbl_clock_ns(), while refs is 0 */
    const char     *format;         /* "npy" or "hdf5" */
    char           *path, *dataset; /* the path absolute; dataset NULL for .npy, and for the only one there is */
    sbl_identity    identity;       /* when it was opened */
    uint64_t        parts;          /* of HDF5: the other files that the data lies in (sbl_h5_parts()); 0: none */

    const sbl_reader_class *class;
    sabal_dtype dtype;
    int32_t     ndim; /* at least 1 */
    int64_t     shape[SABAL_MAX_NDIM];
    int64_t     natural_rows; /* rows of the file's own chunks; 0: rows may be cut anywhere */
};

/** Opens (or shares) the reader of a path, which stays where it is when the program changes its folder later; dataset only for
    HDF5 (NULL there: the only one). By the name's ending unless format says "npy" or "hdf5". The errors are those of sabal_array_read_npy() and _hdf5(). */
sabal_status sbl_reader_open(sbl_reader **reader, const char *format, const char *path, const char *dataset,
                             sabal_error *err);
/** The same for a task, of the file that the program meant by this absolute path: if another is there, or its other parts are,
    that is an error, which names this process (sbl_identity_find()). */
sabal_status sbl_reader_open_meant(sbl_reader **reader, const char *format, const char *path, const char *dataset,
                                   const sbl_identity *meant, uint64_t parts, sabal_error *err);
/** Reads; checks the range. */
sabal_status sbl_reader_rows(sbl_reader *reader, int64_t first, int64_t n, void *out, sabal_error *err);
sbl_reader  *sbl_reader_retain(sbl_reader *reader);
/** A worker keeps the last few that it used open for some seconds: the next task is likely to read there too. */
void sbl_reader_release(sbl_reader *reader);

/** "FILE.h5:DATASET" cut into its parts; *format "npy" or "hdf5" by the ending. SABAL_EINVAL names the endings. */
sabal_status sbl_path_split(char **path, char **dataset, const char **format, const char *text, sabal_error *err);

/** A copy of path, freed by the caller, that means the same in every folder. Links are kept: they may lead elsewhere later. */
sabal_status sbl_path_absolute(char **absolute, const char *path, sabal_error *err);

/* The formats. Their messages don't name the file: the calls above (and sabal_file_list()) put "path: " or
   "path:dataset: " in front. */
sabal_status sbl_npy_open(sbl_reader **reader, const char *path, sabal_error *err);
sabal_status sbl_hdf5_open(sbl_reader **reader, const char *path, const char *dataset, sabal_error *err);
sabal_status sbl_npy_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err);
sabal_status sbl_hdf5_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err);

#endif
