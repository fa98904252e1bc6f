/*
 * Letters of any bytes into the three state machines of a cluster: the scheduler, to which clients and workers say them; a
 * worker's executor and a client's submitter, to which the scheduler does. What must hold of each holds after every frame.
 *
 * An input is steps: a byte that says who speaks and how, a length, and so many bytes; either a frame as it is, or a kind of
 * letter and its items, put into a frame that is whole, so that more than the first look at it is tried.
 */
#include <stdint.h>
#include <stdlib.h>

#include "cluster/core/executor.h"
#include "cluster/core/scheduler.h"
#include "cluster/core/submitter.h"

enum { MOST_ALIKE = 1000, MOST_SERIAL = 1 << 22, MOST_STEPS = 64, MOST_ITEMS = 256, N_PEERS = 5 };

static void must(int condition)
{
    if (!condition)
        abort();
}

/* --- steps ------------------------------------------------------------------------------------------------------ */

typedef struct steps {
    const uint8_t *at, *end;
    int            n;
} steps;

typedef struct step {
    uint8_t   who;
    sbl_words frame;
} step;

/* What costs a peer that is admitted few bytes and the scheduler much memory, within its bounds: alike tasks, and numbers that are far
   apart. That is not looked for. */
static int asks_for_much(const sbl_words *frame)
{
    sbl_reader all = {.at = frame->bytes, .end = frame->bytes + frame->size}, letter;
    uint32_t   kind;

    while ((kind = sbl_letter_next(&letter, &all)))
        while ((kind == SBL_LETTER_TASKS || kind == SBL_LETTER_DATA) && !sbl_reader_is_at_end(&letter)) {
            sbl_group group = {0};
            uint32_t  n     = 0;

            if (kind == SBL_LETTER_TASKS) {
                sbl_hear_group(&group, &letter);
            } else {
                group.serial = sbl_hear_u64(&letter);
                sbl_hear_u64(&letter);
                n = sbl_hear_u32(&letter);
                sbl_hear(&letter, n == SBL_ELSEWHERE ? 0 : SBL_BYTES_OF(n));
            }
            if (group.n > MOST_ALIKE || group.serial > MOST_SERIAL)
                return 1;
        }
    return 0;
}

/* 0: there is none. */
static int next_step(step *s, steps *all)
{
    uint8_t    way, length;
    sbl_outbox box = {0};

    memset(s, 0, sizeof *s);
    if (all->end - all->at < 3 || all->n++ == MOST_STEPS)
        return 0;
    s->who = *all->at++;
    way    = *all->at++;
    length = *all->at++;
    if (length > all->end - all->at)
        length = (uint8_t)(all->end - all->at);
    if (way & 0x80) {
        sbl_say(&s->frame, all->at, length);
    } else {
        sbl_say(sbl_outbox_item(&box, way), all->at, length);
        sbl_outbox_close(&box);
        s->frame = box.words;
    }
    all->at += length;
    if (s->frame.size && asks_for_much(&s->frame))
        s->frame.size = 0;
    return 1;
}

/* Where it is exactly as long as it is. */
static char *exact(const step *s)
{
    char *copy = malloc(s->frame.size + !s->frame.size);

    if (s->frame.size)
        memcpy(copy, s->frame.bytes, s->frame.size);
    return copy;
}

/* --- the scheduler ---------------------------------------------------------------------------------------------- */

typedef struct desk {
    sbl_scheduler *scheduler;
    uint32_t       peers[N_PEERS], dropped[N_PEERS];
} desk;

static void on_send(void *arg, uint32_t peer, sbl_words *words)
{
    sbl_reader frame = {.at = words->bytes, .end = words->bytes + words->size}, letter;

    while (sbl_letter_next(&letter, &frame))
        ;
    must(!frame.failed);
    words->size = 0;
}

static void on_drop(void *arg, uint32_t peer, const char *why)
{
    desk *d = arg;

    must(why && why[0]);
    for (int i = 0; i < N_PEERS; i++)
        if (d->peers[i] == peer)
            d->dropped[i] = peer;
}

