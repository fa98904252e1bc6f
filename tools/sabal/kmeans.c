/*
 * sabal kmeans: reads a file, fits, writes what was asked for. The data is kept in memory if it fits with some room
 * to spare; if not, each pass reads the file again, which costs time but no memory.
 */
#include "kmeans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli.h"
#include "input.h"
#include "plot.h"

/* --- what was asked for ------------------------------------------------------------------------------------ */

static const char *const INITS[] = {"k-means||", "k-means++", "random"};

static int names_data(const char *path)
{
    char file[PATH_MAX], dataset[256];

    return output_split(file, sizeof file, dataset, sizeof dataset, path) &&
           (output_is_hdf5(file) || output_has_ending(file, ".npy"));
}

static int check_init(const cli_command *command, const kmeans_run *run)
{
    const char *near;

    for (size_t i = 0; i < sizeof INITS / sizeof *INITS; i++)
        if (!strcmp(run->init, INITS[i]))
            return CLI_GO_ON;
    if (names_data(run->init))
        return CLI_GO_ON;
    near = cli_nearest(run->init, INITS, sizeof *INITS, sizeof INITS / sizeof *INITS);
    if (near)
        return cli_usage(command, "--init '%s': did you mean '%s'?", run->init, near);
    return cli_usage(command, "--init '%s': expected 'k-means||', 'k-means++', 'random' or a .npy file of centres",
                     run->init);
}

static int init_is_file(const kmeans_run *run)
{
    return names_data(run->init);
}

static int check_n_init(const cli_command *command, kmeans_run *run)
{
    char *end;

    if (!strcmp(run->n_init_text, "auto"))
        return CLI_GO_ON;
    run->n_init = strtoll(run->n_init_text, &end, 10);
    if (*end || run->n_init < 1 || run->n_init > 1000000)
        return cli_usage(command, "--n-init '%s': expected 'auto' or a whole number from 1 on", run->n_init_text);
    return CLI_GO_ON;
}

static int overwrites_init(const kmeans_run *run, const output *out)
{
    char path[PATH_MAX], dataset[256];

    return init_is_file(run) && !out->dataset[0] &&
           output_split(path, sizeof path, dataset, sizeof dataset, run->init) && output_is_file(out, path);
}

static int check_outputs(const cli_command *command, kmeans_run *run)
{
    int st = output_check(&run->labels_out, run->labels_file, run->path);

    if (st == CLI_GO_ON)
        st = output_check(&run->centers_out, run->centers_file, run->path);
    if (st == CLI_GO_ON)
        st = output_check(&run->plot_out, run->plot_file, run->path);
    if (st != CLI_GO_ON)
        return st;
    if (run->labels_file && !names_data(run->labels_file))
        return cli_usage(command, "--labels '%s': the name must end in .npy or .h5", run->labels_file);
    if (run->centers_file && !names_data(run->centers_file))
        return cli_usage(command, "--centers '%s': the name must end in .npy or .h5", run->centers_file);
    if (run->plot_file && !plot_can_write(run->plot_file))
        return cli_usage(command, "--plot '%s': the name must end in .svg, .pdf or .png", run->plot_file);
    if (run->plot_file && !plot_available())
        return cli_fail("--plot: this build of sabal draws no pictures; build it with cairo");
    if (output_same(&run->labels_out, &run->centers_out) || output_same(&run->labels_out, &run->plot_out) ||
        output_same(&run->centers_out, &run->plot_out))
        return cli_usage(command,
                         "two outputs go to one place; choose another file for one of them, or name a data set "
                         "for each (FILE.h5:NAME)");
    if (overwrites_init(run, &run->labels_out) || overwrites_init(run, &run->centers_out) ||
        overwrites_init(run, &run->plot_out))
        return cli_fail("%s: is the file of the first centres; write to another name", run->init);
    return CLI_GO_ON;
}

static int check(const cli_command *command, kmeans_run *run)
{
    int st = check_init(command, run);

    if (st == CLI_GO_ON)
        st = check_n_init(command, run);
    if (st == CLI_GO_ON && !run->k && !init_is_file(run))
        st = cli_usage(command, "how many clusters? give -k, such as -k 3");
    if (st == CLI_GO_ON)
        st = input_check(run->path, run->file);
    if (st == CLI_GO_ON)
        st = check_outputs(command, run);
    return st;
}

