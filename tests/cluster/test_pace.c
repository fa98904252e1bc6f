/*
 * Many short tasks, and one that takes long: what was left to be said and heard between short ones is said and heard although the
 * next takes its time.
 */
#include "cluster/job.h"

TestSuite(pace, .init = begin_faults, .fini = end_faults, .timeout = 60);

/* A long one ends well before the next heartbeat, with which all is said and heard, is due: mostly, so most of the rounds count. */
enum { SHORT = 200, LONG_MS = 100, ROUNDS = 16, MOST = ROUNDS / 4 * 3 };

/* 50 us. */
static void work_a_little(void)
{
    struct timespec t, begin;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while ((t.tv_sec - begin.tv_sec) * 1000000000 + t.tv_nsec - begin.tv_nsec < 50000);
}

/* One function for all, so that none is expected to take long. */
static sabal_status work(sabal_task *task)
{
    const int ms = *(const int *)sabal_task_arg(task);

    for (int i = 0; i < ms && !sabal_task_cancelled(task); i++)
        sleep_ms(1);
    work_a_little();
    return SABAL_OK;
}

static sabal_future *submit_one(sabal_client *client, int ms)
{
    return sabal_submit(client, work, &ms, sizeof ms);
}

typedef struct mixed {
    sabal_future *brief[SHORT], *long_one, *behind;
} mixed;

/* On one thread, in this order. The one behind is there so that there is always more to be done. */
static void submit(mixed *m, sabal_client *client)
{
    for (int i = 0; i < SHORT; i++)
        m->brief[i] = submit_one(client, 0);
    m->long_one = submit_one(client, LONG_MS);
    m->behind   = submit_one(client, 0);
}

static void release(mixed *m)
{
    for (int i = 0; i < SHORT; i++)
        sabal_release(m->brief[i]);
    sabal_release(m->long_one);
    sabal_release(m->behind);
}

static void await(sabal_future *f)
{
    cr_expect_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
}

static int is_pending(const sabal_future *f)
{
    return sabal_future_state_get(f) == SABAL_PENDING;
}

/* In how many of the rounds it was as it is to be. */
static int count(int (*is_right)(mixed *m), sabal_client *client)
{
    int n = 0;

    for (int k = 0; k < ROUNDS; k++) {
        mixed m;

        submit(&m, client);
        n += is_right(&m);
        sabal_future_cancel(m.long_one);
        await(m.behind);
        release(&m);
    }
    return n;
}

static int all_were_told_before_the_long_one_ended(mixed *m)
{
    for (int i = 0; i < SHORT; i++)
        await(m->brief[i]);
    return is_pending(m->long_one);
}

Test(pace, the_last_of_many_short_tasks_is_told_while_the_next_one_runs_for_long)
{
    sabal_client *client = open_cluster(1);

    cr_expect_geq(count(all_were_told_before_the_long_one_ended, client), MOST);
    close_all(client);
}

static int the_long_one_was_cancelled(mixed *m)
{
    int64_t began;

    for (int i = 0; i < SHORT; i++)
        await(m->brief[i]);
    began = now_ms();
    sleep_ms(5);
    sabal_future_cancel(m->long_one);
    await(m->behind);
    return now_ms() - began < LONG_MS * 2 / 3;
}

Test(pace, whose_thread_runs_a_long_one_after_many_short_ones_hears_what_comes)
{
    sabal_client *client = open_cluster(1);

    cr_expect_geq(count(the_long_one_was_cancelled, client), MOST);
    close_all(client);
}

/* One has far more to wait for than two threads run: it is told of the first ones all the same. */
Test(pace, who_has_much_to_wait_for_is_told_of_what_has_ended)
{
    enum { MANY = 40 };
    sabal_client *client = open_cluster(2);
    sabal_future *first[2], *more[MANY];

    for (int i = 0; i < 2; i++)
        first[i] = submit_one(client, 0);
    for (int i = 0; i < MANY; i++)
        more[i] = submit_one(client, 20 * LONG_MS);
    for (int i = 0; i < 2; i++) {
        await(first[i]);
        sabal_release(first[i]);
    }
    for (int i = 0; i < MANY; i++)
        cr_expect(is_pending(more[i]));
    for (int i = MANY - 1; i >= 0; i--) {
        sabal_future_cancel(more[i]);
        sabal_release(more[i]);
    }
    close_all(client);
}

/* Tasks that are counted in a file, as nobody holds their futures; a probe tells how many there have been. */
typedef struct counted {
    char path[96]; /* a byte for each of them */
    int  is_probe;
} counted;

static sabal_status work_counted(sabal_task *task)
{
    const counted *c  = sabal_task_arg(task);
    const int      fd = open(c->path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    struct stat    st = {.st_size = 0};
    int            ok = fd >= 0 && (c->is_probe ? !fstat(fd, &st) : write(fd, "", 1) == 1);

    for (int i = 0; i < 8 && !c->is_probe; i++)
        work_a_little();
    ok = !close(fd) && ok;
    return ok ? sabal_task_return(task, &st.st_size, sizeof st.st_size) : SABAL_EIO;
}

static int64_t count_now(sabal_client *client, counted c)
{
    sabal_future *f;
    off_t         n = 0;

    c.is_probe = 1;
    f          = sabal_submit(client, work_counted, &c, sizeof c);
    cr_expect_eq(sabal_future_get(&n, sizeof n, f, &err), SABAL_OK, "%s", err.message);
    sabal_release(f);
    return n;
}

/* What other workers may wait for overtakes the rest only so far: one task of another client has its turn while many come. */
Test(pace, one_that_only_its_client_waits_for_is_overtaken_by_some_of_what_others_wait_for)
{
    enum { MANY = 6000, WHO_WAIT = 20, PROBES = 24, SOME = 100 };
    static sabal_future *first[MANY];
    sabal_client        *many = open_cluster(1), *one = sabal_open(cluster.file, &err, .threads = 1);
    sabal_future        *all[WHO_WAIT];
    counted              c    = {.is_probe = 0};
    int                  none = 0, n = 0;

    cr_assert(one, "%s", err.message);
    snprintf(c.path, sizeof c.path, "%s/count", behind.folder);
    for (int i = 0; i < MANY; i++)
        first[i] = sabal_submit(many, work_counted, &c, sizeof c);
    for (int i = 0; i < WHO_WAIT; i++)
        all[i] = sabal_submit(many, work, &none, sizeof none, .inputs = {(const void *const *)first, MANY});
    for (int i = 0; i < MANY; i++)
        sabal_release(first[i]);
    while (count_now(one, c) < MANY / 20) /* from then on they are known to be waited for */
        sleep_ms(1);
    for (int i = 0; i < PROBES; i++) {
        struct stat before;
        int64_t     overtaken;

        cr_assert_eq(stat(c.path, &before), 0);
        cr_assert_lt(before.st_size, MANY - 10 * SOME, "there is nothing left that could overtake it");
        overtaken = count_now(one, c) - before.st_size;
        fprintf(stderr, "overtaken by %d\n", (int)overtaken);
        n += overtaken < SOME; /* 40 at most; as this machine has other things to do, not each */
    }
    cr_expect_geq(n, PROBES - 2);
    sabal_close(one);
    for (int i = WHO_WAIT - 1; i >= 0; i--) {
        sabal_future_cancel(all[i]);
        sabal_release(all[i]);
    }
    close_all(many);
}
