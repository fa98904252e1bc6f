/* Graphs that are long, deep, wide, or made by many: nothing recurses, nothing is lost, cycles are refused. */
#include <pthread.h>

#include "sched/chaos.h"
#include "support/engines.h"

static sabal_client *client;
static sabal_error   err;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
}

TestSuite(graphs, .init = init);

#ifdef SBL_PLAIN /* under sanitizers, which are slow and whose stacks are larger */
enum { LONG = 100000 };
#else
enum { LONG = 1000000 };
#endif

/* A chain on top of `first`; the scopes keep the last one only. */
static sabal_future *chain(sabal_future *first, int n)
{
    sabal_future *last = first;

    for (int i = 0; i < n; i++) {
        sabal_future *f = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(last));

        if (last != first)
            sabal_release(last);
        last = f;
    }
    return last;
}

/* On workers a link is a trip there and back, which takes 30 us; a handler of trips that recursed would have used up its stack
   after a tenth of the links. What submits, fails and closes does so with all of them below. */
Test(graphs, a_long_chain_runs)
{
    for_each_engine(client, 2)
    {
        int    n = walk_.next == 1 || getenv("TEST_LONG") ? LONG : LONG / 10;
        double out;

        cr_expect_eq(sabal_future_get(&out, sizeof out, chain(submit_double(client, 0), n), &err), SABAL_OK);
        cr_expect_eq(out, n);
    }
}

