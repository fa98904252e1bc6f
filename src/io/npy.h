/*
 * NumPy's .npy format: "\x93NUMPY", two bytes of version, the length of the header, the header (a Python dict as
 * text), then the elements. Source: numpy.lib.format, NEP 1.
 */
#ifndef SBL_IO_NPY_H
#define SBL_IO_NPY_H

#include <sabal/value.h>

enum {
    SBL_NPY_MAX_NDIM   = 64,      /* NumPy's own; of these we read SABAL_MAX_NDIM */
    SBL_NPY_MAX_HEADER = 1 << 20, /* NumPy refuses more than 10,000 bytes         */
    SBL_NPY_DESCR      = 128
};

typedef struct sbl_npy_header {
    int64_t     data_at;              /* offset of the first element                           */
    char        descr[SBL_NPY_DESCR]; /* as it stands in the file, cut; "[..." of a structure     */
    sabal_dtype dtype;                /* 0: one we don't read                                  */
    int         swapped;              /* the other byte order                                  */
    int         fortran;
    int32_t     ndim;
    int64_t     shape[SBL_NPY_MAX_NDIM];
} sbl_npy_header;

/** Reads it from the file's start. SABAL_EFORMAT (what, at which offset), SABAL_EUNSUPPORTED (version), SABAL_EIO. */
sabal_status sbl_npy_header_read(sbl_npy_header *header, int fd, int64_t file_size, sabal_error *err);
/** The text alone, which stands at offset in the file (for messages). */
sabal_status sbl_npy_header_parse(sbl_npy_header *header, const char *text, size_t n, int64_t offset, sabal_error *err);
/** Sets dtype and swapped from descr. */
void sbl_npy_descr_parse(sbl_npy_header *header);
/** What a dtype that we don't read is called ("float16"), and what to do about it. */
const char *sbl_npy_descr_name(const sbl_npy_header *header, const char **advice);

enum { SBL_NPY_HEADER_ROOM = 1024 };
/** Writes a header as NumPy does (version 1.0); returns its length, a multiple of 64, at most SBL_NPY_HEADER_ROOM. */
size_t sbl_npy_header_write(char *room, sabal_dtype dtype, int32_t ndim, const int64_t *shape);

#endif
