/* The trace: one event for each run, in JSON that Perfetto reads. */
#include <jansson.h>
#include <locale.h>
#include <stddef.h>

#include "support/engines.h"
#include "support/fib.h"

static sabal_client *client;
static sabal_error   err;
static char          path[64];

static void init(void)
{
    marks m = marks_make();

    err = (sabal_error)SABAL_ERROR_INIT;
    memcpy(path, m.path, sizeof path);
    unsetenv("SABAL_TRACE");
}

static void fini(void)
{
    unlink(path);
    unsetenv("SABAL_TRACE");
}

TestSuite(trace, .init = init, .fini = fini);

static json_t *load(void)
{
    json_error_t why;
    json_t      *root = json_load_file(path, 0, &why);

    if (!root)
        fprintf(stderr, "%s:%d: %s\n", path, why.line, why.text);
    cr_assert_not_null(root);
    return root;
}

static const char *text_of(json_t *event, const char *name)
{
    json_t *v = json_object_get(event, name);

    v = v ? v : json_object_get(json_object_get(event, "args"), name);
    return json_is_string(v) ? json_string_value(v) : "";
}

/* Number of events of a kind whose entry has this text; *last is the last of them. */
static int count(json_t *root, const char *ph, const char *name, const char *text, json_t **last)
{
    json_t *event;
    size_t  i;
    int     n = 0;

    json_array_foreach(json_object_get(root, "traceEvents"), i, event)
    {
        if (strcmp(text_of(event, "ph"), ph) || strcmp(text_of(event, name), text))
            continue;
        if (last)
            *last = event;
        n++;
    }
    return n;
}

Test(trace, each_task_is_an_event_with_name_key_time_bytes_status_and_line)
{
    json_t       *root, *event = NULL;
    sabal_future *f;
    char          key[64];
    const char   *line;

    client = sabal_open("local:", &err, .threads = 2, .trace = path);
    cr_assert_eq(err.status, SABAL_OK);
    f = NOTING(line, sabal_submit(client, task_square, (&(double){3}), sizeof(double)));
    snprintf(key, sizeof key, "%s", sabal_future_key(f));
    sabal_future_wait(f, &err);
    for (int i = 0; i < 1000; i++)
        sabal_submit(client, task_sum, NULL, 0);
    sabal_wait_all(SABAL_LIST(sabal_submit(client, task_fail, (&(int){1}), sizeof(int), .retries = 2)), NULL);
    sabal_wait_all(SABAL_LIST(f), &err);
    while (1) {
        sabal_client_stats s = {.struct_size = sizeof s};

        sabal_client_stats_get(client, &s);
        if (!s.pending)
            break;
    }
    sabal_close(client);
    root = load();
    cr_expect_eq(count(root, "X", "name", "task_square", &event), 1);
    cr_expect_str_eq(text_of(event, "key"), key);
    cr_expect_str_eq(text_of(event, "status"), "SABAL_OK");
    cr_expect_str_eq(text_of(event, "where"), line);
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(event, "args"), "bytes")), 8);
    cr_expect_geq(json_number_value(json_object_get(event, "dur")), 0);
    cr_expect_geq(json_number_value(json_object_get(event, "ts")), 0);
    cr_expect_gt(json_integer_value(json_object_get(event, "tid")), 0);
    cr_expect_eq(count(root, "X", "name", "task_sum", NULL), 1000);
    cr_expect_eq(count(root, "X", "name", "task_fail", &event), 3); /* each run */
    cr_expect_str_eq(text_of(event, "status"), "SABAL_EVALUE");
    cr_expect_geq(count(root, "M", "name", "thread_name", NULL), 1);
    json_decref(root);
}

Test(trace, what_is_closed_early_is_whole_and_has_what_never_ran)
{
    marks   m = marks_make();
    json_t *root, *event = NULL;

    setenv("SABAL_TRACE", path, 1);
    client = sabal_open("local:", &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK);
    sabal_submit(client, task_hold, &m, sizeof m);
    for (int i = 0; i < 10; i++)
        sabal_submit(client, task_sum, NULL, 0);
    marks_wait(&m, 1);
    sabal_close(client);
    root = load();
    cr_expect_eq(count(root, "i", "name", "task_sum", &event), 10);
    cr_expect_str_eq(text_of(event, "status"), "SABAL_ECLOSED");
    cr_expect_eq(count(root, "X", "name", "task_hold", NULL), 1);
    json_decref(root);
    marks_end(&m);
}

Test(trace, any_name_is_valid_json)
{
    json_t *root;

    client = sabal_open("local:", &err, .threads = 1, .trace = path);
    sabal_future_wait(sabal_submit(client, task_sum, NULL, 0, .name = "a \"quoted\"\\ name\n\x01\xff\xc3\xa9"), &err);
    sabal_close(client);
    root = load();
    cr_expect_eq(count(root, "X", "status", "SABAL_OK", NULL), 1);
    json_decref(root);
}

Test(trace, a_locale_with_a_comma_changes_nothing)
{
    char    folder[] = "/tmp/sabal-locale-XXXXXX", command[256];
    json_t *root;

    cr_assert(mkdtemp(folder) != NULL);
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    if (system(command))
        cr_skip_test("localedef or its de_DE is missing");
    setenv("LOCPATH", folder, 1);
    cr_assert(setlocale(LC_ALL, "de_DE.UTF-8") != NULL);
    client = sabal_open("local:", &err, .threads = 1, .trace = path);
    sabal_future_wait(sabal_submit(client, task_sum, NULL, 0), &err);
    sabal_close(client);
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -r %s", folder);
    (void)!system(command);
    root = load();
    cr_expect_eq(count(root, "X", "status", "SABAL_OK", NULL), 1);
    json_decref(root);
}

