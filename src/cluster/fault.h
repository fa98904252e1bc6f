/* What a worker process leaves behind when a task ends it: a page that hub and worker share. */
#ifndef SBL_CLUSTER_FAULT_H
#define SBL_CLUSTER_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct sbl_fault {
    _Atomic uint64_t begun;  /* the latest call whose function has begun */
    _Atomic uint64_t call;   /* the one whose function brought the end; 0: not known */
    _Atomic int32_t  signal; /* which it was; 0: none */
} sbl_fault;

#endif