/* --- the data ---------------------------------------------------------------------------------------------- */

/* Opens text as an array that k-means takes; NULL after a message. */
static sabal_array *open_array(kmeans_run *run, const char *text, sabal_dtype *file_type)
{
    sabal_array *x = sabal_array_read(run->client, text, .chunk_rows = run->chunk_rows);

    if (sabal_array_error(x)) {
        cli_error(text, sabal_array_error(x));
        return NULL;
    }
    *file_type = sabal_array_dtype(x);
    if (sabal_array_ndim(x) != 2) {
        cli_fail("%s: has %d dimension%s, but k-means takes rows and columns; reshape it to 2-d", text,
                 sabal_array_ndim(x), sabal_array_ndim(x) == 1 ? "" : "s");
        return NULL;
    }
    if (*file_type == SABAL_COMPLEX64 || *file_type == SABAL_COMPLEX128) {
        cli_fail("%s: holds %s, but k-means takes real numbers; save the real part, or both parts as columns", text,
                 sabal_dtype_name(*file_type));
        return NULL;
    }
    return x;
}

/* Bytes that this process may still take: of its limits and of what is free, the least. */
static double memory_free(void)
{
    double        least = (double)sabal_memory_limit(), kib;
    FILE         *file  = fopen("/proc/meminfo", "re");
    char          line[128];
    struct rlimit limit;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lf kB", &kib) == 1 && kib * 1024 < least)
            least = kib * 1024;
    if (file)
        fclose(file);
    if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY && (double)limit.rlim_cur < least)
        least = (double)limit.rlim_cur;
    return least;
}

/* Keeps the data in memory if it fits, and waits until it is there, so that reading has a time of its own. */
static void load(kmeans_run *run)
{
    double start = cli_now(), bytes = (double)sabal_array_bytes(run->x), room;
    char   have[32], need[32];

    room           = run->memory >= 0 ? (double)run->memory : 0.75 * memory_free();
    run->in_memory = bytes <= room;
    if (!run->in_memory) {
        cli_note("%s: %s of data, more than the %s to be used for it: the file is read again in each pass", run->file,
                 cli_bytes(need, bytes), cli_bytes(have, room));
        return;
    }
    watch_begin(&run->watch, "reading", sabal_array_n_chunks(run->x, 0));
    run->x = sabal_persist(run->x);
    watch_wait(&run->watch);
    run->read_seconds = cli_now() - start;
}

static int read_data(kmeans_run *run)
{
    char rows[32];

    run->x = open_array(run, run->file, &run->file_type);
    if (!run->x)
        return CLI_FAILURE;
    run->rows     = sabal_array_extent(run->x, 0);
    run->features = sabal_array_extent(run->x, 1);
    if (run->features < 1)
        return cli_fail("%s: has no columns, and k-means takes at least one; name other data", run->file);
    if (run->k > run->rows)
        return cli_fail("%s: %" PRId64 " clusters asked of %s row%s; ask for fewer with -k", run->file, run->k,
                        cli_count(rows, run->rows), run->rows == 1 ? "" : "s");
    load(run);
    return CLI_GO_ON;
}

/* --- the fit ----------------------------------------------------------------------------------------------- */

static int open_init(kmeans_run *run, const sabal_array **init)
{
    char        path[PATH_MAX];
    sabal_dtype unused;
    int         st = input_check(path, run->init);
    int64_t     k;

    if (st != CLI_GO_ON)
        return st;
    *init = open_array(run, run->init, &unused);
    if (!*init)
        return CLI_FAILURE;
    k = sabal_array_extent(*init, 0);
    if (run->k && run->k != k)
        return cli_fail("%s: holds %" PRId64 " centres, but -k asks for %" PRId64 "; leave -k away", run->init, k,
                        run->k);
    if (sabal_array_extent(*init, 1) != run->features)
        return cli_fail("%s: its centres have %" PRId64 " features, but the rows of %s have %" PRId64
                        "; give centres of the same width",
                        run->init, sabal_array_extent(*init, 1), run->file, run->features);
    if (k < 1 || k > run->rows || k > INT32_MAX)
        return cli_fail("%s: holds %" PRId64 " centres for %" PRId64 " rows; give from 1 centre to one a row",
                        run->init, k, run->rows);
    run->k = k;
    return CLI_GO_ON;
}

