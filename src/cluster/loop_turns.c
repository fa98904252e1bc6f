/* The data plane's way to a loop: each descriptor that it watches is a watch of the loop's. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cluster/meetings.h"

typedef struct watched {
    sbl_evwatch     watch; /* first */
    struct watched *next;
    void (*ready)(void *context, uint32_t events);
    void *context;
} watched;

typedef struct turns {
    sbl_evloop *loop;
    watched    *first, *ended; /* ended: may be on the stack of their own callback; freed when the loop turns again */
    sbl_evwork  sweep;
} turns;

static void ready(sbl_evwatch *watch, uint32_t events)
{
    watched *w = (watched *)watch;

    w->ready(w->context, events);
}

static void sweep(sbl_evwork *work)
{
    turns *t = (turns *)((char *)work - offsetof(turns, sweep));

    while (t->ended) {
        watched *w = t->ended;

        t->ended = w->next;
        sbl_free(w);
    }
}

static watched **place_of(turns *t, int fd)
{
    watched **link = &t->first;

    while (*link && (*link)->watch.fd != fd)
        link = &(*link)->next;
    return link;
}

static int watch(void *arg, int fd, uint32_t events, void (*fn)(void *context, uint32_t events), void *context)
{
    turns   *t = arg;
    watched *w = *place_of(t, fd);
    int      error;

    if (w) {
        w->ready   = fn;
        w->context = context;
        sbl_evloop_watch_for(t->loop, &w->watch, events);
        return 0;
    }
    w = sbl_calloc(1, sizeof *w);
    if (!w)
        return ENOMEM;
    w->watch.ready = ready;
    w->ready       = fn;
    w->context     = context;
    errno          = 0;
    if (sbl_evloop_watch(t->loop, &w->watch, fd, events, NULL)) {
        error = errno ? errno : ENOMEM;
        sbl_free(w);
        return error;
    }
    w->next  = t->first;
    t->first = w;
    return 0;
}

static void unwatch(void *arg, int fd)
{
    turns    *t    = arg;
    watched **link = place_of(t, fd), *w = *link;

    if (!w)
        return;
    *link = w->next;
    sbl_evloop_unwatch(t->loop, &w->watch);
    w->next  = t->ended;
    t->ended = w;
    sbl_evloop_later(t->loop, &t->sweep);
}

sabal_status sbl_loop_turns(sbl_turns *out, sbl_evloop *loop, sabal_error *err)
{
    turns *t = sbl_calloc(1, sizeof *t);

    if (!t)
        return sbl_error_memory(err, sizeof *t, "the watches of a loop");
    t->loop      = loop;
    t->sweep.run = sweep;
    *out         = (sbl_turns){.watch = watch, .unwatch = unwatch, .arg = t};
    return SABAL_OK;
}

void sbl_loop_turns_clear(sbl_turns *out)
{
    turns *t = out->arg;

    if (!t)
        return;
    sbl_evloop_not_later(&t->sweep);
    while (t->first)
        unwatch(t, t->first->watch.fd);
    sbl_evloop_not_later(&t->sweep);
    sweep(&t->sweep);
    sbl_free(t);
    out->arg = NULL;
}
