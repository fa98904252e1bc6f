/*
 * What a worker decides, as a state machine: which tasks wait for which inputs, what is fetched from whom, what is told to the
 * scheduler. Running a task, moving a value and keeping it are its driver's: each is a call, whose end the driver reports.
 *
 * Values are the driver's pointers. Nothing here waits, or is called from two threads at a time.
 */
#ifndef SBL_CORE_EXECUTOR_H
#define SBL_CORE_EXECUTOR_H

#include "cluster/core/letters.h"

typedef struct sbl_executor sbl_executor;
typedef struct sbl_item     sbl_item; /* a task that is to run here, or a value, or first the one and then the other */

/** A task whose inputs are here. All is borrowed: until it has ended. */
typedef struct sbl_task_run {
    uint32_t     task, attempt, spec;
    uint64_t     rank;
    const void  *arg;
    uint32_t     arg_size, n_inputs;
    void *const *inputs;
} sbl_task_run;

typedef struct sbl_executor_calls {
    /** What tasks of this number have in common; replaces what it meant before. Borrowed. */
    void (*spec)(void *arg, const sbl_spec *spec);
    /** A value of bytes that were told (n as SBL_BYTES_OF() has it). NULL: no memory. */
    void *(*value_of)(void *arg, const char *bytes, uint32_t n);
    /** Nobody needs it any more. */
    void (*forget)(void *arg, void *value);
    /** Starts it, on whatever thread: its end is told by sbl_executor_finished(), _failed() or _chained(), not from within. */
    void (*run)(void *arg, sbl_item *item, const sbl_task_run *run);
    /** 1: it had not begun, and never will. */
    int (*take_back)(void *arg, sbl_item *item);
    /** It is asked to end soon; its end is told all the same. */
    void (*interrupt)(void *arg, sbl_item *item);
    /** Gets a value from another worker, or from a client who brings it (worker SBL_CLIENT_HAS). Its end is told by
        sbl_executor_fetched() or _lacking(), not from within; lacking too if the client does not come in time: whether it
        could reach us, nobody else knows. */
    void (*fetch)(void *arg, sbl_item *item, uint32_t task, uint32_t attempt, uint64_t size, uint32_t worker,
                  uint32_t client);
    /** It is needed no more, and no end is told. */
    void (*stop_fetch)(void *arg, sbl_item *item);
    /** An answer to sbl_executor_retire(): nothing is left here that is needed. */
    void (*may_part)(void *arg);
    void *arg;
} sbl_executor_calls;

/** NULL: no memory. */
sbl_executor *sbl_executor_create(const sbl_executor_calls *calls);
/** Forgets all values; tasks that run are forgotten too: their ends must not be told any more. */
void sbl_executor_destroy(sbl_executor *x);

/** What the scheduler said. SABAL_EFORMAT: it broke the rules; SABAL_ENOMEM. */
sabal_status sbl_executor_hear(sbl_executor *x, const void *bytes, size_t size);

/** Ends of what was begun. The value is the executor's from here on. told: its bytes if it is small (n as above), else NULL. */
void sbl_executor_finished(sbl_executor *x, sbl_item *item, void *value, uint64_t size, uint64_t ns, const char *told,
                           uint32_t n);
void sbl_executor_failed(sbl_executor *x, sbl_item *item, const sabal_error *err);
/** It has not begun, and does not: there is no room for it here. */
void sbl_executor_refused(sbl_executor *x, sbl_item *item, const sabal_error *err);
/** It returned a future of this worker's own client. */
void sbl_executor_chained(sbl_executor *x, sbl_item *item, uint64_t serial);
void sbl_executor_fetched(sbl_executor *x, sbl_item *item, void *value);
void sbl_executor_lacking(sbl_executor *x, sbl_item *item);

/** The value of an input can't be read (any more): a task that was handed to the driver, and has not begun, is given back. */
void sbl_executor_unreadable(sbl_executor *x, sbl_item *item, uint32_t input);

/** The value of that name, borrowed; NULL: it is not here. For who asks. */
void *sbl_executor_find(const sbl_executor *x, uint32_t task, uint32_t attempt);
/** So many of its tasks wait for other tasks. */
void sbl_executor_spare(sbl_executor *x, uint32_t n);
/** It wants to leave, and to have what it has moved to others before. Tasks that have begun are to end here. */
void sbl_executor_retire(sbl_executor *x);
void sbl_executor_beat(sbl_executor *x, uint64_t managed, uint64_t limit);

/** By whom a task that has not ended is awaited, as far as is known. */
typedef enum sbl_awaited {
    SBL_AWAITED_HERE,      /* by tasks that were sent here behind it, and by nobody else */
    SBL_AWAITED_BY_CLIENT, /* who may have much else to wait for */
    SBL_AWAITED_ELSEWHERE /* by tasks: it may be what another worker has nothing to do without. Or they come here, and were not read yet */
} sbl_awaited;
sbl_awaited sbl_item_awaited(const sbl_item *item);
/** A pointer that is the driver's; NULL at first. */
void **sbl_item_tag(sbl_item *item);

/** What is to be said to the scheduler; closed and emptied by who sends it. */
sbl_outbox *sbl_executor_outbox(sbl_executor *x);
/** Items that there are: tasks, values. */
uint32_t sbl_executor_count(const sbl_executor *x);
/** NULL, or what does not hold. For tests. */
const char *sbl_executor_check(const sbl_executor *x);

#endif
