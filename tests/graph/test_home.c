/*
 * Tasks whose inputs lie on a certain NUMA node, on two pretended ones: threads 0 and 1 of the pool are on the first, 2 and 3
 * on the second. Tasks run in step, as in tests/sched/test_homes.c, so that what is expected does not hang on real cores.
 */
#include "graph/home.h"
#include "graph/engine.h"
#include "graph/held.h"
#include "sched/topology.h"
#include "sched/worker.h"

#include "support/engines.h"

enum { THREADS = 4, N = 64, LARGE = 2 << 20 };

static sabal_client *client;
static sabal_error   err;
static sbl_topology *machine;

static int core_of_worker(void)
{
    return sbl_me.worker ? sbl_me.worker->index % 4 : 0;
}

/* Where all are but while one makes something elsewhere. */
static __thread int there;

static int core_of_nobody(void)
{
    return there;
}

static void pretend(int32_t threads, int64_t limit)
{
    err     = (sabal_error)SABAL_ERROR_INIT;
    machine = sbl_topology_synthetic(threads == 2 ? "node:2 core:1 pu:1" : "node:2 l3:1 core:2 pu:1");
    cr_assert_not_null(machine);
    sbl_topology_use(machine, core_of_worker);
    client = sabal_open("local:", &err, .threads = threads, .memory_limit = limit);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
}

static void stop_pretending(void)
{
    sabal_close(client);
    sbl_topology_use(NULL, NULL);
    sbl_topology_free(machine);
}

/* --- in step ------------------------------------------------------------------------------------------------------ */

static _Atomic int64_t here, at_gate;
static _Atomic int     is_open;

static void wait_in_step(void)
{
    int64_t round = atomic_fetch_add(&here, 1) / THREADS;

    while (atomic_load(&here) < (round + 1) * THREADS)
        sleep_ms(1);
}

static sabal_status gate(sabal_task *t)
{
    atomic_fetch_add(&at_gate, 1);
    while (!atomic_load(&is_open))
        sleep_ms(1);
    return SABAL_OK;
}

static void close_gate(void)
{
    atomic_store(&at_gate, 0);
    atomic_store(&is_open, 0);
    atomic_store(&here, 0);
    for (int i = 0; i < THREADS; i++)
        sabal_submit(client, gate, NULL, 0);
    while (atomic_load(&at_gate) < THREADS)
        sleep_ms(1);
}

static int32_t made_on[N], used_on[N];

/* The bytes of a chunk; it lies where it was made. */
static sabal_status make(sabal_task *t)
{
    int   i    = *(const int *)sabal_task_arg(t);
    char *room = sabal_task_return_room(t, LARGE);

    if (!room)
        return SABAL_ENOMEM;
    memset(room, i, LARGE);
    made_on[i] = sbl_node_here();
    wait_in_step();
    return SABAL_OK;
}

static sabal_status use(sabal_task *t)
{
    const char *chunk = sabal_task_input(t, 0);
    int         i     = chunk[LARGE - 1];

    used_on[i] = sbl_node_here();
    wait_in_step();
    return SABAL_OK;
}

static void expect_use_at_home(int64_t limit)
{
    sabal_future *chunks[N], *uses[N];
    int           n_far = 0;

    pretend(THREADS, limit);
    close_gate();
    for (int i = 0; i < N; i++)
        chunks[i] = sabal_submit(client, make, &i, sizeof i);
    atomic_store(&is_open, 1);
    sabal_wait_all(list_of(chunks, N), &err);
    for (int i = 0; i < N; i++)
        n_far += made_on[i];
    cr_expect_eq(n_far, N / 2); /* or they were not in step */
    close_gate();
    for (int i = 0; i < N; i++)
        uses[i] = sabal_submit(client, use, NULL, 0, .inputs = SABAL_LIST(chunks[i]));
    atomic_store(&is_open, 1);
    sabal_wait_all(list_of(uses, N), &err);
    cr_expect_eq(err.status, SABAL_OK, "%s", err.message);
    for (int i = 0; i < N; i++)
        cr_expect_eq(used_on[i], made_on[i], "chunk %d of node %d was used on node %d", i, made_on[i], used_on[i]);
    stop_pretending();
}

Test(home, when_all_are_busy_each_task_runs_where_its_input_lies)
{
    expect_use_at_home(-1);
    expect_use_at_home((int64_t)8 << 30); /* results in records, which may leave memory */
}

/* --- one after the other ------------------------------------------------------------------------------------------ */

static _Atomic int32_t ran_on, n_either;

static sabal_status note_node(sabal_task *t)
{
    atomic_store(&ran_on, sbl_node_here());
    return SABAL_OK;
}

/* Opens the gate, and keeps its thread until the task that is looked at has run. */
static sabal_status keep_busy(sabal_task *t)
{
    atomic_store(&is_open, 1);
    while (atomic_load(&ran_on) < 0)
        sleep_ms(1);
    return SABAL_OK;
}

/* One for each of two threads. On the second node: something large, at once. On the first: something small, once the other
   thread is at the gate and there is something else to do here. */
static sabal_status large_or_small(sabal_task *t)
{
    size_t n = sbl_node_here() ? LARGE : 8;
    void  *room;

    atomic_fetch_add(&n_either, 1);
    while (atomic_load(&n_either) < 2)
        sleep_ms(1);
    while (n == 8 && !atomic_load(&at_gate))
        sleep_ms(1);
    if (n == 8)
        sabal_submit(sabal_task_client(t), keep_busy, NULL, 0);
    room = sabal_task_return_room(t, n);
    if (!room)
        return SABAL_ENOMEM;
    memset(room, 1, n);
    return SABAL_OK;
}

