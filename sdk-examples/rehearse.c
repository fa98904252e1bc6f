/*
 * A rehearsal for the cluster: tasks run in worker processes, which load this program but not its global variables.
 *
 *     cc rehearse.c $(pkg-config --cflags --libs sabal) -o rehearse
 *     ./rehearse
 *
 * What it teaches:
 *   - What a task needs goes into its argument or its inputs. A global variable that main() sets is another one in a
 *     worker, where it is as it was before main().
 *   - A task that crashes takes its worker along, not the program; it is told with signal and line.
 *   - Any program can be rehearsed without a change: SABAL_SCHEDULER_FILE=rehearse: ./kmeans
 */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>

//! [mistake]
static double factor = 1; /* main() sets it to 10 */

static sabal_status by_global(sabal_task *t)
{
    const double *v = sabal_task_arg(t);

    return sabal_task_return(t, &(double){*v * factor}, sizeof(double)); /* a mistake: times 1, in a worker */
}

struct scaled {
    double value, factor;
};

static sabal_status by_argument(sabal_task *t)
{
    const struct scaled *s = sabal_task_arg(t);

    return sabal_task_return(t, &(double){s->value * s->factor}, sizeof(double));
}
//! [mistake]

static sabal_status crash(sabal_task *t)
{
    (void)t;
    abort();
}

//! [program]
int main(void)
{
    sabal_error   err = SABAL_ERROR_INIT, crashed = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open("rehearse:", &err, .workers = 2);
    double        wrong = 0, right = 0;
    sabal_future *a, *b;

    factor = 10;
    a      = sabal_submit(client, by_global, (&(double){4}), sizeof(double));
    b      = sabal_submit(client, by_argument, (&(struct scaled){4, factor}), sizeof(struct scaled));
    sabal_future_get(&wrong, sizeof wrong, a, &err);
    sabal_future_get(&right, sizeof right, b, &err);
    if (!err.status)
        printf("4 times 10 is %g by a global variable, %g by an argument\n", wrong, right);
    if (sabal_future_wait(sabal_submit(client, crash, NULL, 0), &crashed) == SABAL_EPEER)
        printf("as expected: %s (at %s)\n", crashed.message, crashed.where);
    sabal_close(client);
    if (err.status)
        fprintf(stderr, "rehearse: %s\n", err.message);
    return err.status || wrong != 4 || right != 40 ? EXIT_FAILURE : EXIT_SUCCESS;
}
//! [program]
