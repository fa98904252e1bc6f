/* Graphs that are built once and run many times. */
#include <sabal/graph.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "sched/chaos.h"
#include "support/client.h"

TestSuite(nodes, .init = open_client, .fini = close_client);

static sabal_error err = SABAL_ERROR_INIT;

/* A cell of a wavefront: one more than the greater of those before it. */
struct cell {
    int64_t      value;
    struct cell *left, *above;
    int64_t      n_calls;
    sabal_status fails;
};

static sabal_status fill(void *arg)
{
    struct cell *c    = arg;
    int64_t      left = c->left ? c->left->value : 0, above = c->above ? c->above->value : 0;

    c->value = 1 + (left > above ? left : above);
    c->n_calls++;
    return c->fails;
}

static sabal_graph *wavefront(struct cell *cells, int64_t n)
{
    sabal_graph *g = sabal_graph_create(client);

    for (int64_t i = 0; i < n * n; i++) {
        cells[i].left  = i % n ? &cells[i - 1] : NULL;
        cells[i].above = i >= n ? &cells[i - n] : NULL;
        cr_assert_eq(sabal_graph_add(g, fill, &cells[i]), i);
        if (i % n)
            sabal_graph_edge(g, i - 1, i);
        if (i >= n)
            sabal_graph_edge(g, i - n, i);
    }
    return g;
}

Test(nodes, run_after_those_before_them_each_time)
{
    enum { N = 60, RUNS = 50 };
    struct cell *cells = calloc(N * N, sizeof *cells);
    sabal_graph *g     = wavefront(cells, N);

    atomic_store(&sbl_chaos_level, 1);
    for (int run = 1; run <= RUNS; run++) {
        for (int i = 0; i < N * N; i++)
            cells[i].value = -1000000;
        cr_assert_eq(sabal_graph_run(g, &err), SABAL_OK);
        for (int i = 0; i < N * N; i++) {
            cr_assert_eq(cells[i].value, 1 + i % N + i / N);
            cr_assert_eq(cells[i].n_calls, run);
        }
    }
    atomic_store(&sbl_chaos_level, 0);
    sabal_graph_destroy(g);
    free(cells);
}

enum { SIDE_NODES = 3 };
static _Atomic int32_t side_nodes_done;
static int32_t         waits_in_vain;

static sabal_status side_node(void *arg)
{
    atomic_fetch_add(&side_nodes_done, 1);
    return SABAL_OK;
}

/* Waits, two seconds at most, until so many of the others are done: the other thread has nothing else to do. */
static sabal_status link_of_chain(void *arg)
{
    for (int i = 0; atomic_load(&side_nodes_done) < (int32_t)(intptr_t)arg; i++) {
        if (i == 2000) {
            waits_in_vain++;
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return SABAL_OK;
}

/* Who goes along a chain spawns nothing, but has nodes that others could run. */
Test(nodes, that_are_ready_are_given_away_by_who_goes_along_a_chain)
{
    sabal_graph *g    = sabal_graph_create(client);
    int64_t      last = sabal_graph_add(g, link_of_chain, NULL);

    for (int i = 0; i < SIDE_NODES; i++)
        sabal_graph_edge(g, last, sabal_graph_add(g, side_node, NULL));
    for (int i = 1; i <= SIDE_NODES; i++) {
        int64_t next = sabal_graph_add(g, link_of_chain, (void *)(intptr_t)i);

        sabal_graph_edge(g, last, next);
        last = next;
    }
    cr_assert_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(waits_in_vain, 0);
    sabal_graph_destroy(g);
}

static sabal_status add_one(void *arg)
{
    ++*(int64_t *)arg;
    return SABAL_OK;
}

Test(nodes, of_a_chain_run_one_after_the_other)
{
    enum { N = 200000 };
    sabal_graph *g     = sabal_graph_create(client);
    int64_t      count = 0;

    for (int64_t i = 0; i < N; i++) {
        sabal_graph_add(g, add_one, &count);
        if (i)
            sabal_graph_edge(g, i - 1, i);
    }
    cr_expect_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(count, N);
    sabal_graph_destroy(g);
}

static sabal_status count_atomic(void *arg)
{
    atomic_fetch_add((_Atomic int64_t *)arg, 1);
    return SABAL_OK;
}

/* Two become ready with each node, and the first has the rest behind it: as deep as syncs can nest. */
Test(nodes, that_branch_as_deep_as_can_be_take_no_deep_stack)
{
    enum { N = 300000 };
    sabal_graph    *g     = sabal_graph_create(client);
    _Atomic int64_t count = 0;

    for (int64_t i = 0; i < N; i++)
        sabal_graph_add(g, count_atomic, (void *)&count);
    for (int64_t i = 0; i + 2 < N; i += 2) {
        sabal_graph_edge(g, i, i + 2);
        sabal_graph_edge(g, i, i + 1);
    }
    cr_expect_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(count, N);
    sabal_graph_destroy(g);
}

enum { STEPS = 3000, WIDE = 8, LAST = 1000 };

/* Of a stencil: each node after three of the step before. */
static void add_step(sabal_graph *g, int64_t t, sabal_node_fn *fn, void *arg)
{
    for (int64_t i = 0; i < WIDE; i++) {
        sabal_graph_add(g, fn, arg);
        for (int64_t k = i - 1; t && k <= i + 1; k++)
            if (k >= 0 && k < WIDE)
                sabal_graph_edge(g, (t - 1) * WIDE + k, t * WIDE + i);
    }
}

static _Atomic pthread_t first_of_last;
static atomic_int        n_last, seen_another;

/* Slow in the last steps, until two threads were seen there. */
static sabal_status note_thread(void *arg)
{
    pthread_t none = 0, me = pthread_self();

    if (!arg)
        return SABAL_OK;
    if (!atomic_compare_exchange_strong(&first_of_last, &none, me) && none != me)
        atomic_store(&seen_another, 1);
    atomic_fetch_add(&n_last, 1);
    if (!atomic_load(&seen_another))
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 1000000}, NULL);
    return SABAL_OK;
}

