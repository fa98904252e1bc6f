/* The fitted model. */
#ifndef SBL_ML_KMEANS_MODEL_H
#define SBL_ML_KMEANS_MODEL_H

#include "ml/kmeans.h"

struct sabal_kmeans {
    sbl_handle         handle;
    sabal_client      *client;           /* retained */
    sabal_error       *error;            /* of a failed model; else NULL */
    sabal_array       *centers, *labels; /* one reference each */
    sabal_future      *points;           /* the centres as tasks take them; one reference */
    double             inertia;
    int32_t            n_clusters, n_iter, converged;
    int64_t            n_features;
    sabal_kmeans_times times;
};

#endif
