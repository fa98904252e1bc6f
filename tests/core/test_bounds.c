/* What must not wrap, grow or starve, however long a scheduler runs and whoever its peers are. */
#include "core/desk.h"

#include "cluster/core/place.h"

static void kind(uint32_t client, const sbl_spec *spec)
{
    sbl_say_spec(sbl_outbox_item(&mouth, SBL_LETTER_SPEC), spec);
    speak(client);
}

/* n alike tasks without inputs. */
static void tasks(uint32_t client, uint64_t serial, uint32_t n, uint32_t spec)
{
    sbl_words *w = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);

    sbl_say_group(w, &(sbl_group){.serial = serial, .n = n, .spec = spec, .arg_size = 4});
    for (uint32_t i = 0; i < n; i++)
        sbl_say_u32(w, (uint32_t)serial + i);
    speak(client);
}

static void beat(uint32_t worker, uint64_t managed, uint64_t limit)
{
    sbl_words *w = sbl_outbox_item(&mouth, SBL_LETTER_BEAT);

    sbl_say_u64(w, managed);
    sbl_say_u64(w, limit);
    speak(worker);
}

/* --- counts --------------------------------------------------------------------------------------------------------- */

Test(bounds, more_retries_than_a_byte_holds)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    kind(c, &(sbl_spec){.number = 4, .name = "stubborn", .where = "", .code = "", .retries = 300});
    task(c, 1, 4, 0);
    for (int i = 0; i < 300; i++) {
        fail(w, 1, SABAL_EIO);
        cr_assert(!last(c, SBL_LETTER_FAILED, 1), "after %d of 300 retries", i);
    }
    fail(w, 1, SABAL_EIO);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EIO, "300 retries are all");
    desk_close();
}

/* Who ended a worker is known: those beside it are not charged, however many such there are. */
Test(bounds, innocents_are_not_charged)
{
    uint32_t c;

    desk_open(&(sbl_scheduler_options){
        .suspect_ns = 1000000000, .dead_ns = 3000000000, .allowed_kills = 3, .allowed_losses = 4});
    c = new_client();
    for (uint64_t i = 1; i <= 10; i++)
        task(c, i, 1, 0);
    for (uint64_t bad = 2; bad <= 4; bad++)
        for (int i = 0; i < 3; i++) {
            const uint32_t w = new_worker(20);
            const told    *t = order_of(w, bad);

            cr_assert(last(w, SBL_LETTER_RUN, 1));
            lose(w, &(sbl_loss){.ran = &(sbl_ran){t->task, t->attempt, 1}, .n_ran = 1, .what = "signal 11"});
        }
    for (uint64_t i = 1; i <= 10; i++)
        cr_assert_eq(!last(c, SBL_LETTER_FAILED, i), i < 2 || i > 4, "task %llu", (unsigned long long)i);
    desk_close();
}

/* A limit beyond what a count can reach is the largest that it can. */
Test(bounds, many_losses_are_allowed)
{
    uint32_t c;

    desk_open(&(sbl_scheduler_options){
        .suspect_ns = 1000000000, .dead_ns = 3000000000, .allowed_kills = 1000, .allowed_losses = 1000});
    c = new_client();
    task(c, 1, 1, 0);
    for (int i = 0; i < 254; i++)
        lose(new_worker(1), NULL);
    cr_assert(!last(c, SBL_LETTER_FAILED, 1));
    lose(new_worker(1), NULL);
    cr_assert(last(c, SBL_LETTER_FAILED, 1));
    desk_close();
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

/* Numbers that are done with leave nothing, also if some are always in use. */
Test(bounds, old_numbers_take_no_room)
{
    const uint32_t n = 1024;
    uint32_t       c, w, most = 0;

    desk_open(NULL);
    c = new_client();
    w = new_worker(1);
    for (uint64_t i = 0; i < 200; i++) {
        const sbl_serials *serials = &sbl_peer_at(desk, sbl_peer_slot(desk, c))->serials;

        tasks(c, i * n + 1, n, 1);
        if (i)
            range(c, SBL_LETTER_RELEASE, (i - 1) * n + 1, n);
        range(c, SBL_LETTER_CANCEL, i * n + 1, n);
        most = serials->n > most ? serials->n : most;
    }
    cr_assert_lt(most, 64, "%u pages of numbers for 2048 tasks", most);
    cr_assert(w);
    desk_close();
}

Test(bounds, failures_are_small)
{
    uint32_t c;

    cr_assert_leq(sizeof(sbl_sfailure), 40, "each cancelled task has one");
    desk_open(NULL);
    c = new_client();
    task(c, 1, 1, 0);
    task(c, 2, 1, 1, 0);
    range(c, SBL_LETTER_CANCEL, 1, 1);
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 2)->status, SABAL_ECANCELED);
    cr_assert_str_eq(last(c, SBL_LETTER_FAILED, 2)->message, "the task was cancelled");
    desk_close();
}

