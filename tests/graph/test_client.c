/* Clients: opening, what can't be opened, closing, several at once, fork. */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "graph/client.h"
#include "sched/chaos.h"
#include "sched/worker.h"
#include "support/engines.h"

static sabal_error err;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
    unsetenv("SABAL_SCHEDULER_FILE");
    unsetenv("SABAL_THREADS");
    unsetenv("SABAL_TRACE");
    unsetenv("SABAL_ISA");
}

TestSuite(client, .init = init, .fini = init);

/* --- opening ---------------------------------------------------------------------------------------------------- */

Test(client, no_address_means_this_node)
{
    sabal_client *client = sabal_open(NULL, &err, .threads = 3);

    cr_expect_eq(err.status, SABAL_OK);
    cr_expect_null(sabal_client_error(client));
    cr_expect_eq(sabal_client_threads(client), 3);
    sabal_close(client);
}

Test(client, options_may_be_left_out)
{
    sabal_client *client = sabal_open_with("local:", &err, NULL);

    cr_expect_eq(err.status, SABAL_OK);
    cr_expect_geq(sabal_client_threads(client), 1);
    sabal_close(client);
    sabal_close(NULL);
}

Test(client, threads_come_from_the_environment_unless_given)
{
    sabal_client *client;

    setenv("SABAL_THREADS", "5", 1);
    client = sabal_open("local:", &err);
    cr_expect_eq(sabal_client_threads(client), 5);
    sabal_close(client);
    client = sabal_open("local:", &err, .threads = 2);
    cr_expect_eq(sabal_client_threads(client), 2);
    sabal_close(client);
}

/* What every failed client has in common. */
static void expect_failed(sabal_client *client, sabal_status st, const char *part)
{
    sabal_future       *f, *g, *got;
    sabal_as_completed *it;
    sabal_client_stats  stats   = {.struct_size = sizeof stats};
    double              args[2] = {0}, out;

    cr_assert_not_null(client);
    cr_expect_eq(err.status, st);
    cr_expect_not_null(strstr(err.message, part));
    cr_assert_not_null(sabal_client_error(client));
    cr_expect_eq(sabal_client_error(client)->status, st);
    cr_expect_eq(sabal_client_threads(client), 0);
    cr_expect_eq(sabal_client_fd(client), -1);
    sabal_client_drain(client);
    sabal_client_stats_get(client, &stats);
    cr_expect_eq(stats.submitted, 0);
    f = sabal_submit(client, task_square, args, sizeof *args);
    g = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(f, f));
    cr_assert_not_null(g);
    cr_expect_eq(sabal_future_get(&out, sizeof out, g, NULL), st);
    cr_expect_eq(sabal_future_state_get(f), SABAL_FAILED);
    cr_expect_str_eq(sabal_future_error(f)->message, sabal_client_error(client)->message);
    cr_expect_not_null(sabal_future_key(f));
    sabal_future_cancel(f);
    sabal_retain(f);
    sabal_release(f);
    f = sabal_scatter(client, args, sizeof *args);
    cr_expect_eq(sabal_future_wait(f, NULL), st);
    it = sabal_as_completed_create(client, SABAL_LIST(f));
    if (sabal_as_completed_next(&got, it, NULL) == SABAL_OK)
        cr_expect_eq(got, f);
    {
        SABAL_SCOPE(client);
        f = sabal_submit(client, task_square, args, sizeof *args);
    }
    sabal_close(client);
    init();
}

Test(client, workers_are_for_rehearsals_and_no_more_than_can_be)
{
    expect_failed(sabal_open("local:", &err, .workers = 2), SABAL_EINVAL, "2 workers asked for: \"local:\" has none");
    err = (sabal_error)SABAL_ERROR_INIT;
    expect_failed(sabal_open("rehearse:", &err, .workers = 257), SABAL_EINVAL,
                  "257 workers asked for: expected 1 to 256");
    err = (sabal_error)SABAL_ERROR_INIT;
    expect_failed(sabal_open("rehearse:", &err, .workers = -1), SABAL_EINVAL, "-1 workers asked for");
}

