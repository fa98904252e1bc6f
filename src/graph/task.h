/* A run of a task: what its function holds in its hands. Lives on the stack of the thread that runs it. */
#ifndef SBL_GRAPH_TASK_H
#define SBL_GRAPH_TASK_H

#include "graph/future.h"

struct sabal_task {
    _Alignas(16) sbl_small small;
    sabal_future      *future;
    sbl_grant          grant;
    int32_t            n_parked; /* waits that it is in */
    struct sabal_task *below;    /* the task that waits under this one on the same stack; NULL: none */
    sbl_value         *value;    /* handed over so far: a value, or a future, or few bytes, or nothing */
    sabal_future      *chain;
    uint8_t            n_small; /* 1 + their number */
    int                failed;  /* sabal_task_fail() was called: the run fails, whatever it returns */
    sabal_error error; /* the first thing that went wrong in a call of this task; only status is set at the start */
};

#endif
