/*
 * The rehearse engine: the local engine's graph, but each task's function is called in one of some worker processes of
 * this node, which load the program as the workers of a cluster do. Function and arguments go there as bytes, results
 * come back as bytes; large ones in memory that all processes map (segment.h), so that nothing is lost with a worker.
 */
#ifndef SBL_CLUSTER_REHEARSE_H
#define SBL_CLUSTER_REHEARSE_H

#include "graph/engine_type.h"

enum { SBL_MOST_WORKERS = 256, SBL_DEFAULT_WORKERS = 2 };

extern const sbl_engine sbl_engine_rehearse;

#endif
