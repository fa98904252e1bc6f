/*
 * Chunks that are made in other processes are written there too: this one has made the file, they open it by name. What comes
 * back of each is that it is written. So many are under way that workers have enough to do, and no more: a file's length is
 * nothing to the memory of this process.
 */
#include "array/store.h"

#include <string.h>

#include "array/flow.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/share.h"

enum { AHEAD = 16384 }; /* chunks under way, of some hundred bytes each here */

/* What a task gets, beside its chunk. */
struct share_params {
    int64_t   first;
    sbl_share share;
    uint32_t  path_size, target_size; /* of the texts behind, with their ending 0 */
};

static sabal_status write_part(const struct share_params *p, const sabal_ndarray *part, sabal_error *err)
{
    const char  *path = (const char *)(p + 1), *target = path + p->path_size;
    sabal_error  late = SABAL_ERROR_INIT;
    sabal_status st, closed;
    int          fd;

    st = sbl_share_open(&fd, &p->share, path, target, err);
    if (st)
        return st;
    st = sbl_share_write(fd, &p->share, target, p->first, sabal_ndarray_extent(part, 0), sabal_ndarray_data(part), err);
    sbl_task_lend_place(); /* a server or a disk may be waited for */
    closed = sbl_share_close(fd, &p->share, target, &late);
    sbl_task_take_place();
    return st || !closed ? st : sbl_error_pass(err, &late);
}

static sabal_status share_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                size_t size, sabal_task *task, sabal_error *err)
{
    const sabal_ndarray *dense = NULL;
    void                *nothing;
    sabal_status         st = sbl_dense(&dense, in[0], err);

    if (!st && sbl_ndarray_bytes(dense))
        st = write_part(params, dense, err);
    if (!st)
        st = sbl_bytes_create(out, &nothing, 0, err);
    sbl_handle_release(dense);
    return st;
}

static sabal_status make_params(struct share_params **params, size_t *size, sbl_writer *writer, sabal_error *err)
{
    const char          *target = writer->flat.path;
    struct share_params *p      = NULL;
    char                *path   = NULL;
    sbl_share            share;
    sabal_status         st = sbl_writer_share(&share, &path, writer, err);

    if (st)
        return st;
    *size = sizeof *p + strlen(path) + 1 + strlen(target) + 1;
    p     = sbl_calloc(1, *size);
    if (!p) {
        st = sbl_error_memory(err, *size, "the name of a file");
    } else {
        p->share       = share;
        p->path_size   = (uint32_t)strlen(path) + 1;
        p->target_size = (uint32_t)strlen(target) + 1;
        memcpy(p + 1, path, p->path_size);
        memcpy((char *)(p + 1) + p->path_size, target, p->target_size);
        *params = p;
    }
    sbl_free(path);
    return st;
}

static sabal_status submit(sabal_future **future, const sabal_array *array, int64_t i, struct share_params *params,
                           size_t size, sabal_error *err)
{
    sbl_program  program = {0};
    sabal_status st      = sbl_program_array(&program, array, i, err);

    params->first = sbl_chunks_start(&array->chunks, i);
    if (!st)
        st = sbl_program_stage(&program, share_stage, 1, params, size, err);
    if (!st)
        st = sbl_programs_submit(future, array->client, &program, 1, sbl_array_chunk_bytes(array), "store",
                                 array->where, err);
    else
        sbl_program_clear(&program);
    return st;
}

/* The oldest that is under way has ended, or fails all. */
static sabal_status take(sabal_future **future, const sabal_array *array, int64_t i, sbl_writer *writer,
                         sabal_error *err)
{
    sabal_status st = sbl_engine_wait(array->client, future, 1, -1, err);

    if (!st)
        sbl_writer_told(writer, sbl_chunks_rows(&array->chunks, i));
    sbl_handle_release(*future);
    *future = NULL;
    return st;
}

/* Nobody waits for those: the file that they write has lost its name when they look for it, or loses it while they write. */
static void give_up(sabal_future **ahead, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (ahead[i]) {
            sabal_future_cancel(ahead[i]);
            sbl_handle_release(ahead[i]);
        }
}

sabal_status sbl_store_shared(const sabal_array *array, sbl_writer *writer, sabal_error *err)
{
    const int64_t        n      = array->chunks.n;
    struct share_params *params = NULL;
    size_t               size   = 0;
    const int64_t        window = n < 1 ? 1 : n < AHEAD ? n : AHEAD;
    sabal_future       **ahead  = sbl_calloc((size_t)window, sizeof *ahead);
    sabal_status         st     = ahead ? make_params(&params, &size, writer, err)
                                        : sbl_error_memory(err, (size_t)window * sizeof *ahead, "the chunks under way");
    for (int64_t i = 0; i < n + window && !st; i++) {
        sabal_future **slot = &ahead[i % window];

        if (i >= window && i - window < n)
            st = take(slot, array, i - window, writer, err);
        if (i < n && !st)
            st = submit(slot, array, i, params, size, err);
    }
    if (st && ahead)
        give_up(ahead, window);
    sbl_free(ahead);
    sbl_free(params);
    return st;
}
