/*
 * Frames over a connected, admitted stream socket (Unix or TCP): tagged, encrypted if asked for, with descriptors over Unix
 * sockets. Control goes by a queue; data is asked for when the socket can take some, is written from where it lies, and
 * read to where it shall lie.
 */
#ifndef SBL_NET_STREAM_H
#define SBL_NET_STREAM_H

#include "cluster/net/packet.h"
#include "cluster/net/seal.h"
#include "cluster/net/turns.h"

typedef struct sbl_stream sbl_stream;

/* All are called in the loop's thread. A call may close the stream; then no other follows. */
typedef struct sbl_stream_events {
    /* A frame but DATA; fd: the caller's, -1 if none came. damaged: its body is not what was sent. */
    void (*frame)(void *arg, sbl_stream *stream, const sbl_packet *packet, const uint8_t *body, int fd, int damaged);
    /* Where DATA is to lie, as the runs it was summed in, at most SBL_PACKET_RUNS; 0: nobody wants it; -1: that can't be. */
    int (*where)(void *arg, sbl_stream *stream, const sbl_packet *packet, struct iovec *runs);
    /* It lies there. */
    void (*landed)(void *arg, sbl_stream *stream, const sbl_packet *packet, int damaged);
    /* What to send next, at most SBL_PACKET_CHUNK bytes: fills id, offset and runs; their number, 0: nothing. The memory must stay until sent(). */
    int (*next)(void *arg, sbl_stream *stream, sbl_packet *packet, struct iovec *runs);
    void (*sent)(void *arg, sbl_stream *stream, const sbl_packet *packet);
    /* The connection is of no use any more; the stream is to be closed. */
    void (*ended)(void *arg, sbl_stream *stream, const sabal_error *why);
} sbl_stream_events;

typedef struct sbl_stream_options {
    int            fd;         /* taken over, on failure too */
    uint32_t       connection; /* its number in the pair, the same on both sides */
    const uint8_t *send_key, *receive_key;
    int            encrypt;
    const int32_t
        *spin; /* while it is 1 the stream waits up to 50 us for more while data flows; else others may have data */
} sbl_stream_options;

/** SABAL_ENOMEM; others of the loop. */
sabal_status sbl_stream_open(sbl_stream **stream, const sbl_turns *turns, const sbl_stream_options *options,
                             const sbl_stream_events *events, void *arg, sabal_error *err);
/** No call comes after it. Its memory stays until sbl_stream_free(), which no call of the stream may be below. NULL allowed. */
void sbl_stream_close(sbl_stream *stream);
void sbl_stream_free(sbl_stream *stream);

/** Sends a frame, or queues it; body (size bytes) is copied; fd: borrowed until it is sent, -1: none. SABAL_ENOMEM. */
sabal_status sbl_stream_send(sbl_stream *stream, const sbl_packet *packet, const void *body, int fd, sabal_error *err);
/** Writes what the socket takes, now. */
void sbl_stream_flush(sbl_stream *stream);
/** There is data: next() will be called. */
void sbl_stream_kick(sbl_stream *stream);
/** What it was told by where() for this pull is not valid any more: the rest is read to nowhere. */
void sbl_stream_divert(sbl_stream *stream, uint64_t id);
/** The other side can decrypt AES-256-GCM. */
void sbl_stream_use_aes(sbl_stream *stream);
int  sbl_stream_is_unix(const sbl_stream *stream);

#endif
