/*
 * What a process has to say to its scheduler, as a client or as a worker: letters that gather in an outbox, under a lock, and go out
 * as far as the scheduler keeps up with them.
 */
#ifndef SBL_CLUSTER_SPEAKER_H
#define SBL_CLUSTER_SPEAKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster/core/letters.h"
#include "cluster/membership.h"

/* Whether it leaves: what goes out last is what there was to say when that began to go; what comes later nobody hears. */
typedef enum sbl_speaker_stage { SBL_STAYS, SBL_IS_TO_LEAVE, SBL_SPEAKS_LAST, SBL_HAS_SPOKEN } sbl_speaker_stage;

typedef struct sbl_speaker {
    sbl_evloop      *loop;
    sbl_membership  *membership;
    pthread_mutex_t *lock;
    /** What there is to say, with the lock held; NULL: nothing yet. */
    sbl_outbox *(*outbox)(void *arg);
    void *arg;
    /* its own */
    sbl_evwork        work;
    _Atomic int       is_asked; /* to speak, and will */
    _Atomic int64_t   spoke_ns; /* the last time */
    sbl_words         going;    /* letters on their way out, of which `gone` bytes are sent */
    size_t            gone;
    sbl_speaker_stage stage;
    int64_t           until; /* then it leaves in any case */
    sbl_evtimer       patience;
    sbl_evwork        part;
} sbl_speaker;

/** Zeroed before, its first five filled in by now or when somebody speaks. */
void sbl_speaker_init(sbl_speaker *s);
void sbl_speaker_clear(sbl_speaker *s);
/** From any thread, without the lock, and without locks that the loop's thread takes: what there is to say goes out soon. */
void sbl_speak(sbl_speaker *s);
/** The same, by the loop's thread in any case: for who has locks. */
void sbl_speak_later(sbl_speaker *s);
/** The link has drained: the rest. In the loop's thread. */
void sbl_speak_on(sbl_speaker *s);
/** Leaves the cluster behind all that there is to say by now, within so many nanoseconds: what is not said then is not. Once; in the
    loop's thread. As sbl_membership_leave(), `over` comes. */
void sbl_speak_and_leave(sbl_speaker *s, int64_t limit_ns);

#endif
