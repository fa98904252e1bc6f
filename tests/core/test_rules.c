/* What not all workers may run: who gets it, what it takes, and that it is given back however a task ends. */
#include "core/desk.h"

#include "cluster/core/look.h"

/* What a worker has left of a resource, in millionths. */
static uint64_t left_of(uint32_t worker, const char *name)
{
    const sbl_amount *amount = sbl_amounts_find(&sbl_peer_at(desk, sbl_peer_slot(desk, worker))->left, name);

    return amount ? amount->millionths : 0;
}

Test(rules, named_worker_alone_gets_it)
{
    uint32_t c, a, b;

    desk_open(NULL);
    c = new_client();
    a = worker_of(1, "a", "h", NULL);
    b = worker_of(1, "b", "h", NULL);
    rule(c, 4, 0, "x, b", "");
    for (uint64_t i = 1; i <= 4; i++)
        task(c, i, 4, 0);
    cr_assert_eq(how_often(b, SBL_LETTER_RUN, 0), 1, "none waits there, as nobody would take it");
    for (uint64_t i = 1; i <= 4; i++)
        finish(b, i, 8);
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 0), 0);
    desk_close();
}

Test(rules, host_is_as_good_as_a_name)
{
    uint32_t c, a, b;

    desk_open(NULL);
    c = new_client();
    a = worker_of(1, "a", "h1", NULL);
    b = worker_of(1, "b", "h2", NULL);
    rule(c, 4, 0, "h2", "");
    task(c, 1, 4, 0);
    cr_assert(last(b, SBL_LETTER_RUN, 1) && !last(a, SBL_LETTER_RUN, 1));
    desk_close();
}

Test(rules, it_waits_until_such_a_worker_comes)
{
    uint32_t c, a, b;

    desk_open(NULL);
    c = new_client();
    a = worker_of(4, "a", "h", "gpu=0.5");
    rule(c, 4, 0, "", "gpu=1");
    task(c, 1, 4, 0);
    cr_assert_eq(state_of(c, 1), SBL_T_READY);
    cr_assert_eq(sbl_scheduler_ready_of(desk, c), 1);
    b = worker_of(1, "b", "h", "gpu=1");
    cr_assert(last(b, SBL_LETTER_RUN, 1) && !last(a, SBL_LETTER_RUN, 1));
    cr_assert_eq(sbl_scheduler_ready_of(desk, c), 0);
    desk_close();
}

Test(rules, no_more_run_than_there_are_resources)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = worker_of(8, "w", "h", "gpu=2,licence=10");
    rule(c, 4, 0, "", "gpu=1,licence=0.5");
    for (uint64_t i = 1; i <= 5; i++)
        task(c, i, 4, 0);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 0), 2);
    cr_assert_eq(left_of(w, "licence"), 9000000);
    finish(w, 1, 8);
    cr_assert_eq(how_often(w, SBL_LETTER_RUN, 0), 3);
    for (uint64_t i = 2; i <= 5; i++)
        finish(w, i, 8);
    cr_assert_eq(left_of(w, "gpu"), 2000000);
    cr_assert_eq(left_of(w, "licence"), 10000000);
    desk_close();
}

/* Each time the next one gets what the one before took. */
Test(rules, resources_are_given_back_however_a_task_ends)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = worker_of(2, "w", "h", "gpu=1");
    rule(c, 4, 0, "", "gpu=1");
    rule(w, 1, 0, "", "");
    for (uint64_t i = 1; i <= 6; i++)
        task(c, i, 4, 0);
    fail(w, 1, SABAL_EIO);
    cr_assert_eq(state_of(c, 2), SBL_T_SENT);
    range(c, SBL_LETTER_CANCEL, 2, 1);
    cr_assert_eq(state_of(c, 3), SBL_T_SENT);
    say_gave(w, 3);
    speak(w);
    cr_assert_eq(state_of(c, 3) == SBL_T_SENT, state_of(c, 4) != SBL_T_SENT, "one of them");
    range(c, SBL_LETTER_CANCEL, 3, 2);
    cr_assert_eq(state_of(c, 5), SBL_T_SENT);
    task(w, 501, 1, 0);
    chain(w, 5, 501);
    cr_assert_eq(state_of(c, 5), SBL_T_CHAINED);
    cr_assert_eq(state_of(c, 6), SBL_T_SENT, "what it returned takes nothing");
    finish(w, 6, 8);
    cr_assert_eq(state_of(c, 1), SBL_T_SENT, "its retry");
    finish(w, 1, 8);
    cr_assert_eq(left_of(w, "gpu"), 1000000);
    finish(w, 501, 8);
    desk_close();
}

