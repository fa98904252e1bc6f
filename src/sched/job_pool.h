/* Fork-join, loops and reductions on a pool, as <sabal/job.h> and <sabal/loop.h> tell; a NULL pool means on this thread alone.
 */
#ifndef SBL_SCHED_JOB_POOL_H
#define SBL_SCHED_JOB_POOL_H

#include <sabal/job.h>
#include <sabal/loop.h>

#include "sched/pool.h"

/** Runs a job and all it spawns. root is the caller's, filled by a SABAL_JOB's start. */
void sbl_job_run(sbl_pool *pool, struct sabal_record *root);
/** The same for a root that offers the first that it spawns without being asked: it is too short to wait for that. */
void sbl_job_run_offered(sbl_pool *pool, struct sabal_record *root);
/** NULL options: the defaults (not for tiles). */
sabal_status sbl_for(sbl_pool *pool, int64_t begin, int64_t end, sabal_for_fn *fn, void *context,
                     const sabal_for_options *options);
sabal_status sbl_for_2d(sbl_pool *pool, const int64_t *begin, const int64_t *end, sabal_for_2d_fn *fn, void *context,
                        const sabal_for_2d_options *options);
sabal_status sbl_for_3d(sbl_pool *pool, const int64_t *begin, const int64_t *end, sabal_for_3d_fn *fn, void *context,
                        const sabal_for_3d_options *options);
sabal_status sbl_reduce(void *out, size_t out_size, sbl_pool *pool, int64_t begin, int64_t end, sabal_leaf_fn *fn,
                        sabal_combine_fn *combine, void *context, const sabal_reduce_options *options);
sabal_status sbl_scan(void *total, size_t size, sbl_pool *pool, int64_t begin, int64_t end, sabal_leaf_fn *fn,
                      sabal_combine_fn *combine, sabal_prefix_fn *write, void *context,
                      const sabal_scan_options *options);

#endif
