/*
 * Chunks of an HDF5 data set as plain memory: undo the filters, turn the byte order, put the rows where they belong.
 * Knows nothing of the HDF5 library, so that it runs in many threads at once and can be tested byte by byte.
 */
#ifndef SBL_IO_HDF5_CHUNK_H
#define SBL_IO_HDF5_CHUNK_H

#include <sabal/value.h>

/* HDF5's own numbers of the filters that are done here; the rest is the library's business. */
enum { SBL_H5_DEFLATE = 1, SBL_H5_SHUFFLE = 2, SBL_H5_FLETCHER32 = 3 };
#define SBL_H5_MAX_FILTERS 3

/** How elements lie in the file. */
typedef struct sbl_h5_form {
    size_t  size;    /* bytes of an element                                                     */
    int32_t swap;    /* bytes of the numbers whose order has to be turned; 0: none               */
    int32_t is_bool; /* anything but 0 means 1                                                   */
} sbl_h5_form;

/** The grid of chunks of a data set and what was done to each. */
typedef struct sbl_h5_grid {
    int32_t     ndim;
    int64_t     shape[SABAL_MAX_NDIM], chunk[SABAL_MAX_NDIM]; /* extents >= 1 of chunk */
    int64_t     count[SABAL_MAX_NDIM];                        /* chunks along each axis */
    int64_t     n_inner;                                      /* chunks of one row of the grid: axes 1 .. */
    int64_t     n_chunks;
    size_t      chunk_bytes;
    sbl_h5_form form;
    int32_t     n_filters;
    int32_t     filters[SBL_H5_MAX_FILTERS]; /* in the order of writing */
    char        fill[16];                    /* an element of a chunk that is not there, in machine order */
} sbl_h5_grid;

/** Fills count, n_inner, n_chunks and chunk_bytes from the rest. SABAL_EFORMAT if they are beyond reason. */
sabal_status sbl_h5_grid_finish(sbl_h5_grid *grid, sabal_error *err);
/** 1 if these filters, in this order, can be undone here. */
int sbl_h5_can_decode(const int32_t *filters, int32_t n_filters);

/** Turns n elements into what sabal has in memory, in place. */
void sbl_h5_fix(void *data, int64_t n, const sbl_h5_form *form);

/** The shuffle filter: byte j of all elements together; bytes past the last whole element stay behind. */
void sbl_h5_shuffle(void *out, const void *in, size_t n_bytes, size_t element_size);
void sbl_h5_unshuffle(void *out, const void *in, size_t n_bytes, size_t element_size);
/** The checksum of the fletcher32 filter. */
uint32_t sbl_h5_fletcher32(const void *data, size_t size);

/** Room for decoding, one for each thread at work. Zero it first. */
typedef struct sbl_h5_scratch {
    void  *raw, *work[2], *chunk;
    size_t raw_size, work_size[2], chunk_size;
    void  *inflater;
} sbl_h5_scratch;
/** Makes one of the rooms at least size bytes large; what was in it is lost. */
sabal_status sbl_h5_grow(void **room, size_t *have, size_t size, const char *what, sabal_error *err);
void         sbl_h5_scratch_clear(sbl_h5_scratch *scratch);

/**
 * Undoes the filters of one chunk (those whose bit is not set in mask): size bytes as they lie in the file become
 * grid->chunk_bytes of elements in machine order. SABAL_EFORMAT, SABAL_ENOMEM.
 */
sabal_status sbl_h5_decode(void *out, const sbl_h5_grid *grid, const void *raw, size_t size, uint32_t mask,
                           sbl_h5_scratch *scratch, sabal_error *err);

/** Where chunk number i begins within rows first .. first + n in C order, if all of it lies there as it is; else -1. */
int64_t sbl_h5_chunk_inside(const sbl_h5_grid *grid, int64_t i, int64_t first, int64_t n);
/** Copies the part of a decoded chunk (NULL: of the fill value) that belongs to rows first .. first + n into out. */
void sbl_h5_place(void *out, int64_t first, int64_t n, const sbl_h5_grid *grid, int64_t i, const void *chunk);
/** The part of rows first .. first + n, in a whole chunk's order, padded with zeros: what the writer stores. */
void sbl_h5_gather(void *chunk, const sbl_h5_grid *grid, int64_t i, const void *data, int64_t first, int64_t n);
/** "(3, 0)" of chunk number i. Returns text. */
char *sbl_h5_chunk_name(char text[64], const sbl_h5_grid *grid, int64_t i);

#endif
