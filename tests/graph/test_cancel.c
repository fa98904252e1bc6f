/* What ends a task before its time: cancelling, timeouts, failures that are tried again, closing; and priorities. */
#include <sched.h>

#include "sched/chaos.h"
#include "support/engines.h"

static sabal_client *client;
static sabal_error   err;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
}

TestSuite(cancel, .init = init);

Test(cancel, a_running_task_sees_it_and_what_depends_on_it_fails)
{
    for_each_engine(client, 2)
    {
        marks         m = marks_make();
        sabal_future *f = sabal_submit(client, task_hold, &m, sizeof m), *g, *h;

        g = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(f));
        h = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(g));
        marks_wait(&m, 1);
        sabal_future_cancel(f);
        cr_expect_eq(sabal_future_wait(h, &err), SABAL_ECANCELED);
        cr_expect_str_eq(err.message, "the task was cancelled");
        cr_expect_str_eq(err.task, sabal_future_key(f));
        cr_expect_eq(sabal_future_state_get(f), SABAL_CANCELLED);
        cr_expect_eq(sabal_future_state_get(h), SABAL_CANCELLED);
        cr_expect_eq(sabal_future_error(g)->status, SABAL_ECANCELED);
        marks_end(&m);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

static sabal_status task_large(sabal_task *t)
{
    return sabal_task_return_room(t, 100000) ? SABAL_OK : SABAL_ENOMEM;
}

Test(cancel, what_has_not_started_never_does)
{
    for_each_engine(client, 1)
    {
        marks         m = marks_make(), n = marks_make();
        sabal_future *large = sabal_submit(client, task_large, NULL, 0), *held, *queued, *waiting;
        const void   *bytes;

        cr_expect_eq(sabal_future_wait(large, NULL), SABAL_OK);
        held = sabal_submit(client, task_hold, &m, sizeof m);
        marks_wait(&m, 1);
        n.value = 'x';
        queued  = sabal_submit(client, task_mark, &n, sizeof n);
        waiting = sabal_submit(client, task_mark, &n, sizeof n, .inputs = SABAL_LIST(held));
        sabal_future_cancel(queued);
        sabal_future_cancel(waiting);
        cr_expect_eq(sabal_future_state_get(queued), SABAL_CANCELLED);
        cr_expect_eq(sabal_future_state_get(waiting), SABAL_CANCELLED);
        cr_expect_eq(sabal_future_borrow(&bytes, NULL, large, NULL),
                     SABAL_OK); /* of a worker, which has heard by then */
        marks_add(&m, 'g');
        cr_expect_eq(sabal_future_wait(held, NULL), SABAL_OK);
        sabal_future_wait(submit_double(client, 1), NULL);
        cr_expect_eq(marks_count(&n), 0);
        marks_end(&m);
        marks_end(&n);
    }
}

Test(cancel, has_no_effect_on_what_has_ended)
{
    for_each_engine(client, 1)
    {
        sabal_future *f = submit_double(client, 2), *bad = sabal_submit(client, task_fail, (&(int){1}), sizeof(int));

        sabal_wait_all(SABAL_LIST(f, bad), NULL);
        sabal_future_cancel(f);
        sabal_future_cancel(bad);
        cr_expect_eq(sabal_future_state_get(f), SABAL_FINISHED);
        cr_expect_eq(sabal_future_state_get(bad), SABAL_FAILED);
    }
}

static sabal_status return_a_held_one(sabal_task *t)
{
    return sabal_task_return_future(
        t, sabal_submit(sabal_task_client(t), task_hold, sabal_task_arg(t), sabal_task_arg_size(t)));
}

Test(cancel, a_task_that_waits_for_the_future_it_returned_ends_without_it)
{
    for_each_engine(client, 2)
    {
        marks         m = marks_make();
        sabal_future *f = sabal_submit(client, return_a_held_one, &m, sizeof m), *g;

        g = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(f));
        marks_wait(&m, 1);
        sabal_future_cancel(f);
        cr_expect_eq(sabal_future_wait(g, NULL), SABAL_ECANCELED);
        marks_add(&m, 'g');
        marks_end(&m);
    }
}

Test(cancel, in_the_middle_of_a_storm_every_future_ends)
{
    enum { N = 2000 };
    sabal_future *f[N];

    for_each_engine(client, 2)
    {
        int ended = 0;

        for (int i = 0; i < N; i++) {
            f[i] = i < 10
                       ? submit_double(client, i)
                       : sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(f[i - 1], f[i - 7], f[i - 10]));
            if (i % 50 == 49)
                sabal_future_cancel(f[i - 20]);
        }
        sabal_wait_all(list_of(f, N), NULL);
        for (int i = 0; i < N; i++)
            ended += sabal_future_state_get(f[i]) != SABAL_PENDING;
        cr_expect_eq(ended, N);
    }
}

