/* The engine's call in a worker of a cluster. */
#ifndef SBL_CLUSTER_CREW_CALL_H
#define SBL_CLUSTER_CREW_CALL_H

#include "graph/task.h"

/** Runs a task's function, and notes for this thread how long it took. */
sabal_status sbl_crew_call(struct sabal_task *task);

#endif
