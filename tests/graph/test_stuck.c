/* Waits inside tasks that could never end, and those that look so and must end. */
#include "sched/worker.h"
#include "support/engines.h"

static sabal_error   err = SABAL_ERROR_INIT;
static sabal_client *client;

static const sabal_future
    *_Atomic handed; /* what the test tells a task that runs; not for engines in other processes */

static const sabal_future *take_handed(void)
{
    const sabal_future *f;

    while (!(f = handed))
        sleep_ms(1);
    return f;
}

/* Waits for what it is handed, and hands back what came of it. */
static sabal_status wait_for_handed(sabal_task *t)
{
    sabal_error  own = SABAL_ERROR_INIT;
    sabal_status st  = sabal_future_wait(take_handed(), &own);

    return st ? sabal_task_fail(t, st, "%s", own.message) : SABAL_OK;
}

Test(stuck, a_task_that_waits_for_its_own_future_fails)
{
    for_engines_here(client, 1)
    {
        sabal_future *f = sabal_submit(client, wait_for_handed, NULL, 0, .name = "snake");

        handed = f;
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        cr_expect(strstr(sabal_future_error(f)->message, "task 'snake-1' waits for its own future") != NULL);
        handed = NULL;
    }
}

static sabal_status wait_some_way(sabal_task *t)
{
    const int          *way = sabal_task_arg(t);
    const sabal_future *f   = take_handed();
    int64_t             index;
    char                byte;
    sabal_future       *got;
    sabal_as_completed *it;

    switch (*way) {
    case 0:
        return sabal_future_get(&byte, 1, f, NULL);
    case 1:
        return sabal_wait_all(SABAL_LIST(f, f), NULL);
    case 2:
        return sabal_wait_any(&index, SABAL_LIST(f), NULL);
    case 3:
        return sabal_future_wait(f, NULL, .timeout_ns = 60000000000);
    case 4:
        return sabal_gather(&byte, 1, SABAL_LIST(f), NULL);
    default:
        it = sabal_as_completed_create(sabal_task_client(t), SABAL_LIST(f));
        return sabal_as_completed_next(&got, it, NULL);
    }
}

Test(stuck, no_way_of_waiting_for_oneself_hangs)
{
    for_engines_here(client, 2) for (int way = 0; way < 6; way++)
    {
        sabal_future *f = sabal_submit(client, wait_some_way, &way, sizeof way);

        handed = f;
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        handed = NULL;
    }
}

static sabal_status return_at_once(sabal_task *t)
{
    return SABAL_OK;
}

Test(stuck, a_task_that_waits_for_what_takes_it_as_input_fails)
{
    for_engines_here(client, 2)
    {
        sabal_future *f = sabal_submit(client, wait_for_handed, NULL, 0);
        sabal_future *g = sabal_submit(client, return_at_once, NULL, 0, .inputs = SABAL_LIST(f));
        sabal_future *h =
            sabal_submit(client, return_at_once, NULL, 0, .inputs = SABAL_LIST(sabal_scatter(client, "", 0), g));

        handed = h;
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        cr_expect(strstr(sabal_future_error(f)->message, "waits for its own") != NULL);
        cr_expect_eq(sabal_future_wait(h, NULL), SABAL_EINVAL);
        handed = NULL;
    }
}

static sabal_status spawn_waiter(sabal_task *t)
{
    sabal_future *f   = sabal_submit(sabal_task_client(t), wait_for_handed, NULL, 0);
    sabal_error   own = SABAL_ERROR_INIT;
    sabal_status  st  = sabal_future_wait(f, &own);

    return st ? sabal_task_fail(t, st, "%s", own.message) : SABAL_OK;
}

Test(stuck, a_task_that_waits_for_the_one_that_waits_for_it_on_its_stack_fails)
{
    for_engines_here(client, 1)
    {
        sabal_future *f = sabal_submit(client, spawn_waiter, NULL, 0);

        handed = f;
        cr_expect_eq(sabal_future_wait(f, NULL), SABAL_EINVAL);
        handed = NULL;
    }
}

/* --- any of several --------------------------------------------------------------------------------------------- */

static sabal_status until_cancelled(sabal_task *t)
{
    while (!sabal_task_cancelled(t))
        sleep_ms(1);
    return SABAL_ECANCELED;
}

/* The first to end wins, the other is cancelled. */
static sabal_status race(sabal_task *t)
{
    const int    *with_iterator = sabal_task_arg(t);
    sabal_client *c             = sabal_task_client(t);
    sabal_future *slow = sabal_submit(c, until_cancelled, NULL, 0), *fast = sabal_submit(c, return_at_once, NULL, 0);
    sabal_future *won   = NULL;
    int64_t       index = -1;
    sabal_status  st;

    if (*with_iterator) {
        st = sabal_as_completed_next(&won, sabal_as_completed_create(c, SABAL_LIST(slow, fast)), NULL);
    } else {
        st  = sabal_wait_any(&index, SABAL_LIST(slow, fast), NULL);
        won = index == 1 ? fast : slow;
    }
    sabal_future_cancel(slow);
    if (st || won != fast)
        return SABAL_EVALUE;
    return sabal_future_wait(slow, NULL) == SABAL_ECANCELED ? SABAL_OK : SABAL_EVALUE;
}

