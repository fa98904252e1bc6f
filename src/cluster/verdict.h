/* Whose fault the end of a worker was. */
#ifndef SBL_CLUSTER_VERDICT_H
#define SBL_CLUSTER_VERDICT_H

#include "cluster/blame.h"
#include "cluster/crew_page.h"

/* How the system says that its process ended. */
typedef struct sbl_ending {
    int     status; /* as waitpid() has it; -1: not known, or it has not ended yet though its end is noted */
    int     has_ended;
    int     ran_out; /* the system killed a process of this cgroup meanwhile, as memory ran out */
    int64_t peak;    /* the most of its memory that was resident, bytes */
} sbl_ending;

/**
 * A task is guilty that brought the end by its own doing: a crash, abort() or exit() in its thread. Where memory had run out (the
 * system killed, and counted that for this cgroup; or killed a worker whose memory was over its limit; or the worker had none for
 * its own needs), all that ran are. Another
 * SIGKILL, or a signal that another process sent, is nobody's fault. Where it can't be told which of those that ran did it
 * (_exit(), a crash in a thread of the task's own), one that ran alone is guilty; if several ran, none is.
 */
void sbl_verdict(sbl_blame *blame, const sbl_crew_page *page, const sbl_ending *ending);

#endif
