/* The tables of a topology, as hwloc tells them: this machine's, or one that a test describes. */
#include <hwloc.h>
#include <hwloc/distances.h>
#include <string.h>

#include "base/alloc.h"
#include "sched/topology.h"

#define NO_CACHE (-1)

/* While the tables are made. */
typedef struct maker {
    hwloc_topology_t          from;
    sbl_topology             *to;
    int32_t                  *node_of_core, *cache_of_core; /* -1: none */
    int32_t                  *cache_of_domain;              /* as many as cores at most */
    hwloc_obj_t              *nodes;                        /* those that have cores */
    struct hwloc_distances_s *distances;                    /* between nodes; NULL: not told */
    uint64_t                 *near;                         /* of one domain to all others: the smaller the nearer */
} maker;

void sbl_topology_free(sbl_topology *topology)
{
    if (!topology)
        return;
    sbl_free(topology->domain_of_core);
    sbl_free(topology->node_of_domain);
    sbl_free(topology->domain_of_node);
    sbl_free(topology->system_node);
    sbl_free(topology->level);
    sbl_free(topology);
}

/* Several nodes may have the same cores (memory of several kinds): the first of them is the one that is theirs. */
static void find_nodes(maker *m)
{
    hwloc_obj_t node = NULL;
    unsigned    core;

    while ((node = hwloc_get_next_obj_by_type(m->from, HWLOC_OBJ_NUMANODE, node))) {
        int32_t n = m->to->n_nodes, had = 0;

        hwloc_bitmap_foreach_begin(core, node->cpuset) if (m->node_of_core[core] < 0)
        {
            m->node_of_core[core] = n;
            had                   = 1;
        }
        hwloc_bitmap_foreach_end();
        if (!had)
            continue;
        m->nodes[n]           = node;
        m->to->system_node[n] = (int32_t)node->os_index;
        m->to->n_nodes++;
    }
}

static void find_caches(maker *m)
{
    hwloc_obj_t cache = NULL;
    unsigned    core;

    for (int32_t n = 0; (cache = hwloc_get_next_obj_by_type(m->from, HWLOC_OBJ_L3CACHE, cache)); n++) {
        hwloc_bitmap_foreach_begin(core, cache->cpuset) m->cache_of_core[core] = n;
        hwloc_bitmap_foreach_end();
    }
}

static int32_t domain_of(maker *m, int32_t node, int32_t cache)
{
    sbl_topology *t = m->to;

    for (int32_t i = 0; i < t->n_domains; i++)
        if (t->node_of_domain[i] == node && m->cache_of_domain[i] == cache)
            return i;
    if (!t->n_domains || t->node_of_domain[t->domain_of_node[node]] != node)
        t->domain_of_node[node] = t->n_domains;
    t->node_of_domain[t->n_domains]  = node;
    m->cache_of_domain[t->n_domains] = cache;
    return t->n_domains++;
}

static void find_domains(maker *m)
{
    for (int32_t core = 0; core < m->to->n_cores; core++)
        if (m->node_of_core[core] >= 0)
            m->to->domain_of_core[core] = domain_of(m, m->node_of_core[core], m->cache_of_core[core]);
}

/* What holds both, counted from the leaves: packages and groups are all there is between a node and the machine. */
static uint64_t ancestor_distance(const maker *m, hwloc_obj_t a, hwloc_obj_t b)
{
    while (hwloc_obj_type_is_memory(a->type))
        a = a->parent;
    while (hwloc_obj_type_is_memory(b->type))
        b = b->parent;
    return (uint64_t)(hwloc_topology_get_depth(m->from) - hwloc_get_common_ancestor_obj(m->from, a, b)->depth);
}

static uint64_t node_distance(const maker *m, hwloc_obj_t a, hwloc_obj_t b)
{
    hwloc_uint64_t there, back;

    if (m->distances && !hwloc_distances_obj_pair_values(m->distances, a, b, &there, &back))
        return there;
    return ancestor_distance(m, a, b);
}

static void note_distances(maker *m, int32_t from)
{
    const sbl_topology *t    = m->to;
    const int32_t       node = t->node_of_domain[from];

    for (int32_t i = 0; i < t->n_domains; i++)
        if (i == from)
            m->near[i] = 0;
        else if (t->node_of_domain[i] == node)
            m->near[i] = 1;
        else
            m->near[i] = 2 + node_distance(m, m->nodes[node], m->nodes[t->node_of_domain[i]]);
}

