/* The executor by hand: orders in, what its driver is asked for, what is said to the scheduler. */
#include <stdio.h>
#include <stdlib.h>

#include "support/test.h"

#include "base/error.h"
#include "cluster/core/executor.h"

/* What the driver was asked for. */
static struct {
    sbl_item   *runs[16], *fetches[16];
    uint32_t    ran[16], from[16];
    const void *inputs[4];
    int         n_runs, n_fetches, n_stopped_fetches, n_interrupts, n_specs, may_take_back, may_part;
    int64_t     n_values;
} asked;

static sbl_executor *x;
static sbl_outbox    orders;
static uint32_t      awaited; /* of the next orders */

static void on_spec(void *arg, const sbl_spec *spec)
{
    asked.n_specs++;
}

static void *value(void)
{
    void *v = malloc(1);

    asked.n_values++;
    return v;
}

static void *on_value_of(void *arg, const char *bytes, uint32_t n)
{
    return arg ? NULL : value();
}

static void on_forget(void *arg, void *v)
{
    asked.n_values--;
    free(v);
}

static void on_run(void *arg, sbl_item *item, const sbl_task_run *run)
{
    for (uint32_t i = 0; i < run->n_inputs && i < 4; i++)
        asked.inputs[i] = run->inputs[i];
    asked.ran[asked.n_runs]    = run->task;
    asked.runs[asked.n_runs++] = item;
}

static int on_take_back(void *arg, sbl_item *item)
{
    return asked.may_take_back;
}

static void on_may_part(void *arg)
{
    asked.may_part++;
}

static void on_interrupt(void *arg, sbl_item *item)
{
    asked.n_interrupts++;
}

static void on_fetch(void *arg, sbl_item *item, uint32_t task, uint32_t attempt, uint64_t size, uint32_t worker,
                     uint32_t client)
{
    asked.from[asked.n_fetches]      = worker;
    asked.fetches[asked.n_fetches++] = item;
}

static void on_stop_fetch(void *arg, sbl_item *item)
{
    asked.n_stopped_fetches++;
}

static void begin(void)
{
    memset(&asked, 0, sizeof asked);
    x = sbl_executor_create(&(sbl_executor_calls){on_spec, on_value_of, on_forget, on_run, on_take_back, on_interrupt,
                                                  on_fetch, on_stop_fetch, on_may_part, NULL});
    cr_assert(x);
}

static void look_over(void)
{
    const char *wrong = sbl_executor_check(x);

    cr_assert(!wrong, "%s", wrong);
}

static void end(void)
{
    sbl_executor_destroy(x);
    cr_assert_eq(asked.n_values, 0);
    sbl_words_clear(&orders.words);
}

static sabal_status hear(void)
{
    sabal_status status;

    sbl_outbox_close(&orders);
    status = sbl_executor_hear(x, orders.words.bytes, orders.words.size);
    sbl_outbox_empty(&orders);
    look_over();
    return status;
}

/* An order for task.1 with inputs (task, where), up to a 0. */
static void order(uint32_t task, ...)
{
    uint32_t   inputs[8], where[8], n = 0;
    va_list    list;
    sbl_words *w;

    va_start(list, task);
    while ((inputs[n] = va_arg(list, uint32_t)))
        where[n++] = va_arg(list, uint32_t);
    va_end(list);
    w = sbl_outbox_item(&orders, SBL_LETTER_RUN);
    sbl_say_order(
        w, &(sbl_order){
               .rank = task, .task = task, .attempt = 1, .spec = 1, .n_inputs = n, .arg_size = 3, .awaited = awaited});
    for (uint32_t i = 0; i < n; i++) {
        sbl_say_u32(w, inputs[i]);
        sbl_say_u32(w, 1);
        sbl_say_u64(w, 8);
        sbl_say_u32(w, where[i]);
        if (where[i] == SBL_HERE_IT_IS) {
            sbl_say_u32(w, 8);
            sbl_say_u64(w, 1);
        }
        if (where[i] == SBL_CLIENT_HAS)
            sbl_say_u32(w, 5);
    }
    sbl_say(w, "arg", 3);
    cr_assert_eq(hear(), SABAL_OK);
}

