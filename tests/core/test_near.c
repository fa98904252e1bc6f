/* What not all workers may run, near its inputs: of those that would take it now, who has most of them gets it. */
#include "core/desk.h"

/* Four, of which the first is the last that has become free: who does not look takes that one. */
static uint32_t open_with_four_free(uint32_t w[4], int32_t threads, const char *resources)
{
    static const char *const NAMES[] = {"w1", "w2", "w3", "w4"};
    uint32_t                 c;

    desk_open(NULL);
    c = new_client();
    for (uint32_t i = 0; i < 4; i++)
        w[i] = worker_of(threads, NAMES[i], "h", resources);
    rule(c, 4, 0, "h", resources ? resources : "");
    for (uint32_t i = 0; i < 4; i++)
        rule(c, 5 + i, 0, NAMES[i], "");
    task(c, 1, 7, 0);
    finish(w[2], 1, 1 << 20);
    task(c, 2, 5, 0);
    finish(w[0], 2, 1000);
    return c;
}

Test(near, it_goes_to_who_has_most_of_its_inputs)
{
    uint32_t c, w[4];

    c = open_with_four_free(w, 1, NULL);
    task(c, 10, 4, 2, 1, 0);
    cr_assert(last(w[2], SBL_LETTER_RUN, 10));
    task(c, 11, 4, 1, 2, 0);
    cr_assert(last(w[0], SBL_LETTER_RUN, 11), "who has some of it, as who has more is busy");
    task(c, 12, 4, 1, 0);
    cr_assert(last(w[1], SBL_LETTER_RUN, 12) || last(w[3], SBL_LETTER_RUN, 12), "nobody waits for who has it");
    desk_close();
}

/* The second has a copy of what the third has, who is busy. */
static uint32_t open_with_a_copy(uint32_t w[4])
{
    const uint32_t c = open_with_four_free(w, 1, NULL);

    task(c, 3, 6, 1, 0);
    have(w[1], order_of(w[1], 3)->inputs[0][0], order_of(w[1], 3)->inputs[0][1]);
    finish(w[1], 3, 8);
    task(c, 4, 7, 0);
    return c;
}

Test(near, it_goes_to_who_has_a_copy)
{
    uint32_t c, w[4];

    c = open_with_a_copy(w);
    task(c, 5, 5, 0);
    finish(w[0], 5, 8);
    task(c, 10, 4, 1, 0);
    cr_assert(last(w[1], SBL_LETTER_RUN, 10), "the first that has it is busy");
    desk_close();
}

/* They wait for the same, which comes last. */
Test(near, of_some_at_once_each_goes_to_who_has_its_inputs)
{
    uint32_t c, w[4];

    c = open_with_four_free(w, 2, NULL);
    task(c, 3, 8, 0);
    task(c, 10, 4, 3, 1, 0);
    task(c, 11, 4, 3, 2, 0);
    task(c, 12, 4, 3, 1, 0);
    task(c, 13, 4, 3, 2, 0);
    finish(w[3], 3, 8);
    cr_assert(last(w[2], SBL_LETTER_RUN, 10) && last(w[2], SBL_LETTER_RUN, 12));
    cr_assert(last(w[0], SBL_LETTER_RUN, 11) && last(w[0], SBL_LETTER_RUN, 13));
    desk_close();
}

Test(near, who_has_the_inputs_gets_no_more_than_it_has_resources_for)
{
    uint32_t c, w[4];
    int      n = 0;

    c = open_with_four_free(w, 8, "gpu=1");
    task(c, 3, 8, 0);
    for (uint64_t i = 10; i < 16; i++)
        task(c, i, 4, 3, 1, 0);
    finish(w[3], 3, 8);
    for (uint64_t i = 10; i < 16; i++)
        n += last(w[2], SBL_LETTER_RUN, i) != NULL;
    cr_assert_eq(n, 1);
    for (uint64_t i = 10; i < 16; i++)
        n += state_of(c, i) == SBL_T_SENT;
    cr_assert_eq(n, 1 + 4, "each of the others has one, too");
    desk_close();
}

/* With room for one, which is for the more urgent. */
Test(near, who_has_its_inputs_has_more_urgent_things_first)
{
    uint32_t c, w[4];

    c = open_with_four_free(w, 1, NULL);
    rule(c, 20, 9, "w3", "");
    task(c, 3, 8, 0);
    task(c, 10, 4, 3, 1, 0);
    task(c, 11, 20, 3, 0);
    finish(w[3], 3, 8);
    cr_assert(last(w[2], SBL_LETTER_RUN, 11) && !last(w[2], SBL_LETTER_RUN, 10));
    cr_assert_eq(state_of(c, 10), SBL_T_SENT);
    desk_close();
}