static void on_introduce(void *arg, uint32_t peer, uint32_t worker)
{
}

/* Two clients, then workers, each of which has something else. */
static void come(desk *d, int i, int64_t now)
{
    d->peers[i] =
        i < 2 ? sbl_scheduler_client_came(d->scheduler, now) : sbl_scheduler_worker_came(d->scheduler, i - 1, now);
    must(d->peers[i] != 0);
    if (i >= 2)
        sbl_scheduler_worker_tells(d->scheduler, d->peers[i],
                                   &(sbl_worker_words){i & 1 ? "a" : "b", "h", i & 1 ? "gpu=1" : NULL});
}

static void fuzz_scheduler(steps *all)
{
    desk                d     = {0};
    sbl_scheduler_calls calls = {on_send, on_drop, on_introduce, &d};
    step                s;

    d.scheduler = sbl_scheduler_create(&calls, NULL);
    for (int i = 0; i < N_PEERS; i++)
        come(&d, i, 0);
    while (next_step(&s, all)) {
        const int64_t now   = all->n * INT64_C(100000000);
        char         *bytes = exact(&s);

        sbl_scheduler_hear(d.scheduler, d.peers[s.who % N_PEERS], bytes, s.frame.size, now);
        if (s.who & 0x40)
            sbl_scheduler_tick(d.scheduler, now);
        sbl_scheduler_send(d.scheduler);
        for (int i = 0; i < N_PEERS; i++)
            if (d.dropped[i] || (s.who >= 0xf0 && i == s.who % N_PEERS)) {
                sbl_scheduler_lost(d.scheduler, d.peers[i], NULL, now);
                d.dropped[i] = 0;
                come(&d, i, now);
            }
        sbl_scheduler_send(d.scheduler);
        must(!sbl_scheduler_check(d.scheduler));
        must(!sbl_scheduler_has_failed(d.scheduler));
        free(bytes);
        sbl_words_clear(&s.frame);
    }
    sbl_scheduler_destroy(d.scheduler);
}

/* --- a worker --------------------------------------------------------------------------------------------------- */

typedef struct worker {
    sbl_executor *executor;
    sbl_item     *runs[MOST_ITEMS], *fetches[MOST_ITEMS];
    int           n_runs, n_fetches;
    int64_t       n_values;
    uint64_t      sum; /* of all bytes that were lent, so that a sanitizer sees them read */
} worker;

static void read_all(uint64_t *sum, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *sum += ((const uint8_t *)bytes)[i];
}

static void on_spec(void *arg, const sbl_spec *spec)
{
    worker *w = arg;

    read_all(&w->sum, spec->code, spec->code_size);
    read_all(&w->sum, spec->name, strlen(spec->name));
    read_all(&w->sum, spec->where, strlen(spec->where));
}

static void *make_value(worker *w)
{
    w->n_values++;
    return malloc(1);
}

static void *on_value_of(void *arg, const char *bytes, uint32_t n)
{
    worker *w = arg;

    read_all(&w->sum, bytes, SBL_BYTES_OF(n));
    return make_value(w);
}

static void on_forget(void *arg, void *value)
{
    ((worker *)arg)->n_values--;
    free(value);
}

static void on_run(void *arg, sbl_item *item, const sbl_task_run *run)
{
    worker *w = arg;

    read_all(&w->sum, run->arg, run->arg_size);
    for (uint32_t i = 0; i < run->n_inputs; i++)
        must(run->inputs[i] != NULL);
    must(w->n_runs < MOST_ITEMS);
    w->runs[w->n_runs++] = item;
}

static void take_out(sbl_item **items, int *n, const sbl_item *item)
{
    int i = 0;

    while (i < *n && items[i] != item)
        i++;
    must(i < *n);
    items[i] = items[--*n];
}

static int on_take_back(void *arg, sbl_item *item)
{
    worker *w = arg;

    if (w->sum % 2)
        return 0;
    take_out(w->runs, &w->n_runs, item);
    return 1;
}

static void on_interrupt(void *arg, sbl_item *item)
{
}

