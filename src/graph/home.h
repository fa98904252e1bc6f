/* On which NUMA node a task had best run: where its largest input lies. */
#ifndef SBL_GRAPH_HOME_H
#define SBL_GRAPH_HOME_H

#include "graph/future.h"

/** The node on which a value's memory lies, from 1 on; 0: it is small, or not known, or there is one node. */
int32_t sbl_value_home(const sbl_value *value);
/** The same for the largest input of a task whose inputs have ended; 0 also if they were released meanwhile. */
int32_t sbl_task_home(sabal_future *f);

#endif
