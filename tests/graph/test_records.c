/* The record of a task: what lies in it instead of beside it, from one size to the next, on every engine. */
#include <sabal/sabal.h>

#include "support/engines.h"

enum { MOST = 40 };

static sabal_client *client;
static sabal_error   err;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
}

TestSuite(records, .init = init);

static void pattern(char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(3 * n + i);
}

/* Hands on its argument, or its input. */
static sabal_status echo(sabal_task *t)
{
    if (sabal_task_n_inputs(t))
        return sabal_task_return(t, sabal_task_input(t, 0), sabal_task_input_size(t, 0));
    return sabal_task_return(t, sabal_task_arg(t), sabal_task_arg_size(t));
}

static sabal_status echo_into_room(sabal_task *t)
{
    const size_t n    = sabal_task_arg_size(t);
    char        *room = sabal_task_return_room(t, n);

    if (!room || (uintptr_t)room % 16)
        return sabal_task_fail(t, SABAL_EINTERNAL, "room at %p", (void *)room);
    if (n)
        memcpy(room, sabal_task_arg(t), n);
    return SABAL_OK;
}

static void expect_pattern(const sabal_future *f, size_t n)
{
    char        right[MOST], out[MOST] = {0};
    const void *data = NULL;
    size_t      size = 99;

    pattern(right, n);
    cr_expect_eq(sabal_future_get(out, n, f, &err), SABAL_OK, "%s", err.message);
    cr_expect(!memcmp(out, right, n));
    cr_expect_eq(sabal_future_borrow(&data, &size, f, &err), SABAL_OK);
    cr_expect_eq(size, n);
    cr_expect(!memcmp(data, right, n));
    cr_expect_eq(sabal_future_get(out, n + 1, f, NULL), SABAL_ESHAPE);
}

Test(records, results_of_any_size)
{
    for_each_engine(client, 2)
    {
        for (size_t n = 0; n <= MOST; n++) {
            char          arg[MOST];
            sabal_future *f, *g, *h;

            pattern(arg, n);
            f = sabal_submit(client, echo, n ? arg : NULL, n);
            g = sabal_submit(client, echo, NULL, 0, .inputs = SABAL_LIST(f));
            h = sabal_submit(client, echo_into_room, n ? arg : NULL, n, .retries = 1);
            expect_pattern(f, n);
            expect_pattern(g, n);
            expect_pattern(h, n);
            f = sabal_scatter(client, arg, n);
            expect_pattern(f, n);
            expect_pattern(sabal_submit(client, echo, NULL, 0, .inputs = SABAL_LIST(f)), n);
        }
    }
}

static sabal_status echo_by_another(sabal_task *t)
{
    const size_t n = sabal_task_arg_size(t);

    return sabal_task_return_future(t, sabal_submit(sabal_task_client(t), echo, n ? sabal_task_arg(t) : NULL, n));
}

/* The edge to what it returned lies where its argument was. */
Test(records, a_task_with_an_argument_of_any_size_returns_a_future)
{
    for_each_engine(client, 2)
    {
        for (size_t n = 0; n <= MOST; n++) {
            char          arg[MOST];
            sabal_future *f, *named;

            pattern(arg, n);
            f     = sabal_submit(client, echo_by_another, n ? arg : NULL, n);
            named = sabal_submit(client, echo_by_another, n ? arg : NULL, n, .name = "hands_on");
            expect_pattern(f, n);
            expect_pattern(named, n);
            cr_expect(!strncmp(sabal_future_key(named), "hands_on-", 9), "%s", sabal_future_key(named));
        }
    }
}

static sabal_status fail_at_first(sabal_task *t)
{
    const marks *m = sabal_task_input(t, 0);

    marks_add(m, 'r');
    return marks_count(m) < 3 ? SABAL_EIO : sabal_task_return(t, sabal_task_arg(t), sabal_task_arg_size(t));
}

Test(records, an_argument_is_there_for_each_try)
{
    for_each_engine(client, 1)
    {
        marks         m   = marks_make();
        int64_t       arg = 77, out = 0;
        sabal_future *where = sabal_scatter(client, &m, sizeof m), *f;

        f = sabal_submit(client, fail_at_first, &arg, sizeof arg, .inputs = SABAL_LIST(where), .retries = 5);
        cr_expect_eq(sabal_future_get(&out, sizeof out, f, &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(out, 77);
        marks_end(&m);
    }
}

static sabal_status hand_over_twice(sabal_task *t)
{
    sabal_task_return(t, "", 0);
    return sabal_task_return(t, "12345678", 8);
}

Test(records, a_second_result_is_refused)
{
    for_each_engine(client, 1)
    {
        sabal_future *f = sabal_submit(client, hand_over_twice, NULL, 0);

        cr_expect_eq(sabal_future_wait(f, &err), SABAL_EINVAL);
        cr_expect(strstr(err.message, "one result"), "%s", err.message);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

/* A batch is made in blocks; what is alike in its tasks is told once. */
Test(records, each_task_of_a_batch_is_its_own)
{
    enum { N = 1000 };
    static int64_t       args[N], out[N];
    static sabal_future *f[N];

    for_each_engine(client, 2)
    {
        for (int64_t i = 0; i < N; i++)
            args[i] = i * i;
        sabal_map(f, client, echo, args, sizeof *args, N);
        cr_expect_eq(sabal_gather(out, sizeof *out, list_of(f, N), &err), SABAL_OK);
        cr_expect(!memcmp(args, out, sizeof args));
        for (int i = 1; i < N; i++)
            cr_expect_eq(atoll(strchr(sabal_future_key(f[i]), '-') + 1),
                         atoll(strchr(sabal_future_key(f[i - 1]), '-') + 1) + 1);
    }
}

static sabal_status fail(sabal_task *t)
{
    return sabal_task_fail(t, SABAL_ETASK, "as it should");
}

/* More lines than the client's table of them has room for. */
Test(records, every_task_knows_its_line)
{
    enum { LINES = 2000 };
    static char lines[LINES][24];

    for_engines_here(client, 1)
    {
        for (int i = 0; i < LINES; i++) {
            sabal_future *f;

            snprintf(lines[i], sizeof lines[i], "made_up.c:%d", i + 1);
            f   = sabal_submit(client, fail, NULL, 0, .where = lines[i]);
            err = (sabal_error)SABAL_ERROR_INIT;
            cr_assert_eq(sabal_future_wait(f, &err), SABAL_ETASK);
            cr_assert(!strcmp(err.where, lines[i]), "%s, not %s", err.where, lines[i]);
            cr_assert(!strncmp(err.task, "fail-", 5), "%s", err.task);
            sabal_release(f);
        }
    }
}

Test(records, an_argument_of_4_GiB_is_refused)
{
    for_engines_here(client, 1)
    {
        sabal_future *f = sabal_submit(client, echo, "", (size_t)1 << 32);

        cr_expect_eq(sabal_future_wait(f, &err), SABAL_EINVAL);
        cr_expect(strstr(err.message, "less than 4 GiB"), "%s", err.message);
    }
}
