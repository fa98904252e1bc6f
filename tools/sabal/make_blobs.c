/* sabal make-blobs: points around random centres, written to a file. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <sabal/sabal.h>

#include "cli.h"
#include "output.h"
#include "watch.h"

typedef struct blobs {
    int64_t     samples, features, centers, threads;
    double      std;
    uint64_t    seed;
    const char *file, *dtype, *labels_file, *scheduler_file;
    sabal_dtype type;
    output      out, labels_out;
} blobs;

static int check(const cli_command *command, blobs *b)
{
    sabal_error err = SABAL_ERROR_INIT;
    int         st;

    if (sabal_dtype_parse(&b->type, b->dtype, &err) || (b->type != SABAL_FLOAT32 && b->type != SABAL_FLOAT64))
        return cli_usage(command, "--dtype '%s': expected float64 or float32", b->dtype);
    st = output_check(&b->out, b->file, NULL);
    if (st == CLI_GO_ON)
        st = output_check(&b->labels_out, b->labels_file, NULL);
    if (st != CLI_GO_ON)
        return st;
    if (!output_is_hdf5(b->out.path) && !output_has_ending(b->out.path, ".npy"))
        return cli_usage(command, "'%s': the name must end in .npy or .h5 (or .hdf5, .he5, .nc)", b->file);
    if (b->labels_file && !output_is_hdf5(b->labels_out.path) && !output_has_ending(b->labels_out.path, ".npy"))
        return cli_usage(command, "--labels '%s': the name must end in .npy or .h5", b->labels_file);
    if (output_same(&b->out, &b->labels_out))
        return cli_usage(command,
                         "--labels '%s': is where the points go; choose another file, or name a data set for "
                         "each (FILE.h5:NAME)",
                         b->labels_file);
    return CLI_GO_ON;
}

static void report(const blobs *b, double seconds)
{
    char rows[32], bytes[32], time[32];

    printf("%s%s%s: %s rows x %" PRId64 " features around %" PRId64 " centres, %s, %s, made in %s\n", b->out.path,
           output_is_hdf5(b->out.path) ? ":" : "",
           !output_is_hdf5(b->out.path) ? ""
           : b->out.dataset[0]          ? b->out.dataset
                                        : "/data",
           cli_count(rows, b->samples), b->features, b->centers, b->dtype,
           cli_bytes(bytes, (double)b->samples * (double)b->features * (double)sabal_dtype_size(b->type)),
           cli_seconds(time, seconds));
}

static int make(blobs *b)
{
    sabal_error   err    = SABAL_ERROR_INIT;
    double        start  = cli_now();
    sabal_client *client = sabal_open(b->scheduler_file, &err, .threads = (int32_t)b->threads);
    watch         w      = {0};
    sabal_array  *x, *labels = NULL;
    int           st = CLI_FAILURE;

    if (sabal_client_error(client)) {
        cli_fail("%s", err.message);
        goto done;
    }
    x = sabal_make_blobs(client, .n_samples = b->samples, .n_features = b->features, .centers = (int32_t)b->centers,
                         .cluster_std = b->std, .seed = b->seed, .dtype = b->type, .labels = &labels);
    if (sabal_array_error(x)) {
        cli_error(b->file, sabal_array_error(x));
        goto done;
    }
    watch_open(&w, client);
    watch_begin(&w, "writing points", sabal_array_n_chunks(x, 0));
    if (output_store(&b->out, x, "/data", &err)) {
        cli_error(b->out.path, &err);
        goto done;
    }
    if (b->labels_file) {
        watch_begin(&w, "writing labels", sabal_array_n_chunks(labels, 0));
        if (output_store(&b->labels_out, labels, "/labels", &err)) {
            cli_error(b->labels_out.path, &err);
            goto done;
        }
    }
    watch_close(&w);
    report(b, cli_now() - start);
    st = cli_finish_stdout();
done:
    watch_close(&w);
    sabal_close(client);
    return st;
}

static int run(const cli_command *command, int argc, char **argv)
{
    blobs            b         = {.samples = 100, .features = 2, .centers = 3, .std = 1, .dtype = "float64"};
    const cli_option options[] = {
        {"samples", 'n', "N", CLI_INT, &b.samples, 1, INT64_MAX, "rows, also as 1e8 (default: 100)"},
        {"features", 'd', "N", CLI_INT, &b.features, 1, INT32_MAX, "columns (default: 2)"},
        {"centers", 'k', "N", CLI_INT, &b.centers, 1, INT32_MAX, "number of blobs (default: 3)"},
        {"std", 0, "X", CLI_REAL, &b.std, 0, 0, "standard deviation of each blob (default: 1)"},
        {"seed", 's', "N", CLI_SEED, &b.seed, 0, 0, "same seed, same points (default: 0)"},
        {"dtype", 0, "TYPE", CLI_TEXT, &b.dtype, 0, 0, "float64 or float32 (default: float64)"},
        {"labels", 0, "OUT.npy", CLI_TEXT, &b.labels_file, 0, 0, "write the blob of each row, int32"},
        CLI_THREADS(&b.threads),
        CLI_CLUSTER(&b.scheduler_file),
        CLI_HELP_OPTION,
        CLI_END,
    };
    int st = cli_parse(command, options, &b.file, argc, argv);

    if (st == CLI_GO_ON)
        st = check(command, &b);
    return st == CLI_GO_ON ? make(&b) : st;
}

const cli_command make_blobs_command = {
    .name    = "make-blobs",
    .operand = "OUT.npy|OUT.h5[:DATASET]",
    .usage   = "OUT.npy|OUT.h5[:DATASET] [options]",
    .summary = "make a file of points around random centres",
    .text    = "Writes points that lie normally around centres, which are drawn uniformly from\n"
               "[-10, 10] along each axis, as scikit-learn's make_blobs does. A file that exists\n"
               "is overwritten, but a DATASET that is named is added to an HDF5 file.",
    .run     = run,
};
