/* Deadlocks that the schedulers of others had, as small scripts: the numbers are those of dask/distributed's issues. */
#include "core/desk.h"

/* All that a client waits for has ended. */
static void expect_done(uint32_t client, uint64_t first, uint64_t last_)
{
    for (uint64_t i = first; i <= last_; i++)
        cr_assert(last(client, SBL_LETTER_DONE, i), "%llu is not done", (unsigned long long)i);
}

/* 5497: after a task's error the next computation hangs. */
Test(scenarios, next_computation_after_an_error)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0);
    task(c, 3, 1, 1, 2, 0);
    fail(w, 1, SABAL_EVALUE);
    cr_assert(last(c, SBL_LETTER_FAILED, 3));
    range(c, SBL_LETTER_RELEASE, 1, 3);
    task(c, 4, 1, 0);
    task(c, 5, 1, 4, 0);
    finish_all();
    expect_done(c, 4, 5);
    desk_close();
}

/* 6263: tasks that are processed on a worker which is closed. */
Test(scenarios, processing_on_a_closed_worker)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(2);
    for (uint64_t i = 1; i <= 3; i++)
        task(c, i, 1, 0);
    task(c, 4, 1, 1, 2, 3, 0);
    lose(w, &(sbl_loss){.planned = 1});
    cr_assert_eq(desk->n_in_state[SBL_T_SENT], 0);
    new_worker(1);
    finish_attempt(w, order_of(w, 1)->task, order_of(w, 1)->attempt, 8); /* it ends there all the same */
    cr_assert(!last(c, SBL_LETTER_DONE, 1));
    finish_all();
    expect_done(c, 1, 4);
    desk_close();
}

/* 6244: a value is fetched from a worker that leaves. */
Test(scenarios, fetch_from_a_retiring_worker)
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
    cr_assert_eq(order_of(other, 4)->inputs[0][2], w);
    lose(w, &(sbl_loss){.planned = 1});
    lack(other, 4, order_of(w, 1)->task, order_of(w, 1)->attempt, w); /* it came too late */
    finish_all();
    expect_done(c, 1, 4);
    desk_close();
}

/* 3761: the scheduler thinks that it runs, and the worker has no idea: it is another one, in its place. */
Test(scenarios, worker_has_no_idea)
{
    uint32_t c, w, again;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    lose(w, NULL);
    again = new_worker(1);
    cr_assert_eq(sbl_peer_slot(desk, again), sbl_peer_at(desk, sbl_peer_slot(desk, again)) ? w & 0xffff : 0,
                 "it has the same slot");
    cr_assert_neq(again, w);
    finish_attempt(w, order_of(w, 1)->task, order_of(w, 1)->attempt, 8);
    cr_assert(!last(c, SBL_LETTER_DONE, 1), "by its old number it says nothing");
    finish(again, 1, 8);
    expect_done(c, 1, 1);
    desk_close();
}

/* 5635, 5879: stragglers, at 500 workers of which each tenth is lost, with many tasks in batches. */
Test(scenarios, stragglers)
{
    enum { WORKERS = 500, BATCHES = 10, EACH = 300 };
    uint32_t             c;
    uint64_t             serial = 1;
    sbl_scheduler_counts counts;

    desk_open(NULL);
    c = new_client();
    for (int i = 0; i < WORKERS; i++)
        sbl_scheduler_worker_came(desk, 2, desk_now);
    for (int b = 0; b < BATCHES; b++) {
        sbl_words *w = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);

        sbl_say_group(w, &(sbl_group){.serial = serial, .n = EACH, .spec = 1, .n_inputs = b ? 1 : 0, .arg_size = 4});
        for (uint64_t i = 0; i < EACH && b; i++)
            sbl_say_u64(w, serial - EACH + i);
        for (uint64_t i = 0; i < EACH; i++)
            sbl_say_u32(w, (uint32_t)(serial + i));
        serial += EACH;
        speak(c);
        for (int i = 0; i < 5; i++)
            lose(sbl_peer_at(desk, desk->workers[(uint32_t)(b * 7 + i * 31) % desk->n_workers])->number, NULL);
        n_heard = 0;
        for (uint32_t i = 0; i < desk->n_workers; i++) { /* each ends one, with a large value */
            const sbl_peer *p = sbl_peer_at(desk, desk->workers[i]);

            if (p->sent && !sbl_task_at(desk, p->sent)->missing)
                finish_attempt(p->number, p->sent, sbl_task_at(desk, p->sent)->attempt, 1000);
        }
    }
    n_heard = 0;
    finish_all();
    sbl_scheduler_count(desk, &counts);
    cr_assert_eq(counts.by_state[SBL_T_DONE], BATCHES * EACH);
    range(c, SBL_LETTER_RELEASE, 1, serial);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

