/* One lock, silence, and reasons: what every use of the HDF5 library goes through. */
#include "io/hdf5_library.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/file.h"

static pthread_mutex_t lock    = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t  guarded = PTHREAD_ONCE_INIT;

/* The host's way of printing errors while we are inside; it may have set it by the old call or by the new one. */
static H5E_auto2_t host_auto;
static void       *host_auto_data;
static unsigned    host_auto_is_v2;
#ifndef H5_NO_DEPRECATED_SYMBOLS
static H5E_auto1_t host_auto_v1;
#endif

/* A child made by fork() has this thread alone: nobody else may be inside at that moment. */
static void lock_for_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void guard_fork(void)
{
    pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
}

void sbl_h5_enter(void)
{
    pthread_once(&guarded, guard_fork);
    pthread_mutex_lock(&lock);
    H5Eauto_is_v2(H5E_DEFAULT, &host_auto_is_v2);
#ifndef H5_NO_DEPRECATED_SYMBOLS
    if (!host_auto_is_v2) {
        H5Eget_auto1(&host_auto_v1, &host_auto_data);
        H5Eset_auto1(NULL, NULL);
    } else
#endif
    {
        H5Eget_auto2(H5E_DEFAULT, &host_auto, &host_auto_data);
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    }
    sbl_h5_the_driver    = (sbl_h5_driver){.given_fd = -1};
    sbl_h5_the_driver.id = sbl_h5_driver_register();
}

void sbl_h5_leave(void)
{
    if (sbl_h5_the_driver.id >= 0)
        H5FDunregister(sbl_h5_the_driver.id); /* files that stay open keep it alive */
    H5Eclear2(H5E_DEFAULT);
#ifndef H5_NO_DEPRECATED_SYMBOLS
    if (!host_auto_is_v2)
        H5Eset_auto1(host_auto_v1, host_auto_data);
    else
#endif
        H5Eset_auto2(H5E_DEFAULT, host_auto, host_auto_data);
    pthread_mutex_unlock(&lock);
}

/* The first that is met walking upward is the innermost: the one that knows the reason. */
static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *user)
{
    if (n == 0 && error->desc)
        snprintf(user, 256, "%s", error->desc);
    return 0;
}

sabal_status sbl_h5_error(sabal_error *err, sabal_status status, const char *format, ...)
{
    const sbl_h5_driver *driver      = &sbl_h5_the_driver;
    char                 reason[256] = "", what[256];
    unsigned long long   end, base, stored;
    va_list              args;

    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (driver->error_number)
        return sbl_error_errno(err, driver->error_number, "%s", what);
    if (driver->past_end)
        return sbl_error_set(err, SABAL_EFORMAT,
                             "%s: it needs the bytes up to offset %" PRId64 ", but the file ends at %" PRId64
                             ": it was cut short or damaged",
                             what, driver->past_end, driver->file_end);
    if (sscanf(reason, "truncated file: eof = %llu, sblock->base_addr = %llu, stored_eof = %llu", &end, &base,
               &stored) == 3)
        return sbl_error_set(err, SABAL_EFORMAT,
                             "the file ends at offset %llu, but its superblock says %llu: it was cut short, or is "
                             "still being written",
                             end, base + stored);
    if (strstr(reason, "unable to allocate") || strstr(reason, "memory allocation failed"))
        status = SABAL_ENOMEM;
    return sbl_error_set(err, status, "%s%s%s", what, reason[0] ? ": the HDF5 library says: " : "", reason);
}

int sbl_h5_had_trouble(void)
{
    const sbl_h5_driver *driver = &sbl_h5_the_driver;

    return (driver->error_number && driver->error_number != ENOENT) || driver->past_end;
}

const char *sbl_describe_bytes(const unsigned char *p, size_t n)
{
    static const struct {
        const char *bytes, *what;
    } KNOWN[] = {
        {"\x93NUMPY", "a NumPy .npy file"},
        {"\211HDF\r\n\032\n", "an HDF5 file"},
        {"\016\003\023\001", "an HDF4 file"},
        {"CDF\001", "a NetCDF classic file"},
        {"CDF\002", "a NetCDF 64-bit offset file"},
        {"CDF\005", "a NetCDF 64-bit data file"},
        {"PK\003\004", "a zip archive (.npz, .zarr.zip, ...)"},
        {"\037\213", "a gzip file"},
        {"BZh", "a bzip2 file"},
        {"\3757zXZ", "an xz file"},
        {"\x28\xb5\x2f\xfd", "a zstd file"},
        {"PAR1", "a Parquet file"},
        {"ARROW1", "an Arrow file"},
        {"MATLAB 5.0", "a MATLAB 5 file"},
        {"II*", "a TIFF image"},
        {"MM\0*", "a TIFF image"},
        {"\211PNG", "a PNG image"},
        {"\177ELF", "a program"},
        {"version https://git-lfs", "a Git LFS pointer, not the data itself"},
    };
    size_t i;

    if (n == 0)
        return "empty";
    for (i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        size_t size = KNOWN[i].bytes[2] ? strlen(KNOWN[i].bytes) : 2;

        size = KNOWN[i].bytes[0] == 'M' && KNOWN[i].bytes[1] == 'M' ? 4 : size;
        if (n >= size && !memcmp(p, KNOWN[i].bytes, size))
            return KNOWN[i].what;
    }
    for (i = 0; i < n && (p[i] >= ' ' || (p[i] >= '\t' && p[i] <= '\r')) && p[i] != 127; i++)
        ;
    if (i == n)
        return "text";
    for (i = 0; i < n && !p[i]; i++)
        ;
    return i == n ? "zeros" : "something else";
}

