/* Sabal's side of graphs that are built once, run, and run again. See harness.h. */
#include <sabal/sabal.h>

#include "drive.h"

static sabal_client *client;
static sabal_error   err = SABAL_ERROR_INIT;

static void run_graph(sabal_graph *g)
{
    if (sabal_graph_run(g, &err)) {
        fprintf(stderr, "bench: run: %s\n", err.message);
        exit(1);
    }
}

static sabal_status count_link(void *arg)
{
    ++*(uint64_t *)arg;
    return SABAL_OK;
}

struct wave_cell {
    uint64_t                value;
    const struct wave_cell *above, *left;
};

static sabal_status fill_cell(void *arg)
{
    struct wave_cell *c = arg;

    c->value = 1 + (c->above ? c->above->value : 0) + (c->left ? c->left->value : 0);
    return SABAL_OK;
}

static sabal_graph *build_chain(uint64_t *count, long n)
{
    sabal_graph *g = sabal_graph_create(client);

    for (long i = 0; i < n; i++) {
        sabal_graph_add(g, count_link, count);
        if (i)
            sabal_graph_edge(g, i - 1, i);
    }
    return g;
}

static sabal_graph *build_wavefront(struct wave_cell *cells, long n)
{
    sabal_graph *g = sabal_graph_create(client);

    for (long i = 0; i < n * n; i++) {
        cells[i] = (struct wave_cell){0, i >= n ? &cells[i - n] : NULL, i % n ? &cells[i - 1] : NULL};
        sabal_graph_add(g, fill_cell, &cells[i]);
        if (i >= n)
            sabal_graph_edge(g, i - n, i);
        if (i % n)
            sabal_graph_edge(g, i - 1, i);
    }
    return g;
}

/* The first run is the warm one; g_value is what the others take, in ns a task. */
static void rerun(sabal_graph *g, long n)
{
    double start;

    run_graph(g);
    start = now_s();
    for (int k = 0; k < RERUNS; k++)
        run_graph(g);
    g_value = (now_s() - start) * 1e9 / RERUNS / (double)n;
}

static uint64_t chain(long n, int again)
{
    uint64_t     count = 0;
    sabal_graph *g     = build_chain(&count, n);

    if (again)
        rerun(g, n);
    else
        run_graph(g);
    sabal_graph_destroy(g);
    return count;
}

static uint64_t wavefront(long n, int again)
{
    struct wave_cell *cells = room(sizeof *cells * (size_t)(n * n));
    sabal_graph      *g     = build_wavefront(cells, n);
    uint64_t          last;

    if (again)
        rerun(g, n * n);
    else
        run_graph(g);
    last = cells[n * n - 1].value;
    sabal_graph_destroy(g);
    free(cells);
    return last;
}

static uint64_t run_chain(long n, long arg)
{
    return chain(n, 0);
}

static uint64_t rerun_chain(long n, long arg)
{
    return chain(n, 1);
}

static uint64_t run_wavefront(long n, long arg)
{
    return wavefront(n, 0);
}

static uint64_t rerun_wavefront(long n, long arg)
{
    return wavefront(n, 1);
}

/* --- the smallest task ------------------------------------------------------------------------------------- */

static sabal_graph *stencil;
static long         stencil_rounds;

static sabal_status stencil_node(void *arg)
{
    stencil_task((long)(intptr_t)arg, stencil_rounds);
    return SABAL_OK;
}

static void build_stencil(long rounds)
{
    stencil_rounds = rounds;
    sabal_graph_destroy(stencil);
    stencil = sabal_graph_create(client);
    for (long t = 0; t < METG_STEPS; t++)
        for (long i = 0; i < METG_WIDTH; i++) {
            sabal_graph_add(stencil, stencil_node, (void *)(intptr_t)i);
            for (long k = i - 1; t && k <= i + 1; k++)
                if (k >= 0 && k < METG_WIDTH)
                    sabal_graph_edge(stencil, (t - 1) * METG_WIDTH + k, t * METG_WIDTH + i);
        }
}

static void run_stencil(long rounds)
{
    run_graph(stencil);
}

static uint64_t run_metg_graph(long n, long arg)
{
    return metg_with(build_stencil, run_stencil, n);
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    client = sabal_open("local:", &err, .threads = threads);
    if (err.status) {
        fprintf(stderr, "bench: open: %s\n", err.message);
        exit(1);
    }
}

static void stop(void)
{
    sabal_graph_destroy(stencil);
    sabal_close(client);
}

static const workload workloads[] = {
    {"build-chain", run_chain},           {"build-wavefront", run_wavefront}, {"rerun-chain", rerun_chain},
    {"rerun-wavefront", rerun_wavefront}, {"metg-graph", run_metg_graph},     {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, stop);
}
