/* The process beside a worker's: it starts that, tells the scheduler how it ended, and starts it again. */
#ifndef SBL_CLUSTER_SUPERVISOR_H
#define SBL_CLUSTER_SUPERVISOR_H

#include <sabal/cluster.h>

/** As sabal_worker_run() of a supervised worker. */
sabal_status sbl_supervise(const char *file, const sabal_worker_options *options, sabal_error *err);

#endif
