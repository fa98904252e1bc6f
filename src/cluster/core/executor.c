/* What the scheduler says to a worker: orders and what becomes of them; and the executor as a whole. */
#include "cluster/core/items.h"

#include "base/error.h"

/* --- orders ------------------------------------------------------------------------------------------------------- */

/* One input of an order. NULL: no memory (x->no_memory), the order is cut short, or the input is not here (is_lacking). */
static sbl_item *hear_input(sbl_executor *x, sbl_reader *r, const sbl_item *of, int *is_lacking)
{
    const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r);
    const uint64_t size   = sbl_hear_u64(r);
    const uint32_t worker = sbl_hear_u32(r),
                   more   = worker == SBL_HERE_IT_IS || worker == SBL_CLIENT_HAS ? sbl_hear_u32(r) : 0;
    const char *bytes     = worker == SBL_HERE_IT_IS ? sbl_hear(r, SBL_BYTES_OF(more)) : NULL;
    sbl_item   *item      = r->failed ? NULL : sbl_item_find(x, task, attempt);

    if (r->failed || item)
        return item;
    if (worker == SBL_MADE_THERE) {
        *is_lacking = 1;
        sbl_executor_say_lack(x, of, &(sbl_item){.task = task, .attempt = attempt}, SBL_MADE_THERE);
        return NULL;
    }
    item = sbl_item_make(x, task, attempt, SBL_I_COMING);
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
        item->state   = SBL_I_HERE;
        if (!item->value) {
            sbl_item_end(x, item);
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
    sbl_executor_say_failure(x, item, &err);
    sbl_item_end(x, item);
    x->no_memory = 0;
}

static void hear_run(sbl_executor *x, sbl_reader *r)
{
    sbl_order   order;
    sbl_item   *item;
    const char *arg;
    int         is_lacking = 0;

    sbl_hear_order(&order, r);
    if (r->failed || order.n_inputs > (size_t)(r->end - r->at) / 20 || sbl_item_find(x, order.task, order.attempt)) {
        r->failed = 1; /* no such order is ever given */
        return;
    }
    item = sbl_item_make(x, order.task, order.attempt, SBL_I_WAITING);
    if (!item) {
        r->failed    = 1;
        x->no_memory = 1;
        return;
    }
    item->awaited = order.awaited;
    item->run = (sbl_task_run){.task = order.task, .attempt = order.attempt, .spec = order.spec, .rank = order.rank};
    if (order.n_inputs && !make_room_for_inputs(item, order.n_inputs))
        x->no_memory = 1;
    for (uint32_t i = 0; i < order.n_inputs; i++) {
        sbl_item *in = hear_input(x, r, item, &is_lacking);

        if (in && item->inputs && item->values) {
            item->run.n_inputs = i + 1;
            sbl_item_use(&item->inputs[i], item, in);
        } else if (in) {
            sbl_item_look(x, in);
        }
    }
    arg       = sbl_hear(r, order.arg_size);
    item->arg = arg ? sbl_alloc(order.arg_size) : NULL; /* not more than came */
    if (arg && !item->arg)
        x->no_memory = 1;
    if (r->failed || is_lacking) {
        x->no_memory = 0;
        sbl_item_end(x, item);
    } else if (x->no_memory) {
        refuse(x, item);
    } else {
        if (order.arg_size)
            memcpy(item->arg, arg, order.arg_size);
        item->run.arg      = item->arg;
        item->run.arg_size = order.arg_size;
        sbl_item_may_be_given(x, item);
        if (!item->missing)
            sbl_item_start(x, item);
    }
}

/* --- other letters ------------------------------------------------------------------------------------------------ */

static void hear_stop(sbl_executor *x, sbl_reader *r)
{
    const uint32_t task = sbl_hear_u32(r);
    sbl_item      *item = sbl_item_find(x, task, sbl_hear_u32(r));

    if (!item || item->is_copy || item->state == SBL_I_STOPPED)
        return;
    if (item->state ==
        SBL_I_HERE) { /* it ended meanwhile: the scheduler will take no notice of that, and needs no value */
        item->is_dropped = 1;
        sbl_item_look(x, item);
    } else if (sbl_item_take_back(x, item)) {
        sbl_item_end(x, item);
    } else {
        sbl_item_is_kept(x, item);
        item->state = SBL_I_STOPPED;
        x->calls.interrupt(x->calls.arg, item);
    }
}

static void hear_drop(sbl_executor *x, sbl_reader *r)
{
    const uint32_t task = sbl_hear_u32(r);
    sbl_item      *item = sbl_item_find(x, task, sbl_hear_u32(r));

    if (!item || (item->state != SBL_I_HERE && item->state != SBL_I_COMING))
        return;
    item->is_dropped = 1;
    sbl_item_look(x, item);
}

