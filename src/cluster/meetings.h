/*
 * The other members that a member exchanges values with. To a worker it connects when it first wants something from there; who
 * connects to it is served, and asked too. All in the loop's thread.
 */
#ifndef SBL_CLUSTER_MEETINGS_H
#define SBL_CLUSTER_MEETINGS_H

#include "cluster/membership.h"
#include "cluster/net/plane.h"

typedef struct sbl_meetings sbl_meetings;
typedef struct sbl_wish     sbl_wish; /* a value that is wanted from one of them */

/** Both outlive it. SABAL_ENOMEM. */
sabal_status sbl_meetings_create(sbl_meetings **meetings, sbl_membership *membership, sbl_plane *plane,
                                 sabal_error *err);
/** Wishes that are open fail first, with SABAL_ECANCELED. What was being connected ends in the loop's next turn. NULL allowed. */
void sbl_meetings_destroy(sbl_meetings *meetings);

/** A worker can be reached so. 0: no memory. */
int sbl_meetings_met(sbl_meetings *m, uint32_t worker, const sbl_joining *who);
/** It is no more, though it may seem to be: what was wished from it fails. */
void sbl_meetings_lost(sbl_meetings *m, uint32_t worker);
/** Somebody has come in, with a ticket: the link is its from here on. */
void sbl_meetings_came(sbl_meetings *m, sbl_link *link);
/** Connects to a worker, so that it can ask. */
void sbl_meetings_visit(sbl_meetings *m, uint32_t worker);

/** Wants a value from a member: events as of sbl_pull_start(); a member that can't be reached, or has not come within five
    seconds, fails it with SABAL_EPEER. NULL: no memory. */
sbl_wish *sbl_wish_make(sbl_meetings *m, uint32_t member, sbl_value_name name, const sbl_pull_events *events,
                        void *arg);
/** Nothing comes of it any more. */
void sbl_wish_cancel(sbl_wish *wish);

/** A sbl_turns of a loop. Ended by sbl_loop_turns_clear(), after the plane. SABAL_ENOMEM. */
sabal_status sbl_loop_turns(sbl_turns *turns, sbl_evloop *loop, sabal_error *err);
void         sbl_loop_turns_clear(sbl_turns *turns);

#endif
