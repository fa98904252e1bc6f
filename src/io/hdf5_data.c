/* A data set described: shape, type, layout, filters; whether it can be read, and in words. */
#include "io/hdf5_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static sabal_status read_shape(sbl_h5_data *data, hid_t dataset, sabal_error *err)
{
    hid_t   space = H5Dget_space(dataset);
    hsize_t dims[H5S_MAX_RANK];

    if (space < 0)
        return sbl_h5_error(err, SABAL_EFORMAT, "its shape can't be read");
    data->ndim = H5Sget_simple_extent_type(space) == H5S_NULL ? -1 : H5Sget_simple_extent_dims(space, dims, NULL);
    H5Sclose(space);
    for (int32_t k = 0; k < data->ndim; k++) {
        if (dims[k] > INT64_MAX)
            return sbl_error_set(err, SABAL_ESHAPE, "its extent along axis %d is beyond 2^63", k);
        data->shape[k] = (int64_t)dims[k];
    }
    return SABAL_OK;
}

static void name_filter(sbl_h5_filter *filter, const char *stored)
{
    static const struct {
        int         id;
        const char *name;
    } KNOWN[] = {
        {H5Z_FILTER_DEFLATE, "gzip"},
        {H5Z_FILTER_SHUFFLE, "shuffle"},
        {H5Z_FILTER_FLETCHER32, "fletcher32"},
        {H5Z_FILTER_SZIP, "szip"},
        {H5Z_FILTER_NBIT, "nbit"},
        {H5Z_FILTER_SCALEOFFSET, "scaleoffset"},
        {307, "bzip2"},
        {32000, "lzf"},
        {32001, "blosc"},
        {32004, "lz4"},
        {32008, "bitshuffle"},
        {32013, "zfp"},
        {32015, "zstd"},
        {32026, "blosc2"},
    };

    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (KNOWN[i].id == filter->id)
            stored = KNOWN[i].name;
    snprintf(filter->name, sizeof filter->name, "%s", stored[0] ? stored : "unnamed");
}

static sabal_status read_filters(sbl_h5_data *data, hid_t plist, sabal_error *err)
{
    int n = H5Pget_nfilters(plist);

    if (n > SBL_H5_ALL_FILTERS)
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "its chunks went through %d filters; %d are the most", n,
                             SBL_H5_ALL_FILTERS);
    for (int i = 0; i < n; i++) {
        sbl_h5_filter *f = &data->filters[i];
        unsigned       flags, config, values[1] = {0};
        size_t         n_values   = 1;
        char           stored[32] = "";

        f->id = H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, values, sizeof stored, stored, &config);
        if (f->id < 0)
            return sbl_h5_error(err, SABAL_EFORMAT, "its filter %d can't be read", i);
        stored[sizeof stored - 1] = 0;
        f->level                  = n_values ? values[0] : 0;
        name_filter(f, stored);
    }
    data->n_filters = n > 0 ? n : 0;
    return SABAL_OK;
}

static sabal_status read_layout(sbl_h5_data *data, hid_t plist, sabal_error *err)
{
    hsize_t dims[H5S_MAX_RANK];

    data->layout = H5Pget_layout(plist);
    if (data->layout < 0)
        return sbl_h5_error(err, SABAL_EFORMAT, "its layout can't be read");
    data->external = H5Pget_external_count(plist) > 0;
    if (data->layout != H5D_CHUNKED)
        return SABAL_OK;
    if (H5Pget_chunk(plist, H5S_MAX_RANK, dims) != data->ndim)
        return sbl_h5_error(err, SABAL_EFORMAT, "its chunks can't be read");
    for (int32_t k = 0; k < data->ndim; k++)
        data->chunk[k] = dims[k] > INT64_MAX ? -1 : (int64_t)dims[k];
#if H5_VERSION_GE(1, 10, 0)
    {
        unsigned options = 0;

        if (H5Pget_chunk_opts(plist, &options) >= 0)
            data->whole_edges = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
    }
#endif
    return read_filters(data, plist, err);
}

