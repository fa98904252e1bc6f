/* Values that so many workers are to have: who gives to whom, and what becomes of it when somebody goes. By hand, as in test_scheduler.c. */
#include "core/desk.h"

static uint32_t c;      /* the client */
static uint32_t w[70];  /* workers */
static uint32_t n_read; /* of what was heard, so much was dealt with */

static void begin(uint32_t n_workers)
{
    desk_open(NULL);
    n_read = 0;
    c      = new_client();
    for (uint32_t i = 0; i < n_workers; i++)
        w[i] = new_worker(1);
}

static void spread(uint64_t serial, uint32_t n)
{
    sbl_words *words = sbl_outbox_item(&mouth, SBL_LETTER_SPREAD);

    sbl_say_u64(words, serial);
    sbl_say_u32(words, n);
    speak(c);
}

static uint32_t task_of(uint64_t serial)
{
    return sbl_serial_find(sbl_peer_at(desk, sbl_peer_slot(desk, c)), serial);
}

static int has(uint32_t worker, uint64_t serial)
{
    return sbl_copy_is_at(desk, task_of(serial), sbl_peer_slot(desk, worker));
}

/* One of those who have it. */
static uint32_t a_holder_of(uint64_t serial)
{
    uint32_t i = 0;

    while (!has(w[i], serial))
        i++;
    return w[i];
}

static uint32_t n_that_have(uint64_t serial)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < desk->n_workers && state_of(c, serial) == SBL_T_DONE; i++)
        n += (uint32_t)sbl_copy_is_at(desk, task_of(serial), desk->workers[i]);
    return n;
}

/* All that was ordered by now comes: one round. Returns how much that was; *most: by one giver. */
static uint32_t round_of_fetches(uint32_t *most)
{
    static uint32_t given[1 << 16];
    const uint32_t  end = n_heard;
    uint32_t        n   = 0;

    memset(given, 0, sizeof given);
    for (; n_read < end; n_read++) {
        const told t = heard[n_read];

        if (t.kind != SBL_LETTER_FETCH)
            continue;
        n++;
        *most = ++given[t.worker & 0xffff] > *most ? given[t.worker & 0xffff] : *most;
        have(t.peer, t.task, t.attempt);
    }
    return n;
}

static void all_come(void)
{
    uint32_t most = 0;

    while (round_of_fetches(&most))
        ;
    cr_assert_leq(most, 2);
}

/* A value of the first worker that made it. */
static void make_value(uint64_t serial, uint32_t n)
{
    task(c, serial, 1, 0);
    for (uint32_t i = 0; i < desk->n_workers; i++)
        if (last(sbl_peer_at(desk, desk->workers[i])->number, SBL_LETTER_RUN, serial))
            finish(sbl_peer_at(desk, desk->workers[i])->number, serial, n);
}

static void fetch_fails(const told *t)
{
    sbl_words *words = sbl_outbox_item(&mouth, SBL_LETTER_LACK);

    sbl_say_u32(words, 0);
    sbl_say_u32(words, 0);
    sbl_say_u32(words, t->task);
    sbl_say_u32(words, t->attempt);
    sbl_say_u32(words, t->worker);
    speak(t->peer);
}

Test(spread, every_worker_has_it_after_some_rounds_and_nobody_gives_to_more_than_two_at_a_time)
{
    enum { N = 64 };
    uint32_t rounds = 0, most = 0;

    begin(N);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    while (round_of_fetches(&most))
        rounds++;
    cr_assert_eq(n_that_have(1), N);
    cr_assert_leq(rounds, 5, "%u rounds: three times as many in each", rounds);
    cr_assert_leq(most, 2);
    cr_assert_eq(n_heard, n_read);
    desk_close();
}

Test(spread, it_may_be_said_before_there_is_a_value)
{
    begin(3);
    task(c, 1, 1, 0);
    spread(1, SBL_EVERYBODY);
    cr_assert(!last(w[1], SBL_LETTER_FETCH, 0));
    for (int i = 0; i < 3; i++)
        if (last(w[i], SBL_LETTER_RUN, 1))
            finish(w[i], 1, 1000);
    all_come();
    cr_assert_eq(n_that_have(1), 3);
    desk_close();
}

