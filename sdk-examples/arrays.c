/*
 * Lazy arrays: a file is made, described, changed by a function of our own, and stored again.
 * cc arrays.c $(pkg-config --cflags --libs sabal) && ./a.out
 */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>

//! [function]
/* Runs once for every chunk, on any thread: two coordinates of each row become the
   squared distance from the origin, in a unit of our own. */
static sabal_status radius(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    const double *xy   = chunk->data;
    double       *r    = out;
    double        unit = *(const double *)arg;

    (void)task; /* for sabal_task_fail(), where something can go wrong */
    for (int64_t i = 0; i < chunk->shape[0]; i++)
        r[i] = (xy[2 * i] * xy[2 * i] + xy[2 * i + 1] * xy[2 * i + 1]) / unit;
    return SABAL_OK;
}
//! [function]

int main(void)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    sabal_client *client = sabal_open(NULL, &err);

    //! [store]
    /* Nothing is computed until the store, which makes, converts and writes each chunk in a task. */
    sabal_array *points = sabal_make_blobs(client, .n_samples = 100000, .centers = 4, .seed = 1);
    sabal_store_npy(points, "points.npy", &err);
    //! [store]

    //! [map]
    /* Opening reads the header alone; the rows are read by the tasks that need them. */
    double       unit = 100;
    sabal_array *x    = sabal_array_read_npy(client, "points.npy");
    sabal_array *r2   = sabal_array_map_chunks(x, radius, .arg = &unit, .arg_size = sizeof unit, .row_ndim = 0);
    //! [map]

    //! [compute]
    /* A slice of rows touches the chunks it needs; compute brings them together in C order. */
    sabal_ndarray *first;
    if (sabal_compute(&first, sabal_array_rows(r2, 0, 5), &err) == SABAL_OK)
        sabal_ndarray_print(first, stdout, &err);
    //! [compute]

    //! [error]
    /* What can't be made is a failed array. It carries the first cause, and so does all that is built on it. */
    sabal_array *missing = sabal_array_rows(sabal_array_read_npy(client, "no-such-file.npy"), 0, 10);
    printf("as expected: %s\n", sabal_array_error(missing)->message);
    //! [error]

    sabal_close(client);
    remove("points.npy");
    if (err.status)
        fprintf(stderr, "arrays: %s\n", err.message);
    return err.status ? EXIT_FAILURE : EXIT_SUCCESS;
}
