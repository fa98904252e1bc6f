/* The scheduler by hand: one small script for each thing that it does. The simulator (sim.c) does the rest. */
#include "core/desk.h"

/* --- what usually happens ----------------------------------------------------------------------------------------- */

Test(scheduler, small_value_is_told)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    cr_assert_eq(state_of(c, 1), SBL_T_SENT);
    finish(w, 1, 8);
    cr_assert_eq(last(c, SBL_LETTER_DONE, 1)->n, 8);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(n_tasks(), 0);
    cr_assert(!last(w, SBL_LETTER_DROP, 0), "nothing is kept there");
    desk_close();
}

Test(scheduler, large_value_stays_with_its_worker)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish(w, 1, 1000);
    cr_assert_eq(last(c, SBL_LETTER_DONE, 1)->n, SBL_ELSEWHERE);
    look(c, 1, SBL_NOBODY);
    cr_assert_eq(last(c, SBL_LETTER_AT, 1)->worker, w);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(last(w, SBL_LETTER_DROP, 0)->task, order_of(w, 1)->task);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

Test(scheduler, map_goes_to_all_workers)
{
    uint32_t c, w[4], n = 0;

    desk_open(NULL);
    c = new_client();
    for (int i = 0; i < 4; i++)
        w[i] = new_worker(1);
    for (uint64_t i = 1; i <= 8; i++)
        task(c, i, 1, 0);
    for (int i = 0; i < 4; i++) {
        n += how_often(w[i], SBL_LETTER_RUN, 0);
        cr_assert_geq(how_often(w[i], SBL_LETTER_RUN, 0), 1);
        cr_assert_leq(how_often(w[i], SBL_LETTER_RUN, 0), 2, "one runs, one waits");
    }
    cr_assert_eq(n, 8);
    desk_close();
}

Test(scheduler, chain_is_sent_ahead)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0); /* also when its input was sent before */
    cr_assert_eq(order_of(w, 2)->inputs[0][2], SBL_MADE_THERE);
    cr_assert_eq(state_of(c, 2), SBL_T_SENT, "before its input is there");
    finish(w, 1, 1000);
    finish(w, 2, 8);
    cr_assert(last(c, SBL_LETTER_DONE, 2));
    desk_close();
}

Test(scheduler, task_goes_where_its_input_is)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish(w, 1, 100000000);
    other = new_worker(1);
    task(c, 2, 1, 1, 0);
    cr_assert(last(w, SBL_LETTER_RUN, 2) && !last(other, SBL_LETTER_RUN, 2));
    desk_close();
}

Test(scheduler, who_has_no_input_is_told_where_it_is)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish(w, 1, 1000);
    task(c, 2, 1, 0);
    task(c, 3, 1, 0); /* it is busy */
    other = new_worker(1);
    task(c, 4, 1, 1, 0);
    cr_assert_eq(order_of(other, 4)->inputs[0][2], w);
    have(other, order_of(w, 1)->task, order_of(w, 1)->attempt);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    finish(other, 4, 8);
    cr_assert(last(other, SBL_LETTER_DROP, 0) && last(w, SBL_LETTER_DROP, 0), "both copies");
    desk_close();
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

Test(scheduler, failure_is_that_of_all_that_depend_on_it)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0);
    task(c, 3, 1, 2, 0);
    fail(w, 1, SABAL_EVALUE);
    for (uint64_t i = 1; i <= 3; i++)
        cr_assert_eq(last(c, SBL_LETTER_FAILED, i)->status, SABAL_EVALUE);
    task(c, 4, 1, 1, 0);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 4)->status, SABAL_EVALUE, "also of those that come later");
    range(c, SBL_LETTER_RELEASE, 1, 4);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

Test(scheduler, retry_is_another_attempt)
{
    uint32_t c, w, attempt, n;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 2, 0);
    attempt = order_of(w, 1)->attempt;
    fail(w, 1, SABAL_EIO);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 1), 2);
    cr_assert_neq(order_of(w, 1)->attempt, attempt);
    n = n_heard;
    finish_attempt(w, order_of(w, 1)->task, attempt, 8); /* the old one: too late */
    cr_assert_eq(n_heard, n);
    fail(w, 1, SABAL_EIO);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EIO, "one retry is all");
    desk_close();
}

