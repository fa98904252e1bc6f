/* Workers whose connections have ended, and of which it is not known yet how: their supervisors are about to tell. */
#ifndef SBL_CLUSTER_OFFICE_LOSSES_H
#define SBL_CLUSTER_OFFICE_LOSSES_H

#include "cluster/blame.h"
#include "cluster/net/evloop.h"

typedef struct sbl_office_losses sbl_office_losses;

/** It is lost, to whomever that is charged; once. blame NULL: nobody has told. */
typedef void sbl_office_lose_fn(void *arg, uint32_t worker, const char *name, const char *why, const sbl_blame *blame);

/** patience_ns: for which a supervisor is waited for. NULL: no memory. */
sbl_office_losses *sbl_office_losses_create(sbl_evloop *loop, int64_t patience_ns, sbl_office_lose_fn *lose, void *arg);
void               sbl_office_losses_destroy(sbl_office_losses *losses);
/** It has ended: lose() is called when it is explained, or nobody has explained it in time; now, if there is no memory. */
void sbl_office_losses_add(sbl_office_losses *losses, uint32_t worker, const char *name, const char *why);
/** It is explained. 0: it has not ended, or was lost already. */
int sbl_office_losses_explain(sbl_office_losses *losses, const sbl_blame *blame);

#endif
