/* Workers and clients that are lost, and what they had; work and its order among those who are there. By hand, as in
   test_scheduler.c. */
#include "core/desk.h"

/* --- workers that are lost ---------------------------------------------------------------------------------------- */

Test(losses, task_of_a_lost_worker_runs_elsewhere)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0);
    other = new_worker(1);
    lose(w, NULL);
    finish(other, 1, 8);
    finish(other, 2, 8);
    cr_assert(last(c, SBL_LETTER_DONE, 1) && last(c, SBL_LETTER_DONE, 2));
    finish_attempt(w, order_of(w, 1)->task, order_of(w, 1)->attempt, 8); /* the zombie */
    cr_assert_eq(how_often(c, SBL_LETTER_DONE, 1), 1);
    desk_close();
}

/* Also what it was made of, which was released meanwhile. */
Test(losses, only_copy_is_made_again)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish(w, 1, 1000);
    task(c, 2, 1, 1, 0);
    finish(w, 2, 1000);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(desk->n_in_state[SBL_T_RELEASED], 1);
    other = new_worker(1);
    lose(w, NULL);
    look(c, 2, w);
    finish(other, 1, 1000);
    finish(other, 2, 1000);
    cr_assert_eq(last(c, SBL_LETTER_AT, 2)->worker, other, "who looked for it meanwhile hears where it is");
    cr_assert_eq(desk->n_in_state[SBL_T_RELEASED], 1, "what it was made of is let go again");
    range(c, SBL_LETTER_RELEASE, 2, 1);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

Test(losses, one_of_two_copies_is_enough)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish(w, 1, 1000);
    other = new_worker(1);
    have(other, order_of(w, 1)->task, order_of(w, 1)->attempt);
    lose(w, NULL);
    cr_assert_eq(state_of(c, 1), SBL_T_DONE);
    look(c, 1, w);
    cr_assert_eq(last(c, SBL_LETTER_AT, 1)->worker, other);
    desk_close();
}

Test(losses, task_that_ends_workers_fails)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    for (int i = 0; i < 3; i++) {
        const uint32_t w = new_worker(1);
        const told    *t = order_of(w, 1);

        cr_assert(!last(c, SBL_LETTER_FAILED, 1));
        lose(w, &(sbl_loss){.ran = &(sbl_ran){t->task, t->attempt, 1}, .n_ran = 1, .node = "n1", .what = "signal 11"});
    }
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EPEER);
    cr_assert(strstr(last(c, SBL_LETTER_FAILED, 1)->message, "'one' ended 3 workers, the last 'n1' with signal 11"));
    cr_assert(!last(c, SBL_LETTER_FAILED, 2), "it was only beside it");
    desk_close();
}

Test(losses, too_many_losses)
{
    uint32_t c;

    desk_open(&(sbl_scheduler_options){
        .suspect_ns = 1000000000, .dead_ns = 3000000000, .allowed_kills = 3, .allowed_losses = 2});
    c = new_client();
    task(c, 1, 1, 0);
    lose(new_worker(1), NULL);
    for (int i = 0; i < 9; i++) /* nobody's fault, and not counted */
        lose(new_worker(1), &(sbl_loss){.planned = 1});
    cr_assert(!last(c, SBL_LETTER_FAILED, 1));
    lose(new_worker(1), NULL);
    cr_assert(strstr(last(c, SBL_LETTER_FAILED, 1)->message, "2 workers ended while task 'one' was with them"));
    desk_close();
}

