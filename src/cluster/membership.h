/*
 * A process's connection to its scheduler, found by the scheduler file: as a client or a worker. All in the loop's thread.
 */
#ifndef SBL_CLUSTER_MEMBERSHIP_H
#define SBL_CLUSTER_MEMBERSHIP_H

#include "base/code.h"
#include "cluster/net/connect.h"
#include "cluster/talk.h"

typedef struct sbl_membership_calls {
    /** It has a number; from now on letters may be sent. */
    void (*joined)(void *arg, uint32_t number, int64_t beat_ns);
    /** It could not join, or the scheduler is gone: nothing more comes. Once. */
    void (*over)(void *arg, const sabal_error *why);
    void (*letters)(void *arg, const void *bytes, size_t size);
    /** What waited to be sent has gone. NULL: nobody waits for that. */
    void (*drained)(void *arg);
    /** 0: no memory. Then it is over, as it is not told again. */
    int (*meet)(void *arg, uint32_t worker, const sbl_joining *who);
    void (*gone)(void *arg, uint32_t worker);
    /** A frame of SBL_TALK_OBJECT, as it is. NULL: none is asked for. */
    void (*object)(void *arg, const void *frame, size_t size);
    /** It is asked to leave, as planned. NULL: nobody asks. */
    void (*retire)(void *arg);
    void (*tell)(void *arg, sbl_reader *answer);
    /** The scheduler asks for code of this process. NULL: it has none to give. */
    void (*need)(void *arg, const sbl_build_id *id);
} sbl_membership_calls;

typedef struct sbl_membership {
    sbl_evloop                 *loop;
    const sbl_membership_calls *calls;
    void                       *arg;
    sbl_scheduler_file          file;
    sbl_joining                 who;
    sbl_keys                    keys;
    sbl_hello_self self, peer_self; /* towards the scheduler; towards other members, which are encrypted to if
                                       the scheduler wants that of all */
    sbl_connector *connector;
    sbl_link      *link; /* NULL: none, or it is over */
    uint32_t       number;
    int            is_stopped; /* the scheduler has said that the cluster ends */
    sbl_evtimer    alive;      /* whether the scheduler is */
    uint64_t       heard;      /* as of sbl_link_heard(), when that was looked at */
    int32_t        unanswered; /* looks since anything came */
    sabal_error    why;
} sbl_membership;

/** Reads the file, waiting for it until the deadline. Errors: those of sbl_scheduler_file_read(). */
sabal_status sbl_membership_open(sbl_membership *m, sbl_evloop *loop, const char *path, sbl_role role,
                                 int64_t deadline_ns, const sbl_membership_calls *calls, void *arg, sabal_error *err);
/** Begins to connect, and joins as who (copied): `joined` or `over` follows. Errors: those of sbl_connect(). */
sabal_status sbl_membership_join(sbl_membership *m, const sbl_joining *who, int64_t deadline_ns, sabal_error *err);
/** Leaves: what waits is sent, within so many nanoseconds. The loop has to turn until then; `over` comes. */
void sbl_membership_leave(sbl_membership *m, int64_t limit_ns);
/** Ends it at once, for that reason: which `over` tells, unless there was another before. */
void sbl_membership_break(sbl_membership *m, const sabal_error *why);
/** After `over`. */
void sbl_membership_clear(sbl_membership *m);

#endif
