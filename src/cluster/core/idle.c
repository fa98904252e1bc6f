/* Who has nothing to do, and who has what others could take: lists, so that neither is ever looked for. */
#include "cluster/core/place.h"

/* The first is served first. */
static void add_first(sbl_scheduler *s, uint32_t worker, uint32_t *first, uint32_t *last, size_t next, size_t previous)
{
    char *w = (char *)sbl_peer_at(s, worker);

    *(uint32_t *)(w + previous) = 0;
    *(uint32_t *)(w + next)     = *first;
    if (*first)
        *(uint32_t *)((char *)sbl_peer_at(s, *first) + previous) = worker;
    else
        *last = worker;
    *first = worker;
}

static void add_last(sbl_scheduler *s, uint32_t worker, uint32_t *first, uint32_t *last, size_t next, size_t previous)
{
    char *w = (char *)sbl_peer_at(s, worker);

    *(uint32_t *)(w + next)     = 0;
    *(uint32_t *)(w + previous) = *last;
    if (*last)
        *(uint32_t *)((char *)sbl_peer_at(s, *last) + next) = worker;
    else
        *first = worker;
    *last = worker;
}

static void take_out(sbl_scheduler *s, uint32_t worker, uint32_t *first, uint32_t *last, size_t next, size_t previous)
{
    char          *w      = (char *)sbl_peer_at(s, worker);
    const uint32_t behind = *(uint32_t *)(w + next), before = *(uint32_t *)(w + previous);

    if (before)
        *(uint32_t *)((char *)sbl_peer_at(s, before) + next) = behind;
    else
        *first = behind;
    if (behind)
        *(uint32_t *)((char *)sbl_peer_at(s, behind) + previous) = before;
    else
        *last = before;
}

#define OF_HUNGRY offsetof(sbl_peer, next_hungry), offsetof(sbl_peer, previous_hungry)
#define OF_RICH   offsetof(sbl_peer, next_rich), offsetof(sbl_peer, previous_rich)

void sbl_hungry_add(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (w->is_hungry || !sbl_may_have_work(w))
        return;
    w->is_hungry = 1;
    s->n_hungry++;
    if (sbl_is_busy(w))
        add_last(s, worker, &s->first_hungry, &s->last_hungry, OF_HUNGRY);
    else /* before all that have at least something */
        add_first(s, worker, &s->first_hungry, &s->last_hungry, OF_HUNGRY);
}

void sbl_hungry_remove(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (!w->is_hungry)
        return;
    w->is_hungry = 0;
    s->n_hungry--;
    take_out(s, worker, &s->first_hungry, &s->last_hungry, OF_HUNGRY);
}

void sbl_rich_add(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (w->is_rich)
        return;
    w->is_rich = 1;
    add_last(s, worker, &s->first_rich, &s->last_rich, OF_RICH);
}

void sbl_rich_remove(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (!w->is_rich)
        return;
    w->is_rich = 0;
    take_out(s, worker, &s->first_rich, &s->last_rich, OF_RICH);
}

void sbl_may_fill(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (w->to_fill || !sbl_is_there(w))
        return;
    w->to_fill    = 1;
    w->next_fill  = s->first_fill;
    s->first_fill = worker;
}

/* One of those who have nothing to do may have what there is now. */
void sbl_feed_one(sbl_scheduler *s)
{
    const uint32_t worker = s->first_hungry;

    if (!worker)
        return;
    sbl_hungry_remove(s, worker);
    sbl_may_fill(s, worker);
}

/* What it was called for, another may have. */
static void call_another(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w    = sbl_peer_at(s, worker);
    uint32_t *link = &s->first_fill;

    if (!w->to_fill)
        return;
    while (*link != worker)
        link = &sbl_peer_at(s, *link)->next_fill;
    *link      = w->next_fill;
    w->to_fill = 0;
    sbl_feed_one(s);
    sbl_seats_feed(s, worker);
}

void sbl_worker_rests(sbl_scheduler *s, uint32_t worker)
{
    sbl_hungry_remove(s, worker);
    sbl_rich_remove(s, worker);
    call_another(s, worker);
}

/* One that was asked in vain is asked again when what it runs has run for twice as long as then. */
void sbl_look_again(sbl_scheduler *s, uint32_t worker)
{
    sbl_peer *w = sbl_peer_at(s, worker);

    if (w->has_given && w->n_sent && s->now_ns - w->moved_ns > 2 * (w->asked_ns - w->moved_ns))
        w->has_given = 0;
    if (!sbl_has_to_spare(w))
        return;
    sbl_rich_add(s, worker); /* for whoever has nothing to do later, too */
    sbl_feed_one(s);
}
