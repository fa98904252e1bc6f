/* A worker that retires: what it has goes to others, then it may leave. By hand, as in test_scheduler.c. */
#include "core/desk.h"

static void retire(uint32_t worker)
{
    sbl_say_u32(sbl_outbox_item(&mouth, SBL_LETTER_RETIRE), 1);
    speak(worker);
}

/* That worker was told to fetch something from `from`, and has it now. */
static void fetches(uint32_t worker, uint32_t from)
{
    const told *t = last(worker, SBL_LETTER_FETCH, 0);

    cr_assert(t && t->worker == from);
    say_name(SBL_LETTER_HAVE, t->task, t->attempt);
    speak(worker);
}

/* A worker with a value that a client needs; alone. */
static uint32_t begin_with_a_value(uint32_t *client)
{
    uint32_t w;

    desk_open(NULL);
    *client = new_client();
    w       = new_worker(1);
    task(*client, 1, 1, 0);
    finish(w, 1, 1000);
    return w;
}

static void gives(uint32_t worker, uint64_t serial)
{
    say_gave(worker, serial);
    speak(worker);
}

Test(retire, who_has_nothing_may_leave_at_once)
{
    uint32_t w;

    desk_open(NULL);
    new_client();
    w = new_worker(1);
    retire(w);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    retire(w);
    cr_assert_eq(how_often(w, SBL_LETTER_PART, 0), 1, "saying it twice changes nothing");
    desk_close();
}

Test(retire, its_values_move_first_and_nothing_runs_again)
{
    uint32_t c, w, other;

    w = begin_with_a_value(&c);
    task(c, 2, 1, 0);
    finish(w, 2, 1000);
    other = new_worker(1);
    retire(w);
    cr_assert_eq(how_often(other, SBL_LETTER_FETCH, 0), 2);
    cr_assert(!last(w, SBL_LETTER_PART, 0), "not yet");
    for (uint32_t i = 0, n = n_heard; i < n; i++)
        if (heard[i].kind == SBL_LETTER_FETCH) {
            cr_assert(!last(w, SBL_LETTER_PART, 0));
            say_name(SBL_LETTER_HAVE, heard[i].task, heard[i].attempt);
            speak(other);
        }
    cr_assert(last(w, SBL_LETTER_PART, 0));
    cr_assert_eq(how_often(w, SBL_LETTER_DROP, 0), 2, "it need not keep them");
    lose(w, &(sbl_loss){.planned = 1});
    look(c, 1, SBL_NOBODY);
    cr_assert_eq(last(c, SBL_LETTER_AT, 1)->worker, other);
    cr_assert_eq(how_often(other, SBL_LETTER_RUN, 0), 0);
    desk_close();
}

Test(retire, it_gets_nothing_and_gives_back_what_has_not_begun)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    order_of(w, 2); /* one runs, one waits */
    retire(w);
    cr_assert_eq(last(w, SBL_LETTER_GIVE, 0)->n, 2);
    other = new_worker(1);
    gives(w, 2);
    order_of(other, 2);
    task(c, 3, 1, 0);
    finish(w, 1, 1000);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 3), 0);
    cr_assert(!last(w, SBL_LETTER_PART, 0), "what it made last moves too");
    tick_after(1000);
    fetches(other, w);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}

Test(retire, what_another_has_too_is_left_to_him)
{
    uint32_t c, w, other;

    w     = begin_with_a_value(&c);
    other = new_worker(1);
    say_name(SBL_LETTER_HAVE, order_of(w, 1)->task, order_of(w, 1)->attempt);
    speak(other);
    retire(w);
    cr_assert(!last(other, SBL_LETTER_FETCH, 0));
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}

/* Also when it has been given up by then by who was to have it. */
Test(retire, alone_it_waits_for_somebody_to_come)
{
    uint32_t c, w, other;

    w = begin_with_a_value(&c);
    retire(w);
    cr_assert(!last(w, SBL_LETTER_PART, 0));
    other = new_worker(1);
    tick_after(1000);
    cr_assert(last(other, SBL_LETTER_FETCH, 0));
    lose(other, NULL);
    other = new_worker(1);
    tick_after(1000);
    fetches(other, w);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}

Test(retire, what_is_released_meanwhile_need_not_move)
{
    uint32_t c, w, other;

    w     = begin_with_a_value(&c);
    other = new_worker(1);
    retire(w);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    fetches(other, w);
    cr_assert(last(other, SBL_LETTER_DROP, 0), "it came too late");
    tick_after(1000);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}

Test(retire, data_that_its_tasks_scattered_moves)
{
    uint32_t w, other;

    desk_open(NULL);
    new_client();
    w = new_worker(1);
    data(w, 1, 1000);
    other = new_worker(1);
    retire(w);
    cr_assert(!last(w, SBL_LETTER_PART, 0));
    cr_assert_eq(last(w, SBL_LETTER_PUSH, 1)->worker, other, "it is to be known there by its name");
    cr_assert_eq(last(other, SBL_LETTER_FETCH, 0)->n, w);
    fetches(other, SBL_CLIENT_HAS);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}

/* No more than some at a time, and all of them in the end. */
Test(retire, many_values_move_some_at_a_time)
{
    enum { N = 300 };
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    for (uint32_t i = 1; i <= N; i++) {
        task(c, i, 1, 0);
        finish(w, i, 1000);
    }
    other = new_worker(1);
    retire(w);
    cr_assert_leq(how_often(other, SBL_LETTER_FETCH, 0), 64);
    for (uint32_t i = 0; i < n_heard; i++) /* more come meanwhile */
        if (heard[i].kind == SBL_LETTER_FETCH) {
            say_name(SBL_LETTER_HAVE, heard[i].task, heard[i].attempt);
            speak(other);
        }
    cr_assert_eq(how_often(other, SBL_LETTER_FETCH, 0), N);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}

/* That worker could not get it: it is where it was, and another is told. */
Test(retire, what_could_not_be_moved_is_not_lost)
{
    uint32_t c, w, other, task_, attempt;

    w       = begin_with_a_value(&c);
    other   = new_worker(1);
    task_   = order_of(w, 1)->task;
    attempt = order_of(w, 1)->attempt;
    retire(w);
    cr_assert(last(other, SBL_LETTER_FETCH, 0));
    say_name(SBL_LETTER_LACK, 0, 0);
    sbl_say_u32(&mouth.words, task_);
    sbl_say_u32(&mouth.words, attempt);
    sbl_say_u32(&mouth.words, w);
    speak(other);
    cr_assert(!last(w, SBL_LETTER_DROP, 0));
    cr_assert_eq(how_often(other, SBL_LETTER_RUN, 0), 0);
    tick_after(250000000);
    cr_assert_eq(how_often(other, SBL_LETTER_FETCH, 0), 2, "it is tried again");
    fetches(other, w);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}

Test(retire, another_workers_end_changes_nothing)
{
    uint32_t c, w, a, b, taker;

    w = begin_with_a_value(&c);
    a = new_worker(1);
    b = new_worker(1);
    retire(w);
    taker = last(a, SBL_LETTER_FETCH, 0) ? a : b;
    lose(taker == a ? b : a, NULL);
    tick_after(250000000);
    cr_assert_eq(how_often(taker, SBL_LETTER_FETCH, 0), 1);
    fetches(taker, w);
    cr_assert(last(w, SBL_LETTER_PART, 0));
    desk_close();
}
