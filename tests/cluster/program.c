/* A program as users write them: it sets a global variable in main, and its tasks run in workers. Compiled by
   test_programs.py in many ways. */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>

#ifdef WITH_TLS
static _Thread_local int calls;
#define COUNT calls++
#else
#define COUNT (void)0
#endif

static int global = 1;

static sabal_status square(sabal_task *t)
{
    const double *v = sabal_task_arg(t);

    COUNT;
    return sabal_task_return(t, &(double){*v * *v + 100 * (global - 1)}, sizeof(double));
}

static sabal_status twice(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    for (int64_t i = 0; i < chunk->shape[0]; i++)
        ((double *)out)[i] = 2 * ((const double *)chunk->data)[i] * *(const double *)arg;
    return SABAL_OK;
}

int main(int argc, char **argv)
{
    sabal_error   err     = SABAL_ERROR_INIT;
    const double  data[4] = {1, 2, 3, 4};
    const int64_t shape[] = {4};
    double        factor  = 10, out[4], y;
    sabal_client *client;
    sabal_array  *x;
    sabal_future *f[4];

#ifdef OWN_WORKER
    int32_t status = sabal_worker_main(argc, argv);

    if (status >= 0)
        return status;
#endif
    global = 2;
    client = sabal_open("rehearse:", &err, .workers = 2, .threads = 1);
    sabal_map(f, client, square, data, sizeof *data, 4);
    for (int i = 0; i < 4; i++)
        sabal_future_get(&out[i], sizeof *out, f[i], &err);
    x = sabal_array_map_chunks(sabal_array_from_memory(client, data, SABAL_FLOAT64, 1, shape, .chunk_rows = 2), twice,
                               .arg = &factor, .arg_size = sizeof factor);
    if (!err.status) {
        sabal_ndarray *values;

        if (!sabal_compute(&values, x, &err)) {
            y = ((const double *)sabal_ndarray_data(values))[3];
            printf("%g %g %g %g, %g\n", out[0], out[1], out[2], out[3], y);
        }
    }
    if (err.status)
        printf("%s: %s\n", sabal_status_name(err.status), err.message);
    sabal_close(client);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
