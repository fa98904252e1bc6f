/*
 * Many short tasks, and one that takes long: what was left to be said and heard between short ones is said and heard although the
 * next takes its time.
 */
#include "cluster/job.h"

TestSuite(pace, .init = begin_faults, .fini = end_faults, .timeout = 60);

enum { SHORT = 400, LONG_MS = 2000, SOON_MS = 150 }; /* half of what passes until a heartbeat would say and hear it */

/* One function for all, so that none is expected to take long. */
static sabal_status work(sabal_task *task)
{
    const int       is_long = *(const int *)sabal_task_arg(task);
    struct timespec t, begin;

    for (int ms = 0; is_long && ms < LONG_MS && !sabal_task_cancelled(task); ms++)
        sleep_ms(1);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while ((t.tv_sec - begin.tv_sec) * 1000000000 + t.tv_nsec - begin.tv_nsec < 50000);
    return SABAL_OK;
}

static sabal_future *submit_one(sabal_client *client, int is_long)
{
    return sabal_submit(client, work, &is_long, sizeof is_long);
}

typedef struct mixed {
    sabal_future *brief[SHORT], *long_one, *behind;
} mixed;

/* On one thread, in this order. The one behind is there so that there is always more to be done. */
static void submit(mixed *m, sabal_client *client)
{
    for (int i = 0; i < SHORT; i++)
        m->brief[i] = submit_one(client, 0);
    m->long_one = submit_one(client, 1);
    m->behind   = submit_one(client, 0);
}

static void release(mixed *m)
{
    for (int i = 0; i < SHORT; i++)
        sabal_release(m->brief[i]);
    sabal_release(m->long_one);
    sabal_release(m->behind);
}

static int64_t ms_until(sabal_future *f)
{
    const int64_t began = now_ms();

    cr_expect_eq(sabal_future_wait(f, &err), SABAL_OK, "%s", err.message);
    return now_ms() - began;
}

/* The worst of some, in none of which a heartbeat must help. */
static int64_t worst_of(int64_t (*measure)(mixed *m), sabal_client *client)
{
    int64_t worst = 0;

    for (int k = 0; k < 8; k++) {
        mixed   m;
        int64_t ms;

        submit(&m, client);
        ms    = measure(&m);
        worst = ms > worst ? ms : worst;
        sabal_future_cancel(m.long_one);
        sabal_future_wait(m.behind, &err);
        release(&m);
    }
    return worst;
}

static int64_t worst_since_the_first(mixed *m)
{
    int64_t ms;

    ms_until(m->brief[0]);
    ms = now_ms();
    for (int i = 0; i < SHORT; i++)
        ms_until(m->brief[i]);
    return now_ms() - ms;
}

Test(pace, the_last_of_many_short_tasks_is_told_while_the_next_one_runs_for_long)
{
    sabal_client *client = open_cluster(1);

    cr_expect_leq(worst_of(worst_since_the_first, client), SHORT / 20 + SOON_MS);
    close_all(client);
}

static int64_t until_cancelled(mixed *m)
{
    for (int i = 0; i < SHORT; i++)
        ms_until(m->brief[i]);
    sleep_ms(5);
    sabal_future_cancel(m->long_one);
    return ms_until(m->behind);
}

Test(pace, whose_thread_runs_a_long_one_after_many_short_ones_hears_what_comes)
{
    sabal_client *client = open_cluster(1);

    cr_expect_leq(worst_of(until_cancelled, client), SOON_MS);
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
        more[i] = submit_one(client, 1);
    for (int i = 0; i < 2; i++) {
        cr_expect_leq(ms_until(first[i]), LONG_MS / 2);
        sabal_release(first[i]);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        sabal_future_cancel(more[i]);
        sabal_release(more[i]);
    }
    close_all(client);
}
