/* Products of float32 rows and centres. */
#include "kernel/kmeans_variant.h"

#include <math.h>

#include "kernel/kmeans_sieve.h"
#include "kernel/kmeans_tile.h"
#include "kernel/lanes.h"

#define T       float
#define V       vf
#define W       VF
#define INT     int32_t
#define IS_F32  1
#define SUFFIX  f32
#define VEC(f)  vf_##f
#define any_f32 any_float
#include "kernel/kmeans_many.inc"
