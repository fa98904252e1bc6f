/*
 * Items by task and attempt. An item that others here wait for, or use, has them in a list; when its value is there they count
 * down. What the scheduler says of items that are gone is out of date and left alone.
 */
#include "cluster/core/executor.h"

#include "base/error.h"

enum {
    COMING,  /* a value that is being fetched */
    WAITING, /* a task whose inputs are not all here */
    READY,   /* handed to the driver */
    STOPPED, /* nobody wants it any more, but it runs */
    HERE     /* its value is here */
};

/* An input of a task: in a list of the item that it is. */
typedef struct input {
    struct input *next, **link;
    sbl_item     *of;   /* the task */
    sbl_item     *item; /* NULL: it ended without a value */
} input;

struct sbl_item {
    sbl_item    *next;          /* with the same hash */
    sbl_item    *newer, *older; /* of those that are ready */
    input       *users;         /* tasks here that have it as an input */
    uint32_t     task, attempt;
    uint8_t      state;
    uint8_t      is_told;    /* the scheduler keeps the value: here it is only for those who use it */
    uint8_t      is_dropped; /* the scheduler needs it no more */
    uint8_t      is_copy;    /* it was made elsewhere */
    uint32_t     worker;     /* from where it is fetched */
    void        *tag;        /* the driver's */
    uint64_t     size;
    void        *value;
    uint32_t     missing;
    sbl_task_run run;
    void       **values; /* of its inputs, when they are here */
    input       *inputs;
    char        *arg;
};

struct sbl_executor {
    sbl_executor_calls calls;
    sbl_outbox         out;
    sbl_item         **table; /* a power of two */
    uint32_t           room, n;
    sbl_item          *newest; /* of those that are ready */
    int                no_memory;
};

/* --- the table ---------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(uint32_t task, uint32_t attempt)
{
    const uint64_t h = ((uint64_t)task << 32 | attempt) * 0x9e3779b97f4a7c15u;

    return (uint32_t)(h >> 32);
}

static sbl_item **place_of(const sbl_executor *x, uint32_t task, uint32_t attempt)
{
    sbl_item **link = &x->table[hash_of(task, attempt) & (x->room - 1)];

    while (*link && ((*link)->task != task || (*link)->attempt != attempt))
        link = &(*link)->next;
    return link;
}

static sbl_item *find(const sbl_executor *x, uint32_t task, uint32_t attempt)
{
    return *place_of(x, task, attempt);
}

static void grow(sbl_executor *x)
{
    const uint32_t room = 2 * x->room, before = x->room;
    sbl_item     **table = sbl_calloc(room, sizeof *table), **old = x->table;

    if (!table)
        return; /* longer lists will do */
    x->table = table;
    x->room  = room;
    for (uint32_t i = 0; i < before; i++)
        while (old[i]) {
            sbl_item  *item = old[i];
            sbl_item **link = &table[hash_of(item->task, item->attempt) & (room - 1)];

            old[i]     = item->next;
            item->next = *link;
            *link      = item;
        }
    sbl_free(old);
}

static sbl_item *make(sbl_executor *x, uint32_t task, uint32_t attempt, int state)
{
    sbl_item  *item = sbl_calloc(1, sizeof *item);
    sbl_item **link;

    if (!item)
        return NULL;
    if (x->n >= x->room)
        grow(x);
    link          = place_of(x, task, attempt);
    item->task    = task;
    item->attempt = attempt;
    item->state   = (uint8_t)state;
    *link         = item;
    x->n++;
    return item;
}

static void make_unready(sbl_executor *x, sbl_item *item)
{
    if (item->newer)
        item->newer->older = item->older;
    else if (x->newest == item)
        x->newest = item->older;
    if (item->older)
        item->older->newer = item->newer;
    item->newer = item->older = NULL;
}

/* --- letting go --------------------------------------------------------------------------------------------------- */

static void end(sbl_executor *x, sbl_item *item);

