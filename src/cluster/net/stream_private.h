/* A stream's two halves: stream_send.c, stream_receive.c; stream.c has what is common. */
#ifndef SBL_NET_STREAM_PRIVATE_H
#define SBL_NET_STREAM_PRIVATE_H

#include "cluster/net/stream.h"

enum {
    SBL_STREAM_HEAD   = SBL_PACKET_HEAD + 2 * SBL_SEAL_TAG, /* head, tag of the encrypted body, tag of all before */
    SBL_STREAM_STAGE  = 131072,
    SBL_STREAM_FDS    = 8,
    SBL_STREAM_TURN   = 2, /* chunks at most in one call of the loop's, that others may have their turn */
    SBL_STREAM_SPIN   = 50000,
    SBL_STREAM_FRAMES = 256, /* frames begun, or continued, at most in such a call */
    SBL_STREAM_CALLS  = 64
};

/* A control frame that waits. */
struct sbl_out {
    struct sbl_out *next;
    sbl_packet      packet;
    int             fd;
    uint8_t         body[];
};

struct sbl_stream {
    const sbl_turns         *turns;
    const sbl_stream_events *events;
    void                    *arg;
    int                      fd; /* -1: closed */
    uint32_t                 watched;
    int                      is_unix, encrypt, aes;
    const int32_t           *spin;

    struct { /* what is going out */
        sbl_seal        seal;
        struct sbl_out *first, **last;
        int             data;   /* next() may have some */
        int             active; /* runs[at ..] are to be written */
        sbl_packet      packet;
        struct sbl_out *frame; /* that is being written; NULL: data */
        struct iovec    runs[1 + SBL_PACKET_RUNS];
        int32_t         at, n;
        int             fd;
        uint8_t         head[SBL_STREAM_HEAD];
        uint8_t        *room; /* for encrypted bytes; while a value flows as large as its frames */
        size_t          room_size;
    } out;

    struct { /* what is coming in */
        sbl_seal     seal;
        uint8_t     *stage; /* SBL_STREAM_STAGE bytes, of which start .. end were not yet looked at */
        size_t       start, end;
        int          in_body, flows; /* flows: the last frame was data */
        sbl_packet   packet;
        uint8_t      mac[SBL_SEAL_TAG];
        struct iovec runs[SBL_PACKET_RUNS]; /* as where() told */
        int32_t      n_runs;                /* 0: nowhere */
        struct iovec sink[SBL_PACKET_RUNS]; /* what is left to be read, from sink_at on */
        int32_t      sink_at, n_sink;
        size_t       nowhere;             /* bytes left to be read to nowhere */
        uint8_t     *body;                /* of a frame too large for the stage, or of encrypted data of many runs */
        int          fds[SBL_STREAM_FDS]; /* that came; -1: lost, as too many files are open */
        int32_t      n_fds;
    } in;
};

/** The loop's calls. They return when the stream was closed meanwhile. */
void sbl_stream_write(sbl_stream *s);
void sbl_stream_read(sbl_stream *s);
/** Tells that it ended, once. */
void sbl_stream_fail(sbl_stream *s, const sabal_error *why);
void sbl_stream_watch(sbl_stream *s, uint32_t events);
void sbl_stream_clear_out(sbl_stream *s);
void sbl_stream_clear_in(sbl_stream *s);

#endif