/* A file of this name with that in it. */
static const char *a_file(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(name, "w");

    cr_assert(f && fputs(text, f) >= 0 && !fclose(f) && !chmod(name, mode));
    return name;
}

Test(client, what_is_no_scheduler_file_is_told, .timeout = 60)
{
    char name[64];

    snprintf(name, sizeof name, "/tmp/sabal-test-%d.json", (int)getpid());
    expect_failed(sabal_open(name, &err), SABAL_ENOENT, name);
    err = (sabal_error)SABAL_ERROR_INIT;
    expect_failed(sabal_open(a_file(name, "{\"format\": ", 0600), &err), SABAL_EFORMAT, name);
    err = (sabal_error)SABAL_ERROR_INIT;
    expect_failed(sabal_open(a_file(name, "{}", 0644), &err), SABAL_EACCES, name);
    unlink(name);
    err = (sabal_error)SABAL_ERROR_INIT;
    expect_failed(sabal_open("/tmp", &err), SABAL_EACCES, "/tmp");
}

Test(client, the_environment_names_a_scheduler_file_and_local_overrides_it, .timeout = 60)
{
    sabal_client *client;

    setenv("SABAL_SCHEDULER_FILE", "/nonexistent/sched.json", 1);
    client = sabal_open("local:", &err, .threads = 1);
    cr_expect_eq(err.status, SABAL_OK);
    sabal_close(client);
    expect_failed(sabal_open(NULL, &err), SABAL_ENOENT, "SABAL_SCHEDULER_FILE: ");
}

Test(client, threads_out_of_range_are_refused)
{
    const char   *here;
    sabal_client *client = NOTING(here, sabal_open("local:", &err, .threads = 1025));

    cr_expect_str_eq(err.where, here);
    expect_failed(client, SABAL_EINVAL, "1025 threads");
    expect_failed(sabal_open("local:", &err, .threads = -1), SABAL_EINVAL, "-1 threads");
}

Test(client, an_instruction_set_that_is_none_is_refused)
{
    setenv("SABAL_ISA", "sse9", 1);
    expect_failed(sabal_open("local:", &err), SABAL_EINVAL, "isa is 'sse9' in SABAL_ISA");
}

Test(client, a_setting_that_cannot_be_read_is_refused)
{
    static const struct {
        const char *name, *value, *told;
    } settings[] = {
        {"SABAL_THREADS", "many", "threads is 'many' in SABAL_THREADS"},
        {"SABAL_THREADS", "1025", "SABAL_THREADS"},
        {"SABAL_HUGE_PAGES", "maybe", "huge_pages is 'maybe' in SABAL_HUGE_PAGES: expected a whole number from 0 to 2"},
        {"SABAL_BUFFER_CACHE", "x", "buffer_cache is 'x' in SABAL_BUFFER_CACHE"},
        {"SABAL_LOG", "loud", "log is 'loud' in SABAL_LOG: expected none, error, warn, info or debug"},
    };

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        setenv(settings[i].name, settings[i].value, 1);
        expect_failed(sabal_open("local:", &err), SABAL_EINVAL, settings[i].told);
        unsetenv(settings[i].name);
    }
}

Test(client, a_trace_that_cannot_be_written_is_refused)
{
    expect_failed(sabal_open("local:", &err, .trace = "/nowhere/trace.json"), SABAL_ENOENT, "/nowhere/trace.json");
    setenv("SABAL_TRACE", "/", 1);
    expect_failed(sabal_open("local:", &err), SABAL_EIO, "the trace '/'");
}

Test(client, an_error_record_that_holds_a_failure_keeps_it)
{
    sabal_client *client;

    err.status = SABAL_EVALUE;
    client     = sabal_open("local:", &err, .workers = 1);
    cr_expect_eq(err.status, SABAL_EVALUE);
    cr_expect_eq(sabal_client_error(client)->status, SABAL_EINVAL);
    sabal_close(client);
}

/* --- handles ---------------------------------------------------------------------------------------------------- */