Test(spread, some_workers_have_it_and_no_more)
{
    begin(8);
    make_value(1, 1000);
    spread(1, 3);
    all_come();
    cr_assert_eq(n_that_have(1), 3);
    spread(1, 5);
    all_come();
    cr_assert_eq(n_that_have(1), 5);
    spread(1, 5);
    cr_assert_eq(n_heard, n_read, "saying it twice changes nothing");
    desk_close();
}

Test(spread, more_than_there_are_workers_is_as_many_as_there_are)
{
    begin(2);
    make_value(1, 1000);
    spread(1, 1000);
    all_come();
    cr_assert_eq(n_that_have(1), 2);
    w[2] = new_worker(1);
    all_come();
    cr_assert(has(w[2], 1), "and who comes later is one of them");
    desk_close();
}

Test(spread, who_comes_later_gets_what_all_have)
{
    begin(2);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    all_come();
    w[2] = new_worker(1);
    cr_assert(last(w[2], SBL_LETTER_FETCH, 0));
    all_come();
    cr_assert(has(w[2], 1));
    desk_close();
}

Test(spread, what_is_small_goes_with_tasks)
{
    begin(3);
    make_value(1, 8);
    spread(1, SBL_EVERYBODY);
    data(c, 2, 8);
    spread(2, 2);
    tick_after(1000);
    for (int i = 0; i < 3; i++)
        cr_assert(!last(w[i], SBL_LETTER_FETCH, 0));
    desk_close();
}

Test(spread, data_of_a_client_goes_to_two_and_from_there_to_others)
{
    begin(7);
    data(c, 1, 1000);
    spread(1, SBL_EVERYBODY);
    cr_assert_eq(how_often(c, SBL_LETTER_PUSH, 1), 2);
    for (int i = 0; i < 7; i++)
        if (last(w[i], SBL_LETTER_FETCH, 0)) {
            cr_assert_eq(last(w[i], SBL_LETTER_FETCH, 0)->worker, SBL_CLIENT_HAS);
            cr_assert_eq(last(w[i], SBL_LETTER_FETCH, 0)->n, c);
        }
    all_come();
    cr_assert_eq(how_often(c, SBL_LETTER_PUSH, 1), 2);
    cr_assert_eq(n_that_have(1), 7);
    lose(c, NULL);
    desk_close();
}

/* --- somebody goes ------------------------------------------------------------------------------------------------ */

Test(spread, without_its_only_holder_it_is_made_again_and_spread_again)
{
    uint32_t holder = 0;

    begin(5);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    holder = a_holder_of(1);
    lose(holder, NULL);
    cr_assert_eq(n_that_have(1), 0);
    n_read = n_heard;
    for (int i = 0; i < 5; i++)
        if (w[i] != holder && last(w[i], SBL_LETTER_RUN, 1))
            finish(w[i], 1, 1000);
    all_come();
    cr_assert_eq(n_that_have(1), 4);
    desk_close();
}

Test(spread, others_who_have_it_go_on_when_one_is_gone)
{
    uint32_t holder = 0, most = 0, runs = 0;

    begin(20);
    make_value(1, 1000);
    holder = a_holder_of(1);
    spread(1, SBL_EVERYBODY);
    round_of_fetches(&most);
    lose(holder, NULL);
    for (; n_read < n_heard; n_read++) /* what it was to give can't be had */
        if (heard[n_read].kind == SBL_LETTER_FETCH && heard[n_read].peer != holder) {
            if (heard[n_read].worker == holder)
                fetch_fails(&heard[n_read]);
            else
                have(heard[n_read].peer, heard[n_read].task, heard[n_read].attempt);
        }
    tick_after(1000);
    all_come();
    cr_assert_eq(n_that_have(1), 19);
    for (int i = 0; i < 20; i++)
        runs += how_often(w[i], SBL_LETTER_RUN, 1);
    cr_assert_eq(runs, 1, "it need not be made again");
    desk_close();
}