Test(graphs, a_long_chain_that_waits_fails_with_its_beginning)
{
    for_each_engine(client, 1)
    {
        marks         m    = marks_make();
        sabal_future *held = sabal_submit(client, task_hold, &m, sizeof m), *last = chain(held, LONG);

        sabal_future_cancel(held);
        cr_expect_eq(sabal_future_wait(last, &err), SABAL_ECANCELED);
        cr_expect_str_eq(err.task, sabal_future_key(held));
        marks_end(&m);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(graphs, a_long_chain_that_waits_is_closed)
{
    for_each_engine(client, 1)
    {
        marks m = marks_make();

        chain(sabal_submit(client, task_hold, &m, sizeof m), LONG);
        sabal_close(client);
        walk_.client = NULL;
        marks_end(&m);
    }
}

Test(graphs, a_wide_fan_comes_together)
{
    enum { N = 20000 };
    sabal_future **f = malloc(N * sizeof *f);
    double         out;

    for_each_engine(client, 2)
    {
        sabal_future *first = submit_double(client, 1), *last;

        sabal_map(f, client, task_sum, NULL, 0, N, .inputs = SABAL_LIST(first));
        last = sabal_submit(client, task_sum, NULL, 0, .inputs = list_of(f, N));
        cr_expect_eq(sabal_future_get(&out, sizeof out, last, &err), SABAL_OK);
        cr_expect_eq(out, 2 * N + 1);
    }
    free(f);
}

static sabal_status wait_below(sabal_task *t)
{
    const int    *n = sabal_task_arg(t);
    double        v = 0;
    sabal_future *f;

    if (*n > 0) {
        f = sabal_submit(sabal_task_client(t), wait_below, (&(int){*n - 1}), sizeof(int));
        if (sabal_future_get(&v, sizeof v, f, NULL))
            return sabal_task_fail(t, SABAL_EVALUE, "%s", sabal_future_error(f)->message);
    }
    return sabal_task_return(t, &(double){v + 1}, sizeof(double));
}

Test(graphs, waits_nested_deeper_than_a_stack_take_another)
{
    double out;
    int    depth = LONG / 50;

    for_each_engine(client, 1)
    {
        cr_expect_eq(sabal_future_get(&out, sizeof out, sabal_submit(client, wait_below, &depth, sizeof depth), &err),
                     SABAL_OK);
        cr_expect_eq(out, depth + 1);
    }
}

static sabal_status wait_for_a_chain(sabal_task *t)
{
    sabal_client *c = sabal_task_client(t);
    sabal_future *f = sabal_submit(c, task_sum, NULL, 0), *g;
    double        v;

    for (int i = 1; i < LONG / 50; i++) {
        g = sabal_submit(c, task_sum, NULL, 0, .inputs = SABAL_LIST(f));
        sabal_release(f);
        f = g;
    }
    if (sabal_future_get(&v, sizeof v, f, NULL))
        return SABAL_EVALUE;
    return sabal_task_return(t, &v, sizeof v);
}

Test(graphs, a_task_waits_for_a_long_chain_that_has_not_begun)
{
    double out;

    for_each_engine(client, 1)
    {
        cr_expect_eq(sabal_future_get(&out, sizeof out, sabal_submit(client, wait_for_a_chain, NULL, 0), &err),
                     SABAL_OK);
        cr_expect_eq(out, LONG / 50);
    }
}

/* --- many threads ----------------------------------------------------------------------------------------------- */

static void *submit_many(void *arg)
{
    double       *sum  = arg, out;
    sabal_future *last = submit_double(client, 1);

    for (int i = 0; i < 2000; i++)
        last = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(last, submit_double(client, 1)));
    if (!sabal_future_get(&out, sizeof out, last, NULL))
        *sum = out;
    return NULL;
}

Test(graphs, many_threads_submit_at_once_and_nothing_is_lost)
{
    enum { N = 8 };
    pthread_t threads[N];
    double    sums[N] = {0};

    for_each_engine(client, 2)
    {
        for (int i = 0; i < N; i++)
            pthread_create(&threads[i], NULL, submit_many, &sums[i]);
        for (int i = 0; i < N; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < N; i++)
            cr_expect_eq(sums[i], 4001);
    }
}

static void *cancel_all(void *arg)
{
    sabal_future **f = arg;

    for (int i = 0; i < 1000; i++)
        sabal_future_cancel(f[(i * 7) % 1000]);
    return NULL;
}

static sabal_status chain_or_sum(sabal_task *t)
{
    const int *n = sabal_task_arg(t);

    if (*n % 3)
        return task_sum(t);
    return sabal_task_return_future(t, sabal_submit(sabal_task_client(t), task_sum, NULL, 0));
}

/* A round of tasks that another thread cancels while they run. */
static void race(sabal_future **f)
{
    sabal_as_completed *it;
    sabal_future       *got;
    sabal_client_stats  s = {.struct_size = sizeof s};
    pthread_t           thread;
    int                 n = 0;

    for (int i = 0; i < 1000; i++)
        f[i] = i % 5 ? sabal_submit(client, chain_or_sum, &i, sizeof i, .inputs = SABAL_LIST(f[i - 1]))
                     : sabal_submit(client, chain_or_sum, &i, sizeof i);
    it = sabal_as_completed_create(client, list_of(f, 1000));
    pthread_create(&thread, NULL, cancel_all, f);
    while (sabal_as_completed_next(&got, it, NULL) == SABAL_OK)
        n += sabal_future_state_get(got) != SABAL_PENDING;
    cr_expect_eq(n, 1000);
    pthread_join(thread, NULL);
    sabal_release(it);
    for (int i = 0; i < 1000; i++)
        sabal_release(f[i]);
    do
        sabal_client_stats_get(client, &s); /* tasks whose futures a cancelled one had returned may still run */
    while (s.pending);
    cr_expect_eq(s.submitted, s.finished + s.failed);
    cr_expect_eq(s.values, 0);
    cr_expect_eq(s.bytes, 0);
}

Test(graphs, cancelling_races_with_running_and_every_future_ends_once)
{
    sabal_future *f[1000];

    for_each_engine(client, 3) for (int round = 0; round < 5; round++) race(f);
}

/* On this node: the naps are in this process. */
Test(graphs, pauses_at_the_worst_moments_lose_nothing)
{
    sabal_future *f[1000];
    double        sums[2] = {0}, out;
    int           n       = 12;
    pthread_t     threads[2];

    client = sabal_open("local:", &err, .threads = 3);
    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 3; round++)
        race(f);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, submit_many, &sums[i]);
    cr_expect_eq(sabal_future_get(&out, sizeof out, sabal_submit(client, wait_below, &n, sizeof n), &err), SABAL_OK);
    cr_expect_eq(out, 13);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(sums[0], 4001);
    cr_expect_eq(sums[1], 4001);
    atomic_store(&sbl_chaos_level, 0);
    sabal_close(client);
}