/* What is done one by one needs no list of all. */
Test(bounds, release_of_many_needs_no_list)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    tasks(c, 1, 3000, 1);
    range(c, SBL_LETTER_CANCEL, 1, 3000);
    range(c, SBL_LETTER_RELEASE, 1, 3000);
    cr_assert_eq(n_tasks(), 0);
    cr_assert_leq(desk->events_room, 1024);
    desk_close();
}

/* Arguments of what can't run any more are of no use. */
Test(bounds, arguments_end_with_the_run)
{
    uint32_t   c, w;
    sbl_words *words;

    desk_open(NULL);
    c     = new_client();
    w     = new_worker(1);
    words = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);
    sbl_say_group(words, &(sbl_group){.serial = 1, .n = 1, .spec = 1, .arg_size = 1000});
    memset(sbl_words_add(words, 1000), 0, 1000);
    speak(c);
    finish_attempt(w, 1, sbl_task_at(desk, 1)->attempt, 8);
    cr_assert(last(c, SBL_LETTER_DONE, 1));
    cr_assert_eq(sbl_task_at(desk, 1)->arg_size, 0);
    desk_close();
}

/* --- memory that there is not --------------------------------------------------------------------------------------- */

/* A task that was refused for want of memory is no fault of its client, nor is what depends on it. */
Test(bounds, refused_task_does_not_end_its_client)
{
    for (int64_t nth = 1, done = 0; !done; nth++) {
        uint32_t c;

        desk_open(NULL);
        c = new_client();
        for (uint64_t i = 0; i < 4; i++) {
            sbl_words *w = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);

            sbl_say_group(w, &(sbl_group){.serial = 2000 * i + 1, .n = 1, .spec = 1, .n_inputs = !!i, .arg_size = 40});
            if (i)
                sbl_say_u64(w, 2000 * i - 1999);
            memset(sbl_words_add(w, 40), 0, 40);
        }
        sbl_outbox_close(&mouth);
        sbl_alloc_fail(nth, 0);
        sbl_scheduler_hear(desk, c, mouth.words.bytes, mouth.words.size, ++desk_now);
        sbl_scheduler_send(desk);
        done = sbl_alloc_fail(0, 0) < nth;
        sbl_outbox_empty(&mouth);
        cr_assert(!dropped_peer, "allocation %lld: %s", (long long)nth, dropped_why);
        if (!done && !sbl_scheduler_has_failed(desk))
            cr_assert_eq(last(c, SBL_LETTER_FAILED, 0)->status, SABAL_ENOMEM);
        sbl_scheduler_destroy(desk);
        sbl_words_clear(&mouth.words);
    }
}

/* Letters of all kinds at random; each is heard with the allocation armed that is to fail, if it is reached. */
static int64_t to_fail;

static int heard_so_far(uint32_t peer)
{
    sbl_outbox_close(&mouth);
    sbl_alloc_fail(to_fail, 0);
    if (mouth.words.size)
        sbl_scheduler_hear(desk, peer, mouth.words.bytes, mouth.words.size, ++desk_now);
    sbl_scheduler_send(desk);
    to_fail -= sbl_alloc_fail(0, 0);
    sbl_outbox_empty(&mouth);
    return to_fail > 0;
}

static void say_task(uint32_t n, uint64_t serial, uint32_t draw)
{
    sbl_words     *w     = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);
    const uint32_t shift = draw % 3 ? 0 : 11; /* now and then on a page of its own */

    sbl_say_group(
        w, &(sbl_group){
               .serial = serial << shift, .n = 1, .spec = 1 + draw % 3, .n_inputs = n, .arg_size = draw % 2 ? 4 : 40});
    for (uint32_t i = 0; i < n; i++)
        sbl_say_u64(w, 1 + i);
    memset(sbl_words_add(w, draw % 2 ? 4 : 40), 0, draw % 2 ? 4 : 40);
}

