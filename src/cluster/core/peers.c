/* Clients and workers come and go; the time that workers are silent. */
#include "cluster/core/state.h"

#include <stdio.h>

#include "base/error.h"

enum { SLOT_BITS = 16, MOST_PEERS = 65000 }; /* so that no number is one of the words in letters.h */
enum { MOST_THREADS = 1 << 20 };

/* --- coming ------------------------------------------------------------------------------------------------------- */

static uint32_t peer_came(sbl_scheduler *s, int64_t now_ns)
{
    const uint32_t slot = sbl_table_take(&s->peers);
    sbl_peer      *p;

    s->now_ns = now_ns;
    if (slot > MOST_PEERS)
        sbl_table_give(&s->peers, slot);
    if (!slot || slot > MOST_PEERS || s->no_memory)
        return 0;
    p = sbl_peer_at(s, slot);
    memset(p, 0, sizeof *p);
    /* The generation is of all peers together: 65,536 others come before a number is used again. */
    p->number   = ++s->generation << SLOT_BITS | slot;
    p->heard_ns = now_ns;
    return slot;
}

uint32_t sbl_peer_slot(const sbl_scheduler *s, uint32_t number)
{
    const uint32_t slot = number & ((1u << SLOT_BITS) - 1);

    return sbl_table_has(&s->peers, slot) && number && sbl_peer_at(s, slot)->number == number ? slot : 0;
}

uint32_t sbl_scheduler_client_came(sbl_scheduler *s, int64_t now_ns)
{
    const uint32_t slot = peer_came(s, now_ns);

    if (!slot)
        return 0;
    s->n_clients++;
    return sbl_peer_at(s, slot)->number;
}

static int add_worker(sbl_scheduler *s, uint32_t slot)
{
    if (s->n_workers == s->workers_room) {
        const uint32_t room = s->workers_room ? 2 * s->workers_room : 16;
        uint32_t      *more = sbl_realloc(s->workers, room * sizeof *more);

        if (!more)
            return 0;
        s->workers      = more;
        s->workers_room = room;
    }
    sbl_peer_at(s, slot)->place = s->n_workers;
    s->workers[s->n_workers++]  = slot;
    return 1;
}

uint32_t sbl_scheduler_worker_came(sbl_scheduler *s, int32_t threads, int64_t now_ns)
{
    const uint32_t slot = peer_came(s, now_ns);
    sbl_peer      *w;

    if (!slot)
        return 0;
    w = sbl_peer_at(s, slot);
    if (!add_worker(s, slot)) {
        w->number = 0;
        sbl_table_give(&s->peers, slot);
        return 0;
    }
    w->is_worker = 1;
    w->threads   = threads < 1 ? 1 : threads < MOST_THREADS ? threads : MOST_THREADS;
    s->n_threads += (uint64_t)w->threads;
    sbl_may_fill(s, slot);
    sbl_spread_workers_changed(s);
    return w->number;
}

void sbl_scheduler_worker_tells(sbl_scheduler *s, uint32_t worker, const sbl_worker_words *words)
{
    const uint32_t slot = sbl_peer_slot(s, worker);
    sbl_peer      *w    = slot ? sbl_peer_at(s, slot) : NULL;

    if (!slot || !w->is_worker || w->name || s->no_memory)
        return;
    w->name = sbl_two_texts_keep(words->name, words->host, &w->host);
    if (!w->name) {
        s->no_memory = 1;
        return;
    }
    sbl_amounts_read(&w->resources, words->resources, "", NULL);
    w->left = w->resources;
    sbl_seats_begin(s, slot);
    sbl_welcome(s, slot);
    sbl_may_fill(s, slot);
}

/* --- going -------------------------------------------------------------------------------------------------------- */

void sbl_drop_peer(sbl_scheduler *s, uint32_t slot, const char *why)
{
    sbl_peer *p = sbl_peer_at(s, slot);

    if (p->is_dropped)
        return;
    p->is_dropped = 1;
    if (p->is_worker)
        sbl_worker_rests(s, slot);
    s->calls.drop(s->calls.arg, p->number, why);
}

uint32_t sbl_why_left(sbl_scheduler *s)
{
    sabal_error err = SABAL_ERROR_INIT;

    sbl_error_set(&err, SABAL_ECANCELED, "the client that submitted it is gone");
    return sbl_sfailure_make(s, &err);
}

/* From the last on, so that who depends on it is gone before. What another client's task has returned goes on. */
static void let_tasks_go(sbl_scheduler *s, uint32_t slot)
{
    sbl_serials *serials = &sbl_peer_at(s, slot)->serials;
    uint32_t     why     = serials->n ? sbl_why_left(s) : 0;

    for (uint32_t i = serials->n; i-- > 0;)
        for (int k = (1 << SBL_SERIALS_SHIFT) - 1; k >= 0 && serials->pages[i]; k--) {
            const uint32_t task = serials->pages[i]->task[k];
            sbl_stask     *t    = task ? sbl_task_at(s, task) : NULL;

            if (!t)
                continue;
            t->wanted = 0;
            t->flags |= SBL_WAS_LEFT;
            if (!t->users)
                sbl_post(s, SBL_E_CANCEL, task, 0, sbl_sfailure_retain(s, why));
            sbl_post(s, SBL_E_LET_GO, task, 0, 0);
            sbl_settle(s);
        }
    sbl_sfailure_release(s, why);
}

