/*
 * Graphs that are built once and run many times: functions of this process and the order in which they depend on each
 * other. For loops of iterative solvers, where a step costs microseconds and its shape stays.
 *
 *     sabal_graph *g = sabal_graph_create(client);
 *     int64_t      a = sabal_graph_add(g, load, &x), b = sabal_graph_add(g, solve, &x);
 *
 *     sabal_graph_edge(g, a, b);                         // b after a
 *     sabal_graph_run(g, &err, .until = converged, .context = &x);
 *     sabal_graph_destroy(g);
 *
 * Like sabal_for() it runs on the client's pool in this process, whatever the engine; for values that travel there are
 * futures (task.h).
 */
#ifndef SABAL_GRAPH_H
#define SABAL_GRAPH_H

#include <sabal/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A graph: the only handle to it. One thread at a time adds to it or runs it. */
typedef struct sabal_graph sabal_graph;
/** A node's work. What it returns other than SABAL_OK fails the node: those that depend on it are not run. */
typedef sabal_status sabal_node_fn(void *arg);

/** An empty graph; never NULL but without memory (then every call takes NULL, and the run fails with SABAL_ENOMEM). The
    client must stay open while it is run. End it with sabal_graph_destroy(). */
SABAL_API sabal_graph *sabal_graph_create(sabal_client *client);
/** NULL is allowed. Not while it runs. */
SABAL_API void sabal_graph_destroy(sabal_graph *graph);
/** Adds a node; returns its number, from 0 on, or -1, and then the run tells why: SABAL_ENOMEM, SABAL_EINVAL (fn is NULL, a
    graph that has run already, more than 2^31 - 2 nodes). Cost: 40 bytes. */
SABAL_API int64_t sabal_graph_add(sabal_graph *graph, sabal_node_fn *fn, void *arg);
/** Node `after` runs when node `before` has ended. What is wrong is told by the run: SABAL_EINVAL (no such node, a node
    after itself, a graph that has run already). Cost: 4 bytes, 8 until the first run. */
SABAL_API void sabal_graph_edge(sabal_graph *graph, int64_t before, int64_t after);

/** How to run. */
typedef struct sabal_graph_options {
    size_t      struct_size;
    const char *where;
    int32_t (*until)(void *context); /* asked after each run: 1 ends it; NULL: one run */
    void   *context;                 /* of until */
    int64_t max_runs;                /* at most so many; 0: no limit. Reaching it is no failure */
} sabal_graph_options;
#define SABAL_GRAPH_DEFAULTS .struct_size = sizeof(sabal_graph_options), .where = SABAL_HERE
SABAL_API void sabal_graph_options_init(sabal_graph_options *options);

/**
 * Runs all nodes, each after those before it, on all threads of the client's pool; the calling thread takes part.
 * Returns when all have ended. Callable from any thread, in a task, in a job. A graph may be run again and again.
 *
 * If nodes fail, those that depend on them are left out, all others run, and the status is that of the failed node with
 * the lowest number, whatever the order was. Then until is not asked, and there is no further run.
 *
 * Cost:   no allocation; some nanoseconds a node beside its function's own
 * Errors: SABAL_EINVAL (what add and edge note; a circle), SABAL_ENOMEM, SABAL_ECLOSED, a failed client's; a node's
 */
#ifndef __cplusplus
#define sabal_graph_run(graph, err, ...)                                                                               \
    SABAL_WITH(sabal_graph_run_with, ((graph), (err)), sabal_graph_options, SABAL_GRAPH_DEFAULTS, __VA_ARGS__)
#endif
SABAL_API sabal_status sabal_graph_run_with(sabal_graph *graph, sabal_error *err, const sabal_graph_options *options);

#ifdef __cplusplus
} /* extern "C" */
inline sabal_graph_options sabal_graph_defaults()
{
    sabal_graph_options o;
    sabal_graph_options_init(&o);
    return o;
}
inline sabal_status sabal_graph_run(sabal_graph *graph, sabal_error *err,
                                    const sabal_graph_options &o = sabal_graph_defaults())
{
    return sabal_graph_run_with(graph, err, &o);
}
#endif
#endif
