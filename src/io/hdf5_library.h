/*
 * The HDF5 library, kept on a lead: every call of it is made between sbl_h5_enter() and sbl_h5_leave(), which hold
 * one lock, silence its printing and put the host's setting back. Nothing of it stays open or registered after,
 * except while a file is written.
 *
 * Files are seen through a driver of ours: it tells why reading or writing failed, takes no file locks, and can
 * answer the one question that HDF5 1.10 answers slowly: where does this chunk lie?
 */
#ifndef SBL_IO_HDF5_LIBRARY_H
#define SBL_IO_HDF5_LIBRARY_H

#include <hdf5.h>
#include <sys/stat.h>

#include <sabal/value.h>

void sbl_h5_enter(void);
void sbl_h5_leave(void);

/** "what: <the library's innermost reason>", or what the driver knows better (the disk is full, the file is cut
    short). To be called before any other call of the library. */
sabal_status sbl_h5_error(sabal_error *err, sabal_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** 1 if the driver met trouble that the library passed over in silence: a part of a virtual data set that is there and
    can't be read would be the fill value. (One that is missing is, as HDF5 says.) */
int sbl_h5_had_trouble(void);

/** Opens a file to read; on failure says what it is instead. */
sabal_status sbl_h5_file_open(hid_t *file, struct stat *about, const char *path, sabal_error *err);
/** SABAL_EFORMAT unless an HDF5 signature stands where one may be. */
sabal_status sbl_h5_check_signature(int fd, int64_t size, sabal_error *err);
/** Makes a new file, or opens one for writing, on a descriptor that stays the caller's. */
sabal_status sbl_h5_file_write(hid_t *file, int fd, int is_new, sabal_error *err);
/** From now on writing does nothing and succeeds, so that a file that failed can be closed. */
void sbl_h5_file_give_up(hid_t file);
/** The descriptor under the file that a data set lies in, which may be another through an external link: a copy that
    is the caller's. -1: none. */
int sbl_h5_descriptor(hid_t object);
/** Where the chunk at these coordinates (in elements) lies: *size 0 if it is not there. 0 if it can't be told. */
int sbl_h5_locate_chunk(uint64_t *offset, uint64_t *size, uint32_t *mask, hid_t dataset, const hsize_t *at);

/** What the first bytes of a file look like: "a NumPy .npy file", ... */
const char *sbl_describe_bytes(const unsigned char *bytes, size_t n);

/* hdf5_driver.c */
typedef struct sbl_h5_driver {
    hid_t    id;
    int      given_fd;           /* taken instead of opening by name; -1: none     */
    int      error_number;       /* errno of the last failure; 0: none            */
    int64_t  past_end, file_end; /* where reading passed the end of a file; else 0 */
    int      capture, captured;  /* raw data is located, not read                 */
    uint64_t captured_offset, captured_size;
} sbl_h5_driver;
/* The one there is; guarded by the lock. */
extern sbl_h5_driver sbl_h5_the_driver;
hid_t                sbl_h5_driver_register(void);
void                 sbl_h5_driver_give_up(void *handle);
int                  sbl_h5_driver_fd(void *handle);

#endif
