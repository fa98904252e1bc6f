/* In a worker: which call a thread is in, so that what ends the process can be told whose fault it was. */
#ifndef SBL_CLUSTER_CRASH_H
#define SBL_CLUSTER_CRASH_H

#include <sabal/status.h>

/** Maps the page shared with the hub, and sees to it that signals of crashes, abort() and exit() are noted there. */
sabal_status sbl_crash_watch(int fault_fd, sabal_error *err);
/** This thread begins a call (0: one that is nobody's); returns the one it was in, for sbl_crash_end(). */
uint64_t sbl_crash_begin(uint64_t call);
void     sbl_crash_end(uint64_t before);

#endif
