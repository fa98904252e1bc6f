/*
 * Frames between two that passed the handshake: each has a head of 32 bytes and a tag of 16, and nothing of it is believed
 * before the tag is seen to be right, except its length, which is bounded by its type. Pure: bytes in, bytes out.
 *
 * On the way a frame is head, payload, zeros up to a multiple of 16, tag: so the next begins where this one is aligned.
 * Without encryption the tag covers a payload that goes as it is; both ways by AES-256-GCM where both processors have it
 * (in half the time, of a small frame), else by ChaCha20-Poly1305.
 */
#ifndef SBL_CLUSTER_NET_SESSION_H
#define SBL_CLUSTER_NET_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <sabal/status.h>

#include "cluster/net/hello.h"

enum { SBL_FRAME_HEAD = 32, SBL_FRAME_TAG = 16 };

/** Of each type: the most bytes of payload, and the most descriptors. */
typedef struct sbl_frame_limit {
    uint64_t most_bytes;
    uint16_t most_fds;
} sbl_frame_limit;
typedef struct sbl_frame_limits {
    const sbl_frame_limit *types; /* by number; the table outlives the session */
    uint16_t               n_types;
} sbl_frame_limits;

typedef struct sbl_session {
    sbl_frame_limits limits;
    uint64_t         sent, received; /* frames */
    int              encrypt, aes;
    uint8_t          keys[2][SBL_KEY_BYTES]; /* to send, to receive */
    _Alignas(16) uint8_t ready[2][512];      /* the same, spread out for AES */
} sbl_session;

/** What a head says. */
typedef struct sbl_session_head {
    uint16_t type, n_fds;
    uint8_t  flags;      /* the caller's */
    uint64_t length, id; /* id: the caller's */
} sbl_session_head;

/** Begins. Both sides count frames from 0. */
void sbl_session_start(sbl_session *session, const sbl_session_keys *keys, sbl_frame_limits limits);
/** Wipes it. */
void sbl_session_end(sbl_session *session);

/** Bytes on the way, of a payload of so many. */
size_t sbl_frame_size(uint64_t length);

/**
 * Makes the head and the tag of the next frame to be sent. sealed gets the payload as it goes (length bytes; may be the
 * payload itself) if the session encrypts; else it is not used, and the payload is only read. Neither is bounded here.
 */
void sbl_session_seal(sbl_session *session, uint8_t head[SBL_FRAME_HEAD], uint8_t tag[SBL_FRAME_TAG], void *sealed,
                      const sbl_session_head *what, const void *payload);

/**
 * What the next frame's head says; nothing of it is proved yet. SABAL_EPEER, and the link has to end: no frame of ours,
 * another version, out of sequence, of no type, too large for its type.
 */
sabal_status sbl_session_look(sbl_session_head *what, const sbl_session *session, const uint8_t head[SBL_FRAME_HEAD],
                              sabal_error *err);
/**
 * Proves a frame that is whole: head, payload, zeros, tag in one piece, sbl_frame_size() bytes. Then its payload lies,
 * decrypted in place, behind the head, and the session expects the next. SABAL_EPEER: the tag is wrong.
 */
sabal_status sbl_session_open(sbl_session *session, uint8_t *frame, const sbl_session_head *what, sabal_error *err);

#endif
