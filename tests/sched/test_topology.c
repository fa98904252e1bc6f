#include "sched/topology.h"

#include <hwloc.h>
#include <hwloc/distances.h>

#include "base/alloc.h"
#include "support/test.h"

static int level_of_cores(const sbl_topology *t, int32_t from, int32_t to)
{
    return t->level[t->domain_of_core[from] * t->n_domains + t->domain_of_core[to]];
}

static sbl_topology *described(const char *description)
{
    sbl_topology *t = sbl_topology_synthetic(description);

    cr_assert_not_null(t, "%s", description);
    return t;
}

static hwloc_topology_t hwloc_of(const char *description)
{
    hwloc_topology_t from;

    cr_assert_eq(hwloc_topology_init(&from), 0);
    cr_assert_eq(hwloc_topology_set_synthetic(from, description), 0);
    cr_assert_eq(hwloc_topology_load(from), 0);
    return from;
}

Test(topology, two_sockets_of_32_cores)
{
    sbl_topology *t = described("node:2 l3:1 core:32 pu:1");

    cr_expect_eq(t->n_cores, 64);
    cr_expect_eq(t->n_domains, 2);
    cr_expect_eq(t->n_nodes, 2);
    cr_expect_eq(t->n_levels, 2);
    for (int32_t i = 0; i < 64; i++) {
        cr_expect_eq(t->domain_of_core[i], i / 32);
        cr_expect_eq(t->node_of_domain[t->domain_of_core[i]], i / 32);
        cr_expect_eq(level_of_cores(t, 5, i), i / 32);
    }
    sbl_topology_free(t);
}

Test(topology, eight_nodes_of_two_caches)
{
    sbl_topology *t = described("node:8 l3:2 core:8 pu:1");

    cr_expect_eq(t->n_cores, 128);
    cr_expect_eq(t->n_domains, 16);
    cr_expect_eq(t->n_nodes, 8);
    cr_expect_eq(t->n_levels, 3);
    for (int32_t from = 0; from < 128; from += 17)
        for (int32_t to = 0; to < 128; to++)
            cr_expect_eq(level_of_cores(t, from, to), from / 8 == to / 8 ? 0 : from / 16 == to / 16 ? 1 : 2);
    for (int32_t node = 0; node < 8; node++)
        cr_expect_eq(t->node_of_domain[t->domain_of_node[node]], node);
    sbl_topology_free(t);
}

Test(topology, without_distances_nodes_of_one_package_are_nearer)
{
    sbl_topology *t = described("pack:2 node:2 l3:2 core:2 pu:2");

    cr_expect_eq(t->n_nodes, 4);
    cr_expect_eq(t->n_levels, 4);
    for (int32_t to = 0; to < 32; to++)
        cr_expect_eq(level_of_cores(t, 0, to), to < 4 ? 0 : to < 8 ? 1 : to < 16 ? 2 : 3);
    sbl_topology_free(t);
}

Test(topology, a_cache_of_two_nodes_is_two_domains_and_the_other_one_is_nearer_than_the_rest)
{
    sbl_topology *t = described("l3:2 node:2 core:4 pu:1");

    cr_expect_eq(t->n_domains, 4);
    cr_expect_eq(t->n_nodes, 4);
    for (int32_t to = 0; to < 16; to++)
        cr_expect_eq(level_of_cores(t, 0, to), to < 4 ? 0 : to < 8 ? 1 : 2);
    sbl_topology_free(t);
}

Test(topology, without_nodes_or_caches_there_is_one_domain_and_with_caches_alone_one_node)
{
    sbl_topology *flat = described("core:6 pu:1"), *caches = described("l3:4 core:2 pu:1");

    cr_expect_eq(flat->n_cores, 6);
    cr_expect_eq(flat->n_domains, 1);
    cr_expect_eq(flat->n_nodes, 1);
    cr_expect_eq(flat->n_levels, 1);
    cr_expect_eq(caches->n_domains, 4);
    cr_expect_eq(caches->n_nodes, 1);
    cr_expect_eq(caches->n_levels, 2);
    sbl_topology_free(flat);
    sbl_topology_free(caches);
}

