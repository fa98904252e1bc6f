/*
 * A scheduler at a desk: a test says what clients and workers say, letter by letter, and reads what they are told. What was said
 * is kept by peer; after each step all that must hold of the scheduler is looked over.
 */
#ifndef SBL_TESTS_CORE_DESK_H
#define SBL_TESTS_CORE_DESK_H

#include <stdio.h>
#include <stdlib.h>

#include "support/test.h"

#include "base/error.h"
#include "cluster/core/state.h"

#define DESK static __attribute__((unused)) /* not each test needs all of it */
enum { MOST_TOLD = 4096 };

/* One item of a letter. */
typedef struct told {
    uint32_t peer, kind;
    uint64_t serial;
    uint32_t task, attempt, worker, n, n_inputs, arg, awaited;
    uint32_t inputs[4][3]; /* task, attempt, where */
    uint32_t status;
    char     message[128];
} told;

static sbl_scheduler *desk;
static told           heard[MOST_TOLD];
static uint32_t       n_heard, dropped_peer;
static const char    *dropped_why;
static int64_t        desk_now;
static sbl_outbox     mouth;
static uint8_t        cells[SBL_T_STATES][SBL_E_EVENTS];

DESK void read_inputs(told *t, sbl_reader *r)
{
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r);
        uint32_t       where;

        sbl_hear_u64(r);
        where = sbl_hear_u32(r);
        if (where == SBL_HERE_IT_IS)
            sbl_hear(r, SBL_BYTES_OF(sbl_hear_u32(r)));
        if (where == SBL_CLIENT_HAS)
            sbl_hear_u32(r);
        if (i < 4)
            memcpy(t->inputs[i], (uint32_t[]){task, attempt, where}, 12);
    }
}

DESK void read_item(told *t, sbl_reader *r)
{
    sbl_order   order;
    sbl_spec    spec;
    sabal_error err;

    switch (t->kind) {
    case SBL_LETTER_WSPEC:
        sbl_hear_spec(&spec, r);
        break;
    case SBL_LETTER_RUN:
        sbl_hear_order(&order, r);
        t->task     = order.task;
        t->attempt  = order.attempt;
        t->n_inputs = order.n_inputs;
        t->awaited  = order.awaited;
        read_inputs(t, r);
        memcpy(&t->arg, sbl_hear(r, order.arg_size), sizeof t->arg);
        break;
    case SBL_LETTER_STOP:
    case SBL_LETTER_DROP:
        t->task    = sbl_hear_u32(r);
        t->attempt = sbl_hear_u32(r);
        break;
    case SBL_LETTER_FETCH:
        t->task    = sbl_hear_u32(r);
        t->attempt = sbl_hear_u32(r);
        sbl_hear_u64(r);
        t->worker = sbl_hear_u32(r);
        t->n      = t->worker == SBL_CLIENT_HAS ? sbl_hear_u32(r) : 0;
        break;
    case SBL_LETTER_GIVE:
    case SBL_LETTER_PART:
        t->n = sbl_hear_u32(r);
        break;
    case SBL_LETTER_DONE:
        t->serial = sbl_hear_u64(r);
        sbl_hear_u64(r);
        t->n = sbl_hear_u32(r);
        if (t->n != SBL_ELSEWHERE)
            sbl_hear(r, SBL_BYTES_OF(t->n));
        break;
    case SBL_LETTER_FAILED:
        t->serial = sbl_hear_u64(r);
        sbl_hear_failure(&err, r);
        t->status = (uint32_t)err.status;
        snprintf(t->message, sizeof t->message, "%.127s", err.message);
        break;
    case SBL_LETTER_AT:
        t->serial  = sbl_hear_u64(r);
        t->task    = sbl_hear_u32(r);
        t->attempt = sbl_hear_u32(r);
        sbl_hear_u64(r);
        t->n      = sbl_hear_u32(r);
        t->worker = t->n ? sbl_hear_u32(r) : 0;
        break;
    case SBL_LETTER_FORGET:
        t->serial = sbl_hear_u64(r);
        break;
    case SBL_LETTER_PUSH:
        t->serial  = sbl_hear_u64(r);
        t->task    = sbl_hear_u32(r);
        t->attempt = sbl_hear_u32(r);
        t->worker  = sbl_hear_u32(r);
        break;
    default:
        cr_assert_fail("the scheduler says %u", t->kind);
    }
}

