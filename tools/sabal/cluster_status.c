/* sabal status: what a cluster is and does. */
#include "cluster_status.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sabal/sabal.h>

#include "cli.h"
#include "scheduler_file.h"

/* A worker, copied: what a scheduler tells is borrowed. */
typedef struct row {
    sabal_worker_info info;
    char              name[64], host[65];
    char             *resources, *used;
} row;

typedef struct table {
    row    *rows;
    int32_t n, room;
    int     failed;
} table;

/* Names come from elsewhere: nothing that a terminal would obey, or JSON not take. */
static void copy_name(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
    for (char *c = to; *c; c++)
        if (!isprint((unsigned char)*c) || (unsigned char)*c > 126)
            *c = '?';
}

static char *copy_text(const char *from)
{
    const size_t size = strlen(from) + 1;
    char        *text = malloc(size);

    if (text)
        copy_name(text, size, from);
    return text;
}

static int32_t take_worker(void *user, const sabal_worker_info *worker)
{
    table *t = user;
    row   *r;

    if (t->n == t->room) {
        const int32_t room = t->room ? 2 * t->room : 16;
        row          *more = realloc(t->rows, (size_t)room * sizeof *more);

        if (!more) {
            t->failed = 1;
            return 1;
        }
        t->rows = more;
        t->room = room;
    }
    r  = &t->rows[t->n++];
    *r = (row){.info = *worker, .resources = copy_text(worker->resources), .used = copy_text(worker->resources_used)};
    copy_name(r->name, sizeof r->name, worker->name);
    copy_name(r->host, sizeof r->host, worker->host);
    t->failed = !r->resources || !r->used;
    return t->failed;
}

static void free_table(table *t)
{
    for (int32_t i = 0; i < t->n; i++) {
        free(t->rows[i].resources);
        free(t->rows[i].used);
    }
    free(t->rows);
}

/* Of "gpu=2,licence=1" the first, and where the next begins; NULL: there is none. */
static const char *next_resource(char name[64], double *amount, const char *at)
{
    const size_t length = strcspn(at, "=,");

    if (!*at)
        return NULL;
    snprintf(name, 64, "%.*s", (int)(length < 63 ? length : 63), at);
    *amount = at[length] == '=' ? strtod(at + length + 1, NULL) : 0;
    at += strcspn(at, ",");
    return at + (*at != 0);
}

/* --- for people --------------------------------------------------------------------------------------------- */

enum { COLUMNS = 13, CELL = 1600 };
typedef char cells[COLUMNS][CELL];

static const cells HEADS = {"worker", "name", "host",   "process", "threads", "memory",   "running",
                            "queued", "done", "failed", "state",   "heard",   "resources"};

static int is_text(int column)
{
    return column == 1 || column == 2 || column >= 10;
}

/* "gpu 1 of 2, licence 0 of 1" */
static void fill_resources(char *text, const row *r)
{
    const char *at = r->resources, *used = r->used;
    char        name[64];
    double      has, takes = 0;
    size_t      n = 0;

    text[0] = 0;
    while (n < CELL && (at = next_resource(name, &has, at))) {
        used = used ? next_resource((char[64]){0}, &takes, used) : NULL;
        n += (size_t)snprintf(text + n, CELL - n, "%s%s %.15g of %.15g", n ? ", " : "", name, takes, has);
    }
}

static void fill_row(cells c, const row *r)
{
    const sabal_worker_info *w = &r->info;
    char                     used[32], limit[32], number[32];

    snprintf(c[0], CELL, "%" PRId64, w->number);
    snprintf(c[1], CELL, "%s", r->name);
    snprintf(c[2], CELL, "%s", r->host);
    snprintf(c[3], CELL, "%d", (int)w->pid);
    snprintf(c[4], CELL, "%d", (int)w->threads);
    if (w->memory_limit)
        snprintf(c[5], CELL, "%s of %s", cli_bytes(used, (double)w->memory_used),
                 cli_bytes(limit, (double)w->memory_limit));
    else
        snprintf(c[5], CELL, "%s", cli_bytes(used, (double)w->memory_used));
    snprintf(c[6], CELL, "%s", cli_count(number, w->running));
    snprintf(c[7], CELL, "%s", cli_count(number, w->queued));
    snprintf(c[8], CELL, "%s", cli_count(number, w->done));
    snprintf(c[9], CELL, "%s", cli_count(number, w->failed));
    snprintf(c[10], CELL, "%s", w->state);
    snprintf(c[11], CELL, "%s ago", cli_seconds(number, (double)w->silent_ns / 1e9));
    fill_resources(c[12], r);
}

