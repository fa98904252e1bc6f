/* Letters as bytes: what is said is heard; what is cut or wild drops who said it, and changes nothing else. */
#include "core/desk.h"

#include "cluster/core/submitter.h"

Test(letters, items_of_a_kind_share_a_letter)
{
    sbl_outbox box = {0};
    sbl_reader frame, r;

    for (uint32_t i = 0; i < 3; i++)
        sbl_say_u32(sbl_outbox_item(&box, SBL_LETTER_SPARE), i);
    sbl_say_u32(sbl_outbox_item(&box, SBL_LETTER_GIVE), 7);
    sbl_outbox_close(&box);
    frame = (sbl_reader){.at = box.words.bytes, .end = box.words.bytes + box.words.size};
    cr_assert_eq(sbl_letter_next(&r, &frame), SBL_LETTER_SPARE);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(sbl_hear_u32(&r), i);
    cr_assert(sbl_reader_is_at_end(&r) && !r.failed);
    cr_assert_eq(sbl_letter_next(&r, &frame), SBL_LETTER_GIVE);
    cr_assert_eq(sbl_letter_next(&r, &frame), 0);
    cr_assert(!frame.failed);
    sbl_words_clear(&box.words);
}

Test(letters, reader_gives_nothing_behind_the_end)
{
    const char bytes[6] = {1, 2, 3, 4, 'a', 'b'};
    sbl_reader r        = {.at = bytes, .end = bytes + 6};

    sbl_hear_u32(&r);
    cr_assert_eq(sbl_hear_text(&r)[0], 0);
    cr_assert(r.failed, "a text without an end");
    cr_assert_eq(sbl_hear_u64(&r), 0);
    cr_assert(!sbl_hear(&r, 0), "once failed, for good");
    r = (sbl_reader){.at = bytes, .end = bytes + 6};
    cr_assert_eq(sbl_hear_u64(&r), 0);
    cr_assert(r.failed);
}

Test(letters, ranges_that_follow_are_one)
{
    sbl_outbox    out = {0};
    sbl_submitter s   = {.out = &out};
    sbl_reader    frame, r;

    for (uint64_t i = 1; i <= 100; i++)
        sbl_submit_release(&s, i, 1);
    sbl_submit_release(&s, 200, 1);
    sbl_outbox_close(&out);
    cr_assert_eq(out.words.size, 8 + 32);
    frame = (sbl_reader){.at = out.words.bytes, .end = out.words.bytes + out.words.size};
    cr_assert_eq(sbl_letter_next(&r, &frame), SBL_LETTER_RELEASE);
    cr_assert_eq(sbl_hear_u64(&r), 1);
    cr_assert_eq(sbl_hear_u64(&r), 100);
    sbl_words_clear(&out.words);
}

/* --- wrong letters ------------------------------------------------------------------------------------------------ */

/* One good letter of each kind; the world has a client with tasks 1 (done), 2 (sent) and a worker. */
static uint32_t client, worker;

static void world(void)
{
    desk_open(NULL);
    client = new_client();
    worker = new_worker(1);
    task(client, 1, 1, 0);
    finish(worker, 1, 1000);
    task(client, 2, 1, 1, 0);
}

