/* Submitting tasks and what comes of them: arguments, inputs, results, errors. */
#include "support/engines.h"

static sabal_client *client;
static sabal_error   err;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
}

TestSuite(futures, .init = init);

Test(futures, results_go_from_task_to_task)
{
    for_each_engine(client, 2)
    {
        sabal_future *a = submit_double(client, 3), *b = submit_double(client, 4), *c;
        double        out = 0;

        c = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(a, b), .retries = 2);
        cr_expect_eq(sabal_future_get(&out, sizeof out, c, &err), SABAL_OK);
        cr_expect_eq(out, 26);
        cr_expect_eq(sabal_future_state_get(c), SABAL_FINISHED);
        cr_expect_null(sabal_future_error(c));
    }
}

static sabal_status look_at_arg(sabal_task *t)
{
    const char *arg     = sabal_task_arg(t);
    int64_t     seen[3] = {(int64_t)sabal_task_arg_size(t), (int64_t)((uintptr_t)arg % 16), arg ? arg[0] : -1};

    return sabal_task_return(t, seen, sizeof seen);
}

Test(futures, an_argument_is_copied_and_aligned_to_16)
{
    for_each_engine(client, 1)
    {
        for (size_t size = 1; size < 100; size += 7) {
            char          arg[100] = {42};
            int64_t       seen[3];
            sabal_future *f, *input = submit_double(client, 1);

            f      = sabal_submit(client, look_at_arg, arg, size, .name = size % 2 ? "odd" : NULL,
                                  .inputs = SABAL_LIST(input), .retries = (int32_t)(size % 3));
            arg[0] = 1;
            sabal_future_get(seen, sizeof seen, f, &err);
            cr_expect_eq(seen[0], (int64_t)size);
            cr_expect_eq(seen[1], 0);
            cr_expect_eq(seen[2], 42);
        }
    }
}

Test(futures, no_argument_is_NULL_and_0)
{
    int64_t seen[3];

    for_each_engine(client, 1)
    {
        sabal_future_get(seen, sizeof seen, sabal_submit(client, look_at_arg, NULL, 0), &err);
        cr_expect_eq(seen[0], 0);
        cr_expect_eq(seen[2], -1);
    }
}

Test(futures, a_task_that_hands_nothing_over_has_a_result_of_no_bytes)
{
    for_each_engine(client, 1)
    {
        marks         m = marks_make();
        sabal_future *f = sabal_submit(client, task_mark, &m, sizeof m), *empty;
        const void   *data;
        size_t        size = 1;

        empty = sabal_scatter(client, NULL, 0);
        cr_expect_eq(sabal_future_borrow(&data, &size, empty, &err), SABAL_OK);
        cr_expect_eq(size, 0);
        sabal_future_wait(f, &err);
        marks_end(&m);
    }
}

static sabal_status return_nothing(sabal_task *t)
{
    return SABAL_OK;
}

Test(futures, a_task_may_return_nothing_at_all)
{
    for_each_engine(client, 1)
    {
        sabal_future *f = sabal_submit(client, return_nothing, NULL, 0);

        cr_expect_eq(sabal_future_get(NULL, 0, f, &err), SABAL_OK);
        cr_expect_eq(sabal_future_state_get(f), SABAL_FINISHED);
    }
}

/* --- results of every kind -------------------------------------------------------------------------------------- */

static sabal_status return_room(sabal_task *t)
{
    char *room = sabal_task_return_room(t, 1000);

    if (!room)
        return SABAL_ENOMEM;
    memset(room, 'x', 1000);
    return SABAL_OK;
}

Test(futures, room_is_filled_before_the_task_returns)
{
    char out[1000], expected[1000];

    memset(expected, 'x', sizeof expected);
    for_each_engine(client, 1)
    {
        cr_expect_eq(sabal_future_get(out, sizeof out, sabal_submit(client, return_room, NULL, 0), &err), SABAL_OK);
        cr_expect_arr_eq(out, expected, sizeof out);
    }
}

