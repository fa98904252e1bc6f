/*
 * A mutex held across a wait while the pool is stuck: all its threads are blocked, there may be no more of them, and what
 * is ready would unblock one. A wait that helped itself to that would also help itself to what needs the mutex.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "graph/engine.h"
#include "sched/worker.h"
#include "support/engines.h"

/* Of this process; not for engines in others. */
static pthread_mutex_t mutex;
static _Atomic int32_t deadlocks, locked, holding;
static int             fds[2];

static sabal_status read_pipe(sabal_task *t)
{
    char byte;

    sabal_blocking_begin();
    (void)!read(fds[0], &byte, 1);
    sabal_blocking_end();
    return SABAL_OK;
}

static sabal_status write_pipe(sabal_task *t)
{
    char bytes[SBL_SPARES] = {0};

    return write(fds[1], bytes, sizeof bytes) == sizeof bytes ? SABAL_OK : SABAL_EIO;
}

static sabal_status lock_mutex(sabal_task *t)
{
    if (pthread_mutex_lock(&mutex)) { /* an error instead of a deadlock */
        atomic_fetch_add(&deadlocks, 1);
        return SABAL_OK;
    }
    atomic_fetch_add(&locked, 1);
    pthread_mutex_unlock(&mutex);
    return SABAL_OK;
}

/* Waits for its input's sibling, which it gets as a pointer, under the mutex. */
struct hold {
    const sabal_future *future;
    int                 isolated;
};

static sabal_status hold_mutex(sabal_task *t)
{
    const struct hold *h   = sabal_task_arg(t);
    sabal_error        own = SABAL_ERROR_INIT;
    sabal_status       st;

    pthread_mutex_lock(&mutex);
    if (h->isolated)
        sabal_isolate_begin();
    atomic_store(&holding, 1);
    st = sabal_future_wait(h->future, &own);
    if (h->isolated)
        sabal_isolate_end();
    pthread_mutex_unlock(&mutex);
    return st ? sabal_task_fail(t, st, "%s", own.message) : SABAL_OK;
}

/* One thread and its spares: all but one read the pipe, the last holds the mutex and waits for one of them. */
static sabal_status stick(int isolated, const sabal_error **error)
{
    static sabal_error  err;
    pthread_mutexattr_t check;
    sabal_client       *client = sabal_open("local:", NULL, .threads = 1);
    sabal_future       *readers[SBL_SPARES], *holder, *writer;
    sabal_status        st;

    cr_assert_eq(pipe(fds), 0);
    pthread_mutexattr_init(&check);
    pthread_mutexattr_settype(&check, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &check);
    deadlocks = locked = holding = 0;
    for (int i = 0; i < SBL_SPARES; i++)
        readers[i] = sabal_submit(client, read_pipe, NULL, 0);
    while (SBL_COUNT(sbl_state(sbl_client_pool(client)), SBL_BLOCKED) < SBL_SPARES)
        sleep_ms(1);
    holder = sabal_submit(client, hold_mutex, (&(struct hold){readers[0], isolated}), sizeof(struct hold));
    while (!holding)
        sleep_ms(1);
    for (int i = 0; i < 3; i++)
        sabal_submit(client, lock_mutex, NULL, 0);
    writer = sabal_submit(client, write_pipe, NULL, 0);
    st     = sabal_future_wait(holder, NULL);
    if (sabal_future_error(holder))
        err = *sabal_future_error(holder);
    *error = &err;
    cr_expect_eq(sabal_future_wait(writer, NULL), SABAL_OK);
    cr_expect_eq(sabal_wait_all(list_of(readers, SBL_SPARES), NULL), SABAL_OK);
    sabal_close(client);
    close(fds[0]);
    close(fds[1]);
    pthread_mutex_destroy(&mutex);
    pthread_mutexattr_destroy(&check);
    return st;
}

Test(isolate, a_stuck_wait_under_a_lock_runs_what_needs_the_lock)
{
    const sabal_error *error;

    cr_expect_eq(stick(0, &error), SABAL_OK);
    cr_expect_gt(deadlocks, 0); /* with a plain mutex it would have ended here */
}

Test(isolate, an_isolated_one_fails_instead_and_all_goes_on)
{
    const sabal_error *error;

    cr_expect_eq(stick(1, &error), SABAL_ENOMEM);
    cr_expect(strstr(error->message, "one of them is isolated") != NULL);
    cr_expect_eq(deadlocks, 0);
    cr_expect_eq(locked, 3);
    cr_expect_eq(sbl_anybody_is_isolated(), 0);
}

/* What the isolated one waits for may wait on a thread that knows nothing of it. */
static sabal_status wait_for(sabal_task *t)
{
    sabal_error  own = SABAL_ERROR_INIT;
    sabal_status st  = sabal_future_wait(*(sabal_future *const *)sabal_task_arg(t), &own);

    return st ? sabal_task_fail(t, st, "%s", own.message) : SABAL_OK;
}

Test(isolate, while_one_is_isolated_no_other_wait_runs_what_needs_its_lock)
{
    sabal_client *client = sabal_open("local:", NULL, .threads = 1);
    sabal_future *readers[SBL_SPARES], *waiter, *writer;

    /* here the isolated one is this thread, which is none of the pool's */
    cr_assert_eq(pipe(fds), 0);
    pthread_mutex_init(&mutex, NULL);
    deadlocks = locked = 0;
    for (int i = 0; i < SBL_SPARES; i++)
        readers[i] = sabal_submit(client, read_pipe, NULL, 0);
    while (SBL_COUNT(sbl_state(sbl_client_pool(client)), SBL_BLOCKED) < SBL_SPARES)
        sleep_ms(1);
    pthread_mutex_lock(&mutex);
    sabal_isolate_begin();
    waiter = sabal_submit(client, wait_for, &readers[0], sizeof *readers);
    while (SBL_COUNT(sbl_state(sbl_client_pool(client)), SBL_BLOCKED) <= SBL_SPARES)
        sleep_ms(1);
    sabal_submit(client, lock_mutex, NULL, 0);
    writer = sabal_submit(client, write_pipe, NULL, 0);
    cr_expect_eq(sabal_future_wait(waiter, NULL), SABAL_ENOMEM);
    sabal_isolate_end();
    pthread_mutex_unlock(&mutex);
    cr_expect_eq(sabal_future_wait(writer, NULL), SABAL_OK);
    sabal_close(client);
    cr_expect_eq(locked, 1);
    close(fds[0]);
    close(fds[1]);
    pthread_mutex_destroy(&mutex);
}
