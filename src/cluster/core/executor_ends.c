/* What becomes of tasks and values that a worker has, told by its driver, and said to the scheduler. */
#include "cluster/core/items.h"

#include "base/error.h"

/* --- letters ------------------------------------------------------------------------------------------------------ */

void sbl_executor_say_name(sbl_executor *x, uint32_t kind, uint32_t task, uint32_t attempt)
{
    sbl_words *w = sbl_outbox_item(&x->out, kind);

    sbl_say_u32(w, task);
    sbl_say_u32(w, attempt);
}

void sbl_executor_say_lack(sbl_executor *x, const sbl_item *task, const sbl_item *input, uint32_t worker)
{
    sbl_executor_say_name(x, SBL_LETTER_LACK, task ? task->task : 0, task ? task->attempt : 0);
    sbl_say_u32(&x->out.words, input->task);
    sbl_say_u32(&x->out.words, input->attempt);
    sbl_say_u32(&x->out.words, worker);
}

void sbl_executor_say_failure(sbl_executor *x, const sbl_item *item, const sabal_error *err)
{
    sbl_executor_say_name(x, SBL_LETTER_ENDED, item->task, item->attempt);
    sbl_say_u32(&x->out.words, 0);
    sbl_say_failure(&x->out.words, err);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

sbl_awaited sbl_item_awaited(const sbl_item *item)
{
    uint32_t here = 0;

    if (item->awaited == SBL_BY_CLIENT)
        return SBL_AWAITED_BY_CLIENT;
    for (const sbl_input *use = item->users; use && here < item->awaited; use = use->next)
        here++;
    return here < item->awaited ? SBL_AWAITED_ELSEWHERE : SBL_AWAITED_HERE;
}

void sbl_executor_finished(sbl_executor *x, sbl_item *item, void *value, uint64_t size, uint64_t ns, const char *told,
                           uint32_t n)
{
    sbl_words *w;

    if (item->state == SBL_I_STOPPED) {
        x->calls.forget(x->calls.arg, value);
        sbl_item_end(x, item);
        return;
    }
    sbl_item_is_kept(x, item);
    sbl_item_let_inputs_go(x, item);
    sbl_executor_say_name(x, SBL_LETTER_READY, item->task, item->attempt);
    w = &x->out.words;
    sbl_say_u64(w, ns);
    sbl_say_u64(w, size);
    sbl_say_u32(w, told ? n : SBL_ELSEWHERE);
    if (told)
        sbl_say(w, told, SBL_BYTES_OF(n));
    item->is_told = told != NULL;
    item->size    = size;
    sbl_item_be_here(x, item, value);
    sbl_item_look(x, item);
}

void sbl_executor_failed(sbl_executor *x, sbl_item *item, const sabal_error *err)
{
    if (item->state != SBL_I_STOPPED)
        sbl_executor_say_failure(x, item, err);
    sbl_item_end(x, item);
}

void sbl_executor_refused(sbl_executor *x, sbl_item *item, const sabal_error *err)
{
    if (item->state != SBL_I_STOPPED) {
        sbl_executor_say_name(x, SBL_LETTER_NO_ROOM, item->task, item->attempt);
        sbl_say_failure(&x->out.words, err);
    }
    sbl_item_end(x, item);
}

void sbl_executor_chained(sbl_executor *x, sbl_item *item, uint64_t serial)
{
    if (item->state != SBL_I_STOPPED) {
        sbl_executor_say_name(x, SBL_LETTER_CHAIN, item->task, item->attempt);
        sbl_say_u64(&x->out.words, serial);
    }
    sbl_item_end(x, item);
}

void sbl_executor_fetched(sbl_executor *x, sbl_item *item, void *value)
{
    if (!item->is_dropped)
        sbl_executor_say_name(x, SBL_LETTER_HAVE, item->task, item->attempt);
    sbl_item_be_here(x, item, value);
    sbl_item_look(x, item);
}

void sbl_executor_lacking(sbl_executor *x, sbl_item *item)
{
    item->is_asked   = 1; /* so that it ends below, not with the last of its users */
    item->is_dropped = 0;
    if (!item->users)
        sbl_executor_say_lack(x, NULL, item, item->worker);
    while (item->users) {
        sbl_item *of = item->users->of;

        sbl_executor_say_lack(x, of, item, item->worker);
        sbl_item_end(x, of); /* lets go of this input, and of all others */
    }
    sbl_item_end(x, item);
}

/* All that have it as an input, and have not begun, go back: each would find the same. */
void sbl_executor_unreadable(sbl_executor *x, sbl_item *item, uint32_t input)
{
    sbl_item *in = item->inputs[input].item;

    sbl_item_disown(x, in);
    sbl_executor_say_lack(x, item->state == SBL_I_STOPPED ? NULL : item, in, SBL_MADE_THERE);
    for (sbl_input *use = in->users, *next; use; use = next) {
        next = use->next;
        while (next && next->of == use->of) /* it may have it twice */
            next = next->next;
        if (use->of == item || !sbl_item_take_back(x, use->of))
            continue;
        sbl_executor_say_lack(x, use->of, in, SBL_MADE_THERE);
        sbl_item_end(x, use->of);
    }
    sbl_item_end(x, item);
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

void *sbl_executor_find(const sbl_executor *x, uint32_t task, uint32_t attempt)
{
    const sbl_item *item = sbl_item_find(x, task, attempt);

    return item && item->state == SBL_I_HERE ? item->value : NULL;
}

void sbl_executor_spare(sbl_executor *x, uint32_t n)
{
    sbl_say_u32(sbl_outbox_item(&x->out, SBL_LETTER_SPARE), n);
}

void sbl_executor_retire(sbl_executor *x)
{
    sbl_say_u32(sbl_outbox_item(&x->out, SBL_LETTER_RETIRE), 1);
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