Test(rules, lost_worker_gives_its_tasks_to_the_next_that_may_run_them)
{
    uint32_t c, a, b, other;

    desk_open(NULL);
    c     = new_client();
    a     = worker_of(1, "a", "h", "gpu=1");
    other = worker_of(1, "other", "h", NULL);
    rule(c, 4, 0, "", "gpu=1");
    task(c, 1, 4, 0);
    task(c, 2, 4, 0);
    lose(a, NULL);
    cr_assert_eq(state_of(c, 1), SBL_T_READY);
    b = worker_of(1, "b", "h", "gpu=1");
    cr_assert_eq(how_often(b, SBL_LETTER_RUN, 0), 1);
    finish(b, last(b, SBL_LETTER_RUN, 0)->arg, 8);
    cr_assert_eq(how_often(b, SBL_LETTER_RUN, 0), 2);
    cr_assert_eq(how_often(other, SBL_LETTER_RUN, 0), 0);
    desk_close();
}

Test(rules, it_is_not_sent_ahead_to_who_makes_its_input)
{
    uint32_t c, a, b;

    desk_open(NULL);
    c = new_client();
    a = worker_of(1, "a", "h", NULL);
    rule(c, 4, 0, "b", "");
    task(c, 1, 1, 0);
    task(c, 2, 4, 1, 0);
    cr_assert_eq(state_of(c, 2), SBL_T_WAITING);
    finish(a, 1, 1000);
    cr_assert_eq(state_of(c, 2), SBL_T_READY, "though its input is with another");
    b = worker_of(1, "b", "h", NULL);
    cr_assert_eq(order_of(b, 2)->inputs[0][2], a);
    desk_close();
}

Test(rules, more_urgent_goes_first_of_both_kinds)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = worker_of(1, "w", "h", NULL);
    rule(c, 4, 5, "w", "");
    rule(c, 5, -5, "w", "");
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    task(c, 3, 5, 0);
    task(c, 4, 1, 0);
    task(c, 5, 4, 0);
    task(c, 6, 3, 0); /* of priority 9 */
    finish(w, 1, 8);
    finish(w, 2, 8);
    cr_assert(last(w, SBL_LETTER_RUN, 6) && !last(w, SBL_LETTER_RUN, 5));
    finish(w, 6, 8);
    cr_assert(last(w, SBL_LETTER_RUN, 5) && !last(w, SBL_LETTER_RUN, 3));
    finish(w, 5, 8);
    cr_assert(last(w, SBL_LETTER_RUN, 4) && !last(w, SBL_LETTER_RUN, 3));
    finish(w, 4, 8);
    finish(w, 3, 8);
    desk_close();
}

/* Tasks that take less would else always be before it. */
Test(rules, who_needs_much_gets_its_turn)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = worker_of(4, "w", "h", "gpu=2");
    rule(c, 4, 0, "", "gpu=1");
    rule(c, 5, 0, "", "gpu=2");
    for (uint64_t i = 1; i <= 8; i++)
        task(c, i, 4, 0);
    task(c, 10, 5, 0);
    finish(w, 1, 8);
    cr_assert(!last(w, SBL_LETTER_RUN, 3), "what is free waits for the other");
    finish(w, 2, 8);
    cr_assert(last(w, SBL_LETTER_RUN, 10));
    finish(w, 10, 8);
    cr_assert(last(w, SBL_LETTER_RUN, 3));
    desk_close();
}

/* It would wait for who waits for that. */
Test(rules, what_a_waiting_task_waits_for_is_not_held_back)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = worker_of(4, "w", "h", "gpu=2");
    rule(c, 4, 0, "", "gpu=1");
    rule(c, 5, 9, "", "gpu=2");
    rule(w, 1, 0, "", "gpu=1");
    task(c, 1, 4, 0);
    task(c, 10, 5, 0);
    task(w, 501, 1, 0);
    cr_assert(!last(w, SBL_LETTER_RUN, 501), "the more urgent one is to have both");
    sbl_say_u32(sbl_outbox_item(&mouth, SBL_LETTER_SPARE), 1);
    speak(w);
    cr_assert(last(w, SBL_LETTER_RUN, 501));
    finish(w, 501, 8);
    finish(w, 1, 8);
    cr_assert(last(w, SBL_LETTER_RUN, 10));
    desk_close();
}

