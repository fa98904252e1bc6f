/* sabal info: what a file holds. */
#include <inttypes.h>
#include <limits.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include <sabal/sabal.h>

#include "cli.h"
#include "input.h"
#include "output.h"

#define MOST_NAMES 200

typedef struct listing {
    const char *wanted; /* the one data set to show; "": all of them */
    int64_t     n, shown;
    int         widths[3]; /* of names, types and shapes */
    json_t     *json;      /* an array; NULL: text is printed */
    int         printing, failed;
    char        names[MOST_NAMES][128]; /* of the first ones, for the message if the wanted one isn't there */
} listing;

/* "/data" and "data" are the same data set. */
static int same_name(const char *a, const char *b)
{
    return !strcmp(a + (*a == '/'), b + (*b == '/'));
}

static void shape_text(char *text, size_t size, const sabal_file_entry *entry)
{
    size_t at = 0;

    text[0] = 0;
    for (int32_t i = 0; i < entry->ndim && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, i ? " x " : "", entry->shape[i]);
    if (!entry->ndim)
        snprintf(text, size, "scalar");
}

static void add_json(listing *list, const sabal_file_entry *entry)
{
    json_t *shape = json_array(), *one;

    for (int32_t i = 0; i < entry->ndim; i++)
        json_array_append_new(shape, json_integer(entry->shape[i]));
    one = json_pack("{s:s?, s:s, s:o, s:s, s:I, s:b}", "name", entry->name, "dtype", entry->dtype, "shape", shape,
                    "layout", entry->layout ? entry->layout : "", "stored_bytes", (json_int_t)entry->stored_bytes,
                    "readable", (int)entry->readable);
    if (!one || json_array_append_new(list->json, one))
        list->failed = 1;
}

static void widen(int *width, const char *text)
{
    if ((int)strlen(text) > *width)
        *width = (int)strlen(text);
}

/* Called for each array, twice over: first to measure, then to print. */
static int32_t show(void *user, const sabal_file_entry *entry)
{
    listing    *list = user;
    const char *name = entry->name ? entry->name : "array";
    char        shape[700], bytes[32];

    if (!list->printing && list->n < MOST_NAMES)
        snprintf(list->names[list->n], sizeof *list->names, "%s", name);
    list->n++;
    if (*list->wanted && !same_name(list->wanted, name))
        return 0;
    list->shown++;
    shape_text(shape, sizeof shape, entry);
    if (!list->printing) {
        widen(&list->widths[0], name);
        widen(&list->widths[1], entry->dtype);
        widen(&list->widths[2], shape);
        return 0;
    }
    if (list->json) {
        add_json(list, entry);
        return 0;
    }
    printf("  %-*s  %-*s  %-*s %10s  %s%s\n", list->widths[0], name, list->widths[1], entry->dtype, list->widths[2],
           shape, cli_bytes(bytes, (double)entry->stored_bytes), entry->layout ? entry->layout : "",
           entry->readable ? "" : "  (sabal can't read it)");
    return 0;
}

static int no_such_dataset(const listing *list, const char *path)
{
    const char *names[MOST_NAMES], *near;
    size_t      n = list->n < MOST_NAMES ? (size_t)list->n : MOST_NAMES;

    for (size_t i = 0; i < n; i++)
        names[i] = list->names[i];
    near = cli_nearest(list->wanted, names, sizeof *names, n);
    if (near)
        return cli_fail("%s: no data set '%s'; did you mean '%s'?", path, list->wanted, near);
    return cli_fail("%s: no data set '%s'; 'sabal info %s' lists the %" PRId64 " there are", path, list->wanted, path,
                    list->n);
}

static int print_listing(listing *list, const char *path, int as_json)
{
    sabal_error err  = SABAL_ERROR_INIT;
    json_t     *root = NULL;
    int         st   = CLI_FAILURE;

    list->printing = 1;
    list->n = list->shown = 0;
    if (as_json) {
        list->json = json_array();
        root       = json_pack("{s:s, s:o}", "file", path, "arrays", list->json);
        if (!root) {
            cli_fail("out of memory, or a name that is no UTF-8");
            goto done;
        }
    } else {
        printf("%s\n", path);
    }
    if (sabal_file_list(path, show, list, &err)) {
        cli_error(path, &err);
        goto done;
    }
    if (list->failed) {
        cli_fail("%s: a name in it is no UTF-8: leave --json away", path);
        goto done;
    }
    if (root) {
        json_dumpf(root, stdout, 0);
        putchar('\n');
    } else if (!list->shown) {
        printf("  no data sets\n");
    }
    st = cli_finish_stdout();
done:
    json_decref(root);
    return st;
}

static int run(const cli_command *command, int argc, char **argv)
{
    int              as_json   = 0, st;
    const cli_option options[] = {
        {"json", 0, NULL, CLI_FLAG, &as_json, 0, 0, "print one JSON object"},
        CLI_HELP_OPTION,
        CLI_END,
    };
    const char *file;
    char        path[PATH_MAX], dataset[256];
    listing     list = {.wanted = dataset};
    sabal_error err  = SABAL_ERROR_INIT;

    st = cli_parse(command, options, &file, argc, argv);
    if (st == CLI_GO_ON)
        st = input_check(path, file);
    if (st != CLI_GO_ON)
        return st;
    output_split(path, sizeof path, dataset, sizeof dataset, file);
    if (sabal_file_list(path, show, &list, &err))
        return cli_error(path, &err);
    if (*list.wanted && !list.shown)
        return no_such_dataset(&list, path);
    return print_listing(&list, path, as_json);
}

const cli_command info_command = {
    .name    = "info",
    .operand = "FILE[:DATASET]",
    .usage   = "FILE[:DATASET] [options]",
    .summary = "show what a .npy or HDF5 file holds",
    .text    = "Shows name, type, shape, bytes on disk and layout of the array in a .npy file,\n"
               "or of every data set in an HDF5 file (.h5, .hdf5, .he5, .nc).",
    .run     = run,
};
