/* What waits is looked at when something has come, and now and then, as memory comes free by itself. */
#include "cluster/crew_comings.h"

#include <stddef.h>

#include "base/clock.h"
#include "cluster/crew.h"
#include "graph/budget.h"
#include "graph/client.h"

enum { LARGE = 1 << 20 }; /* less than that always comes */
#define AGAIN_NS ((int64_t)20000000)

static struct {
    sbl_coming *first, **last;
    sbl_evtimer timer;
    uint64_t    bytes; /* that come */
    uint32_t    n;
} comings;

static sbl_budget *budget(void)
{
    return sbl_crew.client->budget;
}

/* Something always comes: so what waits for it here goes on, and leaves memory one day. */
static int may_come(const sbl_coming *coming)
{
    return !comings.n || sbl_budget_has_room(budget(), comings.bytes + coming->size);
}

static void begin(sbl_coming *coming)
{
    coming->comes = 1;
    comings.n++;
    comings.bytes += coming->size;
    coming->begin(coming); /* it may end at once */
}

static void take_first(void)
{
    sbl_coming *first = comings.first;

    comings.first = first->next;
    if (!comings.first)
        comings.last = &comings.first;
    first->waits = 0;
    sbl_budget_want(budget(), -(int64_t)first->size);
}

static void look(void)
{
    while (comings.first && may_come(comings.first)) {
        sbl_coming *first = comings.first;

        take_first();
        begin(first);
    }
    if (comings.first)
        sbl_evtimer_set(sbl_crew.loop, &comings.timer, sbl_clock_ns() + AGAIN_NS);
}

static void look_again(sbl_evtimer *timer)
{
    look();
}

void sbl_coming_ask(sbl_coming *coming)
{
    if (coming->size < LARGE) {
        coming->begin(coming);
        return;
    }
    if (!comings.first)
        comings.last = &comings.first;
    comings.timer.fire = look_again;
    coming->waits      = 1;
    coming->next       = NULL;
    *comings.last      = coming;
    comings.last       = &coming->next;
    sbl_budget_want(budget(), (int64_t)coming->size);
    look();
}

static void forget_waiting(sbl_coming *coming)
{
    sbl_coming **link = &comings.first;

    while (*link != coming)
        link = &(*link)->next;
    *link = coming->next;
    if (comings.last == &coming->next)
        comings.last = link;
    coming->waits = 0;
    sbl_budget_want(budget(), -(int64_t)coming->size);
}

void sbl_coming_end(sbl_coming *coming)
{
    if (coming->waits)
        forget_waiting(coming);
    if (!coming->comes)
        return;
    coming->comes = 0;
    comings.n--;
    comings.bytes -= coming->size;
    look();
}