/* --- timeouts --------------------------------------------------------------------------------------------------- */

Test(cancel, a_run_past_its_time_fails_with_ETIMEDOUT)
{
    for_each_engine(client, 2)
    {
        marks         m = marks_make(), n = marks_make();
        sabal_future *f = sabal_submit(client, task_hold, &m, sizeof m, .timeout_ns = 20000000), *g;

        g = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(f));
        cr_expect_eq(sabal_future_wait(g, &err), SABAL_ETIMEDOUT);
        cr_expect_str_eq(err.message, "the task ran longer than the 0.02 s it was given");
        cr_expect_eq(sabal_future_state_get(f), SABAL_FAILED);
        /* the time counts from the start of a run, and a task in time is left alone */
        f = sabal_submit(client, task_hold, &n, sizeof n, .timeout_ns = 60000000000);
        marks_wait(&n, 1);
        marks_add(&n, 'g');
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_OK);
        marks_end(&m);
        marks_end(&n);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(cancel, many_limits_at_once_are_told_apart)
{
    enum { N = 20 };
    sabal_future *f[N];
    marks         m[N];

    for_each_engine(client, 8)
    {
        for (int i = 0; i < N; i++) {
            m[i] = marks_make();
            f[i] = sabal_submit(client, task_hold, &m[i], sizeof m[i],
                                .timeout_ns = i % 2 ? 1000000 * (N - i) : INT64_MAX);
        }
        for (int i = 0; i < N; i += 2)
            marks_add(&m[i], 'g');
        for (int i = 0; i < N; i++)
            cr_expect_eq(sabal_future_wait(f[i], NULL), i % 2 ? SABAL_ETIMEDOUT : SABAL_OK);
        for (int i = 0; i < N; i++)
            marks_end(&m[i]);
    }
}

/* --- tried again ------------------------------------------------------------------------------------------------ */

/* Fails until it has run as often as told. */
static sabal_status succeed_at_last(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, 'x');
    if (marks_count(m) < m->value) {
        sabal_task_return(t, "dropped", 7);
        return sabal_task_fail(t, SABAL_EIO, "try %d", marks_count(m));
    }
    return sabal_task_return(t, &(double){marks_count(m)}, sizeof(double));
}

Test(cancel, a_failure_is_tried_again_as_often_as_told)
{
    for_each_engine(client, 1)
    {
        marks         a = marks_make(), b = marks_make(), c = marks_make();
        sabal_future *f;
        double        out;

        a.value = b.value = c.value = 3;
        f                           = sabal_submit(client, succeed_at_last, &a, sizeof a, .retries = 2);
        cr_expect_eq(sabal_future_get(&out, sizeof out, f, &err), SABAL_OK);
        cr_expect_eq(out, 3);
        f = sabal_submit(client, succeed_at_last, &b, sizeof b, .retries = 1);
        cr_expect_eq(sabal_future_wait(f, &err), SABAL_EIO);
        cr_expect_str_eq(err.message, "try 2");
        f = sabal_submit(client, succeed_at_last, &c, sizeof c);
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EIO);
        cr_expect_eq(marks_count(&c), 1);
        marks_end(&a);
        marks_end(&b);
        marks_end(&c);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(cancel, a_timeout_is_tried_again_a_cancellation_is_not)
{
    for_each_engine(client, 1)
    {
        marks         m = marks_make(), n = marks_make();
        sabal_future *f = sabal_submit(client, task_hold, &m, sizeof m, .timeout_ns = 300000000, .retries = 3);

        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_OK); /* the mark of the first run lets the second go on */
        cr_expect_eq(marks_count(&m), 2);
        f = sabal_submit(client, task_hold, &n, sizeof n, .retries = 1000000);
        marks_wait(&n, 1);
        sabal_future_cancel(f);
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_ECANCELED);
        cr_expect_eq(marks_count(&n), 1);
        marks_end(&m);
        marks_end(&n);
    }
}

/* --- priorities ------------------------------------------------------------------------------------------------- */

