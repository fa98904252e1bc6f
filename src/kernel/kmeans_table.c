/* The door of one build of the k-means kernels. */
#include "kernel/kmeans_variant.h"

#if defined(SBL_WIDE)
extern const char sbl_isa_wide_is_built;
const char        sbl_isa_wide_is_built = 1; /* base/isa.c looks for it */
#endif

extern const struct sbl_kmeans_kernels NAME(sbl_kmeans_kernels);
const struct sbl_kmeans_kernels        NAME(sbl_kmeans_kernels) = {
           .few_scratch  = NAME(sbl_few_scratch),
           .few_assign   = NAME(sbl_few_assign),
           .many_packed  = {NAME(sbl_many_packed_f64), NAME(sbl_many_packed_f32)},
           .many_pack    = {NAME(sbl_many_pack_f64), NAME(sbl_many_pack_f32)},
           .many_scratch = {NAME(sbl_many_scratch_f64), NAME(sbl_many_scratch_f32)},
           .many_assign  = {NAME(sbl_many_assign_f64), NAME(sbl_many_assign_f32)},
           .distances    = NAME(sbl_distances),
           .moments      = NAME(sbl_moments),
           .near_scratch = NAME(sbl_near_scratch),
           .near         = NAME(sbl_near),
};
