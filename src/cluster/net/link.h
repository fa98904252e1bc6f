/*
 * A link: a socket, the handshake, then frames both ways. TCP or Unix; all of it in one loop's thread.
 *
 * A link calls back from its loop, never from within a call of its user's: so each may be used in any of its callbacks, and
 * ended there. It lives until `ended` returns, which is called once, whatever happened.
 */
#ifndef SBL_CLUSTER_NET_LINK_H
#define SBL_CLUSTER_NET_LINK_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

#include "cluster/net/hello.h"
#include "cluster/net/evloop.h"
#include "cluster/net/session.h"

typedef struct sbl_link sbl_link;

/** A frame that came. It lies where it was read, aligned to 16, and may be changed, until the callback returns. */
typedef struct sbl_received {
    uint16_t type;
    uint8_t  flags;
    uint64_t id, length;
    void    *payload;
    int     *fds; /* what the callback takes it sets to -1; the others are closed after it */
    int32_t  n_fds;
} sbl_received;

/* Each may be NULL. */
typedef struct sbl_link_calls {
    /** The peer proved itself and is welcome. */
    void (*passed)(void *arg, sbl_link *link);
    void (*received)(void *arg, sbl_link *link, const sbl_received *frame);
    /** What waits to be sent has come down to the low mark from above it. */
    void (*drained)(void *arg, sbl_link *link);
    /**
     * It is over. why->status: SABAL_OK       sbl_link_close(), and all was sent
     *                          SABAL_EPEER    the peer is gone, or broke the rules (the message says how)
     *                          SABAL_EACCES   the handshake: a refusal, with its reason, or a stranger
     *                          SABAL_ETIMEDOUT the handshake, or sbl_link_close(), took too long
     *                          SABAL_ENOMEM
     */
    void (*ended)(void *arg, sbl_link *link, const sabal_error *why);
} sbl_link_calls;

/** Of a link that is nobody's yet, or any more. */
extern const sbl_link_calls sbl_link_nobody;

typedef struct sbl_link_options {
    const sbl_link_calls *calls; /* outlives the link */
    void                 *arg;
    const sbl_hello_self *self; /* copied */
    sbl_key_fn           *key;
    void                 *key_arg;
    uint64_t              ticket;    /* of who connects */
    int                   initiator; /* 1: who connects; the socket may still be connecting */
    const sbl_address
        *address; /* to which it connects, for messages; there until it has passed. NULL: the system is asked */
    int  relayed; /* 1: the connection's addresses need not agree: there is a known relay (ssh -L, NAT) */
    sbl_frame_limits limits;
    int64_t          handshake_ns; /* that it may take; 0: 2 s                                        */
    size_t           low, most; /* bytes that wait to be sent: the mark, and what is never exceeded; 0: 64 KiB, 1 GiB */
} sbl_link_options;

/** Takes fd over, also if it fails. Errors: SABAL_ENOMEM, SABAL_EACCES (a Unix socket with another user's process). */
sabal_status sbl_link_open(sbl_link **link, sbl_evloop *loop, int fd, const sbl_link_options *options,
                           sabal_error *err);
/**
 * Sends what waits, within so many nanoseconds (0: what waits is dropped), then ends; nothing is received any more.
 * What the peer reads then ends with what was sent.
 */
void sbl_link_close(sbl_link *link, int64_t limit_ns);
/**
 * Gives the socket away, which has passed the handshake and carries no frames: in the callback that tells so, or in the same turn.
 * parted(arg, fd, keys) is called once, in place of `ended`, and the link is no more: fd -1 (keys NULL) if it ended before.
 */
void sbl_link_part(sbl_link *link, void (*parted)(void *arg, int fd, const sbl_session_keys *keys), void *arg);
/** Other callbacks from now on. */
void sbl_link_hand_over(sbl_link *link, const sbl_link_calls *calls, void *arg);

/** Who it is: role 0 until it has passed. */
const sbl_hello_peer *sbl_link_peer(const sbl_link *link);
/** "the worker at tcp 10.0.0.1:4711", for messages. */
const char *sbl_link_name(const sbl_link *link);
/** 1: a Unix socket, over which descriptors can be passed. */
int sbl_link_is_local(const sbl_link *link);
/** Bytes that wait to be sent. */
size_t sbl_link_waiting(const sbl_link *link);
/** A number that is another one when anything has come since. */
uint64_t sbl_link_heard(const sbl_link *link);
/** A thread that waits for what comes may sleep at this link from now on, and hear it (evseat.h). 0: there are no more descriptors. */
int sbl_link_offer_seat(sbl_link *link);
/** 1: nothing is read until 0; what was read before still comes. The peer then is held back by its own queue. */
void sbl_link_pause(sbl_link *link, int pause);

/**
 * Queues a frame: its payload is copied. It goes out at the end of this turn of the loop, together with others.
 * fds (what->n_fds of them; of a local link alone) are the link's from here on; if it fails they stay the caller's.
 *
 * Errors: SABAL_EPEER the link is over, or closing, or has not passed; SABAL_ENOSPC more than `most` would wait;
 *         SABAL_EINVAL beyond what this type may hold; SABAL_ENOMEM. Nothing was queued then.
 */
sabal_status sbl_link_send(sbl_link *link, const sbl_session_head *what, const void *payload, const int *fds,
                           sabal_error *err);
/** Sends what waits at once, as far as the system takes it. */
void sbl_link_send_now(sbl_link *link);
/**
 * The same of a large payload that is not copied: it stays as it is until release(arg) is called, once, if this succeeds,
 * possibly before it returns (an encrypted link makes its own copy).
 */
sabal_status sbl_link_send_borrowed(sbl_link *link, const sbl_session_head *what, const void *payload,
                                    void (*release)(void *arg), void *arg, sabal_error *err);

#endif
