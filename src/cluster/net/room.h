/* Where a value's pieces land, and how they become a value. */
#ifndef SBL_NET_ROOM_H
#define SBL_NET_ROOM_H

#include "cluster/net/announce.h"

typedef struct sbl_landing {
    sabal_piece *pieces; /* the encoded value's header, then the data pieces: ours, with the header's bytes */
    uint64_t    *starts; /* offset of each data piece in all of the data */
    int32_t      n;      /* data pieces */
    uint64_t     total;
    sbl_code     type;
    void (*release)(void *); /* of where they lie; NULL: they lie nowhere yet */
    void *arg;
} sbl_landing;

/** SABAL_ENOMEM. */
sabal_status sbl_landing_begin(sbl_landing *landing, const sbl_announce *announce, sabal_error *err);
/** One buffer for all pieces. */
sabal_status sbl_landing_room(sbl_landing *landing, sabal_error *err);
/** They lie one behind the other from base on, at multiples of 64. */
void sbl_landing_at(sbl_landing *landing, const char *base, void (*release)(void *), void *arg);
/** The runs of bytes offset .. offset + size; -1: there are none such, or more than most. */
int sbl_landing_runs(const sbl_landing *landing, uint64_t offset, uint64_t size, struct iovec *runs, int32_t most);
/** The value; it takes what the pieces lie in, on failure too. */
sabal_status sbl_landing_value(sbl_landing *landing, sbl_value **value, sabal_error *err);
/** What was not handed on is released. */
void sbl_landing_clear(sbl_landing *landing);

#endif
