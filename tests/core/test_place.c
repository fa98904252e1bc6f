/* Where work goes that reads much data: to the data, or to who is idle. By hand, as in test_scheduler.c. */
#include "core/desk.h"

/* As finish(), after so long. */
static void finish_in(uint32_t worker, uint64_t serial, uint32_t n, uint64_t ns)
{
    const told *t = order_of(worker, serial);

    finish_attempt_in(worker, t->task, t->attempt, n, ns);
}

/* A worker with 4 MB, made in so long, another without, and N tasks that read them, each in so long: how many go to the other. */
static uint32_t how_many_move(uint64_t made_ns, uint64_t read_ns)
{
    enum { N = 20 };
    uint32_t c, w, other, moved;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish_in(w, 1, 4000000, made_ns);
    task(c, 2, 3, 1, 0);
    finish_in(w, 2, 1000, read_ns);
    other = new_worker(1);
    for (uint64_t i = 0; i < N; i++)
        task(c, 10 + i, 3, 1, 0);
    moved = how_often(other, SBL_LETTER_RUN, 0);
    desk_close();
    return moved;
}

Test(place, brief_work_stays_with_its_data)
{
    cr_assert_eq(how_many_move(1000000, 400000), 0, "who gives would work longer at that than at the task");
    cr_assert_eq(how_many_move(1000000000, 400000), 0, "whatever took long before");
}

Test(place, long_work_goes_where_it_begins_soon)
{
    cr_assert_geq(how_many_move(1000000, 100000000), 1);
}

/* 1,000 tasks of 10 us: each alone would cost a round trip. */
Test(place, who_has_nothing_to_do_takes_many_short_ones_at_once)
{
    uint32_t c, w, other, n;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish_in(w, 1, 1000, 1000000);
    task(c, 2, 3, 1, 0);
    finish_in(w, 2, 8, 10000);
    for (uint64_t i = 0; i < 1000; i++)
        task(c, 10 + i, 3, 1, 0);
    other = new_worker(1);
    n     = how_often(other, SBL_LETTER_RUN, 0);
    cr_assert(n >= 100 && n <= 500, "%u: some ms of them, at most half", n);
    desk_close();
}

/* It can't be known beforehand that what runs takes long, if none of its kind has ended. */
Test(place, who_waits_behind_what_runs_for_long_goes_elsewhere)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    finish_in(w, 1, 4000000, 50000);
    other = new_worker(1);
    task(c, 2, 3, 1, 0);
    task(c, 3, 3, 1, 0);
    task(c, 4, 3, 1, 0);
    cr_assert_eq(how_often(other, SBL_LETTER_RUN, 0), 0);
    for (int i = 0; i < 4; i++)
        tick_after(250000000);
    cr_assert_geq(how_often(other, SBL_LETTER_RUN, 0), 1);
    desk_close();
}

/* A worker of two threads, of which one has run for long: the other one begins at once what reads its data. */
Test(place, where_a_thread_is_free_nobody_waits)
{
    uint32_t c, w, other;

    desk_open(NULL);
    c = new_client();
    w = new_worker(2);
    task(c, 1, 1, 0);
    finish_in(w, 1, 4000000, 1000000);
    task(c, 2, 3, 0); /* of a kind of which none has ended */
    order_of(w, 2);
    other = new_worker(1);
    tick_after(900000000);
    sbl_say_u64(sbl_outbox_item(&mouth, SBL_LETTER_BEAT), 0);
    sbl_say_u64(&mouth.words, 0);
    speak(w);
    task(c, 3, 1, 1, 0);
    order_of(w, 3);
    cr_assert_eq(how_often(other, SBL_LETTER_RUN, 0), 0);
    desk_close();
}

/* So many workers, of which the first few have a value: how many of its readers are sent to each of those, at least. */
static uint32_t least_read_at(uint32_t n_workers, uint32_t n_holders, uint32_t n_readers, uint32_t *elsewhere)
{
    uint32_t c, w[8], least;

    desk_open(NULL);
    c    = new_client();
    w[0] = new_worker(1);
    task(c, 1, 1, 0);
    finish_in(w[0], 1, 4000000, 50000);
    task(c, 2, 3, 1, 0);
    finish_in(w[0], 2, 1000, 400000);
    for (uint32_t i = 1; i < n_workers; i++)
        w[i] = new_worker(1);
    for (uint32_t i = 1; i < n_holders; i++)
        have(w[i], order_of(w[0], 1)->task, order_of(w[0], 1)->attempt);
    for (uint64_t i = 0; i < n_readers; i++)
        task(c, 10 + i, 3, 1, 0);
    least      = how_often(w[0], SBL_LETTER_RUN, 0) - 2; /* it ran those two before */
    *elsewhere = 0;
    for (uint32_t i = 1; i < n_workers; i++) {
        const uint32_t n = how_often(w[i], SBL_LETTER_RUN, 0);

        if (i >= n_holders)
            *elsewhere += n;
        else if (n < least)
            least = n;
    }
    desk_close();
    return least;
}

/* Whoever has a copy is as good as who made the value. */
Test(place, readers_of_a_value_go_to_all_that_have_it)
{
    uint32_t elsewhere;

    cr_assert_eq(least_read_at(8, 8, 8, &elsewhere), 1);
    cr_assert_eq(least_read_at(8, 8, 16, &elsewhere), 2);
    cr_assert_geq(least_read_at(8, 3, 8, &elsewhere), 2);
    cr_assert_eq(elsewhere, 0);
}