/* hwloc 2.5 has another way, 2.4 has this one alone. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static int             add_distances(hwloc_topology_t to, unsigned n, hwloc_obj_t *nodes, hwloc_uint64_t *values)
{
    return hwloc_distances_add(to, n, nodes, values,
                               HWLOC_DISTANCES_KIND_MEANS_LATENCY | HWLOC_DISTANCES_KIND_FROM_USER, 0);
}
#pragma GCC diagnostic pop

Test(topology, distances_that_are_told_count)
{
    /* Four nodes in a ring of one-way links, as no machine has them: from 0 the way to 3 is the longest. */
    static const hwloc_uint64_t RING[16] = {10, 20, 30, 40, 40, 10, 20, 30, 30, 40, 10, 20, 20, 30, 40, 10};
    hwloc_topology_t            from     = hwloc_of("node:4 l3:1 core:2 pu:1");
    hwloc_obj_t                 nodes[4];
    hwloc_uint64_t              values[16];
    sbl_topology               *t;
    int                         failed;

    for (unsigned i = 0; i < 4; i++)
        nodes[i] = hwloc_get_obj_by_type(from, HWLOC_OBJ_NUMANODE, i);
    for (int i = 0; i < 16; i++)
        values[i] = RING[i];
    failed = add_distances(from, 4, nodes, values);
    cr_assert_eq(failed, 0);
    t = sbl_topology_make(from);
    cr_assert_not_null(t);
    cr_expect_eq(t->n_levels, 4);
    for (int32_t a = 0; a < 4; a++)
        for (int32_t b = 0; b < 4; b++)
            cr_expect_eq(level_of_cores(t, 2 * a, 2 * b), (b - a + 4) % 4, "%d to %d", a, b);
    sbl_topology_free(t);
    hwloc_topology_destroy(from);
}

/* Cores that are offline or not allowed are not in the topology; a node may lose all. */
Test(topology, cores_that_may_not_be_used_and_uneven_nodes)
{
    hwloc_topology_t from  = hwloc_of("node:3 l3:1 core:4 pu:1");
    hwloc_bitmap_t   cores = hwloc_bitmap_alloc();
    sbl_topology    *t;

    hwloc_bitmap_set(cores, 1);
    hwloc_bitmap_set_range(cores, 8, 10);
    cr_assert_eq(hwloc_topology_restrict(from, cores, 0), 0);
    t = sbl_topology_make(from);
    cr_assert_not_null(t);
    cr_expect_eq(t->n_nodes, 2);
    cr_expect_eq(t->n_domains, 2);
    cr_expect_eq(t->system_node[0], 0);
    cr_expect_eq(t->system_node[1], 2);
    cr_expect_geq(t->n_cores, 11);
    for (int32_t i = 0; i < t->n_cores; i++)
        cr_expect_eq(t->domain_of_core[i], i >= 8 && i <= 10, "core %d", i);
    sbl_topology_free(t);
    hwloc_bitmap_free(cores);
    hwloc_topology_destroy(from);
}

Test(topology, what_cannot_be_read_gives_none)
{
    cr_expect_null(sbl_topology_synthetic("node:0"));
    cr_expect_null(sbl_topology_synthetic("nonsense"));
}

Test(topology, every_failed_allocation_gives_none_and_leaks_nothing)
{
    sbl_topology *t = NULL;

    for (int64_t n = 1; !t; n++) {
        sbl_alloc_fail(n, 0);
        t = sbl_topology_synthetic("node:2 l3:2 core:2 pu:1");
        sbl_alloc_fail(0, 0);
        cr_assert_lt(n, 100);
    }
    cr_expect_eq(t->n_domains, 4);
    sbl_topology_free(t);
}

static int core;

static int pretended_core(void)
{
    return core;
}

Test(topology, the_one_in_use_tells_where_a_thread_is)
{
    sbl_topology *t = described("node:2 l3:2 core:4 pu:1");

    sbl_topology_use(t, pretended_core);
    cr_expect_eq(sbl_numa_nodes(), 2);
    cr_expect_eq(sbl_domains(), 4);
    cr_expect_eq(sbl_levels(), 3);
    for (core = -1; core < 20; core++) { /* the system may know more cores than it told hwloc, or not know */
        int32_t domain = core < 0 || core >= 16 ? 0 : core / 4;

        cr_expect_eq(sbl_domain_here(), domain);
        cr_expect_eq(sbl_node_here(), domain / 2);
        cr_expect_eq(sbl_level_between(1, sbl_domain_here()), domain == 1 ? 0 : domain == 0 ? 1 : 2);
        cr_expect_eq(sbl_level_of_node(1, sbl_node_here()), domain < 2 ? 0 : 2);
    }
    sbl_topology_use(NULL, NULL);
    cr_expect_geq(sbl_numa_nodes(), 1);
    cr_expect_lt(sbl_domain_here(), sbl_domains());
    sbl_topology_free(t);
}