static sabal_status return_twice(sabal_task *t)
{
    sabal_ndarray *array;
    double         v[2] = {1, 2};
    int            seen[4];
    sabal_status   st = sabal_ndarray_create(&array, v, SABAL_FLOAT64, 1, &(int64_t){2}, NULL);

    if (st)
        return st;
    sabal_task_return_ndarray(t, array);
    seen[0] = sabal_task_return(t, v, sizeof v);
    seen[1] = sabal_task_return_ndarray(t, array);
    seen[2] = sabal_task_return_room(t, 8) != NULL;
    seen[3] = sabal_task_return_future(t, sabal_scatter(sabal_task_client(t), v, sizeof v));
    sabal_release(array);
    if (seen[0] != SABAL_EINVAL || seen[1] != SABAL_EINVAL || seen[2] || seen[3] != SABAL_EINVAL)
        return sabal_task_fail(t, SABAL_EINTERNAL, "a second result was taken: %d %d %d %d", seen[0], seen[1], seen[2],
                               seen[3]);
    return SABAL_OK;
}

Test(futures, a_second_result_is_refused_and_the_first_stays)
{
    double out[2] = {0};

    for_each_engine(client, 1)
    {
        cr_expect_eq(sabal_future_get(out, sizeof out, sabal_submit(client, return_twice, NULL, 0), &err), SABAL_OK);
        cr_expect_eq(out[1], 2);
    }
}

static sabal_status return_a_second(sabal_task *t)
{
    sabal_task_return(t, NULL, 0);
    return sabal_task_return(t, NULL, 0);
}