Test(stuck, the_loser_of_a_race_can_be_cancelled_by_the_task_that_started_it)
{
    for_engines_here(client, 2) for (int with_iterator = 0; with_iterator < 2; with_iterator++) cr_expect_eq(
        sabal_future_wait(sabal_submit(client, race, &with_iterator, sizeof with_iterator), NULL), SABAL_OK);
}

/* --- more waits than threads ------------------------------------------------------------------------------------- */

struct deep {
    int n, way;
};

/* Each waits for the next, in a way that runs nothing on its own stack as long as there are threads. */
static sabal_status deeper(sabal_task *t)
{
    const struct deep *d   = sabal_task_arg(t);
    sabal_client      *c   = sabal_task_client(t);
    sabal_error        own = SABAL_ERROR_INIT;
    sabal_future      *f, *held, *got;
    int64_t            index;
    sabal_status       st;

    if (!d->n)
        return SABAL_OK;
    held = sabal_scatter(c, "", 0);
    f    = sabal_submit(c, deeper, (&(struct deep){d->n - 1, d->way}), sizeof *d);
    held = sabal_submit(c, return_at_once, NULL, 0, .inputs = SABAL_LIST(f));
    switch (d->way) {
    case 0:
        st = sabal_future_wait(f, &own, .timeout_ns = 600000000000);
        break;
    case 1:
        st = sabal_wait_any(&index, SABAL_LIST(held, f), &own);
        break;
    default:
        st = sabal_as_completed_next(&got, sabal_as_completed_create(c, SABAL_LIST(f, held)), &own);
    }
    return st ? sabal_task_fail(t, st, "%s", own.message) : SABAL_OK;
}

Test(stuck, waits_that_take_all_the_threads_there_may_be_still_end)
{
    for_engines_here(client, 1) for (int way = 0; way < 3; way++) cr_expect_eq(
        sabal_future_wait(sabal_submit(client, deeper, (&(struct deep){150, way}), sizeof(struct deep)), &err),
        SABAL_OK);
}

#define FRAME (1 << 20)

/* Waits for the next, which it runs on its own stack, of which each takes a good deal; so many times (-1: without end). */
static sabal_status wide(sabal_task *t)
{
    char         room[FRAME]; /* address space: only its first byte is touched */
    const int    left = *(const int *)sabal_task_arg(t), less = left > 0 ? left - 1 : left;
    sabal_error  own = SABAL_ERROR_INIT;
    sabal_status st  = SABAL_OK;

    room[0] = 0;
    __asm__ volatile("" : : "r"(room) : "memory"); /* or clang makes it one byte, and millions of waits fill a stack */
    if (left)
        st = sabal_future_wait(sabal_submit(sabal_task_client(t), wide, &less, sizeof less), &own);
    __asm__ volatile("" : : "r"(room) : "memory"); /* nor is it given up before the wait */
    return st ? sabal_task_fail(t, st, "%s", own.message) : SABAL_OK;
}

/* On a cluster: cluster/subtasks, with fewer of them. */
Test(stuck, waits_deeper_than_all_stacks_together_fail)
{
    for (int32_t threads = 1; threads <= 4; threads *= 2)
        for_engines_with_results_here(client, threads)
        {
            int           endless = -1;
            sabal_future *f       = sabal_submit(client, wide, &endless, sizeof endless);

            cr_expect_eq(sabal_future_wait(f, NULL), SABAL_ENOMEM);
            cr_expect(strstr(sabal_future_error(f)->message, "return the future instead") != NULL, "%s",
                      sabal_future_error(f)->message);
        }
}

/* When the others' naps have become long. */
static sabal_status wide_after_a_while(sabal_task *t)
{
    sleep_ms(2600);
    return wide(t);
}

/* Waits without running anything, as there is a limit. */
static sabal_status wait_long(sabal_task *t)
{
    const int  *left = sabal_task_arg(t);
    sabal_error own  = SABAL_ERROR_INIT;

    return sabal_future_wait(sabal_submit(sabal_task_client(t), wide_after_a_while, left, sizeof *left), &own,
                             .timeout_ns = 600000000000)
               ? sabal_task_fail(t, own.status, "%s", own.message)
               : SABAL_OK;
}

/* The stacks of all other threads are full, and the only one that is not sleeps deeply. */
Test(stuck, a_thread_that_has_room_is_called_when_the_last_one_has_none)
{
    size_t room = sbl_stack_room(1 + SBL_SPARES), half = sbl_stack_bytes(1 + SBL_SPARES) / 2;
    size_t each = FRAME + 4096; /* and on each stack one more is begun as long as that is not used up */
    int    deep = (int)(((room < half ? room : half) + each - 1) / each), left = SBL_SPARES * deep + deep / 2;

    client = sabal_open("local:", &err, .threads = 1);
    cr_expect_eq(sabal_future_wait(sabal_submit(client, wait_long, &left, sizeof left), &err), SABAL_OK, "%s",
                 err.message);
    sabal_close(client);
}