/* One thread of two ran it; what it had been sent besides had not begun. */
Test(losses, only_what_ran_is_charged)
{
    uint32_t c;

    desk_open(&(sbl_scheduler_options){
        .suspect_ns = 1000000000, .dead_ns = 3000000000, .allowed_kills = 3, .allowed_losses = 4});
    c = new_client();
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    task(c, 3, 1, 0);
    for (int i = 0; i < 4; i++) {
        const uint32_t w = new_worker(2);
        const told    *t = order_of(w, 1), *beside = order_of(w, 2);
        const sbl_ran  ran[2] = {{t->task, t->attempt, 0}, {beside->task, beside->attempt, i < 2}};

        cr_assert(order_of(w, 3));
        cr_assert(!last(c, SBL_LETTER_FAILED, 1) && !last(c, SBL_LETTER_FAILED, 2));
        lose(w, &(sbl_loss){.is_known = 1, .ran = ran, .n_ran = 2, .what = "signal 9 (Killed)"});
    }
    cr_assert(last(c, SBL_LETTER_FAILED, 2), "its losses are counted with its kills");
    cr_assert(!last(c, SBL_LETTER_FAILED, 1), "what ran beside a guilty one is not charged");
    for (int i = 0; i < 2; i++) {
        const uint32_t w = new_worker(1);
        const told    *t = order_of(w, 1);

        lose(w, &(sbl_loss){
                    .is_known = 1, .ran = &(sbl_ran){t->task, t->attempt, 0}, .n_ran = 1, .what = "signal 9 (Killed)"});
    }
    cr_assert(strstr(last(c, SBL_LETTER_FAILED, 1)->message,
                     "4 workers ended while task 'one' was with them, the last with signal 9"));
    lose(new_worker(2), &(sbl_loss){.is_known = 1});
    finish(new_worker(1), 3, 8);
    cr_assert(last(c, SBL_LETTER_DONE, 3));
    desk_close();
}

/* It was sent ahead, its input was made, and before the worker could say so it was ended by it. */
Test(losses, who_was_sent_ahead_and_ran_is_charged)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0);
    for (int i = 0; i < 3; i++) {
        const uint32_t w = new_worker(1);
        const told    *t = order_of(w, 2);

        cr_assert(!last(c, SBL_LETTER_FAILED, 2));
        lose(w, &(sbl_loss){.is_known = 1, .ran = &(sbl_ran){t->task, t->attempt, 1}, .n_ran = 1});
    }
    cr_assert(strstr(last(c, SBL_LETTER_FAILED, 2)->message, "ended 3 workers"));
    desk_close();
}

Test(losses, a_worker_whose_end_is_not_explained_yet_gets_nothing)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    sbl_scheduler_suspect(desk, w);
    task(c, 2, 1, 0);
    task(c, 3, 1, 0);
    desk_settle();
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 2) + how_often(w, SBL_LETTER_RUN, 3), 0);
    other = new_worker(1);
    finish(other, 2, 8);
    lose(w, &(sbl_loss){.is_known = 1});
    finish(other, 1, 8);
    finish(other, 3, 8);
    desk_close();
}

Test(losses, lack_is_believed)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish(w, 1, 1000);
    task(c, 2, 1, 0);
    task(c, 3, 1, 0);
    other = new_worker(1);
    task(c, 4, 1, 1, 0);
    lack(other, 4, order_of(w, 1)->task, order_of(w, 1)->attempt, w);
    cr_assert_eq(last(w, SBL_LETTER_DROP, 0)->task, order_of(w, 1)->task, "it may be there, but out of reach");
    cr_assert_neq(state_of(c, 1), SBL_T_DONE);
    cr_assert_eq(how_often(other, SBL_LETTER_RUN, 1), 1, "made again by who is free");
    cr_assert_eq(order_of(other, 4)->inputs[0][2], SBL_MADE_THERE);
    finish(other, 1, 1000);
    lack(other, 4, order_of(other, 1)->task, order_of(other, 1)->attempt, SBL_MADE_THERE);
    cr_assert_neq(state_of(c, 1), SBL_T_DONE, "not there where it was made");
    desk_close();
}

Test(losses, silent_worker_gets_no_work_and_is_dropped)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    desk_now += 1100000000;
    sbl_scheduler_tick(desk, desk_now);
    task(c, 1, 1, 0);
    cr_assert(!last(w, SBL_LETTER_RUN, 1));
    sbl_say_u32(sbl_outbox_item(&mouth, SBL_LETTER_SPARE), 0);
    speak(w);
    cr_assert(last(w, SBL_LETTER_RUN, 1), "heard again, it gets some");
    for (int i = 0; i < 7; i++)
        sbl_scheduler_tick(desk, desk_now += 500000000);
    cr_assert_eq(dropped_peer, w);
    cr_assert(strstr(dropped_why, "silent"));
    lose(w, NULL);
    cr_assert_eq(state_of(c, 1), SBL_T_READY);
    desk_close();
}

