/* Products of float64 rows and centres. */
#include "kernel/kmeans_variant.h"

#include <math.h>

#include "kernel/kmeans_sieve.h"
#include "kernel/kmeans_tile.h"
#include "kernel/lanes.h"

#define T       double
#define V       vd
#define W       VD
#define INT     int64_t
#define IS_F32  0
#define SUFFIX  f64
#define VEC(f)  vd_##f
#define any_f64 any_double
#include "kernel/kmeans_many.inc"