Test(trace, two_clients_have_two_traces)
{
    json_t       *root;
    sabal_client *other;

    client = sabal_open("local:", &err, .threads = 1, .trace = path);
    other  = sabal_open("local:", &err, .threads = 1);
    sabal_future_wait(sabal_submit(client, task_sum, NULL, 0), &err);
    sabal_future_wait(sabal_submit(other, task_sum, NULL, 0), &err);
    sabal_close(other);
    sabal_close(client);
    root = load();
    cr_expect_eq(count(root, "X", "name", "task_sum", NULL), 1);
    json_decref(root);
}

/* --- what the threads have done --- */

static int64_t sum_of(const sabal_client *c, size_t field)
{
    sabal_worker_stats s   = {.struct_size = sizeof s};
    int64_t            sum = 0;

    for (int32_t i = 0; sabal_client_worker_get(c, i, &s) == SABAL_OK; i++)
        sum += *(int64_t *)(void *)((char *)&s + field);
    return sum;
}

Test(trace, each_thread_counts_what_it_does)
{
    sabal_worker_stats s      = {.struct_size = sizeof s};
    int64_t            others = 0;

    client = sabal_open("local:", &err, .threads = 3);
    for (int i = 0; i < 100; i++)
        sabal_submit(client, task_sum, NULL, 0);
    while (sum_of(client, offsetof(sabal_worker_stats, runs)) < 100)
        sleep_ms(1);
    while (!sum_of(client, offsetof(sabal_worker_stats, offered)) ||
           !sum_of(client, offsetof(sabal_worker_stats, steals)))
        cr_expect_eq(SABAL_RUN(client, fib, 20), 6765);
    while (sum_of(client, offsetof(sabal_worker_stats, sleeps)) < 3)
        sleep_ms(1);
    cr_expect_eq(sum_of(client, offsetof(sabal_worker_stats, runs)), 100);
    for (int32_t i = 0; i < 4; i++) {
        cr_expect_eq(sabal_client_worker_get(client, i, &s), SABAL_OK);
        cr_expect_eq(s.thread, i < 3 ? i : -1);
        if (i == 3)
            others = s.offered;
    }
    cr_expect_gt(others, 0); /* this thread's */
    cr_expect_eq(s.runs, 0);
    cr_expect_eq(sabal_client_worker_get(client, 4, &s), SABAL_END);
    cr_expect_eq(sabal_client_worker_get(client, -1, &s), SABAL_EINVAL);
    cr_expect_eq(sabal_client_worker_get(client, 0, &(sabal_worker_stats){0}), SABAL_EINVAL);
    sabal_close(client);
    cr_expect_eq(sabal_client_worker_get(NULL, 0, &s), SABAL_END);
}

/* One task after a nap of 20 ms: how much longer the thread has searched once it sleeps again. */
static int64_t search_around_nap(void)
{
    const size_t ns = offsetof(sabal_worker_stats, searching_ns), sleeps = offsetof(sabal_worker_stats, sleeps);
    int64_t      before = sum_of(client, ns), slept = sum_of(client, sleeps);

    sleep_ms(20);
    sabal_future_wait(sabal_submit(client, task_sum, NULL, 0), &err);
    while (sum_of(client, sleeps) == slept)
        sleep_ms(1);
    return sum_of(client, ns) - before;
}

Test(trace, the_time_of_searching_is_that_before_a_sleep_and_not_the_sleep)
{
    int64_t least = INT64_MAX;

    client = sabal_open("local:", &err, .threads = 1);
    while (!sum_of(client, offsetof(sabal_worker_stats, sleeps)))
        sleep_ms(1);
    for (int i = 0; i < 20; i++) { /* the shortest: on a busy machine a search may be interrupted for long */
        int64_t ns = search_around_nap();

        least = ns < least ? ns : least;
    }
    cr_expect_geq(least, 50000); /* each sleep comes after a search of 50 us */
    cr_expect_lt(least, 20000000);
    sabal_close(client);
}

Test(trace, it_ends_with_the_counters_of_each_thread)
{
    json_t *root, *event = NULL, *args;

    client = sabal_open("local:", &err, .threads = 2, .trace = path);
    for (int i = 0; i < 10; i++)
        sabal_submit(client, task_sum, NULL, 0);
    sabal_future_wait(sabal_submit(client, task_sum, NULL, 0), &err);
    sabal_close(client);
    root = load();
    cr_expect_eq(count(root, "C", "name", "worker 0", NULL), 1);
    cr_expect_eq(count(root, "C", "name", "worker 1", &event), 1);
    cr_expect_eq(count(root, "C", "name", "others", NULL), 1);
    cr_assert_not_null(event);
    args = json_object_get(event, "args");
    for (int i = 0; i < 6; i++) {
        static const char *const NAMES[] = {"runs", "offered", "steals", "far_takes", "sleeps", "searching_us"};

        cr_expect(json_is_number(json_object_get(args, NAMES[i])), "%s", NAMES[i]);
    }
    json_decref(root);
}