Test(spread, one_who_was_to_get_it_and_is_gone_makes_room_for_another)
{
    const told *t;

    begin(4);
    make_value(1, 1000);
    spread(1, 2);
    t = NULL;
    for (int i = 0; i < 4; i++)
        t = t ? t : last(w[i], SBL_LETTER_FETCH, 0);
    lose(t->peer, NULL);
    n_read = 0;
    tick_after(1000);
    for (; n_read < n_heard && (heard[n_read].kind != SBL_LETTER_FETCH || heard[n_read].peer == t->peer); n_read++)
        ;
    all_come();
    cr_assert_eq(n_that_have(1), 2);
    desk_close();
}

Test(spread, what_one_loses_another_gets)
{
    uint32_t lost = 0;

    begin(4);
    make_value(1, 1000);
    spread(1, 2);
    all_come();
    lost = a_holder_of(1);
    lose(lost, NULL);
    tick_after(1000);
    all_come();
    cr_assert_eq(n_that_have(1), 2);
    desk_close();
}

Test(spread, a_copy_that_leaves_is_not_counted)
{
    uint32_t leaves = 0;

    begin(4);
    make_value(1, 1000);
    spread(1, 2);
    all_come();
    leaves = a_holder_of(1);
    sbl_say_u32(sbl_outbox_item(&mouth, SBL_LETTER_RETIRE), 1);
    speak(leaves);
    all_come();
    cr_assert_eq(n_that_have(1) - (uint32_t)has(leaves, 1), 2);
    lose(leaves, &(sbl_loss){.planned = 1});
    cr_assert_eq(n_that_have(1), 2);
    desk_close();
}

Test(spread, what_could_not_be_fetched_is_tried_again_at_a_tick)
{
    told t;

    begin(2);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    t = *last(has(w[0], 1) ? w[1] : w[0], SBL_LETTER_FETCH, 0);
    fetch_fails(&t);
    cr_assert_eq(how_often(t.peer, SBL_LETTER_FETCH, 0), 1, "not at once");
    tick_after(1000);
    cr_assert_eq(how_often(t.peer, SBL_LETTER_FETCH, 0), 2);
    n_read = n_heard - 1;
    all_come();
    cr_assert_eq(n_that_have(1), 2);
    desk_close();
}

/* --- less of it --------------------------------------------------------------------------------------------------- */

Test(spread, released_it_spreads_no_more)
{
    uint32_t drops = 0;

    begin(8);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    range(c, SBL_LETTER_RELEASE, 1, 1);
    for (int i = 0; i < 8; i++)
        drops += how_often(w[i], SBL_LETTER_DROP, 0);
    cr_assert_eq(drops, 3, "who has it, and the two that were to get it");
    n_read = n_heard;
    tick_after(1000);
    cr_assert_eq(n_heard, n_read);
    desk_close();
}

Test(spread, fewer_are_wanted_and_the_rest_goes)
{
    begin(6);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    all_come();
    spread(1, 2);
    cr_assert_eq(n_that_have(1), 2);
    spread(1, 0);
    cr_assert_eq(n_that_have(1), 1, "never the last");
    w[6] = new_worker(1);
    cr_assert(!last(w[6], SBL_LETTER_FETCH, 0));
    desk_close();
}

Test(spread, what_tasks_were_sent_for_stays)
{
    begin(4);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    all_come();
    task(c, 2, 1, 1, 0);
    spread(1, 1);
    cr_assert_eq(n_that_have(1), 4);
    finish_all();
    desk_close();
}

Test(spread, what_was_on_its_way_when_it_is_wanted_no_more_goes_when_it_has_come)
{
    uint32_t drops = 0;

    begin(4);
    make_value(1, 1000);
    spread(1, SBL_EVERYBODY);
    spread(1, 1);
    all_come();
    cr_assert_eq(n_that_have(1), 1);
    for (int i = 0; i < 4; i++)
        drops += how_often(w[i], SBL_LETTER_DROP, 0);
    cr_assert_eq(drops, 2);
    desk_close();
}

/* --- others ------------------------------------------------------------------------------------------------------- */

