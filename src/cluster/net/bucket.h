/* How many of a source may come: so many at once, then so many a second. A table of fixed size, whatever comes. */
#ifndef SBL_CLUSTER_NET_BUCKET_H
#define SBL_CLUSTER_NET_BUCKET_H

#include <stdint.h>

#include "cluster/net/address.h"

enum { SBL_BUCKETS = 1024 };

typedef struct sbl_buckets {
    uint8_t key[16]; /* random, so that nobody can choose with whom to share one */
    int32_t burst, rate;
    struct {
        int64_t full_at; /* when it will have all its tokens again, if nobody comes */
    } of[SBL_BUCKETS];
} sbl_buckets;

/** key: random bytes. */
void sbl_buckets_init(sbl_buckets *buckets, const uint8_t key[16], int32_t burst, int32_t rate);
/** The bucket of an IPv4 address, or of an IPv6 network of 64 bits. */
uint32_t sbl_buckets_of(const sbl_buckets *buckets, const struct sockaddr *source);
/** Takes a token. 0: there is none. */
int sbl_buckets_take(sbl_buckets *buckets, uint32_t bucket, int64_t now_ns);
/** Gives one back: it has proved itself. */
void sbl_buckets_give(sbl_buckets *buckets, uint32_t bucket);

#endif