Test(losses, idle_worker_gets_what_waits_elsewhere)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 0), 2);
    other = new_worker(1);
    cr_assert_eq(last(w, SBL_LETTER_GIVE, 0)->n, 1);
    say_gave(w, 2);
    say_name(SBL_LETTER_GAVE, 0, 0);
    speak(w);
    cr_assert(last(other, SBL_LETTER_RUN, 2));
    cr_assert_neq(order_of(other, 2)->attempt, order_of(w, 2)->attempt);
    desk_close();
}

/* However it came back: its turn was before that of all that was submitted later. */
Test(losses, what_was_sent_before_does_not_get_behind_what_was_submitted_later)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    for (uint64_t i = 1; i <= 20; i++)
        task(c, i, 1, 0);
    order_of(w, 2);
    other = new_worker(1);
    lose(w, NULL);
    finish(other, 3, 8);
    cr_assert(last(other, SBL_LETTER_RUN, 1), "it was lost with its worker");
    finish(other, 4, 8);
    cr_assert(last(other, SBL_LETTER_RUN, 2));
    w = new_worker(1);
    say_gave(other, 2);
    say_name(SBL_LETTER_GAVE, 0, 0);
    speak(other);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 2) + how_often(other, SBL_LETTER_RUN, 2), 2, "it was given back");
    desk_close();
}

enum { IS_LOST, IS_SUSPECT, RETIRES, BREAKS_THE_RULES, WAYS };

static int is_called(uint32_t worker)
{
    return sbl_peer_at(desk, sbl_peer_slot(desk, worker))->to_fill;
}

/* Two have nothing to do, and the one whose turn it is can't take what has come, as is heard before anything is sent. */
static void call_who(uint32_t spec, int way)
{
    uint32_t c, w[2], called, other;

    desk_open(NULL);
    c    = new_client();
    w[0] = worker_of(1, "a", "h", NULL);
    w[1] = worker_of(1, "b", "h", NULL);
    rule(c, 4, 0, "h", "");
    task_heard(c, 1, spec, 0);
    called = w[!is_called(w[0])];
    other  = w[called == w[0]];
    cr_assert(is_called(called) && !is_called(other));
    if (way == IS_LOST) {
        sbl_scheduler_lost(desk, called, &(sbl_loss){.planned = 1}, desk_now);
    } else if (way == IS_SUSPECT) {
        sbl_scheduler_suspect(desk, called);
    } else {
        sbl_say_u32(sbl_outbox_item(&mouth, way == RETIRES ? SBL_LETTER_RETIRE : SBL_LETTER_LOOK), 0);
        hear(called);
    }
    desk_settle();
    cr_expect(last(other, SBL_LETTER_RUN, 1), "task of kind %u, way %d", spec, way);
    desk_close();
}

Test(losses, what_somebody_was_called_for_who_can_not_take_it_is_anothers_at_once)
{
    for (int way = 0; way < WAYS; way++) {
        call_who(1, way);
        call_who(4, way);
    }
}

/* Two that come together, and two who have nothing to do. */
Test(losses, nobody_gets_a_second_one_while_another_gets_none)
{
    uint32_t   c, w[2];
    sbl_words *words;

    desk_open(NULL);
    c     = new_client();
    w[0]  = new_worker(1);
    w[1]  = new_worker(1);
    words = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);
    sbl_say_group(words, &(sbl_group){.serial = 1, .n = 2, .spec = 1, .arg_size = 4});
    sbl_say_u32(words, 1);
    sbl_say_u32(words, 2);
    speak(c);
    cr_assert_eq(how_often(w[0], SBL_LETTER_RUN, 0), 1);
    cr_assert_eq(how_often(w[1], SBL_LETTER_RUN, 0), 1);
    desk_close();
}

