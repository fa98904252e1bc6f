/*
 * Machines with several NUMA nodes: each chunk is worked on by the cores that are near its memory, as long as these have time.
 *
 *     cc numa.c $(pkg-config --cflags --libs sabal) -o numa
 *     ./numa
 *
 * What it teaches:
 *   - Nothing has to be asked for: a result lies on the node of the thread that made it, and tasks go there.
 *   - The counters of the pool's threads tell how often one took something from another node.
 */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>

enum { CHUNKS = 64, N = 1 << 18 }; /* of 2 MiB: less than 1 MiB is not worth the way */

static sabal_status fill(sabal_task *t)
{
    const int *chunk = sabal_task_arg(t);
    double    *x     = sabal_task_return_room(t, N * sizeof *x);

    for (int i = 0; x && i < N; i++)
        x[i] = *chunk;
    return x ? SABAL_OK : SABAL_ENOMEM;
}

static sabal_status sum(sabal_task *t)
{
    const double *x   = sabal_task_input(t, 0);
    double        all = 0;

    for (int i = 0; i < N; i++)
        all += x[i];
    return sabal_task_return(t, &all, sizeof all);
}

//! [counters]
static void tell(const sabal_client *client)
{
    sabal_worker_stats s   = {.struct_size = sizeof s};
    int64_t            far = 0;

    for (int32_t i = 0; sabal_client_worker_get(client, i, &s) == SABAL_OK; i++)
        far += s.far_takes;
    printf("taken from another node: %lld\n", (long long)far);
}
//! [counters]

//! [program]
int main(void)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(NULL, &err);
    sabal_future *sums[CHUNKS];
    double        all = 0;

    for (int i = 0; i < CHUNKS; i++) {
        sabal_future *chunk = sabal_submit(client, fill, &i, sizeof i);

        sums[i] = sabal_submit(client, sum, NULL, 0, .inputs = SABAL_LIST(chunk));
    }
    for (int i = 0; i < CHUNKS && !err.status; i++) {
        double one = 0;

        sabal_future_get(&one, sizeof one, sums[i], &err);
        all += one;
    }
    //! [program]
    if (!err.status)
        printf("the mean is %.1f\n", all / CHUNKS / N);
    tell(client);
    sabal_close(client);
    if (err.status)
        fprintf(stderr, "numa: %s\n", err.message);
    return err.status || all / N != CHUNKS * (CHUNKS - 1) / 2 ? EXIT_FAILURE : EXIT_SUCCESS;
}