static void hear_fetch(sbl_executor *x, sbl_reader *r)
{
    const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r);
    const uint64_t size   = sbl_hear_u64(r);
    const uint32_t worker = sbl_hear_u32(r), client = worker == SBL_CLIENT_HAS ? sbl_hear_u32(r) : 0;
    sbl_item      *item = r->failed ? NULL : sbl_item_find(x, task, attempt);

    if (item) {
        item->is_asked = 1;
        if (item->is_dropped && item->state == SBL_I_HERE) /* and was only used here since: now it counts again */
            sbl_executor_say_name(x, SBL_LETTER_HAVE, task, attempt);
        item->is_dropped = 0;
    }
    if (r->failed || item)
        return;
    item = sbl_item_make(x, task, attempt, SBL_I_COMING);
    if (!item) {
        sbl_executor_say_lack(x, NULL, &(sbl_item){.task = task, .attempt = attempt}, worker);
        return; /* one copy less */
    }
    item->is_copy  = 1;
    item->is_asked = 1;
    item->size     = size;
    item->worker   = worker;
    x->calls.fetch(x->calls.arg, item, task, attempt, size, worker, client);
}

/* It was sent ahead: what it waits for is made here, or was to be, and it goes where that goes. */
static int waits_for_own(const sbl_item *item)
{
    for (uint32_t i = 0; item->missing && i < item->run.n_inputs; i++)
        if (!item->inputs[i].item ||
            (item->inputs[i].item->state != SBL_I_COMING && item->inputs[i].item->state != SBL_I_HERE))
            return 1;
    return 0;
}

/* The newest first: they would have to wait longest. Returns how many of n are left to be given. */
static uint32_t give(sbl_executor *x, uint32_t n, int with_users)
{
    for (sbl_item *item = x->newest, *older; item && n; item = older) {
        older = item->older;
        if ((item->users && !with_users) || waits_for_own(item) || !sbl_item_take_back(x, item))
            continue;
        sbl_executor_say_name(x, SBL_LETTER_GAVE, item->task, item->attempt);
        sbl_item_end(x, item);
        n--;
    }
    return n;
}

/* What others were sent ahead for is given last: they go back with it, as the scheduler says. */
static void hear_give(sbl_executor *x, sbl_reader *r)
{
    uint32_t n = sbl_hear_u32(r);

    if (r->failed)
        return;
    n = give(x, n, 0);
    give(x, n, 1);
    sbl_executor_say_name(x, SBL_LETTER_GAVE, 0, 0);
}

static void hear_part(sbl_executor *x, sbl_reader *r)
{
    sbl_hear_u32(r);
    if (!r->failed)
        x->calls.may_part(x->calls.arg);
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
        [SBL_LETTER_DROP] = hear_drop,  [SBL_LETTER_FETCH] = hear_fetch, [SBL_LETTER_GIVE] = hear_give,
        [SBL_LETTER_PART] = hear_part};
    sbl_reader frame = {.at = bytes, .end = (const char *)bytes + size}, letter;
    uint32_t   kind;

    x->no_memory = 0;
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

/* --- the whole ---------------------------------------------------------------------------------------------------- */

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
        for (sbl_item *item = x->table[i]; item;
             item           = item->next) { /* each ends in its own turn, not with its last user */
            item->is_dropped = item->is_told = 0;
            item->is_asked                   = 1;
        }
    for (uint32_t i = 0; i < x->room; i++)
        while (x->table[i])
            sbl_item_end(x, x->table[i]);
    sbl_free(x->table);
    sbl_words_clear(&x->out.words);
    sbl_free(x);
}

static const char *check_item(const sbl_item *item)
{
    uint32_t missing = 0;

    for (uint32_t i = 0; item->inputs && i < item->run.n_inputs; i++)
        missing += item->inputs[i].item && item->inputs[i].item->state != SBL_I_HERE;
    if (item->state == SBL_I_READY && missing)
        return "a task runs without its inputs";
    if (item->state == SBL_I_WAITING && missing > item->missing)
        return "a task waits for fewer inputs than are missing";
    if (item->state == SBL_I_HERE && (item->is_told || item->is_dropped) && !item->users)
        return "a value that nobody needs";
    if (item->state == SBL_I_COMING && !item->is_asked && !item->users)
        return "a value comes that nobody needs";
    return (item->state == SBL_I_HERE) != (item->value != NULL) ? "a value that is not here" : NULL;
}

const char *sbl_executor_check(const sbl_executor *x)
{
    const char *wrong = NULL;

    for (uint32_t i = 0; i < x->room && !wrong; i++)
        for (const sbl_item *item = x->table[i]; item && !wrong; item = item->next)
            wrong = check_item(item);
    return wrong;
}
