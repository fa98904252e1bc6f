/* A client's letters. Releases that follow each other are said as one. */
#include "cluster/core/submitter.h"

uint32_t sbl_submit_spec(sbl_submitter *s, const sbl_spec *spec)
{
    sbl_spec said = *spec;

    said.number = ++s->n_specs;
    sbl_say_spec(sbl_outbox_item(s->out, SBL_LETTER_SPEC), &said);
    return said.number;
}

void sbl_submit_tasks(sbl_submitter *s, const sbl_group *group, const uint64_t *inputs, const void *args)
{
    sbl_words *w = sbl_outbox_item(s->out, SBL_LETTER_TASKS);

    sbl_say_group(w, group);
    sbl_say(w, inputs, sizeof *inputs * group->n_inputs * (group->shared ? 1 : group->n));
    sbl_say(w, args, (size_t)group->arg_size * group->n);
}

void sbl_submit_data(sbl_submitter *s, uint64_t serial, uint64_t size, const char *told, uint32_t n)
{
    sbl_words *w = sbl_outbox_item(s->out, SBL_LETTER_DATA);

    sbl_say_u64(w, serial);
    sbl_say_u64(w, size);
    sbl_say_u32(w, told ? n : SBL_ELSEWHERE);
    if (told)
        sbl_say(w, told, SBL_BYTES_OF(n));
}

static void say_range(sbl_submitter *s, uint32_t kind, uint64_t first, uint64_t n)
{
    const int  is_open = s->out->kind == kind && !s->out->words.failed;
    sbl_words *w       = sbl_outbox_item(s->out, kind);
    uint64_t   last[2];

    if (is_open && w->size - s->out->open >= 8 + sizeof last) {
        memcpy(last, w->bytes + w->size - sizeof last, sizeof last);
        if (last[0] + last[1] == first) {
            last[1] += n;
            memcpy(w->bytes + w->size - sizeof last, last, sizeof last);
            return;
        }
    }
    sbl_say_u64(w, first);
    sbl_say_u64(w, n);
}

void sbl_submit_release(sbl_submitter *s, uint64_t first, uint64_t n)
{
    say_range(s, SBL_LETTER_RELEASE, first, n);
}

void sbl_submit_cancel(sbl_submitter *s, uint64_t first, uint64_t n)
{
    say_range(s, SBL_LETTER_CANCEL, first, n);
}

void sbl_submit_spread(sbl_submitter *s, uint64_t serial, uint32_t n)
{
    sbl_words *w = sbl_outbox_item(s->out, SBL_LETTER_SPREAD);

    sbl_say_u64(w, serial);
    sbl_say_u32(w, n);
}

void sbl_submitter_look(sbl_submitter *s, uint64_t serial, uint32_t not_at)
{
    sbl_words *w = sbl_outbox_item(s->out, SBL_LETTER_LOOK);

    sbl_say_u64(w, serial);
    sbl_say_u32(w, not_at);
}

/* --- hearing ------------------------------------------------------------------------------------------------------ */

static void hear_done(sbl_submitter *s, sbl_reader *r)
{
    const uint64_t serial = sbl_hear_u64(r), size = sbl_hear_u64(r);
    const uint32_t n    = sbl_hear_u32(r);
    const char    *told = n == SBL_ELSEWHERE ? NULL : sbl_hear(r, SBL_BYTES_OF(n));

    if (!r->failed)
        s->calls.done(s->calls.arg, serial, size, told, n);
}

static void hear_failed(sbl_submitter *s, sbl_reader *r)
{
    const uint64_t serial = sbl_hear_u64(r);
    sabal_error    err;

    sbl_hear_failure(&err, r);
    if (!r->failed)
        s->calls.failed(s->calls.arg, serial, &err);
}

static void hear_at(sbl_submitter *s, sbl_reader *r)
{
    const uint64_t serial = sbl_hear_u64(r);
    const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r);
    const uint64_t size    = sbl_hear_u64(r);
    const uint32_t n       = sbl_hear_u32(r);
    const char    *workers = sbl_hear(r, (size_t)4 * n);

    if (!r->failed)
        s->calls.at(s->calls.arg, serial, task, attempt, size, workers, n);
}

static void hear_push(sbl_submitter *s, sbl_reader *r)
{
    const uint64_t serial = sbl_hear_u64(r);
    const uint32_t task = sbl_hear_u32(r), attempt = sbl_hear_u32(r), worker = sbl_hear_u32(r);

    if (!r->failed)
        s->calls.push(s->calls.arg, serial, task, attempt, worker);
}

static void hear_forget(sbl_submitter *s, sbl_reader *r)
{
    const uint64_t serial = sbl_hear_u64(r);

    if (!r->failed)
        s->calls.forget(s->calls.arg, serial);
}

sabal_status sbl_submitter_hear(sbl_submitter *s, const void *bytes, size_t size)
{
    static void (*const HEAR[])(sbl_submitter * s, sbl_reader * r) = {[SBL_LETTER_DONE]   = hear_done,
                                                                      [SBL_LETTER_FAILED] = hear_failed,
                                                                      [SBL_LETTER_AT]     = hear_at,
                                                                      [SBL_LETTER_PUSH]   = hear_push,
                                                                      [SBL_LETTER_FORGET] = hear_forget};
    sbl_reader frame = {.at = bytes, .end = (const char *)bytes + size}, letter;
    uint32_t   kind;

    while ((kind = sbl_letter_next(&letter, &frame))) {
        if (kind >= sizeof HEAR / sizeof *HEAR || !HEAR[kind])
            return SABAL_EFORMAT;
        while (!sbl_reader_is_at_end(&letter))
            HEAR[kind](s, &letter);
        if (letter.failed)
            return SABAL_EFORMAT;
    }
    return frame.failed ? SABAL_EFORMAT : SABAL_OK;
}
