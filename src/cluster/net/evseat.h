/*
 * A seat at a loop. A thread that waits for what comes by one descriptor sleeps at that one, in place of the loop's own thread, and
 * does itself what the loop would do when something comes: so one thread is woken for it, and not two in turn. All else stays the
 * loop's, and that descriptor too as soon as nobody sits there.
 */
#ifndef SBL_CLUSTER_NET_EVSEAT_H
#define SBL_CLUSTER_NET_EVSEAT_H

#include "cluster/net/evloop.h"

/** In the loop's thread: who sits, does so at this one, which is watched; NULL, or when it is no longer watched: nobody sits.
    0: there are no more descriptors. */
int sbl_evseat_offer(sbl_evloop *loop, sbl_evwatch *watch);

/* What follows is for any thread. */

/** 1: the seat is the caller's, who shall sleep there soon. 0: somebody has it, or there is none, or the loop is not asleep, nor was for
    patience_ns, in which others had this core if they wanted it. */
int sbl_evseat_take(sbl_evloop *loop, int64_t patience_ns);
/** By who sits: sleeps until something has come, which is then dealt with, until the bell rings, or until deadline_ns (INT64_MAX:
    never); before it sleeps it looks again and again for up to spin_ns, less if that was in vain too often (a twentieth of the time). Calls back whomever the loop would: with no lock that these may
    take. 0: the seat is no more, or nothing is to be read there now. */
int  sbl_evseat_sleep(sbl_evloop *loop, int64_t spin_ns, int64_t deadline_ns);
void sbl_evseat_leave(sbl_evloop *loop);
/** Who sits, and sleeps or is about to, wakes. Nothing is done if that is the caller, who is awake. */
void sbl_evseat_ring(sbl_evloop *loop);

/*
 * In passing. Who has much else to do, and often comes by, looks each time whether there is something to be read; the loop, whose
 * thread would be woken for each letter, and would take a core from who works, need not. The first also by the loop's own
 * thread, both by who has borrowed it, without locks that those who are called back may take.
 */
/** 1: from now on the loop does not look at what is offered, but for errors: others do. 0: it does. */
void sbl_evseat_leave_to_others(sbl_evloop *loop, int is_left);
/** What has come there is dealt with, if it was left to others and nobody sits there. Calls back whomever the loop would. */
void sbl_evseat_pass(sbl_evloop *loop);

#endif
