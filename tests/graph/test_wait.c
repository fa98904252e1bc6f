/* Waiting: for one, all, any, in the order of the ends; with limits; inside tasks; with poll(). */
#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "support/engines.h"

static sabal_client *client;
static sabal_error   err;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
}

TestSuite(wait, .init = init);

static sabal_future *hold(marks *m, int value)
{
    m->value = value;
    return sabal_submit(client, task_hold, m, sizeof *m);
}

Test(wait, a_wait_that_times_out_changes_nothing)
{
    for_each_engine(client, 1)
    {
        marks         m = marks_make();
        sabal_future *f = hold(&m, 7);
        double        out;

        cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 0), SABAL_ETIMEDOUT);
        cr_expect_not_null(strstr(err.message, sabal_future_key(f)));
        cr_expect_neq(err.where[0], 0);
        cr_expect_eq(sabal_future_wait(f, NULL, .timeout_ns = 2000000), SABAL_ETIMEDOUT);
        cr_expect_eq(sabal_wait_all(SABAL_LIST(f), NULL, .timeout_ns = 2000000), SABAL_ETIMEDOUT);
        cr_expect_eq(sabal_future_state_get(f), SABAL_PENDING);
        cr_expect_null(sabal_future_error(f));
        marks_wait(&m, 1);
        marks_add(&m, 'g');
        cr_expect_eq(sabal_future_get(&out, sizeof out, f, NULL), SABAL_OK);
        cr_expect_eq(out, 7);
        marks_end(&m);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(wait, a_wait_with_a_limit_ends_with_the_future)
{
    for_each_engine(client, 1)
    {
        sabal_future *f = submit_double(client, 2);

        cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = INT64_MAX), SABAL_OK);
        cr_expect_eq(sabal_wait_all(SABAL_LIST(f, f), &err, .timeout_ns = 60000000000), SABAL_OK);
    }
}

