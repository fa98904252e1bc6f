/* Graphs whose nodes are marks. */
#include "explore/nodes.h"

#include <string.h>

#include "explore/pools.h"

sabal_status mark_node(void *arg)
{
    mark((int)(intptr_t)arg);
    return SABAL_OK;
}

/* Not on the stack of who runs it: a thief that comes too late shall find it. */
void run_nodes(const sbl_node *node, int n, const uint32_t *after, int n_after, int n_roots)
{
    struct graph {
        sbl_nodes nodes;
        sbl_node  node[5];
        uint32_t  after[2], roots[2];
    } *g = explore_alloc(64, sizeof *g);
    int64_t failed;

    memcpy(g->node, node, (size_t)(n + 1) * sizeof *node);
    memcpy(g->after, after, (size_t)n_after * sizeof *after);
    g->roots[1] = 1;
    g->nodes    = (sbl_nodes){
           .node = g->node, .after = g->after, .roots = g->roots, .n = (uint32_t)n, .n_roots = (uint32_t)n_roots};
    EXPECT(sbl_nodes_run(&g->nodes, pool, &failed) == SABAL_OK);
    for (int i = 0; i < n; i++)
        EXPECT(ran[i] == 1);
}
