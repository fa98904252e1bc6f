/*
 * Which threads touch a location. What one thread alone touches, or all only read, can't be told apart by the order of steps,
 * so such an operation is no step of its own: it is done at once. That a location is so is assumed until the walk has seen
 * otherwise; then the walk begins anew, knowing better. So in the end nothing was assumed that did not hold in every state.
 */
#include <string.h>

#include "explore/world.h"

#define PLACES 256
#define IN_ROW 64 /* done at once, one after another; then comes a step, so that a spin does not keep others away */

struct place {
    uintptr_t address;
    uint32_t  readers, writers; /* a bit for each thread */
};

static struct place places[PLACES];
static int          in_row;
int                 explore_surprised;

void explore_touched_reset(void)
{
    memset(places, 0, sizeof places);
}

static struct place *place_of(uintptr_t address)
{
    unsigned i = (unsigned)(address >> 2) % PLACES;

    for (int n = 0; places[i].address && places[i].address != address; i = (i + 1) % PLACES, n++)
        if (n == PLACES) {
            explore_fail("more than %d atomic variables", PLACES);
            return places;
        }
    places[i].address = address;
    return &places[i];
}

static int is_shared(const struct place *p)
{
    uint32_t all = p->readers | p->writers;

    return p->writers && (all & (all - 1));
}

int explore_is_alone(const thread *t)
{
    struct place *p;
    uint32_t      me = (uint32_t)1 << (t - explore_world.threads);
    int           was;

    if (t->op.kind == FENCE)
        return explore_depth == 1; /* all know all */
    if (t->op.kind > COMPARE && t->op.kind != LOCK && t->op.kind != UNLOCK) {
        in_row = 0;
        return 0;
    }
    p   = place_of(t->op.address);
    was = is_shared(p);
    if (t->op.kind == LOAD)
        p->readers |= me;
    else
        p->writers |= me;
    if (!was && is_shared(p))
        explore_surprised = 1;
    if (is_shared(p) || ++in_row > IN_ROW) {
        in_row = 0;
        return 0;
    }
    return 1;
}
