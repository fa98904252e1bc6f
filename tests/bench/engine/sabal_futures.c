/* Sabal's side: tasks and futures. See harness.h. */
#include <sabal/sabal.h>

#include "drive.h"

static sabal_client *client;
static sabal_error   err = SABAL_ERROR_INIT;

static void die(const char *what)
{
    char text[1024] = "";

    sabal_error_format(text, sizeof text, &err);
    fprintf(stderr, "bench: %s: %s\n", what, text);
    exit(1);
}

static uint64_t value_of(const sabal_future *future)
{
    uint64_t value = 0;

    if (sabal_future_get(&value, sizeof value, future, &err))
        die("get");
    return value;
}

static void release_all(sabal_future **futures, long n)
{
    for (long i = 0; i < n; i++)
        sabal_release(futures[i]);
    free(futures);
}

/* 1 and the sum of its inputs. */
static sabal_status count_task(sabal_task *task)
{
    uint64_t n = 1;

    for (int32_t i = 0; i < sabal_task_n_inputs(task); i++)
        n += *(const uint64_t *)sabal_task_input(task, i);
    return sabal_task_return(task, &n, sizeof n);
}

/* Each link is let go of as soon as the next one holds it. */
static uint64_t run_chain(long n, long arg)
{
    sabal_future *last = sabal_submit(client, count_task, NULL, 0);
    uint64_t      result;

    for (long i = 1; i < n; i++) {
        sabal_future *next = sabal_submit(client, count_task, NULL, 0, .inputs = SABAL_LIST(last));

        sabal_release(last);
        last = next;
    }
    result = value_of(last);
    sabal_release(last);
    return result;
}

/* A binary tree of n = 2^k - 1 nodes, from its leaves to its root. */
static uint64_t run_tree(long n, long arg)
{
    sabal_future **nodes = room(sizeof(sabal_future *) * (size_t)n);
    uint64_t       result;

    for (long i = n - 1; i >= 0; i--)
        nodes[i] = 2 * i + 1 < n ? sabal_submit(client, count_task, NULL, 0,
                                                .inputs = SABAL_LIST(nodes[2 * i + 1], nodes[2 * i + 2]))
                                 : sabal_submit(client, count_task, NULL, 0);
    result = value_of(nodes[0]);
    release_all(nodes, n);
    return result;
}

static sabal_status map_task(sabal_task *task)
{
    const uint64_t n = *(const uint64_t *)sabal_task_arg(task) + 1;

    return sabal_task_return(task, &n, sizeof n);
}

static uint64_t run_map(long n, long arg)
{
    sabal_future **futures = room(sizeof(sabal_future *) * (size_t)n);
    uint64_t      *values  = room(sizeof(uint64_t) * (size_t)n);
    uint64_t       right   = 0;

    for (long i = 0; i < n; i++)
        values[i] = (uint64_t)i;
    sabal_map(futures, client, map_task, values, sizeof *values, n);
    if (sabal_gather(values, sizeof *values, (sabal_list){(const void *const *)futures, n}, &err))
        die("gather");
    release_all(futures, n);
    for (long i = 0; i < n; i++)
        right += values[i] == (uint64_t)i + 1;
    free(values);
    return right;
}

static int gate_is_open;

static sabal_status gate_task(sabal_task *task)
{
    const uint64_t zero = 0;

    while (!__atomic_load_n(&gate_is_open, __ATOMIC_ACQUIRE))
        usleep(1000);
    return sabal_task_return(task, &zero, sizeof zero);
}

/* Bytes of a task that waits for another: what the process grows by while the gate is shut. */
static uint64_t run_bytes(long n, long arg)
{
    sabal_future **futures = room(sizeof(sabal_future *) * (size_t)n);
    sabal_future  *gate;
    uint64_t       ran = 0;
    long           before;

    gate_is_open = 0;
    gate         = sabal_submit(client, gate_task, NULL, 0);
    before       = resident_bytes();
    for (long i = 0; i < n; i++)
        futures[i] = sabal_submit(client, count_task, NULL, 0, .inputs = SABAL_LIST(gate));
    g_value = (double)(resident_bytes() - before) / (double)n;
    __atomic_store_n(&gate_is_open, 1, __ATOMIC_RELEASE);
    for (long i = 0; i < n; i++)
        ran += value_of(futures[i]);
    release_all(futures, n);
    sabal_release(gate);
    return ran;
}

/* ----------------------------------------------------------------------------------------------------------- */

static void start(int threads)
{
    client = sabal_open("local:", &err, .threads = threads);
    if (err.status)
        die("open");
}

static void stop(void)
{
    sabal_close(client);
}

static const workload workloads[] = {
    {"futures-chain", run_chain},
    {"futures-tree", run_tree},
    {"futures-map", run_map},
    {"futures-bytes", run_bytes},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, stop);
}