DESK void desk_send(void *arg, uint32_t peer, sbl_words *words)
{
    sbl_reader frame = {.at = words->bytes, .end = words->bytes + words->size}, r;
    uint32_t   kind;

    while ((kind = sbl_letter_next(&r, &frame)))
        while (!sbl_reader_is_at_end(&r)) {
            told t = {.peer = peer, .kind = kind};

            read_item(&t, &r);
            if (n_heard < MOST_TOLD)
                heard[n_heard++] = t;
        }
    cr_assert(!frame.failed && !r.failed);
}

DESK void desk_drop(void *arg, uint32_t peer, const char *why)
{
    dropped_peer = peer;
    dropped_why  = why;
}

DESK void desk_introduce(void *arg, uint32_t peer, uint32_t worker)
{
}

/* What was done has its effects, and all holds. */
DESK void desk_settle(void)
{
    const char *wrong;

    sbl_scheduler_send(desk);
    wrong = sbl_scheduler_check(desk);
    cr_assert(!wrong, "%s", wrong);
    for (int state = 0; state < SBL_T_STATES; state++)
        for (int e = 0; e < SBL_E_EVENTS; e++)
            cells[state][e] |= (uint8_t)sbl_scheduler_cell_was_used(desk, state, e);
}

DESK void desk_open(const sbl_scheduler_options *options)
{
    n_heard = dropped_peer = 0;
    dropped_why            = NULL;
    desk_now               = 1000;
    desk = sbl_scheduler_create(&(sbl_scheduler_calls){desk_send, desk_drop, desk_introduce, NULL}, options);
    cr_assert(desk);
}

/* Everybody goes, and nothing is left. */
DESK void desk_close(void)
{
    sbl_scheduler_counts c;

    for (uint32_t slot = 1; slot < desk->peers.fresh; slot++)
        if (sbl_peer_at(desk, slot)->number) {
            sbl_scheduler_lost(desk, sbl_peer_at(desk, slot)->number, &(sbl_loss){.planned = 1}, desk_now);
            desk_settle();
        }
    sbl_scheduler_count(desk, &c);
    cr_assert_eq(
        c.tasks + c.edges + c.copies + c.failures + c.specs + c.rules + c.seats + c.spreads + c.clients + c.workers, 0);
    sbl_scheduler_destroy(desk);
    sbl_words_clear(&mouth.words);
}

/* So much time has passed. */
DESK void tick_after(int64_t ns)
{
    sbl_scheduler_tick(desk, desk_now += ns);
    desk_settle();
}

/* What is in the mouth is said, and has no effects yet. */
DESK void hear(uint32_t peer)
{
    sbl_outbox_close(&mouth);
    sbl_scheduler_hear(desk, peer, mouth.words.bytes, mouth.words.size, ++desk_now);
    sbl_outbox_empty(&mouth);
}

DESK void speak(uint32_t peer)
{
    hear(peer);
    desk_settle();
}

DESK uint32_t new_client(void)
{
    const uint32_t peer = sbl_scheduler_client_came(desk, desk_now);

    sbl_say_spec(sbl_outbox_item(&mouth, SBL_LETTER_SPEC),
                 &(sbl_spec){.number = 1, .name = "one", .where = "a.c:1", .code = ""});
    sbl_say_spec(sbl_outbox_item(&mouth, SBL_LETTER_SPEC),
                 &(sbl_spec){.number = 2, .name = "again", .where = "", .code = "", .retries = 1, .size = 1000});
    sbl_say_spec(sbl_outbox_item(&mouth, SBL_LETTER_SPEC),
                 &(sbl_spec){.number = 3, .name = "first", .where = "", .code = "", .priority = 9});
    speak(peer);
    return peer;
}

DESK uint32_t new_worker(int32_t threads)
{
    const uint32_t peer = sbl_scheduler_worker_came(desk, threads, desk_now);

    desk_settle();
    /* as a client it has kinds of tasks too */
    sbl_say_spec(sbl_outbox_item(&mouth, SBL_LETTER_SPEC),
                 &(sbl_spec){.number = 1, .name = "inner", .where = "", .code = ""});
    speak(peer);
    return peer;
}

