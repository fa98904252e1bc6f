/*
 * The one thread of a process that moves bytes: descriptors, timers, and work that other threads hand it. It sleeps when
 * nothing is to be done, and spins for a bounded time after something was.
 *
 * All calls are of the loop's own thread (from its callbacks, or while it doesn't run) but those that say otherwise. All
 * records lie in what uses them, so that only making a loop can fail for want of memory.
 */
#ifndef SBL_CLUSTER_NET_EVLOOP_H
#define SBL_CLUSTER_NET_EVLOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <sabal/status.h>

typedef struct sbl_evloop sbl_evloop;

/** spin_ns: how long it looks again and again after the last thing that happened, before it sleeps; 0: not at all.
    Errors: SABAL_ENOMEM, SABAL_EIO (no more descriptors, ...). */
sabal_status sbl_evloop_create(sbl_evloop **loop, int64_t spin_ns, sabal_error *err);
/** NULL allowed. Nothing may be watched, posted or set any more that would be missed. */
void sbl_evloop_destroy(sbl_evloop *loop);
/** Runs in this thread until it is stopped. */
void sbl_evloop_run(sbl_evloop *loop);
/** From any thread: the loop ends after its turn. */
void sbl_evloop_stop(sbl_evloop *loop);
/** One turn; sleeps until at most deadline_ns if nothing is to be done. For tests, and for who has a loop of their own. */
void sbl_evloop_turn(sbl_evloop *loop, int64_t deadline_ns);
/** The time at which this turn began, of sbl_clock_ns(). */
int64_t sbl_evloop_now(const sbl_evloop *loop);

/* --- descriptors ---------------------------------------------------------------------------------------------------- */

typedef struct sbl_evwatch {
    void (*ready)(struct sbl_evwatch *watch, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP */
    int      fd;
    uint32_t events;
} sbl_evwatch;

/** ready is set, the rest is filled in. Errors: SABAL_ENOMEM, SABAL_ENOSPC (a limit of the system's). */
sabal_status sbl_evloop_watch(sbl_evloop *loop, sbl_evwatch *watch, int fd, uint32_t events, sabal_error *err);
/** Other events; 0: none but that the other side is gone. */
void sbl_evloop_watch_for(sbl_evloop *loop, sbl_evwatch *watch, uint32_t events);
/** Before the descriptor is closed. Nothing is called any more. One that is not watched is allowed. */
void sbl_evloop_unwatch(sbl_evloop *loop, sbl_evwatch *watch);

/* --- timers --------------------------------------------------------------------------------------------------------- */

typedef struct sbl_evtimer {
    void (*fire)(struct sbl_evtimer *timer);
    int64_t             at;
    int                 is_set;
    struct sbl_evtimer *child, *next,
        *before; /* in a pairing heap; before: its elder, or its parent if it is the eldest */
} sbl_evtimer;

/** fire is called once at at_ns or soon after. One that is set is set anew. */
void sbl_evtimer_set(sbl_evloop *loop, sbl_evtimer *timer, int64_t at_ns);
/** One that is not set is allowed. */
void sbl_evtimer_clear(sbl_evloop *loop, sbl_evtimer *timer);

/* --- work ----------------------------------------------------------------------------------------------------------- */

typedef struct sbl_evwork {
    void (*run)(struct sbl_evwork *work);
    struct sbl_evwork *next, **link; /* link: what leads to it, while it waits for the end of a turn */
} sbl_evwork;

/** From any thread: runs in the loop's, in the order in which one thread posts. Must not be posted before it runs. */
void sbl_evloop_post(sbl_evloop *loop, sbl_evwork *work);
/** Runs at the end of this turn, before the loop sleeps; once, however often it is asked for. */
void sbl_evloop_later(sbl_evloop *loop, sbl_evwork *work);
/** Takes that back. */
void sbl_evloop_not_later(sbl_evwork *work);

/* --- in its place ---------------------------------------------------------------------------------------------------- */

/**
 * From any thread: 1: the loop sleeps, and until sbl_evloop_give_back() this thread may do what the loop's own may. 0: it is awake, or
 * does not run: work is posted to it. For what is short and calls nobody back, such as sending what was just made, or for
 * sbl_evseat_pass(): it saves a thread's waking.
 */
int  sbl_evloop_borrow(sbl_evloop *loop);
void sbl_evloop_give_back(sbl_evloop *loop);

/* --- what has to be asked ------------------------------------------------------------------------------------------- */

typedef struct sbl_evpoller {
    int (*poll)(struct sbl_evpoller *poller); /* in each turn. 1: something was done            */
    int (*arm)(struct sbl_evpoller *poller);  /* before it sleeps. 0: there is something to do  */
    struct sbl_evpoller *next;
} sbl_evpoller;

void sbl_evloop_poll(sbl_evloop *loop, sbl_evpoller *poller);
void sbl_evloop_unpoll(sbl_evloop *loop, sbl_evpoller *poller);

/** Room for one callback at a time, aligned to 64: what is read lies there while it is looked at. */
void *sbl_evloop_room(sbl_evloop *loop, size_t *size);

#endif
