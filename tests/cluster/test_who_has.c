/* Who has a future's value: on each engine, and on a cluster as values are made, read elsewhere, and lost. */
#include "cluster/job.h"

#include <pthread.h>

enum { LARGE = 100000, MOST_SEEN = 8 };

static sabal_client *client;

typedef struct seen {
    int     n, at_most;
    int32_t pids[MOST_SEEN];
} seen;

static void init(void)
{
    err = (sabal_error)SABAL_ERROR_INIT;
}

static void fini(void)
{
    cluster_close(&cluster); /* of a test that failed */
}

TestSuite(who_has, .init = init, .fini = fini, .timeout = 120);

static int32_t see(void *user, const sabal_worker_info *worker)
{
    seen *s = user;

    s->pids[s->n++] = worker->pid;
    return s->n == s->at_most;
}

static seen holders_of(const sabal_future *f)
{
    seen s = {.at_most = MOST_SEEN};

    cr_assert_eq(sabal_future_who_has(see, &s, f, &err), SABAL_OK, "%s", err.message);
    return s;
}

/* So many bytes, and its process in the first of them. */
static sabal_status make(sabal_task *t)
{
    const int64_t *size = sabal_task_arg(t);
    int32_t       *room = sabal_task_return_room(t, (size_t)*size);

    if (!room)
        return SABAL_ENOMEM;
    memset(room, 0, (size_t)*size);
    *room = (int32_t)getpid();
    return SABAL_OK;
}

static sabal_future *made(int64_t size)
{
    return sabal_submit(client, make, &size, sizeof size);
}

static int32_t first_of(const sabal_future *f)
{
    const void *bytes;

    cr_assert_eq(sabal_future_borrow(&bytes, NULL, f, &err), SABAL_OK, "%s", err.message);
    return *(const int32_t *)bytes;
}

Test(who_has, this_process_has_all_where_there_are_no_workers_apart)
{
    for_engines_with_results_here(client, 2)
    {
        marks         m = marks_make();
        sabal_future *f = made(LARGE), *held = sabal_submit(client, task_hold, &m, sizeof m);
        seen          s;

        cr_assert_eq(sabal_future_wait(f, &err), SABAL_OK);
        s = holders_of(f);
        cr_expect_eq(s.n, 1);
        cr_expect_eq(s.pids[0], (int32_t)getpid());
        cr_expect_eq(holders_of(held).n, 0, "what is pending nobody has");
        marks_add(&m, 'g');
        cr_expect_eq(sabal_future_wait(held, &err), SABAL_OK);
        marks_end(&m);
    }
}

Test(who_has, the_worker_that_made_it)
{
    sabal_future *f, *small, *pending;
    marks         m = marks_make();
    seen          s;

    client = open_cluster(2);
    f      = made(LARGE);
    small  = made(8);
    cr_assert_eq(sabal_wait_all(SABAL_LIST(f, small), &err), SABAL_OK, "%s", err.message);
    pending = sabal_submit(client, task_hold, &m, sizeof m);
    s       = holders_of(f);
    cr_expect_eq(s.n, 1);
    cr_expect_eq(s.pids[0], first_of(f));
    cr_expect_eq(holders_of(small).n, 0, "it lies here");
    cr_expect_eq(holders_of(pending).n, 0);
    marks_add(&m, 'g');
    cr_expect_eq(sabal_future_wait(pending, &err), SABAL_OK);
    marks_end(&m);
    sabal_close(client);
    cluster_close(&cluster);
}

/* A task that runs at each worker, with f as an input. */
static sabal_status take_part(sabal_task *t)
{
    const marks  *m   = sabal_task_arg(t);
    const int32_t pid = (int32_t)getpid();

    marks_add(m, 'r');
    marks_wait(m, 2); /* two at once: one at each of two threads */
    return sabal_task_return(t, &pid, sizeof pid);
}

Test(who_has, those_who_read_it_too_until_they_are_gone)
{
    marks         m = marks_make();
    sabal_future *f, *parts[2];
    seen          s;
    int32_t       pids[2];

    client   = open_cluster(2);
    f        = made(LARGE);
    parts[0] = sabal_submit(client, take_part, &m, sizeof m, .inputs = SABAL_LIST(f));
    parts[1] = sabal_submit(client, take_part, &m, sizeof m, .inputs = SABAL_LIST(f));
    cr_assert_eq(sabal_gather(pids, sizeof *pids, list_of(parts, 2), &err), SABAL_OK, "%s", err.message);
    cr_assert_neq(pids[0], pids[1]);
    s = holders_of(f);
    cr_assert_eq(s.n, 2);
    cr_expect(s.pids[0] == cluster.process[1] && s.pids[1] == cluster.process[2], "in the order in which they joined");
    s = (seen){.at_most = 1};
    cr_assert_eq(sabal_future_who_has(see, &s, f, &err), SABAL_OK);
    cr_expect_eq(s.n, 1, "the function said that it is enough");
    kill(cluster.process[1], SIGKILL);
    for (int64_t until = now_ms() + 20000; holders_of(f).n != 1 && now_ms() < until;)
        sleep_ms(10);
    s = holders_of(f);
    cr_assert_eq(s.n, 1);
    cr_expect_eq(s.pids[0], cluster.process[2]);
    marks_end(&m);
    sabal_close(client);
    cluster_close(&cluster);
}

/* --- many ask, and wrong calls ------------------------------------------------------------------------------------ */

enum { ASKERS = 4, ASKED = 100 };

typedef struct asker {
    pthread_t     thread;
    sabal_future *future;
    int32_t       pid;
    int           n_right;
} asker;

static void *ask_many(void *arg)
{
    asker *a = arg;

    for (int i = 0; i < ASKED; i++) {
        seen s = {.at_most = MOST_SEEN};

        a->n_right += !sabal_future_who_has(see, &s, a->future, NULL) && s.n == 1 && s.pids[0] == a->pid;
    }
    return NULL;
}

Test(who_has, each_of_many_askers_gets_his_own_answer)
{
    asker askers[ASKERS];

    client = open_cluster(2);
    for (int i = 0; i < ASKERS; i++) {
        sabal_future *f = made(LARGE);

        askers[i] = (asker){.future = f, .pid = 0};
    }
    for (int i = 0; i < ASKERS; i++)
        askers[i].pid = first_of(askers[i].future);
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]);
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        cr_expect_eq(askers[i].n_right, ASKED);
    }
    sabal_close(client);
    cluster_close(&cluster);
}

Test(who_has, wrong_calls_are_refused)
{
    sabal_future *f;
    seen          s = {.at_most = MOST_SEEN};

    client = sabal_open("local:", &err, .threads = 1);
    f      = made(8);
    cr_expect_eq(sabal_future_who_has(see, &s, NULL, &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "the future is NULL"));
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sabal_future_who_has(NULL, &s, f, &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "the function is NULL"));
    sabal_retain(f);
    sabal_close(client);
    err = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sabal_future_who_has(see, &s, f, &err), SABAL_ECLOSED, "%s", err.message);
    cr_expect_eq(s.n, 0);
    sabal_release(f);
}