/* Something about a task that the worker has. */
static void say_end(uint32_t worker, uint32_t draw)
{
    const uint32_t slot = sbl_peer_slot(desk, worker), task = slot ? sbl_peer_at(desk, slot)->sent : 0;
    sabal_error    err = SABAL_ERROR_INIT;

    if (!task || sbl_task_at(desk, task)->missing)
        return;
    sbl_error_set(&err, SABAL_EIO, "x");
    say_name(draw % 5 == 4   ? SBL_LETTER_GAVE
             : draw % 5 == 3 ? SBL_LETTER_ENDED
                             : SBL_LETTER_READY,
             task, sbl_task_at(desk, task)->attempt);
    if (draw % 5 == 3) {
        sbl_say_u32(&mouth.words, 0);
        sbl_say_failure(&mouth.words, &err);
    } else if (draw % 5 < 3) {
        sbl_say_u64(&mouth.words, 1000);
        sbl_say_u64(&mouth.words, 100);
        sbl_say_u32(&mouth.words, draw % 2 ? SBL_ELSEWHERE : 100);
        if (draw % 2 == 0)
            memset(sbl_words_add(&mouth.words, 100), 5, 100);
    }
}

static void say_something(uint32_t c, const uint32_t *workers, uint32_t draw, uint64_t serial)
{
    sbl_words *w;

    switch (draw >> 8 & 7) {
    case 0:
    case 1:
        say_task(draw >> 16 & 3, serial, draw >> 20);
        heard_so_far(c);
        break;
    case 2:
        w = sbl_outbox_item(&mouth, draw & 1 ? SBL_LETTER_CANCEL : SBL_LETTER_RELEASE);
        sbl_say_u64(w, 4 + draw % 64);
        sbl_say_u64(w, 3);
        heard_so_far(c);
        break;
    case 3:
        w = sbl_outbox_item(&mouth, SBL_LETTER_LOOK);
        sbl_say_u64(w, 1 + draw % 64);
        sbl_say_u32(w, workers[draw & 1]);
        heard_so_far(c);
        break;
    case 4:
        for (uint32_t task = 1; task < 4; task++)
            if (sbl_table_has(&desk->tasks, task))
                say_name(SBL_LETTER_HAVE, task, sbl_task_at(desk, task)->attempt);
        heard_so_far(workers[draw & 1]);
        break;
    default:
        say_end(workers[draw & 1], draw >> 12);
        heard_so_far(workers[draw & 1]);
    }
}

Test(bounds, memory_fails_at_any_point)
{
    for (int64_t nth = 1, done = 0; !done; nth++) {
        uint32_t c, workers[2], draw = 1;

        desk_open(NULL);
        c          = new_client();
        workers[0] = new_worker(1);
        workers[1] = new_worker(2);
        data(c, 1, 1000);
        data(c, 2, 100);
        task(c, 3, 1, 0);
        to_fail = nth;
        for (uint64_t i = 4; i < 200 && to_fail > 0; i++) {
            draw = draw * 1664525 + 1013904223;
            say_something(c, workers, draw ^ draw >> 15, i);
            if (i % 64 == 63 && to_fail > 0) {
                sbl_alloc_fail(to_fail, 0);
                sbl_scheduler_lost(desk, workers[i >> 6 & 1], NULL, desk_now);
                sbl_scheduler_send(desk);
                workers[i >> 6 & 1] = sbl_scheduler_worker_came(desk, 1, desk_now);
                sbl_scheduler_send(desk);
                to_fail -= sbl_alloc_fail(0, 0);
            }
        }
        done = to_fail > 0;
        cr_assert(!dropped_peer, "%s", dropped_why);
        if (!sbl_scheduler_has_failed(desk))
            desk_settle();
        if (!sbl_scheduler_has_failed(desk) && nth % 2) { /* who could go on, can end */
            finish_all();                                 /* also what nobody wants any more, and runs */
            desk_close();
        } else {
            sbl_scheduler_destroy(desk);
        }
        sbl_words_clear(&mouth.words);
    }
}

/* --- time ----------------------------------------------------------------------------------------------------------- */

/* The scheduler itself stood still: what workers said meanwhile is still to be heard. */
Test(bounds, time_that_the_scheduler_slept_is_not_silence)
{
    uint32_t w;

    desk_open(NULL);
    w = new_worker(1);
    for (int i = 0; i < 8; i++) {
        sbl_scheduler_tick(desk, desk_now += 250000000);
        speak(w);
    }
    sbl_scheduler_tick(desk, desk_now += 60000000000);
    cr_assert(!dropped_peer);
    for (int i = 0; i < 8; i++)
        sbl_scheduler_tick(desk, desk_now += 250000000);
    cr_assert(!dropped_peer, "2 s of silence");
    for (int i = 0; i < 8; i++)
        sbl_scheduler_tick(desk, desk_now += 250000000);
    cr_assert_eq(dropped_peer, w, "4 s of silence");
    lose(w, NULL);
    desk_close();
}

