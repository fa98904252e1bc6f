/* oneTBB's side of graphs: flow graphs of continue_nodes, built and run, and run again. */
#include <memory>
#include <vector>

#include <tbb/flow_graph.h>
#include <tbb/parallel_invoke.h>

#include "drive.h"
#include "tbb_arena.hpp"

using message = tbb::flow::continue_msg;
using node    = tbb::flow::continue_node<message>;

struct graph {
    tbb::flow::graph                   g;
    std::vector<std::unique_ptr<node>> nodes;
    std::vector<uint64_t>              cells;

    explicit graph(long n) : nodes((size_t)n), cells((size_t)n)
    {
    }
    template <class F> void add(long i, F f)
    {
        nodes[(size_t)i].reset(new node(g, f));
    }
    void edge(long from, long to)
    {
        tbb::flow::make_edge(*nodes[(size_t)from], *nodes[(size_t)to]);
    }
    void run(long n_roots)
    {
        for (long i = 0; i < n_roots; i++)
            nodes[(size_t)i]->try_put(message());
        g.wait_for_all();
    }
};

static void build_chain(graph &g, long n)
{
    uint64_t *c = &g.cells[0];

    for (long i = 0; i < n; i++) {
        g.add(i, [=](const message &) { ++*c; });
        if (i)
            g.edge(i - 1, i);
    }
}

static void build_wavefront(graph &g, long n)
{
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) {
            uint64_t *c = &g.cells[(size_t)(i * n + j)];

            g.add(i * n + j, [=](const message &) { *c = 1 + (i ? c[-n] : 0) + (j ? c[-1] : 0); });
            if (i)
                g.edge((i - 1) * n + j, i * n + j);
            if (j)
                g.edge(i * n + j - 1, i * n + j);
        }
}

/* The first run is the warm one; g_value is what the others take, in ns a task. */
static void rerun(graph &g)
{
    double start;

    g.run(1);
    start = now_s();
    for (int k = 0; k < RERUNS; k++)
        g.run(1);
    g_value = (now_s() - start) * 1e9 / RERUNS / (double)g.nodes.size();
}

static uint64_t run_chain(long n, long)
{
    return inside([=] {
        graph g(n);

        build_chain(g, n);
        g.run(1);
        return g.cells[0];
    });
}

static uint64_t run_wavefront(long n, long)
{
    return inside([=] {
        graph g(n * n);

        build_wavefront(g, n);
        g.run(1);
        return g.cells.back();
    });
}

static uint64_t rerun_chain(long n, long)
{
    return inside([=] {
        graph g(n);

        build_chain(g, n);
        rerun(g);
        return g.cells[0];
    });
}

static uint64_t rerun_wavefront(long n, long)
{
    return inside([=] {
        graph g(n * n);

        build_wavefront(g, n);
        rerun(g);
        return g.cells.back();
    });
}

/* --- the smallest task ------------------------------------------------------------------------------------- */

static graph *stencil;

static void build_stencil(long rounds)
{
    inside([=] {
        delete stencil;
        stencil = new graph(METG_WIDTH * METG_STEPS);
        for (long t = 0; t < METG_STEPS; t++)
            for (long i = 0; i < METG_WIDTH; i++) {
                stencil->add(t * METG_WIDTH + i, [=](const message &) { stencil_task(i, rounds); });
                for (long k = i - 1; t && k <= i + 1; k++)
                    if (k >= 0 && k < METG_WIDTH)
                        stencil->edge((t - 1) * METG_WIDTH + k, t * METG_WIDTH + i);
            }
        return 0;
    });
}

static void run_stencil(long)
{
    inside([] { return stencil->run(METG_WIDTH), 0; });
}

static uint64_t run_metg_graph(long n, long)
{
    return metg_with(build_stencil, run_stencil, n);
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    open_arena(threads);
    inside([] { return tbb::parallel_invoke([] { spin_us(500); }, [] { spin_us(500); }), 0; });
}

static const workload workloads[] = {
    {"build-chain", run_chain},           {"build-wavefront", run_wavefront}, {"rerun-chain", rerun_chain},
    {"rerun-wavefront", rerun_wavefront}, {"metg-graph", run_metg_graph},     {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, NULL);
}
