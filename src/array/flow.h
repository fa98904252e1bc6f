/* Chunks of an array one after the other, with a bounded number of them under way. */
#ifndef SBL_ARRAY_FLOW_H
#define SBL_ARRAY_FLOW_H

#include "array/array.h"

/** Submits what is wanted of chunk i: one reference. */
typedef sabal_status sbl_flow_make(sabal_future **future, const sabal_array *array, int64_t i, void *arg,
                                   sabal_error *err);

typedef struct sbl_flow {
    const sabal_array *array;
    sbl_flow_make     *make; /* set after the opening; NULL: the chunk itself is wanted */
    void              *arg;
    sabal_future     **ahead; /* a ring: chunks next .. submitted - 1 */
    int64_t            window, next, submitted;
} sbl_flow;

/** Starts; the array must stay. */
sabal_status sbl_flow_open(sbl_flow *flow, const sabal_array *array, sabal_error *err);
/** Waits for the next chunk and gives its value, one reference; NULL after the last. */
sabal_status sbl_flow_next(sbl_value **value, sbl_flow *flow, sabal_error *err);
/** Cancels what is still under way. */
void sbl_flow_close(sbl_flow *flow);

/** Submits programs[0 .. n-1] in one batch and clears them; futures[i] is one reference each. All or none. */
sabal_status sbl_programs_submit(sabal_future **futures, sabal_client *client, sbl_program *programs, int64_t n,
                                 size_t result_bytes, const char *name, const char *where, sabal_error *err);
/** Clears n programs and frees their table; NULL allowed. */
void sbl_programs_free(sbl_program *programs, int64_t n);

#endif
