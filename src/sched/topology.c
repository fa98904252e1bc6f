/* The topology that counts, and where a thread is in it. */
#include "sched/topology.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"

#define MOST_PAGES 8 /* at once */
#define MOVE_OWN   2 /* MPOL_MF_MOVE of <numaif.h>, which is libnuma's */

static _Atomic int32_t     n_domains = 1, n_nodes = 1;
static pthread_once_t      once = PTHREAD_ONCE_INIT;
static const sbl_topology *system_topology, *current; /* the former stays for the life of the process */
static int (*core_here)(void) = sched_getcpu;

static void use(const sbl_topology *topology)
{
    current = topology;
    /* release: the tables; pairs with the acquires in sbl_domains() and sbl_numa_nodes() */
    atomic_store_explicit(&n_nodes, topology ? topology->n_nodes : 1, memory_order_release);
    atomic_store_explicit(&n_domains, topology ? topology->n_domains : 1, memory_order_release);
    sbl_buffer_nodes(topology ? topology->n_nodes : 1, sbl_node_here);
}

static void load(void)
{
    system_topology = sbl_topology_synthetic(NULL);
    use(system_topology);
}

void sbl_topology_load(void)
{
    pthread_once(&once, load);
}

void sbl_topology_use(const sbl_topology *topology, int (*here)(void))
{
    sbl_topology_load(); /* so that it does not come later */
    core_here = here ? here : sched_getcpu;
    use(topology ? topology : system_topology);
}

int32_t sbl_domains(void)
{
    /* acquire: the tables; pairs with the release in use() */
    return atomic_load_explicit(&n_domains, memory_order_acquire);
}

int32_t sbl_numa_nodes(void)
{
    return atomic_load_explicit(&n_nodes, memory_order_acquire); /* likewise */
}

int32_t sbl_levels(void)
{
    return current ? current->n_levels : 1;
}

int32_t sbl_domain_here(void)
{
    int core = sbl_domains() > 1 ? core_here() : -1;

    return core >= 0 && core < current->n_cores ? current->domain_of_core[core] : 0;
}

int32_t sbl_node_here(void)
{
    return sbl_numa_nodes() > 1 ? sbl_node_of_domain(sbl_domain_here()) : 0;
}

int32_t sbl_node_of_domain(int32_t domain)
{
    return sbl_domains() > 1 ? current->node_of_domain[domain] : 0;
}

int32_t sbl_level_between(int32_t from, int32_t to)
{
    return sbl_domains() > 1 ? current->level[from * current->n_domains + to] : 0;
}

int32_t sbl_level_of_node(int32_t from, int32_t node)
{
    if (sbl_domains() < 2 || current->node_of_domain[from] == node)
        return 0;
    return sbl_level_between(from, current->domain_of_node[node]);
}

int32_t sbl_bring_pages_here(void *memory, int32_t n_pages)
{
    void   *pages[MOST_PAGES];
    int     nodes[MOST_PAGES], status[MOST_PAGES];
    int32_t there = 0;

    if (sbl_numa_nodes() < 2 || n_pages > MOST_PAGES)
        return 0;
    for (int32_t i = 0; i < n_pages; i++) {
        pages[i]  = (char *)memory + i * sysconf(_SC_PAGESIZE);
        nodes[i]  = current->system_node[sbl_node_here()];
        status[i] = -1;
    }
    if (syscall(SYS_move_pages, 0, (unsigned long)n_pages, pages, nodes, status, MOVE_OWN) < 0)
        return 0;
    for (int32_t i = 0; i < n_pages; i++)
        there += status[i] == nodes[i];
    return there;
}
