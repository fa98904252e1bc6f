/*
 * A result that is longer than memory allows is taken chunk by chunk: enough of them are under way to keep
 * every thread busy, no more, whatever the engine.
 */
#include "array/flow.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define WINDOW_BYTES ((int64_t)64 << 20) /* of results that wait for their turn */
#define WINDOW_MOST  4096

sabal_status sbl_flow_open(sbl_flow *flow, const sabal_array *array, sabal_error *err)
{
    int64_t busy  = 3 * sabal_client_threads(array->client);
    int64_t bytes = (int64_t)sbl_array_chunk_bytes(array);
    int64_t n     = WINDOW_BYTES / (bytes < 1 ? 1 : bytes);

    n           = n < busy ? busy : n;
    n           = n > WINDOW_MOST ? WINDOW_MOST : n;
    n           = n > array->chunks.n ? array->chunks.n : n;
    *flow       = (sbl_flow){.array = array, .window = n < 1 ? 1 : n};
    flow->ahead = sbl_calloc((size_t)flow->window, sizeof *flow->ahead);
    if (!flow->ahead)
        return sbl_error_memory(err, (size_t)flow->window * sizeof *flow->ahead, "the chunks under way");
    return SABAL_OK;
}

sabal_status sbl_flow_next(sbl_value **value, sbl_flow *flow, sabal_error *err)
{
    const sbl_chunks *chunks = &flow->array->chunks;
    sabal_future    **slot;
    sabal_status      st = SABAL_OK;

    *value = NULL;
    if (flow->next == chunks->n)
        return SABAL_OK;
    while (flow->submitted < chunks->n && flow->submitted < flow->next + flow->window && !st) {
        slot = &flow->ahead[flow->submitted % flow->window];
        st   = flow->make ? flow->make(slot, flow->array, flow->submitted, flow->arg, err)
                          : sbl_array_chunk(slot, flow->array, flow->submitted, err);
        flow->submitted += !st;
    }
    if (st)
        return st;
    slot = &flow->ahead[flow->next % flow->window];
    st   = sbl_engine_fetch(value, *slot, err);
    sbl_handle_release(*slot);
    *slot = NULL;
    flow->next++;
    return st;
}

void sbl_flow_close(sbl_flow *flow)
{
    for (int64_t i = 0; flow->ahead && i < flow->window; i++)
        sbl_handle_release(flow->ahead[i]);
    sbl_free(flow->ahead);
    memset(flow, 0, sizeof *flow);
}

sabal_status sbl_programs_submit(sabal_future **futures, sabal_client *client, sbl_program *programs, int64_t n,
                                 size_t result_bytes, const char *name, const char *where, sabal_error *err)
{
    sbl_task_spec *specs = sbl_calloc((size_t)n, sizeof *specs);
    sabal_status   st    = SABAL_OK;

    if (!specs) {
        st = sbl_error_memory(err, (size_t)n * sizeof *specs, "a batch of tasks");
        goto done;
    }
    for (int64_t i = 0; i < n; i++)
        specs[i] = sbl_program_spec(&programs[i], result_bytes, name, where);
    st = sbl_engine_submit(client, specs, n, futures, err);
done:
    sbl_free(specs);
    for (int64_t i = 0; i < n; i++)
        sbl_program_clear(&programs[i]);
    return st;
}

void sbl_programs_free(sbl_program *programs, int64_t n)
{
    for (int64_t i = 0; programs && i < n; i++)
        sbl_program_clear(&programs[i]);
    sbl_free(programs);
}