Test(client, close_releases_every_handle_and_plain_results_that_were_retained_stay)
{
    sabal_client  *client = sabal_open("local:", &err, .threads = 1);
    sabal_future  *f;
    sabal_ndarray *array;
    sabal_memory   memory = {.struct_size = sizeof memory};
    double         v[2]   = {1, 2};

    sabal_scatter(client, v, sizeof v);
    f = sabal_scatter(client, v, sizeof v);
    sabal_retain(f);
    cr_expect_eq(sabal_ndarray_create(&array, v, SABAL_FLOAT64, 1, &(int64_t){2}, &err), SABAL_OK);
    sabal_close(client);
    cr_expect_eq(((const double *)sabal_ndarray_data(array))[1], 2);
    sabal_release(array);
    sabal_memory_get(&memory);
    cr_expect_eq(memory.in_use, sizeof v);
    sabal_release(f);
    sabal_memory_get(&memory);
    cr_expect_eq(memory.in_use, 0);
}

Test(client, a_scope_may_outlive_its_client)
{
    for (int n = 0; n < 3; n++) {
        sabal_client *client = sabal_open("local:", &err, .threads = 1);
        SABAL_SCOPE(client);

        for (int i = 0; i < n; i++)
            submit_double(client, i);
        sabal_close(client);
    }
    cr_expect_eq(err.status, SABAL_OK);
}

static atomic_int scopes; /* that are open: a client may be closed under one, but not before */

static void *submit_until_closed(void *arg)
{
    sabal_client *client = arg;
    SABAL_SCOPE(client);
    sabal_future *f;

    atomic_fetch_add(&scopes, 1);
    do {
        f = sabal_submit(client, task_sum, NULL, 0, .timeout_ns = 1000000000);
        f = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(f));
    } while (sabal_future_wait(f, NULL) != SABAL_ECLOSED);
    return NULL;
}

Test(client, threads_may_submit_in_scopes_while_another_closes)
{
    atomic_store(&sbl_chaos_level, 1);
    for (int i = 0; i < 40; i++) {
        sabal_client *client = sabal_open("local:", &err, .threads = 2);
        pthread_t     threads[3];

        atomic_store(&scopes, 0);
        for (int k = 0; k < 3; k++)
            pthread_create(&threads[k], NULL, submit_until_closed, client);
        for (int64_t n = 0; n < i * 5 || atomic_load(&scopes) < 3;) {
            sabal_client_stats s = {.struct_size = sizeof s};

            sabal_client_stats_get(client, &s);
            n = s.submitted;
        }
        sabal_close(client);
        for (int k = 0; k < 3; k++)
            pthread_join(threads[k], NULL);
    }
    atomic_store(&sbl_chaos_level, 0);
    cr_expect_eq(err.status, SABAL_OK);
}

Test(client, a_scope_releases_the_futures_made_in_it)
{
    sabal_client *client;

    for_each_engine(client, 1)
    {
        sabal_client_stats stats = {.struct_size = sizeof stats};
        sabal_future      *kept  = NULL;
        {
            SABAL_SCOPE(client);
            sabal_scatter(client, "a", 1);
            kept = sabal_keep(sabal_scatter(client, "b", 1));
        }
        sabal_client_stats_get(client, &stats);
        cr_expect_eq(stats.values, 1);
        cr_expect_eq(sabal_future_state_get(kept), SABAL_FINISHED);
    }
}

Test(client, two_in_one_process_do_not_meet)
{
    sabal_client *a = sabal_open("local:", &err, .threads = 1), *b = sabal_open("local:", &err, .threads = 2);
    sabal_future *f = submit_double(a, 3), *g = submit_double(b, 4);
    double        out;

    sabal_future_get(&out, sizeof out, f, &err);
    cr_expect_eq(out, 9);
    sabal_close(a);
    sabal_future_get(&out, sizeof out, g, &err);
    cr_expect_eq(out, 16);
    cr_expect_eq(sabal_future_wait(submit_double(b, 1), &err), SABAL_OK);
    sabal_close(b);
    cr_expect_eq(err.status, SABAL_OK);
}

static sabal_status use_the_other(sabal_task *t)
{
    sabal_client *other = *(sabal_client *const *)sabal_task_arg(t);
    double        v;

    if (sabal_future_get(&v, sizeof v, submit_double(other, 5), NULL))
        return SABAL_EVALUE;
    return sabal_task_return(t, &v, sizeof v);
}

