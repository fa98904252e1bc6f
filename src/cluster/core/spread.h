/* spread.c, moves.c: values of which a client has said how many workers are to have them. Private to scheduler*.c. */
#ifndef SBL_CORE_SPREAD_H
#define SBL_CORE_SPREAD_H

#include <stdint.h>

struct sbl_scheduler;

typedef struct sbl_sspread {
    uint32_t free;                       /* the table's */
    uint32_t task;                       /* 0: the record is free */
    uint32_t wanted;                     /* workers; SBL_EVERYBODY */
    uint32_t n;                          /* that have it; among them perhaps some that are about to leave */
    uint32_t n_moves, moves;             /* list: on their way */
    uint32_t turn;                       /* where in s->workers the next is looked for */
    uint32_t is_lacking, next, previous; /* in the list of those of which there are too few */
    uint32_t hnext;                      /* with the same hash */
    uint32_t unused;
} sbl_sspread;

/* One worker gets a copy from another, or from the client that keeps it. */
typedef struct sbl_smove {
    uint32_t free; /* the table's */
    uint32_t spread, from, to;
    uint32_t next, previous; /* of the spread */
    uint32_t gnext, tnext;   /* of who gives, and who takes */
} sbl_smove;

/** From now on so many workers are to have the value of a task, which is not failed. 0: no memory. */
int sbl_spread_declare(struct sbl_scheduler *s, uint32_t task, uint32_t wanted);
/** It is at an end: the value is needed no more, or the task is. A task of which nothing was declared is allowed. */
void sbl_spread_end(struct sbl_scheduler *s, uint32_t task);

/* Of a task of which something may have been declared. */
/** It is done, and its value is in its place: what is declared of one that returned another counts for that other. */
void sbl_spread_done(struct sbl_scheduler *s, uint32_t task);
/** That worker has its value, too (1), or no longer (-1). */
void sbl_spread_count(struct sbl_scheduler *s, uint32_t task, uint32_t worker, int by);
/** A worker has said that it has a copy; that it could not get it. */
void sbl_spread_came(struct sbl_scheduler *s, uint32_t task, uint32_t worker);
void sbl_spread_failed(struct sbl_scheduler *s, uint32_t task, uint32_t worker);
/** All copies are gone: it is made again. */
void sbl_spread_lost(struct sbl_scheduler *s, uint32_t task);

/** Workers came, or are about to leave: there are others to have copies, or fewer copies that stay. */
void sbl_spread_workers_changed(struct sbl_scheduler *s);
/** A peer is gone, with all that it gave and got. */
void sbl_spread_peer_lost(struct sbl_scheduler *s, uint32_t slot);
/** Before letters go out: what others are to give since. Not sooner: who came is not known by its number to all yet. */
void sbl_spread_feed(struct sbl_scheduler *s);
void sbl_spread_tick(struct sbl_scheduler *s);
void sbl_spreads_end(struct sbl_scheduler *s);
/** NULL, or what does not hold; and what does not after a tick. */
const char *sbl_spread_check(const struct sbl_scheduler *s);
const char *sbl_spread_check_ticked(const struct sbl_scheduler *s);

#endif