static void say(uint32_t kind, uint32_t task)
{
    sbl_words *w = sbl_outbox_item(&orders, kind);

    sbl_say_u32(w, task);
    if (kind != SBL_LETTER_GIVE)
        sbl_say_u32(w, 1);
    cr_assert_eq(hear(), SABAL_OK);
}

/* What is said to the scheduler since the last time: kinds with their first number, "48:1 52:3". */
static const char *said(void)
{
    static char text[400];
    sbl_outbox *box = sbl_executor_outbox(x);
    sbl_reader  frame, r;
    uint32_t    kind;
    size_t      n = 0;

    text[0] = 0;
    sbl_outbox_close(box);
    frame = (sbl_reader){.at = box->words.bytes, .end = box->words.bytes + box->words.size};
    while ((kind = sbl_letter_next(&r, &frame)))
        while (!sbl_reader_is_at_end(&r)) {
            sabal_error err;

            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u:%u", n ? " " : "", kind, sbl_hear_u32(&r));
            if (kind == SBL_LETTER_READY) {
                uint32_t told;

                sbl_hear(&r, 4 + 16);
                told = sbl_hear_u32(&r);

                sbl_hear(&r, told == SBL_ELSEWHERE ? 0 : told);
            } else if (kind == SBL_LETTER_ENDED) {
                sbl_hear(&r, 8);
                sbl_hear_failure(&err, &r);
            } else if (kind == SBL_LETTER_NO_ROOM) {
                sbl_hear(&r, 4);
                sbl_hear_failure(&err, &r);
            } else {
                sbl_hear(&r, kind == SBL_LETTER_CHAIN                                ? 12
                             : kind == SBL_LETTER_LACK                               ? 16
                             : kind == SBL_LETTER_SPARE || kind == SBL_LETTER_RETIRE ? 0
                             : kind == SBL_LETTER_BEAT                               ? 12
                                                                                     : 4);
            }
        }
    sbl_outbox_empty(box);
    return text;
}

static void finish(int run, int is_told)
{
    sbl_executor_finished(x, asked.runs[run], value(), 8, 1000, is_told ? "12345678" : NULL, 8);
    look_over();
}

Test(executor, runs_and_tells)
{
    begin();
    order(1, 0);
    cr_assert_eq(asked.n_runs, 1);
    finish(0, 1);
    cr_assert_str_eq(said(), "48:1");
    cr_assert_eq(sbl_executor_count(x), 0, "what is told is not kept");
    order(2, 0);
    finish(1, 0);
    cr_assert_str_eq(said(), "48:2");
    cr_assert(sbl_executor_find(x, 2, 1) && !sbl_executor_find(x, 2, 2));
    say(SBL_LETTER_DROP, 2);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, what_there_is_no_room_for_is_given_back_with_the_reason)
{
    const sabal_error why = {.status = SABAL_ENOSPC, .message = "full"};

    begin();
    order(1, 7, 42, 0);
    sbl_executor_fetched(x, asked.fetches[0], value());
    cr_assert_str_eq(said(), "52:7");
    sbl_executor_refused(x, asked.runs[0], &why);
    look_over();
    cr_assert_str_eq(said(), "57:1");
    cr_assert(sbl_executor_find(x, 7, 1), "its input stays, for others");
    order(2, 0);
    say(SBL_LETTER_STOP, 2);
    if (sbl_executor_count(x) > 1) /* it runs */
        sbl_executor_refused(x, asked.runs[1], &why);
    look_over();
    cr_assert_str_eq(said(), "", "nobody wants it any more");
    say(SBL_LETTER_DROP, 7);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, chain_needs_nobody)
{
    begin();
    order(1, 0);
    order(2, 1, SBL_MADE_THERE, 1, SBL_MADE_THERE, 0); /* the same twice */
    cr_assert_eq(asked.n_runs, 1);
    finish(0, 1);
    cr_assert_eq(asked.n_runs, 2);
    cr_assert(asked.inputs[0] && asked.inputs[0] == asked.inputs[1]);
    cr_assert_eq(sbl_executor_count(x), 2, "told, but in use");
    finish(1, 1);
    cr_assert_str_eq(said(), "48:1 48:2");
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, input_is_fetched)
{
    begin();
    order(1, 7, 42, 8, SBL_HERE_IT_IS, 9, SBL_CLIENT_HAS, 0);
    order(2, 7, 42, 0);
    cr_assert_eq(asked.n_fetches, 2, "each once");
    cr_assert(asked.from[0] == 42 && asked.from[1] == SBL_CLIENT_HAS);
    sbl_executor_fetched(x, asked.fetches[0], value());
    look_over();
    cr_assert_eq(asked.n_runs, 1, "the second has all");
    sbl_executor_fetched(x, asked.fetches[1], value());
    cr_assert_eq(asked.n_runs, 2);
    cr_assert_str_eq(said(), "52:7 52:9");
    say(SBL_LETTER_DROP, 7);
    cr_assert(sbl_executor_find(x, 7, 1), "in use");
    finish(0, 1);
    finish(1, 1);
    cr_assert(!sbl_executor_find(x, 7, 1) && sbl_executor_find(x, 9, 1));
    end();
}

