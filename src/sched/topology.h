/* Which cores are near each other: those that share the last cache. */
#ifndef SBL_SCHED_TOPOLOGY_H
#define SBL_SCHED_TOPOLOGY_H

#include <stdint.h>

/** Asks the system once a process. */
void sbl_topology_load(void);
/** Number of domains, at least 1; 1 until loaded. */
int32_t sbl_domains(void);
/** The domain of the core that this thread is on now. */
int32_t sbl_domain_here(void);

#endif