Test(client, a_task_of_one_may_wait_for_a_task_of_the_other)
{
    sabal_client *a = sabal_open("local:", &err, .threads = 1), *b = sabal_open("local:", &err, .threads = 1);
    double        out = 0;

    sabal_future_get(&out, sizeof out, sabal_submit(a, use_the_other, &b, sizeof b), &err);
    cr_expect_eq(out, 25);
    sabal_close(a);
    sabal_close(b);
}

Test(client, stats_count_what_was_and_what_is)
{
    sabal_client *client;

    for_each_engine(client, 2)
    {
        sabal_client_stats s = {.struct_size = sizeof s};
        sabal_future      *a = submit_double(client, 2), *b = sabal_submit(client, task_fail, (&(int){1}), sizeof(int));
        sabal_future      *c = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(a));
        sabal_future      *d = sabal_submit(client, task_sum, NULL, 0, .inputs = SABAL_LIST(b));

        sabal_wait_all(SABAL_LIST(a, b, c, d), NULL);
        sabal_client_stats_get(client, &s);
        cr_expect_eq(s.struct_size, sizeof s);
        cr_expect_eq(s.submitted, 4);
        cr_expect_eq(s.finished, 2);
        cr_expect_eq(s.failed, 2);
        cr_expect_eq(s.pending, 0);
        cr_expect_eq(s.values, 2);
        cr_expect_eq(s.bytes, 16);
        sabal_release(a);
        sabal_release(b);
        sabal_client_stats_get(client, &s);
        cr_expect_eq(s.values, 1);
        cr_expect_eq(s.bytes, 8);
    }
}

/* --- fork ------------------------------------------------------------------------------------------------------- */

/* What a child sees, as a number of the first thing that is wrong; 0: all is as it should be. */
static int child(sabal_client *client, sabal_future *done, sabal_future *pending)
{
    sabal_error         e = SABAL_ERROR_INIT;
    sabal_future       *f, *got;
    sabal_as_completed *it;
    const void         *data;
    double              out;
    int64_t             which;

    alarm(60);
    if (!sabal_client_error(client) || sabal_client_error(client)->status != SABAL_EFORKED)
        return 1;
    f = sabal_submit(client, task_square, &out, sizeof out);
    if (sabal_future_get(&out, sizeof out, f, &e) != SABAL_EFORKED || e.status != SABAL_EFORKED)
        return 2;
    if (sabal_future_wait(pending, NULL) != SABAL_EFORKED || sabal_future_wait(done, NULL) != SABAL_EFORKED)
        return 3;
    if (sabal_future_borrow(&data, NULL, done, NULL) != SABAL_EFORKED)
        return 4;
    if (sabal_wait_all(SABAL_LIST(done, pending), NULL) != SABAL_EFORKED)
        return 5;
    if (sabal_wait_any(&which, SABAL_LIST(done, pending), NULL) != SABAL_EFORKED)
        return 6;
    it = sabal_as_completed_create(client, SABAL_LIST(pending));
    if (sabal_as_completed_next(&got, it, NULL) != SABAL_EFORKED)
        return 7;
    if (sabal_future_state_get(pending) == SABAL_PENDING || sabal_future_error(pending)->status != SABAL_EFORKED)
        return 8;
    if (sabal_client_fd(client) != -1 || sabal_future_fd(pending) != -1 || sabal_client_threads(client) != 0)
        return 9;
    if (sabal_future_wait(sabal_scatter(client, "x", 1), NULL) != SABAL_EFORKED)
        return 10;
    sabal_future_cancel(pending);
    sabal_release(done);
    sabal_close(client);
    return 0;
}

