/* What a loop is made of: for evloop.c and evseat.c alone. */
#ifndef SBL_CLUSTER_NET_EVLOOP_PARTS_H
#define SBL_CLUSTER_NET_EVLOOP_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster/net/evloop.h"

enum { SBL_LOOP_EVENTS = 64 };

struct sbl_evloop {
    int                   epoll, wake_fd;
    int64_t               spin_ns, now, fresh_until;
    pthread_mutex_t       turn;
    int                   runs;         /* it sleeps without the turn, so that others may have it */
    int64_t               sleeps_until; /* unless it is woken                                     */
    int                   unwatched;    /* a descriptor was, since it went to sleep               */
    _Atomic(sbl_evwork *) posted;
    _Atomic int           asleep, stopped;
    sbl_evtimer          *timers; /* the one that is due first, and below it the rest */
    sbl_evwork           *later;  /* for the end of a turn                            */
    sbl_evpoller         *pollers;
    sbl_evwatch           wake;
    struct epoll_event    events[SBL_LOOP_EVENTS]; /* of this turn; what is not watched any more is taken out */
    int                   n_events;
    void                 *room;
    struct {
        sbl_evwatch *offered; /* NULL: none                               */
        int          fd;      /* the one that who sits sleeps at          */
        int          is_at;   /* somebody sits there, so that the loop is not told when it is readable */
        int          is_left; /* nor is it, as others look in passing                                  */
        int          bell;    /* an eventfd; -1: none                     */
        _Atomic int  is_taken;
        int64_t      credit_ns, credited_at; /* for how long who sits may look in vain; of who sits */
    } seat;
};

/** What was posted, in the order of posting; and what waits for the end of a turn. 1: there was something. */
int sbl_evloop_run_posted(sbl_evloop *loop);
int sbl_evloop_run_later(sbl_evloop *loop);
/** From any thread: it does not sleep on. */
void sbl_evloop_wake(sbl_evloop *loop);
/** The system is asked for what the loop is to be told of that one: all of its events, but for what who sits hears, or
    others in passing. */
void sbl_evloop_ask_for(sbl_evloop *loop, sbl_evwatch *watch);
/** Who sits does so in vain, and is told: nothing is to be read there. */
void sbl_evseat_end(sbl_evloop *loop);
/** 1: a timer is set that is due before it wakes by itself. */
int sbl_evloop_oversleeps(const sbl_evloop *loop);

#endif