static uint32_t say_good(uint32_t kind)
{
    const told *t   = order_of(worker, 2);
    sbl_words  *w   = sbl_outbox_item(&mouth, kind);
    sabal_error err = SABAL_ERROR_INIT;

    switch (kind) {
    case SBL_LETTER_SPEC:
        sbl_say_spec(w, &(sbl_spec){.number = 9, .name = "n", .where = "w", .code = "cc", .code_size = 2});
        return client;
    case SBL_LETTER_TASKS:
        sbl_say_group(w, &(sbl_group){.serial = 10, .n = 2, .spec = 1, .n_inputs = 1, .arg_size = 12});
        sbl_say_u64(w, 1);
        sbl_say_u64(w, 2);
        memset(sbl_words_add(w, 24), 1, 24);
        return client;
    case SBL_LETTER_DATA:
        sbl_say_u64(w, 10);
        sbl_say_u64(w, 9);
        sbl_say_u32(w, 9);
        sbl_say(w, "123456789", 9);
        return client;
    case SBL_LETTER_RELEASE:
    case SBL_LETTER_CANCEL:
        sbl_say_u64(w, 1);
        sbl_say_u64(w, 2);
        return client;
    case SBL_LETTER_LOOK:
        sbl_say_u64(w, 1);
        sbl_say_u32(w, SBL_NOBODY);
        return client;
    case SBL_LETTER_SPARE:
    case SBL_LETTER_RETIRE:
        sbl_say_u32(w, 1);
        return worker;
    case SBL_LETTER_BEAT:
        sbl_say_u64(w, 1000);
        sbl_say_u64(w, 2000);
        return worker;
    default:
        break;
    }
    sbl_say_u32(w, t->task);
    sbl_say_u32(w, t->attempt);
    if (kind == SBL_LETTER_READY) {
        sbl_say_u64(w, 5);
        sbl_say_u64(w, 4);
        sbl_say_u32(w, 4);
        sbl_say_u32(w, 99);
    } else if (kind == SBL_LETTER_ENDED) {
        sbl_error_set(&err, SABAL_EIO, "x");
        sbl_say_u32(w, 0);
        sbl_say_failure(w, &err);
    } else if (kind == SBL_LETTER_NO_ROOM) {
        sbl_error_set(&err, SABAL_ENOSPC, "full");
        sbl_say_failure(w, &err);
    } else if (kind == SBL_LETTER_CHAIN) {
        sbl_say_u64(w, 3);
    } else if (kind == SBL_LETTER_LACK) {
        sbl_say_u32(w, order_of(worker, 1)->task);
        sbl_say_u32(w, order_of(worker, 1)->attempt);
        sbl_say_u32(w, SBL_MADE_THERE);
    }
    return worker;
}

static const uint32_t KINDS[] = {SBL_LETTER_SPEC,   SBL_LETTER_TASKS, SBL_LETTER_DATA,   SBL_LETTER_RELEASE,
                                 SBL_LETTER_CANCEL, SBL_LETTER_LOOK,  SBL_LETTER_READY,  SBL_LETTER_ENDED,
                                 SBL_LETTER_CHAIN,  SBL_LETTER_LACK,  SBL_LETTER_HAVE,   SBL_LETTER_GAVE,
                                 SBL_LETTER_SPARE,  SBL_LETTER_BEAT,  SBL_LETTER_RETIRE, SBL_LETTER_NO_ROOM};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS };

/* Everything holds, and everybody may go, whatever was said. */
static void end_world(void)
{
    lose(client, NULL);
    lose(worker, NULL);
    new_worker(2);
    finish_all(); /* what was released */
    cr_assert_eq(n_tasks(), 0);
    desk_close();
}

Test(letters, cut_anywhere)
{
    for (int k = 0; k < N_KINDS; k++) {
        size_t size;

        world();
        say_good(KINDS[k]);
        sbl_outbox_close(&mouth);
        size = mouth.words.size;
        sbl_outbox_empty(&mouth);
        end_world();
        for (size_t cut = 1; cut < size; cut++) {
            uint32_t speaker, length;

            world();
            speaker = say_good(KINDS[k]);
            sbl_outbox_close(&mouth);
            if (cut > 8) { /* a letter that ends too early; else a frame that does */
                length = (uint32_t)cut - 8;
                memcpy(mouth.words.bytes + 4, &length, sizeof length);
            }
            sbl_scheduler_hear(desk, speaker, mouth.words.bytes, cut, ++desk_now);
            sbl_outbox_empty(&mouth);
            desk_settle();
            cr_assert(cut == 8 || dropped_peer == speaker || (cut == 8 + size % 8 && KINDS[k] == SBL_LETTER_SPEC),
                      "kind %u cut at %zu of %zu", KINDS[k], cut, size);
            end_world();
        }
    }
}

/* Each number of each letter, made wild: whoever said it may be dropped, but all holds. */
Test(letters, wild_numbers)
{
    static const uint32_t WILD[] = {0,          1,          2,          0x7fffffff, 0x80000000, 0xfffffffc,
                                    0xfffffffd, 0xfffffffe, 0xffffffff, 1000,       0x40000000};

    for (int k = 0; k < N_KINDS; k++)
        for (size_t at = 0, size = 1; at < size; at += 4)
            for (size_t i = 0; i < sizeof WILD / sizeof *WILD; i++) {
                uint32_t speaker;

                world();
                speaker = say_good(KINDS[k]);
                sbl_outbox_close(&mouth);
                size = mouth.words.size & ~(size_t)3;
                memcpy(mouth.words.bytes + at, &WILD[i], 4);
                sbl_scheduler_hear(desk, speaker, mouth.words.bytes, mouth.words.size, ++desk_now);
                sbl_outbox_empty(&mouth);
                desk_settle();
                cr_assert(dropped_peer == 0 || dropped_peer == speaker);
                end_world();
            }
}

