/* The body of a GIVE: what a value is, and, if it is small, the value. */
#ifndef SBL_NET_ANNOUNCE_H
#define SBL_NET_ANNOUNCE_H

#include "base/code.h"
#include "cluster/net/packet.h"
#include "value/value.h"

typedef struct sbl_announce {
    uint64_t       total;     /* bytes of data */
    int32_t        n_pieces;  /* data pieces */
    int            has_data;  /* they follow in the body */
    int            is_shared; /* they lie in a segment, each at the next multiple of 64 */
    int            flows;     /* they follow without having been taken */
    uint64_t       segment, segment_size, offset;
    sbl_code       type;  /* of an object: object.size is not 0 */
    sabal_piece    head;  /* the encoded value's header */
    const uint8_t *sizes; /* n_pieces u64, at any address. Only when it was read */
    const uint8_t *data;
} sbl_announce;

/** What it takes. */
size_t sbl_announce_size(const sbl_announce *announce);
/** Writes so many bytes. pieces: the data pieces. */
void sbl_announce_put(uint8_t *to, const sbl_announce *announce, const sabal_piece *pieces);
/** Nothing is believed; 0: it is not right. What it points to lies in body. */
int sbl_announce_get(sbl_announce *announce, const uint8_t *body, size_t size);
/** Size of data piece i. */
uint64_t sbl_announce_piece(const sbl_announce *announce, int32_t i);

#endif
