/* All of sabal: lazy arrays, tasks and futures, fork-join, machine learning, on this node or a cluster. */
#ifndef SABAL_SABAL_H
#define SABAL_SABAL_H

#include <sabal/array.h>
#include <sabal/client.h>
#include <sabal/cluster.h>
#include <sabal/file.h>
#include <sabal/graph.h>
#include <sabal/job.h>
#include <sabal/loop.h>
#include <sabal/memory.h>
#include <sabal/ml.h>
#include <sabal/pool.h>
#include <sabal/status.h>
#include <sabal/task.h>
#include <sabal/value.h>
#include <sabal/version.h>

#endif
