/* The thief's side of the deque. */
#include "sched/futex.h"
#include "sched/worker.h"

int sbl_steal(sbl_slot *self, struct sabal_record *head, sbl_slot *victim)
{
    return 0;
}
