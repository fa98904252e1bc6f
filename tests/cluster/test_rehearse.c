/* What is the rehearse engine's own: other processes, their ends, and what can't go there. */
#include "support/arrays.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static sabal_error   err = SABAL_ERROR_INIT;
static sabal_client *client;

static void open_two(void)
{
    err    = (sabal_error)SABAL_ERROR_INIT;
    client = sabal_open("rehearse:", &err, .workers = 2, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
}

static void close_it(void)
{
    sabal_close(client);
}

TestSuite(rehearse, .init = open_two, .fini = close_it);

static sabal_status task_pid(sabal_task *t)
{
    return sabal_task_return(t, &(pid_t){getpid()}, sizeof(pid_t));
}

static pid_t get_pid_of(sabal_future *f)
{
    pid_t pid = 0;

    sabal_future_get(&pid, sizeof pid, f, NULL);
    return pid;
}

Test(rehearse, tasks_run_in_other_processes)
{
    sabal_future *f[2];

    f[0] = sabal_submit(client, task_pid, NULL, 0);
    f[1] = sabal_submit(client, task_pid, NULL, 0);
    cr_expect_neq(get_pid_of(f[0]), getpid());
    cr_expect_neq(get_pid_of(f[0]), 0);
    cr_expect_neq(get_pid_of(f[1]), getpid());
    cr_expect_eq(sabal_client_threads(client), 2);
}

static int global = 1;

static sabal_status task_global(sabal_task *t)
{
    return sabal_task_return(t, &global, sizeof global);
}

Test(rehearse, a_global_variable_set_in_main_does_not_travel)
{
    int seen = 0;

    global = 2;
    cr_expect_eq(sabal_future_get(&seen, sizeof seen, sabal_submit(client, task_global, NULL, 0), &err), SABAL_OK);
    cr_expect_eq(seen, 1);
}

/* --- a worker's end ----------------------------------------------------------------------------------------------- */

enum way { SEGV, ABORT, EXIT, KILL, DEEP };

/* As deep as it goes, but the compiler can't see that it has no end. */
__attribute__((noinline)) static int deep(volatile int *left)
{
    volatile char here[4096];

    here[0] = (char)*left;
    return *left ? deep(left) + here[0] : 0;
}

static sabal_status task_end(sabal_task *t)
{
    switch (*(const enum way *)sabal_task_arg(t)) {
    case SEGV:
        raise(SIGSEGV);
        break;
    case ABORT:
        abort();
    case EXIT:
        exit(3);
    case KILL:
        kill(getpid(), SIGKILL);
        sleep(10);
        break;
    case DEEP:
        return deep(&(volatile int){1}) ? SABAL_OK : SABAL_ETASK;
    }
    return SABAL_OK;
}

static void expect_end(enum way way, const char *text)
{
    sabal_error   own  = SABAL_ERROR_INIT;
    const char   *line = "test_rehearse.c:";
    sabal_future *f    = sabal_submit(client, task_end, &way, sizeof way);

    cr_expect_eq(sabal_future_wait(f, &own), SABAL_EPEER);
    cr_expect(strstr(own.message, "task 'task_end' ended its worker: ") != NULL, "%s", own.message);
    cr_expect(strstr(own.message, text) != NULL, "%s", own.message);
    cr_expect(strstr(own.where, line) != NULL, "%s", own.where);
    cr_expect_str_eq(own.task, sabal_future_key(f));
    cr_expect_neq(get_pid_of(sabal_submit(client, task_pid, NULL, 0)), 0); /* there is another worker in its place */
}

Test(rehearse, a_task_that_ends_its_worker_is_told_with_signal_and_line)
{
    expect_end(SEGV, "signal 11 (Segmentation fault)");
    expect_end(ABORT, "signal 6 (Aborted)");
    expect_end(EXIT, "exit status 3");
    expect_end(KILL, "signal 9 (Killed)");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(SBL_PLAIN)
Test(rehearse, a_stack_that_ran_over_is_told)
{
    expect_end(DEEP, "signal 11 (Segmentation fault)");
}
#endif

/* Marks that it ran; crashes as long as there are fewer marks than it was told. */
static sabal_status task_crash_at_first(sabal_task *t)
{
    const marks *m = sabal_task_arg(t);

    marks_add(m, 'r');
    if (marks_count(m) <= m->value)
        abort();
    return sabal_task_return(t, &(double){42}, sizeof(double));
}

Test(rehearse, a_crash_is_retried_as_often_as_was_asked_for)
{
    marks         m   = marks_make();
    double        out = 0;
    sabal_future *f;

    m.value = 2;
    f       = sabal_submit(client, task_crash_at_first, &m, sizeof m, .retries = 2);
    cr_expect_eq(sabal_future_get(&out, sizeof out, f, NULL), SABAL_OK);
    cr_expect_eq(out, 42);
    cr_expect_eq(marks_count(&m), 3);
    marks_end(&m);
    m       = marks_make();
    m.value = 2;
    f       = sabal_submit(client, task_crash_at_first, &m, sizeof m, .retries = 1);
    cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EPEER);
    cr_expect_eq(marks_count(&m), 2);
    marks_end(&m);
}

static sabal_status task_fill(sabal_task *t)
{
    const size_t n    = 1 << 20;
    double      *room = sabal_task_return_room(t, n * sizeof *room);

    for (size_t i = 0; room && i < n; i++)
        room[i] = (double)i;
    return room ? SABAL_OK : SABAL_ENOMEM;
}

static sabal_status task_last(sabal_task *t)
{
    const double *v = sabal_task_input(t, 0);

    return sabal_task_return(t, &v[sabal_task_input_size(t, 0) / sizeof *v - 1], sizeof *v);
}

Test(rehearse, no_value_is_lost_with_the_worker_that_made_it)
{
    sabal_future *big[4];
    double        out = 0;

    sabal_map(big, client, task_fill, NULL, 0, 4);
    cr_expect_eq(sabal_wait_all(list_of(big, 4), NULL), SABAL_OK);
    for (int i = 0; i < 4; i++)
        sabal_future_wait(sabal_submit(client, task_end, (&(enum way){ABORT}), sizeof(enum way)), NULL);
    for (int i = 0; i < 4; i++) {
        sabal_future *last = sabal_submit(client, task_last, NULL, 0, .inputs = SABAL_LIST(big[i]));

        cr_expect_eq(sabal_future_get(&out, sizeof out, last, NULL), SABAL_OK);
        cr_expect_eq(out, (1 << 20) - 1);
    }
}

static sabal_status task_slow(sabal_task *t)
{
    sleep_ms(200);
    return task_pid(t);
}

Test(rehearse, who_runs_beside_a_crash_is_run_once_more_and_not_charged)
{
    sabal_client *wide = sabal_open("rehearse:", &err, .workers = 1, .threads = 2);
    sabal_future *slow = sabal_submit(wide, task_slow, NULL, 0);
    enum way      way  = ABORT;
    sabal_future *bad;

    sleep_ms(50);
    bad = sabal_submit(wide, task_end, &way, sizeof way);
    cr_expect_eq(sabal_future_wait(bad, NULL), SABAL_EPEER);
    cr_expect_eq(sabal_future_wait(slow, &err), SABAL_OK);
    sabal_close(wide);
}

/* --- what can't go there ------------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
Test(rehearse, a_function_in_memory_made_at_run_time_is_refused)
{
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sabal_future  *f;

    code[0] = 0xc3;
    mprotect(code, 4096, PROT_READ | PROT_EXEC);
    f = sabal_submit(client, (sabal_task_fn *)(void *)code, NULL, 0, .name = "made");
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_EUNSUPPORTED);
    cr_expect(strstr(err.message, "the function of task 'made' does not lie in a program or a library") != NULL, "%s",
              err.message);
}
#endif

/* --- large values ------------------------------------------------------------------------------------------------- */

static sabal_status task_whose(sabal_task *t)
{
    uintptr_t at = (uintptr_t)sabal_task_input(t, 0);
    char      line[512];
    int       shared = 0;
    FILE     *maps   = fopen("/proc/self/maps", "r");

    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && at >= from && at < to)
            shared = strstr(line, "memfd:sabal-value") != NULL;
    }
    if (maps)
        fclose(maps);
    return sabal_task_return(t, &shared, sizeof shared);
}

