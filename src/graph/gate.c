#include "graph/gate.h"

#include <stddef.h>

#include "graph/attend.h"

static void open_gate(sbl_watch *watch)
{
    sbl_gate *gate = ((sbl_gate_watch *)(void *)((char *)watch - offsetof(sbl_gate_watch, watch)))->gate;

    sbl_event_set(&gate->opened);
    if (gate->attended)
        sbl_attend_look(gate->attended);
}

static int is_open(void *gate)
{
    return sbl_event_is_set(&((sbl_gate *)gate)->opened);
}

/* Only if all are one client's: the end of another's would not be heard. */
void sbl_gate_init(sbl_gate *gate, sabal_future *const *futures, int64_t n)
{
    *gate = (sbl_gate){.attended = futures[0]->client};
    for (int64_t i = 0; i < n; i++)
        if (!sbl_may_attend(futures[i]) || futures[i]->client != futures[0]->client)
            gate->attended = NULL;
}

int sbl_gate_watch_add(sbl_gate_watch *watch, sbl_gate *gate, sabal_future *future)
{
    watch->gate  = gate;
    watch->watch = (sbl_watch){.fire = open_gate, .fd = -1};
    return sbl_watch_add(&watch->watch, future);
}

void sbl_gate_attend(sbl_gate *gate, int64_t deadline_ns)
{
    if (gate->attended)
        sbl_attend(gate->attended, is_open, gate, deadline_ns);
}
