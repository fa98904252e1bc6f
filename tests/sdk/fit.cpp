// A fit from C++17: options are a struct made by sabal_NAME_defaults(), passed as the last argument.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <sabal/sabal.h>

int main()
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open("local:", &err);
    {
        SABAL_SCOPE(client);
        sabal_blobs_options blobs = sabal_blobs_defaults();
        blobs.n_samples           = 3000;

        sabal_kmeans_options options = sabal_kmeans_defaults();
        options.n_clusters           = 3;

        sabal_kmeans  *model   = sabal_kmeans_fit(sabal_make_blobs(client, blobs), options);
        sabal_ndarray *centers = nullptr;
        if (sabal_compute(&centers, sabal_kmeans_centers(model), &err) == SABAL_OK) {
            if (sabal_ndarray_extent(centers, 0) != 3 || !(sabal_kmeans_inertia(model) < 3 * 3000))
                std::abort();
            sabal_ndarray_print(centers, stdout, &err);
        }
    }
    sabal_close(client);
    if (err.status)
        std::fprintf(stderr, "fit: %s\n", err.message);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
