/* What a worker process leaves behind when a task ends it: memory that it shares with who watches it (hub, supervisor). */
#ifndef SBL_CLUSTER_FAULT_H
#define SBL_CLUSTER_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

enum { SBL_FAULT_THREADS = 1100 }; /* a pool's, and some more; those beyond are not noted */

/* What one thread of a worker runs: a cache line of its own. */
typedef struct sbl_fault_thread {
    _Alignas(64) _Atomic uint64_t call; /* 0: nothing, or none that is known */
    char name[56];                      /* of that task, or of the last one */
} sbl_fault_thread;

typedef struct sbl_fault {
    _Atomic uint64_t begun;    /* the latest call whose function has begun, where calls are numbered in order */
    _Atomic uint64_t call;     /* the one whose function brought the end; 0: not known */
    _Atomic int32_t  signal;   /* which it was; 0: none */
    _Atomic int32_t  is_noted; /* the end was seen to come, in a call or not */
    _Atomic int32_t  is_sent;  /* the signal was sent by another process */
    _Atomic int32_t  n_threads;
    sbl_fault_thread threads[SBL_FAULT_THREADS];
} sbl_fault;

#endif
