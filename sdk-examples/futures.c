/*
 * Tasks and futures: plain C functions that run on the client's workers, and the results they will have.
 *
 *     cc futures.c $(pkg-config --cflags --libs sabal) -o futures
 *     ./futures
 *     SABAL_TRACE=trace.json ./futures      # and look at it in https://ui.perfetto.dev
 *
 * What it teaches:
 *   - Any function of the type sabal_task_fn is a task; nothing is registered.
 *   - Results go from task to task without passing through here.
 *   - A task may make more tasks, and hand over the result of one of them as its own.
 *   - What fails takes along what depends on it; the first cause is what everybody gets.
 */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>

//! [tasks]
/* A task gets one thing: its own handle. Argument, inputs and the place for its result hang on that. */
static sabal_status square(sabal_task *t)
{
    const double *v = sabal_task_arg(t);

    return sabal_task_return(t, &(double){*v * *v}, sizeof(double));
}

static sabal_status add(sabal_task *t)
{
    const double *a = sabal_task_input(t, 0), *b = sabal_task_input(t, 1);

    return sabal_task_return(t, &(double){*a + *b}, sizeof(double));
}
//! [tasks]

//! [more]
/*
 * A task may submit tasks of its own and return one of their futures in place of a value: whoever waits for this one
 * then gets that one's result, and nobody has to wait inside a task.
 */
static sabal_status fibonacci(sabal_task *t)
{
    const int    *n = sabal_task_arg(t);
    sabal_client *c = sabal_task_client(t);
    sabal_future *a, *b;

    if (*n < 2)
        return sabal_task_return(t, &(double){*n}, sizeof(double));
    a = sabal_submit(c, fibonacci, (&(int){*n - 1}), sizeof(int));
    b = sabal_submit(c, fibonacci, (&(int){*n - 2}), sizeof(int));
    return sabal_task_return_future(t, sabal_submit(c, add, NULL, 0, .inputs = SABAL_LIST(a, b)));
}
//! [more]

//! [fail]
/* A failure is a status and a sentence. It stops what depends on this task, and nothing else. */
static sabal_status root(sabal_task *t)
{
    const double *v = sabal_task_input(t, 0);

    if (*v < 0)
        return sabal_task_fail(t, SABAL_EVALUE, "%g has no real root", *v);
    return sabal_task_return(t, v, sizeof *v);
}
//! [fail]

int main(void)
{
    //! [program]
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(NULL, &err); /* this node, or $SABAL_SCHEDULER_FILE */
    double        out    = 0;

    /* An argument with a comma or braces stands in brackets of its own: sabal_submit() is a macro. */
    sabal_future *a = sabal_submit(client, square, (&(double){3}), sizeof(double));
    sabal_future *b = sabal_submit(client, square, (&(double){4}), sizeof(double));
    sabal_future *c = sabal_submit(client, add, NULL, 0, .inputs = SABAL_LIST(a, b), .retries = 2);

    if (sabal_future_get(&out, sizeof out, c, &err) == SABAL_OK)
        printf("3 * 3 + 4 * 4 = %g\n", out);
    //! [program]

    sabal_future_get(&out, sizeof out, sabal_submit(client, fibonacci, (&(int){20}), sizeof(int)), &err);
    printf("the 20th Fibonacci number is %g\n", out);

    //! [map]
    /* Many alike: one call, and the results as they come. SABAL_SCOPE releases at the brace what the block made. */
    {
        SABAL_SCOPE(client);
        double        v[100], sum = 0;
        sabal_future *squares[100], *done;

        for (int i = 0; i < 100; i++)
            v[i] = i;
        sabal_map(squares, client, square, v, sizeof *v, 100);

        sabal_list          all = {(const void *const *)squares, 100};
        sabal_as_completed *it  = sabal_as_completed_create(client, all);
        while (sabal_as_completed_next(&done, it, &err) == SABAL_OK)
            if (sabal_future_get(&out, sizeof out, done, &err) == SABAL_OK)
                sum += out;
        printf("the squares of 0 .. 99 sum up to %g\n", sum);
    }
    //! [map]

    //! [errors]
    /* No check between the calls is needed: whatever is built on a failure fails with the same first cause. */
    sabal_error   why = SABAL_ERROR_INIT;
    char          text[1024];
    sabal_future *negative = sabal_scatter(client, &(double){-2}, sizeof(double));
    sabal_future *r        = sabal_submit(client, root, NULL, 0, .inputs = SABAL_LIST(negative));
    sabal_future *sum      = sabal_submit(client, add, NULL, 0, .inputs = SABAL_LIST(r, a));

    if (sabal_future_wait(sum, &why) == SABAL_EVALUE) {
        sabal_error_format(text, sizeof text, &why);
        printf("as expected: %s\n", text);
    }
    //! [errors]

    sabal_close(client); /* and every handle made from it */
    if (err.status)
        fprintf(stderr, "futures: %s\n", err.message);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