/* Not used here any more: is it of use to others? */
static void look_whether_needed(sbl_executor *x, sbl_item *item)
{
    if (item->users)
        return;
    if (item->state == HERE && (item->is_told || item->is_dropped))
        end(x, item);
    if (item->state == COMING && item->is_dropped) {
        x->calls.stop_fetch(x->calls.arg, item);
        end(x, item);
    }
}

static void let_input_go(sbl_executor *x, input *in)
{
    sbl_item *item = in->item;

    if (!item)
        return;
    *in->link = in->next;
    if (in->next)
        in->next->link = in->link;
    in->item = NULL;
    look_whether_needed(x, item);
}

static void let_inputs_go(sbl_executor *x, sbl_item *item)
{
    for (uint32_t i = 0; item->inputs && i < item->run.n_inputs; i++)
        let_input_go(x, &item->inputs[i]);
    sbl_free(item->inputs);
    sbl_free(item->values);
    sbl_free(item->arg);
    item->inputs = NULL;
    item->values = NULL;
    item->arg    = NULL;
}

/* Those who wait for it will hear of it by the scheduler. */
static void end(sbl_executor *x, sbl_item *item)
{
    sbl_item **link = place_of(x, item->task, item->attempt);

    *link = item->next;
    x->n--;
    make_unready(x, item);
    while (item->users) {
        input *in = item->users;

        item->users = in->next;
        in->item    = NULL;
    }
    let_inputs_go(x, item);
    if (item->value)
        x->calls.forget(x->calls.arg, item->value);
    sbl_free(item);
}

/* --- letters ------------------------------------------------------------------------------------------------------ */

static void say_name(sbl_executor *x, uint32_t kind, uint32_t task, uint32_t attempt)
{
    sbl_words *w = sbl_outbox_item(&x->out, kind);

    sbl_say_u32(w, task);
    sbl_say_u32(w, attempt);
}

static void say_lack(sbl_executor *x, const sbl_item *task, uint32_t input_task, uint32_t input_attempt,
                     uint32_t worker)
{
    say_name(x, SBL_LETTER_LACK, task->task, task->attempt);
    sbl_say_u32(&x->out.words, input_task);
    sbl_say_u32(&x->out.words, input_attempt);
    sbl_say_u32(&x->out.words, worker);
}

static void say_failure(sbl_executor *x, const sbl_item *item, const sabal_error *err)
{
    say_name(x, SBL_LETTER_ENDED, item->task, item->attempt);
    sbl_say_u32(&x->out.words, 0);
    sbl_say_failure(&x->out.words, err);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void start(sbl_executor *x, sbl_item *item)
{
    for (uint32_t i = 0; i < item->run.n_inputs; i++)
        item->values[i] = item->inputs[i].item->value;
    item->state = READY;
    item->older = x->newest;
    if (x->newest)
        x->newest->newer = item;
    x->newest = item;
    x->calls.run(x->calls.arg, item, &item->run);
}

static void be_here(sbl_executor *x, sbl_item *item, void *value)
{
    item->state = HERE;
    item->value = value;
    for (input *in = item->users, *next; in; in = next) {
        next = in->next;
        if (!--in->of->missing && in->of->state == WAITING)
            start(x, in->of);
    }
}

static void use(input *in, sbl_item *of, sbl_item *item)
{
    *in = (input){.next = item->users, .link = &item->users, .of = of, .item = item};
    if (in->next)
        in->next->link = &in->next;
    item->users = in;
    of->missing += item->state != HERE;
}

/* One input of an order. NULL: no memory (x->no_memory), the order is cut short, or the input is not here (is_lacking). */
static sbl_item *hear_input(sbl_executor *x, sbl_reader *r, const sbl_item *of, int *is_lacking)
{
    const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r);
    const uint64_t size   = sbl_hear_u64(r);
    const uint32_t worker = sbl_hear_u32(r),
                   more   = worker == SBL_HERE_IT_IS || worker == SBL_CLIENT_HAS ? sbl_hear_u32(r) : 0;
    const char *bytes     = worker == SBL_HERE_IT_IS ? sbl_hear(r, SBL_BYTES_OF(more)) : NULL;
    sbl_item   *item      = r->failed ? NULL : find(x, task, attempt);

    if (r->failed || item)
        return item;
    if (worker == SBL_MADE_THERE) {
        *is_lacking = 1;
        say_lack(x, of, task, attempt, SBL_MADE_THERE);
        return NULL;
    }
    item = make(x, task, attempt, COMING);
    if (!item) {
        x->no_memory = 1;
        return NULL;
    }
    item->is_copy = 1;
    item->size    = size;
    item->worker  = worker;
    if (bytes) {
        item->is_told = 1;
        item->value   = x->calls.value_of(x->calls.arg, bytes, more);
        item->state   = HERE;
        if (!item->value) {
            end(x, item);
            x->no_memory = 1;
            return NULL;
        }
    } else {
        x->calls.fetch(x->calls.arg, item, task, attempt, size, worker, more);
    }
    return item;
}