/* --- fairness ------------------------------------------------------------------------------------------------------- */

/* The next task that a worker runs, by its rank; 0: it has none. */
static uint32_t next_at(uint32_t worker)
{
    const sbl_peer *w    = sbl_peer_at(desk, sbl_peer_slot(desk, worker));
    uint32_t        next = 0;

    for (uint32_t t = w->sent; t; t = sbl_task_at(desk, t)->next)
        if (!sbl_task_at(desk, t)->missing)
            next = t; /* the oldest is the last */
    return next;
}

/* One client's graph keeps a worker busy with what follows from what it did; another's tasks get their turn all the same. */
Test(bounds, graph_of_one_client_does_not_starve_another)
{
    uint32_t c, other, w, n = 0;

    desk_open(NULL);
    c     = new_client();
    other = new_client();
    w     = new_worker(1);
    for (uint64_t i = 1; i <= 8; i++) /* values that lie there */
        task(c, i, 1, 0);
    for (int i = 0; i < 8; i++)
        finish_attempt(w, next_at(w), sbl_task_at(desk, next_at(w))->attempt, 1000);
    for (uint64_t i = 0; i < 400; i++) /* and eight long chains on them */
        task(c, 9 + i, 1, (int)(1 + i), 0);
    task(other, 1, 1, 0);
    while (!last(other, SBL_LETTER_DONE, 1)) {
        cr_assert_lt(++n, 50, "the second client's only task waits");
        finish_attempt(w, next_at(w), sbl_task_at(desk, next_at(w))->attempt, 1000);
    }
    desk_close();
}

/* A task that has to wait for memory does not hold up those of other clients. */
Test(bounds, large_task_holds_up_nobody_else)
{
    uint32_t c, other, w;

    desk_open(NULL);
    c     = new_client();
    other = new_client();
    w     = new_worker(4);
    beat(w, 500, 1000);
    kind(c, &(sbl_spec){.number = 4, .name = "large", .where = "", .code = "", .size = 800});
    task(c, 1, 1, 0);
    task(c, 2, 4, 0);
    cr_assert(last(w, SBL_LETTER_RUN, 1) && !last(w, SBL_LETTER_RUN, 2));
    task(other, 3, 1, 0);
    cr_assert(last(w, SBL_LETTER_RUN, 3));
    desk_close();
}

/* Sizes that nothing has do not wrap around. */
Test(bounds, wild_sizes_are_not_admitted)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(4);
    beat(w, 500, 1000);
    kind(c, &(sbl_spec){.number = 4, .name = "wild", .where = "", .code = "", .size = UINT64_MAX - 400});
    task(c, 1, 1, 0);
    task(c, 2, 4, 0);
    cr_assert(!last(w, SBL_LETTER_RUN, 2));
    desk_close();
}

Test(bounds, worker_with_wild_threads)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(INT32_MAX);
    sbl_say_u32(sbl_outbox_item(&mouth, SBL_LETTER_SPARE), UINT32_MAX);
    speak(w);
    task(c, 1, 1, 0);
    cr_assert(last(w, SBL_LETTER_RUN, 1));
    desk_close();
}

/* --- circles -------------------------------------------------------------------------------------------------------- */

/* A task that returns what waits for itself would never end. */
Test(bounds, circle_of_returned_tasks_is_refused)
{
    uint32_t c, w;

    desk_open(NULL);
    c = new_client();
    w = new_worker(4);
    task(c, 1, 1, 0);
    task(w, 11, 1, 0);
    task(w, 12, 1, 11, 0);
    task(w, 13, 1, 12, 0);
    task(w, 14, 1, 0);
    chain(w, 1, 13);  /* 1 is 13, which waits for 11 */
    chain(w, 14, 13); /* and so is 14: no circle */
    cr_assert_eq(state_of(w, 14), SBL_T_CHAINED);
    chain(w, 11, 14); /* but 11 can't be 14 */
    cr_assert_eq(last(c, SBL_LETTER_FAILED, 1)->status, SABAL_EINVAL);
    cr_assert(strstr(last(c, SBL_LETTER_FAILED, 1)->message, "waits for its own"));
    desk_close();
}

/* --- clients that go ------------------------------------------------------------------------------------------------ */

/* Its numbers came in any order: what nobody else wants does not run. */
Test(bounds, tasks_of_a_client_that_is_gone_do_not_run)
{
    uint32_t c;

    desk_open(NULL);
    c = new_client();
    task(c, 9, 1, 0);
    task(c, 5, 1, 9, 0);
    task(c, 3, 1, 5, 0);
    lose(c, NULL);
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}
