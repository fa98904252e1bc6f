/* A client's pool: fork-join on it, or on this thread alone if there is none (failed, closed, forked); its counters. */
#include <sabal/job.h>
#include <sabal/loop.h>
#include <sabal/pool.h>

#include <string.h>

#include "base/struct.h"
#include "graph/engine.h"
#include "sched/job_pool.h"

void sabal_job_run(const sabal_client *client, struct sabal_record *root)
{
    sbl_job_run(sbl_client_pool(client), root);
}

/* Options as they are, where they are: short loops would feel a copy. Those of an older program are shorter: what it
   doesn't know has its default, which is 0, in `own`. */
static const void *taken(void *own, size_t size, const void *options)
{
    size_t given = 0;

    if (options)
        memcpy(&given, options, sizeof given);
    if (given >= size)
        return options;
    if (options)
        memcpy(own, options, given);
    return own;
}

sabal_status sabal_for_with(const sabal_client *client, int64_t begin, int64_t end, sabal_for_fn *fn, void *context,
                            const sabal_for_options *options)
{
    sabal_for_options o = {0};

    if (!client)
        return SABAL_EINVAL;
    return sbl_for(sbl_client_pool(client), begin, end, fn, context, taken(&o, sizeof o, options));
}

sabal_status sabal_for_2d_with(const sabal_client *client, int64_t begin0, int64_t end0, int64_t begin1, int64_t end1,
                               sabal_for_2d_fn *fn, void *context, const sabal_for_2d_options *options)
{
    sabal_for_2d_options o = {0};

    if (!client)
        return SABAL_EINVAL;
    return sbl_for_2d(sbl_client_pool(client), (int64_t[]){begin0, begin1}, (int64_t[]){end0, end1}, fn, context,
                      taken(&o, sizeof o, options));
}

sabal_status sabal_for_3d_with(const sabal_client *client, int64_t begin0, int64_t end0, int64_t begin1, int64_t end1,
                               int64_t begin2, int64_t end2, sabal_for_3d_fn *fn, void *context,
                               const sabal_for_3d_options *options)
{
    sabal_for_3d_options o = {0};

    if (!client)
        return SABAL_EINVAL;
    return sbl_for_3d(sbl_client_pool(client), (int64_t[]){begin0, begin1, begin2}, (int64_t[]){end0, end1, end2}, fn,
                      context, taken(&o, sizeof o, options));
}

sabal_status sabal_reduce_with(void *out, size_t out_size, const sabal_client *client, int64_t begin, int64_t end,
                               sabal_leaf_fn *fn, sabal_combine_fn *combine, void *context,
                               const sabal_reduce_options *options)
{
    sabal_reduce_options o = {0};

    if (!client)
        return SABAL_EINVAL;
    return sbl_reduce(out, out_size, sbl_client_pool(client), begin, end, fn, combine, context,
                      taken(&o, sizeof o, options));
}

sabal_status sabal_scan_with(void *total, size_t size, const sabal_client *client, int64_t begin, int64_t end,
                             sabal_leaf_fn *fn, sabal_combine_fn *combine, sabal_prefix_fn *write, void *context,
                             const sabal_scan_options *options)
{
    sabal_scan_options o = {0};

    if (!client)
        return SABAL_EINVAL;
    return sbl_scan(total, size, sbl_client_pool(client), begin, end, fn, combine, write, context,
                    taken(&o, sizeof o, options));
}

sabal_status sabal_client_worker_get(const sabal_client *client, int32_t i, sabal_worker_stats *stats)
{
    sbl_pool          *pool = sbl_client_pool(client);
    sabal_worker_stats s    = {.struct_size = sizeof s};
    sbl_pool_counters  c;
    int32_t            kind;

    if (i < 0)
        return SABAL_EINVAL;
    kind = pool ? sbl_pool_count_one(pool, i, &c) : -1;
    if (kind < 0)
        return SABAL_END;
    s.thread       = kind ? i : -1;
    s.runs         = (int64_t)c.runs;
    s.offered      = (int64_t)c.shares;
    s.steals       = (int64_t)c.steals;
    s.sleeps       = (int64_t)c.parks;
    s.searching_ns = (int64_t)c.search_ns;
    s.far_takes    = (int64_t)c.far_takes;
    return sbl_struct_give(stats, &s, sizeof s);
}
