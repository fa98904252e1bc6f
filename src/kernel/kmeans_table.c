/* The door of one build of the k-means kernels. */
#include "kernel/kmeans_variant.h"

extern const struct sbl_kmeans_kernels NAME(sbl_kmeans_kernels);
const struct sbl_kmeans_kernels        NAME(sbl_kmeans_kernels) = {
    .few_scratch       = NAME(sbl_few_scratch),
    .few_assign        = NAME(sbl_few_assign),
    .many_packed       = NAME(sbl_many_packed),
    .many_pack         = NAME(sbl_many_pack),
    .many_scratch      = NAME(sbl_many_scratch),
    .many_assign       = NAME(sbl_many_assign),
    .distances         = NAME(sbl_distances),
    .moments           = NAME(sbl_moments),
    .potential_scratch = NAME(sbl_potential_scratch),
    .potential         = NAME(sbl_potential),
};