static const sbl_ran *what_ran(const sbl_loss *loss, uint32_t task, uint32_t attempt)
{
    for (uint32_t i = 0; loss && i < loss->n_ran; i++)
        if (loss->ran[i].task == task && loss->ran[i].attempt == attempt)
            return &loss->ran[i];
    return NULL;
}

static int knows_guilty(const sbl_loss *loss)
{
    for (uint32_t i = 0; loss && i < loss->n_ran; i++)
        if (loss->ran[i].is_guilty)
            return 1;
    return 0;
}

/* "'n1' with signal 11 (Segmentation fault)" */
static const char *tell_end(char *text, size_t size, const sbl_loss *loss)
{
    const char *what = loss && loss->what ? loss->what : "a cause that is not known";

    if (loss && loss->node)
        snprintf(text, size, "'%s' with %s", loss->node, what);
    else
        snprintf(text, size, "with %s", what);
    return text;
}

static uint32_t why_killed(sbl_scheduler *s, sbl_stask *t, const sbl_loss *loss, int guilty)
{
    sabal_error err  = SABAL_ERROR_INIT;
    const char *name = t->spec ? sbl_spec_at(s, t->spec)->spec.name : "";
    char        end[400];

    t->kills  = (uint8_t)(t->kills + (guilty && t->kills < UINT8_MAX));
    t->losses = (uint8_t)(t->losses + (t->losses < UINT8_MAX));
    if (t->kills >= s->options.allowed_kills)
        sbl_error_set(&err, SABAL_EPEER, "task '%s' ended %d workers, the last %s", name, (int)t->kills,
                      tell_end(end, sizeof end, loss));
    else if (t->losses >= s->options.allowed_losses)
        sbl_error_set(&err, SABAL_EPEER, "%d workers ended while task '%s' was with them, the last %s", (int)t->losses,
                      name, tell_end(end, sizeof end, loss));
    else
        return 0;
    if (loss && loss->node)
        snprintf(err.node, sizeof err.node, "%.63s", loss->node);
    if (t->spec)
        sbl_error_where(&err, sbl_spec_at(s, t->spec)->spec.where);
    return sbl_sfailure_make(s, &err);
}

/* What it was to run. A planned leave is nobody's fault; nor is what had not begun, as far as is known: what was sent ahead
   seems not to have, unless it is known to have run, as its input may have been made and not told; and if it is known whose fault
   it was, it is that of none beside it. */
static void lose_sent(sbl_scheduler *s, uint32_t slot, const sbl_loss *loss)
{
    sbl_peer *w = sbl_peer_at(s, slot);

    while (w->sent && !s->no_memory) {
        const uint32_t task  = w->sent;
        sbl_stask     *t     = sbl_task_at(s, task);
        const sbl_ran *ran   = what_ran(loss, task, t->attempt);
        const int      other = knows_guilty(loss) && !(ran && ran->is_guilty);

        if ((loss && loss->planned) || other || (!ran && (t->missing || (loss && loss->is_known))))
            sbl_post(s, SBL_E_RETURN, task, 0, 0);
        else
            sbl_post(s, SBL_E_KILL, task, 0, why_killed(s, t, loss, ran && ran->is_guilty));
        sbl_settle(s);
    }
}

/* Out of a list of slots, linked by a field. */
static void unlink_slot(sbl_scheduler *s, uint32_t *first, uint32_t slot, size_t field)
{
    for (uint32_t *link = first; *link; link = (uint32_t *)((char *)sbl_peer_at(s, *link) + field))
        if (*link == slot) {
            *link = *(uint32_t *)((char *)sbl_peer_at(s, slot) + field);
            return;
        }
}

static void worker_lost(sbl_scheduler *s, uint32_t slot, const sbl_loss *loss)
{
    sbl_peer *w = sbl_peer_at(s, slot);

    s->n_threads -= (uint64_t)w->threads;
    s->workers[w->place]                        = s->workers[--s->n_workers];
    sbl_peer_at(s, s->workers[w->place])->place = w->place;
    sbl_worker_rests(s, slot);
    if (w->is_leaving) {
        s->n_leaving--;
        unlink_slot(s, &s->first_leaving, slot, offsetof(sbl_peer, next_leaving));
    }
    w->is_leaving = 0;
    sbl_retire_lost(s, slot);
    sbl_seats_end(s, slot);
    for (uint32_t i = 1; i < s->peers.fresh; i++) { /* its slot will be another's */
        sbl_peer *other = sbl_peer_at(s, i);

        if (other->number && slot / 64 < other->n_met)
            other->met[slot / 64] &= ~((uint64_t)1 << (slot % 64));
    }
    sbl_copies_lose(s, slot); /* first, so that what is sent again knows what is gone */
    sbl_settle(s);
    sbl_spread_workers_changed(s);
    lose_sent(s, slot, loss);
    sbl_queue_scatter(s, slot);
}