Test(rehearse, large_values_lie_in_memory_that_all_share)
{
    sabal_future *big    = sabal_submit(client, task_fill, NULL, 0);
    int           shared = 0;

    cr_expect_eq(sabal_future_get(&shared, sizeof shared,
                                  sabal_submit(client, task_whose, NULL, 0, .inputs = SABAL_LIST(big)), &err),
                 SABAL_OK);
    cr_expect(shared);
}

static int n_open(void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

Test(rehearse, shared_memory_goes_with_the_last_who_needs_it)
{
    int before = n_open();

    for (int i = 0; i < 50; i++) {
        SABAL_SCOPE(client);
        sabal_future *big  = sabal_submit(client, task_fill, NULL, 0);
        sabal_future *last = sabal_submit(client, task_last, NULL, 0, .inputs = SABAL_LIST(big));

        cr_assert_eq(sabal_future_wait(last, &err), SABAL_OK);
    }
    cr_expect_eq(n_open(), before);
}

static sabal_status task_many_inputs(sabal_task *t)
{
    double sum = 0;

    for (int32_t i = 0; i < sabal_task_n_inputs(t); i++)
        sum += ((const double *)sabal_task_input(t, i))[1];
    return sabal_task_return(t, &sum, sizeof sum);
}

Test(rehearse, a_task_may_have_more_large_inputs_than_a_message_descriptors)
{
    enum { MANY = 100 };
    sabal_future *big[MANY];
    double        sum  = 0;
    void         *data = calloc(1, 1 << 17);

    ((double *)data)[1] = 1;
    for (int i = 0; i < MANY; i++)
        big[i] = sabal_scatter(client, data, 1 << 17);
    cr_expect_eq(sabal_future_get(&sum, sizeof sum,
                                  sabal_submit(client, task_many_inputs, NULL, 0, .inputs = list_of(big, MANY)), &err),
                 SABAL_OK);
    cr_expect_eq(sum, MANY);
    free(data);
}

/* --- what a review found ------------------------------------------------------------------------------------------ */

struct blob {
    size_t n;
    char  *bytes;
};

static void blob_destroy(void *object)
{
    free(((struct blob *)object)->bytes);
    free(object);
}

static int32_t blob_encode(const void *object, sabal_piece *pieces, int32_t room)
{
    const struct blob *b = object;

    if (room >= 1)
        pieces[0] = (sabal_piece){b->bytes, b->n};
    return 1;
}

static void *blob_decode(const sabal_piece *pieces, int32_t n)
{
    struct blob *b = malloc(sizeof *b);

    *b = (struct blob){pieces[0].size, malloc(pieces[0].size)};
    memcpy(b->bytes, pieces[0].data, b->n);
    return b;
}

static size_t blob_size(const void *object)
{
    return ((const struct blob *)object)->n;
}

static const sabal_type BLOB = {.struct_size = sizeof(sabal_type),
                                .name        = "blob",
                                .destroy     = blob_destroy,
                                .size        = blob_size,
                                .encode      = blob_encode,
                                .decode      = blob_decode};

static sabal_status task_blob(sabal_task *t)
{
    struct blob *b = malloc(sizeof *b);

    *b = (struct blob){200000, malloc(200000)};
    memset(b->bytes, 7, b->n);
    return sabal_task_return_object(t, b, &BLOB);
}

static sabal_status task_use_blob(sabal_task *t)
{
    const struct blob *b = sabal_task_input(t, 0);

    return sabal_task_return(t, &(double){(double)b->n + b->bytes[b->n - 1]}, sizeof(double));
}

Test(rehearse, large_objects_travel_as_often_as_need_be)
{
    sabal_future *blob = sabal_submit(client, task_blob, NULL, 0), *use[8];
    double        out  = 0;

    for (int i = 0; i < 8; i++)
        use[i] = sabal_submit(client, task_use_blob, NULL, 0, .inputs = SABAL_LIST(blob));
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(sabal_future_get(&out, sizeof out, use[i], &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(out, 200007);
    }
}

static sabal_status task_large_or_fail(sabal_task *t)
{
    void *room;

    if (*(const int *)sabal_task_arg(t) % 2)
        return sabal_task_fail(t, SABAL_EVALUE, "odd");
    room = sabal_task_return_room(t, 70000);
    if (room)
        memset(room, 1, 70000);
    return room ? SABAL_OK : SABAL_ENOMEM;
}

Test(rehearse, a_failure_between_a_large_value_and_its_answer_does_no_harm)
{
    enum { MANY = 2000 };
    sabal_client *wide = sabal_open("rehearse:", &err, .workers = 1, .threads = 8);
    sabal_future *f[100];
    int           args[100], n_bad = 0;

    for (int round = 0; round < MANY / 100; round++) {
        SABAL_SCOPE(wide);
        for (int i = 0; i < 100; i++)
            args[i] = i;
        sabal_map(f, wide, task_large_or_fail, args, sizeof *args, 100);
        for (int i = 0; i < 100; i += 2)
            n_bad += sabal_future_wait(f[i], NULL) != SABAL_OK;
    }
    cr_expect_eq(n_bad, 0);
    sabal_close(wide);
}

static sabal_status task_close_descriptors(sabal_task *t)
{
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    return task_pid(t);
}

Test(rehearse, a_task_that_closes_low_descriptors_harms_nobody)
{
    cr_expect_neq(get_pid_of(sabal_submit(client, task_close_descriptors, NULL, 0)), 0);
    cr_expect_neq(get_pid_of(sabal_submit(client, task_pid, NULL, 0)), 0);
}

#if !defined(SBL_PLAIN) /* a sanitizer's look for leaks at the end of a forked child may hang */
static sabal_status task_leave_child(sabal_task *t)
{
    if (fork() == 0)
        exit(0); /* with all that exit() runs */
    return task_slow(t);
}

Test(rehearse, the_end_of_a_tasks_child_is_not_the_tasks)
{
    sabal_client *wide  = sabal_open("rehearse:", &err, .workers = 1, .threads = 2);
    enum way      way   = ABORT;
    sabal_future *child = sabal_submit(wide, task_leave_child, NULL, 0), *bad;

    sleep_ms(50);
    bad = sabal_submit(wide, task_end, &way, sizeof way);
    cr_expect_eq(sabal_future_wait(bad, NULL), SABAL_EPEER);
    cr_expect_eq(sabal_future_wait(child, &err), SABAL_OK, "%s", err.message);
    sabal_close(wide);
}
#endif
