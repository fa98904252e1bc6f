/* Stands in for hdf5*.c in a build without HDF5. */
#include "base/error.h"
#include "io/reader.h"
#include "io/writer.h"

#define ABSENT "this build of sabal has no HDF5 (it was configured with -Dhdf5=disabled): build it with HDF5, or use .npy"

sabal_status sbl_hdf5_open(sbl_reader **reader, const char *path, const char *dataset, sabal_error *err)
{
    return sbl_error_set(err, SABAL_EUNSUPPORTED, ABSENT);
}

sabal_status sbl_hdf5_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err)
{
    return sbl_error_set(err, SABAL_EUNSUPPORTED, ABSENT);
}

sabal_status sbl_hdf5_create(sbl_writer **writer, const char *path, const char *dataset, sabal_dtype dtype,
                             int32_t ndim, const int64_t *shape, const sbl_writer_options *options, sabal_error *err)
{
    return sbl_error_set(err, SABAL_EUNSUPPORTED, "%.200s: " ABSENT, path);
}