/* Two who have nothing to do, one task that waits, and one that who runs its input has too much: each gets one. */
Test(losses, who_has_nothing_to_do_is_called_until_there_is_nothing_to_be_had)
{
    uint32_t c, idle[2], w;

    desk_open(NULL);
    c       = new_client();
    idle[0] = new_worker(1);
    idle[1] = new_worker(1);
    w       = new_worker(3);
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    for (uint64_t i = 3; i <= 6; i++)
        task(c, i, 1, 1, 0);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 0), 5, "three are sent ahead");
    finish(w, 1, 8);
    cr_assert_eq(how_often(idle[0], SBL_LETTER_RUN, 6) + how_often(idle[1], SBL_LETTER_RUN, 6), 1);
    cr_assert_eq(how_often(w, SBL_LETTER_GIVE, 0), 1);
    desk_close();
}

/* One that was asked in vain runs what it runs for so long that it is asked once more, also by who has nothing to do only then. */
Test(losses, who_was_asked_in_vain_is_asked_again_as_soon_as_somebody_has_nothing_to_do)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    desk_now += 10000000;
    other = new_worker(1);
    cr_assert_eq(how_often(w, SBL_LETTER_GIVE, 0), 1);
    say_name(SBL_LETTER_GAVE, 0, 0);
    speak(w);
    task(c, 3, 1, 0);
    task(c, 4, 1, 0);
    cr_assert_eq(how_often(other, SBL_LETTER_RUN, 0), 2);
    sbl_scheduler_tick(desk, desk_now += 100000000);
    cr_assert_eq(how_often(w, SBL_LETTER_GIVE, 0), 1, "nobody has nothing to do");
    finish(other, 3, 8);
    finish(other, 4, 8);
    cr_assert_eq(how_often(w, SBL_LETTER_GIVE, 0), 2);
    desk_close();
}

/* Its tasks wait for tasks: it may have as many more. */
Test(losses, worker_whose_tasks_wait_gets_more)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    for (uint64_t i = 1; i <= 3; i++)
        task(c, i, 1, 0);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 0), 2);
    sbl_say_u32(sbl_outbox_item(&mouth, SBL_LETTER_SPARE), 1);
    speak(w);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 0), 3);
    desk_close();
}

/* --- data and clients --------------------------------------------------------------------------------------------- */

Test(losses, data_is_kept_by_its_client)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    data(c, 1, 100);
    data(c, 2, 100000);
    task(c, 3, 1, 1, 2, 0);
    cr_assert_eq(order_of(w, 3)->inputs[0][2], SBL_HERE_IT_IS);
    cr_assert_eq(order_of(w, 3)->inputs[1][2], SBL_CLIENT_HAS);
    cr_assert_eq(last(c, SBL_LETTER_PUSH, 2)->worker, w);
    range(c, SBL_LETTER_RELEASE, 1, 3);
    cr_assert(!last(c, SBL_LETTER_FORGET, 2), "a task needs it");
    finish(w, 3, 8);
    cr_assert(last(c, SBL_LETTER_FORGET, 2));
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

/* What another client's task returned is needed: the value of its data is with a worker, or lost. */
Test(losses, data_of_a_client_that_is_gone)
{
    for (int has_copy = 0; has_copy < 2; has_copy++) {
        uint32_t c, w, other;

        desk_open(NULL);
        c = new_client();
        w = new_worker(1);
        task(c, 1, 1, 0);
        data(w, 1, 100000);
        chain(w, 1, 1);
        cr_assert_eq(last(c, SBL_LETTER_DONE, 1)->n, SBL_ELSEWHERE);
        other = new_worker(1);
        look(c, 1, SBL_NOBODY);
        cr_assert_eq(last(c, SBL_LETTER_AT, 1)->n, 0);
        cr_assert_eq(last(w, SBL_LETTER_PUSH, 1)->worker, c, "it is brought");
        if (has_copy)
            have(other, last(c, SBL_LETTER_AT, 1)->task, last(c, SBL_LETTER_AT, 1)->attempt);
        lose(w, NULL);
        cr_assert_eq(state_of(c, 1), has_copy ? SBL_T_DONE : SBL_T_FAILED);
        if (!has_copy)
            cr_assert(strstr(last(c, SBL_LETTER_FAILED, 1)->message,
                             "scattered data (100000 bytes, number 1 of its client) is lost"));
        look(c, 1, SBL_NOBODY);
        if (has_copy)
            cr_assert_eq(last(c, SBL_LETTER_AT, 1)->worker, other);
        desk_close();
    }
}

