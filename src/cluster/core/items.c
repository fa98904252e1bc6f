/*
 * Items by task and attempt. An item that others here wait for, or use, has them in a list; when its value is there they count
 * down. What the scheduler says of items that are gone is out of date and left alone.
 */
#include "cluster/core/items.h"

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

sbl_item *sbl_item_find(const sbl_executor *x, uint32_t task, uint32_t attempt)
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

sbl_item *sbl_item_make(sbl_executor *x, uint32_t task, uint32_t attempt, int state)
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

void sbl_item_may_be_given(sbl_executor *x, sbl_item *item)
{
    item->older = x->newest;
    if (x->newest)
        x->newest->newer = item;
    x->newest = item;
}

void sbl_item_is_kept(sbl_executor *x, sbl_item *item)
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

/* What comes for tasks that are gone is not waited for: its giver may be gone too, and nobody would tell. */
void sbl_item_look(sbl_executor *x, sbl_item *item)
{
    if (item->users)
        return;
    if (item->state == SBL_I_HERE && (item->is_told || item->is_dropped)) {
        sbl_item_end(x, item);
    } else if (item->state == SBL_I_COMING && (item->is_dropped || !item->is_asked)) {
        x->calls.stop_fetch(x->calls.arg, item);
        sbl_item_end(x, item);
    }
}

static void let_input_go(sbl_executor *x, sbl_input *in)
{
    sbl_item *item = in->item;

    if (!item)
        return;
    *in->link = in->next;
    if (in->next)
        in->next->link = in->link;
    in->item = NULL;
    sbl_item_look(x, item);
}

void sbl_item_let_inputs_go(sbl_executor *x, sbl_item *item)
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

int sbl_item_take_back(sbl_executor *x, sbl_item *item)
{
    return item->state == SBL_I_WAITING || (item->state == SBL_I_READY && x->calls.take_back(x->calls.arg, item));
}

void sbl_item_disown(sbl_executor *x, sbl_item *item)
{
    if (!item->is_disowned)
        *place_of(x, item->task, item->attempt) = item->next;
    item->is_disowned = item->is_dropped = 1;
}

/* Those who wait for it will hear of it by the scheduler. */
void sbl_item_end(sbl_executor *x, sbl_item *item)
{
    if (!item->is_disowned)
        *place_of(x, item->task, item->attempt) = item->next;
    x->n--;
    sbl_item_is_kept(x, item);
    while (item->users) {
        sbl_input *in = item->users;

        item->users = in->next;
        in->item    = NULL;
    }
    sbl_item_let_inputs_go(x, item);
    if (item->value)
        x->calls.forget(x->calls.arg, item->value);
    sbl_free(item);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

void sbl_item_start(sbl_executor *x, sbl_item *item)
{
    for (uint32_t i = 0; i < item->run.n_inputs; i++)
        item->values[i] = item->inputs[i].item->value;
    item->state = SBL_I_READY;
    x->calls.run(x->calls.arg, item, &item->run);
}

void sbl_item_be_here(sbl_executor *x, sbl_item *item, void *value)
{
    item->state = SBL_I_HERE;
    item->value = value;
    for (sbl_input *in = item->users, *next; in; in = next) {
        next = in->next;
        if (!--in->of->missing && in->of->state == SBL_I_WAITING)
            sbl_item_start(x, in->of);
    }
}

void sbl_item_use(sbl_input *in, sbl_item *of, sbl_item *item)
{
    *in = (sbl_input){.next = item->users, .link = &item->users, .of = of, .item = item};
    if (in->next)
        in->next->link = &in->next;
    item->users = in;
    of->missing += item->state != SBL_I_HERE;
}
