/*
 * The one thread of a process that moves bytes: descriptors, timers, and work that other threads hand it. It sleeps when
 * nothing is to be done, and spins for a bounded time after something was.
 *
 * All calls are of the loop's own thread (from its callbacks, or while it doesn't run) but those that say otherwise. All
 * records lie in what uses them, so that only making a loop can fail for want of memory.
 */
#ifndef SBL_CLUSTER_NET_LOOP_H
#define SBL_CLUSTER_NET_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <sabal/status.h>

typedef struct sbl_loop sbl_loop;

/** spin_ns: how long it looks again and again after the last thing that happened, before it sleeps; 0: not at all.
    Errors: SABAL_ENOMEM, SABAL_EIO (no more descriptors, ...). */
sabal_status sbl_loop_create(sbl_loop **loop, int64_t spin_ns, sabal_error *err);
/** NULL allowed. Nothing may be watched, posted or set any more that would be missed. */
void sbl_loop_destroy(sbl_loop *loop);
/** Runs in this thread until it is stopped. */
void sbl_loop_run(sbl_loop *loop);
/** From any thread: the loop ends after its turn. */
void sbl_loop_stop(sbl_loop *loop);
/** One turn; sleeps until at most deadline_ns if nothing is to be done. For tests, and for who has a loop of their own. */
void sbl_loop_turn(sbl_loop *loop, int64_t deadline_ns);
/** The time at which this turn began, of sbl_clock_ns(). */
int64_t sbl_loop_now(const sbl_loop *loop);

/* --- descriptors ---------------------------------------------------------------------------------------------------- */

typedef struct sbl_watch {
    void (*ready)(struct sbl_watch *watch, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP */
    int      fd;
    uint32_t events;
} sbl_watch;

/** ready is set, the rest is filled in. Errors: SABAL_ENOMEM, SABAL_ENOSPC (a limit of the system's). */
sabal_status sbl_loop_watch(sbl_loop *loop, sbl_watch *watch, int fd, uint32_t events, sabal_error *err);
/** Other events; 0: none but that the other side is gone. */
void sbl_loop_watch_for(sbl_loop *loop, sbl_watch *watch, uint32_t events);
/** Before the descriptor is closed. Nothing is called any more. One that is not watched is allowed. */
void sbl_loop_unwatch(sbl_loop *loop, sbl_watch *watch);

/* --- timers --------------------------------------------------------------------------------------------------------- */

typedef struct sbl_timer {
    void (*fire)(struct sbl_timer *timer);
    int64_t           at;
    int               is_set;
    struct sbl_timer *child, *next,
        *before; /* in a pairing heap; before: its elder, or its parent if it is the eldest */
} sbl_timer;

/** fire is called once at at_ns or soon after. One that is set is set anew. */
void sbl_timer_set(sbl_loop *loop, sbl_timer *timer, int64_t at_ns);
/** One that is not set is allowed. */
void sbl_timer_clear(sbl_loop *loop, sbl_timer *timer);

/* --- work ----------------------------------------------------------------------------------------------------------- */

typedef struct sbl_work {
    void (*run)(struct sbl_work *work);
    struct sbl_work *next, **link; /* link: what leads to it, while it waits for the end of a turn */
} sbl_work;

/** From any thread: runs in the loop's, in the order in which one thread posts. Must not be posted before it runs. */
void sbl_loop_post(sbl_loop *loop, sbl_work *work);
/** Runs at the end of this turn, before the loop sleeps; once, however often it is asked for. */
void sbl_loop_later(sbl_loop *loop, sbl_work *work);
/** Takes that back. */
void sbl_loop_not_later(sbl_work *work);

/* --- what has to be asked ------------------------------------------------------------------------------------------- */

typedef struct sbl_poller {
    int (*poll)(struct sbl_poller *poller); /* in each turn. 1: something was done            */
    int (*arm)(struct sbl_poller *poller);  /* before it sleeps. 0: there is something to do  */
    struct sbl_poller *next;
} sbl_poller;

void sbl_loop_poll(sbl_loop *loop, sbl_poller *poller);
void sbl_loop_unpoll(sbl_loop *loop, sbl_poller *poller);

/** Room for one callback at a time, aligned to 64: what is read lies there while it is looked at. */
void *sbl_loop_room(sbl_loop *loop, size_t *size);

#endif
