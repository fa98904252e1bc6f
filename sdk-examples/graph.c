/*
 * A graph that is built once and run many times: Jacobi's method for the heat along a rod.
 *
 *     cc graph.c $(pkg-config --cflags --libs sabal) -o graph
 *     ./graph
 *
 * What it teaches:
 *   - Nodes are functions of this process with an argument; edges say what comes after what.
 *   - A run costs nanoseconds a node and allocates nothing, so a step of a solver can be a graph.
 *   - Neighbours depend on neighbours alone: no thread waits for a whole step to end.
 */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 16, BLOCK = 64, N = BLOCKS * BLOCK, STEPS = 4 };

//! [nodes]
static double rod[2][N + 2]; /* two generations, with the ends that stay as they are */
static double change;        /* of the last step of a run */

struct block {
    int step, first;
};

/* One block, one step: reads its neighbours' ends of the step before. */
static sabal_status step_block(void *arg)
{
    const struct block *b    = arg;
    const double       *from = rod[b->step % 2];
    double             *to   = rod[(b->step + 1) % 2];

    for (int i = b->first; i < b->first + BLOCK; i++)
        to[i] = (from[i - 1] + from[i + 1]) / 2;
    return SABAL_OK;
}

static sabal_status measure(void *arg)
{
    (void)arg;
    change = 0;
    for (int i = 1; i <= N; i++) {
        double moved = rod[0][i] - rod[1][i];

        moved  = moved < 0 ? -moved : moved;
        change = moved > change ? moved : change;
    }
    return SABAL_OK;
}

static int32_t is_steady(void *arg)
{
    return change < *(const double *)arg;
}
//! [nodes]

//! [graph]
int main(void)
{
    static struct block blocks[STEPS][BLOCKS];
    int64_t             node[STEPS][BLOCKS];
    sabal_error         err       = SABAL_ERROR_INIT;
    double              tolerance = 1e-4;
    sabal_client       *client    = sabal_open("local:", &err);
    sabal_graph        *g         = sabal_graph_create(client);

    for (int s = 0; s < STEPS; s++)
        for (int b = 0; b < BLOCKS; b++) {
            blocks[s][b] = (struct block){s, 1 + b * BLOCK};
            node[s][b]   = sabal_graph_add(g, step_block, &blocks[s][b]);
            for (int other = b - 1; s > 0 && other <= b + 1; other++)
                if (other >= 0 && other < BLOCKS)
                    sabal_graph_edge(g, node[s - 1][other], node[s][b]);
        }
    int64_t last = sabal_graph_add(g, measure, NULL);
    for (int b = 0; b < BLOCKS; b++)
        sabal_graph_edge(g, node[STEPS - 1][b], last);

    rod[0][0] = rod[1][0] = 1;
    sabal_graph_run(g, &err, .until = is_steady, .context = &tolerance);
    //! [graph]
    if (!err.status)
        printf("one end at 1: a sixteenth of the way in it is %.3f now, and the last step changed %.1e\n",
               rod[0][BLOCK], change);
    sabal_graph_destroy(g);
    sabal_close(client);
    if (err.status)
        fprintf(stderr, "graph: %s\n", err.message);
    return err.status || !(change < tolerance) ? EXIT_FAILURE : EXIT_SUCCESS;
}