/* --- cycles: futures smuggled through memory, so on this node only ------------------------------------------------ */

struct smuggled {
    marks                   gate;
    _Atomic(sabal_future *) future; /* what to return: the sanitizer does not see the gate's file */
};

static sabal_status return_smuggled(sabal_task *t)
{
    struct smuggled *const *s = sabal_task_arg(t);

    marks_wait(&(*s)->gate, 1);
    return sabal_task_return_future(t, (*s)->future);
}

Test(graphs, a_task_cannot_return_its_own_future)
{
    struct smuggled s = {.gate = marks_make()}, *arg = &s;

    client   = sabal_open("local:", &err, .threads = 2);
    s.future = sabal_submit(client, return_smuggled, &arg, sizeof arg);
    marks_add(&s.gate, 'g');
    cr_expect_eq(sabal_future_wait(s.future, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "a task returned its own future, which would never end");
    sabal_close(client);
    marks_end(&s.gate);
}

Test(graphs, a_task_cannot_return_what_waits_for_it)
{
    struct smuggled s = {.gate = marks_make()}, *arg = &s;
    sabal_future   *f;

    client   = sabal_open("local:", &err, .threads = 2);
    f        = sabal_submit(client, return_smuggled, &arg, sizeof arg);
    s.future = chain(f, 50);
    marks_add(&s.gate, 'g');
    cr_expect_eq(sabal_future_wait(s.future, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "a task returned a future that waits for its own: neither would end");
    cr_expect_str_eq(err.task, sabal_future_key(f));
    sabal_close(client);
    marks_end(&s.gate);
}

Test(graphs, tasks_cannot_return_each_other)
{
    client = sabal_open("local:", &err, .threads = 2);
    atomic_store(&sbl_chaos_level, 1);
    for (int round = 0; round < 200; round++) { /* they do so at the same time, now and then */
        struct smuggled a = {.gate = marks_make()}, b = {.gate = a.gate}, *to_a = &a, *to_b = &b;
        sabal_future   *f, *g;

        f        = sabal_submit(client, return_smuggled, &to_a, sizeof to_a);
        g        = sabal_submit(client, return_smuggled, &to_b, sizeof to_b);
        a.future = g;
        b.future = f;
        marks_add(&a.gate, 'g');
        cr_assert_eq(sabal_future_wait(f, &err, .timeout_ns = 20000000000), SABAL_EINVAL, "%s", err.message);
        cr_assert_eq(sabal_future_wait(g, NULL), SABAL_EINVAL);
        marks_end(&a.gate);
    }
    atomic_store(&sbl_chaos_level, 0);
    sabal_close(client);
}

Test(graphs, a_future_of_another_client_is_not_returned)
{
    struct smuggled s = {.gate = marks_make()}, *arg = &s;
    sabal_client   *other = sabal_open("local:", &err, .threads = 1);

    client   = sabal_open("local:", &err, .threads = 1);
    s.future = submit_double(other, 1);
    marks_add(&s.gate, 'g');
    cr_expect_eq(sabal_future_wait(sabal_submit(client, return_smuggled, &arg, sizeof arg), NULL), SABAL_EINVAL);
    sabal_close(client);
    sabal_close(other);
    marks_end(&s.gate);
}
