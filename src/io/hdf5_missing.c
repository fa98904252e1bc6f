/* What a build without the HDF5 library answers. */
#include "base/error.h"
#include "io/reader.h"
#include "io/writer.h"

static sabal_status missing(sabal_error *err)
{
    return sbl_error_set(err, SABAL_EUNSUPPORTED,
                         "this build of sabal has no HDF5: the library (Debian: libhdf5-dev) was missing or turned off "
                         "(-Dhdf5=disabled) when it was built; build it again with HDF5, or use .npy files");
}

sabal_status sbl_hdf5_open(sbl_reader **reader, const char *path, const char *dataset, sabal_error *err)
{
    return missing(err);
}

sabal_status sbl_hdf5_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err)
{
    return missing(err);
}

sabal_status sbl_hdf5_create(sbl_writer **writer, const char *path, const char *dataset, sabal_dtype dtype,
                             int32_t ndim, const int64_t *shape, const sbl_writer_options *options, sabal_error *err)
{
    sabal_error failure = SABAL_ERROR_INIT;

    missing(&failure);
    sbl_error_prefix(&failure, "%s", path);
    return sbl_error_pass(err, &failure);
}

sabal_status sbl_pack_rows(sbl_value **value, const sbl_packing *how, const char *path, const char *dataset,
                           int64_t first, int64_t n, const void *data, sabal_error *err)
{
    return missing(err);
}