/* Seen from each domain its levels have no gaps: each is that of somebody. */
static void find_levels(maker *m)
{
    sbl_topology *t = m->to;

    for (int32_t from = 0; from < t->n_domains; from++) {
        uint16_t *level = &t->level[from * t->n_domains];
        uint64_t  last  = 0;
        int32_t   n     = 0;

        note_distances(m, from);
        for (int more = 1; more; n++) {
            uint64_t next = UINT64_MAX;

            for (int32_t i = 0; i < t->n_domains; i++)
                if (m->near[i] == last)
                    level[i] = (uint16_t)n;
                else if (m->near[i] > last && m->near[i] < next)
                    next = m->near[i];
            more = next != UINT64_MAX;
            last = next;
        }
        t->n_levels = n > t->n_levels ? n : t->n_levels;
    }
}

static int make_room(maker *m)
{
    sbl_topology *t     = m->to;
    size_t        cores = (size_t)t->n_cores;

    t->domain_of_core  = sbl_calloc(cores, sizeof *t->domain_of_core);
    t->node_of_domain  = sbl_calloc(cores, sizeof *t->node_of_domain);
    t->domain_of_node  = sbl_calloc(cores, sizeof *t->domain_of_node);
    t->system_node     = sbl_calloc(cores, sizeof *t->system_node);
    m->node_of_core    = sbl_alloc(cores * sizeof *m->node_of_core);
    m->cache_of_core   = sbl_alloc(cores * sizeof *m->cache_of_core);
    m->cache_of_domain = sbl_alloc(cores * sizeof *m->cache_of_domain);
    m->nodes           = sbl_calloc(cores, sizeof(hwloc_obj_t));
    if (!t->domain_of_core || !t->node_of_domain || !t->domain_of_node || !t->system_node || !m->node_of_core ||
        !m->cache_of_core || !m->cache_of_domain || !m->nodes)
        return 0;
    for (size_t i = 0; i < cores; i++)
        m->node_of_core[i] = m->cache_of_core[i] = NO_CACHE;
    return 1;
}

static int fill(maker *m)
{
    sbl_topology *t     = m->to;
    unsigned      n_had = 1;

    if (!make_room(m))
        return 0;
    find_nodes(m);
    find_caches(m);
    find_domains(m);
    if (!t->n_domains)
        return 0;
    t->level = sbl_calloc((size_t)t->n_domains * (size_t)t->n_domains, sizeof *t->level);
    m->near  = sbl_alloc((size_t)t->n_domains * sizeof *m->near);
    if (!t->level || !m->near)
        return 0;
    if (hwloc_distances_get_by_type(m->from, HWLOC_OBJ_NUMANODE, &n_had, &m->distances,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) ||
        !n_had)
        m->distances = NULL;
    find_levels(m);
    if (m->distances)
        hwloc_distances_release(m->from, m->distances);
    return 1;
}

sbl_topology *sbl_topology_make(hwloc_topology_t from)
{
    maker m    = {.from = from, .to = sbl_calloc(1, sizeof *m.to)};
    int   made = 0;

    if (m.to) {
        m.to->n_cores = hwloc_bitmap_last(hwloc_topology_get_complete_cpuset(from)) + 1;
        made          = m.to->n_cores > 0 && fill(&m);
    }
    sbl_free(m.node_of_core);
    sbl_free(m.cache_of_core);
    sbl_free(m.cache_of_domain);
    sbl_free(m.nodes);
    sbl_free(m.near);
    if (!made)
        sbl_topology_free(m.to);
    return made ? m.to : NULL;
}

/* What is not asked for is not looked for: a full discovery takes tens of milliseconds on large machines. */
sbl_topology *sbl_topology_synthetic(const char *description)
{
    hwloc_topology_t from;
    sbl_topology    *made = NULL;

    if (hwloc_topology_init(&from))
        return NULL;
    hwloc_topology_set_all_types_filter(from, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(from, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(from, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    hwloc_topology_set_type_filter(from, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if ((!description || !hwloc_topology_set_synthetic(from, description)) && !hwloc_topology_load(from))
        made = sbl_topology_make(from);
    hwloc_topology_destroy(from);
    return made;
}
