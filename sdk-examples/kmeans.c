/*
 * k-means, the main job: make an array of points, group them, print the centres of the groups.
 *
 *     cc kmeans.c $(pkg-config --cflags --libs sabal) -o kmeans
 *     ./kmeans                  # a million points
 *     ./kmeans 100000000        # 1.6 GB of them
 *
 * What it teaches:
 *   - A client is where work runs: the cores of this node, or a cluster if $SABAL_SCHEDULER_FILE names one.
 *   - An array is a description. Nothing is computed before somebody needs it: here the fit, then sabal_compute().
 *   - No check stands between the calls. What can't be made is a failed handle, everything made from it is failed
 *     too, and the call that asks for numbers reports the first cause.
 *   - Handles belong to their client and end with it: nothing is freed one by one.
 */
//! [program]
#include <sabal/sabal.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long long     n      = argc > 1 ? atoll(argv[1]) : 1000000;
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(NULL, &err); /* this node, or $SABAL_SCHEDULER_FILE */

    /* n points in the plane, in three clouds: a recipe, in chunks of some MiB. Options are named as they are
       needed; what isn't named has the default that the manual tells. */
    sabal_array *x = sabal_make_blobs(client, .n_samples = n, .n_features = 2, .centers = 3, .seed = 0);

    /* Each pass of the fit goes over all chunks. sabal_persist() makes them once and keeps them in memory. */
    sabal_kmeans *km = sabal_kmeans_fit(sabal_persist(x), .n_clusters = 3);

    /* The model's centres are an array too, (3, 2) float64. Computing it waits, and tells what went wrong if
       anything did, from the first line on. */
    sabal_ndarray *centers;
    if (sabal_compute(&centers, sabal_kmeans_centers(km), &err) == SABAL_OK) {
        sabal_ndarray_print(centers, stdout, &err);
        printf("inertia %.6g after %d passes\n", sabal_kmeans_inertia(km), (int)sabal_kmeans_n_iter(km));
    }

    sabal_close(client); /* and every handle made from it */
    if (err.status)
        fprintf(stderr, "kmeans: %s\n", err.message);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
//! [program]
