/* What an HDF5 file holds. All is gathered first, so that the caller's function never runs under the lock. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/hdf5_data.h"
#include "io/reader.h"

typedef struct line {
    sbl_h5_data data;
    char        layout[160];
    int         readable;
} line;

static sabal_status describe(line *l, hid_t file, const char *name, sabal_error *err)
{
    hid_t        dataset = H5Dopen2(file, name, H5P_DEFAULT);
    sabal_status st;

    if (dataset < 0)
        return sbl_h5_error(err, SABAL_EFORMAT, "%.80s: it can't be opened", name);
    st = sbl_h5_data_read(&l->data, dataset, err);
    H5Dclose(dataset);
    if (st)
        return st;
    sbl_h5_layout_text(l->layout, sizeof l->layout, &l->data);
    l->readable = sbl_h5_data_check(&l->data, NULL) == SABAL_OK;
    return SABAL_OK;
}

static sabal_status gather(line **lines, sbl_h5_names *names, const char *path, sabal_error *err)
{
    hid_t        file = -1;
    struct stat  about;
    sabal_status st;

    st = sbl_h5_file_open(&file, &about, path, err);
    if (st)
        return st;
    st = sbl_h5_names_read(names, file, err);
    if (st)
        goto done;
    *lines = sbl_calloc(names->n, sizeof **lines);
    if (!*lines) {
        st = sbl_error_memory(err, names->n * sizeof **lines, "what a file holds");
        goto done;
    }
    for (size_t i = 0; i < names->n && !st; i++)
        st = describe(&(*lines)[i], file, names->names[i], err);
done:
    H5Fclose(file);
    return st;
}

sabal_status sbl_hdf5_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err)
{
    sbl_h5_names names = {0};
    line        *lines = NULL;
    sabal_status st;

    sbl_h5_enter();
    st = gather(&lines, &names, path, err);
    sbl_h5_leave();
    for (size_t i = 0; i < names.n && !st; i++) {
        const line      *l     = &lines[i];
        sabal_file_entry entry = {
            .struct_size  = sizeof entry,
            .name         = names.names[i],
            .dtype        = l->data.type.name,
            .ndim         = l->data.ndim < 0 ? 0 : l->data.ndim,
            .shape        = l->data.shape,
            .layout       = l->layout,
            .stored_bytes = l->data.stored_bytes,
            .readable     = l->readable,
        };

        if (fn(user, &entry))
            break;
    }
    sbl_free(lines);
    sbl_h5_names_clear(&names);
    return st;
}
