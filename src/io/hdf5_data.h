/*
 * What an HDF5 file says about its data sets: names, types, layouts. All of it is asked between sbl_h5_enter() and
 * sbl_h5_leave().
 */
#ifndef SBL_IO_HDF5_DATA_H
#define SBL_IO_HDF5_DATA_H

#include "io/hdf5_chunk.h"
#include "io/hdf5_library.h"

/** An element type of the file. */
typedef struct sbl_h5_type {
    sabal_dtype dtype;    /* what sabal reads it as; 0: it can't            */
    sbl_h5_form form;     /* how it lies there                              */
    int         convert;  /* 1: only the library turns it into dtype        */
    char        name[64]; /* for a person: "float64", "string of 10 bytes"  */
} sbl_h5_type;

void sbl_h5_type_read(sbl_h5_type *type, hid_t file_type);
/** The library's own description of a dtype in memory, and as it is written: as h5py has bool and complex. Ended by
    H5Tclose(); negative if it can't be made. */
hid_t sbl_h5_type_make(sabal_dtype dtype);

typedef struct sbl_h5_filter {
    H5Z_filter_t id;
    unsigned     level; /* its first parameter; 0 if it has none */
    char         name[32];
} sbl_h5_filter;
#define SBL_H5_ALL_FILTERS 8

/** A data set, described. Its strings are its own. */
typedef struct sbl_h5_data {
    sbl_h5_type   type;
    int32_t       ndim; /* -1: a null data space */
    int64_t       shape[SABAL_MAX_NDIM], chunk[SABAL_MAX_NDIM];
    H5D_layout_t  layout;
    int           external, whole_edges; /* raw data in other files; partial edge chunks are not filtered */
    int32_t       n_filters;
    sbl_h5_filter filters[SBL_H5_ALL_FILTERS];
    int64_t       stored_bytes;
} sbl_h5_data;

sabal_status sbl_h5_data_read(sbl_h5_data *data, hid_t dataset, sabal_error *err);
/** SABAL_OK if it can be read; else why not, by name. */
sabal_status sbl_h5_data_check(const sbl_h5_data *data, sabal_error *err);
/** One number for the other files that a data set lies in: which of them are there, their sizes and times. 0: there are none.
    main_file: what was opened, main_about: that file, about: the one in which the data set was found. */
uint64_t sbl_h5_parts(hid_t dataset, const sbl_h5_data *data, const char *main_file, const struct stat *main_about,
                      const struct stat *about);
/** "chunks of (100, 2), shuffle, gzip(4)" */
void sbl_h5_layout_text(char *text, size_t size, const sbl_h5_data *data);

/** All data sets of a file, each once, by its first path, in the order of names. */
typedef struct sbl_h5_names {
    char **names;
    size_t n, room;
    int    no_memory;
} sbl_h5_names;
sabal_status sbl_h5_names_read(sbl_h5_names *names, hid_t group, sabal_error *err);
void         sbl_h5_names_clear(sbl_h5_names *names);
/** Opens the data set of that name (NULL: the only one); a failure lists what there is. */
sabal_status sbl_h5_data_open(hid_t *dataset, hid_t file, const char *name, sabal_error *err);

#endif
