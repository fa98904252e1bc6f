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

/* What a task gets, beside the centres (m, d). */
struct blobs_params {
    int64_t  n_samples, d, first, n;
    uint64_t seed;
    double   std;
    int32_t  m, dtype; /* dtype 0: the labels */
};

struct blobs_node {
    struct blobs_params params;  /* with first and n of 0 */
    sabal_future       *centers; /* float64, once for all chunks. One reference */
};

static sabal_status blobs_stage(sbl_value **out, const sbl_value *const *in, int32_t n_in, const void *params,
                                size_t size, sabal_task *task, sabal_error *err)
{
    const struct blobs_params *p        = params;
    const double              *centers  = sbl_value_data(in[0], NULL);
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
        sbl_blobs_rows(room, NULL, (sabal_dtype)p->dtype, p->first, p->n, p->n_samples, p->d, centers, p->m, p->std,
                       p->seed);
    else
        sbl_blobs_rows(NULL, room, SABAL_FLOAT64, p->first, p->n, p->n_samples, p->d, centers, p->m, p->std, p->seed);
    *out = (sbl_value *)(void *)chunk;
    return SABAL_OK;
}

static sabal_status blobs_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    const struct blobs_node *node = a->params;
    struct blobs_params      p    = node->params;
    sabal_status             st   = sbl_program_input(program, node->centers, err);

    p.first = sbl_chunks_start(&a->chunks, i);
    p.n     = sbl_chunks_rows(&a->chunks, i);
    return st ? st : sbl_program_stage(program, blobs_stage, 1, &p, sizeof p, err);
}

static void blobs_clear(sabal_array *a)
{
    struct blobs_node *node = a->params;

    if (node)
        sbl_handle_release(node->centers);
    sbl_free(node);
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
        return sbl_error_set(err, SABAL_EINVAL, "n_features is %" PRId64 ": expected 1 or more", o->n_features);
    if (o->centers < 1)
        return sbl_error_set(err, SABAL_EINVAL, "centers is %d: expected 1 or more", o->centers);
    if (o->n_features > (1 << 28) / o->centers)
        return sbl_error_set(err, SABAL_EINVAL, "%d centers of %" PRId64 " features: more than %d numbers", o->centers,
                             o->n_features, 1 << 28);
    if (!(o->cluster_std >= 0) || isinf(o->cluster_std))
        return sbl_error_set(err, SABAL_EINVAL, "cluster_std is %g: expected 0 or more", o->cluster_std);
    if (!(o->center_box_min <= o->center_box_max) || isinf(o->center_box_max - o->center_box_min))
        return sbl_error_set(err, SABAL_EINVAL, "center_box is %g to %g: expected the lower number first",
                             o->center_box_min, o->center_box_max);
    if (o->dtype != SABAL_FLOAT64 && o->dtype != SABAL_FLOAT32)
        return sbl_error_set(err, SABAL_EDTYPE, "blobs of %s: expected float64 or float32", sabal_dtype_name(o->dtype));
    if (!sbl_random_has_normal())
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "blobs need a processor with fma, which this one lacks");
    return SABAL_OK;
}

/* The centres given or drawn, as a value that all tasks share. */
static sabal_status share_centers(sabal_future **future, sabal_client *client, const sabal_blobs_options *o,
                                  sabal_error *err)
{
    int64_t      n     = (int64_t)o->centers * o->n_features;
    sbl_value   *value = NULL;
    double      *centers;
    sabal_status st = sbl_bytes_create(&value, (void **)&centers, (size_t)n * sizeof *centers, err);

    if (st)
        return st;
    for (int64_t i = 0; i < n; i++)
        centers[i] = o->center_values
                         ? o->center_values[i]
                         : o->center_box_min + (o->center_box_max - o->center_box_min) *
                                                   sbl_random_uniform(o->seed, STREAM_CENTERS, (uint64_t)i);
    st = sbl_engine_scatter(client, value, future, err);
    sbl_value_release(value);
    return st;
}

/* The node of the points, or (dtype 0) of their labels. */
static sabal_array *blobs_node(sabal_client *client, const sabal_blobs_options *o, const sbl_chunks *chunks,
                               sabal_future *centers, int32_t dtype)
{
    int64_t            shape[2] = {o->n_samples, o->n_features};
    struct blobs_node *node     = sbl_calloc(1, sizeof *node);
    sabal_error        err      = SABAL_ERROR_INIT;
    sabal_array       *a;

    if (!node) {
        sbl_error_memory(&err, sizeof *node, "the description of an array");
        return sbl_array_adopt(sbl_array_failed(client, &err, o->where));
    }
    node->params = (struct blobs_params){.n_samples = o->n_samples,
                                         .d         = o->n_features,
                                         .seed      = o->seed,
                                         .std       = o->cluster_std,
                                         .m         = o->centers,
                                         .dtype     = dtype};
    a = sbl_array_create(client, &BLOBS, NULL, dtype ? (sabal_dtype)dtype : SABAL_INT32, dtype ? 2 : 1, shape,
                         o->where);
    if (a->error) {
        sbl_free(node);
        return a;
    }
    node->centers = sbl_handle_retain(centers);
    a->chunks     = *chunks;
    a->params     = node;
    return sbl_array_adopt(a);
}

sabal_array *sabal_make_blobs_with(sabal_client *client, const sabal_blobs_options *options)
{
    sabal_blobs_options o       = {SABAL_BLOBS_DEFAULTS};
    sabal_error         err     = SABAL_ERROR_INIT;
    sabal_future       *centers = NULL;
    sabal_array        *points;
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
    if (!st)
        st = share_centers(&centers, client, &o, &err);
    if (st) {
        if (o.labels)
            *o.labels = sbl_array_adopt(sbl_array_failed(client, &err, o.where));
        return sbl_array_adopt(sbl_array_failed(client, &err, o.where));
    }
    if (o.labels)
        *o.labels = blobs_node(client, &o, &chunks, centers, 0);
    points = blobs_node(client, &o, &chunks, centers, (int32_t)o.dtype);
    sbl_handle_release(centers);
    return points;
}
