/* A value that another process asked for. */
#ifndef SBL_NET_GIVE_H
#define SBL_NET_GIVE_H

#include "cluster/net/pair.h"

struct sbl_request {
    sbl_id_link    link; /* the other side's number */
    sbl_errand     errand;
    sbl_list_link  queue; /* of those whose data flows */
    sbl_plane     *plane;
    sbl_pair      *pair; /* NULL: nobody needs it any more */
    sbl_value_name name;
    sbl_carrier    carrier;
    sbl_value     *value;
    sbl_encoded    encoded;
    sbl_code       type;
    sabal_error    error;
    uint64_t       total;
    uint64_t       admitted; /* up to this size the data need not be taken */
    sbl_segment   *segment;  /* that it lies in, from segment_at on */
    size_t         segment_at;
    int            is_answered, is_offered, is_flowing, is_dropped, is_waiting;
    int32_t        busy; /* frames with its data that are being sent */
    /* what comes next of the data: of piece `piece` the bytes from `at` on, which are those from offset on in all */
    int32_t  piece;
    size_t   at;
    uint64_t offset;
};

/** The next part of the data, as runs; their number. */
int sbl_give_cut(sbl_request *give, sbl_packet *packet, struct iovec *runs, size_t most, int32_t most_runs);
/** Ends it, once no frame with its data is being sent. */
void sbl_give_let_go(sbl_request *give);
/** Says that it can't be had, and ends it. */
void sbl_give_failed(sbl_request *give, const sabal_error *err);

#endif