/* The last column is there if somebody has something to say in it. */
static void print_cells(const cells c, const int widths[COLUMNS])
{
    const int last = widths[COLUMNS - 1] ? COLUMNS - 1 : COLUMNS - 2;

    for (int i = 0; i < last; i++)
        printf("  %*s", is_text(i) ? -widths[i] : widths[i], c[i]);
    printf("  %s\n", c[last]);
}

static void print_workers(const table *t)
{
    int   widths[COLUMNS] = {0};
    cells c;

    for (int i = 0; i < COLUMNS - 1; i++)
        widths[i] = (int)strlen(HEADS[i]);
    for (int32_t k = 0; k < t->n; k++) {
        fill_row(c, &t->rows[k]);
        for (int i = 0; i < COLUMNS; i++)
            if ((int)strlen(c[i]) > widths[i])
                widths[i] = (int)strlen(c[i]);
    }
    putchar('\n');
    print_cells(HEADS, widths);
    for (int32_t k = 0; k < t->n; k++) {
        fill_row(c, &t->rows[k]);
        print_cells(c, widths);
    }
}

static void print_tasks(const sabal_cluster_info *info)
{
    const struct {
        const char *what;
        int64_t     n;
    } STATES[] = {{"wait for inputs", info->waiting}, {"ready", info->ready},      {"with workers", info->sent},
                  {"chained", info->chained},         {"values held", info->done}, {"failed", info->failed},
                  {"released", info->released}};
    char number[32];

    printf("  tasks      %s ended, ", cli_count(number, info->ended));
    printf("%s a second", cli_count(number, (int64_t)(info->per_second + 0.5)));
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (STATES[i].n)
            printf("; %s %s", cli_count(number, STATES[i].n), STATES[i].what);
    putchar('\n');
}

static void print_text(const char *file, const sabal_cluster_info *info, const table *t)
{
    char host[65], age[32];

    copy_name(host, sizeof host, info->host);
    printf("%s\n", file);
    printf("  cluster    %s, sabal %s, up %s\n", info->id, info->version, cli_seconds(age, (double)info->age_ns / 1e9));
    printf("  scheduler  process %d on %s%s\n", (int)info->pid, host, info->is_here ? ", this machine" : "");
    printf("  addresses  %s\n", info->addresses);
    printf("  clients    %d\n", (int)info->clients);
    printf("  workers    %d, with %d threads\n", (int)info->workers, (int)info->threads);
    print_tasks(info);
    if (t->n)
        print_workers(t);
}

/* --- for programs ------------------------------------------------------------------------------------------- */

static json_t *list_addresses(const char *text)
{
    json_t *list = json_array();

    while (*text) {
        const char *end    = strstr(text, ", ");
        size_t      length = end ? (size_t)(end - text) : strlen(text);

        json_array_append_new(list, json_stringn(text, length));
        text += length + (end ? 2 : 0);
    }
    return list;
}

static json_t *resources_object(const char *text)
{
    json_t *object = json_object();
    char    name[64];
    double  amount;

    while ((text = next_resource(name, &amount, text)))
        json_object_set_new(object, name, json_real(amount));
    return object;
}

