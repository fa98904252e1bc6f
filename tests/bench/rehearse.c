/*
 * k-means of blobs on an engine: made, kept, clustered. One line of JSON.
 *
 *     bench_rehearse ADDRESS THREADS ROWS
 *
 *     {"seconds": S, "fit": F, "centers": "HEX"}
 *         S  by the clock, from opening the client to the centres; F of that the fit
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sabal/sabal.h>

static sabal_error err = SABAL_ERROR_INIT;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stop_if_failed(void)
{
    if (!err.status)
        return;
    fprintf(stderr, "bench: %s\n", err.message);
    exit(1);
}

static sabal_client *opened(const char *address, int threads)
{
    return strcmp(address, "rehearse:") ? sabal_open(address, &err, .threads = threads)
                                        : sabal_open(address, &err, .workers = threads, .threads = 1);
}

int main(int argc, char **argv)
{
    sabal_ndarray *last = NULL, *centers = NULL;
    sabal_client  *client;
    sabal_array   *x, *end;
    sabal_kmeans  *fit;
    const double   start = now_s();
    double         filled, fitted;
    int64_t        rows;

    if (argc != 4) {
        fprintf(stderr, "usage: %s ADDRESS THREADS ROWS\n", argv[0]);
        return 2;
    }
    rows   = atoll(argv[3]);
    client = opened(argv[1], atoi(argv[2]));
    x      = sabal_persist(sabal_make_blobs(client, .n_samples = rows, .n_features = 2, .centers = 3, .seed = 0));
    end    = sabal_array_rows(x, rows - 1, rows);
    sabal_compute(&last, end, &err);
    filled = now_s();
    fit    = sabal_kmeans_fit(x, .n_clusters = 3);
    sabal_compute(&centers, sabal_kmeans_centers(fit), &err);
    fitted = now_s();
    stop_if_failed();
    printf("{\"seconds\": %.6f, \"fit\": %.6f, \"centers\": \"", fitted - start, fitted - filled);
    for (int i = 0; i < 6; i++)
        printf("%a ", ((const double *)sabal_ndarray_data(centers))[i]);
    printf("\"}\n");
    sabal_close(client);
    return 0;
}
