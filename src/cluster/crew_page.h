/*
 * What a worker of a cluster and its supervisor share: how it is to run, written by the supervisor before it starts, and what
 * it leaves behind, written by the worker.
 */
#ifndef SBL_CLUSTER_CREW_PAGE_H
#define SBL_CLUSTER_CREW_PAGE_H

#include <limits.h>
#include <sys/types.h>

#include <sabal/status.h>

#include "cluster/fault.h"
#include "cluster/net/folder.h"
#include "cluster/net/scheduler_file.h"

/* How far a worker is, and how it ended. */
enum {
    SBL_CREW_STARTS,
    SBL_CREW_JOINED,
    SBL_CREW_FAILED, /* it could not join: page->why */
    SBL_CREW_LEFT,   /* it was told to, or its cluster has ended: it is not to be started again */
    SBL_CREW_CUT     /* the scheduler dropped it, or can't be reached */
};

/* Its exit status when it ends as there is no memory for what it does itself. */
enum { SBL_CREW_NO_MEMORY = 70 };

/* Its memory at one time. */
typedef struct sbl_crew_memory {
    int64_t  at_ns; /* sbl_clock_ns() */
    uint64_t managed, resident, limit;
} sbl_crew_memory;

enum { SBL_CREW_MEMORIES = 60, SBL_CREW_TEXT = 1024 };

/* Within which what a worker has goes to others before it leaves. */
#define SBL_RETIRE_NS ((int64_t)60000000000)

typedef struct sbl_crew_page {
    sbl_fault fault;

    /* the supervisor's */
    pid_t   supervisor;
    int32_t threads, encrypt, keeps_hangups; /* keeps_hangups: SIGHUP is nothing to it (nohup) */
    int64_t memory_limit, patience_ns, ends_ns;
    char    file[PATH_MAX], local_directory[PATH_MAX];
    char    name[64], interfaces[SBL_CREW_TEXT], tls[SBL_CREW_TEXT], preload[4 * SBL_CREW_TEXT];
    char    resources[SBL_CREW_TEXT];
    uint8_t has_name, has_interfaces, has_tls; /* the others are "" if they were not given */

    /* the worker's */
    _Atomic int32_t  state;
    _Atomic uint32_t number; /* that the scheduler gave it */
    uint8_t          cluster[SBL_CLUSTER_ID];
    char             folder[SBL_FOLDER_TEXT];
    _Atomic uint32_t n_memories; /* so far; the last of them are kept */
    sbl_crew_memory  memories[SBL_CREW_MEMORIES];
    sabal_error      why;
} sbl_crew_page;

#endif
