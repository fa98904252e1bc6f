/* What a supervisor tells the scheduler of a worker that has ended. It comes over a link of its own, as the first and only frame, so
   that it does so also where no other worker can be started. */
#ifndef SBL_CLUSTER_BLAME_H
#define SBL_CLUSTER_BLAME_H

#include "cluster/core/scheduler.h"
#include "cluster/core/words.h"
#include "cluster/fault.h"
#include "cluster/net/scheduler_file.h"

typedef struct sbl_blame {
    uint32_t worker;    /* its number */
    uint32_t is_known;  /* as of sbl_loss */
    uint32_t has_ended; /* 0: it is about to, which may take long, as when the system writes a core file */
    char     what[160]; /* as of sbl_loss */
    char     more[400]; /* for the log: what it ran, its memory */
    uint32_t n_ran;
    sbl_ran  ran[SBL_FAULT_THREADS];
} sbl_blame;

/** Why a worker of that name is gone; blame NULL: nobody has told more than why. Borrows from both. */
sbl_loss sbl_blame_loss(const sbl_blame *blame, const char *name, const char *why);

void sbl_say_blame(sbl_words *w, const sbl_blame *blame);
/** Nothing is believed: texts are cut, numbers bounded. */
void sbl_hear_blame(sbl_blame *blame, sbl_reader *r);

/**
 * Tells the scheduler of a file, if it is that cluster's; waits until it is told, until the deadline.
 *
 * Errors: those of sbl_scheduler_file_read() and of connecting; SABAL_EPEER (the file is another cluster's)
 */
sabal_status sbl_blame_send(const sbl_blame *blame, const char *file, const uint8_t cluster[SBL_CLUSTER_ID],
                            int64_t deadline_ns, sabal_error *err);

#endif
