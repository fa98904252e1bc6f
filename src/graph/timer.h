/* Time limits of runs: one thread a client, started with the first task that has one. */
#ifndef SBL_GRAPH_TIMER_H
#define SBL_GRAPH_TIMER_H

#include "graph/client.h"

/** A run with a limit; lives on the stack of the thread that runs it. */
typedef struct sbl_limit {
    struct sbl_limit *next, **link; /* link NULL: not armed, or its time came */
    int64_t           deadline_ns;
    sabal_future     *future;
} sbl_limit;

/** Sees to it that the client has a timer. SABAL_ENOMEM. */
sabal_status sbl_timer_start(sabal_client *client, sabal_error *err);
/** Marks future as out of time timeout_ns from now, unless it is disarmed before. */
void sbl_timer_arm(sbl_limit *limit, sabal_future *future, int64_t timeout_ns);
void sbl_timer_disarm(sbl_limit *limit);
/** Ends the thread, if there is one. */
void sbl_timer_stop(sabal_client *client);

#endif
