/*
 * Cores are near if they share a last-level cache (else a NUMA node); thieves try near victims first. Threads
 * are not pinned: the host may have its own mind about cores, a cgroup may move us, and with a second pool or
 * an MPI process beside us two pinned threads would fight for one core while others idle. So a thread asks
 * where it is.
 */
#include "sched/topology.h"

#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"

static pthread_once_t  once = PTHREAD_ONCE_INIT;
static int32_t        *domain_of_core; /* kept for the life of the process */
static int32_t         n_cores;
static _Atomic int32_t n_domains = 1;

static void load(void)
{
    hwloc_topology_t topology;
    hwloc_obj_t      domain;
    int32_t          n = 0, cores;
    unsigned         core;

    if (hwloc_topology_init(&topology))
        return;
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology))
        goto done;
    cores = hwloc_bitmap_last(hwloc_topology_get_complete_cpuset(topology)) + 1;
    if (cores <= 0)
        goto done;
    domain_of_core = sbl_calloc((size_t)cores, sizeof *domain_of_core);
    if (!domain_of_core)
        goto done;
    n_cores = cores;
    for (hwloc_obj_type_t type = HWLOC_OBJ_L3CACHE;; type = HWLOC_OBJ_NUMANODE) {
        for (domain = NULL; (domain = hwloc_get_next_obj_by_type(topology, type, domain)); n++)
            hwloc_bitmap_foreach_begin(core, domain->cpuset) if ((int32_t)core < cores) domain_of_core[core] = n;
        hwloc_bitmap_foreach_end();
        if (n || type == HWLOC_OBJ_NUMANODE)
            break;
    }
    atomic_store_explicit(&n_domains, n ? n : 1, memory_order_release);
done:
    hwloc_topology_destroy(topology);
}

void sbl_topology_load(void)
{
    pthread_once(&once, load);
}

int32_t sbl_domains(void)
{
    /* acquire: the table; pairs with the release in load() */
    return atomic_load_explicit(&n_domains, memory_order_acquire);
}

int32_t sbl_domain_here(void)
{
    int core = sched_getcpu();

    return core >= 0 && core < n_cores ? domain_of_core[core] : 0;
}
