/* What a client is told of its cluster: the parts of workers.c that each engine has. */
#ifndef SBL_CLUSTER_WORKERS_H
#define SBL_CLUSTER_WORKERS_H

#include <sabal/cluster.h>

struct sbl_remote;

/** until_ns: of sbl_clock_ns(). Errors: as of sabal_client_wait_for_workers(). */
sabal_status sbl_remote_wait_for_workers(struct sbl_remote *r, uint32_t n, int64_t until_ns, sabal_error *err);
sabal_status sbl_remote_cluster_info(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user,
                                     struct sbl_remote *r, sabal_error *err);
/** serial: of a task or data of that client. Errors: as of sabal_future_who_has(). */
sabal_status sbl_remote_who_has(sabal_worker_info_fn *fn, void *user, struct sbl_remote *r, uint64_t serial,
                                sabal_error *err);

#endif
