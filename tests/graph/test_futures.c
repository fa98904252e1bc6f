/* Futures: what a user of <sabal/task.h> relies on. */
#include <sabal/sabal.h>

#include "support/test.h"

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

static sabal_status nested(sabal_task *t)
{
    const int *n = sabal_task_arg(t);
    double v = 1;
    if (!*n) return sabal_task_return(t, &v, sizeof v);
    sabal_future *f = sabal_submit(sabal_task_client(t), nested, (&(int){*n - 1}), sizeof(int));
    if (sabal_future_get(&v, sizeof v, f, NULL)) return sabal_task_fail(t, SABAL_EVALUE, "no");
    v++;
    return sabal_task_return(t, &v, sizeof v);
}
static sabal_status chained(sabal_task *t)
{
    const int *n = sabal_task_arg(t);
    if (!*n) return sabal_task_return(t, &(double){42}, sizeof(double));
    return sabal_task_return_future(t, sabal_submit(sabal_task_client(t), chained, (&(int){*n - 1}), sizeof(int)));
}
static sabal_status inc(sabal_task *t)
{
    return sabal_task_return(t, &(double){1+*(const double*)sabal_task_input(t, 0)}, sizeof(double));
}

Test(smoke, works)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open("local:", &err, .threads = 2);
    cr_expect_eq(err.status, SABAL_OK);
    sabal_future *a = sabal_submit(client, square, (&(double){3}), sizeof(double));
    sabal_future *b = sabal_submit(client, square, (&(double){4}), sizeof(double));
    sabal_future *c = sabal_submit(client, add, NULL, 0, .inputs = SABAL_LIST(a, b), .retries = 2);
    double out = 0;
    sabal_future_get(&out, sizeof out, c, &err);
    cr_expect_eq(out, 25);
    cr_expect_eq(err.status, SABAL_OK);
    sabal_future *n = sabal_submit(client, nested, (&(int){2000}), sizeof(int));
    sabal_future_get(&out, sizeof out, n, &err);
    cr_expect_eq(out, 2001);
    sabal_future *ch = sabal_submit(client, chained, (&(int){10000}), sizeof(int));
    sabal_future_get(&out, sizeof out, ch, &err);
    cr_expect_eq(out, 42);
    sabal_future *l = sabal_scatter(client, &(double){0}, sizeof(double));
    for (int i = 0; i < 1000000; i++) {
        sabal_future *m = sabal_submit(client, inc, NULL, 0, .inputs = SABAL_LIST(l));
        sabal_release(l);
        l = m;
    }
    sabal_future_get(&out, sizeof out, l, &err);
    cr_expect_eq(out, 1000000);
    cr_expect_str_eq(sabal_future_key(a), "square-1");
    sabal_client_stats st;
    sabal_client_stats_get(client, &st);
    printf("%ld %ld %ld %ld %zu\n", st.submitted, st.finished, st.pending, st.values, st.bytes);
    sabal_close(client);
    sabal_memory m;
    sabal_memory_get(&m);
    cr_expect_eq(m.in_use, 0);
}
