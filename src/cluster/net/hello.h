/*
 * The handshake: two that know one key prove it to each other before anything else is read. Bytes in, bytes out: no socket,
 * clock or randomness of its own.
 *
 * Four messages of fixed size: who began says which key (0, the cluster's; or a ticket's number) and a nonce; the other its
 * nonce; who began proves itself, and says who it is; the other likewise, with what it thinks of that. A proof is a keyed
 * hash of a label (of who began or of who answers), all bytes before it and its own: what was seen before, or comes back from
 * a mirror, is not one. Who has not proved itself learns a nonce and nothing else. The form of the four never changes, so
 * that different versions can tell each other that they are.
 */
#ifndef SBL_CLUSTER_NET_HELLO_H
#define SBL_CLUSTER_NET_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

#include "cluster/net/address.h"
#include "cluster/net/scheduler_file.h"
#include "cluster/net/secret.h"

enum {
    SBL_PROTOCOL      = 1, /* of what is said after the handshake; one more with each change */
    SBL_NONCE_BYTES   = 32,
    SBL_HELLO_TEXT    = 160,
    SBL_UCX_TEXT      = 24,
    SBL_HELLO_BYTES   = 608,  /* of all four                                                  */
    SBL_WITNESS_BYTES = 1184, /* with the credentials that may follow                         */
};

typedef enum sbl_role { SBL_ROLE_CLIENT = 1, SBL_ROLE_WORKER = 2, SBL_ROLE_SCHEDULER = 3 } sbl_role;
const char *sbl_role_name(int role);

/** Why an authenticated peer is refused. */
typedef enum sbl_verdict {
    SBL_WELCOME,
    SBL_OTHER_PROTOCOL,
    SBL_OTHER_CLUSTER,
    SBL_OTHER_VERSION,
    SBL_OTHER_UCX,
    SBL_OTHER_ROLE,
    SBL_OTHER_ADDRESS, /* the two ends don't agree on the connection's addresses */
    SBL_OTHER_USER,    /* by the second factor                                   */
} sbl_verdict;

/* The second factor: text that only this node's user can make, bound to bytes. NULL functions: there is none. */
typedef struct sbl_witness {
    /** A credential over these bytes, with an end. 0: it can't be made now. */
    int (*make)(char *text, size_t size, const uint8_t *bytes, size_t n);
    /** 1: it is good, and of this user. */
    int (*check)(const char *text, const uint8_t *bytes, size_t n);
} sbl_witness;

/* What one side says of itself, and expects. */
typedef struct sbl_hello_self {
    sbl_role           role;
    int                expects;                   /* 1 << role of each that is welcome                            */
    int                encrypt;                   /* 1: all frames; if either side wants it                       */
    uint8_t            cluster[SBL_CLUSTER_ID];   /*                                                              */
    char               ucx[SBL_UCX_TEXT];         /* its version; "": this process has none, and meets any        */
    uint16_t           protocol;                  /* 0: SBL_PROTOCOL (others are for tests)                       */
    char               version[SBL_VERSION_TEXT]; /* "": sabal_version() (others are for tests)                 */
    const sbl_witness *witness;                   /* NULL: none                                                   */
} sbl_hello_self;

/** The key that belongs to a ticket (0: the cluster's secret); NULL: no such ticket. Valid until the next call. */
typedef const uint8_t *sbl_key_fn(void *arg, uint64_t ticket);

typedef enum sbl_hello_state {
    SBL_HELLO_GOING,
    SBL_HELLO_PASSED,
    SBL_HELLO_REFUSED, /* the other proved itself, and one of the two doesn't want the other: send what is left, then close */
    SBL_HELLO_STRANGER /* it proved nothing: close without a word                                                           */
} sbl_hello_state;

/* What is known of the other side once it proved itself. */
typedef struct sbl_hello_peer {
    sbl_role role;
    uint64_t ticket;
    uint16_t protocol;
    char     version[SBL_VERSION_TEXT], ucx[SBL_UCX_TEXT];
    uint8_t  cluster[SBL_CLUSTER_ID];
    int      witnessed; /* 1: the second factor was there on both sides, and holds */
} sbl_hello_peer;

typedef struct sbl_session_keys {
    uint8_t send[SBL_KEY_BYTES], receive[SBL_KEY_BYTES];
    int     encrypt; /* as agreed                                              */
    int     aes;     /* 1: both processors have AES; else ChaCha20 is the cipher */
} sbl_session_keys;

typedef struct sbl_hello {
    sbl_hello_self  self;
    sbl_hello_peer  peer;
    sbl_hello_state state;
    sbl_verdict     verdict;
    sabal_error     why; /* of REFUSED and STRANGER */
    sbl_key_fn     *key;
    void           *arg;
    uint64_t        ticket;
    uint8_t         nonce[SBL_NONCE_BYTES];
    uint8_t         local[20], remote[20]; /* ends of the connection; zeros: not given */
    uint8_t         initiator, witnesses;
    uint16_t        turn;      /* 0 .. 3, and 4, 5 of credentials: the message that comes next */
    uint16_t        at;        /* in talk: what was said and heard                                     */
    uint16_t        sent, end; /* what is still to be sent                                             */
    uint8_t         talk[SBL_WITNESS_BYTES];
} sbl_hello;

/**
 * Begins, as the one who connected (with a ticket's number, or 0) or the one who accepted (ticket is not used). nonce: fresh
 * random bytes, never used before. Both addresses, or NULL: if both sides give them they have to agree.
 */
void sbl_hello_start(sbl_hello *hello, const sbl_hello_self *self, int initiator, uint64_t ticket, sbl_key_fn *key,
                     void *arg, const uint8_t nonce[SBL_NONCE_BYTES], const sbl_address *local,
                     const sbl_address *remote);
/** How many bytes are to be read now, at most; 0: none. */
size_t sbl_hello_wants(const sbl_hello *hello);
/** They came: 1 to sbl_hello_wants() of them. */
void sbl_hello_take(sbl_hello *hello, const void *bytes, size_t n);
/** What is to be sent now (n 0: nothing); then how much of it was. */
const void *sbl_hello_output(const sbl_hello *hello, size_t *n);
void        sbl_hello_sent(sbl_hello *hello, size_t n);
/** Of one that has passed; the caller wipes them. 0: the key is not known any more, and there are none. */
int sbl_hello_keys(sbl_session_keys *keys, const sbl_hello *hello);
/** Wipes it. */
void sbl_hello_end(sbl_hello *hello);

#endif