Test(client, in_a_forked_child_every_call_says_so_and_the_parent_goes_on)
{
    marks         m      = marks_make();
    sabal_client *client = sabal_open("local:", &err, .threads = 2);
    sabal_future *done = submit_double(client, 3), *pending = sabal_submit(client, task_hold, &m, sizeof m);
    int           status = -1;
    pid_t         pid;
    double        out;

    sabal_future_wait(done, &err);
    marks_wait(&m, 1);
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        _exit(child(client, done, pending));
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
    if (status)
        fprintf(stderr, "the child ended with %#x\n", status);
    marks_add(&m, 'g');
    cr_expect_eq(sabal_future_get(&out, sizeof out, pending, &err), SABAL_OK);
    cr_expect_eq(sabal_future_get(&out, sizeof out, submit_double(client, 2), &err), SABAL_OK);
    cr_expect_eq(out, 4);
    sabal_close(client);
    marks_end(&m);
}

static int n_threads_here(void)
{
    DIR *folder = opendir("/proc/self/task");
    int  n      = 0;

    while (readdir(folder))
        n++;
    closedir(folder);
    return n - 2;
}

static sabal_status slow_piece(int64_t begin, int64_t end, void *context)
{
    sleep_ms(1);
    return SABAL_OK;
}

static sabal_status wait_for_input_of_another(sabal_task *t)
{
    return sabal_future_wait(*(sabal_future *const *)sabal_task_arg(t), NULL);
}

/* The parent's threads are blocked, so that in the child one more could be started. */
Test(client, a_loop_in_a_forked_child_runs_on_its_thread_alone)
{
    if (getenv("TEST_EMULATED"))
        cr_skip_test("an emulator has threads of its own");
    sabal_client *client = sabal_open("local:", &err, .threads = 2), *other = sabal_open("local:", &err, .threads = 1);
    marks         m      = marks_make();
    sabal_future *held   = sabal_submit(other, task_hold, &m, sizeof m);
    sabal_future *f      = sabal_submit(client, wait_for_input_of_another, &held, sizeof held);
    sabal_future *g      = sabal_submit(client, wait_for_input_of_another, &held, sizeof held);
    int           status = -1;
    pid_t         pid;

    marks_wait(&m, 1);
    while (SBL_COUNT(sbl_state(client->pool), SBL_BLOCKED) < 2 || SBL_COUNT(sbl_state(client->pool), SBL_AWAKE))
        sleep_ms(1);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        _exit(sabal_for(client, 0, 20, slow_piece, NULL, .grain = 1) ? 1 : n_threads_here() - 1);
    }
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
    marks_add(&m, 'g');
    cr_expect_eq(sabal_wait_all(SABAL_LIST(f, g), &err), SABAL_OK);
    sabal_close(client);
    sabal_close(other);
    marks_end(&m);
}

Test(client, a_forked_child_does_not_take_the_parents_events)
{
    sabal_client *client = sabal_open("local:", &err, .threads = 1);
    int           fd = sabal_client_fd(client), status = -1;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    pid_t         pid;

    sabal_future_wait(submit_double(client, 1), &err);
    poll(&p, 1, 10000);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        sabal_client_drain(client);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
    cr_expect_eq(poll(&p, 1, 0), 1);
    sabal_close(client);
}

static void needs_threads_after_fork(void)
{
#if defined(__SANITIZE_THREAD__)
    cr_skip_test("threads after fork are beyond this sanitizer");
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    cr_skip_test("threads after fork are beyond this sanitizer");
#endif
#endif
}