/* One of that name on that host, that has those resources. */
DESK uint32_t worker_of(int32_t threads, const char *name, const char *host, const char *resources)
{
    const uint32_t peer = sbl_scheduler_worker_came(desk, threads, desk_now);

    sbl_scheduler_worker_tells(desk, peer, &(sbl_worker_words){name, host, resources});
    desk_settle();
    return peer;
}

/* A kind of task that may not run anywhere. */
DESK void rule(uint32_t client, uint32_t number, int32_t priority, const char *workers, const char *resources)
{
    sbl_say_spec(sbl_outbox_item(&mouth, SBL_LETTER_SPEC), &(sbl_spec){.number    = number,
                                                                       .name      = "ruled",
                                                                       .where     = "",
                                                                       .code      = "",
                                                                       .priority  = priority,
                                                                       .retries   = 1,
                                                                       .workers   = workers,
                                                                       .resources = resources});
    speak(client);
}

/* One task whose argument is its serial; inputs end with 0. */
DESK void put_task(uint64_t serial, uint32_t spec, va_list list)
{
    uint64_t   inputs[16], input;
    uint32_t   n = 0;
    sbl_words *w;

    while ((input = (uint64_t)va_arg(list, int)))
        inputs[n++] = input;
    w = sbl_outbox_item(&mouth, SBL_LETTER_TASKS);
    sbl_say_group(w, &(sbl_group){.serial = serial, .n = 1, .spec = spec, .n_inputs = n, .arg_size = 4});
    sbl_say(w, inputs, 8 * n);
    sbl_say_u32(w, (uint32_t)serial);
}

DESK void task(uint32_t client, uint64_t serial, uint32_t spec, ...)
{
    va_list list;

    va_start(list, spec);
    put_task(serial, spec, list);
    va_end(list);
    speak(client);
}

/* The same, which the scheduler hears, and nothing has come of it yet. */
DESK void task_heard(uint32_t client, uint64_t serial, uint32_t spec, ...)
{
    va_list list;

    va_start(list, spec);
    put_task(serial, spec, list);
    va_end(list);
    hear(client);
}

DESK void data(uint32_t client, uint64_t serial, uint32_t n)
{
    sbl_words *w = sbl_outbox_item(&mouth, SBL_LETTER_DATA);

    sbl_say_u64(w, serial);
    sbl_say_u64(w, n);
    sbl_say_u32(w, n > SBL_INLINE ? SBL_ELSEWHERE : n);
    if (n <= SBL_INLINE)
        memset(sbl_words_add(w, n), 7, n);
    speak(client);
}

DESK void range(uint32_t client, uint32_t kind, uint64_t first, uint64_t n)
{
    sbl_words *w = sbl_outbox_item(&mouth, kind);

    sbl_say_u64(w, first);
    sbl_say_u64(w, n);
    speak(client);
}

DESK void look(uint32_t client, uint64_t serial, uint32_t not_at)
{
    sbl_words *w = sbl_outbox_item(&mouth, SBL_LETTER_LOOK);

    sbl_say_u64(w, serial);
    sbl_say_u32(w, not_at);
    speak(client);
}

/* The last thing of a kind that a peer was told, of that serial or (orders) argument, 0: any; NULL: nothing. */
DESK told *last(uint32_t peer, uint32_t kind, uint64_t serial)
{
    for (uint32_t i = n_heard; i-- > 0;)
        if (heard[i].peer == peer && heard[i].kind == kind &&
            (!serial || (kind == SBL_LETTER_RUN ? heard[i].arg == serial : heard[i].serial == serial)))
            return &heard[i];
    return NULL;
}

DESK uint32_t how_often(uint32_t peer, uint32_t kind, uint64_t serial)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < n_heard; i++)
        n += heard[i].peer == peer && heard[i].kind == kind &&
             (!serial || (kind == SBL_LETTER_RUN ? heard[i].arg == serial : heard[i].serial == serial));
    return n;
}

