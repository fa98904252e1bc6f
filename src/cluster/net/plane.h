/*
 * How values go from one process to another. A plane is this process; a pair is what it has with one other: connections
 * that were admitted, and the carrier that both chose. Who needs a value pulls it from who holds it: asks by name, is
 * told its size, makes room now or later, and gets a value.
 *
 * All calls are made in the loop's thread, and all events come there, but for those that say otherwise. No event comes
 * from within the call that starts something. An event may make any call, also close the pair.
 */
#ifndef SBL_NET_PLANE_H
#define SBL_NET_PLANE_H

#include "base/code.h"
#include "cluster/net/choose.h"
#include "cluster/net/turns.h"
#include "cluster/segment.h"
#include "value/value.h"

typedef struct sbl_plane   sbl_plane;
typedef struct sbl_pair    sbl_pair;
typedef struct sbl_pull    sbl_pull;
typedef struct sbl_request sbl_request;

typedef struct sbl_value_name {
    uint64_t task, attempt;
} sbl_value_name;

/* --- this process ----------------------------------------------------------------------------------------------- */

typedef struct sbl_plane_options {
    sbl_turns turns;
    /* A peer asks for a value: sbl_request_answer() or sbl_request_refuse() follow, now or later. */
    void (*lookup)(void *arg, sbl_request *request);
    void       *arg;
    const char *tls;       /* carriers that may be used, by name, with commas; NULL: those that are safe (choose.h) */
    const char *interface; /* of ucx-tcp and rdma; NULL: must be given for these */
    const char *plugin;    /* path of the UCX plugin; NULL: beside the library */
    size_t      keep;      /* bytes of shared memory kept for new values when old ones go, as buffers are; 0: none */
} sbl_plane_options;

/** SABAL_EINVAL (tls names what is no carrier), SABAL_ENOMEM, SABAL_EUNSUPPORTED (tls names one carrier alone, and this
    build has it not). */
sabal_status sbl_plane_create(sbl_plane **plane, const sbl_plane_options *options, sabal_error *err);
/** Closes its pairs. Values that came through it stay whole. NULL allowed. */
void sbl_plane_destroy(sbl_plane *plane);

/** size bytes (not 0) in shared memory, to be filled: a value made there goes to processes of this node without a copy. From
    any thread. Then sbl_segment_seal(segment, room), and sbl_bytes_wrap() or sbl_ndarray_wrap() of segment->base, with
    sbl_segment_release(). */
sabal_status sbl_plane_room(sbl_segment **segment, void **room, sbl_plane *plane, size_t size, sabal_error *err);
/** From here on so much shared memory is kept, at most. */
void sbl_plane_keep(sbl_plane *plane, size_t bytes);

/* --- what it has with another ----------------------------------------------------------------------------------- */

enum { SBL_PAIR_FDS = 4 };

typedef struct sbl_pair_options {
    /* Connected and admitted, in the same order on both sides; they may not block, or may: that is set. One if they are
       Unix sockets. */
    int     fds[SBL_PAIR_FDS];
    int32_t n_fds;
    uint8_t send_key[32], receive_key[32]; /* the other side's are these swapped */
    int32_t encrypt;                       /* both sides the same. Carriers that can't are not taken */
    void (*up)(void *arg, sbl_carrier carrier);
    /* It is of no use any more: all that was open has failed. sbl_pair_close() is still to be called. Status SABAL_EPEER: the
       other side is gone, or broke the rules; SABAL_EUNSUPPORTED: both have no carrier in common; SABAL_ENOMEM. */
    void (*down)(void *arg, const sabal_error *why);
    void *arg;
} sbl_pair_options;

/** The descriptors are taken over, on failure too. Pulls may be started at once; they wait until it is up. */
sabal_status sbl_pair_open(sbl_pair **pair, sbl_plane *plane, const sbl_pair_options *options, sabal_error *err);
/** Pulls that are open fail with SABAL_ECANCELED, before it returns. Never waits. NULL allowed. */
void sbl_pair_close(sbl_pair *pair);

/* --- the side that holds ---------------------------------------------------------------------------------------- */

sbl_value_name sbl_request_name(const sbl_request *request);
/** Who asked, as the pair's arg. In the loop's thread, and only while lookup() runs. */
void *sbl_request_pair_arg(const sbl_request *request);
/** Takes over a reference to value. From any thread, which encodes it, and, if it goes as shared memory and lies in none,
    copies it there: once in the life of a value. Ends the request. */
void sbl_request_answer(sbl_request *request, sbl_value *value);
/** It is not here, or can't be had. why NULL: SABAL_ENOENT, "not here". From any thread. Ends the request. */
void sbl_request_refuse(sbl_request *request, const sabal_error *why);

/* --- the side that needs ---------------------------------------------------------------------------------------- */

typedef struct sbl_announced {
    const sabal_piece *pieces; /* data pieces: their sizes alone */
    int32_t            n_pieces;
    uint64_t           total;     /* bytes of data */
    int                is_mapped; /* it lies in shared memory: admitting it takes address space alone */
    int                is_object;
    sbl_code           type; /* of an object; it must be loaded here when the pull is admitted */
} sbl_announced;

typedef struct sbl_pull_events {
    /* sbl_pull_admit() or sbl_pull_refuse() follow, now or later. Not for values that came with the answer: those of up to
       SBL_PACKET_SMALL bytes, mostly, nor always for those of up to `admitted` bytes, for which its owner has
       made room before. `what` ends with the call. NULL: all are admitted. */
    void (*announced)(void *arg, sbl_pull *pull, const sbl_announced *what);
    /* One of these two, once; then the pull is no more. */
    void (*done)(void *arg, sbl_value *value); /* the reference is the receiver's */
    /* SABAL_ENOENT (or what the holder said), SABAL_EPEER, SABAL_ECANCELED (the pair was closed), SABAL_EIO (it came damaged, or a
       copy could not be made), SABAL_EFORMAT, SABAL_ENOMEM, SABAL_EUNSUPPORTED (the object's type is not loaded) */
    void (*failed)(void *arg, const sabal_error *why);
    uint64_t admitted; /* spares them a round trip */
} sbl_pull_events;

/** SABAL_ENOMEM, SABAL_EPEER (the pair is down). At most 64 are asked for at a time and two get data; the others wait in line. */
sabal_status sbl_pull_start(sbl_pull **pull, sbl_pair *pair, sbl_value_name name, const sbl_pull_events *events,
                            void *arg, sabal_error *err);
/** Makes room: room is n_pieces places for its pieces, of their sizes, each at a multiple of 64, with the release of all for
    the value; NULL: a buffer of base/buffer.h. A value in shared memory needs none. Not twice. */
void sbl_pull_admit(sbl_pull *pull, void *const *room, void (*release)(void *), void *release_arg);
/** No room: it fails with this, before the call returns. */
void sbl_pull_refuse(sbl_pull *pull, const sabal_error *why);
/** At any time; no event comes after it. */
void sbl_pull_cancel(sbl_pull *pull);

#endif
