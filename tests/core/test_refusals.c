/* Workers that have no room for a task: it goes to others, to each once, and is charged with nothing. */
#include "core/desk.h"

TestSuite(refusals, .timeout = 60);

/* It is given back by a worker whose disk is full. */
static void refuse_attempt(uint32_t worker, uint32_t task_, uint32_t attempt, const char *why)
{
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, SABAL_ENOSPC, "%s", why);
    say_name(SBL_LETTER_NO_ROOM, task_, attempt);
    sbl_say_failure(&mouth.words, &err);
    speak(worker);
}

static void refuse(uint32_t worker, uint64_t serial, const char *why)
{
    const told *t = order_of(worker, serial);

    refuse_attempt(worker, t->task, t->attempt, why);
}

/* A client, a worker that gets task 1, and another that comes after. */
static uint32_t c, a, b;

static void open_two(uint32_t spec)
{
    desk_open(NULL);
    c = new_client();
    a = worker_of(1, "a", "h", "gpu=1");
    task(c, 1, spec, 0);
    b = worker_of(1, "b", "h", "gpu=1");
    order_of(a, 1);
}

Test(refusals, what_one_has_no_room_for_goes_to_another)
{
    open_two(1);
    refuse(a, 1, "a is full");
    cr_assert(cells[SBL_T_SENT][SBL_E_NO_ROOM]);
    cr_expect_eq(how_often(a, SBL_LETTER_RUN, 1), 1);
    finish(b, 1, 8);
    cr_expect_eq(state_of(c, 1), SBL_T_DONE);
    desk_close();
}

Test(refusals, when_nobody_has_room_the_first_reason_is_told)
{
    open_two(1);
    refuse(a, 1, "a is full");
    cr_expect_null(last(c, SBL_LETTER_FAILED, 1));
    refuse(b, 1, "b is full");
    cr_expect_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_ENOSPC);
    cr_expect_str_eq(last(c, SBL_LETTER_FAILED, 1)->message, "a is full");
    cr_expect_eq(how_often(a, SBL_LETTER_RUN, 1) + how_often(b, SBL_LETTER_RUN, 1), 2);
    desk_close();
}

Test(refusals, the_only_worker_there_is_fails_it_at_once)
{
    desk_open(NULL);
    c = new_client();
    a = worker_of(1, "a", "h", "");
    task(c, 1, 1, 0);
    refuse(a, 1, "a is full");
    cr_expect_str_eq(last(c, SBL_LETTER_FAILED, 1)->message, "a is full");
    desk_close();
}

/* A retry of its own is left; one that it does not have is not made. */
Test(refusals, its_retries_are_not_charged)
{
    open_two(2);
    refuse(a, 1, "a is full");
    fail(b, 1, SABAL_EIO);
    cr_expect_null(last(c, SBL_LETTER_FAILED, 1));
    cr_expect_eq(how_often(b, SBL_LETTER_RUN, 1), 2);
    cr_expect_eq(how_often(a, SBL_LETTER_RUN, 1), 1);
    fail(b, 1, SABAL_EIO);
    cr_expect_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EIO);
    desk_close();
}

/* What its function says of a full disk of its own is a failure like any other. */
Test(refusals, a_function_that_fails_for_want_of_room_fails)
{
    open_two(1);
    fail(a, 1, SABAL_ENOSPC);
    cr_expect_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_ENOSPC);
    cr_expect_null(last(b, SBL_LETTER_RUN, 1));
    desk_close();
}

Test(refusals, who_may_not_run_it_is_not_asked_either)
{
    desk_open(NULL);
    c = new_client();
    rule(c, 7, 0, "a,b", "gpu=1");
    a = worker_of(1, "a", "h", "gpu=1");
    task(c, 1, 7, 0);
    b = worker_of(1, "b", "h", "gpu=1");
    worker_of(1, "d", "h", "gpu=1");
    refuse(a, 1, "a is full");
    refuse(b, 1, "b is full");
    cr_expect_str_eq(last(c, SBL_LETTER_FAILED, 1)->message, "a is full");
    desk_close();
}

/* What one is charged with in resources it gets back. */
Test(refusals, what_it_took_there_is_free_again)
{
    desk_open(NULL);
    c = new_client();
    rule(c, 7, 0, "", "gpu=1");
    a = worker_of(1, "a", "h", "gpu=1");
    task(c, 1, 7, 0);
    b = worker_of(1, "b", "h", "gpu=1");
    refuse(a, 1, "a is full");
    task(c, 2, 7, 0);
    order_of(b, 1);
    order_of(a, 2);
    desk_close();
}

/* The first has no room for task 1, which waits for the other, as that is busy. */
static void open_two_of_which_one_refuses(void)
{
    open_two(1);
    task(c, 2, 1, 0);
    task(c, 3, 1, 0);
    refuse(a, 1, "a is full");
}

