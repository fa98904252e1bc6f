/* What submitting and waiting share within this floor. */
#ifndef SBL_GRAPH_SUBMIT_H
#define SBL_GRAPH_SUBMIT_H

#include "graph/client.h"

/** n tasks: one spec each, or one for all whose arguments lie one behind the other from its own on. */
typedef struct sbl_batch {
    const sbl_task_spec *specs;
    int                  alike; /* one spec for all */
    int64_t              n;
    const char          *function; /* the function as it stands in the source; may be NULL */
    int                  adopt;    /* the references go to the caller's scope, not to him */
} sbl_batch;

/** As sbl_engine_submit(). */
sabal_status sbl_submit_batch(sabal_client *client, const sbl_batch *batch, sabal_future **futures, sabal_error *err);
/** Waits for one; the error is the future's own or SABAL_ETIMEDOUT. */
sabal_status sbl_wait_one(sabal_future *f, int64_t timeout_ns, sabal_error *err);
sabal_status sbl_wait_list(sabal_future *const *futures, int64_t n, int64_t timeout_ns, sabal_error *err);
/** How a wait is given in options of any age; the defaults for NULL. */
sabal_wait_options sbl_wait_options_of(const sabal_wait_options *options);

#endif