static void on_fetch(void *arg, sbl_item *item, uint32_t task, uint32_t attempt, uint64_t size, uint32_t from,
                     uint32_t client)
{
    worker *w = arg;

    must(w->n_fetches < MOST_ITEMS);
    w->fetches[w->n_fetches++] = item;
}

static void on_stop_fetch(void *arg, sbl_item *item)
{
    worker *w = arg;

    take_out(w->fetches, &w->n_fetches, item);
}

static void on_may_part(void *arg)
{
}

/* Some of what was begun ends. */
static void end_some(worker *w, uint8_t how)
{
    sabal_error err = SABAL_ERROR_INIT;

    if (how & 1 && w->n_runs) {
        sbl_item *item = w->runs[--w->n_runs];

        err.status = SABAL_EVALUE;
        if (how & 2)
            sbl_executor_failed(w->executor, item, &err);
        else
            sbl_executor_finished(w->executor, item, make_value(w), 8, 1, how & 4 ? "12345678" : NULL,
                                  how & 4 ? 8 : SBL_ELSEWHERE);
    }
    if (how & 8 && w->n_fetches) {
        sbl_item *item = w->fetches[--w->n_fetches];

        if (how & 16)
            sbl_executor_lacking(w->executor, item);
        else
            sbl_executor_fetched(w->executor, item, make_value(w));
    }
}

static void fuzz_executor(steps *all)
{
    static worker      w;
    sbl_executor_calls calls = {on_spec,      on_value_of, on_forget,     on_run,      on_take_back,
                                on_interrupt, on_fetch,    on_stop_fetch, on_may_part, &w};
    sabal_status       st    = SABAL_OK;
    step               s;

    memset(&w, 0, sizeof w);
    w.executor = sbl_executor_create(&calls);
    while (!st && w.n_runs < MOST_ITEMS / 2 && w.n_fetches < MOST_ITEMS / 2 && next_step(&s, all)) {
        char *bytes = exact(&s);

        st = sbl_executor_hear(w.executor, bytes, s.frame.size);
        must(st == SABAL_OK || st == SABAL_EFORMAT);
        free(bytes);
        sbl_words_clear(&s.frame);
        if (st)
            break; /* the worker leaves */
        end_some(&w, s.who);
        must(!sbl_executor_check(w.executor));
        sbl_outbox_close(sbl_executor_outbox(w.executor));
        sbl_outbox_empty(sbl_executor_outbox(w.executor));
    }
    sbl_executor_destroy(w.executor);
    must(w.n_values == 0);
}

/* --- a client --------------------------------------------------------------------------------------------------- */

static uint64_t client_sum;

static void on_done(void *arg, uint64_t serial, uint64_t size, const char *told, uint32_t n)
{
    if (told)
        read_all(&client_sum, told, SBL_BYTES_OF(n));
}

static void on_failed(void *arg, uint64_t serial, const sabal_error *err)
{
    must(memchr(err->message, 0, sizeof err->message) != NULL);
}

static void on_at(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint64_t size, const char *workers,
                  uint32_t n)
{
    read_all(&client_sum, workers, n * sizeof(uint32_t));
}

static void on_push(void *arg, uint64_t serial, uint32_t task, uint32_t attempt, uint32_t to)
{
}

static void on_forget_data(void *arg, uint64_t serial)
{
}

static void fuzz_submitter(steps *all)
{
    sbl_submitter submitter = {.calls = {on_done, on_failed, on_at, on_push, on_forget_data, NULL}};
    step          s;

    while (next_step(&s, all)) {
        char        *bytes = exact(&s);
        sabal_status st    = sbl_submitter_hear(&submitter, bytes, s.frame.size);

        must(st == SABAL_OK || st == SABAL_EFORMAT);
        free(bytes);
        sbl_words_clear(&s.frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    steps all = {bytes + 1, bytes + n, 0};

    if (n < 4)
        return 0;
    switch (bytes[0] % 3) {
    case 0:
        fuzz_scheduler(&all);
        break;
    case 1:
        fuzz_executor(&all);
        break;
    default:
        fuzz_submitter(&all);
    }
    return 0;
}
