/* What a run of sabal kmeans was asked for and has found, for those who tell of it: report, JSON, picture. */
#ifndef SABAL_TOOL_KMEANS_H
#define SABAL_TOOL_KMEANS_H

#include <limits.h>

#include <sabal/sabal.h>

#include "output.h"
#include "watch.h"

typedef struct kmeans_run {
    /* asked for */
    const char *file, *init, *n_init_text, *labels_file, *centers_file, *plot_file;
    char        path[PATH_MAX]; /* of file, without the data set */
    int64_t     k, n_init, max_iter, threads, chunk_rows, memory;
    const char *scheduler_file;
    double      tol;
    uint64_t    seed;
    int         json;
    output      labels_out, centers_out, plot_out;

    /* at work */
    double        started;
    sabal_client *client;
    watch         watch;
    sabal_array  *x;         /* (rows, features) float32 or float64, in memory if it fits */
    sabal_dtype   file_type; /* of the data in the file */
    int           in_memory;
    sabal_kmeans *model;

    /* found */
    int64_t            rows, features;
    sabal_ndarray     *centers; /* (k, features) float64, C order */
    int64_t           *sizes;   /* (k,) rows of each cluster; NULL if nobody asked */
    sabal_kmeans_times times;
    double             read_seconds, total_seconds;
    int                centers_written, labels_written;
    int64_t            plotted; /* points in the picture; 0: it was not written */
} kmeans_run;

/** Writes one JSON object, or what a person wants to read, to stdout. CLI_OK or CLI_FAILURE. */
int kmeans_print_json(const kmeans_run *run);
int kmeans_print(const kmeans_run *run);
/** Draws run->plot_out. CLI_GO_ON or CLI_FAILURE. */
int kmeans_draw(kmeans_run *run);

#endif
