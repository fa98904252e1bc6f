/* Gaussian blobs: row i depends on the seed and i alone, so every chunk is made by itself. */
#include "array/array.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "array/check.h"
#include "base/alloc.h"
#include "base/error.h"
#include "kernel/random.h"

#define STREAM_CENTERS 1 /* of the random numbers of a seed; sbl_blobs_rows() has its own */

/* What a task gets; (m, d) centres follow. The node keeps one with first and n of 0. */
struct blobs_params {
    int64_t  n_samples, d, first, n;
    uint64_t seed;
    double   std;
    int32_t  m, dtype; /* dtype 0: the labels */
};

static size_t params_size(const struct blobs_params *p)
{
    return sizeof *p + (size_t)p->m * (size_t)p->d * sizeof(double);
}

static sabal_status blobs_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                size_t size, sabal_task *task, sabal_error *err)
{
    const struct blobs_params *p        = params;
    const double              *centers  = (const double *)(p + 1);
    int64_t                    shape[2] = {p->n, p->d};
    sabal_ndarray             *chunk;
    void                      *room;
    sabal_status               st;

    if (p->dtype)
        st = sbl_ndarray_create(&chunk, &room, (sabal_dtype)p->dtype, 2, shape, err);
    else
        st = sbl_ndarray_create(&chunk, &room, SABAL_INT32, 1, shape, err);
    if (st)
        return st;
    if (p->dtype)
        sbl_blobs_rows(room, NULL, (sabal_dtype)p->dtype, p->first, p->n, p->n_samples, p->d, centers, p->m,
                       p->std, p->seed);
    else
        sbl_blobs_rows(NULL, room, SABAL_FLOAT64, p->first, p->n, p->n_samples, p->d, centers, p->m, p->std,
                       p->seed);
    *out = (sbl_value *)(void *)chunk;
    return SABAL_OK;
}

static sabal_status blobs_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    size_t               size = params_size(a->params);
    struct blobs_params *p    = sbl_alloc(size);
    sabal_status         st;

    if (!p)
        return sbl_error_memory(err, size, "the centres of blobs");
    memcpy(p, a->params, size);
    p->first = sbl_chunks_start(&a->chunks, i);
    p->n     = sbl_chunks_rows(&a->chunks, i);
    st       = sbl_program_stage(program, blobs_stage, 0, p, size, err);
    sbl_free(p);
    return st;
}

static void blobs_clear(sabal_array *a)
{
    sbl_free(a->params);
}

static const sbl_array_op BLOBS = {.name = "make_blobs", .emit = blobs_emit, .clear = blobs_clear};

void sabal_blobs_options_init(sabal_blobs_options *options)
{
    *options = (sabal_blobs_options){SABAL_BLOBS_DEFAULTS};
}

static sabal_status check_options(const sabal_blobs_options *o, sabal_error *err)
{
    if (o->n_samples < 1)
        return sbl_error_set(err, SABAL_EINVAL, "n_samples is %" PRId64 ": expected 1 or more", o->n_samples);
    if (o->n_features < 1)
        return sbl_error_set(err, SABAL_EINVAL, "n_features is %" PRId64 ": expected 1 or more",
                             o->n_features);
    if (o->centers < 1)
        return sbl_error_set(err, SABAL_EINVAL, "centers is %d: expected 1 or more", o->centers);
    if (o->n_features > (1 << 28) / o->centers)
        return sbl_error_set(err, SABAL_EINVAL, "%d centers of %" PRId64 " features: more than %d numbers",
                             o->centers, o->n_features, 1 << 28);
    if (!(o->cluster_std >= 0) || isinf(o->cluster_std))
        return sbl_error_set(err, SABAL_EINVAL, "cluster_std is %g: expected 0 or more", o->cluster_std);
    if (!(o->center_box_min <= o->center_box_max) || isinf(o->center_box_max - o->center_box_min))
        return sbl_error_set(err, SABAL_EINVAL, "center_box is %g to %g: expected the lower number first",
                             o->center_box_min, o->center_box_max);
    if (o->dtype != SABAL_FLOAT64 && o->dtype != SABAL_FLOAT32)
        return sbl_error_set(err, SABAL_EDTYPE, "blobs of %s: expected float64 or float32",
                             sabal_dtype_name(o->dtype));
    if (!sbl_random_has_normal())
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "blobs need a processor with fma, which this one lacks");
    return SABAL_OK;
}

/* The node of the points, or (dtype 0) of their labels. */
static sabal_array *blobs_node(sabal_client *client, const sabal_blobs_options *o, const sbl_chunks *chunks,
                               int32_t dtype)
{
    int64_t              shape[2] = {o->n_samples, o->n_features};
    struct blobs_params  head     = {.n_samples = o->n_samples,
                                     .d         = o->n_features,
                                     .seed      = o->seed,
                                     .std       = o->cluster_std,
                                     .m         = o->centers,
                                     .dtype     = dtype};
    struct blobs_params *p        = sbl_alloc(params_size(&head));
    sabal_error          err      = SABAL_ERROR_INIT;
    int64_t              n        = (int64_t)o->centers * o->n_features;
    double              *centers;
    sabal_array         *a;

    if (!p) {
        sbl_error_memory(&err, params_size(&head), "the centres of blobs");
        return sbl_array_adopt(sbl_array_failed(client, &err, o->where));
    }
    *p      = head;
    centers = (double *)(p + 1);
    for (int64_t i = 0; i < n; i++)
        centers[i] = o->center_values
                         ? o->center_values[i]
                         : o->center_box_min + (o->center_box_max - o->center_box_min) *
                                                   sbl_random_uniform(o->seed, STREAM_CENTERS, (uint64_t)i);
    a = sbl_array_create(client, &BLOBS, NULL, dtype ? (sabal_dtype)dtype : SABAL_INT32, dtype ? 2 : 1, shape,
                         o->where);
    if (a->error) {
        sbl_free(p);
        return a;
    }
    a->chunks = *chunks;
    a->params = p;
    return sbl_array_adopt(a);
}

sabal_array *sabal_make_blobs_with(sabal_client *client, const sabal_blobs_options *options)
{
    sabal_blobs_options o   = {SABAL_BLOBS_DEFAULTS};
    sabal_error         err = SABAL_ERROR_INIT;
    sbl_chunks          chunks;
    sabal_status        st;

    sbl_options_take(&o, sizeof o, options);
    int64_t shape[2] = {o.n_samples, o.n_features};

    st = sbl_client_check(client, &err);
    if (!st)
        st = check_options(&o, &err);
    if (!st)
        st = sbl_check_shape(o.dtype, 2, shape, &err);
    if (!st)
        st = sbl_chunks_choose(&chunks, o.dtype, 2, shape, o.chunk_rows, 0, &err);
    if (st) {
        if (o.labels)
            *o.labels = sbl_array_adopt(sbl_array_failed(client, &err, o.where));
        return sbl_array_adopt(sbl_array_failed(client, &err, o.where));
    }
    if (o.labels)
        *o.labels = blobs_node(client, &o, &chunks, 0);
    return blobs_node(client, &o, &chunks, (int32_t)o.dtype);
}