Test(rules, others_do_not_wait_behind_it)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c     = new_client();
    w     = worker_of(1, "w", "h", NULL);
    other = worker_of(1, "other", "h", NULL);
    rule(c, 4, 0, "w", "");
    for (uint64_t i = 1; i <= 3; i++)
        task(c, i, 4, 0);
    task(c, 4, 1, 0);
    task(c, 5, 1, 0);
    cr_assert(last(other, SBL_LETTER_RUN, 4) && last(other, SBL_LETTER_RUN, 5));
    cr_assert(!last(w, SBL_LETTER_GIVE, 0), "nobody could take from it");
    desk_close();
}

Test(rules, silent_worker_gets_nothing_until_it_is_heard)
{
    const sbl_scheduler_options options = {SBL_SCHEDULER_DEFAULTS};
    uint32_t                    c, w;

    desk_open(&options);
    c = new_client();
    w = worker_of(1, "w", "h", NULL);
    rule(c, 4, 0, "w", "");
    sbl_scheduler_suspect(desk, w);
    task(c, 1, 4, 0);
    cr_assert_eq(state_of(c, 1), SBL_T_READY);
    speak(w); /* nothing, but it is there */
    cr_assert_eq(state_of(c, 1), SBL_T_SENT);
    desk_close();
}

Test(rules, same_rule_is_one_and_ends_with_its_kinds)
{
    sbl_scheduler_counts counts;
    uint32_t             c, d;

    desk_open(NULL);
    c = new_client();
    d = new_client();
    worker_of(1, "w", "h", NULL);
    rule(c, 4, 0, "w", "");
    rule(c, 5, 3, "w", "");
    rule(d, 4, 0, "w", "");
    rule(d, 5, 0, "w", "gpu=1");
    sbl_scheduler_count(desk, &counts);
    cr_assert_eq(counts.rules, 2);
    cr_assert_eq(counts.seats, 1);
    lose(d, NULL);
    sbl_scheduler_count(desk, &counts);
    cr_assert_eq(counts.rules, 1);
    desk_close();
}

Test(rules, what_nobody_understands_drops_its_client)
{
    static const char *const WRONG[][2] = {{"", "gpu"}, {"", "gpu=1,gpu=1"}, {"a,,b", ""}, {"", "gpu=-1"}, {"", "=1"}};

    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        uint32_t c;

        desk_open(NULL);
        c = new_client();
        rule(c, 4, 0, WRONG[i][0], WRONG[i][1]);
        cr_assert_eq(dropped_peer, c, "'%s' '%s'", WRONG[i][0], WRONG[i][1]);
        desk_close();
    }
}

/* --- what each worker runs ---------------------------------------------------------------------------------------- */

/* A task that each worker is to run. */
static void each(uint32_t client, uint64_t serial, int later)
{
    sbl_words *w = sbl_outbox_item(&mouth, SBL_LETTER_EACH);

    sbl_say_group(w, &(sbl_group){.serial = serial, .n = 1, .spec = 1, .arg_size = 4});
    sbl_say_u32(w, (uint32_t)serial);
    sbl_say_u32(w, (uint32_t)later);
    speak(client);
}

Test(each, ends_when_all_workers_have_run_it)
{
    uint32_t c, a, b;

    desk_open(NULL);
    c = new_client();
    a = worker_of(2, "a", "h", NULL);
    b = worker_of(2, "b", "h", NULL);
    each(c, 1, 0);
    finish(a, 1, 8);
    cr_assert(!last(c, SBL_LETTER_DONE, 1));
    finish(b, 1, 1000);
    cr_assert_eq(last(c, SBL_LETTER_DONE, 1)->n, 0);
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 0) + how_often(b, SBL_LETTER_RUN, 0), 2);
    cr_assert_eq(how_often(worker_of(2, "c", "h", NULL), SBL_LETTER_RUN, 0), 0);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

Test(each, is_run_once_by_a_worker_that_is_alone)
{
    uint32_t c, a;

    desk_open(NULL);
    c = new_client();
    a = worker_of(8, "a", "h", NULL);
    each(c, 1, 1);
    finish(a, 1, 8);
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 0), 1, "nothing is sent ahead");
    cr_assert(last(c, SBL_LETTER_DONE, 1));
    desk_close();
}

