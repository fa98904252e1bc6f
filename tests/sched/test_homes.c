/*
 * Work with a home, on pretended nodes: thread i of a pool is always on core i. Pieces run in step: each waits until as many
 * as there are threads are there, so that every thread takes one before any takes two, however the real cores are shared.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sched/pools.h"
#include "sched/topology.h"

enum { THREADS = 4, MOST = 400 };

static sbl_topology   *machine;
static sbl_pool       *pool;
static _Atomic int64_t done; /* pieces that ran to their end, since pretend() */

static int core_of_worker(void)
{
    return sbl_me.worker ? sbl_me.worker->index : 0;
}

static void pretend(const char *description, int32_t threads)
{
    machine = sbl_topology_synthetic(description);
    cr_assert_not_null(machine);
    sbl_topology_use(machine, core_of_worker);
    pool = pool_of(threads);
    atomic_store(&done, 0);
}

static void stop_pretending(void)
{
    sbl_pool_destroy(pool);
    sbl_topology_use(NULL, NULL);
    sbl_topology_free(machine);
}

typedef struct piece {
    sbl_work work;
    int32_t  ran_on; /* node; -1: it did not run */
} piece;

static piece           pieces[MOST];
static _Atomic int64_t here;  /* pieces that came to where they wait for each other */
static _Atomic int     open_; /* the gate in front of them */

static void wait_until_done(int64_t n)
{
    while (atomic_load(&done) < n)
        usleep(100);
}

static void wait_in_step(int32_t n_threads)
{
    int64_t n = atomic_fetch_add(&here, 1), round = n / n_threads;

    while (atomic_load(&here) < (round + 1) * n_threads)
        usleep(100);
}

static void run_in_step(sbl_work *work)
{
    ((piece *)work)->ran_on = sbl_node_here();
    wait_in_step(THREADS);
    atomic_fetch_add(&done, 1);
}

static void run_gate(sbl_work *work)
{
    atomic_fetch_add(&here, 1);
    while (!atomic_load(&open_))
        usleep(100);
    atomic_fetch_add(&done, 1);
}

static void close_gate(piece *gates, int32_t n_threads)
{
    atomic_store(&here, 0);
    atomic_store(&open_, 0);
    for (int32_t i = 0; i < n_threads; i++) {
        gates[i] = (piece){.work = {.run = run_gate}};
        sbl_pool_post(pool, &gates[i].work);
    }
    while (atomic_load(&here) < n_threads)
        usleep(100);
    atomic_store(&here, 0);
}

static sbl_pool_counters counters(void)
{
    sbl_pool_counters c;

    sbl_pool_count(pool, &c);
    return c;
}

Test(homes, when_all_are_busy_each_piece_runs_at_home)
{
    piece gates[THREADS];

    pretend("node:2 l3:1 core:2 pu:1", THREADS);
    close_gate(gates, THREADS);
    for (int32_t i = 0; i < MOST; i++)
        pieces[i] =
            (piece){.work = {.run = run_in_step, .home = 1 + i % 2, .next = i + 1 < MOST ? &pieces[i + 1].work : NULL},
                    .ran_on = -1};
    sbl_pool_post_batch(pool, &pieces[0].work, MOST);
    atomic_store(&open_, 1);
    wait_until_done(MOST + THREADS);
    for (int32_t i = 0; i < MOST; i++)
        cr_expect_eq(pieces[i].ran_on, i % 2, "piece %d ran on node %d", i, pieces[i].ran_on);
    cr_expect_eq(counters().far_takes, 0);
    stop_pretending();
}

static void run_anyhow(sbl_work *work)
{
    ((piece *)work)->ran_on = sbl_node_here();
    atomic_fetch_add(&done, 1);
}

/* All threads are on one node, all work is at home on another, and on one that the machine has not. */
Test(homes, nobody_waits_for_a_thread_of_the_right_node)
{
    pretend("node:3 l3:1 core:2 pu:1", 2);
    for (int32_t i = 0; i < MOST; i++) {
        pieces[i] = (piece){.work = {.run = run_anyhow, .home = 2 + i % 3}, .ran_on = -1};
        sbl_pool_post(pool, &pieces[i].work);
    }
    wait_until_done(MOST);
    cr_expect_eq(counters().far_takes, (MOST + 2) / 3 + (MOST + 1) / 3);
    sbl_pool_destroy(pool);
    for (int32_t i = 0; i < MOST; i++)
        cr_expect_eq(pieces[i].ran_on, 0);
    pool = pool_of(1);
    stop_pretending();
}

/* The only thread always has work of its own, as each piece posts the next; that which lies elsewhere gets its turn. */
static piece   stream[2 * SBL_HOME_PATIENCE];
static int32_t n_streamed;
static int64_t streamed_before; /* when the piece from elsewhere ran */

static void run_stream(sbl_work *work)
{
    n_streamed++;
    if (n_streamed < 2 * SBL_HOME_PATIENCE) {
        stream[n_streamed] = (piece){.work = {.run = run_stream}};
        sbl_pool_post(pool, &stream[n_streamed].work);
    }
    atomic_fetch_add(&done, 1);
}

static void run_elsewhere(sbl_work *work)
{
    streamed_before = n_streamed;
    atomic_fetch_add(&done, 1);
}

