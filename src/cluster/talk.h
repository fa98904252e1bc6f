/*
 * What processes of a cluster say to each other in frames of their links. Letters (core/letters.h) are one kind of frame; the
 * others are of the processes themselves: who they are, where they can be reached, code.
 *
 * Tickets. Between two members, of which the scheduler has told one of the other, the key of a link is derived from the
 * cluster's secret and both numbers: the ticket. So no key ever travels.
 */
#ifndef SBL_CLUSTER_TALK_H
#define SBL_CLUSTER_TALK_H

#include "cluster/core/words.h"
#include "cluster/net/link.h"
#include "cluster/net/machine.h"

enum {
    SBL_TALK_JOIN    = 1, /* to the scheduler, first of all: see sbl_joining                              */
    SBL_TALK_JOINED  = 2, /* its answer: number u32, beat u64 (ns between two), encrypt u32               */
    SBL_TALK_LETTERS = 3,
    SBL_TALK_MEET    = 4,  /* from the scheduler: a worker that can be reached: number u32, then as sbl_joining */
    SBL_TALK_NEED    = 5,  /* build-id: code that is lacking                                               */
    SBL_TALK_OBJECT  = 6,  /* build-id, failure, path text, bytes                                          */
    SBL_TALK_ASK     = 7,  /* what it is about u32, more                                                   */
    SBL_TALK_TELL    = 8,  /* an answer: the same u32, more                                                */
    SBL_TALK_LEAVE   = 9,  /* a member leaves: nothing is its fault                                        */
    SBL_TALK_STOP    = 10, /* the cluster is to end; or, from the scheduler, has ended                    */
    SBL_TALK_GONE    = 11, /* from the scheduler: that worker is no more, whatever it may seem: number u32 */
    SBL_TALK_BLAME   = 12, /* in place of joining: how a worker ended: see sbl_blame                      */
    SBL_TALK_RETIRE  = 13, /* from the scheduler: that worker is to leave, as planned                      */
    SBL_TALK_KINDS
};

/*
 * What is asked, by members and by who is none; and what is told unasked:
 *   STATUS  answered with a cluster (status_words.h)
 *   WORKERS of members alone: the number of workers u32 is told, now and whenever it has changed
 *   ALIVE   answered with nothing more
 *   UNHEARD to a client: what it has each worker run has failed in one that came: its name and number, the task's, a failure
 *   LONELY  to a client whose tasks wait: there has been no worker for so many nanoseconds, u64
 */
enum {
    SBL_ASK_STATUS   = 1,
    SBL_ASK_WORKERS  = 2,
    SBL_ASK_ALIVE    = 3,
    SBL_TELL_LONELY  = 4,
    SBL_ASK_RETIRE   = 5,
    SBL_ASK_WHO_HAS  = 6,
    SBL_TELL_UNHEARD = 7
};

#define SBL_APART_NS     20000               /* who has spoken less than that ago lets what else he has to say gather */
#define SBL_MOST_LETTERS ((size_t)256 << 20) /* bytes of a frame of letters */
#define SBL_MOST_OBJECT  ((size_t)1 << 30)
#define SBL_WELL_WAITING ((size_t)64 << 20)

extern const sbl_frame_limits sbl_talk_limits;

enum { SBL_RESOURCES_TEXT = 1024 };
/** Who joins. On the wire in this order. */
typedef struct sbl_joining {
    int32_t     threads;    /* of a worker; 0: a client */
    uint32_t    supervised; /* it has a supervisor, who tells how it ended */
    uint64_t    memory;     /* its limit, bytes; 0: none */
    sbl_machine machine;
    uint32_t    pid;
    char        name[64];
    char        resources[SBL_RESOURCES_TEXT]; /* of a worker: what tasks may take (base/lists.h) */
    sbl_address addresses[SBL_MOST_ADDRESSES];
    int32_t     n_addresses;
} sbl_joining;
void sbl_say_joining(sbl_words *w, const sbl_joining *who);
/** Nothing is believed: texts are cut, numbers bounded. */
void sbl_hear_joining(sbl_joining *who, sbl_reader *r);

/** Of a link that member `from` opens to worker `to`. */
static inline uint64_t sbl_ticket(uint32_t from, uint32_t to)
{
    return (uint64_t)from << 32 | to;
}
/** A sbl_key_fn: arg is the cluster's sbl_secret; ticket 0 is for the scheduler. The keys of others are derived, and kept until the
    next call. */
typedef struct sbl_keys {
    const sbl_secret *secret;
    sbl_secret       *derived;
    uint32_t self; /* whose tickets they are: those between others are none; 0: it is not known yet, and all are */
} sbl_keys;
const uint8_t *sbl_keys_find(void *keys, uint64_t ticket);
void           sbl_keys_clear(sbl_keys *keys);

/** Sends words as a frame. Errors: those of sbl_link_send(), SABAL_ENOMEM (the words had failed). */
sabal_status sbl_talk(sbl_link *link, uint16_t kind, const sbl_words *words, sabal_error *err);
/** Sends letters, as frames that are no longer than they may be. */
sabal_status sbl_talk_letters(sbl_link *link, const sbl_words *words, sabal_error *err);
/** The same from byte *at of words on, and no more than that SBL_WELL_WAITING bytes wait to be sent: the rest when the link has
    drained. */
sabal_status sbl_talk_some_letters(sbl_link *link, const sbl_words *words, size_t *at, sabal_error *err);

#endif
