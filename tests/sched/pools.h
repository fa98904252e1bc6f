/* For the tests of fork-join: a pool, and SABAL_RUN on it instead of on a client. */
#ifndef SBL_TESTS_SCHED_POOLS_H
#define SBL_TESTS_SCHED_POOLS_H

#include "sched/job_pool.h"
#include "sched/worker.h"
#include "support/test.h"

static inline sbl_pool *pool_of(int32_t threads)
{
    sbl_pool   *pool = NULL;
    sabal_error err  = SABAL_ERROR_INIT;

    cr_assert_eq(sbl_pool_create(&pool, &(sbl_pool_options){.threads = threads}, &err), SABAL_OK, "%s", err.message);
    return pool;
}

#define RUN(pool, job, ...)                                                                                            \
    __extension__({                                                                                                    \
        struct sabal_record_##job run_record_ = {.run = sabal_run_##job, .u.args = {__VA_ARGS__}};                     \
        sbl_job_run((pool), (struct sabal_record *)&run_record_);                                                      \
        run_record_.u.result;                                                                                          \
    })

#endif