static void beat(uint32_t worker, uint64_t managed, uint64_t limit)
{
    sbl_words *words = sbl_outbox_item(&mouth, SBL_LETTER_BEAT);

    sbl_say_u64(words, managed);
    sbl_say_u64(words, limit);
    speak(worker);
}

Test(spread, who_has_no_room_gets_it_when_there_is_some)
{
    uint32_t other;

    begin(2);
    make_value(1, 1000);
    other = has(w[0], 1) ? w[1] : w[0];
    beat(other, 9500, 10000);
    spread(1, SBL_EVERYBODY);
    tick_after(1000);
    cr_assert(!last(other, SBL_LETTER_FETCH, 0));
    beat(other, 9000, 10000);
    tick_after(1000);
    all_come();
    cr_assert(has(other, 1));
    desk_close();
}

/* What it spills is no longer in its memory. */
Test(spread, copies_take_half_of_a_worker_s_memory_at_most)
{
    uint32_t other;

    begin(2);
    for (uint64_t i = 1; i <= 8; i++)
        make_value(i, 1000);
    other = has(w[0], 1) ? w[1] : w[0];
    for (int i = 0; i < 2; i++)
        beat(w[i], 0, 10000);
    for (uint64_t i = 1; i <= 8; i++)
        spread(i, SBL_EVERYBODY);
    all_come();
    beat(other, 0, 10000);
    tick_after(1000);
    all_come();
    cr_assert_leq(sbl_peer_at(desk, sbl_peer_slot(desk, other))->copied, 8000);
    for (int i = 0; i < 2; i++)
        cr_assert_leq(how_often(w[i], SBL_LETTER_FETCH, 0), 5);
    for (uint64_t i = 1; i <= 8; i++)
        range(c, SBL_LETTER_RELEASE, i, 1);
    cr_assert_eq(sbl_peer_at(desk, sbl_peer_slot(desk, other))->copied, 0);
    desk_close();
}

Test(spread, who_has_no_room_does_not_keep_others_waiting)
{
    enum { N = 40 };
    uint32_t other;

    begin(2);
    for (uint64_t i = 1; i <= N; i++)
        make_value(i, 100000);
    make_value(N + 1, 1000);
    other = has(w[0], N + 1) ? w[1] : w[0];
    beat(other, 0, 10000);
    for (uint64_t i = 1; i <= N + 1; i++)
        spread(i, SBL_EVERYBODY);
    all_come();
    cr_assert(has(other, N + 1));
    desk_close();
}

Test(spread, of_a_task_that_returned_another_it_counts_for_that)
{
    uint32_t holder = 0;

    begin(3);
    task(c, 1, 1, 0);
    spread(1, SBL_EVERYBODY);
    for (int i = 0; i < 3; i++)
        holder = last(w[i], SBL_LETTER_RUN, 1) ? w[i] : holder;
    data(holder, 1, 1000); /* its own client's */
    chain(holder, 1, 1);
    all_come();
    cr_assert_eq(sbl_task_at(desk, sbl_value_task(desk, task_of(1)))->flags & SBL_IS_SPREAD, SBL_IS_SPREAD);
    spread(1, 1); /* said of the first, too */
    cr_assert_eq(sbl_task_at(desk, sbl_value_task(desk, task_of(1)))->flags & SBL_IS_SPREAD, 0);
    desk_close();
}

Test(spread, many_values_take_their_turns)
{
    enum { N = 40 };

    begin(6);
    for (uint64_t i = 1; i <= N; i++) {
        make_value(i, 1000);
        spread(i, SBL_EVERYBODY);
    }
    all_come();
    tick_after(1000);
    all_come();
    for (uint64_t i = 1; i <= N; i++)
        cr_assert_eq(n_that_have(i), 6);
    desk_close();
}

Test(spread, of_what_is_not_there_nothing_is_said)
{
    begin(2);
    spread(77, SBL_EVERYBODY);
    task(c, 1, 1, 0);
    for (int i = 0; i < 2; i++)
        if (last(w[i], SBL_LETTER_RUN, 1))
            fail(w[i], 1, SABAL_EVALUE);
    spread(1, SBL_EVERYBODY);
    cr_assert_eq(dropped_peer, 0);
    desk_close();
}