/* It was called for what anybody may run, as the next who had nothing to do. */
Test(near, who_gets_brief_ones_leaves_the_rest_to_another)
{
    uint32_t    c, other, holder;
    const told *t;

    desk_open(NULL);
    c      = new_client();
    other  = worker_of(1, "other", "h", NULL);
    holder = worker_of(1, "holder", "h", NULL);
    rule(c, 4, 0, "holder", "");
    task(c, 1, 4, 0);
    t = order_of(holder, 1);
    finish_attempt_in(holder, t->task, t->attempt, 1 << 20, 1000);
    for (uint64_t i = 10; i < 14; i++) {
        const int  is_ruled = i > 10;
        sbl_words *w        = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);

        sbl_say_group(
            w,
            &(sbl_group){.serial = i, .n = 1, .spec = is_ruled ? 4 : 1, .n_inputs = (uint32_t)is_ruled, .arg_size = 4});
        sbl_say(w, &(uint64_t){1}, is_ruled ? 8 : 0);
        sbl_say_u32(w, (uint32_t)i);
    }
    speak(c);
    cr_assert_eq(how_often(holder, SBL_LETTER_RUN, 0), 1 + 3);
    cr_assert(last(other, SBL_LETTER_RUN, 10));
    desk_close();
}

/* What any may run, and whose inputs go with it: what comes after may be sent ahead to who made them. */
Test(near, it_goes_to_who_made_most_of_what_is_told)
{
    uint32_t c, w[4];

    c = open_with_four_free(w, 1, NULL);
    task(c, 3, 7, 0);
    task(c, 4, 5, 0);
    finish(w[2], 3, 8);
    finish(w[0], 4, 8);
    task(c, 5, 7, 0);
    finish(w[2], 5, 8);
    task(c, 6, 8, 0);
    finish(w[3], 6, 8); /* the one whose turn it is */
    task(c, 10, 1, 4, 3, 5, 0);
    cr_assert(last(w[2], SBL_LETTER_RUN, 10));
    task(c, 11, 1, 3, 5, 0);
    cr_assert(!last(w[2], SBL_LETTER_RUN, 11), "nobody waits for who made it");
    cr_assert(last(w[3], SBL_LETTER_RUN, 11));
    desk_close();
}

/* What was noted down for one that is gone before anything is sent: another has it at once. */
Test(near, it_goes_to_another_if_who_made_its_inputs_leaves)
{
    uint32_t c, w[4];

    c = open_with_four_free(w, 1, NULL);
    task(c, 3, 7, 0);
    finish(w[2], 3, 8);
    task(c, 4, 8, 0); /* so that it is not w[2]'s turn, and its alone */
    task_heard(c, 10, 1, 3, 0);
    sbl_scheduler_lost(desk, w[2], &(sbl_loss){.planned = 1}, desk_now);
    desk_settle();
    cr_assert_eq(state_of(c, 10), SBL_T_SENT);
    desk_close();
}

Test(near, it_goes_to_another_if_who_has_a_copy_leaves)
{
    uint32_t c, w[4];

    c = open_with_a_copy(w);
    task_heard(c, 10, 4, 1, 0);
    sbl_scheduler_lost(desk, w[1], &(sbl_loss){.planned = 1}, desk_now);
    desk_settle();
    cr_assert_eq(state_of(c, 10), SBL_T_SENT);
    desk_close();
}

/* Whoever runs it knows whether only what was sent ahead to him waits for it. */
Test(near, an_order_says_by_how_many_it_is_awaited)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    for (uint64_t i = 1; i <= 3; i++)
        task(c, i, 1, 0);
    for (uint64_t i = 10; i < 12; i++)
        task(c, i, 1, 2, 0);
    for (uint64_t i = 20; i < 40; i++)
        task(c, i, 1, 3, 0);
    range(c, SBL_LETTER_RELEASE, 2, 2);
    w = new_worker(3);
    cr_assert_eq(order_of(w, 1)->awaited, SBL_BY_CLIENT);
    cr_assert_eq(order_of(w, 2)->awaited, 2);
    cr_assert_eq(order_of(w, 3)->awaited, SBL_BY_MANY);
    finish_all(); /* also what nobody wants */
    desk_close();
}
