/* In a worker: which call each thread is in, so that what ends the process can be told whose fault it was. */
#ifndef SBL_CLUSTER_CRASH_H
#define SBL_CLUSTER_CRASH_H

#include "cluster/fault.h"

/** Sees to it that signals of crashes, abort() and exit() are noted in the fault, which stays. tell: a descriptor that gets
    a byte then, as the process may take long to end (a core file); -1: none. */
void sbl_crash_watch(sbl_fault *fault, int tell);

typedef struct sbl_crash_call {
    uint64_t    call;
    const char *name; /* of its task, there until it has ended; NULL: not noted */
} sbl_crash_call;
/** This thread begins a call (0: one that is nobody's); returns the one it was in, for sbl_crash_end(). Nothing where no fault
    is watched. */
sbl_crash_call sbl_crash_begin(uint64_t call, const char *name);
void           sbl_crash_end(sbl_crash_call before);
/** Of calls that are numbered in order: one has begun. */
void sbl_crash_begun(uint64_t call);

#endif