static int fit(kmeans_run *run)
{
    const sabal_array *init = NULL;
    sabal_error        err  = SABAL_ERROR_INIT;

    if (init_is_file(run)) {
        int st = open_init(run, &init);

        if (st != CLI_GO_ON)
            return st;
    }
    watch_begin(&run->watch, "seeding", sabal_array_n_chunks(run->x, 0));
    run->model =
        sabal_kmeans_fit(run->x, .n_clusters = (int32_t)run->k, .init = init ? "k-means||" : run->init,
                         .init_centers = init, .n_init = (int32_t)run->n_init, .max_iter = (int32_t)run->max_iter,
                         .tol = run->tol, .seed = run->seed, .progress = watch_fit, .progress_user = &run->watch);
    if (sabal_kmeans_error(run->model))
        return cli_error(run->file, sabal_kmeans_error(run->model));
    run->times.struct_size = sizeof run->times;
    sabal_kmeans_times_get(run->model, &run->times);
    if (sabal_compute(&run->centers, sabal_kmeans_centers(run->model), &err))
        return cli_error(run->file, &err);
    return CLI_GO_ON;
}

/* --- the results ------------------------------------------------------------------------------------------- */

/* Counts the rows of each cluster, some MiB of labels at a time. */
static int count_sizes(kmeans_run *run, const sabal_array *labels)
{
    int64_t chunk = sabal_array_chunk_extent(labels, 0, 0), window;

    window     = chunk > 0 && chunk < 1 << 22 ? ((1 << 22) / chunk) * chunk : chunk;
    run->sizes = calloc((size_t)run->k, sizeof *run->sizes);
    if (!run->sizes)
        return cli_fail("out of memory; ask for fewer clusters");
    for (int64_t first = 0; first < run->rows; first += window) {
        SABAL_SCOPE(run->client);
        sabal_error    err  = SABAL_ERROR_INIT;
        int64_t        last = first + window < run->rows ? first + window : run->rows;
        sabal_ndarray *part;
        const int32_t *label;

        if (sabal_compute(&part, sabal_array_rows(labels, first, last), &err)) {
            free(run->sizes);
            run->sizes = NULL;
            return cli_error(run->file, &err);
        }
        label = sabal_ndarray_data(part);
        for (int64_t i = 0; i < last - first; i++)
            run->sizes[label[i]]++;
    }
    return CLI_GO_ON;
}

static int write_labels(kmeans_run *run)
{
    const sabal_array *labels = sabal_kmeans_labels(run->model);
    sabal_error        err    = SABAL_ERROR_INIT;

    if (!run->labels_file)
        return CLI_GO_ON;
    watch_begin(&run->watch, "writing labels", sabal_array_n_chunks(labels, 0));
    if (output_store(&run->labels_out, labels, "/labels", &err))
        return cli_error(run->labels_out.path, &err);
    run->labels_written = 1;
    return CLI_GO_ON;
}

/* Where labels went to a file, counting them there is cheaper than finding them twice. */
static int count(kmeans_run *run)
{
    const sabal_array *labels = sabal_kmeans_labels(run->model);

    if (run->json && !run->plot_file)
        return CLI_GO_ON;
    if (run->labels_written && output_has_ending(run->labels_out.path, ".npy"))
        labels = sabal_array_read_npy(run->client, run->labels_out.path);
    watch_begin(&run->watch, "counting", sabal_array_n_chunks(labels, 0));
    return count_sizes(run, labels);
}

static int write_centers(kmeans_run *run)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (!run->centers_file)
        return CLI_GO_ON;
    if (output_store(&run->centers_out, sabal_kmeans_centers(run->model), "/centers", &err))
        return cli_error(run->centers_out.path, &err);
    run->centers_written = 1;
    return CLI_GO_ON;
}

static int draw(kmeans_run *run)
{
    if (!run->plot_file || !run->sizes) /* what could not be counted has been told */
        return CLI_GO_ON;
    watch_begin(&run->watch, "drawing", 0);
    return kmeans_draw(run);
}

