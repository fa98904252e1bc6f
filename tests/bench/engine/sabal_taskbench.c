/*
 * Sabal under Task Bench's patterns: PROGRAM THREADS DRIVER PERCENT PATTERN 0. The value is METG(PERCENT%) in ns as Task
 * Bench defines it: the smallest granularity (time by the clock * threads / tasks) at which the tasks' own work is that
 * part of the threads' time. Each run's result is compared with a serial evaluation.
 */
#include <sabal/sabal.h>

#include "patterns.h"

/* How a driver runs a pattern once: seconds from the first task to the last, whose values it leaves. */
typedef struct driver {
    const char *address;
    long        steps;
    double      first, last; /* ns of the smallest and the largest task that are tried */
    double (*run)(long pattern, long steps, long rounds);
} driver;

enum { RUNS = 5 };

static sabal_client *client;
static sabal_error   err = SABAL_ERROR_INIT;
static value        *values;
static uint64_t      result; /* of the last run */

static void die(const char *what)
{
    char text[1024] = "";

    sabal_error_format(text, sizeof text, &err);
    fprintf(stderr, "bench: %s: %s\n", what, text);
    exit(1);
}

/* --- graphs: built before, run again --------------------------------------------------------------------------- */

static struct {
    sabal_graph *graph;
    long         pattern, rounds;
    int64_t      nodes[WIDTH], before[WIDTH];
} built;

static sabal_status graph_node(void *arg)
{
    const long at = (long)(intptr_t)arg;

    run_task(values, built.pattern, at / WIDTH, at % WIDTH, built.rounds);
    return SABAL_OK;
}

static void build_graph(long pattern, long steps)
{
    long before[MOST_DEPENDENCIES];

    sabal_graph_destroy(built.graph);
    built.graph   = sabal_graph_create(client);
    built.pattern = pattern;
    for (long t = 0; t < steps; t++) {
        for (long i = 0; i < width_at(pattern, t); i++) {
            const int n = dependencies(before, pattern, t, i);

            built.nodes[i] = sabal_graph_add(built.graph, graph_node, (void *)(intptr_t)(t * WIDTH + i));
            for (int k = 0; k < n; k++)
                sabal_graph_edge(built.graph, built.before[before[k]], built.nodes[i]);
        }
        memcpy(built.before, built.nodes, sizeof built.nodes);
    }
    built.rounds = 1;
    if (sabal_graph_run(built.graph, &err)) /* the first run lays it out */
        die("graph");
}

static double run_graph(long pattern, long steps, long rounds)
{
    double start;

    if (!built.graph)
        build_graph(pattern, steps);
    built.rounds = rounds;
    start        = now_s();
    if (sabal_graph_run(built.graph, &err))
        die("graph");
    start  = now_s() - start;
    result = result_of(values, pattern, steps);
    return start;
}

/* --- jobs: each step spawned and synced -------------------------------------------------------------------------- */

SABAL_JOB(void, point, long, pattern, long, step, long, i, long, rounds)
{
    run_task(values, pattern, step, i, rounds);
}

SABAL_JOB(void, all_steps, long, pattern, long, steps, long, rounds)
{
    for (long t = 0; t < steps; t++) {
        const long width = width_at(pattern, t);

        for (long i = 1; i < width; i++)
            SABAL_SPAWN(point, pattern, t, i, rounds);
        SABAL_CALL(point, pattern, t, 0, rounds);
        for (long i = 1; i < width; i++)
            SABAL_SYNC(point);
    }
}

static double run_jobs(long pattern, long steps, long rounds)
{
    double start = now_s();

    SABAL_RUN(client, all_steps, pattern, steps, rounds);
    start  = now_s() - start;
    result = result_of(values, pattern, steps);
    return start;
}

/* --- futures: submitted, run and waited for ------------------------------------------------------------------------ */

/* Where a task is, and all that it has to know: it may run in another process. */
typedef struct place {
    long step, i, rounds;
} place;

static sabal_status future_task(sabal_task *task)
{
    const place *p = sabal_task_arg(task);
    uint64_t     x = begin_task(p->step, p->i);

    for (int32_t k = 0; k < sabal_task_n_inputs(task); k++)
        x = fold_input(x, *(const uint64_t *)sabal_task_input(task, k));
    x = end_task(x, p->rounds);
    return sabal_task_return(task, &x, sizeof x);
}

static sabal_future *submit_point(sabal_future *const *step_before, long pattern, long t, long i, long rounds)
{
    const void *inputs[MOST_DEPENDENCIES];
    long        before[MOST_DEPENDENCIES];
    const place p    = {t, i, rounds};
    const int   n_in = dependencies(before, pattern, t, i);
    sabal_list  list = {inputs, n_in};

    for (int k = 0; k < n_in; k++)
        inputs[k] = step_before[before[k]];
    return sabal_submit(client, future_task, &p, sizeof p, .inputs = list);
}

static void release_step(sabal_future **step, long width)
{
    for (long i = 0; i < width; i++)
        sabal_release(step[i]);
}