Test(nodes, of_a_long_graph_are_given_away_to_its_end)
{
    sabal_graph *g = sabal_graph_create(client);

    for (int64_t t = 0; t < STEPS; t++)
        add_step(g, t, note_thread, t >= STEPS - LAST ? client : NULL);
    cr_assert_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(atomic_load(&n_last), LAST * WIDE);
    cr_expect(atomic_load(&seen_another));
    sabal_graph_destroy(g);
}

/* Who ran nodes, and between which addresses of its stack. */
enum { MOST_THREADS = 64 };
static struct seen {
    _Atomic pthread_t thread;
    _Atomic uintptr_t low, high;
} seen[MOST_THREADS];

static sabal_status note_stack(void *arg)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    pthread_t none = 0, me = pthread_self();
    int       i = 0;

    while (i < MOST_THREADS - 1 && seen[i].thread != me &&
           !atomic_compare_exchange_strong(&seen[i].thread, &none, me)) {
        none = 0;
        i++;
    }
    if (!seen[i].high || here > seen[i].high)
        seen[i].high = here;
    if (!seen[i].low || here < seen[i].low)
        seen[i].low = here;
    return SABAL_OK;
}

/* A thief has the rest of a graph before him perhaps. If he, or who he stole from, waited for all that, each hand-over would
   be a frame more on both their stacks, and a thread more that is buried until the graph ends. */
Test(nodes, of_a_long_graph_bury_no_thread_and_take_no_deep_stack)
{
    enum { LONG = 40000 };
    sabal_graph *g = sabal_graph_create(client);
    int          n = 0;

    for (int64_t t = 0; t < LONG; t++)
        add_step(g, t, note_stack, NULL);
    for (int run = 0; run < 3; run++)
        cr_assert_eq(sabal_graph_run(g, &err), SABAL_OK);
    for (; n < MOST_THREADS && seen[n].thread; n++)
        cr_expect_lt(seen[n].high - seen[n].low, 32768, "%d bytes deep", (int)(seen[n].high - seen[n].low));
    cr_expect_leq(n, 2 * sabal_client_threads(client) + 3, "%d threads", n);
    sabal_graph_destroy(g);
}

/* More successors than a deque has room for: what is over is spawned when there is room again. */
enum { SUCCESSORS = 400000, WATCHED = 100000 };
static _Atomic int64_t n_fanned;

static sabal_status fan_node(void *arg)
{
    if (atomic_fetch_add(&n_fanned, 1) >= SUCCESSORS - WATCHED)
        return note_thread(client);
    return SABAL_OK;
}

Test(nodes, after_one_more_than_a_deque_holds_are_given_away)
{
    sabal_graph *g     = sabal_graph_create(client);
    int64_t      first = sabal_graph_add(g, fan_node, NULL);

    for (int64_t i = 0; i < SUCCESSORS; i++)
        sabal_graph_edge(g, first, sabal_graph_add(g, fan_node, NULL));
    cr_assert_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(atomic_load(&n_fanned), SUCCESSORS + 1);
    cr_expect(atomic_load(&seen_another));
    sabal_graph_destroy(g);
}

Test(nodes, without_edges_all_run)
{
    enum { N = 10000 };
    sabal_graph    *g     = sabal_graph_create(client);
    _Atomic int64_t count = 0;

    cr_expect_eq(sabal_graph_run(g, &err), SABAL_OK); /* an empty graph */
    sabal_graph_destroy(g);
    g = sabal_graph_create(client);
    for (int64_t i = 0; i < N; i++)
        sabal_graph_add(g, count_atomic, (void *)&count);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(count, 10 * N);
    sabal_graph_destroy(g);
}

static int32_t is_large(void *context)
{
    return *(int64_t *)context >= 7;
}

