/* How letters are put into words and read; a letter's size is written when the next one begins. */
#include "cluster/core/letters.h"

#include <stddef.h>

enum { HEAD = 8 }; /* kind u32, size u32 */

/* --- letters ------------------------------------------------------------------------------------------------------ */

sbl_words *sbl_outbox_item(sbl_outbox *box, uint32_t kind)
{
    if (box->kind == kind && box->words.size - box->open < ((size_t)1 << 24))
        return &box->words;
    sbl_outbox_close(box);
    box->kind = kind;
    box->open = box->words.size;
    sbl_say_u32(&box->words, kind);
    sbl_say_u32(&box->words, 0);
    return &box->words;
}

void sbl_outbox_close(sbl_outbox *box)
{
    const uint32_t size = (uint32_t)(box->words.size - box->open - HEAD);

    if (box->kind && !box->words.failed)
        memcpy(box->words.bytes + box->open + 4, &size, sizeof size);
    box->kind = 0;
}

void sbl_outbox_empty(sbl_outbox *box)
{
    box->words.size   = 0;
    box->words.failed = 0;
    box->kind         = 0;
}

uint32_t sbl_letter_next(sbl_reader *letter, sbl_reader *frame)
{
    uint32_t    kind, size;
    const char *body;

    if (sbl_reader_is_at_end(frame))
        return 0;
    kind = sbl_hear_u32(frame);
    size = sbl_hear_u32(frame);
    body = sbl_hear(frame, size);
    if (!body || !kind) {
        frame->failed = 1;
        return 0;
    }
    *letter = (sbl_reader){.at = body, .end = body + size};
    return kind;
}

/* --- items -------------------------------------------------------------------------------------------------------- */

void sbl_say_spec(sbl_words *w, const sbl_spec *spec)
{
    sbl_say_u32(w, spec->number);
    sbl_say_u32(w, (uint32_t)spec->priority);
    sbl_say_u32(w, spec->retries);
    sbl_say_u64(w, (uint64_t)spec->timeout_ns);
    sbl_say_u64(w, spec->size);
    sbl_say_u32(w, spec->code_size);
    sbl_say(w, spec->code, spec->code_size);
    sbl_say_text(w, spec->name);
    sbl_say_text(w, spec->where);
    sbl_say_text(w, spec->workers);
    sbl_say_text(w, spec->resources);
}

void sbl_hear_spec(sbl_spec *spec, sbl_reader *r)
{
    spec->number     = sbl_hear_u32(r);
    spec->priority   = (int32_t)sbl_hear_u32(r);
    spec->retries    = sbl_hear_u32(r);
    spec->timeout_ns = (int64_t)sbl_hear_u64(r);
    spec->size       = sbl_hear_u64(r);
    spec->code_size  = sbl_hear_u32(r);
    spec->code       = sbl_hear(r, spec->code_size);
    spec->name       = sbl_hear_text(r);
    spec->where      = sbl_hear_text(r);
    spec->workers    = sbl_hear_text(r);
    spec->resources  = sbl_hear_text(r);
}

void sbl_say_group(sbl_words *w, const sbl_group *group)
{
    sbl_say_u64(w, group->serial);
    sbl_say_u32(w, group->n);
    sbl_say_u32(w, group->spec);
    sbl_say_u32(w, group->n_inputs);
    sbl_say_u32(w, group->shared);
    sbl_say_u32(w, group->arg_size);
}

void sbl_hear_group(sbl_group *group, sbl_reader *r)
{
    group->serial   = sbl_hear_u64(r);
    group->n        = sbl_hear_u32(r);
    group->spec     = sbl_hear_u32(r);
    group->n_inputs = sbl_hear_u32(r);
    group->shared   = sbl_hear_u32(r);
    group->arg_size = sbl_hear_u32(r);
    if (group->n > SBL_MOST_ALIKE) /* so that no product overflows */
        r->failed = 1;
    group->inputs = sbl_hear(r, (size_t)8 * group->n_inputs * (group->shared ? 1 : group->n));
    group->args   = sbl_hear(r, (size_t)group->arg_size * group->n);
}

void sbl_say_order(sbl_words *w, const sbl_order *order)
{
    sbl_say(w, order, sizeof *order);
}

void sbl_hear_order(sbl_order *order, sbl_reader *r)
{
    const char *at = sbl_hear(r, sizeof *order);

    memset(order, 0, sizeof *order);
    if (at)
        memcpy(order, at, sizeof *order);
}

void sbl_say_failure(sbl_words *w, const sabal_error *err)
{
    sbl_say_u32(w, (uint32_t)err->status);
    sbl_say_text(w, err->task);
    sbl_say_text(w, err->node);
    sbl_say_text(w, err->where);
    sbl_say_text(w, err->message);
}

static void hear_field(char *field, size_t size, sbl_reader *r)
{
    const char *text   = sbl_hear_text(r);
    size_t      length = strlen(text);

    length = length < size ? length : size - 1;
    memcpy(field, text, length);
    field[length] = 0;
}

void sbl_hear_failure(sabal_error *err, sbl_reader *r)
{
    *err        = (sabal_error)SABAL_ERROR_INIT;
    err->status = (sabal_status)sbl_hear_u32(r);
    hear_field(err->task, sizeof err->task, r);
    hear_field(err->node, sizeof err->node, r);
    hear_field(err->where, sizeof err->where, r);
    hear_field(err->message, sizeof err->message, r);
}