Test(each, ends_at_once_without_a_worker)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    each(c, 1, 1);
    cr_assert(last(c, SBL_LETTER_DONE, 1));
    desk_close();
}

Test(each, failure_of_one_is_that_of_all)
{
    uint32_t c, a, b;

    desk_open(NULL);
    c = new_client();
    a = worker_of(2, "a", "h", NULL);
    b = worker_of(2, "b", "h", NULL);
    each(c, 1, 0);
    fail(b, 1, SABAL_EVALUE);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EVALUE);
    cr_assert(!last(a, SBL_LETTER_STOP, 0), "the other runs on");
    finish(a, 1, 8);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

Test(each, worker_that_is_gone_is_a_failure)
{
    for (uint32_t is_sent = 0; is_sent < 2; is_sent++) {
        uint32_t c, a;

        desk_open(NULL);
        c = new_client();
        a = worker_of(1, "a", "h", NULL);
        if (!is_sent)
            task(c, 10, 1, 0);
        each(c, 1, 0);
        cr_assert_eq(how_often(a, SBL_LETTER_RUN, 1), is_sent);
        lose(a, NULL);
        cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EPEER);
        cr_assert(strstr(last(c, SBL_LETTER_FAILED, 1)->message, "'a'"));
        desk_close();
    }
}

Test(each, new_worker_runs_it_before_all_else)
{
    uint32_t c, d, a;

    desk_open(NULL);
    c = new_client();
    d = new_client();
    each(c, 1, 1);
    each(d, 1, 0);
    each(c, 2, 1);
    task(d, 10, 1, 0);
    a = worker_of(8, "a", "h", NULL);
    task(d, 11, 1, 0);
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 0), 1);
    finish(a, 1, 8);
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 0), 2, "one after the other");
    fail(a, 2, SABAL_EVALUE);
    cr_assert(last(a, SBL_LETTER_RUN, 10) && last(a, SBL_LETTER_RUN, 11), "a failure there is nobody's");
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 0), 4);
    desk_close();
}

Test(each, new_worker_that_is_silent_goes_on_when_it_is_heard)
{
    uint32_t c, a;

    desk_open(NULL);
    c = new_client();
    each(c, 1, 1);
    each(c, 2, 1);
    a = worker_of(1, "a", "h", NULL);
    sbl_scheduler_suspect(desk, a);
    task(c, 10, 1, 0);
    finish(a, 1, 8);
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 2), 1, "its word is heard");
    finish(a, 2, 8);
    cr_assert_eq(how_often(a, SBL_LETTER_RUN, 10), 1);
    desk_close();
}

Test(each, new_worker_that_is_gone_is_nobodys_failure)
{
    uint32_t c, a, b;

    desk_open(NULL);
    c = new_client();
    each(c, 1, 1);
    each(c, 2, 1);
    a = worker_of(1, "a", "h", NULL);
    lose(a, NULL);
    b = worker_of(1, "b", "h", NULL);
    finish(b, 1, 8);
    finish(b, 2, 8);
    task(c, 10, 1, 0);
    cr_assert_eq(state_of(c, 10), SBL_T_SENT);
    desk_close();
}

Test(each, ends_with_its_client)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    each(c, 1, 1);
    lose(c, NULL);
    cr_assert_eq(how_often(worker_of(1, "a", "h", NULL), SBL_LETTER_RUN, 0), 0);
    desk_close();
}

Test(each, cancelled_is_cancelled)
{
    uint32_t c, a;

    desk_open(NULL);
    c = new_client();
    a = worker_of(1, "a", "h", NULL);
    each(c, 1, 0);
    range(c, SBL_LETTER_CANCEL, 1, 1);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_ECANCELED);
    finish(a, 1, 8);
    desk_close();
}

Test(each, what_has_a_rule_of_its_own_drops_its_client)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    rule(c, 4, 0, "a", "");
    sbl_say_group(sbl_outbox_item(&mouth, SBL_LETTER_EACH), &(sbl_group){.serial = 1, .n = 1, .spec = 4});
    sbl_say_u32(&mouth.words, 0);
    speak(c);
    cr_assert_eq(dropped_peer, c);
    desk_close();
}

Test(each, number_that_cannot_be_is_a_failure_of_its_own)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    each(c, 1, 1);
    each(c, (uint64_t)1 << 50, 1);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, (uint64_t)1 << 50)->status, SABAL_ENOMEM);
    cr_assert(!sbl_scheduler_has_failed(desk));
    desk_close();
}
