/*
 * Files that are read and written where the work is done: by the threads of this node, or by the workers of a cluster.
 *
 *     cc files.c $(pkg-config --cflags --libs sabal) -o files
 *     ./files
 *
 * What it teaches:
 *   - Nothing changes for a cluster, but that each worker must see the files: SABAL_SCHEDULER_FILE=~/scheduler.json ./files
 *   - A path is the program's own; relative ones too, whatever folder the workers are in.
 *   - A stored file has its name when it is whole. What reads it notices if it is another one by then.
 */
#include <sabal/sabal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sabal_status halve(void *out, const sabal_chunk *chunk, const void *arg, sabal_task *task)
{
    const double *in = chunk->data;

    (void)arg, (void)task;
    for (int64_t i = 0; i < chunk->shape[0] * chunk->shape[1]; i++)
        ((double *)out)[i] = in[i] / 2;
    return SABAL_OK;
}

static void make_folder(char *folder)
{
    if (!mkdtemp(folder) || chdir(folder)) {
        perror(folder);
        exit(EXIT_FAILURE);
    }
}

int main(void)
{
    char        folder[] = "/tmp/sabal-files-XXXXXX"; /* on a cluster: a folder that all nodes share */
    sabal_error err = SABAL_ERROR_INIT, changed = SABAL_ERROR_INIT;
    int         right = 0;

    sabal_client *client = sabal_open(NULL, &err); /* before the folder changes: SABAL_SCHEDULER_FILE may be relative */

    make_folder(folder);
    //! [files]
    sabal_array *points = sabal_make_blobs(client, .n_samples = 200000, .n_features = 4), *read;

    sabal_store(points, "points.npy", &err); /* each chunk by who makes it */
    read = sabal_array_read(client, "points.npy");
    sabal_store(sabal_array_map_chunks(read, halve), "halves.npy", &err);

    sabal_store(sabal_array_rows(points, 0, 1000), "points.npy", &err); /* another file takes its place */
    if (sabal_store(read, "again.npy", &changed) == SABAL_EIO)
        printf("as expected: %s\n", strrchr(changed.message, '/'));
    //! [files]
    sabal_ndarray *half = NULL, *whole = NULL;
    if (!sabal_compute(&half, sabal_array_rows(sabal_array_read(client, "halves.npy"), 0, 1000), &err) &&
        !sabal_compute(&whole, sabal_array_read(client, "points.npy"), &err))
        right =
            ((const double *)sabal_ndarray_data(half))[3999] * 2 == ((const double *)sabal_ndarray_data(whole))[3999];
    unlink("points.npy");
    unlink("halves.npy");
    sabal_close(client);
    rmdir(folder);
    if (err.status)
        fprintf(stderr, "files: %s\n", err.message);
    return err.status || changed.status != SABAL_EIO || !right ? EXIT_FAILURE : EXIT_SUCCESS;
}