/* A result that can't be written is no reason to keep the others from the user: the first bad status is kept. */
static int finish(kmeans_run *run)
{
    int (*const steps[])(kmeans_run * run) = {write_centers, write_labels, count, draw};
    int st                                 = CLI_GO_ON, step;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        step = steps[i](run);
        st   = st == CLI_GO_ON ? step : st;
    }
    watch_close(&run->watch);
    run->total_seconds = cli_now() - run->started;
    step               = run->json ? kmeans_print_json(run) : kmeans_print(run);
    return st == CLI_GO_ON ? step : st;
}

static int work(kmeans_run *run)
{
    sabal_error err = SABAL_ERROR_INIT;
    int         st;

    run->started = cli_now();
    run->client  = sabal_open(run->scheduler_file, &err, .threads = (int32_t)run->threads);
    if (sabal_client_error(run->client)) {
        st = cli_fail("%s", err.message);
        goto done;
    }
    watch_open(&run->watch, run->client);
    st = read_data(run);
    if (st == CLI_GO_ON)
        st = fit(run);
    if (st == CLI_GO_ON)
        st = finish(run);
done:
    watch_close(&run->watch);
    sabal_close(run->client);
    free(run->sizes);
    return st;
}

static int run_kmeans(const cli_command *command, int argc, char **argv)
{
    kmeans_run       run = {.init = "k-means||", .n_init_text = "auto", .max_iter = 300, .tol = 1e-4, .memory = -1};
    const cli_option options[] = {
        {"clusters", 'k', "N", CLI_INT, &run.k, 1, INT32_MAX,
         "number of clusters (needed, unless --init names a file)"},
        {"init", 0, "HOW", CLI_TEXT, &run.init, 0, 0,
         "first centres: 'k-means||' (default), 'k-means++',\n'random', or a file of them, FILE.npy"},
        {"n-init", 0, "N", CLI_TEXT, &run.n_init_text, 0, 0,
         "runs, of which the best is kept (default: auto: 1,\nbut 10 for random)"},
        {"max-iter", 0, "N", CLI_INT, &run.max_iter, 1, INT32_MAX, "passes at most (default: 300)"},
        {"tol", 0, "X", CLI_REAL, &run.tol, 0, 0, "stop when the centres move less (default: 1e-4)"},
        {"seed", 's', "N", CLI_SEED, &run.seed, 0, 0, "same seed, same result (default: 0)"},
        CLI_THREADS(&run.threads),
        CLI_CLUSTER(&run.scheduler_file),
        {"chunk-rows", 0, "N", CLI_INT, &run.chunk_rows, 1, INT64_MAX, "rows of a chunk (default: some MiB of them)"},
        {"memory", 0, "SIZE", CLI_BYTES, &run.memory, 0, 0,
         "keep data up to this size in memory, such as 16G\n(default: 3/4 of what is free; 0: read the file in\n"
         "each pass)"},
        {"labels", 0, "OUT.npy", CLI_TEXT, &run.labels_file, 0, 0, "write the cluster of each row, int32"},
        {"centers", 0, "OUT.npy", CLI_TEXT, &run.centers_file, 0, 0, "write the centres, float64"},
        {"plot", 0, "OUT.svg", CLI_TEXT, &run.plot_file, 0, 0, "draw a sample of the rows (.svg, .pdf or .png)"},
        {"json", 0, NULL, CLI_FLAG, &run.json, 0, 0, "print one JSON object"},
        CLI_HELP_OPTION,
        CLI_END,
    };
    int st = cli_parse(command, options, &run.file, argc, argv);

    if (st == CLI_GO_ON)
        st = check(command, &run);
    return st == CLI_GO_ON ? work(&run) : st;
}

const cli_command kmeans_command = {
    .name    = "kmeans",
    .operand = "FILE[:DATASET]",
    .usage   = "FILE[:DATASET] -k N [options]",
    .summary = "group the rows of a file around centres",
    .text    = "Groups the rows of FILE, a .npy file or a data set of an HDF5 file, around N\n"
               "centres (k-means, by Lloyd's iteration), and prints centres and sizes. Outputs\n"
               "that exist are overwritten.",
    .run     = run_kmeans,
};
