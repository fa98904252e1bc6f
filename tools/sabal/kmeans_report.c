/* What sabal kmeans prints and draws. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "kmeans.h"
#include "plot.h"
#include "sample.h"

/* The most memory this process has had, in bytes. (getrusage() would count what was there before exec.) */
static int64_t peak_rss(void)
{
    FILE   *file = fopen("/proc/self/status", "re");
    char    line[256];
    int64_t kib = 0;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %" SCNd64, &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib * 1024;
}

/* JSON has no infinity: data near the largest double may have an inertia beyond it. */
static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

int kmeans_print_json(const kmeans_run *run)
{
    const double *center = sabal_ndarray_data(run->centers);
    json_t       *rows   = json_array(), *root;
    int           failed;

    for (int64_t c = 0; c < run->k; c++) {
        json_t *row = json_array();

        for (int64_t f = 0; f < run->features; f++)
            json_array_append_new(row, real(center[c * run->features + f]));
        json_array_append_new(rows, row);
    }
    root = json_pack("{s:o, s:o, s:i, s:b, s:{s:f, s:f, s:f, s:f}, s:I, s:I, s:i, s:I}", "centers", rows, "inertia",
                     real(sabal_kmeans_inertia(run->model)), "n_iter", (int)sabal_kmeans_n_iter(run->model),
                     "converged", (int)sabal_kmeans_converged(run->model), "seconds", "read", run->read_seconds, "seed",
                     run->times.seed, "iterate", run->times.iterate, "total", run->total_seconds, "rows",
                     (json_int_t)run->rows, "features", (json_int_t)run->features, "threads",
                     (int)sabal_client_threads(run->client), "peak_rss_bytes", (json_int_t)peak_rss());
    if (!root)
        return cli_fail("out of memory; leave --json away");
    failed = json_dumpf(root, stdout, JSON_REAL_PRECISION(17));
    putchar('\n');
    json_decref(root);
    if (failed && !ferror(stdout))
        return cli_fail("out of memory; leave --json away");
    return cli_finish_stdout();
}

/* --- for a person ------------------------------------------------------------------------------------------ */

#define COLUMN        13
#define MOST_CLUSTERS 60

static int64_t shown_features(const kmeans_run *run)
{
    struct winsize size;
    int            width = 100, room;

    if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col > 60)
        width = size.ws_col;
    room = (width - 33) / COLUMN;
    return run->features <= room ? run->features : room;
}

static void print_centers(const kmeans_run *run, const char *bold, const char *plain)
{
    const double *center   = sabal_ndarray_data(run->centers);
    int64_t       features = shown_features(run), clusters = run->k <= MOST_CLUSTERS ? run->k : MOST_CLUSTERS;
    char          text[48];

    printf("\n%s  cluster %14s  share", bold, run->sizes ? "rows" : "");
    for (int64_t f = 0; f < features; f++) {
        snprintf(text, sizeof text, "%s%" PRId64, f ? "" : "feature ", f);
        printf(" %*s", COLUMN - 1, text);
    }
    printf("%s%s\n", features < run->features ? " ..." : "", plain);
    for (int64_t c = 0; c < clusters; c++) {
        if (run->sizes)
            printf("%9" PRId64 " %14s %5.1f%%", c, cli_count(text, run->sizes[c]),
                   100.0 * (double)run->sizes[c] / (double)run->rows);
        else
            printf("%9" PRId64 " %14s %6s", c, "", "");
        for (int64_t f = 0; f < features; f++)
            printf(" %*.6g", COLUMN - 1, center[c * run->features + f]);
        putchar('\n');
    }
    if (clusters < run->k)
        printf("      ... and %s more clusters\n", cli_count(text, run->k - clusters));
    if (features < run->features)
        printf("      ... and %s more features", cli_count(text, run->features - features));
    if (clusters < run->k || features < run->features)
        printf("%s\n", run->centers_written ? "" : " (--centers OUT.npy writes all)");
}

static void print_times(const kmeans_run *run)
{
    char   read[32], seed[32], iterate[32], rest[32], total[32], speed[32];
    double passes = (double)run->rows * sabal_kmeans_n_iter(run->model) / run->times.iterate;

    printf("  time        %s: read %s, seed %s, iterate %s, the rest %s; %d thread%s\n",
           cli_seconds(total, run->total_seconds),
           run->in_memory ? cli_seconds(read, run->read_seconds) : "in each pass", cli_seconds(seed, run->times.seed),
           cli_seconds(iterate, run->times.iterate),
           cli_seconds(rest, fmax(0, run->total_seconds - run->read_seconds - run->times.seed - run->times.iterate)),
           sabal_client_threads(run->client), sabal_client_threads(run->client) == 1 ? "" : "s");
    if (isfinite(passes) && passes > 0 && (run->n_init == 1 || (!run->n_init && strcmp(run->init, "random") != 0)))
        printf("  speed       %s rows/s in a pass\n", cli_count(speed, (int64_t)passes));
}

static void print_files(const kmeans_run *run)
{
    char n[32];

    if (run->centers_written)
        printf("  centres     %s\n", run->centers_file);
    if (run->labels_written)
        printf("  labels      %s\n", run->labels_file);
    if (run->plotted)
        printf("  picture     %s (%s of the rows)\n", run->plot_file,
               run->plotted == run->rows ? "all" : cli_count(n, run->plotted));
}

