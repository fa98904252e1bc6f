/*
 * The lazy node, and the program of a chunk.
 *
 * A node says how each of its chunks is made from chunks of its inputs, as stages: functions of libsabal,
 * named by their place in it, with flat parameters. The stages of a chain of nodes are written one behind the
 * other into one program, which one task runs; so a chain makes one task a chunk, holds no value longer than
 * needed, and can be carried to another process as it is.
 */
#ifndef SBL_ARRAY_ARRAY_H
#define SBL_ARRAY_ARRAY_H

#include <sabal/array.h>

#include "array/chunks.h"
#include "base/handle.h"
#include "graph/engine.h"

typedef struct sbl_program sbl_program;

/* One kind of node. */
typedef struct sbl_array_op {
    const char *name;
    /* Adds what makes chunk i; leaves one value on the program's stack. */
    sabal_status (*emit)(const sabal_array *array, int64_t i, sbl_program *program, sabal_error *err);
    void (*clear)(sabal_array *array); /* frees params; NULL: nothing to free */
} sbl_array_op;

struct sabal_array {
    sbl_handle          handle;
    const sbl_array_op *op;
    sabal_client       *client; /* retained */
    const char         *where;  /* the user's line */
    sabal_error        *error;  /* of a failed array; else NULL */
    const sabal_array  *input;  /* retained; NULL for sources */
    void               *params; /* the op's own */
    sbl_chunks          chunks;
    sabal_dtype         dtype;
    int32_t             ndim;
    int64_t             shape[SABAL_MAX_NDIM];
};

/**
 * A node without params yet, belonging to nobody's scope; the caller sets chunks and params. input may be
 * NULL. Never NULL: the immortal failed array if memory is out. where: a static string.
 */
sabal_array *sbl_array_create(sabal_client *client, const sbl_array_op *op, const sabal_array *input, sabal_dtype dtype,
                              int32_t ndim, const int64_t *shape, const char *where);
/** Hands a node to the scope of the caller's thread. */
sabal_array *sbl_array_adopt(sabal_array *array);
/** A failed array with this cause; belongs to nobody's scope yet. err's place is `where` if it has none. */
sabal_array *sbl_array_failed(sabal_client *client, const sabal_error *err, const char *where);
/** The failure of an array, or of its client; SABAL_OK if it can be computed. */
sabal_status sbl_array_check(const sabal_array *array, sabal_error *err);
/** Elements in a row: the product of all extents but the first. */
int64_t sbl_array_row_size(const sabal_array *array);
/** Bytes of one of its chunks, but for the last. */
size_t sbl_array_chunk_bytes(const sabal_array *array);

/**
 * An array whose chunks are there, or on their way: takes over the futures (one a chunk) and the table, on
 * failure too. Belongs to nobody's scope yet.
 */
sabal_array *sbl_array_held(sabal_client *client, sabal_future **futures, const sbl_chunks *chunks, sabal_dtype dtype,
                            int32_t ndim, const int64_t *shape, const char *where);

/** The same over one value in memory, cut into chunks by views; retains whole. */
sabal_array *sbl_array_of_value(sabal_client *client, const sabal_ndarray *whole, const sbl_chunks *chunks,
                                const char *where);

/** Whole numbers and booleans as float64, converted as chunks are computed; any other array is itself. One reference, which
    belongs to nobody's scope. */
const sabal_array *sbl_array_floats(const sabal_array *array);

/* What stands in src/array/program.c. */

/** One stage: takes n_in values (borrowed), makes one. It must be a function of libsabal. */
typedef sabal_status sbl_stage_fn(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                  size_t size, sabal_task *task, sabal_error *err);

struct sbl_program {
    unsigned char *code; /* what the task gets as its argument */
    size_t         size, room;
    sabal_future **inputs; /* one reference each */
    int32_t        n_inputs, inputs_room;
    int32_t        depth; /* values on the stack after what was added so far */
    int            again; /* the last stage reads a file, and nothing else was added: see sbl_task_spec */
};
#define SBL_PROGRAM_DEPTH 32

/** Adds what makes chunk i of array. */
sabal_status sbl_program_array(sbl_program *program, const sabal_array *array, int64_t i, sabal_error *err);
/** Adds a value that is there or on its way; retained. */
sabal_status sbl_program_input(sbl_program *program, sabal_future *future, sabal_error *err);
/** Adds a stage that takes the n_in topmost values. params: size bytes, copied, aligned to 16 when it runs.
 */
sabal_status sbl_program_stage(sbl_program *program, sbl_stage_fn *stage, int32_t n_in, const void *params, size_t size,
                               sabal_error *err);
/** It is one stage, which reads a file: that can be done again. Called after it was added. */
void sbl_program_is_read(sbl_program *program);
/** The task that runs it; name and where as in sbl_task_spec. The spec borrows from the program. */
sbl_task_spec sbl_program_spec(const sbl_program *program, size_t result_bytes, const char *name, const char *where);
void          sbl_program_clear(sbl_program *program);

/** Chunk i of array as a future, one reference: a task is submitted unless the array holds it already. */
sabal_status sbl_array_chunk(sabal_future **future, const sabal_array *array, int64_t i, sabal_error *err);

/** Value as a chunk in C order without gaps: itself, retained, or a copy. SABAL_EINTERNAL if it is no chunk.
 */
sabal_status sbl_dense(const sabal_ndarray **dense, const sbl_value *value, sabal_error *err);

#endif
