/* Fork-join through a client: its pool, or this thread alone if it has none (failed, closed, forked). */
#include <sabal/job.h>

#include "graph/engine.h"
#include "sched/job_pool.h"

void sabal_job_run(const sabal_client *client, struct sabal_record *root)
{
    sbl_job_run(sbl_client_pool(client), root);
}

sabal_status sabal_for_with(const sabal_client *client, int64_t begin, int64_t end, sabal_for_fn *fn, void *context,
                            const sabal_for_options *options)
{
    if (!client)
        return SABAL_EINVAL;
    return sbl_for(sbl_client_pool(client), begin, end, fn, context, options);
}

sabal_status sabal_reduce_with(void *out, size_t out_size, const sabal_client *client, int64_t begin, int64_t end,
                               sabal_leaf_fn *fn, sabal_combine_fn *combine, void *context,
                               const sabal_reduce_options *options)
{
    if (!client)
        return SABAL_EINVAL;
    return sbl_reduce(out, out_size, sbl_client_pool(client), begin, end, fn, combine, context, options);
}