/* What nobody comes after is asked for, and no more. */
static double run_futures(long pattern, long steps, long rounds)
{
    const int      all_last = pattern == TRIVIAL;
    sabal_future **futures  = calloc((size_t)(steps * WIDTH), sizeof *futures);
    const double   start    = now_s();
    double         took;

    for (long t = 0; t < steps; t++) {
        sabal_future **step = futures + t * WIDTH, **before = t ? step - WIDTH : NULL;

        for (long i = 0; i < width_at(pattern, t); i++)
            step[i] = submit_point(before, pattern, t, i, rounds);
        if (t && !all_last)
            release_step(before, width_at(pattern, t - 1));
    }
    for (long t = all_last ? 0 : steps - 1; t < steps; t++) {
        for (long i = 0; i < width_at(pattern, t); i++)
            if (sabal_future_get(&values[t * WIDTH + i].is, 8, futures[t * WIDTH + i], &err))
                die("get");
        release_step(futures + t * WIDTH, width_at(pattern, t));
    }
    took   = now_s() - start;
    result = result_of(values, pattern, steps);
    free(futures);
    return took;
}

/* --- the search ---------------------------------------------------------------------------------------------------- */

static const driver drivers[] = {
    {"local:", 1000, 4, 1e5, run_graph},     {"local:", 1000, 16, 1e5, run_jobs},
    {"local:", 1000, 256, 1e5, run_futures}, {"rehearse:", 50, 4096, 1e7, run_futures},
    {NULL, 50, 1024, 1e7, run_futures}, /* a cluster's, of SABAL_SCHEDULER_FILE */
};

/* The best of some runs, all of which must be right. */
static double best_seconds(const driver *d, long pattern, long rounds, uint64_t right)
{
    double best = 1e9;

    for (int k = 0; k < RUNS; k++) {
        double took;

        memset(values, 0, sizeof *values * (size_t)(d->steps * WIDTH));
        took = d->run(pattern, d->steps, rounds);
        best = took < best ? took : best;
        if (result != right) {
            fprintf(stderr, "bench: pattern %ld with %ld rounds a task: the result is wrong\n", pattern, rounds);
            exit(3);
        }
    }
    return best;
}

/* Tasks grow by the root of two until they are efficient; the crossing is interpolated. 0: they never were. */
static double metg(const driver *d, long pattern, double wanted)
{
    const double a_round = ns_a_round();
    const long   n       = n_tasks(pattern, d->steps);
    double       before = 0, granularity_before = 0;

    for (double g = d->first; g < d->last; g *= 1.41421356) {
        const long     rounds      = g / a_round < 1 ? 1 : (long)(g / a_round);
        const uint64_t right       = run_serially(values, pattern, d->steps, rounds);
        const double   granularity = 1e9 * best_seconds(d, pattern, rounds, right) * g_threads / (double)n;
        const double   efficiency  = (double)rounds * a_round / granularity;

        if (efficiency >= wanted)
            return before > 0 ? granularity_before *
                                    pow(granularity / granularity_before, (wanted - before) / (efficiency - before))
                              : granularity;
        before             = efficiency;
        granularity_before = granularity;
    }
    return 0;
}

static uint64_t run(int which, long percent, long pattern)
{
    const driver *d = &drivers[which];

    if (pattern < 0 || pattern >= N_PATTERNS)
        return 0;
    client = sabal_open(d->address, &err, .threads = g_threads);
    if (err.status)
        die("open");
    values  = calloc((size_t)(d->steps * WIDTH), sizeof *values);
    g_value = metg(d, pattern, (double)percent / 100);
    sabal_graph_destroy(built.graph);
    sabal_close(client);
    free(values);
    return 1;
}

static uint64_t with_graph(long n, long arg)
{
    return run(0, n, arg);
}

static uint64_t with_jobs(long n, long arg)
{
    return run(1, n, arg);
}

static uint64_t with_futures(long n, long arg)
{
    return run(2, n, arg);
}

static uint64_t with_rehearse(long n, long arg)
{
    return run(3, n, arg);
}

static uint64_t with_cluster(long n, long arg)
{
    return run(4, n, arg);
}

static int is_right(uint64_t right, long n, long arg)
{
    return right == 1;
}

static const kernel kernels[] = {
    {"metg-graph", NULL, is_right},    {"metg-jobs", NULL, is_right},    {"metg-futures", NULL, is_right},
    {"metg-rehearse", NULL, is_right}, {"metg-cluster", NULL, is_right}, {NULL, NULL, NULL},
};

static const workload workloads[] = {
    {"metg-graph", with_graph},       {"metg-jobs", with_jobs},       {"metg-futures", with_futures},
    {"metg-rehearse", with_rehearse}, {"metg-cluster", with_cluster}, {NULL, NULL},
};

int main(int argc, char **argv)
{
    const int32_t status = sabal_worker_main(argc, argv);

    if (status >= 0)
        return status;
    return bench_main(argc, argv, kernels, workloads, NULL, NULL);
}