Test(executor, lacking_gives_back_all_that_wait)
{
    begin();
    order(1, 7, 42, 7, 42, 0);
    order(2, 7, 42, 8, 43, 0);
    order(3, 2, SBL_MADE_THERE, 0);
    sbl_executor_lacking(x, asked.fetches[0]);
    look_over();
    cr_assert_str_eq(said(), "51:2 51:1");
    cr_assert_eq(asked.n_stopped_fetches, 1, "nobody needs the other any more");
    cr_assert_eq(sbl_executor_count(x), 1);
    say(SBL_LETTER_STOP, 3);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, made_there_and_is_not)
{
    begin();
    order(1, 7, SBL_MADE_THERE, 8, 42, 0);
    cr_assert_str_eq(said(), "51:1");
    cr_assert_eq(sbl_executor_count(x), 0);
    cr_assert_eq(asked.n_stopped_fetches, asked.n_fetches);
    end();
}

Test(executor, input_that_cant_be_read)
{
    begin();
    order(1, 0);
    finish(0, 0);
    order(2, 1, SBL_MADE_THERE, 0);
    said();
    sbl_executor_unreadable(x, asked.runs[1], 0);
    look_over();
    cr_assert_str_eq(said(), "51:2");
    say(SBL_LETTER_DROP, 1);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

/* Of 7, from 42. */
static void ask_copy(void)
{
    sbl_words *w = sbl_outbox_item(&orders, SBL_LETTER_FETCH);

    sbl_say_u32(w, 7);
    sbl_say_u32(w, 1);
    sbl_say_u64(w, 8);
    sbl_say_u32(w, 42);
    cr_assert_eq(hear(), SABAL_OK);
}

Test(executor, copy_that_was_dropped_is_asked_for)
{
    begin();
    order(1, 7, 42, 0);
    sbl_executor_fetched(x, asked.fetches[0], value());
    say(SBL_LETTER_DROP, 7);
    said();
    ask_copy();
    cr_assert_str_eq(said(), "52:7");
    say(SBL_LETTER_STOP, 1);
    sbl_executor_failed(x, asked.runs[0], &(sabal_error)SABAL_ERROR_INIT);
    cr_assert(sbl_executor_find(x, 7, 1), "it stays");
    end();
}

/* Others that have it go back too, and who comes later gets it from elsewhere, not what can't be read here. */
Test(executor, input_that_cant_be_read_is_nobodys)
{
    begin();
    order(1, 0);
    finish(0, 0);
    order(2, 1, SBL_MADE_THERE, 0);
    order(3, 1, SBL_MADE_THERE, 0);
    said();
    asked.may_take_back = 1;
    sbl_executor_unreadable(x, asked.runs[1], 0);
    look_over();
    cr_assert_str_eq(said(), "51:2 51:3");
    cr_assert_eq(sbl_executor_count(x), 0);
    order(4, 1, 42, 0);
    cr_assert_eq(asked.n_fetches, 1);
    end();
}

Test(executor, stop_in_each_state)
{
    begin();
    order(1, 7, 42, 0); /* waits */
    say(SBL_LETTER_STOP, 1);
    cr_assert(sbl_executor_count(x) == 0 && asked.n_stopped_fetches == 1);
    asked.may_take_back = 1; /* has not begun */
    order(2, 0);
    say(SBL_LETTER_STOP, 2);
    cr_assert(sbl_executor_count(x) == 0 && asked.n_interrupts == 0);
    asked.may_take_back = 0; /* runs */
    order(3, 0);
    say(SBL_LETTER_STOP, 3);
    say(SBL_LETTER_STOP, 3);
    cr_assert_eq(asked.n_interrupts, 1);
    finish(1, 1);
    order(4, 0);
    say(SBL_LETTER_STOP, 4);
    sbl_executor_failed(x, asked.runs[2], &(sabal_error){.status = SABAL_ECANCELED});
    order(5, 0);
    say(SBL_LETTER_STOP, 5);
    sbl_executor_chained(x, asked.runs[3], 9);
    cr_assert_str_eq(said(), "", "nobody wants to hear of them");
    order(6, 0);
    finish(4, 0);
    say(SBL_LETTER_STOP, 6); /* crossed */
    say(SBL_LETTER_STOP, 99);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, failure_and_chain_are_told)
{
    begin();
    order(1, 0);
    order(2, 1, SBL_MADE_THERE, 0);
    sbl_executor_failed(x, asked.runs[0], &(sabal_error){.status = SABAL_EIO});
    look_over();
    order(3, 0);
    sbl_executor_chained(x, asked.runs[1], 17);
    cr_assert_str_eq(said(), "49:1 50:3");
    cr_assert_eq(asked.n_runs, 2, "what waits for it is stopped by the scheduler");
    say(SBL_LETTER_STOP, 2);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, knows_by_whom_a_task_is_awaited)
{
    begin();
    awaited = 2;
    order(1, 0);
    cr_assert_eq(sbl_item_awaited(asked.runs[0]), SBL_AWAITED_ELSEWHERE);
    awaited = 0;
    order(2, 1, SBL_MADE_THERE, 0);
    cr_assert_eq(sbl_item_awaited(asked.runs[0]), SBL_AWAITED_ELSEWHERE, "one of them is here");
    order(3, 1, SBL_MADE_THERE, 0);
    cr_assert_eq(sbl_item_awaited(asked.runs[0]), SBL_AWAITED_HERE);
    say(SBL_LETTER_STOP, 3);
    cr_assert_eq(sbl_item_awaited(asked.runs[0]), SBL_AWAITED_ELSEWHERE, "and is not any more");
    awaited = SBL_BY_CLIENT;
    order(4, 0);
    cr_assert_eq(sbl_item_awaited(asked.runs[1]), SBL_AWAITED_BY_CLIENT);
    awaited = SBL_BY_MANY;
    order(5, 0);
    cr_assert_eq(sbl_item_awaited(asked.runs[2]), SBL_AWAITED_ELSEWHERE);
    awaited = 0;
    end();
}

/* The newest first; what others were sent ahead for last, what was sent ahead never. */
Test(executor, gives_back)
{
    begin();
    asked.may_take_back = 1;
    order(1, 0);
    order(2, 0);
    order(3, 2, SBL_MADE_THERE, 0);
    order(4, 9, 42, 0);
    say(SBL_LETTER_GIVE, 1);
    cr_assert_str_eq(said(), "53:4 53:0", "it waits for a value");
    say(SBL_LETTER_GIVE, 2);
    cr_assert_str_eq(said(), "53:1 53:2 53:0");
    say(SBL_LETTER_GIVE, 9);
    cr_assert_str_eq(said(), "53:0");
    say(SBL_LETTER_STOP, 3);
    asked.may_take_back = 0;
    order(5, 0);
    say(SBL_LETTER_GIVE, 1);
    cr_assert_str_eq(said(), "53:0", "it runs");
    end();
}

Test(executor, copy_on_request)
{
    begin();
    for (int i = 0; i < 2; i++)
        ask_copy();
    cr_assert_eq(asked.n_fetches, 1);
    order(1, 7, 42, 0);
    say(SBL_LETTER_STOP, 1);
    cr_assert_eq(sbl_executor_count(x), 1, "the scheduler wants it");
    sbl_executor_fetched(x, asked.fetches[0], value());
    cr_assert_str_eq(said(), "52:7");
    say(SBL_LETTER_DROP, 7);
    say(SBL_LETTER_FETCH - 1, 7);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, drop_while_it_comes)
{
    begin();
    order(1, 7, 42, 0);
    say(SBL_LETTER_DROP, 7);
    sbl_executor_fetched(x, asked.fetches[0], value());
    look_over();
    cr_assert_str_eq(said(), "", "it is not a copy that counts");
    finish(0, 1);
    cr_assert_eq(sbl_executor_count(x), 0);
    end();
}

Test(executor, wrong_letters)
{
    static const uint32_t KINDS[] = {SBL_LETTER_WSPEC, SBL_LETTER_RUN,  SBL_LETTER_STOP, SBL_LETTER_DROP,
                                     SBL_LETTER_FETCH, SBL_LETTER_GIVE, SBL_LETTER_PART};

    for (size_t k = 0; k < 7; k++)
        for (size_t size = 1; size < 4; size++) {
            begin();
            order(1, 0);
            memset(sbl_words_add(sbl_outbox_item(&orders, KINDS[k]), size), 0, size);
            cr_assert_eq(hear(), SABAL_EFORMAT);
            end();
        }
    begin();
    sbl_say_u32(sbl_outbox_item(&orders, SBL_LETTER_READY), 1);
    cr_assert_eq(hear(), SABAL_EFORMAT, "that is what it says itself");
    order(1, 0);
    sbl_say_order(sbl_outbox_item(&orders, SBL_LETTER_RUN), &(sbl_order){.task = 1, .attempt = 1});
    cr_assert_eq(hear(), SABAL_EFORMAT, "the same twice");
    sbl_say_order(sbl_outbox_item(&orders, SBL_LETTER_RUN),
                  &(sbl_order){.task = 2, .attempt = 1, .n_inputs = UINT32_MAX});
    cr_assert_eq(hear(), SABAL_EFORMAT);
    sbl_say_order(sbl_outbox_item(&orders, SBL_LETTER_RUN),
                  &(sbl_order){.task = 3, .attempt = 1, .arg_size = UINT32_MAX});
    cr_assert_eq(hear(), SABAL_EFORMAT);
    cr_assert_eq(sbl_executor_count(x), 1);
    end();
}

/* Each allocation in turn fails: a task is told as failed, or the order is not understood; nothing leaks. */
Test(executor, memory_fails_in_turn)
{
    int done = 0;

    for (int64_t nth = 1; !done; nth++) {
        sabal_status status;
        sbl_words   *w;

        begin();
        order(1, 0);
        w = sbl_outbox_item(&orders, SBL_LETTER_RUN);
        sbl_say_order(w, &(sbl_order){.task = 2, .attempt = 1, .n_inputs = 2, .arg_size = 40});
        for (uint32_t i = 0; i < 2; i++) {
            sbl_say_u32(w, 7 + i);
            sbl_say_u32(w, 1);
            sbl_say_u64(w, 8);
            sbl_say_u32(w, i ? 42 : SBL_HERE_IT_IS);
            if (!i) {
                sbl_say_u32(w, 8);
                sbl_say_u64(w, 0);
            }
        }
        memset(sbl_words_add(w, 40), 0, 40);
        said();
        sbl_outbox_close(&orders);
        sbl_alloc_fail(nth, 0);
        status = sbl_executor_hear(x, orders.words.bytes, orders.words.size);
        done   = sbl_alloc_fail(0, 0) < nth;
        sbl_outbox_empty(&orders);
        look_over();
        if (!done)
            cr_assert(status == SABAL_ENOMEM || !strcmp(said(), "49:2"));
        order(3, 0);
        cr_assert_eq(asked.ran[asked.n_runs - 1], 3, "it goes on");
        end();
    }
}
