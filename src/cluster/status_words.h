/* What a cluster is and does, in words: from the scheduler to who asks. */
#ifndef SBL_CLUSTER_STATUS_WORDS_H
#define SBL_CLUSTER_STATUS_WORDS_H

#include <sabal/cluster.h>

#include "cluster/core/words.h"
#include "cluster/net/machine.h"

/* Of these words; both sides are of one version of sabal, so another one means that they are broken. */
enum { SBL_STATUS_FORMAT = 2, SBL_MOST_STATUS_WORKERS = 65536 };

/** The cluster, which is followed by info->workers workers. */
void sbl_say_cluster(sbl_words *w, const sabal_cluster_info *info, const sbl_machine *machine);
void sbl_say_worker(sbl_words *w, const sabal_worker_info *worker, const sbl_machine *machine);

/** All of it: nothing is believed, and fn (NULL: none) gets no worker if any of it is broken. Errors: SABAL_EPEER (it is broken),
    SABAL_EINVAL (info's struct_size). */
sabal_status sbl_hear_cluster(sabal_cluster_info *info, sabal_worker_info_fn *fn, void *user, sbl_reader *r,
                              sabal_error *err);

#endif