Test(wait, all_gives_the_first_error_of_the_list_and_waits_for_the_rest)
{
    for_each_engine(client, 2)
    {
        sabal_future *good  = submit_double(client, 2);
        sabal_future *bad   = sabal_submit(client, task_fail, (&(int){1}), sizeof(int));
        sabal_future *worse = sabal_submit(client, task_fail, (&(int){2}), sizeof(int));

        cr_expect_eq(sabal_wait_all(SABAL_LIST(good, bad, worse), &err), SABAL_EVALUE);
        cr_expect_str_eq(err.message, "1 is no good");
        cr_expect_eq(sabal_future_state_get(good), SABAL_FINISHED);
        cr_expect_eq(sabal_future_state_get(worse), SABAL_FAILED);
        cr_expect_eq(sabal_wait_all(list_of(NULL, 0), NULL), SABAL_OK);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(wait, any_tells_which_has_ended_well_or_badly)
{
    for_each_engine(client, 2)
    {
        marks         m    = marks_make();
        sabal_future *held = hold(&m, 1), *bad = sabal_submit(client, task_fail, (&(int){1}), sizeof(int));
        int64_t       which = -1;

        cr_expect_eq(sabal_wait_any(&which, SABAL_LIST(held, held, bad), &err), SABAL_OK);
        cr_expect_eq(which, 2);
        which = -1;
        cr_expect_eq(sabal_wait_any(&which, SABAL_LIST(held, held), &err, .timeout_ns = 2000000), SABAL_ETIMEDOUT);
        cr_expect_eq(which, -1);
        marks_wait(&m, 1);
        marks_add(&m, 'g');
        cr_expect_eq(sabal_wait_any(&which, SABAL_LIST(held), NULL), SABAL_OK);
        cr_expect_eq(which, 0);
        marks_end(&m);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(wait, any_of_none_is_refused)
{
    for_each_engine(client, 1)
    {
        int64_t which;

        cr_expect_eq(sabal_wait_any(&which, list_of(NULL, 0), &err), SABAL_EINVAL);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

/* --- in the order of the ends ----------------------------------------------------------------------------------- */

Test(wait, the_iterator_gives_each_future_once_as_they_end)
{
    for_each_engine(client, 4)
    {
        marks               a = marks_make(), b = marks_make(), c = marks_make();
        sabal_future       *f[3] = {hold(&a, 1), hold(&b, 2), hold(&c, 3)}, *got;
        sabal_as_completed *it   = sabal_as_completed_create(client, SABAL_LIST(f[0], f[1], f[2]));

        cr_expect_eq(sabal_as_completed_next(&got, it, &err, .timeout_ns = 1000000), SABAL_ETIMEDOUT);
        marks_wait(&b, 1);
        marks_add(&b, 'g');
        cr_expect_eq(sabal_as_completed_next(&got, it, NULL), SABAL_OK);
        cr_expect_eq(got, f[1]);
        marks_wait(&c, 1);
        marks_add(&c, 'g');
        cr_expect_eq(sabal_as_completed_next(&got, it, NULL), SABAL_OK);
        cr_expect_eq(got, f[2]);
        marks_wait(&a, 1);
        marks_add(&a, 'g');
        cr_expect_eq(sabal_as_completed_next(&got, it, NULL, .timeout_ns = 60000000000), SABAL_OK);
        cr_expect_eq(got, f[0]);
        cr_expect_eq(sabal_as_completed_next(&got, it, NULL), SABAL_END);
        cr_expect_null(got);
        marks_end(&a);
        marks_end(&b);
        marks_end(&c);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(wait, futures_may_be_added_while_iterating_and_failed_ones_come_too)
{
    for_each_engine(client, 2)
    {
        sabal_as_completed *it = sabal_as_completed_create(client, list_of(NULL, 0));
        sabal_future       *got;
        int                 n = 0, failed = 0;

        cr_expect_eq(sabal_as_completed_next(&got, it, &err), SABAL_END);
        sabal_as_completed_add(it, submit_double(client, 1), &err);
        while (sabal_as_completed_next(&got, it, &err) == SABAL_OK) {
            failed += sabal_future_state_get(got) == SABAL_FAILED;
            if (++n < 100)
                sabal_as_completed_add(
                    it, n % 2 ? submit_double(client, n) : sabal_submit(client, task_fail, &n, sizeof n), &err);
        }
        cr_expect_eq(n, 100);
        cr_expect_eq(failed, 49);
        cr_expect_eq(err.status, SABAL_OK);
    }
}

Test(wait, an_iterator_keeps_what_nobody_else_holds_and_may_end_early)
{
    for_each_engine(client, 2)
    {
        marks               m = marks_make();
        sabal_future       *f = submit_double(client, 3), *held = hold(&m, 1), *got;
        sabal_as_completed *it = sabal_as_completed_create(client, SABAL_LIST(f, held));
        double              out;

        sabal_release(f);
        cr_expect_eq(sabal_as_completed_next(&got, it, NULL), SABAL_OK);
        cr_expect_eq(sabal_future_get(&out, sizeof out, got, NULL), SABAL_OK);
        cr_expect_eq(out, 9);
        sabal_release(it);
        marks_wait(&m, 1);
        marks_add(&m, 'g');
        sabal_future_wait(held, NULL);
        marks_end(&m);
    }
}

static void *take_all(void *arg)
{
    sabal_future *got;
    intptr_t      n = 0;

    while (sabal_as_completed_next(&got, arg, NULL) == SABAL_OK)
        n++;
    return (void *)n;
}

Test(wait, threads_share_an_iterator_and_lose_nothing)
{
    enum { N = 500 };
    sabal_future *f[N];
    double        args[N] = {0};

    for_each_engine(client, 2)
    {
        sabal_as_completed *it;
        pthread_t           threads[3];
        intptr_t            sum = 0;

        sabal_map(f, client, task_square, args, sizeof *args, N);
        it = sabal_as_completed_create(client, (sabal_list){(const void *const *)f, N});
        for (int i = 0; i < 3; i++)
            pthread_create(&threads[i], NULL, take_all, it);
        for (int i = 0; i < 3; i++) {
            void *n;

            pthread_join(threads[i], &n);
            sum += (intptr_t)n;
        }
        cr_expect_eq(sum, N);
    }
}

static void *take_one(void *it)
{
    sabal_future *got;

    return sabal_as_completed_next(&got, it, NULL) ? NULL : got;
}

/* Who is not told finds out when something else is heard, some time. */
static int joins_soon(pthread_t thread, void **got)
{
    const int64_t began = sbl_clock_ns();

    pthread_join(thread, got);
    return sbl_clock_ns() - began < INT64_C(5000000000);
}

Test(wait, what_has_ended_already_is_added_under_who_waits)
{
    for_each_engine(client, 2)
    {
        marks               m    = marks_make();
        sabal_future       *ends = submit_double(client, 3), *held = hold(&m, 1);
        sabal_as_completed *it = sabal_as_completed_create(client, SABAL_LIST(held));
        pthread_t           thread;
        void               *got;

        cr_expect_eq(sabal_future_wait(ends, &err), SABAL_OK);
        pthread_create(&thread, NULL, take_one, it);
        sleep_ms(20); /* it sleeps by now */
        cr_expect_eq(sabal_as_completed_add(it, ends, &err), SABAL_OK);
        cr_expect(joins_soon(thread, &got), "it was not told");
        cr_expect_eq(got, ends);
        marks_wait(&m, 1);
        marks_add(&m, 'g');
        cr_expect_eq(sabal_future_wait(held, &err), SABAL_OK);
        marks_end(&m);
    }
}

/* --- ends that come from here -------------------------------------------------------------------------------------- */

static void *wait_for_one(void *f)
{
    sabal_future_wait(f, NULL);
    return NULL;
}

static void *wait_for_any(void *f)
{
    int64_t which;

    sabal_wait_any(&which, SABAL_LIST(f), NULL);
    return NULL;
}

static void *take_first(void *f)
{
    return take_one(sabal_as_completed_create(client, SABAL_LIST(f)));
}

/* A wait of each kind is the only one in turn, so that nobody else hears of it in its place. */
Test(wait, every_wait_ends_when_its_future_is_cancelled)
{
    void *(*const waits[])(void *) = {wait_for_one, wait_for_any, take_first};

    for_each_engine(client, 1) for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
    {
        marks         m    = marks_make();
        sabal_future *held = hold(&m, 1), *f;
        pthread_t     thread;
        void         *nothing;

        marks_wait(&m, 1);
        f = submit_double(client, 2); /* which has to wait */
        pthread_create(&thread, NULL, waits[i], f);
        sleep_ms(20);
        sabal_future_cancel(f);
        cr_expect(joins_soon(thread, &nothing), "%s: wait %zu", ENGINES[walk_.next - 1], i);
        marks_add(&m, 'g');
        cr_expect_eq(sabal_future_wait(held, &err), SABAL_OK);
        marks_end(&m);
    }
}

static void *let_go(void *m)
{
    sleep_ms(50);
    marks_add(m, 'g');
    return NULL;
}

Test(wait, every_wait_ends_when_the_client_closes)
{
    for_each_engine(client, 1)
    {
        marks               m  = marks_make();
        sabal_future       *f  = sabal_retain(hold(&m, 1));
        sabal_as_completed *it = sabal_retain(sabal_as_completed_create(client, SABAL_LIST(f)));
        pthread_t           threads[4];

        marks_wait(&m, 1);
        pthread_create(&threads[0], NULL, wait_for_one, f);
        pthread_create(&threads[1], NULL, wait_for_any, f);
        pthread_create(&threads[2], NULL, take_one, it);
        sleep_ms(20);
        pthread_create(&threads[3], NULL, let_go, &m); /* a task that runs has to end by itself */
        sabal_close(client);
        walk_.client = NULL;
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        sabal_release(it);
        sabal_release(f);
        marks_end(&m);
    }
}

/* --- inside tasks ----------------------------------------------------------------------------------------------- */

static sabal_status nested(sabal_task *t)
{
    const int    *n = sabal_task_arg(t);
    double        v = 0;
    sabal_error   e = SABAL_ERROR_INIT;
    sabal_future *f;

    if (!*n)
        return sabal_task_return(t, &v, sizeof v);
    f = sabal_submit(sabal_task_client(t), nested, (&(int){*n - 1}), sizeof(int));
    if (sabal_future_get(&v, sizeof v, f, &e))
        return sabal_task_fail(t, e.status, "%s", e.message);
    v++;
    return sabal_task_return(t, &v, sizeof v);
}

Test(wait, a_task_waits_for_its_own_tasks_on_a_single_thread)
{
    double out;

    for_each_engine(client, 1)
    {
        cr_expect_eq(
            sabal_future_get(&out, sizeof out, sabal_submit(client, nested, (&(int){1000}), sizeof(int)), &err),
            SABAL_OK);
        cr_expect_eq(out, 1000);
    }
}

/* Waits for the end of a chain that has not begun, for any of several, and for an iterator. */
static sabal_status wait_every_way(sabal_task *t)
{
    sabal_client       *c = sabal_task_client(t);
    sabal_future       *f = sabal_submit(c, task_sum, NULL, 0), *first = f, *got;
    sabal_as_completed *it;
    double              v[4] = {0};
    int64_t             which;

    for (int i = 0; i < 100; i++)
        f = sabal_submit(c, task_sum, NULL, 0, .inputs = SABAL_LIST(f, first));
    sabal_future_get(&v[0], sizeof v[0], f, NULL);
    sabal_wait_any(&which, SABAL_LIST(sabal_submit(c, task_sum, NULL, 0), f), NULL);
    it = sabal_as_completed_create(c,
                                   SABAL_LIST(sabal_submit(c, task_sum, NULL, 0), sabal_submit(c, task_sum, NULL, 0)));
    while (sabal_as_completed_next(&got, it, NULL) == SABAL_OK)
        v[1]++;
    v[2] = sabal_future_wait(sabal_submit(c, task_sum, NULL, 0), NULL, .timeout_ns = 60000000000);
    v[3] = sabal_wait_all(SABAL_LIST(first, sabal_submit(c, task_sum, NULL, 0)), NULL);
    return sabal_task_return(t, v, sizeof v);
}

Test(wait, every_wait_works_inside_a_task_on_a_single_thread)
{
    double v[4];

    for_each_engine(client, 1)
    {
        cr_expect_eq(sabal_future_get(v, sizeof v, sabal_submit(client, wait_every_way, NULL, 0), &err), SABAL_OK);
        cr_expect_eq(v[0], 201);
        cr_expect_eq(v[1], 2);
        cr_expect_eq(v[2], SABAL_OK);
        cr_expect_eq(v[3], SABAL_OK);
    }
}

/* While the outer task waits, this thread may run the inner one: its handles must not mix with the outer's. */
static sabal_status inner_scope(sabal_task *t)
{
    sabal_scatter(sabal_task_client(t), "x", 1);
    return sabal_task_return(t, &(double){1}, sizeof(double));
}

static sabal_status outer_scope(sabal_task *t)
{
    sabal_client *c = sabal_task_client(t);
    double        v[2];
    {
        SABAL_SCOPE(c);
        sabal_future *before = sabal_scatter(c, &(double){5}, sizeof(double));

        sabal_future_get(&v[0], sizeof v[0], sabal_submit(c, inner_scope, NULL, 0), NULL);
        sabal_scatter(c, "y", 1);
        sabal_future_get(&v[1], sizeof v[1], before, NULL);
    }
    return sabal_task_return(t, v, sizeof v);
}

Test(wait, a_thread_that_runs_another_task_meanwhile_gets_its_scopes_back)
{
    double v[2];

    for_each_engine(client, 1)
    {
        sabal_client_stats stats = {.struct_size = sizeof stats};

        cr_expect_eq(sabal_future_get(v, sizeof v, sabal_submit(client, outer_scope, NULL, 0), &err), SABAL_OK);
        cr_expect_eq(v[1], 5);
        sabal_client_stats_get(client, &stats);
        cr_expect_eq(stats.values, 1); /* all that was made in the tasks is gone */
    }
}

static sabal_status wait_for_input_elsewhere(sabal_task *t)
{
    const sabal_future *const *f = sabal_task_arg(t);
    double                     v;

    if (sabal_future_get(&v, sizeof v, *f, NULL))
        return SABAL_EVALUE;
    return sabal_task_return(t, &v, sizeof v);
}

/* Handles in memory: on this node only. */
Test(wait, waiting_tasks_lend_their_places)
{
    enum { N = 8 };
    marks         m = marks_make();
    sabal_future *f[N + 1];
    double        out[N];

    client = sabal_open("local:", &err, .threads = 1);
    f[N]   = hold(&m, 3);
    for (int i = 0; i < N; i++)
        f[i] = sabal_submit(client, wait_for_input_elsewhere, &f[N], sizeof f[N]);
    marks_wait(&m, 1);
    marks_add(&m, 'g');
    cr_expect_eq(sabal_gather(out, sizeof *out, list_of(f, N), &err), SABAL_OK);
    cr_expect_eq(out[N - 1], 3);
    sabal_close(client);
    marks_end(&m);
}

/* --- event loops ------------------------------------------------------------------------------------------------ */

static int is_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, timeout_ms) == 1;
}

Test(wait, the_descriptor_of_a_future_becomes_readable_at_its_end_and_stays_so)
{
    for_each_engine(client, 1)
    {
        marks         m  = marks_make();
        sabal_future *f  = hold(&m, 1);
        int           fd = sabal_future_fd(f), late;

        cr_expect_geq(fd, 0);
        cr_expect_eq(sabal_future_fd(f), fd);
        cr_expect_not(is_readable(fd, 0));
        marks_wait(&m, 1);
        marks_add(&m, 'g');
        cr_expect(is_readable(fd, 60000));
        cr_expect_eq(sabal_future_state_get(f), SABAL_FINISHED);
        cr_expect(is_readable(fd, 0));
        late = sabal_future_fd(submit_double(client, 1));
        cr_expect(is_readable(late, 60000));
        cr_expect(is_readable(sabal_future_fd(sabal_scatter(client, "x", 1)), 0));
        marks_end(&m);
    }
}

Test(wait, the_descriptor_of_a_client_tells_of_futures_that_ended_at_once)
{
    for_each_engine(client, 1) for (int late = 0; late < 2; late++)
    {
        int fd = late ? -1 : sabal_client_fd(client);

        cr_expect(fd < 0 || !is_readable(fd, 0));
        cr_expect_eq(sabal_future_state_get(sabal_submit(client, NULL, NULL, 0)), SABAL_FAILED);
        fd = sabal_client_fd(client);
        cr_expect(is_readable(fd, 0));
        sabal_client_drain(client);
        cr_expect_not(is_readable(fd, 0));
        sabal_scatter(client, "x", 1);
        cr_expect(is_readable(fd, 0));
        sabal_client_drain(client);
        if (!late) {
            sabal_close(client);
            walk_.client = client = sabal_open("local:", &err, .threads = 1);
        }
    }
}

Test(wait, the_descriptor_of_a_client_is_readable_until_it_is_drained)
{
    for_each_engine(client, 1)
    {
        int fd;

        sabal_future_wait(submit_double(client, 1), NULL);
        fd = sabal_client_fd(client);
        cr_expect_geq(fd, 0);
        cr_expect(is_readable(fd, 0)); /* one has ended before anybody asked */
        sabal_client_drain(client);
        cr_expect_not(is_readable(fd, 0));
        sabal_future_wait(submit_double(client, 1), NULL);
        cr_expect(is_readable(fd, 60000));
        sabal_future_wait(submit_double(client, 1), NULL);
        sabal_client_drain(client);
        sabal_client_drain(client);
        for (int i = 0; i < 100; i++) {
            sabal_future *f = submit_double(client, i);

            while (sabal_future_state_get(f) == SABAL_PENDING)
                cr_expect(is_readable(fd, 60000));
            sabal_client_drain(client);
        }
    }
}

/* What a failed function gave, passed on unseen. */
Test(wait, a_null_future_is_refused_not_crashed_on)
{
    for_each_engine(client, 1)
    {
        sabal_future       *f = submit_double(client, 1), *none = NULL, *next = NULL;
        sabal_as_completed *it;
        int64_t             index;
        double              out;

        cr_expect_eq(sabal_future_wait(none, &err), SABAL_EINVAL);
        cr_expect_not_null(strstr(err.message, "NULL"));
        cr_expect_eq(sabal_future_get(&out, sizeof out, none, NULL), SABAL_EINVAL);
        err = (sabal_error)SABAL_ERROR_INIT;
        cr_expect_eq(sabal_wait_all(SABAL_LIST(f, none), &err), SABAL_EINVAL);
        cr_expect_not_null(strstr(err.message, "future 1 of the 2"));
        cr_expect_eq(sabal_wait_any(&index, SABAL_LIST(none, f), NULL), SABAL_EINVAL);
        it = sabal_as_completed_create(client, SABAL_LIST(f, none));
        cr_expect_eq(sabal_as_completed_next(&next, it, NULL), SABAL_EINVAL);
        it = sabal_as_completed_create(client, SABAL_LIST(f));
        cr_expect_eq(sabal_as_completed_add(it, none, NULL), SABAL_EINVAL);
        cr_expect_eq(sabal_as_completed_next(&next, it, NULL), SABAL_OK);
    }
}