static int make_room_for_inputs(sbl_item *item, uint32_t n)
{
    item->inputs     = sbl_calloc(n, sizeof *item->inputs);
    item->values     = sbl_calloc(n, sizeof *item->values);
    item->run.inputs = item->values;
    return item->inputs && item->values;
}

/* A task that could not be taken in whole is told as failed for want of memory. */
static void refuse(sbl_executor *x, sbl_item *item)
{
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, SABAL_ENOMEM, "a worker has no memory for a task's record");
    say_failure(x, item, &err);
    end(x, item);
    x->no_memory = 0;
}

static void hear_run(sbl_executor *x, sbl_reader *r)
{
    sbl_order   order;
    sbl_item   *item;
    const char *arg;
    int         is_lacking = 0;

    sbl_hear_order(&order, r);
    if (r->failed || order.n_inputs > (size_t)(r->end - r->at) / 20 || find(x, order.task, order.attempt)) {
        r->failed = 1; /* no such order is ever given */
        return;
    }
    item = make(x, order.task, order.attempt, WAITING);
    if (!item) {
        r->failed    = 1;
        x->no_memory = 1;
        return;
    }
    item->run = (sbl_task_run){.task = order.task, .attempt = order.attempt, .spec = order.spec, .rank = order.rank};
    if (order.n_inputs && !make_room_for_inputs(item, order.n_inputs))
        x->no_memory = 1;
    for (uint32_t i = 0; i < order.n_inputs; i++) {
        sbl_item *in = hear_input(x, r, item, &is_lacking);

        if (in && item->values) {
            item->run.n_inputs = i + 1;
            use(&item->inputs[i], item, in);
        } else if (in) {
            look_whether_needed(x, in);
        }
    }
    arg       = sbl_hear(r, order.arg_size);
    item->arg = sbl_alloc(order.arg_size);
    if (!item->arg)
        x->no_memory = 1;
    if (r->failed || is_lacking) {
        end(x, item);
    } else if (x->no_memory) {
        refuse(x, item);
    } else {
        if (order.arg_size)
            memcpy(item->arg, arg, order.arg_size);
        item->run.arg      = item->arg;
        item->run.arg_size = order.arg_size;
        if (!item->missing)
            start(x, item);
    }
}

/* --- other letters ------------------------------------------------------------------------------------------------ */

/* 1: it had not begun. */
static int take_back(sbl_executor *x, sbl_item *item)
{
    return item->state == WAITING || (item->state == READY && x->calls.take_back(x->calls.arg, item));
}

static void hear_stop(sbl_executor *x, sbl_reader *r)
{
    const uint32_t task = sbl_hear_u32(r);
    sbl_item      *item = find(x, task, sbl_hear_u32(r));

    if (!item || item->is_copy || item->state == STOPPED)
        return;
    if (item->state == HERE) { /* it ended meanwhile: the scheduler will take no notice of that, and needs no value */
        item->is_dropped = 1;
        look_whether_needed(x, item);
    } else if (take_back(x, item)) {
        end(x, item);
    } else {
        make_unready(x, item);
        item->state = STOPPED;
        x->calls.interrupt(x->calls.arg, item);
    }
}

