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
            lose(w, &(sbl_loss){.task = t->task, .attempt = t->attempt, .what = "signal 11"});
        }
    for (uint64_t i = 1; i <= 10; i++)
        cr_assert_eq(!last(c, SBL_LETTER_FAILED, i), i < 2 || i > 4, "task %llu", (unsigned long long)i);
    desk_close();
}

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

/* --- fairness ------------------------------------------------------------------------------------------------------- */

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
