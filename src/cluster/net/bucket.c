#include "cluster/net/bucket.h"

#include <netinet/in.h>
#include <string.h>

#include <sodium.h>

void sbl_buckets_init(sbl_buckets *buckets, const uint8_t key[16], int32_t burst, int32_t rate)
{
    memset(buckets, 0, sizeof *buckets);
    memcpy(buckets->key, key, sizeof buckets->key);
    buckets->burst = burst;
    buckets->rate  = rate;
}

uint32_t sbl_buckets_of(const sbl_buckets *buckets, const struct sockaddr *source)
{
    const struct sockaddr_in  *v4       = (const void *)source;
    const struct sockaddr_in6 *v6       = (const void *)source;
    uint8_t                    bytes[9] = {0}, hash[crypto_shorthash_BYTES];
    uint32_t                   number;

    _Static_assert(crypto_shorthash_KEYBYTES == 16, "a key of 16 bytes");
    bytes[8] = source->sa_family == AF_INET ? 4 : 6;
    if (source->sa_family == AF_INET)
        memcpy(bytes, &v4->sin_addr, 4);
    else if (source->sa_family == AF_INET6)
        memcpy(bytes, &v6->sin6_addr, 8);
    crypto_shorthash(hash, bytes, sizeof bytes, buckets->key);
    memcpy(&number, hash, sizeof number);
    return number % SBL_BUCKETS;
}

/* Each token that is missing moves the time on by its share of a second. */
int sbl_buckets_take(sbl_buckets *buckets, uint32_t bucket, int64_t now_ns)
{
    int64_t a_token = 1000000000 / buckets->rate, full_at = buckets->of[bucket].full_at;

    full_at = full_at > now_ns ? full_at : now_ns;
    if (full_at - now_ns > (buckets->burst - 1) * a_token)
        return 0;
    buckets->of[bucket].full_at = full_at + a_token;
    return 1;
}

void sbl_buckets_give(sbl_buckets *buckets, uint32_t bucket)
{
    buckets->of[bucket].full_at -= 1000000000 / buckets->rate;
}
