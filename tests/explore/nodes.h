/* For scenarios: graphs whose nodes are marks. */
#ifndef SBL_TESTS_EXPLORE_NODES_H
#define SBL_TESTS_EXPLORE_NODES_H

#include <sabal/job.h>

#include "sched/nodes.h"

/** Marks the number that its argument is. */
sabal_status mark_node(void *arg);
/** A graph of n nodes (and the end of `node`), the first n_roots of which come after none. When it returns, all have run, each
    marked with its own number. */
void run_nodes(const sbl_node *node, int n, const uint32_t *after, int n_after, int n_roots);

#endif
