/* What peers say: letters become changes of records and events. Nothing that a peer says is believed: a number that means
   nothing is out of date and left alone, what can't be meant drops the peer. */
#include "cluster/core/hear.h"

void sbl_break_off(const sbl_saying *y, const char *why)
{
    y->r->failed = 1;
    sbl_drop_peer(y->s, y->slot, why);
}

/* That worker does not have it, whatever was thought. Its own word is enough; by that of another it may be there, and only out of
   reach. (What it lacks it may be getting anew: then a letter to drop it would come too late, and hit that.) */
void sbl_is_not_at(sbl_scheduler *s, uint32_t task, uint32_t worker, uint32_t who_says)
{
    if (!sbl_copy_is_at(s, task, worker))
        return;
    if (who_says != worker)
        sbl_say_drop(s, worker, task, sbl_task_at(s, task)->attempt);
    if (sbl_copy_remove(s, task, worker))
        sbl_post(s, SBL_E_LOSE, task, 0, sbl_why_lost(s, task));
    sbl_settle(s);
}

/* --- letters ------------------------------------------------------------------------------------------------------ */

typedef void hear_fn(const sbl_saying *y);

/* Each hears one item. */
static hear_fn *listener(uint32_t kind, int is_worker)
{
    static hear_fn *const CLIENTS[] = {
        [SBL_LETTER_SPEC] = sbl_hear_client_spec, [SBL_LETTER_TASKS] = sbl_hear_tasks,
        [SBL_LETTER_DATA] = sbl_hear_data,        [SBL_LETTER_RELEASE] = sbl_hear_release,
        [SBL_LETTER_CANCEL] = sbl_hear_cancel,    [SBL_LETTER_LOOK] = sbl_hear_look,
        [SBL_LETTER_EACH] = sbl_hear_each,        [SBL_LETTER_SPREAD] = sbl_hear_spread};
    static hear_fn *const WORKERS[] = {[SBL_LETTER_READY] = sbl_hear_ready,   [SBL_LETTER_ENDED] = sbl_hear_ended,
                                       [SBL_LETTER_CHAIN] = sbl_hear_chain,   [SBL_LETTER_LACK] = sbl_hear_lack,
                                       [SBL_LETTER_HAVE] = sbl_hear_have,     [SBL_LETTER_GAVE] = sbl_hear_gave,
                                       [SBL_LETTER_SPARE] = sbl_hear_spare,   [SBL_LETTER_BEAT] = sbl_hear_beat,
                                       [SBL_LETTER_RETIRE] = sbl_hear_retire, [SBL_LETTER_NO_ROOM] = sbl_hear_no_room};

    if (kind < sizeof CLIENTS / sizeof *CLIENTS)
        return CLIENTS[kind];
    return is_worker && kind < sizeof WORKERS / sizeof *WORKERS ? WORKERS[kind] : NULL;
}

static void hear_letter(sbl_scheduler *s, uint32_t slot, uint32_t kind, sbl_reader *letter)
{
    const sbl_saying y    = {.s = s, .slot = slot, .p = sbl_peer_at(s, slot), .r = letter};
    hear_fn         *hear = listener(kind, y.p->is_worker);

    if (!hear) {
        sbl_break_off(&y, "a letter of a kind that it may not send");
        return;
    }
    while (!sbl_reader_is_at_end(letter) && !s->no_memory) {
        hear(&y);
        sbl_settle(s);
    }
    if (letter->failed)
        sbl_break_off(&y, "a letter that is cut short");
}

void sbl_scheduler_hear(sbl_scheduler *s, uint32_t peer, const void *bytes, size_t size, int64_t now_ns)
{
    const uint32_t slot  = sbl_peer_slot(s, peer);
    sbl_reader     frame = {.at = bytes, .end = (const char *)bytes + size}, letter;
    uint32_t       kind;

    s->now_ns = now_ns;
    if (!slot || sbl_peer_at(s, slot)->is_dropped || s->no_memory)
        return;
    sbl_peer_was_heard(s, slot);
    while (!sbl_peer_at(s, slot)->is_dropped && !s->no_memory && (kind = sbl_letter_next(&letter, &frame)))
        hear_letter(s, slot, kind, &letter);
    if (frame.failed)
        sbl_drop_peer(s, slot, "a frame that is cut short");
}