/* The busy one goes. It may come again, or another in its place; who has refused is asked once more meanwhile. */
Test(refusals, the_last_that_could_have_had_room_is_gone)
{
    open_two_of_which_one_refuses();
    cr_expect_null(last(c, SBL_LETTER_FAILED, 1));
    lose(b, &(sbl_loss){.planned = 1});
    cr_expect_null(last(c, SBL_LETTER_FAILED, 1));
    finish_all();
    cr_expect_eq(how_often(a, SBL_LETTER_RUN, 1), 2);
    cr_expect_eq(state_of(c, 1), SBL_T_DONE);
    desk_close();
}

Test(refusals, who_refused_and_is_gone_does_not_count)
{
    uint32_t d;

    open_two_of_which_one_refuses();
    lose(a, NULL);
    lose(b, NULL);
    cr_expect_null(last(c, SBL_LETTER_FAILED, 1), "it waits, as others do");
    d = worker_of(1, "d", "h", "");
    finish_all();
    cr_expect_eq(how_often(d, SBL_LETTER_RUN, 1), 1);
    cr_expect_eq(state_of(c, 1), SBL_T_DONE);
    desk_close();
}

Test(refusals, one_that_comes_meanwhile_is_asked)
{
    uint32_t d;

    open_two_of_which_one_refuses();
    d = worker_of(1, "d", "h", "");
    lose(b, &(sbl_loss){.planned = 1});
    finish(d, 1, 8);
    cr_expect_eq(state_of(c, 1), SBL_T_DONE);
    desk_close();
}

/* Who had no room may have some when it has to run again. */
Test(refusals, once_it_has_run_all_may_run_it_again)
{
    open_two(1);
    refuse(a, 1, "a is full");
    finish(b, 1, 1000);
    cr_expect_eq(state_of(c, 1), SBL_T_DONE);
    lose(b, NULL);
    cr_expect_eq(how_often(a, SBL_LETTER_RUN, 1), 2);
    finish(a, 1, 1000);
    cr_expect_eq(state_of(c, 1), SBL_T_DONE);
    desk_close();
}

Test(refusals, what_was_sent_ahead_of_it_goes_with_it)
{
    open_two(1);
    task(c, 2, 1, 1, 0);
    order_of(a, 2);
    refuse(a, 1, "a is full");
    cr_expect_eq(last(a, SBL_LETTER_STOP, 0)->task, order_of(a, 2)->task);
    finish(b, 1, 8);
    finish_all();
    cr_expect_eq(state_of(c, 2), SBL_T_DONE);
    desk_close();
}

Test(refusals, what_depends_on_it_fails_with_it)
{
    open_two(1);
    task(c, 2, 1, 1, 0);
    refuse(a, 1, "a is full");
    refuse(b, 1, "b is full");
    cr_expect_str_eq(last(c, SBL_LETTER_FAILED, 2)->message, "a is full");
    desk_close();
}

Test(refusals, a_refusal_that_comes_too_late_is_left_alone)
{
    const told *t;

    open_two(1);
    t = order_of(a, 1);
    refuse_attempt(a, t->task, t->attempt + 1, "another attempt");
    refuse_attempt(b, t->task, t->attempt, "another worker");
    cr_expect_eq(state_of(c, 1), SBL_T_SENT);
    range(c, SBL_LETTER_CANCEL, 1, 1);
    refuse_attempt(a, t->task, t->attempt, "too late");
    cr_expect_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_ECANCELED);
    desk_close();
}

Test(refusals, released_while_it_waits_for_another)
{
    open_two_of_which_one_refuses();
    range(c, SBL_LETTER_RELEASE, 1, 3);
    finish_all();
    cr_expect_eq(n_tasks(), 0);
    desk_close();
}

/* That one alone was to run it. */
Test(refusals, what_each_worker_runs_fails_with_the_one_that_has_no_room)
{
    uint32_t task_ = 0;

    desk_open(NULL);
    c = new_client();
    a = worker_of(1, "a", "h", "");
    b = worker_of(1, "b", "h", "");
    sbl_say_group(sbl_outbox_item(&mouth, SBL_LETTER_EACH),
                  &(sbl_group){.serial = 1, .n = 1, .spec = 1, .arg_size = 4});
    sbl_say_u32(&mouth.words, 1);
    sbl_say_u32(&mouth.words, 0);
    speak(c);
    task_ = order_of(a, 1)->task;
    refuse_attempt(a, task_, order_of(a, 1)->attempt, "a is full");
    cr_expect_str_eq(last(c, SBL_LETTER_FAILED, 1)->message, "a is full");
    desk_close();
}

Test(refusals, a_refusal_before_its_inputs_were_there_drops_who_says_it)
{
    open_two(1);
    task(c, 2, 1, 1, 0);
    refuse(a, 2, "what?");
    cr_expect_eq(dropped_peer, a);
    desk_close();
}