Test(letters, what_one_may_not_say)
{
    static const uint32_t NOT_CLIENTS[] = {
        SBL_LETTER_READY, SBL_LETTER_BEAT, SBL_LETTER_RUN, SBL_LETTER_DONE, 0x12345, SBL_LETTER_GAVE, 99};

    for (size_t i = 0; i < sizeof NOT_CLIENTS / sizeof *NOT_CLIENTS; i++) {
        world();
        sbl_say_u64(sbl_outbox_item(&mouth, NOT_CLIENTS[i]), 1);
        speak(client);
        cr_assert_eq(dropped_peer, client);
        end_world();
    }
    world();
    sbl_say_u64(sbl_outbox_item(&mouth, SBL_LETTER_RUN), 1);
    speak(worker);
    cr_assert_eq(dropped_peer, worker);
    end_world();
}

Test(letters, numbers_are_used_once)
{
    for (int as_data = 0; as_data < 2; as_data++) {
        world();
        if (as_data)
            data(client, 2, 10);
        else
            task(client, 2, 1, 0);
        cr_assert_eq(dropped_peer, client);
        cr_assert(strstr(dropped_why, "in use"));
        end_world();
    }
    world();
    sbl_say_spec(sbl_outbox_item(&mouth, SBL_LETTER_SPEC),
                 &(sbl_spec){.number = 1, .name = "", .where = "", .code = ""});
    speak(client);
    cr_assert_eq(dropped_peer, client);
    end_world();
}

Test(letters, input_and_kind_must_be_there)
{
    world();
    task(client, 10, 1, 9, 0);
    cr_assert(dropped_peer == client && strstr(dropped_why, "input"));
    end_world();
    world();
    task(client, 10, 7, 0);
    cr_assert(dropped_peer == client && strstr(dropped_why, "kind"));
    end_world();
}

Test(letters, ended_before_its_inputs)
{
    world();
    task(client, 3, 1, 2, 0);
    finish(worker, 3, 8);
    cr_assert(dropped_peer == worker && strstr(dropped_why, "before its inputs"));
    end_world();
}

Test(letters, too_large_to_be_told)
{
    world();
    say_name(SBL_LETTER_READY, order_of(worker, 2)->task, order_of(worker, 2)->attempt);
    sbl_say_u64(&mouth.words, 1);
    sbl_say_u64(&mouth.words, 300);
    sbl_say_u32(&mouth.words, 300);
    memset(sbl_words_add(&mouth.words, 300), 0, 300);
    speak(worker);
    cr_assert_eq(dropped_peer, worker);
    end_world();
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* Each allocation in turn fails: a task is told as failed, or the scheduler says that it can't go on; nothing leaks or breaks. */
Test(letters, memory_fails_in_turn)
{
    int done = 0;

    for (int64_t nth = 1; !done; nth++) {
        cr_assert_lt(nth, 100000);
        for (int k = 0; k < 3; k++) {
            world();
            sbl_alloc_fail(nth, k == 2);
            for (uint64_t i = 0; i < 3; i++) {
                sbl_words *w = &mouth.words;

                if (sbl_outbox_item(&mouth, SBL_LETTER_TASKS)) {
                    sbl_say_group(
                        w, &(sbl_group){.serial = 2000 + 2000 * i, .n = 1, .spec = 1, .n_inputs = 1, .arg_size = 20});
                    sbl_say_u64(w, k ? 1 : 2);
                    for (int b = 0; b < 5; b++)
                        sbl_say_u32(w, 3);
                }
            }
            sbl_outbox_close(&mouth);
            if (!mouth.words.failed)
                sbl_scheduler_hear(desk, client, mouth.words.bytes, mouth.words.size, ++desk_now);
            sbl_scheduler_send(desk);
            if (k == 1)
                sbl_scheduler_lost(desk, worker, NULL, desk_now);
            sbl_scheduler_send(desk);
            done = sbl_alloc_fail(0, 0) < nth;
            sbl_outbox_empty(&mouth);
            sbl_scheduler_destroy(desk);
            sbl_words_clear(&mouth.words);
        }
    }
}