/* The last input ends on the first node, the largest lies on the second. */
Test(home, a_task_does_not_run_where_its_last_input_ended_if_the_largest_lies_elsewhere)
{
    sabal_future *a, *b, *c;

    pretend(2, -1);
    atomic_store(&ran_on, -1);
    atomic_store(&n_either, 0);
    atomic_store(&at_gate, 0);
    atomic_store(&is_open, 0);
    a = sabal_submit(client, large_or_small, NULL, 0);
    b = sabal_submit(client, large_or_small, NULL, 0);
    c = sabal_submit(client, note_node, NULL, 0, .inputs = SABAL_LIST(a, b));
    sabal_submit(client, gate, NULL, 0);
    cr_expect_eq(sabal_future_wait(c, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(ran_on, 1);
    stop_pretending();
}

static sabal_status make_there(sabal_task *t)
{
    void *room;

    there = 2;
    room  = sabal_task_return_room(t, LARGE);
    there = 0;
    if (!room)
        return SABAL_ENOMEM;
    memset(room, 1, LARGE);
    return SABAL_OK;
}

/* All that there is lies on a node whose threads don't exist. */
Test(home, tasks_run_though_no_thread_is_where_their_inputs_lie)
{
    sabal_future *chunks[N], *uses[N];

    machine = sbl_topology_synthetic("node:2 l3:1 core:2 pu:1");
    cr_assert_not_null(machine);
    sbl_topology_use(machine, core_of_nobody);
    client = sabal_open("local:", &err, .threads = 2);
    for (int i = 0; i < N; i++)
        chunks[i] = sabal_submit(client, make_there, &i, sizeof i);
    for (int i = 0; i < N; i++)
        uses[i] = sabal_submit(client, note_node, NULL, 0, .inputs = SABAL_LIST(chunks[i]));
    cr_expect_eq(sabal_wait_all(list_of(uses, N), &err), SABAL_OK, "%s", err.message);
    stop_pretending();
}

/* --- what is known ------------------------------------------------------------------------------------------------ */

static sabal_future *scattered_on(int core, size_t size)
{
    sabal_future *f;
    sbl_value    *value;
    void         *room;

    there = core;
    cr_assert_eq(sbl_bytes_create(&value, &room, size, &err), SABAL_OK);
    memset(room, 1, size);
    there = 0;
    cr_assert_eq(sbl_engine_scatter(client, value, &f, &err), SABAL_OK);
    sbl_value_release(value);
    return f;
}

Test(home, of_several_inputs_the_largest_tells)
{
    machine = sbl_topology_synthetic("node:2 l3:1 core:2 pu:1");
    sbl_topology_use(machine, core_of_nobody);
    client = sabal_open("local:", &err, .threads = 1);
    for (int order = 0; order < 2; order++) {
        sabal_future *few = scattered_on(0, LARGE), *many = scattered_on(2, LARGE + 1);
        sabal_future *small = scattered_on(0, 100), *f, *g;

        atomic_store(&at_gate, 0);
        atomic_store(&is_open, 0);
        sabal_submit(client, gate, NULL, 0); /* so that what follows does not run yet */
        while (!atomic_load(&at_gate))
            sleep_ms(1);
        f = order ? sabal_submit(client, note_node, NULL, 0, .inputs = SABAL_LIST(few, many, small))
                  : sabal_submit(client, note_node, NULL, 0, .inputs = SABAL_LIST(small, many, few));
        cr_expect_eq(sbl_task_home(f), 2);
        g = sabal_submit(client, note_node, NULL, 0, .inputs = SABAL_LIST(small));
        cr_expect_eq(sbl_task_home(g), 0);
        atomic_store(&is_open, 1);
        cr_expect_eq(sabal_wait_all(SABAL_LIST(f, g), &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(sbl_task_home(f), 0); /* its inputs are released */
        sbl_handle_release(few);
        sbl_handle_release(many);
        sbl_handle_release(small);
    }
    stop_pretending();
}

Test(home, a_value_a_view_and_small_ones)
{
    sabal_ndarray *array, *rows;
    sbl_value     *small;
    void          *room;

    machine = sbl_topology_synthetic("node:2 l3:1 core:2 pu:1");
    sbl_topology_use(machine, core_of_nobody);
    there = 2;
    cr_assert_eq(sbl_ndarray_create(&array, &room, SABAL_FLOAT64, 1, (int64_t[]){1 << 20}, &err), SABAL_OK);
    there = 0;
    cr_assert_eq(sbl_ndarray_rows(&rows, array, 1 << 19, 1 << 19, &err), SABAL_OK);
    cr_assert_eq(sbl_bytes_create(&small, &room, 100000, &err), SABAL_OK);
    cr_expect_eq(sbl_value_home((sbl_value *)(void *)array), 2);
    cr_expect_eq(sbl_value_home((sbl_value *)(void *)rows), 2);
    cr_expect_eq(sbl_value_home(small), 0);
    sbl_value_release((sbl_value *)(void *)rows);
    sbl_value_release((sbl_value *)(void *)array);
    sbl_value_release(small);
    sbl_topology_use(NULL, NULL);
    sbl_topology_free(machine);
}
