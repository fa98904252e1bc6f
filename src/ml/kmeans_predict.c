/* What a model makes of rows: labels and distances, lazily, a task a chunk. */
#include "ml/kmeans.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ml/kmeans_model.h"

/* The params of a node. */
struct model_params {
    sabal_future *points; /* one reference */
    int32_t       check;  /* labels: refuse NaN and infinity */
    int32_t       distances;
};

static sabal_status model_emit(const sabal_array *a, int64_t i, sbl_program *program, sabal_error *err)
{
    const struct model_params *node = a->params;
    sbl_kmeans_params          p    = {.first_row = sbl_chunks_start(&a->chunks, i), .want = node->check};
    sabal_status               st   = sbl_program_array(program, a->input, i, err);

    if (!st)
        st = sbl_program_input(program, node->points, err);
    if (!st)
        st = sbl_program_stage(program, node->distances ? sbl_kmeans_distances_stage : sbl_kmeans_labels_stage, 2, &p,
                               sizeof p, err);
    return st;
}

static void model_clear(sabal_array *a)
{
    struct model_params *p = a->params;

    if (p)
        sbl_handle_release(p->points);
    sbl_free(p);
}

static const sbl_array_op LABELS    = {.name = "kmeans-labels", .emit = model_emit, .clear = model_clear};
static const sbl_array_op DISTANCES = {.name = "kmeans-distances", .emit = model_emit, .clear = model_clear};

static sabal_array *make_node(const sabal_array *x, const sbl_array_op *op, sabal_dtype dtype, int32_t ndim,
                              const int64_t *shape, struct model_params params, const char *where)
{
    sabal_error          err = SABAL_ERROR_INIT;
    struct model_params *p   = sbl_alloc(sizeof *p);
    sabal_array         *a;

    if (!p) {
        sbl_error_memory(&err, sizeof *p, "the description of an array");
        return sbl_array_failed(x->client, &err, where);
    }
    a = sbl_array_create(x->client, op, x, dtype, ndim, shape, where);
    if (a->error) {
        sbl_free(p);
        return a;
    }
    *p = params;
    sbl_handle_retain(p->points);
    a->params = p;
    a->chunks = x->chunks;
    return a;
}

sabal_array *sbl_kmeans_labels_node(const sabal_array *x, sabal_future *points, int32_t check, const char *where)
{
    struct model_params p = {.points = points, .check = check};

    return make_node(x, &LABELS, SABAL_INT32, 1, x->shape, p, where);
}

/* x can be given to the model. */
static sabal_status check_rows(const sabal_kmeans *model, const sabal_array *x, sabal_error *err)
{
    sabal_status st = sbl_array_check(x, err);

    if (st)
        return st;
    if (sabal_kmeans_error(model))
        return sbl_error_pass(err, sabal_kmeans_error(model));
    if (x->client != model->client)
        return sbl_error_set(err, SABAL_EINVAL, "x belongs to another client than the model");
    if (x->ndim != 2 || x->shape[1] != model->n_features)
        return sbl_error_set(err, SABAL_ESHAPE,
                             "x has %d dimensions and %" PRId64
                             " columns: the model was fitted to 2 dimensions and %" PRId64 " columns",
                             x->ndim, sabal_array_extent(x, 1), model->n_features);
    return sbl_kmeans_check_real(x, "x", err);
}

/* Labels, or distances, of rows of any real dtype. */
static sabal_array *apply(const sabal_kmeans *model, const sabal_array *x, int distances)
{
    const sabal_array *floats   = sbl_array_floats(x);
    int64_t            shape[2] = {x->shape[0], model->n_clusters};
    sabal_error        err      = SABAL_ERROR_INIT;
    sabal_array       *a;

    if (check_rows(model, floats, &err))
        a = sbl_array_failed(x->client, &err, x->where);
    else if (distances)
        a = make_node(floats, &DISTANCES, floats->dtype, 2, shape,
                      (struct model_params){.points = model->points, .distances = 1}, x->where);
    else
        a = sbl_kmeans_labels_node(floats, model->points, 1, x->where);
    sbl_handle_release(floats);
    return sbl_array_adopt(a);
}

sabal_array *sabal_kmeans_predict(const sabal_kmeans *model, const sabal_array *x)
{
    return apply(model, x, 0);
}

sabal_array *sabal_kmeans_transform(const sabal_kmeans *model, const sabal_array *x)
{
    return apply(model, x, 1);
}
