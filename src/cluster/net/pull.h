/* A value that is asked of another process. */
#ifndef SBL_NET_PULL_H
#define SBL_NET_PULL_H

#include "cluster/net/lease.h"
#include "cluster/net/pair.h"
#include "cluster/net/room.h"

typedef enum sbl_pull_state {
    SBL_PULL_LINE,      /* not asked for yet */
    SBL_PULL_ASKED,     /* the holder has not answered yet */
    SBL_PULL_ANNOUNCED, /* its owner has not admitted it yet */
    SBL_PULL_READY,     /* two others get data */
    SBL_PULL_FLOWING,   /* its data comes */
    SBL_PULL_COMPLETE   /* it is all here; done() is called as soon as nothing runs below */
} sbl_pull_state;

struct sbl_pull {
    sbl_id_link            link;
    sbl_list_link          queue; /* in that of its state */
    sbl_errand             errand;
    sbl_pair              *pair;
    sbl_value_name         name;
    const sbl_pull_events *events;
    void                  *arg;
    sbl_pull_state         state;
    int                    is_gone; /* cancelled while something still refers to it: an errand, a carrier */
    int32_t                busy;    /* frames of data that a carrier (UCX) is writing to its room */
    int                    is_posted;
    sabal_status           why;
    char                   broken[96]; /* why it can't be completed; empty: nothing */
    sbl_landing            landing;
    sbl_lease             *lease; /* it lies in shared memory, from at on */
    size_t                 at;
    uint64_t               came;
};

/** Fails it, now, and tells the holder, if it is at work for it. */
void sbl_pull_fail(sbl_pull *pull, const sabal_error *why, int tell);
/** size bytes were written to its room by a carrier, or (failed not NULL) can't be. Its owner hears of it later. */
void sbl_pull_wrote(sbl_pull *pull, uint64_t size, sabal_status status, const char *failed);
/** NULL: no such pull gets data. */
sbl_pull *sbl_pull_flowing(sbl_pair *pair, uint64_t id);

#endif
