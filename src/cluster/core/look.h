/* Looks into a scheduler, for people: nothing is changed, and what is read is bounded. */
#ifndef SBL_CORE_LOOK_H
#define SBL_CORE_LOOK_H

#include "base/lists.h"
#include "cluster/core/scheduler.h"

/** A worker, as the scheduler knows it. */
typedef struct sbl_worker_look {
    uint32_t number;
    int32_t  threads;
    uint32_t running,
        queued; /* tasks that it has to run now; those that wait there or here for it, or for what it makes */
    uint64_t           done, failed;   /* tasks that ended there so far */
    uint64_t           managed, limit; /* bytes, as it told last */
    int64_t            heard_ns;       /* when it said something last */
    int                is_suspect, is_leaving;
    const sbl_amounts *resources, *left; /* that it has; that no task takes. Borrowed */
} sbl_worker_look;

/** The i-th worker, from 0 on, in no order; 0: there are fewer. */
int sbl_scheduler_worker_look(sbl_worker_look *look, const sbl_scheduler *s, uint32_t i);
/** How many of a client's tasks no worker has, though nothing is lacking but a worker. */
uint32_t sbl_scheduler_ready_of(const sbl_scheduler *s, uint32_t client);

enum { SBL_WAIT_INPUTS = 4 };

/** How many workers have the value of a client's task or data; the first of them, up to `room`, are told by number. */
uint32_t sbl_scheduler_who_has(uint32_t *numbers, uint32_t room, const sbl_scheduler *s, uint32_t client,
                               uint64_t serial);

/** A task as one that waits sees it. */
typedef struct sbl_wait_for {
    const char *name;
    uint64_t    serial;
    int         state;
    uint32_t    worker; /* that has it, or has its value; 0: none, or it is not known which */
} sbl_wait_for;

/** A task that has not ended, and what it waits for. Texts are borrowed until the scheduler is told something. */
typedef struct sbl_wait {
    uint32_t     task, attempt, client;
    sbl_wait_for self;
    const char  *where;
    uint32_t     n_inputs, missing;   /* missing: of these, not done */
    const char  *workers, *resources; /* where it may run, and what it takes there; "": anywhere, nothing */
    uint32_t     n_may_run;           /* workers that may run it */
    uint32_t     n_shown;             /* inputs that are described, those that are missing first */
    sbl_wait_for inputs[SBL_WAIT_INPUTS];
} sbl_wait;

/** Some tasks that have not ended, at most so many: those that are with workers, those that are ready, others. Returns how
    many. Reads some ten thousand records at most, so that of a large graph it may miss the last kind. */
uint32_t sbl_scheduler_waits(sbl_wait *waits, const sbl_scheduler *s, uint32_t most);

#endif