static void peer_end(sbl_scheduler *s, uint32_t slot)
{
    sbl_peer *p = sbl_peer_at(s, slot);

    if (p->has_letters)
        unlink_slot(s, &s->first_letters, slot, offsetof(sbl_peer, next_letters));
    p->has_letters = 0;
    for (uint32_t i = 0; i < p->n_specs; i++)
        if (p->specs[i])
            sbl_sspec_release(s, p->specs[i]);
    sbl_words_clear(&p->out.words);
    sbl_serials_clear(&p->serials);
    sbl_squeue_clear(&p->ready);
    sbl_ring_clear(&p->frontier);
    sbl_free(p->specs);
    sbl_free(p->specs_told);
    sbl_free(p->met);
    sbl_free(p->name);
    sbl_welcomes_end(s, p);
    p->name       = NULL;
    p->specs_told = p->met = NULL;
    p->specs               = NULL;
    p->n_specs = p->n_specs_told = p->n_met = 0;
    p->number                               = 0;
    p->is_gone                              = 1;
    if (!p->n_tasks)
        sbl_peer_forget(s, slot);
}

void sbl_peer_forget(sbl_scheduler *s, uint32_t slot)
{
    sbl_squeue_clear(&sbl_peer_at(s, slot)->roots);
    sbl_peer_at(s, slot)->is_gone = 0;
    sbl_table_give(&s->peers, slot);
}

void sbl_scheduler_lost(sbl_scheduler *s, uint32_t number, const sbl_loss *loss, int64_t now_ns)
{
    const uint32_t slot = sbl_peer_slot(s, number);
    sbl_peer      *p    = slot ? sbl_peer_at(s, slot) : NULL;

    s->now_ns = now_ns;
    if (!slot || s->no_memory)
        return;
    p->is_dropped = 1; /* it is given nothing from here on */
    sbl_spread_peer_lost(s, slot);
    if (p->is_worker)
        worker_lost(s, slot, loss);
    else
        s->n_clients--;
    let_tasks_go(s, slot);
    sbl_data_leaves_client(s, slot);
    peer_end(s, slot);
}

void sbl_peers_end(sbl_scheduler *s)
{
    s->n_workers = 0; /* what they were told is of no interest any more */
    for (uint32_t slot = 1; slot < s->peers.fresh; slot++) {
        if (sbl_peer_at(s, slot)->number)
            peer_end(s, slot);
        if (sbl_peer_at(s, slot)->is_gone)
            sbl_peer_forget(s, slot);
    }
}

/* --- time --------------------------------------------------------------------------------------------------------- */

/* Ticks come late when the scheduler itself stood still: what workers said meanwhile is still to be heard. */
static void forgive(sbl_scheduler *s, int64_t now_ns)
{
    const int64_t missed = s->ticked_ns ? now_ns - s->ticked_ns : 0;

    s->ticked_ns = now_ns;
    for (uint32_t i = 0; missed > s->options.suspect_ns && i < s->n_workers; i++) {
        sbl_peer *w = sbl_peer_at(s, s->workers[i]);

        w->heard_ns = w->heard_ns + missed < now_ns ? w->heard_ns + missed : now_ns;
    }
}

static void be_suspect(sbl_scheduler *s, uint32_t slot)
{
    sbl_peer_at(s, slot)->is_suspect = 1;
    sbl_worker_rests(s, slot);
    sbl_queue_scatter(s, slot);
}

void sbl_scheduler_suspect(sbl_scheduler *s, uint32_t number)
{
    const uint32_t slot = sbl_peer_slot(s, number);

    if (slot && sbl_peer_at(s, slot)->is_worker && !sbl_peer_at(s, slot)->is_suspect)
        be_suspect(s, slot);
}

void sbl_scheduler_tick(sbl_scheduler *s, int64_t now_ns)
{
    s->now_ns = now_ns;
    forgive(s, now_ns);
    for (uint32_t i = 0; i < s->n_workers && !s->no_memory; i++) {
        const uint32_t slot   = s->workers[i];
        sbl_peer      *w      = sbl_peer_at(s, slot);
        const int64_t  silent = now_ns - w->heard_ns;

        if (silent > s->options.dead_ns)
            sbl_drop_peer(s, slot, "it was silent for too long");
        else if (silent > s->options.suspect_ns && !w->is_suspect)
            be_suspect(s, slot);
        else
            sbl_look_again(s, slot);
    }
    sbl_retire_tick(s);
    sbl_spread_tick(s);
}

void sbl_peer_was_heard(sbl_scheduler *s, uint32_t slot)
{
    sbl_peer *p = sbl_peer_at(s, slot);

    p->heard_ns = s->now_ns;
    if (!p->is_suspect)
        return;
    p->is_suspect = 0;
    sbl_may_fill(s, slot);
}
