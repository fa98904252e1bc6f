/* Workers that are asked to leave: what they have goes to others first, and nothing runs again. */
#include "cluster/job.h"

enum { TASKS = 24, WORDS = 16384 }; /* values that workers keep */

static sabal_client *client;

typedef struct counted_step {
    marks   ran;
    int64_t chunk;
} counted_step;

static sabal_status make_counted(sabal_task *t)
{
    const counted_step *s     = sabal_task_arg(t);
    uint64_t           *words = sabal_task_return_room(t, WORDS * sizeof *words);

    if (!words)
        return SABAL_ENOMEM;
    for (int64_t i = 0; i < WORDS; i++)
        words[i] = job_word(s->chunk, i);
    marks_add(&s->ran, 'r');
    return SABAL_OK;
}

static void begin(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
    left_begin(&behind);
    cluster_open(&cluster, 2);
    client = sabal_open(cluster.file, &err, .threads = 1);
    cr_assert_eq(err.status, SABAL_OK, "%s", err.message);
}

static void end(void)
{
    sabal_close(client);
    cluster_close(&cluster);
    left_expect_nothing(&behind);
    left_end(&behind);
}

TestSuite(retire, .init = begin, .fini = end, .timeout = 120);

/* Of all workers: how many, and the number of the first. */
static int32_t note_first(void *user, const sabal_worker_info *worker)
{
    int64_t *first = user;

    *first = *first ? *first : worker->number;
    return 0;
}

static int32_t n_workers(int64_t *first)
{
    sabal_cluster_info info = {.struct_size = sizeof info};

    *first = 0;
    cr_assert_eq(sabal_cluster_info_get(&info, note_first, first, cluster.file, &err), SABAL_OK, "%s", err.message);
    return info.workers;
}

static void retire_first(void)
{
    int64_t first;
    char    number[24];

    cr_assert_eq(n_workers(&first), 2);
    snprintf(number, sizeof number, "%lld", (long long)first);
    cr_assert_eq(sabal_cluster_retire(number, cluster.file, &err), SABAL_OK, "%s", err.message);
    cr_expect_eq(n_workers(&first), 1);
}

Test(retire, its_values_are_with_the_other_one_and_nothing_ran_twice)
{
    counted_step  step = {.ran = marks_make()};
    sabal_future *f[TASKS];

    for (step.chunk = 0; step.chunk < TASKS; step.chunk++)
        f[step.chunk] = sabal_submit(client, make_counted, &step, sizeof step);
    cr_assert_eq(sabal_wait_all(list_of(f, TASKS), &err), SABAL_OK, "%s", err.message);
    retire_first();
    for (int64_t chunk = 0; chunk < TASKS; chunk++) {
        const void *words;

        cr_assert_eq(sabal_future_borrow(&words, NULL, f[chunk], &err), SABAL_OK, "%s", err.message);
        cr_expect_eq(((const uint64_t *)words)[WORDS - 1], job_word(chunk, WORDS - 1));
    }
    cr_expect_eq(marks_count(&step.ran), TASKS);
    marks_end(&step.ran);
}

Test(retire, a_job_goes_on_meanwhile)
{
    job j = {.chunks = 64, .words = 10000, .ms = 20};

    job_start(&j, client);
    sleep_ms(100);
    retire_first();
    job_expect(&j);
}

Test(retire, who_is_not_there_is_told_and_the_others_leave)
{
    int64_t first;
    char    names[64];

    cr_expect_eq(sabal_cluster_retire("", cluster.file, &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "names no worker"), "%s", err.message);
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sabal_cluster_retire(NULL, cluster.file, &err), SABAL_EINVAL);
    cr_assert_eq(n_workers(&first), 2);
    snprintf(names, sizeof names, "nobody,%lld", (long long)first);
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sabal_cluster_retire(names, cluster.file, &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "has no worker 'nobody'"), "%s", err.message);
    cr_expect(strstr(err.where, "test_retire.c"), "%s", err.where);
    cr_expect_eq(n_workers(&first), 1);
}
