/* Which machine this is, and which process. */
#ifndef SBL_CLUSTER_NET_MACHINE_H
#define SBL_CLUSTER_NET_MACHINE_H

#include <stdint.h>
#include <sys/types.h>

enum { SBL_HOST_TEXT = 65, SBL_BOOT_TEXT = 37 };

typedef struct sbl_machine {
    char     host[SBL_HOST_TEXT]; /* as the system calls itself                                       */
    char     boot[SBL_BOOT_TEXT]; /* another after each start of the machine; "": it doesn't tell     */
    uint64_t pid_namespace;       /* within which process numbers mean something; 0: it doesn't tell  */
} sbl_machine;

void sbl_machine_here(sbl_machine *node);
/** 1: one machine, by host and boot id. Unknown boot ids are never the same. */
int sbl_machine_same(const sbl_machine *a, const sbl_machine *b);

/** When a process of this node started, in the system's own unit; 0: there is none, or it is dead and not reaped. */
uint64_t sbl_process_start_time(pid_t pid);

#endif
