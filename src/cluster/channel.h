/*
 * Frames over a Unix socket between two processes that trust each other: a type, a length, bytes, and descriptors that
 * come with them. Lengths are bounded; a frame that breaks the rules ends the channel.
 */
#ifndef SBL_CLUSTER_CHANNEL_H
#define SBL_CLUSTER_CHANNEL_H

#include <pthread.h>

#include <sabal/status.h>

enum { SBL_FRAME_FDS = 64 }; /* descriptors a frame can carry */

typedef struct sbl_channel {
    int             fd;
    pthread_mutex_t send_lock;
} sbl_channel;

/* A frame to be sent grows here; one that was received is read from the front. Zero it first. */
typedef struct sbl_frame {
    uint32_t type;
    char    *bytes; /* ours */
    size_t   size, room, at;
    int      fds[SBL_FRAME_FDS];
    int32_t  n_fds, fds_at; /* sent: borrowed; received: ours until they are taken */
    int      failed;        /* no memory while it grew; or what was read did not fit */
} sbl_frame;

void sbl_channel_init(sbl_channel *channel); /* closed */
void sbl_channel_destroy(sbl_channel *channel);
/** Takes fd over. */
void sbl_channel_open(sbl_channel *channel, int fd);
/** From here on sending fails. Nobody may be receiving. */
void sbl_channel_close(sbl_channel *channel);
/** Sends it whole, from any thread. SABAL_ENOMEM (the frame could not grow), SABAL_EPEER (the other side is gone). */
sabal_status sbl_channel_send(sbl_channel *channel, const sbl_frame *frame, sabal_error *err);
/** Waits for the next. One thread at a time. SABAL_EPEER (the other side is gone, or broke the rules), SABAL_ENOMEM. */
sabal_status sbl_channel_receive(sbl_channel *channel, sbl_frame *frame, sabal_error *err);
/** Frees the bytes, and closes what was received and not taken. */
void sbl_frame_clear(sbl_frame *frame);

void sbl_put(sbl_frame *frame, const void *bytes, size_t size);
void sbl_put_u64(sbl_frame *frame, uint64_t value);
/** A text with its end. NULL: "". */
void sbl_put_text(sbl_frame *frame, const char *text);
/** fd stays the caller's, and open until the frame is sent. 0: there are too many. */
int sbl_put_fd(sbl_frame *frame, int fd);

/** What comes next, size bytes, where they lie in the frame; NULL (and frame->failed) if there are fewer. */
const void *sbl_get(sbl_frame *frame, size_t size);
uint64_t    sbl_get_u64(sbl_frame *frame);
const char *sbl_get_text(sbl_frame *frame);
/** The next descriptor, the caller's from here on; -1 (and frame->failed) if there is none. */
int sbl_get_fd(sbl_frame *frame);

#endif