/* On a cluster a worker has one task more than it runs, which comes first whatever is submitted after it. */
Test(cancel, higher_priorities_run_first_among_the_ready)
{
    for_engines_with_results_here(client, 1)
    {
        static const struct {
            char mark;
            int  priority;
        } TASKS[]          = {{'c', 0}, {'e', -5}, {'a', 7}, {'d', 0}, {'b', 2}};
        marks         gate = marks_make(), order = marks_make();
        sabal_future *held = sabal_submit(client, task_hold, &gate, sizeof gate), *f[5];
        char          text[16];

        marks_wait(&gate, 1);
        for (int i = 0; i < 5; i++) {
            order.value = TASKS[i].mark;
            f[i]        = sabal_submit(client, task_mark, &order, sizeof order, .priority = TASKS[i].priority);
        }
        marks_add(&gate, 'g');
        sabal_future_wait(held, NULL);
        cr_expect_eq(sabal_wait_all(list_of(f, 5), &err), SABAL_OK);
        marks_read(&order, text, sizeof text);
        cr_expect_eq(text[0], 'a');
        cr_expect_eq(text[1], 'b');
        cr_expect_eq(text[4], 'e');
        marks_end(&gate);
        marks_end(&order);
    }
}

Test(cancel, an_urgent_task_goes_before_the_successor_of_the_last)
{
    for_engines_with_results_here(client, 1)
    {
        marks         gate = marks_make(), order = marks_make();
        sabal_future *held = sabal_submit(client, task_hold, &gate, sizeof gate), *next, *urgent;
        char          text[4];

        marks_wait(&gate, 1);
        order.value = 'b';
        next        = sabal_submit(client, task_mark, &order, sizeof order, .inputs = SABAL_LIST(held));
        order.value = 'a';
        urgent      = sabal_submit(client, task_mark, &order, sizeof order, .priority = 1);
        marks_add(&gate, 'g');
        sabal_wait_all(SABAL_LIST(next, urgent), &err);
        marks_read(&order, text, sizeof text);
        cr_expect_str_eq(text, "ab");
        marks_end(&gate);
        marks_end(&order);
    }
}

/* --- closing ---------------------------------------------------------------------------------------------------- */

Test(cancel, close_cancels_what_runs_and_what_waits)
{
    for_each_engine(client, 1)
    {
        marks         m = marks_make(), n = marks_make();
        sabal_future *running = sabal_retain(sabal_submit(client, task_hold, &m, sizeof m)), *queued, *waiting, *done;
        double        out;

        marks_wait(&m, 1);
        n.value = 'x';
        done    = sabal_retain(sabal_scatter(client, &(double){1}, sizeof(double)));
        queued  = sabal_retain(sabal_submit(client, task_mark, &n, sizeof n));
        waiting = sabal_retain(sabal_submit(client, task_mark, &n, sizeof n, .inputs = SABAL_LIST(running)));
        sabal_close(client);
        walk_.client = NULL;
        cr_expect_eq(sabal_future_state_get(running), SABAL_CANCELLED);
        cr_expect_eq(sabal_future_wait(running, &err), SABAL_ECLOSED);
        cr_expect_str_eq(err.message, "the client was closed");
        cr_expect_eq(sabal_future_wait(queued, NULL), SABAL_ECLOSED);
        cr_expect_eq(sabal_future_error(waiting)->status, SABAL_ECLOSED);
        cr_expect_eq(marks_count(&n), 0);
        /* bytes that are held are a plain result and stay */
        cr_expect_eq(sabal_future_get(&out, sizeof out, done, NULL), SABAL_OK);
        cr_expect_eq(sabal_future_wait(sabal_submit(client, task_mark, &n, sizeof n), NULL), SABAL_ECLOSED);
        sabal_release(running);
        sabal_release(queued);
        sabal_release(waiting);
        sabal_release(done);
        marks_end(&m);
        marks_end(&n);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

static atomic_int ready;

static sabal_status hand_on(sabal_task *t)
{
    SABAL_SCOPE(client);
    sabal_future *f = sabal_submit(client, task_sum, NULL, 0);

    sabal_future_wait(f, NULL);
    atomic_store(&ready, 1);
    return sabal_task_return_future(t, f);
}

/* The future that is returned has ended, and the task that returns it has the last reference: it may go at any moment. */
Test(cancel, a_task_may_be_cancelled_while_it_hands_on_what_has_ended)
{
    for_engines_here(client, 2)
    {
        int ended = 0;

        atomic_store(&sbl_chaos_level, 1);
        for (int i = 0; i < 2000; i++) {
            SABAL_SCOPE(client);
            sabal_future *f;

            atomic_store(&ready, 0);
            f = sabal_submit(client, hand_on, NULL, 0);
            while (!atomic_load(&ready))
                sched_yield();
            for (volatile int k = 0; k < i * 37 % 4000; k++)
                ;
            sabal_future_cancel(f);
            sabal_future_wait(f, NULL);
            ended++;
        }
        atomic_store(&sbl_chaos_level, 0);
        cr_expect_eq(ended, 2000);
    }
}
