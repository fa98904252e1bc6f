/*
 * Sabal's side: tasks and futures. See harness.h. Where SABAL_SCHEDULER_FILE is set, they are those of a cluster, whose workers
 * load this program.
 */
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

enum { REDUCED = 16 }; /* values that a task of a reduction sums */

static sabal_status sum_task(sabal_task *task)
{
    uint64_t n = 0;

    for (int32_t i = 0; i < sabal_task_n_inputs(task); i++)
        n += *(const uint64_t *)sabal_task_input(task, i);
    return sabal_task_return(task, &n, sizeof n);
}

/* n mapped, then summed by sixteens until one is left. */
static uint64_t run_map_reduce(long n, long arg)
{
    sabal_future **futures = room(sizeof(sabal_future *) * (size_t)n);
    uint64_t      *values  = room(sizeof(uint64_t) * (size_t)n);
    uint64_t       sum;
    long           left = n;

    for (long i = 0; i < n; i++)
        values[i] = (uint64_t)i;
    sabal_map(futures, client, map_task, values, sizeof *values, n);
    free(values);
    while (left > 1) {
        long n_sums = 0;

        for (long i = 0; i < left; i += REDUCED) {
            const int64_t inputs = left - i < REDUCED ? left - i : REDUCED;
            sabal_future *s      = sabal_submit(client, sum_task, NULL, 0,
                                                .inputs = ((sabal_list){(const void *const *)(futures + i), inputs}));

            for (int64_t k = 0; k < inputs; k++)
                sabal_release(futures[i + k]);
            futures[n_sums++] = s;
        }
        left = n_sums;
    }
    sum = value_of(futures[0]);
    release_all(futures, 1);
    return sum == (uint64_t)n * ((uint64_t)n + 1) / 2 ? (uint64_t)n : 0;
}

/* Microseconds from submitting a task to its value, each after arg ms in which nothing is asked for; the median of n. */
static uint64_t run_roundtrip(long n, long arg)
{
    double  *us    = room(sizeof *us * (size_t)n);
    uint64_t right = 0;

    for (long i = 0; i < n; i++) {
        const uint64_t value = (uint64_t)i;
        double         start;
        sabal_future  *f;

        if (arg)
            usleep((useconds_t)arg * 1000);
        start = now_s();
        f     = sabal_submit(client, map_task, &value, sizeof value);
        right += value_of(f) == value + 1;
        us[i] = (now_s() - start) * 1e6;
        sabal_release(f);
    }
    qsort(us, (size_t)n, sizeof *us, compare_doubles);
    g_value = us[n / 2];
    free(us);
    return right;
}

static sabal_status where_task(sabal_task *task)
{
    const uint64_t pid = (uint64_t)getpid();

    usleep(1000);
    return sabal_task_return(task, &pid, sizeof pid);
}

/* Until two tasks at once have run in different processes: both workers of a cluster are there. */
static uint64_t run_both(long n, long arg)
{
    uint64_t pid[2] = {0};

    while (pid[0] == pid[1]) {
        sabal_future *f[2] = {sabal_submit(client, where_task, NULL, 0), sabal_submit(client, where_task, NULL, 0)};

        for (int i = 0; i < 2; i++) {
            pid[i] = value_of(f[i]);
            sabal_release(f[i]);
        }
    }
    return (uint64_t)n;
}

/* Work, and then nothing for n ms, in which others look at what the processes use. */
static uint64_t run_rest(long n, long arg)
{
    const uint64_t right = run_roundtrip(100, 0) == 100 ? (uint64_t)n : 0;

    usleep((useconds_t)n * 1000);
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
    client = sabal_open(NULL, &err, .threads = threads);
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
    {"futures-map-reduce", run_map_reduce},
    {"roundtrip", run_roundtrip},
    {"both", run_both},
    {"rest", run_rest},
    {"futures-bytes", run_bytes},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, kernels, workloads, start, stop);
}
