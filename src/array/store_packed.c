/*
 * Chunks of an HDF5 file that are made in other processes are filtered there too: what comes here, in order and a bounded number
 * at a time, is what goes into the file.
 */
#include "array/store.h"

#include <string.h>

#include "array/flow.h"
#include "base/alloc.h"
#include "base/error.h"

/* What a task gets, beside its chunk. */
struct pack_params {
    int64_t     first;
    sbl_packing how;
    uint32_t    path_size, dataset_size; /* of the texts behind, with their ending 0 */
};

struct pack_job {
    struct pack_params *params;
    size_t              size;
};

static sabal_status pack_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                               size_t size, sabal_task *task, sabal_error *err)
{
    const struct pack_params *p     = params;
    const char               *path  = (const char *)(p + 1);
    const sabal_ndarray      *dense = NULL;
    sabal_status              st    = sbl_dense(&dense, in[0], err);

    if (!st)
        st = sbl_pack_rows(out, &p->how, path, path + p->path_size, p->first, sabal_ndarray_extent(dense, 0),
                           sabal_ndarray_data(dense), err);
    sbl_handle_release(dense);
    return st;
}

static sabal_status make_params(struct pack_job *job, const sbl_chunked *chunked, sabal_error *err)
{
    const size_t path = strlen(chunked->path) + 1, dataset = strlen(chunked->dataset) + 1;

    job->size   = sizeof *job->params + path + dataset;
    job->params = sbl_calloc(1, job->size);
    if (!job->params)
        return sbl_error_memory(err, job->size, "the name of a file");
    job->params->how          = chunked->how;
    job->params->path_size    = (uint32_t)path;
    job->params->dataset_size = (uint32_t)dataset;
    memcpy(job->params + 1, chunked->path, path);
    memcpy((char *)(job->params + 1) + path, chunked->dataset, dataset);
    return SABAL_OK;
}

static sabal_status submit(sabal_future **future, const sabal_array *array, int64_t i, void *arg, sabal_error *err)
{
    const struct pack_job *job     = arg;
    sbl_program            program = {0};
    sabal_status           st      = sbl_program_array(&program, array, i, err);

    job->params->first = sbl_chunks_start(&array->chunks, i);
    if (!st)
        st = sbl_program_stage(&program, pack_stage, 1, job->params, job->size, err);
    if (!st)
        st = sbl_programs_submit(future, array->client, &program, 1, sbl_array_chunk_bytes(array), "store",
                                 array->where, err);
    else
        sbl_program_clear(&program);
    return st;
}

sabal_status sbl_store_packed(const sabal_array *array, sbl_writer *writer, sabal_error *err)
{
    const sbl_chunks *c    = &array->chunks;
    struct pack_job   job  = {0};
    sbl_flow          flow = {0};
    sabal_status      st   = make_params(&job, &writer->chunked, err);

    if (!st)
        st = sbl_flow_open(&flow, array, err);
    flow.make = submit;
    flow.arg  = &job;
    for (int64_t i = 0; i < c->n && !st; i++) {
        sbl_value *value = NULL;

        st = sbl_flow_next(&value, &flow, err);
        if (!st)
            st = sbl_writer_packed(writer, sbl_chunks_start(c, i), sbl_chunks_rows(c, i), value, err);
        sbl_value_release(value);
    }
    sbl_flow_close(&flow);
    sbl_free(job.params);
    return st;
}
