/*
 * What a client says of its tasks and data, and hears of them. Which serial is which future, and threads, are its driver's:
 * calls are not made from two threads at a time.
 */
#ifndef SBL_CORE_SUBMITTER_H
#define SBL_CORE_SUBMITTER_H

#include "cluster/core/letters.h"

typedef struct sbl_submitter_calls {
    /** It has finished. told: its bytes (n as SBL_BYTES_OF() has it), NULL: workers have its value. May come again, as a value that
        was lost is made again: only the first time means anything. */
    void (*done)(void *arg, uint64_t serial, uint64_t size, const char *told, uint32_t n);
    /** It has failed; also what has finished, if its value was lost and can't be made again. */
    void (*failed)(void *arg, uint64_t serial, const sabal_error *err);
    /** Its value is there, by that name, with one of these workers (unaligned numbers); n 0: here, or it will be brought. An answer to
        sbl_submitter_look(). Look again if it does not come in time, or can't be had. */
    void (*at)(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint64_t size, const char *workers,
               uint32_t n);
    /** That peer (a worker, or a client that one of our tasks told of it) asks for data that this client keeps, by that name. */
    void (*push)(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint32_t worker);
    /** Data that was released need be kept no longer. */
    void (*forget)(void *arg, uint64_t serial);
    void *arg;
} sbl_submitter_calls;

typedef struct sbl_submitter {
    sbl_submitter_calls calls;
    sbl_outbox
        *out; /* what is to be said; closed and emptied by who sends it. A worker says it with what its executor says */
    uint32_t n_specs;
} sbl_submitter;

/** A new kind of task; its number goes into what is said of its tasks. */
uint32_t sbl_submit_spec(sbl_submitter *s, const sbl_spec *spec);
/** Alike tasks: n_inputs serials for each, or for all together, and arg_size bytes for each. */
void sbl_submit_tasks(sbl_submitter *s, const sbl_group *group, const uint64_t *inputs, const void *args);
/** Data: told, if it is small; else (told NULL) it is kept here until `forget`. */
void sbl_submit_data(sbl_submitter *s, uint64_t serial, uint64_t size, const char *told, uint32_t n);
/** From first on, n of them: wanted no more; to be cancelled. */
void sbl_submit_release(sbl_submitter *s, uint64_t first, uint64_t n);
void sbl_submit_cancel(sbl_submitter *s, uint64_t first, uint64_t n);
/** So many workers are to have its value; SBL_EVERYBODY. */
void sbl_submit_spread(sbl_submitter *s, uint64_t serial, uint32_t n);
/** Where is it? not_at: a worker that does not have it, though it was said so; or SBL_NOBODY. */
void sbl_submitter_look(sbl_submitter *s, uint64_t serial, uint32_t not_at);

/** What the scheduler said. SABAL_EFORMAT: it broke the rules. */
sabal_status sbl_submitter_hear(sbl_submitter *s, const void *bytes, size_t size);

#endif