static void hear_drop(sbl_executor *x, sbl_reader *r)
{
    const uint32_t task = sbl_hear_u32(r);
    sbl_item      *item = find(x, task, sbl_hear_u32(r));

    if (!item || (item->state != HERE && item->state != COMING))
        return;
    item->is_dropped = 1;
    look_whether_needed(x, item);
}

static void hear_fetch(sbl_executor *x, sbl_reader *r)
{
    const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r);
    const uint64_t size   = sbl_hear_u64(r);
    const uint32_t worker = sbl_hear_u32(r);
    sbl_item      *item   = r->failed ? NULL : find(x, task, attempt);

    if (r->failed || item)
        return;
    item = make(x, task, attempt, COMING);
    if (!item)
        return; /* one copy less */
    item->is_copy = 1;
    item->size    = size;
    item->worker  = worker;
    x->calls.fetch(x->calls.arg, item, task, attempt, size, worker, 0);
}

/* The newest first: they would have to wait longest. */
static void hear_give(sbl_executor *x, sbl_reader *r)
{
    uint32_t  n    = sbl_hear_u32(r);
    sbl_item *item = x->newest, *older;

    for (; item && n; item = older) {
        older = item->older;
        if (item->users || !x->calls.take_back(x->calls.arg, item)) /* what was sent ahead of others goes with them */
            continue;
        say_name(x, SBL_LETTER_GAVE, item->task, item->attempt);
        end(x, item);
        n--;
    }
    say_name(x, SBL_LETTER_GAVE, 0, 0);
}

static void hear_spec(sbl_executor *x, sbl_reader *r)
{
    sbl_spec spec;

    sbl_hear_spec(&spec, r);
    if (!r->failed)
        x->calls.spec(x->calls.arg, &spec);
}

