/*
 * The frames of the data plane, the same over every carrier: a head of 48 bytes, then a body of a length that its type
 * bounds. Both are summed with XXH3. What is larger than a frame may be is cut.
 */
#ifndef SBL_NET_PACKET_H
#define SBL_NET_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <sabal/status.h>

enum {
    SBL_PACKET_HEAD  = 48,
    SBL_PACKET_CHUNK = 1048576, /* most bytes of data in one, and of a record that is encrypted */
    SBL_PACKET_RUNS  = 64,      /* most runs of memory that these are */
    SBL_PACKET_SMALL = 65536    /* values up to here come with the answer */
};

/* id is the number of a pull, unique among those of the side that pulls, unless another meaning is told. */
typedef enum sbl_packet_type {
    SBL_PACKET_HELLO    = 1,  /* what its sender can do: choose.h */
    SBL_PACKET_READY    = 2,  /* it is ready for data by the carrier that both chose */
    SBL_PACKET_ASK      = 3,  /* a value's name, and up to which size its data may follow the answer at once */
    SBL_PACKET_GIVE     = 4,  /* answer: what the value is: announce.h */
    SBL_PACKET_FAIL     = 5,  /* answer, or the end of what was begun: an error */
    SBL_PACKET_TAKE     = 6,  /* there is room: let its data come */
    SBL_PACKET_DATA     = 7,  /* bytes offset .. of the value's data */
    SBL_PACKET_DROP     = 8,  /* the value is needed no more */
    SBL_PACKET_CREDIT   = 9,  /* id bytes in offset small answers were used up, and may come again */
    SBL_PACKET_RELEASED = 10, /* the segment of number id, which came with a GIVE, is not read for it any more */
    SBL_PACKET_FORGET   = 11  /* the segment of number id will not be given again */
} sbl_packet_type;

enum {
    SBL_PACKET_HAS_FD  = 1, /* a descriptor came with it */
    SBL_PACKET_SEALED  = 2, /* its body is encrypted */
    SBL_PACKET_AES     = 4, /* with AES-256-GCM, not with ChaCha20-Poly1305 */
    SBL_PACKET_NOT_SUM = 8  /* of data within a node: not summed */
};

typedef struct sbl_packet {
    uint8_t  type, flags;
    uint32_t size; /* of the body */
    uint64_t id, offset;
    uint64_t sum; /* of the body, before it is encrypted */
} sbl_packet;

void sbl_packet_encode(uint8_t head[SBL_PACKET_HEAD], const sbl_packet *packet);
/** Nothing is believed. SABAL_EFORMAT: not a head, of another version, damaged, an unknown type, a body too long for it. */
sabal_status sbl_packet_decode(sbl_packet *packet, const uint8_t head[SBL_PACKET_HEAD], sabal_error *err);
/** The sum of bytes that lie in n runs: both sides know where one ends. */
uint64_t sbl_packet_sum(const struct iovec *runs, int32_t n);

/** The same, of what is sent. */
uint64_t sbl_packet_sum_sent(const struct iovec *runs, int32_t n);
/** For tests: the nth body that is sent from now on (1: the next) has a wrong sum; 0: none. */
void sbl_packet_plant(int64_t nth);

/* What is read from the front of a body; fails, once and for all, at its end. */
typedef struct sbl_cursor {
    const uint8_t *at;
    size_t         left;
    int            failed;
} sbl_cursor;
const void *sbl_cursor_bytes(sbl_cursor *c, size_t n); /* NULL: fewer are left */
uint64_t    sbl_cursor_u64(sbl_cursor *c);

#endif
