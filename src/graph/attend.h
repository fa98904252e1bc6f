/* Waiting where news of tasks that run elsewhere comes, in place of the thread that otherwise hears it. */
#ifndef SBL_GRAPH_ATTEND_H
#define SBL_GRAPH_ATTEND_H

#include "graph/client.h"
#include "sched/pool.h"

/** Whether the calling thread may do so while it waits for that future. One of a pool may not: it lends its place, and can be called. */
static inline int sbl_may_attend(const sabal_future *f)
{
    return f->elsewhere && f->client->engine->attend && sbl_pool_nap_ns(0) < 0;
}

/** Until is_over(arg) says so, or deadline_ns; sbl_attend_look() has it asked. 0: it can't be done now, and was not. */
static inline int sbl_attend(sabal_client *client, int (*is_over)(void *arg), void *arg, int64_t deadline_ns)
{
    int did;

    sbl_blocking_begin();
    did = client->engine->attend(client, is_over, arg, deadline_ns);
    sbl_blocking_end();
    return did;
}

/** By who ends one of the client's futures, in a watch of it. */
static inline void sbl_attend_look(sabal_client *client)
{
    client->engine->ring(client);
}

#endif