static json_t *worker_object(const row *r)
{
    const sabal_worker_info *w = &r->info;

    return json_pack("{s:I, s:s, s:s, s:i, s:b, s:i, s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:f, s:o, s:o}", "number",
                     (json_int_t)w->number, "name", r->name, "host", r->host, "pid", (int)w->pid, "is_here",
                     (int)w->is_here, "threads", (int)w->threads, "state", w->state, "memory_used",
                     (json_int_t)w->memory_used, "memory_limit",
                     w->memory_limit ? json_integer((json_int_t)w->memory_limit) : json_null(), "running",
                     (json_int_t)w->running, "queued", (json_int_t)w->queued, "done", (json_int_t)w->done, "failed",
                     (json_int_t)w->failed, "silent_seconds", (double)w->silent_ns / 1e9, "resources",
                     resources_object(r->resources), "resources_used", resources_object(r->used));
}

static json_t *tasks_object(const sabal_cluster_info *info)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "waiting", (json_int_t)info->waiting, "ready",
                     (json_int_t)info->ready, "sent", (json_int_t)info->sent, "chained", (json_int_t)info->chained,
                     "done", (json_int_t)info->done, "failed", (json_int_t)info->failed, "released",
                     (json_int_t)info->released, "ended", (json_int_t)info->ended, "per_second", info->per_second);
}

static int print_json(const char *file, const sabal_cluster_info *info, const table *t)
{
    char    host[65];
    json_t *workers = json_array(), *root;

    copy_name(host, sizeof host, info->host);
    for (int32_t i = 0; i < t->n; i++)
        json_array_append_new(workers, worker_object(&t->rows[i]));
    root = json_pack("{s:s, s:s, s:s, s:f, s:{s:s, s:i, s:b, s:o}, s:i, s:i, s:o, s:o}", "file", file, "id", info->id,
                     "version", info->version, "age_seconds", (double)info->age_ns / 1e9, "scheduler", "host", host,
                     "pid", (int)info->pid, "is_here", (int)info->is_here, "addresses", list_addresses(info->addresses),
                     "clients", (int)info->clients, "threads", (int)info->threads, "tasks", tasks_object(info),
                     "workers", workers);
    if (!root)
        return cli_fail("out of memory, or the file's name is no UTF-8");
    json_dumpf(root, stdout, JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
    return CLI_OK;
}

/* --- the command -------------------------------------------------------------------------------------------- */

int status_show(const char *file, int as_json)
{
    sabal_cluster_info info = {.struct_size = sizeof info};
    table              t    = {0};
    sabal_error        err  = SABAL_ERROR_INIT;
    int                st   = CLI_OK;

    if (sabal_cluster_info_get(&info, take_worker, &t, file, &err))
        st = cli_error(file, &err);
    else if (t.failed)
        st = cli_fail("out of memory for %d workers", (int)info.workers);
    else if (as_json)
        st = print_json(file, &info, &t);
    else
        print_text(file, &info, &t);
    free_table(&t);
    return st == CLI_OK ? cli_finish_stdout() : st;
}

static int run(const cli_command *command, int argc, char **argv)
{
    int              as_json = 0, st;
    const char      *given   = NULL, *operand;
    char             file[PATH_MAX];
    const cli_option options[] = {
        CLI_CLUSTER_FILE(&given),
        {"json", 0, NULL, CLI_FLAG, &as_json, 0, 0, "print one JSON object"},
        CLI_HELP_OPTION,
        CLI_END,
    };

    st = cli_parse(command, options, &operand, argc, argv);
    if (st == CLI_GO_ON && operand && given)
        st = cli_usage(command, "'%s' and --scheduler-file: name one", operand);
    if (st == CLI_GO_ON)
        st = scheduler_file_find(file, command, operand ? operand : given);
    return st == CLI_GO_ON ? status_show(file, as_json) : st;
}

const cli_command status_command = {
    .name    = "status",
    .operand = "[FILE]",
    .usage   = "[FILE] [options]",
    .summary = "show what a cluster is and does",
    .text    = "Asks the scheduler of FILE what its cluster is and does: its age and addresses,\n"
               "tasks by state, and each worker with its threads, memory, tasks and resources.",
    .run     = run,
};