static sabal_status fork_and_open(sabal_task *t)
{
    int   status = -1;
    pid_t pid;

    marks_wait(sabal_task_arg(t), 1); /* until others wait in the queue */
    pid = fork();
    if (pid == 0) {
        sabal_client *own = sabal_open("local:", NULL, .threads = 1);
        double        out = 0;

        alarm(60);
        sabal_future_get(&out, sizeof out, submit_double(own, 3), NULL);
        sleep_ms(20);
        sabal_close(own);
        _exit(out == 9 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    return status ? SABAL_EVALUE : SABAL_OK;
}

Test(client, a_child_made_in_a_task_does_not_run_the_parents_tasks)
{
    needs_threads_after_fork();
    sabal_client *client = sabal_open("local:", &err, .threads = 1);
    marks         m      = marks_make();
    sabal_future *f, *g;

    fflush(NULL);
    m.value = 'q';
    f       = sabal_submit(client, fork_and_open, &m, sizeof m);
    g       = sabal_submit(client, task_mark, &m, sizeof m);
    marks_add(&m, 'g');
    cr_expect_eq(sabal_wait_all(SABAL_LIST(f, g), &err), SABAL_OK);
    cr_expect_eq(marks_count(&m), 2);
    sabal_close(client);
    marks_end(&m);
}

Test(client, a_child_may_open_its_own)
{
    needs_threads_after_fork();
    sabal_client *client = sabal_open("local:", &err, .threads = 2);
    int           status = -1;
    pid_t         pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        sabal_client *own = sabal_open("local:", NULL, .threads = 1);
        double        out = 0;

        alarm(60);
        sabal_future_get(&out, sizeof out, submit_double(own, 3), NULL);
        sabal_close(own);
        sabal_close(client);
        _exit(out == 9 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
    sabal_close(client);
}

SABAL_JOB(int, twice, int, n)
{
    return 2 * n;
}

Test(client, null_is_a_failed_client)
{
    sabal_client_stats  stats   = {.struct_size = sizeof stats};
    sabal_future       *many[2] = {NULL}, *f, *got = NULL;
    sabal_as_completed *it;
    double              x[2] = {1, 2}, out;

    cr_assert_not_null(sabal_client_error(NULL));
    cr_expect_eq(sabal_client_error(NULL)->status, SABAL_EINVAL);
    cr_expect_not_null(strstr(sabal_client_error(NULL)->message, "NULL"));
    cr_expect_eq(sabal_client_threads(NULL), 0);
    cr_expect_eq(sabal_client_fd(NULL), -1);
    sabal_client_drain(NULL);
    sabal_client_stats_get(NULL, &stats);
    cr_expect_eq(stats.submitted, 0);
    {
        SABAL_SCOPE(NULL);
        f = sabal_submit(NULL, task_square, x, sizeof *x);
        cr_expect_eq(sabal_future_get(&out, sizeof out, f, &err), SABAL_EINVAL);
        cr_expect_not_null(strstr(err.message, "the client is NULL"));
        cr_expect_eq(sabal_future_state_get(f), SABAL_FAILED);
        cr_expect_eq(sabal_future_wait(sabal_scatter(NULL, x, sizeof x), NULL), SABAL_EINVAL);
        sabal_map(many, NULL, task_square, x, sizeof *x, 2);
        for (int i = 0; i < 2; i++)
            cr_expect_eq(sabal_future_wait(many[i], NULL), SABAL_EINVAL);
        it = sabal_as_completed_create(NULL, SABAL_LIST(f));
        cr_expect_eq(sabal_as_completed_next(&got, it, NULL), SABAL_EINVAL);
        cr_expect_eq(sabal_as_completed_add(it, f, NULL), SABAL_EINVAL);
    }
    cr_expect_eq(SABAL_RUN(NULL, twice, 21), 42);
    cr_expect_eq(sabal_for(NULL, 0, 10, NULL, NULL), SABAL_EINVAL);
    cr_expect_eq(sabal_reduce(&out, sizeof out, NULL, 0, 10, NULL, NULL, NULL), SABAL_EINVAL);
    sabal_release(f);
    sabal_keep(it);
    sabal_close(NULL);
}

Test(client, stats_are_as_long_as_the_caller_says)
{
    struct {
        size_t  struct_size;
        int64_t submitted, guard;
    } old = {.guard = 4711};
    sabal_client *client;

    for_each_engine(client, 1)
    {
        double out;

        old.struct_size = offsetof(sabal_client_stats, finished);
        cr_expect_eq(sabal_future_get(&out, sizeof out, submit_double(client, 2), &err), SABAL_OK);
        cr_expect_eq(sabal_client_stats_get(client, (sabal_client_stats *)(void *)&old), SABAL_OK);
        cr_expect_eq(old.submitted, 1);
        cr_expect_eq(old.guard, 4711);
        old.struct_size = 0;
        cr_expect_eq(sabal_client_stats_get(client, (sabal_client_stats *)(void *)&old), SABAL_EINVAL);
        cr_expect_eq(old.submitted, 1);
    }
}