int kmeans_print(const kmeans_run *run)
{
    const char *term   = getenv("TERM");
    int         colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
    const char *bold = colour ? "\033[1m" : "", *plain = colour ? "\033[0m" : "";
    char        rows[32], features[32], bytes[32];
    int32_t     n_iter = sabal_kmeans_n_iter(run->model);

    printf("%s%s%s: %s rows x %s feature%s, %s, %s%s\n", bold, run->file, plain, cli_count(rows, run->rows),
           cli_count(features, run->features), run->features == 1 ? "" : "s", sabal_dtype_name(run->file_type),
           cli_bytes(bytes, (double)sabal_array_bytes(run->x)), run->in_memory ? " in memory" : ", read in each pass");
    print_centers(run, bold, plain);
    printf("\n  inertia     %.10g (%.6g a row)\n", sabal_kmeans_inertia(run->model),
           sabal_kmeans_inertia(run->model) / (double)run->rows);
    printf("  iterations  %d, %s\n", n_iter,
           sabal_kmeans_converged(run->model) ? "converged" : "not converged: raise --max-iter or --tol");
    print_times(run);
    print_files(run);
    return cli_finish_stdout();
}

/* --- the picture ------------------------------------------------------------------------------------------- */

#define MOST_POINTS 20000
#define MOST_BYTES  ((int64_t)64 << 20) /* of the sample's rows */

static sabal_status label_sample(int32_t *labels, const kmeans_run *run, const sample *s, sabal_error *err)
{
    SABAL_SCOPE(run->client);
    int64_t        shape[2] = {s->n, s->d};
    sabal_array   *rows     = sabal_array_from_memory(run->client, s->rows, SABAL_FLOAT64, 2, shape, .copy = 1);
    sabal_ndarray *found;
    sabal_status   st = sabal_compute(&found, sabal_kmeans_predict(run->model, rows), err);

    if (!st)
        memcpy(labels, sabal_ndarray_data(found), (size_t)s->n * sizeof *labels);
    return st;
}

static void axis_label(char *text, size_t size, const kmeans_run *run, const plane *p, int axis)
{
    if (run->features > 2)
        snprintf(text, size, "%s principal component (%.0f%% of the variance)", axis ? "second" : "first",
                 100 * p->share[axis]);
    else
        snprintf(text, size, run->features == 1 && axis ? "rows shown" : "feature %d", axis);
}

static int draw(kmeans_run *run, const sample *s, const plane *p, double *points, double *centers, int32_t *labels)
{
    char        title[PATH_MAX + 64], subtitle[256], x_label[80], y_label[80], rows[32], shown[32], features[32];
    char        message[256], inertia[32];
    double      sum     = sabal_kmeans_inertia(run->model);
    const char *name    = strrchr(run->file, '/');
    plot        drawing = {.n         = s->n,
                           .points    = points,
                           .labels    = labels,
                           .k         = (int32_t)run->k,
                           .centers   = centers,
                           .sizes     = run->sizes,
                           .histogram = run->features == 1,
                           .title     = title,
                           .subtitle  = subtitle,
                           .x_label   = x_label,
                           .y_label   = y_label};

    plane_map(points, p, s->rows, s->n);
    plane_map(centers, p, sabal_ndarray_data(run->centers), run->k);
    snprintf(title, sizeof title, "%s: %" PRId64 " cluster%s", name ? name + 1 : run->file, run->k,
             run->k == 1 ? "" : "s");
    if (sum >= 1e5 && sum < 1e15)
        cli_count(inertia, (int64_t)sum);
    else
        snprintf(inertia, sizeof inertia, "%.6g", sum);
    snprintf(subtitle, sizeof subtitle, "k-means of %s rows x %s feature%s%s%s%s; inertia %s after %d pass%s",
             cli_count(rows, run->rows), cli_count(features, run->features), run->features == 1 ? "" : "s",
             s->n < run->rows ? "; " : "", s->n < run->rows ? cli_count(shown, s->n) : "",
             s->n < run->rows ? " of them shown" : "", inertia, sabal_kmeans_n_iter(run->model),
             sabal_kmeans_n_iter(run->model) == 1 ? "" : "es");
    axis_label(x_label, sizeof x_label, run, p, 0);
    axis_label(y_label, sizeof y_label, run, p, 1);
    if (plot_write(&drawing, run->plot_out.path, message))
        return cli_fail("%s: the picture could not be written: %s; free some space or write elsewhere",
                        run->plot_out.path, message);
    run->plotted = s->n;
    return CLI_GO_ON;
}

int kmeans_draw(kmeans_run *run)
{
    sabal_error err    = SABAL_ERROR_INIT;
    sample      s      = {0};
    plane       p      = {0};
    double     *points = NULL, *centers = NULL;
    int32_t    *labels = NULL;
    int64_t     wanted = MOST_BYTES / (run->features * (int64_t)sizeof(double));
    int         st     = CLI_FAILURE;

    wanted = wanted > MOST_POINTS ? MOST_POINTS : wanted < 500 ? 500 : wanted;
    if (sample_take(&s, run->x, wanted, &err))
        goto failed;
    points  = malloc((size_t)s.n * 2 * sizeof *points);
    labels  = malloc((size_t)s.n * sizeof *labels);
    centers = malloc((size_t)run->k * 2 * sizeof *centers);
    if (!points || !labels || !centers || plane_fit(&p, &s))
        goto failed;
    if (label_sample(labels, run, &s, &err))
        goto failed;
    st = draw(run, &s, &p, points, centers, labels);
    goto done;
failed:
    if (err.status)
        cli_error(run->file, &err);
    else
        cli_fail("%s: no memory for the picture; leave --plot away", run->plot_file);
done:
    free(points);
    free(labels);
    free(centers);
    plane_clear(&p);
    sample_clear(&s);
    return st;
}