Test(nodes, run_until_told_or_as_often_as_allowed)
{
    sabal_graph *g     = sabal_graph_create(client);
    int64_t      count = 0;

    sabal_graph_add(g, add_one, &count);
    cr_expect_eq(sabal_graph_run(g, &err, .until = is_large, .context = &count), SABAL_OK);
    cr_expect_eq(count, 7);
    count = 0;
    cr_expect_eq(sabal_graph_run(g, &err, .until = is_large, .context = &count, .max_runs = 3), SABAL_OK);
    cr_expect_eq(count, 3);
    sabal_graph_destroy(g);
}

Test(nodes, behind_a_failed_one_are_left_out_and_all_others_run)
{
    enum { N = 20 };
    struct cell *cells = calloc(N * N, sizeof *cells);
    sabal_graph *g     = wavefront(cells, N);

    cells[5 * N + 5].fails = SABAL_EIO;
    cells[2 * N + 9].fails = SABAL_ENOENT;
    cells[7 * N + 2].fails = SABAL_EVALUE;
    for (int run = 1; run <= 20; run++) {
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_assert_eq(sabal_graph_run(g, &err), SABAL_ENOENT);
        cr_assert_str_eq(err.message, "node 49 of the graph returned SABAL_ENOENT");
        for (int i = 0; i < N * N; i++) {
            int x = i % N, y = i / N;
            int out =
                (x >= 5 && y >= 5 && x + y > 10) || (x >= 9 && y >= 2 && x + y > 11) || (x >= 2 && y >= 7 && x + y > 9);

            cr_assert_eq(cells[i].n_calls, out ? 0 : run, "(%d, %d) ran %d times", x, y, (int)cells[i].n_calls);
        }
    }
    cells[5 * N + 5].fails = cells[2 * N + 9].fails = cells[7 * N + 2].fails = SABAL_OK;
    cr_expect_eq(sabal_graph_run(g, &err), SABAL_OK); /* and the next run is whole */
    cr_expect_eq(cells[N * N - 1].n_calls, 1);
    sabal_graph_destroy(g);
    free(cells);
}

static void expect_refused(sabal_graph *g, sabal_status st, const char *part)
{
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sabal_graph_run(g, &err), st);
    cr_expect(strstr(err.message, part) != NULL, "%s", err.message);
    cr_expect(strstr(err.where, "test_nodes.c:") != NULL);
    sabal_graph_destroy(g);
}

Test(nodes, what_is_wrong_with_a_graph_is_told_by_its_run)
{
    sabal_graph *g     = sabal_graph_create(client);
    int64_t      count = 0;

    for (int i = 0; i < 4; i++)
        sabal_graph_add(g, add_one, &count);
    sabal_graph_edge(g, 0, 1);
    sabal_graph_edge(g, 1, 2);
    sabal_graph_edge(g, 2, 3);
    sabal_graph_edge(g, 3, 1);
    expect_refused(g, SABAL_EINVAL, "node 1 of the graph comes after itself");
    g = sabal_graph_create(client);
    sabal_graph_add(g, add_one, &count);
    sabal_graph_edge(g, 0, 1);
    expect_refused(g, SABAL_EINVAL, "an edge from node 0 to node 1 of 1");
    g = sabal_graph_create(client);
    sabal_graph_add(g, add_one, &count);
    sabal_graph_edge(g, 0, 0);
    expect_refused(g, SABAL_EINVAL, "an edge from node 0 to node 0");
    g = sabal_graph_create(client);
    cr_expect_eq(sabal_graph_add(g, NULL, NULL), -1);
    expect_refused(g, SABAL_EINVAL, "the function of a node is NULL");
    g = sabal_graph_create(client);
    sabal_graph_add(g, add_one, &count);
    cr_expect_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(sabal_graph_add(g, add_one, &count), -1);
    expect_refused(g, SABAL_EINVAL, "a graph that has run can't be added to");
    expect_refused(sabal_graph_create(NULL), SABAL_EINVAL, "the client is NULL");
    cr_expect_eq(count, 1);
}

Test(nodes, with_edges_back_but_no_circle_run)
{
    sabal_graph *g     = sabal_graph_create(client);
    int64_t      count = 0;

    for (int i = 0; i < 3; i++)
        sabal_graph_add(g, add_one, &count);
    sabal_graph_edge(g, 2, 1);
    sabal_graph_edge(g, 1, 0);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(sabal_graph_run(g, &err), SABAL_OK);
    cr_expect_eq(count, 9);
    sabal_graph_destroy(g);
}

static sabal_status run_inner(sabal_task *t)
{
    sabal_graph *const *g = sabal_task_arg(t);

    return sabal_graph_run(*g, NULL);
}

Test(nodes, run_inside_a_task)
{
    enum { N = 30 };
    struct cell  *cells = calloc(N * N, sizeof *cells);
    sabal_client *here  = sabal_open("local:", &err, .threads = 2);
    sabal_graph  *g;
    sabal_client *outer = client;

    client = here;
    g      = wavefront(cells, N);
    cr_expect_eq(sabal_future_wait(sabal_submit(here, run_inner, &g, sizeof g), &err), SABAL_OK);
    cr_expect_eq(cells[N * N - 1].value, 2 * N - 1);
    sabal_graph_destroy(g);
    sabal_close(here);
    client = outer;
    free(cells);
}