/* The signature lies at 0, 512, 1024, 2048, ...: behind a user block of the owner's. */
sabal_status sbl_h5_check_signature(int fd, int64_t size, sabal_error *err)
{
    unsigned char first[32] = {0}, p[8];
    ssize_t       n         = pread(fd, first, sizeof first, 0);

    if (n < 0)
        return sbl_error_errno(err, errno, "reading");
    for (int64_t at = 0; at < size && at < INT64_MAX / 4; at = at ? 2 * at : 512)
        if (pread(fd, p, sizeof p, at) == sizeof p && !memcmp(p, "\211HDF\r\n\032\n", sizeof p))
            return SABAL_OK;
    if (n == 0)
        return sbl_error_set(err, SABAL_EFORMAT, "it is empty, not an HDF5 file");
    return sbl_error_set(err, SABAL_EFORMAT, "not an HDF5 file: it begins like %s (bytes %02x %02x %02x %02x)",
                         sbl_describe_bytes(first, (size_t)n), first[0], first[1], first[2], first[3]);
}

static hid_t access_list(void)
{
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);

    if (fapl >= 0 && H5Pset_driver(fapl, sbl_h5_the_driver.id, NULL) < 0) {
        H5Pclose(fapl);
        return -1;
    }
    return fapl;
}

sabal_status sbl_h5_file_open(hid_t *file, struct stat *about, const char *path, sabal_error *err)
{
    int          fd   = -1;
    hid_t        fapl = -1, f = -1;
    sabal_status st;

    st = sbl_file_open(&fd, about, path, err);
    if (st)
        goto done;
    st = sbl_h5_check_signature(fd, about->st_size, err);
    if (st)
        goto done;
    fapl = access_list();
    if (fapl >= 0) {
        sbl_h5_the_driver.given_fd = fd; /* the name is for what lies beside it: links, parts of virtual data sets */
        f                          = H5Fopen(path, H5F_ACC_RDONLY, fapl);
        sbl_h5_the_driver.given_fd = -1;
    }
    if (f < 0)
        st = sbl_h5_error(err, SABAL_EFORMAT, "it can't be opened");
    else
        *file = f;
done:
    if (fapl >= 0)
        H5Pclose(fapl);
    if (fd >= 0)
        close(fd);
    return st;
}

sabal_status sbl_h5_file_write(hid_t *file, int fd, int is_new, sabal_error *err)
{
    hid_t        fapl = access_list(), f = -1;
    sabal_status st = SABAL_OK;

    /* Large data on whole pages. */
    if (fapl >= 0 && H5Pset_alignment(fapl, 65536, 4096) >= 0) {
        sbl_h5_the_driver.given_fd = fd;
        f = is_new ? H5Fcreate("sabal", H5F_ACC_TRUNC, H5P_DEFAULT, fapl) : H5Fopen("sabal", H5F_ACC_RDWR, fapl);
        sbl_h5_the_driver.given_fd = -1;
    }
    if (f < 0)
        st = sbl_h5_error(err, SABAL_EIO, is_new ? "it can't be made" : "it can't be opened for writing");
    else
        *file = f;
    if (fapl >= 0)
        H5Pclose(fapl);
    return st;
}

void sbl_h5_file_give_up(hid_t file)
{
    void *handle = NULL;

    if (H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0 && handle)
        sbl_h5_driver_give_up(handle);
}

int sbl_h5_descriptor(hid_t object)
{
    hid_t file   = H5Iget_file_id(object);
    void *handle = NULL;
    int   fd     = -1;

    if (file >= 0 && H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0 && handle)
        fd = fcntl(sbl_h5_driver_fd(handle), F_DUPFD_CLOEXEC, 0);
    if (file >= 0)
        H5Fclose(file);
    return fd;
}

int sbl_h5_locate_chunk(uint64_t *offset, uint64_t *size, uint32_t *mask, hid_t dataset, const hsize_t *at)
{
    sbl_h5_driver *driver = &sbl_h5_the_driver;
    char           nothing[16]; /* the driver writes nothing into it */
    uint32_t       m      = 0;
    hsize_t        stored = 1;
    herr_t         r;

    driver->capture  = 1;
    driver->captured = 0;
    r                = H5Dread_chunk(dataset, H5P_DEFAULT, at, &m, nothing);
    driver->capture  = 0;
    if (r >= 0 && driver->captured == 1) {
        *offset = driver->captured_offset;
        *size   = driver->captured_size;
        *mask   = m;
        return 1;
    }
    if (driver->captured || H5Dget_chunk_storage_size(dataset, at, &stored) < 0 || stored)
        return 0;
    *offset = *size = *mask = 0;
    return 1;
}
