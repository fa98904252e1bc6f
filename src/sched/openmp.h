/* OpenMP regions inside of tasks and jobs: each thread of a pool may use its share of the cores for them, and no more. */
#ifndef SBL_SCHED_OPENMP_H
#define SBL_SCHED_OPENMP_H

#include <stdatomic.h>
#include <stdint.h>

/** How many runtimes were found: a thread that has set its share for fewer is to do so again. */
extern _Atomic int32_t sbl_openmp_found;

/** Looks which runtimes are loaded in this process; calls these once, so that they are set up by the caller. Not from a
    thread that somebody waits for who loads a library. */
void sbl_openmp_find(void);
/** The regions that the calling thread begins from now on have `share` threads at the most. */
void sbl_openmp_limit(int32_t share);

/** So many threads of pools share this process's cores: those of the other processes that work with it, and its own. 0: its
    own alone. */
void sbl_openmp_share_cores(int32_t threads);
/** What each thread of a pool of so many gets, at least 1. Reads files. */
int32_t sbl_openmp_share(int32_t threads);

#endif
