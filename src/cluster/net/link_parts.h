/* What the files of a link share. */
#ifndef SBL_CLUSTER_NET_LINK_PARTS_H
#define SBL_CLUSTER_NET_LINK_PARTS_H

#include "cluster/net/link.h"

enum { SBL_LINK_FDS = 253 }; /* the most that the system passes at once */

/* A run of bytes to be sent: copied ones in a piece with room, or the caller's. */
typedef struct sbl_piece {
    struct sbl_piece *next;
    const uint8_t    *bytes;
    size_t            size, sent, room; /* room: of own; 0: the bytes are the caller's */
    void (*release)(void *arg);
    void   *arg;
    int     n_fds; /* that go with its first byte */
    int    *fds;
    uint8_t own[];
} sbl_piece;

typedef enum sbl_link_state {
    SBL_LINK_CONNECTING,
    SBL_LINK_HELLO,
    SBL_LINK_OPEN,
    SBL_LINK_PARTING,   /* what waits is sent, then the socket is given away        */
    SBL_LINK_CLOSING,   /* what waits is sent, what comes is dropped            */
    SBL_LINK_LINGERING, /* all is sent, and the peer has not closed its side yet */
    SBL_LINK_OVER       /* its end is told at the end of the turn               */
} sbl_link_state;

struct sbl_link {
    sbl_evwatch           watch; /* first */
    sbl_evloop           *loop;
    sbl_link_state        state;
    const sbl_link_calls *calls;
    void                 *arg;
    sbl_evtimer           timer;         /* of the handshake, then of closing     */
    sbl_evwork            flush, finish; /* at the end of a turn                  */
    sbl_hello            *hello;         /* until it has passed                   */
    sbl_link_options      options;
    sbl_hello_self        self;
    sbl_hello_peer        peer;
    sbl_session           session;
    int                   fd, is_local, is_paused, was_full, peer_is_done;
    sabal_error           why;
    int64_t               limit_ns;                                  /* of closing, for the message */
    void (*parted)(void *arg, int fd, const sbl_session_keys *keys); /* NULL: it keeps its socket */
    char name[224];
    /* to be sent */
    sbl_piece *first, *last;
    size_t     waiting;
    uint64_t   n_reads; /* that brought anything */
    /* of a frame that has not come whole; what came so far and how much is needed to go on */
    uint8_t *part;
    size_t   part_room, part_n, part_needs;
    int     *fds; /* that came, and belong to the frame that comes */
    int      n_fds;
};

/** Its state becomes OVER, and the end is told after this turn. The first reason stays. */
void sbl_link_end(sbl_link *link, sabal_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* link_in.c: the socket can be read. */
void sbl_link_read_frames(sbl_link *link);
void sbl_link_drop_bytes(sbl_link *link);
void sbl_link_clear_input(sbl_link *link);

/* link_out.c */
/** Copies bytes that are no frame. 0: there is no memory. */
int  sbl_link_put(sbl_link *link, const void *bytes, size_t n);
void sbl_link_flush(sbl_link *link);
void sbl_link_clear_output(sbl_link *link);
/** What the loop is to tell of, as things stand. */
void sbl_link_watch(sbl_link *link);

#endif
