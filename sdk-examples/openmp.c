/*
 * OpenMP in a program that uses Sabal: regions inside of tasks, tasks inside of regions.
 *
 *     cc -O2 -fopenmp openmp.c $(pkg-config --cflags --libs sabal) -o openmp
 *     ./openmp
 *
 * What it teaches:
 *   - A region inside a task gets that task's share of the cores: all tasks together use the cores once.
 *   - All threads of a region may use a client.
 *   - If threads of a region inside a task wait for tasks, the region blocks its thread, which says so.
 */
#include <sabal/sabal.h>
#include <stdio.h>
#include <stdlib.h>

//! [share]
struct answer {
    double  sum;
    int32_t threads; /* that the region had */
};

static sabal_status sum_of_squares(sabal_task *t)
{
    const int64_t *n       = sabal_task_arg(t);
    double         sum     = 0;
    int32_t        threads = 0;

#pragma omp parallel for reduction(+ : sum) /* as many threads as this task's share of the cores */
    for (int64_t i = 0; i < *n; i++)
        sum += (double)i * (double)i;
#pragma omp parallel reduction(+ : threads)
    threads++;
    return sabal_task_return(t, &(struct answer){sum, threads}, sizeof(struct answer));
}
//! [share]

//! [wait]
/* The region ends when all its threads have, of which one is the pool's: that lends its place. */
static sabal_status ask_from_a_region(sabal_task *t)
{
    sabal_client *client = sabal_task_client(t);
    double        sum    = 0;

    sabal_blocking_begin();
#pragma omp parallel for reduction(+ : sum) num_threads(2)
    for (int64_t i = 0; i < 4; i++) {
        struct answer one = {0};

        SABAL_SCOPE(client);
        sabal_future_get(&one, sizeof one, sabal_submit(client, sum_of_squares, (&(int64_t){1000}), sizeof(int64_t)),
                         NULL);
        sum += one.sum;
    }
    sabal_blocking_end();
    return sabal_task_return(t, &sum, sizeof sum);
}
//! [wait]

int main(void)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(NULL, &err); /* as many threads as cores: each has a share of one */
    struct answer one    = {0};
    double        sum    = 0;
    int           wrong  = 0;

    sabal_future_get(&one, sizeof one, sabal_submit(client, sum_of_squares, (&(int64_t){1000}), sizeof(int64_t)), &err);
    sabal_future_get(&sum, sizeof sum, sabal_submit(client, ask_from_a_region, NULL, 0), &err);
    printf("%.0f by a region of %d thread, four of them %.0f\n", one.sum, (int)one.threads, sum);
    wrong += one.sum != 332833500 || one.threads != 1 || sum != 4 * one.sum;
//! [team]
#pragma omp parallel reduction(+ : wrong)
    {
        struct answer mine = {0};

        SABAL_SCOPE(client);
        sabal_future_get(&mine, sizeof mine, sabal_submit(client, sum_of_squares, (&(int64_t){1000}), sizeof(int64_t)),
                         NULL);
        wrong += mine.sum != one.sum;
    }
    //! [team]
    sabal_close(client);
    if (err.status)
        fprintf(stderr, "openmp: %s\n", err.message);
    return err.status || wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
