/*
 * The head, in the byte order of the machine (the magic number tells another one):
 *   0 magic (u32)   4 version (u8)   5 type (u8)   6 flags (u8)   7 zero
 *   8 size (u32)   12 zero (u32)   16 id   24 offset   32 sum of the body   40 sum of the 40 bytes before
 */
#include "cluster/net/packet.h"

#include <stdatomic.h>
#include <string.h>

#include <xxhash.h>
#ifdef SBL_XXH_DISPATCH
#include <xxh_x86dispatch.h> /* picks the widest vectors: ten times faster than SSE2 on large blocks */
#endif

#include "base/error.h"

#define MAGIC 0x5342444cu /* "SBDL" */

enum { VERSION = 1 };

static _Atomic int64_t planted;

static uint32_t most(uint8_t type)
{
    switch (type) {
    case SBL_PACKET_GIVE: /* 65536 pieces: their sizes, the header that has them too, a small value */
        return 2u << 20;
    case SBL_PACKET_DATA:
        return UINT32_MAX; /* the carrier knows: a stream's are SBL_PACKET_CHUNK at most */
    case SBL_PACKET_HELLO:
    case SBL_PACKET_FAIL:
        return 4096;
    case SBL_PACKET_ASK:
        return 24;
    default:
        return 0;
    }
}

void sbl_packet_encode(uint8_t head[SBL_PACKET_HEAD], const sbl_packet *packet)
{
    const uint32_t magic = MAGIC;
    uint64_t       sum;

    memset(head, 0, SBL_PACKET_HEAD);
    memcpy(head, &magic, 4);
    head[4] = VERSION;
    head[5] = packet->type;
    head[6] = packet->flags;
    memcpy(head + 8, &packet->size, 4);
    memcpy(head + 16, &packet->id, 8);
    memcpy(head + 24, &packet->offset, 8);
    memcpy(head + 32, &packet->sum, 8);
    sum = XXH3_64bits(head, 40);
    memcpy(head + 40, &sum, 8);
}

sabal_status sbl_packet_decode(sbl_packet *packet, const uint8_t head[SBL_PACKET_HEAD], sabal_error *err)
{
    sbl_packet p = {.type = head[5], .flags = head[6]};
    uint64_t   sum;
    uint32_t   magic;

    memcpy(&magic, head, 4);
    memcpy(&p.size, head + 8, 4);
    memcpy(&p.id, head + 16, 8);
    memcpy(&p.offset, head + 24, 8);
    memcpy(&p.sum, head + 32, 8);
    memcpy(&sum, head + 40, 8);
    if (magic != MAGIC)
        return sbl_error_set(err, SABAL_EFORMAT, "no frame of ours: it begins with 0x%08x, not 0x%08x", magic, MAGIC);
    if (head[4] != VERSION)
        return sbl_error_set(err, SABAL_EFORMAT, "a frame of version %u: this is version %u", head[4], VERSION);
    if (sum != XXH3_64bits(head, 40))
        return sbl_error_set(err, SABAL_EFORMAT, "the head of a frame was damaged on its way");
    if (p.type < SBL_PACKET_HELLO || p.type > SBL_PACKET_FORGET || p.size > most(p.type))
        return sbl_error_set(err, SABAL_EFORMAT, "a frame of type %u with %u bytes, of which %u are possible", p.type,
                             p.size, most(p.type));
    *packet = p;
    return SABAL_OK;
}

uint64_t sbl_packet_sum(const struct iovec *runs, int32_t n)
{
    uint64_t sum = 0;

    for (int32_t i = 0; i < n; i++)
        sum = i ? XXH3_64bits_withSeed(runs[i].iov_base, runs[i].iov_len, sum)
                : XXH3_64bits(runs[i].iov_base, runs[i].iov_len);
    return sum;
}

uint64_t sbl_packet_sum_sent(const struct iovec *runs, int32_t n)
{
    uint64_t sum = sbl_packet_sum(runs, n);

    if (n && atomic_load_explicit(&planted, memory_order_relaxed) > 0 && atomic_fetch_sub(&planted, 1) == 1)
        sum ^= 1;
    return sum;
}

void sbl_packet_plant(int64_t nth)
{
    atomic_store(&planted, nth);
}

const void *sbl_cursor_bytes(sbl_cursor *c, size_t n)
{
    const void *at = c->at;

    if (c->failed || n > c->left) {
        c->failed = 1;
        return NULL;
    }
    c->at += n;
    c->left -= n;
    return at;
}

uint64_t sbl_cursor_u64(sbl_cursor *c)
{
    const void *at = sbl_cursor_bytes(c, 8);
    uint64_t    n  = 0;

    if (at)
        memcpy(&n, at, 8);
    return n;
}
