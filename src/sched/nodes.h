/* Nodes with counters, run as jobs: what a sabal_graph is inside. */
#ifndef SBL_SCHED_NODES_H
#define SBL_SCHED_NODES_H

#include <stdatomic.h>

#include <sabal/graph.h>

#include "sched/pool.h"
#include "sched/range.h"

typedef struct sbl_node {
    sabal_node_fn  *fn;
    void           *arg;
    uint32_t        first_after; /* in after[]; a node's end where the next one's begin */
    int32_t         n_before;
    _Atomic int32_t missing; /* of those before it, in this run */
    _Atomic int32_t skip;    /* one of them has failed or was left out */
    uint32_t        link;    /* in a list of what one thread found ready */
} sbl_node;

#define SBL_NO_NODE UINT32_MAX

typedef struct sbl_nodes {
    sbl_node *node;  /* n of them, and one that ends the last one's list */
    uint32_t *after; /* of all nodes, one behind the other */
    uint32_t *roots; /* those with nothing before them, in order */
    uint32_t  n, n_roots;
    sbl_first failed; /* by number, in this run */
    /* Threads that run a part of it, the root included; set when they have left that the root waits for. */
    _Alignas(64) _Atomic int32_t at_work;
    sbl_event over;
} sbl_nodes;

/** Runs each node once. Each one's `missing` is its n_before, then and afterwards. Returns the status of the failed node with
    the lowest number, which goes to *failed. */
sabal_status sbl_nodes_run(sbl_nodes *nodes, sbl_pool *pool, int64_t *failed);

#endif