DESK told *order_of(uint32_t worker, uint64_t serial)
{
    told *t = last(worker, SBL_LETTER_RUN, serial);

    cr_assert(t, "peer %u has no order for %llu", worker, (unsigned long long)serial);
    return t;
}

DESK void say_name(uint32_t kind, uint32_t task_, uint32_t attempt)
{
    sbl_words *w = sbl_outbox_item(&mouth, kind);

    sbl_say_u32(w, task_);
    sbl_say_u32(w, attempt);
}

/* It gives back that one, as it says when it speaks. */
DESK void say_gave(uint32_t worker, uint64_t serial)
{
    const told *t = order_of(worker, serial);

    say_name(SBL_LETTER_GAVE, t->task, t->attempt);
}

/* n > SBL_INLINE: kept there. */
DESK void finish_attempt_in(uint32_t worker, uint32_t task_, uint32_t attempt, uint32_t n, uint64_t ns)
{
    say_name(SBL_LETTER_READY, task_, attempt);
    sbl_say_u64(&mouth.words, ns);
    sbl_say_u64(&mouth.words, n);
    sbl_say_u32(&mouth.words, n > SBL_INLINE ? SBL_ELSEWHERE : n);
    if (n <= SBL_INLINE)
        memset(sbl_words_add(&mouth.words, n), 5, n);
    speak(worker);
}

DESK void finish_attempt(uint32_t worker, uint32_t task_, uint32_t attempt, uint32_t n)
{
    finish_attempt_in(worker, task_, attempt, n, 1000000000);
}

DESK void finish(uint32_t worker, uint64_t serial, uint32_t n)
{
    const told *t = order_of(worker, serial);

    finish_attempt(worker, t->task, t->attempt, n);
}

/* All that workers have to do, and what comes after. */
DESK void finish_all(void)
{
    for (uint32_t i = 0; i < desk->n_workers; i++) {
        const sbl_peer *w = sbl_peer_at(desk, desk->workers[i]);
        uint32_t        t = w->sent;

        while (t && sbl_task_at(desk, t)->missing)
            t = sbl_task_at(desk, t)->next;
        if (t) {
            finish_attempt(w->number, t, sbl_task_at(desk, t)->attempt, 8);
            i = UINT32_MAX; /* from the first on */
        }
    }
}

DESK void fail(uint32_t worker, uint64_t serial, sabal_status status)
{
    const told *t   = order_of(worker, serial);
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, status, "no good");
    say_name(SBL_LETTER_ENDED, t->task, t->attempt);
    sbl_say_u32(&mouth.words, 0);
    sbl_say_failure(&mouth.words, &err);
    speak(worker);
}

DESK void chain(uint32_t worker, uint64_t serial, uint64_t inner)
{
    const told *t = order_of(worker, serial);

    say_name(SBL_LETTER_CHAIN, t->task, t->attempt);
    sbl_say_u64(&mouth.words, inner);
    speak(worker);
}

DESK void have(uint32_t worker, uint32_t task_, uint32_t attempt)
{
    say_name(SBL_LETTER_HAVE, task_, attempt);
    speak(worker);
}

DESK void lack(uint32_t worker, uint64_t serial, uint32_t input, uint32_t attempt, uint32_t holder)
{
    const told *t = order_of(worker, serial);

    say_name(SBL_LETTER_LACK, t->task, t->attempt);
    sbl_say_u32(&mouth.words, input);
    sbl_say_u32(&mouth.words, attempt);
    sbl_say_u32(&mouth.words, holder);
    speak(worker);
}

DESK void lose(uint32_t peer, const sbl_loss *loss)
{
    sbl_scheduler_lost(desk, peer, loss, ++desk_now);
    desk_settle();
}

/* The state of a client's task; -1: it has none of that number. */
DESK int state_of(uint32_t client, uint64_t serial)
{
    const uint32_t found = sbl_serial_find(sbl_peer_at(desk, sbl_peer_slot(desk, client)), serial);

    return found ? sbl_task_at(desk, found)->state : -1;
}

DESK uint32_t n_tasks(void)
{
    sbl_scheduler_counts c;

    sbl_scheduler_count(desk, &c);
    return c.tasks;
}

#endif
