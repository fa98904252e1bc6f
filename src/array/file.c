/* Arrays in files: the header is read when the array is made, each chunk by the task that needs it. */
#include "array/array.h"

#include <inttypes.h>
#include <string.h>

#include "array/check.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/reader.h"

/*
 * A task names its rows by path, so that another process can read them too. In this one the array's own
 * reader stays in the cache while the array lives, and opening it again costs a look-up.
 */
struct read_params {
    int64_t      first, n;
    uint64_t     parts;
    sbl_identity identity;                /* when the array was made */
    uint32_t     path_size, dataset_size; /* of the texts behind, with their ending 0; dataset 0: none */
    char         format[8];
};

static sabal_status read_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                               size_t size, sabal_task *task, sabal_error *err)
{
    const struct read_params *p       = params;
    const char               *path    = (const char *)(p + 1);
    const char               *dataset = p->dataset_size ? path + p->path_size : NULL;
    sbl_reader               *reader  = NULL;
    sabal_ndarray            *chunk   = NULL;
    int64_t                   shape[SABAL_MAX_NDIM];
    void                     *room;
    sabal_status              st;

    st = sbl_reader_open_meant(&reader, p->format, path, dataset, &p->identity, p->parts, err);
    if (st)
        goto done;
    memcpy(shape, reader->shape, sizeof shape);
    shape[0] = p->n;
    st       = sbl_ndarray_create(&chunk, &room, reader->dtype, reader->ndim, shape, err);
    if (st)
        goto done;
    st = sbl_reader_rows(reader, p->first, p->n, room, err);
    if (st)
        goto done;
    *out  = (sbl_value *)(void *)chunk;
    chunk = NULL;
done:
    sbl_handle_release(chunk);
    sbl_reader_release(reader);
    return st;
}

static sabal_status read_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    const sbl_reader  *r            = a->params;
    size_t             path_size    = strlen(r->path) + 1;
    size_t             dataset_size = r->dataset ? strlen(r->dataset) + 1 : 0;
    size_t             size         = sizeof(struct read_params) + path_size + dataset_size;
    struct read_params p            = {.first        = sbl_chunks_start(&a->chunks, i),
                                       .n            = sbl_chunks_rows(&a->chunks, i),
                                       .parts        = r->parts,
                                       .identity     = r->identity,
                                       .path_size    = (uint32_t)path_size,
                                       .dataset_size = (uint32_t)dataset_size};
    unsigned char     *params       = sbl_alloc(size);
    sabal_status       st;

    if (!params)
        return sbl_error_memory(err, size, "the name of a file");
    strcpy(p.format, r->format);
    memcpy(params, &p, sizeof p);
    memcpy(params + sizeof p, r->path, path_size);
    if (dataset_size)
        memcpy(params + sizeof p + path_size, r->dataset, dataset_size);
    st = sbl_program_stage(program, read_stage, 0, params, size, err);
    if (!st)
        sbl_program_is_read(program);
    sbl_free(params);
    return st;
}

static void read_clear(sabal_array *a)
{
    sbl_reader_release(a->params);
}

static const sbl_array_op READ = {.name = "read", .emit = read_emit, .clear = read_clear};

void sabal_read_options_init(sabal_read_options *options)
{
    *options = (sabal_read_options){SABAL_READ_DEFAULTS};
}

static sabal_array *read_file(sabal_client *client, const char *format, const char *path, const char *dataset,
                              const sabal_read_options *o)
{
    sabal_error  err    = SABAL_ERROR_INIT;
    sbl_reader  *reader = NULL;
    sbl_chunks   chunks;
    sabal_array *a;
    sabal_status st;

    st = sbl_client_check(client, &err);
    if (!st && !path)
        st = sbl_error_set(&err, SABAL_EINVAL, "the path is NULL");
    if (!st)
        st = sbl_reader_open(&reader, format, path, dataset, &err);
    if (!st && reader->ndim < 1)
        st = sbl_error_set(&err, SABAL_ESHAPE, "%s holds a single number (0 dimensions), not an array", path);
    if (!st)
        st = sbl_check_shape(reader->dtype, reader->ndim, reader->shape, &err);
    if (!st)
        st = sbl_chunks_choose(&chunks, reader->dtype, reader->ndim, reader->shape, o->chunk_rows, reader->natural_rows,
                               &err);
    if (st) {
        sbl_reader_release(reader);
        return sbl_array_adopt(sbl_array_failed(client, &err, o->where));
    }
    a = sbl_array_create(client, &READ, NULL, reader->dtype, reader->ndim, reader->shape, o->where);
    if (a->error) {
        sbl_reader_release(reader);
        return a;
    }
    a->chunks = chunks;
    a->params = reader;
    return sbl_array_adopt(a);
}

sabal_array *sabal_array_read_npy_with(sabal_client *client, const char *path, const sabal_read_options *options)
{
    sabal_read_options o = {SABAL_READ_DEFAULTS};

    sbl_options_take(&o, sizeof o, options);
    return read_file(client, "npy", path, NULL, &o);
}

sabal_array *sabal_array_read_hdf5_with(sabal_client *client, const char *path, const char *dataset,
                                        const sabal_read_options *options)
{
    sabal_read_options o = {SABAL_READ_DEFAULTS};

    sbl_options_take(&o, sizeof o, options);
    return read_file(client, "hdf5", path, dataset, &o);
}

sabal_array *sabal_array_read_with(sabal_client *client, const char *path, const sabal_read_options *options)
{
    sabal_read_options o    = {SABAL_READ_DEFAULTS};
    sabal_error        err  = SABAL_ERROR_INIT;
    char              *file = NULL, *dataset = NULL;
    const char        *format;
    sabal_array       *a;
    sabal_status       st;

    sbl_options_take(&o, sizeof o, options);
    st = path ? sbl_path_split(&file, &dataset, &format, path, &err)
              : sbl_error_set(&err, SABAL_EINVAL, "the path is NULL");
    a  = st ? sbl_array_adopt(sbl_array_failed(client, &err, o.where)) : read_file(client, format, file, dataset, &o);
    sbl_free(file);
    sbl_free(dataset);
    return a;
}
