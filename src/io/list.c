/* What files hold, for programs that show it. */
#include <sabal/file.h>

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/reader.h"

/* Lets one data set through, if one was named. */
struct filter {
    sabal_file_fn *fn;
    void          *user;
    const char    *dataset;
    int            found;
};

static int32_t pass_on(void *user, const sabal_file_entry *entry)
{
    struct filter *f    = user;
    const char    *name = entry->name, *wanted = f->dataset;

    if (wanted) {
        name += name && name[0] == '/';
        wanted += wanted[0] == '/';
        if (!name || strcmp(name, wanted))
            return 0;
    }
    f->found = 1;
    return f->fn(f->user, entry);
}

sabal_status sabal_file_list(const char *path, sabal_file_fn *fn, void *user, sabal_error *err)
{
    sabal_error   failure = SABAL_ERROR_INIT;
    struct filter filter  = {.fn = fn, .user = user};
    char         *file, *dataset;
    const char   *format;
    sabal_status  st;

    st = sbl_path_split(&file, &dataset, &format, path, err);
    if (st)
        return st;
    filter.dataset = dataset;
    st             = strcmp(format, "npy") ? sbl_hdf5_list(file, pass_on, &filter, &failure)
                                           : sbl_npy_list(file, pass_on, &filter, &failure);
    if (!st && dataset && !filter.found)
        st = sbl_error_set(&failure, SABAL_ENOENT, "no such data set: without the ':%.100s' all are listed", dataset);
    if (st)
        sbl_file_pass(err, &failure, file, NULL);
    sbl_free(file);
    sbl_free(dataset);
    return st;
}