Test(scheduler, cancelled_is_not_retried)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 2, 0);
    fail(w, 1, SABAL_ECANCELED);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_ECANCELED);
    desk_close();
}

/* --- cancelled and released in each state ------------------------------------------------------------------------- */

/* A client whose task 10 is in that state, with a worker. */
static uint32_t in_state(int state, uint32_t *w)
{
    uint32_t c;

    desk_open(NULL);
    c  = new_client();
    *w = state == SBL_T_READY ? 0 : new_worker(1);
    task(c, 1, 1, 0);
    if (state == SBL_T_WAITING) {
        task(c, 2, 1, 0);
        task(c, 3, 1, 0);
        task(c, 10, 1, 1, 3, 0);
    } else if (state == SBL_T_RELEASED) {
        finish(*w, 1, 1000);
        task(c, 10, 1, 1, 0);
        finish(*w, 10, 1000);
        task(c, 11, 1, 10, 0);
        finish(*w, 11, 1000);
    } else {
        task(c, 10, 3, 0);
    }
    if (state == SBL_T_CHAINED) {
        task(*w, 1, 1, 0);
        chain(*w, 10, 1);
    }
    if (state == SBL_T_DONE)
        finish(*w, 10, 1000);
    if (state == SBL_T_FAILED)
        fail(*w, 10, SABAL_EVALUE);
    return c;
}

Test(scheduler, cancel_in_each_state)
{
    for (int state = 0; state < SBL_T_RELEASED; state++) {
        uint32_t w, c = in_state(state, &w);

        if (state == SBL_T_SENT && !last(w, SBL_LETTER_RUN, 10))
            finish(w, 1, 8);
        cr_assert_eq(state_of(c, 10), state, "%s", sbl_scheduler_state_name(state));
        range(c, SBL_LETTER_CANCEL, 10, 1);
        if (state < SBL_T_DONE) {
            cr_assert_eq(last(c, SBL_LETTER_FAILED, 10)->status, SABAL_ECANCELED);
            cr_assert_eq(state_of(c, 10), SBL_T_FAILED);
        } else {
            cr_assert_eq(state_of(c, 10), state);
        }
        if (state == SBL_T_SENT)
            cr_assert_eq(last(w, SBL_LETTER_STOP, 0)->task, order_of(w, 10)->task);
        desk_close();
    }
}

Test(scheduler, release_in_each_state)
{
    for (int state = 0; state < SBL_T_STATES; state++) {
        uint32_t w, c = in_state(state, &w), before = n_tasks();

        range(c, SBL_LETTER_RELEASE, 10, 1);
        cr_assert_eq(state_of(c, 10), -1);
        if (state == SBL_T_DONE || state == SBL_T_FAILED)
            cr_assert_eq(n_tasks(), before - 1);
        else
            cr_assert_eq(n_tasks(), before, "it runs all the same, or is what another was made of");
        if (state == SBL_T_RELEASED)
            cr_assert_eq(desk->n_in_state[SBL_T_RELEASED], 1);
        new_worker(2);
        finish_all(); /* what was released runs on even when its client is gone */
        desk_close();
    }
}

/* --- tasks that return tasks -------------------------------------------------------------------------------------- */

Test(scheduler, returned_task_gives_the_value)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(2);
    task(c, 1, 1, 0);
    task(w, 501, 1, 0);
    chain(w, 1, 501);
    range(w, SBL_LETTER_RELEASE, 501, 1);
    cr_assert_eq(state_of(c, 1), SBL_T_CHAINED);
    finish(w, 501, 1000);
    cr_assert_eq(last(c, SBL_LETTER_DONE, 1)->n, SBL_ELSEWHERE);
    look(c, 1, SBL_NOBODY);
    cr_assert_eq(last(c, SBL_LETTER_AT, 1)->worker, w);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

