#include "cluster/office_losses.h"

#include <stddef.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"

typedef struct held {
    struct held *next;
    uint32_t     worker;
    int64_t      until;
    char         name[64], why[512];
} held;

struct sbl_office_losses {
    sbl_evloop         *loop;
    int64_t             patience_ns;
    sbl_office_lose_fn *lose;
    void               *arg;
    held               *first; /* the oldest */
    sbl_evtimer         timer; /* of the oldest */
};

static void set_timer(sbl_office_losses *l)
{
    if (l->first)
        sbl_evtimer_set(l->loop, &l->timer, l->first->until);
    else
        sbl_evtimer_clear(l->loop, &l->timer);
}

static void lose(sbl_office_losses *l, held **link, const sbl_blame *blame)
{
    held *h = *link;

    *link = h->next;
    set_timer(l);
    l->lose(l->arg, h->worker, h->name, h->why, blame);
    sbl_free(h);
}

static void time_is_up(sbl_evtimer *timer)
{
    sbl_office_losses *l = (sbl_office_losses *)(void *)((char *)timer - offsetof(sbl_office_losses, timer));

    if (l->first && l->first->until <= sbl_clock_ns())
        lose(l, &l->first, NULL);
    else
        set_timer(l);
}

sbl_office_losses *sbl_office_losses_create(sbl_evloop *loop, int64_t patience_ns, sbl_office_lose_fn *lose_fn,
                                            void *arg)
{
    sbl_office_losses *l = sbl_calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->loop        = loop;
    l->patience_ns = patience_ns;
    l->lose        = lose_fn;
    l->arg         = arg;
    l->timer.fire  = time_is_up;
    return l;
}

void sbl_office_losses_destroy(sbl_office_losses *l)
{
    if (!l)
        return;
    sbl_evtimer_clear(l->loop, &l->timer);
    while (l->first) {
        held *h = l->first;

        l->first = h->next;
        sbl_free(h);
    }
    sbl_free(l);
}

void sbl_office_losses_add(sbl_office_losses *l, uint32_t worker, const char *name, const char *why)
{
    held *h = sbl_calloc(1, sizeof *h), **link = &l->first;

    if (!h) {
        l->lose(l->arg, worker, name, why, NULL);
        return;
    }
    h->worker = worker;
    h->until  = sbl_clock_ns() + l->patience_ns;
    snprintf(h->name, sizeof h->name, "%s", name);
    snprintf(h->why, sizeof h->why, "%s", why);
    while (*link)
        link = &(*link)->next;
    *link = h;
    set_timer(l);
}

int sbl_office_losses_explain(sbl_office_losses *l, const sbl_blame *blame)
{
    for (held **link = &l->first; *link; link = &(*link)->next)
        if ((*link)->worker == blame->worker) {
            lose(l, link, blame);
            return 1;
        }
    return 0;
}
