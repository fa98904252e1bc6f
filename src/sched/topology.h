/*
 * Which cores are near each other, level by level: those of one domain (they share the last cache and the NUMA node),
 * those of one node, then those of other nodes, the nearer ones first.
 *
 * Threads are not pinned: the host may have its own mind about cores, a cgroup may move us, and with a second pool or an
 * MPI process beside us two pinned threads would fight for one core while others idle. So a thread asks where it is.
 */
#ifndef SBL_SCHED_TOPOLOGY_H
#define SBL_SCHED_TOPOLOGY_H

#include <stdint.h>

struct hwloc_topology;

/** Domains and nodes have numbers from 0 on. A core that is not known (it came later, or may not be used) is of domain 0. */
typedef struct sbl_topology {
    int32_t   n_cores;        /* all their numbers are below this  */
    int32_t   n_domains;      /* at least 1                        */
    int32_t   n_nodes;        /* that have cores; at least 1       */
    int32_t   n_levels;       /* at least 1                        */
    int32_t  *domain_of_core; /* n_cores                           */
    int32_t  *node_of_domain; /* n_domains                         */
    int32_t  *domain_of_node; /* n_nodes: one of its domains       */
    int32_t  *system_node;    /* n_nodes: the number that the system has for it */
    uint16_t *level;          /* n_domains * n_domains: how far the second is from the first; 0: the same */
} sbl_topology;

/** NULL: no memory, or nothing is known. The caller frees it. */
sbl_topology *sbl_topology_make(struct hwloc_topology *from);
/** As hwloc describes a machine in short ("node:2 l3:1 core:32 pu:1"); NULL also if that can't be read. */
sbl_topology *sbl_topology_synthetic(const char *description);
void          sbl_topology_free(sbl_topology *topology);

/** Asks the system, once a process. */
void sbl_topology_load(void);
/** For tests: from now on this one counts, which stays the caller's, and threads are on the core that core_here() tells; NULL
    and NULL: the system's again. There is no pool. */
void sbl_topology_use(const sbl_topology *topology, int (*core_here)(void));

/** Of the topology that counts; 1 until it is loaded. */
int32_t sbl_domains(void);
int32_t sbl_numa_nodes(void);
int32_t sbl_levels(void);
/** The domain, or the node, of the core that this thread is on now. */
int32_t sbl_domain_here(void);
int32_t sbl_node_here(void);
int32_t sbl_node_of_domain(int32_t domain);
/** How far a domain is from another: 0 .. sbl_levels() - 1. */
int32_t sbl_level_between(int32_t from, int32_t to);
/** And how far a node is; the domain's own: 0. */
int32_t sbl_level_of_node(int32_t from, int32_t node);
/** Asks the system to put whole pages where this thread is. How many of them are there then, as far as it says. */
int32_t sbl_bring_pages_here(void *memory, int32_t n_pages);

#endif
