/* Tasks on a cluster that say where they are to run, and what they take there. */
#include "cluster/named.h"

#include <pthread.h>

TestSuite(rules, .init = clear_error, .fini = close_cluster, .timeout = 120);

static sabal_status tell_process(sabal_task *t)
{
    sleep_ms(5);
    return sabal_task_return(t, &(pid_t){getpid()}, sizeof(pid_t));
}

/* All n ran in that process of the cluster. */
static void expect_process(sabal_future *const *f, int n, int process)
{
    for (int i = 0; i < n; i++) {
        pid_t pid;

        cr_assert_eq(sabal_future_get(&pid, sizeof pid, f[i], &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(pid, cluster.process[process]);
    }
}

Test(rules, tasks_run_on_the_workers_that_they_name)
{
    enum { MANY = 20 };
    sabal_future *f[MANY];
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("first", 1, NULL);
    add_worker("second", 1, NULL);
    client = open_client();
    sabal_map(f, client, tell_process, NULL, 0, MANY, .workers = "second");
    expect_process(f, MANY, 2);
    sabal_map(f, client, tell_process, NULL, 0, MANY, .workers = "nobody, first");
    expect_process(f, MANY, 1);
    sabal_close(client);
}

Test(rules, a_host_names_its_workers)
{
    char          host[65] = "";
    pid_t         pid;
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("only", 1, NULL);
    client = open_client();
    gethostname(host, sizeof host - 1);
    cr_expect_eq(sabal_future_get(&pid, sizeof pid, sabal_submit(client, tell_process, NULL, 0, .workers = host), &err),
                 SABAL_OK, "%s", err.message);
    sabal_close(client);
}

Test(rules, a_task_waits_for_a_worker_that_it_may_have)
{
    sabal_future *f;
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("plain", 1, NULL);
    client = open_client();
    f      = sabal_submit(client, tell_process, NULL, 0, .resources = "gpu=1");
    cr_expect_eq(sabal_future_wait(f, &err, .timeout_ns = 200000000), SABAL_ETIMEDOUT);
    clear_error();
    add_worker("device", 1, "gpu=1");
    expect_process(&f, 1, 2);
    sabal_close(client);
}

Test(rules, a_supervised_worker_has_resources_too)
{
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("plain", 1, NULL);
    add_worker_of("device", 1, "gpu=1", 1);
    client = open_client();
    cr_expect_eq(sabal_future_wait(sabal_submit(client, tell_process, NULL, 0, .resources = "gpu=1"), &err), SABAL_OK,
                 "%s", err.message);
    sabal_close(client);
}

/* Marks its beginning and its end. */
static sabal_status take_device(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, '(');
    sleep_ms(10);
    marks_add(m, ')');
    return sabal_task_return(t, NULL, 0);
}

/* The most that were open at a time. */
static int most_at_once(const marks *m)
{
    char text[256];
    int  open = 0, most = 0;

    marks_read(m, text, sizeof text);
    for (const char *c = text; *c; c++) {
        open += *c == '(' ? 1 : -1;
        most = open > most ? open : most;
    }
    return most;
}

Test(rules, no_more_tasks_run_at_once_than_there_are_resources)
{
    enum { MANY = 30 };
    marks         m = marks_make();
    sabal_future *f[MANY];
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("devices", 8, "gpu=2");
    client = open_client();
    for (int i = 0; i < MANY; i++)
        f[i] = sabal_submit(client, take_device, &m, sizeof m, .resources = "gpu=1");
    cr_expect_eq(sabal_wait_all(list_of(f, MANY), &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(most_at_once(&m), 2);
    marks_end(&m);
    sabal_close(client);
}

enum { MOST_SEEN = 4 };
typedef struct seen {
    int  n;
    char resources[MOST_SEEN][64], used[MOST_SEEN][64], states[MOST_SEEN][16];
} seen;

static int32_t see(void *user, const sabal_worker_info *worker)
{
    seen *s = user;

    snprintf(s->resources[s->n], sizeof *s->resources, "%s", worker->resources);
    snprintf(s->used[s->n], sizeof *s->used, "%s", worker->resources_used);
    snprintf(s->states[s->n++], sizeof *s->states, "%s", worker->state);
    return s->n == MOST_SEEN;
}

static void look(seen *s)
{
    sabal_cluster_info info = {.struct_size = sizeof info};

    *s = (seen){0};
    cr_assert_eq(sabal_cluster_info_get(&info, see, s, cluster.file, &err), SABAL_OK, "%s", err.message);
}

Test(rules, what_is_in_use_of_resources_is_told)
{
    const marks        m    = marks_make();
    sabal_cluster_info info = {.struct_size = sizeof info};
    sabal_client      *client;
    sabal_future      *held;
    seen               s;

    cluster_open(&cluster, 0);
    add_worker("plain", 1, NULL);
    add_worker("devices", 2, "gpu=2, licence=1");
    client = open_client();
    held   = sabal_submit(client, task_hold, &m, sizeof m, .resources = "gpu=0.5");
    marks_wait(&m, 1);
    look(&s);
    cr_assert_eq(s.n, 2);
    cr_expect_str_eq(s.resources[0], "");
    cr_expect_str_eq(s.used[0], "");
    cr_expect_str_eq(s.resources[1], "gpu=2,licence=1");
    cr_expect_str_eq(s.used[1], "gpu=0.5,licence=0");
    marks_add(&m, 'g');
    cr_expect_eq(sabal_future_wait(held, &err), SABAL_OK, "%s", err.message);
    s = (seen){0};
    cr_assert_eq(sabal_client_cluster_info_get(&info, see, &s, client, &err), SABAL_OK, "%s", err.message);
    cr_expect_str_eq(s.resources[1], "gpu=2,licence=1");
    cr_expect_str_eq(s.used[1], "gpu=0,licence=0");
    marks_end(&m);
    sabal_close(client);
}

static void *retire_first(void *arg)
{
    sabal_error own = SABAL_ERROR_INIT;

    cr_expect_eq(sabal_cluster_retire("first", cluster.file, &own), SABAL_OK, "%s", own.message);
    return NULL;
}

Test(rules, a_worker_that_is_about_to_leave_is_none_to_wait_for)
{
    const marks   m = marks_make();
    sabal_client *client;
    sabal_future *held;
    pthread_t     thread;
    seen          s;

    cluster_open(&cluster, 0);
    add_worker("first", 1, NULL);
    add_worker("second", 1, NULL);
    client = open_client();
    held   = sabal_submit(client, task_hold, &m, sizeof m, .workers = "first");
    marks_wait(&m, 1);
    cr_expect_eq(sabal_client_wait_for_workers(client, 2, &err), SABAL_OK, "%s", err.message);
    pthread_create(&thread, NULL, retire_first, NULL);
    do {
        sleep_ms(10);
        look(&s);
    } while (strcmp(s.states[0], "leaving") != 0);
    cr_expect_eq(s.n, 2, "it is there, though");
    sleep_ms(300); /* what the client knows comes by another way */
    cr_expect_eq(sabal_client_wait_for_workers(client, 2, &err, .timeout_ns = 0), SABAL_ETIMEDOUT);
    cr_expect_str_eq(err.message, "2 workers were waited for, and there are 1");
    clear_error();
    marks_add(&m, 'g');
    cr_expect_eq(sabal_future_wait(held, &err), SABAL_OK, "%s", err.message);
    pthread_join(thread, NULL);
    add_worker("third", 1, NULL);
    cr_expect_eq(sabal_client_wait_for_workers(client, 2, &err), SABAL_OK, "%s", err.message);
    marks_end(&m);
    sabal_close(client);
}

/* What its inner task says, which is to run on another worker. */
static sabal_status ask_second(sabal_task *t)
{
    sabal_error own = SABAL_ERROR_INIT;
    pid_t       pid;

    if (sabal_future_get(&pid, sizeof pid,
                         sabal_submit(sabal_task_client(t), tell_process, NULL, 0, .workers = "second"), &own))
        return sabal_task_fail(t, own.status, "%s", own.message);
    return sabal_task_return(t, &pid, sizeof pid);
}

Test(rules, tasks_of_tasks_say_where_they_run_too)
{
    sabal_future *f;
    sabal_client *client;

    cluster_open(&cluster, 0);
    add_worker("first", 1, NULL);
    add_worker("second", 1, NULL);
    client = open_client();
    f      = sabal_submit(client, ask_second, NULL, 0, .workers = "first");
    expect_process(&f, 1, 2);
    sabal_close(client);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void expect_refused(sabal_future *f, sabal_status status)
{
    cr_assert(sabal_future_error(f) != NULL);
    cr_expect_eq(sabal_future_error(f)->status, status, "%s", sabal_future_error(f)->message);
}

Test(rules, what_cannot_be_read_is_refused_on_every_engine)
{
    sabal_client *client;

    for_each_engine(client, 1)
    {
        expect_refused(sabal_submit(client, tell_process, NULL, 0, .resources = "gpu"), SABAL_EINVAL);
        expect_refused(sabal_submit(client, tell_process, NULL, 0, .resources = "gpu=1,gpu=2"), SABAL_EINVAL);
        expect_refused(sabal_submit(client, tell_process, NULL, 0, .resources = "gpu=2000000000"), SABAL_EINVAL);
        expect_refused(sabal_submit(client, tell_process, NULL, 0, .workers = "a,,b"), SABAL_EINVAL);
        expect_refused(sabal_submit(client, tell_process, NULL, 0, .workers = "a,"), SABAL_EINVAL);
    }
}

Test(rules, without_a_cluster_they_are_not_supported)
{
    sabal_client *client;

    for_engines_with_results_here(client, 1)
    {
        expect_refused(sabal_submit(client, tell_process, NULL, 0, .resources = "gpu=1"), SABAL_EUNSUPPORTED);
        expect_refused(sabal_submit(client, tell_process, NULL, 0, .workers = "a"), SABAL_EUNSUPPORTED);
        cr_expect_eq(
            sabal_future_wait(sabal_submit(client, tell_process, NULL, 0, .workers = "", .resources = ""), &err),
            SABAL_OK, "%s", err.message);
    }
}

Test(rules, resources_of_a_worker_that_cannot_be_read_are_refused)
{
    cr_expect_eq(sabal_worker_run("/tmp/there-is-none", &err, .resources = "gpu=two"), SABAL_EINVAL);
    cr_expect(strstr(err.message, "'gpu=two'"), "%s", err.message);
}