/* Each task returns the next, 100,000 of them: no walk along them, and no recursion. */
Test(scheduler, chain_of_chains)
{
    enum { LONG = 100000 };
    const sbl_scheduler_options options = {SBL_SCHEDULER_DEFAULTS};
    uint32_t                    c, w, task_, attempt;

    desk_open(&options);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task_   = order_of(w, 1)->task;
    attempt = order_of(w, 1)->attempt;
    for (uint32_t i = 1; i <= LONG; i++) {
        sbl_words *out = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);

        n_heard = 0;
        sbl_say_group(out, &(sbl_group){.serial = i, .n = 1, .spec = 1, .arg_size = 4});
        sbl_say_u32(out, i);
        say_name(SBL_LETTER_CHAIN, task_, attempt);
        sbl_say_u64(&mouth.words, i);
        sbl_outbox_close(&mouth);
        sbl_scheduler_hear(desk, w, mouth.words.bytes, mouth.words.size, ++desk_now);
        sbl_outbox_empty(&mouth);
        sbl_scheduler_send(desk);
        task_   = order_of(w, i)->task;
        attempt = order_of(w, i)->attempt;
    }
    finish_attempt(w, task_, attempt, 8);
    cr_assert_eq(last(c, SBL_LETTER_DONE, 1)->n, 8);
    range(w, SBL_LETTER_RELEASE, 1, LONG);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

Test(scheduler, future_of_nobody_is_refused)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    chain(w, 1, 77);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EINVAL);
    desk_close();
}

/* What others made ready goes before what has not begun; of that, what was submitted first: it may have become ready last. */
Test(scheduler, what_lags_behind_goes_first)
{
    enum { N = 5 };
    sbl_squeue q = {0};
    uint32_t   c, t[N];
    int32_t    priority;

    desk_open(NULL);
    c = sbl_peer_slot(desk, new_client());
    for (uint32_t i = 0; i < N; i++)
        t[i] = sbl_stask_make(desk, c, 1 + i, 0);
    sbl_squeue_add(desk, &q, t[3], 0, SBL_BEHIND); /* has not begun */
    sbl_squeue_add(desk, &q, t[2], 0, SBL_BEFORE);
    sbl_squeue_add(desk, &q, t[0], 0, SBL_BEFORE);
    sbl_squeue_remove(desk, &q, t[2], 0);
    sbl_squeue_add(desk, &q, t[2], 0, SBL_BEFORE);
    sbl_squeue_add(desk, &q, t[1], 0, SBL_BEFORE);
    sbl_squeue_add(desk, &q, t[4], 0, SBL_FOREMOST);
    cr_assert_eq(sbl_squeue_first(&q, &priority), t[4]);
    sbl_squeue_remove(desk, &q, t[4], 0);
    sbl_squeue_add(desk, &q, t[4], 0, SBL_BEHIND);
    for (uint32_t i = 0; i < N; i++) {
        cr_assert_eq(sbl_squeue_first(&q, &priority), t[i], "%u", i);
        sbl_squeue_remove(desk, &q, t[i], 0);
        sbl_stask_end(desk, t[i]);
    }
    sbl_squeue_clear(&q);
    desk_close();
}

Test(scheduler, a_client_has_plenty_as_long_as_far_more_has_yet_to_end_than_runs)
{
    enum { N = 6 };
    uint32_t c, other, w;

    desk_open(NULL);
    c     = new_client();
    other = new_client();
    for (uint64_t i = 1; i <= N; i++)
        task(c, i, 1, 0);
    w = new_worker(2);
    task(other, 11, 1, 0);
    cr_assert(sbl_scheduler_has_plenty(desk, c), "of six, two run");
    cr_assert(!sbl_scheduler_has_plenty(desk, other));
    cr_assert(!sbl_scheduler_has_plenty(desk, w));
    for (uint64_t i = 1; i <= 2; i++)
        finish(w, i, 8);
    cr_assert(!sbl_scheduler_has_plenty(desk, c), "of four, two run");
    desk_close();
}