sabal_status sbl_executor_hear(sbl_executor *x, const void *bytes, size_t size)
{
    static void (*const HEAR[])(sbl_executor * x, sbl_reader * r) = {
        [SBL_LETTER_WSPEC] = hear_spec, [SBL_LETTER_RUN] = hear_run,     [SBL_LETTER_STOP] = hear_stop,
        [SBL_LETTER_DROP] = hear_drop,  [SBL_LETTER_FETCH] = hear_fetch, [SBL_LETTER_GIVE] = hear_give};
    sbl_reader frame = {.at = bytes, .end = (const char *)bytes + size}, letter;
    uint32_t   kind;

    while ((kind = sbl_letter_next(&letter, &frame))) {
        if (kind >= sizeof HEAR / sizeof *HEAR || !HEAR[kind])
            return SABAL_EFORMAT;
        while (!sbl_reader_is_at_end(&letter))
            HEAR[kind](x, &letter);
        if (letter.failed)
            return x->no_memory ? SABAL_ENOMEM : SABAL_EFORMAT;
    }
    return frame.failed ? SABAL_EFORMAT : SABAL_OK;
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

void sbl_executor_finished(sbl_executor *x, sbl_item *item, void *value, uint64_t size, uint64_t ns, const char *told,
                           uint32_t n)
{
    sbl_words *w;

    if (item->state == STOPPED) {
        x->calls.forget(x->calls.arg, value);
        end(x, item);
        return;
    }
    make_unready(x, item);
    let_inputs_go(x, item);
    say_name(x, SBL_LETTER_READY, item->task, item->attempt);
    w = &x->out.words;
    sbl_say_u64(w, ns);
    sbl_say_u64(w, size);
    sbl_say_u32(w, told ? n : SBL_ELSEWHERE);
    if (told)
        sbl_say(w, told, SBL_BYTES_OF(n));
    item->is_told = told != NULL;
    item->size    = size;
    be_here(x, item, value);
    look_whether_needed(x, item);
}

void sbl_executor_failed(sbl_executor *x, sbl_item *item, const sabal_error *err)
{
    if (item->state != STOPPED)
        say_failure(x, item, err);
    end(x, item);
}

void sbl_executor_chained(sbl_executor *x, sbl_item *item, uint64_t serial)
{
    if (item->state != STOPPED) {
        say_name(x, SBL_LETTER_CHAIN, item->task, item->attempt);
        sbl_say_u64(&x->out.words, serial);
    }
    end(x, item);
}

void sbl_executor_fetched(sbl_executor *x, sbl_item *item, void *value)
{
    if (!item->is_dropped)
        say_name(x, SBL_LETTER_HAVE, item->task, item->attempt);
    be_here(x, item, value);
    look_whether_needed(x, item);
}

void sbl_executor_lacking(sbl_executor *x, sbl_item *item)
{
    item->is_dropped = 0; /* so that it ends below, not with the last of its users */
    while (item->users) {
        sbl_item *of = item->users->of;

        say_lack(x, of, item->task, item->attempt, item->worker);
        end(x, of); /* lets go of this input, and of all others */
    }
    end(x, item);
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

void *sbl_executor_find(const sbl_executor *x, uint32_t task, uint32_t attempt)
{
    const sbl_item *item = find(x, task, attempt);

    return item && item->state == HERE ? item->value : NULL;
}

void sbl_executor_spare(sbl_executor *x, uint32_t n)
{
    sbl_say_u32(sbl_outbox_item(&x->out, SBL_LETTER_SPARE), n);
}

void sbl_executor_beat(sbl_executor *x, uint64_t managed, uint64_t limit)
{
    sbl_words *w = sbl_outbox_item(&x->out, SBL_LETTER_BEAT);

    sbl_say_u64(w, managed);
    sbl_say_u64(w, limit);
}

void **sbl_item_tag(sbl_item *item)
{
    return &item->tag;
}

sbl_outbox *sbl_executor_outbox(sbl_executor *x)
{
    return &x->out;
}

uint32_t sbl_executor_count(const sbl_executor *x)
{
    return x->n;
}

sbl_executor *sbl_executor_create(const sbl_executor_calls *calls)
{
    sbl_executor *x = sbl_calloc(1, sizeof *x);

    if (!x)
        return NULL;
    x->calls = *calls;
    x->room  = 1024;
    x->table = sbl_calloc(x->room, sizeof *x->table);
    if (x->table)
        return x;
    sbl_free(x);
    return NULL;
}

void sbl_executor_destroy(sbl_executor *x)
{
    if (!x)
        return;
    for (uint32_t i = 0; i < x->room; i++)
        while (x->table[i]) {
            sbl_item *item = x->table[i];

            item->is_dropped = 0; /* values that it uses end in their own turn */
            end(x, item);
        }
    sbl_free(x->table);
    sbl_words_clear(&x->out.words);
    sbl_free(x);
}

static const char *check_item(const sbl_item *item)
{
    uint32_t missing = 0;

    for (uint32_t i = 0; item->inputs && i < item->run.n_inputs; i++)
        missing += item->inputs[i].item && item->inputs[i].item->state != HERE;
    if (item->state == READY && missing)
        return "a task runs without its inputs";
    if (item->state == WAITING && missing > item->missing)
        return "a task waits for fewer inputs than are missing";
    if (item->state == HERE && (item->is_told || item->is_dropped) && !item->users)
        return "a value that nobody needs";
    return (item->state == HERE) != (item->value != NULL) ? "a value that is not here" : NULL;
}

const char *sbl_executor_check(const sbl_executor *x)
{
    const char *wrong = NULL;

    for (uint32_t i = 0; i < x->room && !wrong; i++)
        for (const sbl_item *item = x->table[i]; item && !wrong; item = item->next)
            wrong = check_item(item);
    return wrong;
}
