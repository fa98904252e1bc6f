/* Who waits for a task's end sleeps at the link over which it will be told of, if nobody else does. */
#include "base/clock.h"
#include "cluster/net/evseat.h"
#include "cluster/remote.h"

/* Brief tasks end within that. Who sleeps at once gives up a core, which then takes longer to come back (70 us if it was halted) than
   most answers; and whom a task's letter wakes may be put there, and wait for that core in turn. */
#define SPIN_NS ((int64_t)200000)

static sbl_evloop *loop_of(const sabal_client *client)
{
    return sbl_remote_of(client)->membership->loop;
}

/* The client, if it closes, waits for who is inside. */
int sbl_remote_attend(sabal_client *client, int (*is_over)(void *arg), void *arg, int64_t deadline_ns)
{
    int sits;

    if (!sbl_client_enter(client, 0))
        return 0;
    sits = sbl_evseat_take(loop_of(client), 0);
    if (sits) {
        while (!is_over(arg) && sbl_evseat_sleep(loop_of(client), SPIN_NS, deadline_ns) && sbl_clock_ns() < deadline_ns)
            ;
        sbl_evseat_leave(loop_of(client));
    }
    sbl_client_exit(client);
    return sits;
}

void sbl_remote_ring(sabal_client *client)
{
    sbl_evseat_ring(loop_of(client));
}