Test(homes, what_is_overdue_goes_first_wherever_it_lies)
{
    piece gate[1], elsewhere = {.work = {.run = run_elsewhere, .home = 2}};

    n_streamed      = 0;
    streamed_before = -1;
    pretend("node:2 l3:1 core:2 pu:1", 1);
    close_gate(gate, 1);
    sbl_pool_post(pool, &elsewhere.work);
    stream[0] = (piece){.work = {.run = run_stream}};
    sbl_pool_post(pool, &stream[0].work);
    atomic_store(&open_, 1);
    wait_until_done(2 * SBL_HOME_PATIENCE + 2);
    cr_expect_eq(streamed_before, SBL_HOME_PATIENCE);
    stop_pretending();
}

/* Of higher priority is first of higher priority. */
Test(homes, priority_goes_before_home)
{
    piece gate[1], urgent = {.work = {.run = run_elsewhere, .home = 2, .priority = 1}};

    n_streamed = 0;
    pretend("node:2 l3:1 core:2 pu:1", 1);
    close_gate(gate, 1);
    stream[0] = (piece){.work = {.run = run_stream}};
    sbl_pool_post(pool, &stream[0].work);
    streamed_before = -1;
    sbl_pool_post(pool, &urgent.work);
    atomic_store(&open_, 1);
    wait_until_done(2 * SBL_HOME_PATIENCE + 2);
    cr_expect_eq(streamed_before, 0);
    stop_pretending();
}

/* Eight nodes, one thread each, and one thread more than nodes have: nothing is lost, whoever runs it. */
Test(homes, nothing_is_lost_while_a_pool_ends)
{
    for (int round = 0; round < 20; round++) {
        pretend("node:8 l3:1 core:1 pu:1", 9);
        for (int32_t i = 0; i < MOST; i++) {
            pieces[i] = (piece){.work = {.run = run_anyhow, .home = i % 9}, .ran_on = -1};
            sbl_pool_post(pool, &pieces[i].work);
        }
        stop_pretending();
        for (int32_t i = 0; i < MOST; i++)
            cr_expect_geq(pieces[i].ran_on, 0);
    }
}

/* Both nodes' threads sleep; what is at home on the second wakes one there. */
Test(homes, a_sleeper_of_the_right_node_is_woken)
{
    pretend("node:2 l3:1 core:2 pu:1", THREADS);
    for (int32_t i = 0; i < 50; i++) {
        while (SBL_COUNT(sbl_state(pool), SBL_AWAKE))
            usleep(100);
        pieces[0] = (piece){.work = {.run = run_anyhow, .home = 1 + i % 2}, .ran_on = -1};
        sbl_pool_post(pool, &pieces[0].work);
        wait_until_done(i + 1);
        while (SBL_COUNT(sbl_state(pool), SBL_AWAKE))
            usleep(100);
        cr_expect_eq(pieces[0].ran_on, i % 2);
    }
    stop_pretending();
}

/* --- whose memory is touched by whom ------------------------------------------------------------------------------ */

static int32_t pages_touched(const void *memory, size_t size)
{
    const size_t         page = (size_t)sysconf(_SC_PAGESIZE);
    static unsigned char there[(size_t)SBL_RECORDS * sizeof(struct sabal_record) / 4096];
    int32_t              n = 0;

    cr_assert_eq(mincore((void *)memory, size, there), 0);
    for (size_t i = 0; i < size / page; i++)
        n += there[i] & 1;
    return n;
}

SABAL_JOB(long, tree, int, n)
{
    if (n < 2)
        return n;
    SABAL_SPAWN(tree, n - 1);
    long y = SABAL_CALL(tree, n - 2);
    return y + SABAL_SYNC(tree);
}

static void run_tree(sbl_work *work)
{
    RUN(pool, tree, 10);
    atomic_fetch_add(&done, 1);
}

Test(homes, records_are_touched_first_by_who_runs_jobs_on_them)
{
    const size_t bytes = (size_t)SBL_RECORDS * sizeof(struct sabal_record);
    piece        gate[1], p = {.work = {.run = run_tree}};

    pretend("node:2 l3:1 core:2 pu:1", 1);
    close_gate(gate, 1); /* it runs, but no jobs yet */
    cr_expect_eq(pages_touched(pool->slots[0]->base, bytes), 0);
    sbl_pool_post(pool, &p.work);
    atomic_store(&open_, 1);
    wait_until_done(2);
    cr_expect_gt(pages_touched(pool->slots[0]->base, bytes), 0);
    stop_pretending();
}

/* What the creator had to write lies on pages of its own, which the thread takes with it: to the system's node of its number. */
Test(homes, the_slot_of_a_thread_comes_to_its_node)
{
    void *page = NULL;

    pretend("node:2 l3:1 core:2 pu:1", 2);
    machine->system_node[1] = machine->system_node[0]; /* this machine may have one */
    for (int32_t i = 0; i < 2; i++)
        cr_expect_eq((uintptr_t)pool->slots[i] % 4096, 0);
    cr_expect_geq(llabs((char *)pool->slots[1] - (char *)pool->slots[0]), 4096);
    cr_assert_eq(posix_memalign(&page, 4096, 4096), 0);
    memset(page, 1, 4096);
    if (!getenv("TEST_EMULATED")) /* which moves none */
        cr_expect_eq(sbl_bring_pages_here(page, 1), 1);
    free(page);
    stop_pretending();
}