/* 6228: after a short disconnect. It comes back as another one, and offers what it has. */
Test(scenarios, short_disconnect)
{
    uint32_t c, w, other, again, task_, attempt;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    task(c, 1, 1, 0);
    task(c, 2, 1, 0);
    finish(w, 1, 1000);
    finish(w, 2, 1000);
    other = new_worker(1);
    have(other, order_of(w, 1)->task, order_of(w, 1)->attempt);
    task_   = order_of(w, 2)->task;
    attempt = order_of(w, 2)->attempt;
    lose(w, NULL);
    again = new_worker(1);
    have(again, order_of(w, 1)->task, order_of(w, 1)->attempt);
    cr_assert(!last(again, SBL_LETTER_DROP, 0), "another one has kept it: it counts");
    have(again, task_, attempt);
    cr_assert_eq(last(again, SBL_LETTER_DROP, 0)->task, task_, "it is made again meanwhile");
    finish_all();
    cr_assert_eq(state_of(c, 2), SBL_T_DONE);
    lose(other, NULL);
    cr_assert_eq(state_of(c, 1), SBL_T_DONE);
    desk_close();
}

/* 5235: workers that pause because their memory is full, and never get on. */
Test(scenarios, full_memory)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(2);
    task(c, 1, 2, 0);
    sbl_say_u64(sbl_outbox_item(&mouth, SBL_LETTER_BEAT), 90000);
    sbl_say_u64(&mouth.words, 100000);
    speak(w);
    task(c, 2, 2, 0);
    task(c, 3, 1, 1, 0);
    cr_assert(!last(w, SBL_LETTER_RUN, 2), "it is full");
    cr_assert(last(w, SBL_LETTER_RUN, 3), "but ends what it has begun");
    sbl_say_u32(sbl_outbox_item(&mouth, SBL_LETTER_SPARE), 1);
    speak(w);
    cr_assert(last(w, SBL_LETTER_RUN, 2), "all that it has waits, perhaps for this");
    finish_all();
    expect_done(c, 1, 3);
    desk_close();
}

/* 8088: a shuffle is begun again while no worker runs. */
Test(scenarios, restart_without_a_worker)
{
    uint32_t c, w[2];

    desk_open(NULL);
    c    = new_client();
    w[0] = new_worker(2);
    w[1] = new_worker(2);
    for (uint64_t i = 1; i <= 4; i++)
        task(c, i, 1, 0);
    for (uint64_t i = 5; i <= 8; i++)
        task(c, i, 1, 1, 2, 3, 4, 0);
    for (int k = 0; k < 2; k++)
        for (uint64_t i = 1; i <= 4; i++)
            if (last(w[k], SBL_LETTER_RUN, i))
                finish(w[k], i, 1000);
    lose(w[0], NULL);
    lose(w[1], NULL);
    cr_assert_eq(desk->n_workers, 0);
    new_worker(1);
    finish_all();
    expect_done(c, 5, 8);
    desk_close();
}

/* mpi#58: a worker that is never told to stop: what nobody wants any more, it is told, also when its client just vanishes. */
Test(scenarios, worker_is_told_to_stop)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(2);
    task(c, 1, 1, 0);
    finish(w, 1, 1000);
    task(c, 2, 1, 1, 0);
    task(c, 3, 1, 2, 0);
    lose(c, NULL);
    cr_assert_eq(how_often(w, SBL_LETTER_STOP, 0), 2);
    cr_assert_eq(last(w, SBL_LETTER_DROP, 0)->task, order_of(w, 1)->task);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}
