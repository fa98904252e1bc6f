/* Building a graph of nodes: lists that grow, sorted by node before the first run. */
#include <sabal/graph.h>

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/struct.h"
#include "graph/engine.h"
#include "sched/nodes.h"

struct edge {
    uint32_t before, after;
};

struct sabal_graph {
    sabal_client *client;
    sbl_nodes     nodes;
    struct edge  *edges; /* until the first run */
    uint64_t      n_edges;
    size_t        node_room, edge_room, after_size;
    int           is_backward; /* an edge leads from a node to one before it: there may be a circle */
    int           is_built;
    sabal_error   error; /* the first thing that went wrong while it was built */
};

sabal_graph *sabal_graph_create(sabal_client *client)
{
    sabal_graph *g = sbl_calloc(1, sizeof *g);

    if (!g)
        return NULL;
    g->error = (sabal_error)SABAL_ERROR_INIT;
    if (!sbl_client_check(client, &g->error))
        g->client = client;
    if (g->client)
        sbl_client_retain(g->client);
    return g;
}

void sabal_graph_destroy(sabal_graph *g)
{
    if (!g)
        return;
    if (g->client)
        sbl_client_release(g->client);
    sbl_buffer_free(g->nodes.node, g->node_room * sizeof *g->nodes.node);
    sbl_buffer_free(g->nodes.after, g->after_size);
    sbl_free(g->nodes.roots);
    sbl_buffer_free(g->edges, g->edge_room * sizeof *g->edges);
    sbl_free(g);
}

/* --- building ----------------------------------------------------------------------------------------------------- */

/* Room for one more, and for one that ends the list. */
static int grow(void **list, size_t *room, size_t n, size_t size, sabal_error *err)
{
    size_t more = 2 * *room + 64;
    void  *grown;

    if (n + 1 < *room)
        return 1;
    grown = sbl_buffer_alloc(more * size); /* large ones lie on large pages: a graph is walked across */
    if (!grown) {
        sbl_error_memory(err, more * size, "a graph");
        return 0;
    }
    if (n)
        memcpy(grown, *list, n * size);
    sbl_buffer_free(*list, *room * size);
    *list = grown;
    *room = more;
    return 1;
}

int64_t sabal_graph_add(sabal_graph *g, sabal_node_fn *fn, void *arg)
{
    const char *wrong = NULL;

    if (!g)
        return -1;
    if (g->is_built)
        wrong = "a graph that has run can't be added to";
    else if (!fn)
        wrong = "the function of a node is NULL";
    else if (g->nodes.n >= INT32_MAX - 1)
        wrong = "a graph has 2^31 - 2 nodes at most";
    if (wrong)
        sbl_error_set(&g->error, SABAL_EINVAL, "%s", wrong);
    if (wrong || !grow((void **)&g->nodes.node, &g->node_room, g->nodes.n, sizeof *g->nodes.node, &g->error))
        return -1;
    memset(&g->nodes.node[g->nodes.n], 0, sizeof *g->nodes.node);
    g->nodes.node[g->nodes.n].fn  = fn;
    g->nodes.node[g->nodes.n].arg = arg;
    return g->nodes.n++;
}

void sabal_graph_edge(sabal_graph *g, int64_t before, int64_t after)
{
    if (!g)
        return;
    if (g->is_built)
        sbl_error_set(&g->error, SABAL_EINVAL, "a graph that has run can't be added to");
    else if (before < 0 || after < 0 || before >= g->nodes.n || after >= g->nodes.n || before == after)
        sbl_error_set(&g->error, SABAL_EINVAL, "an edge from node %" PRId64 " to node %" PRId64 " of %" PRIu32, before,
                      after, g->nodes.n);
    else if (g->n_edges >= UINT32_MAX)
        sbl_error_set(&g->error, SABAL_EINVAL, "a graph has 2^32 - 1 edges at most");
    else if (grow((void **)&g->edges, &g->edge_room, g->n_edges, sizeof *g->edges, &g->error)) {
        g->edges[g->n_edges++] = (struct edge){(uint32_t)before, (uint32_t)after};
        g->is_backward |= before > after;
        g->nodes.node[before].first_after++; /* how many, until they are sorted */
        g->nodes.node[after].n_before++;
    }
}

/* Each node's edges in the order in which they were added. */
static void sort_edges(sabal_graph *g)
{
    sbl_nodes *nodes = &g->nodes;
    uint32_t   at    = 0;

    for (uint32_t i = 0; i < nodes->n; i++) {
        const uint32_t n = nodes->node[i].first_after;

        nodes->node[i].first_after = at;
        nodes->node[i].link        = at;
        at += n;
        atomic_store_explicit(&nodes->node[i].missing, nodes->node[i].n_before, memory_order_relaxed);
        if (!nodes->node[i].n_before)
            nodes->roots[nodes->n_roots++] = i;
    }
    nodes->node[nodes->n].first_after = at;
    for (uint64_t e = 0; e < g->n_edges; e++)
        nodes->after[nodes->node[g->edges[e].before].link++] = g->edges[e].after;
}