Test(losses, client_that_is_gone_takes_its_tasks_along)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0);
    lose(c, NULL);
    cr_assert_eq(n_tasks(), 0);
    cr_assert(last(w, SBL_LETTER_STOP, 0));
    desk_close();
}

/* The worker whose task submitted it is gone, and another client's task has become it. */
Test(losses, returned_task_outlives_who_submitted_it)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(w, 5, 1, 0);
    task(w, 6, 1, 5, 0);
    chain(w, 1, 6);
    lose(w, NULL);
    cr_assert_eq(state_of(c, 1), SBL_T_CHAINED);
    other = new_worker(1);
    finish(other, 5, 1000);
    finish(other, 6, 8);
    cr_assert(last(c, SBL_LETTER_DONE, 1));
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

/* Two clients with as much to do: neither waits for the other's last task. */
Test(losses, clients_take_turns)
{
    uint32_t c[2], w, turn = 0;

    desk_open(NULL);
    c[0] = new_client();
    c[1] = new_client();
    for (int k = 0; k < 2; k++)
        for (uint64_t i = 1; i <= 20; i++)
            task(c[k], 1000 * (uint64_t)k + i, 1, 0);
    w = new_worker(1);
    for (int n = 0; n < 20; n++)
        for (uint32_t i = 0, done = 0; i < n_heard && !done; i++)
            if (heard[i].kind == SBL_LETTER_RUN && heard[i].peer == w &&
                sbl_task_at(desk, heard[i].task)->state == SBL_T_SENT) {
                turn += heard[i].arg >= 1000;
                done = 1;
                finish_attempt(w, heard[i].task, heard[i].attempt, 8);
            }
    cr_assert(turn >= 9 && turn <= 11, "%u of 20 were of the second client", turn);
    desk_close();
}

Test(losses, priority_goes_first)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    task(c, 3, 1, 0);
    task(c, 4, 3, 0);
    w = new_worker(1);
    cr_assert(last(w, SBL_LETTER_RUN, 4) && last(w, SBL_LETTER_RUN, 1) && !last(w, SBL_LETTER_RUN, 3));
    desk_close();
}

/* It was sent elsewhere, and its input lies with a client that is gone now. */
Test(losses, input_of_what_was_sent_is_lost_for_good)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    other = new_worker(1);
    data(w, 501, 100000);
    task(w, 502, 1, 501, 0);
    chain(w, 1, 502);
    lose(w, NULL);
    cr_assert_eq(last(other, SBL_LETTER_STOP, 0)->task, order_of(other, 502)->task);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EPEER);
    cr_assert(cells[SBL_T_SENT][SBL_E_INPUT_FAILED]);
    desk_close();
}

/* What a task returned has failed after it was let go of, and before it is needed again. */
Test(losses, target_that_failed_meanwhile)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    data(w, 501, 100000);
    chain(w, 1, 501);
    task(w, 502, 1, 0); /* so that it is busy */
    task(w, 503, 1, 0);
    other = new_worker(1);
    task(c, 2, 1, 1, 0);
    finish(other, 2, 1000);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(desk->n_in_state[SBL_T_RELEASED], 1);
    lose(w, NULL);
    cr_assert_eq(state_of(c, 2), SBL_T_DONE);
    lose(other, NULL);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 2)->status, SABAL_EPEER);
    desk_close();
}
