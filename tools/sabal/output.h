/*
 * Where results go: looked at before the work starts, so that hours are not lost to a mistyped folder; written
 * under another name and renamed when whole, so that nobody ever sees half a file.
 */
#ifndef SABAL_TOOL_OUTPUT_H
#define SABAL_TOOL_OUTPUT_H

#include <limits.h>
#include <sys/types.h>

#include <sabal/sabal.h>

typedef struct output {
    char  path[PATH_MAX];  /* of the file: links followed, a data set cut off; "" if there is no such output */
    char  place[PATH_MAX]; /* the same, absolute and without links, whatever the user called it              */
    char  dataset[256];    /* "" if none was given; else "/group/name"                                       */
    int   exists;
    dev_t device; /* of what exists */
    ino_t inode;
} output;

/**
 * Cuts "FILE.h5:DATASET" in two at the colon behind an HDF5 ending, unless a file of the whole name exists.
 * Returns 1, or 0 if a part is too long.
 */
int output_split(char *path, size_t path_size, char *dataset, size_t dataset_size, const char *text);
/** Whether path ends in an HDF5 ending (.h5, .hdf5, .he5, .nc), and in ending, in any case of letters. */
int output_is_hdf5(const char *path);
int output_has_ending(const char *path, const char *ending);

/**
 * Fills *out from what the user wrote (NULL: no output), and says at once what would fail later: no such folder,
 * no permission, a directory, a device, the input itself (may be NULL), a data set that is there already (those are
 * never overwritten). CLI_GO_ON, or the status to exit with.
 */
int output_check(output *out, const char *text, const char *input);
/** Writes array there: into a data set (default_name if none was given) of an HDF5 file, which is added to if a data
    set was given and made anew if not; else as .npy. */
sabal_status output_store(const output *out, const sabal_array *array, const char *default_name, sabal_error *err);
/** Whether one of two outputs would take the other's place: one file, and not two data sets of it that are named. */
int output_same(const output *a, const output *b);
/** Whether an output is the file at path, which may be NULL. */
int output_is_file(const output *out, const char *path);

/**
 * A name in path's folder for a file that is not whole yet; removed by output_remove_partial() until
 * output_commit() renames it to path or output_abort() removes it. One at a time. NULL if path is too long.
 */
const char *output_begin(const char *path);
/** 0, or -1 with errno set and the file removed. */
int  output_commit(const char *path);
void output_abort(void);
/** Async-signal-safe. */
void output_remove_partial(void);

#endif