/* Takes away what has nothing before it, until nothing is left; the lowest that stays is in a circle or behind one. */
static int64_t find_circle(sbl_nodes *nodes)
{
    uint32_t list = SBL_NO_NODE, left = nodes->n;
    int64_t  found = -1;

    for (uint32_t i = nodes->n_roots; i-- > 0;) {
        nodes->node[nodes->roots[i]].link = list;
        list                              = nodes->roots[i];
    }
    for (; list != SBL_NO_NODE; left--) {
        const uint32_t i = list;

        list = nodes->node[i].link;
        for (uint32_t e = nodes->node[i].first_after; e < nodes->node[i + 1].first_after; e++) {
            sbl_node *node = &nodes->node[nodes->after[e]];

            if (atomic_fetch_sub_explicit(&node->missing, 1, memory_order_relaxed) == 1) {
                node->link = list;
                list       = nodes->after[e];
            }
        }
    }
    for (uint32_t i = 0; i < nodes->n; i++) {
        if (left && found < 0 && atomic_load_explicit(&nodes->node[i].missing, memory_order_relaxed) > 0)
            found = i;
        atomic_store_explicit(&nodes->node[i].missing, nodes->node[i].n_before, memory_order_relaxed);
    }
    return found;
}

static sabal_status build(sabal_graph *g)
{
    sbl_nodes *nodes = &g->nodes;
    int64_t    circle;

    g->is_built   = 1;
    g->after_size = (g->n_edges + 1) * sizeof *nodes->after;
    nodes->after  = sbl_buffer_alloc(g->after_size);
    nodes->roots  = sbl_alloc(((size_t)nodes->n + 1) * sizeof *nodes->roots);
    if (!nodes->after || !nodes->roots)
        return sbl_error_memory(&g->error, g->n_edges * sizeof *nodes->after, "a graph");
    if (!nodes->n)
        return SABAL_OK;
    sort_edges(g);
    sbl_buffer_free(g->edges, g->edge_room * sizeof *g->edges);
    g->edges = NULL;
    circle   = g->is_backward ? find_circle(nodes) : -1;
    return circle < 0
               ? SABAL_OK
               : sbl_error_set(&g->error, SABAL_EINVAL,
                               "node %" PRId64 " of the graph comes after itself: there is a circle of edges", circle);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

void sabal_graph_options_init(sabal_graph_options *options)
{
    *options       = (sabal_graph_options){SABAL_GRAPH_DEFAULTS};
    options->where = NULL;
}

static sabal_status run_once(sabal_graph *g, sabal_error *err)
{
    int64_t      failed;
    sabal_status st = sbl_nodes_run(&g->nodes, sbl_client_pool(g->client), &failed);

    if (!st)
        return SABAL_OK;
    if (!sbl_status_is_failure(st))
        return sbl_error_set(err, SABAL_EINVAL,
                             "node %" PRId64 " of the graph returned %d, which is neither SABAL_OK nor a failure",
                             failed, (int)st);
    return sbl_error_set(err, st, "node %" PRId64 " of the graph returned %s", failed, sabal_status_name(st));
}

sabal_status sabal_graph_run_with(sabal_graph *g, sabal_error *err, const sabal_graph_options *options)
{
    sabal_graph_options o   = {SABAL_GRAPH_DEFAULTS};
    sabal_error         own = SABAL_ERROR_INIT;
    sabal_status        st  = SABAL_OK;

    o.where = NULL;
    sbl_struct_take(&o, sizeof o, options);
    if (!g)
        st = sbl_error_memory(&own, sizeof *g, "a graph");
    else if (!g->error.status && !sbl_client_check(g->client, &own) && !g->is_built)
        build(g);
    if (!st && g->error.status)
        st = sbl_error_pass(&own, &g->error);
    if (!st && o.max_runs < 0)
        st = sbl_error_set(&own, SABAL_EINVAL, "max_runs is %" PRId64 ": expected 1 or more, or 0", o.max_runs);
    st = own.status;
    for (int64_t run = 1; !st; run++) {
        st = run_once(g, &own);
        if (st || !o.until || run == o.max_runs || o.until(o.context))
            break;
    }
    if (st) {
        sbl_error_where(&own, o.where);
        sbl_error_pass(err, &own);
    }
    return st;
}