sabal_status sbl_h5_data_read(sbl_h5_data *data, hid_t dataset, sabal_error *err)
{
    hid_t        type = -1, plist = -1;
    sabal_status st;

    memset(data, 0, sizeof *data);
    st = read_shape(data, dataset, err);
    if (st)
        goto done;
    type = H5Dget_type(dataset);
    if (type < 0) {
        st = sbl_h5_error(err, SABAL_EFORMAT, "its type can't be read");
        goto done;
    }
    sbl_h5_type_read(&data->type, type);
    plist = H5Dget_create_plist(dataset);
    if (plist < 0) {
        st = sbl_h5_error(err, SABAL_EFORMAT, "its layout can't be read");
        goto done;
    }
    st                 = read_layout(data, plist, err);
    data->stored_bytes = (int64_t)H5Dget_storage_size(dataset);
done:
    if (type >= 0)
        H5Tclose(type);
    if (plist >= 0)
        H5Pclose(plist);
    return st;
}

sabal_status sbl_h5_data_check(const sbl_h5_data *data, sabal_error *err)
{
    int64_t bytes = (int64_t)data->type.form.size;

    if (!data->type.dtype)
        return sbl_error_set(err, SABAL_EDTYPE,
                             "its elements are of the type %s; sabal reads bool, integers of 8 to "
                             "64 bits, float32, float64, complex64 and complex128",
                             data->type.name);
    if (data->ndim < 0)
        return sbl_error_set(err, SABAL_ESHAPE, "it has a null data space: there is nothing in it");
    if (data->ndim == 0)
        return sbl_error_set(err, SABAL_ESHAPE, "it is 0-d, a single number; an array has at least one dimension");
    for (int32_t k = 0; k < data->ndim; k++)
        if (__builtin_mul_overflow(bytes, data->shape[k] ? data->shape[k] : 1, &bytes))
            return sbl_error_set(err, SABAL_ESHAPE, "its shape is of more than 2^63 bytes");
    for (int32_t k = 0; k < data->ndim; k++)
        bytes = data->shape[k] ? bytes : 0;
    if (data->layout == H5D_COMPACT && data->stored_bytes < bytes) /* the library would read beyond them */
        return sbl_error_set(err, SABAL_EFORMAT, "its shape takes %" PRId64 " bytes, but %" PRId64 " are stored", bytes,
                             data->stored_bytes);
    for (int32_t i = 0; i < data->n_filters; i++)
        if (data->filters[i].id > H5Z_FILTER_FLETCHER32 && H5Zfilter_avail(data->filters[i].id) <= 0)
            return sbl_error_set(err, SABAL_EUNSUPPORTED,
                                 "its chunks need the filter %s (number %d), which the HDF5 "
                                 "library here lacks: install its plugin (HDF5_PLUGIN_PATH), or rewrite the file with "
                                 "gzip",
                                 data->filters[i].name, (int)data->filters[i].id);
    return SABAL_OK;
}

void sbl_h5_layout_text(char *text, size_t size, const sbl_h5_data *data)
{
    size_t at = 0;

    if (data->external)
        snprintf(text, size, "contiguous, in other files");
    else if (data->layout == H5D_CONTIGUOUS)
        snprintf(text, size, "contiguous");
    else if (data->layout == H5D_COMPACT)
        snprintf(text, size, "compact");
    else if (data->layout == H5D_VIRTUAL)
        snprintf(text, size, "virtual");
    if (data->layout != H5D_CHUNKED)
        return;
    at = (size_t)snprintf(text, size, "chunks of (");
    for (int32_t k = 0; k < data->ndim && at < size; k++)
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, k ? ", " : "", data->chunk[k]);
    if (at < size)
        at += (size_t)snprintf(text + at, size - at, data->ndim == 1 ? ",)" : ")");
    for (int32_t i = 0; i < data->n_filters && at < size; i++)
        if (data->filters[i].id == H5Z_FILTER_DEFLATE)
            at += (size_t)snprintf(text + at, size - at, ", %s(%u)", data->filters[i].name, data->filters[i].level);
        else
            at += (size_t)snprintf(text + at, size - at, ", %s", data->filters[i].name);
}