Test(futures, a_task_that_passes_on_the_refusal_fails_with_its_text)
{
    for_each_engine(client, 1)
    {
        sabal_future *f = sabal_submit(client, return_a_second, NULL, 0);

        cr_expect_eq(sabal_future_wait(f, &err), SABAL_EINVAL);
        cr_expect_str_eq(sabal_future_error(f)->message,
                         "a task hands over one result, and this one has done so before");
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

static sabal_status transpose(sabal_task *t)
{
    static const float   v[6] = {0, 1, 2, 3, 4, 5};
    sabal_ndarray       *array;
    sabal_status         st;
    const sabal_ndarray *in = sabal_task_n_inputs(t) ? sabal_task_input_ndarray(t, 0) : NULL;

    if (in)
        return sabal_task_return_ndarray(t, in);
    st = sabal_ndarray_create(&array, v, SABAL_FLOAT32, 2, (int64_t[]){2, 3}, NULL);
    if (st)
        return st;
    st = sabal_task_return_ndarray(t, array);
    sabal_release(array);
    return st;
}

Test(futures, an_array_comes_out_as_it_went_in)
{
    for_each_engine(client, 1)
    {
        sabal_future  *f = sabal_submit(client, transpose, NULL, 0), *g;
        sabal_ndarray *array, *again;
        float          flat[6];

        g = sabal_submit(client, transpose, NULL, 0, .inputs = SABAL_LIST(f));
        cr_assert_eq(sabal_future_ndarray(&array, g, &err), SABAL_OK);
        cr_expect_eq(sabal_ndarray_ndim(array), 2);
        cr_expect_eq(sabal_ndarray_extent(array, 1), 3);
        cr_expect_eq(((const float *)sabal_ndarray_data(array))[5], 5);
        cr_expect_eq(sabal_future_ndarray(&again, g, &err), SABAL_OK);
        cr_expect_eq(sabal_future_get(flat, sizeof flat, g, &err), SABAL_OK);
        cr_expect_eq(flat[4], 4);
        cr_expect_eq(sabal_future_ndarray(&again, submit_double(client, 2), &err), SABAL_EDTYPE);
        cr_expect_eq(err.status, SABAL_EDTYPE);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

static sabal_status look_at_input(sabal_task *t)
{
    const double *v       = sabal_task_input(t, 0);
    double        seen[4] = {*v, (double)sabal_task_input_size(t, 0), sabal_task_input_ndarray(t, 0) != NULL,
                             sabal_task_n_inputs(t)};

    return sabal_task_return(t, seen, sizeof seen);
}

Test(futures, inputs_have_bytes_size_and_kind)
{
    double seen[4];

    for_each_engine(client, 1)
    {
        sabal_future *a = submit_double(client, 5);

        sabal_future_get(seen, sizeof seen, sabal_submit(client, look_at_input, NULL, 0, .inputs = SABAL_LIST(a, a, a)),
                         &err);
        cr_expect_eq(seen[0], 25);
        cr_expect_eq(seen[1], 8);
        cr_expect_eq(seen[2], 0);
        cr_expect_eq(seen[3], 3);
    }
}

Test(futures, a_scattered_value_is_there_at_once_and_serves_as_input)
{
    double out;

    for_each_engine(client, 1)
    {
        sabal_future *a = sabal_scatter(client, &(double){41}, sizeof(double));

        cr_expect_eq(sabal_future_state_get(a), SABAL_FINISHED);
        sabal_future_get(&out, sizeof out, sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(a)), &err);
        cr_expect_eq(out, 42);
    }
}

/* --- many at once ----------------------------------------------------------------------------------------------- */

Test(futures, map_gives_each_task_its_own_argument)
{
    enum { N = 1000 };
    double        args[N], out[N];
    sabal_future *f[N];

    for (int i = 0; i < N; i++)
        args[i] = i;
    for_each_engine(client, 2)
    {
        sabal_map(f, client, task_square, args, sizeof *args, N);
        cr_expect_eq(sabal_gather(out, sizeof *out, list_of(f, N), &err), SABAL_OK);
        for (int i = 0; i < N; i++)
            cr_expect_eq(out[i], (double)i * i);
        sabal_map(f, client, task_square, args, sizeof *args, 0);
    }
}

Test(futures, map_shares_inputs_and_options)
{
    double        out[3];
    sabal_future *f[3];

    for_each_engine(client, 2)
    {
        sabal_future *a = submit_double(client, 3);

        sabal_map(f, client, task_sum, NULL, 0, 3, .inputs = SABAL_LIST(a, a), .name = "both");
        sabal_gather(out, sizeof *out, SABAL_LIST(f[0], f[1], f[2]), &err);
        cr_expect_eq(out[2], 19);
        cr_expect_eq(strncmp(sabal_future_key(f[1]), "both-", 5), 0);
    }
}

Test(futures, sizes_must_fit_exactly)
{
    double out[2] = {-1, -1};

    for_each_engine(client, 1)
    {
        sabal_future *a = submit_double(client, 3), *b = sabal_scatter(client, out, sizeof out);

        cr_expect_eq(sabal_future_get(out, 4, a, &err), SABAL_ESHAPE);
        cr_expect_not_null(strstr(err.message, "has 8 bytes, not 4"));
        cr_expect_eq(sabal_future_get(out, 16, a, NULL), SABAL_ESHAPE);
        cr_expect_eq(sabal_gather(out, 8, SABAL_LIST(a, b), NULL), SABAL_ESHAPE);
        cr_expect_eq(out[0], -1);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

/* --- names ------------------------------------------------------------------------------------------------------ */

Test(futures, keys_are_unique_and_made_of_the_function_or_the_name)
{
    for_each_engine(client, 1)
    {
        sabal_future *a = submit_double(client, 1), *b = submit_double(client, 1);
        sabal_future *c = sabal_submit(client, task_sum, NULL, 0, .name = "load \"x\" of a name that is far too long");

        cr_expect_eq(strncmp(sabal_future_key(a), "task_square-", 12), 0);
        cr_expect_str_neq(sabal_future_key(a), sabal_future_key(b));
        cr_expect_eq(strncmp(sabal_future_key(c), "load \"x\"", 8), 0);
        cr_expect_eq(sabal_future_key(c), sabal_future_key(c));
        sabal_wait_all(SABAL_LIST(a, b, c), &err);
    }
}

Test(futures, a_function_without_a_name_goes_by_its_address)
{
    sabal_task_fn *const table[] = {return_nothing};

    for_each_engine(client, 1)
    {
        sabal_future *f = sabal_submit_with(client, table[0], NULL, 0, NULL);

        cr_expect_not_null(strstr(sabal_future_key(f), "+0x"));
        sabal_future_wait(f, &err);
    }
}

/* --- errors ----------------------------------------------------------------------------------------------------- */

Test(futures, a_failure_has_status_text_key_and_line)
{
    for_each_engine(client, 2)
    {
        const char   *here;
        sabal_future *f   = NOTING(here, sabal_submit(client, task_fail, (&(int){7}), sizeof(int)));
        double        out = -1;

        cr_expect_eq(sabal_future_get(&out, sizeof out, f, &err), SABAL_EVALUE);
        cr_expect_eq(out, -1);
        cr_expect_eq(err.status, SABAL_EVALUE);
        cr_expect_str_eq(err.message, "7 is no good");
        cr_expect_str_eq(err.task, sabal_future_key(f));
        cr_expect_str_eq(err.where, here);
        cr_expect_eq(sabal_future_state_get(f), SABAL_FAILED);
        cr_expect_eq(sabal_future_error(f)->status, SABAL_EVALUE);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

static sabal_status only_a_status(sabal_task *t)
{
    return *(const sabal_status *)sabal_task_arg(t);
}

Test(futures, a_bare_status_becomes_a_sentence)
{
    for_each_engine(client, 1)
    {
        sabal_future *a = sabal_submit(client, only_a_status, (&(int){SABAL_EVALUE}), sizeof(int));
        sabal_future *b = sabal_submit(client, only_a_status, (&(int){4711}), sizeof(int));
        sabal_future *c = sabal_submit(client, only_a_status, (&(int){SABAL_END}), sizeof(int));

        cr_expect_eq(sabal_future_wait(a, NULL), SABAL_EVALUE);
        cr_expect_str_eq(sabal_future_error(a)->message, "task 'only_a_status' returned SABAL_EVALUE");
        cr_expect_eq(sabal_future_wait(b, NULL), SABAL_EINVAL);
        cr_expect_str_eq(sabal_future_error(b)->message,
                         "task 'only_a_status' returned 4711 (SABAL_E?), which is neither SABAL_OK nor a failure");
        cr_expect_eq(sabal_future_wait(c, NULL), SABAL_EINVAL);
        cr_expect_str_eq(sabal_future_error(c)->message,
                         "task 'only_a_status' returned 100 (SABAL_END), which is neither SABAL_OK nor a failure");
    }
}

static sabal_status fail_and_return_another(sabal_task *t)
{
    sabal_task_return(t, NULL, 0);
    sabal_task_fail(t, SABAL_EIO, "the disk is gone");
    sabal_task_fail(t, SABAL_EVALUE, "and something else");
    return *(const sabal_status *)sabal_task_arg(t);
}

static sabal_status fail_without_a_failure(sabal_task *t)
{
    return sabal_task_fail(t, *(const sabal_status *)sabal_task_arg(t), "no more rows");
}

Test(futures, who_calls_fail_has_failed_whatever_the_status)
{
    static const int STATUSES[] = {SABAL_OK, SABAL_END, 4711};

    for_each_engine(client, 1)
    {
        for (int i = 0; i < 3; i++) {
            sabal_future *f = sabal_submit(client, fail_without_a_failure, &STATUSES[i], sizeof(int));

            cr_expect_eq(sabal_future_wait(f, NULL), SABAL_ETASK);
            cr_expect_str_eq(sabal_future_error(f)->message, "no more rows");
        }
    }
}

Test(futures, who_has_failed_has_failed_whatever_it_returns_and_the_first_cause_stays)
{
    static const int STATUSES[] = {SABAL_OK, SABAL_EVALUE, SABAL_END, 4711};

    for_each_engine(client, 1)
    {
        for (int i = 0; i < 4; i++) {
            sabal_future *f = sabal_submit(client, fail_and_return_another, &STATUSES[i], sizeof(int));

            cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EIO);
            cr_expect_str_eq(sabal_future_error(f)->message, "the disk is gone");
        }
    }
}

Test(futures, an_error_stops_what_depends_on_it_and_nothing_else)
{
    for_each_engine(client, 2)
    {
        sabal_future *good = submit_double(client, 2), *bad = sabal_submit(client, task_fail, (&(int){1}), sizeof(int));
        sabal_future *on_bad  = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(good, bad));
        sabal_future *on_that = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(on_bad));
        sabal_future *on_good = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(good));
        sabal_future *late;
        double        out;

        cr_expect_eq(sabal_future_wait(on_that, &err), SABAL_EVALUE);
        cr_expect_str_eq(err.task, sabal_future_key(bad));
        cr_expect_eq(sabal_future_get(&out, sizeof out, on_good, NULL), SABAL_OK);
        cr_expect_eq(out, 5);
        /* the same holds for what is submitted after */
        late = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(good, on_that));
        cr_expect_eq(sabal_future_wait(late, NULL), SABAL_EVALUE);
        cr_expect_str_eq(sabal_future_error(late)->task, sabal_future_key(bad));
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(futures, of_several_failed_inputs_the_first_gives_the_error)
{
    for_each_engine(client, 1)
    {
        sabal_future *a = sabal_submit(client, task_fail, (&(int){1}), sizeof(int));
        sabal_future *b = sabal_submit(client, task_fail, (&(int){2}), sizeof(int)), *c;

        cr_expect_eq(sabal_wait_all(SABAL_LIST(b, a), &err), SABAL_EVALUE);
        cr_expect_str_eq(err.message, "2 is no good");
        c = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(b, a));
        cr_expect_str_eq(sabal_future_error(c)->message, "2 is no good");
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

Test(futures, what_cannot_be_submitted_is_a_failed_future)
{
    sabal_client *other = sabal_open("local:", NULL, .threads = 1);

    for_each_engine(client, 1)
    {
        sabal_future *theirs = submit_double(other, 2), *f;
        const char   *here;

        f = sabal_submit(client, NULL, NULL, 0);
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        f = sabal_submit(client, task_square, NULL, 8);
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        f = sabal_submit(client, task_sum, NULL, 0, .retries = -1);
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        f = sabal_submit(client, task_sum, NULL, 0, .timeout_ns = -1);
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        f = NOTING(here, sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(theirs)));
        cr_expect_eq(sabal_future_wait(f, &err), SABAL_EINVAL);
        cr_expect_not_null(strstr(err.message, "is a future of another client"));
        cr_expect_str_eq(err.where, here);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
    sabal_close(other);
}

Test(futures, an_input_that_is_NULL_is_told)
{
    for_each_engine(client, 1)
    {
        sabal_future *f = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(submit_double(client, 1), NULL));

        cr_expect_eq(sabal_future_error(f)->status, SABAL_EINVAL);
        cr_expect_str_eq(sabal_future_error(f)->message, "input 1 is NULL");
    }
}

Test(futures, options_of_an_older_program_are_shorter)
{
    for_each_engine(client, 1)
    {
        sabal_submit_options o;
        sabal_future        *f;

        sabal_submit_options_init(&o);
        cr_expect_eq(o.struct_size, sizeof o);
        o.struct_size = offsetof(sabal_submit_options, retries);
        o.retries     = -7; /* lies beyond what it knows */
        f             = sabal_submit_with(client, task_sum, NULL, 0, &o);
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_OK);
    }
}

/* --- futures of futures ----------------------------------------------------------------------------------------- */

static sabal_status countdown(sabal_task *t)
{
    const int *n = sabal_task_arg(t);

    if (!*n)
        return sabal_task_return(t, &(double){42}, sizeof(double));
    if (*n < 0)
        return sabal_task_fail(t, SABAL_EVALUE, "below zero");
    return sabal_task_return_future(t, sabal_submit(sabal_task_client(t), countdown, (&(int){*n - 1}), sizeof(int)));
}

Test(futures, a_task_returns_the_result_of_another)
{
    for_each_engine(client, 2)
    {
        sabal_future *f   = sabal_submit(client, countdown, (&(int){10000}), sizeof(int)), *g;
        double        out = 0;

        g = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(f));
        cr_expect_eq(sabal_future_get(&out, sizeof out, g, &err), SABAL_OK);
        cr_expect_eq(out, 43);
    }
}

static sabal_status return_input_of_mine(sabal_task *t)
{
    sabal_client *c   = sabal_task_client(t);
    sabal_future *bad = sabal_submit(c, task_fail, (&(int){3}), sizeof(int));

    return sabal_task_return_future(t, sabal_submit(c, task_sum, NULL, 0, .inputs = SABAL_LIST(bad)));
}

Test(futures, a_returned_future_that_fails_gives_its_own_cause)
{
    for_each_engine(client, 2)
    {
        sabal_future *f = sabal_submit(client, return_input_of_mine, NULL, 0);

        cr_expect_eq(sabal_future_wait(f, &err), SABAL_EVALUE);
        cr_expect_eq(strncmp(err.task, "task_fail-", 10), 0);
        err = (sabal_error)SABAL_ERROR_INIT;
    }
}

static sabal_status fib(sabal_task *t)
{
    const int    *n = sabal_task_arg(t);
    sabal_client *c = sabal_task_client(t);
    sabal_future *a, *b;

    if (*n < 2)
        return sabal_task_return(t, &(double){*n - 1}, sizeof(double)); /* task_sum adds 1 for each node */
    a = sabal_submit(c, fib, (&(int){*n - 1}), sizeof(int));
    b = sabal_submit(c, fib, (&(int){*n - 2}), sizeof(int));
    return sabal_task_return_future(t, sabal_submit(c, task_sum, NULL, 0, .inputs = SABAL_LIST(a, b)));
}

Test(futures, trees_of_returned_futures_add_up)
{
    double out;

    for_each_engine(client, 2)
    {
        cr_expect_eq(sabal_future_get(&out, sizeof out, sabal_submit(client, fib, (&(int){16}), sizeof(int)), &err),
                     SABAL_OK);
        cr_expect_eq(out, 986); /* F(16) = 987, and 1 less a node by the leaves' */
    }
}
